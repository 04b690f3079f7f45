//! The process: settings, keys, TLS, several servers, a database that goes away, and the end.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use harness::{Browser, Database, Setup, databases};

use crate::company::{CORRELATION_ID, Contoso, PASSWORD, add_user, certify, posted, text};

#[tokio::test]
async fn every_wrong_setting_is_named_at_once() {
    let said = Setup::new(Database::Sqlite)
        .with("COUNTERSIGN_LISTEN", "0.0.0.0:0")
        .with("COUNTERSIGN_PUBLIC_URL", "http://login.contoso.com")
        .with(
            "COUNTERSIGN_DATABASE_URL",
            "mysql://root:hunter2@localhost/x",
        )
        .with("COUNTERSIGN_TLS_KEY", "/nowhere/key.pem")
        .with("COUNTERSIGN_COLOUR", "green")
        .refuse()
        .await;
    for name in [
        "listen",
        "COUNTERSIGN_PUBLIC_URL",
        "COUNTERSIGN_DATABASE_URL",
        "COUNTERSIGN_TLS_KEY",
        "tls_cert",
        "COUNTERSIGN_COLOUR",
    ] {
        assert!(said.contains(name), "{name} is not in {said}");
    }
    assert!(!said.contains("hunter2"));
}

#[tokio::test]
async fn settings_come_from_files_too() {
    let setup = Setup::new(Database::Sqlite);
    let folder = setup.directory().join("settings");
    std::fs::create_dir(&folder).expect("a folder");
    std::fs::write(folder.join("local.toml"), "log_format = \"text\"\n").expect("a file");
    let setup = setup.with("COUNTERSIGN_CONFIG_DIR", &folder.to_string_lossy());
    assert!(
        setup
            .start()
            .await
            .logged("Serving")
            .await
            .contains(" INFO ")
    );
    std::fs::write(
        folder.join("local.toml"),
        "log_format = \"text\"\nport = 7\n",
    )
    .expect("a file");
    assert!(setup.refuse().await.contains("port in"));
}

#[tokio::test]
async fn the_wrong_master_key_or_none_is_refused_with_the_reason() {
    for database in databases() {
        let server = Setup::new(database).start().await;
        server
            .cli(&["app", "add", "m365", "--domain", "contoso.com"])
            .succeeded();
        let setup = server.stop().await;
        let file = setup.directory().join("data/master.key");
        let key = std::fs::read_to_string(&file).expect("the key file");
        assert_eq!(key.trim().len(), 44);
        let mode = std::os::unix::fs::PermissionsExt::mode(
            &file.metadata().expect("a file").permissions(),
        );
        assert_eq!(mode & 0o777, 0o600);

        std::fs::write(&file, "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBA=\n").expect("written");
        assert!(
            setup
                .refuse()
                .await
                .contains("is not the one that this database is sealed under")
        );
        assert!(
            setup
                .cli(&["app", "list"])
                .failed()
                .contains("is not the one")
        );
        std::fs::write(&file, "not a key\n").expect("written");
        assert!(setup.refuse().await.contains("is damaged"));
        std::fs::remove_file(&file).expect("removed");
        assert!(setup.refuse().await.contains("is missing"));
        assert!(
            !file.exists(),
            "no new key is made for a database that has one"
        );
        std::fs::write(&file, key).expect("written");
        for mode in [0o644, 0o604, 0o620] {
            set_mode(&file, mode);
            let said = setup.refuse().await;
            assert!(
                said.contains(&format!("chmod 600 {}", file.display())),
                "{mode:o}: {said}"
            );
            assert!(setup.cli(&["app", "list"]).failed().contains("chmod 600"));
        }
        set_mode(&file, 0o440);
        setup.start().await;
    }
}

fn set_mode(file: &std::path::Path, mode: u32) {
    let permissions = std::os::unix::fs::PermissionsExt::from_mode(mode);
    std::fs::set_permissions(file, permissions).expect("it is our file");
}

#[tokio::test]
async fn a_port_that_the_system_chooses_is_told_and_used_in_links() {
    let server = Setup::new(Database::Sqlite)
        .with("COUNTERSIGN_LISTEN", "127.0.0.1:0")
        .with("COUNTERSIGN_PUBLIC_URL", "")
        .spawn(&["serve"]);
    let serving = server.logged("\"Serving\"").await;
    let serving: serde_json::Value = serde_json::from_str(&serving).expect("a JSON log");
    let address = text(&serving, "listen");
    let (_, port) = address.rsplit_once(':').expect("an address with a port");
    assert_ne!(port, "0");
    assert_eq!(
        text(&serving, "public_url"),
        format!("http://localhost:{port}/")
    );
    let link = server.logged("/setup/").await;
    assert!(
        link.contains(&format!("http://localhost:{port}/setup/")),
        "{link}"
    );
    let link = url::Url::parse(link.trim()).expect("the line is the link");
    assert_eq!(Browser::new().get(&link).await.status, 200);
}

#[tokio::test]
async fn a_host_name_can_be_listened_on_and_empty_variables_are_no_settings() {
    let setup = Setup::new(Database::Sqlite);
    let port = setup.url("/").port().expect("a port");
    let setup = setup.with("COUNTERSIGN_LISTEN", &format!("localhost:{port}"));
    let empty = [
        "DATABASE_URL",
        "TLS_CERT",
        "TLS_KEY",
        "TRUSTED_PROXIES",
        "MASTER_KEY_FILE",
        "LOG_FORMAT",
        "CONFIG_DIR",
    ];
    let setup = empty.iter().fold(setup, |setup, name| {
        setup.with(&format!("COUNTERSIGN_{name}"), "")
    });
    setup.start().await;
    let elsewhere = setup.with("COUNTERSIGN_LISTEN", "countersign.invalid:8080");
    let said = elsewhere.refuse().await;
    assert!(
        said.contains("COUNTERSIGN_LISTEN: ") && said.contains("countersign.invalid"),
        "{said}"
    );
}

#[tokio::test]
async fn a_database_that_cannot_be_opened_is_one_sentence_with_what_to_do() {
    let folder = tempfile::tempdir().expect("a folder");
    let missing = format!("sqlite://{}/none/x.db", folder.path().display());
    let setup = Setup::new(Database::Sqlite);
    for (url, fault, fix) in [
        (missing.as_str(), "none/x.db", "make the folder"),
        (
            "postgres://u:hunter2@127.0.0.1:1/x",
            "cannot connect to the database",
            "start PostgreSQL",
        ),
        (
            "postgres://u:hunter2@countersign.invalid/x",
            "failed to lookup address",
            "start PostgreSQL",
        ),
    ] {
        let setup = setup.clone().with("COUNTERSIGN_DATABASE_URL", url);
        for said in [setup.refuse().await, setup.cli(&["app", "list"]).failed()] {
            let said = said
                .lines()
                .find(|line| line.starts_with("countersign: "))
                .unwrap_or_else(|| panic!("nothing for people in {said}"));
            for words in [fault, fix, "database_url"] {
                assert_eq!(said.matches(words).count(), 1, "{words:?} in {said}");
            }
            assert!(!said.contains("hunter2"), "{said}");
        }
    }
}

#[tokio::test]
async fn what_is_not_read_to_its_end_ends_the_connection_and_says_so() {
    let server = Setup::new(Database::Sqlite).start().await;
    let port = server.url("/").port().expect("a port");
    let body = "x".repeat(70 << 10);
    for (path, kind, length, status, closes) in [
        (
            "/sign-in",
            "application/x-www-form-urlencoded",
            body.len(),
            413,
            true,
        ),
        ("/sign-in", "text/plain", body.len(), 415, true),
        ("/nowhere", "text/plain", body.len(), 404, true),
        (
            "/sign-in",
            "application/x-www-form-urlencoded",
            10,
            403,
            false,
        ),
        ("/nowhere", "text/plain", 0, 404, false),
    ] {
        let mut line = TcpStream::connect(("127.0.0.1", port)).expect("the server listens");
        write!(
            line,
            "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\r\n{}",
            &body[..length]
        )
        .expect("sent");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            line.read_exact(&mut byte).expect("an answer");
            head.push(byte[0]);
        }
        let head = String::from_utf8_lossy(&head).to_lowercase();
        assert!(head.starts_with(&format!("http/1.1 {status} ")), "{head}");
        assert_eq!(head.contains("\r\nconnection: close\r\n"), closes, "{head}");
    }
}

#[tokio::test]
async fn a_line_of_the_text_log_has_one_correlation_id() {
    let setup = Setup::new(Database::Sqlite).with("COUNTERSIGN_LOG_FORMAT", "text");
    let contoso = Contoso::with(setup).await;
    let browser = Browser::new();
    let query = format!("+&client-request-id={CORRELATION_ID}");
    let form = browser.open(&contoso.wsfed(&query)).await.form("form");
    let foreign = browser.submit(&form.without("form_token")).await;
    assert_eq!(foreign.status, 403);
    let line = contoso.server.logged("reason=\"foreign-form\"").await;
    assert_eq!(line.matches("correlation_id").count(), 1, "{line}");
    assert!(line.contains(CORRELATION_ID), "{line}");
}

#[tokio::test]
async fn the_welcome_is_json_where_json_is_asked_for() {
    let server = Setup::new(Database::Sqlite).spawn(&["serve", "--json"]);
    server.logged("\"Serving\"").await;
    server.logged("setup_link").await;
    let log = server.log();
    let printed: String = log
        .lines()
        .filter(|line| !line.starts_with("{\""))
        .collect();
    let welcome: serde_json::Value =
        serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{error} in {printed}"));
    let link = url::Url::parse(text(&welcome, "setup_link")).expect("a link");
    assert_eq!(Browser::new().get(&link).await.status, 200);
    assert_eq!(
        text(&welcome, "public_url"),
        server.url("/").as_str().trim_end_matches('/')
    );
}

#[tokio::test]
async fn several_servers_start_at_once_on_one_new_database_and_are_one_installation() {
    for database in databases() {
        let setup = Setup::new(database);
        let setups: Vec<_> = (0..4).map(|_| setup.clone().on_free_port()).collect();
        let starting: Vec<_> = setups
            .into_iter()
            .map(|setup| tokio::spawn(async move { setup.start().await }))
            .collect();
        let mut servers = Vec::new();
        for server in starting {
            servers.push(server.await.expect("every server starts"));
        }
        add_user(&servers[0], "ada@contoso.com", true);
        let browser = Browser::new();
        let sign_in = servers[1].url("/sign-in");
        let form = browser
            .open(&sign_in)
            .await
            .form("form")
            .fill("username", "ada@contoso.com")
            .fill("password", PASSWORD);
        assert_eq!(browser.submit(&form).await.status, 303);
        // Cookies do not know ports, so the session holds at the others.
        for server in &servers {
            assert_eq!(browser.open(&server.url("/")).await.url.path(), "/");
        }
    }
}

#[tokio::test]
async fn a_database_that_goes_away_is_a_503_and_comes_back_by_itself() {
    if !databases().contains(&Database::Postgres) {
        return;
    }
    let (setup, cable) = Setup::new(Database::Postgres).with_cable();
    let contoso = Contoso::with(setup).await;
    let browser = contoso.browser_of("alice@contoso.com").await;
    let form = Browser::new();
    let page = form
        .open(&contoso.wsfed("+"))
        .await
        .form("form")
        .fill("username", "alice@contoso.com")
        .fill("password", PASSWORD);
    let before = contoso.audit().len();

    cable.cut();
    for (what, answer) in [
        ("a token", browser.get(&contoso.wsfed("+")).await),
        (
            "a new sign-in",
            Browser::new().get(&contoso.wsfed("+")).await,
        ),
        ("a password", form.submit(&page).await),
    ] {
        assert_eq!(answer.status, 503, "{what}");
        assert!(
            answer.header("retry-after").is_some() && answer.text("main").contains("try again"),
            "{what}"
        );
        assert!(
            !answer.source().contains("wresult")
                && !answer.source().to_lowercase().contains("postgres"),
            "{what}"
        );
    }
    assert_eq!(
        browser.get(&contoso.server.url("/readyz")).await.status,
        503
    );
    assert_eq!(
        browser.get(&contoso.server.url("/healthz")).await.status,
        200
    );

    cable.mend();
    posted(&browser.get(&contoso.wsfed("+")).await);
    assert_eq!(
        browser.get(&contoso.server.url("/readyz")).await.status,
        200
    );
    let answer = form.submit(&page).await;
    posted(&form.follow(answer).await);
    let events: Vec<_> = contoso
        .audit()
        .drain(..)
        .rev()
        .skip(before)
        .map(|line| text(&line, "event").to_owned())
        .collect();
    assert_eq!(
        events,
        ["token.issued", "sign-in.accepted", "token.issued"],
        "nothing half-written in between"
    );
}

#[tokio::test]
async fn tls_is_spoken_from_files_and_a_renewed_certificate_is_taken() {
    let folder = tempfile::tempdir().expect("a folder");
    let (certificate, key) = (folder.path().join("tls.crt"), folder.path().join("tls.key"));
    let renew = || certify(&certificate, &key);
    let first = renew();
    let server = Setup::new(Database::Sqlite)
        .with_tls(&certificate, &key)
        .start()
        .await;
    add_user(&server, "alice@contoso.com", false);
    let browser = Browser::trusting(&first);
    let page = browser.open(&server.url("/")).await;
    assert_eq!(
        page.header("strict-transport-security"),
        Some("max-age=31536000")
    );
    let cookie = page.header("set-cookie").expect("the cookie of the form");
    for part in [
        "__Host-countersign-form=",
        "; HttpOnly",
        "; Secure",
        "; SameSite=Lax",
        "; Path=/",
    ] {
        assert!(cookie.contains(part), "{part} is not in {cookie}");
    }
    let form = page
        .form("form")
        .fill("username", "alice@contoso.com")
        .fill("password", PASSWORD);
    let answer = browser.submit(&form).await;
    assert!(
        answer
            .header("set-cookie")
            .is_some_and(|cookie| cookie.starts_with("__Host-countersign-session=")
                && cookie.contains("; Secure"))
    );

    // Windows 10 does not speak TLS 1.3 by itself; nobody needs 1.1.
    let address = format!("localhost:{}", server.url("/").port().expect("a port"));
    let speaks = |version: &str| {
        let client = std::process::Command::new("openssl")
            .args(["s_client", "-connect", &address, version])
            .stdin(std::process::Stdio::null())
            .output();
        client.expect("openssl runs").status.success()
    };
    assert!(speaks("-tls1_3") && speaks("-tls1_2") && !speaks("-tls1_1"));

    let second = renew();
    server.logged("renewed TLS certificate into use").await;
    assert_eq!(
        Browser::trusting(&second)
            .open(&server.url("/"))
            .await
            .status,
        200
    );
    std::fs::write(&key, "broken").expect("written");
    server.logged("do not work; the old ones stay").await;
    assert_eq!(
        Browser::trusting(&second)
            .open(&server.url("/"))
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn sigterm_finishes_what_is_in_flight() {
    for database in databases() {
        let contoso = Contoso::on(database).await;
        let browser = Browser::new();
        let form = browser
            .open(&contoso.wsfed("+"))
            .await
            .form("form")
            .fill("username", "alice@contoso.com")
            .fill("password", PASSWORD);
        // Half of the form is there when the server is told to stop.
        let body = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(&form.fields)
            .finish();
        let (first, rest) = body.split_at(body.len() / 2);
        let port = form.action.port().expect("a port");
        let mut line = TcpStream::connect(("127.0.0.1", port)).expect("the server listens");
        write!(
            line,
            "POST {} HTTP/1.1\r\nhost: localhost\r\ncookie: {}\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{first}",
            form.action.path(),
            browser.cookies(&form.action),
            body.len()
        )
        .expect("sent");
        // Another request is answered later than the server has seen this one.
        for _ in 0..20 {
            browser.get(&contoso.server.url("/readyz")).await;
        }
        let mut server = contoso.server;
        server.terminate();
        server.logged("Stopping").await;
        line.write_all(rest.as_bytes()).expect("the line is open");
        let mut answer = String::new();
        line.read_to_string(&mut answer).expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 303"), "{answer}");
        assert!(server.ended().await.success());
    }
}

#[tokio::test]
async fn behind_a_proxy_people_are_told_apart_by_what_the_proxy_says_and_only_by_that() {
    let setup = Setup::new(Database::Sqlite).with("COUNTERSIGN_TRUSTED_PROXIES", "127.0.0.1");
    let contoso = Contoso::with(setup).await;
    let browser = Browser::new();
    for (forwarded, source) in [
        ("203.0.113.9", "203.0.113.9"),
        ("198.51.100.1, 203.0.113.9", "203.0.113.9"),
        ("203.0.113.9, 127.0.0.1", "203.0.113.9"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("nonsense", "127.0.0.1"),
    ] {
        let request = browser
            .client()
            .get(contoso.wsfed("wa=wrong"))
            .header("x-forwarded-for", forwarded);
        browser.send(request).await;
        assert_eq!(contoso.audit()[0]["source"], source, "{forwarded}");
    }
    let direct = Contoso::on(Database::Sqlite).await;
    browser
        .send(
            browser
                .client()
                .get(direct.wsfed("wa=wrong"))
                .header("x-forwarded-for", "203.0.113.9"),
        )
        .await;
    assert_eq!(
        direct.audit()[0]["source"],
        "127.0.0.1",
        "nobody else is believed"
    );
}
