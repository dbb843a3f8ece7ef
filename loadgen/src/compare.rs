use std::path::Path;

use portcullis_admin::{RunLatency, RunSummary};
use serde::Serialize;

use crate::failure::Unusable;
use crate::output::read_summary;

/// Two runs side by side.
#[derive(Debug, Serialize)]
pub(crate) struct Comparison {
    rows: Vec<ComparisonRow>,
}

#[derive(Debug, PartialEq, Serialize)]
struct ComparisonRow {
    metric: String,
    first: Option<f64>,
    second: Option<f64>,
    /// The second by the first; absent when the first is 0 or one of them was not measured.
    ratio: Option<f64>,
}

pub(crate) fn compare(first: &Path, second: &Path) -> Result<Comparison, Unusable> {
    Ok(Comparison::of(
        &read_summary(first)?,
        &read_summary(second)?,
    ))
}

impl Comparison {
    fn of(first: &RunSummary, second: &RunSummary) -> Self {
        let (one, two) = (metrics(first), metrics(second));
        let only_in_two = two.iter().filter(|(name, _)| value(&one, name).is_none());
        let rows = one
            .iter()
            .chain(only_in_two)
            .map(|(name, _)| {
                let (first, second) = (value(&one, name), value(&two, name));
                let ratio = match (first, second) {
                    (Some(first), Some(second)) if first > 0.0 => Some(second / first),
                    _unmeasured_or_zero => None,
                };
                ComparisonRow {
                    metric: name.clone(),
                    first,
                    second,
                    ratio,
                }
            })
            .collect();
        Self { rows }
    }

    pub(crate) fn table(&self) -> Vec<Vec<String>> {
        let cell = |number: Option<f64>| number.map_or_else(|| "-".to_owned(), show);
        let mut table = vec![["metric", "A", "B", "B / A"].map(str::to_owned).to_vec()];
        for row in &self.rows {
            let ratio = row
                .ratio
                .map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}"));
            table.push(vec![
                row.metric.clone(),
                cell(row.first),
                cell(row.second),
                ratio,
            ]);
        }
        table
    }
}

fn show(number: f64) -> String {
    if number.fract() == 0.0 {
        format!("{number:.0}")
    } else {
        format!("{number:.1}")
    }
}

fn value(metrics: &[(String, f64)], name: &str) -> Option<f64> {
    metrics
        .iter()
        .find(|(known, _)| known == name)
        .map(|(_, value)| *value)
}

#[expect(clippy::cast_precision_loss, reason = "counts for people")]
fn metrics(summary: &RunSummary) -> Vec<(String, f64)> {
    let mut metrics: Vec<(String, f64)> = vec![("achieved_rate".to_owned(), summary.achieved_rate)];
    for (name, number) in [
        ("succeeded", summary.succeeded),
        ("failed", summary.failed),
        ("shed", summary.shed),
        ("abandoned", summary.abandoned),
        ("gate_leaks", summary.gate_leaks),
        ("wrong_plaintexts", summary.wrong_plaintexts),
        ("unexpected_errors", summary.unexpected_errors),
    ] {
        metrics.push((name.to_owned(), number as f64));
    }
    push_latency(&mut metrics, "all", summary.latency.as_ref());
    for (name, part) in &summary.operations {
        push_latency(&mut metrics, name, part.latency.as_ref());
    }
    metrics
}

#[expect(
    clippy::cast_precision_loss,
    reason = "at most ten minutes in microseconds"
)]
fn push_latency(metrics: &mut Vec<(String, f64)>, of: &str, latency: Option<&RunLatency>) {
    let Some(latency) = latency else { return };
    for (name, micros) in [
        ("latency_us_p50", latency.latency_us_p50),
        ("latency_us_p99", latency.latency_us_p99),
        ("latency_us_p99_9", latency.latency_us_p99_9),
        ("latency_us_max", latency.latency_us_max),
    ] {
        metrics.push((format!("{of} {name}"), micros as f64));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use portcullis_admin::{LoadPhase, LoadScenario};
    use tokio::time::Instant;

    use super::*;
    use crate::operation::Operation;
    use crate::record::MeasuredCall;
    use crate::summary::{RunEnding, RunHeader, summary_of};
    use crate::worker::RunJournal;

    fn run(latency_us: u64) -> RunSummary {
        let mut journal = RunJournal::new(Instant::now());
        journal.recorder.measured(&MeasuredCall {
            operation: Operation::Decrypt,
            phase: LoadPhase::Connected,
            ended: Duration::from_millis(1),
            latency: Duration::from_micros(latency_us),
            error: None,
        });
        let header = RunHeader {
            scenario: LoadScenario::Steady,
            endpoint: "http://a".to_owned(),
            key_id: "arn".to_owned(),
            key_store_id: None,
            started_at_ms: 0,
            seed: 0,
            connections: 1,
            closed_loop: false,
            intended_rate: None,
        };
        let ending = RunEnding {
            sent_for: Duration::from_secs(1),
            phases: Vec::new(),
            unchecked: 0,
            edits_made: 0,
            stopped: None,
        };
        summary_of(header, &journal, ending)
    }

    #[test]
    fn runs_compare_as_ratios_of_the_second_to_the_first() {
        let comparison = Comparison::of(&run(100), &run(250));
        let row = |metric: &str| {
            comparison
                .rows
                .iter()
                .find(|row| row.metric == metric)
                .unwrap()
        };
        assert_eq!(row("Decrypt latency_us_p50").ratio, Some(2.5));
        assert_eq!(row("gate_leaks").ratio, None);
        assert_eq!(row("gate_leaks").second, Some(0.0));
    }

    /// Rule LG-12.
    #[test]
    fn a_threshold_on_what_did_not_occur_is_missed() {
        let threshold: crate::Threshold = "encrypt.p99<10s".parse().unwrap();
        assert!(!threshold.judge(&run(100)).passed);
        let threshold: crate::Threshold = "decrypt.p99<10s".parse().unwrap();
        assert!(threshold.judge(&run(100)).passed);
    }
}
