//! Connects and disconnects on their way, and the connections that stand.

use std::sync::Arc;
use std::time::Duration;

use portcullis_api::{Code, Exception};
use portcullis_hsm::{Epoch, Secret};
use portcullis_link::CallError;
use portcullis_seam::plant::{self, Bug, planted};
use tokio::sync::MutexGuard;
use tokio::time::sleep;

use super::KeyStores;
use super::connection::LiveConnection;
use super::driver::KeyStore;
use super::login::Member;
use super::record::{ConnectionStep, KeyStoreRecord};
use super::{Action, Connection, ConnectionError, ConnectionEvent, connect, disconnect, pace};
use crate::catalogue::Partition;
use crate::records::overtaken;
use crate::shared::{ATTEMPTS_MAX, drive};
use crate::state_change::StateChange;

/// Logging out is best effort: the gate is down and the fence raised where it could be.
const LOG_OUT_DEADLINE: Duration = Duration::from_secs(3);

/// How often HSMs without a session are tried again.
const MAINTENANCE_INTERVAL: Duration = Duration::from_millis(500);

/// How often a change that is under way looks for room on a full disk.
const ROOM_INTERVAL: Duration = Duration::from_secs(1);

impl KeyStores {
    /// Commits a step of a store's connection, and does what its row of the lifecycle says.
    ///
    /// Rule GATE-03: the gate is down before a disconnect is acknowledged, and before it is written:
    /// after a crash nothing is connected anyway.
    pub(super) async fn take(
        self: &Arc<Self>,
        partition: &Arc<Partition>,
        store: &Arc<KeyStore>,
        step: ConnectionStep,
    ) -> Result<(), Exception> {
        let closes = step.closes_gate();
        let live = if closes && planted(Bug::DisconnectAcknowledgedEarly) {
            store.live.load_full()
        } else if closes {
            store.take_down(step.record.epoch)
        } else {
            None
        };
        if let Err(exception) = self.put_store(store, step.record).await {
            self.put_back(store, live, &exception);
            return Err(exception);
        }
        self.carry_out(partition, store, step.actions, live.as_ref());
        Ok(())
    }

    /// Rule SHARE-08: another facade has committed something first. Rule ST-24: or there was no room.
    /// The connection is whole, for the next attempt to end it on every HSM.
    fn put_back(
        self: &Arc<Self>,
        store: &Arc<KeyStore>,
        live: Option<Arc<LiveConnection>>,
        exception: &Exception,
    ) {
        let overtaken = exception.overtaken && !planted(Bug::DisconnectLosesSessions);
        let refused = exception.code == Code::ServiceUnavailable
            && !planted(Bug::RefusedDisconnectClosesGate);
        if let Some(live) = live.filter(|_| overtaken || refused) {
            let stands = live.fence.epoch;
            self.maintain(store, &live);
            store.live.store(Some(live));
            store.gate.open(stands);
        }
    }

    /// Does what a row of the lifecycle says, now that it is committed, with the connection that it
    /// begins or ends.
    fn carry_out(
        self: &Arc<Self>,
        partition: &Arc<Partition>,
        store: &Arc<KeyStore>,
        actions: &[Action],
        live: Option<&Arc<LiveConnection>>,
    ) {
        let epoch = store.epoch();
        for action in actions {
            match (action, live) {
                // Before the commit.
                (Action::CloseGate, _) => {}
                (Action::StartConnecting, _) => self.start_connecting(partition, store, epoch),
                (Action::OpenGate, Some(live)) => {
                    store.live.store(Some(Arc::clone(live)));
                    // Rule GATE-04: the gate opens only when the connection is recorded.
                    store.gate.open(live.fence.epoch);
                    self.maintain(store, live);
                }
                // Nothing is opened without a connection.
                (Action::OpenGate, None) => {}
                (Action::StartDisconnecting, _) => {
                    self.start_disconnecting(partition, store, live.cloned(), epoch);
                }
            }
        }
    }

    fn start_connecting(
        self: &Arc<Self>,
        partition: &Arc<Partition>,
        store: &Arc<KeyStore>,
        epoch: Epoch,
    ) {
        store.gate.close(epoch);
        let (kms, partition, store) = (Arc::clone(self), Arc::clone(partition), Arc::clone(store));
        let turn = pace::begin(&self.records.config, &store, StateChange::Connect);
        tokio::spawn(async move {
            let work = async {
                pace::await_turn(&kms.records.config, &turn).await;
                if store.record().epoch == epoch {
                    let outcome = kms.establish(&partition, &store, epoch).await;
                    kms.finish_connecting(&partition, &store, outcome, epoch)
                        .await;
                }
            };
            drive(&kms.records, &store, epoch, work).await;
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
        let turn = pace::begin(&self.records.config, &store, StateChange::Disconnect);
        tokio::spawn(async move {
            let work = async {
                leave(&store, live, epoch).await;
                pace::await_turn(&kms.records.config, &turn).await;
                kms.finish_disconnecting(&partition, &store, epoch).await;
            };
            drive(&kms.records, &store, epoch, work).await;
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
            Ok(_) => ConnectionEvent::ConnectSucceeded,
            Err(error) => ConnectionEvent::ConnectFailed(*error),
        };
        let ended = |record: &mut KeyStoreRecord| connect::ended(record, event, epoch);
        let (_changing, actions) = match self.amend(partition, store, ended).await {
            Ok(Some(changed)) => changed,
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
                self.carry_out(partition, store, actions, Some(&live));
                tracing::info!(key_store = %store.id, "connected");
            }
            Err(error) => {
                self.carry_out(partition, store, actions, None);
                tracing::warn!(key_store = %store.id, code = error.name(), "connect failed");
            }
        }
    }

    async fn finish_disconnecting(
        self: &Arc<Self>,
        partition: &Arc<Partition>,
        store: &Arc<KeyStore>,
        epoch: Epoch,
    ) {
        let ended = |record: &mut KeyStoreRecord| disconnect::ended(record, epoch);
        match self.amend(partition, store, ended).await {
            Ok(Some((_changing, actions))) => self.carry_out(partition, store, actions, None),
            Ok(None) => {}
            Err(exception) => tracing::error!(%exception, "the disconnect is not recorded"),
        }
    }

    /// Commits a store's record with `change` made to it, and makes it again on top of what another
    /// facade has committed first. None when there is nothing to change; otherwise the partition
    /// stays locked until the caller has done what belongs to the change.
    pub(super) async fn amend<'partition, T>(
        &self,
        partition: &'partition Partition,
        store: &KeyStore,
        change: impl Fn(&mut KeyStoreRecord) -> Option<T>,
    ) -> Result<Option<(MutexGuard<'partition, ()>, T)>, Exception> {
        let mut attempts = 0;
        while attempts < ATTEMPTS_MAX {
            let changing = partition.control.lock().await;
            let mut record = store.record();
            let Some(changed) = change(&mut record) else {
                return Ok(None);
            };
            match self.put_store(store, record).await {
                Ok(()) => return Ok(Some((changing, changed))),
                Err(exception) if exception.overtaken => attempts += 1,
                // Rule ST-25: what was begun is finished when there is room.
                Err(exception) if exception.code == Code::ServiceUnavailable => {
                    drop(changing);
                    sleep(ROOM_INTERVAL).await;
                    continue;
                }
                Err(exception) => return Err(exception),
            }
            drop(changing);
            self.keep_up().await?;
        }
        Err(overtaken())
    }

    /// Takes up after a restart what was CONNECTED, CONNECTING or DISCONNECTING.
    pub(crate) async fn resume(self: &Arc<Self>) {
        for partition in self.records.catalogue.all() {
            let stores: Vec<_> = partition.stores.read().values().cloned().collect();
            for store in stores {
                if self.records.shares_store() {
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

    /// Rule ST-25: takes up when there is room what a restart on a full disk could not, unless it was
    /// changed before.
    fn take_up_later(self: &Arc<Self>, store: &Arc<KeyStore>) {
        let (kms, store) = (Arc::clone(self), Arc::clone(store));
        let revision = store.revision();
        tokio::spawn(async move {
            sleep(ROOM_INTERVAL).await;
            while kms.records.check_storage().is_err() {
                sleep(ROOM_INTERVAL).await;
            }
            let Some(partition) = kms.records.catalogue.existing(&store.scope) else {
                return;
            };
            let _changing = partition.control.lock().await;
            if store.revision() != revision {
                return;
            }
            match store.record().connection {
                Connection::Connected => kms.reconnect(&store).await,
                Connection::Connecting => kms.connect_again(&partition, &store).await,
                Connection::Disconnected | Connection::Disconnecting | Connection::Failed(_) => {}
            }
        });
    }

    /// Begins a connect anew that a restart has cut short: under a new epoch, since HSMs may have
    /// sessions of the old one.
    pub(super) async fn connect_again(
        self: &Arc<Self>,
        partition: &Arc<Partition>,
        store: &Arc<KeyStore>,
    ) {
        let mut record = store.record();
        record.epoch = record.next_epoch(self.records.now_ms());
        let epoch = record.epoch;
        if let Err(exception) = self.put_store(store, record).await {
            tracing::error!(%exception, key_store = %store.id, "not connected again");
            if exception.code == Code::ServiceUnavailable {
                self.take_up_later(store);
            }
            return;
        }
        self.start_connecting(partition, store, epoch);
    }

    /// Rule KS-62: a CONNECTED store stays CONNECTED across a restart of the service, under a new
    /// epoch, also while its HSMs cannot be reached.
    async fn reconnect(self: &Arc<Self>, store: &Arc<KeyStore>) {
        let mut record = store.record();
        if !planted(Bug::EpochReused) {
            record.epoch = record.next_epoch(self.records.now_ms());
        }
        let epoch = record.epoch;
        let Ok((current, previous)) = self.present_password(&record) else {
            return;
        };
        if let Err(exception) = self.put_store(store, record).await {
            tracing::error!(%exception, key_store = %store.id, "not connected again");
            if exception.code == Code::ServiceUnavailable {
                self.take_up_later(store);
            }
            return;
        }
        let changes = self.records.config.clusters.changes();
        let live = LiveConnection::new(store.fence(epoch), Vec::new(), current, previous, changes);
        let live = Arc::new(live);
        store.live.store(Some(Arc::clone(&live)));
        self.reconcile(store, &live).await;
        store.gate.open(epoch);
        self.maintain(store, &live);
    }

    /// Follows the cluster for as long as the connection lives: HSMs that come, go, or restart.
    pub(super) fn maintain(self: &Arc<Self>, store: &Arc<KeyStore>, live: &Arc<LiveConnection>) {
        let (kms, store, watched) = (Arc::clone(self), Arc::clone(store), Arc::clone(live));
        // Rule KS-65: the cluster may have changed since the connect looked at its members.
        let mut changes = live.changes.clone();
        let follows = !planted(Bug::ClusterChangeMissed);
        let task = tokio::spawn(async move {
            loop {
                let incomplete = watched
                    .members
                    .load()
                    .iter()
                    .any(|member| member.wants_login());
                tokio::select! {
                    biased;
                    changed = changes.changed(), if follows => if changed.is_err() { return },
                    () = watched.nudge.notified() => {}
                    () = sleep(MAINTENANCE_INTERVAL), if incomplete => {}
                }
                kms.reconcile(&store, &watched).await;
            }
        });
        live.maintained_by(task);
    }

    pub(super) async fn reconcile(&self, store: &KeyStore, live: &LiveConnection) {
        let lost = live.lost_so_far();
        let record = store.record();
        let cluster = self
            .records
            .config
            .clusters
            .cluster(&store.scope, &record.cluster);
        let present = live.members.load_full();
        let members = cluster.map(|cluster| self.members(&record, &cluster, &present));
        let members = members.unwrap_or_default();
        live.members.store(Arc::new(members.clone()));
        for member in members.iter().filter(|member| member.wants_login()) {
            if let Err(error) = self.join(member, live).await {
                tracing::debug!(hsm = %member.hsm, %error, "not logged in yet");
            }
        }
        live.saw_to(lost);
    }

    /// Logs in on an HSM that came later, and gives it the present password if it has the last one.
    async fn join(&self, member: &Member, live: &LiveConnection) -> Result<(), CallError> {
        let previous = live
            .previous
            .iter()
            .map(|sealed| self.records.unseal(sealed));
        let previous: Vec<Secret> = previous.collect::<Result<_, _>>().unwrap_or_else(|error| {
            tracing::error!(%error, "a former kmsuser password cannot be read");
            Vec::new()
        });
        let known: Vec<&Secret> = std::iter::once(&live.current).chain(&previous).collect();
        let used = member.log_in(&known, live.fence, false).await?;
        if used > 0 {
            member.change_password(&live.current).await?;
        }
        Ok(())
    }
}

/// Logs out on the HSMs, as far as they can be reached.
pub(super) async fn leave(store: &KeyStore, live: Option<Arc<LiveConnection>>, epoch: Epoch) {
    if plant::planted_after(Bug::DisconnectAcknowledgedEarly, MAINTENANCE_INTERVAL).await {
        store.take_down(epoch);
    }
    if let Some(live) = live {
        let left = tokio::time::timeout(LOG_OUT_DEADLINE, live.log_out(epoch)).await;
        if left.is_err() {
            tracing::warn!(key_store = %store.id, "not every HSM heard of the disconnect");
        }
    }
}
