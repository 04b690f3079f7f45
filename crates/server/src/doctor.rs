//! What `countersign doctor` looks at besides the database: settings, files, and this server as others see it.

mod reach;

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;

use idp::doctor::{Finding, State, clock};
use idp::password_pool::PasswordPool;
use idp::urls::Urls;
use idp::{Clock, Idp, master_key};
use openssl::x509::X509VerifyResult;
use store::{Schema, Store};
use url::Url;

use self::reach::{Answer, Tls};
use crate::config::Config;
use crate::foundation::{cannot_open, read_key};
use crate::problem::{in_one_line, sentence};

/// Days before the end of the TLS certificate at which somebody should look why it was not renewed.
const TLS_DAYS: (i32, i32) = (14, 3);

/// Looks at everything and changes nothing. With `offline` nothing leaves this machine.
pub async fn examine(clock: Clock, offline: bool) -> Vec<Finding> {
    let config = match Config::load() {
        Ok(config) => config,
        Err(mistakes) => {
            return vec![Finding::problem(
                "configuration",
                sentence(&mistakes.to_string()),
                "Correct them in config/*.toml or the environment; config/default.toml explains each. Nothing else was looked at.",
            )];
        }
    };
    let mut findings = vec![configuration(&config)];
    findings.extend(files(&config));
    let idp = match open(&config, clock.clone()).await {
        Ok((idp, opened)) => {
            findings.extend(opened);
            Some(idp)
        }
        Err(problem) => {
            findings.push(problem);
            None
        }
    };
    if let Some(idp) = &idp {
        match idp.examine().await {
            Ok(examined) => findings.extend(examined),
            Err(error) => findings.push(Finding::problem(
                "database",
                format!("It could not be read: {}.", in_one_line(&error)),
                "Look at the database's own log, and restore a backup if it is damaged.",
            )),
        }
    }
    if !offline {
        findings.extend(from_outside(&config, idp.as_ref(), &clock).await);
    }
    findings
}

fn configuration(config: &Config) -> Finding {
    let url = config.public_url();
    let check = "configuration";
    if config.given_public_url.is_none() {
        return Finding::warning(
            check,
            format!("public_url is not set, so it is {url}, which only this machine reaches."),
            "Set public_url (COUNTERSIGN_PUBLIC_URL) to the https address that people and Microsoft use.",
        );
    }
    if url.scheme() == "http" {
        return Finding::warning(
            check,
            format!("The public URL {url} is plain HTTP, which only this machine reaches."),
            "Set public_url to an https address before a domain is federated.",
        );
    }
    if config.tls.is_none() && config.trusted_proxies.is_empty() {
        return Finding::warning(
            check,
            "The public URL is https, but neither tls_cert nor trusted_proxies is set: behind a proxy everybody seems to come from its address.",
            "Name the proxy in trusted_proxies, or set tls_cert and tls_key.",
        );
    }
    Finding::ok(
        check,
        format!("Every setting was read; the public URL is {url}"),
    )
}

/// Files that nobody else should be able to read or change.
fn files(config: &Config) -> Vec<Finding> {
    let database = config
        .database_url
        .strip_prefix("sqlite://")
        .map(Path::new)
        .filter(|path| path.exists());
    let key = config.tls.as_ref().map(|tls| tls.key.as_path());
    let mut findings = Vec::new();
    let folder = Some(config.data_dir.as_path());
    for (what, path, mode) in [
        ("data directory", folder, "700"),
        ("database file", database, "600"),
        ("TLS key", key, "600"),
    ] {
        let Some(path) = path else { continue };
        let shown = path.display();
        let finding = match std::fs::metadata(path) {
            Err(error) => Finding::problem(
                "files",
                format!("The {what} {shown} cannot be looked at: {error}."),
                "Run this with the settings and as the user of the server, which makes it at its first start.",
            ),
            // The group may read, as Kubernetes arranges it for a process that is not root.
            Ok(found) if found.mode() & 0o027 != 0 => Finding::warning(
                "files",
                format!(
                    "Other users of this machine may read or change the {what} {shown} (mode {:o}).",
                    found.mode() & 0o777
                ),
                format!("chmod {mode} {shown}"),
            ),
            Ok(_) => Finding::ok("files", format!("The {what} {shown} is private.")),
        };
        findings.push(finding.about(what));
    }
    findings
}

/// Opens what `serve` opens, but makes nothing: no folder, no tables, no key.
async fn open(config: &Config, clock: Clock) -> Result<(Idp, Vec<Finding>), Finding> {
    let start = "Start the server, which does that; make a backup before.";
    let cannot = |error: &store::OpenError| {
        let said = cannot_open(error).to_string();
        let (fault, fix) = said
            .split_once("; ")
            .unwrap_or((&said, "see the database's log"));
        Finding::problem("database", sentence(fault), sentence(fix))
    };
    match Store::schema(&config.database_url).await {
        Err(error) => return Err(cannot(&error)),
        Ok(Schema::Current) => {}
        Ok(Schema::Missing) => {
            return Err(Finding::problem(
                "database",
                "It has no tables yet: no server has started on it.",
                "Start the server. If this is an installation in use, database_url or data_dir is another one than the server's.",
            ));
        }
        Ok(Schema::Older { lacks }) => {
            return Err(Finding::problem(
                "database",
                format!("It is of an older version: {lacks} migrations are missing."),
                start,
            ));
        }
        Ok(Schema::Newer { version }) => {
            return Err(cannot(&store::OpenError::Newer { version }));
        }
    }
    let store = Store::open(&config.database_url)
        .await
        .map_err(|error| cannot(&error))?;
    let mut findings = vec![Finding::ok(
        "database",
        "It answers, and its tables are of this version.",
    )];
    let about_key = |seen: String, fix: &str| Finding::problem("master key", seen, fix);
    let key = read_key(&config.master_key_file).map_err(|error| {
        let said = in_one_line(error.as_ref());
        let (fault, fix) = said
            .split_once("; ")
            .unwrap_or((&said, "Put the right file there, from its copy"));
        about_key(sentence(fault), &sentence(fix))
    })?;
    let fits = match master_key::is_sealed(&store).await {
        Ok(true) => master_key::agree(&store, &key).await,
        Ok(false) => {
            return Err(about_key(
                "The database was never sealed under a master key.".to_owned(),
                start,
            ));
        }
        Err(error) => Err(error),
    };
    match fits {
        Ok(true) => findings.push(Finding::ok("master key", "It is the one of this database.")),
        Ok(false) => {
            return Err(about_key(
                format!(
                    "The key in {} is not the one that this database is sealed under.",
                    config.master_key_file.display()
                ),
                "Put the right file there (master_key_file), or restore the database that belongs to it.",
            ));
        }
        Err(error) => {
            return Err(Finding::problem(
                "database",
                format!("It could not be read: {}.", in_one_line(&error)),
                "Look at the database's own log.",
            ));
        }
    }
    let idp = Idp::new(
        store,
        clock,
        Arc::new(key),
        PasswordPool::for_this_machine(),
        Urls::new(&config.public_url()),
    );
    Ok((idp, findings))
}

/// This server as others reach it, and everybody's clock.
async fn from_outside(config: &Config, idp: Option<&Idp>, ours: &Clock) -> Vec<Finding> {
    let url = config.public_url();
    let mut findings = Vec::new();
    let health = url.join("healthz").expect("a path joins a URL");
    match reach::get(&health, ours).await {
        Err(error) => findings.push(Finding::problem(
            "public URL",
            format!("{health} cannot be reached from here: {}.", in_one_line(error.as_ref())),
            "Is the server running? Then look at the name's address in DNS, at firewalls, and at the proxy. If only this machine cannot reach it, ask from outside with curl, and use --offline here.",
        )),
        Ok(answer) => {
            findings.push(healthy(&health, &answer));
            findings.extend(answer.tls.as_ref().map(|seen| tls(&url, seen)));
            findings.extend(answer.clocks.map(|(theirs, ours)| {
                clock(url.host_str().unwrap_or_default(), ours, theirs)
            }));
            if let Some(idp) = idp {
                findings.extend(same_installation(idp, ours).await);
            }
        }
    }
    let mut microsofts = match idp {
        Some(idp) => idp.microsofts().await.unwrap_or_default(),
        None => Vec::new(),
    };
    if microsofts.is_empty() {
        microsofts.push(idp::cloud::Cloud::default().entra_url().to_owned());
    }
    for microsoft in microsofts {
        findings.extend(microsofts_clock(&microsoft, ours).await);
    }
    findings
}

fn healthy(url: &Url, answer: &Answer) -> Finding {
    if answer.status == 200 && answer.body.as_ref() == b"alive\n" {
        return Finding::ok(
            "public URL",
            format!("{url} answers, at {}.", answer.address),
        );
    }
    Finding::problem(
        "public URL",
        format!(
            "{url} answers, at {}, with {} and not as this program does.",
            answer.address, answer.status
        ),
        "Something else answers there, or the proxy does not reach this server: look at public_url, at DNS, and at the proxy.",
    )
}

fn tls(url: &Url, tls: &Tls) -> Finding {
    let seen = format!(
        "{}; for {}; issued by {}; sent: {}; until {} ({} days).",
        tls.version,
        tls.names.join(", "),
        tls.issuer,
        tls.chain.join(", "),
        tls.until,
        tls.days_left
    );
    if let Err(refused) = tls.verdict {
        return Finding::problem(
            "tls",
            format!(
                "This machine does not believe it: {}. {seen}",
                refused.error_string()
            ),
            mend_tls(url, refused),
        );
    }
    let renew = "Renew it, and look why that did not happen by itself; renewed files are taken into use without a restart.";
    match tls.days_left {
        days if days < TLS_DAYS.1 => Finding::problem("tls", seen, renew),
        days if days < TLS_DAYS.0 => Finding::warning("tls", seen, renew),
        _ => Finding::ok("tls", seen),
    }
}

fn mend_tls(url: &Url, refused: X509VerifyResult) -> String {
    let host = url.host_str().unwrap_or_default();
    // The numbers of openssl/x509_vfy.h.
    match refused.as_raw() {
        9 | 10 => "Renew it; if it is new, look at the clock of this machine.".to_owned(),
        2 | 20 | 21 => "Send the whole chain: tls_cert holds the certificate and after it the intermediate ones. An authority of your own has to be in this machine's trust store, and in that of every PC.".to_owned(),
        18 | 19 => "It is signed by itself or by an authority that this machine does not know. PCs and phones will not take it either: get one of a public authority, or install the authority everywhere.".to_owned(),
        62 | 64 => format!("Get a certificate for {host}, or correct public_url."),
        _ => "Look at it with “openssl s_client -showcerts”, and get another certificate.".to_owned(),
    }
}

/// Whether who answers at the public URL has our keys.
async fn same_installation(idp: &Idp, ours: &Clock) -> Option<Finding> {
    let check = "same installation";
    let (app_id, url) = idp.metadata_to_fetch().await.ok()??;
    let address: Url = url.parse().ok()?;
    let wrong = |what: String| {
        Finding::problem(
            check,
            format!("{url} {what}."),
            "Another installation answers at the public URL, or one with other settings: look at DNS, the proxy, database_url and public_url of the server, and run this with the server's settings.",
        )
    };
    let answer = match reach::get(&address, ours).await {
        Ok(answer) => answer,
        Err(error) => {
            return Some(wrong(format!(
                "cannot be reached: {}",
                in_one_line(error.as_ref())
            )));
        }
    };
    if answer.status >= 500 {
        return Some(Finding::problem(
            check,
            format!("{url} answers with {}.", answer.status),
            "The server's log says why, and maybe one of the findings above.",
        ));
    }
    if answer.status != 200 {
        return Some(wrong(format!("answers with {}", answer.status)));
    }
    Some(match idp.examine_metadata(&app_id, &answer.body).await {
        Ok(Ok(())) => Finding::ok(
            check,
            "The metadata at the public URL is signed with a key of this database.",
        ),
        Ok(Err(what)) => wrong(format!("{what}; it is not what this installation says")),
        Err(error) => wrong(format!("could not be compared: {error}")),
    })
}

/// Microsoft's clock is the one that counts. Whoever lets nothing out of this machine is not at fault.
async fn microsofts_clock(microsoft: &str, ours: &Clock) -> Option<Finding> {
    let url: Url = microsoft.parse().ok()?;
    let host = url.host_str().unwrap_or_default().to_owned();
    let answer = reach::get(&url, ours).await;
    Some(match answer.map(|answer| answer.clocks) {
        Ok(Some((theirs, ours))) => clock(&host, ours, theirs),
        Ok(None) => {
            Finding::ok("clock", format!("{host} does not say what time it has.")).about(&host)
        }
        Err(_) => Finding::ok(
            "clock",
            format!("{host} cannot be reached from here, so the clocks were not compared."),
        )
        .about(&host),
    })
}

/// The worst of them, for whoever watches.
pub fn worst(findings: &[Finding]) -> State {
    let states = findings.iter().map(|finding| finding.state);
    states.max().unwrap_or(State::Ok)
}
