//! Whether an installation is in order: each thing that was looked at, what was seen, and how it is mended.

use chrono::{DateTime, TimeDelta, Utc};
use crypto::certificate::Certificate;
use crypto::xml_signature::{Limits, read, text_of, verify};
use serde::Serialize;
use store::{App, AppKind, Issuer, SigningKey, Source, Stage, User};

use crate::Idp;
use crate::apps::AppInfo;
use crate::cloud::Cloud;
use crate::error::{Error, Result};
use crate::expiry::InUse;
use crate::parse::{self, Upn};
use crate::sign_on::issuer_for;

/// By how much two clocks may differ before it is a warning, and before it is a problem.
const SKEW: (TimeDelta, TimeDelta) = (TimeDelta::seconds(60), TimeDelta::seconds(300));
/// How many people a finding names.
const NAMED: usize = 5;
/// Ours is far smaller; whatever answers at the public URL may be anything.
const METADATA: Limits = Limits {
    bytes: 1 << 20,
    depth: 64,
    attributes: 64,
    nodes: 100_000,
};

/// How something is; what comes later is worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    Ok,
    Warning,
    Problem,
}

impl State {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Problem => "problem",
        }
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at.
    pub check: &'static str,
    /// The application it is about, by its label, or another name.
    pub about: Option<String>,
    pub state: State,
    /// What was seen, as a sentence.
    pub seen: String,
    /// How it is mended; `None` when all is well.
    pub fix: Option<String>,
}

impl Finding {
    pub fn ok(check: &'static str, seen: impl Into<String>) -> Self {
        Self {
            check,
            about: None,
            state: State::Ok,
            seen: seen.into(),
            fix: None,
        }
    }

    pub fn warning(check: &'static str, seen: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            state: State::Warning,
            fix: Some(fix.into()),
            ..Self::ok(check, seen)
        }
    }

    pub fn problem(check: &'static str, seen: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            state: State::Problem,
            ..Self::warning(check, seen, fix)
        }
    }

    #[must_use]
    pub fn about(self, whom: &str) -> Self {
        Self {
            about: Some(whom.to_owned()),
            ..self
        }
    }
}

/// Compares our clock with somebody else's, who said `theirs` when ours showed `ours`.
pub fn clock(whose: &str, ours: DateTime<Utc>, theirs: DateTime<Utc>) -> Finding {
    let skew = (ours - theirs).abs();
    let direction = if ours > theirs { "ahead of" } else { "behind" };
    let seen = format!(
        "The clock of this machine is {} s {direction} that of {whose}.",
        skew.num_seconds()
    );
    let fix = "Synchronise the clocks (timedatectl set-ntp true, or chronyd): tokens hold from one minute before they are made, and what is off by minutes is refused (AADSTS500133).";
    match skew {
        skew if skew > SKEW.1 => Finding::problem("clock", seen, fix),
        skew if skew > SKEW.0 => Finding::warning("clock", seen, fix),
        _ => Finding::ok(
            "clock",
            format!("The clock of this machine agrees with that of {whose}."),
        ),
    }
    .about(whose)
}

/// An app with everything that is looked at.
struct Examined {
    app: App,
    issuers: Vec<Issuer>,
    keys: Vec<SigningKey>,
    groups: usize,
    /// The enabled members of its groups, each once.
    members: Vec<User>,
}

impl Idp {
    /// Looks at everything that is kept in the database; changes nothing.
    pub async fn examine(&self) -> Result<Vec<Finding>> {
        let mut findings = vec![self.examine_writing().await];
        let mut read = self.store.read().await?;
        let users = read.users().await?;
        let mut examined = Vec::new();
        for app in read.apps().await? {
            let mut members = read.users_granted(&app.id).await?;
            members.retain(|user| user.enabled);
            examined.push(Examined {
                issuers: read.issuers_of(&app.id).await?,
                keys: read.signing_keys(&app.id).await?,
                groups: read.granted_groups(&app.id).await?.len(),
                members,
                app,
            });
        }
        drop(read);
        findings.push(administrators(&users));
        if examined.is_empty() {
            findings.push(Finding::warning(
                "applications",
                "There is no application.",
                "Add one with “countersign app add m365 --domain DOMAIN”.",
            ));
        }
        findings.extend(unserved(&users, &examined));
        for one in &examined {
            let label = one.app.label.as_str();
            let mut about = vec![self.keys_open(one)];
            // One that has no key to sign with cannot be shown, and was found by now.
            if let Ok(shown) = self.app_by_id(&one.app.id).await {
                about.extend(certificates(&shown, self.now()));
            }
            about.extend(leftovers(one));
            if one.app.enabled {
                about.push(grants(one));
                about.extend(people(one));
                about.extend(open_to_the_world(one));
                about.push(self.own_metadata(one).await);
            } else {
                about.push(Finding::warning(
                    "enabled",
                    "It is disabled: nobody gets a token for it.",
                    format!(
                        "If it is still needed: countersign app set {} --enabled on",
                        one.app.id
                    ),
                ));
            }
            findings.extend(about.into_iter().map(|finding| finding.about(label)));
        }
        Ok(findings)
    }

    /// Whether the database takes a change, which is then taken back.
    async fn examine_writing(&self) -> Finding {
        let attempt = async {
            let mut write = self.store.write().await?;
            write
                .set_setting_once("doctor", b"dropped, never committed")
                .await?;
            drop(write);
            Ok::<_, store::Error>(())
        };
        match attempt.await {
            Ok(()) => Finding::ok("database", "It takes changes."),
            Err(error) => Finding::problem(
                "database",
                format!("It takes no changes: {}.", in_full(&error)),
                "Nobody can sign in until it does. Look for a full disk, a file that belongs to another user, a replica, or another program that keeps it locked.",
            ),
        }
    }

    fn keys_open(&self, one: &Examined) -> Finding {
        let check = "signing keys";
        // A key that was withdrawn has left its certificate behind, and nothing to open.
        let stored: Vec<&SigningKey> = one
            .keys
            .iter()
            .filter(|key| !key.sealed_private_key.is_empty())
            .collect();
        if !stored.iter().any(|key| key.stage == Stage::Current) {
            return Finding::problem(
                check,
                "No key signs for it.",
                format!(
                    "Restore the database from a backup, or make a key with “countersign cert regenerate {}”.",
                    one.app.id
                ),
            );
        }
        match stored.iter().find(|key| self.open_key(key).is_err()) {
            Some(key) => Finding::problem(
                check,
                format!(
                    "The private key in stage “{}” does not open under the master key, or does not fit its certificate.",
                    stage(key.stage)
                ),
                "Restore the database and the master key of the same installation from a backup.",
            ),
            None => Finding::ok(check, format!("{} of {} open.", stored.len(), stored.len())),
        }
    }

    /// Our own metadata, made here and read back as strictly as a message of somebody else.
    async fn own_metadata(&self, one: &Examined) -> Finding {
        let mut judged = Ok(());
        for issuer in &one.issuers {
            let (id, domain) = (&one.app.id, issuer.domain.as_deref());
            let made = if one.app.wsfed.is_some() {
                self.wsfed_metadata(id, domain).await
            } else {
                self.saml_metadata(id, domain, true).await
            };
            judged = judged.and(match made {
                Ok(metadata) => {
                    self.judge(&one.keys, std::slice::from_ref(issuer), metadata.as_bytes())
                }
                Err(error) => Err(format!("cannot be made: {}", in_full(&error))),
            });
        }
        match judged {
            Ok(()) => Finding::ok(
                "metadata",
                "The signature verifies, the issuer is the stored one, and every address is under the public URL.",
            ),
            Err(what) => Finding::problem(
                "metadata",
                format!("Its metadata {what}."),
                "Compare with “countersign app show”; if a key was damaged, restore the database from a backup.",
            ),
        }
    }

    /// Whether `metadata`, fetched from the app's address, is what this installation says of the app; what
    /// is wrong with it follows "its metadata …".
    pub async fn examine_metadata(
        &self,
        app_id: &str,
        metadata: &[u8],
    ) -> Result<std::result::Result<(), String>> {
        let mut read = self.store.read().await?;
        let app = read.app(app_id).await?;
        let app = app.ok_or(crate::Refusal::UnknownApp)?;
        let issuers = read.issuers_of(&app.id).await?;
        let keys = read.signing_keys(&app.id).await?;
        Ok(self.judge(&keys, &issuers, metadata))
    }

    /// Metadata has to be signed with one of the keys, in the name of one of the issuers.
    fn judge(
        &self,
        keys: &[SigningKey],
        issuers: &[Issuer],
        metadata: &[u8],
    ) -> std::result::Result<(), String> {
        let document =
            read(metadata, &METADATA).map_err(|error| format!("cannot be read: {error}"))?;
        let keys: Vec<Certificate> = keys
            .iter()
            .filter(|key| key.withdrawn_at.is_none())
            .filter_map(|key| Certificate::from_der(&key.certificate).ok())
            .collect();
        let verified = verify(document.root_element(), &keys)
            .map_err(|error| format!("is not signed by a key of this application: {error}"))?;
        let root = verified.element();
        let issuer = root.attribute("entityID").unwrap_or_default();
        if !issuers.iter().any(|stored| stored.issuer == issuer) {
            return Err(format!(
                "names the issuer “{issuer}”, which is not the stored one"
            ));
        }
        let base = format!("{}/", self.urls().base());
        let addresses = root.descendants().flat_map(|node| {
            let locations = ["Location", "ResponseLocation"]
                .into_iter()
                .filter_map(move |name| node.attribute(name).map(str::to_owned));
            let text = (node.tag_name().name() == "Address").then(|| text_of(node));
            locations.chain(text)
        });
        match addresses
            .into_iter()
            .find(|address| !address.starts_with(&base))
        {
            Some(foreign) => Err(format!(
                "has the address {foreign}, which is not under the public URL {base}"
            )),
            None => Ok(()),
        }
    }
}

fn administrators(users: &[User]) -> Finding {
    let enabled = users
        .iter()
        .filter(|user| user.admin && user.enabled)
        .count();
    if enabled == 0 {
        return Finding::problem(
            "administrators",
            "No administrator is enabled.",
            "Start the server again for a set-up link, or run “countersign user add UPN --admin --display-name NAME --password-stdin” or “countersign user enable UPN”.",
        );
    }
    Finding::ok("administrators", format!("{enabled} enabled."))
}

/// People whom no domain covers. Administrators may well be of another one.
fn unserved(users: &[User], examined: &[Examined]) -> Option<Finding> {
    let domains: Vec<&str> = examined
        .iter()
        .flat_map(|one| &one.issuers)
        .filter_map(|issuer| issuer.domain.as_deref())
        .collect();
    if domains.is_empty() {
        return None;
    }
    let elsewhere = |user: &User| {
        examined.iter().any(|one| {
            one.issuers.iter().any(|issuer| issuer.domain.is_none())
                && one.members.iter().any(|member| member.id == user.id)
        })
    };
    let outside: Vec<&str> = users
        .iter()
        .filter(|user| user.enabled && !user.admin)
        .filter(|user| {
            !Upn::parse(&user.upn)
                .is_ok_and(|upn| domains.iter().any(|domain| upn.domain().is_within(domain)))
        })
        .filter(|user| !elsewhere(user))
        .map(|user| user.upn.as_str())
        .collect();
    if outside.is_empty() {
        return Some(Finding::ok(
            "domains",
            "Every user is of a domain that is served.",
        ));
    }
    Some(Finding::warning(
        "domains",
        format!("No application serves the domain of {}.", named(&outside)),
        "Add the domain (“countersign app add m365 --domain DOMAIN”), or disable who is not needed any more (“countersign user disable UPN”).",
    ))
}

fn certificates(app: &AppInfo, now: DateTime<Utc>) -> Vec<Finding> {
    let in_use = InUse::of(app, now).into_iter();
    in_use
        .map(|certificate| {
            let seen = certificate.sentence(now);
            match certificate.due(now) {
                None => Finding::ok("certificate", seen),
                Some(due) if due.is_urgent() => {
                    Finding::problem("certificate", seen, certificate.what_to_do)
                }
                Some(_) => Finding::warning("certificate", seen, certificate.what_to_do),
            }
        })
        .collect()
}

/// What only a demonstration or a test has.
fn leftovers(one: &Examined) -> Option<Finding> {
    let example = one.issuers.iter().find_map(|issuer| {
        let domain = issuer.domain.as_deref()?;
        ["example", "test", "invalid", "localhost"]
            .contains(&domain.rsplit('.').next().unwrap_or_default())
            .then_some(domain)
    });
    if let Some(domain) = example {
        return Some(Finding::warning(
            "leftovers",
            format!("The domain {domain} exists for examples only (RFC 2606)."),
            format!(
                "If it was a trial: countersign app set {} --enabled off",
                one.app.id
            ),
        ));
    }
    let own = one.app.entra_url.as_deref()?;
    let cloud: Cloud = one.app.cloud.as_deref()?.parse().ok()?;
    (own != cloud.entra_url()).then(|| {
        Finding::warning(
            "leftovers",
            format!(
                "{own} stands for {}: tokens go to a stand-in for Microsoft.",
                cloud.entra_url()
            ),
            format!(
                "If it was a trial: countersign app set {} --enabled off, and add the real domain.",
                one.app.id
            ),
        )
    })
}

fn grants(one: &Examined) -> Finding {
    let fix = format!("countersign app grant {} GROUP", one.app.id);
    match (one.groups, one.members.len()) {
        (0, _) => Finding::warning("grants", "No group may use it, so nobody can.", fix),
        (_, 0) => Finding::warning(
            "grants",
            "The groups that may use it have no enabled member.",
            "countersign group join GROUP UPN",
        ),
        (groups, members) => Finding::ok(
            "grants",
            format!("Enabled users who may use it: {members}; granted groups: {groups}."),
        ),
    }
}

/// Those who may use it, and would be refused all the same.
fn people(one: &Examined) -> Vec<Finding> {
    let mut findings = Vec::new();
    let (inside, outside): (Vec<&User>, Vec<&User>) = one
        .members
        .iter()
        .partition(|user| issuer_for(user, &one.app, &one.issuers).is_ok());
    if !outside.is_empty() {
        let upns: Vec<&str> = outside.iter().map(|user| user.upn.as_str()).collect();
        findings.push(Finding::warning(
            "users",
            format!(
                "Of those who may use it, {} cannot: their UPN is outside of its domain.",
                named(&upns)
            ),
            "Take them out of the group (“countersign group leave GROUP UPN”), or add their domain.",
        ));
    }
    let wsfed = one.app.wsfed.as_ref().map(|rules| &rules.name_id.source);
    let saml = one.app.saml.as_ref().map(|rules| &rules.name_id.source);
    let sources: Vec<&Source> = wsfed.into_iter().chain(saml).collect();
    let lacking: Vec<&str> = inside
        .iter()
        .filter(|user| sources.iter().any(|source| lacks(user, source)))
        .map(|user| user.upn.as_str())
        .collect();
    if !lacking.is_empty() {
        findings.push(Finding::warning(
            "users",
            format!(
                "{} have no value for the identifier that it asks for.",
                named(&lacking)
            ),
            format!("See it with “countersign app preview {} UPN”, and choose another identifier with “countersign app set {} --name-id”.", one.app.id, one.app.id),
        ));
    }
    if one.app.kind == AppKind::M365 {
        let unfit: Vec<&str> = inside
            .iter()
            .filter(|user| parse::immutable_id(&user.immutable_id).is_err())
            .map(|user| user.upn.as_str())
            .collect();
        if !unfit.is_empty() {
            findings.push(Finding::warning(
                "users",
                format!("{} have an ImmutableID that Microsoft does not take.", named(&unfit)),
                "Compare it with “countersign user show UPN” and OnPremisesImmutableId at Microsoft.",
            ));
        }
    }
    if findings.is_empty() && !one.members.is_empty() {
        findings.push(Finding::ok(
            "users",
            "Everybody who may use it has what it asks for.",
        ));
    }
    findings
}

fn lacks(user: &User, source: &Source) -> bool {
    match source {
        Source::Email => user.email.is_none(),
        Source::GivenName => user.given_name.is_none(),
        Source::FamilyName => user.family_name.is_none(),
        // Whoever may use an app is in a group; the last two are made when they are needed.
        Source::Upn
        | Source::DisplayName
        | Source::ImmutableId
        | Source::Constant(_)
        | Source::Groups
        | Source::Pairwise
        | Source::Transient => false,
    }
}

fn open_to_the_world(one: &Examined) -> Option<Finding> {
    let active = &one.app.wsfed.as_ref()?.active;
    if !active.on {
        return Some(Finding::ok(
            "ws-trust",
            "Off: a password alone gets no token.",
        ));
    }
    let everywhere = active.networks.is_empty()
        || active
            .networks
            .iter()
            .any(|network| network.ends_with("/0"));
    Some(if everywhere {
        Finding::warning(
            "ws-trust",
            "On for the whole world: a user name and a password alone get a token, without a page and without a second factor.",
            format!(
                "Keep it to your networks with “countersign app set {} --active-from NETWORK”, or turn it off with “--active off”. Devices that travel need it open.",
                one.app.id
            ),
        )
    } else {
        Finding::ok(
            "ws-trust",
            format!("On for {} only.", active.networks.join(", ")),
        )
    })
}

fn stage(stage: Stage) -> &'static str {
    match stage {
        Stage::Next => "next",
        Stage::Current => "current",
        Stage::Retired => "retired",
    }
}

/// An error and what it came from.
fn in_full(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |error| error.source());
    causes.fold(error.to_string(), |line, cause| format!("{line}: {cause}"))
}

/// The first few, and how many more.
fn named(upns: &[&str]) -> String {
    let first = upns
        .iter()
        .take(NAMED)
        .copied()
        .collect::<Vec<_>>()
        .join(", ");
    match upns.len().saturating_sub(NAMED) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

impl Idp {
    /// Which address of an app gives signed metadata, of the first one that is enabled.
    pub async fn metadata_to_fetch(&self) -> Result<Option<(String, String)>> {
        let apps = self.store.read().await?.apps().await.map_err(Error::from)?;
        Ok(apps.into_iter().find(|app| app.enabled).map(|app| {
            let url = if app.wsfed.is_some() {
                self.urls().wsfed_metadata(&app.id)
            } else {
                format!("{}?signed=1", self.urls().saml_metadata(&app.id))
            };
            (app.id, url)
        }))
    }

    /// Where Microsoft's sign-in lives for the domains that are served here.
    pub async fn microsofts(&self) -> Result<Vec<String>> {
        let apps = self.store.read().await?.apps().await?;
        let mut urls: Vec<String> = apps.into_iter().filter_map(|app| app.entra_url).collect();
        urls.sort();
        urls.dedup();
        Ok(urls)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_may_differ_by_a_minute_and_not_by_five() {
        let now = DateTime::from_timestamp(1_800_000_000, 0).expect("an instant");
        for (seconds, state) in [
            (0, State::Ok),
            (60, State::Ok),
            (61, State::Warning),
            (300, State::Warning),
            (301, State::Problem),
        ] {
            for sign in [1, -1] {
                let theirs = now + TimeDelta::seconds(sign * seconds);
                let finding = clock("login.contoso.com", now, theirs);
                assert_eq!(finding.state, state, "{finding:?}");
                assert_eq!(finding.fix.is_some(), state != State::Ok);
            }
        }
        let behind = clock("x", now, now + TimeDelta::seconds(90)).seen;
        assert!(behind.contains("90 s behind"), "{behind}");
    }

    #[test]
    fn a_long_list_is_cut_with_its_number() {
        assert_eq!(named(&["a", "b"]), "a, b");
        assert_eq!(named(&["a"; 7]), "a, a, a, a, a and 2 more");
    }

    #[test]
    fn what_is_worse_comes_later() {
        assert!(State::Ok < State::Warning && State::Warning < State::Problem);
    }
}
