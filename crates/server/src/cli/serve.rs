//! `countersign serve` and `countersign demo`: processes that stay.

use std::net::SocketAddr;
use std::time::Duration;

use chrono::{DateTime, Utc};
use clap::Args;
use idp::expiry::{Due, InUse, Reminders};
use idp::{Clock, Idp};
use serde::Serialize;

use super::Out;
use crate::app::{self, App};
use crate::config::{Config, LogFormat, parse_listen};
use crate::{demo, foundation, listen, telemetry};

#[derive(Args)]
pub struct Demo {
    /// Where Countersign listens; an address of this machine only.
    #[arg(long, default_value = "127.0.0.1:8080", value_parser = parse_listen)]
    listen: SocketAddr,
    /// Where the stand-in for Microsoft 365 listens; an address of this machine only.
    #[arg(long, default_value = "127.0.0.1:8081", value_parser = parse_listen)]
    entra_listen: SocketAddr,
}

/// The production server.
pub async fn serve(mut config: Config, out: &Out) -> anyhow::Result<()> {
    telemetry::start(config.log_format);
    let bound = listen::bind(&config)?;
    config.listen = bound.address;
    let public_url = config.public_url();
    let idp = foundation::open(&config, Clock::system()).await?;
    if public_url.scheme() == "https" && config.tls.is_none() && config.trusted_proxies.is_empty() {
        tracing::warn!(
            "The public URL is https, but neither tls_cert nor trusted_proxies is set: behind a proxy, everybody seems to come from its address"
        );
    }
    let welcome = Welcome {
        listen: config.listen,
        public_url: idp.urls().base().to_owned(),
        setup_link: idp.setup_link().await?,
    };
    out.print(&welcome, || welcome.in_words())?;
    tokio::spawn(look_after(idp.clone()));
    let app = App {
        idp,
        trusted_proxies: config.trusted_proxies.clone().into(),
        proxies_only: config.tls.is_none() && !config.listen.ip().is_loopback(),
        metrics_networks: config.metrics_networks.clone().into(),
        demo: false,
    };
    tracing::info!(listen = %config.listen, public_url = %public_url, tls = config.tls.is_some(), "Serving");
    bound.serve(app::router(app)).await
}

/// What the operator has to know, told once at the start.
#[derive(Serialize)]
struct Welcome {
    listen: SocketAddr,
    public_url: String,
    /// Only while there is no administrator.
    setup_link: Option<String>,
}

impl Welcome {
    fn in_words(&self) -> String {
        self.setup_link.as_ref().map_or_else(String::new, |link| {
            format!(
                "This server has no administrator yet. Open this link within 24 hours to become the first; it works once:\n\n    {link}"
            )
        })
    }
}

/// The demonstration, on a database that is thrown away.
pub async fn demo(options: Demo, out: &Out) -> anyhow::Result<()> {
    telemetry::start(LogFormat::Text);
    demo::run(options.listen, options.entra_listen, out).await
}

/// Every ten minutes what has expired is forgotten, and somebody is told what is going to.
async fn look_after(idp: Idp) {
    let mut reminders = Reminders::default();
    loop {
        if let Err(error) = idp.purge().await {
            tracing::warn!(%error, "Could not remove what has expired; trying again later");
        }
        match idp.certificates_in_use().await {
            Ok(certificates) => remind(&mut reminders, &certificates, idp.now()),
            Err(error) => {
                tracing::warn!(%error, "Could not look at the signing certificates; trying again later");
            }
        }
        tokio::time::sleep(Duration::from_mins(10)).await;
    }
}

/// A line about each certificate that somebody has to hear of now.
fn remind(reminders: &mut Reminders, certificates: &[InUse], now: DateTime<Utc>) {
    for certificate in reminders.now_due(certificates, now) {
        let InUse {
            app_id,
            thumbprint,
            what_to_do,
            ..
        } = certificate;
        let days = certificate.seconds_left(now).div_euclid(86_400);
        let said = certificate.sentence(now);
        if certificate.due(now).is_some_and(Due::is_urgent) {
            tracing::error!(app = %app_id, thumbprint, days, "{said} {what_to_do}");
        } else {
            tracing::warn!(app = %app_id, thumbprint, days, "{said} {what_to_do}");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    use chrono::TimeDelta;
    use store::Stage;

    use super::*;

    /// What is logged meanwhile.
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("nobody panics with it").write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_certificate_near_its_end_has_a_line_a_day_that_gets_louder() {
        let start = DateTime::UNIX_EPOCH + TimeDelta::days(20_000);
        let certificate = InUse {
            app_id: "0123456789abcdef01234567".to_owned(),
            label: "Contoso 365".to_owned(),
            stage: Stage::Current,
            thumbprint: "AB12".to_owned(),
            not_after: start + TimeDelta::days(10),
            what_to_do: "Make its successor".to_owned(),
        };
        let log = Log::default();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer({
                let log = log.clone();
                move || log.clone()
            })
            .finish();
        tracing::subscriber::with_default(subscriber, || {
            let mut reminders = Reminders::default();
            for hour in 0..24 * 5 {
                let now = start + TimeDelta::hours(hour);
                remind(&mut reminders, std::slice::from_ref(&certificate), now);
            }
        });
        let text = log.0.lock().expect("nobody panics with it").clone();
        let text = String::from_utf8(text).expect("text");
        let levels: Vec<&str> = text
            .lines()
            .filter(|line| line.contains("app=0123456789abcdef01234567") && line.contains("AB12"))
            .filter_map(|line| line.split_whitespace().nth(1))
            .collect();
        assert_eq!(levels, ["WARN", "WARN", "WARN", "ERROR", "ERROR"], "{text}");
        assert!(
            text.contains("expires in 7 days") && text.contains("days=6"),
            "{text}"
        );
    }
}
