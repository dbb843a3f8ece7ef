//! Counters in the text form of Prometheus.
//!
//! Each core has counters of its own, so that counting touches no line of memory that another
//! core writes; a scrape adds them up.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use portcullis_api::{Code, Exception, Operation};
use portcullis_seam::ClassFigures;
use tokio::time::Instant;

use crate::connections::{self, ConnectionMetrics};
use crate::exposition::{header, line};

/// Upper bounds of the latency buckets, in microseconds: from a call answered at the edge to one
/// that waits for a cluster.
const BOUNDS_US: [u64; 15] = [
    50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000,
    1_000_000, 10_000_000,
];

/// One row for each operation and one for calls of no known operation.
const ROWS: usize = Operation::ALL.len() + 1;

/// One outcome for each exception and one for success.
const OUTCOMES: usize = Code::ALL.len() + 1;

/// One core's counters.
#[derive(Debug)]
pub(crate) struct CoreMetrics {
    rows: Box<[MetricRow]>,
    in_flight: AtomicU64,
    pub(crate) connections: Arc<ConnectionMetrics>,
}

#[derive(Debug)]
struct MetricRow {
    outcomes: Box<[AtomicU64]>,
    buckets: [AtomicU64; BOUNDS_US.len() + 1],
    microseconds: AtomicU64,
}

impl MetricRow {
    fn new() -> Self {
        Self {
            outcomes: (0..OUTCOMES).map(|_| AtomicU64::new(0)).collect(),
            buckets: std::array::from_fn(|_| AtomicU64::new(0)),
            microseconds: AtomicU64::new(0),
        }
    }
}

impl CoreMetrics {
    pub(crate) fn new() -> Self {
        Self {
            rows: (0..ROWS).map(|_| MetricRow::new()).collect(),
            in_flight: AtomicU64::new(0),
            connections: Arc::default(),
        }
    }

    /// Counts a call as in flight until the result is dropped.
    pub(crate) fn begin(self: &Arc<Self>) -> CallInFlight {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        CallInFlight {
            metrics: Arc::clone(self),
            began: Instant::now(),
        }
    }

    /// Calls being answered.
    pub(crate) fn in_flight(&self) -> u64 {
        self.in_flight.load(Ordering::Relaxed)
    }

    fn record(&self, operation: Option<Operation>, failed: Option<&Exception>, took: Duration) {
        let row = operation.map_or(Operation::ALL.len(), |known| known as usize);
        let outcome = failed.map_or(Code::ALL.len(), |exception| exception.code as usize);
        let took = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = BOUNDS_US.iter().position(|bound| took <= *bound);
        let Some(row) = self.rows.get(row) else {
            return;
        };
        row.microseconds.fetch_add(took, Ordering::Relaxed);
        for counter in [
            row.outcomes.get(outcome),
            row.buckets.get(bucket.unwrap_or(BOUNDS_US.len())),
        ] {
            counter.inspect(|counter| _ = counter.fetch_add(1, Ordering::Relaxed));
        }
    }
}

/// A call in flight.
#[derive(Debug)]
pub(crate) struct CallInFlight {
    metrics: Arc<CoreMetrics>,
    began: Instant,
}

impl CallInFlight {
    /// Counts how the call ended.
    pub(crate) fn end(self, operation: Option<Operation>, failed: Option<&Exception>) {
        self.metrics.record(operation, failed, self.began.elapsed());
    }
}

impl Drop for CallInFlight {
    fn drop(&mut self) {
        self.metrics.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

/// All cores' counters as a page of text. The order of the lines is that of the operation table.
pub(crate) fn page(cores: &[Arc<CoreMetrics>]) -> String {
    let mut page = String::new();
    let in_flight: u64 = cores.iter().map(|core| core.in_flight()).sum();
    header(
        &mut page,
        "portcullis_requests_in_flight",
        "gauge",
        "Calls being answered",
    );
    line(&mut page, "portcullis_requests_in_flight", "", in_flight);
    header(
        &mut page,
        "portcullis_requests_total",
        "counter",
        "Calls by operation and outcome",
    );
    for row in 0..ROWS {
        requests_of(&mut page, cores, row);
    }
    let latency = "portcullis_request_duration_seconds";
    header(
        &mut page,
        latency,
        "histogram",
        "Time from head to reply, by operation",
    );
    for row in 0..ROWS {
        latency_of(&mut page, cores, row);
    }
    let of_cores: Vec<&ConnectionMetrics> = cores.iter().map(|core| &*core.connections).collect();
    connections::add(&mut page, &of_cores);
    page
}

/// Rule OUT-01, EV-06: lines that the log lacks, and records that the file of events lacks.
pub(crate) fn add_drops(page: &mut String, log_lines: u64, events: u64) {
    for (name, help, dropped) in [
        (
            "portcullis_log_lines_dropped_total",
            "Lines of the log that stderr did not take in time",
            log_lines,
        ),
        (
            "portcullis_events_dropped_total",
            "Events that the file of events did not take in time",
            events,
        ),
    ] {
        header(page, name, "counter", help);
        line(page, name, "", dropped);
    }
}

/// Adds what each class of work has to do and has done.
pub(crate) fn add_work(page: &mut String, classes: &[ClassFigures]) {
    let name = "portcullis_work_queue_jobs";
    header(page, name, "gauge", "Jobs that wait, by class of work");
    for figures in classes {
        line(page, name, &class_of(figures), figures.waiting);
    }
    let name = "portcullis_work_running_jobs";
    header(page, name, "gauge", "Jobs that are being carried out");
    for figures in classes {
        line(page, name, &class_of(figures), figures.running);
    }
    let name = "portcullis_work_jobs_total";
    let help = "Jobs begun; not begun because the client left or their time was over; refused";
    header(page, name, "counter", help);
    for figures in classes {
        for (outcome, count) in [
            ("begun", figures.begun),
            ("left", figures.left),
            ("expired", figures.expired),
            ("refused", figures.refused),
        ] {
            let labels = format!("{},outcome=\"{outcome}\"", class_of(figures));
            line(page, name, &labels, count);
        }
    }
    let name = "portcullis_work_busy_seconds_total";
    header(page, name, "counter", "What the jobs took together");
    for figures in classes {
        let busy = u64::try_from(figures.busy.as_micros()).unwrap_or(u64::MAX);
        line(page, name, &class_of(figures), seconds(busy));
    }
}

fn class_of(figures: &ClassFigures) -> String {
    format!("class=\"{}\"", figures.class.name())
}

fn requests_of(page: &mut String, cores: &[Arc<CoreMetrics>], row: usize) {
    for outcome in 0..OUTCOMES {
        let count = sum(cores, row, |row| row.outcomes.get(outcome));
        let outcome = Code::ALL.get(outcome).map_or("success", |code| code.name());
        if count > 0 {
            let labels = format!("{},outcome=\"{outcome}\"", labels(row));
            line(page, "portcullis_requests_total", &labels, count);
        }
    }
}

fn latency_of(page: &mut String, cores: &[Arc<CoreMetrics>], row: usize) {
    let buckets = (0..=BOUNDS_US.len()).map(|at| sum(cores, row, |row| row.buckets.get(at)));
    let buckets: Vec<u64> = buckets.collect();
    let count: u64 = buckets.iter().sum();
    if count == 0 {
        return;
    }
    let labels = labels(row);
    let mut below = 0;
    for (at, in_bucket) in buckets.iter().enumerate() {
        below += in_bucket;
        let bound = BOUNDS_US
            .get(at)
            .map_or_else(|| "+Inf".to_owned(), |bound| seconds(*bound));
        let labels = format!("{labels},le=\"{bound}\"");
        line(
            page,
            "portcullis_request_duration_seconds_bucket",
            &labels,
            below,
        );
    }
    let total = sum(cores, row, |row| Some(&row.microseconds));
    line(
        page,
        "portcullis_request_duration_seconds_sum",
        &labels,
        seconds(total),
    );
    line(
        page,
        "portcullis_request_duration_seconds_count",
        &labels,
        count,
    );
}

/// Microseconds as a decimal number of seconds, exactly.
fn seconds(microseconds: u64) -> String {
    format!(
        "{}.{:06}",
        microseconds / 1_000_000,
        microseconds % 1_000_000
    )
}

fn labels(row: usize) -> String {
    Operation::ALL.get(row).map_or_else(
        || "service=\"none\",operation=\"Unknown\"".to_owned(),
        |known| {
            let service = known.service().signing_name();
            format!("service=\"{service}\",operation=\"{}\"", known.name())
        },
    )
}

fn sum(
    cores: &[Arc<CoreMetrics>],
    row: usize,
    counter: impl Fn(&MetricRow) -> Option<&AtomicU64>,
) -> u64 {
    let of_core = |core: &Arc<CoreMetrics>| {
        core.rows
            .get(row)
            .and_then(&counter)
            .map_or(0, |found| found.load(Ordering::Relaxed))
    };
    cores.iter().map(of_core).sum()
}

#[cfg(test)]
mod tests {
    use portcullis_seam::WorkClass;

    use super::*;

    /// Rule WIRE-15.
    #[test]
    fn the_counters_of_all_cores_are_added_up() {
        let cores = [Arc::new(CoreMetrics::new()), Arc::new(CoreMetrics::new())];
        let encrypt = Operation::from_target("TrentService.Encrypt");
        let failed = Exception::new(Code::KmsInvalidState, "disconnected");
        cores[0].record(encrypt, None, Duration::from_micros(60));
        cores[1].record(encrypt, None, Duration::from_secs(20));
        cores[1].record(encrypt, Some(&failed), Duration::from_micros(10));
        cores[1].record(None, Some(&failed), Duration::ZERO);
        let in_flight = cores[0].begin();
        let page = page(&cores);
        drop(in_flight);
        for expected in [
            "portcullis_requests_in_flight 1\n",
            "portcullis_requests_total{service=\"kms\",operation=\"Encrypt\",outcome=\"success\"} 2\n",
            "operation=\"Encrypt\",outcome=\"KMSInvalidStateException\"} 1\n",
            "operation=\"Unknown\",outcome=\"KMSInvalidStateException\"} 1\n",
            "operation=\"Encrypt\",le=\"0.000050\"} 1\n",
            "operation=\"Encrypt\",le=\"0.000100\"} 2\n",
            "operation=\"Encrypt\",le=\"10.000000\"} 2\n",
            "operation=\"Encrypt\",le=\"+Inf\"} 3\n",
            "duration_seconds_sum{service=\"kms\",operation=\"Encrypt\"} 20.000070\n",
            "duration_seconds_count{service=\"kms\",operation=\"Encrypt\"} 3\n",
        ] {
            assert!(page.contains(expected), "{expected} is missing in\n{page}");
        }
        assert!(super::page(&cores).contains("portcullis_requests_in_flight 0\n"));
    }

    /// Rule WORK-08.
    #[test]
    fn the_work_of_each_class_is_shown() {
        let figures = ClassFigures {
            class: WorkClass::KeyGeneration,
            waiting: 3,
            running: 2,
            begun: 40,
            left: 5,
            expired: 6,
            refused: 7,
            busy: Duration::from_millis(1_500),
        };
        let mut page = String::new();
        add_work(&mut page, &[figures]);
        for expected in [
            "portcullis_work_queue_jobs{class=\"key-generation\"} 3\n",
            "portcullis_work_running_jobs{class=\"key-generation\"} 2\n",
            "portcullis_work_jobs_total{class=\"key-generation\",outcome=\"begun\"} 40\n",
            "portcullis_work_jobs_total{class=\"key-generation\",outcome=\"left\"} 5\n",
            "portcullis_work_jobs_total{class=\"key-generation\",outcome=\"expired\"} 6\n",
            "portcullis_work_jobs_total{class=\"key-generation\",outcome=\"refused\"} 7\n",
            "portcullis_work_busy_seconds_total{class=\"key-generation\"} 1.500000\n",
        ] {
            assert!(page.contains(expected), "{expected} is missing in\n{page}");
        }
    }
}
