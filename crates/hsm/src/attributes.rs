//! What an HSM knows and says about a key beside its bytes.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::HsmKeyId;

/// A yes-or-no attribute of a key. The names are those of the CloudHSM CLI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum Flag {
    /// The key may encrypt.
    Encrypt,
    /// The key may decrypt.
    Decrypt,
    /// It wraps other keys.
    Wrap,
    /// It unwraps other keys.
    Unwrap,
    /// The key may sign.
    Sign,
    /// The key may verify signatures.
    Verify,
    /// Keys are derived from it.
    Derive,
    /// It outlives the session that made it; every key here does.
    Token,
    /// Only users see it.
    Private,
    /// It never leaves the HSM in the clear.
    Sensitive,
    /// It has been sensitive from the beginning.
    AlwaysSensitive,
    /// It may be wrapped.
    Extractable,
    /// It has not been extractable at any time.
    NeverExtractable,
    /// An HSM of the cluster made it; otherwise it was unwrapped.
    Local,
    /// Its attributes may be changed.
    Modifiable,
    /// It may be deleted.
    Destroyable,
    /// An admin trusts it to wrap keys that demand it.
    Trusted,
    /// It demands a trusted key to be wrapped with.
    WrapWithTrusted,
}

impl Flag {
    /// Every flag, in the order of their bits.
    pub const ALL: [Self; 18] = [
        Self::Encrypt,
        Self::Decrypt,
        Self::Wrap,
        Self::Unwrap,
        Self::Sign,
        Self::Verify,
        Self::Derive,
        Self::Token,
        Self::Private,
        Self::Sensitive,
        Self::AlwaysSensitive,
        Self::Extractable,
        Self::NeverExtractable,
        Self::Local,
        Self::Modifiable,
        Self::Destroyable,
        Self::Trusted,
        Self::WrapWithTrusted,
    ];

    /// As the CloudHSM CLI writes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Encrypt => "encrypt",
            Self::Decrypt => "decrypt",
            Self::Wrap => "wrap",
            Self::Unwrap => "unwrap",
            Self::Sign => "sign",
            Self::Verify => "verify",
            Self::Derive => "derive",
            Self::Token => "token",
            Self::Private => "private",
            Self::Sensitive => "sensitive",
            Self::AlwaysSensitive => "always-sensitive",
            Self::Extractable => "extractable",
            Self::NeverExtractable => "never-extractable",
            Self::Local => "local",
            Self::Modifiable => "modifiable",
            Self::Destroyable => "destroyable",
            Self::Trusted => "trusted",
            Self::WrapWithTrusted => "wrap-with-trusted",
        }
    }

    /// The flag with this name, if there is one.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|flag| flag.name() == name)
    }

    /// Whether the user who makes a key may choose it. `token` may be chosen, but only as true.
    #[must_use]
    pub const fn is_chosen_at_creation(self) -> bool {
        match self {
            Self::Encrypt
            | Self::Decrypt
            | Self::Wrap
            | Self::Unwrap
            | Self::Sign
            | Self::Verify
            | Self::Derive
            | Self::Token
            | Self::Private
            | Self::Sensitive
            | Self::Extractable
            | Self::Modifiable
            | Self::Destroyable
            | Self::WrapWithTrusted => true,
            Self::AlwaysSensitive | Self::NeverExtractable | Self::Local | Self::Trusted => false,
        }
    }

    /// Rule HSM-24: whether the owner may give a key this value of it later.
    pub(crate) const fn may_become(self, value: bool) -> bool {
        match self {
            Self::Encrypt
            | Self::Decrypt
            | Self::Wrap
            | Self::Unwrap
            | Self::Sign
            | Self::Verify
            | Self::Derive
            | Self::Destroyable
            | Self::WrapWithTrusted => true,
            Self::Modifiable => !value,
            Self::Token
            | Self::Private
            | Self::Sensitive
            | Self::AlwaysSensitive
            | Self::Extractable
            | Self::NeverExtractable
            | Self::Local
            | Self::Trusted => false,
        }
    }

    const fn bit(self) -> u32 {
        // The discriminants count from 0.
        1 << self as u8
    }
}

/// A set of flags.
#[derive(Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Flags(u32);

impl Flags {
    /// These flags and no others.
    #[must_use]
    pub fn of(flags: &[Flag]) -> Self {
        flags
            .iter()
            .fold(Self::default(), |all, flag| all.with(*flag, true))
    }

    /// Whether `flag` is among them.
    #[must_use]
    pub const fn has(self, flag: Flag) -> bool {
        self.0 & flag.bit() != 0
    }

    /// The same but for `flag`.
    #[must_use]
    pub const fn with(self, flag: Flag, value: bool) -> Self {
        if value {
            Self(self.0 | flag.bit())
        } else {
            Self(self.0 & !flag.bit())
        }
    }
}

impl fmt::Debug for Flags {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let present = Flag::ALL.into_iter().filter(|flag| self.has(*flag));
        formatter
            .debug_set()
            .entries(present.map(Flag::name))
            .finish()
    }
}

/// How long an AES key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum KeyLength {
    /// 16 bytes: AES-128.
    Bytes16,
    /// 24 bytes: AES-192.
    Bytes24,
    /// 32 bytes: AES-256.
    Bytes32,
}

impl KeyLength {
    /// The length of the key in bytes.
    #[must_use]
    pub const fn bytes(self) -> usize {
        match self {
            Self::Bytes16 => 16,
            Self::Bytes24 => 24,
            Self::Bytes32 => 32,
        }
    }

    /// The length of so many bytes, if AES has it.
    #[must_use]
    pub const fn of(bytes: usize) -> Option<Self> {
        match bytes {
            16 => Some(Self::Bytes16),
            24 => Some(Self::Bytes24),
            32 => Some(Self::Bytes32),
            _ => None,
        }
    }
}

/// A key's attributes, as far as a user chooses them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attributes {
    /// The label; KMS uses the key's ARN.
    pub label: String,
    /// The `id` attribute; KMS uses the backing key's ID. Empty unless a user sets it.
    pub id: Vec<u8>,
    /// What the key is for, and what may be done with it.
    pub flags: Flags,
}

/// What a new key shall be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyTemplate {
    /// How long; an unwrapped key has the length of what was wrapped.
    pub length: KeyLength,
    /// Its attributes; the HSM sets those that no user chooses.
    pub attributes: Attributes,
    /// With whom it is shared from the beginning.
    pub shared_users: Vec<String>,
}

impl KeyTemplate {
    /// An AES-256 key that seals and opens and never leaves its HSMs: what KMS makes. Rule HSM-27.
    #[must_use]
    pub fn sealing(id: HsmKeyId, label: impl Into<String>) -> Self {
        let general = Self::general(KeyLength::Bytes32, label);
        let flags = general.attributes.flags;
        let flags = flags.with(Flag::Encrypt, true).with(Flag::Decrypt, true);
        Self {
            attributes: Attributes {
                id: id.0.to_vec(),
                flags: flags.with(Flag::Extractable, false),
                ..general.attributes
            },
            ..general
        }
    }

    /// An AES key with the values that the CloudHSM CLI gives what is not chosen (CloudHSM User
    /// Guide, supported attributes).
    #[must_use]
    pub fn general(length: KeyLength, label: impl Into<String>) -> Self {
        let flags = Flags::of(&[
            Flag::Sign,
            Flag::Verify,
            Flag::Token,
            Flag::Private,
            Flag::Sensitive,
            Flag::Extractable,
            Flag::Modifiable,
            Flag::Destroyable,
        ]);
        let attributes = Attributes {
            label: label.into(),
            id: Vec::new(),
            flags,
        };
        Self {
            length,
            attributes,
            shared_users: Vec::new(),
        }
    }
}

/// One attribute with its new value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum AttributeChange {
    /// The label, which is text for people.
    Label(String),
    /// The `id` attribute.
    Id(Vec<u8>),
    /// A flag, and whether it is set.
    Flag(Flag, bool),
}

/// A key as lists show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyInfo {
    /// The id of the key inside HSMs.
    pub id: HsmKeyId,
    /// The owner's user name.
    pub owner: String,
    /// Who else may use it, in order.
    pub shared_users: Vec<String>,
    /// The attributes of the key, such as its label.
    pub attributes: Attributes,
    /// How long it is.
    pub length: KeyLength,
    /// The first three bytes of an encrypted block of zeros: tells keys apart, gives none away.
    pub check_value: [u8; 3],
    /// How often its attributes or users have been changed.
    pub revision: u64,
}

/// What a key must have to be listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Criterion {
    /// The key reference: see [`HsmKeyId::reference`].
    Reference(u64),
    /// The label, which is text for people.
    Label(String),
    /// The `id` attribute.
    Id(Vec<u8>),
    /// The type; all keys are `aes`.
    KeyType(String),
    /// The class; all keys are `secret-key`.
    Class(String),
    /// The check value.
    CheckValue([u8; 3]),
    /// The length in bytes.
    Length(u32),
    /// A flag, and whether it is set.
    Flag(Flag, bool),
}

/// The type of every key here.
pub const KEY_TYPE: &str = "aes";

/// The class of every key here.
pub const KEY_CLASS: &str = "secret-key";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flag_has_a_bit_and_a_name_of_its_own() {
        let mut all = Flags::default();
        for flag in Flag::ALL {
            assert!(!all.has(flag), "{flag:?} shares its bit");
            all = all.with(flag, true);
            assert_eq!(Flag::parse(flag.name()), Some(flag));
            assert!(!all.with(flag, false).has(flag));
        }
        assert_eq!(Flag::parse("label"), None);
    }

    /// Rule HSM-27: what KMS makes is not extractable and carries its own ID.
    #[test]
    fn a_sealing_key_seals_and_opens_and_does_not_leave() {
        let attributes = KeyTemplate::sealing(HsmKeyId([5; 16]), "arn").attributes;
        assert_eq!(attributes.id, [5; 16]);
        let flags = attributes.flags;
        assert!(flags.has(Flag::Encrypt) && flags.has(Flag::Decrypt));
        assert!(!flags.has(Flag::Extractable) && !flags.has(Flag::Wrap));
    }
}
