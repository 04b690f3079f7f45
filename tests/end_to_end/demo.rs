//! The demonstration tells its story, and only when it is asked to.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use harness::{Browser, Database, Setup};
use url::Url;

use crate::company::{posted, text};

struct Demo {
    process: Child,
    ours: Url,
    microsoft: Url,
    welcome: String,
}

impl Demo {
    fn start() -> Self {
        let setup = [Setup::new(Database::Sqlite), Setup::new(Database::Sqlite)];
        let [ours, microsoft] = setup.map(|setup| setup.url("/"));
        let listen = |url: &Url| format!("127.0.0.1:{}", url.port().expect("a port"));
        let mut process = Command::new(harness::binary())
            .args([
                "demo",
                "--listen",
                &listen(&ours),
                "--entra-listen",
                &listen(&microsoft),
            ])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the demonstration starts");
        let lines = BufReader::new(process.stdout.take().expect("it is piped")).lines();
        let mut welcome = String::new();
        for line in lines {
            let line = line.expect("text");
            welcome += &line;
            welcome.push('\n');
            if line.starts_with("Stop with") {
                break;
            }
        }
        Self {
            process,
            ours,
            microsoft,
            welcome,
        }
    }

    async fn sign_in(&self, upn: &str, password: &str) -> (Browser, harness::Page) {
        let browser = Browser::new();
        let form = browser
            .open(&self.microsoft)
            .await
            .form("form[action='/start']")
            .fill("user", upn);
        let answer = browser.submit(&form).await;
        let mut page = browser.follow(answer).await;
        // By SAML, Microsoft asks with a form that sends itself.
        if page.count("input[name=SAMLRequest]") == 1 {
            let answer = browser.submit(&page.form("form")).await;
            page = browser.follow(answer).await;
        }
        assert!(
            page.url.as_str().starts_with(self.ours.as_str()),
            "{}",
            page.url
        );
        assert!(page.text("body").contains("Demonstration"));
        let form = page.form("form").fill("password", password);
        let answer = browser.submit(&form).await;
        let page = browser.follow(answer).await;
        (browser, page)
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[tokio::test]
async fn each_person_of_the_demonstration_sees_what_a_real_one_would() {
    let demo = Demo::start();
    let password = demo
        .welcome
        .split_whitespace()
        .rfind(|word| word.starts_with("Countersign-"))
        .expect("the password is printed")
        .to_owned();
    assert!(
        demo.welcome.contains("DEMONSTRATION")
            && demo
                .welcome
                .contains(demo.microsoft.as_str().trim_end_matches('/'))
    );

    let (browser, page) = demo.sign_in("alice@contoso.example", &password).await;
    let back = browser.submit(&posted(&page)).await;
    assert!(back.text("h1").starts_with("Signed in as Alice"));
    assert!(
        back.count(".checks li.passed") > 30
            && back.count(".checks li.failed, .checks li.not-reached") == 0
    );
    let (_, page) = demo.sign_in("bob@contoso.example", "wrong").await;
    assert_eq!(
        (page.status, page.text("[role=alert]").as_str()),
        (403, "The user name or password is incorrect.")
    );
    let (browser, page) = demo.sign_in("felix@fabrikam.example", &password).await;
    let form = page.form("form");
    assert!(form.value("SAMLResponse").is_some(), "{}", page.source());
    let back = browser.submit(&form).await;
    assert!(back.text("h1").starts_with("Signed in as Felix"));
    assert!(
        back.count(".checks li.passed") > 30
            && back.count(".checks li.failed, .checks li.not-reached") == 0
    );
    for (name, title) in [
        ("carol@contoso.example", "No access"),
        ("dave@contoso.example", "Account disabled"),
    ] {
        let (_, page) = demo.sign_in(name, &password).await;
        assert_eq!((page.status, page.text("h1").as_str()), (403, title));
    }
}

#[tokio::test]
async fn every_client_of_ws_trust_signs_in_to_the_demonstration() {
    let demo = Demo::start();
    let sign_in = async |upn: &str, password: &str, client: &str| {
        let browser = Browser::new();
        let form = browser
            .open(&demo.microsoft)
            .await
            .form("form[action='/windows']")
            .fill("user", upn)
            .fill("password", password)
            .fill("client", client);
        browser.submit(&form).await
    };
    let password = "Countersign-demo-1";
    for client in ["windows", "dotnet", "go", "java", "python"] {
        let page = sign_in("alice@contoso.example", password, client).await;
        let heading = page.text("h1");
        assert!(
            heading.starts_with("Signed in as Alice"),
            "{client}: {}",
            page.source()
        );
        let doubtful = ".checks li.warned, .checks li.failed, .checks li.not-reached";
        assert_eq!(page.count(doubtful), 0, "{client}: {}", page.source());
    }
    for (upn, password, known_by) in [
        ("bob@contoso.example", "wrong", "0xc000006d"),
        ("carol@contoso.example", password, "RequestFailed"),
        ("felix@fabrikam.example", password, "0xcaa90017"),
    ] {
        let page = sign_in(upn, password, "windows").await;
        assert_eq!(
            (page.status, page.text("h1").as_str()),
            (403, "Not signed in")
        );
        assert!(
            page.text("main").contains(known_by),
            "{upn}: {}",
            page.source()
        );
        assert_eq!(
            page.count(".checks li.warned"),
            0,
            "{upn}: {}",
            page.source()
        );
    }
}

#[tokio::test]
async fn the_demonstration_introduces_itself_as_json_and_on_ports_that_the_system_chooses() {
    let demo = Setup::new(Database::Sqlite).spawn(&[
        "demo",
        "--json",
        "--listen",
        "127.0.0.1:0",
        "--entra-listen",
        "localhost:0",
    ]);
    demo.logged("\"people\"").await;
    // Lines of the log begin with their time.
    let printed = |log: &str| -> String {
        log.lines()
            .filter(|line| line.starts_with(['{', '}', ' ']))
            .collect()
    };
    let mut welcome = None;
    while welcome.is_none() {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        welcome = serde_json::from_str::<serde_json::Value>(&printed(&demo.log())).ok();
    }
    let welcome = welcome.expect("the loop has ended");
    let browser = Browser::new();
    let url = |field: &str| Url::parse(text(&welcome, field)).expect("a URL");
    let form = browser
        .open(&url("entra_url"))
        .await
        .form("form[action='/start']")
        .fill("user", text(&welcome["people"][0], "upn"));
    let answer = browser.submit(&form).await;
    let page = browser.follow(answer).await;
    assert_eq!(page.url.origin(), url("public_url").origin());
    let form = page
        .form("form")
        .fill("password", text(&welcome, "password"));
    let answer = browser.submit(&form).await;
    posted(&browser.follow(answer).await);
}

#[tokio::test]
async fn the_demonstration_is_not_shown_to_other_machines_and_serve_knows_nothing_of_it() {
    let output = Command::new(harness::binary())
        .args(["demo", "--listen", "0.0.0.0:0"])
        .output()
        .expect("it runs");
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("this machine only"));
    let server = Setup::new(Database::Sqlite).start().await;
    assert_eq!(server.cli_json(&["user", "list"]), serde_json::json!([]));
    assert!(
        !Browser::new()
            .open(&server.url("/"))
            .await
            .text("body")
            .contains("Demonstration")
    );
}
