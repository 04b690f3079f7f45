//! `countersign anchor`.

use std::fmt::Write as _;
use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::Subcommand;
use idp::anchors::{
    AnchorInfo, Changed, Comparison, Conversion, ImportOptions, ImportReport, Progress,
    for_spreadsheet,
};
use store::{AnchorSource, AnchorUse};

use super::{Here, Out, lines};

/// How many names of a list are printed in words; bad rows are printed all.
const NAMES_SHOWN: usize = 20;

#[derive(Subcommand)]
pub enum Anchor {
    /// List the ImmutableIDs: whether they are in use, where they came from, what Entra has.
    List {
        /// Only users of this domain and its sub-domains.
        #[arg(long)]
        domain: Option<String>,
        /// Print a spreadsheet.
        #[arg(long)]
        csv: bool,
    },
    /// Give a user an ImmutableID that is known from elsewhere.
    Set {
        upn: String,
        #[arg(allow_hyphen_values = true)]
        value: String,
        /// Change one that is in use, and why; Entra must be told.
        #[arg(long = "override", value_name = "REASON")]
        reason: Option<String>,
    },
    /// Give users new ImmutableIDs.
    Generate {
        #[arg(required = true)]
        upns: Vec<String>,
        /// Change those that are in use, and why; Entra must be told.
        #[arg(long = "override", value_name = "REASON")]
        reason: Option<String>,
    },
    /// Take over the ImmutableIDs of a file from Entra: JSON of Get-MgUser, or CSV.
    Import {
        /// “-” reads standard input.
        file: PathBuf,
        /// Show what would change, and change nothing.
        #[arg(long)]
        dry_run: bool,
        /// Import the good rows when others are bad.
        #[arg(long)]
        skip_bad: bool,
        /// Also change ImmutableIDs that are in use, and why; Entra must be told.
        #[arg(long = "override", value_name = "REASON")]
        reason: Option<String>,
    },
    /// Write a GUID in its three forms: GUID, base64 of its bytes, hexadecimal.
    Convert {
        #[arg(allow_hyphen_values = true)]
        value: String,
    },
}

impl Anchor {
    pub async fn run(self, here: &Here) -> anyhow::Result<()> {
        let origin = Here::origin();
        match self {
            Self::List { domain, csv } => {
                if csv && here.out.json {
                    bail!("choose one of --csv and --json");
                }
                let anchors = here.idp.anchors(domain.as_deref()).await?;
                if csv {
                    let spreadsheet = spreadsheet(&anchors)?;
                    return here.out.print(&anchors, || spreadsheet);
                }
                here.out.print(&anchors, || lines(&anchors, line))
            }
            Self::Set { upn, value, reason } => {
                let changed = here
                    .idp
                    .set_anchor(&upn, &value, reason.as_deref(), &origin)
                    .await?;
                here.out.print(&changed, || outcome(&changed))
            }
            Self::Generate { upns, reason } => {
                let changed = here
                    .idp
                    .generate_anchors(&upns, reason.as_deref(), &origin)
                    .await?;
                here.out.print(&changed, || lines(&changed, outcome))
            }
            Self::Import {
                file,
                dry_run,
                skip_bad,
                reason,
            } => {
                let source: Box<dyn Read + Send> = if file.as_os_str() == "-" {
                    Box::new(std::io::stdin())
                } else {
                    let opened = File::open(&file);
                    Box::new(opened.with_context(|| format!("cannot open {}", file.display()))?)
                };
                let options = ImportOptions {
                    dry_run,
                    skip_bad,
                    reason,
                };
                let report = here
                    .idp
                    .import_anchors(source, options, told, &origin)
                    .await?;
                here.out.print(&report, || imported(&report))?;
                let bad = report.findings.bad.len();
                if bad > 0 && !skip_bad {
                    bail!(
                        "{bad} bad rows, so nothing {} imported: mend them, or import the rest with --skip-bad",
                        if dry_run { "would be" } else { "was" }
                    );
                }
                Ok(())
            }
            Self::Convert { value } => convert(&value, &here.out),
        }
    }
}

pub fn convert(value: &str, out: &Out) -> anyhow::Result<()> {
    let conversion = idp::anchors::convert(value)?;
    out.print(&conversion, || conversion_in_words(&conversion))
}

fn conversion_in_words(conversion: &Conversion) -> String {
    let readings = lines(&conversion.readings, |reading| {
        format!(
            "Read as {}\n  GUID    {}\n  base64  {}\n  hex     {}",
            reading.read_as.in_words(),
            reading.guid,
            reading.base64,
            reading.hex
        )
    });
    format!("{readings}\n{}", conversion.remark.unwrap_or_default())
}

/// Progress goes to standard error, where it does not disturb the result.
fn told(progress: Progress) {
    match progress {
        Progress::Read(rows) => eprintln!("{rows} rows read"),
        Progress::Writing(changes) => eprintln!("writing {changes} changes"),
    }
}

fn line(anchor: &AnchorInfo) -> String {
    format!(
        "{}\t{}\t{}\t{}\t{}",
        anchor.upn,
        anchor.immutable_id,
        used(anchor),
        source(anchor.source),
        entra(anchor)
    )
}

fn used(anchor: &AnchorInfo) -> String {
    let Some(since) = anchor.used_at else {
        return "not used".to_owned();
    };
    let how = match anchor.used_by {
        Some(AnchorUse::Entra) => "Entra has it",
        Some(AnchorUse::Token) | None => "in tokens",
    };
    format!("{how} since {}", since.format("%Y-%m-%d"))
}

fn source(source: AnchorSource) -> &'static str {
    match source {
        AnchorSource::Unknown => "unknown",
        AnchorSource::Made => "made here",
        AnchorSource::Given => "typed",
        AnchorSource::Imported => "imported",
    }
}

fn entra(anchor: &AnchorInfo) -> String {
    let theirs = anchor.entra_immutable_id.as_deref().unwrap_or_default();
    match anchor.entra {
        None => "not compared".to_owned(),
        Some(Comparison::Same) => "same in Entra".to_owned(),
        Some(Comparison::None) => "none in Entra".to_owned(),
        Some(Comparison::OtherCase) => format!("other letter case in Entra: {theirs}"),
        Some(Comparison::OtherForm) => format!("the same GUID in another form in Entra: {theirs}"),
        Some(Comparison::Different) => format!("another in Entra: {theirs}"),
    }
}

/// With a header row that `import` reads too.
fn spreadsheet(anchors: &[AnchorInfo]) -> anyhow::Result<String> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record([
        "UserPrincipalName",
        "OnPremisesImmutableId",
        "Used",
        "Source",
        "EntraImmutableId",
        "Entra",
    ])?;
    for anchor in anchors {
        let theirs = anchor.entra_immutable_id.as_deref().unwrap_or_default();
        let compared = entra(anchor);
        let cells = [
            &anchor.upn,
            &anchor.immutable_id,
            &used(anchor),
            source(anchor.source),
            theirs,
            compared.split(':').next().unwrap_or_default(),
        ];
        writer.write_record(cells.map(|cell| for_spreadsheet(cell).into_owned()))?;
    }
    Ok(String::from_utf8(writer.into_inner()?)?)
}

fn outcome(changed: &Changed) -> String {
    if !changed.changed {
        return format!("{}: still {}", changed.upn, changed.immutable_id);
    }
    let consequences = changed
        .consequences
        .map_or_else(String::new, |text| format!("\n{text}"));
    format!(
        "{}: {} -> {}{consequences}",
        changed.upn, changed.before, changed.immutable_id
    )
}

fn imported(report: &ImportReport) -> String {
    let found = &report.findings;
    let set = match (report.imported, report.dry_run) {
        (true, _) => "Set",
        (false, true) => "Would be set",
        (false, false) => "Not set",
    };
    let mut text = String::new();
    for (what, number) in [
        ("Rows", count(found.rows)),
        ("Synchronised by Entra Connect", count(found.synced)),
        (set, found.set.len().to_string()),
        ("Equal already", count(found.equal)),
        ("None in Entra", found.without_anchor.len().to_string()),
        ("Missing here", found.missing_here.len().to_string()),
        (
            "Missing in the file",
            found.missing_in_file.len().to_string(),
        ),
        ("Bad rows", found.bad.len().to_string()),
    ] {
        let _ = writeln!(text, "{what:<30}{number:>8}");
    }
    if report.more_pages {
        text.push_str("\nThe file is one page of Graph's answer, and there are more (@odata.nextLink); Get-MgUser -All fetches them all.\n");
    }
    if found.rows > 0 && found.rows == found.without_anchor.len() as u64 {
        text.push_str("\nNobody in the file has an ImmutableID: Get-MgUser shows them only when asked, by -Property OnPremisesImmutableId.\n");
    }
    names(&mut text, set, &found.set, |set| {
        format!("row {}: {}: {} -> {}", set.row, set.upn, set.from, set.to)
    });
    let plain = String::clone;
    names(&mut text, "None in Entra", &found.without_anchor, plain);
    names(&mut text, "Missing here", &found.missing_here, plain);
    names(
        &mut text,
        "Missing in the file",
        &found.missing_in_file,
        plain,
    );
    names(&mut text, "Worth a look", &found.remarks, |remark| {
        format!("row {}: {}: {}", remark.row, remark.upn, remark.text)
    });
    if !found.bad.is_empty() {
        text.push_str("\nBad rows:\n");
        for bad in &found.bad {
            let whose = bad.upn.as_ref();
            let whose = whose.map_or_else(String::new, |upn| format!("{upn}: "));
            let _ = writeln!(text, "  row {}: {whose}{}", bad.row, bad.reason);
        }
    }
    if let Some(consequences) = report.consequences {
        let _ = writeln!(text, "\n{consequences}");
    }
    text
}

fn count(number: u64) -> String {
    number.to_string()
}

fn names<T>(text: &mut String, title: &str, items: &[T], name: impl Fn(&T) -> String) {
    if items.is_empty() {
        return;
    }
    let _ = writeln!(text, "\n{title}:");
    for item in items.iter().take(NAMES_SHOWN) {
        let _ = writeln!(text, "  {}", name(item));
    }
    if items.len() > NAMES_SHOWN {
        let more = items.len() - NAMES_SHOWN;
        let _ = writeln!(text, "  and {more} more; --json shows all");
    }
}
