use std::collections::BTreeMap;
use std::sync::Arc;

use portcullis_api::HsmId;
use portcullis_hsm::DeviceKey;

use super::known::KnownResults;
use crate::DiskImage;
use crate::canary::Canaries;
use crate::network::Memory;
use crate::record::{Lines, Past, WorldRecorder};

/// A world that was built and ended.
#[derive(Debug)]
pub(crate) struct Template {
    pub(super) past: Past,
    pub(super) network: Memory,
    pub(super) disks: BTreeMap<HsmId, DiskImage>,
    pub(super) control: DiskImage,
    pub(super) device_key: Arc<DeviceKey>,
    pub(super) known: KnownResults,
    pub(super) canaries: Canaries,
}

impl Template {
    /// Canaries for a world that begins with this.
    pub(crate) fn canaries(&self) -> Canaries {
        self.canaries.copy()
    }

    /// A recorder for it, at this instant of tokio's clock.
    pub(crate) fn recorder(&self, lines: Lines) -> WorldRecorder {
        WorldRecorder::resume(&self.past, lines)
    }
}
