//! What can go wrong, in the words of whoever has to answer for it.

use std::path::PathBuf;
use std::sync::Arc;

use sqlx::error::ErrorKind;
use sqlx::migrate::MigrateError;

/// The outcome of a statement or a transaction.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a statement or a transaction did not succeed.
///
/// It can be cloned because one failed commit answers everybody who waited for it.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The database cannot be reached or is too busy; the same call may succeed later.
    #[error("the database is not available")]
    Unavailable(#[source] Arc<sqlx::Error>),
    /// Somebody else has this value, which may exist once only.
    #[error("this {what} is already taken")]
    Taken {
        /// What is taken, in people's words.
        what: &'static str,
    },
    /// The change refers to something that does not exist.
    #[error("something this refers to does not exist")]
    Missing,
    /// Anything else: a defect, or a damaged database.
    #[error("the database refused the statement")]
    Broken(#[source] Arc<sqlx::Error>),
}

impl Error {
    /// Whether waiting may help.
    pub fn is_unavailable(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        if is_unavailable(&error) {
            return Self::Unavailable(Arc::new(error));
        }
        match error
            .as_database_error()
            .map(|refusal| (refusal.kind(), refusal))
        {
            Some((ErrorKind::UniqueViolation, refusal)) => Self::Taken {
                what: what_is_taken(refusal.constraint().unwrap_or(refusal.message())),
            },
            Some((ErrorKind::ForeignKeyViolation, _)) => Self::Missing,
            _ => Self::Broken(Arc::new(error)),
        }
    }
}

/// Whether the connection is lost or the engine asks to come back later.
fn is_unavailable(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        // A line that breaks in the middle of a greeting reads like a greeting that makes no sense.
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed
        | sqlx::Error::BeginFailed => true,
        sqlx::Error::Database(refusal) => refusal.code().is_some_and(|code| is_transient(&code)),
        _ => false,
    }
}

/// PostgreSQL's SQLSTATE (five characters) or SQLite's extended result code (a number, whose low
/// byte is the primary code).
fn is_transient(code: &str) -> bool {
    match code.parse::<u32>() {
        Ok(number) if code.len() < 5 => matches!(
            number & 0xff,
            5 | 6 | 10 | 13 | 14 // BUSY, LOCKED, IOERR, FULL, CANTOPEN
        ),
        _ => {
            ["08", "53", "57", "58"].iter().any(|class| code.starts_with(class)) // connection, resources, operator, system
                || ["25P03", "40001", "40P01", "55P03"].contains(&code) // idle too long, serialization, deadlock, lock timeout
        }
    }
}

/// Reads the constraint: PostgreSQL says `users_upn_key_key`, SQLite `… failed: users.upn_key`.
fn what_is_taken(constraint: &str) -> &'static str {
    [
        ("upn_key", "UPN"),
        ("immutable_id", "ImmutableID"),
        ("name_key", "group name"),
        ("slug", "slug"),
        ("domain", "domain"),
        ("issuers", "issuer"),
        ("signing_keys_one", "stage of the signing keys"),
        ("signing_keys.app_id", "stage of the signing keys"),
    ]
    .into_iter()
    .find_map(|(part, what)| constraint.contains(part).then_some(what))
    .unwrap_or("identifier")
}

/// Why a database could not be opened. Never holds a password.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The URL is not one that we know.
    #[error(
        "the database URL {problem}; accepted are sqlite:///absolute/path.db, sqlite://relative.db and postgres://user:password@host:5432/database"
    )]
    Url {
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The file of an SQLite database cannot be made or locked.
    #[error("cannot prepare the database file {}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Another process has been opening the same file for too long.
    #[error("another process has been opening this database for too long; {} is locked", path.display())]
    Locked {
        /// The lock file.
        path: PathBuf,
    },
    /// No connection.
    #[error("cannot connect to the database")]
    Connect(#[source] sqlx::Error),
    /// A newer version of this program has been here.
    #[error(
        "the database was migrated by a newer version of Countersign (it has migration {version}, unknown here); start that version or a newer one"
    )]
    Newer {
        /// The migration that we do not know.
        version: i64,
    },
    /// A migration did not succeed.
    #[error("cannot migrate the database")]
    Migrate(#[source] MigrateError),
}

impl From<MigrateError> for OpenError {
    fn from(error: MigrateError) -> Self {
        match error {
            MigrateError::VersionMissing(version) => Self::Newer { version },
            error => Self::Migrate(error),
        }
    }
}
