//! An operation on whichever HSM serves it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use portcullis_hsm::{Call, Operation, Output, Refusal};
use portcullis_link::{CallError, LinkError};
use portcullis_seam::plant::{Bug, planted};
use tokio::time::Instant;

use super::{Failure, LiveConnection};
use crate::key_store::login::Member;

/// One HSM that does not answer must leave time to ask another.
const ATTEMPT_DEADLINE: Duration = Duration::from_secs(1);

/// One finds that the connections are gone, one that the sessions are.
const ROUNDS_MAX: u32 = 3;

impl LiveConnection {
    /// Runs an operation on one HSM, and on others while that fails for a reason of its own.
    ///
    /// Rule CR-12: any one HSM serves an operation; one that fails is passed over within the
    /// deadline.
    ///
    /// Rule CR-14: what an HSM that restarted has forgotten, a session or a connection, does not
    /// fail the call that finds it out: it is tried again in a new one. Operations can be
    /// repeated.
    pub(crate) async fn execute(
        &self,
        operation: Operation<'_>,
        deadline: Instant,
    ) -> Result<Output, Failure> {
        let mut round = 1;
        loop {
            let missed = match self.ask_members(operation, deadline).await {
                Ok(output) => return Ok(output),
                Err(missed) => missed,
            };
            let may_rejoin = matches!(
                missed.failure,
                Failure::NoHsm
                    | Failure::Unreachable(_)
                    | Failure::NoAnswer(_)
                    | Failure::NoMaterial
            );
            let again = missed.broke || (may_rejoin && self.rejoined(deadline).await);
            let gives_up = round == ROUNDS_MAX || planted(Bug::ForgottenSessionFailsCall);
            if !again || gives_up {
                return Err(missed.failure);
            }
            round += 1;
        }
    }

    /// One round.
    async fn ask_members(
        &self,
        operation: Operation<'_>,
        deadline: Instant,
    ) -> Result<Output, Missed> {
        let members = self.members.load();
        let mut untried: Vec<&Arc<Member>> = members
            .iter()
            .filter(|member| member.session().is_some())
            .collect();
        let mut missed = Missed {
            failure: Failure::NoHsm,
            broke: false,
        };
        let began = Instant::now();
        let mut now = began;
        while let Some(member) = self.pick(&mut untried) {
            let Some(session) = member.session() else {
                continue;
            };
            let call = Call { session, operation };
            let attempt = deadline.min(now + ATTEMPT_DEADLINE);
            match member.channel.execute(call, attempt).await {
                Ok(output) => return Ok(output),
                Err(error) => {
                    self.note_lost(member, session, &error);
                    missed.broke |= matches!(error, CallError::Link(LinkError::NoAnswer(_)));
                    missed.failure = match learn(&error, missed.failure) {
                        Ok(failure) => failure,
                        Err(failure) => return Err(failure.into()),
                    };
                }
            }
            now = Instant::now();
            if now >= deadline {
                break;
            }
        }
        // An HSM that is slow to answer is so again.
        missed.broke &= now - began < ATTEMPT_DEADLINE;
        Err(missed)
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
}

/// A round that brought nothing.
struct Missed {
    failure: Failure,
    /// Connections broke, and no HSM was slow.
    broke: bool,
}

impl From<Failure> for Missed {
    fn from(failure: Failure) -> Self {
        Self {
            failure,
            broke: false,
        }
    }
}

/// What `error` means for the next attempt: go on with a failure to report at the end, or stop.
pub(super) fn learn(error: &CallError, before: Failure) -> Result<Failure, Failure> {
    match error {
        CallError::Refused(Refusal::Fenced) => Err(Failure::Disconnected),
        CallError::Refused(Refusal::NoSession) => Ok(before),
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
                | Failure::NoAnswer(_)
                | Failure::Busy
                | Failure::Disconnected
                | Failure::OverQuota
                | Failure::NoSessionFree
                | Failure::Unconfirmed(_)
                | Failure::NotStored(_)
                | Failure::NotDone { .. }
                | Failure::Refused(_) => Failure::Busy,
            })
        }
        // It goes down: its disk failed, or it crashed under the call.
        CallError::Refused(refusal @ Refusal::DiskFailed) => {
            Ok(missed(before, Failure::Unreachable(refusal.to_string())))
        }
        CallError::Refused(refusal) => Err(Failure::Refused(*refusal)),
        CallError::Link(link) => {
            let text = link.to_string();
            let failure = match link {
                LinkError::NoAnswer(_) => Failure::NoAnswer(text),
                LinkError::Unreachable(_)
                | LinkError::Untrusted(_)
                | LinkError::Overloaded
                | LinkError::Unusable(_) => Failure::Unreachable(text),
            };
            Ok(missed(before, failure))
        }
    }
}

/// The failure at the end when an HSM could not be reached at all: what other HSMs answered says more.
fn missed(before: Failure, failure: Failure) -> Failure {
    match before {
        Failure::NoMaterial | Failure::LockedOut | Failure::Busy => before,
        Failure::NoHsm
        | Failure::Unreachable(_)
        | Failure::NoAnswer(_)
        | Failure::Disconnected
        | Failure::OverQuota
        | Failure::NoSessionFree
        | Failure::NotStored(_)
        | Failure::NotDone { .. }
        | Failure::Unconfirmed(_)
        | Failure::Refused(_) => failure,
    }
}
