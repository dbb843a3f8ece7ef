//! The load of a rehearsal, and a diary of what became of every call, phase by phase.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use http::StatusCode;
use portcullis_admin::{RehearsalStage, RepairStage};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::script::LoadScript;
use crate::client::{ApiConnection, Broken, Endpoint, HttpAnswer, SigningCaller, exception_name};
use crate::judge::{CallOutcome, GateKnowledge, GateVerdict, SampleComparison};
use crate::pace::{Arrivals, LATE_ARRIVALS_MAX, Schedule, pace};
use crate::plan::{CallPlan, PlannedCall};
use crate::record::count;

/// A stage that begins, with no call yet.
const fn begun(stage: RepairStage, start_ms: u64) -> RehearsalStage {
    RehearsalStage {
        stage,
        start_ms,
        end_ms: start_ms,
        succeeded: 0,
        failed: BTreeMap::new(),
    }
}

/// Everything that is written down.
#[derive(Debug)]
pub(super) struct Diary {
    pub(super) chapters: Vec<RehearsalStage>,
    gate: GateKnowledge,
    pub(super) gate_leaks: u64,
    pub(super) wrong_plaintexts: u64,
    /// When the cluster was destroyed.
    destroyed: Option<Instant>,
    /// The last success before no call was answered any more.
    last_success: Instant,
    /// The first success of a call that was sent after the destruction.
    pub(super) outage: Option<Duration>,
}

/// The load, and what the repair tells it.
#[derive(Debug)]
pub(super) struct Traffic {
    caller: Rc<SigningCaller>,
    arrivals: Arrivals,
    pub(super) plan: RefCell<CallPlan>,
    pub(super) diary: RefCell<Diary>,
    start: Instant,
}

/// A load that is not ended would go on for ever; a rehearsal takes minutes.
const LOAD_MAX: Duration = Duration::from_secs(24 * 60 * 60);

impl Traffic {
    /// Begins to send. The tasks end after [`Traffic::end`].
    pub(super) fn begin(
        caller: Rc<SigningCaller>,
        endpoint: &Endpoint,
        plan: CallPlan,
        load: &LoadScript,
    ) -> (Rc<Self>, Vec<JoinHandle<()>>) {
        let start = Instant::now();
        let traffic = Rc::new(Self {
            caller,
            arrivals: Arrivals::scheduled(LATE_ARRIVALS_MAX),
            plan: RefCell::new(plan),
            diary: RefCell::new(Diary::new(start)),
            start,
        });
        let mut tasks: Vec<_> = (0..load.connections)
            .map(|_| {
                let line = ApiConnection::new(endpoint.clone(), load.timeout);
                tokio::task::spawn_local(work(Rc::clone(&traffic), line))
            })
            .collect();
        let schedule = Schedule::new(start, load.rate, LOAD_MAX);
        let paced = Rc::clone(&traffic);
        tasks.push(tokio::task::spawn_local(async move {
            pace(&paced.arrivals, schedule, |_released| {}, |_lag| {}).await;
        }));
        (traffic, tasks)
    }

    pub(super) fn end(&self) {
        let _never_sent = self.arrivals.end();
        let now = self.elapsed_ms();
        self.diary.borrow_mut().close(now);
    }

    /// Begins a stage, and says what is certain about the gate from here on.
    pub(super) fn enter(&self, stage: RepairStage, gate: GateKnowledge) {
        let now = self.elapsed_ms();
        let mut diary = self.diary.borrow_mut();
        diary.close(now);
        diary.chapters.push(begun(stage, now));
        diary.gate = gate;
    }

    pub(super) fn gate_is(&self, gate: GateKnowledge) {
        self.diary.borrow_mut().gate = gate;
    }

    pub(super) fn destroyed(&self) {
        self.diary.borrow_mut().destroyed = Some(Instant::now());
    }

    fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn answered(&self, job: &PlannedCall, sent: &SentRequest, answer: Result<HttpAnswer, Broken>) {
        let outcome = match answer {
            Err(broken) => CallOutcome::Failed(broken.name().to_owned()),
            Ok(answer) if answer.status == StatusCode::OK => {
                self.plan.borrow_mut().read(job, &answer.body)
            }
            Ok(answer) => CallOutcome::Failed(match exception_name(&answer.body) {
                Some((name, _message)) => name,
                None => format!("Status{}", answer.status.as_u16()),
            }),
        };
        self.diary.borrow_mut().note(sent, &outcome, Instant::now());
    }
}

/// The chapter of the loss: the first after the beginning.
const LOSS: usize = 1;

/// A call on its way: when it was sent, and in which chapter.
#[derive(Debug)]
struct SentRequest {
    at: Instant,
    chapter: usize,
}

impl Diary {
    fn new(start: Instant) -> Self {
        Self {
            chapters: vec![begun(RepairStage::Before, 0)],
            gate: GateKnowledge::Connected(start),
            gate_leaks: 0,
            wrong_plaintexts: 0,
            destroyed: None,
            last_success: start,
            outage: None,
        }
    }

    fn close(&mut self, now_ms: u64) {
        if let Some(last) = self.chapters.last_mut() {
            last.end_ms = now_ms;
        }
    }

    /// Rule LG-15: a call counts for the stage in which it was sent, but one that was under way
    /// when the cluster went and failed counts for the loss; the outage lasts from the last
    /// success before the loss to the first of a call that was sent after it.
    fn note(&mut self, sent: &SentRequest, outcome: &CallOutcome, now: Instant) {
        if self.gate.judge(sent.at, outcome.error()) == GateVerdict::Leak {
            self.gate_leaks += 1;
        }
        let caught = outcome.error().is_some() && sent.chapter == 0 && self.chapters.len() > 1;
        let chapter = self
            .chapters
            .get_mut(if caught { LOSS } else { sent.chapter });
        match outcome {
            CallOutcome::Failed(name) => {
                if let Some(chapter) = chapter {
                    count(&mut chapter.failed, name, 1);
                }
            }
            CallOutcome::Succeeded(comparison) => {
                if let Some(chapter) = chapter {
                    chapter.succeeded += 1;
                }
                self.wrong_plaintexts += u64::from(*comparison != SampleComparison::Right);
                match self.destroyed {
                    Some(at) if sent.at >= at => {
                        let last = self.last_success;
                        let silent = now.saturating_duration_since(last);
                        self.outage.get_or_insert(silent);
                    }
                    Some(_) | None => self.last_success = now,
                }
            }
        }
    }
}

async fn work(traffic: Rc<Traffic>, mut line: ApiConnection) {
    while traffic.arrivals.next().await.is_some() {
        let Some(job) = traffic.plan.borrow_mut().next() else {
            continue;
        };
        let request = job.call().call(&traffic.caller);
        let sent = SentRequest {
            at: Instant::now(),
            chapter: traffic.diary.borrow().chapters.len().saturating_sub(1),
        };
        let answer = line.exchange(request).await;
        traffic.answered(&job, &sent, answer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rule LG-15.
    #[test]
    fn the_outage_is_from_the_last_success_before_to_the_first_after() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut diary = Diary::new(start);
        let succeeded = CallOutcome::Succeeded(SampleComparison::Right);
        let failed = CallOutcome::Failed("KMSInvalidStateException".to_owned());
        let sent = |millis, chapter| SentRequest {
            at: at(millis),
            chapter,
        };
        diary.note(&sent(10, 0), &succeeded, at(20));
        diary.destroyed = Some(at(100));
        diary.chapters.push(begun(RepairStage::Lost, 100));
        diary.note(&sent(95, 0), &succeeded, at(105));
        diary.note(&sent(110, 1), &failed, at(111));
        diary.note(&sent(90, 0), &failed, at(112));
        diary.note(&sent(600, 1), &succeeded, at(605));
        diary.note(&sent(700, 1), &succeeded, at(705));
        assert_eq!(diary.outage, Some(Duration::from_millis(500)));
        let counted: Vec<(u64, u64)> = diary
            .chapters
            .iter()
            .map(|chapter| (chapter.succeeded, chapter.failures()))
            .collect();
        assert_eq!(counted, [(2, 0), (2, 2)]);
    }

    #[test]
    fn a_success_while_disconnected_is_a_gate_leak() {
        let start = Instant::now();
        let mut diary = Diary::new(start);
        diary.gate = GateKnowledge::Disconnected(start);
        let sent = SentRequest {
            at: start + Duration::from_millis(1),
            chapter: 0,
        };
        let right = CallOutcome::Succeeded(SampleComparison::Right);
        diary.note(&sent, &right, start + Duration::from_millis(2));
        assert_eq!(diary.gate_leaks, 1);
    }
}
