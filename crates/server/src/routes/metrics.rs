//! What a monitoring system scrapes, in the text format of Prometheus, version 0.0.4.

use std::fmt::Write as _;
use std::net::SocketAddr;

use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use idp::expiry::InUse;
use serde::Serialize as _;

use crate::app::App;
use crate::extract::comes_from;

const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// `GET /metrics`, which is not there for anybody but this machine and `metrics_networks`.
pub async fn show(
    State(app): State<App>,
    peer: ConnectInfo<SocketAddr>,
    headers: HeaderMap,
) -> Response {
    if !comes_from(&app.metrics_networks, peer, &headers, &app) {
        return StatusCode::NOT_FOUND.into_response();
    }
    let certificates = app.idp.certificates_in_use().await;
    if let Err(error) = &certificates {
        tracing::warn!(%error, "The metrics are without the signing certificates");
    }
    let text = exposition(certificates.as_deref().ok(), app.idp.now());
    ([(header::CONTENT_TYPE, TEXT)], text).into_response()
}

/// `None` when the database does not answer, which is a measurement too.
fn exposition(certificates: Option<&[InUse]>, now: DateTime<Utc>) -> String {
    let mut text = format!(
        "# HELP countersign_build_info The version that runs.\n\
         # TYPE countersign_build_info gauge\n\
         countersign_build_info{{version=\"{}\"}} 1\n\
         # HELP countersign_up Whether the database answers.\n\
         # TYPE countersign_up gauge\n\
         countersign_up {}\n",
        env!("CARGO_PKG_VERSION"),
        u8::from(certificates.is_some())
    );
    let Some(certificates) = certificates else {
        return text;
    };
    text.push_str(
        "# HELP countersign_certificate_expires_seconds Until a signing certificate expires; negative since it has.\n\
         # TYPE countersign_certificate_expires_seconds gauge\n",
    );
    for certificate in certificates {
        // An id, a word and hexadecimal digits: nothing that had to be escaped.
        let InUse {
            app_id, thumbprint, ..
        } = certificate;
        let stage = Stage(certificate);
        let seconds = certificate.seconds_left(now);
        let _ = writeln!(
            text,
            "countersign_certificate_expires_seconds{{app=\"{app_id}\",stage=\"{stage}\",thumbprint=\"{thumbprint}\"}} {seconds}"
        );
    }
    text
}

/// The stage as it stands in JSON.
struct Stage<'a>(&'a InUse);

impl std::fmt::Display for Stage<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.stage.serialize(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeDelta;

    #[test]
    fn certificates_are_counted_in_seconds_and_below_zero() {
        let now = DateTime::from_timestamp(1_800_000_000, 0).expect("an instant");
        let certificate = |stage, days| InUse {
            app_id: "0123456789abcdef01234567".to_owned(),
            label: "Contoso \"365\"\n".to_owned(),
            stage,
            thumbprint: "AB12".to_owned(),
            not_after: now + TimeDelta::days(days),
            what_to_do: String::new(),
        };
        let text = exposition(
            Some(&[
                certificate(store::Stage::Current, -1),
                certificate(store::Stage::Next, 30),
            ]),
            now,
        );
        let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(
            lines[1..],
            [
                "countersign_up 1",
                "countersign_certificate_expires_seconds{app=\"0123456789abcdef01234567\",stage=\"current\",thumbprint=\"AB12\"} -86400",
                "countersign_certificate_expires_seconds{app=\"0123456789abcdef01234567\",stage=\"next\",thumbprint=\"AB12\"} 2592000",
            ]
        );
        assert!(text.ends_with('\n'));
    }

    #[test]
    fn a_database_that_is_away_is_said() {
        let now = DateTime::from_timestamp(1_800_000_000, 0).expect("an instant");
        let text = exposition(None, now);
        assert!(text.contains("\ncountersign_up 0\n") && !text.contains("certificate"));
    }
}
