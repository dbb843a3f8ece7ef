use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use portcullis_admin::{Direction, Fault, FaultField};
use portcullis_api::{HsmId, Scope};
use portcullis_clusters::ClusterView;
use portcullis_fleet::Behaviour;
use portcullis_link::LinkRule;
use tokio::time::Instant;

use super::{Active, BrokenPlace, FaultUndo};

/// Everything that is broken on purpose, by number.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    last: u64,
    active: BTreeMap<u64, Active>,
}

/// Clusters of every scope, as the registry looks for HSMs in them.
pub(crate) type Views<'a> = &'a [(Scope, Arc<ClusterView>)];

impl Registry {
    /// The list as it was left: the number of the last fault there ever was, and those that are
    /// still there.
    pub(crate) fn left(last: u64, active: BTreeMap<u64, Active>) -> Self {
        Self { last, active }
    }

    /// A number that no fault ever had.
    pub(crate) fn fresh_number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// Lists a fault; also one again that could not be undone.
    pub(crate) fn list(&mut self, number: u64, active: Active) {
        self.active.insert(number, active);
    }

    pub(crate) fn get(&self, number: u64) -> Option<&Active> {
        self.active.get(&number)
    }

    pub(crate) fn take(&mut self, number: u64) -> Option<Active> {
        self.active.remove(&number)
    }

    /// Whether a fault keeps an HSM down, also when the process begins anew.
    pub(crate) fn keeps_down(&self, hsm: &HsmId) -> bool {
        self.active.values().any(|active| active.keeps_down(hsm))
    }

    /// An HSM was started by hand. Gives the faults that had taken it down, and whether nothing is
    /// left of each.
    pub(crate) fn restarted(&mut self, hsm: &HsmId) -> Vec<(u64, bool)> {
        let touched = self.active.iter_mut();
        touched
            .filter(|(_, active)| active.keeps_down(hsm))
            .map(|(number, active)| (*number, active.restarted(hsm)))
            .collect()
    }

    /// The numbers of all faults, the latest first: the order in which they are undone.
    pub(crate) fn latest_first(&self) -> Vec<u64> {
        self.active.keys().rev().copied().collect()
    }

    /// When each fault with a duration ends, by number.
    pub(crate) fn ends(&self) -> Vec<(u64, Instant)> {
        let active = self.active.iter();
        active
            .filter_map(|(number, active)| Some((*number, active.ends?)))
            .collect()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.active.is_empty()
    }

    /// The number that `id` stands for.
    pub(crate) fn number(id: &str) -> Option<u64> {
        id.strip_prefix("fault-")?.parse().ok()
    }

    pub(crate) fn id(number: u64) -> String {
        format!("fault-{number}")
    }

    /// What the faults of links come to among `views`.
    pub(crate) fn rules(&self, views: Views<'_>) -> Vec<LinkRule> {
        let rule = |active: &Active| {
            let (effect, direction) = active.effect.of_links()?;
            let hsms = hsms(&active.place, views);
            Some(LinkRule {
                hsms: hsms.iter().map(ToString::to_string).collect(),
                direction,
                effect,
            })
        };
        self.active.values().filter_map(rule).collect()
    }

    /// How the HSMs among `views` behave: of several faults, everything.
    pub(crate) fn behaviours(&self, views: Views<'_>) -> BTreeMap<HsmId, Behaviour> {
        let mut behaviours: BTreeMap<HsmId, Behaviour> = BTreeMap::new();
        for active in self.active.values() {
            let Some(more) = active.effect.behaviour() else {
                continue;
            };
            for hsm in hsms(&active.place, views) {
                let behaviour = behaviours.entry(hsm).or_default();
                behaviour.hung |= more.hung;
                behaviour.delay += more.delay;
                behaviour.disk_full |= more.disk_full;
                behaviour.cut_off |= more.cut_off;
            }
        }
        behaviours
    }

    pub(crate) fn reports(&self, views: Views<'_>) -> Vec<Fault> {
        let report = |(number, active): (&u64, &Active)| active.report(*number, views);
        self.active.iter().map(report).collect()
    }

    pub(crate) fn report(&self, number: u64, views: Views<'_>) -> Option<Fault> {
        let active = self.active.get(&number)?;
        Some(active.report(number, views))
    }
}

impl Active {
    fn report(&self, number: u64, views: Views<'_>) -> Fault {
        let order = &self.kept.order;
        let has_direction = order.kind.describe().takes(FaultField::Direction);
        Fault {
            id: Registry::id(number),
            kind: order.kind,
            place: self.place.to_string(),
            direction: match order.direction {
                None if has_direction => Some(Direction::Both),
                given => given,
            },
            delay_ms: order.delay_ms,
            percent: order.percent,
            hsms: self.befallen(views),
            since_ms: self.kept.since_ms,
            left_ms: self
                .ends
                .map(|ends| millis(ends.saturating_duration_since(Instant::now()))),
            undoable: !matches!(self.kept.undo, FaultUndo::Never),
        }
    }

    /// Of a fault that takes HSMs one by one, those that it took and that are still there.
    fn befallen(&self, views: Views<'_>) -> Vec<HsmId> {
        let mut there = hsms(&self.place, views);
        if let FaultUndo::Hsms(undos) = &self.kept.undo {
            there.retain(|hsm| undos.iter().any(|(one, _)| one == hsm));
        }
        there
    }
}

/// The HSMs that a place names among `views`.
pub(crate) fn hsms(place: &BrokenPlace, views: Views<'_>) -> Vec<HsmId> {
    let named = |(scope, view): &(Scope, Arc<ClusterView>)| {
        place.hsms_of(scope, view).cloned().collect::<Vec<_>>()
    };
    views.iter().flat_map(named).collect()
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
