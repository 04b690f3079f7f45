//! Writes the answer to a sign-in: the `wresult` of WS-Fed 1.2 §13.2.3.

use chrono::{DateTime, Utc};

use crate::names::{ADDRESSING, ISSUE, NO_PROOF_KEY, POLICY, SAML11_TOKEN, TRUST, UTILITY};
use crate::xml::{NotXml, Writer, instant};

/// Wraps a signed SAML 1.1 assertion in a `RequestSecurityTokenResponse` of WS-Trust 2005/02.
///
/// No white space surrounds the assertion: some readers take it for a second token.
pub fn response(
    assertion: &str,
    realm: &str,
    created: DateTime<Utc>,
    expires: DateTime<Utc>,
) -> Result<String, NotXml> {
    let mut writer = Writer::new();
    writer.element(TRUST.name("RequestSecurityTokenResponse"), &[], |w| {
        w.element(TRUST.name("Lifetime"), &[], |w| {
            w.leaf(UTILITY.name("Created"), &[], &instant(created))?;
            w.leaf(UTILITY.name("Expires"), &[], &instant(expires))
        })?;
        w.element(POLICY.name("AppliesTo"), &[], |w| {
            w.element(ADDRESSING.name("EndpointReference"), &[], |w| {
                w.leaf(ADDRESSING.name("Address"), &[], realm)
            })
        })?;
        w.element(TRUST.name("RequestedSecurityToken"), &[], |w| {
            w.finished(assertion);
            Ok(())
        })?;
        w.leaf(TRUST.name("TokenType"), &[], SAML11_TOKEN)?;
        w.leaf(TRUST.name("RequestType"), &[], ISSUE)?;
        w.leaf(TRUST.name("KeyType"), &[], NO_PROOF_KEY)
    })?;
    Ok(writer.into_string())
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use proptest::prelude::*;
    use roxmltree::Document;

    use super::*;
    use crate::xml::tests::any_text;

    fn noon() -> DateTime<Utc> {
        DateTime::from_timestamp_millis(1_767_355_200_678).expect("it is in 2026")
    }

    #[test]
    fn the_answer_is_the_rstr_of_february_2005() {
        let answer = response(
            "<the:assertion/>",
            "urn:federation:MicrosoftOnline",
            noon(),
            noon() + TimeDelta::hours(1),
        );
        let expected = [
            r#"<t:RequestSecurityTokenResponse xmlns:t="http://schemas.xmlsoap.org/ws/2005/02/trust"><t:Lifetime>"#,
            r#"<wsu:Created xmlns:wsu="http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd">2026-01-02T12:00:00.678Z</wsu:Created>"#,
            r#"<wsu:Expires xmlns:wsu="http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd">2026-01-02T13:00:00.678Z</wsu:Expires></t:Lifetime>"#,
            r#"<wsp:AppliesTo xmlns:wsp="http://schemas.xmlsoap.org/ws/2004/09/policy"><wsa:EndpointReference xmlns:wsa="http://www.w3.org/2005/08/addressing"><wsa:Address>urn:federation:MicrosoftOnline</wsa:Address></wsa:EndpointReference></wsp:AppliesTo>"#,
            r"<t:RequestedSecurityToken><the:assertion/></t:RequestedSecurityToken>",
            r"<t:TokenType>urn:oasis:names:tc:SAML:1.0:assertion</t:TokenType><t:RequestType>http://schemas.xmlsoap.org/ws/2005/02/trust/Issue</t:RequestType><t:KeyType>http://schemas.xmlsoap.org/ws/2005/05/identity/NoProofKey</t:KeyType></t:RequestSecurityTokenResponse>",
        ]
        .concat();
        assert_eq!(answer, Ok(expected));
    }

    #[test]
    fn a_realm_that_xml_cannot_carry_is_refused() {
        assert_eq!(
            response("<a/>", "urn:\u{1}", noon(), noon()),
            Err(NotXml::Character('\u{1}'))
        );
    }

    proptest! {
        #[test]
        fn the_realm_reads_back_and_the_assertion_stays_as_it_was(realm in any_text()) {
            let assertion = "<a:b xmlns:a=\"urn:a\">\n<a:c></a:c></a:b>";
            let answer = response(assertion, &realm, noon(), noon()).expect("XML can carry it");
            let document = Document::parse(&answer).expect("it is well-formed");
            let address = document
                .descendants()
                .find(|node| node.has_tag_name((ADDRESSING.uri, "Address")))
                .expect("there is one");
            prop_assert_eq!(address.text().unwrap_or_default(), realm);
            let token = document
                .descendants()
                .find(|node| node.has_tag_name((TRUST.uri, "RequestedSecurityToken")))
                .expect("there is one");
            let inside: Vec<_> = token.children().map(|node| &answer[node.range()]).collect();
            prop_assert_eq!(inside, [assertion]);
        }
    }
}
