//! One seed, from its plan to its verdict.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use portcullis_api::Code;
use portcullis_kms::TRANSITIONS;
use portcullis_seam::plant::{self, Bug};
use tokio::time::timeout;

use crate::canary::Listener;
use crate::check::{Invariant, Violation, check};
use crate::history::{
    History, HistoryEvent, LoginAnswer, Moment, RecordedAnswer, RecordedCall, RecordedRequest,
};
use crate::record::{Lines, WorldRecorder};
use crate::world::{
    Beginning, EditKind, PlannedFault, Template, World, WorldError, WorldOrigin, WorldPlan, paused,
};
use crate::{Counts, Way};

/// Nothing in a world may wait for ever. Most have ended after half a minute of simulated time.
const LIFETIME_MAX: Duration = Duration::from_mins(10);

/// What a seed came to.
#[derive(Debug)]
pub struct SeedVerdict {
    /// The seed that the schedule was drawn from.
    pub seed: u64,
    /// What was violated; empty when all is well.
    pub violations: Vec<Violation>,
    /// What the schedule exercised.
    pub coverage: Coverage,
    /// Equal for two runs of the seed.
    pub hash: [u8; 8],
    /// The trace, if it was asked for.
    pub lines: Vec<String>,
}

/// How often each thing happened, by its name. Added up over seeds, this says what a batch of
/// schedules has put to the test.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Coverage(pub BTreeMap<String, u64>);

impl Coverage {
    /// Adds what another schedule exercised.
    pub fn add(&mut self, other: &Self) {
        for (name, count) in &other.0 {
            self.count(name, *count);
        }
    }

    /// What should have happened in a large batch of schedules and did not. Rule SIM-05.
    #[must_use]
    pub fn missing(&self) -> Vec<String> {
        let happened = |name: &String| self.0.get(name).is_some_and(|count| *count > 0);
        let transitions = TRANSITIONS
            .iter()
            .filter(|row| row.from != row.to)
            .map(|row| transition(row.from.name(), row.to.name()));
        let edits = EditKind::ALL.map(|kind| kind.name().to_owned());
        let others = MUST_HAPPEN.map(str::to_owned);
        transitions
            .chain(edits)
            .chain(others)
            .filter(|name| !happened(name))
            .collect()
    }

    fn count(&mut self, name: &str, often: u64) {
        if let Some(count) = self.0.get_mut(name) {
            *count += often;
        } else {
            self.0.insert(name.to_owned(), often);
        }
    }

    fn had(&mut self, name: &str, had: bool) {
        self.count(name, u64::from(had));
    }
}

/// Beside every edit and every transition of the lifecycle.
const MUST_HAPPEN: [&str; 35] = [
    "several facades",
    "facade killed",
    "facade cut off the store",
    "worlds built",
    "worlds copied",
    "power cut",
    "power cut in a write",
    "power cut of everything",
    "power cut in a write of the control plane",
    "process killed",
    "everything started again",
    "partition",
    "zone partition",
    "one-way partition",
    "replies cut off",
    "storm",
    "lost messages",
    "late messages",
    "deadline passed",
    "HSM added",
    "HSM removed",
    "wrong passwords",
    "kmsuser locked out",
    "second operator",
    "full disk of the control plane",
    "vanished disk of the control plane",
    "calls refused for want of storage",
    "connect failed: INVALID_CREDENTIALS",
    "connect failed: USER_LOCKED_OUT",
    "calls in flight at a disconnect",
    "calls refused as disconnected",
    "calls of unknown outcome",
    "fenced logins",
    "keys created",
    "secrets looked for",
];

/// Runs `seed`, with a bug planted or without. Rule SIM-03: the checker finds what was planted.
/// Rule SIM-10: also the bugs that seeds of the corpus found first.
///
/// # Errors
/// When the world itself could not be set up or repaired: that is no verdict on the product.
pub fn run(seed: u64, bug: Option<Bug>, lines: Lines) -> Result<SeedVerdict, WorldError> {
    run_plan(seed, &WorldPlan::draw(seed), bug, lines)
}

/// Runs `plan` with the chance of `seed`.
///
/// # Errors
/// As [`run`].
pub fn run_plan(
    seed: u64,
    plan: &WorldPlan,
    bug: Option<Bug>,
    lines: Lines,
) -> Result<SeedVerdict, WorldError> {
    plant::with(bug, || {
        let template = match plan.origin {
            WorldOrigin::Nothing => None,
            WorldOrigin::Copy(number) => Some(Template::of(number, plan.carrier, bug)?),
        };
        let canaries = template.as_deref().map(Template::canaries);
        let canaries = Arc::new(canaries.unwrap_or_default());
        let _listens = tracing::subscriber::set_default(Listener(Arc::clone(&canaries)));
        let runtime = paused()?;
        runtime.block_on(async {
            let recorder = template
                .as_deref()
                .map_or_else(|| WorldRecorder::start(lines), |one| one.recorder(lines));
            let beginning = Beginning {
                seed,
                carrier: plan.carrier,
                facades: plan.facades,
                recorder: Arc::new(recorder),
                canaries,
            };
            live(plan, beginning, template.as_deref()).await
        })
    })
}

async fn live(
    plan: &WorldPlan,
    beginning: Beginning,
    template: Option<&Template>,
) -> Result<SeedVerdict, WorldError> {
    let (seed, recorder) = (beginning.seed, Arc::clone(&beginning.recorder));
    let world = match template {
        None => World::build(beginning).await?,
        Some(template) => World::copy(beginning, template).await?,
    };
    let lifetime = LIFETIME_MAX + Duration::from_secs(60 * plan.idle_minutes);
    timeout(lifetime, world.live(plan))
        .await
        .map_err(|elapsed| WorldError::of("the world does not end", elapsed))??;
    world.switch_off();
    let mut record = recorder.finish();
    record.history.shared = plan.facades > 1;
    let mut violations = check(&record.history);
    violations.dedup_by(|one, other| one.invariant == other.invariant && one.what == other.what);
    let mut coverage = coverage(plan, &record.history, world.network.counts());
    coverage.count("secrets looked for", 1);
    Ok(SeedVerdict {
        seed,
        violations,
        coverage,
        hash: record.hash,
        lines: record.lines,
    })
}

/// Rule SIM-02: runs `seed` twice and adds a violation of I12 when the runs differ.
///
/// # Errors
/// As [`run`].
pub fn run_twice(seed: u64, bug: Option<Bug>) -> Result<SeedVerdict, WorldError> {
    run_plan_twice(seed, &WorldPlan::draw(seed), bug)
}

/// The same for `plan`.
///
/// # Errors
/// As [`run`].
pub fn run_plan_twice(
    seed: u64,
    plan: &WorldPlan,
    bug: Option<Bug>,
) -> Result<SeedVerdict, WorldError> {
    let first = run_plan(seed, plan, bug, Lines::Dropped)?;
    let mut second = run_plan(seed, plan, bug, Lines::Dropped)?;
    if first.hash != second.hash {
        let what = "two runs of the seed differ";
        let violation = Violation::new(Invariant::I12, Moment::default(), what);
        second.violations.push(violation);
    }
    Ok(second)
}

fn coverage(plan: &WorldPlan, history: &History, counts: Counts) -> Coverage {
    let mut coverage = Coverage::default();
    coverage.count("schedules", 1);
    coverage.count(plan.edit.name(), 1);
    coverage.had("several facades", plan.facades > 1);
    coverage.had("worlds built", plan.origin == WorldOrigin::Nothing);
    coverage.had("worlds copied", plan.origin != WorldOrigin::Nothing);
    for fault in &plan.faults {
        planned(&mut coverage, fault);
    }
    coverage.had("lost messages", counts.lost > 0);
    coverage.had("late messages", counts.late > 0);
    coverage.had("doubled datagrams", counts.doubled > 0);
    coverage.had("deadline passed", counts.unanswered > 0);
    coverage.count("messages", counts.messages);
    calls(&mut coverage, history);
    events(&mut coverage, history);
    coverage
}

fn planned(coverage: &mut Coverage, fault: &PlannedFault) {
    match fault {
        PlannedFault::PowerCut(crash) => {
            coverage.had("power cut in a write", crash.mid_write.is_some());
        }
        PlannedFault::Partition(partition) => {
            coverage.had("zone partition", partition.whole_zone);
            coverage.had("one-way partition", partition.way.is_some());
            coverage.had("replies cut off", partition.way == Some(Way::FromHsm));
        }
        PlannedFault::Restart(restart) => {
            let name = "power cut in a write of the control plane";
            coverage.had(name, restart.mid_write.is_some());
        }
        PlannedFault::SecondOperator(_) => coverage.count("second operator", 1),
        PlannedFault::FullDisk(_) => coverage.count("full disk of the control plane", 1),
        PlannedFault::Vanish(_) => coverage.count("vanished disk of the control plane", 1),
        PlannedFault::Storm(_)
        | PlannedFault::Members(_)
        | PlannedFault::Guesses(_)
        | PlannedFault::FacadeEnd(_)
        | PlannedFault::StoreOutage(_) => (),
    }
}

fn calls(coverage: &mut Coverage, history: &History) {
    let all = || history.since().iter().filter_map(HistoryEvent::call);
    let disconnects: Vec<&RecordedCall> = all()
        .filter(|call| call.request == RecordedRequest::Disconnect)
        .collect();
    for call in all() {
        coverage.count("calls", 1);
        let is_crypto = call.request.needs_connection();
        let over = disconnects.iter().any(|disconnect| {
            is_crypto && call.invoked < disconnect.invoked && call.completed > disconnect.completed
        });
        coverage.had("calls in flight at a disconnect", over);
        coverage.had("calls of unknown outcome", call.is_unknown());
        let refused = is_crypto && call.outcome.is_err() && !call.is_unknown();
        coverage.had("calls refused as disconnected", refused);
        let refused = call.outcome == Err(Code::ServiceUnavailable);
        coverage.had("calls refused for want of storage", refused);
        let is_key = matches!(call.outcome, Ok(RecordedAnswer::Key(_)));
        coverage.had("keys created", is_key);
    }
    coverage.had("more than one reconnect", disconnects.len() > 1);
}

fn transition(from: &str, to: &str) -> String {
    format!("{from} to {to}")
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "what is not counted is not named"
)]
fn events(coverage: &mut Coverage, history: &History) {
    let before = history.events.iter().take(history.before);
    let mut seen = before.filter_map(HistoryEvent::seen);
    let mut last = seen.next_back().map_or("DISCONNECTED", |told| &told.state);
    for event in history.since() {
        match event {
            HistoryEvent::FaultBegins { what, .. } | HistoryEvent::Happens { what, .. } => {
                coverage.count(what, 1);
            }
            HistoryEvent::Seen { store, .. } => {
                if store.state != last {
                    coverage.count(&transition(last, &store.state), 1);
                    last = &store.state;
                }
                if let Some(error) = &store.error {
                    coverage.count(&format!("connect failed: {error}"), 1);
                }
            }
            HistoryEvent::Login {
                answer: LoginAnswer::Fenced,
                ..
            } => coverage.count("fenced logins", 1),
            HistoryEvent::Asked { .. } => coverage.count("frames sent to HSMs", 1),
            HistoryEvent::Guessed { locked, .. } => coverage.had("kmsuser locked out", *locked),
            HistoryEvent::Probed { .. } => coverage.count("connections of before probed", 1),
            HistoryEvent::Deleted { .. } => coverage.count("keys deleted on HSMs", 1),
            HistoryEvent::Restarted { .. } => coverage.count("everything started again", 1),
            _ => (),
        }
    }
}
