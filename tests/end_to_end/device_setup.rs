//! Signing in while Windows is set up: an embedded web view with a small window, often half under a keyboard, without
//! scripts perhaps, and with nothing kept from before.

use fantoccini::Locator;
use harness::chromium::{Chromium, in_chromium};
use harness::site::Answer;
use harness::{Database, Setup, Site};
use serde_json::{Value, json};
use url::Url;

use crate::company::{Contoso, PASSWORD};

/// The web view of Windows 10, which is EdgeHTML, and the one of Windows 11.
const USER_AGENTS: [&str; 2] = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; WebView/3.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/70.0.3538.102 Safari/537.36 Edge/18.26100",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36 Edg/130.0.0.0",
];
const WINDOW: (u32, u32) = (500, 600);
/// The same with an on-screen keyboard.
const ABOVE_A_KEYBOARD: (u32, u32) = (500, 300);
const NARROW: (u32, u32) = (320, 568);

#[tokio::test]
async fn every_page_of_a_sign_in_fits_the_web_view_of_a_device_s_set_up() {
    let contoso = Contoso::on(Database::Sqlite).await;
    let fresh = Setup::new(Database::Sqlite).start().await;
    let setup_link = fresh.logged("/setup/").await;
    let setup_link = Url::parse(setup_link.trim()).expect("the line is the link");
    for (scripts, user_agent) in [true, false].into_iter().zip(USER_AGENTS) {
        let name = if scripts {
            "device-setup"
        } else {
            "device-setup-without-scripts"
        };
        in_chromium(name, WINDOW, async |chromium| {
            let view = WebView::new(chromium, user_agent, scripts).await;
            let here = |path: &str| contoso.server.url(path);

            view.arrive(&contoso, "alice@contoso.com").await;
            view.fits("the form", true).await;
            view.submit("alice@contoso.com", "wrong").await;
            view.shows("[role=alert]", "The user name or password is incorrect.")
                .await;
            view.fits("a wrong password", true).await;
            assert_eq!(view.focused().await, "password");

            view.arrive(&contoso, "dave@contoso.com").await;
            view.submit("dave@contoso.com", PASSWORD).await;
            view.shows("h1", "Account disabled").await;
            view.fits("a disabled account", false).await;
            view.press(".actions a").await;
            view.shows(".lead", "to continue to Contoso 365").await;

            view.submit("carol@contoso.com", PASSWORD).await;
            view.shows("h1", "No access").await;
            view.fits("no access", false).await;
            // Carol stays signed in until somebody else has signed in instead.
            view.press(".actions a").await;
            view.submit("alice@contoso.com", "wrong").await;
            view.see("[role=alert]").await;
            view.submit("carol@contoso.com", PASSWORD).await;
            view.shows("h1", "No access").await;
            view.press(".actions a").await;
            view.submit("alice@contoso.com", PASSWORD).await;
            if !scripts {
                view.press("#post-back button").await;
            }
            view.shows("h1", "Signed in as alice").await;

            view.forget().await;
            view.open(&here("/sign-in")).await;
            loop {
                view.submit("nobody@contoso.com", "wrong").await;
                if view.text("[role=alert]").await.contains("Too many") {
                    break;
                }
            }
            view.fits("locked out", true).await;

            for (path, heading) in [
                ("/sign-in/nothing".to_owned(), "This sign-in has expired"),
                (
                    "/wsfed/nothing?wa=wsignin1.0".to_owned(),
                    "Unknown application",
                ),
                (
                    format!("/wsfed/{}?wa=wsignin1.0", contoso.id()),
                    "The sign-in request is not valid",
                ),
            ] {
                view.open(&here(&path)).await;
                view.shows("h1", heading).await;
                view.fits(heading, false).await;
            }

            view.open(&setup_link).await;
            view.fits("the first administrator", true).await;
            view.open(&fresh.url("/setup/nothing")).await;
            view.shows("h1", "Set-up link no longer valid").await;
            view.fits("no set-up link", false).await;
            let elsewhere = view.visited().await;
            assert_eq!(
                elsewhere,
                origins(&[&contoso.microsoft, &here("/"), &setup_link]),
                "nothing came from anywhere else"
            );
        })
        .await;
    }
}

#[tokio::test]
async fn a_web_view_signs_in_and_out_between_two_origins() {
    let contoso = Contoso::on(Database::Sqlite).await;
    for (scripts, user_agent) in [true, false].into_iter().zip(USER_AGENTS) {
        in_chromium("device-setup-signs-in", WINDOW, async |chromium| {
            let view = WebView::new(chromium, user_agent, scripts).await;
            // As where the script does not arrive: the page with the button stays.
            let blocked = json!({ "urls": ["*/post.js*"] });
            view.chromium
                .devtools("Network.setBlockedURLs", blocked)
                .await;
            view.arrive(&contoso, "alice@contoso.com").await;
            view.submit("alice@contoso.com", PASSWORD).await;
            view.shows("h1", "Signing you in").await;
            view.fits("on the way to Microsoft", true).await;
            let (_, bottom) = view.extent("form button").await;
            assert!(bottom <= 300.0, "the button is at {bottom}");
            view.press("form button").await;
            view.shows("h1", "Signed in as alice").await;
            let blocked = json!({ "urls": [] });
            view.chromium
                .devtools("Network.setBlockedURLs", blocked)
                .await;
            let _ = view.chromium.complaints().await; // of the script

            view.forget().await;
            view.arrive(&contoso, "alice@contoso.com").await;
            view.submit("alice@contoso.com", PASSWORD).await;
            if !scripts {
                view.shows("h1", "Signing you in").await;
                view.press("form button").await;
            }
            view.shows("h1", "Signed in as alice").await;
            view.see(".checks li.passed").await;

            view.open(&contoso.server.url("/")).await;
            view.fits("the portal", false).await;
            view.press("form[action='/sign-out'] button").await;
            if !scripts {
                view.shows("h1", "Signing you out").await;
                view.fits("signing out", false).await;
                view.press("#result").await;
            }
            view.shows("h1", "You are signed out here").await;
            view.fits("signed out of applications", false).await;

            view.press(".actions a").await;
            view.submit("alice@contoso.com", PASSWORD).await;
            view.see(".account").await;
            view.press("form[action='/sign-out'] button").await;
            view.shows("h1", "You are signed out").await;
            view.fits("signed out", false).await;
            assert_eq!(
                view.visited().await,
                origins(&[&contoso.microsoft, &contoso.server.url("/")])
            );
        })
        .await;
    }
}

#[tokio::test]
async fn above_a_keyboard_the_message_the_field_and_the_button_show_at_once() {
    let contoso = Contoso::on(Database::Sqlite).await;
    in_chromium("device-setup-keyboard", WINDOW, async |chromium| {
        let view = WebView::new(chromium, USER_AGENTS[1], false).await;
        view.size(ABOVE_A_KEYBOARD).await;
        view.arrive(&contoso, "alice@contoso.com").await;
        for message in [false, true] {
            let (top, bottom) = view.extent("form button").await;
            assert!(top >= 0.0 && bottom <= 300.0, "the button: {top} {bottom}");
            let (top, bottom) = view.extent("input[name=password]").await;
            assert!(top >= 0.0 && bottom <= 300.0, "the field: {top} {bottom}");
            if message {
                let (top, bottom) = view.extent("[role=alert]").await;
                assert!(top >= 0.0 && bottom <= 300.0, "the message: {top} {bottom}");
                break;
            }
            view.submit("alice@contoso.com", "wrong").await;
            view.see("[role=alert]").await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_form_of_another_site_starts_a_sign_in_without_a_cookie_from_before() {
    let contoso = Contoso::on(Database::Sqlite).await;
    let action = contoso.server.url(&format!("/wsfed/{}", contoso.id()));
    let form = format!(
        r#"<!doctype html><title>Elsewhere</title><form method="post" action="{action}">
        <input type="hidden" name="wa" value="wsignin1.0">
        <input type="hidden" name="wtrealm" value="urn:federation:MicrosoftOnline">
        <button>Go</button></form>"#
    );
    let site = Site::with_pages([("/", Answer::page(&form))]).await;
    in_chromium("device-setup-cross-site", WINDOW, async |chromium| {
        let view = WebView::new(chromium, USER_AGENTS[0], false).await;
        // An address and a name are two sites, whatever they lead to.
        assert_eq!(site.url("/").host_str(), Some("127.0.0.1"));
        assert_eq!(action.host_str(), Some("localhost"));
        for signed_in in [false, true] {
            view.open(&site.url("/")).await;
            view.press("form button").await;
            if !signed_in {
                view.shows(".lead", "to continue to Contoso 365").await;
                view.submit("alice@contoso.com", PASSWORD).await;
            }
            view.shows("h1", "Signing you in").await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_web_view_that_loses_its_cookies_is_told_so_and_not_sent_in_circles() {
    let contoso = Contoso::on(Database::Sqlite).await;
    in_chromium("device-setup-cookies", WINDOW, async |chromium| {
        let view = WebView::new(chromium, USER_AGENTS[0], true).await;
        view.arrive(&contoso, "alice@contoso.com").await;
        view.forget().await;
        view.submit("alice@contoso.com", PASSWORD).await;
        view.shows("h1", "Cookies are needed").await;
        view.fits("cookies are needed", false).await;
        view.press(".actions a").await;
        view.shows(".lead", "to continue to Contoso 365").await;
        view.submit("alice@contoso.com", PASSWORD).await;
        view.shows("h1", "Signed in as alice").await;
    })
    .await;
}

/// Chromium as a web view of Windows.
struct WebView {
    chromium: Chromium,
}

impl WebView {
    async fn new(chromium: Chromium, user_agent: &str, scripts: bool) -> Self {
        let view = Self { chromium };
        let user_agent = json!({ "userAgent": user_agent });
        view.chromium
            .devtools("Emulation.setUserAgentOverride", user_agent)
            .await;
        view.chromium
            .devtools(
                "Emulation.setScriptExecutionDisabled",
                json!({ "value": !scripts }),
            )
            .await;
        view.size(WINDOW).await;
        view
    }

    /// Gives the page this much room, to the pixel.
    async fn size(&self, (width, height): (u32, u32)) {
        let room =
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.chromium
            .devtools("Emulation.setDeviceMetricsOverride", room)
            .await;
    }

    /// From Microsoft to the form.
    async fn arrive(&self, contoso: &Contoso, user: &str) {
        self.open(&contoso.microsoft).await;
        self.fill("input[name=user]", user).await;
        self.press("main form button").await;
        // By its id: Microsoft's own page asks for a password too, for Windows.
        self.see("#password").await;
    }

    async fn open(&self, url: &Url) {
        self.chromium.goto(url.as_str()).await.expect("it opens");
    }

    async fn submit(&self, user: &str, password: &str) {
        self.fill("input[name=username]", user).await;
        self.fill("input[name=password]", password).await;
        self.press("form button").await;
    }

    async fn fill(&self, selector: &str, text: &str) {
        let field = self.see(selector).await;
        field.clear().await.expect("an empty field");
        field.send_keys(text).await.expect("typed");
    }

    /// Presses what leads to another page, and waits for that page: the two may look alike.
    async fn press(&self, selector: &str) {
        let button = self.see(selector).await;
        self.measure("document.documentElement.className = 'left'")
            .await;
        button.click().await.expect("pressed");
        self.see("html:not(.left)").await;
    }

    async fn see(&self, selector: &str) -> fantoccini::elements::Element {
        let found = self.chromium.wait().for_element(Locator::Css(selector));
        let found = found.await;
        found.unwrap_or_else(|error| panic!("{selector}: {error}"))
    }

    /// Waits until this is there with just this text.
    async fn shows(&self, selector: &str, text: &str) {
        let class = |name: &str| format!("//*[contains(concat(' ',@class,' '),' {name} ')]");
        let place = match selector.split_at(1) {
            (".", name) => class(name),
            _ if selector == "[role=alert]" => "//*[@role='alert']".to_owned(),
            _ => format!("//{selector}"),
        };
        let path = format!("{place}[normalize-space()='{text}']");
        let found = self
            .chromium
            .wait()
            .for_element(Locator::XPath(&path))
            .await;
        found.unwrap_or_else(|error| panic!("{path}: {error}"));
    }

    async fn text(&self, selector: &str) -> String {
        self.see(selector).await.text().await.expect("text")
    }

    /// Loses every cookie.
    async fn forget(&self) {
        self.chromium
            .devtools("Network.clearBrowserCookies", json!({}))
            .await;
    }

    async fn measure(&self, script: &str) -> Value {
        let measured = self.chromium.execute(script, Vec::new()).await;
        measured.expect("measured")
    }

    /// The name of the field in which the cursor waits.
    async fn focused(&self) -> String {
        let name = self.measure("return document.activeElement.name").await;
        name.as_str().unwrap_or_default().to_owned()
    }

    /// Where an element begins and ends in the window, from its top.
    async fn extent(&self, selector: &str) -> (f64, f64) {
        let script = format!(
            "var box = document.querySelector({selector:?}).getBoundingClientRect(); return [box.top, box.bottom]"
        );
        let edges = self.measure(&script).await;
        let edge = |at: usize| edges[at].as_f64().expect("a number");
        (edge(0), edge(1))
    }

    /// In each window the page is no wider than it, what can be touched is high enough for a finger, and nothing
    /// that is typed in makes it zoom; and nobody has complained, downloaded or opened a window.
    async fn fits(&self, page: &str, is_form: bool) {
        for window in [NARROW, ABOVE_A_KEYBOARD, WINDOW] {
            self.size(window).await;
            let seen = self.measure(MEASURE).await;
            assert_eq!(seen["room"], json!(window.0), "{page}");
            assert!(
                seen["width"].as_u64() <= seen["room"].as_u64(),
                "{page}: {seen}"
            );
            assert_eq!(seen["awkward"], json!([]), "{page} in {window:?}");
            if is_form && window == WINDOW {
                let bottom = seen["button"].as_f64().expect("the page has a button");
                assert!(bottom <= 600.0, "{page}: the button ends at {bottom}");
            }
        }
        let mut complaints = self.chromium.complaints().await;
        complaints.retain(|complaint| {
            // Of refusals that were asked for, and of the script that was kept away.
            !complaint.contains("the server responded with a status of")
                && !complaint.contains("ERR_BLOCKED_BY_CLIENT")
        });
        assert_eq!(complaints, Vec::<String>::new(), "{page}");
    }

    /// The origins that anything was asked of, once nothing was downloaded and no window was opened.
    async fn visited(&self) -> Vec<String> {
        let windows = self.chromium.windows().await.expect("a list");
        assert_eq!(windows.len(), 1);
        let mut urls = Vec::new();
        for (method, parameters) in self.chromium.events().await {
            assert!(!method.ends_with("downloadWillBegin"), "{parameters}");
            assert_ne!(method, "Page.windowOpen", "{parameters}");
            if method == "Network.requestWillBeSent" {
                let url = parameters["request"]["url"].as_str().unwrap_or_default();
                let url = Url::parse(url).expect("a request has an address");
                // An icon that a page brings along, and what a new tab shows before.
                if !["data", "chrome"].contains(&url.scheme()) {
                    urls.push(url);
                }
            }
        }
        origins(&urls.iter().collect::<Vec<_>>())
    }
}

/// Each origin once, sorted.
fn origins(urls: &[&Url]) -> Vec<String> {
    let mut origins: Vec<_> = urls
        .iter()
        .map(|url| url.origin().ascii_serialization())
        .collect();
    origins.sort();
    origins.dedup();
    origins
}

/// Looks at the page as a finger does; `unseen` things are for the ear.
const MEASURE: &str = r#"
    var awkward = [];
    Array.prototype.forEach.call(document.querySelectorAll("a[href], button, input:not([type=hidden])"), function (thing) {
        var box = thing.getBoundingClientRect();
        if (box.height === 0) return;
        var words = thing.name || thing.textContent.trim();
        if (box.height < 44) awkward.push(words + " is " + box.height + " high");
        if (thing.tagName === "INPUT" && parseFloat(getComputedStyle(thing).fontSize) < 16) awkward.push(words + " zooms");
    });
    var button = document.querySelector("form .primary");
    return {
        room: window.innerWidth,
        width: document.documentElement.scrollWidth,
        button: button && button.getBoundingClientRect().bottom + window.pageYOffset,
        awkward: awkward
    };
"#;
