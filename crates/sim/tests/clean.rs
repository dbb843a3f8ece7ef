//! Without a planted bug every schedule is clean, whatever befalls its world.

use portcullis_sim::{Coverage, Lines, run, run_twice};

/// Rule SIM-01
#[test]
fn two_hundred_schedules_violate_nothing() {
    let mut coverage = Coverage::default();
    for seed in 0..200 {
        let verdict = run(seed, None, Lines::Dropped).unwrap();
        let replay = format!("portcullis-sim --trace {seed}");
        assert!(
            verdict.violations.is_empty(),
            "{replay}: {:?}",
            verdict.violations
        );
        coverage.add(&verdict.coverage);
    }
    // A batch that exercises nothing proves nothing.
    for name in [
        "power cut",
        "power cut in a write",
        "zone partition",
        "one-way partition",
        "replies cut off",
        "storm",
        "lost messages",
        "late messages",
        "edit: name",
        "edit: password",
        "edit: cluster",
        "calls in flight at a disconnect",
        "calls refused as disconnected",
        "deadline passed",
        "connect failed",
        "fenced logins",
        "keys created",
    ] {
        assert!(
            coverage.0.get(name).is_some_and(|count| *count > 0),
            "no schedule had: {name}"
        );
    }
}

/// Rule SIM-02
#[test]
fn a_seed_replays_exactly_and_another_one_differs() {
    let mut hashes = std::collections::BTreeSet::new();
    for seed in 0..20 {
        let verdict = run_twice(seed, None).unwrap();
        assert!(
            verdict.violations.is_empty(),
            "{seed}: {:?}",
            verdict.violations
        );
        assert!(
            hashes.insert(verdict.hash),
            "seed {seed} repeats an earlier one"
        );
    }
    let kept = run(0, None, Lines::Kept).unwrap();
    let again = run(0, None, Lines::Kept).unwrap();
    assert_eq!(kept.lines, again.lines);
}
