//! An app's certificates: announced before they sign, replaced without anybody noticing, taken back while that
//! is possible.
//!
//! ```text
//!            next, import                promote
//!  current ───────────────► current ───────────────► current, and the one
//!          ◄─────────────── + next  ◄─────────────── that it replaced
//!     ▲      retire --next           promote --back        │
//!     └───────────────── retire, after the last token ─────┘
//! ```
//!
//! All three are in the metadata, and never more than these: whatever is asked for out of this order is refused.

mod evidence;

use chrono::{DateTime, TimeDelta, Utc};
use crypto::certificate::import;
use serde::Serialize;
use store::{App, AppKind, Issuer, SigningKey, Stage, Write};

pub use evidence::Evidence;

use crate::apps::{AppInfo, find_app};
use crate::audit::Entry;
use crate::error::{Error, Result};
use crate::federate::NextCertificate;
use crate::issue::LONGEST_LIFETIME;
use crate::signing_keys::{common_name, current, sealed};
use crate::{Idp, Origin};

pub use crate::signing_keys::NewKey;

/// A certificate as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CertificateInfo {
    pub stage: Stage,
    /// Whether metadata announces it.
    pub published: bool,
    /// SHA-1, upper-case hexadecimal, as Windows and Entra show it.
    pub thumbprint: String,
    /// SHA-256, upper-case hexadecimal.
    pub sha256: String,
    pub subject: String,
    /// The RSA modulus in bits.
    pub key_size: Option<u32>,
    pub not_before: DateTime<Utc>,
    pub not_after: DateTime<Utc>,
    /// An expired certificate still signs: people shall not be locked out by a date.
    pub expired: bool,
    /// Whole days until it expires; negative since it did.
    pub days_left: i64,
    pub created_at: DateTime<Utc>,
    /// Since when it is on record that the other side has it, and who or what says so.
    pub known_at: Option<DateTime<Utc>>,
    pub known_by: Option<String>,
    /// When it stopped signing.
    pub replaced_at: Option<DateTime<Utc>>,
    /// When it left the metadata, its private key deleted.
    pub withdrawn_at: Option<DateTime<Utc>>,
    /// PEM.
    pub certificate: String,
}

/// A key pair that was made elsewhere.
pub enum KeyFile {
    /// Each in PEM or DER.
    Pair {
        certificate: Vec<u8>,
        private_key: zeroize::Zeroizing<Vec<u8>>,
    },
    /// PKCS#12.
    Pfx(zeroize::Zeroizing<Vec<u8>>),
}

impl KeyFile {
    /// Whether it opens only with a passphrase.
    pub fn needs_passphrase(&self, now: DateTime<Utc>) -> bool {
        match self {
            Self::Pair { private_key, .. } => import::key_needs_passphrase(private_key),
            Self::Pfx(pfx) => import::pfx_needs_passphrase(pfx, now),
        }
    }
}

impl CertificateInfo {
    /// Until when it is valid, for people.
    pub fn until_in_words(&self) -> String {
        let until = self.not_after.format("%Y-%m-%d");
        match (self.expired, self.stage) {
            (true, Stage::Current) => format!("{until}, EXPIRED; it still signs"),
            (true, _) => format!("{until}, EXPIRED"),
            (false, _) => format!("{until}, {} days left", self.days_left),
        }
    }
}

/// Which key is to sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Promoting {
    /// The next one.
    Next,
    /// The one that signed before: the way back.
    Replaced,
}

/// Which certificate is to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retiring {
    /// The one that signed before.
    Replaced,
    /// The one that was going to sign.
    Next,
}

/// What comes next in the life of an app's certificates, as sentences for people.
pub fn next_steps(app: &AppInfo, now: DateTime<Utc>) -> Vec<String> {
    let name = app.domain.as_deref().unwrap_or(&app.id);
    let script = |action: &str| scripts(app, action, "”, “");
    let microsoft = app.kind == AppKind::M365;
    if let Some(next) = app.certificate(Stage::Next) {
        let promote = if next.known_at.is_some() {
            format!("Have it sign: countersign cert promote {name}")
        } else if microsoft {
            format!(
                "Save what the script of “{}” prints as JSON, and have it sign: countersign cert promote {name} --evidence FILE",
                script("show")
            )
        } else {
            format!(
                "When the other side has it, have it sign: countersign cert promote {name} --i-know WHO-OR-WHY"
            )
        };
        let hand_over = if microsoft {
            format!(
                "Give it to Microsoft, who may need two hours to know it everywhere: paste the script of “{}”.",
                script("rotate")
            )
        } else {
            format!(
                "Let the other side read our metadata again, or give it the certificate: countersign cert export {name} --stage next"
            )
        };
        return if next.known_at.is_some() {
            vec![promote]
        } else {
            vec![hand_over, promote]
        };
    }
    if let Some(replaced) = app.certificate(Stage::Retired) {
        let free = replaced.replaced_at.map(|at| at + LONGEST_LIFETIME);
        let free = free.filter(|free| now < *free);
        let mut steps = Vec::new();
        if let Some(free) = free {
            steps.push(format!(
                "Wait until {}, when the last token of the former key is over. Until then the way back is short: countersign cert promote {name} --back --i-know WHY",
                instant(free)
            ));
        }
        if microsoft {
            steps.push(format!(
                "Make it Microsoft's first certificate: paste the script of “{}”.",
                script("promote")
            ));
        }
        steps.push(format!(
            "Take the former one away: countersign cert retire {name}"
        ));
        return steps;
    }
    if app
        .certificate(Stage::Current)
        .is_some_and(|current| current.days_left <= 90)
    {
        return vec![format!("Make its successor: countersign cert next {name}")];
    }
    Vec::new()
}

/// The commands that print an action of the run-book, one for each domain: they have one key.
fn scripts(app: &AppInfo, action: &str, and: &str) -> String {
    let of = |domain: &str| format!("countersign app commands {domain} --action {action}");
    let all = app.domains.iter().map(|one| of(&one.domain));
    all.collect::<Vec<_>>().join(and)
}

/// Said before a key is replaced at once: what breaks, and how it is mended.
pub fn what_regenerating_breaks(app: &AppInfo) -> String {
    let name = app.domain.as_deref().unwrap_or(&app.id);
    let told = if app.kind == AppKind::M365 {
        format!(
            "To mend it at once, paste the script of: {}
Microsoft keeps the certificate before the last one, so do it twice: go on with a second new key (countersign cert next {name}, and what it says), so that the old one is forgotten.",
            scripts(app, "promote", ", and of: ")
        )
    } else {
        format!(
            "To mend it at once, have the other side read our metadata again, or give it the new certificate: countersign cert export {name}"
        )
    };
    format!(
        "From this moment on nobody can sign in to {}, until the other side knows the new certificate. All older keys are deleted; there is no way back.
{told}
For a key that is not compromised, “countersign cert next” replaces it without an interruption.",
        app.label
    )
}

/// The certificate that will sign, for the federation commands.
pub(crate) fn next_of(certificates: &[CertificateInfo]) -> Option<NextCertificate> {
    let next = certificates
        .iter()
        .find(|certificate| certificate.stage == Stage::Next)?;
    Some(NextCertificate {
        certificate: on_one_line(&next.certificate),
        thumbprint: next.thumbprint.clone(),
    })
}

/// PEM as Entra wants it: base64 alone.
pub fn on_one_line(pem: &str) -> String {
    pem.lines().filter(|line| !line.starts_with('-')).collect()
}

/// An app's certificates in the order in which people care for them.
pub(crate) fn shown(keys: &[SigningKey], now: DateTime<Utc>) -> Result<Vec<CertificateInfo>> {
    let mut keys: Vec<&SigningKey> = keys.iter().collect();
    keys.sort_by_key(|key| {
        let stage = match key.stage {
            Stage::Current => 0,
            Stage::Next => 1,
            Stage::Retired => 2,
        };
        (stage, std::cmp::Reverse(key.created_at))
    });
    keys.into_iter().map(|key| info(key, now)).collect()
}

fn info(key: &SigningKey, now: DateTime<Utc>) -> Result<CertificateInfo> {
    let certificate = certificate_of(key)?;
    let left = certificate.not_after() - now;
    Ok(CertificateInfo {
        stage: key.stage,
        published: key.withdrawn_at.is_none(),
        thumbprint: certificate.thumbprint(),
        sha256: certificate.sha256_fingerprint(),
        subject: certificate.subject(),
        key_size: certificate.rsa_bits(),
        not_before: certificate.not_before(),
        not_after: certificate.not_after(),
        expired: left < TimeDelta::zero(),
        days_left: whole_days(left),
        created_at: key.created_at,
        known_at: key.known_at,
        known_by: key.known_by.clone(),
        replaced_at: key.replaced_at,
        withdrawn_at: key.withdrawn_at,
        certificate: certificate.pem(),
    })
}

fn certificate_of(key: &SigningKey) -> Result<crypto::certificate::Certificate> {
    crypto::certificate::Certificate::from_der(&key.certificate).map_err(Error::broken)
}

fn thumbprint(key: &SigningKey) -> Result<String> {
    Ok(certificate_of(key)?.thumbprint())
}

/// Rounded down, so that “0” is the last day and “-1” the first one after it.
fn whole_days(left: TimeDelta) -> i64 {
    left.num_seconds().div_euclid(86_400)
}

fn instant(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%S UTC").to_string()
}

fn invalid<T>(text: String) -> Result<T> {
    Err(Error::Invalid(text))
}

/// An app and its keys, which nobody else changes until the transaction ends.
struct Locked {
    app: App,
    issuers: Vec<Issuer>,
    keys: Vec<SigningKey>,
}

impl Locked {
    fn current(&self) -> Result<&SigningKey> {
        current(&self.keys)
    }

    fn next(&self) -> Option<&SigningKey> {
        self.keys.iter().find(|key| key.stage == Stage::Next)
    }

    /// The one that signed before, as long as it can sign again.
    fn replaced(&self) -> Option<&SigningKey> {
        self.keys
            .iter()
            .filter(|key| key.stage == Stage::Retired && key.withdrawn_at.is_none())
            .max_by_key(|key| key.replaced_at)
    }

    /// A new one would have to be announced beside the two that are.
    fn expect_room(&self) -> Result<()> {
        if let Some(next) = self.next() {
            return invalid(format!(
                "there is a next certificate already, {}; promote it, or take it away with “countersign cert retire --next”",
                thumbprint(next)?
            ));
        }
        if let Some(replaced) = self.replaced() {
            return invalid(format!(
                "the replaced certificate {} is still published; take it away with “countersign cert retire” first",
                thumbprint(replaced)?
            ));
        }
        Ok(())
    }

    fn expect_replaced(&self) -> Result<&SigningKey> {
        if let Some(replaced) = self.replaced() {
            return Ok(replaced);
        }
        invalid(format!(
            "there is no way back from {}: the key before it was withdrawn, or there was none, or it signs again",
            thumbprint(self.current()?)?
        ))
    }

    fn expect_next(&self) -> Result<&SigningKey> {
        if let Some(next) = self.next() {
            return Ok(next);
        }
        let current = self.current()?;
        invalid(match self.replaced().and_then(|key| key.replaced_at) {
            Some(since) => format!(
                "there is no next certificate: {} signs since {} already",
                thumbprint(current)?,
                instant(since)
            ),
            None => format!(
                "there is no next certificate beside {}, which signs; make one with “countersign cert next”",
                thumbprint(current)?
            ),
        })
    }
}

impl Idp {
    /// Makes a key that is announced and does not sign yet.
    pub async fn add_next_certificate(
        &self,
        app: &str,
        new: NewKey,
        origin: &Origin,
    ) -> Result<AppInfo> {
        let mut read = self.store.read().await?;
        let app = find_app(&mut read, app).await?;
        let issuers = read.issuers_of(&app.id).await?;
        let keys = read.signing_keys(&app.id).await?;
        drop(read);
        let name = common_name(&app.id, issuers.first());
        // Asked twice: making a key takes a second, and nobody shall wait for it in vain.
        let locked = Locked { app, issuers, keys };
        locked.expect_room()?;
        let key = self
            .make_key(&locked.app.id, Stage::Next, name, new)
            .await?;
        self.announce(&locked.app.id, key, "made", origin).await
    }

    /// Takes a key that was made elsewhere as the next one. With what is to be noted about it.
    pub async fn import_next_certificate(
        &self,
        app: &str,
        file: KeyFile,
        passphrase: Option<zeroize::Zeroizing<String>>,
        origin: &Origin,
    ) -> Result<(AppInfo, Vec<String>)> {
        let app = find_app(&mut self.store.read().await?, app).await?;
        let (now, app_id, master_key) = (self.now(), app.id.clone(), self.master_key.clone());
        // What a passphrase protects well takes a while to open.
        let (key, weak_hash) = tokio::task::spawn_blocking(move || {
            let passphrase = passphrase.as_ref().map(|passphrase| passphrase.as_str());
            let imported = match &file {
                KeyFile::Pair {
                    certificate,
                    private_key,
                } => import::from_files(certificate, private_key, passphrase, now),
                KeyFile::Pfx(pfx) => import::from_pfx(pfx, passphrase, now),
            }
            .map_err(|error| Error::Invalid(error.to_string()))?;
            let key = sealed(&master_key, &app_id, Stage::Next, &imported.key, now);
            Ok::<_, Error>((key, imported.weak_hash))
        })
        .await
        .map_err(Error::broken)??;
        let notes = weak_hash.map(|hash| {
            format!(
                "the certificate itself is signed with {hash}; tokens are not, but some readers refuse such a certificate"
            )
        });
        let app = self.announce(&app.id, key, "imported", origin).await?;
        Ok((app, notes.into_iter().collect()))
    }

    /// Records that the other side has the next certificate.
    pub async fn know_next_certificate(
        &self,
        app: &str,
        evidence: &Evidence,
        origin: &Origin,
    ) -> Result<AppInfo> {
        let claim = evidence.read()?;
        let mut write = self.store.write().await?;
        let locked = self.lock(&mut write, app).await?;
        let next = locked.expect_next()?;
        self.record_known(&mut write, &locked, next, &claim, origin)
            .await?;
        self.changed(write, locked.app).await
    }

    /// Has another key sign from now on, at every server with its next token; the one that signed until now
    /// stays published. Refused as long as nothing says that the other side has its certificate.
    pub async fn promote_certificate(
        &self,
        app: &str,
        which: Promoting,
        evidence: Option<&Evidence>,
        origin: &Origin,
    ) -> Result<AppInfo> {
        let claim = evidence.map(Evidence::read).transpose()?;
        let mut write = self.store.write().await?;
        let locked = self.lock(&mut write, app).await?;
        let current = locked.current()?;
        let (successor, to, event) = match which {
            Promoting::Next => (
                locked.expect_next()?,
                Stage::Retired,
                "certificate.promoted",
            ),
            Promoting::Replaced => (
                locked.expect_replaced()?,
                Stage::Next,
                "certificate.promoted-back",
            ),
        };
        match (&claim, which) {
            (Some(claim), _) => {
                self.record_known(&mut write, &locked, successor, claim, origin)
                    .await?;
            }
            (None, _) if successor.known_at.is_some() => {}
            (None, Promoting::Next) => {
                return invalid(format!(
                    "nothing says yet that the other side has the certificate {}, and it would refuse every token of it; give its answer with --evidence FILE, or your word with --i-know WHO-OR-WHY",
                    thumbprint(successor)?
                ));
            }
            (None, Promoting::Replaced) => {
                let how = if locked.app.kind == AppKind::M365 {
                    "the script of the action promote makes Microsoft forget it. If that was not pasted yet, say so with --i-know WHO-OR-WHY; otherwise paste the script of the action restore, and give Microsoft's answer with --evidence FILE"
                } else {
                    "give your word with --i-know WHO-OR-WHY"
                };
                return invalid(format!(
                    "nothing says that the other side still has the former certificate {}; {how}",
                    thumbprint(successor)?
                ));
            }
        }
        // One compare-and-set: both, or somebody else was first.
        let swapped = write
            .replace_signing_key(current.id, to, self.now())
            .await?
            && write
                .promote_signing_key(successor.id, successor.stage)
                .await?;
        if !swapped {
            return changed_meanwhile();
        }
        let entry = Entry::new(event, origin)
            .with("certificate_thumbprint", thumbprint(successor)?)
            .with("replaced", thumbprint(current)?);
        self.audit_of(&mut write, &locked, entry).await?;
        self.changed(write, locked.app).await
    }

    /// Takes a certificate out of the metadata and deletes its private key. Refused while a token of it may
    /// still be on its way, unless `at_once`.
    pub async fn retire_certificate(
        &self,
        app: &str,
        which: Retiring,
        at_once: bool,
        origin: &Origin,
    ) -> Result<AppInfo> {
        let mut write = self.store.write().await?;
        let locked = self.lock(&mut write, app).await?;
        let key = match which {
            Retiring::Replaced => locked.replaced(),
            Retiring::Next => locked.next(),
        };
        let Some(key) = key else {
            return invalid(match which {
                Retiring::Replaced => {
                    "there is no replaced certificate; the one that signs is replaced by “countersign cert next” and “cert promote”".to_owned()
                }
                Retiring::Next => "there is no next certificate".to_owned(),
            });
        };
        let now = self.now();
        let early = key
            .replaced_at
            .map(|at| at + LONGEST_LIFETIME)
            .filter(|free| now < *free);
        if let Some(free) = early
            && !at_once
        {
            return invalid(format!(
                "tokens that {} signed may be in use until {}; try again then. Only a compromised key is taken away before, with --now",
                thumbprint(key)?,
                instant(free)
            ));
        }
        if !write.withdraw_signing_key(key.id, now).await? {
            return changed_meanwhile();
        }
        let entry = Entry::new("certificate.retired", origin)
            .with("certificate_thumbprint", thumbprint(key)?)
            .with("stage", stage_word(key.stage))
            .with("early", early.is_some());
        self.audit_of(&mut write, &locked, entry).await?;
        self.changed(write, locked.app).await
    }

    /// Replaces the key that signs at once, and deletes all others: nobody signs in until the other side has
    /// the new certificate. `confirmation` is the app's domain, or its label.
    pub async fn regenerate_certificate(
        &self,
        app: &str,
        confirmation: &str,
        new: NewKey,
        origin: &Origin,
    ) -> Result<AppInfo> {
        let shown = self.app(app).await?;
        let wanted = shown.domain.as_deref().unwrap_or(&shown.label);
        let confirmation = confirmation.trim();
        if !confirmation.eq_ignore_ascii_case(wanted) && confirmation != shown.label {
            return invalid(format!(
                "this was not confirmed, and nothing was changed; confirm with “{wanted}”"
            ));
        }
        let issuers = self.store.read().await?.issuers_of(&shown.id).await?;
        let name = common_name(&shown.id, issuers.first());
        let key = self.make_key(&shown.id, Stage::Current, name, new).await?;
        let mut write = self.store.write().await?;
        let locked = self.lock(&mut write, &shown.id).await?;
        let now = self.now();
        let current = locked.current()?;
        if !write
            .replace_signing_key(current.id, Stage::Retired, now)
            .await?
        {
            return changed_meanwhile();
        }
        let mut withdrawn = Vec::new();
        for old in &locked.keys {
            if write.withdraw_signing_key(old.id, now).await? {
                withdrawn.push(thumbprint(old)?);
            }
        }
        write.add_signing_key(&key).await?;
        let entry = Entry::new("certificate.regenerated", origin)
            .with("certificate_thumbprint", thumbprint(&key)?)
            .with("withdrawn", withdrawn);
        self.audit_of(&mut write, &locked, entry).await?;
        self.changed(write, locked.app).await
    }

    async fn announce(
        &self,
        app_id: &str,
        key: SigningKey,
        how: &str,
        origin: &Origin,
    ) -> Result<AppInfo> {
        let certificate = certificate_of(&key)?;
        let mut write = self.store.write().await?;
        let locked = self.lock(&mut write, app_id).await?;
        locked.expect_room()?;
        // A former key would be told apart from itself by nobody: Entra and metadata know certificates only.
        if locked
            .keys
            .iter()
            .any(|old| old.certificate == key.certificate)
        {
            return invalid(format!(
                "the application has, or had, the certificate {} already; take another one",
                certificate.thumbprint()
            ));
        }
        write.add_signing_key(&key).await?;
        let entry = Entry::new("certificate.added", origin)
            .with("certificate_thumbprint", certificate.thumbprint())
            .with("how", how)
            .with("key_size", certificate.rsa_bits())
            .with("not_after", certificate.not_after().to_rfc3339());
        self.audit_of(&mut write, &locked, entry).await?;
        self.changed(write, locked.app).await
    }

    async fn lock(&self, write: &mut Write, app: &str) -> Result<Locked> {
        let app = find_app(write, app).await?;
        write.lock_signing_keys(&app.id).await?;
        Ok(Locked {
            issuers: write.issuers_of(&app.id).await?,
            keys: write.signing_keys(&app.id).await?,
            app,
        })
    }

    async fn record_known(
        &self,
        write: &mut Write,
        locked: &Locked,
        next: &SigningKey,
        claim: &evidence::Claim,
        origin: &Origin,
    ) -> Result<()> {
        let by = claim.about(&locked.app, &locked.issuers, &certificate_of(next)?)?;
        if !write.know_signing_key(next.id, self.now(), &by).await? {
            return changed_meanwhile();
        }
        let entry = Entry::new("certificate.known", origin)
            .with("certificate_thumbprint", thumbprint(next)?)
            .with("evidence", claim.kind())
            .with("by", by);
        self.audit_of(write, locked, entry).await
    }

    async fn audit_of(&self, write: &mut Write, locked: &Locked, entry: Entry) -> Result<()> {
        let line = entry.app(&locked.app.id).at(self.now());
        Ok(write.append_audit(&line).await?)
    }

    async fn changed(&self, mut write: Write, app: App) -> Result<AppInfo> {
        let shown = self.read_info(&mut write, app).await?;
        write.commit().await?;
        Ok(shown)
    }
}

/// What the lock is there to make impossible; if it happens all the same, nothing is changed.
fn changed_meanwhile<T>() -> Result<T> {
    invalid(
        "somebody else changed the certificates at this moment; look at “countersign cert list” and decide again"
            .to_owned(),
    )
}

fn stage_word(stage: Stage) -> &'static str {
    match stage {
        Stage::Next => "next",
        Stage::Current => "current",
        Stage::Retired => "retired",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted_down_to_the_last_one_and_on() {
        for (hours, days) in [
            (49, 2),
            (48, 2),
            (47, 1),
            (1, 0),
            (0, 0),
            (-1, -1),
            (-25, -2),
        ] {
            assert_eq!(whole_days(TimeDelta::hours(hours)), days, "{hours} hours");
        }
    }

    #[test]
    fn one_line_is_the_certificate_alone() {
        let pem = "-----BEGIN CERTIFICATE-----\nMIIB\nAAA=\n-----END CERTIFICATE-----\n";
        assert_eq!(on_one_line(pem), "MIIBAAA=");
    }
}
