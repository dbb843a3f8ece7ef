//! What lies in a folder, and what may be done with it. Nothing here writes.

use std::collections::BTreeSet;
use std::fmt;
use std::io::ErrorKind;
use std::path::Path;

use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};

use super::files::read_if_there;
use super::identity::StoreIdentity;
use super::layout::{CONTROL, DEVICE_KEY, HSMS, KEPT, UNFINISHED, VERSION, WORLD};

/// The files of ours in a folder.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct FolderFiles {
    /// Of `version`, `world`, `device.key` and `control.redb` those that are there.
    files: BTreeSet<&'static str>,
    /// How many HSMs have a disk in it; none when there is no folder for them.
    disks: Option<usize>,
    mark: Option<Vec<u8>>,
    kept: Option<Vec<u8>>,
}

/// What `unfinished` says: what a start may remove, and what it makes then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Mark {
    pub(super) state: MarkState,
    /// The identity of the folder that is being made, or was abandoned.
    pub(super) folder: String,
    /// The SHA-256 of `kept`, if a reset has kept anything.
    pub(super) kept: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum MarkState {
    /// Its world is being made, and was never served.
    Making,
    /// A reset has given it up.
    Abandoned,
}

/// What may be done with a folder, as far as the names in it tell.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum FolderPlan {
    /// There is nothing of ours: it is a new folder.
    Begin,
    /// It was begun, and there is nothing in it yet that holds anything.
    GoOn(Mark),
    /// It was begun or abandoned: `control.redb` tells whether it is the one that is meant.
    Compare(Mark),
    /// It is whole.
    Serve,
}

/// Why a folder is left as it is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Damage {
    /// `control.redb` is not there, and these are.
    NoControl(Vec<&'static str>),
    NoDeviceKey,
    NoHsms,
    /// `unfinished` is missing, or does not fit the rest, for this reason.
    Mark(&'static str),
    /// `kept` is missing or another one.
    Kept,
    ForeignKey,
}

impl FolderFiles {
    pub(super) fn look(path: &Path) -> std::io::Result<Self> {
        let mut files = BTreeSet::new();
        for name in [VERSION, WORLD, DEVICE_KEY, CONTROL] {
            if path.join(name).try_exists()? {
                files.insert(name);
            }
        }
        Ok(Self {
            files,
            disks: count_disks(&path.join(HSMS))?,
            mark: read_if_there(&path.join(UNFINISHED))?,
            kept: read_if_there(&path.join(KEPT))?,
        })
    }

    /// Rule ST-17: a folder is new when there is nothing of ours in it. Where `control.redb` alone is
    /// missing it was lost, and what lies beside is worth more than a fresh world.
    ///
    /// Rule ST-19: `unfinished` names the folder that it covers; nothing else may be removed.
    pub(super) fn plan(&self) -> Result<FolderPlan, Damage> {
        let has_disks = self.disks.is_some_and(|count| count > 0);
        let has_control = self.files.contains(CONTROL);
        let Some(mark) = &self.mark else {
            if has_control {
                return self.with_device_key().map(|()| FolderPlan::Serve);
            }
            let neighbours = self.neighbours();
            if neighbours.is_empty() {
                return Ok(FolderPlan::Begin);
            }
            return Err(Damage::NoControl(neighbours));
        };
        let mark: Mark = serde_json::from_slice(mark).map_err(|_other| {
            Damage::Mark("does not say which world it covers: it is damaged, or of another version")
        })?;
        if let Some(digest) = &mark.kept {
            let kept = self.kept.as_deref().map(sha256);
            if kept.as_ref() != Some(digest) {
                return Err(Damage::Kept);
            }
            // What was kept is sealed under the key.
            self.with_device_key()?;
        }
        match (has_control, has_disks) {
            (true, _) => Ok(FolderPlan::Compare(mark)),
            // Disks come after control.redb and go before it.
            (false, true) => Err(Damage::NoControl(self.neighbours())),
            (false, false) => Ok(FolderPlan::GoOn(mark)),
        }
    }

    /// What a reset has kept, if the mark covers it.
    pub(super) fn kept(&self, mark: &Mark) -> Option<&[u8]> {
        mark.kept.as_ref().and(self.kept.as_deref())
    }

    fn with_device_key(&self) -> Result<(), Damage> {
        let there = self.files.contains(DEVICE_KEY);
        there.then_some(()).ok_or(Damage::NoDeviceKey)
    }

    fn neighbours(&self) -> Vec<&'static str> {
        let mut names: Vec<&'static str> = self.files.iter().copied().collect();
        names.extend(self.kept.is_some().then_some(KEPT));
        let has_disks = self.disks.is_some_and(|count| count > 0);
        names.extend(has_disks.then_some(HSMS));
        names
    }
}

/// What to do with a folder that has a mark and a `control.redb`.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum FolderVerdict {
    /// It was made to its end, and only the mark was not removed yet.
    Serve,
    /// Everything of it but the device key is removed.
    Clear,
}

/// Rule ST-19: the mark covers this folder and no other.
pub(super) fn compare(mark: &Mark, found: Option<&StoreIdentity>) -> Result<FolderVerdict, Damage> {
    let same = found.filter(|identity| identity.folder == mark.folder);
    match (mark.state, same) {
        (_, None) => Err(Damage::Mark(
            "is that of another folder, or of another state of this one",
        )),
        (MarkState::Making, Some(identity)) if identity.made => Ok(FolderVerdict::Serve),
        (MarkState::Making | MarkState::Abandoned, Some(_)) => Ok(FolderVerdict::Clear),
    }
}

impl Damage {
    /// What the user reads.
    pub(super) fn tell(&self, path: &Path) -> String {
        format!(
            "The data folder {} is damaged, and nothing in it was changed: {self}",
            path.display()
        )
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoControl(neighbours) => write!(
                formatter,
                "it has lost `{CONTROL}`, beside which there is still {}. Put `{CONTROL}` back \
                 from a copy, or load a snapshot into another folder. For a new world give another \
                 folder with --data: `{HSMS}` may hold the only copies of keys.",
                neighbours.join(", ")
            ),
            Self::NoDeviceKey => write!(
                formatter,
                "it has lost `{DEVICE_KEY}`, without which nothing in it can be opened. Put the \
                 file back, or use another folder with --data."
            ),
            Self::NoHsms => write!(
                formatter,
                "it has lost `{HSMS}`, with the disks of its HSMs, and `{CONTROL}` knows some. Put \
                 it back from a copy, or load a snapshot into another folder."
            ),
            Self::Mark(why) => write!(
                formatter,
                "`{UNFINISHED}` {why}. If the world in this folder was in use, remove \
                 `{UNFINISHED}` and start again; if it was never made to its end, empty the folder."
            ),
            Self::Kept => write!(
                formatter,
                "a reset has kept the hosts in `{KEPT}`, and that is missing or not the one it \
                 wrote. Put `{KEPT}` back, or remove `{UNFINISHED}` to go back to the world before \
                 the reset."
            ),
            Self::ForeignKey => write!(
                formatter,
                "`{DEVICE_KEY}` and `{CONTROL}` are of different folders. Put back the one that \
                 was exchanged."
            ),
        }
    }
}

pub(super) fn sha256(bytes: &[u8]) -> String {
    HEXLOWER.encode(digest(&SHA256, bytes).as_ref())
}

fn count_disks(folder: &Path) -> std::io::Result<Option<usize>> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut count = 0;
    for entry in entries {
        let name = entry?.file_name();
        count += usize::from(Path::new(&name).extension().is_some_and(|it| it == "redb"));
    }
    Ok(Some(count))
}
