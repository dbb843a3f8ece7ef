//! Which folder a `control.redb` belongs to.

use portcullis_hsm::DeviceKey;
use portcullis_seam::{Entropy, draw};
use portcullis_store::{Store, Transaction};
use serde::{Deserialize, Serialize};

use super::device_key::DeviceKeyBytes;

/// Where it lies in `control.redb`.
const RECORD: &str = "folder/identity";

/// A record of `control.redb` by which its neighbours are told from those of another folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct StoreIdentity {
    /// 32 hexadecimal digits, drawn whenever a folder is begun: by a first start, a reset, or a
    /// snapshot that is loaded.
    pub(super) folder: String,
    pub(super) kind: FolderKind,
    /// Whether the world was made to its end. Until then `unfinished` lies beside.
    pub(super) made: bool,
    /// `folder`, sealed under the device key.
    sealed: Vec<u8>,
}

/// Whose data folder it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum FolderKind {
    /// That of `portcullis up`.
    ControlPlane,
    /// That of `portcullis hsm serve`.
    Host,
}

impl StoreIdentity {
    pub(super) fn new(
        folder: &str,
        kind: FolderKind,
        device_key: &DeviceKeyBytes,
        entropy: &dyn Entropy,
    ) -> Self {
        let device_key = DeviceKey::from_bytes(&device_key.0);
        Self {
            folder: folder.to_owned(),
            kind,
            made: false,
            sealed: device_key.seal(RECORD, folder.as_bytes(), entropy),
        }
    }

    /// That of a store; none in one from before there were identities.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub(super) fn of(store: &Store) -> Result<Option<Self>, String> {
        let found = store.get(RECORD);
        let read = found.map(|record| serde_json::from_slice(&record.value));
        read.transpose()
            .map_err(|error| format!("{RECORD}: {error}"))
    }

    /// Rule ST-18: whether the device key is the one that this folder was made with.
    pub(super) fn fits(&self, device_key: &DeviceKeyBytes) -> bool {
        let opened = DeviceKey::from_bytes(&device_key.0).open(RECORD, &self.sealed);
        opened.is_ok_and(|opened| **opened == *self.folder.as_bytes())
    }

    pub(super) fn whole(&self) -> Self {
        Self {
            made: true,
            ..self.clone()
        }
    }

    /// As a record of `control.redb`.
    pub(super) fn record(&self) -> Result<(String, Vec<u8>), String> {
        let encoded = serde_json::to_vec(self).map_err(|error| error.to_string())?;
        Ok((RECORD.to_owned(), encoded))
    }

    pub(super) fn put(&self) -> Result<Transaction, String> {
        let (key, value) = self.record()?;
        Ok(Transaction::new().put(key, value))
    }
}

/// Whether there is no record in a store but its identity.
pub(super) fn is_all_there_is(store: &Store) -> bool {
    let records = store.scan("", None, 2);
    records.iter().all(|(key, _)| key == RECORD)
}

/// The name of a folder that is begun.
pub(super) fn draw_name(entropy: &dyn Entropy) -> String {
    format!("{:032x}", u128::from_be_bytes(draw(entropy)))
}
