use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use portcullis_api::{ClusterId, HsmId, Scope};
use portcullis_clusters::ClusterView;
use portcullis_hsm::{Refusal, Role, SessionId};
use portcullis_link::{CallError, Channel, LinkError};
use tokio::time::Instant;

use super::error::UserError;

/// A person's sessions, by token. In memory only: a restart logs everybody out.
#[derive(Default)]
pub(crate) struct UserSessions {
    open: Mutex<BTreeMap<String, Arc<UserSession>>>,
}

/// Sessions of people, not of programs: more than this many are forgotten ones.
const SESSIONS_MAX: usize = 256;

/// How long one HSM may take to answer a person.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// One login, on each HSM that accepted it.
pub(crate) struct UserSession {
    pub(crate) scope: Scope,
    pub(crate) cluster: ClusterId,
    pub(crate) username: String,
    pub(crate) role: Role,
    pub(crate) seats: Vec<SessionSeat>,
    /// The HSMs on which there was no login, and why.
    pub(crate) unseated: Vec<(HsmId, CallError)>,
}

/// The session on one HSM.
pub(crate) struct SessionSeat {
    pub(crate) hsm: HsmId,
    pub(crate) channel: Arc<dyn Channel>,
    pub(crate) session: SessionId,
}

impl UserSession {
    /// Why there is no session on an HSM: it could not be reached at the login, or it came later.
    pub(super) fn why_not_on(&self, hsm: &HsmId) -> CallError {
        let found = self.unseated.iter().find(|(unseated, _)| unseated == hsm);
        let why = found.map(|(_, why)| why.clone());
        why.unwrap_or(CallError::Refused(Refusal::NoSession))
    }

    /// Its seats on HSMs that are still in service.
    pub(crate) fn seats_in_service(
        &self,
        view: &ClusterView,
    ) -> impl Iterator<Item = &SessionSeat> {
        let in_service = |seat: &&SessionSeat| view.active_hsms().any(|hsm| hsm.id == seat.hsm);
        self.seats.iter().filter(in_service)
    }
}

impl UserSessions {
    pub(super) fn check_room(&self) -> Result<(), UserError> {
        if self.open.lock().len() < SESSIONS_MAX {
            Ok(())
        } else {
            Err(UserError::TooManySessions)
        }
    }

    pub(super) fn keep(&self, token: String, session: UserSession) -> Result<(), UserError> {
        let mut open = self.open.lock();
        if open.len() >= SESSIONS_MAX {
            return Err(UserError::TooManySessions);
        }
        open.insert(token, Arc::new(session));
        Ok(())
    }

    pub(crate) fn get(&self, token: &str) -> Result<Arc<UserSession>, UserError> {
        self.open
            .lock()
            .get(token)
            .cloned()
            .ok_or(UserError::NoSession)
    }

    pub(super) fn take(&self, token: &str) -> Result<Arc<UserSession>, UserError> {
        self.open.lock().remove(token).ok_or(UserError::NoSession)
    }
}

impl fmt::Debug for UserSessions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Sessions({} open)", self.open.lock().len())
    }
}

pub(crate) fn deadline() -> Instant {
    Instant::now() + ANSWER_WITHIN
}

/// An HSM answered something that does not answer the command.
pub(crate) fn unexpected() -> CallError {
    CallError::Link(LinkError::NoAnswer("the answer makes no sense".to_owned()))
}
