//! `countersign doctor`: whether an installation is in order.

use std::fmt::Write as _;
use std::process::ExitCode;

use clap::Args;
use idp::Clock;
use idp::doctor::{Finding, State};
use serde::Serialize;

use super::Out;
use crate::doctor;

#[derive(Args)]
pub struct Doctor {
    /// Ask neither the public URL nor Microsoft: nothing leaves this machine but questions to the database.
    #[arg(long)]
    offline: bool,
}

/// What was found, as it is printed.
#[derive(Serialize)]
struct Report {
    result: State,
    findings: Vec<Finding>,
}

impl Doctor {
    pub async fn run(self, out: &Out) -> anyhow::Result<ExitCode> {
        let findings = doctor::examine(Clock::system(), self.offline).await;
        let report = Report {
            result: doctor::worst(&findings),
            findings,
        };
        out.print(&report, || report.in_words())?;
        // 1 is left to a doctor who could not do his work.
        Ok(ExitCode::from(match report.result {
            State::Ok => 0,
            State::Problem => 2,
            State::Warning => 3,
        }))
    }
}

impl Report {
    fn in_words(&self) -> String {
        let mut text = String::new();
        for finding in &self.findings {
            let Finding {
                check,
                about,
                state,
                seen,
                fix,
            } = finding;
            let about = about
                .as_ref()
                .map_or_else(String::new, |whom| format!(" ({whom})"));
            let _ = writeln!(text, "{:<9}{check}{about}: {seen}", state.as_str());
            if let Some(fix) = fix {
                let _ = writeln!(text, "{:9}→ {fix}", "");
            }
        }
        let count = |state| {
            self.findings
                .iter()
                .filter(|one| one.state == state)
                .count()
        };
        let (problems, warnings) = (count(State::Problem), count(State::Warning));
        let _ = write!(
            text,
            "Problems: {problems}; warnings: {warnings}; looked at: {}.",
            self.findings.len()
        );
        text
    }
}
