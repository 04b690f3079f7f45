//! Sends a SAML 2.0 message to the identity provider, as a form or in an address (SAML bindings §3.4 and §3.5).

use std::io::Write as _;

use askama::Template;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Redirect, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use flate2::Compression;
use flate2::write::DeflateEncoder;
use openssl::error::ErrorStack;

use super::org_id::{OrgIdKey, RSA_SHA1};
use super::pages;
use super::request::{lower_hex, with_query};

/// A message on its way.
pub struct Parcel<'a> {
    /// `SAMLRequest` or `SAMLResponse`.
    pub field: &'static str,
    pub xml: &'a str,
    pub relay_state: Option<&'a str>,
    /// What Entra ID adds: the account that was typed.
    pub username: Option<&'a str>,
}

/// Who may show the page in a frame: nobody when somebody signs in there, anybody during a sign-out.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Frames {
    None,
    Any,
}

impl Parcel<'_> {
    /// A page that posts the message, by itself or by a button.
    pub fn post(&self, address: &str, frames: Frames) -> Response {
        let message = BASE64.encode(self.xml);
        let fields = [
            Some((self.field, message.as_str())),
            self.relay_state.map(|value| ("RelayState", value)),
            self.username.map(|value| ("username", value)),
        ];
        let page = Send {
            address,
            fields: fields.into_iter().flatten().collect(),
        };
        let mut response = pages::html(&page);
        response.headers_mut().insert(
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_static(match frames {
                Frames::None => pages::SENDING,
                Frames::Any => pages::SENDING_IN_FRAMES,
            }),
        );
        response
    }

    /// A redirect that carries the message.
    pub fn redirect(&self, address: &str) -> Response {
        self.to(address, &self.query())
    }

    /// A redirect that carries the message and a signature beside it (SAML bindings §3.4.4.1).
    pub fn signed_redirect(&self, address: &str, key: &OrgIdKey) -> Result<Response, ErrorStack> {
        let signed = format!("{}&SigAlg={}", self.query(), lower_hex(RSA_SHA1));
        let signature = lower_hex(&BASE64.encode(key.sign(signed.as_bytes())?));
        Ok(self.to(address, &format!("{signed}&Signature={signature}")))
    }

    fn query(&self) -> String {
        let message = BASE64.encode(deflated(self.xml.as_bytes()));
        let query = format!("{}={}", self.field, lower_hex(&message));
        match self.relay_state {
            Some(value) => format!("{query}&RelayState={}", lower_hex(value)),
            None => query,
        }
    }

    fn to(&self, address: &str, query: &str) -> Response {
        let query = match self.username {
            Some(username) => format!("{query}&username={}", lower_hex(username)),
            None => query.to_owned(),
        };
        Redirect::to(&with_query(address, &query)).into_response()
    }
}

fn deflated(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder
        .write_all(bytes)
        .and_then(|()| encoder.finish())
        .expect("a vector takes every byte")
}

#[derive(Template)]
#[template(path = "send.html")]
struct Send<'a> {
    address: &'a str,
    fields: Vec<(&'static str, &'a str)>,
}

#[cfg(test)]
mod tests {
    use std::io::read_to_string;

    use flate2::read::DeflateDecoder;
    use url::form_urlencoded::parse;

    use super::*;

    const PARCEL: Parcel = Parcel {
        field: "SAMLRequest",
        xml: "<a>\u{e4} &amp; b</a>",
        relay_state: Some("r=1&s +%2b\u{e4}"),
        username: Some("erin+1@saml.example"),
    };

    fn query_of(response: &Response) -> String {
        let location = response.headers()[header::LOCATION].to_str();
        let (_, query) = location
            .ok()
            .and_then(|location| location.split_once("?tenant=1&"))
            .expect("the address keeps its query");
        query.to_owned()
    }

    #[test]
    fn an_address_carries_the_message_whole() {
        let query = query_of(&PARCEL.redirect("https://idp.example/?tenant=1"));
        let fields: Vec<_> = parse(query.as_bytes()).into_owned().collect();
        let names: Vec<_> = fields.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["SAMLRequest", "RelayState", "username"]);
        let message = BASE64.decode(&fields[0].1).expect("it is base64");
        let xml = read_to_string(DeflateDecoder::new(message.as_slice()));
        assert_eq!(xml.expect("it is text"), PARCEL.xml);
        assert_eq!(Some(fields[1].1.as_str()), PARCEL.relay_state);
        assert_eq!(Some(fields[2].1.as_str()), PARCEL.username);
    }

    #[test]
    fn the_signature_beside_a_message_covers_what_is_sent_before_it() {
        let key = OrgIdKey::generate().expect("libcrypto makes keys");
        let response = PARCEL.signed_redirect("https://idp.example/?tenant=1", &key);
        let query = query_of(&response.expect("it signs"));
        let (signed, rest) = query.split_once("&Signature=").expect("it is signed");
        let signature = format!("v={}", rest.split('&').next().unwrap_or_default());
        let (_, signature) = parse(signature.as_bytes()).next().expect("there is one");
        let signature = BASE64.decode(signature.as_bytes()).expect("it is base64");
        assert!(key.made(&signature, signed.as_bytes()), "{query}");
    }
}
