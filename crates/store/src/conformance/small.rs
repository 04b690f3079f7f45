//! Attempts, links, settings, throttles, and what removes them.

use chrono::{TimeDelta, Timelike};

use super::Database;
use super::samples::{app, at, attempt, link, session, sign_out, user};
use crate::{Attempt, OneTimeLink, Session, SignOut, StoredPack, Throttle};

pub(super) async fn an_attempt_comes_back_as_added_and_ends_once(database: Database) {
    let own = attempt(7);
    let mut write = database.write().await;
    write.add_attempt(&own).await.unwrap();
    write.add_attempt(&attempt(8)).await.unwrap();
    write.commit().await.unwrap();
    let found = database.read().await.attempt(&[7; 32]).await.unwrap();
    assert_eq!(found, Some(own));

    let mut write = database.write().await;
    assert!(write.end_attempt(&[7; 32]).await.unwrap());
    assert!(!write.end_attempt(&[7; 32]).await.unwrap());
    write.commit().await.unwrap();
    let mut read = database.read().await;
    assert_eq!(read.attempt(&[7; 32]).await.unwrap(), None);
    assert_eq!(read.attempt(&[8; 32]).await.unwrap(), Some(attempt(8)));
}

pub(super) async fn a_one_time_link_comes_back_as_added_and_ends_once(database: Database) {
    let setup = link(1, "setup");
    let mut write = database.write().await;
    for link in [&setup, &link(2, "setup"), &link(3, "other")] {
        write.add_one_time_link(link).await.unwrap();
    }
    write.commit().await.unwrap();
    let found = database.read().await.one_time_link(&[1; 32]).await.unwrap();
    assert_eq!(found, Some(setup));

    let mut write = database.write().await;
    assert_eq!(write.end_one_time_links("setup").await.unwrap(), 2);
    assert_eq!(write.end_one_time_links("setup").await.unwrap(), 0);
    write.commit().await.unwrap();
    let mut read = database.read().await;
    assert_eq!(read.one_time_link(&[1; 32]).await.unwrap(), None);
    assert!(read.one_time_link(&[3; 32]).await.unwrap().is_some());
}

pub(super) async fn a_setting_is_set_once(database: Database) {
    let mut write = database.write().await;
    assert!(write.set_setting_once("seal", &[0, 1, 255]).await.unwrap());
    assert!(!write.set_setting_once("seal", &[9]).await.unwrap());
    write.commit().await.unwrap();
    let mut read = database.read().await;
    assert_eq!(read.setting("seal").await.unwrap(), Some(vec![0, 1, 255]));
    assert_eq!(read.setting("other").await.unwrap(), None);
}

pub(super) async fn the_rescue_pack_that_was_stored_last_is_remembered(database: Database) {
    let first = StoredPack {
        version: "0123456789abcdef".to_owned(),
        stored_by: Some("ada@contoso.example".to_owned()),
        stored_at: at(1),
    };
    let last = StoredPack {
        version: "fedcba9876543210".to_owned(),
        stored_by: None,
        stored_at: at(2),
    };
    let mut write = database.write().await;
    write.add_app(&app("a"), &[]).await.unwrap();
    write.set_stored_pack("a", &first).await.unwrap();
    assert_eq!(write.stored_pack("a").await.unwrap(), Some(first));
    write.set_stored_pack("a", &last).await.unwrap();
    write.commit().await.unwrap();
    let mut read = database.read().await;
    assert_eq!(read.stored_pack("a").await.unwrap(), Some(last));
    assert_eq!(read.stored_pack("b").await.unwrap(), None);
}

pub(super) async fn a_throttle_comes_back_as_saved_and_is_cleared(database: Database) {
    let saved = Throttle {
        key: "user alice".to_owned(),
        failures: 7,
        last_failure_at: at(5),
        locked_until: Some(at(60)),
        last_request: Some(vec![0, 255]),
    };
    let mut write = database.write().await;
    assert!(
        !write.save_throttle(&saved).await.unwrap(),
        "not locked yet"
    );
    write.lock_throttle(&saved.key, at(0)).await.unwrap();
    assert!(write.save_throttle(&saved).await.unwrap());
    write.commit().await.unwrap();
    let found = database.read().await.throttle(&saved.key).await.unwrap();
    assert_eq!(found.as_ref(), Some(&saved));

    let mut write = database.write().await;
    assert_eq!(write.lock_throttle(&saved.key, at(9)).await.unwrap(), saved);
    assert!(write.clear_throttle(&saved.key).await.unwrap());
    assert!(!write.clear_throttle(&saved.key).await.unwrap());
    write.commit().await.unwrap();
    let cleared = database.read().await.throttle(&saved.key).await.unwrap();
    assert_eq!(cleared, None);
}

pub(super) async fn a_new_throttle_has_no_failures(database: Database) {
    let expected = Throttle {
        key: "source 192.0.2.7".to_owned(),
        failures: 0,
        last_failure_at: at(0),
        locked_until: None,
        last_request: None,
    };
    let mut write = database.write().await;
    let fresh = write.lock_throttle(&expected.key, at(0)).await.unwrap();
    assert_eq!(fresh, expected);
}

pub(super) async fn a_purge_removes_exactly_what_has_expired(database: Database) {
    let alice = user("alice");
    let now = at(0);
    let month = TimeDelta::days(30);
    let moment = TimeDelta::microseconds(1);
    let mut write = database.write().await;
    write.add_user(&alice).await.unwrap();
    for (byte, expires_at) in [(1, now), (2, now + moment)] {
        let session = Session {
            expires_at,
            ..session(&alice, byte)
        };
        let attempt = Attempt {
            expires_at,
            ..attempt(byte)
        };
        let link = OneTimeLink {
            expires_at,
            ..link(byte, "setup")
        };
        write.add_session(&session).await.unwrap();
        write.add_attempt(&attempt).await.unwrap();
        write.add_one_time_link(&link).await.unwrap();
        let sign_out = SignOut {
            expires_at,
            ..sign_out(byte)
        };
        write.add_sign_out(&sign_out, &[]).await.unwrap();
    }
    for (key, last_failure_at, locked_until) in [
        ("old", now - month - moment, None),
        ("old and locked", now - month - moment, Some(now + moment)),
        ("young", now - month, None),
    ] {
        let throttle = Throttle {
            key: key.to_owned(),
            failures: 1,
            last_failure_at,
            locked_until,
            last_request: None,
        };
        write.lock_throttle(key, now).await.unwrap();
        write.save_throttle(&throttle).await.unwrap();
    }
    write
        .remember_source(alice.id, "old", now - month * 3 - moment)
        .await
        .unwrap();
    write
        .remember_source(alice.id, "young", now - month * 3)
        .await
        .unwrap();
    write.commit().await.unwrap();

    let mut write = database.write().await;
    assert_eq!(write.purge(now).await.unwrap(), 6);
    assert_eq!(write.purge(now).await.unwrap(), 0);
    write.commit().await.unwrap();
    let mut read = database.read().await;
    for (byte, kept) in [(1, false), (2, true)] {
        let hash = [byte; 32];
        assert_eq!(read.session(&hash).await.unwrap().is_some(), kept);
        assert_eq!(read.attempt(&hash).await.unwrap().is_some(), kept);
        assert_eq!(read.one_time_link(&hash).await.unwrap().is_some(), kept);
        assert_eq!(read.sign_out(&hash).await.unwrap().is_some(), kept);
    }
    for (key, kept) in [("old", false), ("old and locked", true), ("young", true)] {
        assert_eq!(read.throttle(key).await.unwrap().is_some(), kept, "{key}");
    }
    let long_ago = now - month * 12;
    for (source, kept) in [("old", false), ("young", true)] {
        let familiar = read.is_familiar(alice.id, source, long_ago).await.unwrap();
        assert_eq!(familiar, kept, "{source}");
    }
}

pub(super) async fn a_purge_is_bounded(database: Database) {
    let mut write = database.write().await;
    for number in 0..1_001_u16 {
        let attempt = Attempt {
            id_hash: number.to_be_bytes().to_vec(),
            ..attempt(0)
        };
        write.add_attempt(&attempt).await.unwrap();
    }
    for removed in [1_000, 1, 0] {
        assert_eq!(write.purge(at(600)).await.unwrap(), removed);
    }
}

pub(super) async fn times_of_every_precision_are_in_order(database: Database) {
    let second = at(0).with_nanosecond(0).expect("a whole second");
    let times = [
        0, 1, 10, 1_000, 100_000, 123_000, 123_456, 500_000, 999_999, 1_000_000,
    ];
    let times = times.map(|micros| second + TimeDelta::microseconds(micros));
    let alice = user("alice");
    let mut write = database.write().await;
    write.add_user(&alice).await.unwrap();
    for remembered in times {
        write
            .remember_source(alice.id, "source", remembered)
            .await
            .unwrap();
        for since in times {
            let familiar = write.is_familiar(alice.id, "source", since).await.unwrap();
            assert_eq!(familiar, remembered >= since, "{remembered} since {since}");
        }
    }
}
