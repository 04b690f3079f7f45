//! A sign-in that Entra ID accepts, in parts that a test can spoil.

use std::sync::LazyLock;

use chrono::{DateTime, TimeDelta, Utc};
use crypto::certificate::SigningKey;
use crypto::xml_signature::{Algorithm, sign};
use entra::{
    Cloud, Domain, Federation, Outstanding, Protocol, Replay, Tenant, User, Verdict, accept,
};

pub static KEY: LazyLock<SigningKey> = LazyLock::new(|| key(3650));
pub static NEXT_KEY: LazyLock<SigningKey> = LazyLock::new(|| key(3650));
pub static FOREIGN_KEY: LazyLock<SigningKey> = LazyLock::new(|| key(3650));
/// Its certificate ran out the day before `now`.
pub static OLD_KEY: LazyLock<SigningKey> = LazyLock::new(|| key(29));

fn key(days: u32) -> SigningKey {
    SigningKey::generate("contoso.example", now() - TimeDelta::days(30), days)
        .expect("a key can be made")
}

pub fn now() -> DateTime<Utc> {
    "2026-11-21T10:00:00Z".parse().expect("it is a time")
}

/// Byte for byte in exclusive canonical form, so that it can be signed as it stands.
const ASSERTION: &str = concat!(
    r#"<saml:Assertion xmlns:saml="urn:oasis:names:tc:SAML:1.0:assertion" AssertionID="_a1" IssueInstant="2026-11-21T09:59:58.123Z" Issuer="https://contoso.example" MajorVersion="1" MinorVersion="1">"#,
    r#"<saml:Conditions NotBefore="2026-11-21T09:58:58.123Z" NotOnOrAfter="2026-11-21T10:59:58.123Z"><saml:AudienceRestrictionCondition><saml:Audience>urn:federation:MicrosoftOnline</saml:Audience></saml:AudienceRestrictionCondition></saml:Conditions>"#,
    r#"<saml:AttributeStatement><saml:Subject><saml:NameIdentifier Format="urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified">Id-Alice</saml:NameIdentifier><saml:SubjectConfirmation><saml:ConfirmationMethod>urn:oasis:names:tc:SAML:1.0:cm:bearer</saml:ConfirmationMethod></saml:SubjectConfirmation></saml:Subject>"#,
    r#"<saml:Attribute AttributeName="UPN" AttributeNamespace="http://schemas.xmlsoap.org/claims"><saml:AttributeValue>alice@contoso.example</saml:AttributeValue></saml:Attribute>"#,
    r#"<saml:Attribute AttributeName="ImmutableID" AttributeNamespace="http://schemas.microsoft.com/LiveID/Federation/2008/05"><saml:AttributeValue>Id-Alice</saml:AttributeValue></saml:Attribute></saml:AttributeStatement>"#,
    r#"<saml:AuthenticationStatement AuthenticationInstant="2026-11-21T09:59:30.000Z" AuthenticationMethod="urn:oasis:names:tc:SAML:1.0:am:password"><saml:Subject><saml:NameIdentifier Format="urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified">Id-Alice</saml:NameIdentifier><saml:SubjectConfirmation><saml:ConfirmationMethod>urn:oasis:names:tc:SAML:1.0:cm:bearer</saml:ConfirmationMethod></saml:SubjectConfirmation></saml:Subject></saml:AuthenticationStatement>"#,
    "</saml:Assertion>",
);

const BEFORE: &str = concat!(
    r#"<t:RequestSecurityTokenResponse xmlns:t="http://schemas.xmlsoap.org/ws/2005/02/trust">"#,
    r#"<t:Lifetime><wsu:Created xmlns:wsu="http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd">2026-11-21T09:59:58.123Z</wsu:Created>"#,
    r#"<wsu:Expires xmlns:wsu="http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd">2026-11-21T10:59:58.123Z</wsu:Expires></t:Lifetime>"#,
    r#"<wsp:AppliesTo xmlns:wsp="http://schemas.xmlsoap.org/ws/2004/09/policy"><wsa:EndpointReference xmlns:wsa="http://www.w3.org/2005/08/addressing"><wsa:Address>urn:federation:MicrosoftOnline</wsa:Address></wsa:EndpointReference></wsp:AppliesTo>"#,
    "<t:RequestedSecurityToken>",
);

const AFTER: &str = concat!(
    "</t:RequestedSecurityToken>",
    "<t:TokenType>urn:oasis:names:tc:SAML:1.0:assertion</t:TokenType>",
    "<t:RequestType>http://schemas.xmlsoap.org/ws/2005/02/trust/Issue</t:RequestType>",
    "<t:KeyType>http://schemas.xmlsoap.org/ws/2005/05/identity/NoProofKey</t:KeyType>",
    "</t:RequestSecurityTokenResponse>",
);

/// Everything that takes part in one sign-in; what a test does not touch is right.
pub struct Scene {
    pub tenant: Tenant,
    pub assertion: String,
    pub key: &'static SigningKey,
    pub outstanding: Option<Outstanding>,
    pub now: DateTime<Utc>,
    pub replay: Replay,
}

impl Scene {
    pub fn new() -> Self {
        Self {
            tenant: tenant(),
            assertion: ASSERTION.to_owned(),
            key: &KEY,
            outstanding: Some(outstanding()),
            now: now(),
            replay: Replay::new(),
        }
    }

    /// Changes the assertion before it is signed.
    #[track_caller]
    pub fn write(&mut self, from: &str, to: &str) {
        self.assertion = changed(&self.assertion, from, to);
    }

    /// The token response, signed.
    pub fn wresult(&self) -> String {
        format!("{BEFORE}{}{AFTER}", self.signed())
    }

    /// The assertion alone, signed.
    pub fn signed(&self) -> String {
        let at = self.assertion.len() - "</saml:Assertion>".len();
        let id = self
            .assertion
            .split("AssertionID=\"")
            .nth(1)
            .and_then(|rest| rest.split('"').next());
        sign(
            &self.assertion,
            id.expect("there is an id"),
            at,
            self.key,
            Algorithm::default(),
        )
        .expect("it can be signed")
    }

    /// The form that a browser posts.
    pub fn body(&self, wresult: &str) -> String {
        let wctx = self
            .outstanding
            .as_ref()
            .map(|asked| asked.context.as_str())
            .unwrap_or_default();
        body(wresult, wctx)
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

    pub fn verdict(&mut self) -> Verdict {
        let body = self.body(&self.wresult());
        self.accept(&body)
    }
}

pub fn body(wresult: &str, wctx: &str) -> String {
    url::form_urlencoded::Serializer::new(String::new())
        .append_pair("wa", "wsignin1.0")
        .append_pair("wresult", wresult)
        .append_pair("wctx", wctx)
        .finish()
}

/// Replaces every `from`; a test that changes nothing would prove nothing.
#[track_caller]
pub fn changed(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "{from} is not in {text}");
    text.replace(from, to)
}

pub fn outstanding() -> Outstanding {
    Outstanding {
        context: "LoginOptions=3&estsredirect=2&estsrequest=<\"b+l%3do'b\"> 日本".to_owned(),
        request_id: None,
        started_at: now() - TimeDelta::minutes(2),
        domain: "contoso.example".to_owned(),
        fresh: false,
        mfa: false,
        client_request_id: "8d1bd4c3-7cf4-4d0c-9f8c-6b7e4c5d1d55".to_owned(),
    }
}

pub fn federation(domain: &str, signing_certificate: &SigningKey) -> Federation {
    Federation {
        issuer_uri: format!("https://{domain}"),
        passive_sign_in_uri: format!("https://idp.example/wsfed/{domain}"),
        sign_out_uri: format!("https://idp.example/wsfed/{domain}/signout"),
        protocol: Protocol::WsFed,
        signing_certificate: signing_certificate.certificate().der().to_vec(),
        next_signing_certificate: Some(NEXT_KEY.certificate().der().to_vec()),
        metadata_exchange_uri: None,
        active_sign_in_uri: None,
    }
}

pub fn tenant() -> Tenant {
    let user = |upn: &str, immutable_id: &str, enabled| User {
        upn: upn.to_owned(),
        immutable_id: immutable_id.to_owned(),
        display_name: upn.split('@').next().unwrap_or_default().to_owned(),
        enabled,
    };
    let saml = |domain: &str| Federation {
        protocol: Protocol::Saml,
        passive_sign_in_uri: format!("https://idp.example/saml2/{domain}"),
        sign_out_uri: format!("https://idp.example/saml2/{domain}/slo"),
        ..federation(domain, &KEY)
    };
    Tenant {
        cloud: Cloud {
            audience: "urn:federation:MicrosoftOnline".to_owned(),
            reply: "https://login.example/login.srf".to_owned(),
        },
        domains: vec![
            Domain {
                name: "contoso.example".to_owned(),
                federation: Some(federation("contoso.example", &KEY)),
            },
            Domain {
                name: "fabrikam.example".to_owned(),
                federation: Some(federation("fabrikam.example", &KEY)),
            },
            Domain {
                name: "saml.example".to_owned(),
                federation: Some(saml("saml.example")),
            },
            Domain {
                name: "second.example".to_owned(),
                federation: Some(saml("second.example")),
            },
            Domain {
                name: "managed.example".to_owned(),
                federation: None,
            },
        ],
        users: vec![
            user("alice@contoso.example", "Id-Alice", true),
            user("bob@contoso.example", "Id-Bob", false),
            user("carol@fabrikam.example", "Id-Carol", true),
            user("erin@saml.example", "Id-Erin", true),
            user("frank@saml.example", "Id-Frank", false),
        ],
    }
}
