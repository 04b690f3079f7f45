//! One SQL text, compiled once for each engine.
//!
//! A statement is a literal with `$1`, `$2`, …; there is no way to build one from parts. In tests
//! each text registers itself, so that one test prepares all of them on both engines.

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
