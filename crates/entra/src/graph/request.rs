//! A call, taken apart.

use axum::http::{HeaderMap, HeaderValue, Method, Uri, header};
use serde_json::{Map, Value};

use super::ROOT;
use super::access::{Access, Holder};
use super::error::GraphError;
use super::query::Query;

/// What a call says, and what its token opens.
pub struct Request<'a> {
    pub method: Method,
    pub segments: Vec<&'a str>,
    pub query: Query,
    pub body: Result<Map<String, Value>, GraphError>,
    pub access: Access,
    pub eventual: bool,
}

impl<'a> Request<'a> {
    pub fn read(
        method: &Method,
        path: &'a str,
        uri: &Uri,
        headers: &HeaderMap,
        body: &[u8],
        access: Access,
    ) -> Result<Self, GraphError> {
        let path = path
            .strip_prefix(ROOT)
            .filter(|path| path.starts_with('/'))
            .ok_or_else(|| no_such(&[path]))?;
        let consistency = headers.get("consistencylevel");
        Ok(Self {
            method: method.clone(),
            segments: path
                .split('/')
                .filter(|segment| !segment.is_empty())
                .collect(),
            query: Query::read(uri.query().unwrap_or_default())?,
            body: object(headers, body),
            access,
            eventual: consistency
                .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"eventual")),
        })
    }

    /// Whom the caller acts for.
    pub fn caller(&self) -> Result<&str, GraphError> {
        match &self.access.holder {
            Holder::Person { upn, .. } => Ok(upn),
            Holder::Application => Err(GraphError::unreadable(
                "/me request is only valid with delegated authentication flow.",
            )),
        }
    }
}

/// The JSON object in a body, without the remarks that OData lets one make.
fn object(headers: &HeaderMap, body: &[u8]) -> Result<Map<String, Value>, GraphError> {
    let content_type = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    let is_json = content_type
        .and_then(|value| value.get(..16))
        .is_some_and(|start| start.eq_ignore_ascii_case(b"application/json"));
    let unreadable = || {
        GraphError::unreadable(
            "Unable to read JSON request payload. Please ensure Content-Type header is set and payload is of valid JSON format.",
        )
    };
    let body: Map<String, Value> = is_json
        .then(|| serde_json::from_slice(body).ok())
        .flatten()
        .ok_or_else(unreadable)?;
    Ok(body
        .into_iter()
        .filter(|(name, _)| !name.contains("@odata."))
        .collect())
}

pub fn no_such(segments: &[&str]) -> GraphError {
    GraphError::no_such_segment(segments.first().copied().unwrap_or_default())
}

/// A path without its escapes; a plus sign is a plus sign there.
pub fn decoded(path: &str) -> String {
    let path = path.replace('+', "%2B");
    url::form_urlencoded::parse(path.replace('&', "%26").replace('=', "%3D").as_bytes())
        .map(|(text, _)| text.into_owned())
        .collect()
}
