//! Keys are made and deleted on all HSMs.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use portcullis_api::HsmId;
use portcullis_hsm::{Command, HsmKeyId, KeyTemplate, Refusal, Reply, SessionId};
use portcullis_link::{CallError, LinkError};
use portcullis_seam::plant::{Bug, planted};
use tokio::time::Instant;

use super::execute::learn;
use super::{Failure, LiveConnection, REJOIN_DEADLINE};
use crate::key_store::login::Member;

/// A key must be safe before it is used: two HSMs, in two Availability Zones, have it on disk.
const DURABLE_COPIES: usize = 2;

/// A key made in the cluster.
#[derive(Debug)]
pub(crate) struct NewKey {
    pub(crate) id: HsmKeyId,
    pub(crate) label: String,
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
        let members = self.members.load_full();
        let mut holders = Vec::new();
        let mut masked = None;
        let mut failure = Failure::NoHsm;
        // Another HSM makes the next key, so that one that never answers is not asked every time.
        let first = self.turn.fetch_add(1, Ordering::Relaxed) % members.len().max(1);
        for member in members.iter().cycle().skip(first).take(members.len()) {
            let command = |session| match &masked {
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
            let Some(asked) = self.ask(member, command).await else {
                continue;
            };
            match asked {
                Ok(reply) => {
                    if let Reply::Key(made) = reply {
                        masked = Some(made);
                    }
                    holders.push(member);
                }
                Err(error) => {
                    failure = learn(&error, failure)?;
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

    /// Asks one HSM, and once more when it has forgotten the session and gives another. None when
    /// it has no session to begin with.
    async fn ask(
        &self,
        member: &Member,
        command: impl Fn(SessionId) -> Command,
    ) -> Option<Result<Reply, CallError>> {
        let session = member.session()?;
        let asked = member.manage(command(session)).await;
        let Err(error) = &asked else {
            return Some(asked);
        };
        self.note_lost(member, session, error);
        let deadline = Instant::now() + REJOIN_DEADLINE;
        let again = matches!(error, CallError::Refused(Refusal::NoSession))
            && self.rejoined(deadline).await;
        match member.session().filter(|_| again) {
            Some(session) => Some(member.manage(command(session)).await),
            None => Some(asked),
        }
    }
}
