//! Reads the metadata of service providers as they really publish it.

use chrono::{DateTime, Utc};
use roxmltree::Node;

use crate::names::{KEY_INFO, METADATA, PROTOCOL};
use crate::read::{attribute_filled, boolean, filled, index, instant_attribute};
use crate::urlencoded::BadRequest;

/// A service provider: what all of its SAML 2.0 roles say together (SAML metadata §2.4.4).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ServiceProvider {
    /// `entityID`.
    pub entity_id: String,
    /// The earliest `validUntil` that applies to it.
    pub valid_until: Option<DateTime<Utc>>,
    /// Each `AssertionConsumerService`, of any binding.
    pub acs: Vec<AssertionConsumer>,
    /// Each `SingleLogoutService`, of any binding.
    pub logout: Vec<LogoutService>,
    /// Certificates that verify its messages: base64 of DER without white space.
    pub signing: Vec<String>,
    /// Certificates that assertions may be encrypted to.
    pub encryption: Vec<String>,
    /// `NameIDFormat`, in its order of preference.
    pub name_id_formats: Vec<String>,
    /// `AuthnRequestsSigned`: it promises to sign its requests.
    pub authn_requests_signed: bool,
    /// `WantAssertionsSigned`.
    pub want_assertions_signed: bool,
    /// The attributes that its services ask for.
    pub requested_attributes: Vec<RequestedAttribute>,
}

/// Where assertions go (SAML metadata §2.4.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssertionConsumer {
    /// `Binding`.
    pub binding: String,
    /// `Location`.
    pub url: String,
    /// `index`.
    pub index: u16,
    /// Whether it is the one for requests that name none (SAML metadata §2.2.3).
    pub is_default: bool,
}

/// Where logout messages go (SAML metadata §2.4.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogoutService {
    /// `Binding`.
    pub binding: String,
    /// `Location`.
    pub url: String,
    /// `ResponseLocation`, when answers go elsewhere.
    pub response_url: Option<String>,
}

/// An attribute that a service asks for (SAML metadata §2.4.4.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestedAttribute {
    /// `Name`.
    pub name: String,
    /// `NameFormat`.
    pub name_format: Option<String>,
    /// `FriendlyName`.
    pub friendly_name: Option<String>,
    /// `isRequired`.
    pub required: bool,
}

/// Why a document is not the metadata of a service provider.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotMetadata {
    /// Another document.
    #[error("its root is neither EntityDescriptor nor EntitiesDescriptor")]
    Root,
    /// A part is not as the schema says.
    #[error("{0}")]
    Part(#[from] BadRequest),
    /// More descriptors than an import may look through.
    #[error("it describes too many entities")]
    TooMany,
}

/// Every SAML 2.0 service provider of an `EntityDescriptor` or of nested `EntitiesDescriptor`s, in their order.
pub fn service_providers(root: Node<'_, '_>) -> Result<Vec<ServiceProvider>, NotMetadata> {
    if !is(root, "EntityDescriptor") && !is(root, "EntitiesDescriptor") {
        return Err(NotMetadata::Root);
    }
    let mut found = Vec::new();
    collect(root, None, &mut found)?;
    Ok(found)
}

/// More than the largest federation has.
const MOST_ENTITIES: usize = 20_000;

fn collect(
    node: Node<'_, '_>,
    until: Option<DateTime<Utc>>,
    found: &mut Vec<ServiceProvider>,
) -> Result<(), NotMetadata> {
    let until = earliest(until, instant_attribute(node, "validUntil")?);
    if is(node, "EntityDescriptor") {
        if found.len() >= MOST_ENTITIES {
            return Err(NotMetadata::TooMany);
        }
        found.extend(entity(node, until)?);
        return Ok(());
    }
    for child in node.children().filter(Node::is_element) {
        if is(child, "EntityDescriptor") || is(child, "EntitiesDescriptor") {
            collect(child, until, found)?;
        }
    }
    Ok(())
}

fn entity(
    node: Node<'_, '_>,
    until: Option<DateTime<Utc>>,
) -> Result<Option<ServiceProvider>, NotMetadata> {
    let Some(entity_id) = attribute_filled(node, "entityID")? else {
        return Ok(None);
    };
    let speaks_saml2 = |role: &Node<'_, '_>| {
        let protocols = role.attribute("protocolSupportEnumeration");
        let mut protocols = protocols.unwrap_or_default().split_ascii_whitespace();
        is(*role, "SPSSODescriptor") && protocols.any(|protocol| protocol == PROTOCOL.uri)
    };
    let roles: Vec<_> = node.children().filter(speaks_saml2).collect();
    if roles.is_empty() {
        return Ok(None);
    }
    let mut provider = ServiceProvider {
        entity_id,
        valid_until: until,
        ..ServiceProvider::default()
    };
    for role in roles {
        provider.add(role)?;
    }
    provider.choose_default();
    Ok(Some(provider))
}

impl ServiceProvider {
    fn add(&mut self, role: Node<'_, '_>) -> Result<(), BadRequest> {
        self.valid_until = earliest(self.valid_until, instant_attribute(role, "validUntil")?);
        self.authn_requests_signed |= boolean(role, "AuthnRequestsSigned")?;
        self.want_assertions_signed |= boolean(role, "WantAssertionsSigned")?;
        for child in role.children().filter(Node::is_element) {
            if is(child, "KeyDescriptor") {
                self.add_keys(child);
            } else if is(child, "SingleLogoutService") {
                if let Some((binding, url)) = endpoint(child)? {
                    self.logout.push(LogoutService {
                        binding,
                        url,
                        response_url: attribute_filled(child, "ResponseLocation")?,
                    });
                }
            } else if is(child, "NameIDFormat") {
                self.name_id_formats.push(filled(child, "NameIDFormat")?);
            } else if is(child, "AssertionConsumerService") {
                self.add_acs(child)?;
            } else if is(child, "AttributeConsumingService") {
                self.add_requested(child)?;
            }
        }
        Ok(())
    }

    /// A key without `use` is for both (SAML metadata §2.4.1.1).
    fn add_keys(&mut self, descriptor: Node<'_, '_>) {
        let certificates = descriptor
            .descendants()
            .filter(|node| node.has_tag_name((KEY_INFO.uri, "X509Certificate")));
        for certificate in certificates {
            let text = certificate.children().filter_map(|child| child.text());
            let base64: String = text
                .flat_map(str::chars)
                .filter(|c| !c.is_whitespace())
                .collect();
            let usage = descriptor.attribute("use");
            let keep = |list: &mut Vec<String>| {
                if !list.contains(&base64) {
                    list.push(base64.clone());
                }
            };
            if usage != Some("encryption") {
                keep(&mut self.signing);
            }
            if usage != Some("signing") {
                keep(&mut self.encryption);
            }
        }
    }

    fn add_acs(&mut self, node: Node<'_, '_>) -> Result<(), BadRequest> {
        let Some((binding, url)) = endpoint(node)? else {
            return Ok(());
        };
        // The schema requires the index; where it is missing, the first that is free cannot be mistaken.
        let free =
            || (0..=u16::MAX).find(|index| self.acs.iter().all(|known| known.index != *index));
        let index = index(node, "index")?.or_else(free).unwrap_or_default();
        self.acs.push(AssertionConsumer {
            binding,
            url,
            index,
            is_default: boolean(node, "isDefault")?,
        });
        Ok(())
    }

    fn add_requested(&mut self, service: Node<'_, '_>) -> Result<(), BadRequest> {
        for node in service
            .children()
            .filter(|node| is(*node, "RequestedAttribute"))
        {
            let Some(name) = attribute_filled(node, "Name")? else {
                continue;
            };
            self.requested_attributes.push(RequestedAttribute {
                name,
                name_format: attribute_filled(node, "NameFormat")?,
                friendly_name: attribute_filled(node, "FriendlyName")?,
                required: boolean(node, "isRequired")?,
            });
        }
        Ok(())
    }

    /// The first that says so; otherwise the first of all (SAML metadata §2.2.3).
    fn choose_default(&mut self) {
        let default = self.acs.iter().position(|acs| acs.is_default).unwrap_or(0);
        for (position, acs) in self.acs.iter_mut().enumerate() {
            acs.is_default = position == default;
        }
    }
}

/// The binding and the address; one without either is of no use.
fn endpoint(node: Node<'_, '_>) -> Result<Option<(String, String)>, BadRequest> {
    let binding = attribute_filled(node, "Binding")?;
    let location = attribute_filled(node, "Location")?;
    Ok(binding.zip(location))
}

fn earliest(a: Option<DateTime<Utc>>, b: Option<DateTime<Utc>>) -> Option<DateTime<Utc>> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (one, other) => one.or(other),
    }
}

fn is(node: Node<'_, '_>, name: &str) -> bool {
    node.has_tag_name((METADATA.uri, name))
}

#[cfg(test)]
mod tests {
    use roxmltree::Document;

    use super::*;
    use crate::names::binding;

    fn read(xml: &str) -> Result<Vec<ServiceProvider>, NotMetadata> {
        let document = Document::parse(xml).expect("XML");
        service_providers(document.root_element())
    }

    fn entity(id: &str, roles: &str) -> String {
        format!(
            r#"<EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" xmlns:ds="http://www.w3.org/2000/09/xmldsig#" entityID="{id}">{roles}</EntityDescriptor>"#
        )
    }

    fn role(content: &str) -> String {
        format!(
            r#"<SPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:1.1:protocol urn:oasis:names:tc:SAML:2.0:protocol">{content}</SPSSODescriptor>"#
        )
    }

    fn key(usage: &str, certificate: &str) -> String {
        format!(
            "<KeyDescriptor{usage}><ds:KeyInfo><ds:KeyName>x</ds:KeyName><ds:X509Data><ds:X509Certificate>{certificate}</ds:X509Certificate></ds:X509Data></ds:KeyInfo></KeyDescriptor>"
        )
    }

    #[test]
    fn a_key_without_use_is_for_both_and_white_space_is_no_part_of_it() {
        let keys = [
            key(" use=\"signing\"", "\n  AA\r\n BB\t"),
            key("", "CC"),
            key(" use=\"encryption\"", "DD"),
            key("", "CC"),
        ];
        let found = read(&entity("urn:sp", &role(&keys.concat()))).expect("metadata");
        assert_eq!(found[0].signing, ["AABB", "CC"]);
        assert_eq!(found[0].encryption, ["CC", "DD"]);
    }

    #[test]
    fn the_default_is_the_first_that_says_so_or_the_first() {
        let acs = |index: &str, more: &str| {
            format!(
                r#"<AssertionConsumerService Binding="{}" Location="https://sp/{index}"{more}/>"#,
                binding::POST
            )
        };
        let defaults = |services: &[String]| {
            let found = read(&entity("urn:sp", &role(&services.concat()))).expect("metadata");
            let acs = &found[0].acs;
            acs.iter()
                .map(|acs| (acs.index, acs.is_default))
                .collect::<Vec<_>>()
        };
        assert_eq!(
            defaults(&[
                acs("3", " index=\"3\""),
                acs("1", " index=\"1\" isDefault=\"true\"")
            ]),
            [(3, false), (1, true)]
        );
        assert_eq!(
            defaults(&[acs("0", " index=\"0\""), acs("x", "")]),
            [(0, true), (1, false)]
        );
    }

    #[test]
    fn every_saml_2_service_provider_of_nested_lists_is_found_and_the_earliest_end_counts() {
        let idp = r#"<IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol"/>"#;
        let old = r#"<SPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:1.1:protocol"/>"#;
        let list = format!(
            r#"<EntitiesDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" validUntil="2026-02-01T00:00:00Z"><Extensions/>{}{}<EntitiesDescriptor validUntil="2026-01-01T00:00:00Z">{}{}</EntitiesDescriptor></EntitiesDescriptor>"#,
            entity("urn:idp", idp),
            entity("urn:a", &role("")),
            entity("urn:old", old),
            entity("urn:b", &[role(""), idp.to_owned()].concat()),
        );
        let found = read(&list).expect("metadata");
        let ends: Vec<_> = found
            .iter()
            .map(|one| {
                (
                    one.entity_id.as_str(),
                    one.valid_until.map(|at| at.to_rfc3339()),
                )
            })
            .collect();
        assert_eq!(
            ends,
            [
                ("urn:a", Some("2026-02-01T00:00:00+00:00".to_owned())),
                ("urn:b", Some("2026-01-01T00:00:00+00:00".to_owned())),
            ]
        );
    }

    #[test]
    fn several_roles_are_one_provider_and_other_bindings_are_kept_apart() {
        let first = role(&format!(
            r#"<SingleLogoutService Binding="{}" Location="https://sp/slo" ResponseLocation="https://sp/slo/r"/><NameIDFormat> urn:f </NameIDFormat>"#,
            binding::REDIRECT
        ));
        let second = role(
            r#"<AssertionConsumerService Binding="urn:oasis:names:tc:SAML:2.0:bindings:PAOS" Location="https://sp/paos" index="2"/><AttributeConsumingService index="0"><ServiceName/><RequestedAttribute Name="urn:oid:1" FriendlyName="mail" isRequired="true"/></AttributeConsumingService>"#,
        )
        .replacen("<SPSSODescriptor", r#"<SPSSODescriptor AuthnRequestsSigned="true" WantAssertionsSigned="1""#, 1);
        let found = read(&entity("urn:sp", &[first, second].concat())).expect("metadata");
        let [provider] = &found[..] else {
            panic!("{found:?}")
        };
        assert_eq!(
            provider.logout[0].response_url.as_deref(),
            Some("https://sp/slo/r")
        );
        assert_eq!(provider.name_id_formats, ["urn:f"]);
        assert_eq!(provider.acs[0].index, 2);
        assert!(provider.authn_requests_signed && provider.want_assertions_signed);
        assert!(provider.requested_attributes[0].required);
    }

    #[test]
    fn another_document_is_no_metadata() {
        assert_eq!(read("<EntityDescriptor/>"), Err(NotMetadata::Root));
        assert_eq!(read("<html/>"), Err(NotMetadata::Root));
    }
}
