//! What handlers ask of a request: where it came from, whose session it is, whether its form is ours.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use axum::extract::rejection::FormRejection;
use axum::extract::{
    self, ConnectInfo, FromRequest, FromRequestParts, MatchedPath, Request, State,
};
use axum::http::StatusCode;
use axum::http::header::{self, HeaderMap, HeaderValue};
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum_extra::extract::cookie::{Cookie, CookieJar, SameSite};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use idp::sessions::{SessionToken, SignedIn};
use idp::{Origin, Refusal};
use ipnet::IpNet;
use serde::de::DeserializeOwned;
use tracing::Instrument as _;

use crate::app::App;
use crate::problem::Failure;

/// The origin of this request. Its correlation id may be replaced by the one of the sign-in that the
/// request turns out to continue, so it is shared with whoever explains a failure at the end.
#[derive(Clone)]
pub struct RequestOrigin(Arc<Mutex<Origin>>);

impl RequestOrigin {
    /// The origin as it is known by now.
    pub fn now(&self) -> Origin {
        self.0
            .lock()
            .expect("no holder of this lock can panic")
            .clone()
    }

    /// Names the door, where it is not a browser's page.
    pub fn through(&self, via: &'static str) {
        self.0.lock().expect("no holder of this lock can panic").via = Some(via);
    }

    /// Goes on under the correlation id of the sign-in that this request belongs to.
    pub fn continue_as(&self, correlation_id: &str) {
        correlation_id.clone_into(
            &mut self
                .0
                .lock()
                .expect("no holder of this lock can panic")
                .correlation_id,
        );
        tracing::Span::current().record("correlation_id", correlation_id);
    }
}

/// Middleware: gives the request its origin and its log span.
pub async fn origin(
    State(app): State<App>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    mut request: Request,
    next: Next,
) -> Response {
    let correlation_id = client_request_id(&request).unwrap_or_else(|| {
        uuid::Builder::from_random_bytes(idp::random_bytes())
            .into_uuid()
            .to_string()
    });
    let source = source(peer.ip(), request.headers(), &app).to_string();
    // The route, not the path: addresses hold the tokens of sign-ins and set-up links.
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or("none", MatchedPath::as_str);
    let span = tracing::info_span!("request", method = %request.method(), route, source = %source, correlation_id = %correlation_id);
    request
        .extensions_mut()
        .insert(RequestOrigin(Arc::new(Mutex::new(Origin {
            source,
            correlation_id,
            via: None,
        }))));
    next.run(request).instrument(span).await
}

/// Middleware: where passwords would travel in clear, nobody but the TLS proxies is listened to.
pub async fn only_through_proxies(
    State(app): State<App>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
    next: Next,
) -> Response {
    let peer = peer.ip().to_canonical();
    if app.proxies_only && !peer.is_loopback() && !app.trusts(peer) {
        tracing::warn!(source = %peer, "Refused a plain connection that does not come from a trusted proxy");
        let why = "This address answers only the TLS proxies that are named in trusted_proxies.\n";
        return (StatusCode::FORBIDDEN, why).into_response();
    }
    next.run(request).await
}

/// Microsoft's id for the sign-in, from the query or the header, if it looks like one.
fn client_request_id(request: &Request) -> Option<String> {
    let query = request.uri().query().unwrap_or_default();
    let from_query = url::form_urlencoded::parse(query.as_bytes())
        .find(|(name, _)| name == "client-request-id")
        .map(|(_, value)| value.into_owned());
    let from_header = || {
        let value = request.headers().get("client-request-id")?;
        value.to_str().ok().map(str::to_owned)
    };
    from_query
        .or_else(from_header)
        .filter(|id| protocol::wsfed::is_request_id(id))
}

/// Where a request counts as coming from: one person on IPv6 has a whole /64.
fn source(peer: IpAddr, headers: &HeaderMap, app: &App) -> IpAddr {
    match client(peer, headers, app) {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// The client's address: the peer's, or what the nearest trusted proxy says.
fn client(peer: IpAddr, headers: &HeaderMap, app: &App) -> IpAddr {
    let forwarded = headers
        .get_all("x-forwarded-for")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    let mut hops: Vec<Option<IpAddr>> = forwarded.map(|hop| hop_address(hop.trim())).collect();
    let mut address = peer.to_canonical();
    while app.trusts(address)
        // One that cannot be read ends the way back: what lies behind it is anybody's word.
        && let Some(Some(hop)) = hops.pop()
    {
        address = hop.to_canonical();
    }
    address
}

/// Whether the client is this machine or in one of the networks. Not what came through a proxy that nobody
/// has named: all that it passes on seems to come from its own address.
pub fn comes_from(
    networks: &[IpNet],
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: &HeaderMap,
    app: &App,
) -> bool {
    let passed_on = ["forwarded", "via", "x-forwarded-for", "x-real-ip"]
        .iter()
        .any(|name| headers.contains_key(*name));
    let client = client(peer.ip(), headers, app);
    (!passed_on || app.trusts(peer.ip().to_canonical()))
        && (client.is_loopback() || networks.iter().any(|network| network.contains(&client)))
}

/// An entry of `X-Forwarded-For`: an address, which some proxies write with the port.
fn hop_address(text: &str) -> Option<IpAddr> {
    let with_port = || text.parse::<SocketAddr>().map(|address| address.ip());
    text.parse().or_else(|_| with_port()).ok()
}

impl FromRequestParts<App> for RequestOrigin {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Failure> {
        Ok(parts
            .extensions
            .get::<Self>()
            .expect("the middleware gives every request its origin")
            .clone())
    }
}

/// The fields of one of our forms.
pub struct Form<T>(pub T);

impl<T: DeserializeOwned> FromRequest<App> for Form<T> {
    type Rejection = FormRejection;

    async fn from_request(mut request: Request, app: &App) -> Result<Self, FormRejection> {
        // Whoever posts nothing at all names no type for it: a form without our code, refused as such.
        request
            .headers_mut()
            .entry(header::CONTENT_TYPE)
            .or_insert(HeaderValue::from_static(
                "application/x-www-form-urlencoded",
            ));
        let extract::Form(fields) = extract::Form::from_request(request, app).await?;
        Ok(Self(fields))
    }
}

/// The browser behind a request: its cookies, and the codes that bind forms to it.
pub struct Browser {
    jar: CookieJar,
    app: App,
    pub origin: RequestOrigin,
}

impl FromRequestParts<App> for Browser {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Failure> {
        let origin = RequestOrigin::from_request_parts(parts, app).await?;
        Ok(Self {
            jar: CookieJar::from_headers(&parts.headers),
            app: app.clone(),
            origin,
        })
    }
}

impl Browser {
    /// The session cookie's value, whatever it is worth.
    pub fn session(&self) -> Option<SessionToken> {
        self.jar
            .get(&self.cookie_name("session"))
            .map(|cookie| SessionToken::from_cookie(cookie.value()))
    }

    /// Who is signed in, if anybody is.
    pub async fn signed_in(&self) -> Result<Option<SignedIn>, Failure> {
        match self.session() {
            Some(token) => Ok(self.app.idp.signed_in(&token).await?),
            None => Ok(None),
        }
    }

    /// A code for a form on the page that is about to be shown, and the cookies to send with the page.
    pub fn form_token(&mut self) -> String {
        if self.secret().is_none() {
            let cookie = self.cookie(
                "form",
                BASE64_URL_SAFE_NO_PAD.encode(idp::random_bytes::<16>()),
            );
            self.jar = self.jar.clone().add(cookie);
        }
        let secret = self.secret().expect("there is one now");
        BASE64_URL_SAFE_NO_PAD.encode(self.app.idp.mac("form", &secret))
    }

    /// Whether a form that came in was made for this browser and, once signed in, for this session.
    pub fn check_form(&self, token: &str) -> Result<(), Failure> {
        let token = BASE64_URL_SAFE_NO_PAD.decode(token).unwrap_or_default();
        match self.secret() {
            Some(secret) if idp::equal(&self.app.idp.mac("form", &secret), &token) => Ok(()),
            Some(_) => Err(Refusal::ForeignForm.into()),
            None => Err(Refusal::NoCookie.into()),
        }
    }

    /// What forms are bound to: the session, or before there is one a cookie of their own.
    fn secret(&self) -> Option<String> {
        ["session", "form"]
            .iter()
            .find_map(|kind| self.jar.get(&self.cookie_name(kind)))
            .map(|cookie| cookie.value().to_owned())
    }

    /// Starts sending the session's cookie. It ends with the browser; the server ends it earlier.
    pub fn start_session(&mut self, token: &SessionToken) {
        let cookie = self.cookie("session", token.as_str().to_owned());
        self.jar = self.jar.clone().add(cookie);
    }

    pub fn end_session(&mut self) {
        let cookie = self.cookie("session", String::new());
        self.jar = self.jar.clone().remove(cookie);
    }

    /// The cookies that changed, to be sent with the answer.
    pub fn cookies(self) -> CookieJar {
        self.jar
    }

    fn cookie_name(&self, kind: &str) -> String {
        // The prefix makes browsers refuse the cookie from sub-domains and plain http (RFC 6265bis §4.1.3.2).
        let prefix = if self.app.idp.urls().secure() {
            "__Host-"
        } else {
            ""
        };
        format!("{prefix}countersign-{kind}")
    }

    fn cookie(&self, kind: &str, value: String) -> Cookie<'static> {
        Cookie::build((self.cookie_name(kind), value))
            .path("/")
            .http_only(true)
            .secure(self.app.idp.urls().secure())
            .same_site(SameSite::Lax)
            .build()
    }
}
