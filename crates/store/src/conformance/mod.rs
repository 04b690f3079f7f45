//! What must be true on both engines: one list, run on SQLite and on PostgreSQL.
//!
//! PostgreSQL is the server at `COUNTERSIGN_TEST_POSTGRES_URL`, in which each test makes a database
//! of its own; without the variable these tests say so and end.

mod anchors;
mod apps;
mod audit;
mod engines;
mod opening;
mod outage;
mod samples;
mod sessions;
mod signing;
mod small;
mod statements;
mod transactions;
mod users;

use engines::Database;

/// One test per sentence and engine.
macro_rules! conformance {
    ($($subject:ident { $($sentence:ident)+ })+) => {
        mod sqlite {$(mod $subject {$(
            #[tokio::test(flavor = "multi_thread")]
            async fn $sentence() {
                crate::conformance::engines::on_sqlite(crate::conformance::$subject::$sentence).await;
            }
        )+})+}
        mod postgres {$(mod $subject {$(
            #[tokio::test(flavor = "multi_thread")]
            async fn $sentence() {
                crate::conformance::engines::on_postgres(crate::conformance::$subject::$sentence).await;
            }
        )+})+}
    };
}

conformance! {
    statements {
        the_engine_understands_every_statement
    }
    users {
        a_user_comes_back_as_added
        users_are_listed_by_upn
        a_upn_and_an_immutable_id_are_taken_once
        an_immutable_id_in_other_case_is_another
        only_an_enabled_admin_counts
        a_user_is_disabled_and_enabled_again
        a_password_hash_is_replaced
        a_source_is_familiar_since_its_last_success
        a_group_comes_back_as_added
        a_group_name_is_taken_once
        a_user_joins_and_leaves_a_group
        nobody_joins_what_does_not_exist
        the_people_of_a_domain_are_those_who_may_use_the_app
        debug_output_holds_no_secret
    }
    anchors {
        an_anchor_comes_back_with_its_story
        anchors_change_together_and_may_be_exchanged
        an_anchor_changes_only_from_what_it_was
        a_used_anchor_changes_only_when_that_is_meant
        the_first_token_with_an_anchor_is_remembered
        what_entra_has_is_noted
    }
    apps {
        an_app_comes_back_as_added
        apps_are_listed_oldest_first
        a_domain_an_issuer_and_an_app_id_are_taken_once
        apps_without_a_domain_do_not_exclude_each_other
        an_issuer_is_found_by_its_domain
        an_issuer_needs_its_app
        an_app_changes_alone_and_keeps_what_it_is
        a_slug_is_taken_once
        an_issuer_is_replaced_by_one_that_is_free
        a_domain_joins_its_app_and_leaves_it
        of_two_who_remove_the_last_two_domains_one_succeeds
        a_grant_reaches_the_members_of_its_group
    }
    signing {
        a_signing_key_comes_back_as_added
        an_app_has_one_current_and_one_next_key
        of_many_who_promote_a_key_one_succeeds
        a_key_signs_and_stops_and_signs_again
        a_withdrawn_key_is_gone_for_good_and_the_current_one_stays
    }
    sessions {
        a_session_comes_back_as_added
        a_session_is_touched_and_ended
        all_sessions_of_a_user_end
        a_sign_on_holds_everything_a_token_needs
        a_sign_on_says_what_is_missing
        a_sign_on_takes_the_current_key_only
        who_has_a_token_is_durable_with_its_audit_line
        a_token_of_a_session_that_has_ended_is_still_on_record
        sessions_are_found_by_what_their_app_was_told
        an_ended_session_leaves_no_trace_of_its_apps
        a_pairwise_id_stays_what_it_was_first
        a_sign_out_and_its_steps_come_back_as_added
        a_step_moves_on_once
    }
    small {
        an_attempt_comes_back_as_added_and_ends_once
        a_one_time_link_comes_back_as_added_and_ends_once
        a_setting_is_set_once
        the_rescue_pack_that_was_stored_last_is_remembered
        a_throttle_comes_back_as_saved_and_is_cleared
        a_new_throttle_has_no_failures
        a_purge_removes_exactly_what_has_expired
        a_purge_is_bounded
        times_of_every_precision_are_in_order
    }
    audit {
        a_line_comes_back_as_appended
        lines_are_paged_newest_first
        a_recorded_line_is_durable_when_answered
        many_lines_at_once_all_arrive
        a_refused_line_does_not_take_others_with_it
        a_line_is_recorded_once_though_asked_again
        a_line_is_written_though_nobody_waits
        nul_does_not_escape_the_audit
        a_closed_store_answers_every_caller
    }
    transactions {
        a_dropped_write_never_happened
        a_failed_statement_fails_the_commit
        a_failed_look_up_fails_the_commit
        a_write_sees_its_own_changes
        a_read_is_one_consistent_view
        many_read_then_write_writers_all_succeed
        a_locked_throttle_counts_exactly
        an_abandoned_write_does_not_block_the_next
    }
    opening {
        an_open_database_opens_again_with_its_contents
        a_new_database_opens_many_times_at_once
        a_new_database_opens_in_many_processes_at_once
        a_database_of_a_newer_version_is_refused
        a_changed_migration_is_refused
        looking_at_the_tables_makes_none
        a_database_of_the_first_version_keeps_everything
    }
}
