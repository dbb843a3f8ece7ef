//! Keys are made and deleted on all HSMs.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use portcullis_api::HsmId;
use portcullis_hsm::{Command, HsmKeyId, KeyTemplate, MaskedKey, Refusal, Reply, SessionId};
use portcullis_link::{CallError, LinkError};
use portcullis_seam::plant::{Bug, planted};
use tokio::time::Instant;

use super::execute::learn;
use super::{Failure, LiveConnection, REJOIN_DEADLINE};
use crate::key_store::login::Member;

/// A key must be safe before it is used: two HSMs, in two Availability Zones, have it on disk.
const DURABLE_COPIES: usize = 2;

/// How long making a key may take in all: three commands that wait for their deadline. SDKs wait for
/// 60 seconds.
const CREATE_DEADLINE: Duration = Duration::from_secs(6);

/// How often one HSM is asked again: once for its connection, once for its session.
const REPEATS_MAX: u32 = 2;

/// An HSM that has not answered for so long is silent; a connection that breaks does so at once.
const SILENCE: Duration = Duration::from_secs(1);

/// A key made in the cluster.
#[derive(Debug)]
pub(crate) struct NewKey {
    pub(crate) id: HsmKeyId,
    pub(crate) label: String,
}

/// What has become of making a key so far.
#[derive(Default)]
struct KeyAttempt {
    /// The HSMs that have the key.
    holders: Vec<Arc<Member>>,
    /// Perhaps have it: they did not answer.
    doubtful: Vec<Arc<Member>>,
    /// The key as it travels, once an HSM has made it.
    masked: Option<MaskedKey>,
    failure: Failure,
}

impl LiveConnection {
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
        let deadline = Instant::now() + CREATE_DEADLINE;
        self.rejoined(deadline).await;
        // Rule KEY-28: with HSMs in fewer zones nothing is begun, and nothing is waited for.
        if self.zones_logged_in() < DURABLE_COPIES {
            return Err(Failure::NoHsm);
        }
        let attempt = self.attempt(key, deadline).await;
        if attempt.is_enough(is_member) {
            return Ok(());
        }
        attempt.take_back(key.id).await;
        Err(attempt.failure)
    }

    /// In how many Availability Zones there is an HSM with a session.
    fn zones_logged_in(&self) -> usize {
        let members = self.members.load();
        let usable = members.iter().filter(|it| it.session().is_some());
        let zones: BTreeSet<&str> = usable.map(|it| it.zone.as_str()).collect();
        zones.len()
    }

    async fn attempt(&self, key: &NewKey, deadline: Instant) -> KeyAttempt {
        let members = self.members.load_full();
        let mut attempt = KeyAttempt::default();
        // Another HSM makes the next key, so that one that never answers is not asked every time.
        let first = self.turn.fetch_add(1, Ordering::Relaxed) % members.len().max(1);
        for member in members.iter().cycle().skip(first).take(members.len()) {
            if Instant::now() >= deadline {
                break;
            }
            let command = |session| attempt.command(key, session);
            let may_repeat = attempt.masked.is_some();
            let Some(asked) = self.ask(member, command, may_repeat).await else {
                continue;
            };
            if attempt.note(member, asked).is_break() {
                break;
            }
        }
        attempt
    }

    /// Deletes a key from every HSM that answers; says whether it is gone, or will be: HSMs bring
    /// each other in step, and delete wins. An HSM that has no such key needs no deletion.
    pub(crate) async fn delete_key(&self, id: HsmKeyId) -> bool {
        let mut gone = false;
        for member in self.members.load_full().iter() {
            gone |= delete_from(member, id).await;
        }
        gone
    }

    /// Asks one HSM, and again in a new session or connection when it has forgotten the one that was:
    /// the connection only if the command may be carried out twice. None when it has no session to
    /// begin with.
    async fn ask(
        &self,
        member: &Member,
        command: impl Fn(SessionId) -> Command,
        may_repeat: bool,
    ) -> Option<Result<Reply, CallError>> {
        let mut session = member.session()?;
        let mut repeats = 0;
        loop {
            let began = Instant::now();
            let asked = member.manage(command(session)).await;
            let Err(error) = &asked else {
                return Some(asked);
            };
            self.note_lost(member, session, error);
            let again = match error {
                CallError::Refused(Refusal::NoSession) => {
                    self.rejoined(Instant::now() + REJOIN_DEADLINE).await
                }
                CallError::Link(LinkError::NoAnswer(_)) => may_repeat && began.elapsed() < SILENCE,
                CallError::Refused(_) | CallError::Link(_) => false,
            };
            match member.session().filter(|_| again && repeats < REPEATS_MAX) {
                Some(present) => session = present,
                None => return Some(asked),
            }
            repeats += 1;
        }
    }
}

impl KeyAttempt {
    /// The command for the next HSM: to make the key, or to take the one that was made.
    fn command(&self, key: &NewKey, session: SessionId) -> Command {
        match &self.masked {
            None => Command::GenerateKey {
                session,
                id: key.id,
                template: KeyTemplate::sealing(key.id, &key.label),
            },
            Some(masked) => Command::InsertMasked {
                session,
                key: Clone::clone(masked),
            },
        }
    }

    /// Takes in what an HSM answered, and says whether the others are still to be asked.
    fn note(&mut self, member: &Arc<Member>, asked: Result<Reply, CallError>) -> ControlFlow<()> {
        let error = match asked {
            Ok(reply) => {
                if let Reply::Key(made) = reply {
                    self.masked = Some(made);
                }
                self.holders.push(Arc::clone(member));
                // What the planted bug acknowledges, no other HSM has.
                return if planted(Bug::AcknowledgedFromOneZone) {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                };
            }
            Err(error) => error,
        };
        // An HSM whose disk fails in the midst of a write may have the key when it starts again.
        let unknown = matches!(
            error,
            CallError::Link(LinkError::NoAnswer(_)) | CallError::Refused(Refusal::DiskFailed)
        );
        if unknown {
            self.doubtful.push(Arc::clone(member));
        }
        let before = std::mem::take(&mut self.failure);
        match learn(&error, before) {
            // Another HSM may have room: this one's disk may be full.
            Err(failure @ Failure::Refused(Refusal::Full)) => self.failure = failure,
            Ok(failure) => self.failure = failure,
            Err(failure) => {
                self.failure = failure;
                return ControlFlow::Break(());
            }
        }
        // Rule KEY-24: perhaps it was made there. Made again elsewhere, one ID would have two
        // materials, and what one HSM seals the other could not open; under another ID, two keys in
        // the cluster and its backups would have the label of one KMS key.
        if unknown && self.masked.is_none() && !planted(Bug::KeyMadeTwice) {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }

    /// Whether HSMs in two Availability Zones have the key.
    fn is_enough(&self, is_member: impl Fn(&HsmId) -> bool) -> bool {
        if planted(Bug::AcknowledgedFromOneZone) && !self.holders.is_empty() {
            return true;
        }
        let counts = |it: &&Arc<Member>| is_member(&it.hsm) || planted(Bug::RemovedHsmCounts);
        let holders = self.holders.iter().filter(counts);
        let zones: BTreeSet<&str> = holders.map(|it| it.zone.as_str()).collect();
        zones.len() >= DURABLE_COPIES
    }

    /// Deletes what was made. Those that have the key have just answered; an HSM that did not is
    /// sent without waiting for an answer.
    async fn take_back(&self, id: HsmKeyId) {
        for member in &self.doubtful {
            let member = Arc::clone(member);
            tokio::spawn(async move { delete_from(&member, id).await });
        }
        for member in &self.holders {
            delete_from(member, id).await;
        }
    }
}

/// Deletes a key from one HSM; says whether it is gone there.
async fn delete_from(member: &Member, id: HsmKeyId) -> bool {
    let Some(session) = member.session() else {
        return false;
    };
    match member.manage(Command::DeleteKey { session, id }).await {
        Ok(_) | Err(CallError::Refused(Refusal::NoSuchKey)) => true,
        Err(error) => {
            tracing::debug!(hsm = %member.hsm, %error, "a key is not deleted");
            false
        }
    }
}
