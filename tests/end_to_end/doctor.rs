//! `countersign doctor`, and what monitoring reads.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use harness::{Browser, Database, Setup, databases};
use serde_json::Value;

use crate::company::{Contoso, add_user, text};

/// What the doctor says, and his exit code.
struct Visit {
    code: Option<i32>,
    report: Value,
    printed: String,
}

impl Visit {
    fn to(setup: &Setup, options: &[&str]) -> Self {
        let ran = setup.cli(&[&["doctor", "--json"], options].concat());
        assert_eq!(ran.stderr, "");
        Self {
            code: ran.code,
            report: serde_json::from_str(&ran.stdout).expect("--json prints JSON"),
            printed: ran.stdout,
        }
    }

    /// The findings of a check.
    fn found(&self, check: &str) -> Vec<&Value> {
        let findings = self.report["findings"].as_array().expect("a list");
        let found: Vec<&Value> = findings
            .iter()
            .filter(|one| one["check"] == check)
            .collect();
        assert!(
            !found.is_empty(),
            "nothing looked at {check}: {}",
            self.printed
        );
        found
    }

    /// The one finding that is not well, which must say how it is mended.
    fn ill(&self, check: &str) -> (&str, &str, &str) {
        let found = self.found(check);
        let ill = found.iter().find(|one| one["state"] != "ok");
        let ill = ill.unwrap_or_else(|| panic!("{check} is well: {}", self.printed));
        (text(ill, "state"), text(ill, "seen"), text(ill, "fix"))
    }

    fn well(&self, check: &str) {
        for one in self.found(check) {
            assert_eq!(one["state"], "ok", "{one}");
            assert_eq!(one["fix"], Value::Null);
        }
    }
}

/// A certificate for localhost that holds for so many days.
fn certify(folder: &Path, days: &str, name: &str) {
    let made = Command::new("openssl")
        .args([
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", days,
        ])
        .args([
            "-subj",
            "/CN=test",
            "-addext",
            &format!("subjectAltName=DNS:{name}"),
        ])
        .args(["-keyout", "tls.key", "-out", "tls.crt"])
        .current_dir(folder)
        .output()
        .expect("openssl runs");
    assert!(made.status.success());
    set_mode(&folder.join("tls.key"), 0o600);
}

fn set_mode(file: &Path, mode: u32) {
    fs::set_permissions(file, fs::Permissions::from_mode(mode)).expect("it is our file");
}

/// TLS by a certificate that this machine believes.
fn with_tls(setup: Setup, folder: &Path, days: &str, name: &str) -> Setup {
    certify(folder, days, name);
    let (certificate, key) = (folder.join("tls.crt"), folder.join("tls.key"));
    let setup = setup.with_tls(&certificate, &key);
    setup.with("SSL_CERT_FILE", &certificate.to_string_lossy())
}

#[tokio::test]
async fn an_installation_in_order_ends_with_0_and_each_kind_of_trouble_with_its_own_code() {
    for database in databases() {
        let folder = tempfile::tempdir().expect("a folder");
        let setup = with_tls(Setup::new(database), folder.path(), "90", "localhost");
        let server = setup.start().await;
        server
            .cli(&["app", "add", "m365", "--domain", "contoso.com"])
            .succeeded();
        server.cli(&["group", "add", "Staff"]).succeeded();
        server
            .cli(&["app", "grant", "contoso.com", "Staff"])
            .succeeded();
        add_user(&server, "ada@contoso.com", true);
        server
            .cli(&["group", "join", "Staff", "ada@contoso.com"])
            .succeeded();
        let audited = server.cli_json(&["audit", "list"]);

        let visit = Visit::to(&setup, &["--offline"]);
        assert_eq!(
            (visit.code, &visit.report["result"]),
            (Some(0), &"ok".into()),
            "{}",
            visit.printed
        );
        assert_eq!(server.cli_json(&["audit", "list"]), audited);

        server
            .cli(&["app", "set", "contoso.com", "--active", "on"])
            .succeeded();
        let visit = Visit::to(&setup, &["--offline"]);
        assert_eq!(
            (visit.code, &visit.report["result"]),
            (Some(3), &"warning".into())
        );
        assert!(visit.ill("ws-trust").2.contains("--active-from"));

        server
            .cli(&["user", "disable", "ada@contoso.com"])
            .succeeded();
        let visit = Visit::to(&setup, &["--offline"]);
        assert_eq!(
            (visit.code, &visit.report["result"]),
            (Some(2), &"problem".into())
        );
        assert_eq!(visit.ill("administrators").0, "problem");

        let words = setup.cli(&["doctor", "--offline"]);
        assert_eq!(words.code, Some(2));
        assert!(
            words.stdout.contains("problem  administrators: "),
            "{}",
            words.stdout
        );
        assert!(words.stdout.contains("\n         → "), "{}", words.stdout);

        // No secret in either form.
        let key = fs::read_to_string(setup.directory().join("data/master.key")).expect("the key");
        let url = setup
            .variable("COUNTERSIGN_DATABASE_URL")
            .unwrap_or("sqlite");
        for printed in [&words.stdout, &visit.printed] {
            assert!(!printed.contains(key.trim()) && !printed.contains("PRIVATE KEY"));
            assert!(!url.contains("://") || !printed.contains(url), "{printed}");
        }
    }
}

#[tokio::test]
async fn the_public_url_is_asked_as_the_world_asks_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let setup = with_tls(
        Setup::new(Database::Sqlite),
        folder.path(),
        "90",
        "localhost",
    );
    let contoso = Contoso::with(setup.clone()).await;
    let visit = Visit::to(&setup, &[]);
    for check in [
        "public URL",
        "tls",
        "same installation",
        "clock",
        "metadata",
        "files",
    ] {
        visit.well(check);
    }
    assert_eq!(
        visit.found("clock").len(),
        2,
        "ours and Microsoft's stand-in"
    );
    let seen = text(visit.found("tls")[0], "seen");
    assert!(
        seen.contains("for localhost;") && seen.contains("(89 days)"),
        "{seen}"
    );
    assert_eq!(
        visit.ill("leftovers").0,
        "warning",
        "Microsoft is a stand-in"
    );
    assert!(visit.ill("users").1.contains("frank@fabrikam.com"));

    // An authority that this machine does not know.
    let doubtful = setup
        .clone()
        .with("SSL_CERT_FILE", "/dev/null")
        .with("SSL_CERT_DIR", "/nowhere");
    let visit = Visit::to(&doubtful, &[]);
    let (state, seen, fix) = visit.ill("tls");
    assert!(
        state == "problem" && seen.contains("self") && fix.contains("authority"),
        "{seen} {fix}"
    );
    visit.well("same installation");
    assert_eq!(visit.code, Some(2));

    // Another database behind the same address: what answers is not what is kept here.
    let other = Contoso::on(Database::Sqlite).await;
    let public = contoso.server.url("/");
    let mistaken = other.server.setup().clone();
    let mistaken = mistaken.with(
        "COUNTERSIGN_PUBLIC_URL",
        public.as_str().trim_end_matches('/'),
    );
    assert_eq!(
        Visit::to(&mistaken, &[]).ill("same installation").0,
        "problem"
    );
}

#[tokio::test]
async fn tls_for_another_name_or_near_its_end_is_told_apart() {
    for (days, name, state, words) in [
        ("90", "login.contoso.com", "problem", "login.contoso.com"),
        ("10", "localhost", "warning", "(9 days)"),
        ("2", "localhost", "problem", "(1 days)"),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let setup = with_tls(Setup::new(Database::Sqlite), folder.path(), days, name);
        let _contoso = Contoso::with(setup.clone()).await;
        let visit = Visit::to(&setup, &[]);
        let (found, seen, _) = visit.ill("tls");
        assert!(
            found == state && seen.contains(words),
            "{days} {name}: {found} {seen}"
        );
    }
}

#[tokio::test]
async fn what_is_missing_is_said_and_not_made() {
    let setup = Setup::new(Database::Sqlite);
    let data = setup.directory().join("data");
    let visit = Visit::to(&setup, &["--offline"]);
    assert_eq!(visit.code, Some(2));
    assert!(visit.ill("database").1.contains("no tables"));
    assert_eq!(visit.ill("files").0, "problem");
    assert!(!data.exists(), "nothing is made");

    let wrong = setup
        .clone()
        .with("COUNTERSIGN_LISTEN", "nowhere")
        .with("COUNTERSIGN_COLOUR", "green");
    let visit = Visit::to(&wrong, &["--offline"]);
    let (_, seen, _) = visit.ill("configuration");
    assert!(
        seen.contains("COUNTERSIGN_LISTEN") && seen.contains("COUNTERSIGN_COLOUR"),
        "{seen}"
    );
    assert_eq!(visit.code, Some(2));

    // A server that does not run any more.
    let contoso = Contoso::on(Database::Sqlite).await;
    let Contoso { server, .. } = contoso;
    let setup = server.stop().await;
    let visit = Visit::to(&setup, &[]);
    assert!(visit.ill("public URL").1.contains("cannot be reached"));

    let data = setup.directory().join("data");
    set_mode(&data, 0o755);
    assert!(
        Visit::to(&setup, &["--offline"])
            .ill("files")
            .2
            .contains("chmod 700")
    );
    set_mode(&data, 0o700);
    let key = data.join("master.key");
    set_mode(&key, 0o644);
    assert!(
        Visit::to(&setup, &["--offline"])
            .ill("master key")
            .2
            .contains("hmod 600")
    );
    set_mode(&key, 0o600);
    fs::write(&key, "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBA=\n").expect("written");
    let visit = Visit::to(&setup, &["--offline"]);
    assert!(visit.ill("master key").1.contains("not the one"));
    fs::remove_file(&key).expect("removed");
    assert_eq!(
        Visit::to(&setup, &["--offline"]).ill("master key").0,
        "problem"
    );
    assert!(!key.exists(), "no key is made");
}

#[tokio::test]
async fn a_postgres_that_is_away_is_a_problem_and_its_password_stays_secret() {
    for database in databases() {
        if database == Database::Sqlite {
            continue;
        }
        let setup = Setup::new(database);
        let away = setup.with(
            "COUNTERSIGN_DATABASE_URL",
            "postgres://root:hunter2@127.0.0.1:1/x",
        );
        let visit = Visit::to(&away, &["--offline"]);
        let (state, seen, fix) = visit.ill("database");
        assert!(
            state == "problem" && seen.contains("annot connect to the database"),
            "{seen}"
        );
        assert!(fix.contains("tart PostgreSQL"), "{fix}");
        assert!(!visit.printed.contains("hunter2"));
    }
}

#[tokio::test]
async fn metrics_are_for_this_machine_and_named_networks() {
    for database in databases() {
        let contoso = Contoso::on(database).await;
        let browser = Browser::new();
        let url = contoso.server.url("/metrics");
        let page = browser.get(&url).await;
        assert_eq!(page.status, 200);
        assert_eq!(
            page.header("content-type"),
            Some("text/plain; version=0.0.4; charset=utf-8")
        );
        let line = format!(
            "countersign_certificate_expires_seconds{{app=\"{}\",stage=\"current\",thumbprint=\"{}\"}} ",
            contoso.id(),
            text(&contoso.app, "certificate_thumbprint")
        );
        let seconds = page
            .source()
            .lines()
            .find_map(|found| found.strip_prefix(&line));
        let days = seconds.expect("its line").parse::<i64>().expect("a number") / 86_400;
        assert_eq!(days, 1094);
        assert!(page.source().contains("\ncountersign_up 1\n"));

        // Whoever comes through a proxy that nobody has named only seems to come from here.
        for header in ["x-forwarded-for", "forwarded", "via", "x-real-ip"] {
            let request = browser
                .client()
                .get(url.clone())
                .header(header, "127.0.0.1");
            assert_eq!(browser.send(request).await.status, 404, "{header}");
        }
    }
    let setup = Setup::new(Database::Sqlite)
        .with("COUNTERSIGN_TRUSTED_PROXIES", "127.0.0.1")
        .with(
            "COUNTERSIGN_METRICS_NETWORKS",
            "203.0.113.0/24, 2001:db8::7",
        );
    let server = setup.start().await;
    let browser = Browser::new();
    for (from, status) in [
        ("203.0.113.9", 200),
        ("198.51.100.1", 404),
        ("203.0.113.9, 198.51.100.1", 404),
        ("2001:db8::7", 200),
        ("2001:db8::8", 404),
    ] {
        let url = server.url("/metrics");
        let request = browser.client().get(url).header("x-forwarded-for", from);
        assert_eq!(browser.send(request).await.status, status, "{from}");
    }
}
