//! The data folder: what lies where, which version it has, and who has it open.
//!
//! ```text
//! lock            held by the process that uses the folder
//! version         the version of this layout, one number
//! world           the name of the world that was made here
//! unfinished      there until the world is made, and after a reset: which world it covers
//! kept            there from a reset until the world is made anew: records that are no part of it
//! device.key      32 bytes under which everything secret is sealed
//! reserve         room for the commits that find none on a full disk
//! control.redb    clusters, backups, key stores, keys
//! hsms/<id>.redb  the disk of an HSM
//! *.guard         beside each of these two: the revision that was acknowledged last
//! admin-token     what the admin API asks for, where others reach it or policies are enforced
//! tls-ca.pem      the certificate of the authority for TLS; written again at every start with --tls
//! load-runs/      load runs of the console with their reports; may be removed at any time
//! ```

mod claim;
mod device_key;
mod files;
mod found;
mod identity;
mod layout;
mod permissions;
mod refusal;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use portcullis_api::HsmId;
use portcullis_cloudhsm::hsms_here;
use portcullis_fleet::{Disks, FileDisks, FoundDisk};
use portcullis_seam::Entropy;
use portcullis_store::{Contents, Record, Room, Store, StoreError, Transaction};

pub(crate) use claim::Claim;
pub(crate) use device_key::DeviceKeyBytes;
use files::{lock, make_folder, read_if_there, remove_disks, remove_if_there, sync_folder};
use files::{write_if_other, write_whole};
use found::{Damage, FolderFiles, FolderPlan, FolderVerdict, Mark, MarkState};
pub(crate) use identity::FolderKind;
use identity::StoreIdentity;
pub(crate) use layout::{ADMIN_TOKEN, LOAD_RUNS, TLS_AUTHORITY};
use layout::{CONTROL, DEVICE_KEY, HSMS, KEPT, LAYOUT, UNFINISHED, VERSION, WORLD};
use refusal::{unreadable, unusable};

/// A data folder that this process has open.
#[derive(Debug)]
pub(crate) struct DataFolder {
    pub(crate) path: PathBuf,
    pub(crate) store: Store,
    pub(crate) disks: Arc<dyn Disks>,
    pub(crate) device_key: DeviceKeyBytes,
    kind: FolderKind,
    /// None in a folder from before there were identities, until its world is up.
    identity: Option<StoreIdentity>,
    /// What a reset has kept and this start brings back.
    kept: Vec<(String, Vec<u8>)>,
    /// Released when the process ends, however it ends.
    _lock: File,
}

/// What the folder of a Portcullis that is stopped holds, in memory.
#[derive(Debug)]
pub(crate) struct SavedFolder {
    pub(crate) store: Store,
    pub(crate) disks: Vec<FoundDisk>,
    pub(crate) device_key: DeviceKeyBytes,
}

impl SavedFolder {
    /// Rule ST-28: reads a folder and writes nothing, so that it may be on a file system that is
    /// mounted for reading. No process may have it open.
    ///
    /// # Errors
    /// A text for the user: in use, damaged, or no finished data folder.
    pub(crate) fn read(path: &Path) -> Result<Self, String> {
        let _no_other = files::lock_for_reading(path)?;
        check_version(path)?;
        let found = FolderFiles::look(path).map_err(|error| unusable(path, error))?;
        match found.plan().map_err(|damage| damage.tell(path))? {
            FolderPlan::Serve => {}
            FolderPlan::Begin | FolderPlan::GoOn(_) | FolderPlan::Compare(_) => {
                return Err(format!(
                    "{} is not a data folder whose world has been made. Name the folder that \
                     `portcullis up --data` was given.",
                    path.display()
                ));
            }
        }
        let broken = |error: StoreError| unreadable(path, &error);
        let store = Store::copy_of(&path.join(CONTROL)).map_err(broken)?;
        let device_key = device_key::read(path)?;
        let identity = StoreIdentity::of(&store).map_err(|error| unusable(path, error))?;
        check_identity(path, identity.as_ref(), &device_key)?;
        let disks = FileDisks::copies(&path.join(HSMS)).map_err(broken)?;
        Ok(Self {
            store,
            disks,
            device_key,
        })
    }
}

impl DataFolder {
    /// Opens the folder, and makes what is missing of a new one.
    ///
    /// # Errors
    /// A text for the user: in use, of another version, damaged, or unreadable.
    pub(crate) fn open(
        path: &Path,
        kind: FolderKind,
        entropy: &dyn Entropy,
    ) -> Result<Self, String> {
        make_folder(path).map_err(|error| unusable(path, error))?;
        let lock = lock(path)?;
        check_version(path)?;
        claim::sweep_loads(path);
        let found = FolderFiles::look(path).map_err(|error| unusable(path, error))?;
        let plan = found.plan().map_err(|damage| damage.tell(path))?;
        let (mut control, mut kept) = (None, Vec::new());
        match plan {
            FolderPlan::Serve => {}
            FolderPlan::Begin => kept = begin(path, kind, &found, None, entropy)?,
            FolderPlan::GoOn(mark) => kept = begin(path, kind, &found, Some(mark), entropy)?,
            FolderPlan::Compare(mark) => {
                let opened = Control::open(path, kind)?;
                let verdict = found::compare(&mark, opened.identity.as_ref());
                match verdict.map_err(|damage| damage.tell(path))? {
                    FolderVerdict::Serve => control = Some(opened),
                    // Rule ST-11: a world is served when it is whole; what was left half made is
                    // made anew.
                    FolderVerdict::Clear => {
                        drop(opened);
                        clear(path).map_err(|error| unusable(path, error))?;
                        kept = begin(path, kind, &found, Some(mark), entropy)?;
                    }
                }
            }
        }
        let control = control.map_or_else(|| Control::open(path, kind), Ok)?;
        Self::open_files(path, control, kept, lock)
    }

    fn open_files(
        path: &Path,
        control: Control,
        kept: Vec<(String, Vec<u8>)>,
        lock: File,
    ) -> Result<Self, String> {
        let Control {
            store,
            identity,
            kind,
            room,
        } = control;
        let device_key = device_key::read(path)?;
        check_identity(path, identity.as_ref(), &device_key)?;
        permissions::tighten(path);
        let folder = path.join(HSMS);
        if !folder.exists() && !hsms_here(&store).is_empty() {
            return Err(Damage::NoHsms.tell(path));
        }
        let disks = FileDisks::new(folder, room);
        check_disks(&disks).map_err(|error| unreadable(path, &error))?;
        Ok(Self {
            path: path.to_owned(),
            store,
            disks: Arc::new(disks),
            device_key,
            kind,
            identity,
            kept,
            _lock: lock,
        })
    }

    /// Whether nothing was written into it yet but its name.
    pub(crate) fn is_new(&self) -> bool {
        identity::is_all_there_is(&self.store)
    }

    /// The world is made: from here on the folder is kept whatever happens. Of a folder that was
    /// made before nothing is written (rule ST-20).
    ///
    /// # Errors
    /// A text for the user.
    pub(crate) async fn finished(&self, entropy: &dyn Entropy) -> Result<(), String> {
        let whole = match &self.identity {
            Some(identity) if identity.made => None,
            Some(identity) => Some(identity.whole()),
            // From before there were identities.
            None => {
                let name = identity::draw_name(entropy);
                let found = StoreIdentity::new(&name, self.kind, &self.device_key, entropy);
                Some(found.whole())
            }
        };
        if let Some(whole) = whole {
            match self.store.commit(whole.put()?).await {
                // It serves as before, and is taken over when there is room.
                Err(StoreError::Full(_)) if self.identity.is_none() => {}
                outcome => drop(outcome.map_err(|error| unreadable(&self.path, &error))?),
            }
        }
        let broken = |error| unusable(&self.path, error);
        let marked = remove_if_there(&self.path.join(UNFINISHED)).map_err(broken)?;
        // Before `kept`: while there is a mark that names it, it is there.
        if marked {
            sync_folder(&self.path).map_err(broken)?;
        }
        remove_if_there(&self.path.join(KEPT)).map_err(broken)?;
        Ok(())
    }
}

impl DataFolder {
    /// Writes down which world was made here.
    ///
    /// # Errors
    /// A text for the user.
    pub(crate) fn name_world(&self, world: &str) -> Result<(), String> {
        let written = write_whole(&self.path, WORLD, world.as_bytes());
        written.map_err(|error| unusable(&self.path, error))
    }

    /// Which world was made here, unless that was before names were written down, or the folder
    /// came from a snapshot.
    pub(crate) fn world(&self) -> Option<String> {
        std::fs::read_to_string(self.path.join(WORLD)).ok()
    }

    /// What is here does not count any more but these records, which are sealed under the device
    /// key if they are secret: the next start makes everything else anew.
    ///
    /// # Errors
    /// A text for the user.
    pub(crate) fn abandon(&self, kept: &[(String, Vec<u8>)]) -> Result<(), String> {
        let unusable = |error: std::io::Error| unusable(&self.path, error);
        let Some(identity) = StoreIdentity::of(&self.store)? else {
            return Err(format!(
                "The data folder {} has no identity.",
                self.path.display()
            ));
        };
        let mut digest = None;
        if !kept.is_empty() {
            let kept = serde_json::to_vec(kept).map_err(|error| unusable(error.into()))?;
            write_whole(&self.path, KEPT, &kept).map_err(unusable)?;
            digest = Some(found::sha256(&kept));
        }
        let mark = Mark {
            state: MarkState::Abandoned,
            folder: identity.folder,
            kept: digest,
        };
        write_mark(&self.path, &mark)
    }

    /// Writes what a reset has kept into the store of the world that is made anew.
    ///
    /// # Errors
    /// A text for the user.
    pub(crate) async fn bring_back_kept(&self) -> Result<(), String> {
        if self.kept.is_empty() {
            return Ok(());
        }
        let put = |transaction: Transaction, (key, value): &(String, Vec<u8>)| {
            transaction.put(key.as_str(), value.clone())
        };
        let all = self.kept.iter().fold(Transaction::new(), put);
        let written = self.store.commit(all).await;
        written.map(drop).map_err(|error| error.to_string())
    }
}

/// `control.redb`, opened.
struct Control {
    store: Store,
    identity: Option<StoreIdentity>,
    kind: FolderKind,
    room: Room,
}

impl Control {
    fn open(path: &Path, kind: FolderKind) -> Result<Self, String> {
        let room = Room::in_folder(path);
        let store = Store::open(&path.join(CONTROL), Some(&room));
        let store = store.map_err(|error| unreadable(path, &error))?;
        let identity = StoreIdentity::of(&store).map_err(|error| unusable(path, error))?;
        if let Some(other) = identity.as_ref().map(|identity| identity.kind)
            && other != kind
        {
            return Err(of_other_kind(path, other));
        }
        Ok(Self {
            store,
            identity,
            kind,
            room,
        })
    }
}

/// Rules ST-17 and ST-18: whether what `control.redb` says of itself fits what lies beside it.
fn check_identity(
    path: &Path,
    identity: Option<&StoreIdentity>,
    device_key: &DeviceKeyBytes,
) -> Result<(), String> {
    let Some(identity) = identity else {
        return Ok(());
    };
    if !identity.fits(device_key) {
        return Err(Damage::ForeignKey.tell(path));
    }
    if !identity.made && !path.join(UNFINISHED).exists() {
        let why = "is missing, and the world was not made to its end";
        return Err(Damage::Mark(why).tell(path));
    }
    Ok(())
}

/// Makes what a folder has before its world, or before it has joined. Gives what a reset has kept.
///
/// The mark comes first, so that whatever comes after it can be told from what was lost.
fn begin(
    path: &Path,
    kind: FolderKind,
    found: &FolderFiles,
    before: Option<Mark>,
    entropy: &dyn Entropy,
) -> Result<Vec<(String, Vec<u8>)>, String> {
    let kept = before.as_ref().and_then(|mark| found.kept(mark));
    let kept = kept.map(serde_json::from_slice).transpose();
    let kept = kept.map_err(|error| format!("`{KEPT}` in {}: {error}", path.display()))?;
    let mark = Mark {
        state: MarkState::Making,
        folder: identity::draw_name(entropy),
        kept: before.and_then(|mark| mark.kept),
    };
    write_mark(path, &mark)?;
    let version = format!("{LAYOUT}\n");
    write_if_other(path, VERSION, version.as_bytes()).map_err(|error| unusable(path, error))?;
    let device_key = device_key::make_or_read(path, entropy)?;
    let identity = StoreIdentity::new(&mark.folder, kind, &device_key, entropy);
    Store::make(&path.join(CONTROL), &only(&identity)?)
        .map_err(|error| unreadable(path, &error))?;
    Ok(kept.unwrap_or_default())
}

fn write_mark(path: &Path, mark: &Mark) -> Result<(), String> {
    let text = serde_json::to_vec(mark).map_err(|error| unusable(path, error))?;
    write_whole(path, UNFINISHED, &text).map_err(|error| unusable(path, error))
}

fn only(identity: &StoreIdentity) -> Result<Contents, String> {
    let (key, value) = identity.record()?;
    let record = Record {
        revision: 1,
        value: value.into(),
    };
    Ok(Contents {
        revision: 1,
        records: vec![(key, record)],
    })
}

/// Fills an empty folder with files that another folder or memory held.
///
/// # Errors
/// A text for the user.
pub(crate) fn fill(
    path: &Path,
    device_key: &DeviceKeyBytes,
    control: &Contents,
    hsms: &[(HsmId, Contents)],
    entropy: &dyn Entropy,
) -> Result<(), String> {
    let broken = |error| unusable(path, error);
    make_folder(&path.join(HSMS)).map_err(broken)?;
    write_whole(path, DEVICE_KEY, &*device_key.0).map_err(broken)?;
    let make = |name: PathBuf, contents: &Contents| {
        Store::make(&path.join(name), contents).map_err(|error| unreadable(path, &error))
    };
    for (id, contents) in hsms {
        make(Path::new(HSMS).join(format!("{id}.redb")), contents)?;
    }
    // Rule ST-18: a copy is a folder of its own.
    let name = identity::draw_name(entropy);
    let identity = StoreIdentity::new(&name, FolderKind::ControlPlane, device_key, entropy);
    let named = only(&identity.whole())?;
    make(CONTROL.into(), &control.with(named.records))?;
    write_whole(path, VERSION, format!("{LAYOUT}\n").as_bytes()).map_err(broken)
}

/// Rule ST-10: a folder of another version is refused before anything in it is touched. One from
/// before the file was written has this layout and is taken over.
fn check_version(path: &Path) -> Result<(), String> {
    let found = read_if_there(&path.join(VERSION));
    let Some(text) = found.map_err(|error| unusable(path, error))? else {
        return Ok(());
    };
    let folder = path.display();
    match String::from_utf8_lossy(&text).trim().parse::<u64>() {
        Ok(LAYOUT) => Ok(()),
        Ok(other) => Err(format!(
            "The data folder {folder} has version {other}, and this Portcullis reads version \
             {LAYOUT}. Use the Portcullis that wrote it, or another folder with --data."
        )),
        Err(_not_a_number) => Err(format!(
            "The file `version` in {folder} holds no version, so this is not a data folder of \
             Portcullis, or it is damaged. Use another folder with --data."
        )),
    }
}

/// Rule ST-10: a disk of another version is refused with the folder. One that is damaged keeps its
/// own HSM down, and the others serve.
fn check_disks(disks: &dyn Disks) -> Result<(), StoreError> {
    for (_, disk) in disks.all()? {
        if let Err(error @ StoreError::OtherSchema(_)) = disk {
            return Err(error);
        }
    }
    Ok(())
}

/// Removes a world that does not count. The disks go first, so that disks without `control.redb` are
/// never what a start has left.
fn clear(path: &Path) -> std::io::Result<()> {
    remove_disks(&path.join(HSMS))?;
    sync_folder(path)?;
    Store::remove(&path.join(CONTROL)).map_err(std::io::Error::other)?;
    sync_folder(path)
}

fn of_other_kind(path: &Path, kind: FolderKind) -> String {
    let whose = match kind {
        FolderKind::ControlPlane => "a control plane, which `portcullis up` uses",
        FolderKind::Host => "a host, which `portcullis hsm serve` uses",
    };
    format!(
        "The data folder {} is that of {whose}. Choose another folder with --data.",
        path.display()
    )
}

#[cfg(test)]
mod tests;
