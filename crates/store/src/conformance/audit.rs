//! The audit and its group commit.

use serde_json::json;
use tokio::task::JoinSet;

use super::Database;
use super::samples::line;
use crate::{AuditLine, Error, Store};

pub(super) async fn a_line_comes_back_as_appended(database: Database) {
    let own = line("token issued", 0);
    let bare = AuditLine {
        user_upn: None,
        source: None,
        correlation_id: None,
        app_id: Some("gone".to_owned()),
        details: serde_json::Map::new(),
        ..line("app removed", 1)
    };
    let mut write = database.write().await;
    write.append_audit(&own).await.unwrap();
    write.append_audit(&bare).await.unwrap();
    write.commit().await.unwrap();
    let lines = database.read().await.audit(10, None).await.unwrap();
    assert_eq!(lines, [bare, own]);
}

pub(super) async fn lines_are_paged_newest_first(database: Database) {
    // Two at each moment, so that a page may end between them.
    let mut expected: Vec<AuditLine> = (0..10).map(|i| line("event", i / 2)).collect();
    let mut write = database.write().await;
    for line in &expected {
        write.append_audit(line).await.unwrap();
    }
    write.commit().await.unwrap();
    expected.sort_by_key(|line| std::cmp::Reverse((line.at, line.id)));

    let mut read = database.read().await;
    let mut pages = Vec::new();
    let mut before = None;
    loop {
        let page = read.audit(3, before).await.unwrap();
        let Some(last) = page.last() else { break };
        assert!(page.len() <= 3);
        before = Some((last.at, last.id));
        pages.extend(page);
    }
    assert_eq!(pages, expected);
}

pub(super) async fn a_recorded_line_is_durable_when_answered(database: Database) {
    let own = line("signed in", 0);
    database.store.record(own.clone()).await.unwrap();
    let elsewhere = Store::open(&database.url).await.unwrap();
    let lines = elsewhere
        .read()
        .await
        .unwrap()
        .audit(10, None)
        .await
        .unwrap();
    assert_eq!(lines, [own]);
}

pub(super) async fn many_lines_at_once_all_arrive(database: Database) {
    let mut callers = JoinSet::new();
    for number in 0..200 {
        let store = database.store.clone();
        callers.spawn(async move {
            let own = line("signed in", number);
            store.record(own.clone()).await.unwrap();
            let lines = store
                .read()
                .await
                .unwrap()
                .audit(1_000, None)
                .await
                .unwrap();
            assert!(lines.contains(&own), "answered and there");
        });
    }
    callers.join_all().await;
    let lines = database.read().await.audit(1_000, None).await.unwrap();
    assert_eq!(lines.len(), 200);
}

pub(super) async fn a_refused_line_does_not_take_others_with_it(database: Database) {
    database
        .meddle("CREATE UNIQUE INDEX audit_refuses ON audit (app_id)")
        .await;
    let mut callers = JoinSet::new();
    for number in 0..50 {
        let store = database.store.clone();
        let line = AuditLine {
            app_id: (number % 10 == 0).then(|| "once".to_owned()),
            ..line("event", number)
        };
        callers.spawn(async move { (line.app_id.is_some(), store.record(line).await) });
    }
    let outcomes = callers.join_all().await;
    let refused: Vec<_> = outcomes
        .iter()
        .filter(|(_, outcome)| outcome.is_err())
        .collect();
    assert_eq!(refused.len(), 4, "all but one of five");
    for (to_be_refused, outcome) in refused {
        assert!(to_be_refused);
        assert!(matches!(outcome, Err(Error::Taken { .. })), "{outcome:?}");
    }
    let lines = database.read().await.audit(1_000, None).await.unwrap();
    assert_eq!(lines.len(), 46);
}

pub(super) async fn a_line_is_recorded_once_though_asked_again(database: Database) {
    let own = line("signed in", 0);
    database.store.record(own.clone()).await.unwrap();
    database.store.record(own.clone()).await.unwrap();
    let lines = database.read().await.audit(10, None).await.unwrap();
    assert_eq!(lines, [own]);
}

pub(super) async fn a_line_is_written_though_nobody_waits(database: Database) {
    let own = line("gone", 0);
    let store = database.store.clone();
    {
        // Polled once, which hands the line over; then its caller is gone.
        let mut recording = std::pin::pin!(store.record(own.clone()));
        std::future::poll_fn(|context| {
            let _ = recording.as_mut().poll(context);
            std::task::Poll::Ready(())
        })
        .await;
    }
    store.record(line("next", 1)).await.unwrap();
    let lines = database.read().await.audit(10, None).await.unwrap();
    assert!(lines.contains(&own));
}

pub(super) async fn nul_does_not_escape_the_audit(database: Database) {
    let details = json!({"a\0b": ["c\0", {"d": "\0"}]});
    let own = AuditLine {
        user_upn: Some("alice\0@contoso.example".to_owned()),
        details: details.as_object().unwrap().clone(),
        ..line("refused", 0)
    };
    database.store.record(own).await.unwrap();
    let lines = database.read().await.audit(1, None).await.unwrap();
    let upn = lines[0].user_upn.as_deref();
    assert_eq!(upn, Some("alice\u{fffd}@contoso.example"));
    let replaced = json!({"a\u{fffd}b": ["c\u{fffd}", {"d": "\u{fffd}"}]});
    assert_eq!(json!(lines[0].details), replaced);
}

pub(super) async fn a_closed_store_answers_every_caller(database: Database) {
    database.store.close().await;
    let mut callers = JoinSet::new();
    for number in 0..20 {
        let store = database.store.clone();
        callers.spawn(async move { store.record(line("late", number)).await });
    }
    for outcome in callers.join_all().await {
        assert!(outcome.is_err_and(|error| error.is_unavailable()));
    }
    let read = database.store.read().await;
    assert!(read.is_err_and(|error| error.is_unavailable()));
}
