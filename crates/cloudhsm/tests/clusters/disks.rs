//! Disks in memory of which one can be made to fail.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use parking_lot::Mutex;
use portcullis_api::HsmId;
use portcullis_fleet::{Disks, FoundDisk};
use portcullis_store::{Storage, Store, StoreError};

#[derive(Debug, Default)]
pub(crate) struct FailingDisks {
    bytes: Mutex<BTreeMap<HsmId, Arc<Mutex<Vec<u8>>>>>,
    failing: Arc<Mutex<Option<HsmId>>>,
    full: Mutex<bool>,
}

impl FailingDisks {
    /// Whether there is no disk for another HSM.
    pub(crate) fn refuse_new_ones(&self, full: bool) {
        *self.full.lock() = full;
    }

    pub(crate) fn fail(&self, hsm: &HsmId) {
        *self.failing.lock() = Some(hsm.clone());
    }

    pub(crate) fn mend(&self) {
        *self.failing.lock() = None;
    }
}

impl Disks for FailingDisks {
    fn make(&self, hsm: &HsmId) -> Result<Store, StoreError> {
        if *self.full.lock() {
            return Err(StoreError::Closed(
                "there is no room for another disk".into(),
            ));
        }
        self.bytes.lock().insert(hsm.clone(), Arc::default());
        self.open(hsm)
    }

    fn open(&self, hsm: &HsmId) -> Result<Store, StoreError> {
        let bytes = self.bytes.lock().get(hsm).cloned();
        let bytes = bytes.ok_or_else(|| StoreError::Absent(hsm.to_string()))?;
        Store::on_storage(Platter {
            hsm: hsm.clone(),
            bytes,
            failing: Arc::clone(&self.failing),
        })
    }

    fn remove(&self, hsm: &HsmId) -> Result<(), StoreError> {
        self.bytes.lock().remove(hsm);
        Ok(())
    }

    fn all(&self) -> Result<Vec<FoundDisk>, StoreError> {
        let ids: Vec<HsmId> = self.bytes.lock().keys().cloned().collect();
        let mut found = Vec::new();
        for id in ids {
            let disk = self.open(&id);
            found.push((id, disk));
        }
        Ok(found)
    }
}

#[derive(Debug)]
struct Platter {
    hsm: HsmId,
    bytes: Arc<Mutex<Vec<u8>>>,
    failing: Arc<Mutex<Option<HsmId>>>,
}

impl Platter {
    fn check(&self) -> io::Result<()> {
        if self.failing.lock().as_ref() == Some(&self.hsm) {
            return Err(io::Error::other("the disk is broken"));
        }
        Ok(())
    }
}

fn index(offset: u64) -> usize {
    usize::try_from(offset).unwrap()
}

impl Storage for Platter {
    fn length(&self) -> io::Result<u64> {
        Ok(u64::try_from(self.bytes.lock().len()).unwrap())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let start = index(offset);
        out.copy_from_slice(&self.bytes.lock()[start..start + out.len()]);
        Ok(())
    }

    fn resize(&self, length: u64) -> io::Result<()> {
        self.check()?;
        self.bytes.lock().resize(index(length), 0);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        self.check()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.check()?;
        let start = index(offset);
        self.bytes.lock()[start..start + data.len()].copy_from_slice(data);
        Ok(())
    }
}
