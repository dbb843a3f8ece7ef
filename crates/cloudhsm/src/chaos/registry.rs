use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use portcullis_api::{HsmId, Scope};
use portcullis_clusters::ClusterView;
use portcullis_fleet::Ailment;
use portcullis_link::{Direction, LinkEffect, LinkRule};
use serde::Serialize;
use tokio::time::Instant;

use super::{Breakage, FaultKind, Kept, Place, Undo};

/// Everything that is broken on purpose, by number.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    last: u64,
    active: BTreeMap<u64, Active>,
}

/// A fault that was injected and not undone.
#[derive(Debug)]
pub(crate) struct Active {
    pub(crate) breakage: Breakage,
    pub(crate) place: Place,
    /// When it is undone by itself.
    pub(crate) ends: Option<Instant>,
    pub(crate) kept: Kept,
}

/// A fault as it is listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FaultReport {
    /// `fault-` and a number, by which it is undone.
    pub id: String,
    /// What.
    pub kind: FaultKind,
    /// The cluster, zone and HSM that were named.
    pub place: String,
    /// Which messages, for a fault of links.
    pub direction: Option<Direction>,
    /// How late.
    pub delay_ms: Option<u64>,
    /// How many of a hundred.
    pub percent: Option<u8>,
    /// The HSMs that it befalls at present.
    pub hsms: Vec<HsmId>,
    /// Since when, in milliseconds since 1970.
    pub since_ms: u64,
    /// How long it still lasts; none when it stays until it is undone.
    pub left_ms: Option<u64>,
    /// Whether it can be undone.
    pub undoable: bool,
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

    /// Somebody has started an HSM. Gives the faults that had taken it down, and whether nothing is
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
            let (effect, direction) = active.breakage.of_links()?;
            let hsms = hsms(&active.place, views);
            Some(LinkRule {
                hsms: hsms.iter().map(ToString::to_string).collect(),
                direction,
                effect,
            })
        };
        self.active.values().filter_map(rule).collect()
    }

    /// What ails the HSMs among `views`: of several faults, everything.
    pub(crate) fn ailments(&self, views: Views<'_>) -> BTreeMap<HsmId, Ailment> {
        let mut ailments: BTreeMap<HsmId, Ailment> = BTreeMap::new();
        for active in self.active.values() {
            let more = ailment_of(active.breakage);
            if more == Ailment::default() {
                continue;
            }
            for hsm in hsms(&active.place, views) {
                let ailment = ailments.entry(hsm).or_default();
                ailment.hung |= more.hung;
                ailment.delay += more.delay;
                ailment.disk_full |= more.disk_full;
                ailment.cut_off |= more.cut_off;
            }
        }
        ailments
    }

    pub(crate) fn reports(&self, views: Views<'_>) -> Vec<FaultReport> {
        let report = |(number, active): (&u64, &Active)| active.report(*number, views);
        self.active.iter().map(report).collect()
    }

    pub(crate) fn report(&self, number: u64, views: Views<'_>) -> Option<FaultReport> {
        let active = self.active.get(&number)?;
        Some(active.report(number, views))
    }
}

impl Active {
    fn report(&self, number: u64, views: Views<'_>) -> FaultReport {
        let link = self.breakage.of_links();
        let (delay, percent) = match (self.breakage, link) {
            (Breakage::Slow(late), _) | (_, Some((LinkEffect::Delay(late), _))) => {
                (Some(late), None)
            }
            (_, Some((LinkEffect::Lose { percent }, _))) => (None, Some(percent)),
            (_, Some((LinkEffect::Cut, _)) | None) => (None, None),
        };
        FaultReport {
            id: Registry::id(number),
            kind: self.kept.order.kind,
            place: self.place.to_string(),
            direction: link.map(|(_, direction)| direction),
            delay_ms: delay.map(millis),
            percent,
            hsms: self.befallen(views),
            since_ms: self.kept.since_ms,
            left_ms: self
                .ends
                .map(|ends| millis(ends.saturating_duration_since(Instant::now()))),
            undoable: !matches!(self.kept.undo, Undo::Never),
        }
    }

    /// Of a fault that takes HSMs one by one, those that it took and that are still there.
    fn befallen(&self, views: Views<'_>) -> Vec<HsmId> {
        let mut there = hsms(&self.place, views);
        if let Undo::Hsms(remedies) = &self.kept.undo {
            there.retain(|hsm| remedies.iter().any(|(one, _)| one == hsm));
        }
        there
    }
}

/// What a breakage makes of an HSM that it befalls.
fn ailment_of(breakage: Breakage) -> Ailment {
    let well = Ailment::default();
    match breakage {
        Breakage::Hang => Ailment { hung: true, ..well },
        Breakage::Slow(delay) => Ailment { delay, ..well },
        Breakage::FillDisk => Ailment {
            disk_full: true,
            ..well
        },
        Breakage::Link(LinkEffect::Cut, _) => Ailment {
            cut_off: true,
            ..well
        },
        Breakage::Crash
        | Breakage::Degrade
        | Breakage::CorruptDisk
        | Breakage::Link(LinkEffect::Delay(_) | LinkEffect::Lose { .. }, _)
        | Breakage::LockKmsuser
        | Breakage::ChangeKmsuserPassword
        | Breakage::RemoveKmsuser
        | Breakage::DeleteCluster
        | Breakage::Network(_) => well,
    }
}

/// The HSMs that a place names among `views`.
pub(crate) fn hsms(place: &Place, views: Views<'_>) -> Vec<HsmId> {
    let named = |(scope, view): &(Scope, Arc<ClusterView>)| {
        place.hsms_of(scope, view).cloned().collect::<Vec<_>>()
    };
    views.iter().flat_map(named).collect()
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
