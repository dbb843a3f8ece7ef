use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use portcullis_api::HsmId;
use portcullis_hsm::{
    Call, Command, Epoch, Fence, HsmKeyId, KeyTemplate, Operation, Output, Refusal, Reply, Secret,
    SessionId,
};
use portcullis_link::{CallError, LinkError};
use portcullis_seam::plant::{Bug, planted};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::login::Member;

/// One HSM that does not answer must leave time to ask another.
const ATTEMPT_DEADLINE: Duration = Duration::from_secs(1);

/// A key must be safe before it is used: two HSMs, in two Availability Zones, have it on disk.
const DURABLE_COPIES: usize = 2;

/// Sessions on the HSMs of a cluster, under one epoch.
pub(crate) struct LiveConnection {
    pub(crate) fence: Fence,
    pub(crate) members: ArcSwap<Vec<Arc<Member>>>,
    pub(super) current: Secret,
    /// HSMs that the last rotations did not reach still have one of these passwords.
    pub(super) previous: Vec<Secret>,
    /// Wakes the maintenance: a session was lost.
    pub(super) nudge: Notify,
    turn: AtomicUsize,
    maintenance: Mutex<Option<JoinHandle<()>>>,
}

/// Why an operation brought nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The connection is of the past.
    Disconnected,
    /// No HSM is logged in.
    NoHsm,
    /// Nobody knows whether another facade has disconnected the key store meanwhile.
    Unconfirmed(String),
    /// No HSM answered.
    Unreachable(String),
    /// No HSM has the key.
    NoMaterial,
    /// `kmsuser` is locked out on the HSMs.
    LockedOut,
    /// Every HSM has more work than it takes.
    Busy,
    /// The key store has had its calls of this second.
    OverQuota,
    /// An HSM refused for a reason that another HSM would have too.
    Refused(Refusal),
}

/// A key made in the cluster.
#[derive(Debug)]
pub(crate) struct NewKey {
    pub(crate) id: HsmKeyId,
    pub(crate) label: String,
}

impl LiveConnection {
    pub(super) fn new(
        fence: Fence,
        members: Vec<Arc<Member>>,
        current: Secret,
        previous: Vec<Secret>,
    ) -> Self {
        Self {
            fence,
            members: ArcSwap::from_pointee(members),
            current,
            previous,
            nudge: Notify::new(),
            turn: AtomicUsize::new(0),
            maintenance: Mutex::default(),
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
    }

    /// Runs an operation on one HSM, and on others while that fails for a reason of its own.
    ///
    /// Rule CR-12: any one HSM serves an operation; one that fails is passed over within the
    /// deadline.
    pub(crate) async fn execute(
        &self,
        operation: Operation<'_>,
        deadline: Instant,
    ) -> Result<Output, Failure> {
        let members = self.members.load();
        let mut untried: Vec<&Arc<Member>> = members
            .iter()
            .filter(|member| member.session().is_some())
            .collect();
        let mut failure = Failure::NoHsm;
        while let Some(member) = self.pick(&mut untried) {
            let Some(session) = member.session() else {
                continue;
            };
            let attempt = deadline.min(Instant::now() + ATTEMPT_DEADLINE);
            match member
                .channel
                .execute(Call { session, operation }, attempt)
                .await
            {
                Ok(output) => return Ok(output),
                Err(error) => failure = self.learn(member, session, &error, failure)?,
            }
            if Instant::now() >= deadline {
                break;
            }
        }
        Err(failure)
    }

    /// The less loaded of two neighbours, beginning at the next one in turn.
    fn pick<'a>(&self, untried: &mut Vec<&'a Arc<Member>>) -> Option<&'a Arc<Member>> {
        let count = untried.len();
        if count == 0 {
            return None;
        }
        let first = self.turn.fetch_add(1, Ordering::Relaxed) % count;
        let second = (first + 1) % count;
        let load = |at: usize| {
            untried
                .get(at)
                .map_or(usize::MAX, |it| it.channel.in_flight())
        };
        let chosen = if load(second) < load(first) {
            second
        } else {
            first
        };
        Some(untried.swap_remove(chosen))
    }

    /// What `error` means for the next attempt: go on with a failure to report at the end, or stop.
    fn learn(
        &self,
        member: &Member,
        session: SessionId,
        error: &CallError,
        before: Failure,
    ) -> Result<Failure, Failure> {
        match error {
            CallError::Refused(Refusal::Fenced) => Err(Failure::Disconnected),
            CallError::Refused(Refusal::NoSession) => {
                member.lost(session);
                self.nudge.notify_one();
                Ok(before)
            }
            // A missing key says more than an HSM that did not answer.
            CallError::Refused(Refusal::NoSuchKey) => Ok(Failure::NoMaterial),
            // Failed logins are counted on each HSM: another may still serve.
            CallError::Refused(Refusal::LockedOut) => Ok(Failure::LockedOut),
            CallError::Refused(Refusal::Busy) | CallError::Link(LinkError::Overloaded) => {
                // Rule DEV-06: a busy HSM is passed over too; that one is busy says more than that
                // another one does not answer.
                Ok(match before {
                    Failure::NoMaterial | Failure::LockedOut => before,
                    Failure::NoHsm
                    | Failure::Unreachable(_)
                    | Failure::Busy
                    | Failure::Disconnected
                    | Failure::OverQuota
                    | Failure::Unconfirmed(_)
                    | Failure::Refused(_) => Failure::Busy,
                })
            }
            CallError::Refused(refusal) => Err(Failure::Refused(*refusal)),
            CallError::Link(link) => Ok(match before {
                Failure::NoMaterial | Failure::LockedOut | Failure::Busy => before,
                Failure::NoHsm
                | Failure::Unreachable(_)
                | Failure::Disconnected
                | Failure::OverQuota
                | Failure::Unconfirmed(_)
                | Failure::Refused(_) => Failure::Unreachable(link.to_string()),
            }),
        }
    }

    /// Makes a key on one HSM and hands it to all others.
    ///
    /// Rule KEY-10: an acknowledged key is on disk on two HSMs in two Availability Zones.
    ///
    /// Rule KEY-25: an HSM that has the key and of which `is_member` says no in the end was removed
    /// meanwhile, and does not count.
    pub(crate) async fn create_key(
        &self,
        key: &NewKey,
        is_member: impl Fn(&HsmId) -> bool,
    ) -> Result<(), Failure> {
        let members = self.members.load_full();
        let mut holders = Vec::new();
        let mut masked = None;
        let mut failure = Failure::NoHsm;
        // Another HSM makes the next key, so that one that never answers is not asked every time.
        let first = self.turn.fetch_add(1, Ordering::Relaxed) % members.len().max(1);
        for member in members.iter().cycle().skip(first).take(members.len()) {
            let Some(session) = member.session() else {
                continue;
            };
            let command = match &masked {
                None => Command::GenerateKey {
                    session,
                    id: key.id,
                    template: KeyTemplate::sealing(key.id, &key.label),
                },
                Some(masked) => Command::InsertMasked {
                    session,
                    key: Clone::clone(masked),
                },
            };
            match member.manage(command).await {
                Ok(reply) => {
                    if let Reply::Key(made) = reply {
                        masked = Some(made);
                    }
                    holders.push(member);
                }
                Err(error) => {
                    failure = self.learn(member, session, &error, failure)?;
                    // Rule KEY-24: perhaps it was made there. Made again elsewhere, one ID would
                    // have two materials, and what one HSM seals the other could not open.
                    let unknown = matches!(error, CallError::Link(LinkError::NoAnswer(_)));
                    if unknown && masked.is_none() && !planted(Bug::KeyMadeTwice) {
                        break;
                    }
                }
            }
            if planted(Bug::AcknowledgedFromOneZone) && !holders.is_empty() {
                return Ok(());
            }
        }
        let counts = |it: &&Arc<Member>| is_member(&it.hsm) || planted(Bug::RemovedHsmCounts);
        let holders = holders.into_iter().filter(counts);
        let zones: BTreeSet<_> = holders.map(|it| it.zone.as_str()).collect();
        if zones.len() >= DURABLE_COPIES {
            return Ok(());
        }
        self.delete_key(key.id).await;
        Err(failure)
    }

    /// Deletes a key from every HSM that answers; says whether it is gone, or will be: HSMs bring
    /// each other in step, and delete wins. An HSM that has no such key needs no deletion.
    pub(crate) async fn delete_key(&self, id: HsmKeyId) -> bool {
        let mut gone = false;
        for member in self.members.load_full().iter() {
            let Some(session) = member.session() else {
                continue;
            };
            match member.manage(Command::DeleteKey { session, id }).await {
                Ok(_) | Err(CallError::Refused(Refusal::NoSuchKey)) => gone = true,
                Err(error) => tracing::debug!(hsm = %member.hsm, %error, "a key is not deleted"),
            }
        }
        gone
    }

    /// Raises the fence on every HSM and logs out. Best effort: what does not hear of it is kept
    /// out by the gate, and by the fence at its next login.
    pub(crate) async fn log_out(&self, epoch: Epoch) {
        for member in self.members.load_full().iter() {
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
