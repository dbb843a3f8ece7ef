use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::fence::Height;
use crate::user::UserName;
use crate::{Epoch, Fence, Refusal, SessionId};

/// PKCS #11 sessions per application (AWS CloudHSM quotas). Rule HSM-19.
pub(crate) const SESSIONS_MAX: usize = 1024;

/// A user who is logged in. Rule HSM-19: in memory only, so a restart ends every session.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) id: SessionId,
    pub(crate) user: UserName,
    /// The user's name as keys carry it.
    pub(crate) owner: Arc<str>,
    pub(crate) fence: Option<SessionFence>,
    /// Set once: a batch that began earlier holds the session still.
    ended: AtomicBool,
    /// Set once: no command changes the password of a user who is logged in, and so none unlocks it.
    locked: AtomicBool,
}

/// The connection that a session belongs to.
#[derive(Debug)]
pub(crate) struct SessionFence {
    pub(crate) scope: [u8; 16],
    pub(crate) epoch: Epoch,
    pub(crate) height: Arc<Height>,
    pub(crate) holder: u64,
}

impl Session {
    pub(crate) fn new(id: SessionId, user: UserName, fence: Option<SessionFence>) -> Self {
        Self {
            id,
            owner: Arc::from(user.name.as_str()),
            user,
            fence,
            ended: AtomicBool::new(false),
            locked: AtomicBool::new(false),
        }
    }

    /// Rule HSM-06: a session whose epoch is lower than one the HSM has seen does nothing more.
    pub(crate) fn check_open(&self) -> Result<(), Refusal> {
        if let Some(fence) = &self.fence
            && fence.height.get() > fence.epoch
        {
            return Err(Refusal::Fenced);
        }
        if self.ended.load(Ordering::Acquire) {
            return Err(Refusal::NoSession);
        }
        Ok(())
    }

    /// Rule HSM-15: the sessions of a user who is locked out use no keys.
    pub(crate) fn check_usable(&self) -> Result<(), Refusal> {
        self.check_open()?;
        if self.locked.load(Ordering::Acquire) {
            return Err(Refusal::LockedOut);
        }
        Ok(())
    }

    pub(crate) fn end(&self) {
        self.ended.store(true, Ordering::Release);
    }

    pub(crate) fn lock(&self) {
        self.locked.store(true, Ordering::Release);
    }

    /// Rule HSM-18: whether a login of `holder` under `fence` takes its place: it is of that scope,
    /// and of an earlier epoch, or of the same one and the same holder, which did not hear of it.
    pub(crate) fn is_superseded_by(&self, fence: &Fence, holder: u64) -> bool {
        let again = |own: &SessionFence| {
            own.scope == fence.scope && own.epoch == fence.epoch && own.holder == holder
        };
        self.is_before(&fence.scope, fence.epoch) || self.fence.as_ref().is_some_and(again)
    }

    /// Whether it is of `scope`, at an epoch before `epoch`.
    pub(crate) fn is_before(&self, scope: &[u8; 16], epoch: Epoch) -> bool {
        self.fence
            .as_ref()
            .is_some_and(|fence| fence.scope == *scope && fence.epoch < epoch)
    }
}
