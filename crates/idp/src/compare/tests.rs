use std::sync::LazyLock;

use crypto::certificate::{Certificate, SigningKey};
use serde_json::{Value, json};
use store::Protocol;

use super::*;
use crate::cloud::Cloud;
use crate::federate::{MfaBehavior, NextCertificate, PromptLogin};

const APP: &str = "663a8fb979aa83c58df6081e";
const ENABLE: &str = "countersign app commands 663a8fb979aa83c58df6081e --action enable";

/// A domain, and a certificate of every kind.
struct Contoso {
    known: Known,
    current: Certificate,
    next: Certificate,
    old: Certificate,
    foreign: Certificate,
}

/// Made once: a key takes its time.
static CERTIFICATES: LazyLock<[Certificate; 4]> = LazyLock::new(|| {
    ["current", "next", "old", "foreign"].map(|name| {
        let start = chrono::DateTime::from_timestamp(1_800_000_000, 0).expect("an instant");
        let key = SigningKey::generate(name, start, 10).expect("a key");
        key.certificate().clone()
    })
});

fn contoso() -> Contoso {
    let base = format!("https://id.contoso.com/wsfed/{APP}");
    let [current, next, old, foreign] = CERTIFICATES.clone();
    let known = |stage, certificate: &Certificate| KnownCertificate {
        stage,
        base64: certificate.base64().to_owned(),
    };
    let domain = |domain: &str, issuer: &str, label: &str| KnownDomain {
        domain: domain.to_owned(),
        issuer: issuer.to_owned(),
        label: label.to_owned(),
    };
    let known = Known {
        federation: Federation {
            app_id: APP.to_owned(),
            label: "Contoso".to_owned(),
            domain: "contoso.com".to_owned(),
            issuer: "https://contoso.com".to_owned(),
            protocol: Protocol::Wsfed,
            passive_sign_in_url: base.clone(),
            sign_out_url: format!("{base}/signout"),
            metadata_exchange_url: Some(format!("{base}/trust/mex")),
            active_sign_in_url: Some(format!("{base}/trust/2005/usernamemixed")),
            signing_certificate: current.base64().to_owned(),
            thumbprint: current.thumbprint(),
            next: None,
            mfa_behavior: MfaBehavior::default(),
            prompt_login: PromptLogin::default(),
            cloud: Cloud::Worldwide,
            commands_url: format!("{base}/commands"),
        },
        several: false,
        certificates: vec![
            known(Stage::Current, &current),
            known(Stage::Next, &next),
            known(Stage::Retired, &old),
        ],
        domains: vec![
            domain("contoso.com", "https://contoso.com", "Contoso"),
            domain("fabrikam.com", "https://fabrikam.com", "Fabrikam"),
        ],
    };
    Contoso {
        known,
        current,
        next,
        old,
        foreign,
    }
}

impl Contoso {
    fn with_next(mut self) -> Self {
        self.known.federation.next = Some(NextCertificate {
            certificate: self.next.base64().to_owned(),
            thumbprint: self.next.thumbprint(),
        });
        self
    }

    fn by_saml(mut self) -> Self {
        let federation = &mut self.known.federation;
        federation.protocol = Protocol::Saml;
        federation.metadata_exchange_url = None;
        federation.active_sign_in_url = None;
        self
    }

    /// What Graph says when everything is as our commands have set it.
    fn stored(&self) -> Value {
        let ours = &self.known.federation;
        json!({
            "id": "6601d14b-d113-8f64-fda2-9b5ddda18ecc",
            "displayName": ours.label,
            "issuerUri": ours.issuer,
            "metadataExchangeUri": ours.metadata_exchange_url,
            "passiveSignInUri": ours.passive_sign_in_url,
            "activeSignInUri": ours.active_sign_in_url,
            "signOutUri": ours.sign_out_url,
            "preferredAuthenticationProtocol": settings_protocol(ours.protocol),
            "signingCertificate": ours.signing_certificate,
            "nextSigningCertificate": ours.next.as_ref().map(|next| &next.certificate),
            "promptLoginBehavior": "nativeSupport",
            "federatedIdpMfaBehavior": "acceptIfMfaDoneByFederatedIdp",
            "isSignedAuthenticationRequestRequired": null,
            "passwordResetUri": null,
            "signingCertificateUpdateStatus": {"certificateUpdateResult": "Success"},
        })
    }

    fn compare(&self, theirs: &Value) -> Comparison {
        compare(&self.known, theirs.to_string().as_bytes()).expect("it is a configuration")
    }

    /// What comes out when one setting is another.
    fn with(&self, setting: &str, value: impl Into<Value>) -> Comparison {
        let mut theirs = self.stored();
        theirs[setting] = value.into();
        self.compare(&theirs)
    }

    /// Why a text cannot be compared.
    fn refused(&self, pasted: &[u8]) -> String {
        match compare(&self.known, pasted) {
            Err(Error::Invalid(why)) => why,
            other => panic!("{other:?}"),
        }
    }
}

fn settings_protocol(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Wsfed => "wsFed",
        Protocol::Saml => "saml",
    }
}

/// The one finding that is not the same, if there is one.
fn open(comparison: &Comparison) -> Option<&Finding> {
    let mut open = comparison
        .findings
        .iter()
        .filter(|finding| finding.verdict != Verdict::Same);
    let first = open.next();
    assert_eq!(open.next(), None, "one difference is one finding");
    first
}

/// The names as PowerShell writes them.
fn pascal(theirs: &Value) -> Value {
    let object = theirs.as_object().expect("an object").iter();
    let renamed = object.map(|(name, value)| {
        let (first, rest) = name.split_at(1);
        (first.to_ascii_uppercase() + rest, value.clone())
    });
    Value::Object(renamed.collect())
}

#[test]
fn what_our_commands_have_set_is_the_same_however_it_was_printed() {
    for contoso in [contoso(), contoso().with_next(), contoso().by_saml()] {
        let camel = contoso.stored();
        let pretty = serde_json::to_string_pretty(&pascal(&camel)).expect("JSON");
        let utf16 = |unit: fn(u16) -> [u8; 2], mark: bool| -> Vec<u8> {
            let mark = mark.then_some('\u{FEFF}');
            let text: String = mark.into_iter().chain(pretty.chars()).collect();
            text.encode_utf16().flat_map(unit).collect()
        };
        let answer = json!({
            "@odata.context": "https://graph.microsoft.com/v1.0/$metadata#domains('contoso.com')/federationConfiguration",
            "value": [camel],
        });
        for text in [
            camel.to_string().into_bytes(),
            json!([camel]).to_string().into_bytes(),
            json!({"value": [camel], "Count": 1})
                .to_string()
                .into_bytes(),
            answer.to_string().into_bytes(),
            pretty.replace('\n', "\r\n").into_bytes(),
            format!("\u{FEFF}{pretty}\r\n").into_bytes(),
            utf16(u16::to_le_bytes, true),
            utf16(u16::to_be_bytes, true),
            utf16(u16::to_le_bytes, false),
            utf16(u16::to_be_bytes, false),
        ] {
            let comparison = compare(&contoso.known, &text).expect("it is a configuration");
            assert_eq!(comparison.verdict, Verdict::Same, "{comparison:?}");
            assert_eq!(open(&comparison), None);
            assert_eq!(comparison.findings.len(), 13);
        }
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "a list of differences")]
fn each_difference_is_found_named_and_mended() {
    let contoso = contoso();
    let long = format!("https://{}.example/", "a".repeat(100));
    let set = |rest: &str| format!("countersign app set {APP} {rest}");
    let passive = contoso.known.federation.passive_sign_in_url.clone();
    for (setting, value, why, mend) in [
        (
            "issuerUri",
            json!("https://contoso.com/"),
            "slash too many",
            vec![ENABLE.to_owned(), set("--issuer https://contoso.com/")],
        ),
        (
            "issuerUri",
            json!("https://Contoso.com"),
            "upper and lower case",
            vec![ENABLE.to_owned(), set("--issuer https://Contoso.com")],
        ),
        (
            "issuerUri",
            json!("http://contoso.com"),
            "http and the other https",
            vec![ENABLE.to_owned(), set("--issuer http://contoso.com")],
        ),
        (
            "issuerUri",
            json!("urn:uri:contoso.com"),
            "AADSTS50107",
            vec![ENABLE.to_owned(), set("--issuer urn:uri:contoso.com")],
        ),
        (
            "issuerUri",
            json!(" https://contoso.com"),
            "white space around",
            vec![ENABLE.to_owned()],
        ),
        (
            "issuerUri",
            json!("https://cont\u{43e}so.com"),
            "not ASCII",
            vec![ENABLE.to_owned()],
        ),
        (
            "issuerUri",
            json!("https://x/$(reboot)"),
            "AADSTS50107",
            vec![ENABLE.to_owned()],
        ),
        (
            "issuerUri",
            json!("https://x/`reboot`;'"),
            "AADSTS50107",
            vec![ENABLE.to_owned()],
        ),
        (
            "issuerUri",
            json!(null),
            "has none",
            vec![ENABLE.to_owned()],
        ),
        ("issuerUri", json!(7), "no text", vec![ENABLE.to_owned()]),
        (
            "passiveSignInUri",
            json!(format!("{passive}/")),
            "slash too many",
            vec![ENABLE.to_owned()],
        ),
        (
            "passiveSignInUri",
            json!(passive.replace('/', "")),
            "slashes got lost",
            vec![ENABLE.to_owned()],
        ),
        (
            "passiveSignInUri",
            json!(passive.replacen("wsfed", "ws\nfed", 1)),
            "white space in it",
            vec![ENABLE.to_owned()],
        ),
        (
            "passiveSignInUri",
            json!(long),
            "somewhere else",
            vec![ENABLE.to_owned()],
        ),
        ("signOutUri", json!(""), "has none", vec![ENABLE.to_owned()]),
        (
            "metadataExchangeUri",
            json!("https://evil.example"),
            "somewhere else",
            vec![ENABLE.to_owned()],
        ),
        (
            "activeSignInUri",
            json!(null),
            "has none",
            vec![ENABLE.to_owned()],
        ),
        (
            "preferredAuthenticationProtocol",
            json!("saml"),
            "other protocol",
            vec![ENABLE.to_owned(), set("--protocol saml")],
        ),
        (
            "preferredAuthenticationProtocol",
            json!("samlp"),
            "wsFed and saml",
            vec![ENABLE.to_owned()],
        ),
        (
            "preferredAuthenticationProtocol",
            json!(0),
            "no text",
            vec![ENABLE.to_owned()],
        ),
        (
            "federatedIdpMfaBehavior",
            json!("enforceMfaByFederatedIdp"),
            "cannot sign in",
            vec![ENABLE.to_owned()],
        ),
        (
            "federatedIdpMfaBehavior",
            json!("always"),
            "no such behavior",
            vec![ENABLE.to_owned()],
        ),
        (
            "federatedIdpMfaBehavior",
            json!(null),
            "has none",
            vec![ENABLE.to_owned()],
        ),
        (
            "promptLoginBehavior",
            json!("never"),
            "no such behavior",
            vec![ENABLE.to_owned()],
        ),
        (
            "promptLoginBehavior",
            json!("1"),
            "no such behavior",
            vec![ENABLE.to_owned()],
        ),
        (
            "promptLoginBehavior",
            json!(1),
            "no text",
            vec![ENABLE.to_owned()],
        ),
    ] {
        let comparison = contoso.with(setting, value.clone());
        assert_eq!(comparison.verdict, Verdict::Different, "{setting} {value}");
        let found = open(&comparison).expect("there is one");
        assert_eq!(found.setting, setting);
        assert!(
            found.why.as_ref().is_some_and(|found| found.contains(why)),
            "{found:?}"
        );
        assert_eq!(found.mend, mend, "{setting} {value}");
        let shown = found.theirs.clone().unwrap_or_default();
        assert!(
            shown.chars().count() <= 81 && !shown.contains('\n'),
            "{shown}"
        );
    }
}

#[test]
fn what_an_administrator_may_choose_is_acceptable() {
    let contoso = contoso();
    for (setting, value) in [
        ("federatedIdpMfaBehavior", json!("rejectMfaByFederatedIdp")),
        ("promptLoginBehavior", json!("disabled")),
        (
            "promptLoginBehavior",
            json!("translateToFreshPasswordAuthentication"),
        ),
        ("promptLoginBehavior", json!(null)),
        ("displayName", json!("<script>alert(1)</script>")),
        ("isSignedAuthenticationRequestRequired", json!(true)),
        ("isSignedAuthenticationRequestRequired", json!("True")),
        ("passwordResetUri", json!("https://contoso.com/reset")),
    ] {
        let comparison = contoso.with(setting, value.clone());
        assert_eq!(comparison.verdict, Verdict::Same, "{setting} {value}");
        let found = open(&comparison).expect("there is one");
        assert_eq!(
            (found.setting, found.verdict),
            (setting, Verdict::Acceptable)
        );
        assert!(found.why.is_some() && found.mend.is_empty(), "{found:?}");
    }
    for (setting, value) in [
        ("preferredAuthenticationProtocol", json!("WsFed")),
        ("promptLoginBehavior", json!("NativeSupport")),
        ("isSignedAuthenticationRequestRequired", json!("False")),
        ("isSignedAuthenticationRequestRequired", json!(false)),
    ] {
        assert_eq!(open(&contoso.with(setting, value)), None, "{setting}");
    }
}

#[test]
fn a_domain_by_saml_has_no_addresses_of_ws_trust() {
    let contoso = contoso().by_saml();
    let ours = format!("https://id.contoso.com/wsfed/{APP}/trust/mex");
    for (value, verdict) in [
        (ours.as_str(), Verdict::Acceptable),
        ("https://evil.example/mex", Verdict::Different),
        (
            "https://id.contoso.com.evil.example/mex",
            Verdict::Different,
        ),
        ("mex", Verdict::Different),
    ] {
        let comparison = contoso.with("metadataExchangeUri", value);
        assert_eq!(
            open(&comparison).map(|found| found.verdict),
            Some(verdict),
            "{value}"
        );
    }
    let comparison = contoso.with("preferredAuthenticationProtocol", "wsFed");
    let found = open(&comparison).expect("there is one");
    assert_eq!(
        found.mend[1],
        format!("countersign app set {APP} --protocol wsfed")
    );
}

#[test]
fn a_certificate_is_told_by_what_it_is() {
    let contoso = contoso();
    let current = contoso.current.base64();
    let pem = contoso.current.pem();
    let spaced = format!("{} {}", &current[..64], &current[64..]);
    let trailing = {
        use base64::Engine as _;
        let mut der = contoso.current.der().to_vec();
        der.extend(b"garbage");
        base64::prelude::BASE64_STANDARD.encode(der)
    };
    let run_book = |action| contoso.known.run_book(action);
    let promote = format!("countersign cert promote {APP} --evidence FILE");
    for (value, why, mend) in [
        (pem.as_str(), "BEGIN CERTIFICATE", vec![ENABLE.to_owned()]),
        (&spaced, "white space in it", vec![ENABLE.to_owned()]),
        (
            &format!("{current}\r\n"),
            "white space in it",
            vec![ENABLE.to_owned()],
        ),
        (
            &format!("{pem}{pem}"),
            "several certificates",
            vec![ENABLE.to_owned()],
        ),
        (&trailing, "something follows", vec![ENABLE.to_owned()]),
        (&current[..400], "no certificate", vec![ENABLE.to_owned()]),
        ("not base64!", "no base64", vec![ENABLE.to_owned()]),
        (
            contoso.next.base64(),
            "our next certificate",
            vec![promote, ENABLE.to_owned()],
        ),
        (
            contoso.old.base64(),
            "our old certificate, and no token",
            vec![ENABLE.to_owned()],
        ),
        (
            contoso.foreign.base64(),
            "no certificate of this application",
            vec![ENABLE.to_owned()],
        ),
    ] {
        let comparison = contoso.with("signingCertificate", value);
        let found = open(&comparison).expect("there is one");
        assert_eq!(
            (found.setting, found.verdict),
            ("signingCertificate", Verdict::Different)
        );
        assert!(
            found.why.as_ref().is_some_and(|found| found.contains(why)),
            "{found:?}"
        );
        assert_eq!(found.mend, mend, "{why}");
        assert_eq!(found.ours, Some(contoso.current.thumbprint()));
    }
    let comparison = contoso.with("signingCertificate", contoso.old.base64());
    let found = open(&comparison).expect("there is one");
    assert_eq!(found.theirs, Some(contoso.old.thumbprint()));

    // After our side has changed over: Microsoft still has both, the other way round.
    let mut between = contoso.stored();
    between["signingCertificate"] = contoso.old.base64().into();
    between["nextSigningCertificate"] = current.into();
    let comparison = contoso.compare(&between);
    let found = &comparison.findings[6];
    assert!(
        found
            .why
            .as_ref()
            .is_some_and(|why| why.contains("sign-in works meanwhile"))
    );
    assert_eq!(found.mend, [run_book(Action::Promote)]);
}

#[test]
fn the_next_certificate_is_there_when_it_should_be() {
    const SETTING: &str = "nextSigningCertificate";
    let contoso = contoso();
    let rotating = self::contoso().with_next();
    let current = |contoso: &Contoso| contoso.current.base64().to_owned();
    let old = |contoso: &Contoso| contoso.old.base64().to_owned();
    let foreign = contoso.foreign.base64().to_owned();
    for (contoso, value, verdict, action) in [
        (
            &contoso,
            json!(current(&contoso)),
            Verdict::Acceptable,
            None,
        ),
        (
            &contoso,
            json!(old(&contoso)),
            Verdict::Different,
            Some(Action::Promote),
        ),
        (
            &contoso,
            json!(foreign),
            Verdict::Different,
            Some(Action::Enable),
        ),
        (
            &contoso,
            json!("x"),
            Verdict::Different,
            Some(Action::Promote),
        ),
        (
            &rotating,
            json!(null),
            Verdict::Different,
            Some(Action::Rotate),
        ),
        (
            &rotating,
            json!(current(&rotating)),
            Verdict::Different,
            Some(Action::Rotate),
        ),
        (
            &rotating,
            json!(old(&rotating)),
            Verdict::Different,
            Some(Action::Rotate),
        ),
        (
            &rotating,
            json!(rotating.next.pem()),
            Verdict::Different,
            Some(Action::Rotate),
        ),
        (
            &rotating,
            json!(foreign),
            Verdict::Different,
            Some(Action::Enable),
        ),
    ] {
        let comparison = contoso.with(SETTING, value.clone());
        let found = open(&comparison).expect("there is one");
        assert_eq!(
            (found.setting, found.verdict),
            (SETTING, verdict),
            "{value}"
        );
        let mend: Vec<_> = action
            .map(|action| contoso.known.run_book(action))
            .into_iter()
            .collect();
        assert_eq!(found.mend, mend, "{value}");
    }
}

#[test]
fn a_domain_has_one_federation() {
    let contoso = contoso();
    let mut other = contoso.stored();
    other["issuerUri"] = json!("urn:somebody:else");
    for both in [
        json!([other, contoso.stored()]),
        json!({"value": [contoso.stored(), other]}),
    ] {
        let comparison = contoso.compare(&both);
        assert_eq!(comparison.verdict, Verdict::Different);
        let found = open(&comparison).expect("there is one");
        assert_eq!(found.setting, "federationConfiguration");
        assert_eq!(found.theirs.as_deref(), Some("2"));
    }
    for none in [json!([]), json!({"value": []}), json!(null)] {
        let comparison = contoso.compare(&none);
        assert_eq!(
            (comparison.verdict, comparison.findings.len()),
            (Verdict::Different, 1)
        );
        assert_eq!(comparison.findings[0].mend, [ENABLE]);
    }
}

#[test]
fn the_configuration_of_another_domain_is_told_from_ours() {
    let contoso = contoso();
    let mut fabrikam = contoso.stored();
    fabrikam["issuerUri"] = json!("https://fabrikam.com/");
    for text in [
        fabrikam.to_string(),
        pascal(&fabrikam).to_string(),
        json!({"value": [fabrikam]}).to_string(),
    ] {
        let why = contoso.refused(text.as_bytes());
        assert!(
            why.contains("another domain")
                && why.contains("fabrikam.com, which the application Fabrikam serves"),
            "{why}"
        );
    }
    // The answer of Graph says whose it is, whatever stands in it.
    let of = |domain: &str, theirs: &Value| {
        json!({
            "@odata.context": format!("https://graph.microsoft.com/v1.0/$metadata#domains('{domain}')/federationConfiguration"),
            "value": [theirs],
        })
    };
    let why = contoso.refused(of("Example.com", &contoso.stored()).to_string().as_bytes());
    assert!(
        why.contains("example.com, which no application here serves"),
        "{why}"
    );
    let comparison = contoso.compare(&of("contoso.com", &fabrikam));
    assert_eq!(
        open(&comparison).map(|found| found.setting),
        Some("issuerUri")
    );
    // PowerShell keeps that beside the settings.
    let mut single = pascal(&contoso.stored());
    single["AdditionalProperties"] = of("fabrikam.com", &json!(null));
    assert!(
        contoso
            .refused(single.to_string().as_bytes())
            .contains("Fabrikam")
    );

    // Those of every domain at once are told apart.
    let all = json!([fabrikam, contoso.stored()]);
    assert_eq!(contoso.compare(&all).verdict, Verdict::Same);
}

#[test]
fn commands_name_the_domain_where_there_are_several() {
    let mut contoso = contoso();
    contoso.known.several = true;
    let comparison = contoso.with("issuerUri", "urn:x:contoso");
    let found = open(&comparison).expect("there is one");
    assert_eq!(
        found.mend,
        [
            format!("{ENABLE} --domain contoso.com"),
            format!("countersign app set {APP} --issuer urn:x:contoso --domain contoso.com"),
        ]
    );
}

#[test]
fn what_is_no_configuration_is_refused_with_the_reason() {
    let contoso = contoso();
    let good = contoso.stored().to_string();
    let large = format!("{good}{}", " ".repeat(LARGEST));
    let twice = good.replacen('{', "{\"IssuerUri\":\"https://evil.example\",", 1);
    let deep = "[".repeat(100_000);
    for (text, why) in [
        (b"" as &[u8], "nothing was pasted"),
        (b" \r\n\t", "nothing was pasted"),
        (b"\xEF\xBB\xBF", "nothing was pasted"),
        (b"<!doctype html><title>Sign in</title>", "HTML or XML"),
        (b"\n<EntityDescriptor/>", "HTML or XML"),
        (
            b"ActiveSignInUri : https://x\nIssuerUri       : https://y",
            "ConvertTo-Json",
        ),
        (
            b"Get-MgDomainFederationConfiguration : Insufficient privileges",
            "no JSON",
        ),
        (
            good.as_bytes().split_last().expect("text").1,
            "ends too early",
        ),
        (&good.as_bytes()[..200], "ends too early"),
        (&good.as_bytes()[1..], "no JSON"),
        (b"{'issuerUri': 'x'}", "line 1, column 2"),
        (deep.as_bytes(), "no JSON"),
        (b"\"issuerUri\"", "no federation configuration"),
        (b"[1]", "no federation configuration"),
        (b"{}", "no IssuerUri"),
        (
            b"{\"Id\":\"contoso.com\",\"AuthenticationType\":\"Federated\"}",
            "no IssuerUri",
        ),
        (
            b"{\"error\":{\"code\":\"Request_ResourceNotFound\",\"message\":\"<b>\\u001b\"}}",
            "Request_ResourceNotFound <b>\u{FFFD}",
        ),
        (b"\xFF\xFE{\0}", "no text"),
        (b"{\"issuerUri\":\"\xE9\"}", "no text"),
        (b"\xFF\xFE\x00\xD8", "no text"),
        (twice.as_bytes(), "twice"),
        (large.as_bytes(), "1 MiB"),
    ] {
        let found = contoso.refused(text);
        assert!(found.contains(why), "{found}, not {why}");
        assert!(
            found.contains("ConvertTo-Json") && !found.contains('\u{1b}'),
            "{found}"
        );
    }
}
