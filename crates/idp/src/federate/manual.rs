//! The run-book by hand: the values by their names, the requests for Graph Explorer, and the classic cmdlets as history.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};
use store::Protocol;

use super::{Action, Anchor, Federation, bash};

/// The text of an action.
pub fn script(federation: &Federation, anchors: &[Anchor], action: Action) -> String {
    let domain = plain(&federation.domain);
    let mut text = format!("{action}: {}\n\n", about(action)).replace("DOMAIN", &domain);
    section(
        &mut text,
        "What to have at hand",
        &format!(
            "An administrator of the tenant whose own user name is not in {domain}, and who can turn everything back.\n\
             Graph Explorer (https://aka.ms/ge), or anything else that sends requests to Microsoft Graph, signed in as that\n\
             one and with consent to {}.\n\
             The address of Graph in this cloud is {}.",
            bash::permissions(action),
            federation.cloud.graph_url(),
        ),
    );
    match action {
        Action::Check => check(&mut text, federation, anchors),
        Action::Enable => enable(&mut text, federation),
        Action::Show => show(&mut text, federation),
        Action::Rotate => rotate(&mut text, federation),
        Action::Promote => promote(&mut text, federation),
        Action::Disable => disable(&mut text, federation),
        Action::Restore => restore(&mut text, federation),
        Action::Users => users(&mut text, federation, anchors),
    }
    if let Some(lines) = classic(federation, action) {
        text.push_str(
            "History\n-------\nUntil May 2025 these commands of the module MSOnline did this. Microsoft has turned that module off: they work\n\
             no longer, and stand here for those who compare with an old manual.\n\n",
        );
        for line in lines {
            writeln!(text, "# {line}").expect("a String takes every write");
        }
    }
    text
}

fn about(action: Action) -> &'static str {
    match action {
        Action::Check => "whether DOMAIN can be federated, and how it stands. Nothing is changed.",
        Action::Enable => {
            "federates DOMAIN. Everybody whose user name ends so signs in at this server afterwards."
        }
        Action::Show => {
            "what Microsoft has stored about the federation of DOMAIN. Nothing is changed."
        }
        Action::Rotate => "gives Microsoft the next certificate, beside the one that signs.",
        Action::Promote => {
            "makes the certificate that signs Microsoft's first one, and drops the former."
        }
        Action::Disable => {
            "makes DOMAIN Managed. Everybody signs in at Microsoft then, with a password that Microsoft knows; who has\n\
             none there needs a new one, the same hour. ImmutableIDs stay."
        }
        Action::Restore => "puts DOMAIN back as it was before a change, from what was saved then.",
        Action::Users => "gives users at Microsoft their ImmutableID, before DOMAIN is federated.",
    }
}

fn check(text: &mut String, federation: &Federation, anchors: &[Anchor]) {
    step(text, federation, "1. Look at the domain", "GET", "", None);
    text.push_str(
        "isVerified and isRoot have to be true, isDefault and isInitial false. A subdomain whose isRoot is false takes its\n\
         federation from the domain above it. authenticationType says whether it is Managed or Federated.\n\n",
    );
    step(
        text,
        federation,
        "2. Look at its federation",
        "GET",
        CONFIGURATION,
        None,
    );
    text.push_str(
        "404 means that there is none yet. If there is one, compare it with these values:\n\n",
    );
    values(text, federation);
    request(
        text,
        federation,
        "3. See that a Global Administrator is outside of the domain",
        "GET",
        "/directoryRoles(roleTemplateId='62e90394-69f5-4237-9190-012177145e10')/members?$select=userPrincipalName,accountEnabled",
        None,
    );
    request(
        text,
        federation,
        "4. Compare the ImmutableIDs",
        "GET",
        "/users?$select=userPrincipalName,onPremisesImmutableId,onPremisesSyncEnabled&$top=999",
        None,
    );
    text.push_str(
        "Go on with @odata.nextLink as long as there is one. Whoever has none there, or another one, cannot sign in after the\n\
         domain is federated. This server knows:\n\n",
    );
    for anchor in anchors {
        writeln!(
            text,
            "    {}  {}",
            plain(&anchor.upn),
            plain(&anchor.immutable_id)
        )
        .expect("a String takes every write");
    }
    text.push('\n');
}

fn enable(text: &mut String, federation: &Federation) {
    section(
        text,
        "1. Check",
        "Do what the action check says. Whatever it finds stands in the way.",
    );
    step(
        text,
        federation,
        "2. Save what is there",
        "GET",
        CONFIGURATION,
        None,
    );
    text.push_str(
        "Keep the answer as a file: it is the way back. 404 means that there is nothing yet. If the issuerUri there is\n\
         another one, the domain is federated with somebody else: be sure that this is to end.\n\n",
    );
    section(text, "3. The values", "By their names in Entra:");
    values(text, federation);
    let settings = federation.settings();
    let present: Map<_, _> = settings
        .iter()
        .filter_map(|(name, value)| Some(((*name).to_owned(), Value::from((*value)?))))
        .collect();
    let all: Map<_, _> = settings
        .iter()
        .map(|(name, value)| ((*name).to_owned(), Value::from(*value)))
        .collect();
    step(
        text,
        federation,
        "4. If there was none: create it",
        "POST",
        CONFIGURATION,
        Some(&Value::Object(present)),
    );
    text.push_str(
        "Never leave signingCertificate out: Microsoft answers with an error then, and the domain is federated all the same\n\
         and cannot be managed any more. \"Domain already has Federation Configuration set\" means that there is one: update it.\n\n",
    );
    step(
        text,
        federation,
        "4. If there was one: update it. ID is its id in the answer of step 2",
        "PATCH",
        ONE_CONFIGURATION,
        Some(&Value::Object(all)),
    );
    authentication(
        text,
        federation,
        "5. Make the domain Federated",
        "Federated",
    );
    text.push_str(
        "If step 1 sent again says that it is Federated already, this can be left out.\n\n",
    );
    step(
        text,
        federation,
        "6. Compare what Microsoft stored with the values of step 3",
        "GET",
        CONFIGURATION,
        None,
    );
    text.push_str(
        "Every character counts: slashes at the end have been lost on the way before. It can take up to two hours until every\n\
         sign-in follows. The ways back are the actions restore, with the file of step 2, and disable.\n\n",
    );
}

fn show(text: &mut String, federation: &Federation) {
    step(text, federation, "1. The domain", "GET", "", None);
    step(
        text,
        federation,
        "2. Its federation",
        "GET",
        CONFIGURATION,
        None,
    );
    text.push_str("It should say:\n\n");
    values(text, federation);
}

fn rotate(text: &mut String, federation: &Federation) {
    let Some(next) = &federation.next else {
        section(
            text,
            "There is no next certificate",
            &format!(
                "Make one with countersign cert next {}, and come back.",
                plain(&federation.app_id)
            ),
        );
        return;
    };
    save(text, federation, "1. Save what is there, and find the ID");
    step(
        text,
        federation,
        "2. Send both certificates, the one that signs and the next one",
        "PATCH",
        ONE_CONFIGURATION,
        Some(&json!({
            "signingCertificate": federation.signing_certificate,
            "nextSigningCertificate": next.certificate,
        })),
    );
    writeln!(
        text,
        "Send step 1 again, and compare. Then wait two hours at least, until every part of Microsoft has followed, before\n\
         countersign cert promote {} makes {} sign; until then {} does.\n",
        plain(&federation.app_id),
        plain(&next.thumbprint),
        plain(&federation.thumbprint),
    )
    .expect("a String takes every write");
}

fn promote(text: &mut String, federation: &Federation) {
    if let Some(next) = &federation.next {
        section(
            text,
            "Not yet",
            &format!(
                "{} still waits to be promoted here. The order is: the action rotate, countersign cert promote {}, and then\n\
                 this page once more.",
                plain(&next.thumbprint),
                plain(&federation.app_id),
            ),
        );
        return;
    }
    save(text, federation, "1. Save what is there, and find the ID");
    step(
        text,
        federation,
        "2. Put the certificate that signs into both places, so that the former one can sign no longer",
        "PATCH",
        ONE_CONFIGURATION,
        Some(&json!({
            "signingCertificate": federation.signing_certificate,
            "nextSigningCertificate": federation.signing_certificate,
        })),
    );
    text.push_str("Send step 1 again, and compare.\n\n");
}

fn disable(text: &mut String, federation: &Federation) {
    save(text, federation, "1. Save what is there");
    authentication(text, federation, "2. Make the domain Managed", "Managed");
    text.push_str(
        "It takes up to two hours until it holds everywhere, a day in the worst case. Microsoft may drop the configuration\n\
         with it: the way back is the action restore with what step 1 has saved.\n\n",
    );
}

fn restore(text: &mut String, federation: &Federation) {
    save(
        text,
        federation,
        "1. Look at what is there now, and save that too",
    );
    let names: Vec<_> = federation
        .settings()
        .iter()
        .map(|(name, _)| *name)
        .collect();
    section(
        text,
        "2. Make the body of the next request from what was saved",
        &format!(
            "Take out id, signingCertificateUpdateStatus and everything that begins with @odata. For an update add each of\n\
             these that is missing, as null: {},\nnextSigningCertificate. For a new one take out what is null.",
            names.join(", ")
        ),
    );
    step(
        text,
        federation,
        "3. If there is one now: update it. ID is its id in the answer of step 1",
        "PATCH",
        ONE_CONFIGURATION,
        None,
    );
    step(
        text,
        federation,
        "3. If there is none now: create it",
        "POST",
        CONFIGURATION,
        None,
    );
    authentication(
        text,
        federation,
        "4. If the domain was Federated",
        "Federated",
    );
    authentication(
        text,
        federation,
        "4. If the domain was Managed; step 3 is not needed then",
        "Managed",
    );
    text.push_str("Send step 1 again, and compare with what was saved.\n\n");
}

fn users(text: &mut String, federation: &Federation, anchors: &[Anchor]) {
    request(
        text,
        federation,
        "1. See who has one, and who is synced",
        "GET",
        "/users?$select=userPrincipalName,onPremisesImmutableId,onPremisesSyncEnabled&$top=999",
        None,
    );
    section(
        text,
        "2. Send each of these whose user has none, and is not synced",
        "Never overwrite one that is there, and never change it afterwards. Users whose onPremisesSyncEnabled is true get\n\
         theirs from Entra Connect. While the domain is Federated Microsoft refuses this.",
    );
    for anchor in anchors {
        write_request(
            text,
            federation,
            "PATCH",
            &format!("/users/{}", in_path(&anchor.upn)),
            Some(&json!({ "onPremisesImmutableId": anchor.immutable_id })),
        );
    }
}

/// Relative to the domain.
const CONFIGURATION: &str = "/federationConfiguration";
const ONE_CONFIGURATION: &str = "/federationConfiguration/ID";

/// The classic cmdlets with the variables of the manuals of their day.
fn classic(federation: &Federation, action: Action) -> Option<Vec<String>> {
    let set = |name: &str, value: &str| format!("${name} = '{}'", plain(value).replace('\'', "''"));
    let mut lines = vec![
        "$cred = Get-Credential".to_owned(),
        "Connect-MsolService -Credential $cred".to_owned(),
        set("domain", &federation.domain),
    ];
    match action {
        Action::Check => lines.push("Get-MsolDomain -DomainName $domain".to_owned()),
        Action::Show => {
            lines.push("Get-MsolDomainFederationSettings -DomainName $domain".to_owned());
        }
        Action::Disable => lines.push(
            "Set-MsolDomainAuthentication -DomainName $domain -Authentication Managed".to_owned(),
        ),
        Action::Enable => {
            let (protocol, active) = match federation.protocol {
                Protocol::Wsfed => (
                    "WsFed",
                    " -ActiveLogOnUri $activeUrl -MetadataExchangeUri $mexUrl",
                ),
                Protocol::Saml => ("Samlp", " -ActiveLogOnUri $idpUrl"),
            };
            lines.push(set("idpUrl", &federation.passive_sign_in_url));
            lines.push(set("logoutUrl", &federation.sign_out_url));
            for (name, value) in [
                ("activeUrl", &federation.active_sign_in_url),
                ("mexUrl", &federation.metadata_exchange_url),
            ] {
                lines.extend(value.as_deref().map(|value| set(name, value)));
            }
            lines.push(set("certificate", &federation.signing_certificate));
            lines.push(set("issuerUri", &federation.issuer));
            lines.push(format!(
                "Set-MsolDomainAuthentication -DomainName $domain -FederationBrandName $domain -Authentication Federated \
                 -IssuerUri $issuerUri -LogOffUri $logoutUrl -PassiveLogOnUri $idpUrl{active} -SigningCertificate $certificate \
                 -PreferredAuthenticationProtocol {protocol}"
            ));
        }
        Action::Rotate => {
            lines.push(set(
                "nextCertificate",
                &federation.next.as_ref()?.certificate,
            ));
            lines.push("Set-MsolDomainFederationSettings -DomainName $domain -NextSigningCertificate $nextCertificate".to_owned());
        }
        Action::Promote => {
            lines.push(set("certificate", &federation.signing_certificate));
            lines.push("Set-MsolDomainFederationSettings -DomainName $domain -SigningCertificate $certificate -NextSigningCertificate $certificate".to_owned());
        }
        Action::Restore | Action::Users => return None,
    }
    Some(lines)
}

/// The values by their names in Entra.
fn values(text: &mut String, federation: &Federation) {
    for (name, value) in federation.settings() {
        let value = value.map_or_else(|| "(nothing)".to_owned(), plain);
        writeln!(text, "    {name:<32}{value}").expect("a String takes every write");
    }
    writeln!(
        text,
        "    {:<32}nothing, signingCertificate again{}",
        "nextSigningCertificate",
        match &federation.next {
            Some(next) => format!(", or {}", plain(&next.certificate)),
            None => String::new(),
        }
    )
    .expect("a String takes every write");
    writeln!(
        text,
        "\nThe thumbprint (SHA-1) of signingCertificate is {}.\n",
        plain(&federation.thumbprint)
    )
    .expect("a String takes every write");
}

fn section(text: &mut String, title: &str, body: &str) {
    writeln!(text, "{title}\n{}\n{body}\n", "-".repeat(title.len()))
        .expect("a String takes every write");
}

fn save(text: &mut String, federation: &Federation, title: &str) {
    step(text, federation, title, "GET", CONFIGURATION, None);
    text.push_str("Keep the answer as a file: it is the way back.\n\n");
}

fn authentication(text: &mut String, federation: &Federation, title: &str, kind: &str) {
    step(
        text,
        federation,
        title,
        "PATCH",
        "",
        Some(&json!({ "authenticationType": kind })),
    );
}

/// A request about the domain.
fn step(
    text: &mut String,
    federation: &Federation,
    title: &str,
    method: &str,
    below: &str,
    body: Option<&Value>,
) {
    let path = format!("/domains/{}{below}", in_path(&federation.domain));
    request(text, federation, title, method, &path, body);
}

fn request(
    text: &mut String,
    federation: &Federation,
    title: &str,
    method: &str,
    path: &str,
    body: Option<&Value>,
) {
    writeln!(text, "{title}\n{}", "-".repeat(title.len())).expect("a String takes every write");
    write_request(text, federation, method, path, body);
}

fn write_request(
    text: &mut String,
    federation: &Federation,
    method: &str,
    path: &str,
    body: Option<&Value>,
) {
    writeln!(text, "{method} {}/v1.0{path}", federation.cloud.graph_url())
        .expect("a String takes every write");
    if let Some(body) = body {
        for line in format!("{body:#}").lines() {
            text.push_str(&bash::in_ascii(line));
            text.push('\n');
        }
    }
    text.push('\n');
}

/// A value on one line, in which nothing is hidden from the reader.
fn plain(value: &str) -> String {
    let hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    value
        .chars()
        .map(|c| if hidden(c) { '\u{fffd}' } else { c })
        .collect()
}

/// A value as one segment of a path.
fn in_path(value: &str) -> String {
    let mut segment = String::with_capacity(value.len());
    for byte in value.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'@' => {
                segment.push(char::from(byte));
            }
            _ => write!(segment, "%{byte:02X}").expect("a String takes every write"),
        }
    }
    segment
}

#[cfg(test)]
mod tests {
    use super::super::tests::{by_saml, contoso, hostile};
    use super::*;
    use crate::federate::NextCertificate;
    use proptest::prelude::*;

    fn with_next(federation: Federation) -> Federation {
        Federation {
            next: Some(NextCertificate {
                certificate: "MIINEXT".into(),
                thumbprint: "89ABCDEF0123456789ABCDEF0123456789ABCDEF".into(),
            }),
            ..federation
        }
    }

    fn anchors() -> Vec<Anchor> {
        vec![Anchor {
            upn: "o'neill@contoso.com".into(),
            immutable_id: "abc==".into(),
        }]
    }

    /// The JSON that follows a request.
    fn body_after(text: &str, request: &str) -> Value {
        let (_, after) = text.split_once(request).expect(request);
        let (_, body) = after.split_once('\n').expect("a body follows");
        let body = body.split("\n\n").next().expect("split gives one at least");
        serde_json::from_str(body).expect("it is JSON")
    }

    #[test]
    fn both_ways_to_send_the_settings_are_whole() {
        let text = script(&contoso(), &[], Action::Enable);
        let address =
            "https://graph.microsoft.com/v1.0/domains/contoso.com/federationConfiguration";
        let created = body_after(&text, &format!("POST {address}"));
        assert_eq!(created["issuerUri"], contoso().issuer);
        assert_eq!(created["signingCertificate"], contoso().signing_certificate);
        assert_eq!(
            created["federatedIdpMfaBehavior"],
            "acceptIfMfaDoneByFederatedIdp"
        );
        assert_eq!(created.get("passwordResetUri"), None);
        let updated = body_after(&text, &format!("PATCH {address}/ID"));
        assert_eq!(updated["passwordResetUri"], Value::Null);
        let flipped = body_after(
            &text,
            "PATCH https://graph.microsoft.com/v1.0/domains/contoso.com\n".trim_end(),
        );
        assert_eq!(
            flipped["preferredAuthenticationProtocol"], "wsFed",
            "the update comes first"
        );
        assert!(text.contains("\"authenticationType\": \"Federated\""));
    }

    #[test]
    fn the_classic_names_are_there_as_history_that_runs_no_line() {
        let by_wsfed = script(&contoso(), &[], Action::Enable);
        let saml = script(&by_saml(), &[], Action::Enable);
        for name in [
            "$cred",
            "$domain",
            "$idpUrl",
            "$logoutUrl",
            "$certificate",
            "$issuerUri",
        ] {
            assert!(by_wsfed.contains(&format!("\n# {name} = ")), "{name}");
            assert!(saml.contains(&format!("\n# {name} = ")), "{name}");
        }
        assert!(
            by_wsfed.contains("-MetadataExchangeUri $mexUrl")
                && by_wsfed.contains("Protocol WsFed")
        );
        assert!(saml.contains("-ActiveLogOnUri $idpUrl ") && saml.contains("Protocol Samlp"));
        for text in [by_wsfed, saml] {
            assert!(text.contains("turned that module off"));
            for line in text.lines().filter(|line| line.contains("Msol")) {
                assert!(line.starts_with("# "), "{line}");
            }
        }
    }

    #[test]
    fn certificates_turn_only_when_there_is_a_next_one_and_then_in_order() {
        let nothing = script(&contoso(), &[], Action::Rotate);
        assert!(nothing.contains("countersign cert next") && !nothing.contains("PATCH"));
        let rotate = script(&with_next(contoso()), &[], Action::Rotate);
        let body = body_after(&rotate, "PATCH ");
        assert_eq!(body["signingCertificate"], contoso().signing_certificate);
        assert_eq!(body["nextSigningCertificate"], "MIINEXT");
        let early = script(&with_next(contoso()), &[], Action::Promote);
        assert!(early.contains("countersign cert promote") && !early.contains("PATCH"));
        let promote = body_after(&script(&contoso(), &[], Action::Promote), "PATCH ");
        assert_eq!(
            promote["signingCertificate"],
            promote["nextSigningCertificate"]
        );
    }

    #[test]
    fn a_user_is_a_request_whose_address_nothing_in_a_name_can_leave() {
        let text = script(&contoso(), &anchors(), Action::Users);
        let body = body_after(
            &text,
            "PATCH https://graph.microsoft.com/v1.0/users/o%27neill@contoso.com",
        );
        assert_eq!(body, json!({ "onPremisesImmutableId": "abc==" }));
    }

    proptest! {
        #[test]
        fn no_value_adds_a_line_or_hides(values in prop::array::uniform10(hostile())) {
            let federation = with_next(crate::federate::tests::federation(&values));
            for action in Action::ALL {
                let text = script(&federation, &anchors(), *action);
                let usual = script(&with_next(contoso()), &anchors(), *action);
                prop_assert_eq!(text.lines().count(), usual.lines().count());
                prop_assert!(text.chars().all(|c| c == '\n' || !c.is_control()));
                let hidden = text.contains(['\u{202e}', '\u{200b}', '\u{2028}']);
                prop_assert!(!hidden);
            }
        }
    }
}
