use std::str::FromStr;

use portcullis_admin::{RunLatency, RunSummary, RunThreshold, ThresholdUnit};

use crate::operation::Operation;
use crate::quantity::{parse_number, parse_seconds};
use crate::summary::{share, undecryptable_in_all};

/// What a good result is: `p99<50ms`, `errors<1%`, `gate_leaks=0`.
#[derive(Debug, Clone, PartialEq)]
pub struct Threshold {
    text: String,
    metric: ThresholdMetric,
    comparison: ThresholdOperator,
    /// In the unit of the metric: microseconds, a share, or a number.
    limit: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ThresholdMetric {
    Latency(Option<Operation>, LatencyStatistic),
    Share(ThresholdCounter),
    Count(ThresholdCounter),
    Rate,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LatencyStatistic {
    Mean,
    P50,
    P90,
    P99,
    P999,
    P9999,
    Max,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ThresholdCounter {
    Errors,
    UnexpectedErrors,
    GateLeaks,
    WrongPlaintexts,
    Undecryptable,
    Shed,
    Abandoned,
    WrongErrorsWhileDisconnected,
    DisconnectedErrorsWhileConnected,
}

const STATISTICS: [(&str, LatencyStatistic); 7] = [
    ("mean", LatencyStatistic::Mean),
    ("p50", LatencyStatistic::P50),
    ("p90", LatencyStatistic::P90),
    ("p99", LatencyStatistic::P99),
    ("p99.9", LatencyStatistic::P999),
    ("p99.99", LatencyStatistic::P9999),
    ("max", LatencyStatistic::Max),
];

const COUNTERS: [(&str, ThresholdCounter); 9] = [
    ("errors", ThresholdCounter::Errors),
    ("unexpected_errors", ThresholdCounter::UnexpectedErrors),
    ("gate_leaks", ThresholdCounter::GateLeaks),
    ("wrong_plaintexts", ThresholdCounter::WrongPlaintexts),
    ("undecryptable", ThresholdCounter::Undecryptable),
    ("shed", ThresholdCounter::Shed),
    ("abandoned", ThresholdCounter::Abandoned),
    (
        "wrong_errors_while_disconnected",
        ThresholdCounter::WrongErrorsWhileDisconnected,
    ),
    (
        "disconnected_errors_while_connected",
        ThresholdCounter::DisconnectedErrorsWhileConnected,
    ),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ThresholdOperator {
    Less,
    AtMost,
    Equal,
    AtLeast,
    More,
}

/// Longer ones first, so that `<=` is not read as `<`.
const COMPARISONS: [(&str, ThresholdOperator); 5] = [
    ("<=", ThresholdOperator::AtMost),
    (">=", ThresholdOperator::AtLeast),
    ("<", ThresholdOperator::Less),
    (">", ThresholdOperator::More),
    ("=", ThresholdOperator::Equal),
];

impl ThresholdOperator {
    #[expect(clippy::float_cmp, reason = "equality is asked of whole numbers")]
    fn holds(self, measured: f64, limit: f64) -> bool {
        match self {
            Self::Less => measured < limit,
            Self::AtMost => measured <= limit,
            Self::Equal => measured == limit,
            Self::AtLeast => measured >= limit,
            Self::More => measured > limit,
        }
    }
}

impl FromStr for Threshold {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| {
            format!("{text:?} is not a threshold: {why}. Write one such as p99<50ms or errors<1%.")
        };
        let compact: String = text.chars().filter(|char| !char.is_whitespace()).collect();
        let (at, sign, comparison) = COMPARISONS
            .iter()
            .filter_map(|(sign, comparison)| Some((compact.find(sign)?, *sign, *comparison)))
            .min_by_key(|(at, sign, _)| (*at, std::cmp::Reverse(sign.len())))
            .ok_or_else(|| wrong("it compares nothing"))?;
        let (name, value) = compact.split_at(at);
        let value = value.strip_prefix(sign).unwrap_or(value);
        let (metric, limit) = parse(name, value).map_err(|why| wrong(&why))?;
        Ok(Self {
            text: text.to_owned(),
            metric,
            comparison,
            limit,
        })
    }
}

fn parse(name: &str, value: &str) -> Result<(ThresholdMetric, f64), String> {
    if matches!(name, "rate" | "achieved_rate") {
        let number = value.strip_suffix("/s").unwrap_or(value);
        let limit = parse_number(number).ok_or("a rate is a number such as 1900/s")?;
        return Ok((ThresholdMetric::Rate, limit));
    }
    if let Some((_, counter)) = COUNTERS.iter().find(|(known, _)| *known == name) {
        return match value.strip_suffix('%') {
            Some(percent) => {
                let limit = parse_number(percent).ok_or("a share is a number such as 1%")?;
                Ok((ThresholdMetric::Share(*counter), limit / 100.0))
            }
            None => {
                let limit = parse_number(value).ok_or("a count is a number such as 0")?;
                Ok((ThresholdMetric::Count(*counter), limit))
            }
        };
    }
    let (operation, statistic) = parse_statistic(name)
        .ok_or_else(|| format!("{name:?} is not measured; `load run --help` lists what is"))?;
    let limit = parse_seconds(value).ok_or("a latency is a time such as 50ms")?;
    Ok((ThresholdMetric::Latency(operation, statistic), limit * 1e6))
}

/// `p99`, or `decrypt.p99`.
fn parse_statistic(name: &str) -> Option<(Option<Operation>, LatencyStatistic)> {
    let find = |name: &str| {
        STATISTICS
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, statistic)| *statistic)
    };
    if let Some(statistic) = find(name) {
        return Some((None, statistic));
    }
    let (word, statistic) = name.split_once('.')?;
    Some((Some(Operation::from_word(word)?), find(statistic)?))
}

impl Threshold {
    /// Holds a run against this.
    // Rule LG-12: a threshold on something that was not measured is missed.
    pub(crate) fn judge(&self, summary: &RunSummary) -> RunThreshold {
        let (measured, unit) = match self.metric {
            ThresholdMetric::Latency(operation, statistic) => (
                latency(summary, operation).map(|it| statistic.of(&it)),
                ThresholdUnit::Microseconds,
            ),
            ThresholdMetric::Share(counter) => {
                (share(summary, counter.read(summary)), ThresholdUnit::Share)
            }
            ThresholdMetric::Count(counter) => {
                (Some(counter.number(summary)), ThresholdUnit::Count)
            }
            ThresholdMetric::Rate => (Some(summary.achieved_rate), ThresholdUnit::PerSecond),
        };
        let passed = measured.is_some_and(|value| self.comparison.holds(value, self.limit));
        RunThreshold {
            threshold: self.text.clone(),
            measured,
            unit,
            passed,
        }
    }
}

fn latency(summary: &RunSummary, operation: Option<Operation>) -> Option<RunLatency> {
    match operation {
        None => summary.latency,
        Some(operation) => summary.operations.get(operation.name())?.latency,
    }
}

impl LatencyStatistic {
    #[expect(
        clippy::cast_precision_loss,
        reason = "at most ten minutes in microseconds"
    )]
    const fn of(self, latency: &RunLatency) -> f64 {
        match self {
            Self::Mean => latency.latency_us_mean,
            Self::P50 => latency.latency_us_p50 as f64,
            Self::P90 => latency.latency_us_p90 as f64,
            Self::P99 => latency.latency_us_p99 as f64,
            Self::P999 => latency.latency_us_p99_9 as f64,
            Self::P9999 => latency.latency_us_p99_99 as f64,
            Self::Max => latency.latency_us_max as f64,
        }
    }
}

impl ThresholdCounter {
    fn read(self, summary: &RunSummary) -> u64 {
        match self {
            Self::Errors => summary.failed,
            Self::UnexpectedErrors => summary.unexpected_errors,
            Self::GateLeaks => summary.gate_leaks,
            Self::WrongPlaintexts => summary.wrong_plaintexts,
            Self::Undecryptable => undecryptable_in_all(summary),
            Self::Shed => summary.shed,
            Self::Abandoned => summary.abandoned,
            Self::WrongErrorsWhileDisconnected => summary.wrong_errors_while_disconnected,
            Self::DisconnectedErrorsWhileConnected => summary.disconnected_errors_while_connected,
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "exact up to 2^53 calls")]
    fn number(self, summary: &RunSummary) -> f64 {
        self.read(summary) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_read_as_people_write_them() {
        let latency = |operation, statistic| ThresholdMetric::Latency(operation, statistic);
        for (text, metric, comparison, limit) in [
            (
                "p99<50ms",
                latency(None, LatencyStatistic::P99),
                ThresholdOperator::Less,
                50_000.0,
            ),
            (
                "p99.9 <= 1s",
                latency(None, LatencyStatistic::P999),
                ThresholdOperator::AtMost,
                1_000_000.0,
            ),
            (
                "decrypt.p50<200us",
                latency(Some(Operation::Decrypt), LatencyStatistic::P50),
                ThresholdOperator::Less,
                200.0,
            ),
            (
                "errors<1%",
                ThresholdMetric::Share(ThresholdCounter::Errors),
                ThresholdOperator::Less,
                0.01,
            ),
            (
                "gate_leaks=0",
                ThresholdMetric::Count(ThresholdCounter::GateLeaks),
                ThresholdOperator::Equal,
                0.0,
            ),
            (
                "rate>=1900/s",
                ThresholdMetric::Rate,
                ThresholdOperator::AtLeast,
                1900.0,
            ),
            (
                "shed=0",
                ThresholdMetric::Count(ThresholdCounter::Shed),
                ThresholdOperator::Equal,
                0.0,
            ),
        ] {
            let threshold: Threshold = text.parse().unwrap();
            assert_eq!(
                (threshold.metric, threshold.comparison),
                (metric, comparison),
                "{text}"
            );
            assert!(
                (threshold.limit - limit).abs() < limit * 1e-9 + 1e-12,
                "{text}"
            );
        }
        let tiny: Threshold = "p99<0.000001ms".parse().unwrap();
        assert!(tiny.limit < 0.01 && tiny.limit > 0.0);
    }

    #[test]
    fn a_threshold_that_makes_no_sense_says_what_would() {
        for text in [
            "",
            "p99",
            "p99<fast",
            "p98<1ms",
            "errors<x%",
            "sign.p50<1ms",
            "rate>x",
            "<1",
        ] {
            let error = text.parse::<Threshold>().unwrap_err();
            assert!(error.contains("p99<50ms"), "{text}: {error}");
        }
    }

    #[test]
    fn comparisons_are_exact_at_their_limit() {
        for (comparison, below, at, above) in [
            (ThresholdOperator::Less, true, false, false),
            (ThresholdOperator::AtMost, true, true, false),
            (ThresholdOperator::Equal, false, true, false),
            (ThresholdOperator::AtLeast, false, true, true),
            (ThresholdOperator::More, false, false, true),
        ] {
            let held = [1.0, 2.0, 3.0].map(|measured| comparison.holds(measured, 2.0));
            assert_eq!(held, [below, at, above], "{comparison:?}");
        }
    }
}
