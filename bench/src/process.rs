//! The server as a process of its own: set up by its command line, watched through /proc.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use protocol::saml2::redirect_query;

use crate::http::{Answer, Connection};

pub const PASSWORD: &str = "correct horse battery";

/// A database with Alice, who may use Microsoft 365.
pub struct Company {
    pub database: &'static str,
    folder: tempfile::TempDir,
    database_url: Option<String>,
    app_id: String,
}

/// A way of signing on.
#[derive(Clone, Copy)]
pub enum Sign {
    WsFed,
    Saml,
}

impl Sign {
    pub fn name(self) -> &'static str {
        match self {
            Self::WsFed => "WS-Federation",
            Self::Saml => "SAML 2.0",
        }
    }

    /// What the page with a token holds.
    pub fn field(self) -> &'static str {
        match self {
            Self::WsFed => "name=\"wresult\"",
            Self::Saml => "name=\"SAMLResponse\"",
        }
    }
}

/// As Entra writes it.
const AUTHN_REQUEST: &str = "<samlp:AuthnRequest xmlns:samlp=\"urn:oasis:names:tc:SAML:2.0:protocol\" ID=\"_1e08\" Version=\"2.0\" IssueInstant=\"2026-11-21T00:00:00Z\"><Issuer xmlns=\"urn:oasis:names:tc:SAML:2.0:assertion\">urn:federation:MicrosoftOnline</Issuer><samlp:NameIDPolicy Format=\"urn:oasis:names:tc:SAML:2.0:nameid-format:persistent\"/></samlp:AuthnRequest>";

/// A request for a token with a password (WS-Trust 1.3 §4.1).
const RST: &str = "<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\" xmlns:a=\"http://www.w3.org/2005/08/addressing\" xmlns:u=\"http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd\"><s:Header><a:Action s:mustUnderstand=\"1\">http://docs.oasis-open.org/ws-sx/ws-trust/200512/RST/Issue</a:Action><a:MessageID>urn:uuid:6ec9a1b5-4b0c-4b52-8d3e-0a6ff4a6f5a1</a:MessageID><o:Security s:mustUnderstand=\"1\" xmlns:o=\"http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd\"><u:Timestamp><u:Created>{created}</u:Created><u:Expires>{expires}</u:Expires></u:Timestamp><o:UsernameToken><o:Username>{username}</o:Username><o:Password>{password}</o:Password></o:UsernameToken></o:Security></s:Header><s:Body><trust:RequestSecurityToken xmlns:trust=\"http://docs.oasis-open.org/ws-sx/ws-trust/200512\"><p:AppliesTo xmlns:p=\"http://schemas.xmlsoap.org/ws/2004/09/policy\"><a:EndpointReference><a:Address>urn:federation:MicrosoftOnline</a:Address></a:EndpointReference></p:AppliesTo><trust:KeyType>http://docs.oasis-open.org/ws-sx/ws-trust/200512/Bearer</trust:KeyType><trust:RequestType>http://docs.oasis-open.org/ws-sx/ws-trust/200512/Issue</trust:RequestType></trust:RequestSecurityToken></s:Body></s:Envelope>";

impl Company {
    pub fn on_sqlite() -> Result<Self> {
        Self::found("sqlite", None)
    }

    /// On a database of its own in this PostgreSQL, which is thrown away as a whole.
    pub fn on_postgres(url: &str) -> Result<Self> {
        let name = format!("countersign_bench_{}", std::process::id());
        let made = Command::new("psql")
            .args([
                "--quiet",
                "--command",
                &format!("CREATE DATABASE {name}"),
                url,
            ])
            .status()?;
        ensure!(
            made.success(),
            "cannot create a database for the measurement"
        );
        let (server, _) = url.rsplit_once('/').context("the URL names no database")?;
        Self::found("postgres", Some(format!("{server}/{name}")))
    }

    fn found(database: &'static str, database_url: Option<String>) -> Result<Self> {
        let mut company = Self {
            database,
            folder: tempfile::tempdir()?,
            database_url,
            app_id: String::new(),
        };
        company.run(&[
            "user",
            "add",
            "alice@contoso.com",
            "--display-name",
            "Alice",
            "--password-stdin",
        ])?;
        company.run(&["group", "add", "Staff"])?;
        company.run(&["group", "join", "Staff", "alice@contoso.com"])?;
        let app = company.run(&["app", "add", "m365", "--domain", "contoso.com", "--json"])?;
        let app: serde_json::Value = serde_json::from_str(&app)?;
        app["id"]
            .as_str()
            .context("the app has no id")?
            .clone_into(&mut company.app_id);
        company.run(&["app", "grant", "contoso.com", "Staff"])?;
        company.run(&["app", "set", "contoso.com", "--active", "on"])?;
        Ok(company)
    }

    /// A sign-in request as Microsoft makes it.
    pub fn path(&self, way: Sign) -> String {
        let context = "LoginOptions%3D3%26estsredirect%3d2%26estsrequest%3d".to_owned()
            + &"rQQIARAA".repeat(100);
        let app = &self.app_id;
        match way {
            Sign::WsFed => format!(
                "/wsfed/{app}?wa=wsignin1.0&wtrealm=urn%3afederation%3aMicrosoftOnline&wctx={context}"
            ),
            Sign::Saml => format!(
                "/saml2/{app}?{}",
                redirect_query(false, AUTHN_REQUEST, Some(&context), None)
            ),
        }
    }

    /// Asks for a token as MSAL does, by WS-Trust 1.3.
    pub fn ask_for_token(
        &self,
        connection: &mut Connection,
        upn: &str,
        from: &str,
    ) -> Result<Answer> {
        #[expect(
            clippy::disallowed_methods,
            reason = "the server that is measured goes by the real time"
        )]
        let now = chrono::Utc::now();
        let time = |at: chrono::DateTime<chrono::Utc>| at.format("%Y-%m-%dT%H:%M:%SZ").to_string();
        let envelope = RST
            .replace("{created}", &time(now))
            .replace("{expires}", &time(now + chrono::TimeDelta::minutes(10)))
            .replace("{username}", upn)
            .replace("{password}", PASSWORD);
        let path = format!("/wsfed/{}/trust/13/usernamemixed", self.app_id);
        connection.soap(&path, from, &envelope)
    }

    fn command(&self, arguments: &[&str]) -> Result<Command> {
        let binary = std::env::current_exe()?.with_file_name("countersign");
        if !binary.exists() {
            bail!(
                "{} is missing: run “make bench”, which builds it",
                binary.display()
            );
        }
        let mut command = Command::new(binary);
        for (name, _) in std::env::vars_os()
            .filter(|(name, _)| name.to_string_lossy().starts_with("COUNTERSIGN_"))
        {
            command.env_remove(name);
        }
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env("COUNTERSIGN_DATA_DIR", self.folder.path());
        // Strangers come through a proxy in these measurements, so that each has an address of his own.
        command
            .env("COUNTERSIGN_TRUSTED_PROXIES", "127.0.0.1")
            .env("COUNTERSIGN_PUBLIC_URL", "http://localhost:8080");
        if let Some(url) = &self.database_url {
            command.env("COUNTERSIGN_DATABASE_URL", url);
        }
        Ok(command)
    }

    fn run(&self, arguments: &[&str]) -> Result<String> {
        use std::io::Write as _;
        let mut child = self
            .command(arguments)?
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let _ = child
            .stdin
            .take()
            .expect("it is piped")
            .write_all(PASSWORD.as_bytes());
        let output = child.wait_with_output()?;
        ensure!(
            output.status.success(),
            "countersign {} failed",
            arguments.join(" ")
        );
        Ok(String::from_utf8(output.stdout)?)
    }
}

/// A running server, ended when dropped.
pub struct Server {
    child: Child,
    pub port: u16,
    pub ready_after: Duration,
}

impl Server {
    pub fn start(company: &Company) -> Result<Self> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let start = Instant::now();
        let child = company
            .command(&["serve"])?
            .env("COUNTERSIGN_LISTEN", format!("127.0.0.1:{port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let mut server = Self {
            child,
            port,
            ready_after: Duration::ZERO,
        };
        while start.elapsed() < Duration::from_secs(30) {
            let ready = Connection::open(port)
                .and_then(|mut connection| connection.get("/readyz", "", None));
            if ready.is_ok_and(|answer| answer.status == 200) {
                server.ready_after = start.elapsed();
                return Ok(server);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        bail!("the server does not get ready")
    }

    /// The sign-in form and what belongs to it; it may be sent any number of times.
    pub fn form(&self) -> Result<Form> {
        let page = Connection::open(self.port)?.get("/sign-in", "", None)?;
        let (_, rest) = page
            .body
            .split_once("name=\"form_token\" value=\"")
            .context("the page has no form")?;
        let token = rest.split('"').next().unwrap_or_default().to_owned();
        Ok(Form {
            token,
            cookie: page.cookies.join("; "),
        })
    }

    /// Signs Alice in and returns her session.
    pub fn sign_in(&self, company: &Company) -> Result<String> {
        let mut connection = Connection::open(self.port)?;
        let answer =
            self.form()?
                .submit(&mut connection, "alice@contoso.com", PASSWORD, "192.0.2.1")?;
        ensure!(
            answer.status == 303,
            "Alice could not sign in to {}: {}",
            company.database,
            answer.status
        );
        let session = answer
            .cookies
            .iter()
            .find_map(|cookie| cookie.strip_prefix("countersign-session="));
        Ok(session.context("there is no session")?.to_owned())
    }

    /// User and system time of all its threads so far (proc(5), `stat`).
    pub fn cpu_seconds(&self) -> Result<f64> {
        let stat = std::fs::read_to_string(self.proc("stat"))?;
        let (_, fields) = stat
            .rsplit_once(") ")
            .context("an unknown format of /proc/PID/stat")?;
        let ticks = fields
            .split(' ')
            .skip(11)
            .take(2)
            .map(str::parse::<f64>)
            .sum::<Result<f64, _>>()?;
        Ok(ticks / 100.0)
    }

    pub fn resident_mib(&self) -> Result<f64> {
        let status = std::fs::read_to_string(self.proc("status"))?;
        let line = status
            .lines()
            .find(|line| line.starts_with("VmRSS:"))
            .context("no VmRSS in /proc/PID/status")?;
        let kib: f64 = line
            .split_whitespace()
            .nth(1)
            .context("VmRSS has no value")?
            .parse()?;
        Ok(kib / 1024.0)
    }

    fn proc(&self, file: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{file}", self.child.id()))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A sign-in form with the cookie that it is bound to.
pub struct Form {
    token: String,
    cookie: String,
}

impl Form {
    pub fn submit(
        &self,
        connection: &mut Connection,
        upn: &str,
        password: &str,
        from: &str,
    ) -> Result<Answer> {
        let form = format!(
            "username={}&password={}&form_token={}",
            upn.replace('@', "%40"),
            password.replace(' ', "+"),
            self.token
        );
        connection.post("/sign-in", &self.cookie, from, &form)
    }
}

/// What this is measured on and when.
pub fn machine() -> Result<String> {
    let cpu = std::fs::read_to_string("/proc/cpuinfo")?;
    let model = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map_or("unknown CPU", |line| {
            line.trim_start_matches([' ', '\t', ':'])
        });
    let cores = std::thread::available_parallelism()?;
    let date = Command::new("date")
        .args(["-u", "+%Y-%m-%d %H:%M UTC"])
        .output()?;
    let openssl = Command::new("openssl").arg("version").output()?;
    Ok(format!(
        "{}, {model}, {cores} cores, {}",
        String::from_utf8(date.stdout)?.trim(),
        String::from_utf8(openssl.stdout)?.trim()
    ))
}
