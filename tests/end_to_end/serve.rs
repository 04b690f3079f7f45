//! The process: settings, keys, TLS, several servers, a database that goes away, and the end.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use harness::{Browser, Database, Setup, databases};

use crate::company::{Contoso, PASSWORD, add_user, posted, text};

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
        setup.start().await;
    }
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
    let renew = || {
        let make = std::process::Command::new("openssl")
            .args([
                "req",
                "-x509",
                "-newkey",
                "rsa:2048",
                "-nodes",
                "-days",
                "2",
                "-subj",
                "/CN=localhost",
                "-addext",
                "subjectAltName=DNS:localhost",
                "-keyout",
            ])
            .arg(&key)
            .arg("-out")
            .arg(&certificate)
            .output()
            .expect("openssl runs");
        assert!(make.status.success());
        std::fs::read_to_string(&certificate).expect("a certificate")
    };
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
