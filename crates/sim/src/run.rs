//! One seed, from its plan to its verdict.

use std::collections::BTreeMap;
use std::sync::Arc;

use portcullis_seam::plant::{self, Bug};

use crate::check::{Invariant, Violation, check};
use crate::history::{Answer, Event, History, LoginAnswer, Moment, Request};
use crate::record::{Lines, Recorder};
use crate::world::{EditKind, Plan, World, WorldError};
use crate::{Counts, Way};

/// What a seed came to.
#[derive(Debug)]
pub struct Verdict {
    /// Which seed.
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
pub struct Coverage(pub BTreeMap<&'static str, u64>);

impl Coverage {
    /// Adds what another schedule exercised.
    pub fn add(&mut self, other: &Self) {
        for (name, count) in &other.0 {
            *self.0.entry(name).or_default() += count;
        }
    }

    fn count(&mut self, name: &'static str, often: u64) {
        *self.0.entry(name).or_default() += often;
    }

    fn had(&mut self, name: &'static str, had: bool) {
        self.count(name, u64::from(had));
    }
}

/// Runs `seed`, with a bug planted or without. Rule SIM-03: the checker finds what was planted.
///
/// # Errors
/// When the world itself could not be set up or repaired: that is no verdict on the product.
pub fn run(seed: u64, bug: Option<Bug>, lines: Lines) -> Result<Verdict, WorldError> {
    plant::with(bug, || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .map_err(|error| WorldError::of("the runtime", error))?;
        runtime.block_on(live(seed, lines))
    })
}

async fn live(seed: u64, lines: Lines) -> Result<Verdict, WorldError> {
    let recorder = Arc::new(Recorder::start(lines));
    let plan = Plan::draw(seed);
    let world = World::build(seed, Arc::clone(&recorder)).await?;
    world.live(&plan).await?;
    let record = recorder.finish();
    let mut violations = check(&record.history);
    violations.dedup_by(|one, other| one.invariant == other.invariant && one.what == other.what);
    Ok(Verdict {
        seed,
        violations,
        coverage: coverage(&plan, &record.history, world.network.counts()),
        hash: record.hash,
        lines: record.lines,
    })
}

/// Rule SIM-02: runs `seed` twice and adds a violation of I12 when the runs differ.
///
/// # Errors
/// As [`run`].
pub fn run_twice(seed: u64, bug: Option<Bug>) -> Result<Verdict, WorldError> {
    let first = run(seed, bug, Lines::Dropped)?;
    let mut second = run(seed, bug, Lines::Dropped)?;
    if first.hash != second.hash {
        let what = "two runs of the seed differ";
        let violation = Violation::new(Invariant::I12, Moment::default(), what);
        second.violations.push(violation);
    }
    Ok(second)
}

fn coverage(plan: &Plan, history: &History, counts: Counts) -> Coverage {
    let mut coverage = Coverage::default();
    coverage.count("schedules", 1);
    coverage.had("power cut in a write", plan.crash.mid_write.is_some());
    coverage.had("zone partition", plan.partition.whole_zone);
    coverage.had("one-way partition", plan.partition.way.is_some());
    coverage.had("replies cut off", plan.partition.way == Some(Way::FromHsm));
    coverage.had("lost messages", counts.lost > 0);
    coverage.had("late messages", counts.late > 0);
    coverage.had("deadline passed", counts.unanswered > 0);
    coverage.had("edit: name", plan.edit == EditKind::Name);
    coverage.had("edit: password", plan.edit == EditKind::Password);
    coverage.had("edit: cluster", plan.edit == EditKind::Cluster);
    coverage.count("messages", counts.messages);
    calls(&mut coverage, history);
    events(&mut coverage, history);
    coverage
}

fn calls(coverage: &mut Coverage, history: &History) {
    let disconnects: Vec<_> = history
        .calls()
        .filter(|call| call.request == Request::Disconnect)
        .collect();
    for call in history.calls() {
        coverage.count("calls", 1);
        let is_crypto = call.request.needs_connection();
        let over = disconnects.iter().any(|disconnect| {
            is_crypto && call.invoked < disconnect.invoked && call.completed > disconnect.completed
        });
        coverage.had("calls in flight at a disconnect", over);
        coverage.had(
            "calls refused as disconnected",
            is_crypto && call.outcome.is_err(),
        );
        let is_key = matches!(call.outcome, Ok(Answer::Key(_)));
        coverage.had("keys created", is_key);
    }
    coverage.had("more than one reconnect", disconnects.len() > 1);
}

fn events(coverage: &mut Coverage, history: &History) {
    let mut asked = 0;
    let mut failed = false;
    for event in &history.events {
        match event {
            Event::FaultBegins { what, .. } => coverage.count(what, 1),
            Event::Seen { state, .. } => failed |= state == "FAILED",
            Event::Login {
                answer: LoginAnswer::Fenced,
                ..
            } => coverage.count("fenced logins", 1),
            Event::Asked { .. } => asked += 1,
            Event::Call(_)
            | Event::Uses { .. }
            | Event::Holds { .. }
            | Event::Calm { .. }
            | Event::Healed { .. }
            | Event::Well { .. }
            | Event::Placed { .. }
            | Event::Sealed { .. }
            | Event::Login { .. }
            | Event::Made { .. }
            | Event::Member { .. } => (),
        }
    }
    coverage.count("frames sent to HSMs", asked);
    coverage.had("connect failed", failed);
}
