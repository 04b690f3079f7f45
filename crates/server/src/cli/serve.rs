//! `countersign serve` and `countersign demo`: processes that stay.

use std::net::SocketAddr;
use std::time::Duration;

use clap::Args;
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
    tokio::spawn(purge_now_and_then(idp.clone()));
    let app = App {
        idp,
        trusted_proxies: config.trusted_proxies.clone().into(),
        proxies_only: config.tls.is_none() && !config.listen.ip().is_loopback(),
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

/// What has expired is forgotten every ten minutes.
async fn purge_now_and_then(idp: Idp) {
    loop {
        if let Err(error) = idp.purge().await {
            tracing::warn!(%error, "Could not remove what has expired; trying again later");
        }
        tokio::time::sleep(Duration::from_mins(10)).await;
    }
}
