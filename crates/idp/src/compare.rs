//! Drift: what Entra has stored about a domain beside what this server's commands store there.
//!
//! [`compare`] takes what an administrator pastes, which may be anything. It answers setting by setting,
//! and shows nothing of it but short texts without characters that cannot be seen.

mod pasted;
mod settings;

use serde::Serialize;
use store::Stage;

use crate::Idp;
use crate::error::{Error, Result};
use crate::federate::{Action, Federation};

/// The most that is read; a configuration has some 10 KiB.
pub const LARGEST: usize = 1 << 20;

/// What this server knows: what the domain should be, and what else it may turn out to be.
pub struct Known {
    pub federation: Federation,
    /// Whether the app has other domains, so that commands have to name this one.
    pub several: bool,
    /// The app's certificates, the retired ones too.
    pub certificates: Vec<KnownCertificate>,
    /// Every domain of every app, this one too.
    pub domains: Vec<KnownDomain>,
}

/// A certificate of the app.
#[derive(Clone, Debug)]
pub struct KnownCertificate {
    pub stage: Stage,
    /// DER as base64 on one line.
    pub base64: String,
}

/// A domain of this app or of another.
#[derive(Clone, Debug)]
pub struct KnownDomain {
    pub domain: String,
    pub issuer: String,
    pub label: String,
}

/// What came out.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    pub app_id: String,
    pub domain: String,
    /// The worst of the findings'; what an administrator may have chosen counts as the same.
    pub verdict: Verdict,
    pub findings: Vec<Finding>,
}

/// One setting, ours beside theirs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// As Graph spells it; of a certificate its thumbprint is shown.
    pub setting: &'static str,
    pub ours: Option<String>,
    pub theirs: Option<String>,
    pub verdict: Verdict,
    /// What the difference is or does, where there is one.
    pub why: Option<String>,
    /// The commands that mend it, each on one line.
    pub mend: Vec<String>,
}

/// How a setting compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    Same,
    /// Another value that does no harm, or that an administrator may want.
    Acceptable,
    Different,
}

impl Verdict {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Acceptable => "acceptable",
            Self::Different => "different",
        }
    }
}

impl Idp {
    /// Compares what Microsoft says about a domain of an app with what it should be. The domain has to be
    /// named only when the app has several. Reads, and changes nothing.
    pub async fn compare(
        &self,
        reference: &str,
        domain: Option<&str>,
        pasted: &[u8],
    ) -> Result<Comparison> {
        let app = self.app(reference).await?;
        let domain = app.domain_meant(reference, domain)?.map(str::to_owned);
        let several = app.domains.len() > 1;
        let federation = self.federation_of(app, domain.as_deref())?;
        let mut read = self.store.read().await?;
        let mut domains = Vec::new();
        for app in read.apps().await? {
            let issuers = read.issuers_of(&app.id).await?;
            domains.extend(issuers.into_iter().filter_map(|issuer| {
                Some(KnownDomain {
                    domain: issuer.domain?,
                    issuer: issuer.issuer,
                    label: app.label.clone(),
                })
            }));
        }
        let mut certificates = Vec::new();
        for key in read.signing_keys(&federation.app_id).await? {
            let certificate = crypto::certificate::Certificate::from_der(&key.certificate)
                .map_err(Error::broken)?;
            certificates.push(KnownCertificate {
                stage: key.stage,
                base64: certificate.base64().to_owned(),
            });
        }
        let known = Known {
            federation,
            several,
            certificates,
            domains,
        };
        compare(&known, pasted)
    }
}

/// Compares; what is no configuration, or is one of another domain, is refused with a reason.
pub fn compare(known: &Known, pasted: &[u8]) -> Result<Comparison> {
    let configurations = pasted::read(pasted)?;
    let (chosen, others) = pasted::choose(known, &configurations)?;
    let mut findings = Vec::new();
    let count = others + usize::from(chosen.is_some());
    if count != 1 {
        findings.push(Finding {
            setting: "federationConfiguration",
            ours: Some("one".to_owned()),
            theirs: Some(match count {
                0 => "none".to_owned(),
                _ => count.to_string(),
            }),
            verdict: Verdict::Different,
            why: Some(match count {
                0 => "Microsoft signs people of the domain in by itself: it is not federated".to_owned(),
                _ => "a domain has one federation, and nothing says which of these Microsoft follows; keep the one with our issuer and remove the others with Remove-MgDomainFederationConfiguration".to_owned(),
            }),
            mend: match count {
                0 => vec![known.run_book(Action::Enable)],
                _ => vec![known.run_book(Action::Show)],
            },
        });
    }
    if let Some(theirs) = chosen {
        findings.extend(settings::all(known, theirs));
    }
    let verdict = findings.iter().map(|finding| finding.verdict).max();
    Ok(Comparison {
        app_id: known.federation.app_id.clone(),
        domain: known.federation.domain.clone(),
        verdict: match verdict {
            Some(Verdict::Different) => Verdict::Different,
            _ => Verdict::Same,
        },
        findings,
    })
}

impl Known {
    /// The command that prints an action of the run-book.
    fn run_book(&self, action: Action) -> String {
        let Federation { app_id, domain, .. } = &self.federation;
        let of = if self.several {
            format!(" --domain {domain}")
        } else {
            String::new()
        };
        format!("countersign app commands {app_id} --action {action}{of}")
    }
}

/// What may be shown of what was pasted.
fn shortened(text: &str) -> String {
    const MOST: usize = 80;
    let shown = crate::parse::shown(text);
    if text.chars().nth(MOST).is_some() {
        format!("{shown}…")
    } else {
        shown
    }
}

#[cfg(test)]
mod tests;
