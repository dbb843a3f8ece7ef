//! What a rehearsal came to.

use std::time::Duration;

use portcullis_admin::{Rehearsal, RehearsalStage, RehearsalThreshold, RepairStage};

use super::script::RehearsalLimits;

/// Holds the result against the limits.
///
/// Rule LG-16: a gate leak, a wrong plaintext and an outage without an end are never good.
pub(super) fn judge(result: &mut Rehearsal, thresholds: &RehearsalLimits) {
    let while_connected = |chapter: &&RehearsalStage| {
        matches!(chapter.stage, RepairStage::Before | RepairStage::After)
    };
    let all: u64 = result.stages.iter().map(RehearsalStage::failures).sum();
    let connected = result.stages.iter().filter(while_connected);
    let connected = connected.map(RehearsalStage::failures).sum();
    let lost = u64::try_from(result.lost_keys.len()).unwrap_or(u64::MAX);
    let limits = [
        ("outage_ms", thresholds.outage.map(millis), result.outage_ms),
        ("lost_keys", thresholds.lost_keys, Some(lost)),
        (
            "failures_while_connected",
            thresholds.failures_while_connected,
            Some(connected),
        ),
        ("failures", thresholds.failures, Some(all)),
    ];
    result.thresholds = limits
        .into_iter()
        .filter_map(|(name, limit, found)| {
            let limit = limit?;
            Some(RehearsalThreshold {
                name: name.to_owned(),
                limit,
                found,
                passed: found.is_some_and(|found| found <= limit),
            })
        })
        .collect();
    result.passed = result.thresholds.iter().all(|it| it.passed)
        && result.gate_leaks == 0
        && result.wrong_plaintexts == 0
        && result.outage_ms.is_some();
}

/// For people: the stages, then what it came to.
pub(super) fn tables(result: &Rehearsal) -> [Vec<Vec<String>>; 2] {
    let cells = |row: [&str; 5]| row.map(str::to_owned).to_vec();
    let mut stages = vec![cells(["stage", "from ms", "to ms", "succeeded", "failed"])];
    for chapter in &result.stages {
        let name = chapter.stage.name();
        stages.push(vec![
            name.to_owned(),
            chapter.start_ms.to_string(),
            chapter.end_ms.to_string(),
            chapter.succeeded.to_string(),
            chapter.failures().to_string(),
        ]);
        for (error, count) in &chapter.failed {
            stages.push(vec![
                format!("  {error}"),
                String::new(),
                String::new(),
                String::new(),
                count.to_string(),
            ]);
        }
    }
    let outage = result
        .outage_ms
        .map_or_else(|| "no end".to_owned(), |it| format!("{it} ms"));
    let mut results = vec![["result", "", ""].map(str::to_owned).to_vec()];
    let mut add = |name: &str, found: String, verdict: String| {
        results.push(vec![name.to_owned(), found, verdict]);
    };
    add("outage", outage, String::new());
    add("keys", result.keys.to_string(), String::new());
    add(
        "lost keys",
        result.lost_keys.len().to_string(),
        String::new(),
    );
    add(
        "failed connects",
        result.connect_errors.len().to_string(),
        result.connect_errors.join(" "),
    );
    add("gate leaks", result.gate_leaks.to_string(), String::new());
    add(
        "wrong plaintexts",
        result.wrong_plaintexts.to_string(),
        String::new(),
    );
    for RehearsalThreshold {
        name,
        limit,
        found,
        passed,
    } in &result.thresholds
    {
        let found = found.map_or_else(|| "-".to_owned(), |it| it.to_string());
        let verdict = if *passed { "kept" } else { "MISSED" };
        add(&format!("{name} <= {limit}"), found, verdict.to_owned());
    }
    [stages, results]
}

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use portcullis_admin::LostKey;

    use super::*;

    fn report(outage_ms: Option<u64>, failed: u64) -> Rehearsal {
        let chapter = |stage, failed| RehearsalStage {
            stage,
            start_ms: 0,
            end_ms: 1,
            succeeded: 1,
            failed: BTreeMap::from([("KMSInvalidStateException".to_owned(), failed)]),
        };
        Rehearsal {
            description: String::new(),
            key_store_id: String::new(),
            old_cluster_id: String::new(),
            new_cluster_id: String::new(),
            backup_id: String::new(),
            outage_ms,
            keys: 2,
            lost_keys: vec![LostKey {
                key_id: "key".to_owned(),
                error: "KMSInvalidStateException".to_owned(),
            }],
            connect_errors: Vec::new(),
            gate_leaks: 0,
            wrong_plaintexts: 0,
            stages: vec![
                chapter(RepairStage::Lost, 7),
                chapter(RepairStage::After, failed),
            ],
            thresholds: Vec::new(),
            passed: false,
        }
    }

    /// Rule LG-16.
    #[test]
    fn a_result_is_good_when_every_limit_is_kept() {
        let limits = RehearsalLimits {
            outage: Some(Duration::from_millis(500)),
            lost_keys: Some(1),
            failures_while_connected: Some(0),
            failures: Some(7),
        };
        let passed = |mut report: Rehearsal| {
            judge(&mut report, &limits);
            report.passed
        };
        assert!(passed(report(Some(500), 0)));
        assert!(!passed(report(Some(501), 0)));
        assert!(!passed(report(None, 0)));
        assert!(!passed(report(Some(500), 1)));
        let mut leaky = report(Some(5), 0);
        leaky.gate_leaks = 1;
        assert!(!passed(leaky));
        let mut without_limits = report(None, 0);
        judge(&mut without_limits, &RehearsalLimits::default());
        assert!(!without_limits.passed, "the outage has no end");
    }

    #[test]
    fn a_missed_limit_is_seen_in_the_table() {
        let mut report = report(Some(900), 0);
        judge(
            &mut report,
            &RehearsalLimits {
                outage: Some(Duration::from_millis(500)),
                ..RehearsalLimits::default()
            },
        );
        let [_, results] = tables(&report);
        let last: Vec<&str> = results.last().unwrap().iter().map(String::as_str).collect();
        assert_eq!(last, ["outage_ms <= 500", "900", "MISSED"]);
    }
}
