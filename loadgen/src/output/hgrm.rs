use hdrhistogram::Histogram;

/// The percentile distribution in the text form that HdrHistogram's own tools print and plot;
/// values in microseconds.
pub(crate) fn distribution(histogram: &Histogram<u64>) -> String {
    let mut text = format!(
        "{:>12} {:>14} {:>10} {:>14}\n\n",
        "Value", "Percentile", "TotalCount", ONE_BY
    );
    let mut total = 0;
    for step in histogram.iter_quantiles(TICKS_PER_HALF_DISTANCE) {
        let quantile = step.quantile_iterated_to();
        let value = step.value_iterated_to();
        total += step.count_since_last_iteration();
        text.push_str(&format!("{value:>12} {quantile:>14.12} {total:>10}"));
        if quantile < 1.0 {
            text.push_str(&format!(" {:>14.2}", 1.0 / (1.0 - quantile)));
        }
        text.push('\n');
    }
    text + &footer(histogram)
}

const ONE_BY: &str = "1/(1-Percentile)";
const TICKS_PER_HALF_DISTANCE: u32 = 5;

fn footer(histogram: &Histogram<u64>) -> String {
    format!(
        "#[Mean    = {:>12.3}, StdDeviation   = {:>12.3}]\n\
         #[Max     = {:>12}, Total count    = {:>12}]\n\
         #[Buckets = {:>12}, SubBuckets     = {:>12}]\n",
        histogram.mean(),
        histogram.stdev(),
        histogram.max(),
        histogram.len(),
        histogram.buckets(),
        SUB_BUCKETS
    )
}

/// What three significant digits need.
const SUB_BUCKETS: u32 = 2048;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::record::{histogram, observe};

    #[test]
    fn a_distribution_climbs_to_all_values() {
        let mut histogram = histogram();
        for micros in 1..=1000 {
            observe(&mut histogram, Duration::from_micros(micros));
        }
        let text = distribution(&histogram);
        let rows: Vec<Vec<f64>> = text
            .lines()
            .skip(2)
            .filter(|line| !line.starts_with('#'))
            .map(|line| {
                line.split_whitespace()
                    .map(|cell| cell.parse().unwrap())
                    .collect()
            })
            .collect();
        assert!(
            rows.windows(2)
                .all(|pair| pair[0][0] <= pair[1][0] && pair[0][2] <= pair[1][2])
        );
        assert_eq!(rows.last().unwrap()[1..], [1.0, 1000.0]);
        assert!(text.contains("Total count    =         1000]"), "{text}");
    }
}
