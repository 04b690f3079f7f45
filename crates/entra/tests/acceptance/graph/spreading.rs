//! Check 54: a change is not seen everywhere at once.

use std::sync::atomic::Ordering;

use axum::http::StatusCode;
use chrono::TimeDelta;
use entra::graph::{Habits, Propagation};
use serde_json::json;

use super::{CONTOSO, Console, FEDERATION, federation};

#[tokio::test]
async fn a_change_is_seen_after_a_number_of_reads() {
    let mut console = Console::new();
    console.graph().set_habits(Habits {
        propagation: Propagation::AfterReads(2),
        ..Habits::default()
    });
    assert_eq!(
        console.post(FEDERATION, &federation()).await.status,
        StatusCode::CREATED
    );
    assert_eq!(console.account_type().await, "Managed");
    assert_eq!(console.get(FEDERATION).await.status, StatusCode::NOT_FOUND);
    assert_eq!(
        console.authentication_type("contoso.example").await,
        "Managed"
    );
    assert_eq!(
        console.authentication_type("contoso.example").await,
        "Federated"
    );
    assert_eq!(console.account_type().await, "Federated");
}

#[tokio::test]
async fn a_change_is_seen_after_a_time() {
    let mut console = Console::new();
    console.graph().set_habits(Habits {
        propagation: Propagation::After(TimeDelta::minutes(20)),
        ..Habits::default()
    });
    console.post(FEDERATION, &federation()).await;
    for (minutes, account_type) in [(0, "Managed"), (19, "Managed"), (20, "Federated")] {
        console.browser.minutes.store(minutes, Ordering::Relaxed);
        assert_eq!(
            console.account_type().await,
            account_type,
            "after {minutes} minutes"
        );
        assert_eq!(
            console.authentication_type("contoso.example").await,
            account_type
        );
    }
}

#[tokio::test]
async fn what_is_written_is_judged_by_what_was_written_last() {
    let mut console = Console::new();
    console.graph().set_habits(Habits {
        propagation: Propagation::AfterReads(5),
        ..Habits::default()
    });
    console.post(FEDERATION, &federation()).await;
    let again = console.post(FEDERATION, &federation()).await;
    assert_eq!(
        again.message(),
        "Domain already has Federation Configuration set."
    );
    let managed = console
        .patch(CONTOSO, &json!({ "authenticationType": "Managed" }))
        .await;
    assert_eq!(managed.status, StatusCode::NO_CONTENT);
}
