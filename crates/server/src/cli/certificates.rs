//! `countersign cert`.

use std::fmt::Write as _;
use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;

use anyhow::Context as _;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use clap::{Args, Subcommand, ValueEnum};
use idp::Origin;
use idp::apps::AppInfo;
use idp::certificates::{
    self, CertificateInfo, Evidence, KeyFile, NewKey, Promoting, Retiring, next_steps,
    what_regenerating_breaks,
};
use serde::Serialize;
use store::Stage;
use zeroize::Zeroizing;

use super::apps::file;
use super::{Here, lines, password_from_stdin, without_line_break};

#[derive(Subcommand)]
pub enum Cert {
    /// List the certificates of an application, or of all.
    List { app: Option<String> },
    /// Show everything about an application's certificates, and what comes next.
    Show { app: String },
    /// Make the next key: its certificate is published, and it does not sign before it is promoted.
    Next {
        app: String,
        #[command(flatten)]
        new: New,
    },
    /// Record that the other side has the next certificate, without promoting it yet.
    Known {
        app: String,
        #[command(flatten)]
        evidence: Given,
    },
    /// Have the next key sign from now on; the one that signs now stays published until it is retired.
    Promote {
        app: String,
        #[command(flatten)]
        evidence: Given,
        /// Undo a promotion instead: the key that signed before signs again. It takes the same evidence, because
        /// the script “promote” makes Microsoft forget the former certificate.
        #[arg(long)]
        back: bool,
    },
    /// Take the replaced certificate out of the metadata and delete its key: an hour after the promotion.
    Retire {
        app: String,
        /// The next certificate instead, which will not sign then.
        #[arg(long)]
        next: bool,
        /// At once, because the key is compromised. Whoever just got a token of it has to sign in again.
        #[arg(long)]
        now: bool,
    },
    /// Take a key and a certificate that were made elsewhere as the next ones.
    Import(Import),
    /// Print a certificate in PEM. Private keys are never given out.
    Export {
        app: String,
        #[arg(long, default_value = "current")]
        stage: Exported,
        /// In DER instead.
        #[arg(long, conflicts_with = "oneline")]
        der: bool,
        /// In base64 on one line instead, as Microsoft wants it.
        #[arg(long)]
        oneline: bool,
    },
    /// Replace the key that signs at once, because it is compromised: nobody can sign in until the other side
    /// has the new certificate.
    Regenerate {
        app: String,
        /// The domain of the application, or its label; asked for on a terminal.
        #[arg(long, value_name = "DOMAIN-OR-LABEL")]
        confirm: Option<String>,
        #[command(flatten)]
        new: New,
    },
}

/// A key that is to be made.
#[derive(Args)]
pub struct New {
    /// 2048, 3072 or 4096 bits.
    #[arg(long, value_name = "BITS", default_value_t = NewKey::default().bits)]
    key_size: u32,
    /// How long its certificate is valid.
    #[arg(long, default_value_t = NewKey::default().days)]
    days: u32,
}

/// What says that the other side has the certificate.
#[derive(Args)]
pub struct Given {
    /// What “Get-MgDomainFederationConfiguration … | ConvertTo-Json” or Graph answered, saved to a file; once for
    /// each domain of the application. - reads standard input.
    #[arg(long, value_name = "FILE", conflicts_with = "i_know")]
    evidence: Vec<PathBuf>,
    /// Your word instead: who has given it the certificate, or why it knows it.
    #[arg(long, value_name = "WHO-OR-WHY")]
    i_know: Option<String>,
}

#[derive(Args)]
pub struct Import {
    app: String,
    /// The certificate, in PEM or DER.
    #[arg(
        long,
        value_name = "FILE",
        requires = "key",
        required_unless_present = "pfx"
    )]
    cert: Option<PathBuf>,
    /// Its private key, in PEM or DER, as PKCS#1 or PKCS#8, encrypted or not.
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
    /// Both in one file of PKCS#12.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["cert", "key"])]
    pfx: Option<PathBuf>,
    /// A file with the passphrase; one line break at its end does not count.
    #[arg(long, value_name = "FILE", conflicts_with = "passphrase_stdin")]
    passphrase_file: Option<PathBuf>,
    /// Read the passphrase from standard input. Without either it is asked for on a terminal.
    #[arg(long)]
    passphrase_stdin: bool,
}

#[derive(Clone, Copy, ValueEnum)]
pub enum Exported {
    Current,
    Next,
    Retired,
}

impl From<&New> for NewKey {
    fn from(new: &New) -> Self {
        Self {
            bits: new.key_size,
            days: new.days,
        }
    }
}

impl Given {
    fn read(self) -> anyhow::Result<Option<Evidence>> {
        if let Some(word) = self.i_know {
            return Ok(Some(Evidence::Word(word)));
        }
        if self.evidence.is_empty() {
            return Ok(None);
        }
        let files = self.evidence.iter().map(|path| file(path));
        Ok(Some(Evidence::Graph(files.collect::<anyhow::Result<_>>()?)))
    }
}

impl Import {
    fn key_file(&self) -> anyhow::Result<KeyFile> {
        match (&self.cert, &self.key, &self.pfx) {
            (_, _, Some(pfx)) => Ok(KeyFile::Pfx(Zeroizing::new(file(pfx)?))),
            (Some(cert), Some(key), None) => Ok(KeyFile::Pair {
                certificate: file(cert)?,
                private_key: Zeroizing::new(file(key)?),
            }),
            _ => anyhow::bail!("name the files by --cert and --key, or by --pfx"),
        }
    }

    /// Never from an argument, which others can read.
    fn passphrase(&self, needed: bool) -> anyhow::Result<Option<Zeroizing<String>>> {
        if let Some(path) = &self.passphrase_file {
            let bytes = Zeroizing::new(file(path)?);
            let text = std::str::from_utf8(&bytes).with_context(|| {
                format!("the passphrase in {} is not UTF-8 text", path.display())
            })?;
            return Ok(Some(without_line_break(text)));
        }
        if self.passphrase_stdin {
            return password_from_stdin().map(Some);
        }
        if !needed {
            return Ok(None);
        }
        if !std::io::stdin().is_terminal() {
            anyhow::bail!(
                "the private key is encrypted; give its passphrase with --passphrase-file FILE or --passphrase-stdin"
            );
        }
        let typed = rpassword::prompt_password("Passphrase of the private key: ")?;
        Ok(Some(Zeroizing::new(typed)))
    }
}

impl Cert {
    pub async fn run(self, here: &Here) -> anyhow::Result<()> {
        let origin = &Here::origin();
        let idp = &here.idp;
        let app = match self {
            Self::List { app } => return list(here, app).await,
            Self::Export {
                app,
                stage,
                der,
                oneline,
            } => {
                let form = match (der, oneline) {
                    (true, _) => Form::Der,
                    (false, true) => Form::OneLine,
                    (false, false) => Form::Pem,
                };
                return export(here, &app, stage, form).await;
            }
            Self::Show { app } => idp.app(&app).await?,
            Self::Next { app, new } => {
                idp.add_next_certificate(&app, NewKey::from(&new), origin)
                    .await?
            }
            Self::Known { app, evidence } => {
                let evidence = evidence.read()?.context(
                    "name what says so: --evidence FILE with Microsoft's answer, or --i-know WHO-OR-WHY",
                )?;
                idp.know_next_certificate(&app, &evidence, origin).await?
            }
            Self::Promote {
                app,
                evidence,
                back,
            } => {
                let which = if back {
                    Promoting::Replaced
                } else {
                    Promoting::Next
                };
                let evidence = evidence.read()?;
                idp.promote_certificate(&app, which, evidence.as_ref(), origin)
                    .await?
            }
            Self::Retire { app, next, now } => {
                let which = if next {
                    Retiring::Next
                } else {
                    Retiring::Replaced
                };
                idp.retire_certificate(&app, which, now, origin).await?
            }
            Self::Import(import) => {
                let key = import.key_file()?;
                let passphrase = import.passphrase(key.needs_passphrase(idp.now()))?;
                let (app, notes) = idp
                    .import_next_certificate(&import.app, key, passphrase, origin)
                    .await?;
                for note in notes {
                    eprintln!("note: {note}");
                }
                app
            }
            Self::Regenerate { app, confirm, new } => {
                regenerate(here, &app, confirm, NewKey::from(&new), origin).await?
            }
        };
        let report = Report {
            app_id: &app.id,
            label: &app.label,
            domain: app.domain.as_deref(),
            certificates: &app.certificates,
            next_steps: next_steps(&app, idp.now()),
        };
        here.out.print(&report, || told(&report))
    }
}

/// What is shown after each step.
#[derive(Serialize)]
struct Report<'a> {
    app_id: &'a str,
    label: &'a str,
    domain: Option<&'a str>,
    certificates: &'a [CertificateInfo],
    next_steps: Vec<String>,
}

/// A line of the list.
#[derive(Serialize)]
struct Listed<'a> {
    app_id: &'a str,
    label: &'a str,
    #[serde(flatten)]
    certificate: &'a CertificateInfo,
}

#[derive(Serialize)]
struct Printed<'a> {
    thumbprint: &'a str,
    certificate: &'a str,
}

enum Form {
    Pem,
    Der,
    OneLine,
}

async fn list(here: &Here, app: Option<String>) -> anyhow::Result<()> {
    let apps = match app {
        Some(app) => vec![here.idp.app(&app).await?],
        None => here.idp.apps().await?,
    };
    let listed: Vec<Listed> = apps
        .iter()
        .flat_map(|app| {
            app.certificates.iter().map(|certificate| Listed {
                app_id: &app.id,
                label: &app.label,
                certificate,
            })
        })
        .collect();
    here.out.print(&listed, || {
        lines(&listed, |one| {
            format!(
                "{}\t{}\t{}\t{}\t{}",
                one.app_id,
                state(one.certificate),
                one.certificate.thumbprint,
                one.certificate.until_in_words(),
                one.label
            )
        })
    })
}

async fn export(here: &Here, app: &str, stage: Exported, form: Form) -> anyhow::Result<()> {
    let app = here.idp.app(app).await?;
    let (stage, word) = match stage {
        Exported::Current => (Stage::Current, "current"),
        Exported::Next => (Stage::Next, "next"),
        Exported::Retired => (Stage::Retired, "retired"),
    };
    let certificate = app.certificate(stage).with_context(|| {
        format!(
            "the application has no {word} certificate; “countersign cert list” shows what it has"
        )
    })?;
    let one_line = certificates::on_one_line(&certificate.certificate);
    let text = match form {
        Form::Pem => &certificate.certificate,
        Form::Der if !here.out.json => {
            let der = BASE64_STANDARD.decode(&one_line)?;
            return Ok(std::io::stdout().write_all(&der)?);
        }
        // JSON holds no octets.
        Form::Der | Form::OneLine => &one_line,
    };
    let printed = Printed {
        thumbprint: &certificate.thumbprint,
        certificate: text,
    };
    here.out.print(&printed, || text.clone())
}

async fn regenerate(
    here: &Here,
    app: &str,
    confirm: Option<String>,
    new: NewKey,
    origin: &Origin,
) -> anyhow::Result<AppInfo> {
    let shown = here.idp.app(app).await?;
    let wanted = shown.domain.as_deref().unwrap_or(&shown.label);
    eprintln!("{}", what_regenerating_breaks(&shown));
    let confirmation = match confirm {
        Some(confirmation) => confirmation,
        None if std::io::stdin().is_terminal() => {
            eprint!("Type “{wanted}” to go on: ");
            let mut typed = String::new();
            std::io::stdin().read_line(&mut typed)?;
            typed
        }
        None => anyhow::bail!("nothing was changed; confirm with --confirm “{wanted}”"),
    };
    let regenerated = here
        .idp
        .regenerate_certificate(&shown.id, &confirmation, new, origin);
    Ok(regenerated.await?)
}

fn state(certificate: &CertificateInfo) -> &'static str {
    match (certificate.stage, certificate.published) {
        (Stage::Current, _) => "current",
        (Stage::Next, _) => "next",
        (Stage::Retired, true) => "retired, published",
        (Stage::Retired, false) => "retired",
    }
}

fn told(report: &Report) -> String {
    let mut text = format!("{}\t{}\n", report.app_id, report.label);
    let minute = |at: chrono::DateTime<chrono::Utc>| at.format("%Y-%m-%d %H:%M UTC").to_string();
    for certificate in report.certificates {
        let known = certificate
            .known_at
            .zip(certificate.known_by.as_ref())
            .map(|(at, by)| format!("{}: {by}", minute(at)));
        let size = certificate.key_size.map(|bits| format!("RSA {bits}"));
        let _ = writeln!(text, "\n{}", state(certificate));
        for (name, value) in [
            ("Thumbprint", Some(certificate.thumbprint.clone())),
            ("SHA-256", Some(certificate.sha256.clone())),
            ("Subject", Some(certificate.subject.clone())),
            ("Key", size),
            ("Valid from", Some(minute(certificate.not_before))),
            ("Valid until", Some(certificate.until_in_words())),
            ("Known since", known),
            ("Stopped signing", certificate.replaced_at.map(minute)),
            ("Withdrawn", certificate.withdrawn_at.map(minute)),
        ] {
            if let Some(value) = value {
                let _ = writeln!(text, "  {name:<17}{value}");
            }
        }
    }
    if !report.next_steps.is_empty() {
        let _ = writeln!(text, "\nWhat comes next");
    }
    for step in &report.next_steps {
        let _ = writeln!(text, "  {step}");
    }
    text
}
