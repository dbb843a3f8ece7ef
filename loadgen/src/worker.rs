//! The load itself: one worker for each connection, one call at a time.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use hdrhistogram::Histogram;
use http::StatusCode;
use portcullis_admin::{EditKind, LoadPhase, LoadSpan};
use tokio::time::Instant;

use crate::client::{ApiConnection, Broken, HttpAnswer, SigningCaller, exception_name};
use crate::judge::{CallOutcome, GateKnowledge, RunFindings};
use crate::pace::{Arrivals, Released};
use crate::phase::Phases;
use crate::plan::{CallPlan, PlannedCall};
use crate::record::{MeasuredCall, RunRecorder, histogram, observe};

/// What the workers, the pacing task and the edit cycle share. One thread: no borrow of a cell is
/// held across an await.
#[derive(Debug)]
pub(crate) struct RunningLoad {
    pub(crate) caller: Rc<SigningCaller>,
    pub(crate) arrivals: Arrivals,
    pub(crate) plan: RefCell<CallPlan>,
    pub(crate) journal: RefCell<RunJournal>,
    /// The start of the load, from which everything is counted.
    pub(crate) start: Instant,
    /// Whether a latency counts from the intended send time or from the real one.
    pub(crate) from: LatencyOrigin,
}

/// From when a latency is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LatencyOrigin {
    /// The open loop: a call that could not be sent in time is late all the same.
    IntendedSend,
    /// The closed loop.
    RealSend,
}

/// Everything that is written down during a run.
#[derive(Debug)]
pub(crate) struct RunJournal {
    pub(crate) recorder: RunRecorder,
    pub(crate) findings: RunFindings,
    pub(crate) gate: GateKnowledge,
    pub(crate) phases: Phases,
    /// By how much this program itself was late to send.
    pub(crate) lag: Histogram<u64>,
    /// Late calls that were never sent because the run ended.
    pub(crate) abandoned: u64,
    /// Calls that were answered before the end of the run.
    pub(crate) answered_in_time: u64,
    /// The phases that have ended and are not yet written to the timeline.
    pub(crate) ended_phases: Vec<LoadSpan>,
}

impl RunJournal {
    pub(crate) fn new(start: Instant) -> Self {
        Self {
            recorder: RunRecorder::new(),
            findings: RunFindings::default(),
            gate: GateKnowledge::Connected(start),
            phases: Phases::new(),
            lag: histogram(),
            abandoned: 0,
            answered_in_time: 0,
            ended_phases: Vec::new(),
        }
    }
}

impl RunningLoad {
    /// Ends the load. Calls that were sent are still waited for.
    pub(crate) fn end(&self) {
        if self.arrivals.has_ended() {
            return;
        }
        let abandoned = self.arrivals.end();
        let mut journal = self.journal.borrow_mut();
        if self.from == LatencyOrigin::IntendedSend {
            journal.abandoned = abandoned;
        }
        journal.answered_in_time =
            journal.recorder.all.succeeded.len() + journal.recorder.all.failed.len();
    }

    /// Notes the calls that fell due. In a closed loop they are permits, and no call arrives
    /// before it is sent.
    pub(crate) fn released(&self, released: Released) {
        if self.from == LatencyOrigin::IntendedSend {
            let Released {
                arrived,
                shed,
                late,
                abandoned,
            } = released;
            let mut journal = self.journal.borrow_mut();
            journal.recorder.arrived(arrived, shed, late);
            journal.abandoned += abandoned;
        }
    }

    /// Begins a phase, and says what is certain about the gate from here on.
    pub(crate) fn enter(
        &self,
        phase: LoadPhase,
        gate: GateKnowledge,
        cycle: u32,
        edit: Option<EditKind>,
    ) {
        let at = Instant::now().saturating_duration_since(self.start);
        let mut journal = self.journal.borrow_mut();
        journal.gate = gate;
        let ended = journal.phases.enter(phase, cycle, edit, at);
        journal.ended_phases.push(ended);
    }

    /// Changes what is certain about the gate within a phase.
    pub(crate) fn gate_is(&self, gate: GateKnowledge) {
        self.journal.borrow_mut().gate = gate;
    }

    pub(crate) fn lagged(&self, lag: Duration) {
        observe(&mut self.journal.borrow_mut().lag, lag);
    }

    fn begun(&self) {
        if self.from == LatencyOrigin::RealSend {
            self.journal.borrow_mut().recorder.arrived(1, 0, 0);
        }
    }

    fn ended(&self, job: &PlannedCall, sent: &SentCall, answer: Result<HttpAnswer, Broken>) {
        let ended = Instant::now();
        let outcome = match answer {
            Err(broken) => CallOutcome::Failed(broken.name().to_owned()),
            Ok(answer) if answer.status == StatusCode::OK => {
                self.plan.borrow_mut().read(job, &answer.body)
            }
            Ok(answer) => CallOutcome::Failed(refusal(&answer)),
        };
        let operation = job.call().operation;
        let journal = &mut *self.journal.borrow_mut();
        let verdict = journal.gate.judge(sent.at, outcome.error());
        journal.findings.note(operation, &outcome, verdict);
        // Rule LG-01: in the open loop a latency counts from the intended send time.
        let from = match self.from {
            LatencyOrigin::IntendedSend => sent.intended,
            LatencyOrigin::RealSend => sent.at,
        };
        journal.recorder.measured(&MeasuredCall {
            operation,
            phase: sent.phase,
            ended: ended.saturating_duration_since(self.start),
            latency: ended.saturating_duration_since(from),
            error: outcome.error(),
        });
    }
}

fn refusal(answer: &HttpAnswer) -> String {
    match exception_name(&answer.body) {
        Some((name, _)) => name,
        None => format!("Status{}", answer.status.as_u16()),
    }
}

#[derive(Debug)]
struct SentCall {
    intended: Instant,
    at: Instant,
    phase: LoadPhase,
}

/// A pause after a connection could not be opened, so that a closed loop does not spin.
const PAUSE_AFTER_REFUSAL: Duration = Duration::from_millis(20);

/// Sends calls as they fall due, until the run ends.
pub(crate) async fn work(load: Rc<RunningLoad>, mut line: ApiConnection) {
    while let Some(intended) = load.arrivals.next().await {
        let Some(job) = load.plan.borrow_mut().next() else {
            continue;
        };
        load.begun();
        let request = job.call().call(&load.caller);
        let phase = load.journal.borrow().phases.present();
        let sent = SentCall {
            intended,
            at: Instant::now(),
            phase,
        };
        let answer = line.exchange(request).await;
        let refused = matches!(answer, Err(Broken::Refused));
        load.ended(&job, &sent, answer);
        if refused {
            tokio::time::sleep(PAUSE_AFTER_REFUSAL).await;
        }
    }
}
