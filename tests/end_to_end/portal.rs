//! The pages of people and administrators: portal, commands, set-up.

use harness::{Browser, Setup, databases};
use url::Url;

use crate::company::{Contoso, PASSWORD, posted, text};

#[tokio::test]
async fn the_portal_shows_a_person_their_tiles_and_the_tile_starts_the_sign_in() {
    for database in databases() {
        let contoso = Contoso::on(database).await;
        let browser = contoso.browser_of("alice@contoso.com").await;
        let portal = browser.open(&contoso.server.url("/")).await;
        assert_eq!(
            portal.attributes("a[href*='whr=']", "href"),
            [format!(
                "{}login.srf?wa=wsignin1.0&whr=contoso.com",
                contoso.microsoft
            )]
        );
        assert!(
            !portal.source().contains("/commands"),
            "she administers nothing"
        );
        let tile = Url::parse(&portal.attributes("a[href*='whr=']", "href")[0]).expect("a URL");
        let post = browser.open(&tile).await;
        assert_eq!(
            browser.submit(&post.form("form")).await.text("h1"),
            "Signed in as alice"
        );
        let carol = contoso.browser_of("carol@contoso.com").await;
        assert_eq!(
            carol
                .open(&contoso.server.url("/"))
                .await
                .count("a[href*='whr=']"),
            0
        );
    }
}

#[tokio::test]
async fn the_commands_are_for_a_signed_in_administrator() {
    for database in databases() {
        let contoso = Contoso::on(database).await;
        let url: Url = text(&contoso.app, "commands_url").parse().expect("a URL");
        let html = |browser: &Browser| {
            browser
                .client()
                .get(url.clone())
                .header("accept", "text/html,*/*;q=0.8")
        };

        // Somebody who is not signed in is led back here afterwards.
        let browser = Browser::new();
        let answer = browser.send(html(&browser)).await;
        let page = browser.follow(answer).await;
        let form = page
            .form("form")
            .fill("username", "ada@contoso.com")
            .fill("password", PASSWORD);
        let back = browser
            .submit(&form)
            .await
            .redirect()
            .expect("to the dispatcher");
        assert_eq!(browser.get(&back).await.redirect().as_ref(), Some(&url));
        // A browser gets the script once the rescue pack is stored.
        browser.get(&url.join("rescue").expect("a path")).await;
        let page = browser.send(html(&browser)).await;
        let script = page.text("#script");
        assert!(
            script.contains("New-MgDomainFederationConfiguration")
                && script.contains("'https://contoso.com'")
        );
        assert!(page.header("cache-control") == Some("no-store"));

        let plain = browser.get(&url).await;
        assert!(
            plain
                .header("content-type")
                .is_some_and(|kind| kind.starts_with("text/plain"))
        );
        assert_eq!(
            plain
                .source()
                .split_whitespace()
                .collect::<Vec<_>>()
                .join(" "),
            script
        );
        assert_eq!(
            plain.source().trim_end(),
            contoso
                .server
                .cli(&["app", "commands", "contoso.com"])
                .succeeded()
                .trim_end()
        );
        let link = &page.attributes("a[href*='download']", "href")[0];
        let file = browser.get(&url.join(link).expect("a link")).await;
        assert_eq!(
            file.header("content-disposition"),
            Some("attachment; filename=\"enable-contoso.com-graph.ps1\"")
        );
        for value in ["issuer", "wsfed_url", "signout_url"] {
            assert!(
                plain.source().contains(text(&contoso.app, value)),
                "{value} is missing"
            );
        }

        for (accept, html) in [
            ("text/html;q=0, text/plain", false),
            ("text/html;q=0, */*", false),
            ("text/html;q=0.1, text/plain;q=0.2", false),
            ("text/html;q=0.2, text/plain;q=0.1", true),
            ("TEXT/HTML", true),
            ("text/*", false),
            ("text/*;q=0.5, text/html;level=1", true),
            ("*/*", false),
            ("application/json", false),
            ("text/plain;q=0, */*", true),
            ("application/xhtml+xml,text/html;q=0.9,*/*;q=0.8", true),
        ] {
            let request = browser.client().get(url.clone()).header("accept", accept);
            let page = browser.send(request).await;
            assert_eq!(
                page.header("content-type")
                    .is_some_and(|kind| kind.starts_with("text/html")),
                html,
                "{accept}"
            );
            // The explanation of a refusal comes in the same form.
            let stranger = Browser::new();
            let missing = contoso.server.url("/wsfed/nothing/commands");
            let request = stranger.client().get(missing).header("accept", accept);
            let page = stranger.send(request).await;
            assert_eq!(
                (page.status, page.count("h1") == 1),
                (404, html),
                "{accept}"
            );
        }

        assert_eq!(Browser::new().get(&url).await.status, 401);
        let alice = contoso.browser_of("alice@contoso.com").await;
        assert_eq!(alice.get(&url).await.status, 403);
        assert_eq!(contoso.last_reason("request.refused"), "not-admin");
        let wiki = contoso.server.cli_json(&[
            "app",
            "add",
            "wsfed",
            "--label",
            "Wiki",
            "--realm",
            "urn:wiki",
            "--reply",
            "https://wiki.example/",
        ]);
        let wiki = contoso
            .server
            .url(&format!("/wsfed/{}/commands", text(&wiki, "id")));
        assert_eq!(browser.get(&wiki).await.status, 404);
    }
}

#[tokio::test]
async fn the_first_administrator_comes_through_a_link_that_works_once() {
    for database in databases() {
        let server = Setup::new(database).start().await;
        let link = server.logged("/setup/").await;
        let link = Url::parse(link.trim()).expect("the line is the link");
        let (browser, late) = (Browser::new(), Browser::new());
        let filled = |form: harness::Form| {
            form.fill("upn", "ada@contoso.com")
                .fill("display_name", "Ada")
                .fill("password", PASSWORD)
                .fill("password_again", PASSWORD)
        };
        let form = filled(browser.open(&link).await.form("form"));
        let late_form = filled(late.open(&link).await.form("form"));
        for (wrong, words) in [
            (
                form.clone().fill("password_again", "something else"),
                "differ",
            ),
            (
                form.clone()
                    .fill("password", "short")
                    .fill("password_again", "short"),
                "at least 8",
            ),
            (form.clone().fill("upn", "ada"), "user principal name"),
        ] {
            let page = browser.submit(&wrong).await;
            assert_eq!(page.status, 422);
            assert!(
                page.text("[role=alert]").contains(words),
                "{}",
                page.text("main")
            );
        }
        let answer = browser.submit(&form).await;
        assert_eq!(browser.follow(answer).await.url.path(), "/");
        assert_eq!(late.submit(&late_form).await.status, 410);
        assert_eq!(Browser::new().open(&link).await.status, 410);
        assert_eq!(
            server.cli_json(&["user", "show", "ada@contoso.com"])["admin"],
            true
        );

        let setup = server.stop().await;
        let again = setup.start().await;
        assert!(
            !again.log().contains("/setup/"),
            "there is an administrator now"
        );
    }
}

#[tokio::test]
async fn the_hosts_own_metadata_address_says_why_it_is_silent_when_there_are_two_domains() {
    for database in databases() {
        let contoso = Contoso::on(database).await;
        let host = contoso
            .server
            .url("/FederationMetadata/2007-06/FederationMetadata.xml");
        let browser = Browser::new();
        assert_eq!(browser.get(&host).await.status, 200);
        let fabrikam = contoso
            .server
            .cli_json(&["app", "add", "m365", "--domain", "fabrikam.com"]);
        let page = browser.get(&host).await;
        assert_eq!(page.status, 404);
        let words = page.text("main");
        assert!(
            words.contains("several Microsoft 365") && words.contains("app show"),
            "{words}"
        );
        assert_eq!(contoso.last_reason("request.refused"), "several-apps");
        let own = Url::parse(text(&fabrikam, "federation_metadata_url")).expect("a URL");
        assert_eq!(browser.get(&own).await.status, 200);
    }
}

#[tokio::test]
async fn the_commands_of_a_saml_domain_say_what_it_cannot_do_and_how_to_change_over() {
    for database in databases() {
        let contoso = Contoso::on(database).await;
        let url: Url = text(&contoso.app, "commands_url").parse().expect("a URL");
        let browser = contoso.browser_of("ada@contoso.com").await;
        for (protocol, other, in_words, set, limited) in [
            ("wsfed", "saml", "Protocol: WS-Federation", "'wsFed'", false),
            ("saml", "wsfed", "Protocol: SAML 2.0", "'saml'", true),
        ] {
            let app =
                contoso
                    .server
                    .cli_json(&["app", "set", contoso.id(), "--protocol", protocol]);
            let request = browser.client().get(url.clone());
            let page = browser.send(request.header("accept", "text/html")).await;
            let words = page.text("main");
            assert!(words.contains(in_words), "{words}");
            assert_eq!(words.contains("Join Windows devices"), limited, "{words}");
            let change = format!("countersign app set {} --protocol {other}", contoso.id());
            assert!(words.contains(&change), "{words}");
            let plain = browser.get(&url).await;
            let script = plain.source();
            assert!(
                script.contains(&format!("PreferredAuthenticationProtocol = {set}")),
                "{script}"
            );
            let [sign_in, sign_out] = if limited {
                ["saml_sso_url", "saml_slo_url"]
            } else {
                ["wsfed_url", "signout_url"]
            };
            for (name, value) in [("PassiveSignInUri", sign_in), ("SignOutUri", sign_out)] {
                let line = format!("{name} = '{}'", text(&app, value));
                assert!(script.contains(&line), "{line} is not in {script}");
            }
        }
    }
}

#[tokio::test]
async fn signing_out_waits_for_no_application_that_cannot_be_told() {
    for database in databases() {
        let contoso = Contoso::on(database).await;
        let quiet = contoso.server.cli_json(&[
            "app",
            "add",
            "saml",
            "--label",
            "Quiet",
            "--entity-id",
            "urn:quiet",
            "--acs",
            "https://quiet.example/acs",
        ]);
        let quiet = text(&quiet, "id");
        contoso
            .server
            .cli(&["app", "grant", quiet, "Staff"])
            .succeeded();
        let tile = contoso.server.url(&format!("/saml2/{quiet}"));

        let browser = contoso.browser_of("alice@contoso.com").await;
        assert_eq!(browser.get(&tile).await.status, 200);
        let portal = browser.open(&contoso.server.url("/")).await;
        let answer = browser.submit(&portal.form(".account form")).await;
        let page = browser.follow(answer).await;
        assert!(page.url.path().ends_with("/result"), "{}", page.url);
        let words = page.text("main");
        assert!(
            words.contains("Quiet cannot be told") && words.contains("Close all browser windows"),
            "{words}"
        );
        assert_eq!(page.count(".again"), 0, "there is nowhere to try again");

        // With somebody who can be told there is a page of frames, which may lead to that one.
        let browser = contoso.browser_of("alice@contoso.com").await;
        posted(&browser.get(&contoso.wsfed("+")).await);
        let portal = browser.open(&contoso.server.url("/")).await;
        let answer = browser.submit(&portal.form(".account form")).await;
        let page = browser.follow(answer).await;
        assert_eq!(page.text(".outcomes .state"), "is being told");
        assert_eq!(page.count(".outcomes svg.sign"), 1);
        // Whoever does not like frames breaks out of them, and would take this page along.
        let frame = page.attributes("iframe", "sandbox");
        assert_eq!(frame, ["allow-forms allow-same-origin allow-scripts"]);
        let policy = page.header("content-security-policy").unwrap_or_default();
        assert!(
            policy.contains("frame-src 'self' https: http:"),
            "this server is reached by plain http: {policy}"
        );
        let refresh = page.attributes("meta[http-equiv=refresh]", "content");
        let result = page.attributes("#result", "href");
        assert_eq!(refresh, [format!("5;url={}", result[0])]);
    }
}
