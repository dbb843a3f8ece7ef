use std::sync::atomic::{AtomicBool, Ordering};

use crate::decide::HsmsOn;

/// Where HSMs are made of clusters that do not say it.
#[derive(Debug, Default)]
pub(super) struct DefaultPlacement(AtomicBool);

impl DefaultPlacement {
    pub(super) fn set(&self, place: HsmsOn) {
        self.0.store(place == HsmsOn::Hosts, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> HsmsOn {
        if self.0.load(Ordering::Relaxed) {
            HsmsOn::Hosts
        } else {
            HsmsOn::Process
        }
    }
}
