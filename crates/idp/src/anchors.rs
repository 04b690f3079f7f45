//! Anchors: the ImmutableIDs by which Microsoft knows our users. Written once; replaced only until they are
//! out in the world, or with a reason.

mod convert;
mod read;
mod reconcile;

use std::borrow::Cow;
use std::io::Read;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Map, Value, json};
use store::{Anchor, AnchorChange, AnchorSource, AnchorUse, User, Write};

pub use convert::{Conversion, Form, Reading, convert};
pub use read::{Format, LARGEST_FILE};
pub use reconcile::{Bad, BadKind, Findings, Remark, RemarkKind, Set};

use crate::audit::Entry;
use crate::error::{Error, Result};
use crate::parse::{self, Domain, Upn};
use crate::people::find_user;
use crate::{Idp, Origin};

/// How many changes one line of the audit tells about.
const CHANGES_PER_LINE: usize = 500;
/// How often an import says how far it is.
const ROWS_PER_REPORT: u64 = 10_000;

/// What the change of a used ImmutableID breaks, and the way around it.
pub const CONSEQUENCES: &str = "Entra finds nobody by the new ImmutableID and refuses the sign-in with AADSTS51004, until its user has the same one. Entra does not change it while the user is in a federated domain: set the user's UPN to one in the tenant's onmicrosoft.com domain, then set the UPN back together with the new onPremisesImmutableId. Entra Connect owns the ImmutableIDs of users whom it synchronises.";

/// A user's anchor as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AnchorInfo {
    pub upn: String,
    pub immutable_id: String,
    pub source: AnchorSource,
    /// Since when it is known to be out in the world, after which it stays.
    pub used_at: Option<DateTime<Utc>>,
    /// What showed that first.
    pub used_by: Option<AnchorUse>,
    /// What Entra has, as the last import found it.
    pub entra_immutable_id: Option<String>,
    /// When that import was.
    pub entra_seen_at: Option<DateTime<Utc>>,
    /// How ours compares with it, if an import has found the user.
    pub entra: Option<Comparison>,
}

/// How an ImmutableID of ours compares with Entra's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Comparison {
    Same,
    /// Entra has none for the user.
    None,
    /// The letters are the same, in another case.
    OtherCase,
    /// Both are one GUID, written in two ways.
    OtherForm,
    Different,
}

/// What became of a user's anchor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Changed {
    pub upn: String,
    pub immutable_id: String,
    pub before: String,
    pub changed: bool,
    /// What Entra must be told, when the former one was out in the world.
    pub consequences: Option<&'static str>,
}

/// How to import.
#[derive(Clone, Debug, Default)]
pub struct ImportOptions {
    pub dry_run: bool,
    /// Import the good rows when others are bad.
    pub skip_bad: bool,
    /// Also change what is out in the world, and why.
    pub reason: Option<String>,
}

/// What an import found and did.
#[derive(Debug, Serialize)]
pub struct ImportReport {
    pub format: Format,
    pub dry_run: bool,
    /// Whether `set` has happened.
    pub imported: bool,
    /// The file is one page of Graph's answer.
    pub more_pages: bool,
    #[serde(flatten)]
    pub findings: Findings,
    /// What Entra must be told, when something changed that was out in the world.
    pub consequences: Option<&'static str>,
}

/// How far an import is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    Read(u64),
    Writing(u64),
}

impl Idp {
    /// Everybody's anchor, or those of a domain and its sub-domains.
    pub async fn anchors(&self, domain: Option<&str>) -> Result<Vec<AnchorInfo>> {
        let domain = domain.map(Domain::parse).transpose()?;
        let within = |anchor: &Anchor| {
            domain.as_ref().is_none_or(|domain| {
                Upn::parse(&anchor.upn).is_ok_and(|upn| upn.domain().is_within(domain.as_str()))
            })
        };
        let anchors = self.store.read().await?.anchors().await?;
        Ok(anchors.into_iter().filter(within).map(info).collect())
    }

    /// Gives a user an anchor that is known from elsewhere.
    pub async fn set_anchor(
        &self,
        upn: &str,
        value: &str,
        reason: Option<&str>,
        origin: &Origin,
    ) -> Result<Changed> {
        let value = parse::immutable_id(value)?;
        let reason = parse_reason(reason)?;
        let mut write = self.store.write().await?;
        let user = find_user(&mut write, upn).await?;
        if let Some(holder) = write.upn_of_anchor(&value).await?
            && holder != user.upn
        {
            return Err(Error::Invalid(format!(
                "{holder} has the ImmutableID “{value}”, and it can belong to one user only"
            )));
        }
        let source = AnchorSource::Given;
        let changed = self
            .change(&mut write, user, value, source, reason.as_deref(), origin)
            .await?;
        write.commit().await?;
        Ok(changed)
    }

    /// Gives users new anchors, for all of them or for none. One that we made and nobody has seen stays.
    pub async fn generate_anchors(
        &self,
        upns: &[String],
        reason: Option<&str>,
        origin: &Origin,
    ) -> Result<Vec<Changed>> {
        let reason = parse_reason(reason)?;
        let mut write = self.store.write().await?;
        let mut all = Vec::with_capacity(upns.len());
        for upn in upns {
            let user = find_user(&mut write, upn).await?;
            let fresh = user.anchor_source == AnchorSource::Made && user.anchor_used_at.is_none();
            let value = if fresh {
                user.immutable_id.clone()
            } else {
                made()
            };
            let source = AnchorSource::Made;
            all.push(
                self.change(&mut write, user, value, source, reason.as_deref(), origin)
                    .await?,
            );
        }
        write.commit().await?;
        Ok(all)
    }

    async fn change(
        &self,
        write: &mut Write,
        person: User,
        to: String,
        source: AnchorSource,
        reason: Option<&str>,
        origin: &Origin,
    ) -> Result<Changed> {
        let used = person.anchor_used_at.is_some();
        let mut outcome = Changed {
            changed: to != person.immutable_id,
            consequences: None,
            before: person.immutable_id.clone(),
            immutable_id: to.clone(),
            upn: person.upn.clone(),
        };
        if !outcome.changed {
            return Ok(outcome);
        }
        let change = AnchorChange {
            upn_key: person.upn_key,
            from: person.immutable_id,
            to,
        };
        if used && reason.is_none() {
            return Err(Error::Invalid(format!(
                "the ImmutableID “{}” of {} is in use, so it stays: a token carried it, or Entra has it. To change it all the same, say why with --override. {CONSEQUENCES}",
                change.from, outcome.upn
            )));
        }
        let changes = std::slice::from_ref(&change);
        let moved = write.change_anchors(changes, source, used).await?;
        if moved == 0 {
            return Err(Error::Invalid(format!(
                "the ImmutableID of {} was changed or used for the first time at this moment; look at it and try again",
                outcome.upn
            )));
        }
        outcome.consequences = used.then_some(CONSEQUENCES);
        let mut entry = Entry::new("user.anchor-changed", origin)
            .user(&outcome.upn)
            .with("from", change.from)
            .with("to", change.to)
            .with("source", json!(source));
        if used {
            entry = entry.with("override", reason);
        }
        write.append_audit(&entry.at(self.now())).await?;
        Ok(outcome)
    }

    /// Takes over the anchors that a file from Entra has: all of them or none.
    ///
    /// The file is read on a thread of its own, and `progress` is called there.
    pub async fn import_anchors(
        &self,
        file: impl Read + Send + 'static,
        options: ImportOptions,
        progress: impl Fn(Progress) + Send + 'static,
        origin: &Origin,
    ) -> Result<ImportReport> {
        let reason = parse_reason(options.reason.as_deref())?;
        let even_used = reason.is_some();
        let ours = self.store.read().await?.anchors().await?;
        let read = move || {
            let mut rows = Vec::new();
            let file = read::read(file, &mut |row| {
                rows.push(row);
                let so_far = rows.len() as u64;
                if so_far.is_multiple_of(ROWS_PER_REPORT) {
                    progress(Progress::Read(so_far));
                }
            })?;
            let plan = reconcile::reconcile(&ours, rows, even_used);
            let changes = plan.changes.len() as u64;
            if changes >= ROWS_PER_REPORT {
                progress(Progress::Writing(changes));
            }
            Ok::<_, Error>((file, plan))
        };
        let (file, plan) = tokio::task::spawn_blocking(read)
            .await
            .map_err(Error::broken)??;
        let go = !options.dry_run && (options.skip_bad || plan.findings.bad.is_empty());
        if go {
            self.write_import(&plan, reason.as_deref(), origin).await?;
        }
        let used = plan.findings.set.iter().any(|set| set.used);
        Ok(ImportReport {
            format: file.format,
            dry_run: options.dry_run,
            imported: go,
            more_pages: file.more_pages,
            findings: plan.findings,
            consequences: used.then_some(CONSEQUENCES),
        })
    }

    async fn write_import(
        &self,
        plan: &reconcile::Plan,
        reason: Option<&str>,
        origin: &Origin,
    ) -> Result<()> {
        let now = self.now();
        let mut lines = Vec::new();
        for set in plan.findings.set.chunks(CHANGES_PER_LINE) {
            let changes: Map<String, Value> = set
                .iter()
                .map(|set| {
                    (
                        set.upn.clone(),
                        format!("{} -> {}", set.from, set.to).into(),
                    )
                })
                .collect();
            let mut entry =
                Entry::new("anchors.imported", origin).with("changes", Value::Object(changes));
            if set.iter().any(|set| set.used) {
                entry = entry.with("override", reason);
            }
            lines.push(entry.at(now));
        }
        if lines.is_empty() {
            // What Entra has becomes known, which makes what is the same stay.
            let entry = Entry::new("anchors.imported", origin).with("changes", Map::new());
            lines.push(entry.at(now));
        }
        let seen = plan
            .seen
            .iter()
            .map(|(key, anchor)| (key.as_str(), anchor.as_deref()));
        let mut write = self.store.write().await?;
        let changed = write
            .change_anchors(&plan.changes, AnchorSource::Imported, reason.is_some())
            .await?;
        if changed != plan.changes.len() as u64 {
            return Err(Error::Invalid(
                "an ImmutableID was changed or used for the first time while the file was read; nothing was imported, import it again".to_owned(),
            ));
        }
        write.note_entra_anchors(seen, now).await?;
        for line in &lines {
            write.append_audit(line).await?;
        }
        Ok(write.commit().await?)
    }
}

/// A new anchor: random, so that it tells nothing and never comes twice.
pub(crate) fn made() -> String {
    crypto::random::hex_id::<16>()
}

fn parse_reason(reason: Option<&str>) -> Result<Option<String>> {
    reason.map(|text| parse::name("reason", text)).transpose()
}

fn info(anchor: Anchor) -> AnchorInfo {
    let entra = anchor.entra_seen_at.map(|_| {
        let theirs = anchor.entra_anchor.as_deref();
        compare(&anchor.immutable_id, theirs)
    });
    AnchorInfo {
        upn: anchor.upn,
        immutable_id: anchor.immutable_id,
        source: anchor.anchor_source,
        used_at: anchor.anchor_used_at,
        used_by: anchor.anchor_used_by,
        entra_immutable_id: anchor.entra_anchor,
        entra_seen_at: anchor.entra_seen_at,
        entra,
    }
}

fn compare(ours: &str, theirs: Option<&str>) -> Comparison {
    let Some(theirs) = theirs else {
        return Comparison::None;
    };
    let guid = convert::only_guid;
    if ours == theirs {
        Comparison::Same
    } else if ours.eq_ignore_ascii_case(theirs) {
        Comparison::OtherCase
    } else if guid(ours).is_some_and(|ours| guid(theirs) == Some(ours)) {
        Comparison::OtherForm
    } else {
        Comparison::Different
    }
}

fn used_in_words(how: Option<AnchorUse>) -> &'static str {
    match how {
        Some(AnchorUse::Entra) => "Entra had at an earlier import",
        Some(AnchorUse::Token) | None => "a token carried",
    }
}

/// Whether a spreadsheet would compute a cell with this text.
fn is_formula(text: &str) -> bool {
    text.starts_with(['=', '+', '-', '@', '\t', '\r'])
}

/// A value as it can stand in a spreadsheet's cell.
pub fn for_spreadsheet(text: &str) -> Cow<'_, str> {
    if is_formula(text) {
        Cow::Owned(format!("'{text}"))
    } else {
        Cow::Borrowed(text)
    }
}
