//! How an HSM misbehaves: it hangs, is slow, or its disk is full. Part of the HSM rather than of the
//! node that runs it, so that it outlives a restart.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use portcullis_seam::watch;
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

/// How one HSM behaves at present; by default as a healthy one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Behaviour {
    /// It takes what comes and never answers.
    pub hung: bool,
    /// How much later than a healthy one it begins with what comes.
    pub delay: Duration,
    /// Its disk takes no more writes.
    pub disk_full: bool,
    /// A link to it is cut: the other HSMs of its cluster do not reach it either.
    pub cut_off: bool,
}

impl Behaviour {
    /// Whether the other HSMs of the cluster can neither give it keys nor take some from it.
    pub(crate) const fn keeps_apart(&self) -> bool {
        self.hung || self.disk_full || self.cut_off
    }
}

/// The behaviour of an HSM, which a fault sets and the node looks at.
#[derive(Debug)]
pub(crate) struct HsmCondition {
    /// Whether there is any: all that a healthy HSM reads for a frame.
    misbehaves: AtomicBool,
    behaviour: watch::Sender<Behaviour>,
}

impl Default for HsmCondition {
    fn default() -> Self {
        Self {
            misbehaves: AtomicBool::new(false),
            behaviour: watch::Sender::new(Behaviour::default()),
        }
    }
}

impl HsmCondition {
    pub(crate) fn set(&self, behaviour: Behaviour) {
        self.misbehaves
            .store(behaviour != Behaviour::default(), Ordering::Release);
        self.behaviour.send_replace(behaviour);
    }

    pub(crate) fn misbehaves(&self) -> bool {
        self.misbehaves.load(Ordering::Acquire)
    }

    /// Rule FT-05: a full disk refuses what would be written, before anything has changed.
    pub(crate) fn disk_is_full(&self) -> bool {
        self.misbehaves() && self.behaviour.borrow().disk_full
    }

    /// Whether the other HSMs of its cluster can neither give it keys nor take some from it.
    pub(crate) fn keeps_apart(&self) -> bool {
        self.misbehaves() && self.behaviour.borrow().keeps_apart()
    }

    /// Waits as the HSM keeps its clients waiting. False when it hung: what came meanwhile is not
    /// carried out.
    ///
    /// Rule FT-04: a hung HSM answers nothing, and later does nothing of what it was told.
    pub(crate) async fn wait(&self) -> bool {
        let mut changes = self.behaviour.subscribe();
        let Behaviour { hung, delay, .. } = *changes.borrow_and_update();
        if hung {
            // An error would mean that the HSM is gone: then no caller waits.
            let _mended = changes.wait_for(|now| !now.hung).await;
            return false;
        }
        if !delay.is_zero() {
            sleep(delay).await;
        }
        true
    }
}
