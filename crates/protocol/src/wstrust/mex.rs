//! Writes the description of the two endpoints (WSDL 1.1 with WS-SecurityPolicy 1.1 and 1.2), as clients
//! fetch it by GET or by a WS-Transfer Get (WS-Transfer §3.1).

use roxmltree::Node;

use crate::names::{METADATA_EXCHANGE, WSDL};
use crate::soap::{Envelope, Rejected, envelope, message_id};
use crate::xml::{NotXml, Writer, local};

const GET: &str = "http://schemas.xmlsoap.org/ws/2004/09/transfer/Get";
const GET_RESPONSE: &str = "http://schemas.xmlsoap.org/ws/2004/09/transfer/GetResponse";

/// Names, prefixes and order are AD FS's where a client looks for them: MSAL for Go wants `sp` declared on
/// `sp:TransportBinding`, MSAL for Java the very letters `wsu:Id`, MSAL for .NET one service.
const TEMPLATE: &str = include_str!("mex.xml");

/// The addresses that the description names.
#[derive(Debug, Clone, Copy)]
pub struct Mex<'a> {
    /// Takes requests of WS-Trust 2005/02.
    pub trust_2005: &'a str,
    /// Takes requests of WS-Trust 1.3.
    pub trust_13: &'a str,
}

/// Reads a WS-Transfer Get and returns its `wsa:MessageID`.
pub fn read_get(root: Node<'_, '_>) -> Result<Option<String>, Rejected> {
    let relates_to = message_id(root);
    match Envelope::read(root, GET, &[]) {
        Ok(_) => Ok(relates_to),
        Err(why) => Err(Rejected { relates_to, why }),
    }
}

impl Mex<'_> {
    /// The bare `wsdl:definitions`: MSAL for Python finds nothing inside of an envelope.
    pub fn definitions(&self) -> Result<String, NotXml> {
        Ok(TEMPLATE
            .replace("{trust 2005}", &escaped(self.trust_2005)?)
            .replace("{trust 13}", &escaped(self.trust_13)?))
    }

    /// The answer to a WS-Transfer Get (WS-MetadataExchange 2004/09 §4.1).
    pub fn transferred(&self, relates_to: Option<&str>) -> Result<String, NotXml> {
        let definitions = self.definitions()?;
        let none = |_: &mut Writer| Ok(());
        envelope(GET_RESPONSE, relates_to, none, |w| {
            w.element(METADATA_EXCHANGE.name("Metadata"), &[], |w| {
                let dialect = [(local("Dialect"), WSDL)];
                w.element(METADATA_EXCHANGE.name("MetadataSection"), &dialect, |w| {
                    w.finished(&definitions);
                    Ok(())
                })
            })
        })
    }
}

/// An address, fit for text and for an attribute.
fn escaped(address: &str) -> Result<String, NotXml> {
    let mut writer = Writer::new();
    writer.text(address)?;
    Ok(writer.into_string().replace('"', "&quot;"))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use roxmltree::Document;

    use super::*;
    use crate::names::{ADDRESSING, POLICY, SOAP, UTILITY};
    use crate::urlencoded::BadRequest;
    use crate::wstrust::Version;

    const SOAP12_BINDING: &str = "http://schemas.xmlsoap.org/wsdl/soap12/";
    const SECURITY_POLICY: [&str; 2] = [
        "http://schemas.xmlsoap.org/ws/2005/07/securitypolicy",
        "http://docs.oasis-open.org/ws-sx/ws-securitypolicy/200702",
    ];
    const MEX: Mex<'_> = Mex {
        trust_2005: "https://id.contoso.com/a/trust/2005/usernamemixed",
        trust_13: "https://id.contoso.com/a/trust/13/usernamemixed",
    };

    fn definitions() -> String {
        MEX.definitions().expect("the addresses are XML")
    }

    fn wsdl<'a, 'i>(document: &'a Document<'i>, name: &'static str) -> Vec<Node<'a, 'i>> {
        let all = document.descendants();
        all.filter(|node| node.has_tag_name((WSDL, name))).collect()
    }

    fn one<'a, 'i>(parent: Node<'a, 'i>, namespace: &str, name: &str) -> Node<'a, 'i> {
        let mut found = parent
            .descendants()
            .filter(|node| node.has_tag_name((namespace, name)));
        let (Some(one), None) = (found.next(), found.next()) else {
            panic!("not exactly one {name}")
        };
        one
    }

    fn without_prefix(name: Option<&str>) -> &str {
        // MSAL for .NET takes it apart at the colon.
        name.and_then(|name| name.strip_prefix("tns:"))
            .expect("it has the prefix")
    }

    /// From the port by its binding to the policy, as every client goes.
    #[test]
    fn each_version_is_found_from_its_port_to_its_policy() {
        let text = definitions();
        let document = Document::parse(&text).expect("it is well-formed");
        assert!(document.root_element().has_tag_name((WSDL, "definitions")));
        let ports = wsdl(&document, "port");
        assert_eq!(ports.len(), 2);
        for (port, (version, address, security_policy, tokens)) in ports.iter().zip([
            (
                Version::Feb2005,
                MEX.trust_2005,
                SECURITY_POLICY[0],
                "SignedSupportingTokens",
            ),
            (
                Version::V13,
                MEX.trust_13,
                SECURITY_POLICY[1],
                "SignedEncryptedSupportingTokens",
            ),
        ]) {
            let told = one(*port, ADDRESSING.uri, "Address").text();
            let location = one(*port, SOAP12_BINDING, "address").attribute("location");
            assert_eq!((told, location), (Some(address), Some(address)));

            let name = without_prefix(port.attribute("binding"));
            let bindings = wsdl(&document, "binding");
            let binding = bindings
                .iter()
                .find(|binding| binding.attribute("name") == Some(name))
                .expect("the port's binding is there");
            let transport = one(*binding, SOAP12_BINDING, "binding").attribute("transport");
            assert_eq!(transport, Some("http://schemas.xmlsoap.org/soap/http"));
            let action = one(*binding, SOAP12_BINDING, "operation").attribute("soapAction");
            assert_eq!(action, Some(version.action()));

            let port_type = without_prefix(binding.attribute("type"));
            let port_types = wsdl(&document, "portType");
            let port_type = port_types
                .iter()
                .find(|node| node.attribute("name") == Some(port_type))
                .expect("the binding's port type is there");
            for (way, action) in [
                ("input", version.action()),
                ("output", version.answer_action()),
            ] {
                let way = one(*port_type, WSDL, way);
                let told = way
                    .attributes()
                    .find(|attribute| attribute.name() == "Action");
                assert_eq!(told.map(|told| told.value()), Some(action));
                let message = without_prefix(way.attribute("message"));
                let messages = wsdl(&document, "message");
                assert!(
                    messages
                        .iter()
                        .any(|node| node.attribute("name") == Some(message))
                );
            }

            let policy = one(*binding, POLICY.uri, "PolicyReference").attribute("URI");
            let policy = policy
                .and_then(|uri| uri.strip_prefix('#'))
                .expect("a reference");
            let policy = document
                .root_element()
                .children()
                .find(|node| node.attribute((UTILITY.uri, "Id")) == Some(policy))
                .expect("the binding's policy is there");
            one(policy, security_policy, "TransportBinding");
            let tokens = one(policy, security_policy, tokens);
            let token = one(tokens, security_policy, "UsernameToken");
            one(token, security_policy, "WssUsernameToken10");
        }
    }

    /// Tools that make clients from WSDL drop an operation whose message they do not know (WSDL 1.1 §2.3.1).
    #[test]
    fn the_elements_of_every_message_are_declared() {
        const XSD: &str = "http://www.w3.org/2001/XMLSchema";
        let text = definitions();
        let document = Document::parse(&text).expect("it is well-formed");
        let parts = wsdl(&document, "part");
        assert_eq!(parts.len(), 4);
        for part in parts {
            let element = part.attribute("element").expect("it is an element");
            let (prefix, name) = element.split_once(':').expect("it has a prefix");
            let namespace = part.lookup_namespace_uri(Some(prefix));
            let declared = document.descendants().any(|node| {
                node.has_tag_name((XSD, "element"))
                    && node.attribute("name") == Some(name)
                    && node
                        .parent()
                        .and_then(|schema| schema.attribute("targetNamespace"))
                        == namespace
            });
            assert!(declared, "{element}");
        }
    }

    /// What clients look for by its letters, whatever XML says about prefixes.
    #[test]
    fn names_and_prefixes_are_those_that_clients_spell() {
        let text = definitions();
        assert!(
            text.starts_with("<wsdl:definitions "),
            "bare, and without a DTD"
        );
        assert!(!text.contains("<!DOCTYPE") && !text.contains("{trust"));
        let document = Document::parse(&text).expect("it is well-formed");
        assert_eq!(
            wsdl(&document, "service").len(),
            1,
            "MSAL for .NET wants one"
        );
        assert_eq!(
            text.matches("<wsp:Policy wsu:Id=\"").count(),
            2,
            "MSAL for Java"
        );
        for namespace in SECURITY_POLICY {
            let declared = format!("<sp:TransportBinding xmlns:sp=\"{namespace}\">");
            assert_eq!(text.matches(&declared).count(), 1, "MSAL for Go");
        }
        let head = &text[..text.find('>').expect("it begins with a tag")];
        assert!(
            !head.contains("securitypolicy"),
            "MSAL for Java would take 2005 for all"
        );
        let mut names = HashSet::new();
        for node in document.descendants() {
            let id = node.attribute((UTILITY.uri, "Id"));
            let kind = node.tag_name().name();
            for name in id.into_iter().chain(node.attribute("name")) {
                // An operation is in its port type and in its binding; parts are named inside of messages,
                // elements inside of their schema.
                let is_unique = !matches!(kind, "operation" | "part" | "element");
                let is_new = names.insert((kind.to_owned(), name.to_owned()));
                assert!(is_new || !is_unique, "{kind} {name} is there twice");
            }
        }
    }

    #[test]
    fn an_address_stays_an_address() {
        let mex = Mex {
            trust_2005: "https://id.contoso.com/a&b\"c<d/trust/2005/usernamemixed",
            ..MEX
        };
        let text = mex.definitions().expect("it is XML");
        let document = Document::parse(&text).expect("it is well-formed");
        let ports = wsdl(&document, "port");
        let location = one(ports[0], SOAP12_BINDING, "address").attribute("location");
        assert_eq!(location, Some(mex.trust_2005));
        let broken = Mex {
            trust_13: "\u{1}",
            ..MEX
        };
        assert_eq!(broken.definitions(), Err(NotXml::Character('\u{1}')));
    }

    #[test]
    fn the_same_description_travels_in_an_envelope() {
        let text = MEX.transferred(Some("urn:uuid:1")).expect("it is XML");
        let expected = [
            r#"<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Header>"#,
            r#"<wsa:Action xmlns:wsa="http://www.w3.org/2005/08/addressing" s:mustUnderstand="1">http://schemas.xmlsoap.org/ws/2004/09/transfer/GetResponse</wsa:Action>"#,
            r#"<wsa:RelatesTo xmlns:wsa="http://www.w3.org/2005/08/addressing">urn:uuid:1</wsa:RelatesTo></s:Header>"#,
            r#"<s:Body><wsx:Metadata xmlns:wsx="http://schemas.xmlsoap.org/ws/2004/09/mex"><wsx:MetadataSection Dialect="http://schemas.xmlsoap.org/wsdl/">"#,
            &definitions(),
            "</wsx:MetadataSection></wsx:Metadata></s:Body></s:Envelope>",
        ]
        .concat();
        assert_eq!(text, expected);
        Document::parse(&text).expect("it is well-formed");
    }

    fn got(header: &str, body: &str) -> Result<Option<String>, Rejected> {
        let text = format!(
            "<e:Envelope xmlns:e='{}' xmlns:a='{}'><e:Header>{header}</e:Header>{body}</e:Envelope>",
            SOAP.uri, ADDRESSING.uri
        );
        read_get(
            Document::parse(&text)
                .expect("it is well-formed")
                .root_element(),
        )
    }

    #[test]
    fn a_get_is_read_with_and_without_an_id() {
        let action = format!("<a:Action e:mustUnderstand='1'>{GET}</a:Action>");
        assert_eq!(got(&action, "<e:Body/>"), Ok(None));
        let whole = format!(
            "<a:To e:mustUnderstand='1'>urn:here</a:To><a:MessageID>urn:uuid:1</a:MessageID>{action}"
        );
        let id = Some("urn:uuid:1".to_owned());
        assert_eq!(got(&whole, "<e:Body>\n</e:Body>"), Ok(id.clone()));

        let put = whole.replace("transfer/Get", "transfer/Put");
        let rejected = got(&put, "<e:Body/>").expect_err("it is no Get");
        assert_eq!(rejected.relates_to, id);
        let secured = format!("{action}<x:Security xmlns:x='urn:x' e:mustUnderstand='1'/>");
        let why = got(&secured, "<e:Body/>")
            .expect_err("nothing is secured here")
            .why;
        assert!(matches!(why, BadRequest::NotUnderstood { .. }), "{why}");
        assert!(got("", "<e:Body/>").is_err());
        assert!(got(&action, "").is_err());
    }
}
