//! The command line: everything that can be set up without the web, on the same database while the server runs.

mod anchors;
mod apps;
mod certificates;
mod doctor;
mod domains;
mod people;
mod serve;

use std::io::Read as _;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use idp::{Clock, Idp, Origin};
use serde::Serialize;
use zeroize::Zeroizing;

use crate::config::Config;
use crate::foundation;
use crate::problem::in_one_line;

/// Countersign, the identity provider for your Microsoft 365 domain.
#[derive(Parser)]
#[command(
    version,
    about,
    after_help = "Settings come from config/*.toml and the environment; see config/default.toml."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Print the result as JSON.
    #[arg(long, global = true, overrides_with = "json")]
    json: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Run the server.
    Serve,
    /// Run a demonstration: the server with a demo company, and a stand-in for Microsoft 365.
    Demo(serve::Demo),
    /// Look whether this installation is in order, and say how to mend what is not.
    Doctor(doctor::Doctor),
    /// Add, show, enable and disable users.
    #[command(subcommand)]
    User(people::User),
    /// See, import and make the ImmutableIDs by which Microsoft 365 knows users.
    #[command(subcommand)]
    Anchor(anchors::Anchor),
    /// Add groups and choose who is in them.
    #[command(subcommand)]
    Group(people::Group),
    /// Add applications, grant them to groups, print what the other side needs.
    #[command(subcommand)]
    App(apps::App),
    /// Look after the certificates that applications know us by: list, replace, import, export.
    #[command(subcommand)]
    Cert(certificates::Cert),
    /// Read the audit.
    #[command(subcommand)]
    Audit(apps::Audit),
}

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = tokio::runtime::Runtime::new()
        .expect("a machine that can start a process can start its threads");
    match runtime.block_on(run(cli)) {
        Ok(code) => code,
        // It was printed already, as the result that it is.
        Err(error) if error.is::<domains::Differs>() => ExitCode::from(2),
        Err(error) => {
            eprintln!("countersign: {}", explained(&error));
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let out = Out { json: cli.json };
    match cli.command {
        Command::Demo(options) => serve::demo(options, &out).await?,
        Command::Serve => serve::serve(Config::load()?, &out).await?,
        Command::Doctor(doctor) => return doctor.run(&out).await,
        // Needs neither settings nor a database.
        Command::Anchor(anchors::Anchor::Convert { value }) => anchors::convert(&value, &out)?,
        change => carry_out(change, out).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn carry_out(change: Command, out: Out) -> anyhow::Result<()> {
    let here = Here {
        idp: foundation::open(&Config::load()?, Clock::system()).await?,
        out,
    };
    match change {
        Command::User(command) => command.run(&here).await,
        Command::Anchor(command) => command.run(&here).await,
        Command::Group(command) => command.run(&here).await,
        Command::App(command) => command.run(&here).await,
        Command::Cert(command) => command.run(&here).await,
        Command::Audit(command) => command.run(&here).await,
        Command::Demo(_) | Command::Serve | Command::Doctor(_) => {
            unreachable!("all three were taken before")
        }
    }
}

/// What a command works with.
struct Here {
    idp: Idp,
    out: Out,
}

impl Here {
    /// Who changes something: the operator, at this machine.
    fn origin() -> Origin {
        let id = uuid::Builder::from_random_bytes(idp::random_bytes()).into_uuid();
        Origin {
            source: "command line".to_owned(),
            correlation_id: id.to_string(),
            via: None,
        }
    }
}

/// How results are printed.
pub struct Out {
    json: bool,
}

impl Out {
    /// The result as JSON, or in words.
    pub fn print(
        &self,
        result: &impl Serialize,
        words: impl FnOnce() -> String,
    ) -> anyhow::Result<()> {
        use std::io::Write as _;
        let text = if self.json {
            serde_json::to_string_pretty(result)?
        } else {
            words()
        };
        let text = text.trim_end();
        if !text.is_empty() {
            // A reader that has seen enough (`| head`) is no failure.
            let _ = writeln!(std::io::stdout(), "{text}");
        }
        Ok(())
    }
}

/// One line for each.
pub fn lines<T>(items: &[T], line: impl Fn(&T) -> String) -> String {
    items.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// The password, from standard input; one line break at its end is not part of it.
fn password_from_stdin() -> anyhow::Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::new());
    std::io::stdin()
        .take(64 << 10)
        .read_to_string(&mut text)
        .map_err(|_| anyhow::anyhow!("the password on standard input is not UTF-8 text"))?;
    Ok(without_line_break(&text))
}

/// A secret without the one line break at its end that editors and `echo` put there.
fn without_line_break(text: &str) -> Zeroizing<String> {
    let line = text
        .strip_suffix('\n')
        .map_or(text, |line| line.strip_suffix('\r').unwrap_or(line));
    Zeroizing::new(line.to_owned())
}

/// The error and its causes, in one line; a refusal with what to do about it.
fn explained(error: &anyhow::Error) -> String {
    match error.downcast_ref::<idp::Error>() {
        Some(idp::Error::Refused(refusal, _)) => {
            format!("{refusal}. {}", refusal.explanation().what_to_do)
        }
        Some(idp::Error::Unavailable(reason)) => format!("{reason}; try again when it does"),
        _ => in_one_line(error.as_ref()),
    }
}
