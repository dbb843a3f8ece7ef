use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use portcullis_api::HsmId;
use portcullis_hsm::Limits;

use crate::disk::DiskContents;
use crate::local::{LocalHsm, cannot};
use crate::remote::{Fittings, RemoteHsm};
use crate::seat::Seat;
use crate::synchronise::synchronise;
use crate::{
    Behaviour, Capture, CryptoUser, Equipment, FleetError, HostLine, KeptIdentity, Profile,
};

/// Every HSM that a process answers for.
#[derive(Debug)]
pub struct Fleet {
    equipment: Arc<Equipment>,
    seats: Mutex<BTreeMap<HsmId, Seat>>,
    wanted: Mutex<Wanted>,
}

/// How each HSM shall be, whether it has a seat or not: a removal forgets neither how an HSM misbehaves nor
/// how much it holds.
#[derive(Debug, Default)]
struct Wanted {
    /// The device of every HSM that has none of its own.
    device: Option<Profile>,
    devices: BTreeMap<HsmId, Option<Profile>>,
    /// How much those hold that hold less than the software could.
    limits: BTreeMap<HsmId, Limits>,
    behaviours: BTreeMap<HsmId, Behaviour>,
}

impl Wanted {
    fn of(&self, id: &HsmId) -> Fittings {
        Fittings {
            device: self.devices.get(id).unwrap_or(&self.device).clone(),
            limits: self.limits.get(id).copied(),
            behaviour: self.behaviours.get(id).copied().unwrap_or_default(),
        }
    }
}

impl Fleet {
    /// A fleet without any HSM.
    #[must_use]
    pub fn new(equipment: Equipment) -> Self {
        Self {
            equipment: Arc::new(equipment),
            seats: Mutex::default(),
            wanted: Mutex::default(),
        }
    }

    fn find(&self, id: &HsmId) -> Option<Seat> {
        self.seats.lock().get(id).cloned()
    }

    /// The seat of an HSM: in this process, unless it was placed on a host.
    pub(crate) fn seat(&self, id: &HsmId) -> Seat {
        let mut seats = self.seats.lock();
        let make = || {
            let fittings = self.wanted.lock().of(id);
            let equipment = Arc::clone(&self.equipment);
            Seat::Local(Arc::new(LocalHsm::new(id.clone(), equipment, fittings)))
        };
        seats.entry(id.clone()).or_insert_with(make).clone()
    }

    fn local(&self, id: &HsmId) -> Option<Arc<LocalHsm>> {
        match self.find(id)? {
            Seat::Local(hsm) => Some(hsm),
            Seat::Remote(_) => None,
        }
    }

    fn remote(&self, id: &HsmId) -> Option<Arc<RemoteHsm>> {
        match self.find(id)? {
            Seat::Remote(hsm) => Some(hsm),
            Seat::Local(_) => None,
        }
    }

    /// Fits every HSM that has a seat as it shall be.
    fn fit_all(&self) {
        let seats = self.seats.lock().clone();
        for (id, seat) in seats {
            let fittings = self.wanted.lock().of(&id);
            seat.fit(fittings);
        }
    }

    fn fit(&self, id: &HsmId) {
        if let Some(seat) = self.find(id) {
            let fittings = self.wanted.lock().of(id);
            seat.fit(fittings);
        }
    }

    /// The device profile of every HSM that has none of its own.
    pub fn set_default_device(&self, profile: Option<Profile>) {
        self.wanted.lock().device = profile;
        self.fit_all();
    }

    /// An HSM's own device profile; none is `raw`.
    pub fn set_device(&self, id: &HsmId, profile: Option<Profile>) {
        self.wanted.lock().devices.insert(id.clone(), profile);
        self.fit(id);
    }

    /// How many users and keys an HSM holds; as many as the settings say without limits.
    pub fn set_limits(&self, id: &HsmId, limits: Option<Limits>) {
        if let Some(limits) = limits {
            self.wanted.lock().limits.insert(id.clone(), limits);
            self.fit(id);
        }
    }

    /// Makes these HSMs behave so, and all others as healthy ones.
    pub fn set_behaviours(&self, behaving: impl Iterator<Item = (HsmId, Behaviour)>) {
        let behaving = behaving.collect();
        self.wanted.lock().behaviours = behaving;
        self.fit_all();
    }

    /// Gives an HSM all that it shall have.
    pub(crate) fn set_fittings(&self, id: &HsmId, fittings: Fittings) {
        let mut wanted = self.wanted.lock();
        wanted.devices.insert(id.clone(), fittings.device);
        wanted
            .limits
            .extend(fittings.limits.map(|limits| (id.clone(), limits)));
        wanted.behaviours.insert(id.clone(), fittings.behaviour);
        drop(wanted);
        self.fit(id);
    }

    /// Where an HSM listens or listened.
    #[must_use]
    pub fn address(&self, id: &HsmId) -> Option<SocketAddr> {
        self.find(id)?.address()
    }

    /// Whether an HSM runs.
    #[must_use]
    pub fn is_up(&self, id: &HsmId) -> bool {
        self.find(id).is_some_and(|seat| seat.is_up())
    }

    /// Whether the HSM is up and its first admin has set a password.
    #[must_use]
    pub fn is_activated(&self, id: &HsmId) -> bool {
        self.find(id).is_some_and(|seat| seat.is_activated())
    }

    /// Whether the content of an HSM can be had: from its memory, or from its disk.
    #[must_use]
    pub fn can_be_read(&self, id: &HsmId) -> bool {
        self.seat(id).can_be_read()
    }

    /// Makes a factory-new HSM that holds the key pair of a cluster to be initialised.
    ///
    /// # Errors
    /// When it cannot be made, as a text for the log.
    pub async fn create_blank(
        &self,
        id: &HsmId,
        identity: &KeptIdentity,
    ) -> Result<(), FleetError> {
        self.seat(id).create_blank(identity).await
    }

    /// Makes an HSM with the content of a backup or of another HSM.
    ///
    /// # Errors
    /// When it cannot be made, as a text for the log.
    pub async fn create_from(&self, id: &HsmId, capture: Capture) -> Result<(), FleetError> {
        self.seat(id).create_from(capture).await
    }

    /// Opens the disk of an HSM of this process that is down, so that its peers can read it.
    ///
    /// # Errors
    /// When it is lost or cannot be read.
    pub fn attach(&self, id: &HsmId) -> Result<(), FleetError> {
        match self.seat(id) {
            Seat::Local(hsm) => hsm.open_disk().map(drop),
            Seat::Remote(_) => Ok(()),
        }
    }

    /// Starts an HSM from its disk, after it has caught up with its peers, and lets it listen if it
    /// has the cluster certificate.
    ///
    /// # Errors
    /// When its disk cannot be read or it cannot listen.
    pub async fn start(&self, id: &HsmId, peers: &[HsmId]) -> Result<(), FleetError> {
        let peers = self.users_of(id, peers).await;
        self.seat(id).start(peers).await
    }

    /// Starts an HSM anew, whether it is down or not.
    ///
    /// # Errors
    /// When its disk cannot be read or it cannot listen.
    pub async fn restart(&self, id: &HsmId, peers: &[HsmId]) -> Result<(), FleetError> {
        let peers = self.users_of(id, peers).await;
        self.seat(id).restart(peers).await
    }

    /// What an HSM has to catch up with: users and notes of its peers that can be read.
    async fn users_of(&self, id: &HsmId, peers: &[HsmId]) -> Vec<DiskContents> {
        let mut users = Vec::new();
        for peer in peers.iter().filter(|peer| *peer != id) {
            if let Some(seat) = self.find(peer) {
                users.extend(seat.users().await);
            }
        }
        users
    }

    /// Installs the signed cluster certificate (PEM) and starts to listen.
    ///
    /// # Errors
    /// When it is down, or its disk fails.
    pub async fn install(&self, id: &HsmId, certificate: &str) -> Result<(), FleetError> {
        self.seat(id).install(certificate).await
    }

    /// Takes an HSM down as a power cut does: its memory and its connections are lost, its disk
    /// and its address stay. False when it was down already.
    pub fn crash(&self, id: &HsmId) -> bool {
        self.find(id).is_some_and(|seat| seat.crash())
    }

    /// Takes an HSM of this process down, after what was begun is on its disk.
    pub(crate) async fn stop(&self, id: &HsmId) {
        if let Some(hsm) = self.local(id) {
            hsm.halt().await;
        }
    }

    /// Destroys an HSM and its disk.
    ///
    /// # Errors
    /// When its disk cannot be removed.
    pub async fn remove(&self, id: &HsmId) -> Result<(), FleetError> {
        self.seat(id).remove().await?;
        self.seats.lock().remove(id);
        self.wanted.lock().devices.remove(id);
        Ok(())
    }

    /// The content of an HSM, from its memory when it is up and else from its disk.
    ///
    /// # Errors
    /// When neither can be read.
    pub async fn capture(&self, id: &HsmId) -> Result<Capture, FleetError> {
        self.seat(id).capture().await
    }

    /// Whether an HSM of this process went down for want of room and can be started again.
    #[must_use]
    pub fn can_be_revived(&self, id: &HsmId) -> bool {
        self.local(id).is_some_and(|hsm| hsm.can_be_revived())
    }

    /// Takes down the listener of an HSM of this process whose disk failed.
    pub fn silence_if_down(&self, id: &HsmId) {
        if let Some(hsm) = self.local(id) {
            hsm.silence_if_down();
        }
    }

    /// Brings the HSMs among `hsms` that are up in step, and says how many keys it copied.
    ///
    /// Cheap when they are in step: it compares two numbers of each.
    ///
    /// # Errors
    /// When an HSM that is up cannot take what it misses.
    pub async fn synchronise(&self, hsms: &[HsmId]) -> Result<usize, FleetError> {
        let peer = |id: &HsmId| Some((id.clone(), self.find(id)?.peer()?));
        synchronise(hsms.iter().filter_map(peer)).await
    }

    /// From here on the HSM is one of the host to which `line` goes.
    pub fn place(&self, id: &HsmId, line: Arc<HostLine>) {
        let mut seats = self.seats.lock();
        if !matches!(seats.get(id), Some(Seat::Remote(_))) {
            let fittings = self.wanted.lock().of(id);
            let remote = RemoteHsm::new(id.clone(), line, fittings);
            seats.insert(id.clone(), Seat::Remote(Arc::new(remote)));
        }
    }

    /// From here on the HSM is one of this process.
    pub fn displace(&self, id: &HsmId) {
        if self.is_placed(id) {
            self.seats.lock().remove(id);
        }
    }

    /// Whether the HSM was placed on a host.
    #[must_use]
    pub fn is_placed(&self, id: &HsmId) -> bool {
        self.remote(id).is_some()
    }

    /// From here on nothing is sent to an HSM on a host, nor to the address where it listened.
    pub fn forget_address(&self, id: &HsmId) {
        if let Some(hsm) = self.remote(id) {
            hsm.forget();
        }
    }

    /// Destroys what a host has of an HSM that is not placed there.
    ///
    /// # Errors
    /// When the host cannot remove it.
    pub async fn wipe(&self, id: &HsmId, line: Arc<HostLine>) -> Result<(), FleetError> {
        let fittings = Fittings::default();
        RemoteHsm::new(id.clone(), line, fittings).remove().await
    }

    /// Looks how an HSM on another host is; one of this process is known.
    pub async fn look(&self, id: &HsmId) {
        if let Some(hsm) = self.remote(id) {
            hsm.look().await;
        }
    }

    /// Fits an HSM on another host with what it shall have.
    pub async fn fit_placed(&self, id: &HsmId) {
        if let Some(hsm) = self.remote(id) {
            hsm.fit().await;
        }
    }

    /// Rule HOST-12: a fault that reaches into an HSM does not reach into another host.
    ///
    /// # Errors
    /// When it runs on another host, which `what` could not be done for.
    pub fn within_reach(&self, id: &HsmId, what: &str) -> Result<(), FleetError> {
        self.reach(id, what).map(drop)
    }

    pub(crate) fn reach(&self, id: &HsmId, what: &str) -> Result<Arc<LocalHsm>, FleetError> {
        match self.seat(id) {
            Seat::Local(hsm) => Ok(hsm),
            Seat::Remote(_) => Err(FleetError::of(id, what, "it runs on another host")),
        }
    }

    /// Damages every record on the disk of an HSM and leaves it down: it cannot be started again.
    ///
    /// # Errors
    /// When its disk cannot be written, or is on another host.
    pub async fn corrupt(&self, id: &HsmId) -> Result<(), FleetError> {
        let hsm = self.reach(id, "its disk cannot be damaged")?;
        hsm.corrupt().await
    }

    /// Undoes what [`corrupt`](Self::corrupt) did, if it did. The HSM stays down.
    ///
    /// # Errors
    /// When its disk cannot be written, or is on another host.
    pub async fn repair(&self, id: &HsmId) -> Result<(), FleetError> {
        let hsm = self.reach(id, "its disk cannot be repaired")?;
        hsm.repair().await
    }

    /// A crypto user of an HSM that is up, for faults.
    ///
    /// # Errors
    /// When the HSM is down, or on another host.
    pub fn crypto_user(&self, id: &HsmId, username: &str) -> Result<CryptoUser, FleetError> {
        let hsm = self.reach(id, &cannot(username))?;
        hsm.crypto_user(username)
    }
}
