//! A browser without a screen: cookies, redirects and forms as a person's browser treats them.

use std::sync::Arc;
use std::time::Duration;

use reqwest::cookie::{CookieStore, Jar};
use reqwest::header::{HeaderMap, LOCATION};
use reqwest::{Certificate, RequestBuilder, redirect};
use scraper::{ElementRef, Html, Selector};
use url::{Url, form_urlencoded};

/// One person's browser: clones share their cookies, a new one has none.
#[derive(Clone, Debug)]
pub struct Browser {
    client: reqwest::Client,
    cookies: Arc<Jar>,
}

impl Browser {
    /// A browser that nobody has used yet.
    #[expect(
        clippy::new_without_default,
        reason = "it opens sockets, which a default value should not"
    )]
    pub fn new() -> Self {
        Self::build(None)
    }

    /// A browser that trusts one more certificate, for a server that speaks TLS.
    pub fn trusting(certificate_pem: &str) -> Self {
        let certificate = Certificate::from_pem(certificate_pem.as_bytes());
        Self::build(Some(
            certificate.expect("a test's own certificate is well-formed"),
        ))
    }

    fn build(certificate: Option<Certificate>) -> Self {
        let cookies = Arc::new(Jar::default());
        let client = reqwest::Client::builder()
            .cookie_provider(Arc::clone(&cookies))
            .redirect(redirect::Policy::none())
            .timeout(Duration::from_mins(1))
            .no_proxy()
            .tls_certs_merge(certificate) // none, or one more than the system trusts
            .build()
            .expect("the client needs nothing from outside");
        Self { client, cookies }
    }

    /// What the address answers, be it a redirect.
    pub async fn get(&self, url: &Url) -> Page {
        self.send(self.client.get(url.clone())).await
    }

    /// The page that a person sees who opens the address.
    pub async fn open(&self, url: &Url) -> Page {
        let answer = self.get(url).await;
        self.follow(answer).await
    }

    /// Posts fields as an HTML form does, whatever page they come from.
    pub async fn post(&self, url: &Url, fields: &[(&str, &str)]) -> Page {
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        self.post_body(url, body.into_bytes()).await
    }

    /// Posts a body that no form would make.
    pub async fn post_body(&self, url: &Url, body: Vec<u8>) -> Page {
        let request = self.client.post(url.clone()).body(body);
        self.send(request.header("content-type", "application/x-www-form-urlencoded"))
            .await
    }

    /// Sends a form as it stands and returns the answer, be it a redirect.
    pub async fn submit(&self, form: &Form) -> Page {
        let fields: Vec<_> = form
            .fields
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        if form.method == "post" {
            self.post(&form.action, &fields).await
        } else {
            let mut url = form.action.clone();
            url.query_pairs_mut().clear().extend_pairs(&fields);
            self.get(&url).await
        }
    }

    /// Follows redirects until there is a page.
    pub async fn follow(&self, mut answer: Page) -> Page {
        for _ in 0..10 {
            let Some(next) = answer.redirect() else {
                return answer;
            };
            assert!(
                !matches!(answer.status, 307 | 308),
                "{} repeats the request with {}, which would send a password on",
                answer.url,
                answer.status
            );
            answer = self.get(&next).await;
        }
        panic!("{} redirects in circles", answer.url);
    }

    /// A request of the test's own making, with this browser's cookies.
    pub fn client(&self) -> &reqwest::Client {
        &self.client
    }

    /// Sends a request that [`Browser::client`] has made.
    pub async fn send(&self, request: RequestBuilder) -> Page {
        let response = request.send().await.expect("the server answers");
        Page {
            url: response.url().clone(),
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body: response
                .bytes()
                .await
                .expect("the answer arrives whole")
                .to_vec(),
        }
    }

    /// The cookies it would send to an address, as `name=value; …`.
    pub fn cookies(&self, url: &Url) -> String {
        self.cookies
            .cookies(url)
            .and_then(|header| header.to_str().map(str::to_owned).ok())
            .unwrap_or_default()
    }

    /// Plants a cookie, written as in a `Set-Cookie` header.
    pub fn plant_cookie(&self, cookie: &str, url: &Url) {
        self.cookies.add_cookie_str(cookie, url);
    }
}

/// An answer and where it came from.
#[derive(Clone, Debug)]
pub struct Page {
    pub url: Url,
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Page {
    /// The source text.
    pub fn source(&self) -> &str {
        std::str::from_utf8(&self.body).expect("the server writes UTF-8")
    }

    /// A header's value, if it is there.
    pub fn header(&self, name: &str) -> Option<&str> {
        let value = self.headers.get(name)?;
        Some(value.to_str().expect("the server writes ASCII headers"))
    }

    /// Where it redirects to.
    pub fn redirect(&self) -> Option<Url> {
        if !(300..400).contains(&self.status) {
            return None;
        }
        let location = self.header(LOCATION.as_str())?;
        Some(self.url.join(location).expect("a redirect names a URL"))
    }

    /// The text of all elements that a CSS selector finds, with each run of white space as one space.
    pub fn text(&self, selector: &str) -> String {
        let page = Html::parse_document(self.source());
        let words: Vec<_> = page
            .select(&css(selector))
            .flat_map(|element| element.text())
            .flat_map(str::split_whitespace)
            .map(str::to_owned)
            .collect();
        words.join(" ")
    }

    /// An attribute of every element that a CSS selector finds and that has it.
    pub fn attributes(&self, selector: &str, name: &str) -> Vec<String> {
        let page = Html::parse_document(self.source());
        page.select(&css(selector))
            .filter_map(|element| element.attr(name))
            .map(str::to_owned)
            .collect()
    }

    /// How many elements a CSS selector finds.
    pub fn count(&self, selector: &str) -> usize {
        let page = Html::parse_document(self.source());
        page.select(&css(selector)).count()
    }

    /// The one form that a CSS selector finds, filled as the page has it.
    pub fn form(&self, selector: &str) -> Form {
        let page = Html::parse_document(self.source());
        let selected = css(selector);
        let mut found = page.select(&selected);
        let (Some(form), None) = (found.next(), found.next()) else {
            panic!(
                "{} has not exactly one {selector}:\n{}",
                self.url,
                self.source()
            );
        };
        Form {
            // An empty action means the page itself.
            action: self
                .url
                .join(form.attr("action").unwrap_or_default())
                .expect("a form's action is a URL"),
            method: form.attr("method").unwrap_or("get").to_ascii_lowercase(),
            fields: form.select(&css(CONTROLS)).filter_map(field).collect(),
        }
    }
}

/// A form with what it would send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Form {
    pub action: Url,
    pub method: String,
    /// In the order of the page. Line breaks stay as they are, where a real browser makes CR LF of each.
    pub fields: Vec<(String, String)>,
}

impl Form {
    /// The value of the one field of this name.
    pub fn value(&self, name: &str) -> Option<&str> {
        let mut values = self.fields.iter().filter(|(key, _)| key == name);
        let value = values.next().map(|(_, value)| value.as_str());
        assert!(values.next().is_none(), "the form has {name} twice");
        value
    }

    /// Types into a field that the page has.
    #[must_use]
    pub fn fill(mut self, name: &str, value: &str) -> Self {
        let field = self.fields.iter_mut().find(|(key, _)| key == name);
        let (_, old) = field.unwrap_or_else(|| panic!("the form has no field {name}"));
        value.clone_into(old);
        self
    }

    /// Leaves a field out, as no browser would.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        let before = self.fields.len();
        self.fields.retain(|(key, _)| key != name);
        assert!(self.fields.len() < before, "the form has no field {name}");
        self
    }
}

/// What a form may send when nobody presses a particular button (HTML, "constructing the entry list").
const CONTROLS: &str = "input, textarea, select";

fn field(control: ElementRef<'_>) -> Option<(String, String)> {
    let name = control.attr("name").filter(|name| !name.is_empty())?;
    if control.attr("disabled").is_some() {
        return None;
    }
    let value = match control.value().name() {
        "textarea" => control.text().collect(),
        "select" => {
            let chosen = control.select(&css("option[selected]")).next();
            let option = chosen.or_else(|| control.select(&css("option")).next())?;
            let text = || option.text().collect::<String>().trim().to_owned();
            option.attr("value").map_or_else(text, str::to_owned)
        }
        _ => match control.attr("type").unwrap_or("text") {
            "submit" | "button" | "reset" | "image" | "file" => return None,
            "checkbox" | "radio" => {
                control.attr("checked")?;
                control.attr("value").unwrap_or("on").to_owned()
            }
            _ => control.attr("value").unwrap_or_default().to_owned(),
        },
    };
    Some((name.to_owned(), value))
}

fn css(selector: &str) -> Selector {
    Selector::parse(selector).unwrap_or_else(|error| panic!("{selector}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::site::{Answer, Site};

    const FORM: &str = r#"<!doctype html><form method=POST action="in?step=2"><input name=username value="a&amp;b">
        <input type=password name=password><input type=hidden name=token value=t><textarea name=note>
x
y</textarea><input type=checkbox name=keep checked><input type=checkbox name=forget><input name=old disabled>
        <select name=role><option>user</option><option value=a selected>admin</option></select>
        <button name=button value=b>Go</button></form>"#;

    #[tokio::test]
    async fn a_form_is_sent_as_a_browser_sends_it() {
        let site = Site::with_pages([
            (
                "/start",
                Answer::redirect("/sign/form").with("set-cookie", "id=7; Path=/"),
            ),
            ("/sign/form", Answer::page(FORM)),
        ])
        .await;
        let browser = Browser::new();

        let page = browser.open(&site.url("/start")).await;
        let form = page.form("form").fill("password", "p w+ä").without("token");
        assert_eq!(browser.submit(&form).await.text("p"), "Thank you.");

        let [visit] = &site.visits("/sign/in")[..] else {
            panic!("the form was sent once")
        };
        assert_eq!(
            (visit.method.as_str(), visit.query.as_str()),
            ("POST", "step=2")
        );
        assert_eq!(
            std::str::from_utf8(&visit.body),
            Ok("username=a%26b&password=p+w%2B%C3%A4&note=x%0Ay&keep=on&role=a")
        );
        assert_eq!(visit.field("note").as_deref(), Some("x\ny"));
        assert_eq!(browser.cookies(&site.url("/")), "id=7");
        assert_eq!(Browser::new().cookies(&site.url("/")), "");
    }

    #[tokio::test]
    #[should_panic(expected = "the form has no field user")]
    async fn a_field_that_the_page_lacks_cannot_be_filled() {
        let site = Site::with_pages([("/", Answer::page(FORM))]).await;
        let page = Browser::new().open(&site.url("/")).await;
        let _ = page.form("form").fill("user", "x");
    }

    #[tokio::test]
    #[should_panic(expected = "redirects in circles")]
    async fn a_circle_of_redirects_is_noticed() {
        let site = Site::with_pages([("/", Answer::redirect("/"))]).await;
        Browser::new().open(&site.url("/")).await;
    }
}
