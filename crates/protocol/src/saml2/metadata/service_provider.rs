//! Reads the metadata of service providers as they really publish it.

use chrono::{DateTime, Utc};
use roxmltree::Node;

use super::super::read::{attribute_filled, boolean, filled, index, instant};
use crate::names::{KEY_INFO, METADATA, PROTOCOL};
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
    let until = earliest(until, instant(node, "validUntil")?);
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
        self.valid_until = earliest(self.valid_until, instant(role, "validUntil")?);
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
