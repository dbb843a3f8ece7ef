use portcullis_admin::{
    HsmInfoList, KeyPage, MadeKey, Message, ReplicatedKey, UserList, UserName, WrappedKey,
};
use serde::Serialize;

/// What came of a verb: the reply of the call of the admin API that it makes.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum VerbData {
    /// A sentence that says what was done.
    Text(String),
    /// The HSMs of a cluster.
    HsmInfo(HsmInfoList),
    /// The user that a verb was about.
    User(UserName),
    /// The users of a cluster.
    Users(UserList),
    /// A page of the keys of a cluster.
    Keys(KeyPage),
    /// The key that was made.
    MadeKey(Box<MadeKey>),
    /// A sentence about a key.
    Message(Message),
    /// A wrapped key.
    WrappedKey(WrappedKey),
    /// The copy of a key in another cluster.
    ReplicatedKey(Box<ReplicatedKey>),
}

impl From<MadeKey> for VerbData {
    fn from(made: MadeKey) -> Self {
        Self::MadeKey(Box::new(made))
    }
}

impl From<ReplicatedKey> for VerbData {
    fn from(copy: ReplicatedKey) -> Self {
        Self::ReplicatedKey(Box::new(copy))
    }
}

macro_rules! from_replies {
    ($($reply:ident => $variant:ident,)+) => {$(
        impl From<$reply> for VerbData {
            fn from(reply: $reply) -> Self {
                Self::$variant(reply)
            }
        }
    )+};
}

from_replies! {
    String => Text,
    HsmInfoList => HsmInfo,
    UserName => User,
    UserList => Users,
    KeyPage => Keys,
    Message => Message,
    WrappedKey => WrappedKey,
}
