//! Asks an address as the world does, over the system's trust store, and looks at a TLS that nobody would take.

use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use anyhow::{Context as _, bail};
use chrono::{DateTime, Utc};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::Request;
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use idp::Clock;
use openssl::asn1::{Asn1Time, Asn1TimeRef};
use openssl::nid::Nid;
use openssl::ssl::{SslConnector, SslMethod, SslRef, SslVerifyMode};
use openssl::x509::{X509NameRef, X509Ref, X509VerifyResult};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_openssl::SslStream;
use url::Url;

/// For each step; a name that resolves to a dead address must not hold up everything else.
const PATIENCE: Duration = Duration::from_secs(5);
/// Our metadata is far smaller.
const LARGEST: usize = 1 << 20;

/// What came back.
pub struct Answer {
    pub address: SocketAddr,
    pub status: u16,
    /// The clock of the other side, and ours at the middle of the question.
    pub clocks: Option<(DateTime<Utc>, DateTime<Utc>)>,
    pub body: Bytes,
    /// None over plain HTTP.
    pub tls: Option<Tls>,
}

/// How TLS looks from here.
pub struct Tls {
    /// Whether this machine believes it; otherwise why not.
    pub verdict: Result<(), X509VerifyResult>,
    pub version: &'static str,
    /// The names that the certificate is for.
    pub names: Vec<String>,
    /// The subjects of the chain as it was sent, the server's own first.
    pub chain: Vec<String>,
    pub issuer: String,
    /// Whole days until the first certificate of the chain expires; negative since it has.
    pub days_left: i32,
    pub until: String,
}

/// One GET, without following a redirect and without believing a proxy's environment variables.
pub async fn get(url: &Url, clock: &Clock) -> anyhow::Result<Answer> {
    let host = url.host_str().context("the address has no host")?;
    let port = url
        .port_or_known_default()
        .context("the address has no port")?;
    let (address, stream) = connect(host, port).await?;
    if url.scheme() == "https" {
        let mut connector = SslConnector::builder(SslMethod::tls())?;
        // The chain is looked at afterwards: whoever is not believed is told nothing but our question.
        connector.set_verify(SslVerifyMode::NONE);
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let ssl = connector.build().configure()?.into_ssl(bare)?;
        let mut stream = SslStream::new(ssl, stream)?;
        within(Pin::new(&mut stream).connect())
            .await
            .with_context(|| format!("{address} does not speak TLS"))?;
        let tls = look(stream.ssl(), clock.now())?;
        let answer = ask(url, address, stream, clock).await?;
        Ok(Answer {
            tls: Some(tls),
            ..answer
        })
    } else {
        ask(url, address, stream, clock).await
    }
}

async fn connect(host: &str, port: u16) -> anyhow::Result<(SocketAddr, TcpStream)> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let found = within(tokio::net::lookup_host((bare, port)))
        .await
        .with_context(|| format!("the name {host} cannot be resolved"))?;
    let mut last = None;
    for address in found {
        match within(TcpStream::connect(address)).await {
            Ok(stream) => return Ok((address, stream)),
            Err(error) => last = Some(error.context(format!("{address} takes no connection"))),
        }
    }
    Err(last.unwrap_or_else(|| anyhow::anyhow!("the name {host} has no address")))
}

async fn ask(
    url: &Url,
    address: SocketAddr,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    clock: &Clock,
) -> anyhow::Result<Answer> {
    let (mut sender, connection) =
        within(hyper::client::conn::http1::handshake(TokioIo::new(stream))).await?;
    let connection = tokio::spawn(connection);
    let authority = &url[url::Position::BeforeHost..url::Position::AfterPort];
    let request = Request::get(&url[url::Position::BeforePath..url::Position::AfterQuery])
        .header("host", authority)
        .header(
            "user-agent",
            concat!("countersign-doctor/", env!("CARGO_PKG_VERSION")),
        )
        .header("connection", "close")
        .body(Empty::<Bytes>::new())?;
    let asked = clock.now();
    let answer = within(sender.send_request(request))
        .await
        .with_context(|| format!("{address} does not answer"))?;
    let middle = asked + (clock.now() - asked) / 2;
    let status = answer.status().as_u16();
    let date = answer
        .headers()
        .get("date")
        .and_then(|value| DateTime::parse_from_rfc2822(value.to_str().ok()?).ok());
    let body = Limited::new(answer.into_body(), LARGEST).collect();
    let Ok(Ok(body)) = tokio::time::timeout(PATIENCE, body).await else {
        bail!("the answer of {address} is too long or does not end");
    };
    connection.abort();
    Ok(Answer {
        address,
        status,
        clocks: date.map(|date| (date.to_utc(), middle)),
        body: body.to_bytes(),
        tls: None,
    })
}

async fn within<T, E: Into<anyhow::Error>>(
    work: impl Future<Output = Result<T, E>>,
) -> anyhow::Result<T> {
    match tokio::time::timeout(PATIENCE, work).await {
        Ok(done) => done.map_err(Into::into),
        Err(_) => bail!("no answer within {} seconds", PATIENCE.as_secs()),
    }
}

fn look(ssl: &SslRef, now: DateTime<Utc>) -> anyhow::Result<Tls> {
    let leaf = ssl.peer_certificate().context("it shows no certificate")?;
    let mut ends: Vec<&Asn1TimeRef> = vec![leaf.not_after()];
    let mut chain = Vec::new();
    if let Some(sent) = ssl.peer_cert_chain() {
        for certificate in sent {
            chain.push(spell(certificate.subject_name()));
            ends.push(certificate.not_after());
        }
    }
    let now = Asn1Time::from_unix(now.timestamp())?;
    let mut first = (i32::MAX, String::new());
    for end in ends {
        let days = now.diff(end)?.days;
        if days < first.0 {
            first = (days, end.to_string());
        }
    }
    Ok(Tls {
        verdict: match ssl.verify_result() {
            X509VerifyResult::OK => Ok(()),
            refused => Err(refused),
        },
        version: ssl.version_str(),
        names: names(&leaf),
        issuer: spell(leaf.issuer_name()),
        chain,
        days_left: first.0,
        until: first.1,
    })
}

fn names(certificate: &X509Ref) -> Vec<String> {
    let names = certificate.subject_alt_names();
    let names = names.iter().flatten().filter_map(|name| {
        let address = name.ipaddress().and_then(|bytes| {
            let v4 = <[u8; 4]>::try_from(bytes).map(std::net::IpAddr::from);
            let v6 = || <[u8; 16]>::try_from(bytes).map(std::net::IpAddr::from);
            v4.or_else(|_| v6()).ok()
        });
        name.dnsname()
            .map(plain)
            .or_else(|| address.map(|address| address.to_string()))
    });
    names.collect()
}

/// The common name, or whatever else there is.
fn spell(name: &X509NameRef) -> String {
    let by = |nid| name.entries_by_nid(nid).next();
    let entry = by(Nid::COMMONNAME)
        .or_else(|| by(Nid::ORGANIZATIONNAME))
        .or_else(|| name.entries().next());
    entry
        .and_then(|entry| Some(plain(&entry.data().to_string().ok()?)))
        .unwrap_or_else(|| "a certificate without a name".to_owned())
}

/// A foreign certificate may hold anything; its name must not forge a line of a report.
fn plain(text: &str) -> String {
    let text = text.chars().take(100);
    text.map(|c| {
        if c.is_control() {
            char::REPLACEMENT_CHARACTER
        } else {
            c
        }
    })
    .collect()
}
