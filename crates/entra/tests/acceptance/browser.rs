//! A browser in front of a stand-in.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode, header};
use axum::response::Response;
use chrono::TimeDelta;
use entra::{Graph, StandIn, Tenant, router};
use scraper::{Html, Selector};
use tower::ServiceExt as _;

use crate::token::{Scene, body, now, tenant};

/// A browser with one cookie, in front of a stand-in whose clock stands still.
pub struct Browser {
    router: axum::Router,
    pub graph: Graph,
    pub minutes: Arc<AtomicI64>,
    pub cookie: Option<String>,
}

pub struct Page {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

impl Browser {
    pub fn new() -> Self {
        Self::at("http://localhost:8081")
    }

    pub fn at(base_url: &str) -> Self {
        Self::of(tenant(), base_url)
    }

    pub fn of(tenant: Tenant, base_url: &str) -> Self {
        let minutes = Arc::new(AtomicI64::new(0));
        let passed = Arc::clone(&minutes);
        let clock = move || now() + TimeDelta::minutes(passed.load(Ordering::Relaxed));
        let stand_in = StandIn::new(tenant, base_url, clock);
        Self {
            graph: stand_in.graph().clone(),
            router: router(stand_in),
            minutes,
            cookie: None,
        }
    }

    pub async fn get(&mut self, path: &str) -> Page {
        self.send(
            Request::get(path)
                .body(Body::empty())
                .expect("it is a request"),
        )
        .await
    }

    pub async fn post(&mut self, path: &str, form: impl Into<Body>) -> Page {
        let request =
            Request::post(path).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.send(request.body(form.into()).expect("it is a request"))
            .await
    }

    pub async fn send(&mut self, mut request: Request<Body>) -> Page {
        if let Some(cookie) = &self.cookie {
            request
                .headers_mut()
                .insert(header::COOKIE, cookie.parse().expect("it is a header"));
        }
        let response: Response = self
            .router
            .clone()
            .oneshot(request)
            .await
            .expect("the router answers");
        let (parts, body) = response.into_parts();
        if let Some(cookie) = parts.headers.get(header::SET_COOKIE) {
            let cookie = cookie.to_str().expect("it is text");
            self.cookie = cookie
                .split(';')
                .next()
                .map(str::to_owned)
                .filter(|pair| !pair.ends_with('='));
        }
        let bytes = to_bytes(body, 1024 * 1024).await.expect("the body ends");
        Page {
            status: parts.status,
            headers: parts.headers,
            text: String::from_utf8(bytes.into()).expect("UTF-8"),
        }
    }

    /// Starts for an account, answers as its domain would, and posts the answer.
    pub async fn sign_in(&mut self, start: &str) -> Page {
        let wctx = self
            .get(start)
            .await
            .parameter("wctx")
            .expect("there is a context");
        self.post("/login.srf", body(&Scene::new().wresult(), &wctx))
            .await
    }
}

impl Page {
    pub fn location(&self) -> &str {
        self.headers
            .get(header::LOCATION)
            .map_or("", |value| value.to_str().expect("it is text"))
    }

    pub fn parameter(&self, name: &str) -> Option<String> {
        let query = self.location().split_once('?')?.1;
        url::form_urlencoded::parse(query.as_bytes())
            .find(|(found, _)| found == name)
            .map(|(_, value)| value.into_owned())
    }

    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    pub fn heading(&self) -> String {
        self.texts("h1").concat()
    }

    pub fn texts(&self, selector: &str) -> Vec<String> {
        let selector = Selector::parse(selector).expect("it is a selector");
        let page = Html::parse_document(&self.text);
        page.select(&selector)
            .map(|element| element.text().collect::<String>().trim().to_owned())
            .collect()
    }
}
