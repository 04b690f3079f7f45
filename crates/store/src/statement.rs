//! One SQL text, compiled once for each engine.
//!
//! A statement is a literal with `$1`, `$2`, …; there is no way to build one from parts. In tests
//! each text registers itself, so that one test prepares all of them on both engines.

use serde::Serialize;
use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::types::Oid;
use sqlx::postgres::{PgArgumentBuffer, PgTypeInfo};
use sqlx::sqlite::SqliteTypeInfo;
use sqlx::{Database, Encode, Postgres, Sqlite, Type};

/// Runs a statement on the connection of `$on`, whichever engine that is, and notes a failure.
macro_rules! run {
    ($on:expr, $query:ident, $sql:literal, [$($value:expr),*], |$prepared:ident, $connection:ident| $outcome:expr) => {{
        #[cfg(test)]
        inventory::submit! { crate::statement::Statement($sql) }
        let outcome = match $on.connection() {
            crate::transaction::Connection::Postgres($connection) => {
                let $prepared = sqlx::$query($sql)$(.bind($value))*;
                crate::postgres::answered(async { $outcome }).await
            }
            crate::transaction::Connection::Sqlite($connection) => {
                let $prepared = sqlx::$query($sql)$(.bind($value))*;
                $outcome
            }
        };
        $on.note(outcome)
    }};
}

/// All rows.
macro_rules! fetch_all {
    ($on:expr, $sql:literal $(, $value:expr)* $(,)?) => {
        run!($on, query_as, $sql, [$($value),*], |query, connection| query.fetch_all(connection).await)
    };
}

/// The row, if there is one.
macro_rules! fetch_optional {
    ($on:expr, $sql:literal $(, $value:expr)* $(,)?) => {
        run!($on, query_as, $sql, [$($value),*], |query, connection| query.fetch_optional(connection).await)
    };
}

/// The one row that there always is.
macro_rules! fetch_one {
    ($on:expr, $sql:literal $(, $value:expr)* $(,)?) => {
        run!($on, query_as, $sql, [$($value),*], |query, connection| query.fetch_one(connection).await)
    };
}

/// The one value of the one row that there always is.
macro_rules! fetch_value {
    ($on:expr, $sql:literal $(, $value:expr)* $(,)?) => {
        run!($on, query_scalar, $sql, [$($value),*], |query, connection| query.fetch_one(connection).await)
    };
}

/// How many rows changed.
macro_rules! execute {
    ($on:expr, $sql:literal $(, $value:expr)* $(,)?) => {
        run!($on, query, $sql, [$($value),*], |query, connection| {
            query.execute(connection).await.map(|done| done.rows_affected())
        })
    };
}

/// The text of a statement somewhere in this crate.
#[cfg(test)]
pub(crate) struct Statement(pub(crate) &'static str);

#[cfg(test)]
inventory::collect!(Statement);

/// A JSON object for `json_each`, which turns it into rows of `key` and `value` on both engines: many
/// changes in one statement.
pub(crate) struct JsonObject(String);

impl JsonObject {
    pub(crate) fn new<'a, V: Serialize>(entries: impl IntoIterator<Item = (&'a str, V)>) -> Self {
        let mut text = String::from("{");
        for (key, value) in entries {
            if text.len() > 1 {
                text.push(',');
            }
            text.push_str(&json(&key));
            text.push(':');
            text.push_str(&json(&value));
        }
        text.push('}');
        Self(text)
    }
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("texts and lists of texts are JSON")
}

impl Type<Postgres> for JsonObject {
    /// `json`: sqlx's own types are `jsonb`, for which PostgreSQL has no `json_each`.
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(Oid(114))
    }
}

impl Encode<'_, Postgres> for JsonObject {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        Encode::<Postgres>::encode_by_ref(&self.0, buffer)
    }
}

impl Type<Sqlite> for JsonObject {
    fn type_info() -> SqliteTypeInfo {
        <String as Type<Sqlite>>::type_info()
    }
}

impl Encode<'_, Sqlite> for JsonObject {
    fn encode_by_ref(
        &self,
        buffer: &mut <Sqlite as Database>::ArgumentBuffer,
    ) -> Result<IsNull, BoxDynError> {
        Encode::<Sqlite>::encode_by_ref(&self.0, buffer)
    }
}
