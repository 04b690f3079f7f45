//! The built server as a process, with a database, a data directory and a port of its own.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant, SystemTime};
use std::{fs, process, thread};

use serde_json::Value;
use tempfile::TempDir;
use url::Url;

use crate::database::OwnPostgres;
use crate::{Cable, Database, profile_directory};

/// How long a server may take for anything; nothing waits this long unless something is broken.
const PATIENCE: Duration = Duration::from_mins(1);

/// A running `countersign serve`, killed when dropped; if the test failed, what it logged is printed.
#[derive(Debug)]
pub struct Server {
    setup: Setup,
    child: Child,
    log: Log,
}

impl Server {
    /// Starts a server with its database as the only choice, and waits until it is ready.
    pub async fn start(database: Database) -> Self {
        Setup::new(database).start().await
    }

    /// What it was started with, for the command line beside it, or to start another on the same data.
    pub fn setup(&self) -> &Setup {
        &self.setup
    }

    /// The address of a path.
    pub fn url(&self, path: &str) -> Url {
        self.setup.url(path)
    }

    /// Runs the command line beside the server, on the same database.
    pub fn cli(&self, arguments: &[&str]) -> Ran {
        self.setup.cli(arguments)
    }

    /// Runs the command line with something on its standard input, such as a password.
    pub fn cli_with_input(&self, arguments: &[&str], input: &str) -> Ran {
        self.setup.cli_with_input(arguments, input)
    }

    /// What a command prints with `--json`.
    pub fn cli_json(&self, arguments: &[&str]) -> Value {
        self.setup.cli_json(arguments)
    }

    /// Everything it has written to standard output and standard error.
    pub fn log(&self) -> String {
        self.log.text()
    }

    /// The first line that it has written, or soon will, with these words in it.
    pub async fn logged(&self, words: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(line) = self.log().lines().find(|line| line.contains(words)) {
                return line.to_owned();
            }
            assert!(Instant::now() < deadline, "it never logged {words:?}");
            pause().await;
        }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to end, as systemd does, and does not wait.
    pub fn terminate(&self) {
        // The shell's own `kill`: a signal takes unsafe code otherwise, and not every system has the program.
        let sent = Command::new("sh")
            .args(["-c", &format!("kill -TERM {}", self.pid())])
            .status();
        assert!(
            sent.is_ok_and(|status| status.success()),
            "it runs no longer"
        );
    }

    /// Waits until it has ended.
    pub async fn ended(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("it is our child") {
                return status;
            }
            assert!(Instant::now() < deadline, "it does not end");
            pause().await;
        }
    }

    /// Ends it in peace and gives back what it was started with, data included.
    pub async fn stop(mut self) -> Setup {
        self.terminate();
        let status = self.ended().await;
        assert!(status.success(), "SIGTERM ended it with {status}");
        self.setup.clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already, as some tests want it to.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            let Setup { database, .. } = self.setup;
            eprintln!(
                "--- the server on {database:?} logged ---\n{}---",
                self.log()
            );
        }
    }
}

/// What a server is started with; clones share the data.
#[derive(Clone, Debug)]
pub struct Setup {
    database: Database,
    data: Arc<Data>,
    environment: Vec<(String, String)>,
}

#[derive(Debug)]
struct Data {
    directory: TempDir,
    postgres: Option<OwnPostgres>,
}

impl Setup {
    /// An empty database and data directory, and a free port on loopback.
    pub fn new(database: Database) -> Self {
        let data = Data {
            directory: tempfile::tempdir().expect("the system has room for temporary files"),
            postgres: (database == Database::Postgres).then(OwnPostgres::create),
        };
        let data_directory = data.directory.path().join("data");
        let url = data
            .postgres
            .as_ref()
            .map(|postgres| postgres.url.to_string());
        let setup = Self {
            database,
            data: Arc::new(data),
            environment: Vec::new(),
        }
        .with("COUNTERSIGN_DATA_DIR", &data_directory.to_string_lossy())
        .on_free_port();
        // SQLite is what a server takes when it is told nothing.
        match url {
            Some(url) => setup.with("COUNTERSIGN_DATABASE_URL", &url),
            None => setup,
        }
    }

    /// Sets an environment variable of the server and of its command line.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.environment.retain(|(key, _)| key != name);
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Speaks TLS itself, with this certificate and key in PEM files.
    #[must_use]
    pub fn with_tls(self, certificate: &Path, key: &Path) -> Self {
        let mut url = self.url("/");
        url.set_scheme("https")
            .expect("one web scheme replaces the other");
        self.with("COUNTERSIGN_TLS_CERT", &certificate.to_string_lossy())
            .with("COUNTERSIGN_TLS_KEY", &key.to_string_lossy())
            .with("COUNTERSIGN_PUBLIC_URL", url.as_str().trim_end_matches('/'))
    }

    /// Reaches PostgreSQL through a cable that the test can cut.
    pub fn with_cable(self) -> (Self, Cable) {
        let postgres = self
            .data
            .postgres
            .as_ref()
            .expect("a cable is for PostgreSQL");
        let mut url = postgres.url.clone();
        let far_end = url
            .socket_addrs(|| Some(5432))
            .expect("the host of PostgreSQL resolves");
        let cable = Cable::to(
            *far_end
                .first()
                .expect("a host that resolves has an address"),
        );
        url.set_ip_host(cable.address().ip())
            .and_then(|()| url.set_port(Some(cable.address().port())))
            .expect("a database URL has a host and a port");
        (self.with("COUNTERSIGN_DATABASE_URL", url.as_str()), cable)
    }

    /// The same data and settings on another port: one more server of the same installation.
    #[must_use]
    pub fn on_free_port(self) -> Self {
        let port = free_port();
        self.with("COUNTERSIGN_LISTEN", &format!("127.0.0.1:{port}"))
            .with(
                "COUNTERSIGN_PUBLIC_URL",
                &format!("http://localhost:{port}"),
            )
    }

    /// Starts a server and waits until it is ready.
    pub async fn start(&self) -> Server {
        let mut server = self.spawn(&["serve"]);
        let client = reqwest::Client::builder()
            .no_proxy()
            // Ready is ready; whether the certificate is good is another test's question.
            .tls_danger_accept_invalid_certs(true)
            .build()
            .expect("the client needs nothing from outside");
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = server.child.try_wait().expect("it is our child") {
                panic!("the server ended with {status} instead of starting");
            }
            let answer = client.get(self.url("/readyz")).send().await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                return server;
            }
            assert!(Instant::now() < deadline, "the server does not get ready");
            pause().await;
        }
    }

    /// Starts a server that must refuse to run, and returns what it said.
    pub async fn refuse(&self) -> String {
        let mut server = self.spawn(&["serve"]);
        let status = server.ended().await;
        assert!(!status.success(), "it ended with success");
        server.log.complete();
        server.log()
    }

    /// The address of a path at the server.
    pub fn url(&self, path: &str) -> Url {
        let base = self
            .variable("COUNTERSIGN_PUBLIC_URL")
            .expect("every setup has one");
        let base = Url::parse(base).expect("a test sets a valid public URL");
        base.join(path).expect("a test asks for a valid path")
    }

    /// The value that [`Setup::with`] has given a variable.
    pub fn variable(&self, name: &str) -> Option<&str> {
        let (_, value) = self.environment.iter().find(|(key, _)| key == name)?;
        Some(value)
    }

    /// The temporary directory that the server works in; its data lies in `data`.
    pub fn directory(&self) -> &Path {
        self.data.directory.path()
    }

    /// Runs the command line.
    pub fn cli(&self, arguments: &[&str]) -> Ran {
        self.cli_with_input(arguments, "")
    }

    /// Runs the command line with something on its standard input, such as a password.
    pub fn cli_with_input(&self, arguments: &[&str], input: &str) -> Ran {
        let mut child = self
            .command(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the server's binary can be run");
        let mut stdin = child.stdin.take().expect("it is piped");
        // A command that does not read its input may have ended by now.
        let _ = stdin.write_all(input.as_bytes());
        drop(stdin);
        let output = child.wait_with_output().expect("it is our child");
        Ran {
            command: arguments.join(" "),
            success: output.status.success(),
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).expect("the command line writes UTF-8"),
            stderr: String::from_utf8(output.stderr).expect("the command line writes UTF-8"),
        }
    }

    /// What a command prints with `--json`.
    pub fn cli_json(&self, arguments: &[&str]) -> Value {
        let printed = self.cli(&[arguments, &["--json"]].concat()).succeeded();
        serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{error} in:\n{printed}"))
    }

    /// Starts a command that stays, such as `serve`, and does not wait for it.
    pub fn spawn(&self, arguments: &[&str]) -> Server {
        let mut child = self
            .command(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the server's binary can be run");
        let log = Log::of(&mut child);
        Server {
            setup: self.clone(),
            child,
            log,
        }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary());
        // Not the developer's settings: neither variables nor a `config` directory.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("COUNTERSIGN_") {
                command.env_remove(name);
            }
        }
        command
            .current_dir(self.directory())
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .args(arguments);
        command
    }
}

/// A command that has run.
#[derive(Clone, Debug)]
pub struct Ran {
    pub command: String,
    pub success: bool,
    /// None when a signal ended it.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    /// What it printed; it must have succeeded.
    pub fn succeeded(self) -> String {
        let Self {
            command, stderr, ..
        } = &self;
        assert!(self.success, "`countersign {command}` failed:\n{stderr}");
        self.stdout
    }

    /// Why it failed; it must have failed, and printed nothing that looks like a result.
    pub fn failed(self) -> String {
        let Self {
            command, stdout, ..
        } = &self;
        assert!(
            !self.success,
            "`countersign {command}` went well:\n{stdout}"
        );
        assert_eq!(
            stdout, "",
            "`countersign {command}` failed on standard output"
        );
        self.stderr
    }
}

/// What a process writes, gathered while it runs.
#[derive(Debug)]
struct Log {
    text: Arc<Mutex<String>>,
    readers: Vec<thread::JoinHandle<()>>,
}

impl Log {
    fn of(child: &mut Child) -> Self {
        let text = Arc::default();
        let readers = vec![
            gather(child.stdout.take().expect("it is piped"), &text),
            gather(child.stderr.take().expect("it is piped"), &text),
        ];
        Self { text, readers }
    }

    fn text(&self) -> String {
        let text = self.text.lock().expect("no thread panics with this lock");
        text.clone()
    }

    /// Waits for the last words of a process that has ended.
    fn complete(&mut self) {
        for reader in self.readers.drain(..) {
            reader.join().expect("reading does not panic");
        }
    }
}

fn gather(from: impl Read + Send + 'static, into: &Arc<Mutex<String>>) -> thread::JoinHandle<()> {
    let text = Arc::clone(into);
    thread::spawn(move || {
        let lines = BufReader::new(from).split(b'\n').map_while(Result::ok);
        for line in lines {
            let mut text = text.lock().expect("no thread panics with this lock");
            text.push_str(&String::from_utf8_lossy(&line));
            text.push('\n');
        }
    })
}

/// The server's binary, which must be newer than its sources: an old one would pass tests that the code does not.
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        let binary = profile_directory().join("countersign");
        let modified = |path: &Path| fs::metadata(path).and_then(|found| found.modified()).ok();
        let built = modified(&binary);
        let newest = sources(&binary)
            .iter()
            .filter_map(|path| modified(path))
            .max();
        assert!(
            built.is_some_and(|built| newest.unwrap_or(SystemTime::UNIX_EPOCH) <= built),
            "{} is missing or older than its sources: run `cargo build --workspace --bins` first",
            binary.display()
        );
        binary
    })
}

/// What Cargo has noted beside a binary as its sources, in the form of a make rule.
fn sources(binary: &Path) -> Vec<PathBuf> {
    let rule = fs::read_to_string(binary.with_extension("d")).unwrap_or_default();
    let (_, sources) = rule.split_once(": ").unwrap_or_default();
    let sources = sources.replace("\\ ", "\0");
    let sources = sources.split_whitespace();
    sources.map(|path| path.replace('\0', " ").into()).collect()
}

/// A port that nobody listens on, below those that the system hands out to clients in the meantime.
pub(crate) fn free_port() -> u16 {
    static ASKED: AtomicU32 = AtomicU32::new(0);
    loop {
        // Test processes that run side by side begin far from one another.
        let turn = process::id().wrapping_mul(97) + ASKED.fetch_add(1, Ordering::Relaxed);
        let port = u16::try_from(10_000 + turn % 10_000).expect("19 999 is a port");
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}

pub(crate) async fn pause() {
    tokio::time::sleep(Duration::from_millis(10)).await;
}
