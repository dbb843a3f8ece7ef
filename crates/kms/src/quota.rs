//! The service's quotas of requests (AWS KMS Developer Guide, "Request quotas"): so many calls per
//! second in an account and Region, counted by operation or by a group of operations, and so many
//! in each key store.
//!
//! A quota is a bucket that holds one second's calls and fills up by the service's clock.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use portcullis_api::kms::KeySpec;
use portcullis_api::{Code, Exception, KeyStoreId, Operation, Scope};
use portcullis_seam::Timestamp;

use crate::operation::{Counting, row};

/// What is counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum QuotaKind {
    /// Cryptographic operations with symmetric keys, and random bytes.
    Symmetric,
    /// Cryptographic operations with RSA keys.
    Rsa,
    /// Cryptographic operations with keys on elliptic curves, SM2 among them.
    Curve,
    /// Cryptographic operations with ML-DSA keys.
    MlDsa,
    /// Data key pairs of a kind.
    Pair(PairKind),
    /// An operation by itself, so many calls a second.
    Alone(Operation, u64),
}

/// Data key pairs are counted by what they cost to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum PairKind {
    Curve,
    Rsa2048,
    Rsa3072,
    Rsa4096,
    Sm2,
}

/// Calls per second of each CloudHSM key store, of all callers together; not adjustable.
const STORE_PER_SECOND: u64 = 1_800;

/// The Regions with a higher quota of symmetric operations.
const SYMMETRIC_100_000: [&str; 3] = ["us-east-1", "us-west-2", "eu-west-1"];
const SYMMETRIC_20_000: [&str; 6] = [
    "us-east-2",
    "ap-southeast-1",
    "ap-southeast-2",
    "ap-northeast-1",
    "eu-central-1",
    "eu-west-2",
];

/// What a call counts as. Rule QUOTA-02: cryptographic operations by the kind of their key, all
/// others by themselves. Operations of which the page says nothing are not counted.
pub(crate) fn counted(
    operation: Operation,
    key: Option<KeySpec>,
    pair: Option<&str>,
) -> Option<QuotaKind> {
    let by_key = |spec: KeySpec| match spec {
        KeySpec::SymmetricDefault
        | KeySpec::Hmac224
        | KeySpec::Hmac256
        | KeySpec::Hmac384
        | KeySpec::Hmac512 => Some(QuotaKind::Symmetric),
        KeySpec::Rsa2048 | KeySpec::Rsa3072 | KeySpec::Rsa4096 => Some(QuotaKind::Rsa),
        KeySpec::EccNistP256
        | KeySpec::EccNistP384
        | KeySpec::EccNistP521
        | KeySpec::EccSecgP256k1
        | KeySpec::EccNistEdwards25519
        | KeySpec::Sm2 => Some(QuotaKind::Curve),
        KeySpec::MlDsa44 | KeySpec::MlDsa65 | KeySpec::MlDsa87 => Some(QuotaKind::MlDsa),
        KeySpec::MlKem512 | KeySpec::MlKem768 | KeySpec::MlKem1024 => None,
    };
    match row(operation).counting {
        Counting::Not => None,
        Counting::Alone(per_second) => Some(QuotaKind::Alone(operation, per_second)),
        Counting::Symmetric => Some(QuotaKind::Symmetric),
        Counting::ByKey => key.and_then(by_key),
        Counting::ByKeyOrSymmetric => key.map_or(Some(QuotaKind::Symmetric), by_key),
        Counting::ByPair => pair_kind(pair?).map(QuotaKind::Pair),
    }
}

fn pair_kind(spec: &str) -> Option<PairKind> {
    match spec {
        "RSA_2048" => Some(PairKind::Rsa2048),
        "RSA_3072" => Some(PairKind::Rsa3072),
        "RSA_4096" => Some(PairKind::Rsa4096),
        "SM2" => Some(PairKind::Sm2),
        curve if curve.starts_with("ECC_") => Some(PairKind::Curve),
        _ => None,
    }
}

/// Calls per second in an account and a Region.
pub(crate) fn per_second(counted: QuotaKind, region: &str) -> u64 {
    match counted {
        QuotaKind::Symmetric if SYMMETRIC_100_000.contains(&region) => 100_000,
        QuotaKind::Symmetric if SYMMETRIC_20_000.contains(&region) => 20_000,
        QuotaKind::Symmetric => 10_000,
        QuotaKind::Rsa | QuotaKind::Curve | QuotaKind::MlDsa => 1_000,
        QuotaKind::Pair(PairKind::Curve) => 100,
        QuotaKind::Pair(PairKind::Rsa2048) => 20,
        QuotaKind::Pair(PairKind::Rsa3072) => 4,
        QuotaKind::Pair(PairKind::Rsa4096) => 1,
        QuotaKind::Pair(PairKind::Sm2) => 25,
        QuotaKind::Alone(_, per_second) => per_second,
    }
}

/// Calls that may still be made, in thousandths, since so a millisecond fills in whole numbers.
///
/// Rule QUOTA-04: a bucket holds the calls of one second and fills up by the clock.
#[derive(Debug)]
struct Bucket {
    thousandths: u64,
    at: Timestamp,
}

impl Bucket {
    fn full(per_second: u64, at: Timestamp) -> Self {
        Self {
            thousandths: per_second.saturating_mul(1_000),
            at,
        }
    }

    /// Takes one call out, if there is one.
    fn take(&mut self, per_second: u64, now: Timestamp) -> bool {
        let passed = now.millis().saturating_sub(self.at.millis());
        let filled = self
            .thousandths
            .saturating_add(passed.saturating_mul(per_second));
        self.thousandths = filled.min(per_second.saturating_mul(1_000));
        self.at = now;
        let left = self.thousandths.checked_sub(1_000);
        self.thousandths = left.unwrap_or(self.thousandths);
        left.is_some()
    }
}

/// The quotas of requests. Rule QUOTA-01: none is kept unless that was asked for, since measuring
/// what lies beyond them is what this is for; then a call costs one branch.
#[derive(Debug, Default)]
pub(crate) struct RequestQuotas {
    are_kept: AtomicBool,
    buckets: Mutex<BTreeMap<Whose, Bucket>>,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Whose {
    Account(Scope, QuotaKind),
    /// A key store, wherever its callers are.
    Store(Scope, KeyStoreId),
}

impl RequestQuotas {
    /// Keeps the service's quotas from here on.
    pub(crate) fn keep(&self) {
        self.are_kept.store(true, Ordering::Relaxed);
    }

    /// Counts a call against the quota of its account.
    pub(crate) fn account_permits(
        &self,
        scope: &Scope,
        counted: QuotaKind,
        now: Timestamp,
    ) -> bool {
        let rate = per_second(counted, scope.region.as_str());
        self.take(Whose::Account(scope.clone(), counted), rate, now)
    }

    pub(crate) fn are_kept(&self) -> bool {
        self.are_kept.load(Ordering::Relaxed)
    }

    /// Rule QUOTA-03: each CloudHSM key store has a quota of its own beside the account's.
    pub(crate) fn store_permits(&self, scope: &Scope, id: &KeyStoreId, now: Timestamp) -> bool {
        let whose = || Whose::Store(scope.clone(), id.clone());
        !self.are_kept() || self.take(whose(), STORE_PER_SECOND, now)
    }

    fn take(&self, whose: Whose, per_second: u64, now: Timestamp) -> bool {
        let mut buckets = self.buckets.lock();
        let bucket = buckets.entry(whose);
        bucket
            .or_insert_with(|| Bucket::full(per_second, now))
            .take(per_second, now)
    }
}

/// As the service words it.
pub(crate) fn throttled() -> Exception {
    Exception::new(
        Code::Throttling,
        "You have exceeded the rate at which you may call KMS. Reduce the frequency of your calls.",
    )
}

#[cfg(test)]
mod tests {
    use portcullis_api::Service;

    use super::*;

    fn rate(target: &str, key: Option<KeySpec>, pair: Option<&str>, region: &str) -> Option<u64> {
        let operation = Operation::from_target(&format!("TrentService.{target}")).unwrap();
        counted(operation, key, pair).map(|counted| per_second(counted, region))
    }

    const CURVE: Option<KeySpec> = Some(KeySpec::EccNistP256);

    /// Operation, spec of the key, spec of the pair, rate.
    type Case<'a> = (&'a str, Option<KeySpec>, Option<&'a str>, Option<u64>);

    /// The rates in us-east-1, where nothing else is said.
    fn check(cases: &[Case<'_>]) {
        for (operation, key, pair, expected) in cases {
            let found = rate(operation, *key, *pair, "us-east-1");
            assert_eq!(found, *expected, "{operation} {key:?} {pair:?}");
        }
    }

    /// Rule QUOTA-02.
    #[test]
    fn every_rate_is_that_of_the_page() {
        check(&[
            (
                "Encrypt",
                Some(KeySpec::SymmetricDefault),
                None,
                Some(100_000),
            ),
            ("Encrypt", Some(KeySpec::Rsa2048), None, Some(1_000)),
            ("Sign", CURVE, None, Some(1_000)),
            ("DeriveSharedSecret", CURVE, None, Some(1_000)),
            ("Verify", Some(KeySpec::MlDsa44), None, Some(1_000)),
            ("Encapsulate", Some(KeySpec::MlKem512), None, None),
            ("GenerateDataKeyPair", None, Some("RSA_4096"), Some(1)),
            ("GenerateDataKeyPair", None, Some("RSA_3072"), Some(4)),
            ("GenerateDataKeyPair", None, Some("RSA_2048"), Some(20)),
            ("GenerateDataKeyPair", None, Some("SM2"), Some(25)),
            (
                "GenerateDataKeyPair",
                None,
                Some("ECC_NIST_P256"),
                Some(100),
            ),
            ("GetParametersForImport", None, None, Some(1)),
            ("CreateKey", None, None, Some(5)),
            ("TagResource", None, None, Some(10)),
            ("PutKeyPolicy", None, None, Some(15)),
            ("CreateGrant", None, None, Some(50)),
            ("ListGrants", None, None, Some(100)),
            ("ListKeys", None, None, Some(500)),
            ("GetKeyPolicy", None, None, Some(1_000)),
            ("DescribeKey", None, None, Some(2_000)),
        ]);
        let hmac = Some(KeySpec::Hmac256);
        assert_eq!(rate("VerifyMac", hmac, None, "eu-north-1"), Some(10_000));
        assert_eq!(rate("Decrypt", None, None, "eu-central-1"), Some(20_000));
    }

    #[test]
    fn every_operation_of_the_service_but_two_is_counted() {
        let kms = Operation::ALL
            .iter()
            .filter(|operation| operation.service() == Service::Kms);
        let key = Some(KeySpec::EccNistP256);
        let not_counted: Vec<_> = kms
            .filter(|operation| counted(**operation, key, Some("RSA_2048")).is_none())
            .map(|operation| operation.name())
            .collect();
        assert_eq!(not_counted, ["Decapsulate", "Encapsulate"]);
    }

    /// Rule QUOTA-04: a bucket holds the calls of one second and fills up by the clock.
    #[test]
    fn a_second_fills_a_bucket_and_no_more() {
        let at = Timestamp::from_millis;
        let mut bucket = Bucket::full(5, at(0));
        let taken =
            |bucket: &mut Bucket, now: u64| (0..20).filter(|_| bucket.take(5, at(now))).count();
        assert_eq!(taken(&mut bucket, 0), 5);
        assert_eq!(taken(&mut bucket, 199), 0);
        assert_eq!(taken(&mut bucket, 200), 1);
        assert_eq!(taken(&mut bucket, 1_000), 4);
        assert_eq!(taken(&mut bucket, 60_000), 5);
        // A clock that went back fills nothing.
        assert_eq!(taken(&mut bucket, 50_000), 0);
    }
}
