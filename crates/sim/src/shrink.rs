//! From a plan that violates something to the smallest one that still does.

use portcullis_seam::plant::Bug;

use crate::check::Invariant;
use crate::record::Lines;
use crate::run::{SeedVerdict, run_plan};
use crate::world::{EditKind, WorldPlan};

/// A plan that violates an invariant, and from which nothing can be taken away.
#[derive(Debug)]
pub struct Shrunk {
    /// The smallest plan found.
    pub plan: WorldPlan,
    /// What it comes to, with its trace.
    pub verdict: SeedVerdict,
    /// Which invariant all plans on the way violated.
    pub invariant: Invariant,
    /// How many plans were tried.
    pub tried: u64,
}

/// Rule SIM-07: takes faults, clients, calls and the edit out of the plan of `seed` for as long
/// as the same invariant is violated. None when the seed violates nothing.
#[must_use]
pub fn shrink(seed: u64, bug: Option<Bug>) -> Option<Shrunk> {
    shrink_plan(seed, WorldPlan::draw(seed), bug)
}

/// The same for `plan`.
#[must_use]
pub fn shrink_plan(seed: u64, plan: WorldPlan, bug: Option<Bug>) -> Option<Shrunk> {
    let first = run_plan(seed, &plan, bug, Lines::Dropped).ok()?;
    let invariant = first.violations.first()?.invariant;
    let mut smallest = plan;
    let mut tried = 1;
    let violates = |plan: &WorldPlan| {
        let verdict = run_plan(seed, plan, bug, Lines::Dropped);
        verdict.is_ok_and(|verdict| {
            let mut violations = verdict.violations.iter();
            violations.any(|violation| violation.invariant == invariant)
        })
    };
    loop {
        let smaller = smaller(&smallest).into_iter().find(|plan| {
            tried += 1;
            violates(plan)
        });
        match smaller {
            Some(plan) => smallest = plan,
            None => break,
        }
    }
    let verdict = run_plan(seed, &smallest, bug, Lines::Kept).ok()?;
    Some(Shrunk {
        plan: smallest,
        verdict,
        invariant,
        tried,
    })
}

/// The plans that lack one thing, those that lack most first.
fn smaller(plan: &WorldPlan) -> Vec<WorldPlan> {
    let mut plans = Vec::new();
    for index in 0..plan.faults.len() {
        let mut less = plan.clone();
        less.faults.remove(index);
        plans.push(less);
    }
    if let Some(clients) = plan.clients.checked_sub(1) {
        plans.push(WorldPlan {
            clients,
            ..plan.clone()
        });
    }
    if plan.calls > 0 {
        for calls in [plan.calls / 2, plan.calls - 1] {
            plans.push(WorldPlan {
                calls,
                ..plan.clone()
            });
        }
    }
    if plan.edit != EditKind::Name {
        plans.push(WorldPlan {
            edit: EditKind::Name,
            ..plan.clone()
        });
    }
    plans
}
