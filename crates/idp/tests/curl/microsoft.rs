//! Microsoft's side as a socket, an administrator's home, and bash that runs the commands in it.

use std::collections::HashMap;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::SystemTime;
use std::{fs, thread};

use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use countersign_idp::cloud::Cloud;
use countersign_idp::federate::{
    Action, Anchor, Federation, MfaBehavior, NextCertificate, PromptLogin, bash,
};
use crypto::certificate::SigningKey;
use entra::graph::{Directory, Graph};
use entra::{StandIn, Tenant};
use store::Protocol;
use tempfile::TempDir;

pub const DOMAIN: &str = "contoso.com";

/// More than any action needs.
const PERMISSIONS: [&str; 3] = [
    "Domain.ReadWrite.All",
    "Domain-InternalFederation.ReadWrite.All",
    "User.ReadWrite.All",
];

pub struct Microsoft {
    pub graph: Graph,
    /// Where the commands keep what they save.
    pub home: TempDir,
    pub token: String,
    url: String,
    wire: Arc<Mutex<Wire>>,
}

/// What happens between the commands and Graph.
#[derive(Default)]
struct Wire {
    calls: usize,
    kill: Option<Kill>,
    answers: HashMap<String, Vec<Answer>>,
}

/// The process that ends when so many calls have been answered, of whose last answer it does not hear.
struct Kill {
    after: usize,
    group: Option<u32>,
}

/// What somebody else answers in Graph's place.
#[derive(Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
}

/// How a run ended.
#[derive(Debug)]
pub struct Ran {
    pub success: bool,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    #[track_caller]
    pub fn well(self) -> String {
        assert!(self.success, "{}{}", self.stdout, self.stderr);
        self.stdout
    }

    /// The reason why it stopped.
    #[track_caller]
    pub fn stopped(self) -> String {
        assert!(!self.success, "{}{}", self.stdout, self.stderr);
        assert!(self.stderr.contains("Stopped: "), "{}", self.stderr);
        self.stderr
    }
}

impl Microsoft {
    /// A tenant with a verified, Managed contoso.com.
    pub fn start() -> Self {
        let listener =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a free port");
        let address = listener
            .local_addr()
            .expect("a bound listener has an address");
        let url = format!("http://{address}");
        let tenant = Tenant {
            cloud: entra::Cloud {
                audience: "urn:federation:MicrosoftOnline".into(),
                reply: format!("{url}/login.srf"),
            },
            domains: vec![entra::Domain {
                name: DOMAIN.into(),
                federation: None,
            }],
            users: Vec::new(),
        };
        let stand_in = StandIn::new(tenant, &url, || SystemTime::now().into());
        let graph = stand_in.graph().clone();
        let token = graph.admin_token(&PERMISSIONS);
        let wire = Arc::<Mutex<Wire>>::default();
        let app = entra::router(stand_in)
            .layer(middleware::from_fn_with_state(Arc::clone(&wire), between));
        listener
            .set_nonblocking(true)
            .expect("a socket can wait elsewhere");
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime");
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).expect("it is bound");
                axum::serve(listener, app)
                    .await
                    .expect("a bound listener can be served");
            });
        });
        Self {
            graph,
            home: tempfile::tempdir().expect("the system has room for temporary files"),
            token,
            url: format!("{url}/graph"),
            wire,
        }
    }

    /// How many calls Graph has been sent since the last time that somebody asked.
    pub fn calls(&self) -> usize {
        std::mem::take(&mut self.wire().calls)
    }

    /// The next calls to a path are answered so, one after the other, in Graph's place.
    pub fn answer(&self, path: &str, answers: Vec<Answer>) {
        self.wire()
            .answers
            .insert(format!("/graph/v1.0{path}"), answers);
    }

    /// Ends the next run after so many calls, as a loss of power would.
    pub fn kill_after(&self, calls: usize) {
        let mut wire = self.wire();
        wire.calls = 0;
        wire.kill = Some(Kill {
            after: calls,
            group: None,
        });
    }

    pub fn run(
        &self,
        federation: &Federation,
        anchors: &[Anchor],
        action: Action,
        more: &[(&str, &str)],
    ) -> Ran {
        self.run_script(&bash::script(federation, anchors, action), more)
    }

    pub fn run_script(&self, script: &str, more: &[(&str, &str)]) -> Ran {
        let file = self.home.path().join("commands");
        fs::write(&file, script).expect("a temporary file can be written");
        let mut command = Command::new("bash");
        command
            .arg(&file)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.home.path())
            .env("GRAPH_URL", &self.url)
            .env("GRAPH_TOKEN", &self.token)
            .env("GRAPH_PATIENCE", "0")
            .envs(more.iter().copied())
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let child = {
            // No call can arrive before it is known whom to end.
            let mut wire = self.wire();
            let child = command.spawn().expect("bash can be run");
            if let Some(kill) = &mut wire.kill {
                kill.group = Some(child.id());
            }
            child
        };
        let output = child.wait_with_output().expect("it is our child");
        self.wire().kill = None;
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("it speaks UTF-8");
        Ran {
            success: output.status.success(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }

    /// What the commands have saved, the oldest first.
    pub fn saved(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.home.path()).expect("the home is there");
        let mut files: Vec<_> = entries
            .map(|entry| entry.expect("the home can be read").path())
            .filter(|path| {
                path.extension()
                    .is_some_and(|extension| extension == "json")
            })
            .collect();
        files.sort_by_key(|path| modified(path));
        files
    }

    fn wire(&self) -> std::sync::MutexGuard<'_, Wire> {
        self.wire.lock().expect("no thread panics with this lock")
    }
}

fn modified(path: &Path) -> SystemTime {
    let found = fs::metadata(path).and_then(|found| found.modified());
    found.expect("it has just been listed")
}

async fn between(State(wire): State<Arc<Mutex<Wire>>>, request: Request, next: Next) -> Response {
    let instead = {
        let mut wire = wire.lock().expect("no thread panics with this lock");
        wire.calls += 1;
        let answers = wire.answers.get_mut(request.uri().path());
        answers
            .filter(|answers| !answers.is_empty())
            .map(|answers| answers.remove(0))
    };
    let response = match instead {
        Some(answer) => {
            let status = axum::http::StatusCode::from_u16(answer.status)
                .expect("a test answers with a valid status");
            let mut response = (status, answer.body).into_response();
            for (name, value) in answer.headers {
                response.headers_mut().insert(
                    name,
                    value.parse().expect("a test answers with a valid header"),
                );
            }
            response
        }
        None => next.run(request).await,
    };
    let wire = wire.lock().expect("no thread panics with this lock");
    if let Some(Kill {
        after,
        group: Some(group),
    }) = &wire.kill
        && wire.calls >= *after
    {
        // The shell's own `kill`: a signal takes unsafe code otherwise.
        let killed = Command::new("sh")
            .args(["-c", &format!("kill -KILL -{group}")])
            .status();
        assert!(killed.is_ok());
    }
    response
}

/// The certificate of a key, as the commands carry it, and its thumbprint.
fn certificate(name: &str) -> NextCertificate {
    let key = SigningKey::generate(name, SystemTime::now().into(), 30).expect("a key");
    NextCertificate {
        certificate: key.certificate().base64().to_owned(),
        thumbprint: key.certificate().thumbprint(),
    }
}

/// Three certificates, made once.
pub fn certificates() -> &'static [NextCertificate; 3] {
    static MADE: OnceLock<[NextCertificate; 3]> = OnceLock::new();
    MADE.get_or_init(|| ["current", "next", "somebody else's"].map(certificate))
}

/// An app of ours for contoso.com, whose values are not of the easy kind.
pub fn federation() -> Federation {
    let base = "https://id.contoso.com/wsfed/663a8fb979aa83c58df6081e";
    let current = certificates()[0].clone();
    Federation {
        app_id: "663a8fb979aa83c58df6081e".into(),
        label: "Contoso's $(sign-in)! caf\u{e9}".into(),
        domain: DOMAIN.into(),
        issuer: format!("{base}/"),
        protocol: Protocol::Wsfed,
        passive_sign_in_url: base.into(),
        sign_out_url: format!("{base}/signout"),
        metadata_exchange_url: Some(format!("{base}/trust/mex")),
        active_sign_in_url: Some(format!("{base}/trust/2005/usernamemixed")),
        signing_certificate: current.certificate,
        thumbprint: current.thumbprint,
        next: None,
        mfa_behavior: MfaBehavior::default(),
        prompt_login: PromptLogin::default(),
        cloud: Cloud::Worldwide,
        commands_url: format!("{base}/commands"),
    }
}

/// The same with a certificate that waits.
pub fn with_next() -> Federation {
    Federation {
        next: Some(certificates()[1].clone()),
        ..federation()
    }
}

/// The same after that one was promoted.
pub fn promoted() -> Federation {
    let next = certificates()[1].clone();
    Federation {
        signing_certificate: next.certificate,
        thumbprint: next.thumbprint,
        ..federation()
    }
}

/// Somebody else's federation, with what ours does not have.
pub fn federate_with_somebody_else(directory: &mut Directory) {
    let domain = directory.domain_mut(DOMAIN).expect("it is there");
    domain.authentication_type = entra::graph::AuthenticationType::Federated;
    domain.configuration = Some(entra::graph::Configuration {
        id: "c0ffee00-0000-4000-8000-000000000000".into(),
        display_name: Some("Other".into()),
        issuer_uri: Some("http://other.example/trust".into()),
        passive_sign_in_uri: Some("https://other.example/in/".into()),
        sign_out_uri: Some("https://other.example/out".into()),
        active_sign_in_uri: Some("https://other.example/active".into()),
        password_reset_uri: Some("https://other.example/reset".into()),
        signing_certificate: Some(certificates()[2].certificate.clone()),
        next_signing_certificate: Some(certificates()[2].certificate.clone()),
        preferred_authentication_protocol: Some(entra::graph::AuthenticationProtocol::Saml),
        federated_idp_mfa_behavior: Some(entra::graph::MfaBehavior::RejectMfaByFederatedIdp),
        is_signed_authentication_request_required: Some(false),
        ..entra::graph::Configuration::default()
    });
}

/// Ours, as the commands would leave it.
pub fn federate_with_us(directory: &mut Directory) {
    let ours = federation();
    let domain = directory.domain_mut(DOMAIN).expect("it is there");
    domain.authentication_type = entra::graph::AuthenticationType::Federated;
    domain.configuration = Some(entra::graph::Configuration {
        id: "c0ffee00-0000-4000-8000-000000000001".into(),
        display_name: Some(ours.label),
        issuer_uri: Some(ours.issuer),
        passive_sign_in_uri: Some(ours.passive_sign_in_url),
        sign_out_uri: Some(ours.sign_out_url),
        active_sign_in_uri: ours.active_sign_in_url,
        metadata_exchange_uri: ours.metadata_exchange_url,
        signing_certificate: Some(ours.signing_certificate),
        preferred_authentication_protocol: Some(entra::graph::AuthenticationProtocol::WsFed),
        prompt_login_behavior: Some(entra::graph::PromptLoginBehavior::NativeSupport),
        federated_idp_mfa_behavior: Some(entra::graph::MfaBehavior::AcceptIfMfaDoneByFederatedIdp),
        is_signed_authentication_request_required: Some(false),
        ..entra::graph::Configuration::default()
    });
}
