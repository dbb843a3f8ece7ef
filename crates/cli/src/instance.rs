//! What `portcullis up` runs: a system over a data folder or over memory.

use std::path::PathBuf;
use std::sync::Arc;

use portcullis_fleet::{Disks, MemoryDisks, is_host_folder};
use portcullis_hsm::DeviceKey;
use portcullis_seam::{Entropy, SystemEntropy, draw};
use portcullis_server::{Running, ServerConfig, System, SystemConfig};
use portcullis_store::{Closing, Store};
use portcullis_worlds::World;
use zeroize::Zeroizing;

use crate::data::Data;
use crate::folder::{DataFolder, DeviceKeyBytes, FolderKind, LOAD_RUNS};
use crate::load_runs::LoadRunner;
use crate::snapshot::Live;
use crate::urls::Urls;
use crate::user_folders;

/// A [`System`] over a data folder or over memory, with what only the command line has.
#[derive(Debug)]
pub(crate) struct Instance {
    pub(crate) system: System,
    snapshots: Arc<Live>,
    load_runs: Arc<LoadRunner>,
    folder: Option<DataFolder>,
}

impl Instance {
    /// Opens the data and starts what it describes.
    ///
    /// # Errors
    /// A text for the user.
    pub(crate) async fn open(data: &Data, world: &World) -> Result<Self, String> {
        let (live, folder) = open_data(data, &SystemEntropy).await?;
        let system = System::open(SystemConfig {
            store: live.store.clone(),
            disks: Arc::clone(&live.disks),
            device_key: Arc::new(DeviceKey::from_bytes(&live.device_key.0)),
            ..world.config().map_err(|error| error.to_string())?
        });
        Ok(Self {
            system: system.await.map_err(|error| error.to_string())?,
            snapshots: Arc::new(live),
            load_runs: Arc::new(LoadRunner::new(load_folder(data))),
            folder,
        })
    }

    /// The world is made: what is in the data folder counts from here on.
    ///
    /// # Errors
    /// A text for the user.
    pub(crate) async fn finished(&self) -> Result<(), String> {
        match &self.folder {
            Some(folder) => folder.finished(&*self.system.entropy).await,
            None => Ok(()),
        }
    }

    /// Writes down which world was made in the data folder, if there is one.
    ///
    /// # Errors
    /// A text for the user.
    pub(crate) fn name_world(&self, world: &str) -> Result<(), String> {
        let folder = self.folder.as_ref();
        folder.map_or(Ok(()), |folder| folder.name_world(world))
    }

    /// Which world was made in the data folder, as far as that is known.
    pub(crate) fn world(&self) -> Option<String> {
        self.folder.as_ref().and_then(DataFolder::world)
    }

    /// What is in the data folder does not count any more: the next start begins the world anew.
    ///
    /// # Errors
    /// A text for the user.
    pub(crate) fn abandon(&self) -> Result<(), String> {
        let folder = self.folder.as_ref();
        folder.map_or(Ok(()), |folder| {
            folder.abandon(&self.system.records_kept_at_reset())
        })
    }

    /// Tells when the files of the data folder have been closed.
    pub(crate) fn closing(&self) -> Vec<Closing> {
        let folder = self.folder.as_ref();
        let disks = folder.map(|folder| folder.disks.closing());
        let mut closing = disks.unwrap_or_default();
        closing.extend(self.system.store.closing());
        closing
    }

    /// Starts to serve.
    ///
    /// # Errors
    /// A text for the user.
    pub(crate) fn serve(&self, config: ServerConfig) -> Result<Running, String> {
        let config = ServerConfig {
            snapshots: Some(Arc::<Live>::clone(&self.snapshots)),
            load_runs: Some(Arc::<LoadRunner>::clone(&self.load_runs)),
            ..config
        };
        self.system.serve(config).map_err(|error| error.to_string())
    }

    /// Sends the load of runs that are started here to this address.
    pub(crate) fn send_load_to(&self, urls: Urls) {
        self.load_runs.set_urls(urls);
    }
}

/// Where load runs are kept: with the data, or until the machine clears its temporary files.
fn load_folder(data: &Data) -> PathBuf {
    match data {
        Data::Folder(folder) => folder.join(LOAD_RUNS),
        Data::Memory => {
            let name = format!("portcullis-{}-load-runs", std::process::id());
            user_folders::temporary().join(name)
        }
    }
}

async fn open_data(
    data: &Data,
    entropy: &dyn Entropy,
) -> Result<(Live, Option<DataFolder>), String> {
    match data {
        Data::Memory => {
            let live = Live {
                store: Store::memory(),
                disks: Arc::new(MemoryDisks::default()),
                device_key: DeviceKeyBytes(Zeroizing::new(draw(entropy))),
            };
            Ok((live, None))
        }
        Data::Folder(path) => {
            let folder = DataFolder::open(path, FolderKind::ControlPlane, entropy)?;
            if is_host_folder(&folder.store) {
                return Err(
                    "The data folder is that of a host, which `portcullis hsm serve` uses. Choose \
                     another folder with --data."
                        .to_owned(),
                );
            }
            folder.bring_back_kept().await?;
            let live = Live {
                store: folder.store.clone(),
                disks: Arc::<dyn Disks>::clone(&folder.disks),
                device_key: folder.device_key.clone(),
            };
            Ok((live, Some(folder)))
        }
    }
}
