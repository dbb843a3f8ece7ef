//! When a key was last used, and for what.

use std::sync::atomic::{AtomicU64, Ordering};

use portcullis_api::kms::{
    GetKeyLastUsageRequest, GetKeyLastUsageResponse, KeyLastUsageData,
    KeyLastUsageTrackingOperation as Tracked,
};
use portcullis_api::{Exception, Scope};

use super::rotation::date;
use super::{Snapshot, find_for_management};
use crate::kms::Kms;

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
pub(crate) struct LastUse(AtomicU64);

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
            self.0.store((at_ms << 8) | code, Ordering::Relaxed);
        }
    }

    fn read(&self) -> Option<(Tracked, u64)> {
        let word = self.0.load(Ordering::Relaxed);
        let at = usize::try_from(word & 0xff).ok()?.checked_sub(1)?;
        Some((*TRACKED.get(at)?, word >> 8))
    }
}

impl Kms {
    /// A cryptographic operation with `key` has succeeded.
    pub(crate) fn used(&self, key: &Snapshot, tracked: Tracked) {
        key.last_use.record(tracked, self.now_ms());
    }

    /// GetKeyLastUsage, since Portcullis was started.
    ///
    /// # Errors
    /// NotFoundException.
    pub async fn get_key_last_usage(
        &self,
        scope: &Scope,
        input: GetKeyLastUsageRequest,
    ) -> Result<GetKeyLastUsageResponse, Exception> {
        let key = find_for_management(&self.partition(scope), &input.key_id)?;
        let last = key.last_use.read();
        let created_ms = key.record.created_ms;
        Ok(GetKeyLastUsageResponse {
            key_id: Some(key.arn.clone()),
            // An object without members when there was none (API, GetKeyLastUsage).
            key_last_usage: Some(
                last.map_or_else(KeyLastUsageData::default, |(tracked, at)| {
                    KeyLastUsageData {
                        operation: Some(tracked.as_str().to_owned()),
                        timestamp: Some(date(at)),
                        ..KeyLastUsageData::default()
                    }
                }),
            ),
            tracking_start_date: Some(date(created_ms.max(self.opened_ms))),
            key_creation_date: Some(date(created_ms)),
        })
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
}
