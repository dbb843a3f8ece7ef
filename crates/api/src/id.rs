//! Ids as types: they are parsed once, at the edge, and are valid inside.

use std::fmt;
use std::str::FromStr;

use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use serde::{Deserialize, Serialize};

use crate::inline_text::InlineText;

/// A text that is not an id of the expected kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidId {
    /// What was expected, e.g. `a cluster ID such as cluster-abcdefghijk`.
    pub expected: &'static str,
}

impl fmt::Display for InvalidId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "not {}", self.expected)
    }
}

impl std::error::Error for InvalidId {}

macro_rules! text_ids {
    ($($(#[$doc:meta])* $name:ident($text:ty), $expected:literal, $accepts:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name($text);

        impl $name {
            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str { &self.0 }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let accepts: fn(&str) -> bool = $accepts;
                let accepted = accepts(text).then(|| text.try_into().ok()).flatten();
                accepted.map(Self).ok_or(InvalidId { expected: $expected })
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;
            fn try_from(text: String) -> Result<Self, InvalidId> { text.parse() }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self { id.0.into() }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }
    )*};
}

text_ids! {
    /// An AWS account: twelve digits.
    AccountId(InlineText<12>), "an account ID of twelve digits", |text| {
        text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    /// A Region such as `eu-west-1`.
    Region(InlineText<32>), "a Region such as us-east-1", |text| {
        (4..=32).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    /// A custom key store: `cks-` and 17 hexadecimal digits where Portcullis makes it; only the
    /// length (1 to 64) is constrained by the service model.
    KeyStoreId(Box<str>), "a custom key store ID such as cks-1234567890abcdef0", |text| {
        (1..=64).contains(&text.chars().count())
    };
    /// A CloudHSM cluster: `cluster-` and 11 to 16 letters or digits.
    ///
    /// The model's pattern leaves out the digits 0, 1, 8 and 9. They are accepted, because the
    /// Developer Guide's own example `cluster-1a23b4cdefg` has one; no such id is ever made here.
    ClusterId(Box<str>), "a cluster ID such as cluster-abcdefghijk", |text| suffixed(text, "cluster-");
    /// An HSM of a cluster.
    HsmId(Box<str>), "an HSM ID such as hsm-abcdefghijk", |text| suffixed(text, "hsm-");
    /// A backup of a cluster.
    BackupId(Box<str>), "a backup ID such as backup-abcdefghijk", |text| suffixed(text, "backup-");
}

fn suffixed(text: &str, prefix: &str) -> bool {
    text.strip_prefix(prefix).is_some_and(|suffix| {
        (11..=16).contains(&suffix.len()) && suffix.bytes().all(|byte| byte.is_ascii_alphanumeric())
    })
}

/// The alphabet of the ids that CloudHSM makes (`[2-7a-zA-Z]`), lower case only: 32 letters, so
/// that five random bits choose one without bias.
const SUFFIX_ALPHABET: &[u8; 32] = b"234567abcdefghijklmnopqrstuvwxyz";

fn suffix_from(bits: [u8; 11]) -> String {
    bits.iter()
        .filter_map(|byte| SUFFIX_ALPHABET.get(usize::from(byte & 31)))
        .map(|letter| char::from(*letter))
        .collect()
}

impl ClusterId {
    /// A fresh id from random bytes.
    #[must_use]
    pub fn from_random(bits: [u8; 11]) -> Self {
        Self(format!("cluster-{}", suffix_from(bits)).into())
    }
}

impl HsmId {
    /// A fresh id from random bytes.
    #[must_use]
    pub fn from_random(bits: [u8; 11]) -> Self {
        Self(format!("hsm-{}", suffix_from(bits)).into())
    }
}

impl BackupId {
    /// A fresh id from random bytes.
    #[must_use]
    pub fn from_random(bits: [u8; 11]) -> Self {
        Self(format!("backup-{}", suffix_from(bits)).into())
    }
}

impl KeyStoreId {
    /// A fresh id, `cks-` and 17 hexadecimal digits, from random bytes.
    #[must_use]
    pub fn from_random(bits: [u8; 9]) -> Self {
        let hex = HEXLOWER.encode(&bits);
        Self(format!("cks-{}", hex.get(..17).unwrap_or(&hex)).into())
    }
}

/// A KMS key: a UUID, or `mrk-` and 32 hexadecimal digits for a multi-Region key.
///
/// The order is that of the texts: every UUID stands before every multi-Region ID.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyId {
    multi_region: bool,
    bytes: [u8; 16],
}

impl KeyId {
    /// A fresh version-4 UUID from random bytes.
    #[must_use]
    pub const fn from_random(mut bits: [u8; 16]) -> Self {
        bits[6] = (bits[6] & 0x0f) | 0x40;
        bits[8] = (bits[8] & 0x3f) | 0x80;
        Self::from_bytes(bits)
    }

    /// A fresh id of a multi-Region key from random bytes.
    #[must_use]
    pub const fn multi_region_from_random(bits: [u8; 16]) -> Self {
        Self::multi_region_from_bytes(bits)
    }

    /// The key id with exactly these bytes, as carried in a ciphertext.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self {
            multi_region: false,
            bytes,
        }
    }

    /// The id of the multi-Region key with exactly these bytes.
    #[must_use]
    pub const fn multi_region_from_bytes(bytes: [u8; 16]) -> Self {
        Self {
            multi_region: true,
            bytes,
        }
    }

    /// The sixteen bytes.
    #[must_use]
    pub const fn bytes(&self) -> &[u8; 16] {
        &self.bytes
    }

    /// Whether it is that of a multi-Region key, which is the same key in every Region.
    #[must_use]
    pub const fn is_multi_region(&self) -> bool {
        self.multi_region
    }
}

/// The bytes alone are the hash: a UUID and a multi-Region ID hardly ever have the same ones.
impl std::hash::Hash for KeyId {
    fn hash<H: std::hash::Hasher>(&self, hasher: &mut H) {
        self.bytes.hash(hasher);
    }
}

impl FromStr for KeyId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        const INVALID: InvalidId = InvalidId {
            expected: "a key ID (a UUID, or mrk- and 32 hexadecimal digits)",
        };
        let multi_region = text.strip_prefix("mrk-");
        let digits = match multi_region {
            Some(digits) => digits.as_bytes().try_into().ok(),
            None => text.as_bytes().try_into().ok().and_then(digits_of_uuid),
        };
        let digits: [u8; 32] = digits.ok_or(INVALID)?;
        let mut bytes = [0; 16];
        let read = HEXLOWER_PERMISSIVE.decode_mut(&digits, &mut bytes);
        read.map_err(|_no_digits| INVALID)?;
        Ok(Self {
            multi_region: multi_region.is_some(),
            bytes,
        })
    }
}

/// Copied in five pieces, since every call names a key.
fn digits_of_uuid(text: &[u8; 36]) -> Option<[u8; 32]> {
    let mut digits = [0; 32];
    digits[..8].copy_from_slice(&text[..8]);
    digits[8..12].copy_from_slice(&text[9..13]);
    digits[12..16].copy_from_slice(&text[14..18]);
    digits[16..20].copy_from_slice(&text[19..23]);
    digits[20..].copy_from_slice(&text[24..]);
    ([text[8], text[13], text[18], text[23]] == *b"----").then_some(digits)
}

impl TryFrom<String> for KeyId {
    type Error = InvalidId;

    fn try_from(text: String) -> Result<Self, InvalidId> {
        text.parse()
    }
}

impl From<KeyId> for String {
    fn from(id: KeyId) -> Self {
        id.to_string()
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut digits = [0; 32];
        let digits = HEXLOWER.encode_mut_str(&self.bytes, &mut digits);
        if self.multi_region {
            return write!(formatter, "mrk-{digits}");
        }
        let part = |range| digits.get(range).unwrap_or_default();
        let (a, b, c) = (part(0..8), part(8..12), part(12..16));
        write!(formatter, "{a}-{b}-{c}-{}-{}", part(16..20), part(20..32))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "KeyId({self})")
    }
}

/// Account and Region: everything in both services is partitioned by the pair.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Scope {
    /// The account that the resources belong to.
    pub account: AccountId,
    /// Where they are.
    pub region: Region,
}

impl Region {
    /// The part of AWS that the Region is in, as ARNs name it.
    ///
    /// Rule ARN-01: an ARN is of the partition of its Region.
    #[must_use]
    pub fn partition(&self) -> &'static str {
        let mut all = PARTITIONS.iter();
        let found = all.find(|(beginning, _)| self.0.starts_with(beginning));
        found.map_or("aws", |(_, partition)| partition)
    }
}

/// The partitions beside `aws`, by the beginning of their Regions' names (AWS General Reference, ARNs).
const PARTITIONS: [(&str, &str); 4] = [
    ("cn-", "aws-cn"),
    ("us-gov-", "aws-us-gov"),
    ("us-iso-", "aws-iso"),
    ("us-isob-", "aws-iso-b"),
];

impl Scope {
    /// The beginning of the ARNs of a service's resources in this scope.
    #[must_use]
    pub fn arn(&self, service: &str, resource: impl fmt::Display) -> String {
        let (partition, region, account) = (self.region.partition(), &self.region, &self.account);
        format!("arn:{partition}:{service}:{region}:{account}:{resource}")
    }

    /// The ARN of the root of an account, as it is in this Region.
    #[must_use]
    pub fn root_arn(&self, account: &AccountId) -> String {
        format!("arn:{}:iam::{account}:root", self.region.partition())
    }

    /// The ARN of a KMS key in this scope.
    #[must_use]
    pub fn key_arn(&self, key: &KeyId) -> String {
        self.arn("kms", format_args!("key/{key}"))
    }

    /// The ARN of an alias, whose name starts with `alias/`.
    #[must_use]
    pub fn alias_arn(&self, alias: &str) -> String {
        self.arn("kms", alias)
    }

    /// The ARN of a CloudHSM backup.
    #[must_use]
    pub fn backup_arn(&self, backup: &BackupId) -> String {
        self.arn("cloudhsm", format_args!("backup/{backup}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guides_cluster_id_is_accepted_and_others_follow_the_pattern() {
        assert!("cluster-1a23b4cdefg".parse::<ClusterId>().is_ok());
        for refused in [
            "cluster-",
            "cluster-short",
            "Cluster-abcdefghijk",
            "cluster-abcdefghij_k",
        ] {
            assert!(refused.parse::<ClusterId>().is_err(), "{refused}");
        }
    }

    #[test]
    fn made_ids_follow_the_documented_patterns() {
        let cluster = ClusterId::from_random([255, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        let suffix = cluster.as_str().strip_prefix("cluster-").unwrap();
        assert_eq!(suffix.len(), 11);
        assert!(
            suffix
                .bytes()
                .all(|b| matches!(b, b'2'..=b'7' | b'a'..=b'z'))
        );
        assert_eq!(
            KeyStoreId::from_random([0xab; 9]).as_str(),
            "cks-ababababababababa"
        );
    }

    #[test]
    fn a_key_id_reads_back_what_it_prints() {
        let id = KeyId::from_random([7; 16]);
        assert_eq!(id.to_string().parse(), Ok(id));
        for refused in [
            "",
            "12345678",
            "1234567890abcdef1234567890abcdef",
            "g2345678-1234-1234-1234-123456789012",
            "12345678-1234-1234-1234-1234567890123",
            "mrk-",
            "mrk-12345678-1234-1234-1234-123456789012",
            "mrk-1234567890abcdef1234567890abcde",
            "mrk-1234567890abcdef1234567890abcdefa",
            "MRK-1234567890abcdef1234567890abcdef",
        ] {
            assert!(refused.parse::<KeyId>().is_err(), "{refused}");
        }
    }

    #[test]
    fn a_multi_region_key_id_is_told_from_a_uuid_of_the_same_bytes() {
        let id = KeyId::multi_region_from_random([0xfe; 16]);
        assert_eq!(id.to_string(), format!("mrk-{}", "fe".repeat(16)));
        assert_eq!(id.to_string().parse(), Ok(id));
        let uuid = KeyId::from_bytes([0xff; 16]);
        assert!(id.is_multi_region() && !uuid.is_multi_region());
        assert_ne!(id, KeyId::from_bytes([0xfe; 16]));
        assert!(uuid < id && uuid.to_string() < id.to_string());
    }

    /// Rule ARN-01.
    #[test]
    fn an_arn_is_of_the_partition_of_its_region() {
        for (region, partition) in [
            ("us-east-1", "aws"),
            ("eu-central-2", "aws"),
            ("ca-west-1", "aws"),
            ("cn-north-1", "aws-cn"),
            ("cn-northwest-1", "aws-cn"),
            ("us-gov-west-1", "aws-us-gov"),
            ("us-gov-east-1", "aws-us-gov"),
            ("us-iso-east-1", "aws-iso"),
            ("us-isob-east-1", "aws-iso-b"),
        ] {
            let scope = Scope {
                account: "111122223333".parse().unwrap(),
                region: region.parse().unwrap(),
            };
            let backup: BackupId = "backup-abcdefghijk".parse().unwrap();
            for (arn, service) in [
                (scope.key_arn(&KeyId::from_bytes([1; 16])), "kms"),
                (scope.alias_arn("alias/a"), "kms"),
                (scope.backup_arn(&backup), "cloudhsm"),
            ] {
                let beginning = format!("arn:{partition}:{service}:{region}:111122223333:");
                assert!(arn.starts_with(&beginning), "{arn}");
            }
            let root = scope.root_arn(&scope.account);
            assert_eq!(root, format!("arn:{partition}:iam::111122223333:root"));
        }
    }

    #[test]
    fn an_account_is_twelve_digits() {
        assert!("111122223333".parse::<AccountId>().is_ok());
        assert!("AKIAIOSFODNN7EXAMPLE".parse::<AccountId>().is_err());
    }
}
