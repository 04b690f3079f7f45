//! Shibboleth's service provider, as Debian ships it, signs people in and out here.

use harness::judges::shibboleth::{Binding, ServiceProvider, Settings};
use harness::{Browser, Page, databases};

use crate::company::{Contoso, PASSWORD, text};

/// Goes wherever the page leads by itself: redirects, and forms that carry a message.
async fn settle(browser: &Browser, mut page: Page) -> Page {
    loop {
        page = browser.follow(page).await;
        if page.count("form input[name^=SAML]") != 1 {
            return page;
        }
        page = browser.submit(&page.form("form")).await;
    }
}

/// Signs Alice in to the provider's protected page.
async fn sign_in(provider: &ServiceProvider) -> Browser {
    let browser = Browser::new();
    let page = browser.get(&provider.protected()).await;
    let page = settle(&browser, page).await;
    let form = page
        .form("form")
        .fill("username", "alice@contoso.com")
        .fill("password", PASSWORD);
    let page = browser.submit(&form).await;
    let page = settle(&browser, page).await;
    assert_eq!(page.url, provider.protected(), "{}", page.source());
    browser
}

#[tokio::test]
async fn shibboleth_signs_alice_in_and_out_by_both_bindings() {
    for database in databases() {
        let contoso = Contoso::on(database).await;
        for (binding, encryption) in [(Binding::Redirect, false), (Binding::Post, true)] {
            let basic = "urn:oasis:names:tc:SAML:2.0:attrname-format:basic";
            let mut provider = ServiceProvider::start(Settings {
                sign_on: binding,
                sign_out: binding,
                encryption,
                attributes: vec![("mail".to_owned(), basic.to_owned())],
                ..Settings::default()
            })
            .await;
            let add = ["--json", "app", "add", "saml", "--label", "Shibboleth"];
            let rest = ["--metadata", "-", "--attribute", "mail=upn"];
            let added = contoso
                .server
                .cli_with_input(&[&add[..], &rest].concat(), &provider.metadata().await)
                .succeeded();
            let app: serde_json::Value = serde_json::from_str(&added).expect("JSON");
            assert_eq!(app["saml"]["encrypt"], encryption, "{app}");
            let id = text(&app, "id");
            contoso
                .server
                .cli(&["app", "grant", id, "Staff"])
                .succeeded();
            let metadata = contoso.server.cli(&["app", "metadata", id]).succeeded();
            provider.trust(text(&app, "issuer"), &metadata).await;

            let browser = sign_in(&provider).await;
            let session = provider.session(&browser).await.expect("she is signed in");
            assert_eq!(session["mail"], "alice@contoso.com");
            assert_eq!(session["Shib-Identity-Provider"], text(&app, "issuer"));
            assert_eq!(
                session["Shib-AuthnContext-Class"],
                "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport"
            );

            // Signing out there ends the session here.
            let page = browser.get(&provider.logout()).await;
            let page = settle(&browser, page).await;
            assert_eq!(page.status, 200, "{}", page.source());
            assert!(page.url.as_str().contains("Shibboleth.sso"), "{}", page.url);
            assert_eq!(provider.session(&browser).await, None);
            let portal = contoso.server.url("/");
            assert_eq!(browser.open(&portal).await.url.path(), "/sign-in");

            // Signing out here ends the session there, in a frame.
            let browser = sign_in(&provider).await;
            let page = browser.open(&portal).await;
            let answer = browser.submit(&page.form("form[action='/sign-out']")).await;
            let hub = browser.follow(answer).await;
            let frames = hub.attributes("iframe", "src");
            assert_eq!(frames.len(), 1, "{}", hub.source());
            let frame = browser.get(&hub.url.join(&frames[0]).expect("a URL")).await;
            let done = settle(&browser, frame).await;
            assert_eq!(done.status, 200, "{}", done.source());
            assert_eq!(provider.session(&browser).await, None);
            let result = hub
                .url
                .join(&format!("{}/result", hub.url.path()))
                .expect("a URL");
            let page = browser.get(&result).await;
            let said = page.text("main");
            assert!(said.contains("Shibboleth has signed you out"), "{said}");
        }
    }
}
