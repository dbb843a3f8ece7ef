use std::fmt;

use data_encoding::HEXLOWER;
use portcullis_wiped::Wiped;
use serde::{Deserialize, Serialize};

use crate::SessionId;

/// A key inside an HSM: the `id` attribute, sixteen random bytes, the same on every HSM of the
/// cluster. Its own bits are its hash.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct HsmKeyId(pub [u8; 16]);

impl HsmKeyId {
    /// The key reference by which the CloudHSM CLI names a key: the first half of the id, the
    /// same on every HSM. Ids are random, so two keys share one hardly ever.
    #[must_use]
    pub const fn reference(self) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        u64::from_be_bytes([a, b, c, d, e, f, g, h])
    }

    /// The id that prints as these 32 digits.
    #[must_use]
    pub fn from_hex(digits: &str) -> Option<Self> {
        let mut id = [0; 16];
        let is_long_enough = digits.len() == 2 * id.len();
        let is_read = is_long_enough && HEXLOWER.decode_mut(digits.as_bytes(), &mut id).is_ok();
        is_read.then_some(Self(id))
    }
}

impl fmt::Display for HsmKeyId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&HEXLOWER.encode_display(&self.0), formatter)
    }
}

impl fmt::Debug for HsmKeyId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "HsmKeyId({self})")
    }
}

/// One cryptographic operation under a session. Borrowed: the bytes stay in the frame or body
/// they came in.
#[derive(Clone, Copy)]
pub struct Call<'a> {
    /// The session under which it runs.
    pub session: SessionId,
    /// What to do.
    pub operation: Operation<'a>,
}

/// A cryptographic operation. A sealed text is `nonce (12 bytes) ‖ ciphertext ‖ tag (16 bytes)`.
#[derive(Clone, Copy)]
pub enum Operation<'a> {
    /// Seals `plaintext`; output: the sealed text.
    Encrypt {
        /// The id of the key that is used.
        key: HsmKeyId,
        /// Bound to the sealed text, not contained in it.
        additional_data: &'a [u8],
        /// At most [`PLAINTEXT_BYTES_MAX`](Operation::PLAINTEXT_BYTES_MAX).
        plaintext: &'a [u8],
    },
    /// Opens `sealed`; output: the plaintext.
    Decrypt {
        /// The id of the key that is used.
        key: HsmKeyId,
        /// Exactly what it was sealed with.
        additional_data: &'a [u8],
        /// A sealed text.
        sealed: &'a [u8],
    },
    /// Draws `bytes` random bytes and seals them; output: the plaintext, then the sealed text.
    GenerateDataKey {
        /// The id of the key that is used.
        key: HsmKeyId,
        /// Bound to the sealed text.
        additional_data: &'a [u8],
        /// 1 to 1,024.
        bytes: u16,
    },
    /// Opens `sealed` under one key and seals it under another of the same HSM; output: the new
    /// sealed text.
    ReEncrypt {
        /// The key that opens.
        source: HsmKeyId,
        /// What it was sealed with.
        source_additional_data: &'a [u8],
        /// The key that seals.
        destination: HsmKeyId,
        /// Bound to the new sealed text.
        destination_additional_data: &'a [u8],
        /// A sealed text.
        sealed: &'a [u8],
    },
    /// Draws random bytes; output: the bytes.
    Random {
        /// 1 to 1,024.
        bytes: u16,
    },
}

impl Operation<'_> {
    /// The largest plaintext KMS encrypts under a symmetric key (service model: 4,096), plus room
    /// for a data key pair's private half.
    pub const PLAINTEXT_BYTES_MAX: usize = 8192;
}

impl fmt::Debug for Operation<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The name only: everything else may be secret.
        formatter.write_str(match self {
            Self::Encrypt { .. } => "Encrypt",
            Self::Decrypt { .. } => "Decrypt",
            Self::GenerateDataKey { .. } => "GenerateDataKey",
            Self::ReEncrypt { .. } => "ReEncrypt",
            Self::Random { .. } => "Random",
        })
    }
}

impl fmt::Debug for Call<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Call({:?})", self.operation)
    }
}

/// What an operation gives back. It may be a plaintext: it is wiped when dropped and not printed.
#[derive(Default, PartialEq, Eq)]
pub struct Output(pub Wiped);

impl fmt::Debug for Output {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Output({} bytes)", self.0.len())
    }
}

impl AsRef<[u8]> for Output {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// Why an HSM refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[repr(u8)]
pub enum Refusal {
    /// No such session, or it has ended.
    NoSession = 1,
    /// The session's epoch is lower than one this HSM has seen: its owner was disconnected.
    Fenced = 2,
    /// No such key, or not this user's.
    NoSuchKey = 3,
    /// The sealed text does not open under this key with this additional data.
    NotAuthentic = 4,
    /// A length out of range.
    BadLength = 5,
    /// The HSM is at its limit of keys, users or sessions.
    Full = 6,
    /// More work than the HSM accepts at once (response code 0xBB).
    Busy = 7,
    /// No such user.
    NoSuchUser = 8,
    /// The password is not that of the user.
    WrongPassword = 9,
    /// Too many wrong passwords; an admin must change it.
    LockedOut = 10,
    /// The user is logged in elsewhere.
    LoggedIn = 11,
    /// The user exists already.
    UserExists = 12,
    /// The user's role does not permit the command.
    NotPermitted = 13,
    /// The user owns keys and cannot be deleted.
    OwnsKeys = 14,
    /// A user name or password outside the permitted form.
    BadCredentials = 15,
    /// The HSM was activated before, or is not yet.
    WrongPhase = 16,
    /// The masked key was not made by an HSM of this cluster.
    ForeignKey = 17,
    /// The HSM could not make the change durable.
    DiskFailed = 18,
    /// The key's attributes do not permit what was asked.
    KeyForbids = 19,
    /// The attribute cannot be changed, or not to this value.
    AttributeFixed = 20,
    /// Only the owner of the key may do this; it is shared with the user who asks.
    NotOwner = 21,
    /// The HSM does not wrap in this way with a key of this length.
    BadMechanism = 22,
}

impl Refusal {
    /// Every refusal, in the order of their codes on the wire.
    pub const ALL: [Self; 22] = [
        Self::NoSession,
        Self::Fenced,
        Self::NoSuchKey,
        Self::NotAuthentic,
        Self::BadLength,
        Self::Full,
        Self::Busy,
        Self::NoSuchUser,
        Self::WrongPassword,
        Self::LockedOut,
        Self::LoggedIn,
        Self::UserExists,
        Self::NotPermitted,
        Self::OwnsKeys,
        Self::BadCredentials,
        Self::WrongPhase,
        Self::ForeignKey,
        Self::DiskFailed,
        Self::KeyForbids,
        Self::AttributeFixed,
        Self::NotOwner,
        Self::BadMechanism,
    ];

    /// The code on the wire.
    #[must_use]
    pub const fn code(self) -> u8 {
        // The discriminants are the codes.
        self as u8
    }

    /// The refusal with this code, if there is one.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code).checked_sub(1)?).copied()
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::NoSession => "the session has ended",
            Self::Fenced => "the session's epoch is out of date",
            Self::NoSuchKey => "the HSM has no such key",
            Self::NotAuthentic => "the sealed text does not open",
            Self::BadLength => "a length is out of range",
            Self::Full => "the HSM is at its limit",
            Self::Busy => "the HSM is busy",
            Self::NoSuchUser => "the HSM has no such user",
            Self::WrongPassword => "the password is wrong",
            Self::LockedOut => "the user is locked out",
            Self::LoggedIn => "the user is logged in elsewhere",
            Self::UserExists => "the user exists already",
            Self::NotPermitted => "the user's role does not permit this",
            Self::OwnsKeys => "the user owns keys",
            Self::BadCredentials => "the user name or password has a form that is not permitted",
            Self::WrongPhase => "the HSM is not in the right phase of its activation",
            Self::ForeignKey => "the masked key is not of this cluster",
            Self::DiskFailed => "the HSM could not make the change durable",
            Self::KeyForbids => "the key's attributes do not permit this",
            Self::AttributeFixed => "the attribute cannot be changed, or not to this value",
            Self::NotOwner => "only the key's owner may do this",
            Self::BadMechanism => "the HSM does not wrap in this way with a key of this length",
        })
    }
}

impl std::error::Error for Refusal {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_reads_back_from_its_code() {
        for refusal in Refusal::ALL {
            assert_eq!(Refusal::from_code(refusal.code()), Some(refusal));
        }
        assert_eq!(Refusal::from_code(0), None);
        assert_eq!(Refusal::from_code(23), None);
    }
}
