//! Every planted bug is found, and by the invariant that it breaks. Rule SIM-03.
#![expect(clippy::panic, reason = "tests fail loudly")]

use portcullis_seam::plant::Bug;
use portcullis_sim::check::Invariant;
use portcullis_sim::{Carrier, Lines, WorldPlan, run_plan, shrink};

/// How many seeds are tried, from one on that is known to show the bug. What a seed does changes
/// with the simulator: then the next ones are tried, and a test that takes long wants a new seed.
const SEEDS_MAX: u64 = 150;

#[track_caller]
fn is_found(bug: Bug, by: Invariant, first: u64) {
    for seed in first..first + SEEDS_MAX {
        if finds(&WorldPlan::draw(seed), seed, bug, by) {
            return;
        }
    }
    panic!("{bug:?} was not found in {SEEDS_MAX} schedules");
}

/// A bug may be so bad that the world cannot be set up: that is no verdict.
fn finds(plan: &WorldPlan, seed: u64, bug: Bug, by: Invariant) -> bool {
    run_plan(seed, plan, Some(bug), Lines::Dropped).is_ok_and(|verdict| {
        let mut violations = verdict.violations.iter();
        violations.any(|violation| violation.invariant == by)
    })
}

#[test]
fn a_gate_that_is_checked_only_at_the_start_is_found() {
    is_found(Bug::GateCheckedOnlyAtStart, Invariant::I1, 0);
}

#[test]
fn an_epoch_that_is_not_compared_on_reply_is_found() {
    is_found(Bug::EpochNotComparedOnReply, Invariant::I1, 31);
}

#[test]
fn a_key_acknowledged_from_one_zone_is_found() {
    is_found(Bug::AcknowledgedFromOneZone, Invariant::I4, 0);
}

#[test]
fn a_fence_that_is_lost_at_a_restart_is_found() {
    is_found(Bug::FenceLostAtRestart, Invariant::Fence, 3);
}

#[test]
fn a_skipped_certificate_check_is_found() {
    is_found(Bug::CertificateCheckSkipped, Invariant::I5, 0);
}

#[test]
fn a_nonce_that_is_used_again_is_found() {
    is_found(Bug::NonceReused, Invariant::I3, 0);
}

#[test]
fn additional_data_that_is_ignored_is_found() {
    is_found(Bug::AdditionalDataIgnored, Invariant::I3, 0);
}

#[test]
fn a_disconnect_that_is_acknowledged_early_is_found() {
    is_found(Bug::DisconnectAcknowledgedEarly, Invariant::I1, 0);
}

#[test]
fn an_answer_that_leaves_before_the_disk_has_it_is_found() {
    is_found(Bug::AcknowledgedBeforeDisk, Invariant::I4, 0);
}

#[test]
fn a_commit_that_is_not_synced_is_found() {
    is_found(Bug::CommitNotSynced, Invariant::I8, 2);
}

/// Rule SIM-13
#[test]
fn a_commit_without_room_that_is_acknowledged_is_found() {
    is_found(Bug::FullDiskAcknowledged, Invariant::I8, 381);
}

/// Rule SIM-13
#[test]
fn a_store_that_stays_closed_after_a_full_disk_is_found() {
    is_found(Bug::FullDiskIsForEver, Invariant::I11, 0);
}

/// Rule SIM-13
#[test]
fn a_gate_that_a_refused_disconnect_leaves_closed_is_found() {
    is_found(Bug::RefusedDisconnectClosesGate, Invariant::I11, 156);
}

/// Rule SIM-14
#[test]
fn a_write_into_a_file_that_is_gone_is_found() {
    is_found(Bug::VanishedFileAcknowledged, Invariant::I8, 0);
}

#[test]
fn a_context_whose_names_and_values_run_together_is_found() {
    is_found(Bug::ContextNotFramed, Invariant::I3, 18);
}

#[test]
fn an_hsm_that_stays_behind_is_found() {
    is_found(Bug::CopiesForgotten, Invariant::InStep, 20);
}

#[test]
fn a_second_key_store_of_a_retry_is_found() {
    is_found(Bug::CreateRetriedMakesAnother, Invariant::I10, 0);
}

#[test]
fn a_restart_that_connects_what_was_disconnected_is_found() {
    is_found(Bug::DisconnectedStoreReconnected, Invariant::I1, 15);
}

#[test]
fn an_epoch_that_is_used_again_after_a_restart_is_found() {
    is_found(Bug::EpochReused, Invariant::Fence, 2);
}

#[test]
fn a_disconnect_that_does_not_raise_the_fence_is_found() {
    is_found(Bug::FenceNotRaised, Invariant::Fence, 0);
}

#[test]
fn a_key_that_was_never_committed_is_found() {
    is_found(Bug::KeyAcknowledgedBeforeCommit, Invariant::I8, 2);
}

/// Rule SHARE-08: one seed in thousands shows it, so that it is that one or none.
#[test]
fn a_disconnect_that_loses_its_sessions_is_found() {
    let plan = WorldPlan::draw(1396);
    assert!(finds(
        &plan,
        1396,
        Bug::DisconnectLosesSessions,
        Invariant::Fence
    ));
}

/// Rule SHARE-05
#[test]
fn what_a_killed_facade_has_begun_and_nobody_finishes_is_found() {
    is_found(Bug::NobodyTakesOver, Invariant::I11, 20);
}

/// Rule KEY-24
#[test]
fn a_key_that_is_made_twice_is_found() {
    is_found(Bug::KeyMadeTwice, Invariant::I10, 55);
}

#[test]
fn a_plaintext_in_the_cause_of_an_error_is_found() {
    is_found(Bug::PlaintextInError, Invariant::I9, 0);
}

#[test]
fn a_key_that_lies_on_a_disk_in_the_clear_is_found() {
    is_found(Bug::KeyOnDiskUnsealed, Invariant::I9, 0);
}

#[test]
fn a_late_connect_that_opens_the_gate_is_found() {
    is_found(Bug::LateConnectOpensGate, Invariant::I7, 4);
}

#[test]
fn wrong_passwords_that_are_not_counted_are_found() {
    is_found(Bug::LockoutNotCounted, Invariant::Lockout, 5);
}

#[test]
fn an_old_cluster_that_is_used_after_an_edit_is_found() {
    is_found(Bug::OldClusterKept, Invariant::I5, 3);
}

#[test]
fn a_cluster_of_the_wrong_backup_is_found() {
    is_found(Bug::OldestBackupRestored, Invariant::I11, 3);
}

#[test]
fn a_connect_that_rotates_although_it_was_overtaken_is_found() {
    is_found(Bug::OvertakenConnectRotates, Invariant::I8, 1017);
}

#[test]
fn a_password_in_a_log_line_is_found() {
    is_found(Bug::PasswordLogged, Invariant::I9, 16);
}

/// Rule KS-63
#[test]
fn a_password_that_an_hsm_still_has_and_nobody_knows_is_found() {
    // Rare since a connection looks at its cluster again: of the first 8,000 seeds only this one is
    // known to show it, in a world of its own.
    let plan = WorldPlan::draw(295).built();
    assert!(finds(
        &plan,
        295,
        Bug::PreviousPasswordForgotten,
        Invariant::I8
    ));
}

#[test]
fn a_context_that_is_carried_over_by_re_encrypt_is_found() {
    is_found(Bug::ReEncryptKeepsContext, Invariant::I3, 0);
}

#[test]
fn an_edit_that_does_not_compare_revisions_is_found() {
    is_found(Bug::RevisionNotCompared, Invariant::I7, 1);
}

#[test]
fn a_rotation_that_was_not_recorded_first_is_found() {
    is_found(Bug::RotationNotRecorded, Invariant::I8, 99);
}

#[test]
fn a_session_that_outlives_its_connection_is_found() {
    is_found(Bug::SessionOutlivesConnection, Invariant::I11, 380);
}

#[test]
fn a_removal_that_cannot_be_taken_up_again_is_found() {
    is_found(Bug::RemovalNotRepeatable, Invariant::I11, 176);
}

/// Rule KEY-25
#[test]
fn a_removed_hsm_that_counts_is_found() {
    // So rare that no seed of the first 12,000 shows it but this one in a world of its own.
    let plan = WorldPlan::draw(8815).built();
    assert!(finds(&plan, 8815, Bug::RemovedHsmCounts, Invariant::I4));
}

/// Rule CL-27
#[test]
fn a_change_that_is_tried_again_late_is_found() {
    is_found(Bug::ChangeTriedAgainLate, Invariant::I11, 15161);
}

/// Rule CR-14
#[test]
fn a_call_that_fails_of_a_forgotten_session_is_found() {
    is_found(Bug::ForgottenSessionFailsCall, Invariant::I2, 32608);
}

/// Rule KS-65
#[test]
fn a_connection_that_keeps_removed_hsms_is_found() {
    // Over messages none of the first 16,000 seeds shows it.
    let plan = WorldPlan::draw(1947).over(Carrier::Quinn);
    assert!(finds(&plan, 1947, Bug::ClusterChangeMissed, Invariant::I11));
}

#[test]
fn there_is_a_test_for_every_bug() {
    let tests = include_str!("planted.rs");
    for bug in Bug::ALL {
        assert!(
            tests.contains(&format!("Bug::{bug:?},")),
            "{bug:?} has no test"
        );
    }
}

/// Rule SIM-07
#[test]
fn a_failing_seed_shrinks_to_what_it_needs() {
    assert!(
        shrink(3, None).is_none(),
        "a clean seed has nothing to shrink"
    );
    let Some(shrunk) = shrink(3, Some(Bug::FenceLostAtRestart)) else {
        panic!("the seed is clean");
    };
    let mut violations = shrunk.verdict.violations.iter();
    assert!(violations.any(|violation| violation.invariant == shrunk.invariant));
    // A power cut is all that this bug needs.
    assert_eq!(
        (shrunk.plan.clients, shrunk.plan.calls),
        (0, 0),
        "{}",
        shrunk.plan
    );
    assert_eq!(shrunk.plan.faults.len(), 1, "{}", shrunk.plan);
}
