//! `countersign app domain`, `app check-users` and `app compare`.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use idp::Origin;
use idp::apps::{DomainInfo, UserCheck};
use idp::compare::{Comparison, LARGEST, Verdict};
use idp::parse::in_unicode;

use super::Here;
use super::apps::{file_up_to, shown};

#[derive(Subcommand)]
pub enum Domain {
    /// Add a domain, with an issuer of its own.
    Add {
        app: String,
        domain: String,
        /// By which Microsoft knows us for it; https:// and the domain without it.
        #[arg(long)]
        issuer: Option<String>,
    },
    /// Remove a domain: its people get no token any more.
    Remove {
        app: String,
        domain: String,
        /// The domain once more. Without it nothing is removed, and you are told who would be shut out.
        #[arg(long, value_name = "DOMAIN")]
        confirm: Option<String>,
    },
    /// List the domains with their issuers.
    List { app: String },
}

impl Domain {
    pub async fn run(self, here: &Here, origin: &Origin) -> anyhow::Result<()> {
        let (app, notes) = match self {
            Self::Add {
                app,
                domain,
                issuer,
            } => {
                here.idp
                    .add_domain(&app, &domain, issuer.as_deref(), origin)
                    .await?
            }
            Self::Remove {
                app,
                domain,
                confirm,
            } => {
                here.idp
                    .remove_domain(&app, &domain, confirm.as_deref(), origin)
                    .await?
            }
            Self::List { app } => {
                let app = here.idp.app(&app).await?;
                return here
                    .out
                    .print(&app.domains, || super::lines(&app.domains, in_words));
            }
        };
        for note in notes {
            eprintln!("note: {note}");
        }
        here.out.print(&app, || shown(&app))
    }
}

/// A domain, as people write it too, and its issuer.
fn in_words(one: &DomainInfo) -> String {
    let unicode = in_unicode(&one.domain).map(|unicode| format!(" ({unicode})"));
    format!(
        "{}{}\t{}",
        one.domain,
        unicode.unwrap_or_default(),
        one.issuer
    )
}

/// All domains on lines that stand under each other in “app show”.
pub fn listed(domains: &[DomainInfo]) -> String {
    let one = |one: &DomainInfo| format!("{}  {}", one.domain, one.issuer);
    let all: Vec<_> = domains.iter().map(one).collect();
    all.join(&format!("\n{:<20}", ""))
}

pub async fn check_users(here: &Here, app: &str) -> anyhow::Result<()> {
    let check = here.idp.check_users(app).await?;
    here.out.print(&check, || checked(&check))
}

fn checked(check: &UserCheck) -> String {
    let domains = check.domains.join(", ");
    let mut text = String::new();
    for user in &check.blocked {
        let disabled = if user.enabled { "" } else { ", disabled" };
        let _ = match &user.other_app {
            Some(app) => writeln!(
                text,
                "{}\t{} is a domain of the application {app}{disabled}",
                user.upn, user.domain
            ),
            None => writeln!(
                text,
                "{}\t{} is a domain of no application{disabled}",
                user.upn, user.domain
            ),
        };
    }
    let _ = match check.blocked.len() {
        0 => writeln!(
            text,
            "Everybody who may use the application is of {domains}, or below (users looked at: {}).",
            check.checked
        ),
        blocked => writeln!(
            text,
            "{blocked} of {} users get no token here, and Microsoft would refuse one (AADSTS5000820): they are of none of the domains {domains}. Give them a user name in one of these, or add theirs with “countersign app domain add”.",
            check.checked
        ),
    };
    text
}

#[derive(Args)]
pub struct Compare {
    app: String,
    /// What “Get-MgDomainFederationConfiguration -DomainId DOMAIN | ConvertTo-Json” printed; - reads standard input.
    file: PathBuf,
    /// The domain, when the application has several.
    #[arg(long)]
    domain: Option<String>,
}

/// What Microsoft has stored differs: no mistake, but an exit code of its own.
#[derive(Debug, thiserror::Error)]
#[error("what Microsoft has stored differs")]
pub struct Differs;

impl Compare {
    pub async fn run(self, here: &Here) -> anyhow::Result<()> {
        // One more than is taken, so that what is too large is seen to be.
        let pasted = file_up_to(&self.file, LARGEST as u64 + 1)?;
        let comparison = here
            .idp
            .compare(&self.app, self.domain.as_deref(), &pasted)
            .await?;
        here.out.print(&comparison, || compared(&comparison))?;
        match comparison.verdict {
            Verdict::Different => Err(Differs.into()),
            Verdict::Same | Verdict::Acceptable => Ok(()),
        }
    }
}

/// The findings, the worst first.
fn compared(comparison: &Comparison) -> String {
    let mut text = String::new();
    let or_none = |value: &Option<String>| value.clone().unwrap_or_else(|| "(none)".to_owned());
    for wanted in [Verdict::Different, Verdict::Acceptable] {
        for finding in &comparison.findings {
            if finding.verdict != wanted {
                continue;
            }
            let _ = writeln!(text, "{}: {}", finding.setting, wanted.as_str());
            let _ = writeln!(text, "  ours    {}", or_none(&finding.ours));
            let _ = writeln!(text, "  theirs  {}", or_none(&finding.theirs));
            if let Some(why) = &finding.why {
                let _ = writeln!(text, "  why     {why}");
            }
            for command in &finding.mend {
                let _ = writeln!(text, "  mend    {command}");
            }
        }
    }
    let same: Vec<_> = comparison
        .findings
        .iter()
        .filter(|finding| finding.verdict == Verdict::Same)
        .map(|finding| finding.setting)
        .collect();
    if !same.is_empty() {
        let _ = writeln!(text, "the same: {}", same.join(", "));
    }
    let _ = match comparison.verdict {
        Verdict::Different => writeln!(
            text,
            "What Microsoft has stored about {} differs.",
            comparison.domain
        ),
        Verdict::Same | Verdict::Acceptable => writeln!(
            text,
            "What Microsoft has stored about {} is as it should be.",
            comparison.domain
        ),
    };
    text
}
