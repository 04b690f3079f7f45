//! Writes the answer (WS-Trust 1.3 §4.2, §4.4), which is WS-Federation's `wresult` too (WS-Fed 1.2 §13.2.3).

use chrono::{DateTime, TimeDelta, Utc};

use super::Version;
use crate::names::{ADDRESSING, POLICY, SAML11_TOKEN, SECURITY, SOAP, UTILITY};
use crate::soap::envelope;
use crate::xml::{NotXml, Writer, instant};

/// How long the message itself holds; the token in it has its own times.
const MESSAGE_LIFETIME: TimeDelta = TimeDelta::minutes(5);

/// A token that was issued.
#[derive(Debug, Clone, Copy)]
pub struct Issued<'a> {
    /// The signed SAML 1.1 assertion, self-contained.
    pub assertion: &'a str,
    /// What it is for.
    pub realm: &'a str,
    /// Since when it holds.
    pub created: DateTime<Utc>,
    /// Until when.
    pub expires: DateTime<Utc>,
}

/// The answer to a request, as a SOAP message of this moment.
pub fn answer(
    version: Version,
    issued: &Issued<'_>,
    relates_to: Option<&str>,
    now: DateTime<Utc>,
) -> Result<String, NotXml> {
    let header = |w: &mut Writer| {
        let must_understand = [(SOAP.name("mustUnderstand"), "1")];
        w.element(SECURITY.name("Security"), &must_understand, |w| {
            let id = [(UTILITY.name("Id"), "_0")];
            w.element(UTILITY.name("Timestamp"), &id, |w| {
                period(w, now, now + MESSAGE_LIFETIME)
            })
        })
    };
    envelope(version.answer_action(), relates_to, header, |w| {
        match version {
            Version::Feb2005 => write(w, version, issued),
            // §4.3: in 1.3 the final answer is always in a collection.
            Version::V13 => {
                let collection = version
                    .namespace()
                    .name("RequestSecurityTokenResponseCollection");
                w.element(collection, &[], |w| write(w, version, issued))
            }
        }
    })
}

/// The `RequestSecurityTokenResponse` alone.
pub fn token_response(version: Version, issued: &Issued<'_>) -> Result<String, NotXml> {
    let mut writer = Writer::new();
    write(&mut writer, version, issued)?;
    Ok(writer.into_string())
}

/// No white space surrounds the assertion: some readers take it for a second token.
fn write(w: &mut Writer, version: Version, issued: &Issued<'_>) -> Result<(), NotXml> {
    let trust = version.namespace();
    w.element(trust.name("RequestSecurityTokenResponse"), &[], |w| {
        w.element(trust.name("Lifetime"), &[], |w| {
            period(w, issued.created, issued.expires)
        })?;
        w.element(POLICY.name("AppliesTo"), &[], |w| {
            w.element(ADDRESSING.name("EndpointReference"), &[], |w| {
                w.leaf(ADDRESSING.name("Address"), &[], issued.realm)
            })
        })?;
        w.element(trust.name("RequestedSecurityToken"), &[], |w| {
            w.finished(issued.assertion);
            Ok(())
        })?;
        w.leaf(trust.name("TokenType"), &[], SAML11_TOKEN)?;
        w.leaf(trust.name("RequestType"), &[], version.issue())?;
        w.leaf(trust.name("KeyType"), &[], version.bearer())
    })
}

fn period(w: &mut Writer, created: DateTime<Utc>, expires: DateTime<Utc>) -> Result<(), NotXml> {
    w.leaf(UTILITY.name("Created"), &[], &instant(created))?;
    w.leaf(UTILITY.name("Expires"), &[], &instant(expires))
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use proptest::prelude::*;
    use roxmltree::Document;

    use super::*;
    use crate::names::TRUST;
    use crate::xml::tests::any_text;

    fn noon() -> DateTime<Utc> {
        DateTime::from_timestamp_millis(1_767_355_200_678).expect("it is in 2026")
    }

    fn issued<'a>(assertion: &'a str, realm: &'a str) -> Issued<'a> {
        Issued {
            assertion,
            realm,
            created: noon(),
            expires: noon() + TimeDelta::hours(1),
        }
    }

    #[test]
    fn the_answer_is_the_rstr_of_february_2005() {
        let answer = token_response(
            Version::Feb2005,
            &issued("<the:assertion/>", "urn:federation:MicrosoftOnline"),
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

    /// The start of the answer's header, which both versions share but for the action.
    fn header(action: &str) -> String {
        [
            r#"<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Header>"#,
            r#"<wsa:Action xmlns:wsa="http://www.w3.org/2005/08/addressing" s:mustUnderstand="1">"#,
            action,
            r#"</wsa:Action><wsa:RelatesTo xmlns:wsa="http://www.w3.org/2005/08/addressing">urn:uuid:1</wsa:RelatesTo>"#,
            r#"<wsse:Security xmlns:wsse="http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd" s:mustUnderstand="1">"#,
            r#"<wsu:Timestamp xmlns:wsu="http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd" wsu:Id="_0">"#,
            r"<wsu:Created>2026-01-02T12:00:00.678Z</wsu:Created><wsu:Expires>2026-01-02T12:05:00.678Z</wsu:Expires>",
            r"</wsu:Timestamp></wsse:Security></s:Header><s:Body>",
        ]
        .concat()
    }

    #[test]
    fn the_message_of_february_2005_holds_the_answer_alone() {
        let issued = issued("<the:assertion/>", "urn:federation:MicrosoftOnline");
        let message = answer(Version::Feb2005, &issued, Some("urn:uuid:1"), noon());
        let alone = token_response(Version::Feb2005, &issued).expect("it is XML");
        let action = "http://schemas.xmlsoap.org/ws/2005/02/trust/RSTR/Issue";
        let expected = [&*header(action), &alone, "</s:Body></s:Envelope>"].concat();
        assert_eq!(message, Ok(expected));
    }

    /// MSAL for .NET, Java and Go look into the collection.
    #[test]
    fn the_message_of_13_holds_a_collection_of_one_answer_in_its_own_words() {
        let issued = issued("<the:assertion/>", "urn:federation:MicrosoftOnline");
        let message = answer(Version::V13, &issued, Some("urn:uuid:1"), noon());
        let expected = [
            &*header("http://docs.oasis-open.org/ws-sx/ws-trust/200512/RSTRC/IssueFinal"),
            r#"<trust:RequestSecurityTokenResponseCollection xmlns:trust="http://docs.oasis-open.org/ws-sx/ws-trust/200512">"#,
            r"<trust:RequestSecurityTokenResponse><trust:Lifetime>",
            r#"<wsu:Created xmlns:wsu="http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd">2026-01-02T12:00:00.678Z</wsu:Created>"#,
            r#"<wsu:Expires xmlns:wsu="http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd">2026-01-02T13:00:00.678Z</wsu:Expires></trust:Lifetime>"#,
            r#"<wsp:AppliesTo xmlns:wsp="http://schemas.xmlsoap.org/ws/2004/09/policy"><wsa:EndpointReference xmlns:wsa="http://www.w3.org/2005/08/addressing"><wsa:Address>urn:federation:MicrosoftOnline</wsa:Address></wsa:EndpointReference></wsp:AppliesTo>"#,
            r"<trust:RequestedSecurityToken><the:assertion/></trust:RequestedSecurityToken>",
            r"<trust:TokenType>urn:oasis:names:tc:SAML:1.0:assertion</trust:TokenType><trust:RequestType>http://docs.oasis-open.org/ws-sx/ws-trust/200512/Issue</trust:RequestType>",
            r"<trust:KeyType>http://docs.oasis-open.org/ws-sx/ws-trust/200512/Bearer</trust:KeyType></trust:RequestSecurityTokenResponse>",
            r"</trust:RequestSecurityTokenResponseCollection></s:Body></s:Envelope>",
        ]
        .concat();
        assert_eq!(message, Ok(expected));
        let unasked = answer(Version::V13, &issued, None, noon()).expect("it is XML");
        assert!(!unasked.contains("RelatesTo"), "{unasked}");
    }

    #[test]
    fn a_realm_that_xml_cannot_carry_is_refused() {
        assert_eq!(
            token_response(Version::V13, &issued("<a/>", "urn:\u{1}")),
            Err(NotXml::Character('\u{1}'))
        );
    }

    proptest! {
        #[test]
        fn the_realm_reads_back_and_the_assertion_stays_as_it_was(realm in any_text()) {
            let assertion = "<a:b xmlns:a=\"urn:a\">\n<a:c></a:c></a:b>";
            let answer = token_response(Version::Feb2005, &issued(assertion, &realm)).expect("XML can carry it");
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
