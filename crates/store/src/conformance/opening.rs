//! Opening, migrating, and refusing to.

use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{PgPool, SqlitePool};
use tokio::task::JoinSet;

use super::Database;
use super::engines::environment;
use super::samples::{app, issuer, microsofts_saml, user};
use crate::{AnchorUse, AppKind, Error, OpenError, Protocol, Schema, Store};

/// Tells `one_of_many_processes` which database to open.
const URL_OF_MANY: &str = "COUNTERSIGN_TEST_OPEN_URL";
const UNDO_MIGRATIONS: &str = "
    DROP TABLE rescue_packs;
    DROP TABLE sign_out_steps; DROP TABLE sign_outs; DROP TABLE pairwise_ids; DROP TABLE session_apps;
    DROP TABLE one_time_links; DROP TABLE settings; DROP TABLE audit; DROP TABLE familiar_sources;
    DROP TABLE throttles; DROP TABLE sign_in_attempts; DROP TABLE sessions;
    DROP TABLE signing_keys; DROP TABLE app_grants; DROP TABLE issuers; DROP TABLE apps;
    DROP TABLE memberships; DROP TABLE groups; DROP TABLE users; DROP TABLE _sqlx_migrations;
";

pub(super) async fn an_open_database_opens_again_with_its_contents(database: Database) {
    let alice = user("alice");
    let mut write = database.write().await;
    write.add_user(&alice).await.unwrap();
    write.commit().await.unwrap();
    let again = Store::open(&database.url).await.unwrap();
    let users = again.read().await.unwrap().users().await.unwrap();
    assert_eq!(users, [alice]);
}

pub(super) async fn a_new_database_opens_many_times_at_once(database: Database) {
    let url = fresh(&database).await;
    let mut openers = JoinSet::new();
    for number in 0..12 {
        let url = url.clone();
        openers.spawn(async move {
            let store = Store::open(&url).await.unwrap();
            let mut write = store.write().await.unwrap();
            write
                .add_user(&user(&format!("user{number}")))
                .await
                .unwrap();
            write.commit().await.unwrap();
        });
    }
    openers.join_all().await;
    let store = Store::open(&url).await.unwrap();
    assert_eq!(store.read().await.unwrap().users().await.unwrap().len(), 12);
}

pub(super) async fn a_new_database_opens_in_many_processes_at_once(database: Database) {
    let url = fresh(&database).await;
    let processes: Vec<_> = (0..8)
        .map(|_| {
            Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "conformance::opening::one_of_many_processes"])
                .args(["--ignored", "--nocapture"])
                .env(URL_OF_MANY, &url)
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    for process in processes {
        let output = process.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.contains("1 passed"), "{text}");
    }
    let store = Store::open(&url).await.unwrap();
    assert_eq!(store.read().await.unwrap().users().await.unwrap().len(), 8);
}

#[tokio::test]
#[ignore = "a part of a_new_database_opens_in_many_processes_at_once"]
async fn one_of_many_processes() {
    let url = environment(URL_OF_MANY).expect("set by the test that starts this one");
    let store = Store::open(&url).await.unwrap();
    let mut write = store.write().await.unwrap();
    let name = format!("process{}", std::process::id());
    write.add_user(&user(&name)).await.unwrap();
    write.commit().await.unwrap();
}

pub(super) async fn a_database_of_a_newer_version_is_refused(database: Database) {
    database
        .meddle(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
             SELECT 9999, 'from the future', success, checksum, 0 FROM _sqlx_migrations WHERE version = 1",
        )
        .await;
    let refused = Store::open(&database.url).await.unwrap_err();
    assert!(
        matches!(refused, OpenError::Newer { version: 9999 }),
        "{refused:?}"
    );
}

pub(super) async fn looking_at_the_tables_makes_none(database: Database) {
    let look = async |url: &str| Store::schema(url).await.unwrap();
    assert_eq!(look(&database.url).await, Schema::Current);
    let last = "(SELECT MAX(version) FROM _sqlx_migrations)";
    database
        .meddle(format!(
            "UPDATE _sqlx_migrations SET version = 9999 WHERE version = {last}"
        ))
        .await;
    assert_eq!(look(&database.url).await, Schema::Newer { version: 9999 });
    database
        .meddle("DELETE FROM _sqlx_migrations WHERE version = 9999")
        .await;
    assert_eq!(look(&database.url).await, Schema::Older { lacks: 1 });
    let fresh = fresh(&database).await;
    for _ in 0..2 {
        assert_eq!(look(&fresh).await, Schema::Missing);
    }
    if let Some(path) = fresh.strip_prefix("sqlite://") {
        assert!(!std::path::Path::new(path).exists());
    }
}

pub(super) async fn a_changed_migration_is_refused(database: Database) {
    let mut write = database.write().await;
    write.set_setting_once("other", b"other").await.unwrap();
    write.commit().await.unwrap();
    database
        .meddle(
            "UPDATE _sqlx_migrations SET checksum = (SELECT value FROM settings) WHERE version = 1",
        )
        .await;
    let refused = Store::open(&database.url).await.unwrap_err();
    let changed = matches!(
        refused,
        OpenError::Migrate(MigrateError::VersionMismatch(1))
    );
    assert!(changed, "{refused:?}");
}

pub(super) async fn a_database_of_the_first_version_keeps_everything(database: Database) {
    let first = Database {
        url: fresh(&database).await,
        ..database
    };
    run_first_migration(&first.url).await;
    let id = |number: u8| {
        if first.url.starts_with("sqlite://") {
            format!("x'0000000000007000800000000000000{number}'")
        } else {
            format!("'00000000-0000-7000-8000-00000000000{number}'")
        }
    };
    let (group, alice, bob) = (id(2), id(3), id(4));
    let wsfed = |realm: &str, reply: &str| {
        format!(
            r#"{{"realm":"{realm}","replies":["{reply}"],"name_id":{{"format":"urn:x","source":"upn"}},"attributes":[]}}"#
        )
    };
    let microsoft = wsfed(
        "urn:federation:MicrosoftOnline",
        "https://login.microsoftonline.com/login.srf",
    );
    let wiki = wsfed("urn:wiki", "https://wiki.example/");
    let time = "'2026-11-21T00:00:00+00:00'";
    first
        .meddle(format!(
            "INSERT INTO groups (id, name, name_key, created_at) VALUES ({group}, 'Staff', 'staff', {time});
             INSERT INTO apps (id, kind, label, enabled, wsfed, cloud, entra_url, created_at) VALUES
               ('m', 'm365', 'Microsoft 365', TRUE, '{microsoft}', 'worldwide', NULL, {time}),
               ('w', 'wsfed', 'Wiki', FALSE, '{wiki}', NULL, NULL, {time});
             INSERT INTO issuers (issuer, app_id, domain) VALUES ('https://contoso.example', 'm', 'contoso.example');
             INSERT INTO app_grants (app_id, group_id) VALUES ('m', {group});
             INSERT INTO users (id, upn, upn_key, display_name, immutable_id, password_hash, admin, enabled, created_at) VALUES
               ({alice}, 'Alice@contoso.example', 'alice@contoso.example', 'Alice', 'a', '', FALSE, TRUE, {time}),
               ({bob}, 'bob@contoso.example', 'bob@contoso.example', 'Bob', 'b', '', FALSE, TRUE, {time});
             INSERT INTO audit (id, at, event, user_upn, details) VALUES
               ({alice}, '2026-11-22T00:00:00+00:00', 'token.issued', 'Alice@contoso.example', '{{}}'),
               ({bob}, {time}, 'token.issued', 'Alice@contoso.example', '{{}}'),
               ({group}, {time}, 'token.refused', 'bob@contoso.example', '{{}}');"
        ))
        .await;
    let store = Store::open(&first.url).await.unwrap();
    let mut read = store.read().await.unwrap();
    let apps = read.apps().await.unwrap();
    let [microsoft, wiki] = &apps[..] else {
        panic!("{apps:?}");
    };
    assert_eq!(microsoft.saml, Some(microsofts_saml()));
    assert_eq!(microsoft.kind, AppKind::M365);
    assert_eq!(
        (microsoft.protocol, &microsoft.slug),
        (Protocol::Wsfed, &None)
    );
    assert_eq!((wiki.kind, wiki.enabled), (AppKind::Wsfed, false));
    assert_eq!(
        (&wiki.saml, wiki.wsfed.as_ref().unwrap().realm.as_str()),
        (&None, "urn:wiki")
    );
    assert_eq!(read.granted_groups("m").await.unwrap()[0].name, "Staff");
    let kept = read.issuer_of_domain("contoso.example").await.unwrap();
    assert_eq!(kept.unwrap().app_id, "m");
    let anchors = read.anchors().await.unwrap();
    let used: Vec<_> = anchors
        .iter()
        .map(|anchor| (anchor.anchor_used_at, anchor.anchor_used_by))
        .collect();
    let since = "2026-11-21T00:00:00Z".parse().ok();
    assert_eq!(used, [(since, Some(AnchorUse::Token)), (None, None)]);
    drop(read);
    let elsewhere = issuer(&app("elsewhere"), "other.example");
    let mut write = store.write().await.unwrap();
    let refused = write.add_app(&app("a"), &[elsewhere]).await;
    assert!(matches!(refused, Err(Error::Missing)), "references hold");
    drop(write);
    store.close().await;
}

/// What a server of before the second migration did when it opened an empty database.
async fn run_first_migration(url: &str) {
    let all = sqlx::migrate!("../../migrations");
    let first = all.iter().filter(|migration| migration.version == 1);
    let migrator = Migrator {
        migrations: first.cloned().collect::<Vec<_>>().into(),
        ..Migrator::DEFAULT
    };
    if let Some(path) = url.strip_prefix("sqlite://") {
        let options = SqliteConnectOptions::new().filename(path);
        let pool = SqlitePool::connect_with(options.create_if_missing(true)).await;
        let pool = pool.unwrap();
        migrator.run(&pool).await.unwrap();
        pool.close().await;
    } else {
        let pool = PgPool::connect(url).await.unwrap();
        migrator.run(&pool).await.unwrap();
        pool.close().await;
    }
}

#[tokio::test]
async fn a_new_file_is_readable_by_its_owner_only() {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/new.db", directory.path().display());
    let store = Store::open(&url).await.unwrap();
    let mut write = store.write().await.unwrap();
    write.add_user(&user("alice")).await.unwrap();
    write.commit().await.unwrap();
    for name in ["new.db", "new.db-wal", "new.db-shm", "new.db-lock"] {
        let file = std::fs::metadata(directory.path().join(name)).expect(name);
        assert_eq!(file.permissions().mode() & 0o777, 0o600, "{name}");
    }
}

#[tokio::test]
async fn a_dropped_store_closes_its_file() {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/new.db", directory.path().display());
    let store = Store::open(&url).await.unwrap();
    let wal = directory.path().join("new.db-wal");
    assert!(wal.exists());
    drop(store.clone());
    drop(store);
    // SQLite removes the write-ahead log with its last connection.
    let give_up = Instant::now() + Duration::from_secs(10);
    while wal.exists() {
        assert!(Instant::now() < give_up, "something holds the pools");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_file_that_is_locked_or_gone_is_not_ready() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("new.db");
    let store = Store::open(&format!("sqlite://{}", path.display()))
        .await
        .unwrap();
    store.ready().await.unwrap();

    let pool = SqlitePool::connect_with(SqliteConnectOptions::new().filename(&path)).await;
    let elsewhere = pool.unwrap().begin_with("BEGIN EXCLUSIVE").await.unwrap();
    assert!(store.ready().await.unwrap_err().is_unavailable());
    elsewhere.rollback().await.unwrap();
    store.ready().await.unwrap();

    let moved = directory.path().join("moved.db");
    std::fs::rename(&path, &moved).unwrap();
    assert!(store.ready().await.unwrap_err().is_unavailable());
    std::fs::write(&path, b"another").unwrap();
    assert!(store.ready().await.unwrap_err().is_unavailable());
    std::fs::rename(&moved, &path).unwrap();
    store.ready().await.unwrap();
}

#[tokio::test]
async fn a_url_as_other_programs_want_it_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new.db");
    let url = format!("sqlite://{}?mode=rwc", path.display());
    Store::open(&url).await.unwrap().close().await;
    assert!(path.exists());
}

#[tokio::test]
async fn a_wrong_url_is_refused_and_names_what_is_accepted() {
    for url in [
        "",
        "countersign.db",
        "sqlite:countersign.db",
        "sqlite://",
        "sqlite://:memory:",
        "sqlite://new.db?mode=memory",
        "sqlite::memory:",
        "mysql://root:hush@localhost/db",
        "postgres://user:hush@[::1/db",
        "postgres://user:hush@localhost/db?sslmode=hush",
    ] {
        let refused = Store::open(url).await.unwrap_err();
        let text = format!("{refused} {refused:?}");
        assert!(text.contains("sqlite:///absolute/path.db"), "{url}: {text}");
        assert!(
            text.contains("postgres://user:password@host"),
            "{url}: {text}"
        );
        assert!(!text.contains("hush"), "{text}");
    }
}

#[tokio::test]
async fn a_missing_directory_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/no/such.db", directory.path().display());
    let refused = Store::open(&url).await.unwrap_err();
    assert!(refused.to_string().contains("no/such.db"), "{refused}");
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_and_kept() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("letter.txt");
    let text = "Dear Sir or Madam, this is not a database. ".repeat(50);
    std::fs::write(&path, &text).unwrap();
    let refused = Store::open(&format!("sqlite://{}", path.display())).await;
    assert!(refused.is_err());
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
}

/// A database without any table.
async fn fresh(database: &Database) -> String {
    if database.url.starts_with("sqlite://") {
        return format!("{}-fresh", database.url);
    }
    database.meddle(UNDO_MIGRATIONS).await;
    database.url.clone()
}
