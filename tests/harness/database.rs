//! The databases that every end-to-end test runs on.

use std::process::Command;

use url::Url;
use uuid::Uuid;

/// Which engine a server keeps its data in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Database {
    Sqlite,
    Postgres,
}

/// SQLite, and PostgreSQL where there is one; `make test` insists that there is.
pub fn databases() -> Vec<Database> {
    if cluster().is_some() {
        vec![Database::Sqlite, Database::Postgres]
    } else {
        assert!(
            std::env::var_os("COUNTERSIGN_TEST_REQUIRE_ALL").is_none(),
            "COUNTERSIGN_TEST_POSTGRES_URL is not set, and COUNTERSIGN_TEST_REQUIRE_ALL forbids to leave PostgreSQL out"
        );
        eprintln!("Tested on SQLite only: COUNTERSIGN_TEST_POSTGRES_URL is not set.");
        vec![Database::Sqlite]
    }
}

/// A database of one server's own in the PostgreSQL of the tests, dropped with this value.
#[derive(Debug)]
pub(crate) struct OwnPostgres {
    name: String,
    pub(crate) url: Url,
}

impl OwnPostgres {
    pub(crate) fn create() -> Self {
        let name = format!("countersign_test_{}", Uuid::new_v4().simple());
        psql(&format!("CREATE DATABASE {name}")).expect("PostgreSQL creates a database");
        let mut url = cluster().expect("a test on PostgreSQL needs COUNTERSIGN_TEST_POSTGRES_URL");
        url.set_path(&name);
        Self { name, url }
    }
}

impl Drop for OwnPostgres {
    fn drop(&mut self) {
        if let Err(reason) = psql(&format!("DROP DATABASE {} WITH (FORCE)", self.name)) {
            eprintln!("{} is left behind: {reason}", self.name);
        }
    }
}

fn cluster() -> Option<Url> {
    let url = std::env::var_os("COUNTERSIGN_TEST_POSTGRES_URL")?;
    Some(Url::parse(&url.to_string_lossy()).expect("COUNTERSIGN_TEST_POSTGRES_URL is a URL"))
}

fn psql(statement: &str) -> Result<(), String> {
    let cluster = cluster().ok_or("COUNTERSIGN_TEST_POSTGRES_URL is not set")?;
    let output = Command::new("psql")
        .args([
            "--no-psqlrc",
            "--quiet",
            "--command",
            statement,
            cluster.as_str(),
        ])
        .output()
        .map_err(|error| format!("psql: {error}"))?;
    if output.status.success() {
        Ok(())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}
