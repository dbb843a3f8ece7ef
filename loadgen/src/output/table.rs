use portcullis_admin::{
    CallResults, LoadPhase, RunLatency, RunSummary, RunThreshold, ThresholdUnit,
};

use crate::summary::{largest_first, undecryptable_in_all};

/// The result for people: operations, phases, errors, checks, thresholds.
pub(crate) fn result_table(summary: &RunSummary) -> Vec<Vec<Vec<String>>> {
    let mut tables = vec![operations(summary)];
    if summary.phases.len() > 1 {
        tables.push(phases(summary));
    }
    if !summary.errors.is_empty() {
        tables.push(errors(summary));
    }
    tables.push(checks(summary));
    if !summary.thresholds.is_empty() {
        tables.push(thresholds(&summary.thresholds));
    }
    tables
}

const LATENCY_HEADING: [&str; 6] = ["p50", "p90", "p99", "p99.9", "max", "mean"];

fn operations(summary: &RunSummary) -> Vec<Vec<String>> {
    let mut rows = vec![heading("operation", &["succeeded", "failed"])];
    for (name, part) in &summary.operations {
        rows.push(part_row(name, part, &[]));
    }
    let mut all = row(&[
        "all",
        &summary.succeeded.to_string(),
        &summary.failed.to_string(),
    ]);
    all.extend(latency_cells(summary.latency.as_ref()));
    rows.push(all);
    rows
}

fn phases(summary: &RunSummary) -> Vec<Vec<String>> {
    let mut rows = vec![heading("phase", &["seconds", "succeeded", "failed"])];
    for phase in LoadPhase::ALL {
        if let Some(part) = summary.by_phase.get(&phase) {
            let seconds = format!("{:.3}", part.seconds);
            rows.push(part_row(phase.name(), &part.calls, &[&seconds]));
        }
    }
    rows
}

fn part_row(name: &str, part: &CallResults, before: &[&str]) -> Vec<String> {
    let mut cells = row(&[name]);
    cells.extend(row(before));
    cells.extend([part.succeeded.to_string(), part.failed.to_string()]);
    cells.extend(latency_cells(part.latency.as_ref()));
    cells
}

fn heading(first: &str, counts: &[&str]) -> Vec<String> {
    let mut cells = row(&[first]);
    cells.extend(row(counts));
    cells.extend(row(&LATENCY_HEADING));
    cells
}

fn row(cells: &[&str]) -> Vec<String> {
    cells.iter().map(|cell| (*cell).to_owned()).collect()
}

fn latency_cells(latency: Option<&RunLatency>) -> Vec<String> {
    let Some(latency) = latency else {
        return vec!["-".to_owned(); LATENCY_HEADING.len()];
    };
    let mut cells: Vec<String> = [
        latency.latency_us_p50,
        latency.latency_us_p90,
        latency.latency_us_p99,
        latency.latency_us_p99_9,
        latency.latency_us_max,
    ]
    .map(millis)
    .to_vec();
    cells.push(format!("{:.3} ms", latency.latency_us_mean / 1000.0));
    cells
}

fn errors(summary: &RunSummary) -> Vec<Vec<String>> {
    let mut rows = vec![row(&["error", "calls"])];
    rows.extend(
        largest_first(&summary.errors)
            .into_iter()
            .map(|(name, times)| row(&[name, &times.to_string()])),
    );
    rows
}

fn checks(summary: &RunSummary) -> Vec<Vec<String>> {
    let intended = match summary.intended_rate {
        Some(rate) => format!("{rate:.1}/s"),
        None => "no limit".to_owned(),
    };
    let mut rows = vec![
        row(&["result", ""]),
        row(&["intended rate", &intended]),
        row(&["achieved rate", &format!("{:.1}/s", summary.achieved_rate)]),
    ];
    for (name, number) in [
        ("shed (too many late)", summary.shed),
        ("abandoned (late at the end)", summary.abandoned),
        ("edits made", u64::from(summary.edits_made)),
        ("gate leaks", summary.gate_leaks),
        ("wrong plaintexts", summary.wrong_plaintexts),
        ("plaintexts compared", summary.plaintexts_compared),
        ("undecryptable", undecryptable_in_all(summary)),
        (
            "wrong errors while disconnected",
            summary.wrong_errors_while_disconnected,
        ),
        (
            "disconnected errors while connected",
            summary.disconnected_errors_while_connected,
        ),
        ("unexpected errors", summary.unexpected_errors),
    ] {
        rows.push(row(&[name, &number.to_string()]));
    }
    rows
}

fn thresholds(judged: &[RunThreshold]) -> Vec<Vec<String>> {
    let mut rows = vec![row(&["threshold", "measured", ""])];
    for one in judged {
        let verdict = if one.passed { "met" } else { "MISSED" };
        rows.push(row(&[&one.threshold, &measured(one), verdict]));
    }
    rows
}

/// A measured value in the unit in which its threshold is written.
pub(crate) fn measured(judged: &RunThreshold) -> String {
    match (judged.measured, judged.unit) {
        (None, _) => "nothing".to_owned(),
        (Some(value), ThresholdUnit::Microseconds) => format!("{:.3} ms", value / 1000.0),
        (Some(value), ThresholdUnit::Share) => format!("{:.3} %", value * 100.0),
        (Some(value), ThresholdUnit::Count | ThresholdUnit::PerSecond) => format!("{value}"),
    }
}

/// Microseconds as milliseconds.
#[expect(clippy::cast_precision_loss, reason = "three decimals for people")]
pub(crate) fn millis(micros: u64) -> String {
    format!("{:.3} ms", micros as f64 / 1000.0)
}
