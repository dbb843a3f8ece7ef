use std::fmt;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::{AttributeChange, Criterion, HsmKeyId, KeyInfo, KeyTemplate};

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
        /// The name of the user who logs in.
        username: String,
        /// The role, which is part of the name.
        role: Role,
        /// The password of the user.
        password: Secret,
        /// The connection this session belongs to; none for a person's session.
        fence: Option<Fence>,
        /// Refuse with `LoggedIn` when the user has another session left.
        exclusive: bool,
        /// Who of several that share the connection: the sessions of the others stay. 0 where there
        /// is one.
        holder: u64,
    },
    /// Ends a session. Reply: `Done`, also when it had ended before.
    Logout {
        /// The session that ends.
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
        /// The name of the user whose password changes.
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
        /// The name of the user who is deleted.
        username: String,
        /// The role, which is part of the name.
        role: Role,
    },
    /// Lists the users; no session needed. Reply: `Users`.
    ListUsers,
    /// Makes a key owned by the session's crypto user. Reply: `Key`. Making the same id with the
    /// same label again is answered with the key that exists.
    GenerateKey {
        /// A crypto user's session.
        session: SessionId,
        /// The key's id, new and random.
        id: HsmKeyId,
        /// What it shall be.
        template: KeyTemplate,
    },
    /// Takes over a key from another HSM that has the same masking key; a key that is there in
    /// this or a later state stays as it is. Reply: `Done`.
    InsertMasked {
        /// A session of the key's owner or of an admin.
        session: SessionId,
        /// The key, encrypted under the masking key that both HSMs have.
        key: MaskedKey,
    },
    /// Deletes a key; owner only; done also when there is none. Reply: `Done`.
    DeleteKey {
        /// The owner's session.
        session: SessionId,
        /// The id of the key.
        id: HsmKeyId,
    },
    /// Does something else to one key.
    Key {
        /// A crypto user's session, or an admin's where the action says so.
        session: SessionId,
        /// The id of the key.
        id: HsmKeyId,
        /// What is done to the key.
        action: KeyAction,
    },
    /// Lists keys in the order of their ids: those that a crypto user may use, all for an admin.
    /// Reply: `Keys`, as many as fit an answer; the list has ended when a page is empty.
    ListKeys {
        /// A crypto user's or an admin's session.
        session: SessionId,
        /// Only keys that meet all of these.
        criteria: Vec<Criterion>,
        /// Only ids after this one.
        after: Option<HsmKeyId>,
        /// At most this many, and never more than 1,000.
        limit: u16,
    },
}

impl Command {
    /// Whether carrying it out hashes a password, which takes milliseconds.
    #[must_use]
    pub const fn hashes_password(&self) -> bool {
        match self {
            Self::Activate { .. }
            | Self::Login { .. }
            | Self::CreateUser { .. }
            | Self::ChangePassword { .. } => true,
            Self::Logout { .. }
            | Self::RaiseFence { .. }
            | Self::DeleteUser { .. }
            | Self::ListUsers
            | Self::GenerateKey { .. }
            | Self::InsertMasked { .. }
            | Self::DeleteKey { .. }
            | Self::Key { .. }
            | Self::ListKeys { .. } => false,
        }
    }
}

/// What is done to one key.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeyAction {
    /// Gives its masked form for an HSM of a related cluster; owner or admin. Reply: `Key`.
    Fetch,
    /// Changes an attribute; owner only, and an admin for `trusted`. Reply: `Done`.
    SetAttribute(AttributeChange),
    /// Lets another crypto user use it too; owner only; done also when that is so. Reply: `Done`.
    Share {
        /// The name of the crypto user who may use the key from now on.
        username: String,
    },
    /// Takes the use back; owner only; done also when that is so. Reply: `Done`.
    Unshare {
        /// The name of the crypto user who may not use the key any more.
        username: String,
    },
    /// Wraps it under another key; owner only. Reply: `Wrapped`.
    Wrap {
        /// The key that wraps.
        wrapping: HsmKeyId,
        /// The mechanism by which the key is wrapped.
        mechanism: Mechanism,
    },
    /// Makes it from what was wrapped. Reply: `Key`.
    Unwrap {
        /// The key that unwraps.
        wrapping: HsmKeyId,
        /// How it was wrapped.
        mechanism: Mechanism,
        /// With which initial value; empty where the mechanism has none.
        iv: Vec<u8>,
        /// What came of it.
        wrapped: Vec<u8>,
        /// What the new key shall be.
        template: KeyTemplate,
    },
}

/// A way to wrap a key under an AES key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mechanism {
    /// AES-GCM with an initial value that the HSM draws.
    Gcm {
        /// Authenticated with the key, not contained in it.
        additional_data: Vec<u8>,
        /// The length of the tag: 8 to 16.
        tag_bytes: u8,
    },
    /// AES key wrap, RFC 3394.
    NoPad,
    /// AES key wrap of the key and padding after PKCS #5.
    Pkcs5Pad,
    /// AES key wrap with padding, RFC 5649.
    ZeroPad,
}

/// What an HSM answers to a [`Command`].
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// The command was carried out, and there is nothing more to say.
    Done,
    /// A session was opened.
    Session(SessionId),
    /// The users, in the order of their names.
    Users(Vec<UserInfo>),
    /// A key exists, and this is its masked form for the other HSMs.
    Key(MaskedKey),
    /// One page of the list of keys.
    Keys(Vec<KeyInfo>),
    /// A key that was wrapped.
    Wrapped {
        /// The initial value; empty where the mechanism has none.
        iv: Vec<u8>,
        /// The wrapped key, without it.
        data: Vec<u8>,
    },
}

/// A user as `user list` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserInfo {
    /// The name, in lower case.
    pub username: String,
    /// The role of the user, which is part of the name.
    pub role: Role,
    /// Whether too many wrong passwords were given.
    pub locked: bool,
}
