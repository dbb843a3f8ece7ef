//! The HSMs that run: one node each, with its own disk and listener.
//!
//! A member passes through three phases. *Attached*: its disk is open. *Running*: its HSM is in
//! memory. *Listening*: it has the cluster certificate and answers on the link. A crash takes it
//! back to the beginning; its address is kept for the restart.
//!
//! An HSM that was placed on another host is a `Remote` instead: the fleet of that host runs it, and
//! this one sends it errands.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use portcullis_api::HsmId;
use portcullis_hsm::{Change, DeviceKey, Hsm, Limits, Settings};
use portcullis_link::{Listener, Listening, Transport};
use portcullis_seam::{Entropy, WallClock, WorkPool};
use portcullis_store::Store;

use crate::condition::Condition;
use crate::device::Station;
use crate::disk::{Contents, Disk, Notes, Writes};
use crate::local::node::Node;
use crate::remote::{Errand, RemoteHsm, placed};
use crate::{Capture, Disks, FleetError, KeptIdentity, Profile, rejoin};

/// What every node is made with.
#[derive(Debug)]
pub struct Equipment {
    /// Where the disks of HSMs come from.
    pub disks: Arc<dyn Disks>,
    /// Over which HSMs are reached.
    pub transport: Arc<dyn Transport>,
    /// Keys, ids, salts.
    pub entropy: Arc<dyn Entropy>,
    /// The date, by which HSMs note when users were changed.
    pub clock: Arc<dyn WallClock>,
    /// Where passwords are hashed and large frames are worked on.
    pub pool: Arc<dyn WorkPool>,
    /// Under which the disks are sealed.
    pub device_key: Arc<DeviceKey>,
    /// Limits of each HSM.
    pub settings: Settings,
    /// Where HSMs listen; each chooses a free port when this has none.
    pub bind: SocketAddr,
}

/// Every HSM of every cluster of this process.
#[derive(Debug)]
pub struct Fleet {
    equipment: Equipment,
    pub(crate) members: Mutex<BTreeMap<HsmId, Member>>,
    /// Those of them that run on other hosts.
    pub(crate) remotes: Mutex<BTreeMap<HsmId, Arc<RemoteHsm>>>,
    devices: Mutex<Devices>,
    /// What ails each HSM: kept apart from the members, which a removal forgets.
    pub(crate) conditions: Mutex<BTreeMap<HsmId, Arc<Condition>>>,
}

#[derive(Debug, Default)]
pub(crate) struct Member {
    pub(crate) disk: Option<Disk>,
    pub(crate) node: Option<Node>,
    listening: Option<Box<dyn Listening>>,
    /// Where it listens or listened.
    address: Option<SocketAddr>,
}

/// Which device each HSM is.
#[derive(Debug)]
struct Devices {
    default: Option<Profile>,
    own: BTreeMap<HsmId, Option<Profile>>,
    /// How much those hold that hold less than the software could.
    limits: BTreeMap<HsmId, Limits>,
}

impl Fleet {
    /// A fleet without any HSM.
    #[must_use]
    pub const fn new(equipment: Equipment) -> Self {
        Self {
            equipment,
            members: Mutex::new(BTreeMap::new()),
            remotes: Mutex::new(BTreeMap::new()),
            devices: Mutex::new(Devices {
                default: None,
                own: BTreeMap::new(),
                limits: BTreeMap::new(),
            }),
            conditions: Mutex::new(BTreeMap::new()),
        }
    }

    /// The device profile of every HSM that has none of its own.
    pub fn set_default_device(&self, profile: Option<Profile>) {
        self.devices.lock().default = profile;
        let members = self.members.lock();
        for (id, member) in members.iter() {
            if let Some(node) = &member.node {
                node.set_device(self.device(id));
            }
        }
        drop(members);
        for (id, remote) in &*self.remotes.lock() {
            let device = self.profile(id);
            remote.fit_with(|fittings| fittings.device = device);
        }
    }

    /// An HSM's own device profile; none is `raw`.
    pub fn set_device(&self, id: &HsmId, profile: Option<Profile>) {
        self.devices.lock().own.insert(id.clone(), profile);
        if let Some(remote) = self.remote(id) {
            let device = self.profile(id);
            remote.fit_with(|fittings| fittings.device = device);
        } else if let Some(node) = self.node(id) {
            node.set_device(self.device(id));
        }
    }

    /// How many users and keys an HSM holds; as many as the settings say without limits.
    pub fn set_limits(&self, id: &HsmId, limits: Option<Limits>) {
        let Some(limits) = limits else {
            return;
        };
        self.devices.lock().limits.insert(id.clone(), limits);
        if let Some(remote) = self.remote(id) {
            remote.fit_with(|fittings| fittings.limits = Some(limits));
        } else if let Some(node) = self.node(id) {
            node.set_limits(limits);
        }
    }

    pub(crate) fn profile(&self, id: &HsmId) -> Option<Profile> {
        let devices = self.devices.lock();
        devices.own.get(id).unwrap_or(&devices.default).clone()
    }

    pub(crate) fn device(&self, id: &HsmId) -> Option<Station> {
        let entropy = &self.equipment.entropy;
        let station = |profile| Station::new(profile, Arc::clone(entropy));
        self.profile(id).map(station)
    }

    /// Where an HSM listens or listened.
    #[must_use]
    pub fn address(&self, hsm: &HsmId) -> Option<SocketAddr> {
        if let Some(remote) = self.remote(hsm) {
            return remote.address();
        }
        self.members.lock().get(hsm)?.address
    }

    /// The node of an HSM that is up.
    pub(crate) fn node(&self, hsm: &HsmId) -> Option<Node> {
        let node = self.members.lock().get(hsm)?.node.clone()?;
        (!node.is_down()).then_some(node)
    }

    /// Whether an HSM runs.
    #[must_use]
    pub fn is_up(&self, hsm: &HsmId) -> bool {
        self.remote(hsm)
            .map_or_else(|| self.node(hsm).is_some(), |remote| remote.is_up())
    }

    /// Whether the HSM is up and its first admin has set a password.
    pub fn is_activated(&self, hsm: &HsmId) -> bool {
        self.remote(hsm).map_or_else(
            || self.node(hsm).is_some_and(|node| node.is_activated()),
            |remote| remote.is_activated(),
        )
    }

    /// A factory-new HSM that holds the key pair of a cluster to be initialised.
    ///
    /// # Errors
    /// When it cannot be made, as a text for the log.
    pub async fn create_blank(
        &self,
        id: &HsmId,
        identity: &KeptIdentity,
    ) -> Result<(), FleetError> {
        if let Some(remote) = self.remote(id) {
            return placed::create_blank(id, &remote, identity).await;
        }
        let Equipment {
            settings, entropy, ..
        } = &self.equipment;
        let hsm = Hsm::blank(*settings, Arc::clone(entropy));
        let _in_records = hsm.set_identity(&identity.to_bytes());
        self.create(id, &hsm, Notes::default()).await
    }

    /// An HSM with the content of a backup or of another HSM.
    ///
    /// # Errors
    /// When it cannot be made, as a text for the log.
    pub async fn create_from(&self, id: &HsmId, capture: Capture) -> Result<(), FleetError> {
        if let Some(remote) = self.remote(id) {
            return placed::create_from(id, &remote, capture).await;
        }
        let Equipment {
            settings, entropy, ..
        } = &self.equipment;
        let hsm = Hsm::restore(*settings, Arc::clone(entropy), &capture.image)
            .map_err(|error| FleetError::of(id, "the backup cannot be restored", error))?;
        self.create(id, &hsm, capture.notes).await
    }

    /// Writes a new HSM to its disk and starts it from there, like any other start. An attempt
    /// that was interrupted is wiped first.
    pub(crate) async fn create(
        &self,
        id: &HsmId,
        hsm: &Hsm,
        notes: Notes,
    ) -> Result<(), FleetError> {
        self.remove(id).await?;
        let made = self.equipment.disks.make(id);
        let disk = self.connect(
            id,
            made.map_err(|error| FleetError::of(id, "its disk cannot be made", error))?,
        );
        let put = |(key, value)| Change {
            key,
            value: Some(value),
        };
        let writes = Writes {
            records: hsm.records().into_iter().map(put).collect(),
            notes,
        };
        disk.write(&writes)
            .await
            .map_err(|error| FleetError::of(id, "its disk failed", error))?;
        self.start_after(id, &[]).await
    }

    /// Opens the disk of an HSM that is down, so that its peers can read it.
    ///
    /// # Errors
    /// When it is lost or cannot be read.
    pub fn attach(&self, id: &HsmId) -> Result<(), FleetError> {
        self.open_disk(id).map(drop)
    }

    /// Opens the disk of an HSM.
    pub(crate) fn open_disk(&self, id: &HsmId) -> Result<Disk, FleetError> {
        let store = self
            .equipment
            .disks
            .open(id)
            .map_err(|error| FleetError::of(id, "its disk cannot be opened", error))?;
        Ok(self.connect(id, store))
    }

    pub(crate) fn connect(&self, id: &HsmId, store: Store) -> Disk {
        let disk = Disk {
            hsm: id.clone(),
            store,
            device_key: Arc::clone(&self.equipment.device_key),
            entropy: Arc::clone(&self.equipment.entropy),
        };
        self.members.lock().entry(id.clone()).or_default().disk = Some(disk.clone());
        disk
    }

    /// Starts an HSM from its disk, after it has caught up with its attached peers, and listens
    /// if it has the cluster certificate.
    ///
    /// # Errors
    /// When its disk cannot be read or it cannot listen.
    pub async fn start(&self, id: &HsmId, peers: &[HsmId]) -> Result<(), FleetError> {
        let peers = self.users_of(id, peers).await;
        match self.remote(id) {
            Some(remote) => placed::change(id, &remote, Errand::Start { peers }).await,
            None => self.start_after(id, &peers).await,
        }
    }

    /// What an HSM has to catch up with: users and notes of its peers that can be read.
    pub(crate) async fn users_of(&self, id: &HsmId, peers: &[HsmId]) -> Vec<Contents> {
        let mut users = Vec::new();
        for peer in peers.iter().filter(|peer| *peer != id) {
            users.extend(match self.remote(peer) {
                Some(remote) => placed::users(&remote).await,
                None => self.disk(peer).and_then(|disk| disk.read_users().ok()),
            });
        }
        users
    }

    /// Starts an HSM of this process after it has caught up with its peers.
    pub(crate) async fn start_after(
        &self,
        id: &HsmId,
        peers: &[Contents],
    ) -> Result<(), FleetError> {
        let disk = match self.disk(id) {
            Some(disk) => disk,
            None => self.open_disk(id)?,
        };
        let unreadable = |error| FleetError::of(id, "its disk cannot be read", error);
        let own = disk.read().map_err(unreadable)?;
        let missed = rejoin::catch_up(&own, peers);
        let mut records = own.records;
        if !missed.is_empty() {
            disk.write(&missed)
                .await
                .map_err(|error| FleetError::of(id, "its disk failed", error))?;
            records = disk.read().map_err(unreadable)?.records;
        }
        let Equipment {
            settings,
            entropy,
            clock,
            pool,
            ..
        } = &self.equipment;
        let hsm = Hsm::load(*settings, Arc::clone(entropy), records)
            .map_err(|error| FleetError::of(id, "it cannot be loaded", error))?;
        let condition = self.condition(id);
        let node = Node::start(hsm, disk, condition, Arc::clone(clock), Arc::clone(pool));
        node.set_device(self.device(id));
        if let Some(limits) = self.devices.lock().limits.get(id) {
            node.set_limits(*limits);
        }
        self.members.lock().entry(id.clone()).or_default().node = Some(node);
        self.listen(id).await
    }

    pub(crate) fn disk(&self, id: &HsmId) -> Option<Disk> {
        self.members.lock().get(id)?.disk.clone()
    }

    /// Installs the signed cluster certificate (PEM) and starts to listen.
    ///
    /// # Errors
    /// When it is down, or its disk fails.
    pub async fn install(&self, id: &HsmId, certificate: &str) -> Result<(), FleetError> {
        if let Some(remote) = self.remote(id) {
            let certificate = certificate.to_owned();
            return placed::change(id, &remote, Errand::Install { certificate }).await;
        }
        let what = "the cluster certificate cannot be installed";
        let Some(node) = self.node(id) else {
            return Err(FleetError::of(id, what, "it is down"));
        };
        let kept = node
            .identity()
            .ok_or_else(|| FleetError::of(id, what, "it has no private key"))?;
        let identity = KeptIdentity::from_bytes(&kept)
            .map_err(|error| FleetError::of(id, what, error))?
            .signed(certificate);
        node.install(&identity.to_bytes())
            .await
            .map_err(|refusal| FleetError::of(id, what, refusal))?;
        self.listen(id).await
    }

    /// Listens on the address it had before, or else on a free port.
    pub(crate) async fn listen(&self, id: &HsmId) -> Result<(), FleetError> {
        let Some(node) = self.node(id) else {
            return Ok(());
        };
        let kept = node
            .identity()
            .and_then(|bytes| KeptIdentity::from_bytes(&bytes).ok());
        let Some(identity) = kept.and_then(KeptIdentity::presented) else {
            return Ok(());
        };
        let bind = self.address(id).unwrap_or(self.equipment.bind);
        let listener = Listener {
            name: id.to_string(),
            bind,
            identity,
            service: Arc::new(node),
        };
        let listening = self
            .equipment
            .transport
            .listen(listener)
            .await
            .map_err(|error| FleetError::of(id, "it cannot listen", error))?;
        let mut members = self.members.lock();
        let member = members.entry(id.clone()).or_default();
        member.address = Some(listening.address());
        member.listening = Some(listening);
        Ok(())
    }

    /// Takes an HSM down as a power cut does: its memory and its connections are lost, its disk
    /// and its address stay. False when it was down already.
    pub fn crash(&self, id: &HsmId) -> bool {
        if let Some(remote) = self.remote(id) {
            return remote.crash();
        }
        let mut members = self.members.lock();
        let Some(member) = members.get_mut(id) else {
            return false;
        };
        let was_up = member.node.as_ref().is_some_and(|node| !node.is_down());
        if let Some(node) = &member.node {
            node.cut();
        }
        member.listening = None;
        member.disk = None;
        was_up
    }

    /// Starts an HSM anew, whether it is down or not.
    ///
    /// # Errors
    /// When its disk cannot be read or it cannot listen.
    pub async fn restart(&self, id: &HsmId, peers: &[HsmId]) -> Result<(), FleetError> {
        if let Some(remote) = self.remote(id) {
            let peers = self.users_of(id, peers).await;
            return placed::change(id, &remote, Errand::Restart { peers }).await;
        }
        self.halt(id).await?;
        self.start(id, peers).await
    }

    /// Starts an HSM of this process anew after it has caught up with its peers.
    pub(crate) async fn restart_after(
        &self,
        id: &HsmId,
        peers: &[Contents],
    ) -> Result<(), FleetError> {
        self.halt(id).await?;
        self.start_after(id, peers).await
    }

    /// Takes an HSM of this process down and opens its disk anew.
    pub(crate) async fn halt(&self, id: &HsmId) -> Result<(), FleetError> {
        self.crash(id);
        let before = self
            .members
            .lock()
            .get_mut(id)
            .and_then(|member| member.node.take());
        if let Some(node) = before {
            // A command that was under way may still reach the disk: it must be read after that,
            // and be open once only.
            node.stop().await;
        }
        self.open_disk(id).map(drop)
    }

    /// Destroys an HSM and its disk.
    ///
    /// # Errors
    /// When its disk cannot be removed.
    pub async fn remove(&self, id: &HsmId) -> Result<(), FleetError> {
        if let Some(remote) = self.remote(id) {
            placed::remove(id, &remote).await?;
            self.remotes.lock().remove(id);
            self.devices.lock().own.remove(id);
            return Ok(());
        }
        let member = self.members.lock().remove(id);
        self.devices.lock().own.remove(id);
        if let Some(node) = member.as_ref().and_then(|member| member.node.as_ref()) {
            node.stop().await;
        }
        drop(member);
        self.equipment
            .disks
            .remove(id)
            .map_err(|error| FleetError::of(id, "its disk cannot be removed", error))
    }

    /// The content of an HSM, from its memory when it is up and else from its disk.
    ///
    /// # Errors
    /// When neither its memory nor its disk can be read.
    pub async fn capture(&self, id: &HsmId) -> Result<Capture, FleetError> {
        if let Some(remote) = self.remote(id) {
            return placed::capture(id, &remote).await;
        }
        if let Some(node) = self.node(id) {
            return Ok(node.capture().await);
        }
        let what = "its disk cannot be read";
        let contents = self
            .open_disk(id)?
            .read()
            .map_err(|error| FleetError::of(id, what, error))?;
        let Equipment {
            settings, entropy, ..
        } = &self.equipment;
        let hsm = Hsm::load(*settings, Arc::clone(entropy), contents.records)
            .map_err(|error| FleetError::of(id, what, error))?;
        Ok(Capture {
            image: hsm.image(),
            notes: contents.notes,
        })
    }

    /// Whether an HSM of this process went down for want of room and can be started again.
    pub fn can_be_revived(&self, id: &HsmId) -> bool {
        let node = self
            .members
            .lock()
            .get(id)
            .and_then(|member| member.node.clone());
        node.is_some_and(|node| node.can_be_revived())
    }

    /// Takes down the listener of a node whose disk failed: it refuses everything already, and
    /// clients should go elsewhere.
    pub fn silence_if_down(&self, id: &HsmId) {
        if let Some(member) = self.members.lock().get_mut(id)
            && member.node.as_ref().is_some_and(Node::is_down)
        {
            member.listening = None;
        }
    }
}
