//! Which identifier and which attributes an app is told about a user.

use protocol::{saml2, saml11};
use store::{App, Group, NameIdRule, SamlSettings, Source, User, WsFedSettings};

use crate::Idp;
use crate::error::{Error, Refusal, Result};
use crate::parse;
use crate::sign_on::Person;

/// What is known about a user at one app, as far as the app's rules ask for it.
pub(crate) struct About {
    user: User,
    groups: Vec<Group>,
    pairwise_id: Option<String>,
    transient_id: Option<String>,
}

/// The sources that the rules of a WS-Federation app name.
pub(crate) fn sources_of_wsfed(rules: &WsFedSettings) -> impl Iterator<Item = &Source> {
    let attributes = rules.attributes.iter().map(|rule| &rule.source);
    attributes.chain([&rules.name_id.source])
}

/// The sources that the rules of a SAML app name, with the identifier that this request asks for.
pub(crate) fn sources_of_saml<'a>(
    rules: &'a SamlSettings,
    name_id: &'a NameIdRule,
) -> impl Iterator<Item = &'a Source> {
    let attributes = rules.attributes.iter().map(|rule| &rule.source);
    attributes.chain([&name_id.source])
}

impl Idp {
    /// Looks up what the rules ask for, and gives the person their pairwise identifier when they need one.
    pub(crate) async fn about<'a>(
        &self,
        person: &Person,
        app: &App,
        sources: impl Iterator<Item = &'a Source>,
    ) -> Result<About> {
        let sources: Vec<&Source> = sources.collect();
        let asked = |source| sources.contains(&&source);
        let user = &person.user;
        let groups = if asked(Source::Groups) {
            self.store.read().await?.groups_of(user.id).await?
        } else {
            Vec::new()
        };
        let pairwise_id = match &person.pairwise_id {
            None if asked(Source::Pairwise) => Some(self.new_pairwise_id(user, app).await?),
            known => known.clone(),
        };
        Ok(About {
            user: user.clone(),
            groups,
            pairwise_id,
            transient_id: Some(self.code("transient-name-id", &person.session, app)),
        })
    }

    /// The same for an admin who wants to see what a user's token would say; makes nothing.
    pub(crate) async fn about_user(&self, user: User, app: &App) -> Result<About> {
        let mut read = self.store.read().await?;
        Ok(About {
            groups: read.groups_of(user.id).await?,
            pairwise_id: read.pairwise_id(&app.id, user.id).await?,
            transient_id: None,
            user,
        })
    }

    /// Random, so that it can neither be derived from anything nor come twice; what another server
    /// stored first is what counts.
    async fn new_pairwise_id(&self, user: &User, app: &App) -> Result<String> {
        let mut write = self.store.write().await?;
        let id = crypto::random::hex_id::<20>();
        let stored = write
            .add_pairwise_id(&app.id, user.id, &id, self.now())
            .await?;
        write.commit().await?;
        Ok(stored)
    }

    /// A code that stands for a session at one app, tells nothing about either, and needs no storing.
    pub(crate) fn code(&self, purpose: &str, session: &store::Session, app: &App) -> String {
        let mut message = session.id_hash.clone();
        message.extend_from_slice(app.id.as_bytes());
        let mac = self.master_key.mac(purpose, &message);
        // An xs:ID begins with no digit, and some readers take a SessionIndex for one.
        mac.iter()
            .take(16)
            .fold("_".to_owned(), |text, byte| format!("{text}{byte:02x}"))
    }
}

impl About {
    /// The value that names the user; one who has none cannot be named.
    pub fn name_id(&self, rule: &NameIdRule, app: &App) -> Result<String, Refusal> {
        self.values(&rule.source)
            .into_iter()
            .next()
            .ok_or_else(|| Refusal::NoIdentifier {
                upn: self.user.upn.clone(),
                label: app.label.clone(),
            })
    }

    /// An attribute without a value is left out (SAML 1.1 core §2.4.4 wants at least one).
    pub fn wsfed_attributes(&self, rules: &WsFedSettings) -> Result<Vec<saml11::Attribute>> {
        let mut attributes = Vec::with_capacity(rules.attributes.len());
        for rule in &rules.attributes {
            let values = self.values(&rule.source);
            if !values.is_empty() {
                let (namespace, name) = parse::attribute_name(&rule.name).map_err(|_| {
                    Error::broken(std::io::Error::other(
                        "a stored attribute name has no namespace",
                    ))
                })?;
                attributes.push(saml11::Attribute {
                    namespace,
                    name,
                    values,
                });
            }
        }
        Ok(attributes)
    }

    /// As above, for SAML 2.0.
    pub fn saml_attributes(&self, rules: &SamlSettings) -> Vec<saml2::Attribute> {
        let attributes = rules.attributes.iter().map(|rule| saml2::Attribute {
            name: rule.name.clone(),
            name_format: rule.name_format.clone(),
            friendly_name: rule.friendly_name.clone(),
            values: self.values(&rule.source),
        });
        attributes
            .filter(|attribute| !attribute.values.is_empty())
            .collect()
    }

    fn values(&self, source: &Source) -> Vec<String> {
        let user = &self.user;
        match source {
            Source::Upn => vec![user.upn.clone()],
            Source::Email => user.email.iter().cloned().collect(),
            Source::DisplayName => vec![user.display_name.clone()],
            Source::GivenName => user.given_name.iter().cloned().collect(),
            Source::FamilyName => user.family_name.iter().cloned().collect(),
            Source::ImmutableId => vec![user.immutable_id.clone()],
            Source::Groups => self.groups.iter().map(|group| group.name.clone()).collect(),
            Source::Pairwise => self.pairwise_id.iter().cloned().collect(),
            Source::Transient => self.transient_id.iter().cloned().collect(),
            Source::Constant(text) => vec![text.clone()],
        }
    }
}
