use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;
use portcullis_admin::{LoadPhase, LoadSecond, OperationSecond};

use super::{count, histogram, observe};
use crate::operation::{Operation, PerOperation};

/// A call that has ended.
#[derive(Debug)]
pub(crate) struct MeasuredCall<'a> {
    pub(crate) operation: Operation,
    /// The phase in which it was sent.
    pub(crate) phase: LoadPhase,
    /// When it ended, since the start of the load.
    pub(crate) ended: Duration,
    pub(crate) latency: Duration,
    /// The exception's name, or `None` for a success.
    pub(crate) error: Option<&'a str>,
}

/// Successes and failures, counted and measured apart.
#[derive(Debug)]
pub(crate) struct CallTotals {
    pub(crate) succeeded: Histogram<u64>,
    pub(crate) failed: Histogram<u64>,
}

impl CallTotals {
    pub(crate) fn new() -> Self {
        Self {
            succeeded: histogram(),
            failed: histogram(),
        }
    }

    fn add(&mut self, measured: &MeasuredCall<'_>) {
        // Rule LG-03: successes and errors have histograms of their own.
        let histogram = match measured.error {
            None => &mut self.succeeded,
            Some(_) => &mut self.failed,
        };
        observe(histogram, measured.latency);
    }

    fn clear(&mut self) {
        self.succeeded.reset();
        self.failed.reset();
    }
}

/// Everything that is measured in a run.
#[derive(Debug)]
pub(crate) struct RunRecorder {
    pub(crate) operations: PerOperation<CallTotals>,
    pub(crate) phases: Vec<(LoadPhase, CallTotals)>,
    pub(crate) all: CallTotals,
    pub(crate) errors: BTreeMap<String, u64>,
    pub(crate) arrived: u64,
    pub(crate) shed: u64,
    late: u64,
    second: OpenSpan,
    closed: Vec<LoadSecond>,
}

/// The second that is under way.
#[derive(Debug)]
struct OpenSpan {
    number: u64,
    operations: PerOperation<CallTotals>,
    all: CallTotals,
    errors: BTreeMap<String, u64>,
    arrived: u64,
    shed: u64,
}

impl RunRecorder {
    pub(crate) fn new() -> Self {
        Self {
            operations: PerOperation::with(CallTotals::new),
            phases: LoadPhase::ALL
                .into_iter()
                .map(|phase| (phase, CallTotals::new()))
                .collect(),
            all: CallTotals::new(),
            errors: BTreeMap::new(),
            arrived: 0,
            shed: 0,
            late: 0,
            second: OpenSpan {
                number: 0,
                operations: PerOperation::with(CallTotals::new),
                all: CallTotals::new(),
                errors: BTreeMap::new(),
                arrived: 0,
                shed: 0,
            },
            closed: Vec::new(),
        }
    }

    /// Records a call that has ended.
    pub(crate) fn measured(&mut self, measured: &MeasuredCall<'_>) {
        self.advance(measured.ended, measured.phase);
        self.operations.of_mut(measured.operation).add(measured);
        self.all.add(measured);
        if let Some((_, totals)) = self
            .phases
            .iter_mut()
            .find(|(phase, _)| *phase == measured.phase)
        {
            totals.add(measured);
        }
        self.second
            .operations
            .of_mut(measured.operation)
            .add(measured);
        self.second.all.add(measured);
        if let Some(name) = measured.error {
            count(&mut self.errors, name, 1);
            count(&mut self.second.errors, name, 1);
        }
    }

    /// Records calls that were due: `shed` of them were dropped at once, and `late` calls, from
    /// before too, wait for a connection.
    pub(crate) const fn arrived(&mut self, arrivals: u64, shed: u64, late: u64) {
        self.late = late;
        self.arrived += arrivals;
        self.second.arrived += arrivals;
        self.shed += shed;
        self.second.shed += shed;
    }

    /// Closes every second that has ended by `now`. Called once a second and by each call that
    /// ends, so that a stall of this program shows as an empty second.
    pub(crate) fn advance(&mut self, now: Duration, phase: LoadPhase) {
        while now.as_secs() > self.second.number {
            self.close(1000, phase);
        }
    }

    /// Closes the last second, a part of one.
    pub(crate) fn finish(&mut self, now: Duration, phase: LoadPhase) {
        self.advance(now, phase);
        let millis = u64::from(now.subsec_millis());
        if millis > 0 {
            self.close(millis, phase);
        }
    }

    /// The seconds that were closed since the last call.
    pub(crate) fn take_closed(&mut self) -> Vec<LoadSecond> {
        std::mem::take(&mut self.closed)
    }

    fn close(&mut self, duration_ms: u64, phase: LoadPhase) {
        let open = &mut self.second;
        self.closed.push(LoadSecond {
            second: open.number,
            duration_ms,
            phase,
            arrived: std::mem::take(&mut open.arrived),
            shed: std::mem::take(&mut open.shed),
            late: self.late,
            succeeded: open.all.succeeded.len(),
            failed: open.all.failed.len(),
            latency_us_p50: quantile(&open.all.succeeded, 0.5),
            latency_us_p99: quantile(&open.all.succeeded, 0.99),
            latency_us_max: quantile(&open.all.succeeded, 1.0),
            operations: by_operation(&open.operations),
            errors: std::mem::take(&mut open.errors),
        });
        open.number += 1;
        open.all.clear();
        for operation in Operation::ALL {
            let totals = open.operations.of_mut(operation);
            if !totals.succeeded.is_empty() || !totals.failed.is_empty() {
                totals.clear();
            }
        }
    }
}

fn by_operation(operations: &PerOperation<CallTotals>) -> BTreeMap<String, OperationSecond> {
    let occurred = |(_, totals): &(Operation, &CallTotals)| {
        !totals.succeeded.is_empty() || !totals.failed.is_empty()
    };
    operations
        .iter()
        .filter(occurred)
        .map(|(operation, totals)| {
            let second = OperationSecond {
                succeeded: totals.succeeded.len(),
                failed: totals.failed.len(),
                latency_us_p50: quantile(&totals.succeeded, 0.5),
                latency_us_p99: quantile(&totals.succeeded, 0.99),
                latency_us_max: quantile(&totals.succeeded, 1.0),
            };
            (operation.name().to_owned(), second)
        })
        .collect()
}

fn quantile(histogram: &Histogram<u64>, quantile: f64) -> Option<u64> {
    if histogram.is_empty() {
        None
    } else {
        Some(histogram.value_at_quantile(quantile))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(phase: LoadPhase, ended_ms: u64, error: Option<&str>) -> MeasuredCall<'_> {
        MeasuredCall {
            operation: Operation::Encrypt,
            phase,
            ended: Duration::from_millis(ended_ms),
            latency: Duration::from_micros(if error.is_some() { 5 } else { 200 }),
            error,
        }
    }

    /// Rule LG-11.
    #[test]
    fn a_call_counts_for_the_phase_in_which_it_was_sent() {
        let mut recorder = RunRecorder::new();
        recorder.measured(&call(LoadPhase::Connected, 10, None));
        recorder.measured(&call(
            LoadPhase::Disconnected,
            20,
            Some("KMSInvalidStateException"),
        ));
        recorder.measured(&call(
            LoadPhase::Disconnected,
            30,
            Some("KMSInvalidStateException"),
        ));
        for (phase, totals) in &recorder.phases {
            let counted = (totals.succeeded.len(), totals.failed.len());
            let expected = match phase {
                LoadPhase::Connected => (1, 0),
                LoadPhase::Disconnected => (0, 2),
                LoadPhase::Disconnecting | LoadPhase::Editing | LoadPhase::Connecting => (0, 0),
            };
            assert_eq!(counted, expected, "{phase:?}");
        }
    }

    /// Rule LG-03.
    #[test]
    fn quick_failures_do_not_improve_the_latency() {
        let mut recorder = RunRecorder::new();
        recorder.measured(&call(LoadPhase::Connected, 10, None));
        for _ in 0..99 {
            recorder.measured(&call(LoadPhase::Connected, 10, Some("ThrottlingException")));
        }
        recorder.finish(Duration::from_millis(500), LoadPhase::Connected);
        let second = recorder.take_closed().pop().unwrap();
        assert_eq!((second.latency_us_p50, second.failed), (Some(200), 99));
        assert_eq!(second.errors.get("ThrottlingException"), Some(&99));
    }

    #[test]
    fn a_silent_second_is_a_line_of_the_timeline_too() {
        let mut recorder = RunRecorder::new();
        recorder.measured(&call(LoadPhase::Connected, 100, None));
        recorder.measured(&call(LoadPhase::Connected, 3100, None));
        recorder.finish(Duration::from_millis(3250), LoadPhase::Connected);
        let seconds = recorder.take_closed();
        let counted: Vec<(u64, u64, u64)> = seconds
            .iter()
            .map(|s| (s.second, s.succeeded, s.duration_ms))
            .collect();
        assert_eq!(
            counted,
            [(0, 1, 1000), (1, 0, 1000), (2, 0, 1000), (3, 1, 250)]
        );
        assert_eq!(seconds[1].latency_us_p50, None);
    }
}
