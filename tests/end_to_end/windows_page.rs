//! The page on which an administrator decides whether a password alone opens an application.

use harness::{Browser, Form, Page, databases};
use serde_json::{Value, json};
use url::Url;

use crate::company::{Contoso, PASSWORD, text};

#[tokio::test]
async fn an_administrator_turns_it_on_for_some_networks_and_off_again() {
    for database in databases() {
        let contoso = Contoso::on(database).await;
        let ada = contoso.browser_of("ada@contoso.com").await;
        let url = page_of(&contoso, contoso.id());

        let page = ada.get(&url).await;
        assert_eq!(page.header("cache-control"), Some("no-store"));
        assert!(page.text(".state").contains("It is off."));
        assert!(page.text("main").contains("second factor"));
        for address in ["mex_url", "trust2005_url", "trust13_url"] {
            let address = text(&contoso.app, address);
            assert!(page.text(".facts code").contains(address), "{address}");
        }
        let form = page.form("form.settings");
        assert_eq!(page.count("input[name=understood][required]"), 1);

        let unread = ada.submit(&form).await;
        assert_eq!(
            refused(&unread),
            "Nothing was changed: tick the box that says what it means to turn it on."
        );
        let typed = "192.0.2.0/24\n203.0.113.7/24";
        let wrong = ada
            .submit(&understood(
                form.clone().fill("networks", typed).fill("status", "500"),
            ))
            .await;
        assert!(refused(&wrong).contains("write 203.0.113.0/24"));
        let again = wrong.form("form.settings");
        assert_eq!(
            (again.value("networks"), again.value("status")),
            (Some(typed), Some("500"))
        );
        assert_eq!(active(&contoso), closed());

        let typed = " 203.0.113.0/24\r\n\r\n2001:DB8:0:1::/64\r\n";
        let answer = ada.submit(&understood(again.fill("networks", typed))).await;
        assert_eq!((answer.status, answer.redirect()), (303, Some(url.clone())));
        let page = ada.follow(answer).await;
        let state = page.text(".state");
        assert!(
            state.contains("It is on.") && state.contains("203.0.113.0/24, 2001:db8:0:1::/64"),
            "{state}"
        );
        let networks = ["203.0.113.0/24", "2001:db8:0:1::/64"];
        assert_eq!(
            active(&contoso),
            json!({"on": true, "networks": networks, "credential_status": 500})
        );
        let line = &contoso.audit()[0];
        assert_eq!(
            (text(line, "event"), text(line, "user_upn")),
            ("app.changed", "ada@contoso.com")
        );
        assert_eq!(line["details"]["ws-trust"], "off -> on");

        // What is on already needs nobody's word again.
        let form = page
            .form("form.settings")
            .fill("networks", "")
            .fill("status", "400");
        let page = ada.follow(ada.submit(&form).await).await;
        assert!(page.text(".state").contains("from everywhere"));
        assert_eq!(
            active(&contoso),
            json!({"on": true, "networks": [], "credential_status": 400})
        );

        let page = ada.follow(ada.submit(&page.form("form.off")).await).await;
        assert!(page.text(".state").contains("It is off."));
        assert_eq!(active(&contoso), closed());
    }
}

#[tokio::test]
async fn turning_it_off_forgets_nothing_else() {
    for database in databases() {
        let contoso = Contoso::on(database).await;
        let on = [
            "app",
            "set",
            contoso.id(),
            "--active",
            "on",
            "--active-from",
            "192.0.2.0/24",
            "--active-status",
            "500",
        ];
        contoso.server.cli(&on).succeeded();
        let ada = contoso.browser_of("ada@contoso.com").await;
        let page = ada.get(&page_of(&contoso, contoso.id())).await;
        ada.submit(&page.form("form.off")).await;
        assert_eq!(
            active(&contoso),
            json!({"on": false, "networks": ["192.0.2.0/24"], "credential_status": 500})
        );
    }
}

#[tokio::test]
async fn the_page_is_for_a_signed_in_administrator_and_her_own_form() {
    for database in databases() {
        let contoso = Contoso::on(database).await;
        let url = page_of(&contoso, contoso.id());

        // Somebody who is not signed in is led back here afterwards.
        let ada = Browser::new();
        let page = contoso
            .sign_in(&ada, &url, "ada@contoso.com", PASSWORD)
            .await;
        assert_eq!(page.url, url);
        let form = understood(page.form("form.settings"));

        let alice = contoso.browser_of("alice@contoso.com").await;
        assert_eq!(alice.get(&url).await.status, 403);
        assert_eq!(contoso.last_reason("request.refused"), "not-admin");
        let portal = alice.open(&contoso.server.url("/")).await;
        let own = portal.form(".account form");
        let own = own.value("form_token").expect("a code");
        let hers = form.clone().fill("form_token", own);
        assert_eq!(alice.submit(&hers).await.status, 403);
        assert_eq!(contoso.last_reason("request.refused"), "not-admin");

        for foreign in [
            hers,
            form.clone().fill("form_token", "x"),
            form.clone().without("form_token"),
        ] {
            assert_eq!(ada.submit(&foreign).await.status, 403);
            assert_eq!(contoso.last_reason("request.refused"), "foreign-form");
        }
        assert_eq!(Browser::new().submit(&form).await.status, 403);
        assert_eq!(active(&contoso), closed());

        contoso
            .server
            .cli(&["user", "disable", "ada@contoso.com"])
            .succeeded();
        let page = ada.follow(ada.submit(&form).await).await;
        assert_eq!(page.count("input[name=password]"), 1, "{}", page.source());
        assert_eq!(active(&contoso), closed());
    }
}

#[tokio::test]
async fn a_saml_domain_is_told_why_it_cannot_be_turned_on() {
    for database in databases() {
        let contoso = Contoso::on(database).await;
        let ada = contoso.browser_of("ada@contoso.com").await;
        let url = page_of(&contoso, contoso.id());
        let form = understood(ada.get(&url).await.form("form.settings"));
        contoso
            .server
            .cli(&["app", "set", contoso.id(), "--protocol", "saml"])
            .succeeded();

        let page = ada.get(&url).await;
        let words = page.text("main");
        let command = format!("countersign app set {} --protocol wsfed", contoso.id());
        assert!(
            words.contains("cannot be turned on") && words.contains(&command),
            "{words}"
        );
        assert_eq!(page.count("form"), 0);
        assert!(refused(&ada.submit(&form).await).contains("WS-Federation"));
        assert_eq!(active(&contoso), closed());
    }
}

#[tokio::test]
async fn the_page_is_found_from_where_administrators_are() {
    for database in databases() {
        let contoso = Contoso::on(database).await;
        let ada = contoso.browser_of("ada@contoso.com").await;
        let commands: Url = text(&contoso.app, "commands_url").parse().expect("a URL");
        let request = ada
            .client()
            .get(commands.clone())
            .header("accept", "text/html");
        let page = ada.send(request).await;
        let words = page.text("main");
        for address in ["mex_url", "trust2005_url"] {
            assert!(
                page.text(".facts").contains(text(&contoso.app, address)),
                "{words}"
            );
        }
        assert!(words.contains("That is off"), "{words}");
        let href = &page.attributes("a[href$='/windows']", "href")[0];
        let page = ada.get(&commands.join(href).expect("a link")).await;
        assert_eq!(page.attributes(".back a", "href"), [commands.path()]);

        // An application without commands is reached from the portal.
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
        let url = page_of(&contoso, text(&wiki, "id"));
        let portal = ada.open(&contoso.server.url("/")).await;
        assert!(
            portal
                .attributes("a", "href")
                .contains(&url.path().to_owned())
        );
        let page = ada.get(&url).await;
        assert_eq!(page.attributes(".back a", "href"), ["/"]);
        let page = ada
            .follow(ada.submit(&understood(page.form("form.settings"))).await)
            .await;
        assert!(page.text(".state").contains("It is on."));

        let saml = contoso.server.cli_json(&[
            "app",
            "add",
            "saml",
            "--label",
            "Notes",
            "--entity-id",
            "urn:notes",
            "--acs",
            "https://notes.example/acs",
        ]);
        let page = ada.get(&page_of(&contoso, text(&saml, "id"))).await;
        assert_eq!(page.status, 404);
        assert!(page.text("main").contains("another protocol"));
    }
}

fn page_of(contoso: &Contoso, app_id: &str) -> Url {
    contoso.server.url(&format!("/wsfed/{app_id}/windows"))
}

/// The form with its box ticked.
fn understood(mut form: Form) -> Form {
    form.fields
        .push(("understood".to_owned(), "yes".to_owned()));
    form
}

/// Why the form is shown again.
fn refused(page: &Page) -> String {
    assert_eq!(page.status, 422, "{}", page.source());
    page.text("[role=alert]")
}

fn active(contoso: &Contoso) -> Value {
    contoso.server.cli_json(&["app", "show", contoso.id()])["active"].clone()
}

fn closed() -> Value {
    json!({"on": false, "networks": [], "credential_status": 400})
}
