//! When a key was last used, and for what.

use std::sync::atomic::{AtomicU64, Ordering};

use portcullis_api::kms::KeyLastUsageTrackingOperation as Tracked;
use portcullis_api::{KeyId, Scope};

/// The last successful cryptographic operation with a key: date and operation in one word, so that
/// recording it is one store, without a lock.
///
/// ```text
/// bit  63                          8          0
///      ├───────────────────────────┼──────────┤
///      │ milliseconds since 1970   │ tracked  │   0: none yet
///      └───────────────────────────┴──────────┘
/// ```
#[derive(Debug, Default)]
pub(crate) struct LastUse {
    word: AtomicU64,
    /// What of it is in the store.
    saved: AtomicU64,
}

/// In the order of their codes, from 1.
const TRACKED: [Tracked; 14] = [
    Tracked::Encrypt,
    Tracked::Decrypt,
    Tracked::ReEncrypt,
    Tracked::GenerateDataKey,
    Tracked::GenerateDataKeyWithoutPlaintext,
    Tracked::GenerateDataKeyPair,
    Tracked::GenerateDataKeyPairWithoutPlaintext,
    Tracked::GenerateMac,
    Tracked::VerifyMac,
    Tracked::Sign,
    Tracked::Verify,
    Tracked::DeriveSharedSecret,
    Tracked::Encapsulate,
    Tracked::Decapsulate,
];

impl LastUse {
    /// Rule LIFE-41: the last one counts. Two at the same instant may come in either order.
    pub(crate) fn record(&self, tracked: Tracked, at_ms: u64) {
        let code = TRACKED.iter().position(|it| *it == tracked);
        let code = code.and_then(|at| u64::try_from(at + 1).ok());
        if let Some(code) = code {
            self.word.store((at_ms << 8) | code, Ordering::Relaxed);
        }
    }

    pub(super) fn read(&self) -> Option<(Tracked, u64)> {
        let word = self.word.load(Ordering::Relaxed);
        let at = usize::try_from(word & 0xff).ok()?.checked_sub(1)?;
        Some((*TRACKED.get(at)?, word >> 8))
    }

    /// What is not in the store yet.
    pub(super) fn unsaved(&self) -> Option<u64> {
        let word = self.word.load(Ordering::Relaxed);
        (word != self.saved.load(Ordering::Relaxed)).then_some(word)
    }

    pub(super) fn mark_saved(&self, word: u64) {
        self.saved.store(word, Ordering::Relaxed);
    }

    /// Takes up what the store has; none for what is no last use.
    pub(super) fn restore(&self, record: &[u8]) -> Option<()> {
        let word = u64::from_le_bytes(*record.first_chunk()?);
        self.word.store(word, Ordering::Relaxed);
        self.mark_saved(word);
        Some(())
    }

    /// Whether the store has one.
    pub(super) fn is_saved(&self) -> bool {
        self.saved.load(Ordering::Relaxed) != 0
    }

    /// Where the last uses of an account and Region stand, by key ID.
    pub(super) fn prefix(scope: &Scope) -> String {
        format!("kms/{}/{}/last-use/", scope.account, scope.region)
    }

    /// Where that of a key stands.
    pub(super) fn record_key(scope: &Scope, id: &KeyId) -> String {
        format!("{}{id}", Self::prefix(scope))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rule LIFE-41.
    #[test]
    fn the_last_use_is_told_with_its_operation() {
        let last = LastUse::default();
        assert_eq!(last.read(), None);
        for (at, tracked) in (1_700_000_000_000..).zip(TRACKED) {
            last.record(tracked, at);
            assert_eq!(last.read(), Some((tracked, at)));
        }
    }

    /// Rule LIFE-41.
    #[test]
    fn what_was_saved_is_not_saved_again() {
        let last = LastUse::default();
        assert_eq!(last.unsaved(), None);
        last.record(Tracked::Sign, 7);
        let word = last.unsaved().expect("a use");
        last.record(Tracked::Verify, 8);
        last.mark_saved(word);
        assert!(last.unsaved().is_some_and(|newer| newer != word));
        let other = LastUse::default();
        assert_eq!(other.restore(&word.to_le_bytes()), Some(()));
        assert_eq!(other.read(), Some((Tracked::Sign, 7)));
        assert_eq!(other.unsaved(), None);
        assert_eq!(other.restore(b"short"), None);
    }
}
