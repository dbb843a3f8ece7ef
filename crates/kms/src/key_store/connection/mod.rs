//! The sessions of a connected key store.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use portcullis_hsm::{Command, Epoch, Fence, Refusal, Reply, Secret, SessionId};
use portcullis_link::CallError;
use portcullis_seam::plant::{Bug, planted};
use portcullis_seam::watch;
use portcullis_seam::{NotDone, WorkClass};
use portcullis_store::StoreError;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::Instant;

mod execute;
mod keys;
mod sessions;

pub(crate) use self::keys::NewKey;
use self::sessions::CallSessions;
use super::login::Member;

/// For how long a call waits for the maintenance to log in again.
const REJOIN_DEADLINE: Duration = Duration::from_secs(1);

/// Sessions on the HSMs of a cluster, under one epoch.
pub(crate) struct LiveConnection {
    pub(crate) fence: Fence,
    pub(crate) members: ArcSwap<Vec<Arc<Member>>>,
    pub(super) current: Secret,
    /// HSMs that the last rotations did not reach still have one of these passwords. Rule SEC-03: they
    /// are sealed, and opened only to log in with them.
    pub(super) previous: Vec<Vec<u8>>,
    /// Changes when a cluster has changed since it was looked at for these members.
    pub(super) changes: watch::Receiver<u64>,
    /// Wakes the maintenance: a session was lost.
    pub(super) nudge: Notify,
    /// How many sessions were found lost since the connection began.
    lost: AtomicU64,
    /// How many of these the maintenance has seen to, whether or not it could log in again.
    seen_to: watch::Sender<u64>,
    turn: AtomicUsize,
    maintenance: Mutex<Option<JoinHandle<()>>>,
    /// Of the calls that are under way.
    pub(crate) calls: CallSessions,
}

/// Why an operation brought nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum Failure {
    /// The connection is of the past.
    Disconnected,
    /// No HSM is logged in; for a new key, too few are.
    #[default]
    NoHsm,
    /// It is not known whether another facade has disconnected the key store meanwhile.
    Unconfirmed(String),
    /// No HSM could be reached; the text says why.
    Unreachable(String),
    /// HSMs were asked, and none answered. What was asked for may have been carried out.
    NoAnswer(String),
    /// What was made could not be stored.
    NotStored(StoreError),
    /// No HSM of the cluster has the key material.
    NoMaterial,
    /// `kmsuser` is locked out on the HSMs.
    LockedOut,
    /// Every HSM has more work than it takes.
    Busy,
    /// The key store has had its calls of this second.
    OverQuota,
    /// The key store has as many calls under way as it may have.
    NoSessionFree,
    /// The workers have too much to do, or are about to end.
    NotDone {
        /// Of which class the work is.
        class: WorkClass,
        /// The reason for which the HSM did not do it.
        why: NotDone,
    },
    /// An HSM refused for a reason that another HSM would have too.
    Refused(Refusal),
}

impl LiveConnection {
    /// `changes` is from before the members were looked up.
    pub(super) fn new(
        fence: Fence,
        members: Vec<Arc<Member>>,
        current: Secret,
        previous: Vec<Vec<u8>>,
        changes: watch::Receiver<u64>,
    ) -> Self {
        Self {
            fence,
            members: ArcSwap::from_pointee(members),
            current,
            previous,
            changes,
            nudge: Notify::new(),
            lost: AtomicU64::new(0),
            seen_to: watch::Sender::new(0),
            turn: AtomicUsize::new(0),
            maintenance: Mutex::default(),
            calls: CallSessions::default(),
        }
    }

    pub(super) fn maintained_by(&self, task: JoinHandle<()>) {
        *self.maintenance.lock() = Some(task);
    }

    /// Ends the maintenance; sessions stay until they are fenced or logged out.
    pub(crate) fn stop(&self) {
        if let Some(task) = self.maintenance.lock().take() {
            task.abort();
        }
        self.saw_to(u64::MAX);
    }

    /// How many sessions were found lost so far.
    pub(super) fn lost_so_far(&self) -> u64 {
        self.lost.load(Ordering::Acquire)
    }

    /// The maintenance has tried to log in again where the first `lost` of the lost sessions were.
    pub(super) fn saw_to(&self, lost: u64) {
        self.seen_to.send_if_modified(|seen_to| {
            let more = lost > *seen_to;
            *seen_to = lost.max(*seen_to);
            more
        });
    }

    /// Waits until the maintenance has seen to every session that was found lost, and says whether
    /// there was one to wait for.
    async fn rejoined(&self, deadline: Instant) -> bool {
        let lost = self.lost_so_far();
        let mut seen_to = self.seen_to.subscribe();
        if *seen_to.borrow_and_update() >= lost {
            return false;
        }
        let deadline = deadline.min(Instant::now() + REJOIN_DEADLINE);
        let seen = seen_to.wait_for(|seen_to| *seen_to >= lost);
        tokio::time::timeout_at(deadline, seen).await.is_ok()
    }

    fn note_lost(&self, member: &Member, session: SessionId, error: &CallError) {
        if matches!(error, CallError::Refused(Refusal::NoSession)) {
            member.lost(session);
            self.lost.fetch_add(1, Ordering::AcqRel);
            self.nudge.notify_one();
        }
    }

    /// Raises the fence on every HSM and logs out.
    pub(crate) async fn log_out(&self, epoch: Epoch) {
        log_out(&self.members.load_full(), epoch).await;
    }
}

/// Raises the fence on every HSM and logs out. Best effort: an HSM that is not reached is kept out by
/// the gate, and by the fence at its next login.
pub(super) async fn log_out(members: &[Arc<Member>], epoch: Epoch) {
    for member in members {
        let Some(session) = member.session() else {
            continue;
        };
        let raised = if planted(Bug::FenceNotRaised) {
            Ok(Reply::Done)
        } else {
            member.manage(Command::RaiseFence { session, epoch }).await
        };
        let left = member.manage(Command::Logout { session }).await;
        if raised.is_err() || left.is_err() {
            tracing::debug!(hsm = %member.hsm, "not logged out; its sessions are fenced");
        }
        member.lost(session);
    }
}

impl fmt::Debug for LiveConnection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let members = self.members.load();
        let logged_in = members
            .iter()
            .filter(|member| member.session().is_some())
            .count();
        write!(
            formatter,
            "LiveConnection({logged_in} of {} HSMs)",
            members.len()
        )
    }
}

#[cfg(test)]
mod tests;
