//! A fault as it lies in the store, so that it outlives the process.

use portcullis_admin::FaultOrder;
use portcullis_api::{HsmId, Scope};
use portcullis_fleet::UserBefore;
use portcullis_seam::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::{BadOrder, BrokenPlace, FaultEffect, lasts, read};

/// What was asked for, since when, and what undoes it.
///
/// Rule FT-08: it is written before anything is broken, and with it what mends: so there is no damage
/// that is not listed. Undoing what was not done yet changes nothing.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct KeptFault {
    scope: Scope,
    pub(crate) order: FaultOrder,
    /// Milliseconds since 1970 on the services' clock.
    pub(crate) since_ms: u64,
    /// When it is undone by itself, in milliseconds since 1970 on the machine's clock.
    ends_ms: Option<u64>,
    pub(crate) undo: FaultUndo,
}

/// A fault that was injected and not undone.
#[derive(Debug)]
pub(crate) struct Active {
    pub(crate) effect: FaultEffect,
    pub(crate) place: BrokenPlace,
    /// When it is undone by itself.
    pub(crate) ends: Option<Instant>,
    pub(crate) kept: KeptFault,
}

/// What undoes a fault.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum FaultUndo {
    /// How HSMs and links behave follows from the list: taking the fault off it is enough.
    Strike,
    /// What happened to each HSM is undone there.
    Hsms(Vec<(HsmId, HsmUndo)>),
    /// The network of the cluster that the order names is mended.
    MendNetwork,
    /// Rule FT-03: a cluster that is gone stays gone; its backups are the way back.
    Never,
}

/// What undoes a fault of one HSM.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum HsmUndo {
    Restart,
    ShowActive,
    RepairDisk,
    RestoreUser(UserBefore),
}

/// The dates at which a fault begins: on the services' clock and on the machine's.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Dates {
    pub(crate) services: Timestamp,
    pub(crate) machine: Timestamp,
}

impl FaultUndo {
    /// What undoes the first `done` HSMs of a fault that was not carried out to its end.
    pub(crate) fn first(self, done: usize) -> Self {
        match self {
            Self::Hsms(mut undos) => {
                undos.truncate(done);
                Self::Hsms(undos)
            }
            // There is no cluster that is half gone.
            Self::Never => Self::Strike,
            Self::Strike | Self::MendNetwork => self,
        }
    }
}

impl HsmUndo {
    /// Whether the HSM is down until then, also when the process begins anew.
    const fn keeps_down(&self) -> bool {
        match self {
            Self::Restart | Self::RepairDisk => true,
            Self::ShowActive | Self::RestoreUser(_) => false,
        }
    }
}

impl Active {
    /// A fault that begins now.
    pub(crate) fn begin(
        order: &FaultOrder,
        scope: Scope,
        now: Dates,
        undo: FaultUndo,
    ) -> Result<Self, BadOrder> {
        let kept = KeptFault {
            scope,
            order: order.clone(),
            since_ms: now.services.millis(),
            ends_ms: lasts(order).map(|lasts| now.machine.plus(lasts).millis()),
            undo,
        };
        kept.resume(now.machine)
    }

    /// Whether this fault keeps an HSM down.
    pub(crate) fn keeps_down(&self, hsm: &HsmId) -> bool {
        let FaultUndo::Hsms(undos) = &self.kept.undo else {
            return false;
        };
        let mut undos = undos.iter();
        undos.any(|(one, undo)| one == hsm && undo.keeps_down())
    }

    /// An HSM that this fault took down was started by hand. True when that was its last one, and
    /// nothing is broken any more.
    pub(crate) fn restarted(&mut self, hsm: &HsmId) -> bool {
        let FaultUndo::Hsms(undos) = &mut self.kept.undo else {
            return false;
        };
        undos.retain(|(one, undo)| one != hsm || !matches!(undo, HsmUndo::Restart));
        undos.is_empty()
    }
}

impl KeptFault {
    /// The fault at the machine's date `now`, after the process has begun anew.
    ///
    /// Rule FT-08: its time goes on while nothing runs.
    pub(crate) fn resume(self, now: Timestamp) -> Result<Active, BadOrder> {
        let (effect, place) = read(&self.order, self.scope.clone())?;
        let left = |ends| Timestamp::from_millis(ends).since(now);
        Ok(Active {
            effect,
            place,
            ends: self.ends_ms.map(|ends| Instant::now() + left(ends)),
            kept: self,
        })
    }
}
