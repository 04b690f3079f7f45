//! Somebody else's web site: a relying party that keeps what browsers send to it.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderName, Method, StatusCode, Uri, header};
use axum::response::{AppendHeaders, IntoResponse, Response};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use url::{Url, form_urlencoded};

/// A site on loopback, gone when dropped.
#[derive(Debug)]
pub struct Site {
    url: Url,
    visits: Arc<Mutex<Vec<Visit>>>,
    serving: JoinHandle<()>,
}

/// One request as it arrived.
#[derive(Clone, Debug)]
pub struct Visit {
    pub method: String,
    pub path: String,
    pub query: String,
    pub body: Vec<u8>,
}

impl Visit {
    /// The fields of a posted form.
    pub fn fields(&self) -> Vec<(String, String)> {
        form_urlencoded::parse(&self.body).into_owned().collect()
    }

    /// The one field of this name.
    pub fn field(&self, name: &str) -> Option<String> {
        let mut values = self.fields().into_iter().filter(|(key, _)| key == name);
        let value = values.next().map(|(_, value)| value);
        assert!(values.next().is_none(), "{name} was sent more than once");
        value
    }
}

/// What a site answers at one path.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub html: String,
}

impl Answer {
    /// A page with nothing special about it.
    pub fn page(html: &str) -> Self {
        Self {
            status: 200,
            headers: Vec::new(),
            html: html.to_owned(),
        }
    }

    /// 303 See Other.
    pub fn redirect(to: &str) -> Self {
        Self {
            status: 303,
            headers: vec![("location", to.to_owned())],
            html: String::new(),
        }
    }

    /// Adds a header.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }
}

#[derive(Clone)]
struct Shared {
    pages: Arc<HashMap<String, Answer>>,
    visits: Arc<Mutex<Vec<Visit>>>,
}

impl Site {
    /// A relying party: whatever is sent to it, it keeps and thanks for.
    pub async fn start() -> Self {
        Self::with_pages([]).await
    }

    /// A site with pages of its own at some paths.
    pub async fn with_pages<const N: usize>(pages: [(&str, Answer); N]) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .expect("loopback has a free port");
        let address = listener
            .local_addr()
            .expect("a bound listener has an address");
        let visits = Arc::default();
        let pages = pages.map(|(path, page)| (path.to_owned(), page));
        let app = Router::new().fallback(answer).with_state(Shared {
            pages: Arc::new(HashMap::from(pages)),
            visits: Arc::clone(&visits),
        });
        Self {
            url: Url::parse(&format!("http://{address}/")).expect("an address makes a URL"),
            visits,
            serving: tokio::spawn(async move {
                axum::serve(listener, app)
                    .await
                    .expect("a bound listener can be served");
            }),
        }
    }

    /// The address of a path at this site.
    pub fn url(&self, path: &str) -> Url {
        self.url.join(path).expect("a test asks for a valid path")
    }

    /// Everything that was sent to a path, in order.
    pub fn visits(&self, path: &str) -> Vec<Visit> {
        let visits = self.visits.lock().expect("no thread panics with this lock");
        visits
            .iter()
            .filter(|visit| visit.path == path)
            .cloned()
            .collect()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn answer(State(site): State<Shared>, method: Method, uri: Uri, body: Bytes) -> Response {
    let answer =
        site.pages.get(uri.path()).cloned().unwrap_or_else(|| {
            Answer::page("<!doctype html><title>Received</title><p>Thank you.</p>")
        });
    let visit = Visit {
        method: method.to_string(),
        path: uri.path().to_owned(),
        query: uri.query().unwrap_or_default().to_owned(),
        body: body.to_vec(),
    };
    site.visits
        .lock()
        .expect("no thread panics with this lock")
        .push(visit);
    (
        StatusCode::from_u16(answer.status).expect("a test answers with a valid status"),
        [(header::CONTENT_TYPE, "text/html; charset=utf-8")],
        AppendHeaders(
            answer
                .headers
                .into_iter()
                .map(|(name, value)| (HeaderName::from_static(name), value)),
        ),
        answer.html,
    )
        .into_response()
}
