//! The list of faults on the disk: written before something is broken, read when the process begins
//! anew.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use portcullis_api::{Exception, HsmId};
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::controls::FaultError;
use crate::chaos::{Active, Kept, Registry};
use crate::record::{decode, encode, layout};
use crate::{CloudHsm, OpenError};

impl CloudHsm {
    pub(crate) async fn keep_new_fault(
        &self,
        number: u64,
        active: &Active,
    ) -> Result<(), FaultError> {
        let sealed = self.seal_fault(number, active);
        let kept = self.ledger.put_fault(number, sealed, true).await;
        kept.map_err(not_kept)
    }

    pub(crate) async fn keep_fault(&self, number: u64, active: &Active) -> Result<(), FaultError> {
        let sealed = self.seal_fault(number, active);
        let kept = self.ledger.put_fault(number, sealed, false).await;
        kept.map_err(not_kept)
    }

    pub(crate) async fn forget_fault(&self, number: u64) -> Result<(), FaultError> {
        let forgotten = self.ledger.remove_fault(number).await;
        forgotten.map_err(not_kept)
    }

    /// Sealed, since what undoes a fault of `kmsuser` holds a password's hash.
    fn seal_fault(&self, number: u64, active: &Active) -> Vec<u8> {
        let written = Zeroizing::new(encode(&active.kept));
        let name = layout::fault(number);
        self.device_key.seal(&name, &written, &*self.entropy)
    }

    /// The list as the process before left it.
    ///
    /// Rule FT-08: what was broken is listed, and broken, after a restart too.
    pub(crate) fn load_faults(&self) -> Result<(), OpenError> {
        let (sealed, last) = self.ledger.faults();
        let mut faults = BTreeMap::new();
        for (number, sealed) in sealed {
            let name = layout::fault(number);
            let unreadable = |why: String| OpenError::Unreadable(format!("{name}: {why}"));
            let opened = self.device_key.open(&name, &sealed);
            let opened = opened.map_err(|error| unreadable(error.to_string()))?;
            let kept: Kept = decode(&opened).map_err(unreadable)?;
            let active = kept.resume(self.clock.real_now());
            let active = active.map_err(|error| unreadable(error.to_string()))?;
            faults.insert(number, active);
        }
        *self.faults.lock() = Registry::left(last, faults);
        Ok(())
    }

    /// Undoes the faults whose time went by while nothing ran, and waits for the ends of the others.
    pub(crate) async fn resume_faults(self: &Arc<Self>) {
        let ends = self.faults.lock().ends();
        for (number, ends) in ends {
            let left = ends.saturating_duration_since(Instant::now());
            if left > Duration::ZERO {
                self.undo_after(number, left);
            } else if let Err(error) = self.undo(number).await {
                tracing::error!(%error, "a fault stays although its time is over");
            }
        }
    }

    /// Whether a fault keeps an HSM down, so that nothing but its undoing or a restart of that HSM
    /// starts it.
    pub(crate) fn is_kept_down(&self, hsm: &HsmId) -> bool {
        self.faults.lock().keeps_down(hsm)
    }

    /// Somebody has started an HSM by hand: the crashes that took it down are over for it.
    pub(crate) async fn strike_crashes(&self, hsm: &HsmId) -> Result<(), FaultError> {
        let touched = self.faults.lock().restarted(hsm);
        for (number, is_over) in touched {
            if is_over {
                drop(self.faults.lock().take(number));
                self.forget_fault(number).await?;
                continue;
            }
            let sealed = {
                let faults = self.faults.lock();
                faults
                    .get(number)
                    .map(|active| self.seal_fault(number, active))
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
