//! One of each noun, to vary.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use uuid::Uuid;

use crate::{
    Acs, Active, AnchorSource, App, AppKind, Attempt, AttributeRule, AuditLine, Group, Issuer,
    LogoutService, NameIdRule, OneTimeLink, Protocol, SamlAttributeRule, SamlBinding, SamlSettings,
    Session, SignOut, Signed, SigningKey, Source, Stage, User, WsFedSettings,
};

/// A fixed moment plus some seconds, with all six digits that both engines keep.
pub(super) fn at(seconds: i64) -> DateTime<Utc> {
    let start = DateTime::from_timestamp(1_790_000_000, 123_456_000);
    start.expect("a moment in 2026") + TimeDelta::seconds(seconds)
}

pub(super) fn user(name: &str) -> User {
    User {
        id: Uuid::now_v7(),
        upn: format!("{name}@Contoso.example"),
        upn_key: format!("{}@contoso.example", name.to_lowercase()),
        display_name: format!("{name} Müller 🦀"),
        email: None,
        given_name: Some(name.to_owned()),
        family_name: Some("O'Neil".to_owned()),
        immutable_id: format!("{name}=="),
        anchor_source: AnchorSource::Given,
        anchor_used_at: None,
        password_hash: "$argon2id$hush".to_owned(),
        admin: false,
        enabled: true,
        created_at: at(0),
    }
}

pub(super) fn group(name: &str) -> Group {
    Group {
        id: Uuid::now_v7(),
        name: name.to_owned(),
        name_key: name.to_lowercase(),
        created_at: at(0),
    }
}

pub(super) fn app(id: &str) -> App {
    App {
        id: id.to_owned(),
        kind: AppKind::M365,
        label: "Microsoft 365".to_owned(),
        enabled: true,
        protocol: Protocol::Wsfed,
        slug: None,
        wsfed: Some(WsFedSettings {
            realm: "urn:federation:MicrosoftOnline".to_owned(),
            replies: vec!["https://login.microsoftonline.com/login.srf".to_owned()],
            name_id: NameIdRule {
                format: "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified".to_owned(),
                source: Source::ImmutableId,
            },
            attributes: vec![AttributeRule {
                name: "http://schemas.xmlsoap.org/claims/UPN".to_owned(),
                source: Source::Upn,
            }],
            active: Active {
                on: true,
                networks: vec!["203.0.113.0/24".to_owned()],
                credential_status: 500,
            },
        }),
        saml: Some(microsofts_saml()),
        cloud: Some("worldwide".to_owned()),
        entra_url: None,
        created_at: at(0),
    }
}

/// What every Microsoft 365 application has by SAML, those of before the migration included.
pub(super) fn microsofts_saml() -> SamlSettings {
    let address = "https://login.microsoftonline.com/login.srf".to_owned();
    SamlSettings {
        entity_id: "urn:federation:MicrosoftOnline".to_owned(),
        acs: vec![Acs {
            url: address.clone(),
            index: 0,
            is_default: true,
        }],
        logout: Some(LogoutService {
            binding: SamlBinding::Post,
            url: address,
            response_url: None,
        }),
        name_id: NameIdRule {
            format: "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent".to_owned(),
            source: Source::ImmutableId,
        },
        attributes: vec![SamlAttributeRule {
            name: "IDPEmail".to_owned(),
            name_format: None,
            friendly_name: None,
            source: Source::Upn,
        }],
        sign: Signed::Assertion,
        signature_algorithm: "rsa-sha256".to_owned(),
        encryption_certificate: None,
        encrypt: false,
        signing_certificates: Vec::new(),
        signed_requests: false,
        relay_state: None,
    }
}

pub(super) fn issuer(app: &App, domain: &str) -> Issuer {
    Issuer {
        issuer: format!("http://{domain}/adfs/services/trust/"),
        app_id: app.id.clone(),
        domain: Some(domain.to_owned()),
    }
}

pub(super) fn signing_key(app: &App, stage: Stage) -> SigningKey {
    SigningKey {
        id: Uuid::now_v7(),
        app_id: app.id.clone(),
        stage,
        certificate: vec![0x30, 0x82, 0, 255],
        sealed_private_key: b"hush".to_vec(),
        created_at: at(0),
        known_at: None,
        known_by: None,
        replaced_at: None,
        withdrawn_at: None,
    }
}

pub(super) fn session(user: &User, byte: u8) -> Session {
    Session {
        id_hash: vec![byte; 32],
        user_id: user.id,
        method: "urn:oasis:names:tc:SAML:1.0:am:password".to_owned(),
        authenticated_at: at(1),
        created_at: at(2),
        last_seen_at: at(3),
        expires_at: at(3_600),
        source: "192.0.2.7".to_owned(),
    }
}

pub(super) fn attempt(byte: u8) -> Attempt {
    Attempt {
        id_hash: vec![byte; 32],
        target: r#"{"wctx":"a\nb<>&\"'"}"#.to_owned(),
        correlation_id: "6ba7b810-9dad-11d1-80b4-00c04fd430c8".to_owned(),
        created_at: at(0),
        expires_at: at(600),
    }
}

pub(super) fn link(byte: u8, purpose: &str) -> OneTimeLink {
    OneTimeLink {
        token_hash: vec![byte; 32],
        purpose: purpose.to_owned(),
        created_at: at(0),
        expires_at: at(86_400),
    }
}

pub(super) fn line(event: &str, seconds: i64) -> AuditLine {
    let details = json!({"thumbprint": "AB12", "list": [1, true, null, {"deep": "ü"}]});
    AuditLine {
        id: Uuid::now_v7(),
        at: at(seconds),
        event: event.to_owned(),
        user_upn: Some("alice@contoso.example".to_owned()),
        app_id: None,
        source: Some("2001:db8::7".to_owned()),
        correlation_id: Some("c0ffee".to_owned()),
        details: details.as_object().expect("written as an object").clone(),
    }
}

pub(super) fn sign_out(byte: u8) -> SignOut {
    SignOut {
        id_hash: vec![byte; 32],
        finish: r#"{"page":null}"#.to_owned(),
        user_upn: "alice@contoso.example".to_owned(),
        correlation_id: "c0ffee".to_owned(),
        created_at: at(0),
        expires_at: at(3_600),
    }
}
