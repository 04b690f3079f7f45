//! Writes federation metadata (WS-Fed 1.2 §3) in the shape that AD FS publishes.

use crate::Unsigned;
use crate::names::{
    ADDRESSING_UNPREFIXED, AUTHORIZATION, FEDERATION, KEY_INFO, METADATA, SAML11_TOKEN,
    SCHEMA_INSTANCE,
};
use crate::xml::{Name, NotXml, Writer, local, unsigned};

/// A security token service that signs people in by WS-Federation (WS-Fed 1.2 §3.1.2.2).
#[derive(Debug, Clone)]
pub struct Federation<'a> {
    /// The document's own xs:ID.
    pub id: &'a str,
    /// `entityID`: the issuer that stands in the assertions.
    pub issuer: &'a str,
    /// Where browsers are sent with `wa=wsignin1.0`.
    pub passive_url: &'a str,
    /// DER certificates in base64 without line breaks, the one that signs now first.
    pub certificates: &'a [&'a str],
    /// A name for people who read a list of services.
    pub display_name: &'a str,
    /// What assertions may say.
    pub claim_types: &'a [ClaimType<'a>],
}

/// A claim on offer (WS-Fed 1.2 §9.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClaimType<'a> {
    /// The attribute's namespace and name, joined by `/`.
    pub uri: &'a str,
    /// Its name for people.
    pub display_name: &'a str,
    /// What it says, in a sentence.
    pub description: &'a str,
}

impl Federation<'_> {
    /// Writes the document; its signature belongs at the front, as the first child (SAML metadata 2.0 §2.3.2).
    pub fn unsigned(&self) -> Result<Unsigned, NotXml> {
        unsigned(
            self.id,
            METADATA.name("EntityDescriptor"),
            &[
                (local("ID"), self.id),
                (local("entityID"), self.issuer),
                // Canonicalisation does not see the prefix inside the value of xsi:type. An attribute
                // in that namespace on the root has it declared for everything below.
                (FEDERATION.name("FederationID"), self.issuer),
            ],
            |w| {
                let signature_at = w.position();
                self.role(w)?;
                Ok(signature_at)
            },
        )
    }

    fn role(&self, w: &mut Writer) -> Result<(), NotXml> {
        w.element(
            METADATA.name("RoleDescriptor"),
            &[
                (SCHEMA_INSTANCE.name("type"), "fed:SecurityTokenServiceType"),
                (local("protocolSupportEnumeration"), FEDERATION.uri),
                (local("ServiceDisplayName"), self.display_name),
            ],
            |w| {
                self.certificates
                    .iter()
                    .try_for_each(|certificate| signing_key(w, certificate))?;
                w.element(FEDERATION.name("TokenTypesOffered"), &[], |w| {
                    w.leaf(
                        FEDERATION.name("TokenType"),
                        &[(local("Uri"), SAML11_TOKEN)],
                        "",
                    )
                })?;
                self.claim_types(w)?;
                // The schema wants a token service endpoint; ours is the one that browsers use.
                endpoint(
                    w,
                    FEDERATION.name("SecurityTokenServiceEndpoint"),
                    self.passive_url,
                )?;
                endpoint(
                    w,
                    FEDERATION.name("PassiveRequestorEndpoint"),
                    self.passive_url,
                )
            },
        )
    }

    fn claim_types(&self, w: &mut Writer) -> Result<(), NotXml> {
        if self.claim_types.is_empty() {
            return Ok(());
        }
        w.element(FEDERATION.name("ClaimTypesOffered"), &[], |w| {
            self.claim_types.iter().try_for_each(|claim| claim.write(w))
        })
    }
}

impl ClaimType<'_> {
    fn write(&self, w: &mut Writer) -> Result<(), NotXml> {
        let attributes = [(local("Uri"), self.uri), (local("Optional"), "true")];
        w.element(AUTHORIZATION.name("ClaimType"), &attributes, |w| {
            w.leaf(AUTHORIZATION.name("DisplayName"), &[], self.display_name)?;
            w.leaf(AUTHORIZATION.name("Description"), &[], self.description)
        })
    }
}

pub(crate) fn signing_key(w: &mut Writer, certificate: &str) -> Result<(), NotXml> {
    w.element(
        METADATA.name("KeyDescriptor"),
        &[(local("use"), "signing")],
        |w| {
            w.element(KEY_INFO.name("KeyInfo"), &[], |w| {
                w.element(KEY_INFO.name("X509Data"), &[], |w| {
                    w.leaf(KEY_INFO.name("X509Certificate"), &[], certificate)
                })
            })
        },
    )
}

fn endpoint(w: &mut Writer, name: Name, url: &str) -> Result<(), NotXml> {
    w.element(name, &[], |w| {
        w.element(ADDRESSING_UNPREFIXED.name("EndpointReference"), &[], |w| {
            w.leaf(ADDRESSING_UNPREFIXED.name("Address"), &[], url)
        })
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use roxmltree::Document;

    use super::*;
    use crate::names::ADDRESSING;
    use crate::xml::tests::any_text;

    fn federation<'a>() -> Federation<'a> {
        Federation {
            id: "_m1",
            issuer: "http://contoso.example/sts/",
            passive_url: "https://id.contoso.example/wsfed/1",
            certificates: &["MIIB", "MIIC"],
            display_name: "Contoso & Co",
            claim_types: &[ClaimType {
                uri: "http://schemas.xmlsoap.org/claims/UPN",
                display_name: "UPN",
                description: "The user principal name.",
            }],
        }
    }

    #[test]
    fn metadata_has_the_shape_that_ad_fs_publishes() {
        let unsigned = federation().unsigned().expect("it is plain text");
        let (before, after) = unsigned.xml.split_at(unsigned.signature_at);
        assert_eq!(
            before,
            r#"<EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" xmlns:fed="http://docs.oasis-open.org/wsfed/federation/200706" ID="_m1" entityID="http://contoso.example/sts/" fed:FederationID="http://contoso.example/sts/">"#
        );
        assert_eq!(
            after,
            [
                r#"<RoleDescriptor xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" ServiceDisplayName="Contoso &amp; Co" protocolSupportEnumeration="http://docs.oasis-open.org/wsfed/federation/200706" xsi:type="fed:SecurityTokenServiceType">"#,
                r#"<KeyDescriptor use="signing"><KeyInfo xmlns="http://www.w3.org/2000/09/xmldsig#"><X509Data><X509Certificate>MIIB</X509Certificate></X509Data></KeyInfo></KeyDescriptor>"#,
                r#"<KeyDescriptor use="signing"><KeyInfo xmlns="http://www.w3.org/2000/09/xmldsig#"><X509Data><X509Certificate>MIIC</X509Certificate></X509Data></KeyInfo></KeyDescriptor>"#,
                r#"<fed:TokenTypesOffered><fed:TokenType Uri="urn:oasis:names:tc:SAML:1.0:assertion"></fed:TokenType></fed:TokenTypesOffered>"#,
                r#"<fed:ClaimTypesOffered><auth:ClaimType xmlns:auth="http://docs.oasis-open.org/wsfed/authorization/200706" Optional="true" Uri="http://schemas.xmlsoap.org/claims/UPN"><auth:DisplayName>UPN</auth:DisplayName><auth:Description>The user principal name.</auth:Description></auth:ClaimType></fed:ClaimTypesOffered>"#,
                r#"<fed:SecurityTokenServiceEndpoint><EndpointReference xmlns="http://www.w3.org/2005/08/addressing"><Address>https://id.contoso.example/wsfed/1</Address></EndpointReference></fed:SecurityTokenServiceEndpoint>"#,
                r#"<fed:PassiveRequestorEndpoint><EndpointReference xmlns="http://www.w3.org/2005/08/addressing"><Address>https://id.contoso.example/wsfed/1</Address></EndpointReference></fed:PassiveRequestorEndpoint>"#,
                r"</RoleDescriptor></EntityDescriptor>",
            ]
            .concat()
        );
    }

    #[test]
    fn the_prefix_inside_xsi_type_is_bound() {
        let xml = federation().unsigned().expect("it is plain text").xml;
        let document = Document::parse(&xml).expect("it is well-formed");
        let role = document
            .root_element()
            .first_element_child()
            .expect("there is a role");
        let kind = role.attribute((SCHEMA_INSTANCE.uri, "type"));
        assert_eq!(kind, Some("fed:SecurityTokenServiceType"));
        assert_eq!(role.lookup_namespace_uri(Some("fed")), Some(FEDERATION.uri));
    }

    #[test]
    fn without_claim_types_none_are_offered() {
        let xml = Federation {
            claim_types: &[],
            ..federation()
        }
        .unsigned()
        .expect("it is plain text")
        .xml;
        assert!(!xml.contains("ClaimTypesOffered"));
    }

    #[test]
    fn an_id_that_no_reference_could_name_is_refused() {
        let unsigned = Federation {
            id: "",
            ..federation()
        }
        .unsigned();
        assert_eq!(unsigned, Err(NotXml::Id));
    }

    proptest! {
        #[test]
        fn metadata_reads_back_with_the_values_that_went_in(
            [issuer, url, display_name, uri, claim, description] in prop::array::uniform6(any_text()),
        ) {
            let xml = Federation {
                issuer: &issuer,
                passive_url: &url,
                display_name: &display_name,
                claim_types: &[ClaimType {
                    uri: &uri,
                    display_name: &claim,
                    description: &description,
                }],
                ..federation()
            }
            .unsigned()
            .expect("XML can carry it")
            .xml;
            let document = Document::parse(&xml).expect("it is well-formed");
            let attributes = |name: &str| -> Vec<String> {
                document
                    .descendants()
                    .filter_map(|node| node.attribute(name).map(str::to_owned))
                    .collect()
            };
            let texts = |namespace: &str, name: &str| -> Vec<String> {
                document
                    .descendants()
                    .filter(|node| node.has_tag_name((namespace, name)))
                    .map(|node| node.text().unwrap_or_default().to_owned())
                    .collect()
            };
            prop_assert_eq!(attributes("entityID"), [issuer]);
            prop_assert_eq!(attributes("ServiceDisplayName"), [display_name]);
            prop_assert_eq!(attributes("Uri"), [SAML11_TOKEN.to_owned(), uri]);
            prop_assert_eq!(texts(AUTHORIZATION.uri, "DisplayName"), [claim]);
            prop_assert_eq!(texts(AUTHORIZATION.uri, "Description"), [description]);
            prop_assert_eq!(texts(ADDRESSING.uri, "Address"), [url.clone(), url]);
        }
    }
}
