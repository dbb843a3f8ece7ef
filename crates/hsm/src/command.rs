use std::fmt;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::HsmKeyId;

/// A session on one HSM. Random, so that it cannot be guessed; meaningless on any other HSM.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SessionId(pub u64);

/// A key store's connection number. Every Connect, Disconnect and edit raises it.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default,
)]
pub struct Epoch(pub u64);

/// Whose connection a session belongs to, and at which epoch.
///
/// An HSM keeps the highest epoch it has seen for a scope, durably, and refuses lower ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Fence {
    /// Opaque to the HSM; one key store has one scope.
    pub scope: [u8; 16],
    /// The epoch of the connection.
    pub epoch: Epoch,
}

/// What a user of an HSM may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Exists before activation; sets the first password.
    UnactivatedAdmin,
    /// Manages users; uses no keys.
    Admin,
    /// Owns and uses keys.
    CryptoUser,
    /// The service's own user, which keeps the HSMs of a cluster in step.
    #[serde(rename = "internal(APPLIANCE_USER)")]
    ApplianceUser,
}

/// A password. Wiped when dropped, not printed.
#[derive(Serialize, Deserialize, PartialEq, Eq)]
#[serde(transparent)]
pub struct Secret(pub Zeroizing<String>);

impl Secret {
    /// Takes a password over.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The password, for the one who must check or send it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// A second copy, for a second HSM. Named so that copies are visible in review.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        Self::new(self.0.as_str())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(..)")
    }
}

/// A key sealed under the cluster's masking key, as HSMs of one cluster hand keys to each other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MaskedKey(pub Vec<u8>);

/// A command that manages an HSM: users, sessions, keys as objects.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// Turns the `unactivated-admin` into `admin` with this password. Reply: `Done`.
    Activate {
        /// The first admin's password.
        password: Secret,
    },
    /// Opens a session. Reply: `Session`.
    ///
    /// A fenced login takes the place of the sessions of the same scope at this epoch, whose answer
    /// may have been lost, and at lower ones.
    Login {
        /// The user.
        username: String,
        /// Its role.
        role: Role,
        /// Its password.
        password: Secret,
        /// The connection this session belongs to; none for a person's session.
        fence: Option<Fence>,
        /// Refuse with `LoggedIn` when the user has another session left.
        exclusive: bool,
    },
    /// Ends a session. Reply: `Done`, also when it had ended before.
    Logout {
        /// The session.
        session: SessionId,
    },
    /// Raises the fence without a login, so that lower epochs are refused at once. Reply: `Done`.
    RaiseFence {
        /// A session of the same scope.
        session: SessionId,
        /// The new lowest permitted epoch.
        epoch: Epoch,
    },
    /// Creates a user; admin only. Reply: `Done`.
    CreateUser {
        /// An admin's session.
        session: SessionId,
        /// At most 31 letters, digits or underscores; kept in lower case.
        username: String,
        /// `Admin` or `CryptoUser`.
        role: Role,
        /// 7 to 32 characters.
        password: Secret,
    },
    /// Changes a password: one's own, or any as an admin, which also unlocks. Refused with
    /// `LoggedIn` when the user has a session other than the one that asks. Reply: `Done`.
    ChangePassword {
        /// The user's own or an admin's session.
        session: SessionId,
        /// Whose.
        username: String,
        /// The role, which is part of the name.
        role: Role,
        /// The new password.
        password: Secret,
    },
    /// Deletes a user; admin only; refused while it is logged in or owns keys. Reply: `Done`.
    DeleteUser {
        /// An admin's session.
        session: SessionId,
        /// Whom.
        username: String,
        /// The role.
        role: Role,
    },
    /// Lists the users; no session needed. Reply: `Users`.
    ListUsers,
    /// Makes an AES-256 key owned by the session's crypto user. Reply: `Key`. Making the same id
    /// with the same label again is answered with the key that exists.
    GenerateKey {
        /// A crypto user's session.
        session: SessionId,
        /// The id attribute.
        id: HsmKeyId,
        /// The label; KMS uses the key's ARN.
        label: String,
    },
    /// Takes over a key from another HSM of the cluster; idempotent. Reply: `Done`.
    InsertMasked {
        /// A session of the key's owner.
        session: SessionId,
        /// The key.
        key: MaskedKey,
    },
    /// Deletes a key; owner only; done also when there is none. Reply: `Done`.
    DeleteKey {
        /// The owner's session.
        session: SessionId,
        /// The key.
        id: HsmKeyId,
    },
    /// Lists keys in the order of their ids: a crypto user's own, all for an admin. Reply: `Keys`.
    ListKeys {
        /// A session.
        session: SessionId,
        /// Only keys with this label.
        label: Option<String>,
        /// Only ids after this one.
        after: Option<HsmKeyId>,
        /// At most this many, and never more than 1,000.
        limit: u16,
    },
}

/// What an HSM answers to a [`Command`].
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// Carried out.
    Done,
    /// A session was opened.
    Session(SessionId),
    /// The users, in the order of their names.
    Users(Vec<UserInfo>),
    /// A key exists, and this is its masked form for the other HSMs.
    Key(MaskedKey),
    /// Keys.
    Keys(Vec<KeyInfo>),
}

/// A user as `user list` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserInfo {
    /// The name, in lower case.
    pub username: String,
    /// The role.
    pub role: Role,
    /// Whether too many wrong passwords were given.
    pub locked: bool,
}

/// A key's attributes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyInfo {
    /// The id attribute.
    pub id: HsmKeyId,
    /// The label.
    pub label: String,
    /// The owner's user name.
    pub owner: String,
}
