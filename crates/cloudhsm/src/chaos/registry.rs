use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use portcullis_api::{ClusterId, HsmId, Scope};
use portcullis_link::{Direction, LinkEffect, LinkRule};
use serde::Serialize;
use tokio::time::Instant;

use super::{Breakage, FaultKind, Place};
use crate::ClusterView;
use crate::fleet::{Ailment, Saved, Tampered};

/// Everything that is broken on purpose, by number.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    last: u64,
    active: BTreeMap<u64, Active>,
}

/// A fault that was injected and not undone.
#[derive(Debug)]
pub(crate) struct Active {
    pub(crate) kind: FaultKind,
    pub(crate) breakage: Breakage,
    pub(crate) place: Place,
    /// Milliseconds since 1970.
    pub(crate) since_ms: u64,
    /// When it is undone by itself.
    pub(crate) ends: Option<Instant>,
    pub(crate) undo: Undo,
}

/// What undoes a fault.
#[derive(Debug)]
pub(crate) enum Undo {
    /// Ailments and rules of links follow from the list: taking the fault off it is enough.
    Strike,
    /// Each HSM has a remedy of its own.
    Hsms(Vec<(HsmId, Remedy)>),
    MendNetwork(Scope, ClusterId),
    /// Rule FT-03: a cluster that is gone stays gone; its backups are the way back.
    Never,
}

/// What undoes a fault of one HSM.
#[derive(Debug)]
pub(crate) enum Remedy {
    Restart,
    ShowActive,
    RepairDisk(Saved),
    RestoreUser(Tampered),
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
    pub(crate) fn add(&mut self, active: Active) -> u64 {
        self.last += 1;
        self.active.insert(self.last, active);
        self.last
    }

    pub(crate) fn take(&mut self, number: u64) -> Option<Active> {
        self.active.remove(&number)
    }

    /// Lists a fault again that could not be undone.
    pub(crate) fn put_back(&mut self, number: u64, active: Active) {
        self.active.insert(number, active);
    }

    /// The numbers of all faults, the latest first: the order in which they are undone.
    pub(crate) fn latest_first(&self) -> Vec<u64> {
        self.active.keys().rev().copied().collect()
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
            kind: self.kind,
            place: self.place.to_string(),
            direction: link.map(|(_, direction)| direction),
            delay_ms: delay.map(millis),
            percent,
            hsms: hsms(&self.place, views),
            since_ms: self.since_ms,
            left_ms: self
                .ends
                .map(|ends| millis(ends.saturating_duration_since(Instant::now()))),
            undoable: !matches!(self.undo, Undo::Never),
        }
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
