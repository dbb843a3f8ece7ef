//! Benchmarks of the gate, the HSM, the link and the facade, and what they share.
//!
//! A benchmark of the whole server starts it as a [`process`] of its own, so that the server's processor
//! time is told apart from the client's; [`client`] sends it the [`call`]s, and [`counts`] counts what a
//! call costs where time is too noisy to say it.

pub mod call;
pub mod client;
pub mod counts;
pub mod echo;
pub mod process;

use portcullis_server::{System, SystemConfig};

/// Processor time of all threads so far, in microseconds; zero where Linux does not tell it.
#[must_use]
pub fn cpu_us() -> f64 {
    process::cpu_us_of("self")
}

/// The one in the middle; zero of none.
#[must_use]
pub fn median(values: Vec<f64>) -> f64 {
    percentile(values, 50)
}

/// The value below which `percent` of all lie; zero of none.
#[must_use]
pub fn percentile(mut values: Vec<f64>, percent: usize) -> f64 {
    values.sort_by(f64::total_cmp);
    let last = values.len().saturating_sub(1);
    values
        .get(last * percent / 100)
        .copied()
        .unwrap_or_default()
}

/// A Portcullis in memory, as `portcullis up --ephemeral` has it.
///
/// # Panics
/// When it cannot be opened.
#[expect(clippy::unwrap_used, reason = "a benchmark may fail loudly")]
pub async fn system() -> System {
    System::open(SystemConfig::default()).await.unwrap()
}
