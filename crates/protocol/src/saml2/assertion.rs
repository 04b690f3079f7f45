//! Writes assertions for the web browser sign-on profile (SAML core §2.3.3, SAML profiles §4.1.4.2).

use chrono::{DateTime, Utc};

use crate::Unsigned;
use crate::names::ASSERTION;
use crate::xml::{NotXml, Writer, instant, local, unsigned};

/// SAML profiles §3.3: whoever bears the assertion is its subject.
const BEARER: &str = "urn:oasis:names:tc:SAML:2.0:cm:bearer";

/// What an identity provider says about one person to one service provider.
#[derive(Debug, Clone)]
pub struct Assertion<'a> {
    /// `ID`: an xs:ID, never used twice.
    pub id: &'a str,
    /// `Issuer`: our entity id.
    pub issuer: &'a str,
    /// `IssueInstant`.
    pub issued_at: DateTime<Utc>,
    /// The first instant at which the assertion is valid (§2.5.1.2).
    pub not_before: DateTime<Utc>,
    /// The instant from which it is no longer valid (§2.5.1.2).
    pub not_on_or_after: DateTime<Utc>,
    /// The service provider for whom alone it is meant (§2.5.1.4).
    pub audience: &'a str,
    /// Whom it speaks of.
    pub name_id: NameIdentifier<'a>,
    /// The address that it is posted to (§2.4.1.2).
    pub recipient: &'a str,
    /// The request that it answers, if there was one (§2.4.1.2).
    pub in_response_to: Option<&'a str>,
    /// The instant from which it cannot be presented any more (§2.4.1.2).
    pub confirm_until: DateTime<Utc>,
    /// What it says of the person; without any, there is no `AttributeStatement`.
    pub attributes: &'a [Attribute],
    /// How and when they proved to be it.
    pub authentication: Authentication<'a>,
}

/// The name of the subject (SAML core §2.2.3).
#[derive(Debug, Clone, Copy)]
pub struct NameIdentifier<'a> {
    /// A URI that says how to read the value.
    pub format: &'a str,
    /// The name.
    pub value: &'a str,
}

/// One attribute with its values, of which there must be at least one (SAML core §2.7.3.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    /// `Name`.
    pub name: String,
    /// `NameFormat`.
    pub name_format: Option<String>,
    /// `FriendlyName`.
    pub friendly_name: Option<String>,
    /// Each becomes an `AttributeValue`.
    pub values: Vec<String>,
}

/// The act of authentication (SAML core §2.7.2).
#[derive(Debug, Clone, Copy)]
pub struct Authentication<'a> {
    /// When it took place, which is not when the assertion is issued.
    pub instant: DateTime<Utc>,
    /// `AuthnContextClassRef`.
    pub context_class: &'a str,
    /// What the session is called at this service provider, for logging out.
    pub session_index: &'a str,
}

impl Assertion<'_> {
    /// Writes the assertion; its signature belongs right after the issuer (§2.3.3).
    pub fn unsigned(&self) -> Result<Unsigned, NotXml> {
        unsigned(
            self.id,
            ASSERTION.name("Assertion"),
            &[
                (local("ID"), self.id),
                (local("Version"), "2.0"),
                (local("IssueInstant"), &instant(self.issued_at)),
            ],
            |w| {
                w.leaf(ASSERTION.name("Issuer"), &[], self.issuer)?;
                let signature_at = w.position();
                self.subject(w)?;
                self.conditions(w)?;
                self.authentication_statement(w)?;
                self.attribute_statement(w)?;
                Ok(signature_at)
            },
        )
    }

    fn subject(&self, w: &mut Writer) -> Result<(), NotXml> {
        let until = instant(self.confirm_until);
        let mut data = vec![
            (local("NotOnOrAfter"), until.as_str()),
            (local("Recipient"), self.recipient),
        ];
        data.extend(self.in_response_to.map(|id| (local("InResponseTo"), id)));
        let method = [(local("Method"), BEARER)];
        w.element(ASSERTION.name("Subject"), &[], |w| {
            self.name_id.write(w)?;
            w.element(ASSERTION.name("SubjectConfirmation"), &method, |w| {
                w.leaf(ASSERTION.name("SubjectConfirmationData"), &data, "")
            })
        })
    }

    fn conditions(&self, w: &mut Writer) -> Result<(), NotXml> {
        let validity = [
            (local("NotBefore"), &*instant(self.not_before)),
            (local("NotOnOrAfter"), &*instant(self.not_on_or_after)),
        ];
        w.element(ASSERTION.name("Conditions"), &validity, |w| {
            w.element(ASSERTION.name("AudienceRestriction"), &[], |w| {
                w.leaf(ASSERTION.name("Audience"), &[], self.audience)
            })
        })
    }

    fn authentication_statement(&self, w: &mut Writer) -> Result<(), NotXml> {
        let act = [
            (
                local("AuthnInstant"),
                &*instant(self.authentication.instant),
            ),
            (local("SessionIndex"), self.authentication.session_index),
        ];
        w.element(ASSERTION.name("AuthnStatement"), &act, |w| {
            w.element(ASSERTION.name("AuthnContext"), &[], |w| {
                w.leaf(
                    ASSERTION.name("AuthnContextClassRef"),
                    &[],
                    self.authentication.context_class,
                )
            })
        })
    }

    fn attribute_statement(&self, w: &mut Writer) -> Result<(), NotXml> {
        if self.attributes.is_empty() {
            return Ok(());
        }
        w.element(ASSERTION.name("AttributeStatement"), &[], |w| {
            self.attributes.iter().try_for_each(|one| one.write(w))
        })
    }
}

impl NameIdentifier<'_> {
    pub(super) fn write(&self, w: &mut Writer) -> Result<(), NotXml> {
        let format = [(local("Format"), self.format)];
        w.leaf(ASSERTION.name("NameID"), &format, self.value)
    }
}

impl Attribute {
    fn write(&self, w: &mut Writer) -> Result<(), NotXml> {
        if self.values.is_empty() {
            return Err(NotXml::NoValue(self.name.clone()));
        }
        let mut name = vec![(local("Name"), self.name.as_str())];
        let format = self.name_format.as_deref();
        name.extend(format.map(|format| (local("NameFormat"), format)));
        let friendly = self.friendly_name.as_deref();
        name.extend(friendly.map(|friendly| (local("FriendlyName"), friendly)));
        w.element(ASSERTION.name("Attribute"), &name, |w| {
            self.values
                .iter()
                .try_for_each(|value| w.leaf(ASSERTION.name("AttributeValue"), &[], value))
        })
    }
}

/// Wraps a finished `xenc:EncryptedData` (SAML core §2.3.4).
pub fn encrypted_assertion(encrypted_data: &str) -> String {
    let mut writer = Writer::new();
    writer
        .element(ASSERTION.name("EncryptedAssertion"), &[], |w| {
            w.finished(encrypted_data);
            Ok(())
        })
        .expect("there is no text in it that could not be written");
    writer.into_string()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use roxmltree::Document;

    use super::super::{Response, Status};
    use super::*;
    use crate::xml::tests::any_text;

    fn assertion<'a>(text: &'a str, attributes: &'a [Attribute]) -> Assertion<'a> {
        let at = DateTime::from_timestamp(1_800_000_000, 0).expect("an instant");
        Assertion {
            id: "_a",
            issuer: text,
            issued_at: at,
            not_before: at,
            not_on_or_after: at,
            audience: text,
            name_id: NameIdentifier {
                format: text,
                value: text,
            },
            recipient: text,
            in_response_to: Some(text),
            confirm_until: at,
            attributes,
            authentication: Authentication {
                instant: at,
                context_class: text,
                session_index: text,
            },
        }
    }

    fn attribute(text: &str) -> Attribute {
        Attribute {
            name: text.to_owned(),
            name_format: Some(text.to_owned()),
            friendly_name: Some(text.to_owned()),
            values: vec![text.to_owned(), text.to_owned()],
        }
    }

    proptest! {
        #[test]
        fn no_value_changes_the_shape_and_each_reads_back(text in any_text()) {
            let attributes = [attribute(&text)];
            let hostile = assertion(&text, &attributes).unsigned().expect("characters of XML");
            prop_assert!(hostile.xml[..hostile.signature_at].ends_with("</saml:Issuer>"));
            let status = Status::Success;
            let at = DateTime::from_timestamp(1_800_000_000, 0).expect("an instant");
            let response = Response {
                id: "_r",
                issued_at: at,
                destination: &text,
                in_response_to: Some(&text),
                issuer: &text,
                status,
                assertion: Some(&hostile.xml),
            }
            .unsigned()
            .expect("characters of XML");
            let document = Document::parse(&response.xml).expect("well-formed");
            let elements = |xml: &Document| -> Vec<String> {
                xml.descendants()
                    .filter(roxmltree::Node::is_element)
                    .map(|node| node.tag_name().name().to_owned())
                    .collect()
            };
            let calm_attributes = [attribute("x")];
            let calm = assertion("x", &calm_attributes).unsigned().expect("text");
            let calm = Document::parse(&calm.xml).expect("well-formed");
            let own = Document::parse(&hostile.xml).expect("well-formed");
            prop_assert_eq!(elements(&own), elements(&calm));
            let texts = |name: &str| -> Vec<String> {
                document
                    .descendants()
                    .filter(|node| node.tag_name().name() == name)
                    .map(|node| node.text().unwrap_or_default().to_owned())
                    .collect()
            };
            for name in ["Issuer", "NameID", "Audience", "AttributeValue", "AuthnContextClassRef"] {
                prop_assert_eq!(texts(name), vec![text.clone(); 1 + usize::from(["Issuer", "AttributeValue"].contains(&name))]);
            }
            let of = |name: &str, attribute: &str| {
                let node = document.descendants().find(|node| node.tag_name().name() == name);
                node.and_then(|node| node.attribute(attribute)).map(str::to_owned)
            };
            for (name, attribute) in [
                ("Response", "Destination"),
                ("Response", "InResponseTo"),
                ("SubjectConfirmationData", "Recipient"),
                ("SubjectConfirmationData", "InResponseTo"),
                ("Attribute", "Name"),
                ("Attribute", "FriendlyName"),
                ("AuthnStatement", "SessionIndex"),
            ] {
                prop_assert_eq!(of(name, attribute), Some(text.clone()));
            }
        }
    }

    #[test]
    fn an_attribute_needs_a_value_and_an_id_its_form() {
        let empty = [Attribute {
            values: Vec::new(),
            ..attribute("mail")
        }];
        let refused = assertion("x", &empty).unsigned();
        assert_eq!(refused, Err(NotXml::NoValue("mail".to_owned())));
        let numbered = Assertion {
            id: "1",
            ..assertion("x", &[])
        };
        assert_eq!(numbered.unsigned(), Err(NotXml::Id));
    }
}
