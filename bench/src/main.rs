//! `make bench`: what the server costs, side by side with the raw cost of its cryptography, in one run.
//!
//! Everything is a ratio to a limit that is measured in the same minutes on the same machine. Nothing is
//! asserted about time; an answer that is not the expected one ends the run.

mod http;
mod process;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use http::Connection;
use process::{Company, PASSWORD, Server, Sign};

fn main() -> Result<()> {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let each = Duration::from_secs(if quick { 1 } else { 5 });
    println!("{}", process::machine()?);

    println!("\nTokens over an existing session, audit line included");
    println!(
        "{:<11}{:<16}{:>8}{:>12}{:>16}{:>20}{:>10}",
        "database", "protocol", "clients", "tokens/s", "CPU ms/token", "ms/raw signature", "ratio"
    );
    let mut memory = Vec::new();
    let mut sqlite = None;
    for company in companies()? {
        let server = Server::start(&company)?;
        let at_start = server.resident_mib()?;
        let session = server.sign_in(&company)?;
        let each_way = [Sign::WsFed, Sign::Saml]
            .into_iter()
            .flat_map(|way| [1, 8, 64].map(|clients| (way, clients)));
        for (way, clients) in each_way {
            // A shared machine changes its speed by a fifth within a minute, so the limit is taken on both sides.
            let before = raw_signature()?;
            let (rate, cpu) = tokens(&server, &company, &session, way, clients, each)?;
            let signature = f64::midpoint(before, raw_signature()?);
            println!(
                "{:<11}{:<16}{clients:>8}{rate:>12.0}{cpu:>16.3}{signature:>20.3}{:>8.2} x",
                company.database,
                way.name(),
                cpu / signature
            );
        }
        let mut issued = 0;
        while issued < 10_000 {
            issued += tokens_issued(
                &server,
                &company,
                &session,
                Sign::WsFed,
                8,
                Duration::from_millis(500),
            )?;
        }
        memory.push((company.database, at_start, server.resident_mib()?));
        drop(server);
        if company.database == "sqlite" {
            sqlite = Some(company);
        }
    }
    println!("the raw signature is openssl speed rsa2048; aim: at most 2 x\n");

    let company = sqlite.context("SQLite is always measured")?;
    passwords(&company, each)?;
    flood(&company, each)?;

    println!("Memory and start");
    for (database, at_start, later) in memory {
        println!(
            "resident on {database}: {at_start:.0} MiB at the start, {later:.0} MiB after more than 10 000 tokens (aim: less than 60)"
        );
    }
    let mut starts: Vec<f64> = (0..5)
        .map(|_| Ok(Server::start(&company)?.ready_after.as_secs_f64() * 1000.0))
        .collect::<Result<_>>()?;
    starts.sort_by(f64::total_cmp);
    println!(
        "from start to ready: {:.0} ms, the median of 5 (aim: less than 300)",
        starts[2]
    );
    Ok(())
}

fn companies() -> Result<Vec<Company>> {
    let mut companies = vec![Company::on_sqlite()?];
    match std::env::var_os("COUNTERSIGN_TEST_POSTGRES_URL") {
        Some(url) => companies.push(Company::on_postgres(&url.to_string_lossy())?),
        None => println!("Without PostgreSQL: COUNTERSIGN_TEST_POSTGRES_URL is not set."),
    }
    Ok(companies)
}

/// Milliseconds of CPU that one RSA-2048 signature takes, by OpenSSL's own measure.
fn raw_signature() -> Result<f64> {
    let output = std::process::Command::new("openssl")
        .args(["speed", "-mr", "-seconds", "1", "rsa2048"])
        .output()
        .context("cannot run openssl")?;
    let text = String::from_utf8(output.stdout)?;
    // +F2:<number>:<bits>:<signatures a second of CPU>:<verifications>
    let line = text
        .lines()
        .find(|line| line.starts_with("+F2:"))
        .context("openssl speed printed no result")?;
    let rate: f64 = line
        .split(':')
        .nth(3)
        .context("openssl speed printed an unknown format")?
        .parse()?;
    Ok(1000.0 / rate)
}

/// Tokens per second, and milliseconds of the server's CPU for each.
fn tokens(
    server: &Server,
    company: &Company,
    session: &str,
    way: Sign,
    clients: usize,
    each: Duration,
) -> Result<(f64, f64)> {
    tokens_issued(server, company, session, way, clients, each / 10)?;
    let (cpu, start) = (server.cpu_seconds()?, Instant::now());
    let issued = tokens_issued(server, company, session, way, clients, each)?;
    let (seconds, cpu) = (start.elapsed().as_secs_f64(), server.cpu_seconds()? - cpu);
    #[expect(clippy::cast_precision_loss, reason = "counts of a few thousand")]
    let issued = issued as f64;
    Ok((issued / seconds, cpu * 1000.0 / issued))
}

fn tokens_issued(
    server: &Server,
    company: &Company,
    session: &str,
    way: Sign,
    clients: usize,
    time: Duration,
) -> Result<u64> {
    let (path, cookie) = (company.path(way), format!("countersign-session={session}"));
    in_parallel(clients, |_| {
        let mut connection = Connection::open(server.port)?;
        let (end, mut count) = (Instant::now() + time, 0);
        while Instant::now() < end {
            let answer = connection.get(&path, &cookie, None)?;
            ensure!(
                answer.status == 200 && answer.body.contains(way.field()),
                "no token: {}",
                answer.status
            );
            count += 1;
        }
        Ok(count)
    })
}

/// One password sign-in.
type Way<'a> = &'a (dyn Fn(&mut Connection) -> Result<()> + Sync);

/// Passwords checked through the form and by WS-Trust, each beside the bare hash.
fn passwords(company: &Company, each: Duration) -> Result<()> {
    let threads = thread::available_parallelism()?.get();
    let pool = (threads / 2).max(1);
    let hash = crypto::password::Hasher::new().hash(PASSWORD.as_bytes());
    let single = bare_hashes(1, &hash, each / 2)?;
    println!("Passwords (argon2id, 19 MiB, 2 passes; {pool} of {threads} cores hash)");
    println!("bare argon2: {single:.0}/s on one core");

    let server = Server::start(company)?;
    let form = server.form()?;
    let by_form = |connection: &mut Connection| {
        let answer = form.submit(connection, "alice@contoso.com", PASSWORD, "192.0.2.1")?;
        ensure!(answer.status == 303, "not signed in: {}", answer.status);
        Ok(())
    };
    let by_trust = |connection: &mut Connection| {
        let answer = company.ask_for_token(connection, "alice@contoso.com", "192.0.2.1")?;
        ensure!(
            answer.status == 200 && answer.body.contains("RequestedSecurityToken>"),
            "no token: {}",
            answer.status
        );
        Ok(())
    };
    let ways: [(&str, Way); 2] = [
        ("through the form", &by_form),
        ("by usernamemixed", &by_trust),
    ];
    for (name, way) in ways {
        let before = bare_hashes(pool, &hash, each / 2)?;
        let start = Instant::now();
        let done = in_parallel(8, |_| {
            let mut connection = Connection::open(server.port)?;
            let (end, mut count) = (Instant::now() + each, 0);
            while Instant::now() < end {
                way(&mut connection)?;
                count += 1;
            }
            Ok(count)
        })?;
        #[expect(clippy::cast_precision_loss, reason = "counts of a few thousand")]
        let rate = done as f64 / start.elapsed().as_secs_f64();
        let raw = f64::midpoint(before, bare_hashes(pool, &hash, each / 2)?);
        println!(
            "bare argon2: {raw:.0}/s on {pool}    {name}: {rate:.0}/s    ratio {:.2}    resident afterwards: {:.0} MiB",
            rate / raw,
            server.resident_mib()?
        );
    }
    println!();
    Ok(())
}

/// Bare argon2 verifications per second on so many threads.
fn bare_hashes(threads: usize, hash: &str, time: Duration) -> Result<f64> {
    let start = Instant::now();
    let hashed = in_parallel(threads, |_| {
        let mut hasher = crypto::password::Hasher::new();
        let (end, mut count) = (Instant::now() + time, 0);
        while Instant::now() < end {
            ensure!(
                hasher.verify(PASSWORD.as_bytes(), Some(hash)),
                "the right password was refused"
            );
            count += 1;
        }
        Ok(count)
    })?;
    #[expect(clippy::cast_precision_loss, reason = "counts of a few thousand")]
    let hashed = hashed as f64;
    Ok(hashed / start.elapsed().as_secs_f64())
}

/// How long people who are signed in wait for a token, in peace and while strangers try passwords.
fn flood(company: &Company, each: Duration) -> Result<()> {
    let server = Server::start(company)?;
    let session = server.sign_in(company)?;
    let calm = latencies(&server, company, &session, each)?;
    let (stop, next) = (AtomicBool::new(false), AtomicU64::new(0));
    let (hashed, turned_away) = (AtomicU64::new(0), AtomicU64::new(0));
    let form = server.form()?;
    let stormy = thread::scope(|scope| {
        let strangers: Vec<_> = (0..64)
            .map(|_| {
                scope.spawn(|| -> Result<()> {
                    let mut connection = Connection::open(server.port)?;
                    while !stop.load(Ordering::Relaxed) {
                        // Each attempt is of another stranger at another address, or the throttle would end the flood.
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        let address = format!(
                            "10.{}.{}.{}",
                            number >> 16 & 255,
                            number >> 8 & 255,
                            number & 255
                        );
                        let answer = form.submit(
                            &mut connection,
                            &format!("nobody{number}@contoso.com"),
                            "guess",
                            &address,
                        )?;
                        match answer.status {
                            403 => hashed.fetch_add(1, Ordering::Relaxed),
                            503 => turned_away.fetch_add(1, Ordering::Relaxed),
                            other => bail!("a wrong password was answered with {other}"),
                        };
                    }
                    Ok(())
                })
            })
            .collect();
        let latencies = latencies(&server, company, &session, each);
        stop.store(true, Ordering::Relaxed);
        for stranger in strangers {
            stranger.join().expect("no stranger panics")?;
        }
        latencies
    })?;
    println!("Tokens over a session, 8 people at 25 a second each");
    println!(
        "in peace:                 p50 {:.1} ms    p99 {:.1} ms",
        calm.0, calm.1
    );
    println!(
        "while passwords flood:    p50 {:.1} ms    p99 {:.1} ms    (by 64 strangers {} passwords hashed, {} turned away; p99 {:.1} x)\n",
        stormy.0,
        stormy.1,
        hashed.load(Ordering::Relaxed),
        turned_away.load(Ordering::Relaxed),
        stormy.1 / calm.1
    );
    Ok(())
}

/// The median and the 99th percentile, in milliseconds.
fn latencies(
    server: &Server,
    company: &Company,
    session: &str,
    time: Duration,
) -> Result<(f64, f64)> {
    let (path, cookie) = (
        company.path(Sign::WsFed),
        format!("countersign-session={session}"),
    );
    let times = std::sync::Mutex::new(Vec::new());
    in_parallel(8, |_| {
        let mut connection = Connection::open(server.port)?;
        let (end, mut own) = (Instant::now() + time, Vec::new());
        while Instant::now() < end {
            let start = Instant::now();
            let answer = connection.get(&path, &cookie, None)?;
            ensure!(
                answer.status == 200 && answer.body.contains("name=\"wresult\""),
                "no token: {}",
                answer.status
            );
            own.push(start.elapsed().as_secs_f64() * 1000.0);
            thread::sleep(Duration::from_millis(40).saturating_sub(start.elapsed()));
        }
        times.lock().expect("no client panics").extend(own);
        Ok(0)
    })?;
    let mut times = times.into_inner().expect("no client panics");
    times.sort_by(f64::total_cmp);
    Ok((times[times.len() / 2], times[times.len() * 99 / 100]))
}

/// Runs `work` on so many threads and adds up what they counted.
fn in_parallel(threads: usize, work: impl Fn(usize) -> Result<u64> + Sync) -> Result<u64> {
    thread::scope(|scope| {
        let work = &work;
        let running: Vec<_> = (0..threads)
            .map(|number| scope.spawn(move || work(number)))
            .collect();
        running
            .into_iter()
            .map(|thread| thread.join().expect("no client panics"))
            .sum()
    })
}
