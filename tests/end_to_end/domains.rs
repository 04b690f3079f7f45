//! Several domains in one application, and what Microsoft has stored about each of them.

use std::fs;

use harness::{Browser, Page, databases};
use serde_json::{Value, json};
use url::Url;

use crate::company::{Contoso, PASSWORD, text};

/// Contoso's application with Fabrikam's domain beside its own.
async fn two_domains(database: harness::Database) -> Contoso {
    let contoso = Contoso::on(database).await;
    let added = ["app", "domain", "add", contoso.id(), "Fabrikam.com"];
    contoso.server.cli(&added).succeeded();
    contoso
}

/// What Microsoft has stored once the commands of the domain have run, as PowerShell prints it.
fn stored(contoso: &Contoso, domain: &str) -> Value {
    let app = contoso.server.cli_json(&["app", "show", contoso.id()]);
    let domains = app["domains"].as_array().expect("a list");
    let one = domains.iter().find(|one| one["domain"] == domain);
    let pem = text(&app, "signing_certificate").lines();
    json!({
        "Id": "6601d14b-d113-8f64-fda2-9b5ddda18ecc",
        "DisplayName": app["label"],
        "IssuerUri": one.expect("the domain")["issuer"],
        "MetadataExchangeUri": app["mex_url"],
        "PassiveSignInUri": app["wsfed_url"],
        "ActiveSignInUri": app["trust2005_url"],
        "SignOutUri": app["signout_url"],
        "PreferredAuthenticationProtocol": "wsFed",
        "SigningCertificate": pem.filter(|line| !line.starts_with('-')).collect::<String>(),
        "NextSigningCertificate": null,
        "PromptLoginBehavior": "nativeSupport",
        "FederatedIdpMfaBehavior": "acceptIfMfaDoneByFederatedIdp",
        "IsSignedAuthenticationRequestRequired": null,
        "AdditionalProperties": {},
    })
}

#[tokio::test]
#[expect(
    clippy::too_many_lines,
    reason = "one domain, followed through everything"
)]
async fn each_domain_of_an_application_has_its_own_issuer_commands_and_metadata() {
    for database in databases() {
        let contoso = two_domains(database).await;
        let server = &contoso.server;
        let domains = json!([
            {"domain": "contoso.com", "issuer": "https://contoso.com"},
            {"domain": "fabrikam.com", "issuer": "https://fabrikam.com"},
        ]);
        let app = server.cli_json(&["app", "show", "fabrikam.com"]);
        assert_eq!(
            (&app["id"], &app["domains"]),
            (&contoso.app["id"], &domains)
        );
        assert_eq!(app["domain"], "contoso.com");
        assert_eq!(
            server.cli_json(&["app", "domain", "list", contoso.id()]),
            domains
        );
        let listed = server
            .cli(&["app", "domain", "list", contoso.id()])
            .succeeded();
        assert_eq!(
            listed,
            "contoso.com\thttps://contoso.com\nfabrikam.com\thttps://fabrikam.com\n"
        );
        let shown = server.cli(&["app", "show", contoso.id()]).succeeded();
        assert!(
            shown.contains("fabrikam.com  https://fabrikam.com"),
            "{shown}"
        );

        let which = server.cli(&["app", "commands", contoso.id()]).failed();
        assert!(
            which.contains("--domain: contoso.com, fabrikam.com"),
            "{which}"
        );
        let by_option = ["app", "commands", contoso.id(), "--domain", "fabrikam.com"];
        let script = server.cli(&by_option).succeeded();
        assert!(
            script.contains("'https://fabrikam.com'") && !script.contains("'https://contoso.com'")
        );
        let by_name = server.cli(&["app", "commands", "fabrikam.com"]).succeeded();
        assert_eq!(by_name, script);
        let metadata = ["app", "metadata", contoso.id(), "--domain", "fabrikam.com"];
        let metadata = server.cli(&metadata).succeeded();
        assert!(metadata.contains("entityID=\"https://fabrikam.com\""));

        let browser = Browser::new();
        for of in ["federation_metadata_url", "saml_metadata_url"] {
            for domain in ["contoso.com", "fabrikam.com"] {
                let mut url: Url = text(&app, of).parse().expect("a URL");
                url.set_query(Some(&format!("domain={domain}")));
                let answer = browser.get(&url).await;
                let entity_id = format!("entityID=\"https://{domain}\"");
                assert!(answer.source().contains(&entity_id), "{}", answer.source());
                url.set_query(Some("domain=evil.example"));
                assert_eq!(browser.get(&url).await.status, 404);
            }
        }

        // Frank gets in now, and his token names his own domain.
        let frank = contoso.browser_of("frank@fabrikam.com").await;
        let token = frank.get(&contoso.wsfed("+")).await;
        assert!(
            token
                .source()
                .contains("Issuer=&#34;https://fabrikam.com&#34;"),
            "{}",
            token.source()
        );
        let portal = frank.open(&server.url("/")).await;
        let link = portal.attributes("a.tile", "href");
        assert!(
            link[0].ends_with("/login.srf?wa=wsignin1.0&whr=fabrikam.com"),
            "{link:?}"
        );

        let refused = server
            .cli(&["app", "domain", "remove", contoso.id(), "fabrikam.com"])
            .failed();
        assert!(
            refused.contains("one person (frank@fabrikam.com)")
                && refused.contains("--confirm fabrikam.com"),
            "{refused}"
        );
        assert_eq!(
            server.cli_json(&["app", "domain", "list", contoso.id()]),
            domains
        );
        let confirmed = [
            "app",
            "domain",
            "remove",
            contoso.id(),
            "fabrikam.com",
            "--confirm",
            "fabrikam.com",
        ];
        server.cli(&confirmed).succeeded();
        assert_eq!(frank.get(&contoso.wsfed("+")).await.status, 403);
        assert_eq!(contoso.last_reason("token.refused"), "outside-domain");
        let check = server.cli_json(&["app", "check-users", contoso.id()]);
        assert_eq!(check["blocked"][0]["upn"], "frank@fabrikam.com");
        let words = server
            .cli(&["app", "check-users", contoso.id()])
            .succeeded();
        assert!(
            words.contains("AADSTS5000820") && words.contains("frank@fabrikam.com"),
            "{words}"
        );
        let last = [
            "app",
            "domain",
            "remove",
            contoso.id(),
            "contoso.com",
            "--confirm",
            "contoso.com",
        ];
        assert!(server.cli(&last).failed().contains("only domain"));
    }
}

#[tokio::test]
async fn the_commands_page_asks_for_the_domain_when_there_are_several() {
    for database in databases() {
        let contoso = two_domains(database).await;
        let ada = contoso.browser_of("ada@contoso.com").await;
        let as_browser = async |path: &str| {
            let request = ada.client().get(contoso.server.url(path));
            ada.send(request.header("accept", "text/html")).await
        };
        for page in ["commands", "compare"] {
            let path = format!("/wsfed/{}/{page}", contoso.id());
            let chooser = as_browser(&path).await;
            let links = chooser.attributes(".rows a", "href");
            let expected =
                ["contoso.com", "fabrikam.com"].map(|domain| format!("{path}?domain={domain}"));
            assert_eq!(links, expected);
            let chosen = as_browser(&expected[1]).await;
            assert!(
                chosen.text("h1").ends_with("fabrikam.com"),
                "{}",
                chosen.text("h1")
            );
            let unknown = as_browser(&format!("{path}?domain=evil.example")).await;
            assert_eq!(unknown.status, 422);
        }
        let path = format!("/wsfed/{}/commands?domain=fabrikam.com", contoso.id());
        // One pack for both domains, and a browser gets the script once it is stored.
        let rescue = format!("/wsfed/{}/rescue", contoso.id());
        let pack = ada.get(&contoso.server.url(&rescue)).await.body;
        for name in ["contoso.com", "fabrikam.com"] {
            let name = format!("rescue-contoso.com/{name}/README.txt");
            let found = pack
                .windows(name.len())
                .any(|bytes| bytes == name.as_bytes());
            assert!(found, "{name}");
        }
        let page = as_browser(&path).await;
        assert!(page.text(".facts").contains("https://fabrikam.com"));
        let links = page.attributes(".steps a, .tabs a", "href");
        let stays = links
            .iter()
            .all(|link| link.contains("domain=fabrikam.com"));
        assert!(stays && !links.is_empty(), "{links:?}");
        let form = page.form("form[method=get]");
        assert_eq!(form.value("domain"), Some("fabrikam.com"));
        let download = page.attributes("a[download]", "href");
        let script = ada.get(&page.url.join(&download[0]).expect("a link")).await;
        let name = script.header("content-disposition").expect("a file");
        assert!(name.contains("enable-fabrikam.com-graph.ps1"), "{name}");
        assert!(script.source().contains("'https://fabrikam.com'"));
        let plain = ada.client().get(
            contoso
                .server
                .url(&format!("/wsfed/{}/commands", contoso.id())),
        );
        let plain = ada.send(plain.header("accept", "*/*")).await;
        assert_eq!(plain.status, 422);

        // Whoever has to sign in first comes back to the domain.
        for page in ["commands", "compare"] {
            let again = Browser::new();
            let path = format!("/wsfed/{}/{page}?domain=fabrikam.com", contoso.id());
            let url = contoso.server.url(&path);
            let request = again.client().get(url.clone());
            let asked = again.send(request.header("accept", "text/html")).await;
            let form = again.follow(asked).await.form("form");
            let form = form
                .fill("username", "ada@contoso.com")
                .fill("password", PASSWORD);
            let signed_in = again.submit(&form).await.redirect();
            let back = again.get(&signed_in.expect("to the attempt")).await;
            assert_eq!(back.redirect(), Some(url));
        }
    }
}

#[tokio::test]
async fn compare_tells_by_its_exit_code_and_says_what_differs() {
    for database in databases() {
        let contoso = two_domains(database).await;
        let server = &contoso.server;
        let file = server.setup().directory().join("stored.json");
        let path = file.to_str().expect("a plain path");
        let compare = |bytes: &[u8], domain: &str, json: bool| {
            fs::write(&file, bytes).expect("written");
            let arguments = [
                "app",
                "compare",
                contoso.id(),
                path,
                "--domain",
                domain,
                "--json",
            ];
            server.cli(&arguments[..if json { 7 } else { 6 }])
        };
        let good = stored(&contoso, "fabrikam.com");
        let same = compare(good.to_string().as_bytes(), "fabrikam.com", false);
        assert_eq!(same.code, Some(0));
        assert!(same.succeeded().contains("is as it should be"));
        // As Windows PowerShell writes a file.
        let text16 = format!("\u{FEFF}{good}")
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect::<Vec<_>>();
        assert_eq!(compare(&text16, "fabrikam.com", true).code, Some(0));
        let piped = ["app", "compare", "fabrikam.com", "-"];
        assert_eq!(
            server.cli_with_input(&piped, &good.to_string()).code,
            Some(0)
        );

        let mut wrong = good.clone();
        wrong["IssuerUri"] = json!("https://fabrikam.com/");
        wrong["FederatedIdpMfaBehavior"] = json!("enforceMfaByFederatedIdp");
        wrong["PromptLoginBehavior"] = json!("disabled");
        let differs = compare(wrong.to_string().as_bytes(), "fabrikam.com", true);
        assert_eq!((differs.code, differs.stderr.as_str()), (Some(2), ""));
        let found: Value = serde_json::from_str(&differs.stdout).expect("JSON");
        assert_eq!(found["verdict"], "different");
        let open: Vec<_> = found["findings"]
            .as_array()
            .expect("a list")
            .iter()
            .filter(|finding| finding["verdict"] != "same")
            .map(|finding| (text(finding, "setting"), text(finding, "verdict")))
            .collect();
        assert_eq!(
            open,
            [
                ("issuerUri", "different"),
                ("federatedIdpMfaBehavior", "different"),
                ("promptLoginBehavior", "acceptable"),
            ]
        );
        let words = compare(wrong.to_string().as_bytes(), "fabrikam.com", false).stdout;
        let mend = format!(
            "countersign app set {} --issuer https://fabrikam.com/ --domain fabrikam.com",
            contoso.id()
        );
        assert!(
            words.contains("slash too many") && words.contains(&mend),
            "{words}"
        );
        // That command does it.
        let arguments: Vec<_> = mend.split(' ').skip(1).collect();
        server.cli(&arguments).succeeded();
        wrong["FederatedIdpMfaBehavior"] = json!("acceptIfMfaDoneByFederatedIdp");
        assert_eq!(
            compare(wrong.to_string().as_bytes(), "fabrikam.com", false).code,
            Some(0)
        );

        let other = compare(wrong.to_string().as_bytes(), "contoso.com", false);
        assert_eq!(other.code, Some(1));
        assert!(
            other
                .failed()
                .contains("of fabrikam.com, which the application Contoso 365 serves")
        );
        let large = vec![b' '; 3 << 20];
        for (bytes, why) in [
            (b"<html>" as &[u8], "HTML"),
            (b"{\"IssuerUri\":", "ends too early"),
            (&large, "1 MiB"),
        ] {
            let refused = compare(bytes, "contoso.com", false);
            assert_eq!(refused.code, Some(1));
            let text = refused.failed();
            assert!(text.contains(why), "{text}");
        }
        // A file that never ends is not read to its end.
        let endless = ["app", "compare", "contoso.com", "/dev/zero"];
        assert!(server.cli(&endless).failed().contains("1 MiB"));
        let nowhere = ["app", "compare", "contoso.com", "/nowhere.json"];
        assert!(
            server
                .cli(&nowhere)
                .failed()
                .contains("cannot read /nowhere.json")
        );
    }
}

/// A form as a browser sends it that may hold a file.
async fn upload(browser: &Browser, page: &Page, pasted: &str, file: &[u8]) -> Page {
    let form = page.form("form.settings");
    let token = form.value("form_token").expect("a code").to_owned();
    upload_as(browser, &form.action, &token, pasted, file).await
}

async fn upload_as(browser: &Browser, url: &Url, token: &str, pasted: &str, file: &[u8]) -> Page {
    let part = |name: &str, value: &[u8]| {
        let mut part =
            format!("--b\r\nContent-Disposition: form-data; {name}\r\n\r\n").into_bytes();
        part.extend(value);
        part.extend(b"\r\n");
        part
    };
    let body = [
        part("name=\"form_token\"", token.as_bytes()),
        part("name=\"pasted\"", pasted.as_bytes()),
        part("name=\"file\"; filename=\"stored.json\"", file),
        b"--b--\r\n".to_vec(),
    ]
    .concat();
    let request = browser.client().post(url.clone()).body(body);
    let content_type = "multipart/form-data; boundary=b";
    browser
        .send(request.header("content-type", content_type))
        .await
}

#[tokio::test]
async fn an_administrator_compares_on_a_page() {
    for database in databases() {
        let contoso = Contoso::on(database).await;
        let ada = contoso.browser_of("ada@contoso.com").await;
        let commands = contoso
            .server
            .url(&format!("/wsfed/{}/commands", contoso.id()));
        let request = ada.client().get(commands).header("accept", "text/html");
        let commands = ada.send(request).await;
        let href = &commands.attributes("a[href$='/compare']", "href")[0];
        let url = commands.url.join(href).expect("a link");
        let page = ada.get(&url).await;
        assert!(
            page.text("pre")
                .contains("-DomainId contoso.com | ConvertTo-Json")
        );

        let mut good = stored(&contoso, "contoso.com");
        let answer = upload(&ada, &page, &good.to_string(), b"").await;
        assert_eq!(answer.status, 200);
        assert!(
            answer.text(".state").contains("It is as it should be."),
            "{}",
            answer.source()
        );

        good["DisplayName"] = json!("<script>alert(1)</script>");
        good["SigningCertificate"] = contoso.app["signing_certificate"].clone();
        good["PassiveSignInUri"] = json!(format!("https://evil.example/\"><b>{}", "x".repeat(500)));
        let answer = upload(&ada, &page, "not this", good.to_string().as_bytes()).await;
        assert!(answer.text(".state").contains("It differs."));
        let headings: Vec<_> = answer
            .text(".finding h2")
            .split_whitespace()
            .map(str::to_owned)
            .collect();
        assert_eq!(
            headings,
            [
                "passiveSignInUri:",
                "different",
                "signingCertificate:",
                "different",
                "displayName:",
                "acceptable"
            ]
        );
        assert!(answer.text(".finding").contains("--action enable"));
        assert_eq!(answer.count(".finding script, .finding b"), 0);
        assert!(
            !answer.source().contains(&"x".repeat(100)),
            "it is shortened"
        );

        let html = upload(&ada, &page, "<p>Sign in", b"").await;
        assert_eq!(html.status, 422);
        assert!(html.text("[role=alert]").contains("HTML or XML"));
        assert_eq!(
            html.form("form.settings").value("pasted"),
            Some("<p>Sign in")
        );
        let large = upload(&ada, &page, "", &vec![b' '; (1 << 20) + 1]).await;
        assert_eq!(large.status, 422);
        assert!(large.text("[role=alert]").contains("1 MiB"));
        let before = contoso.audit().len();
        let huge = upload(&ada, &page, "", &vec![b' '; 2 << 20]).await;
        assert_eq!(huge.status, 413, "{}", huge.source());
        assert_eq!(contoso.last_reason("request.refused"), "too-large");
        assert!(contoso.audit().len() > before);
    }
}

#[tokio::test]
async fn the_compare_page_is_for_a_signed_in_administrator_and_her_own_form() {
    for database in databases() {
        let contoso = Contoso::on(database).await;
        let url = contoso
            .server
            .url(&format!("/wsfed/{}/compare", contoso.id()));
        let ada = Browser::new();
        let page = contoso
            .sign_in(&ada, &url, "ada@contoso.com", PASSWORD)
            .await;
        assert_eq!(page.url, url, "she is led back");
        let alice = contoso.browser_of("alice@contoso.com").await;
        assert_eq!(alice.get(&url).await.status, 403);
        let token = page.form("form.settings");
        let token = token.value("form_token").expect("a code");
        assert_eq!(upload_as(&alice, &url, token, "{}", b"").await.status, 403);
        assert_eq!(contoso.last_reason("request.refused"), "not-admin");
        assert_eq!(upload_as(&ada, &url, "x", "{}", b"").await.status, 403);
        assert_eq!(contoso.last_reason("request.refused"), "foreign-form");
        let urlencoded = ada
            .post(&url, &[("form_token", token), ("pasted", "{}")])
            .await;
        assert_eq!(urlencoded.status, 400);
        let stranger = upload_as(&Browser::new(), &url, token, "{}", b"").await;
        let to = stranger.redirect().expect("to the sign-in page");
        assert!(to.path().starts_with("/sign-in/"), "{to}");

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
        let wiki = contoso.server.cli_json(&wiki);
        let of_wiki = contoso
            .server
            .url(&format!("/wsfed/{}/compare", text(&wiki, "id")));
        assert_eq!(ada.get(&of_wiki).await.status, 404);
        let compare = ["app", "compare", "Wiki", "-"];
        assert!(
            contoso
                .server
                .cli_with_input(&compare, "{}")
                .failed()
                .contains("Microsoft 365")
        );
    }
}
