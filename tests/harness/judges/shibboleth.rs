//! Shibboleth's service provider, as Debian ships it: Apache with mod_shib, and shibd, on loopback.

mod configuration;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use scraper::{Html, Selector};
use tempfile::TempDir;
use url::Url;

use self::configuration::{NOBODY, WWW_DATA, nobody, we_are_root};
use super::key::Key;
use crate::server::{free_port, pause};
use crate::{Browser, Page};

/// How long it may take to start, which is less than a second unless something is broken.
const PATIENCE: Duration = Duration::from_mins(1);

/// How a message travels (SAML bindings §3.4, §3.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binding {
    Redirect,
    Post,
}

impl Binding {
    /// The URI that stands for it.
    pub fn uri(self) -> &'static str {
        match self {
            Self::Redirect => "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect",
            Self::Post => "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST",
        }
    }
}

/// What its administrator may choose.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Signs its requests for authentication; those for logout are always signed (SAML profiles §4.4.4.1).
    pub sign_requests: bool,
    /// Believes responses to requests that it has not made (SAML profiles §4.1.5).
    pub unsolicited: bool,
    /// By which binding it asks for authentication.
    pub sign_on: Binding,
    /// By which binding it asks for logout.
    pub sign_out: Binding,
    /// Publishes a certificate to encrypt assertions with, and has the key.
    pub encryption: bool,
    /// The attributes that it knows, each with its NameFormat; what it does not know, it forgets.
    pub attributes: Vec<(String, String)>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            sign_requests: true,
            unsolicited: false,
            sign_on: Binding::Redirect,
            sign_out: Binding::Redirect,
            encryption: false,
            attributes: Vec::new(),
        }
    }
}

/// A running service provider with keys of its own, killed when dropped; if the test failed, its logs are printed.
#[derive(Debug)]
pub struct ServiceProvider {
    settings: Settings,
    folder: TempDir,
    port: u16,
    signing: Key,
    encryption: Key,
    running: Vec<Child>,
}

/// What it knows of somebody who is signed in: attributes by their names, and what [`VARIABLES`] and [`NAME_IDS`] name.
pub type Session = BTreeMap<String, String>;

/// What it says of every session.
pub const VARIABLES: [&str; 5] = [
    "Shib-Session-ID",
    "Shib-Identity-Provider",
    "Shib-Authentication-Instant",
    "Shib-AuthnContext-Class",
    "Shib-Session-Index",
];

/// The formats of name identifiers that it knows (SAML core §8.3); a session has the last word of one as a name.
pub const NAME_IDS: [&str; 4] = [
    "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified",
    "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress",
    "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent",
    "urn:oasis:names:tc:SAML:2.0:nameid-format:transient",
];

impl ServiceProvider {
    /// Starts one that trusts no identity provider yet, and waits until it is ready.
    pub async fn start(settings: Settings) -> Self {
        let mut provider = Self {
            settings,
            folder: tempfile::tempdir().expect("the system has room for temporary files"),
            port: free_port(),
            signing: Key::generate("sp-signing"),
            encryption: Key::generate("sp-encryption"),
            running: Vec::new(),
        };
        provider.trust(NOBODY, &nobody()).await;
        provider
    }

    /// Trusts one identity provider, by its metadata, in place of any other; sessions end, as it starts anew.
    pub async fn trust(&mut self, entity_id: &str, metadata: &str) {
        self.stop();
        self.configure(entity_id, metadata);
        let folder = self.folder.path().to_owned();
        let shibd = self.run(
            mortal("/usr/sbin/shibd")
                .args(["-F", "-c"])
                .arg(folder.join("shibboleth2.xml"))
                .arg("-p")
                .arg(folder.join("shibd.pid")),
        );
        self.running.push(shibd);
        // Apache would wait for seconds before it tries again.
        self.until(async |_| folder.join(SOCKET).exists()).await;
        let apache = self.run(
            mortal("/usr/sbin/apache2")
                .args(["-X", "-f"])
                .arg(folder.join("apache.conf")),
        );
        self.running.push(apache);
        let client = reqwest::Client::builder().no_proxy().build();
        let client = client.expect("the client needs nothing from outside");
        self.until(async |metadata| {
            let answer = client.get(metadata).send().await;
            answer.is_ok_and(|answer| answer.status().is_success())
        })
        .await;
    }

    /// Its metadata, as it publishes it.
    pub async fn metadata(&self) -> String {
        let page = Browser::new().get(&self.url(METADATA)).await;
        assert_eq!(page.status, 200, "{}\n{}", page.source(), self.log());
        page.source().to_owned()
    }

    /// Its entity id.
    pub fn entity_id(&self) -> String {
        self.url("shibboleth").into()
    }

    /// A page for people who are signed in; who is not is sent to the identity provider.
    pub fn protected(&self) -> Url {
        self.url("protected/")
    }

    /// Signs in with options such as `isPassive`, `forceAuthn`, `authnContextClassRef` and `NameIDFormat`.
    pub fn login(&self, options: &[(&str, &str)]) -> Url {
        let mut url = self.url("Shibboleth.sso/Login");
        url.query_pairs_mut()
            .append_pair("target", self.protected().as_str())
            .extend_pairs(options);
        url
    }

    /// Signs out here and at the identity provider.
    pub fn logout(&self) -> Url {
        self.url("Shibboleth.sso/Logout")
    }

    /// Where it receives responses, by POST.
    pub fn assertion_consumer_service(&self) -> Url {
        self.url("Shibboleth.sso/SAML2/POST")
    }

    /// Where it receives logout messages.
    pub fn single_logout_service(&self, binding: Binding) -> Url {
        self.url(match binding {
            Binding::Redirect => "Shibboleth.sso/SLO/Redirect",
            Binding::Post => "Shibboleth.sso/SLO/POST",
        })
    }

    /// Who it believes to see, if somebody is signed in; signs nobody in.
    pub async fn session(&self, browser: &Browser) -> Option<Session> {
        let page = browser.get(&self.url("")).await;
        assert_eq!(page.status, 200, "{}\n{}", page.source(), self.log());
        let session = session_on(&page);
        session.contains_key("Shib-Session-ID").then_some(session)
    }

    /// The file of the key that it decrypts with.
    pub fn encryption_key(&self) -> PathBuf {
        self.encryption.file()
    }

    /// What it has logged, with the reasons of its refusals.
    pub fn log(&self) -> String {
        ["shibd.log", "mod_shib.log", "apache.log", "output"]
            .map(|name| fs::read_to_string(self.folder.path().join(name)).unwrap_or_default())
            .concat()
    }

    fn url(&self, path: &str) -> Url {
        let root = Url::parse(&format!("http://127.0.0.1:{}/", self.port));
        root.and_then(|root| root.join(path))
            .expect("an address and a path make a URL")
    }

    async fn until(&mut self, ready: impl AsyncFn(Url) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !ready(self.url(METADATA)).await {
            for child in &mut self.running {
                let ended = child.try_wait().expect("it is our child");
                assert!(
                    ended.is_none(),
                    "Shibboleth ended instead of starting; run scripts/install.sh test"
                );
            }
            assert!(Instant::now() < deadline, "Shibboleth does not get ready");
            pause().await;
        }
    }

    fn stop(&mut self) {
        for mut child in self.running.drain(..) {
            // It may have ended already.
            let _ = child.kill();
            let _ = child.wait();
        }
        for left in [SOCKET, "apache.pid"] {
            let _ = fs::remove_file(self.folder.path().join(left));
        }
    }

    /// Runs one of the two programs; neither needs more than its folder.
    fn run(&self, program: &mut Command) -> Child {
        let folder = self.folder.path();
        let output = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(folder.join("output"))
            .expect("the folder can be written");
        program
            .env("SHIBSP_LOGDIR", folder)
            .env("SHIBSP_RUNDIR", folder)
            .env("SHIBSP_CACHEDIR", folder)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(output.try_clone().expect("a file can be shared"))
            .stderr(output);
        if we_are_root() {
            program.uid(WWW_DATA).gid(WWW_DATA);
        }
        program
            .spawn()
            .unwrap_or_else(|error| panic!("{program:?}: {error}"))
    }
}

/// A program that ends with the thread that starts it, so that tests which are interrupted leave nothing behind.
fn mortal(program: &str) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", program]);
    command
}

impl Drop for ServiceProvider {
    fn drop(&mut self) {
        self.stop();
        if thread::panicking() {
            eprintln!("--- Shibboleth logged ---\n{}---", self.log());
        }
    }
}

/// What one of its own pages says of the session.
pub fn session_on(page: &Page) -> Session {
    let data = Selector::parse("data").expect("it is a selector");
    Html::parse_document(page.source())
        .select(&data)
        .filter_map(|data| Some((data.attr("id")?, data.attr("value")?)))
        .filter(|(_, value)| *value != NOTHING)
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// How mod_include writes a variable that is not set.
const NOTHING: &str = "(none)";

/// Where Apache reaches shibd.
const SOCKET: &str = "socket";

const METADATA: &str = "Shibboleth.sso/Metadata";
