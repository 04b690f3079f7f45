//! Writes SAML 1.1 assertions (SAML core 1.1 §2.3) in the order in which AD FS writes them.

use chrono::{DateTime, Utc};

use crate::Unsigned;
use crate::names::{BEARER, SAML};
use crate::xml::{NotXml, Writer, instant, local, unsigned};

/// What an identity provider says about one person to one relying party (SAML core 1.1 §2.3.2).
#[derive(Debug, Clone)]
pub struct Assertion<'a> {
    /// `AssertionID`: an xs:ID, never used twice.
    pub id: &'a str,
    /// `Issuer`: at Entra, the `issuerUri` of the domain, byte for byte.
    pub issuer: &'a str,
    /// `IssueInstant`.
    pub issued_at: DateTime<Utc>,
    /// The first instant at which the assertion is valid (§2.3.2.1).
    pub not_before: DateTime<Utc>,
    /// The instant from which it is no longer valid (§2.3.2.1).
    pub not_on_or_after: DateTime<Utc>,
    /// The relying party for whom alone it is meant (§2.3.2.1.3).
    pub audience: &'a str,
    /// Whom it speaks of.
    pub name_id: NameIdentifier<'a>,
    /// What it says of them; without any, there is no `AttributeStatement`.
    pub attributes: &'a [Attribute],
    /// How and when they proved to be it.
    pub authentication: Authentication<'a>,
}

/// The name of the subject (SAML core 1.1 §2.4.2.2).
#[derive(Debug, Clone, Copy)]
pub struct NameIdentifier<'a> {
    /// A URI that says how to read the value.
    pub format: &'a str,
    /// The name.
    pub value: &'a str,
}

/// One attribute with its values, of which there must be at least one (SAML core 1.1 §2.4.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    /// `AttributeNamespace`.
    pub namespace: String,
    /// `AttributeName`.
    pub name: String,
    /// Each becomes an `AttributeValue`.
    pub values: Vec<String>,
}

/// The act of authentication (SAML core 1.1 §2.4.3).
#[derive(Debug, Clone, Copy)]
pub struct Authentication<'a> {
    /// `AuthenticationMethod`, one of [`crate::names::method`].
    pub method: &'a str,
    /// When it took place, which is not when the assertion is issued.
    pub instant: DateTime<Utc>,
}

impl Assertion<'_> {
    /// Writes the assertion; its signature belongs at the end, as the last child (§2.3.2).
    pub fn unsigned(&self) -> Result<Unsigned, NotXml> {
        unsigned(
            self.id,
            SAML.name("Assertion"),
            &[
                (local("MajorVersion"), "1"),
                (local("MinorVersion"), "1"),
                (local("AssertionID"), self.id),
                (local("Issuer"), self.issuer),
                (local("IssueInstant"), &instant(self.issued_at)),
            ],
            |w| {
                self.conditions(w)?;
                self.attribute_statement(w)?;
                self.authentication_statement(w)?;
                Ok(w.position())
            },
        )
    }

    fn conditions(&self, w: &mut Writer) -> Result<(), NotXml> {
        let validity = [
            (local("NotBefore"), &*instant(self.not_before)),
            (local("NotOnOrAfter"), &*instant(self.not_on_or_after)),
        ];
        w.element(SAML.name("Conditions"), &validity, |w| {
            w.element(SAML.name("AudienceRestrictionCondition"), &[], |w| {
                w.leaf(SAML.name("Audience"), &[], self.audience)
            })
        })
    }

    fn attribute_statement(&self, w: &mut Writer) -> Result<(), NotXml> {
        if self.attributes.is_empty() {
            return Ok(());
        }
        w.element(SAML.name("AttributeStatement"), &[], |w| {
            self.subject(w)?;
            self.attributes.iter().try_for_each(|one| one.write(w))
        })
    }

    fn authentication_statement(&self, w: &mut Writer) -> Result<(), NotXml> {
        let act = [
            (local("AuthenticationMethod"), self.authentication.method),
            (
                local("AuthenticationInstant"),
                &*instant(self.authentication.instant),
            ),
        ];
        w.element(SAML.name("AuthenticationStatement"), &act, |w| {
            self.subject(w)
        })
    }

    fn subject(&self, w: &mut Writer) -> Result<(), NotXml> {
        let format = [(local("Format"), self.name_id.format)];
        w.element(SAML.name("Subject"), &[], |w| {
            w.leaf(SAML.name("NameIdentifier"), &format, self.name_id.value)?;
            w.element(SAML.name("SubjectConfirmation"), &[], |w| {
                w.leaf(SAML.name("ConfirmationMethod"), &[], BEARER)
            })
        })
    }
}

impl Attribute {
    fn write(&self, w: &mut Writer) -> Result<(), NotXml> {
        if self.values.is_empty() {
            return Err(NotXml::NoValue(self.name.clone()));
        }
        let name = [
            (local("AttributeName"), &*self.name),
            (local("AttributeNamespace"), &*self.namespace),
        ];
        w.element(SAML.name("Attribute"), &name, |w| {
            self.values
                .iter()
                .try_for_each(|value| w.leaf(SAML.name("AttributeValue"), &[], value))
        })
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use proptest::prelude::*;
    use roxmltree::{Document, Node};

    use super::*;
    use crate::names::{claim, method, name_id};
    use crate::xml::tests::any_text;

    fn noon() -> DateTime<Utc> {
        DateTime::from_timestamp_millis(1_767_355_200_678).expect("it is in 2026")
    }

    fn assertion(attributes: &[Attribute]) -> Assertion<'_> {
        Assertion {
            id: "_a1",
            issuer: "http://contoso.example/sts/",
            issued_at: noon(),
            not_before: noon() - TimeDelta::minutes(1),
            not_on_or_after: noon() + TimeDelta::hours(1),
            audience: "urn:federation:MicrosoftOnline",
            name_id: NameIdentifier {
                format: name_id::UNSPECIFIED,
                value: "abc-123",
            },
            attributes,
            authentication: Authentication {
                method: method::PASSWORD,
                instant: noon() - TimeDelta::minutes(5),
            },
        }
    }

    fn attribute(namespace: &str, name: &str, values: &[&str]) -> Attribute {
        Attribute {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            values: values.iter().map(|&value| value.to_owned()).collect(),
        }
    }

    #[test]
    fn an_assertion_has_the_form_that_ad_fs_gives_it() {
        let attributes = [attribute(
            claim::CLAIMS,
            claim::UPN,
            &["alice@contoso.example"],
        )];
        let unsigned = assertion(&attributes).unsigned().expect("it is plain text");
        let subject = concat!(
            r#"<saml:Subject><saml:NameIdentifier Format="urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified">abc-123</saml:NameIdentifier>"#,
            r"<saml:SubjectConfirmation><saml:ConfirmationMethod>urn:oasis:names:tc:SAML:1.0:cm:bearer</saml:ConfirmationMethod></saml:SubjectConfirmation></saml:Subject>",
        );
        let before_signature = [
            r#"<saml:Assertion xmlns:saml="urn:oasis:names:tc:SAML:1.0:assertion" AssertionID="_a1" IssueInstant="2026-01-02T12:00:00.678Z" Issuer="http://contoso.example/sts/" MajorVersion="1" MinorVersion="1">"#,
            r#"<saml:Conditions NotBefore="2026-01-02T11:59:00.678Z" NotOnOrAfter="2026-01-02T13:00:00.678Z"><saml:AudienceRestrictionCondition><saml:Audience>urn:federation:MicrosoftOnline</saml:Audience></saml:AudienceRestrictionCondition></saml:Conditions>"#,
            r"<saml:AttributeStatement>",
            subject,
            r#"<saml:Attribute AttributeName="UPN" AttributeNamespace="http://schemas.xmlsoap.org/claims"><saml:AttributeValue>alice@contoso.example</saml:AttributeValue></saml:Attribute></saml:AttributeStatement>"#,
            r#"<saml:AuthenticationStatement AuthenticationInstant="2026-01-02T11:55:00.678Z" AuthenticationMethod="urn:oasis:names:tc:SAML:1.0:am:password">"#,
            subject,
            r"</saml:AuthenticationStatement>",
        ]
        .concat();
        let (before, after) = unsigned.xml.split_at(unsigned.signature_at);
        assert_eq!(before, before_signature);
        assert_eq!(after, "</saml:Assertion>");
        assert_eq!(unsigned.id, "_a1");
    }

    #[test]
    fn without_attributes_there_is_no_attribute_statement() {
        let xml = assertion(&[]).unsigned().expect("it is plain text").xml;
        let document = Document::parse(&xml).expect("it is well-formed");
        let statements: Vec<_> = document.root_element().children().skip(1).collect();
        assert_eq!(statements.len(), 1);
        assert!(statements[0].has_tag_name((SAML.uri, "AuthenticationStatement")));
    }

    #[test]
    fn an_attribute_without_values_is_refused() {
        let attributes = [attribute("urn:x", "role", &[])];
        assert_eq!(
            assertion(&attributes).unsigned(),
            Err(NotXml::NoValue("role".to_owned()))
        );
    }

    #[test]
    fn an_id_that_no_reference_could_name_is_refused() {
        let unsigned = Assertion {
            id: "1",
            ..assertion(&[])
        }
        .unsigned();
        assert_eq!(unsigned, Err(NotXml::Id));
    }

    #[test]
    fn a_value_that_looks_like_xml_stays_a_value() {
        let evil = r#"Bob</saml:AttributeValue></saml:Attribute><saml:Attribute AttributeName="role"><saml:AttributeValue>admin"#;
        let attributes = [attribute("urn:x", "name", &[evil])];
        let xml = assertion(&attributes)
            .unsigned()
            .expect("XML can carry it")
            .xml;
        let document = Document::parse(&xml).expect("it is well-formed");
        let values: Vec<_> = texts(&document, "AttributeValue").collect();
        assert_eq!(values, [evil]);
        assert_eq!(named(&document, "Attribute").count(), 1);
    }

    fn named<'a>(document: &'a Document, name: &'a str) -> impl Iterator<Item = Node<'a, 'a>> {
        document
            .descendants()
            .filter(move |node| node.has_tag_name((SAML.uri, name)))
    }

    fn texts<'a>(document: &'a Document, name: &'a str) -> impl Iterator<Item = &'a str> {
        named(document, name).map(|node| node.text().unwrap_or_default())
    }

    fn any_attribute() -> impl Strategy<Value = Attribute> {
        (
            any_text(),
            any_text(),
            prop::collection::vec(any_text(), 1..4),
        )
            .prop_map(|(namespace, name, values)| Attribute {
                namespace,
                name,
                values,
            })
    }

    proptest! {
        #[test]
        fn an_assertion_reads_back_with_the_values_that_went_in(
            [issuer, audience, format, name, method] in prop::array::uniform5(any_text()),
            attributes in prop::collection::vec(any_attribute(), 0..4),
        ) {
            let xml = Assertion {
                issuer: &issuer,
                audience: &audience,
                name_id: NameIdentifier { format: &format, value: &name },
                authentication: Authentication { method: &method, instant: noon() },
                ..assertion(&attributes)
            }
            .unsigned()
            .expect("XML can carry it")
            .xml;
            let document = Document::parse(&xml).expect("it is well-formed");
            prop_assert_eq!(document.root_element().attribute("Issuer"), Some(&*issuer));
            prop_assert_eq!(texts(&document, "Audience").collect::<Vec<_>>(), [&*audience]);
            for identifier in named(&document, "NameIdentifier") {
                prop_assert_eq!(identifier.attribute("Format"), Some(&*format));
                prop_assert_eq!(identifier.text().unwrap_or_default(), &*name);
            }
            for statement in named(&document, "AuthenticationStatement") {
                prop_assert_eq!(statement.attribute("AuthenticationMethod"), Some(&*method));
            }
            let read: Vec<_> = named(&document, "Attribute")
                .map(|node| Attribute {
                    namespace: node.attribute("AttributeNamespace").unwrap_or_default().to_owned(),
                    name: node.attribute("AttributeName").unwrap_or_default().to_owned(),
                    values: node
                        .children()
                        .map(|value| value.text().unwrap_or_default().to_owned())
                        .collect(),
                })
                .collect();
            prop_assert_eq!(read, attributes);
        }
    }
}
