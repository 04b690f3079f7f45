//! Signing in as a person does: a real browser, with scripts, its policies enforced, in large and small windows.

use entra::Protocol;
use fantoccini::Locator;
use harness::chromium::{Chromium, in_chromium};
use harness::{Setup, Site, databases};

use crate::company::{Contoso, PASSWORD, text};

#[tokio::test]
async fn alice_signs_in_through_chromium() {
    for database in databases() {
        let contoso = Contoso::on(database).await;
        for window in [(1280, 900), (500, 600)] {
            in_chromium("alice-signs-in", window, async |chromium| {
                chromium
                    .goto(contoso.microsoft.as_str())
                    .await
                    .expect("the stand-in answers");
                fill(&chromium, "input[name=user]", "alice@contoso.com").await;
                press(&chromium, "main form button").await;
                fits(&chromium).await;
                assert_eq!(
                    value(&chromium, "input[name=username]").await,
                    "alice@contoso.com"
                );
                fill(&chromium, "input[name=password]", "wrong").await;
                press(&chromium, "form button").await;
                let alert = chromium
                    .wait()
                    .for_element(Locator::Css("[role=alert]"))
                    .await
                    .expect("a message");
                assert_eq!(
                    alert.text().await.expect("text"),
                    "The user name or password is incorrect."
                );
                let _ = chromium.complaints().await; // of the 403
                fill(&chromium, "input[name=password]", PASSWORD).await;
                press(&chromium, "form button").await;
                // The script posts the token; nobody presses a button.
                chromium
                    .wait()
                    .for_element(Locator::Css(".checks li.passed"))
                    .await
                    .expect("the stand-in's page");
                assert_eq!(heading(&chromium).await, "Signed in as alice");
                assert_eq!(chromium.complaints().await, Vec::<String>::new());

                // The portal's tile signs in without a page.
                chromium
                    .goto(contoso.server.url("/").as_str())
                    .await
                    .expect("the portal");
                fits(&chromium).await;
                press(&chromium, "a[href*='whr=']").await;
                chromium
                    .wait()
                    .for_element(Locator::Css(".checks li.passed"))
                    .await
                    .expect("the stand-in's page");
                chromium
                    .goto(contoso.server.url("/").as_str())
                    .await
                    .expect("the portal");
                press(&chromium, "form[action='/sign-out'] button").await;
                chromium
                    .wait()
                    .for_element(Locator::Css("a[href='/sign-in']"))
                    .await
                    .expect("the way back in");
                fits(&chromium).await;
                assert_eq!(chromium.complaints().await, Vec::<String>::new());
            })
            .await;
        }
    }
}

#[tokio::test]
async fn microsoft_is_signed_out_in_a_frame_by_saml() {
    for database in databases() {
        let contoso = Contoso::speaking(Protocol::Saml, Setup::new(database)).await;
        in_chromium("signs-out-by-saml", (500, 600), async |chromium| {
            chromium
                .goto(contoso.microsoft.as_str())
                .await
                .expect("the stand-in answers");
            fill(&chromium, "input[name=user]", "alice@contoso.com").await;
            press(&chromium, "main form button").await;
            // By its id: Microsoft's own page asks for a password too, for Windows.
            fill(&chromium, "#password", PASSWORD).await;
            press(&chromium, "form button").await;
            chromium
                .wait()
                .for_element(Locator::Css(".checks li.passed"))
                .await
                .expect("the stand-in's page");
            chromium
                .goto(contoso.server.url("/").as_str())
                .await
                .expect("the portal");
            press(&chromium, "form[action='/sign-out'] button").await;
            let outcome = chromium
                .wait()
                .for_element(Locator::XPath("//*[contains(text(),'has signed you out')]"))
                .await;
            outcome.expect("Microsoft has answered in its frame");
            assert_eq!(heading(&chromium).await, "You are signed out here");
            fits(&chromium).await;
            assert_eq!(complaints(&chromium).await, Vec::<String>::new());
            // At Microsoft nobody is signed in any more.
            chromium
                .goto(contoso.microsoft.as_str())
                .await
                .expect("the stand-in answers");
            assert_eq!(heading(&chromium).await, "Sign in");
        })
        .await;
    }
}

#[tokio::test]
async fn signing_out_goes_on_when_the_last_application_is_done_or_after_a_few_seconds() {
    for database in databases() {
        let contoso = Contoso::on(database).await;
        let site = Site::start().await;
        let (acs, logout) = (site.url("/acs"), site.url("/slo"));
        let quiet = contoso.server.cli_json(&[
            "app",
            "add",
            "saml",
            "--label",
            "Quiet",
            "--entity-id",
            "urn:quiet",
            "--acs",
            acs.as_str(),
        ]);
        let quiet = text(&quiet, "id");
        let server = &contoso.server;
        server
            .cli(&["app", "set", quiet, "--logout", logout.as_str()])
            .succeeded();
        server.cli(&["app", "grant", quiet, "Staff"]).succeeded();

        in_chromium("signing-out", (320, 640), async |chromium| {
            let portal = contoso.server.url("/");
            sign_in(&chromium, &contoso).await;
            press(&chromium, "a[href*='whr=']").await;
            see(&chromium, ".checks li.passed").await;
            chromium.goto(portal.as_str()).await.expect("the portal");
            let before = pages_behind(&chromium).await;
            press(&chromium, "form[action='/sign-out'] button").await;
            see(&chromium, "a[href='/sign-in']").await;
            assert_eq!(
                shown(&chromium, ".outcomes").await,
                "Contoso 365 has been told"
            );
            // The page of the frames went on by itself and is not one to go back to.
            assert_eq!(pages_behind(&chromium).await, before + 1);
            fits(&chromium).await;

            sign_in(&chromium, &contoso).await;
            press(&chromium, "a[href*='whr=']").await;
            see(&chromium, ".checks li.passed").await;
            let tile = contoso.server.url(&format!("/saml2/{quiet}"));
            chromium.goto(tile.as_str()).await.expect("a response");
            see(&chromium, "body > p").await;
            assert_eq!(site.visits("/acs").len(), 1);
            chromium.goto(portal.as_str()).await.expect("the portal");
            press(&chromium, "form[action='/sign-out'] button").await;
            see(&chromium, "iframe").await;
            fits(&chromium).await;
            see(&chromium, ".again").await;
            let outcomes = shown(&chromium, ".outcomes").await;
            assert!(
                outcomes.contains("Contoso 365 has been told")
                    && outcomes.contains("Quiet has not answered"),
                "{outcomes}"
            );
            assert_eq!(site.visits("/slo").len(), 1);
            fits(&chromium).await;
            assert_eq!(chromium.complaints().await, Vec::<String>::new());
            press(&chromium, ".again").await;
            see(&chromium, "body > p").await;
            assert_eq!(site.visits("/slo").len(), 2);
        })
        .await;
    }
}

/// What Chromium complains about, but for its hint that a page of ours could leave the sandbox of its frame:
/// that is there for the pages of applications.
async fn complaints(chromium: &Chromium) -> Vec<String> {
    let mut complaints = chromium.complaints().await;
    complaints.retain(|complaint| !complaint.contains("can escape its sandboxing"));
    complaints
}

async fn sign_in(chromium: &Chromium, contoso: &Contoso) {
    let url = contoso.server.url("/sign-in");
    chromium.goto(url.as_str()).await.expect("the form");
    fill(chromium, "input[name=username]", "alice@contoso.com").await;
    fill(chromium, "input[name=password]", PASSWORD).await;
    press(chromium, "form button").await;
    see(chromium, ".account").await;
}

async fn see(chromium: &Chromium, selector: &str) {
    let found = chromium.wait().for_element(Locator::Css(selector)).await;
    found.unwrap_or_else(|error| panic!("{selector}: {error}"));
}

/// What a person reads there, with each run of white space as one space.
async fn shown(chromium: &Chromium, selector: &str) -> String {
    let found = chromium.find(Locator::Css(selector)).await;
    let text = found.expect(selector).text().await.expect("text");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// How far one could go back, this page included.
async fn pages_behind(chromium: &Chromium) -> u64 {
    let length = chromium.execute("return history.length", Vec::new()).await;
    length.expect("a number").as_u64().expect("a number")
}

async fn fill(chromium: &Chromium, selector: &str, text: &str) {
    let field = chromium
        .wait()
        .for_element(Locator::Css(selector))
        .await
        .expect("the field");
    field.clear().await.expect("an empty field");
    field.send_keys(text).await.expect("typed");
}

async fn value(chromium: &Chromium, selector: &str) -> String {
    let field = chromium
        .wait()
        .for_element(Locator::Css(selector))
        .await
        .expect("the field");
    field
        .prop("value")
        .await
        .expect("a value")
        .unwrap_or_default()
}

async fn press(chromium: &Chromium, selector: &str) {
    let button = chromium
        .wait()
        .for_element(Locator::Css(selector))
        .await
        .expect("the button");
    button.click().await.expect("pressed");
}

async fn heading(chromium: &Chromium) -> String {
    chromium
        .find(Locator::Css("h1"))
        .await
        .expect("a heading")
        .text()
        .await
        .expect("text")
}

/// Nothing sticks out of the window sideways.
async fn fits(chromium: &Chromium) {
    let script =
        "return document.documentElement.scrollWidth <= document.documentElement.clientWidth";
    let fits = chromium
        .execute(script, Vec::new())
        .await
        .expect("measured");
    assert_eq!(
        fits,
        serde_json::Value::Bool(true),
        "the page is wider than the window"
    );
}
