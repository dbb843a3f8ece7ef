use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use portcullis_api::{ClusterId, HsmId, Scope};
use portcullis_hsm::SessionId;
use portcullis_link::Channel;

use super::UserError;

/// A person's sessions, by token. In memory only: a restart logs everybody out.
#[derive(Default)]
pub(crate) struct Sessions {
    open: Mutex<BTreeMap<String, Arc<UserSession>>>,
}

/// Sessions of people, not of programs: more than this many are forgotten ones.
const SESSIONS_MAX: usize = 256;

/// One login, on each HSM that accepted it.
pub(super) struct UserSession {
    pub(super) scope: Scope,
    pub(super) cluster: ClusterId,
    pub(super) seats: Vec<Seat>,
}

/// The session on one HSM.
pub(super) struct Seat {
    pub(super) hsm: HsmId,
    pub(super) channel: Arc<dyn Channel>,
    pub(super) session: SessionId,
}

impl Sessions {
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

    pub(super) fn get(&self, token: &str) -> Result<Arc<UserSession>, UserError> {
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

impl fmt::Debug for Sessions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Sessions({} open)", self.open.lock().len())
    }
}
