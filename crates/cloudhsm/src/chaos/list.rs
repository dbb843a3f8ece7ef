//! The list of faults on the disk: written before something is broken, read when the process begins
//! anew.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use portcullis_api::{Exception, HsmId};
use portcullis_hsm::DeviceKey;
use portcullis_seam::{Entropy, Timestamp};
use zeroize::Zeroizing;

use super::{Active, FaultError, KeptFault, Registry};
use crate::OpenError;
use crate::record::{RecordLedger, decode, encode, layout};

/// Everything that is broken on purpose, in memory and on the disk.
#[derive(Debug)]
pub(crate) struct FaultList {
    registry: Mutex<Registry>,
    ledger: RecordLedger,
    device_key: Arc<DeviceKey>,
    entropy: Arc<dyn Entropy>,
}

impl FaultList {
    /// An empty list.
    pub(crate) fn new(
        ledger: &RecordLedger,
        device_key: &Arc<DeviceKey>,
        entropy: &Arc<dyn Entropy>,
    ) -> Self {
        Self {
            registry: Mutex::default(),
            ledger: ledger.clone(),
            device_key: Arc::clone(device_key),
            entropy: Arc::clone(entropy),
        }
    }

    /// The list in memory. Its lock is taken before that of the views.
    pub(crate) fn registry(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.registry().is_empty()
    }

    /// The list as the process before left it.
    ///
    /// `now` is the machine's date. Rule FT-08: what was broken is listed, and broken, after a restart too.
    pub(crate) fn load(&self, now: Timestamp) -> Result<(), OpenError> {
        let (sealed, last) = self.ledger.faults();
        let mut faults = BTreeMap::new();
        for (number, sealed) in sealed {
            let name = layout::fault(number);
            let unreadable = |why: String| OpenError::Unreadable(format!("{name}: {why}"));
            let opened = self.device_key.open(&name, &sealed);
            let opened = opened.map_err(|error| unreadable(error.to_string()))?;
            let kept: KeptFault = decode(&opened).map_err(unreadable)?;
            let active = kept.resume(now);
            let active = active.map_err(|error| unreadable(error.to_string()))?;
            faults.insert(number, active);
        }
        *self.registry() = Registry::left(last, faults);
        Ok(())
    }

    pub(crate) async fn keep_new(&self, number: u64, active: &Active) -> Result<(), FaultError> {
        let sealed = self.seal(number, active);
        let kept = self.ledger.put_fault(number, sealed, true).await;
        kept.map_err(not_kept)
    }

    pub(crate) async fn keep(&self, number: u64, active: &Active) -> Result<(), FaultError> {
        let sealed = self.seal(number, active);
        let kept = self.ledger.put_fault(number, sealed, false).await;
        kept.map_err(not_kept)
    }

    pub(crate) async fn forget(&self, number: u64) -> Result<(), FaultError> {
        let forgotten = self.ledger.remove_fault(number).await;
        forgotten.map_err(not_kept)
    }

    /// Sealed, since what undoes a fault of `kmsuser` holds a password's hash.
    fn seal(&self, number: u64, active: &Active) -> Vec<u8> {
        let written = Zeroizing::new(encode(&active.kept));
        let name = layout::fault(number);
        self.device_key.seal(&name, &written, &*self.entropy)
    }

    /// Whether a fault keeps an HSM down, so that nothing but its undoing or a restart of that HSM
    /// starts it.
    pub(crate) fn keeps_down(&self, hsm: &HsmId) -> bool {
        self.registry().keeps_down(hsm)
    }

    /// An HSM was started by hand: the crashes that took it down are over for it.
    pub(crate) async fn strike_crashes(&self, hsm: &HsmId) -> Result<(), FaultError> {
        let touched = self.registry().restarted(hsm);
        for (number, is_over) in touched {
            if is_over {
                drop(self.registry().take(number));
                self.forget(number).await?;
                continue;
            }
            let sealed = {
                let faults = self.registry();
                faults.get(number).map(|active| self.seal(number, active))
            };
            if let Some(sealed) = sealed {
                let kept = self.ledger.put_fault(number, sealed, false).await;
                kept.map_err(not_kept)?;
            }
        }
        Ok(())
    }
}

fn not_kept(error: Exception) -> FaultError {
    let why = error.cause.unwrap_or(error.message);
    FaultError::Failed(format!("the list of faults cannot be written ({why})"))
}
