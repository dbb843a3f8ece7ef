use std::time::Duration;

use hdrhistogram::Histogram;
use portcullis_admin::RunLatency;

use crate::quantity::micros;

/// Ten minutes; what takes longer is recorded as ten minutes.
const LATENCY_US_MAX: u64 = 600_000_000;

/// An empty histogram of microseconds with three significant digits, about 170 KiB.
#[expect(
    clippy::expect_used,
    reason = "the bounds are constants that the library accepts"
)]
pub(crate) fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LATENCY_US_MAX, 3).expect("1 µs to ten minutes, three digits")
}

pub(crate) fn observe(histogram: &mut Histogram<u64>, latency: Duration) {
    histogram.saturating_record(micros(latency).max(1));
}

/// `None` when nothing was recorded: there is no latency of nothing.
pub(crate) fn latency_of(histogram: &Histogram<u64>) -> Option<RunLatency> {
    if histogram.is_empty() {
        return None;
    }
    Some(RunLatency {
        latency_us_mean: (histogram.mean() * 10.0).round() / 10.0,
        latency_us_p50: histogram.value_at_quantile(0.5),
        latency_us_p90: histogram.value_at_quantile(0.9),
        latency_us_p99: histogram.value_at_quantile(0.99),
        latency_us_p99_9: histogram.value_at_quantile(0.999),
        latency_us_p99_99: histogram.value_at_quantile(0.9999),
        latency_us_max: histogram.max(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_has_no_latency_and_extremes_are_kept() {
        let mut histogram = histogram();
        assert_eq!(latency_of(&histogram), None);
        observe(&mut histogram, Duration::ZERO);
        observe(&mut histogram, Duration::from_secs(86_400));
        let latency = latency_of(&histogram).unwrap();
        assert_eq!(latency.latency_us_p50, 1);
        assert!(latency.latency_us_max >= LATENCY_US_MAX);
    }
}
