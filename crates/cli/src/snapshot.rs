//! `portcullis snapshot`: everything that a data folder holds, in one file.
//!
//! ```text
//! "portcullis snapshot\n" ‖ format (4 bytes, little endian)
//! ‖ Body (postcard) ‖ SHA-256 of everything before
//! ```
//!
//! The file holds the device key, and so everything that the key seals: a person who has the file has
//! the keys of the clusters.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, SHA256_OUTPUT_LEN, digest};
use portcullis_admin::{Nothing, TakeSnapshot};
use portcullis_api::HsmId;
use portcullis_cloudhsm::hsms_on_hosts;
use portcullis_fleet::{Disks, FoundDisk};
use portcullis_loadgen::print;
use portcullis_seam::SystemEntropy;
use portcullis_server::Snapshots;
use portcullis_store::{Contents, Record, Store};
use serde::{Deserialize, Serialize};
use serde_json::json;
use zeroize::{Zeroize, Zeroizing};

use crate::args::{SnapshotCommand, SnapshotSource};
use crate::client::{AdminClient, ClientError};
use crate::folder::{self, Claim, DeviceKeyBytes, SavedFolder};

const MAGIC: &[u8] = b"portcullis snapshot\n";

/// Raised when the body changes.
const FORMAT: u32 = 1;

/// Saves or loads.
pub(crate) async fn run(command: &SnapshotCommand) -> Result<ExitCode, ClientError> {
    match command {
        SnapshotCommand::Save { source, file } => save(source, file).await?,
        SnapshotCommand::Load { file, data } => load(file, data).map_err(ClientError)?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn save(source: &SnapshotSource, file: &Path) -> Result<(), ClientError> {
    let bytes = match &source.data {
        Some(data) => {
            let saved = SavedFolder::read(data).map_err(ClientError)?;
            take(&saved.store, saved.disks, &saved.device_key).map_err(ClientError)?
        }
        None => {
            let client = AdminClient::of(&source.access)?;
            Zeroizing::new(client.download::<TakeSnapshot>(&Nothing {}).await?)
        }
    };
    // Whatever came over the wire is a whole snapshot, or is not kept.
    let snapshot =
        decode(&bytes).map_err(|why| ClientError(format!("It is no snapshot: {why}")))?;
    write_new(file, &bytes).map_err(|error| {
        ClientError(format!(
            "{} cannot be written: {error}. Give the path of a file that is not there yet.",
            file.display()
        ))
    })?;
    print::json_line(&told(file, &snapshot));
    Ok(())
}

fn load(file: &Path, data: &Path) -> Result<(), String> {
    let bytes = std::fs::read(file)
        .map(Zeroizing::new)
        .map_err(|error| format!("{} cannot be read: {error}.", file.display()))?;
    let snapshot = decode(&bytes).map_err(|why| format!("{}: {why}", file.display()))?;
    if !is_absent_or_empty(data) {
        return Err(format!(
            "{} is not empty. A snapshot is loaded into a folder of its own: name one that does \
             not exist.",
            data.display()
        ));
    }
    let unmade = |error: std::io::Error| format!("{} cannot be made: {error}.", data.display());
    let loading = Claim::folder(data).map_err(unmade)?;
    folder::fill(
        &loading.path,
        &snapshot.device_key,
        &snapshot.control,
        &snapshot.hsms,
        &SystemEntropy,
    )?;
    loading.put_folder(data).map_err(unmade)?;
    print::json_line(&told(data, &snapshot));
    Ok(())
}

fn is_absent_or_empty(folder: &Path) -> bool {
    match std::fs::read_dir(folder) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    }
}

fn told(place: &Path, snapshot: &Snapshot) -> serde_json::Value {
    let ids: Vec<&str> = snapshot.hsms.iter().map(|(id, _)| id.as_str()).collect();
    json!({ "snapshot": place, "records": snapshot.control.records.len(), "hsms": ids })
}

/// Rule ST-27: the file appears whole or not at all.
fn write_new(file: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut claim = Claim::file(file)?;
    claim.file.write_all(bytes)?;
    claim.file.sync_all()?;
    claim.put_file(file)
}

/// Takes snapshots of a Portcullis that runs.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) store: Store,
    pub(crate) disks: Arc<dyn Disks>,
    pub(crate) device_key: DeviceKeyBytes,
}

impl Snapshots for Live {
    fn take(&self) -> Result<Vec<u8>, String> {
        let disks = self.disks.all().map_err(|error| error.to_string())?;
        take(&self.store, disks, &self.device_key).map(|mut bytes| std::mem::take(&mut *bytes))
    }
}

/// Rule ST-12: a snapshot is the control plane, every HSM's disk and the device key, at one
/// instant.
fn take(
    store: &Store,
    disks: Vec<FoundDisk>,
    device_key: &DeviceKeyBytes,
) -> Result<Zeroizing<Vec<u8>>, String> {
    // Rule HOST-11: the disks of HSMs on other hosts are not here.
    if let [hsm, ..] = hsms_on_hosts(store).as_slice() {
        return Err(format!(
            "A snapshot holds every HSM's disk, and that of {hsm} is on another host. Delete the HSMs \
             that `portcullis hsm hosts` shows and make others in their place, or copy the data \
             folders of the control plane and of every host while all are stopped."
        ));
    }
    let mut ids = Vec::new();
    let mut stores = vec![store.clone()];
    for (id, disk) in disks {
        stores.push(disk.map_err(|error| format!("The disk of {id} is not whole: {error}."))?);
        ids.push(id);
    }
    let contents = Store::contents_of(&stores).map_err(|error| error.to_string())?;
    let mut contents = contents.into_iter();
    let control = contents.next().ok_or("There is nothing to save.")?;
    let snapshot = Snapshot {
        device_key: device_key.clone(),
        control,
        hsms: ids.into_iter().zip(contents).collect(),
    };
    encode(&snapshot)
}

/// What a snapshot holds.
#[derive(Debug)]
struct Snapshot {
    device_key: DeviceKeyBytes,
    control: Contents,
    hsms: Vec<(HsmId, Contents)>,
}

/// What is written of it.
#[derive(Serialize, Deserialize)]
struct Body {
    device_key: [u8; 32],
    control: StoreBody,
    hsms: Vec<(String, StoreBody)>,
}

#[derive(Serialize, Deserialize)]
struct StoreBody {
    revision: u64,
    /// Key, revision, value.
    records: Vec<(String, u64, Vec<u8>)>,
}

impl Drop for Body {
    fn drop(&mut self) {
        self.device_key.zeroize();
    }
}

fn encode(snapshot: &Snapshot) -> Result<Zeroizing<Vec<u8>>, String> {
    let hsms = snapshot.hsms.iter();
    let body = Body {
        device_key: *snapshot.device_key.0,
        control: StoreBody::of(&snapshot.control),
        hsms: hsms
            .map(|(id, contents)| (id.to_string(), StoreBody::of(contents)))
            .collect(),
    };
    let mut bytes = [MAGIC, &FORMAT.to_le_bytes()].concat();
    bytes = postcard::to_extend(&body, bytes)
        .map_err(|error| format!("The snapshot cannot be written: {error}."))?;
    let sum = digest(&SHA256, &bytes);
    bytes.extend_from_slice(sum.as_ref());
    Ok(Zeroizing::new(bytes))
}

/// The snapshot in `bytes`.
fn decode(bytes: &[u8]) -> Result<Snapshot, String> {
    let damaged = || "it is damaged or was cut off; save it again.".to_owned();
    let Some(rest) = bytes.strip_prefix(MAGIC) else {
        return Err("it is not a snapshot of Portcullis.".to_owned());
    };
    let (format, rest) = rest.split_first_chunk().ok_or_else(damaged)?;
    let format = u32::from_le_bytes(*format);
    if format != FORMAT {
        return Err(format!(
            "it has format {format}, and this Portcullis reads format {FORMAT}; use the \
             Portcullis that saved it."
        ));
    }
    let (body, sum) = rest
        .split_last_chunk::<SHA256_OUTPUT_LEN>()
        .ok_or_else(damaged)?;
    let (summed, _) = bytes
        .split_last_chunk::<SHA256_OUTPUT_LEN>()
        .ok_or_else(damaged)?;
    if digest(&SHA256, summed).as_ref() != sum {
        return Err(damaged());
    }
    let mut body: Body = postcard::from_bytes(body).map_err(|_| damaged())?;
    let hsm = |(id, store): (String, StoreBody)| {
        let id: HsmId = id.parse().map_err(|_| damaged())?;
        Ok((id, store.into_contents()))
    };
    let hsms = std::mem::take(&mut body.hsms);
    let empty = StoreBody {
        revision: 0,
        records: Vec::new(),
    };
    Ok(Snapshot {
        device_key: DeviceKeyBytes(Zeroizing::new(body.device_key)),
        control: std::mem::replace(&mut body.control, empty).into_contents(),
        hsms: hsms.into_iter().map(hsm).collect::<Result<_, String>>()?,
    })
}

impl StoreBody {
    fn of(contents: &Contents) -> Self {
        let records = contents.records.iter();
        Self {
            revision: contents.revision,
            records: records
                .map(|(key, record)| (key.clone(), record.revision, record.value.to_vec()))
                .collect(),
        }
    }

    fn into_contents(self) -> Contents {
        let record = |(key, revision, value): (String, u64, Vec<u8>)| {
            let value = value.into();
            (key, Record { revision, value })
        };
        Contents {
            revision: self.revision,
            records: self.records.into_iter().map(record).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot() -> Snapshot {
        let contents = |revision, keys: &[&str]| Contents {
            revision,
            records: keys
                .iter()
                .map(|key| {
                    let value = key.as_bytes().into();
                    ((*key).to_owned(), Record { revision: 1, value })
                })
                .collect(),
        };
        Snapshot {
            device_key: DeviceKeyBytes(Zeroizing::new([7; 32])),
            control: contents(3, &["a", "b"]),
            hsms: vec![("hsm-abcdefghijk".parse().unwrap(), contents(9, &["c"]))],
        }
    }

    #[test]
    fn a_snapshot_reads_back_and_any_changed_byte_is_noticed() {
        let bytes = encode(&snapshot()).unwrap();
        let read = decode(&bytes).unwrap();
        let written = snapshot();
        assert_eq!(
            (&read.control, &read.hsms),
            (&written.control, &written.hsms)
        );
        assert_eq!(*read.device_key.0, [7; 32]);
        for at in 0..bytes.len() {
            let mut changed = bytes.to_vec();
            changed[at] ^= 1;
            assert!(decode(&changed).is_err(), "byte {at}");
            assert!(decode(&bytes[..at]).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn another_format_is_refused_by_its_number() {
        let mut bytes = encode(&snapshot()).unwrap().to_vec();
        bytes[MAGIC.len()] = 2;
        let refused = decode(&bytes).unwrap_err();
        assert!(refused.contains("format 2"), "{refused}");
        let refused = decode(b"something else").unwrap_err();
        assert!(refused.contains("not a snapshot"), "{refused}");
    }
}
