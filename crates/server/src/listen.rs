//! Start and stop: a listening socket, with TLS or without, until SIGTERM and then until the last answer is out.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use axum::Router;
use axum_server::Handle;
use axum_server::tls_openssl::{OpenSSLAcceptor, OpenSSLConfig};
use hyper_util::rt::TokioTimer;
use openssl::ssl::{SslAcceptor, SslFiletype, SslMethod};

use crate::config::{Config, TlsFiles};

/// How long requests in flight may take after SIGTERM.
const GRACE: Duration = Duration::from_secs(30);
/// How long a client may take to send its headers; slower ones only hold a connection open.
const HEADERS_WITHIN: Duration = Duration::from_secs(30);
/// How often the TLS files are looked at.
const TLS_CHECK: Duration = Duration::from_secs(2);

/// The server's socket, bound but not yet answering.
pub struct Bound {
    /// With the port that the system chose if the setting left it the choice.
    pub address: SocketAddr,
    listener: std::net::TcpListener,
    tls: Option<(OpenSSLConfig, TlsFiles)>,
}

/// Takes the port and reads the TLS files, so that what is wrong with either is said at the start.
pub fn bind(config: &Config) -> anyhow::Result<Bound> {
    let tls = match &config.tls {
        None => None,
        Some(files) => Some((read_tls(files)?, files.clone())),
    };
    let listener = std::net::TcpListener::bind(config.listen)
        .with_context(|| format!("cannot listen on {}", config.listen))?;
    listener.set_nonblocking(true)?;
    Ok(Bound {
        address: listener.local_addr()?,
        listener,
        tls,
    })
}

impl Bound {
    /// Answers until the process is told to stop, then finishes what is in flight.
    pub async fn serve(self, router: Router) -> anyhow::Result<()> {
        let handle = Handle::new();
        tokio::spawn(stop_on_signal(handle.clone()));
        let mut server = axum_server::from_tcp(self.listener)?.handle(handle);
        server
            .http_builder()
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADERS_WITHIN);
        let service = router.into_make_service_with_connect_info::<SocketAddr>();
        match self.tls {
            None => server.serve(service).await?,
            Some((tls, files)) => {
                tokio::spawn(follow(files, tls.clone()));
                server
                    .acceptor(OpenSSLAcceptor::new(tls))
                    .serve(service)
                    .await?;
            }
        }
        Ok(())
    }
}

/// TLS 1.2 and 1.3 with Mozilla's intermediate choice of ciphers: Windows 10 and Windows PowerShell 5.1
/// do not speak 1.3 by themselves.
fn read_tls(files: &TlsFiles) -> anyhow::Result<OpenSSLConfig> {
    let read = || {
        let mut tls = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls())?;
        tls.set_certificate_chain_file(&files.certificate)?;
        tls.set_private_key_file(&files.key, SslFiletype::PEM)?;
        anyhow::Ok(OpenSSLConfig::try_from(tls)?)
    };
    read().with_context(|| {
        format!(
            "cannot use the TLS certificate {} with the key {}",
            files.certificate.display(),
            files.key.display()
        )
    })
}

async fn stop_on_signal(handle: Handle<SocketAddr>) {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).expect("a process can listen for SIGTERM");
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    tracing::info!("Stopping: no new connections, requests in flight are finished");
    handle.graceful_shutdown(Some(GRACE));
}

/// Takes a renewed certificate into use. A pair that does not fit, because it is just being written,
/// leaves the old one in place and is tried again.
async fn follow(files: TlsFiles, tls: OpenSSLConfig) {
    let mut in_use = (modified(&files.certificate), modified(&files.key));
    let mut refused = None;
    loop {
        tokio::time::sleep(TLS_CHECK).await;
        let found = (modified(&files.certificate), modified(&files.key));
        if found == in_use {
            continue;
        }
        match read_tls(&files) {
            Ok(renewed) => {
                tls.reload_from_acceptor(renewed.get_inner());
                in_use = found;
                tracing::info!("Took the renewed TLS certificate into use");
            }
            Err(error) if refused != Some(found) => {
                refused = Some(found);
                tracing::error!(%error, "The renewed TLS certificate and key do not work; the old ones stay in use");
            }
            Err(_) => {}
        }
    }
}

fn modified(path: &Path) -> Option<SystemTime> {
    std::fs::metadata(path)
        .and_then(|metadata| metadata.modified())
        .ok()
}
