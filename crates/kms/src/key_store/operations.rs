//! The six operations, and the connect and disconnect that they start.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use portcullis_api::kms::{
    ConnectCustomKeyStoreRequest, ConnectCustomKeyStoreResponse, CreateCustomKeyStoreRequest,
    CreateCustomKeyStoreResponse, DeleteCustomKeyStoreRequest, DeleteCustomKeyStoreResponse,
    DescribeCustomKeyStoresRequest, DescribeCustomKeyStoresResponse,
    DisconnectCustomKeyStoreRequest, DisconnectCustomKeyStoreResponse, UpdateCustomKeyStoreRequest,
    UpdateCustomKeyStoreResponse,
};
use portcullis_api::{Exception, HsmId, KeyStoreId, Scope};
use portcullis_cloudhsm::{ClusterView, NetworkTrouble, StateChange};
use portcullis_hsm::{Epoch, Refusal, Secret};
use portcullis_link::{CallError, Target, pem_to_der};
use portcullis_seam::plant::{Bug, planted};
use portcullis_seam::{Entropy, draw};
use portcullis_store::{Expect, Transaction};
use tokio::sync::MutexGuard;
use zeroize::Zeroizing;

use super::connection::LiveConnection;
use super::driver::KeyStore;
use super::login::Member;
use super::record::{KeyStoreRecord, OLDER_MAX, Passwords};
use super::{
    Connection, ConnectionError, Event, connect, create, delete, describe, disconnect, next, update,
};
use crate::catalogue::Partition;
use crate::kms::{Kms, encode};
use crate::paging::{Asked, page};
use crate::shared::{ATTEMPTS_MAX, is_overtaken, overtaken};
use crate::translate;

/// Logging out is best effort: the gate is down and the fence raised where it could be.
const LOG_OUT_DEADLINE: Duration = Duration::from_secs(3);

/// How often HSMs without a session are tried again.
const MAINTENANCE_INTERVAL: Duration = Duration::from_millis(500);

impl Kms {
    /// CreateCustomKeyStore.
    ///
    /// # Errors
    /// As the operation declares; see `create::decide` for the order of checks.
    pub async fn create_custom_key_store(
        &self,
        scope: &Scope,
        input: CreateCustomKeyStoreRequest,
    ) -> Result<CreateCustomKeyStoreResponse, Exception> {
        let id = KeyStoreId::from_random(draw(&*self.config.entropy));
        self.create_custom_key_store_as(scope, id, input).await
    }

    /// CreateCustomKeyStore with an ID of the caller's: for worlds.
    ///
    /// # Errors
    /// As CreateCustomKeyStore.
    pub async fn create_custom_key_store_as(
        &self,
        scope: &Scope,
        id: KeyStoreId,
        input: CreateCustomKeyStoreRequest,
    ) -> Result<CreateCustomKeyStoreResponse, Exception> {
        let wanted = create::Wanted::parse(&input)?;
        let password = Secret::new(
            input
                .key_store_password
                .as_ref()
                .map_or("", portcullis_api::SecretText::reveal),
        );
        let partition = self.partition(scope);
        let _changing = partition.control.lock().await;
        let stores = records(&partition);
        let same_password = |store: &KeyStoreRecord| {
            self.unseal(&store.passwords.current)
                .is_ok_and(|known| known.reveal() == password.reveal())
        };
        let world = create::World {
            stores: &stores,
            cluster: self.config.clusters.cluster(scope, &wanted.cluster),
            same_password: &same_password,
        };
        let id = match create::decide(&wanted, &world)? {
            create::Decision::Exists(existing) => existing,
            create::Decision::Create(certificate) => {
                let sealed = self.seal(password.reveal());
                let now = self.now_ms();
                let record = create::record(id.clone(), wanted, certificate, sealed, now);
                let key = KeyStore::record_key(scope, &id);
                let put = Transaction::new()
                    .expect(&*key, Expect::Absent)
                    .put(&*key, encode(&record));
                let revision = self.commit(put).await?;
                let store = KeyStore::new(scope.clone(), record, revision);
                partition.stores.write().insert(id.clone(), Arc::new(store));
                id
            }
        };
        Ok(CreateCustomKeyStoreResponse {
            custom_key_store_id: Some(id.to_string()),
        })
    }

    /// ConnectCustomKeyStore: accepts, and connects on its own.
    ///
    /// # Errors
    /// As the operation declares; see `connect::decide` for the order of checks.
    pub async fn connect_custom_key_store(
        self: &Arc<Self>,
        scope: &Scope,
        input: ConnectCustomKeyStoreRequest,
    ) -> Result<ConnectCustomKeyStoreResponse, Exception> {
        let partition = self.partition(scope);
        let _changing = partition.control.lock().await;
        let store = find(&partition, &input.custom_key_store_id)?;
        let mut record = store.record();
        let cluster = self.config.clusters.cluster(scope, &record.cluster);
        match connect::decide(&record, cluster.as_deref())? {
            connect::Decision::Already => {}
            connect::Decision::Start(to) => {
                record.epoch = record.next_epoch(self.now_ms());
                record.connection = to;
                let epoch = record.epoch;
                self.put_store(&store, record).await?;
                store.gate.close(epoch);
                self.start_connecting(&partition, &store, epoch);
            }
        }
        Ok(ConnectCustomKeyStoreResponse {})
    }

    /// DisconnectCustomKeyStore: from its return on, no operation passes.
    ///
    /// # Errors
    /// As the operation declares.
    pub async fn disconnect_custom_key_store(
        self: &Arc<Self>,
        scope: &Scope,
        input: DisconnectCustomKeyStoreRequest,
    ) -> Result<DisconnectCustomKeyStoreResponse, Exception> {
        let partition = self.partition(scope);
        let _changing = partition.control.lock().await;
        let store = find(&partition, &input.custom_key_store_id)?;
        let mut record = store.record();
        record.connection = disconnect::decide(&record)?;
        record.epoch = record.next_epoch(self.now_ms());
        let epoch = record.epoch;
        // Rule GATE-03: the gate is down before the disconnect is acknowledged, and before it is
        // written: after a crash nothing is connected anyway.
        let live = if planted(Bug::DisconnectAcknowledgedEarly) {
            store.live.load_full()
        } else {
            store.take_down(epoch)
        };
        self.put_store(&store, record).await?;
        self.start_disconnecting(&partition, &store, live, epoch);
        Ok(DisconnectCustomKeyStoreResponse {})
    }

    /// UpdateCustomKeyStore.
    ///
    /// # Errors
    /// As the operation declares; see `update::decide` for the order of checks.
    pub async fn update_custom_key_store(
        &self,
        scope: &Scope,
        input: UpdateCustomKeyStoreRequest,
    ) -> Result<UpdateCustomKeyStoreResponse, Exception> {
        let partition = self.partition(scope);
        let changing = partition.control.lock().await;
        let store = find(&partition, &input.custom_key_store_id)?;
        let edit = update::Edit::parse(&input)?;
        let mut record = store.record();
        let _changing = if planted(Bug::RevisionNotCompared) {
            drop(changing);
            tokio::time::sleep(Duration::from_millis(20)).await;
            None
        } else {
            Some(changing)
        };
        let others: Vec<_> = records(&partition)
            .into_iter()
            .filter(|other| other.id != record.id)
            .collect();
        let cluster = edit.cluster.as_ref();
        let cluster = cluster.and_then(|id| self.config.clusters.cluster(scope, id));
        update::decide(
            &edit,
            &update::World {
                store: &record,
                others: &others,
                cluster: cluster.clone(),
                rename_while_connected: self.config.rename_while_connected,
            },
        )?;
        if record.connection == Connection::Disconnected {
            record.epoch = record.next_epoch(self.now_ms());
            store.gate.close(record.epoch);
        }
        if let Some(name) = edit.name {
            record.name = name;
        }
        if let Some(id) = edit.cluster
            && !planted(Bug::OldClusterKept)
        {
            record.cluster = id;
            if let Some(certificate) = cluster.and_then(|view| view.certificate.clone()) {
                record.certificate = certificate;
            }
        }
        if let Some(password) = &input.key_store_password {
            record.passwords.current = self.seal(password.reveal());
            record.passwords.rotating = None;
            record.passwords.previous = None;
            record.passwords.older.clear();
        }
        self.put_store(&store, record).await?;
        Ok(UpdateCustomKeyStoreResponse {})
    }

    /// DeleteCustomKeyStore. The cluster, its users and its keys stay as they are.
    ///
    /// # Errors
    /// As the operation declares.
    pub async fn delete_custom_key_store(
        &self,
        scope: &Scope,
        input: DeleteCustomKeyStoreRequest,
    ) -> Result<DeleteCustomKeyStoreResponse, Exception> {
        let partition = self.partition(scope);
        let _changing = partition.control.lock().await;
        let store = find(&partition, &input.custom_key_store_id)?;
        let keys = partition.keys.iter();
        let keys = keys
            .filter(|key| key.record.store_id() == Some(&store.id))
            .count();
        delete::decide(&store.record(), keys)?;
        let key = KeyStore::record_key(scope, &store.id);
        let expect = Expect::Revision(store.revision());
        self.commit(Transaction::new().expect(&*key, expect).delete(&*key))
            .await?;
        partition.stores.write().remove(&store.id);
        Ok(DeleteCustomKeyStoreResponse {})
    }

    /// DescribeCustomKeyStores.
    ///
    /// # Errors
    /// As the operation declares.
    pub async fn describe_custom_key_stores(
        &self,
        scope: &Scope,
        input: DescribeCustomKeyStoresRequest,
    ) -> Result<DescribeCustomKeyStoresResponse, Exception> {
        let partition = self.partition(scope);
        self.end_described(&partition).await;
        let stores = describe::select(&input, records(&partition))?;
        let asked = Asked {
            limit: input.limit,
            marker: input.marker.as_deref(),
            default: 1000,
            max: 1000,
        };
        let page = page(stores, asked, |store| store.id.to_string())?;
        self.count_described(&partition, page.items.iter().map(|store| &store.id));
        Ok(DescribeCustomKeyStoresResponse {
            custom_key_stores: Some(page.items.iter().map(describe::entry).collect()),
            truncated: Some(page.next_marker.is_some()),
            next_marker: page.next_marker,
        })
    }

    fn start_connecting(
        self: &Arc<Self>,
        partition: &Arc<Partition>,
        store: &Arc<KeyStore>,
        epoch: Epoch,
    ) {
        let (kms, partition, store) = (Arc::clone(self), Arc::clone(partition), Arc::clone(store));
        let turn = self.begin(&store, StateChange::Connect);
        tokio::spawn(async move {
            let work = async {
                kms.await_turn(&turn).await;
                if store.record().epoch == epoch {
                    let outcome = kms.establish(&partition, &store, epoch).await;
                    kms.finish_connecting(&partition, &store, outcome, epoch)
                        .await;
                }
            };
            kms.drive(&store, epoch, work).await;
            turn.finish();
        });
    }

    pub(super) fn start_disconnecting(
        self: &Arc<Self>,
        partition: &Arc<Partition>,
        store: &Arc<KeyStore>,
        live: Option<Arc<LiveConnection>>,
        epoch: Epoch,
    ) {
        let (kms, partition, store) = (Arc::clone(self), Arc::clone(partition), Arc::clone(store));
        let turn = self.begin(&store, StateChange::Disconnect);
        tokio::spawn(async move {
            let work = async {
                leave(&store, live, epoch).await;
                kms.await_turn(&turn).await;
                kms.finish_disconnecting(&partition, &store, epoch).await;
            };
            kms.drive(&store, epoch, work).await;
            turn.finish();
        });
    }

    /// Commits how a connect ended, unless a disconnect came first.
    async fn finish_connecting(
        self: &Arc<Self>,
        partition: &Arc<Partition>,
        store: &Arc<KeyStore>,
        outcome: Result<Arc<LiveConnection>, ConnectionError>,
        epoch: Epoch,
    ) {
        let event = match &outcome {
            Ok(_) => Event::ConnectSucceeded,
            Err(error) => Event::ConnectFailed(*error),
        };
        let ended = |record: &mut KeyStoreRecord| {
            let permitted = if planted(Bug::LateConnectOpensGate) {
                next(Connection::Connecting, event)
            } else {
                next(record.connection, event).filter(|_| record.epoch == epoch)
            };
            let (to, _actions) = permitted?;
            record.connection = to;
            Some(())
        };
        let _changing = match self.amend(partition, store, ended).await {
            Ok(Some(changing)) => changing,
            Ok(None) => {
                if let Ok(live) = outcome {
                    live.log_out(store.record().epoch).await;
                }
                return;
            }
            Err(exception) => {
                tracing::error!(%exception, key_store = %store.id, "the connect is not recorded");
                return;
            }
        };
        match outcome {
            Ok(live) => {
                store.live.store(Some(Arc::clone(&live)));
                // Rule GATE-04: the gate opens only when the connection is recorded.
                store.gate.open(epoch);
                self.maintain(store, &live);
                tracing::info!(key_store = %store.id, "connected");
            }
            Err(error) => {
                tracing::warn!(key_store = %store.id, code = error.name(), "connect failed");
            }
        }
    }

    /// The pipeline of a connect: cluster, network, login on every HSM, rotation of the password.
    ///
    /// Rule KS-60: its steps are in this order, each with its own error code.
    async fn establish(
        &self,
        partition: &Partition,
        store: &KeyStore,
        epoch: Epoch,
    ) -> Result<Arc<LiveConnection>, ConnectionError> {
        let record = store.record();
        let cluster = self.config.clusters.cluster(&store.scope, &record.cluster);
        let cluster = cluster.ok_or(ConnectionError::ClusterNotFound)?;
        if cluster.active_hsms().next().is_none() {
            return Err(ConnectionError::InsufficientCloudHsmHsms);
        }
        match &cluster.network_trouble {
            Some(NetworkTrouble::SubnetNotFound(_)) => return Err(ConnectionError::SubnetNotFound),
            Some(NetworkTrouble::NoFreeAddress(_)) => {
                return Err(ConnectionError::InsufficientFreeAddressesInSubnet);
            }
            Some(NetworkTrouble::SecurityGroupChanged) => {
                return Err(ConnectionError::NetworkErrors);
            }
            None => {}
        }
        let known = self.known_passwords(&record)?;
        let members = self.members(&record, &cluster, &[]);
        let tried: Vec<&Secret> = known.iter().collect();
        let used = log_in_everywhere(&members, &tried, store, epoch).await?;
        let unfinished = self.unseal_password(record.passwords.rotating.as_ref())?;
        let attempt = Attempt {
            partition,
            store,
            epoch,
        };
        // Rule KS-64: a rotation that was cut short is finished with its own password: some HSMs
        // have it, and however often that happens there is no third one to remember.
        let fresh = unfinished.unwrap_or_else(|| random_password(&*self.config.entropy));
        let mut before = known;
        if used < before.len() {
            before.swap(0, used);
        }
        before.retain(|it| it.reveal() != fresh.reveal());
        let passwords = Rotated { fresh, before };
        let Rotated { fresh, before } = self.rotate(&attempt, &members, passwords).await?;
        Ok(Arc::new(LiveConnection::new(
            store.fence(epoch),
            members,
            fresh,
            before,
        )))
    }

    /// Every password of `kmsuser` that an HSM may have, the present one first.
    pub(super) fn known_passwords(
        &self,
        record: &KeyStoreRecord,
    ) -> Result<Vec<Secret>, ConnectionError> {
        let known = record.passwords.known().map(|sealed| self.unseal(sealed));
        known.collect::<Result<_, _>>().map_err(|error| {
            tracing::error!(%error, "a stored kmsuser password cannot be read");
            ConnectionError::InternalError
        })
    }

    fn unseal_password(&self, sealed: Option<&Vec<u8>>) -> Result<Option<Secret>, ConnectionError> {
        let opened = sealed.map(|sealed| self.unseal(sealed)).transpose();
        opened.map_err(|error| {
            tracing::error!(%error, "a stored kmsuser password cannot be read");
            ConnectionError::InternalError
        })
    }

    /// The members of a connection: those there are already, and new channels to the others.
    fn members(
        &self,
        record: &KeyStoreRecord,
        cluster: &ClusterView,
        present: &[Arc<Member>],
    ) -> Vec<Arc<Member>> {
        let anchor = pem_to_der(&record.trust_anchor).unwrap_or_default();
        let certificate = cluster.certificate.as_deref().map(pem_to_der);
        let certificate = certificate.and_then(Result::ok).unwrap_or_default();
        let known: BTreeMap<&HsmId, &Arc<Member>> =
            present.iter().map(|member| (&member.hsm, member)).collect();
        let member = |hsm: &portcullis_cloudhsm::HsmView| {
            // Rule HOST-06: an HSM that came back may listen elsewhere.
            let stays = |member: &&&Arc<Member>| hsm.address.is_none_or(|at| at == member.address);
            if let Some(member) = known.get(&hsm.id).filter(stays) {
                return Some(Arc::clone(member));
            }
            let address = hsm.address?;
            let channel = self.config.transport.dial(Target {
                name: hsm.id.to_string(),
                address,
                trust_anchor: anchor.clone(),
                cluster_certificate: certificate.clone(),
            });
            let zone = hsm.availability_zone.clone();
            Some(Arc::new(Member::new(
                hsm.id.clone(),
                zone,
                address,
                channel,
                self.holder,
            )))
        };
        cluster.active_hsms().filter_map(member).collect()
    }

    /// Rule KS-61: a connect changes `kmsuser`'s password to a random one on every HSM that is
    /// logged in. The new one is recorded before the first HSM hears of it.
    ///
    /// Rule KS-63: every password that an HSM may still have stays known, whatever interrupts the
    /// rotation and whichever HSMs it does not reach: `before` has them, the likeliest first.
    async fn rotate(
        &self,
        attempt: &Attempt<'_>,
        members: &[Arc<Member>],
        passwords: Rotated,
    ) -> Result<Rotated, ConnectionError> {
        let Rotated { fresh, mut before } = passwords;
        let sealed = self.seal(fresh.reveal());
        let older: Vec<Vec<u8>> = before.iter().map(|it| self.seal(it.reveal())).collect();
        if planted(Bug::PasswordLogged) {
            tracing::debug!(password = fresh.reveal(), "rotating");
        }
        if !planted(Bug::RotationNotRecorded) {
            self.record_passwords(attempt, |record| {
                record.passwords = Passwords::rotating(&older, sealed.clone());
            })
            .await?;
        }
        let mut changed = 0;
        for member in members.iter().filter(|member| member.session().is_some()) {
            match member.change_password(&fresh).await {
                Ok(()) => changed += 1,
                Err(error) => tracing::warn!(hsm = %member.hsm, %error, "password not rotated"),
            }
        }
        if changed == 0 {
            return Err(ConnectionError::InternalError);
        }
        // An HSM that is being made from another's content has what was replaced, even if every
        // one that is there has heard.
        let kept = if changed == members.len() {
            1
        } else {
            1 + OLDER_MAX
        };
        before.truncate(kept);
        let older: Vec<Vec<u8>> = older.into_iter().take(kept).collect();
        self.record_passwords(attempt, |record| {
            record.passwords = Passwords::rotated(sealed.clone(), &older);
        })
        .await?;
        Ok(Rotated { fresh, before })
    }

    /// Records a step of the rotation, unless the connect was overtaken.
    async fn record_passwords(
        &self,
        attempt: &Attempt<'_>,
        edit: impl Fn(&mut KeyStoreRecord),
    ) -> Result<(), ConnectionError> {
        let step = |record: &mut KeyStoreRecord| {
            // Overtaken by a disconnect, an edit or another connect. What was recorded before the
            // first HSM heard is enough to log in everywhere, and whoever came later knows it.
            if record.epoch != attempt.epoch && !planted(Bug::OvertakenConnectRotates) {
                return None;
            }
            edit(record);
            Some(())
        };
        match self.amend(attempt.partition, attempt.store, step).await {
            Ok(Some(_changing)) => Ok(()),
            Ok(None) => Err(ConnectionError::InternalError),
            Err(exception) => {
                tracing::error!(%exception, "the rotation is not recorded");
                Err(ConnectionError::InternalError)
            }
        }
    }

    async fn finish_disconnecting(&self, partition: &Partition, store: &KeyStore, epoch: Epoch) {
        let ended = |record: &mut KeyStoreRecord| {
            let permitted = next(record.connection, Event::DisconnectFinished);
            let (to, _actions) = permitted.filter(|_| record.epoch == epoch)?;
            record.connection = to;
            Some(())
        };
        if let Err(exception) = self.amend(partition, store, ended).await {
            tracing::error!(%exception, "the disconnect is not recorded");
        }
    }

    /// Commits a store's record with `change` made to it, and makes it again on top of what another
    /// facade has committed first. None when there is nothing to change; otherwise the partition
    /// stays locked until the caller has done what belongs to the change.
    async fn amend<'partition>(
        &self,
        partition: &'partition Partition,
        store: &KeyStore,
        change: impl Fn(&mut KeyStoreRecord) -> Option<()>,
    ) -> Result<Option<MutexGuard<'partition, ()>>, Exception> {
        for _ in 0..ATTEMPTS_MAX {
            let changing = partition.control.lock().await;
            let mut record = store.record();
            if change(&mut record).is_none() {
                return Ok(None);
            }
            match self.put_store(store, record).await {
                Ok(()) => return Ok(Some(changing)),
                Err(exception) if is_overtaken(&exception) => {}
                Err(exception) => return Err(exception),
            }
            drop(changing);
            self.keep_up().await?;
        }
        Err(overtaken())
    }

    /// Takes up after a restart what was CONNECTED, CONNECTING or DISCONNECTING.
    pub(crate) async fn resume(self: &Arc<Self>) {
        for partition in self.catalogue.all() {
            let stores: Vec<_> = partition.stores.read().values().cloned().collect();
            for store in stores {
                if self.shares_store() {
                    // What others have begun is theirs, until they do not go on with it.
                    self.align(&store);
                    continue;
                }
                let record = store.record();
                match record.connection {
                    Connection::Disconnected if planted(Bug::DisconnectedStoreReconnected) => {
                        self.reconnect(&store).await;
                    }
                    Connection::Disconnected | Connection::Failed(_) => {}
                    Connection::Connected => self.reconnect(&store).await,
                    Connection::Connecting => self.connect_again(&partition, &store).await,
                    Connection::Disconnecting => {
                        self.start_disconnecting(&partition, &store, None, record.epoch);
                    }
                }
            }
        }
    }

    /// Begins a connect anew that a restart has cut short: under a new epoch, since HSMs may have
    /// sessions of the old one.
    pub(super) async fn connect_again(
        self: &Arc<Self>,
        partition: &Arc<Partition>,
        store: &Arc<KeyStore>,
    ) {
        let mut record = store.record();
        record.epoch = record.next_epoch(self.now_ms());
        let epoch = record.epoch;
        if let Err(exception) = self.put_store(store, record).await {
            tracing::error!(%exception, key_store = %store.id, "not connected again");
            return;
        }
        store.gate.close(epoch);
        self.start_connecting(partition, store, epoch);
    }

    /// Rule KS-62: a CONNECTED store stays CONNECTED across a restart of the service, under a new
    /// epoch, also while its HSMs cannot be reached.
    async fn reconnect(self: &Arc<Self>, store: &Arc<KeyStore>) {
        let mut record = store.record();
        if !planted(Bug::EpochReused) {
            record.epoch = record.next_epoch(self.now_ms());
        }
        let epoch = record.epoch;
        let Ok(known) = self.known_passwords(&record) else {
            return;
        };
        if let Err(exception) = self.put_store(store, record).await {
            tracing::error!(%exception, key_store = %store.id, "not connected again");
            return;
        }
        let mut known = known.into_iter();
        let Some(current) = known.next() else {
            return;
        };
        let live = LiveConnection::new(store.fence(epoch), Vec::new(), current, known.collect());
        let live = Arc::new(live);
        store.live.store(Some(Arc::clone(&live)));
        self.reconcile(store, &live).await;
        store.gate.open(epoch);
        self.maintain(store, &live);
    }

    /// Follows the cluster for as long as the connection lives: HSMs that come, go, or restart.
    pub(super) fn maintain(self: &Arc<Self>, store: &Arc<KeyStore>, live: &Arc<LiveConnection>) {
        let (kms, store, watched) = (Arc::clone(self), Arc::clone(store), Arc::clone(live));
        let mut changes = self.config.clusters.changes();
        let task = tokio::spawn(async move {
            loop {
                let incomplete = watched
                    .members
                    .load()
                    .iter()
                    .any(|member| member.wants_login());
                tokio::select! {
                    biased;
                    changed = changes.changed() => if changed.is_err() { return },
                    () = watched.nudge.notified() => {}
                    () = tokio::time::sleep(MAINTENANCE_INTERVAL), if incomplete => {}
                }
                kms.reconcile(&store, &watched).await;
            }
        });
        live.maintained_by(task);
    }

    pub(super) async fn reconcile(&self, store: &KeyStore, live: &LiveConnection) {
        let record = store.record();
        let cluster = self.config.clusters.cluster(&store.scope, &record.cluster);
        let present = live.members.load_full();
        let members = cluster.map(|cluster| self.members(&record, &cluster, &present));
        let members = members.unwrap_or_default();
        live.members.store(Arc::new(members.clone()));
        for member in members.iter().filter(|member| member.wants_login()) {
            if let Err(error) = join(member, live).await {
                tracing::debug!(hsm = %member.hsm, %error, "not logged in yet");
            }
        }
    }
}

/// Logs out on the HSMs, as far as they hear of it.
pub(super) async fn leave(store: &KeyStore, live: Option<Arc<LiveConnection>>, epoch: Epoch) {
    if planted(Bug::DisconnectAcknowledgedEarly) {
        tokio::time::sleep(MAINTENANCE_INTERVAL).await;
        store.take_down(epoch);
    }
    if let Some(live) = live {
        let left = tokio::time::timeout(LOG_OUT_DEADLINE, live.log_out(epoch)).await;
        if left.is_err() {
            tracing::warn!(key_store = %store.id, "not every HSM heard of the disconnect");
        }
    }
}

/// A connect on its way.
struct Attempt<'a> {
    partition: &'a Partition,
    store: &'a KeyStore,
    epoch: Epoch,
}

/// The password that a rotation gives to every HSM, and those that an HSM may still have.
struct Rotated {
    fresh: Secret,
    before: Vec<Secret>,
}

/// Logs in on an HSM that came later, and gives it the present password if it has the last one.
async fn join(member: &Member, live: &LiveConnection) -> Result<(), CallError> {
    let known: Vec<&Secret> = std::iter::once(&live.current)
        .chain(&live.previous)
        .collect();
    let used = member.log_in(&known, live.fence, false).await?;
    if used > 0 {
        member.change_password(&live.current).await?;
    }
    Ok(())
}

/// Logs in on every HSM. One that cannot be reached is passed over as long as another can; one that
/// refuses ends the attempt. Gives the index of the password that was right.
async fn log_in_everywhere(
    members: &[Arc<Member>],
    known: &[&Secret],
    store: &KeyStore,
    epoch: Epoch,
) -> Result<usize, ConnectionError> {
    let mut used = None;
    let mut unreachable = ConnectionError::NetworkErrors;
    for member in members {
        match member.log_in(known, store.fence(epoch), true).await {
            Ok(index) => used = used.max(Some(index)),
            Err(error @ CallError::Link(_)) => {
                tracing::debug!(hsm = %member.hsm, %error, "not reached");
                unreachable = translate::login(&error);
            }
            Err(error @ CallError::Refused(_)) => {
                let code = translate::login(&error);
                tracing::debug!(hsm = %member.hsm, %error, "login refused");
                let logged_in = LiveConnection::new(
                    store.fence(epoch),
                    members.to_vec(),
                    Secret::new(""),
                    Vec::new(),
                );
                logged_in.log_out(epoch).await;
                return Err(if error == CallError::Refused(Refusal::Fenced) {
                    ConnectionError::InternalError
                } else {
                    code
                });
            }
        }
    }
    used.ok_or(unreachable)
}

/// The letters and digits of a rotated password: 64, so that six random bits choose one evenly
/// but for the two that stand twice.
const PASSWORD_ALPHABET: &[u8; 64] =
    b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789AB";

/// A password that only KMS knows: 32 letters and digits, some 190 bits.
fn random_password(entropy: &dyn Entropy) -> Secret {
    let bytes: Zeroizing<[u8; 32]> = Zeroizing::new(draw(entropy));
    let letter = |byte: &u8| PASSWORD_ALPHABET.get(usize::from(byte & 63)).copied();
    Secret::new(
        bytes
            .iter()
            .filter_map(letter)
            .map(char::from)
            .collect::<String>(),
    )
}

fn records(partition: &Partition) -> Vec<KeyStoreRecord> {
    partition
        .stores
        .read()
        .values()
        .map(|store| store.record())
        .collect()
}

/// The key store with this ID.
pub(crate) fn find(partition: &Partition, id: &str) -> Result<Arc<KeyStore>, Exception> {
    partition.store(id).ok_or_else(|| describe::not_found(id))
}
