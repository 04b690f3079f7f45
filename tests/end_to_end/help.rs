//! What Microsoft's codes mean: for strangers, and for administrators with what this server says.

use harness::{Browser, databases};

use crate::company::{Contoso, text};

#[tokio::test]
async fn a_stranger_reads_what_a_code_means_and_nothing_about_the_installation() {
    for database in databases() {
        let contoso = Contoso::on(database).await;
        let browser = Browser::new();
        let open = async |path: &str| browser.get(&contoso.server.url(path)).await;
        let index = open("/help/aadsts").await;
        let links = index.attributes("main a", "href");
        assert!(links.len() >= 90, "{}", links.len());
        assert!(links.contains(&"/help/aadsts/50107".to_owned()));

        for (path, heading, words) in [
            (
                "/help/aadsts/AADSTS50107",
                "AADSTS50107: No domain has this issuer",
                "issuerUri",
            ),
            (
                "/help/aadsts/50107?user=alice@contoso.com",
                "AADSTS50107: No domain has this issuer",
                "issuerUri",
            ),
            (
                "/help/aadsts/0xC000006D",
                "0xc000006d: Windows: name or password refused",
                "Event 1088",
            ),
            (
                "/help/aadsts/graph-409",
                "Graph 409: The issuer is in use",
                "--issuer",
            ),
            (
                "/help/aadsts/5000899",
                "AADSTS5000899: The token is not what was expected",
                "about AADSTS50008",
            ),
            (
                "/help/aadsts/70011",
                "AADSTS70011",
                "https://login.microsoftonline.com/error?code=70011",
            ),
        ] {
            let page = open(path).await;
            assert_eq!(
                (page.status, page.text("h1").as_str()),
                (200, heading),
                "{path}"
            );
            assert!(page.source().contains(words), "{path}: {}", page.source());
            let source = page.source().to_lowercase();
            for secret in [
                "contoso",
                text(&contoso.app, "id"),
                "on this server",
                "<form",
            ] {
                assert!(!source.contains(secret), "{path} tells {secret}");
            }
        }
        for path in [
            "/help/aadsts/%3Cscript%3E",
            "/help/aadsts/5010",
            "/help/aadsts/AADSTSx",
        ] {
            let page = open(path).await;
            assert_eq!(page.status, 404, "{path}");
        }
    }
}

#[tokio::test]
async fn an_administrator_also_reads_what_this_server_says_about_it() {
    for database in databases() {
        let contoso = Contoso::on(database).await;
        let ada = contoso.browser_of("ada@contoso.com").await;
        let open = async |path: &str| ada.get(&contoso.server.url(path)).await;
        for (code, value) in [
            ("50107", text(&contoso.app, "issuer")),
            ("5000811", text(&contoso.app, "certificate_thumbprint")),
            ("50008", text(&contoso.app, "certificate_thumbprint")),
            ("500133", "Clock of this server"),
            ("20012", "wsFed"),
            ("7500514", text(&contoso.app, "wsfed_url")),
            ("0xc000023c", "WS-Trust"),
            ("50126", "Get-MgDomain -DomainId contoso.com"),
        ] {
            let page = open(&format!("/help/aadsts/{code}")).await;
            assert!(page.source().contains("On this server"), "{code}");
            assert!(page.source().contains(value), "{code}: {}", page.source());
        }

        let page = open("/help/aadsts/51004").await;
        let form = page.form("form.settings").fill("user", "Alice@contoso.com");
        let alice = contoso
            .server
            .cli_json(&["user", "show", "alice@contoso.com"]);
        let asked = ada.submit(&form).await;
        assert!(
            asked.source().contains(text(&alice, "immutable_id")),
            "{}",
            asked.source()
        );
        let frank = open("/help/aadsts/51004?user=frank@fabrikam.com").await;
        assert!(
            frank.source().contains("outside of its domain"),
            "{}",
            frank.source()
        );
        let nobody = open("/help/aadsts/51004?user=%22%3E%3Cscript%3Ex").await;
        assert_eq!(nobody.count("[role=alert]"), 1);
        assert!(!nobody.source().contains("<script>x"));

        // Whoever administers nothing is a stranger here.
        let alice = contoso.browser_of("alice@contoso.com").await;
        let page = alice.get(&contoso.server.url("/help/aadsts/50107")).await;
        assert!(!page.source().contains("On this server") && !page.source().contains("contoso"));
    }
}
