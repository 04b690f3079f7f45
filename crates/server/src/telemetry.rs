//! The log: structured lines on standard error. `RUST_LOG` chooses the level, `info` without it.

use tracing_subscriber::EnvFilter;

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
        LogFormat::Text => log.init(),
    }
}
