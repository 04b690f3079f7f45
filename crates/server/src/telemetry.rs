//! The log: structured lines on standard error. `RUST_LOG` chooses the level, `info` without it.

use std::fmt;

use tracing::field::{Field, Visit};
use tracing::span::Record;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::FormattedFields;
use tracing_subscriber::fmt::format::{DefaultFields, FormatFields, Writer};

use crate::config::LogFormat;

/// Starts logging; called once, by whoever is the process.
pub fn start(format: LogFormat) {
    let filter = EnvFilter::builder()
        .with_default_directive(tracing::level_filters::LevelFilter::INFO.into())
        .from_env_lossy()
        // It reports at every start that its own table is already there.
        .add_directive("sqlx=warn".parse().expect("a directive that we wrote"));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()));
    match format {
        LogFormat::Json => log
            .json()
            .flatten_event(true)
            .with_current_span(true)
            .with_span_list(false)
            .init(),
        LogFormat::Text => log.fmt_fields(LatestFields::default()).init(),
    }
}

/// A span's fields as text; one that is recorded again takes the place of the old one, as it does in JSON.
#[derive(Default)]
struct LatestFields(DefaultFields);

impl<'writer> FormatFields<'writer> for LatestFields {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'writer>, fields: R) -> fmt::Result {
        self.0.format_fields(writer, fields)
    }

    fn add_fields(
        &self,
        current: &'writer mut FormattedFields<Self>,
        fields: &Record<'_>,
    ) -> fmt::Result {
        let mut again = Names(Vec::new());
        fields.record(&mut again);
        // No value that a span of ours begins with holds a space.
        let kept: Vec<&str> = current
            .fields
            .split(' ')
            .filter(|field| !field.is_empty() && !again.0.iter().any(|name| field.contains(name)))
            .collect();
        current.fields = kept.join(" ");
        if !current.fields.is_empty() {
            current.fields.push(' ');
        }
        self.format_fields(current.as_writer(), fields)
    }
}

/// What the fields of a record are called.
struct Names(Vec<&'static str>);

impl Visit for Names {
    fn record_debug(&mut self, field: &Field, _: &dyn fmt::Debug) {
        self.0.push(field.name());
    }
}
