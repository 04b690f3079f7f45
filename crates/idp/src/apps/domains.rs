//! The domains of a Microsoft 365 app: an issuer for each, and one key for all of them.

use serde::Serialize;
use store::{App, AppKind, Issuer};

use super::{AppInfo, find_app};
use crate::audit::Entry;
use crate::error::{Error, Result};
use crate::parse::{self, Domain, Upn};
use crate::sign_on::{issuer_of, no_issuer};
use crate::{Idp, Origin};

/// A domain of an app, and the one string by which Microsoft knows us there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DomainInfo {
    pub domain: String,
    pub issuer: String,
}

impl DomainInfo {
    pub(super) fn of(issuer: &Issuer) -> Option<Self> {
        Some(Self {
            domain: issuer.domain.clone()?,
            issuer: issuer.issuer.clone(),
        })
    }
}

/// Who of those who may use an app is of none of its domains.
#[derive(Clone, Debug, Serialize)]
pub struct UserCheck {
    pub app_id: String,
    pub domains: Vec<String>,
    /// How many users were looked at.
    pub checked: usize,
    pub blocked: Vec<BlockedUser>,
}

/// Somebody whose token Entra would refuse (AADSTS5000820), and to whom we give none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BlockedUser {
    pub upn: String,
    pub domain: String,
    pub enabled: bool,
    /// The other app that has the domain, by its label.
    pub other_app: Option<String>,
}

impl AppInfo {
    /// The domain of this name, or the only one.
    pub fn domain_named(&self, domain: Option<&str>) -> Result<&DomainInfo> {
        let has = || listed(self.domains.iter().map(|one| one.domain.as_str()));
        match (domain, self.domains.as_slice()) {
            (None, [only]) => Ok(only),
            (None, _) => Err(Error::Invalid(format!(
                "the application has several domains; name one of them with --domain: {}",
                has()
            ))),
            (Some(named), domains) => {
                let named = Domain::parse(named)?;
                domains
                    .iter()
                    .find(|one| one.domain == named.as_str())
                    .ok_or_else(|| {
                        Error::Invalid(format!(
                            "the application has no domain {named}; it has {}",
                            has()
                        ))
                    })
            }
        }
    }

    /// The domain that a command is about: the one it names, or the one by which it names the app. None for
    /// an app that has no domains.
    pub fn domain_meant(&self, reference: &str, domain: Option<&str>) -> Result<Option<&str>> {
        if self.domains.is_empty() {
            return match domain {
                None => Ok(None),
                Some(_) => Err(Error::Invalid("the application has no domains".to_owned())),
            };
        }
        let reference = reference.trim();
        let named = self
            .domains
            .iter()
            .find(|one| one.domain.eq_ignore_ascii_case(reference));
        match named.filter(|_| domain.is_none()) {
            Some(meant) => Ok(Some(&meant.domain)),
            None => Ok(Some(&self.domain_named(domain)?.domain)),
        }
    }
}

impl Idp {
    /// Adds a domain to a Microsoft 365 app, and says what else has to be done for it.
    pub async fn add_domain(
        &self,
        reference: &str,
        domain: &str,
        issuer: Option<&str>,
        origin: &Origin,
    ) -> Result<(AppInfo, Vec<String>)> {
        let domain = Domain::to_federate(domain)?;
        let mut write = self.store.write().await?;
        let app = find_app(&mut write, reference).await?;
        has_domains(&app)?;
        let issuers = write.issuers_of(&app.id).await?;
        let new = Issuer {
            issuer: match issuer {
                Some(issuer) => parse::uri("issuer", issuer)?,
                None => format!("https://{domain}"),
            },
            app_id: app.id.clone(),
            domain: Some(domain.as_str().to_owned()),
        };
        must_be_free(&mut write, &new).await?;
        write.add_issuer(&new).await?;
        let entry = Entry::new("app.domain-added", origin)
            .app(&app.id)
            .with("domain", domain.as_str())
            .with("issuer", new.issuer.as_str());
        write.append_audit(&entry.at(self.now())).await?;
        let mut notes = vec![format!(
            "Microsoft does not know of it yet: run what “countersign app commands {} --domain {domain}” prints",
            app.id
        )];
        if let Some(above) = above(&domain, &issuers) {
            notes.push(format!(
                "people of {domain} had tokens of {above}, its parent, and now get tokens of {}; Microsoft takes those only for a sub-domain that was promoted (Graph: POST /domains/{domain}/promote) and is federated by itself",
                new.issuer
            ));
        }
        let shown = self.read_info(&mut write, app).await?;
        write.commit().await?;
        Ok((shown, notes))
    }

    /// Removes a domain from an app once its name was typed again; until then it says who would be shut out.
    pub async fn remove_domain(
        &self,
        reference: &str,
        domain: &str,
        confirmed: Option<&str>,
        origin: &Origin,
    ) -> Result<(AppInfo, Vec<String>)> {
        let domain = Domain::parse(domain)?;
        let mut read = self.store.read().await?;
        let app = find_app(&mut read, reference).await?;
        has_domains(&app)?;
        let issuers = read.issuers_of(&app.id).await?;
        let (leaving, staying): (Vec<Issuer>, Vec<Issuer>) = issuers
            .into_iter()
            .partition(|issuer| issuer.domain.as_deref() == Some(domain.as_str()));
        let has = listed(staying.iter().filter_map(|issuer| issuer.domain.as_deref()));
        let Some(leaving) = leaving.into_iter().next() else {
            return Err(Error::Invalid(format!(
                "the application has no domain {domain}; it has {has}"
            )));
        };
        let last = || {
            Error::Invalid(format!(
                "{domain} is the application's only domain, and without one it could serve nobody; to switch it off, run “countersign app set {} --enabled off”",
                app.id
            ))
        };
        if staying.is_empty() {
            return Err(last());
        }
        let mut all = staying.clone();
        all.push(leaving.clone());
        let concerned: Vec<String> = read
            .users_granted(&app.id)
            .await?
            .into_iter()
            .map(|user| user.upn)
            .filter(|upn| issuer_of(upn, &all) == Some(&leaving))
            .collect();
        drop(read);
        let effect = match above(&domain, &staying) {
            Some(parent) => format!(
                "{} of {domain} would get tokens of {parent}, its parent",
                people(&concerned)
            ),
            None => format!(
                "{} of {domain} would get no token any more",
                people(&concerned)
            ),
        };
        if confirmed.map(Domain::parse).transpose()?.as_ref() != Some(&domain) {
            return Err(Error::Invalid(format!(
                "nothing was removed: {effect}. First let Microsoft sign them in by itself, with “countersign app commands {} --action disable --domain {domain}”; then repeat the command with --confirm {domain}",
                app.id
            )));
        }
        let mut write = self.store.write().await?;
        if !write.remove_issuer(&app.id, domain.as_str()).await? {
            return Err(last());
        }
        let entry = Entry::new("app.domain-removed", origin)
            .app(&app.id)
            .with("domain", domain.as_str())
            .with("issuer", leaving.issuer.as_str())
            .with("users", concerned.len());
        write.append_audit(&entry.at(self.now())).await?;
        let shown = self.read_info(&mut write, app).await?;
        write.commit().await?;
        Ok((shown, vec![effect.replace(" would get ", " get ")]))
    }

    /// Who may use a Microsoft 365 app and is of none of its domains. Changes nothing.
    pub async fn check_users(&self, reference: &str) -> Result<UserCheck> {
        let mut read = self.store.read().await?;
        let app = find_app(&mut read, reference).await?;
        has_domains(&app)?;
        let issuers = read.issuers_of(&app.id).await?;
        let users = read.users_granted(&app.id).await?;
        let checked = users.len();
        let apps = read.apps().await?;
        let mut others = Vec::new();
        for other in apps.into_iter().filter(|other| other.id != app.id) {
            let theirs = read.issuers_of(&other.id).await?.into_iter();
            let domains = theirs.filter_map(|issuer| issuer.domain);
            others.extend(domains.map(|domain| (domain, other.label.clone())));
        }
        let outside = users
            .into_iter()
            .filter(|user| issuer_of(&user.upn, &issuers).is_none());
        let blocked = outside.map(|user| {
            let domain = Upn::parse(&user.upn).ok().map(|upn| upn.domain().clone());
            let other_app = domain.as_ref().and_then(|domain| {
                let served = others.iter().filter(|(name, _)| domain.is_within(name));
                served.max_by_key(|(name, _)| name.len())
            });
            BlockedUser {
                other_app: other_app.map(|(_, label)| label.clone()),
                domain: domain.map(|domain| domain.to_string()).unwrap_or_default(),
                upn: user.upn,
                enabled: user.enabled,
            }
        });
        Ok(UserCheck {
            blocked: blocked.collect(),
            checked,
            domains: issuers
                .into_iter()
                .filter_map(|issuer| issuer.domain)
                .collect(),
            app_id: app.id,
        })
    }
}

/// Only what is federated domain by domain has domains.
fn has_domains(app: &App) -> Result<()> {
    if app.kind == AppKind::M365 {
        return Ok(());
    }
    Err(Error::Invalid(format!(
        "only Microsoft 365 applications have domains, and {} is none; it has one issuer for everybody",
        app.label
    )))
}

/// No app may have the domain or the issuer yet.
pub(super) async fn must_be_free(read: &mut store::Read, new: &Issuer) -> Result<()> {
    if let Some(domain) = &new.domain
        && let Some(taken) = read.issuer_of_domain(domain).await?
    {
        let app = named(read, &taken).await?;
        return Err(Error::Invalid(format!(
            "{domain} is already served by the application {app}; a domain has one federation"
        )));
    }
    issuer_must_be_free(read, new).await
}

/// Nobody else may have the issuer: Entra finds the domain by it.
pub(super) async fn issuer_must_be_free(read: &mut store::Read, new: &Issuer) -> Result<()> {
    let Some(taken) = read.issuer(&new.issuer).await?.filter(|taken| taken != new) else {
        return Ok(());
    };
    let of = match &taken.domain {
        Some(domain) => format!("{domain} in the application"),
        None => "the application".to_owned(),
    };
    Err(Error::Invalid(format!(
        "{} is already the issuer of {of} {}; Microsoft finds the domain by it, so each has its own: choose another with --issuer",
        new.issuer,
        named(read, &taken).await?
    )))
}

/// An app by its label and its id.
async fn named(read: &mut store::Read, issuer: &Issuer) -> Result<String> {
    let app = read.app(&issuer.app_id).await?;
    let label = app.map(|app| app.label).unwrap_or_default();
    Ok(format!("{label} ({})", issuer.app_id))
}

/// The domain that a command about an issuer means: the one it names, or the one by which it names the app.
pub(super) fn meant_domain<'a>(
    issuers: &[Issuer],
    reference: &'a str,
    domain: Option<&'a str>,
) -> Option<&'a str> {
    let reference = reference.trim();
    let is_domain = issuers.iter().any(|issuer| {
        let domain = issuer.domain.as_deref();
        domain.is_some_and(|domain| domain.eq_ignore_ascii_case(reference))
    });
    domain.or_else(|| is_domain.then_some(reference))
}

/// The issuer that is to change: the domain's, or the only one.
pub(super) fn issuer_to_change<'a>(
    issuers: &'a [Issuer],
    domain: Option<&str>,
) -> Result<&'a Issuer> {
    let has = || listed(issuers.iter().filter_map(|issuer| issuer.domain.as_deref()));
    let Some(domain) = domain else {
        return match issuers {
            [only] => Ok(only),
            [] => Err(no_issuer()),
            _ => Err(Error::Invalid(format!(
                "the application has an issuer for each of its domains; say whose with --domain: {}",
                has()
            ))),
        };
    };
    let domain = Domain::parse(domain)?;
    let found = issuers
        .iter()
        .find(|issuer| issuer.domain.as_deref() == Some(domain.as_str()));
    found.ok_or_else(|| {
        Error::Invalid(match has() {
            none if none.is_empty() => "the application has no domains".to_owned(),
            has => format!("the application has no domain {domain}; it has {has}"),
        })
    })
}

/// The nearest domain above this one.
fn above<'a>(domain: &Domain, issuers: &'a [Issuer]) -> Option<&'a str> {
    let domains = issuers.iter().filter_map(|issuer| issuer.domain.as_deref());
    domains
        .filter(|other| domain.as_str() != *other && domain.is_within(other))
        .max_by_key(|other| other.len())
}

fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.collect::<Vec<_>>().join(", ")
}

/// How many, and the first of them by name.
fn people(upns: &[String]) -> String {
    const NAMED: usize = 5;
    match upns {
        [] => "nobody".to_owned(),
        [one] => format!("one person ({one})"),
        some if some.len() <= NAMED => format!("{} people ({})", some.len(), some.join(", ")),
        many => format!(
            "{} people ({} and {} more)",
            many.len(),
            many[..NAMED].join(", "),
            many.len() - NAMED
        ),
    }
}
