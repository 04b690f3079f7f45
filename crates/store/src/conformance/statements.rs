//! Every text in the crate is understood, also those that no other test reaches.

use sqlx::{Executor, SqlSafeStr};

use super::Database;
use crate::statement::Statement;
use crate::transaction::Connection;

pub(super) async fn the_engine_understands_every_statement(database: Database) {
    let statements: Vec<&Statement> = inventory::iter::<Statement>().collect();
    assert!(statements.len() > 50, "the statements have registered");
    for Statement(sql) in statements {
        let mut write = database.write().await;
        let prepared = match write.connection() {
            Connection::Postgres(connection) => {
                connection.prepare(sql.into_sql_str()).await.map(drop)
            }
            Connection::Sqlite(connection) => {
                connection.prepare(sql.into_sql_str()).await.map(drop)
            }
        };
        assert!(prepared.is_ok(), "{sql}: {prepared:?}");
    }
}
