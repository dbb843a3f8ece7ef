//! Benchmarks of the gate, the HSM, the link and the facade, and what they share.

use portcullis_server::{System, SystemConfig};

/// Processor time of all threads so far, in microseconds; zero where Linux does not tell it.
#[must_use]
pub fn cpu_us() -> f64 {
    let threads = std::fs::read_dir("/proc/self/task")
        .into_iter()
        .flatten()
        .flatten();
    threads
        .filter_map(|thread| std::fs::read_to_string(thread.path().join("schedstat")).ok())
        .filter_map(|text| text.split(' ').next()?.parse::<f64>().ok())
        .sum::<f64>()
        / 1e3
}

/// The one in the middle; zero of none.
#[must_use]
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// A Portcullis in memory, as `portcullis up --ephemeral` has it.
///
/// # Panics
/// When it cannot be opened.
#[expect(clippy::unwrap_used, reason = "a benchmark may fail loudly")]
pub async fn system() -> System {
    System::open(SystemConfig::default()).await.unwrap()
}
