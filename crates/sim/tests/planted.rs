//! Every planted bug is found, and by the invariant that it breaks. Rule SIM-03.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests fail loudly")]

use portcullis_seam::plant::Bug;
use portcullis_sim::check::Invariant;
use portcullis_sim::{Lines, run};

/// A bug that some hundred schedules do not show might as well not be looked for.
const SEEDS_MAX: u64 = 150;

#[track_caller]
fn is_found(bug: Bug, by: Invariant) {
    for seed in 0..SEEDS_MAX {
        let verdict = run(seed, Some(bug), Lines::Dropped).unwrap();
        if verdict
            .violations
            .iter()
            .any(|violation| violation.invariant == by)
        {
            return;
        }
    }
    panic!("{bug:?} was not found in {SEEDS_MAX} schedules");
}

#[test]
fn a_gate_that_is_checked_only_at_the_start_is_found() {
    is_found(Bug::GateCheckedOnlyAtStart, Invariant::I1);
}

#[test]
fn an_epoch_that_is_not_compared_on_reply_is_found() {
    is_found(Bug::EpochNotComparedOnReply, Invariant::I1);
}

#[test]
fn a_key_acknowledged_from_one_zone_is_found() {
    is_found(Bug::AcknowledgedFromOneZone, Invariant::I4);
}

#[test]
fn a_fence_that_is_lost_at_a_restart_is_found() {
    is_found(Bug::FenceLostAtRestart, Invariant::Fence);
}

#[test]
fn a_skipped_certificate_check_is_found() {
    is_found(Bug::CertificateCheckSkipped, Invariant::I5);
}

#[test]
fn a_nonce_that_is_used_again_is_found() {
    is_found(Bug::NonceReused, Invariant::I3);
}

#[test]
fn additional_data_that_is_ignored_is_found() {
    is_found(Bug::AdditionalDataIgnored, Invariant::I3);
}

#[test]
fn a_disconnect_that_is_acknowledged_early_is_found() {
    is_found(Bug::DisconnectAcknowledgedEarly, Invariant::I1);
}

#[test]
fn there_is_a_test_for_every_bug() {
    let tests = include_str!("planted.rs");
    for bug in Bug::ALL {
        assert!(
            tests.contains(&format!("is_found(Bug::{bug:?}")),
            "{bug:?} has no test"
        );
    }
}
