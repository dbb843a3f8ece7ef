//! What clients asked and were told, and what the world saw with its own eyes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use portcullis_api::{ClusterId, Code, HsmId, KeyId};
use portcullis_hsm::{Epoch, HsmKeyId, NONCE_BYTES};

/// An instant of a world. Steps order everything; the milliseconds are for the reader and for
/// promises about time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Moment {
    /// Counts up by one with everything that happens.
    pub step: u64,
    /// Simulated time since the world began.
    pub millis: u64,
}

/// Pairs bound to a ciphertext.
pub type Context = BTreeMap<String, String>;

/// Everything that happened in a world, in order of completion.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History {
    /// In order of their steps.
    pub events: Vec<Event>,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A call of a client or of the operator ended.
    Call(Call),
    /// DescribeCustomKeyStores told the store's connection state.
    Seen {
        /// When it was asked.
        invoked: Moment,
        /// When it was told.
        at: Moment,
        /// The state by its name on the wire.
        state: String,
    },
    /// The store was made with this cluster.
    Uses {
        /// When.
        at: Moment,
        /// The cluster.
        cluster: ClusterId,
    },
    /// The store is connected, and its cluster has these keys.
    Holds {
        /// When.
        at: Moment,
        /// The keys, durable on at least one HSM.
        keys: BTreeSet<HsmKeyId>,
    },
    /// From here on things may fail.
    FaultBegins {
        /// When.
        at: Moment,
        /// What.
        what: &'static str,
    },
    /// No fault is left, and what it did has been repaired.
    Calm {
        /// When.
        at: Moment,
    },
    /// The last fault ended.
    Healed {
        /// When.
        at: Moment,
    },
    /// The store is connected and every kind of operation succeeded under every key.
    Well {
        /// When.
        at: Moment,
    },
    /// An acknowledged key, on the disks of HSMs at the instant of the acknowledgement.
    Placed {
        /// When.
        at: Moment,
        /// The key.
        key: KeyId,
        /// The HSMs that have it on disk, with their zones.
        on: BTreeMap<HsmId, String>,
    },
    /// A facade sent a frame of operations.
    Asked {
        /// When it left.
        at: Moment,
        /// To whom.
        hsm: HsmId,
    },
    /// An HSM sealed something.
    Sealed {
        /// When.
        at: Moment,
        /// Which HSM.
        hsm: HsmId,
        /// Under which key.
        key: HsmKeyId,
        /// Nonce, ciphertext and tag.
        text: Vec<u8>,
    },
    /// An HSM answered a login that belongs to a key store's connection.
    Login {
        /// When.
        at: Moment,
        /// Which HSM.
        hsm: HsmId,
        /// The key store, as HSMs know it.
        scope: [u8; 16],
        /// The number of the connection.
        epoch: Epoch,
        /// What it said.
        answer: LoginAnswer,
    },
    /// An HSM made a key.
    Made {
        /// When.
        at: Moment,
        /// The id inside HSMs.
        id: HsmKeyId,
        /// The label: the KMS key's ARN.
        label: String,
    },
    /// An HSM belongs to a cluster.
    Member {
        /// When it was made.
        at: Moment,
        /// Which HSM.
        hsm: HsmId,
        /// Of which cluster.
        cluster: ClusterId,
    },
}

/// What an HSM says to a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoginAnswer {
    /// A session.
    Accepted,
    /// The connection is out of date.
    Fenced,
    /// Another reason.
    Refused,
}

/// A call from its invocation to its completion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Who called.
    pub client: u8,
    /// When the call began.
    pub invoked: Moment,
    /// When its answer was there.
    pub completed: Moment,
    /// What was asked.
    pub request: Request,
    /// What was told.
    pub outcome: Result<Answer, Code>,
}

/// What was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Encrypt.
    Encrypt {
        /// The key.
        key: KeyId,
        /// Bound.
        context: Context,
        /// Hidden.
        plaintext: Vec<u8>,
    },
    /// Decrypt.
    Decrypt {
        /// A ciphertext that a call returned.
        ciphertext: Vec<u8>,
        /// Perhaps not the one it was made with.
        context: Context,
    },
    /// GenerateDataKey.
    GenerateDataKey {
        /// The key.
        key: KeyId,
        /// Bound.
        context: Context,
    },
    /// ReEncrypt.
    ReEncrypt {
        /// A ciphertext that a call returned.
        ciphertext: Vec<u8>,
        /// Perhaps not the one it was made with.
        source_context: Context,
        /// The new key.
        key: KeyId,
        /// Bound to the new ciphertext.
        context: Context,
    },
    /// CreateKey in the store.
    CreateKey,
    /// DescribeKey.
    DescribeKey {
        /// The key.
        key: KeyId,
    },
    /// ConnectCustomKeyStore.
    Connect,
    /// DisconnectCustomKeyStore.
    Disconnect,
    /// UpdateCustomKeyStore.
    Update(Edit),
}

/// What an UpdateCustomKeyStore changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    /// The friendly name.
    Name,
    /// The password of `kmsuser`, after an admin changed it.
    Password,
    /// The cluster.
    Cluster {
        /// The substitute.
        to: ClusterId,
        /// Whether it has the certificate of the first one.
        related: bool,
    },
}

/// What was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Done, and nothing more.
    Done,
    /// A ciphertext.
    Ciphertext(Vec<u8>),
    /// A plaintext.
    Plaintext(Vec<u8>),
    /// A data key.
    DataKey {
        /// In the clear.
        plaintext: Vec<u8>,
        /// Encrypted.
        ciphertext: Vec<u8>,
    },
    /// A key was created.
    Key(KeyId),
}

impl Request {
    /// Whether it needs the store to be connected.
    #[must_use]
    pub const fn needs_connection(&self) -> bool {
        match self {
            Self::Encrypt { .. }
            | Self::Decrypt { .. }
            | Self::GenerateDataKey { .. }
            | Self::ReEncrypt { .. }
            | Self::CreateKey => true,
            Self::DescribeKey { .. } | Self::Connect | Self::Disconnect | Self::Update(_) => false,
        }
    }

    /// The operation by its name in the API.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Encrypt { .. } => "Encrypt",
            Self::Decrypt { .. } => "Decrypt",
            Self::GenerateDataKey { .. } => "GenerateDataKey",
            Self::ReEncrypt { .. } => "ReEncrypt",
            Self::CreateKey => "CreateKey",
            Self::DescribeKey { .. } => "DescribeKey",
            Self::Connect => "ConnectCustomKeyStore",
            Self::Disconnect => "DisconnectCustomKeyStore",
            Self::Update(Edit::Name) => "UpdateCustomKeyStore (name)",
            Self::Update(Edit::Password) => "UpdateCustomKeyStore (password)",
            Self::Update(Edit::Cluster { related: true, .. }) => "UpdateCustomKeyStore (related)",
            Self::Update(Edit::Cluster { .. }) => "UpdateCustomKeyStore (unrelated)",
        }
    }
}

impl Answer {
    /// The ciphertext it has.
    #[must_use]
    pub fn ciphertext(&self) -> Option<&[u8]> {
        match self {
            Self::Ciphertext(ciphertext) | Self::DataKey { ciphertext, .. } => Some(ciphertext),
            Self::Done | Self::Plaintext(_) | Self::Key(_) => None,
        }
    }
}

impl Call {
    /// Whether it succeeded.
    #[must_use]
    pub const fn succeeded(&self) -> bool {
        self.outcome.is_ok()
    }
}

impl History {
    /// All calls, in order of completion.
    pub fn calls(&self) -> impl Iterator<Item = &Call> {
        self.events.iter().filter_map(|event| match event {
            Event::Call(call) => Some(call),
            Event::Seen { .. }
            | Event::Uses { .. }
            | Event::Holds { .. }
            | Event::FaultBegins { .. }
            | Event::Calm { .. }
            | Event::Healed { .. }
            | Event::Well { .. }
            | Event::Placed { .. }
            | Event::Asked { .. }
            | Event::Sealed { .. }
            | Event::Login { .. }
            | Event::Made { .. }
            | Event::Member { .. } => None,
        })
    }
}

/// The nonce of a sealed text.
#[must_use]
pub fn nonce_of(sealed: &[u8]) -> Option<[u8; NONCE_BYTES]> {
    sealed.first_chunk().copied()
}

impl fmt::Display for Moment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{:>6} {:>4}.{:03}s",
            self.step,
            self.millis / 1000,
            self.millis % 1000
        )
    }
}

/// One line of the trace. Bytes are shown by their first few.
impl fmt::Display for Event {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call(call) => write!(formatter, "{call}"),
            Self::Seen { state, .. } => write!(formatter, "the store is {state}"),
            Self::Uses { cluster, .. } => write!(formatter, "the store uses {cluster}"),
            Self::Holds { keys, .. } => write!(formatter, "connected, with {} keys", keys.len()),
            Self::FaultBegins { what, .. } => write!(formatter, "fault: {what}"),
            Self::Calm { .. } => formatter.write_str("calm"),
            Self::Healed { .. } => formatter.write_str("healed"),
            Self::Well { .. } => formatter.write_str("well"),
            Self::Placed { key, on, .. } => write!(formatter, "{key} is on disk on {on:?}"),
            Self::Asked { hsm, .. } => write!(formatter, "asks {hsm}"),
            Self::Sealed { hsm, key, text, .. } => {
                write!(formatter, "{hsm} sealed {} under {key}", Brief(text))
            }
            Self::Login {
                hsm, epoch, answer, ..
            } => {
                write!(
                    formatter,
                    "{hsm} answered the login of epoch {}: {answer:?}",
                    epoch.0
                )
            }
            Self::Made { id, label, .. } => write!(formatter, "made {id} for {label}"),
            Self::Member { hsm, cluster, .. } => write!(formatter, "{hsm} belongs to {cluster}"),
        }
    }
}

impl fmt::Display for Call {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            client,
            request,
            invoked,
            ..
        } = self;
        write!(
            formatter,
            "client {client}: {} since {}: ",
            request.name(),
            invoked.step
        )?;
        match &self.outcome {
            Ok(Answer::Done) => formatter.write_str("done"),
            Ok(Answer::Key(key)) => write!(formatter, "{key}"),
            Ok(Answer::Plaintext(text)) => write!(formatter, "plaintext {}", Brief(text)),
            Ok(
                Answer::Ciphertext(text)
                | Answer::DataKey {
                    ciphertext: text, ..
                },
            ) => {
                write!(formatter, "ciphertext {}", Brief(text))
            }
            Err(code) => formatter.write_str(code.name()),
        }
    }
}

struct Brief<'a>(&'a [u8]);

impl fmt::Display for Brief<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The end differs where the beginning is a header.
        let tail = self.0.len().saturating_sub(6);
        let shown = self.0.get(tail..).unwrap_or_default();
        shown
            .iter()
            .try_for_each(|byte| write!(formatter, "{byte:02x}"))?;
        write!(formatter, " of {}", self.0.len())
    }
}
