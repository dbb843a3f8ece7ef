use std::sync::Arc;

use crate::fence::Height;
use crate::user::UserName;
use crate::{Epoch, Refusal, SessionId};

/// PKCS #11 sessions per application (AWS CloudHSM quotas).
pub(crate) const SESSIONS_MAX: usize = 1024;

/// Somebody who is logged in. In memory only: a restart ends every session.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) id: SessionId,
    pub(crate) user: UserName,
    /// The user's name as keys carry it.
    pub(crate) owner: Arc<str>,
    pub(crate) fence: Option<SessionFence>,
}

/// The connection that a session belongs to.
#[derive(Debug)]
pub(crate) struct SessionFence {
    pub(crate) scope: [u8; 16],
    pub(crate) epoch: Epoch,
    pub(crate) height: Arc<Height>,
}

impl Session {
    /// Rule HSM-06: a session whose epoch is lower than one the HSM has seen does nothing more.
    pub(crate) fn check_fence(&self) -> Result<(), Refusal> {
        match &self.fence {
            Some(fence) if fence.height.get() > fence.epoch => Err(Refusal::Fenced),
            _ => Ok(()),
        }
    }

    /// Whether a login of `scope` at `epoch` takes this session's place.
    pub(crate) fn is_superseded_by(&self, scope: &[u8; 16], epoch: Epoch) -> bool {
        self.fence
            .as_ref()
            .is_some_and(|fence| fence.scope == *scope && fence.epoch <= epoch)
    }
}
