//! The run-book and the rescue pack: the page, plain text, the command line, and what is in the ZIP file.

use std::path::Path;
use std::process::Command;
use std::time::SystemTime;

use entra::StandIn;
use entra::graph::{AuthenticationType, Graph, Habits};
use harness::{Browser, Page, databases};
use serde_json::Value;
use tokio::net::TcpListener;
use url::Url;

use crate::company::{Contoso, text};

const ACTIONS: [&str; 8] = [
    "check", "enable", "show", "users", "rotate", "promote", "disable", "restore",
];
const FLAVORS: [&str; 4] = ["graph", "rest", "curl", "manual"];

#[tokio::test]
async fn page_text_and_command_line_give_the_same_script_of_every_action_and_flavor() {
    for database in databases() {
        let contoso = Contoso::on(database).await;
        let ada = contoso.browser_of("ada@contoso.com").await;
        ada.get(&rescue(&contoso)).await;
        for action in ACTIONS {
            for flavor in FLAVORS {
                let url = commands(
                    &contoso,
                    &format!("?action={action}&flavor={flavor}&mfa=reject"),
                );
                let plain = ada.get(&url).await;
                let arguments = [
                    "app",
                    "commands",
                    "contoso.com",
                    "--action",
                    action,
                    "--flavor",
                    flavor,
                    "--mfa",
                    "reject",
                ];
                let page = html(&ada, &url).await;
                assert_eq!(page.status, 200);
                assert_eq!(page.count("[aria-current=page]"), 1);
                if action == "rotate" {
                    // There is no next certificate.
                    let needed = format!("countersign cert next {}", contoso.id());
                    assert_eq!((plain.status, page.count("#script")), (409, 0));
                    for words in [
                        plain.source(),
                        &page.text("main"),
                        &contoso.server.cli(&arguments).failed(),
                    ] {
                        assert!(words.contains(&needed), "{words}");
                    }
                    continue;
                }
                assert_eq!(plain.status, 200, "{}", plain.source());
                let kind = plain.header("content-type").unwrap_or_default();
                assert!(kind.starts_with("text/plain"), "{kind}");
                assert_eq!(
                    page.text("#script"),
                    words(plain.source()),
                    "{action} {flavor}"
                );
                let printed = contoso.server.cli_json(&arguments);
                assert_eq!(text(&printed, "script"), plain.source());
                assert_eq!(
                    (text(&printed, "action"), text(&printed, "flavor")),
                    (action, flavor)
                );
                assert!(!plain.source().contains("PRIVATE KEY"));

                let lists = plain.source().contains("alice@contoso.com");
                assert_eq!(
                    lists,
                    ["check", "users"].contains(&action),
                    "{action} {flavor}"
                );
                for other in [
                    "carol@contoso.com",
                    "dave@contoso.com",
                    "frank@fabrikam.com",
                ] {
                    assert!(!plain.source().contains(other), "{other} could not sign in");
                }
                let where_it_is = plain
                    .source()
                    .lines()
                    .take(3)
                    .collect::<Vec<_>>()
                    .join("\n");
                let changes = ["enable", "promote", "disable", "restore"].contains(&action);
                assert_eq!(
                    where_it_is.contains(rescue(&contoso).as_str()),
                    changes,
                    "{where_it_is}"
                );

                let link = &page.attributes("a[href*='download']", "href")[0];
                let file = ada.get(&url.join(link).expect("a link")).await;
                let ending = [("curl", "sh"), ("manual", "txt")];
                let ending = ending
                    .iter()
                    .find(|(name, _)| *name == flavor)
                    .map_or("ps1", |(_, ending)| ending);
                let name =
                    format!("attachment; filename=\"{action}-contoso.com-{flavor}.{ending}\"");
                assert_eq!(file.header("content-disposition"), Some(&*name));
                assert_eq!(file.source(), plain.source());
            }
        }
    }
}

#[tokio::test]
async fn what_microsoft_is_to_do_is_chosen_on_the_page_and_kept_by_its_links() {
    for database in databases() {
        let contoso = Contoso::on(database).await;
        let ada = contoso.browser_of("ada@contoso.com").await;
        ada.get(&rescue(&contoso)).await;
        let chosen = html(
            &ada,
            &commands(&contoso, "?action=enable&mfa=reject&prompt=translate"),
        )
        .await;
        let script = chosen.text("#script");
        assert!(
            script.contains("'rejectMfaByFederatedIdp'")
                && script.contains("'translateToFreshPasswordAuthentication'")
        );
        // The form of the page asks for what it shows, and links keep it.
        let form = chosen.form("form[method=get]");
        assert_eq!(
            (form.value("mfa"), form.value("prompt")),
            (Some("reject"), Some("translate"))
        );
        let again = ada.submit(&form.fill("mfa", "enforce")).await;
        assert!(again.source().contains("'enforceMfaByFederatedIdp'"));
        let links = chosen.attributes(".steps a, .tabs a", "href");
        assert_eq!(links.len(), ACTIONS.len() + FLAVORS.len());
        assert!(
            links
                .iter()
                .all(|link| link.contains("mfa=reject&prompt=translate")),
            "{links:?}"
        );
        // Ada and Alice may; Carol is in no group, Dave is disabled.
        assert!(chosen.text("main").contains(
            "Here 2 of them are enabled and granted this application; 2 more could not sign in"
        ));
    }
}

#[tokio::test]
async fn a_next_certificate_can_be_rotated_to_and_is_in_the_pack() {
    for database in databases() {
        let contoso = Contoso::on(database).await;
        let ada = contoso.browser_of("ada@contoso.com").await;
        ada.get(&rescue(&contoso)).await;
        let made = contoso.server.cli_json(&["cert", "next", "contoso.com"]);
        let next = &made["certificates"][1];
        let thumbprint = text(next, "thumbprint");
        let rotate = commands(&contoso, "?action=rotate&flavor=curl");
        let page = html(&ada, &rotate).await;
        assert!(
            page.text("#script").contains(thumbprint),
            "{}",
            page.text("main")
        );
        assert_eq!(
            html(&ada, &commands(&contoso, "")).await.count("#gate"),
            1,
            "the pack is another one"
        );

        let pack = ada.get(&rescue(&contoso)).await;
        let directory = tempfile::tempdir().expect("the system has room for temporary files");
        let file = directory.path().join("pack.zip");
        std::fs::write(&file, &pack.body).expect("it can be written");
        let folder = unzipped(&file, directory.path());
        let pem = std::fs::read_to_string(folder.join("next-certificate.pem"));
        assert_eq!(pem.expect("it is there"), text(next, "certificate"));
    }
}

#[tokio::test]
async fn a_domain_moves_to_another_cloud() {
    for database in databases() {
        let contoso = Contoso::on(database).await;
        let ada = contoso.browser_of("ada@contoso.com").await;
        let moved = contoso
            .server
            .cli_json(&["app", "set", "contoso.com", "--cloud", "china"]);
        for (field, value) in [
            ("cloud", "china"),
            ("realm", "urn:federation:partner.microsoftonline.cn"),
            ("entity_id", "urn:federation:partner.microsoftonline.cn"),
            ("entra_url", "https://login.partner.microsoftonline.cn"),
        ] {
            assert_eq!(text(&moved, field), value);
        }
        let reply = "https://login.partner.microsoftonline.cn/login.srf";
        assert_eq!(
            (&moved["reply_urls"][0], &moved["acs_urls"][0]),
            (&reply.into(), &reply.into())
        );
        assert_eq!(contoso.audit()[0]["details"]["cloud"], "worldwide -> china");
        let check = commands(&contoso, "?action=check");
        assert!(
            ada.get(&check)
                .await
                .source()
                .contains("$environment = 'China'")
        );
        assert!(html(&ada, &check).await.text("main").contains("21Vianet"));
        let wiki = [
            "app",
            "add",
            "wsfed",
            "--label",
            "Wiki",
            "--realm",
            "urn:wiki",
            "--reply",
            "https://wiki.example/",
        ];
        contoso.server.cli(&wiki).succeeded();
        let said = contoso
            .server
            .cli(&["app", "set", "Wiki", "--cloud", "china"])
            .failed();
        assert!(said.contains("only a Microsoft 365 application"), "{said}");
    }
}

#[tokio::test]
async fn what_nobody_knows_is_refused_by_its_name() {
    for database in databases() {
        let contoso = Contoso::on(database).await;
        let ada = contoso.browser_of("ada@contoso.com").await;
        for (query, named) in [
            ("?action=remove", "remove"),
            (
                "?action=check&action=enable",
                "action is there more than once",
            ),
            ("?flavour=curl", "“flavour”"),
            ("?mfa=yes", "accept, enforce, reject"),
            ("?wa=%3Cb%3E", "“wa”"),
        ] {
            let url = commands(&contoso, query);
            let (plain, page) = (ada.get(&url).await, html(&ada, &url).await);
            assert_eq!((plain.status, page.status), (400, 400), "{query}");
            assert!(plain.source().contains(named), "{}", plain.source());
            assert!(page.text("main").contains(named), "{}", page.text("main"));
            assert_eq!(contoso.last_reason("request.refused"), "unknown-choice");
        }
        for wrong in [
            "--action=remove",
            "--flavor=cmd",
            "--mfa=yes",
            "--prompt=no",
        ] {
            let said = contoso
                .server
                .cli(&["app", "commands", "contoso.com", wrong])
                .failed();
            assert!(said.contains("is one of"), "{said}");
        }
    }
}

#[tokio::test]
async fn enabling_waits_for_the_rescue_pack_in_a_browser_and_nowhere_else() {
    for database in databases() {
        let contoso = Contoso::on(database).await;
        let ada = contoso.browser_of("ada@contoso.com").await;
        let enable = commands(&contoso, "?flavor=rest&mfa=reject");
        assert!(
            ada.get(&enable)
                .await
                .source()
                .contains("Invoke-MgGraphRequest")
        );
        let page = html(&ada, &enable).await;
        assert!(page.text("#gate").contains("Nobody has it yet"));
        assert_eq!(page.count("#script"), 0);
        let download = html(&ada, &commands(&contoso, "?download")).await;
        assert_eq!(download.count("#gate"), 1, "not as a file either");
        assert_eq!(
            html(&ada, &commands(&contoso, "?action=check"))
                .await
                .count("#script"),
            1
        );
        assert_eq!(
            contoso.server.cli_json(&["app", "show", contoso.id()])["rescue"]["stored"],
            Value::Null
        );

        // Somebody's word takes the box, this form, and the present version.
        let form = page.form("#vouch");
        let unticked = ada.submit(&form).await;
        assert_eq!(unticked.status, 422);
        assert!(unticked.text("[role=alert]").contains("tick the box"));
        let mut ticked = form.clone();
        ticked.fields.push(("stored".to_owned(), "yes".to_owned()));
        let old = ada
            .submit(&ticked.clone().fill("version", "0123456789abcdef"))
            .await;
        assert!(
            old.text("[role=alert]").contains("has changed"),
            "{}",
            old.text("main")
        );
        assert_eq!(
            ada.submit(&ticked.clone().without("form_token"))
                .await
                .status,
            403
        );
        let alice = contoso.browser_of("alice@contoso.com").await;
        assert_eq!(
            alice.submit(&ticked).await.status,
            403,
            "another browser's form"
        );
        assert_eq!(html(&ada, &enable).await.count("#gate"), 1);

        let answer = ada.submit(&ticked).await;
        assert_eq!(
            (answer.status, answer.redirect()),
            (303, Some(enable.clone()))
        );
        let page = html(&ada, &enable).await;
        assert_eq!((page.count("#gate"), page.count("#script")), (0, 1));
        let line = &contoso.audit()[0];
        let version = form.value("version").expect("the form names it");
        assert_eq!(
            (text(line, "event"), text(line, "user_upn")),
            ("rescue.vouched", "ada@contoso.com")
        );
        assert_eq!(line["details"]["version"], version);
        let state = &contoso.server.cli_json(&["app", "show", contoso.id()])["rescue"];
        assert_eq!(
            (&state["up_to_date"], &state["version"]),
            (&Value::Bool(true), &Value::from(version))
        );
        assert_eq!(text(&state["stored"], "stored_by"), "ada@contoso.com");

        // A change makes another pack, and the old one is told from it.
        contoso.set("--label", "Contoso, Ltd.");
        let page = html(&ada, &enable).await;
        assert!(
            page.text("#gate").contains("out of date"),
            "{}",
            page.text("main")
        );
        let shown = contoso
            .server
            .cli(&["app", "show", contoso.id()])
            .succeeded();
        assert!(shown.contains("out of date, the present one is"), "{shown}");
        let pack = ada.get(&rescue(&contoso)).await;
        assert_eq!(pack.header("content-type"), Some("application/zip"));
        assert_eq!(html(&ada, &enable).await.count("#script"), 1);
        let line = &contoso.audit()[0];
        assert_eq!(
            (text(line, "event"), text(line, "user_upn")),
            ("rescue.fetched", "ada@contoso.com")
        );
    }
}

#[tokio::test]
async fn the_rescue_pack_is_whole_and_the_same_wherever_it_comes_from() {
    for database in databases() {
        let contoso = Contoso::on(database).await;
        let ada = contoso.browser_of("ada@contoso.com").await;
        let url = rescue(&contoso);
        assert_eq!(Browser::new().get(&url).await.status, 401);
        let led = html(&Browser::new(), &url).await;
        assert!(
            led.redirect()
                .is_some_and(|to| to.path().starts_with("/sign-in/"))
        );
        let alice = contoso.browser_of("alice@contoso.com").await;
        assert_eq!(alice.get(&url).await.status, 403);

        let pack = ada.get(&url).await;
        assert_eq!(
            pack.header("content-disposition"),
            Some("attachment; filename=\"rescue-contoso.com.zip\"")
        );
        assert_eq!(ada.get(&url).await.body, pack.body, "the same bytes again");
        let directory = tempfile::tempdir().expect("the system has room for temporary files");
        let file = directory.path().join("by the command line.zip");
        let name = file.to_str().expect("the path is UTF-8");
        let written = contoso
            .server
            .cli_json(&["app", "rescue", "contoso.com", "--output", name]);
        assert_eq!(std::fs::read(&file).expect("it was written"), pack.body);
        assert_eq!(text(&written, "file"), name);
        let line = &contoso.audit()[0];
        assert_eq!(
            (text(line, "event"), &line["user_upn"]),
            ("rescue.fetched", &Value::Null)
        );
        let nowhere = directory.path().join("nowhere/pack.zip");
        let nowhere = nowhere.to_str().expect("the path is UTF-8");
        let said = contoso
            .server
            .cli(&["app", "rescue", "contoso.com", "--output", nowhere])
            .failed();
        assert!(said.contains("cannot write"), "{said}");

        let folder = unzipped(&file, directory.path());
        let read = |name: &str| {
            std::fs::read_to_string(folder.join(name))
                .unwrap_or_else(|error| panic!("{name}: {error}"))
        };
        let readme = read("README.txt");
        assert!(readme.contains(text(&written, "version")), "{readme}");
        for action in ["disable", "restore"] {
            for (flavor, ending) in FLAVORS.into_iter().zip(["ps1", "ps1", "sh", "txt"]) {
                assert!(read(&format!("{action}-{flavor}.{ending}")).contains("contoso.com"));
            }
            let script = folder.join(format!("{action}-curl.sh"));
            assert!(
                Command::new("bash")
                    .arg("-n")
                    .arg(script)
                    .status()
                    .expect("bash runs")
                    .success()
            );
        }
        let pem = read("certificate.pem");
        assert_eq!(pem.trim(), contoso.certificate().trim());
        let der = std::fs::read(folder.join("certificate.der")).expect("it is there");
        let read_back = openssl::x509::X509::from_der(&der).expect("openssl reads it");
        assert_eq!(
            read_back.to_pem().expect("PEM"),
            openssl::x509::X509::from_pem(pem.as_bytes())
                .expect("openssl reads it")
                .to_pem()
                .expect("PEM")
        );
        let line = read("certificate-one-line.txt");
        assert_eq!(
            openssl::base64::decode_block(line.trim()).expect("base64"),
            der
        );
        let state: Value = serde_json::from_str(&read("configuration.json")).expect("JSON");
        assert_eq!(state["issuerUri"], contoso.app["issuer"]);
        assert_eq!(state["passiveSignInUri"], contoso.app["wsfed_url"]);
        for file in std::fs::read_dir(&folder).expect("a folder") {
            let bytes = std::fs::read(file.expect("an entry").path()).expect("a file");
            assert!(!String::from_utf8_lossy(&bytes).contains("PRIVATE KEY"));
        }
    }
}

#[tokio::test]
async fn with_the_server_gone_the_pack_takes_the_domain_to_microsoft_and_brings_it_back() {
    let database = databases()
        .into_iter()
        .next()
        .expect("SQLite needs nothing");
    let contoso = Contoso::on(database).await;
    let directory = tempfile::tempdir().expect("the system has room for temporary files");
    let file = directory.path().join("pack.zip");
    let name = file.to_str().expect("the path is UTF-8");
    contoso
        .server
        .cli(&["app", "rescue", "contoso.com", "--output", name])
        .succeeded();
    let (graph, address) = microsoft(&contoso).await;
    let Contoso { server, app, .. } = contoso;
    server.stop().await;

    let folder = unzipped(&file, directory.path());
    let token = graph.admin_token(&[
        "Domain.ReadWrite.All",
        "Domain-InternalFederation.ReadWrite.All",
    ]);
    let run = async |script: &str, from: &Path| {
        let mut bash = Command::new("bash");
        bash.arg(folder.join(script))
            .env("HOME", directory.path())
            .env("GRAPH_URL", &address)
            .env("GRAPH_TOKEN", &token)
            .env("MAKE_MANAGED", "contoso.com")
            .env("RESTORE_FROM", from);
        // The stand-in answers on this thread.
        let ran = tokio::task::spawn_blocking(move || bash.output());
        let ran = ran.await.expect("it does not panic").expect("bash runs");
        assert!(
            ran.status.success(),
            "{script}: {}",
            String::from_utf8_lossy(&ran.stderr)
        );
    };
    let state = || {
        let directory = graph.snapshot();
        let domain = directory
            .domains
            .iter()
            .find(|domain| domain.id == "contoso.com");
        domain.expect("the tenant has it").clone()
    };
    assert_eq!(state().authentication_type, AuthenticationType::Federated);
    run("disable-curl.sh", Path::new("")).await;
    assert_eq!(state().authentication_type, AuthenticationType::Managed);
    run("restore-curl.sh", &folder.join("configuration.json")).await;
    let restored = state();
    assert_eq!(restored.authentication_type, AuthenticationType::Federated);
    let configuration = format!("{restored:?}");
    assert!(
        configuration.contains(text(&app, "issuer"))
            && configuration.contains(text(&app, "wsfed_url")),
        "{configuration}"
    );
}

/// A stand-in that the server does not know, and where its Graph is.
async fn microsoft(contoso: &Contoso) -> (Graph, String) {
    let socket = TcpListener::bind("127.0.0.1:0")
        .await
        .expect("loopback has a free port");
    let port = socket
        .local_addr()
        .expect("a bound socket has an address")
        .port();
    let stand_in = StandIn::new(
        contoso.tenant.clone(),
        &format!("http://localhost:{port}"),
        || SystemTime::now().into(),
    );
    let graph = stand_in.graph().clone();
    graph.set_habits(Habits {
        http_on_loopback: true,
        ..Habits::default()
    });
    tokio::spawn(async move { axum::serve(socket, entra::router(stand_in)).await });
    (graph, format!("http://localhost:{port}/graph"))
}

/// The folder in a pack, by a reader of ZIP files that shares no code with what wrote it.
fn unzipped(file: &Path, directory: &Path) -> std::path::PathBuf {
    let program = "import sys, zipfile\nwith zipfile.ZipFile(sys.argv[1]) as pack:\n    assert pack.testzip() is None\n    pack.extractall(sys.argv[2])\n";
    let ran = Command::new("python3")
        .args(["-c", program])
        .args([file, directory])
        .output()
        .expect("python3 runs");
    assert!(
        ran.status.success(),
        "{}",
        String::from_utf8_lossy(&ran.stderr)
    );
    directory.join("rescue-contoso.com")
}

fn commands(contoso: &Contoso, query: &str) -> Url {
    let url: Url = text(&contoso.app, "commands_url").parse().expect("a URL");
    url.join(&format!("commands{query}")).expect("a query")
}

fn rescue(contoso: &Contoso) -> Url {
    commands(contoso, "").join("rescue").expect("a path")
}

async fn html(browser: &Browser, url: &Url) -> Page {
    let request = browser.client().get(url.clone());
    browser
        .send(request.header("accept", "text/html,*/*;q=0.8"))
        .await
}

/// A text as [`Page::text`] gives it.
fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
