//! How many calls a key store may have under way at once.

use std::sync::atomic::{AtomicUsize, Ordering};

/// PKCS #11 sessions of an application (AWS CloudHSM User Guide, quotas). Each call needs one.
const SESSIONS_MAX: usize = 1_024;

/// The sessions of one application: KMS with the cluster of a key store.
#[derive(Debug, Default)]
pub(crate) struct CallSessions(AtomicUsize);

/// A session that a call has; dropping it gives it back.
#[derive(Debug)]
pub(crate) struct CallSession<'a>(&'a AtomicUsize);

impl CallSessions {
    /// A session for a call; none while all are taken.
    ///
    /// Rule QUOTA-05: a burst of calls that are under way at once finds no session free.
    pub(crate) fn take(&self) -> Option<CallSession<'_>> {
        let one_more = |taken: usize| (taken < SESSIONS_MAX).then_some(taken + 1);
        let taken = self
            .0
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more);
        taken.is_ok().then(|| CallSession(&self.0))
    }
}

impl Drop for CallSession<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rule QUOTA-05.
    #[test]
    fn so_many_sessions_are_there_and_come_back() {
        let sessions = CallSessions::default();
        let mut taken: Vec<_> = std::iter::from_fn(|| sessions.take()).take(2_000).collect();
        assert_eq!(taken.len(), SESSIONS_MAX);
        assert!(sessions.take().is_none());
        taken.pop();
        assert!(sessions.take().is_some());
    }
}
