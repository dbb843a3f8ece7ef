use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use portcullis_hsm::{
    Answer, Change, Command, Fingerprint, Hsm, HsmKeyId, Limits, MaskedKey, Refusal, Reply, Role,
};
use portcullis_seam::plant::{Bug, planted};
use portcullis_seam::{JobTerms, WallClock, WorkClass, WorkPool, perform};
use portcullis_store::{StoreError, StoreHealth};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::Capture;
use crate::condition::HsmCondition;
use crate::device::Station;
use crate::disk::{DiskNotes, HsmDisk, Writes, key_of_record};
use crate::rejoin::{stamp, user_of_record};

/// A running HSM: its logic, its own disk, and the order in which commands reach both.
///
/// Management commands are carried out one at a time, each in a task of its own: when the caller that
/// asked stops waiting, what the HSM has changed in memory still reaches the disk.
#[derive(Clone)]
pub(crate) struct Node {
    pub(crate) core: Arc<NodeCore>,
}

pub(crate) struct NodeCore {
    pub(crate) hsm: Arc<Hsm>,
    pub(crate) pool: Arc<dyn WorkPool>,
    pub(crate) condition: Arc<HsmCondition>,
    disk: HsmDisk,
    clock: Arc<dyn WallClock>,
    /// Held while a command is carried out, until it is durable.
    managing: tokio::sync::Mutex<DiskNotes>,
    /// Room for commands that wait for `managing` or hold it.
    commands: Semaphore,
    down: AtomicBool,
    /// Whether it is down since there was no room for what it had done: a restart helps when there is.
    starved: AtomicBool,
    /// The device whose time its work takes, if it is not as fast as the machine.
    station: Mutex<Option<Arc<Station>>>,
    /// Whether there is one: all that a frame asks when there is none.
    metered: AtomicBool,
    /// Where answers wait for their time.
    pub(crate) runtime: Handle,
}

impl Node {
    /// Starts `hsm` over the disk that holds its records.
    pub(crate) fn start(
        hsm: Hsm,
        disk: HsmDisk,
        condition: Arc<HsmCondition>,
        clock: Arc<dyn WallClock>,
        pool: Arc<dyn WorkPool>,
    ) -> Self {
        let core = NodeCore {
            hsm: Arc::new(hsm),
            managing: tokio::sync::Mutex::new(disk.notes()),
            commands: Semaphore::new(COMMANDS_MAX),
            down: AtomicBool::new(false),
            starved: AtomicBool::new(false),
            station: Mutex::default(),
            metered: AtomicBool::new(false),
            runtime: Handle::current(),
            condition,
            disk,
            clock,
            pool,
        };
        Self {
            core: Arc::new(core),
        }
    }

    /// Carries out a command. Durable before it returns, also when the caller stops waiting.
    pub(crate) async fn carry_out(&self, command: Command) -> Result<Reply, Refusal> {
        let core = Arc::clone(&self.core);
        let task = tokio::spawn(async move { core.carry_out(command).await });
        // The task can end without an answer only when the runtime is being shut down.
        task.await.unwrap_or(Err(Refusal::Busy))
    }

    /// Stops answering, and waits until what was begun has reached the disk or failed to.
    pub(crate) async fn stop(&self) {
        self.core.go_down();
        drop(self.core.managing.lock().await);
    }

    /// Stops answering at once, as in a power cut.
    pub(crate) fn cut(&self) {
        self.core.go_down();
    }

    pub(crate) fn is_down(&self) -> bool {
        self.core.is_down()
    }

    /// Whether it went down for want of room, and there is room by now.
    pub(crate) fn can_be_revived(&self) -> bool {
        self.core.starved.load(Ordering::Acquire)
            && self.core.disk.store.health() == StoreHealth::Well
    }

    /// Makes it as slow as a device; as fast as the machine without one.
    pub(crate) fn set_device(&self, station: Option<Station>) {
        let mut present = self.core.station.lock();
        self.core
            .metered
            .store(station.is_some(), Ordering::Release);
        *present = station.map(Arc::new);
    }

    pub(crate) fn set_limits(&self, limits: Limits) {
        self.core.hsm.set_limits(limits);
    }

    pub(crate) fn fingerprint(&self) -> Fingerprint {
        self.core.hsm.fingerprint()
    }

    pub(crate) fn key_revisions(&self) -> Vec<(HsmKeyId, u64)> {
        self.core.hsm.key_revisions()
    }

    pub(crate) fn export(&self, id: HsmKeyId) -> Option<MaskedKey> {
        self.core.hsm.export_masked(id)
    }

    pub(crate) fn identity(&self) -> Option<zeroize::Zeroizing<Vec<u8>>> {
        self.core.hsm.identity()
    }

    /// Whether its first admin has set a password.
    pub(crate) fn is_activated(&self) -> bool {
        match self.core.hsm.manage(Command::ListUsers).result {
            Ok(Reply::Users(users)) => users.iter().any(|user| user.role == Role::Admin),
            Ok(
                Reply::Done
                | Reply::Session(_)
                | Reply::Key(_)
                | Reply::Keys(_)
                | Reply::Wrapped { .. },
            )
            | Err(_) => false,
        }
    }

    /// The keys it notes as deleted on purpose.
    pub(crate) async fn notes(&self) -> DiskNotes {
        self.core.managing.lock().await.clone()
    }

    /// Its content at an instant between two commands.
    pub(crate) async fn capture(&self) -> Capture {
        let notes = self.core.managing.lock().await;
        Capture {
            image: self.core.hsm.image(),
            notes: notes.clone(),
        }
    }

    /// Installs the cluster certificate and private key.
    pub(crate) async fn install(&self, identity: &[u8]) -> Result<(), Refusal> {
        let mut notes = self.core.managing.lock().await;
        let writes = Writes {
            records: self.core.hsm.set_identity(identity),
            ..Writes::default()
        };
        self.core.commit(&mut notes, writes).await
    }

    /// Takes over keys that other HSMs of the cluster have.
    ///
    /// Rule CL-13: a key that was deleted on purpose is not taken over.
    pub(crate) async fn take_over(&self, keys: &[MaskedKey]) -> Result<(), Refusal> {
        let mut notes = self.core.managing.lock().await;
        let mut writes = Writes::default();
        let mut full = Ok(());
        for key in keys {
            let answer = self.core.hsm.import_masked(key);
            let result =
                self.core
                    .undo_revivals(&notes, answer.result, answer.changes, &mut writes);
            match result {
                Ok(_) | Err(Refusal::NoSuchKey) => (),
                Err(refusal) => full = Err(refusal),
            }
        }
        // What was taken over before a refusal is in memory and must be on disk too.
        self.core.commit(&mut notes, writes).await?;
        full
    }

    /// Whether the other HSMs of its cluster cannot keep it in step.
    pub(crate) fn keeps_apart(&self) -> bool {
        self.core.condition.keeps_apart()
    }

    /// Changes its users behind everybody's back, as a fault does, and writes it to the disk.
    pub(crate) async fn tamper(
        &self,
        change: impl FnOnce(&Hsm) -> Result<Vec<Change>, Refusal> + Send,
    ) -> Result<(), Refusal> {
        let mut notes = self.core.managing.lock().await;
        let writes = Writes {
            records: change(&self.core.hsm)?,
            ..Writes::default()
        };
        self.core.commit(&mut notes, writes).await
    }

    /// A user as the disk has it.
    pub(crate) fn user_record(
        &self,
        username: &str,
        role: Role,
    ) -> Option<zeroize::Zeroizing<Vec<u8>>> {
        self.core.hsm.user_record(username, role)
    }

    /// Deletes the keys that another HSM of the cluster notes as deleted.
    pub(crate) async fn delete_keys(&self, deleted: &[HsmKeyId]) -> Result<(), Refusal> {
        let mut notes = self.core.managing.lock().await;
        let mut writes = Writes::default();
        for id in deleted.iter().filter(|id| !notes.deleted.contains(id)) {
            writes.records.extend(self.core.hsm.remove_key(*id));
            writes.notes.deleted.insert(*id);
        }
        self.core.commit(&mut notes, writes).await
    }
}

/// What the service must note beside a command's own changes.
enum Noted {
    Nothing,
    Deleted(HsmKeyId),
    UsersChanged,
}

impl Noted {
    const fn of(command: &Command) -> Self {
        match command {
            Command::DeleteKey { id, .. } => Self::Deleted(*id),
            Command::Activate { .. }
            | Command::CreateUser { .. }
            | Command::ChangePassword { .. }
            | Command::DeleteUser { .. } => Self::UsersChanged,
            Command::Login { .. }
            | Command::Logout { .. }
            | Command::RaiseFence { .. }
            | Command::ListUsers
            | Command::GenerateKey { .. }
            | Command::InsertMasked { .. }
            | Command::Key { .. }
            | Command::ListKeys { .. } => Self::Nothing,
        }
    }
}

/// Commands that one HSM has before it: at some 5 ms a command, more than it gets through while
/// their senders wait.
const COMMANDS_MAX: usize = 1024;

/// The longest that a sender of a command waits: a person, 5 s; KMS waits 2 s.
const COMMAND_PATIENCE: Duration = Duration::from_secs(5);

/// Whether a command may change what is on the disk. A login does: it counts failures and raises
/// the fence.
const fn may_write(command: &Command) -> bool {
    !matches!(
        command,
        Command::Logout { .. } | Command::ListUsers | Command::ListKeys { .. }
    )
}

impl NodeCore {
    pub(crate) fn is_down(&self) -> bool {
        self.down.load(Ordering::Acquire)
    }

    /// The device, if there is one. Rule DEV-04: without one this is a single load.
    pub(crate) fn station(&self) -> Option<Arc<Station>> {
        if !self.metered.load(Ordering::Acquire) {
            return None;
        }
        self.station.lock().clone()
    }

    fn go_down(&self) {
        self.down.store(true, Ordering::Release);
    }

    /// Rule WORK-06: the commands that wait for an HSM are bounded, and one that has waited longer
    /// than its sender is not begun.
    async fn carry_out(&self, command: Command) -> Result<Reply, Refusal> {
        let Ok(_room) = self.commands.try_acquire() else {
            return Err(Refusal::Busy);
        };
        let deadline = Instant::now() + COMMAND_PATIENCE;
        let mut notes = self.managing.lock().await;
        if Instant::now() > deadline {
            return Err(Refusal::Busy);
        }
        if self.is_down() {
            return Err(Refusal::DiskFailed);
        }
        if self.condition.disk_is_full() && may_write(&command) {
            return Err(Refusal::Full);
        }
        if may_write(&command) {
            self.check_writable(&command)?;
        }
        let noted = Noted::of(&command);
        let answer = self.run(command, deadline).await;
        let mut writes = Writes::default();
        let result = self.undo_revivals(&notes, answer.result, answer.changes, &mut writes);
        if result.is_ok() {
            self.note(&noted, &notes, &mut writes);
        }
        // Rule CL-15: an answer leaves only after what it says is on disk.
        if planted(Bug::AcknowledgedBeforeDisk) {
            return result;
        }
        self.commit(&mut notes, writes).await?;
        result
    }

    /// Rule ST-24: what the HSM cannot write it does not do: its memory would be ahead of its disk.
    /// Logins are worth the last of the room: key stores are connected again after a restart.
    fn check_writable(&self, command: &Command) -> Result<(), Refusal> {
        let is_login = matches!(command, Command::Login { .. } | Command::RaiseFence { .. });
        match self.disk.store.health() {
            StoreHealth::Well => Ok(()),
            StoreHealth::Full(_) if is_login && self.disk.store.has_last_room() => Ok(()),
            StoreHealth::Full(_) => Err(Refusal::Full),
            StoreHealth::Vanished(_) | StoreHealth::Failed(_) => Err(Refusal::DiskFailed),
        }
    }

    async fn run(&self, command: Command, deadline: Instant) -> Answer {
        if !command.hashes_password() {
            return self.hsm.manage(command);
        }
        let terms = JobTerms {
            class: WorkClass::Control,
            deadline,
        };
        let hsm = Arc::clone(&self.hsm);
        let managed = perform(&*self.pool, terms, move || hsm.manage(command)).await;
        managed.unwrap_or_else(|why| {
            tracing::warn!(hsm = %self.disk.hsm, %why, "a command was not carried out");
            Answer {
                result: Err(Refusal::Busy),
                changes: Vec::new(),
            }
        })
    }

    /// Moves `changes` to `writes`, except keys that were deleted on purpose: a creation or copy
    /// that comes late must not revive them (rule CL-13).
    fn undo_revivals<T>(
        &self,
        notes: &DiskNotes,
        result: Result<T, Refusal>,
        changes: Vec<Change>,
        writes: &mut Writes,
    ) -> Result<T, Refusal> {
        let revives = |change: &Change| {
            key_of_record(&change.key)
                .filter(|id| change.value.is_some() && notes.deleted.contains(id))
        };
        let mut revived = false;
        for change in changes {
            if let Some(id) = revives(&change) {
                let _never_written = self.hsm.remove_key(id);
                revived = true;
            } else {
                writes.records.push(change);
            }
        }
        if revived {
            Err(Refusal::NoSuchKey)
        } else {
            result
        }
    }

    fn note(&self, noted: &Noted, notes: &DiskNotes, writes: &mut Writes) {
        match noted {
            Noted::Nothing => (),
            Noted::Deleted(id) => {
                writes.notes.deleted.insert(*id);
            }
            Noted::UsersChanged => {
                let keys = writes.records.iter().map(|change| change.key.as_str());
                let users = keys.filter_map(user_of_record).map(str::to_owned);
                writes.notes = stamp(notes, users, self.clock.now().millis());
            }
        }
    }

    async fn commit(&self, notes: &mut DiskNotes, writes: Writes) -> Result<(), Refusal> {
        let written = self.disk.write(&writes).await;
        written.map_err(|error| self.fail(&error))?;
        notes.deleted.extend(writes.notes.deleted);
        notes.changed.extend(writes.notes.changed);
        Ok(())
    }

    /// The memory is ahead of the disk, and no caller may see that: only a restart helps.
    fn fail(&self, error: &StoreError) -> Refusal {
        tracing::error!(hsm = %self.disk.hsm, %error, "the disk failed; the HSM goes down");
        let starved = matches!(error, StoreError::Full(_));
        self.starved.store(starved, Ordering::Release);
        self.go_down();
        Refusal::DiskFailed
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "Node({}, {:?})",
            self.core.disk.hsm, self.core.hsm
        )
    }
}

impl fmt::Debug for NodeCore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Core({})", self.disk.hsm)
    }
}

#[cfg(test)]
mod tests {
    use portcullis_hsm::{DeviceKey, Secret, Settings};
    use portcullis_seam::{Entropy, InlinePool, SystemClock, SystemEntropy};
    use portcullis_store::Store;
    use tokio::task::{JoinHandle, yield_now};

    use super::*;

    fn node() -> Node {
        let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
        let disk = HsmDisk {
            hsm: "hsm-4esfcd3lu4x".parse().unwrap(),
            store: Store::memory(),
            device_key: Arc::new(DeviceKey::draw(&*entropy)),
            entropy: Arc::clone(&entropy),
        };
        let hsm = Hsm::blank(Settings::default(), entropy);
        let (clock, pool) = (Arc::new(SystemClock), Arc::new(InlinePool));
        Node::start(hsm, disk, Arc::default(), clock, pool)
    }

    fn activate(node: &Node) -> JoinHandle<Result<Reply, Refusal>> {
        let (node, password) = (node.clone(), Secret::new("adminPassword"));
        tokio::spawn(async move { node.carry_out(Command::Activate { password }).await })
    }

    async fn list(node: &Node) -> Result<Reply, Refusal> {
        node.carry_out(Command::ListUsers).await
    }

    /// Rule WORK-06.
    #[tokio::test(start_paused = true)]
    async fn the_commands_that_wait_for_an_hsm_are_bounded() {
        let node = node();
        let held = node.core.managing.lock().await;
        let waiting: Vec<_> = (0..COMMANDS_MAX)
            .map(|_| {
                let node = node.clone();
                tokio::spawn(async move { list(&node).await })
            })
            .collect();
        while node.core.commands.available_permits() > 0 {
            yield_now().await;
        }
        assert_eq!(list(&node).await, Err(Refusal::Busy));
        drop(held);
        for answer in waiting {
            assert!(matches!(answer.await.unwrap(), Ok(Reply::Users(_))));
        }
    }

    /// Rule WORK-06.
    #[tokio::test(start_paused = true)]
    async fn a_command_that_waited_longer_than_its_sender_is_not_begun() {
        let node = node();
        let held = node.core.managing.lock().await;
        let late = activate(&node);
        while node.core.commands.available_permits() == COMMANDS_MAX {
            yield_now().await;
        }
        tokio::time::advance(COMMAND_PATIENCE + Duration::from_millis(1)).await;
        drop(held);
        assert_eq!(late.await.unwrap(), Err(Refusal::Busy));
        assert!(!node.is_activated());
        assert_eq!(activate(&node).await.unwrap(), Ok(Reply::Done));
        assert!(node.is_activated());
    }
}
