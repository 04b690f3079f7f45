//! A SAML 2.0 sign-in that Entra ID accepts, in parts that a test can spoil.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use chrono::{DateTime, Utc};
use crypto::certificate::SigningKey;
use crypto::xml_signature::{Algorithm, sign};
use entra::{Outstanding, Replay, Tenant, Verdict, accept};

use crate::token::{KEY, changed, now, outstanding, tenant};

/// Byte for byte in exclusive canonical form, so that it can be signed as it stands.
const RESPONSE: &str = concat!(
    r#"<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" Destination="https://login.example/login.srf" ID="_r1" InResponseTo="_q1" IssueInstant="2026-11-21T09:59:58.123Z" Version="2.0">"#,
    r#"<saml:Issuer xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion">https://saml.example</saml:Issuer>"#,
    r#"<samlp:Status><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"></samlp:StatusCode></samlp:Status>"#,
    r#"<saml:Assertion xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="_a1" IssueInstant="2026-11-21T09:59:58.123Z" Version="2.0"><saml:Issuer>https://saml.example</saml:Issuer>"#,
    r#"<saml:Subject><saml:NameID Format="urn:oasis:names:tc:SAML:2.0:nameid-format:persistent">Id-Erin</saml:NameID>"#,
    r#"<saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer"><saml:SubjectConfirmationData InResponseTo="_q1" NotOnOrAfter="2026-11-21T10:04:58.123Z" Recipient="https://login.example/login.srf"></saml:SubjectConfirmationData></saml:SubjectConfirmation></saml:Subject>"#,
    r#"<saml:Conditions NotBefore="2026-11-21T09:58:58.123Z" NotOnOrAfter="2026-11-21T10:59:58.123Z"><saml:AudienceRestriction><saml:Audience>urn:federation:MicrosoftOnline</saml:Audience></saml:AudienceRestriction></saml:Conditions>"#,
    r#"<saml:AttributeStatement><saml:Attribute Name="IDPEmail"><saml:AttributeValue>erin@saml.example</saml:AttributeValue></saml:Attribute></saml:AttributeStatement>"#,
    r#"<saml:AuthnStatement AuthnInstant="2026-11-21T09:59:30.000Z" SessionIndex="_s1"><saml:AuthnContext><saml:AuthnContextClassRef>urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport</saml:AuthnContextClassRef></saml:AuthnContext></saml:AuthnStatement>"#,
    "</saml:Assertion></samlp:Response>",
);

/// Everything that takes part in one sign-in; what a test does not touch is right.
pub struct Scene {
    pub tenant: Tenant,
    /// The response before anything is signed.
    pub response: String,
    pub key: &'static SigningKey,
    /// Signs the response as well.
    pub response_key: Option<&'static SigningKey>,
    pub outstanding: Option<Outstanding>,
    pub now: DateTime<Utc>,
    pub replay: Replay,
}

impl Scene {
    pub fn new() -> Self {
        let asked = Outstanding {
            request_id: Some("_q1".to_owned()),
            domain: "saml.example".to_owned(),
            ..outstanding()
        };
        Self {
            tenant: tenant(),
            response: RESPONSE.to_owned(),
            key: &KEY,
            response_key: None,
            outstanding: Some(asked),
            now: now(),
            replay: Replay::new(),
        }
    }

    /// An answer that nobody asked for.
    pub fn unsolicited() -> Self {
        let mut scene = Self::new();
        scene.outstanding = None;
        scene.write(" InResponseTo=\"_q1\"", "");
        scene
    }

    pub fn signed_twice() -> Self {
        Self {
            response_key: Some(&KEY),
            ..Self::new()
        }
    }

    /// Changes the response before it is signed.
    #[track_caller]
    pub fn write(&mut self, from: &str, to: &str) {
        self.response = changed(&self.response, from, to);
    }

    /// The response with its signatures.
    pub fn signed(&self) -> String {
        let [before, assertion, after] = self.parts();
        let response = format!("{before}{}{after}", behind_issuer(assertion, self.key));
        match self.response_key {
            Some(key) => behind_issuer(&response, key),
            None => response,
        }
    }

    /// The assertion alone, signed.
    pub fn assertion(&self) -> String {
        let [_, assertion, _] = self.parts();
        behind_issuer(assertion, self.key)
    }

    /// The response before, in and behind its assertion.
    fn parts(&self) -> [&str; 3] {
        let end = "</saml:Assertion>";
        let from = self.response.find("<saml:Assertion ");
        let to = self.response.rfind(end).map(|at| at + end.len());
        let (from, to) = from.zip(to).expect("it holds an assertion");
        [
            &self.response[..from],
            &self.response[from..to],
            &self.response[to..],
        ]
    }

    /// The form that a browser posts.
    pub fn body(&self, response: &str) -> String {
        let asked = self.outstanding.as_ref();
        body(response, asked.map(|asked| asked.context.as_str()))
    }

    pub fn accept(&mut self, body: &str) -> Verdict {
        accept(
            &self.tenant,
            body.as_bytes(),
            self.outstanding.as_ref(),
            &mut self.replay,
            self.now,
        )
    }

    /// What becomes of this text in place of the response.
    pub fn accept_response(&mut self, response: &str) -> Verdict {
        let body = self.body(response);
        self.accept(&body)
    }

    pub fn verdict(&mut self) -> Verdict {
        self.accept_response(&self.signed())
    }

    pub fn asked(&mut self) -> &mut Outstanding {
        self.outstanding.as_mut().expect("somebody asked")
    }
}

/// Signs an element whose first child is its issuer, and puts the signature behind that.
pub fn behind_issuer(element: &str, key: &SigningKey) -> String {
    let end = "</saml:Issuer>";
    let at = element.find(end).expect("it has an issuer") + end.len();
    let id = element
        .split(" ID=\"")
        .nth(1)
        .and_then(|rest| rest.split('"').next());
    sign(
        element,
        id.expect("it has an ID"),
        at,
        key,
        Algorithm::default(),
    )
    .expect("it can be signed")
}

pub fn body(response: &str, relay_state: Option<&str>) -> String {
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    form.append_pair("SAMLResponse", &BASE64.encode(response));
    if let Some(relay_state) = relay_state {
        form.append_pair("RelayState", relay_state);
    }
    form.finish()
}
