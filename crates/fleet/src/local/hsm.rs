use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use portcullis_api::HsmId;
use portcullis_hsm::{Change, Hsm};
use portcullis_link::{Listener, Listening};
use portcullis_store::Store;

use super::node::Node;
use crate::condition::HsmCondition;
use crate::device::Station;
use crate::disk::{DiskContents, DiskNotes, HsmDisk, Writes};
use crate::peer::PeerHsm;
use crate::remote::Fittings;
use crate::{Capture, Equipment, FleetError, KeptIdentity, Profile, rejoin};

/// An HSM of this process.
///
/// It passes through three phases. *Attached*: its disk is open. *Running*: its node is in memory.
/// *Listening*: it has the cluster certificate and answers on the link. A crash takes it back to the
/// beginning; its address is kept for the restart.
#[derive(Debug)]
pub(crate) struct LocalHsm {
    id: HsmId,
    equipment: Arc<Equipment>,
    condition: Arc<HsmCondition>,
    fittings: Mutex<Fittings>,
    parts: Mutex<Parts>,
}

#[derive(Debug, Default)]
struct Parts {
    disk: Option<HsmDisk>,
    node: Option<Node>,
    listening: Option<Box<dyn Listening>>,
    /// Where it listens or listened.
    address: Option<SocketAddr>,
}

impl LocalHsm {
    pub(crate) fn new(id: HsmId, equipment: Arc<Equipment>, fittings: Fittings) -> Self {
        let condition = Arc::<HsmCondition>::default();
        condition.set(fittings.behaviour);
        Self {
            id,
            equipment,
            condition,
            fittings: Mutex::new(fittings),
            parts: Mutex::default(),
        }
    }

    pub(crate) const fn id(&self) -> &HsmId {
        &self.id
    }

    pub(crate) fn failed(&self, what: &str, why: impl std::fmt::Display) -> FleetError {
        FleetError::of(&self.id, what, why)
    }

    /// Gives it this device, these limits and this behaviour, now and at every start.
    pub(crate) fn fit(&self, fittings: Fittings) {
        self.condition.set(fittings.behaviour);
        let mut present = self.fittings.lock();
        if let Some(node) = &self.parts.lock().node {
            if present.device != fittings.device {
                node.set_device(self.station(fittings.device.clone()));
            }
            if let Some(limits) = fittings.limits {
                node.set_limits(limits);
            }
        }
        *present = fittings;
    }

    fn station(&self, profile: Option<Profile>) -> Option<Station> {
        let entropy = &self.equipment.entropy;
        profile.map(|profile| Station::new(profile, Arc::clone(entropy)))
    }

    pub(crate) fn address(&self) -> Option<SocketAddr> {
        self.parts.lock().address
    }

    /// Its node, when that is up.
    pub(crate) fn node(&self) -> Option<Node> {
        let node = self.parts.lock().node.clone()?;
        (!node.is_down()).then_some(node)
    }

    pub(crate) fn is_up(&self) -> bool {
        self.node().is_some()
    }

    /// Whether it is up and its first admin has set a password.
    pub(crate) fn is_activated(&self) -> bool {
        self.node().is_some_and(|node| node.is_activated())
    }

    /// It, as the others of its cluster see it; none when they do not.
    pub(crate) fn peer(&self) -> Option<Arc<dyn PeerHsm>> {
        let node = self.node().filter(|node| !node.keeps_apart())?;
        Some(Arc::new(node))
    }

    /// Makes it factory-new, with the key pair of a cluster to be initialised.
    pub(crate) async fn create_blank(&self, identity: &KeptIdentity) -> Result<(), FleetError> {
        let entropy = Arc::clone(&self.equipment.entropy);
        let hsm = Hsm::blank(self.equipment.settings, entropy);
        let _in_records = hsm.set_identity(&identity.to_bytes());
        self.create(&hsm, DiskNotes::default()).await
    }

    /// Makes it with the content of a backup or of another HSM.
    pub(crate) async fn create_from(&self, capture: Capture) -> Result<(), FleetError> {
        let entropy = Arc::clone(&self.equipment.entropy);
        let hsm = Hsm::restore(self.equipment.settings, entropy, &capture.image)
            .map_err(|error| self.failed("the backup cannot be restored", error))?;
        self.create(&hsm, capture.notes).await
    }

    /// Writes a new HSM to its disk and starts it from there, like any other start. An attempt
    /// that was interrupted is wiped first.
    async fn create(&self, hsm: &Hsm, notes: DiskNotes) -> Result<(), FleetError> {
        self.remove().await?;
        let made = self.equipment.disks.make(&self.id);
        let made = made.map_err(|error| self.failed("its disk cannot be made", error))?;
        let disk = self.attach(made);
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
            .map_err(|error| self.failed("its disk failed", error))?;
        self.start(&[]).await
    }

    /// Opens its disk anew.
    pub(crate) fn open_disk(&self) -> Result<HsmDisk, FleetError> {
        let store = self.equipment.disks.open(&self.id);
        let store = store.map_err(|error| self.failed("its disk cannot be opened", error))?;
        Ok(self.attach(store))
    }

    fn attach(&self, store: Store) -> HsmDisk {
        let disk = HsmDisk {
            hsm: self.id.clone(),
            store,
            device_key: Arc::clone(&self.equipment.device_key),
            entropy: Arc::clone(&self.equipment.entropy),
        };
        self.parts.lock().disk = Some(disk.clone());
        disk
    }

    fn disk(&self) -> Option<HsmDisk> {
        self.parts.lock().disk.clone()
    }

    /// Closes its disk, which is that of an HSM that is down.
    pub(crate) fn close_disk(&self) {
        self.parts.lock().disk = None;
    }

    /// What others catch up with: its users and notes, when its disk is open and can be read.
    pub(crate) fn users(&self) -> Option<DiskContents> {
        self.disk()?.read_users().ok()
    }

    /// Starts it from its disk, after it has caught up with its peers, and listens if it has the
    /// cluster certificate.
    pub(crate) async fn start(&self, peers: &[DiskContents]) -> Result<(), FleetError> {
        let disk = match self.disk() {
            Some(disk) => disk,
            None => self.open_disk()?,
        };
        let unreadable = |error| self.failed("its disk cannot be read", error);
        let own = disk.read().map_err(unreadable)?;
        let missed = rejoin::catch_up(&own, peers);
        let mut records = own.records;
        if !missed.is_empty() {
            disk.write(&missed)
                .await
                .map_err(|error| self.failed("its disk failed", error))?;
            records = disk.read().map_err(unreadable)?.records;
        }
        let Equipment {
            settings,
            entropy,
            clock,
            pool,
            ..
        } = &*self.equipment;
        let hsm = Hsm::load(*settings, Arc::clone(entropy), records)
            .map_err(|error| self.failed("it cannot be loaded", error))?;
        let condition = Arc::clone(&self.condition);
        let node = Node::start(hsm, disk, condition, Arc::clone(clock), Arc::clone(pool));
        {
            let fittings = self.fittings.lock();
            node.set_device(self.station(fittings.device.clone()));
            if let Some(limits) = fittings.limits {
                node.set_limits(limits);
            }
            self.parts.lock().node = Some(node);
        }
        self.listen().await
    }

    /// Starts it anew after it has caught up with its peers, whether it is down or not.
    pub(crate) async fn restart(&self, peers: &[DiskContents]) -> Result<(), FleetError> {
        self.halt().await;
        self.open_disk()?;
        self.start(peers).await
    }

    /// Installs the signed cluster certificate (PEM) and starts to listen.
    pub(crate) async fn install(&self, certificate: &str) -> Result<(), FleetError> {
        let what = "the cluster certificate cannot be installed";
        let node = self.node();
        let node = node.ok_or_else(|| self.failed(what, "it is down"))?;
        let kept = node.identity();
        let kept = kept.ok_or_else(|| self.failed(what, "it has no private key"))?;
        let identity = KeptIdentity::from_bytes(&kept)
            .map_err(|error| self.failed(what, error))?
            .signed(certificate);
        node.install(&identity.to_bytes())
            .await
            .map_err(|refusal| self.failed(what, refusal))?;
        self.listen().await
    }

    /// Listens on the address it had before, or else on a free port.
    async fn listen(&self) -> Result<(), FleetError> {
        let Some(node) = self.node() else {
            return Ok(());
        };
        let kept = node
            .identity()
            .and_then(|bytes| KeptIdentity::from_bytes(&bytes).ok());
        let Some(identity) = kept.and_then(KeptIdentity::presented) else {
            return Ok(());
        };
        let listener = Listener {
            name: self.id.to_string(),
            bind: self.address().unwrap_or(self.equipment.bind),
            identity,
            service: Arc::new(node),
        };
        let listening = self.equipment.transport.listen(listener).await;
        let listening = listening.map_err(|error| self.failed("it cannot listen", error))?;
        let mut parts = self.parts.lock();
        parts.address = Some(listening.address());
        parts.listening = Some(listening);
        Ok(())
    }

    /// Takes it down as a power cut does: its memory and its connections are lost, its disk and its
    /// address stay. False when it was down already.
    pub(crate) fn crash(&self) -> bool {
        let mut parts = self.parts.lock();
        let was_up = parts.node.as_ref().is_some_and(|node| !node.is_down());
        if let Some(node) = &parts.node {
            node.cut();
        }
        parts.listening = None;
        parts.disk = None;
        was_up
    }

    /// Takes it down, after what was begun is on its disk.
    pub(crate) async fn halt(&self) {
        self.crash();
        let before = self.parts.lock().node.take();
        if let Some(node) = before {
            // A command that was under way may still reach the disk: it must be read after that,
            // and be open once only.
            node.stop().await;
        }
    }

    /// Destroys it with its disk.
    pub(crate) async fn remove(&self) -> Result<(), FleetError> {
        let parts = std::mem::take(&mut *self.parts.lock());
        if let Some(node) = &parts.node {
            node.stop().await;
        }
        drop(parts);
        self.equipment
            .disks
            .remove(&self.id)
            .map_err(|error| self.failed("its disk cannot be removed", error))
    }

    /// Its content, from its memory when it is up and else from its disk.
    pub(crate) async fn capture(&self) -> Result<Capture, FleetError> {
        if let Some(node) = self.node() {
            return Ok(node.capture().await);
        }
        let what = "its disk cannot be read";
        let contents = self.open_disk()?.read();
        let contents = contents.map_err(|error| self.failed(what, error))?;
        let entropy = Arc::clone(&self.equipment.entropy);
        let hsm = Hsm::load(self.equipment.settings, entropy, contents.records)
            .map_err(|error| self.failed(what, error))?;
        Ok(Capture {
            image: hsm.image(),
            notes: contents.notes,
        })
    }

    /// Whether its content can be had: from its memory, or from its disk.
    pub(crate) fn can_be_read(&self) -> bool {
        self.is_up() || self.open_disk().is_ok_and(|disk| disk.read().is_ok())
    }

    /// Whether it went down for want of room and can be started again.
    pub(crate) fn can_be_revived(&self) -> bool {
        let node = self.parts.lock().node.clone();
        node.is_some_and(|node| node.can_be_revived())
    }

    /// Takes down the listener of a node whose disk failed: it refuses everything already, and
    /// clients should go elsewhere.
    pub(crate) fn silence_if_down(&self) {
        let mut parts = self.parts.lock();
        if parts.node.as_ref().is_some_and(Node::is_down) {
            parts.listening = None;
        }
    }
}
