//! What clients asked and were told, and what the world saw with its own eyes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use data_encoding::HEXLOWER;
use portcullis_api::{ClusterId, Code, HsmId, KeyId};
use portcullis_hsm::{Epoch, HsmKeyId, NONCE_BYTES};

/// An instant of a world. Steps order everything; the milliseconds are for the reader and for
/// promises about time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash)]
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
    pub events: Vec<HistoryEvent>,
    /// How many of them happened before the world went on from a copy of another one's disks.
    pub before: usize,
    /// Whether a disconnect and a reply may cross, as where several facades share the store or
    /// replies travel over a real network.
    pub shared: bool,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum HistoryEvent {
    /// A call of a client or of the operator ended.
    Call(RecordedCall),
    /// DescribeCustomKeyStores told the store's connection state.
    Seen {
        /// When it was asked.
        invoked: Moment,
        /// When it was told.
        at: Moment,
        /// What was told.
        store: DescribedStore,
    },
    /// The store was made with this cluster.
    Uses {
        /// When it happened.
        at: Moment,
        /// The cluster that the store belongs to.
        cluster: ClusterId,
    },
    /// The store is connected, and its cluster has these keys.
    Holds {
        /// When it happened.
        at: Moment,
        /// The keys, durable on at least one HSM.
        keys: BTreeSet<HsmKeyId>,
    },
    /// From here on things may fail.
    FaultBegins {
        /// When it happened.
        at: Moment,
        /// What happens, in words for the trace.
        what: &'static str,
    },
    /// Something happens that no call may notice.
    Happens {
        /// When it happened.
        at: Moment,
        /// What happens, in words for the trace.
        what: &'static str,
    },
    /// No fault is left, and what it did has been repaired.
    Calm {
        /// When it happened.
        at: Moment,
    },
    /// The last fault ended.
    Healed {
        /// When it happened.
        at: Moment,
    },
    /// The store is connected and every kind of operation succeeded under every key.
    Well {
        /// When it happened.
        at: Moment,
    },
    /// An acknowledged key, on the disks of HSMs at the instant of the acknowledgement.
    Placed {
        /// When it happened.
        at: Moment,
        /// The KMS key.
        key: KeyId,
        /// The HSMs that have it on disk, with their zones.
        on: BTreeMap<HsmId, String>,
        /// Those that had it when the removal of one of them began during the call; none if none did.
        before: BTreeMap<HsmId, String>,
    },
    /// A facade sent a frame of operations.
    Asked {
        /// When it left.
        at: Moment,
        /// The HSM that it was sent to.
        hsm: HsmId,
    },
    /// An HSM sealed something.
    Sealed {
        /// When it happened.
        at: Moment,
        /// The HSM that this is about.
        hsm: HsmId,
        /// Under which key.
        key: HsmKeyId,
        /// Nonce, ciphertext and tag.
        text: Vec<u8>,
    },
    /// An HSM answered a login that belongs to a key store's connection.
    Login {
        /// When it happened.
        at: Moment,
        /// The HSM that this is about.
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
        /// When it happened.
        at: Moment,
        /// The HSM that this is about.
        hsm: HsmId,
        /// The id inside HSMs.
        id: HsmKeyId,
        /// The label: the KMS key's ARN.
        label: String,
    },
    /// An HSM deleted a key.
    Deleted {
        /// When it happened.
        at: Moment,
        /// The HSM that this is about.
        hsm: HsmId,
        /// The id inside HSMs.
        id: HsmKeyId,
    },
    /// After the service has had the time to bring them in step, the HSMs of the store's cluster
    /// have these keys on disk.
    Stored {
        /// When it happened.
        at: Moment,
        /// The cluster that the store belongs to.
        cluster: ClusterId,
        /// What each of its HSMs has.
        on: BTreeMap<HsmId, BTreeSet<HsmKeyId>>,
    },
    /// DescribeCustomKeyStores told how many key stores there are.
    Counted {
        /// When it happened.
        at: Moment,
        /// How many key stores DescribeCustomKeyStores returned.
        stores: usize,
    },
    /// A client tried wrong passwords for `kmsuser`, and then once more.
    Guessed {
        /// When it happened.
        at: Moment,
        /// The HSM that this is about.
        hsm: HsmId,
        /// How many wrong passwords the HSM refused, one after another.
        wrong: u8,
        /// Whether the HSM then said that the user is locked out.
        locked: bool,
    },
    /// The store was disconnected in calm, and an HSM was asked to log in a connection of before.
    Probed {
        /// When it happened.
        at: Moment,
        /// The HSM that this is about.
        hsm: HsmId,
        /// Whether it said that the connection is out of date.
        fenced: bool,
    },
    /// The store FAILED with a code about `kmsuser`, and no client had touched that user.
    Baffled {
        /// When it happened.
        at: Moment,
        /// The connection error code, as DescribeCustomKeyStores returns it.
        code: String,
    },
    /// The process with everything in it was started again.
    Restarted {
        /// Whether several facades share the store: then the connection goes on as it was.
        shared: bool,
        /// When it happened.
        at: Moment,
    },
    /// A secret was found where none may be.
    Leaked {
        /// When it happened.
        at: Moment,
        /// What kind of secret, and where.
        what: String,
    },
    /// An HSM belongs to a cluster.
    Member {
        /// When it was made.
        at: Moment,
        /// The HSM that this is about.
        hsm: HsmId,
        /// Of which cluster.
        cluster: ClusterId,
    },
}

/// What DescribeCustomKeyStores tells of a key store.
#[derive(Debug, Clone, PartialEq, Eq, Default, Hash)]
pub struct DescribedStore {
    /// The connection state by its name on the wire.
    pub state: String,
    /// The connection error code, where there is one.
    pub error: Option<String>,
    /// The friendly name.
    pub name: String,
    /// The ID of its cluster.
    pub cluster: String,
}

/// What an HSM says to a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LoginAnswer {
    /// It opened a session.
    Accepted,
    /// The connection is out of date.
    Fenced,
    /// It refused for another reason than a connection that is out of date.
    Refused,
    /// It did not look: its disk has failed, or it is busy.
    Unheard,
}

/// A call from its invocation to its completion.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RecordedCall {
    /// The number of the client that called; operators have numbers from 100.
    pub client: u8,
    /// When the call began.
    pub invoked: Moment,
    /// When its answer was there.
    pub completed: Moment,
    /// What was asked.
    pub request: RecordedRequest,
    /// What was told. KMSInternalException tells nothing: the call may have had its effect.
    pub outcome: Result<RecordedAnswer, Code>,
}

/// What was asked.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum RecordedRequest {
    /// A call of Encrypt.
    Encrypt {
        /// The KMS key.
        key: KeyId,
        /// The encryption context, which Decrypt has to give again.
        context: Context,
        /// The text to be encrypted.
        plaintext: Vec<u8>,
    },
    /// A call of Decrypt.
    Decrypt {
        /// A ciphertext that a call returned.
        ciphertext: Vec<u8>,
        /// Perhaps not the one it was made with.
        context: Context,
    },
    /// A call of GenerateDataKey.
    GenerateDataKey {
        /// The KMS key.
        key: KeyId,
        /// The encryption context, which Decrypt has to give again.
        context: Context,
    },
    /// A call of ReEncrypt.
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
    /// A call of DescribeKey.
    DescribeKey {
        /// The KMS key.
        key: KeyId,
    },
    /// A call of ConnectCustomKeyStore.
    Connect,
    /// A call of DisconnectCustomKeyStore.
    Disconnect,
    /// A call of UpdateCustomKeyStore with this change.
    Update(RecordedEdit),
}

/// What an UpdateCustomKeyStore changes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum RecordedEdit {
    /// The friendly name.
    Name {
        /// The new one.
        to: String,
    },
    /// The password of `kmsuser`, after an admin changed it.
    Password,
    /// The cluster that the store belongs to.
    Cluster {
        /// The cluster that takes its place.
        to: ClusterId,
        /// Whether it has the certificate of the first one.
        related: bool,
    },
}

/// What was told.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum RecordedAnswer {
    /// Done, and nothing more.
    Done,
    /// The ciphertext blob that Encrypt or ReEncrypt returned.
    Ciphertext(Vec<u8>),
    /// The plaintext that Decrypt returned.
    Plaintext(Vec<u8>),
    /// A data key.
    DataKey {
        /// The data key in the clear.
        plaintext: Vec<u8>,
        /// The data key encrypted under the KMS key.
        ciphertext: Vec<u8>,
    },
    /// A key was created.
    Key(KeyId),
}

impl RecordedRequest {
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
            Self::Update(RecordedEdit::Name { .. }) => "UpdateCustomKeyStore (name)",
            Self::Update(RecordedEdit::Password) => "UpdateCustomKeyStore (password)",
            Self::Update(RecordedEdit::Cluster { related: true, .. }) => {
                "UpdateCustomKeyStore (related)"
            }
            Self::Update(RecordedEdit::Cluster { .. }) => "UpdateCustomKeyStore (unrelated)",
        }
    }
}

impl RecordedAnswer {
    /// The ciphertext it has.
    #[must_use]
    pub fn ciphertext(&self) -> Option<&[u8]> {
        match self {
            Self::Ciphertext(ciphertext) | Self::DataKey { ciphertext, .. } => Some(ciphertext),
            Self::Done | Self::Plaintext(_) | Self::Key(_) => None,
        }
    }
}

impl RecordedCall {
    /// Whether it succeeded.
    #[must_use]
    pub const fn succeeded(&self) -> bool {
        self.outcome.is_ok()
    }

    /// Whether it is unknown if it had its effect: the process ended under it, or said that it
    /// failed in itself.
    #[must_use]
    pub const fn is_unknown(&self) -> bool {
        matches!(self.outcome, Err(Code::KmsInternal))
    }
}

impl History {
    /// What happened since the world went on from a copy; everything in one that was built.
    #[must_use]
    pub fn since(&self) -> &[HistoryEvent] {
        self.events.get(self.before..).unwrap_or_default()
    }

    /// All calls, in order of completion.
    pub fn calls(&self) -> impl Iterator<Item = &RecordedCall> {
        self.events.iter().filter_map(HistoryEvent::call)
    }
}

impl HistoryEvent {
    /// The call, if it is one.
    #[must_use]
    pub const fn call(&self) -> Option<&RecordedCall> {
        if let Self::Call(call) = self {
            Some(call)
        } else {
            None
        }
    }

    /// What was told of the store, if it was looked at.
    #[must_use]
    pub const fn seen(&self) -> Option<&DescribedStore> {
        if let Self::Seen { store, .. } = self {
            Some(store)
        } else {
            None
        }
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
impl fmt::Display for HistoryEvent {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call(call) => write!(formatter, "{call}"),
            Self::Seen { store, .. } => {
                let DescribedStore {
                    state,
                    error,
                    name,
                    cluster,
                } = store;
                let error = error.as_deref().unwrap_or_default();
                write!(formatter, "the store is {state} {error} {name} {cluster}")
            }
            Self::Uses { cluster, .. } => write!(formatter, "the store uses {cluster}"),
            Self::Holds { keys, .. } => write!(formatter, "connected, with {} keys", keys.len()),
            Self::FaultBegins { what, .. } => write!(formatter, "fault: {what}"),
            Self::Happens { what, .. } => formatter.write_str(what),
            Self::Calm { .. } => formatter.write_str("calm"),
            Self::Healed { .. } => formatter.write_str("healed"),
            Self::Well { .. } => formatter.write_str("well"),
            Self::Placed {
                key, on, before, ..
            } => {
                write!(formatter, "{key} is on disk on {on:?}")?;
                if before.is_empty() {
                    return Ok(());
                }
                write!(formatter, ", and was on {before:?}")
            }
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
            Self::Made { hsm, id, label, .. } => {
                write!(formatter, "{hsm} made {id} for {label}")
            }
            Self::Deleted { hsm, id, .. } => write!(formatter, "{hsm} deleted {id}"),
            Self::Stored { cluster, on, .. } => {
                let counts: Vec<usize> = on.values().map(BTreeSet::len).collect();
                write!(formatter, "the HSMs of {cluster} have {counts:?} keys")
            }
            Self::Counted { stores, .. } => write!(formatter, "there are {stores} key stores"),
            Self::Guessed {
                hsm, wrong, locked, ..
            } => {
                write!(
                    formatter,
                    "{wrong} wrong passwords on {hsm}: locked {locked}"
                )
            }
            Self::Probed { hsm, fenced, .. } => {
                write!(
                    formatter,
                    "{hsm} is asked by a connection of before: fenced {fenced}"
                )
            }
            Self::Baffled { code, .. } => write!(formatter, "{code} without a reason"),
            Self::Restarted { .. } => formatter.write_str("everything is started again"),
            Self::Leaked { what, .. } => formatter.write_str(what),
            Self::Member { hsm, cluster, .. } => write!(formatter, "{hsm} belongs to {cluster}"),
        }
    }
}

impl fmt::Display for RecordedCall {
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
            Ok(RecordedAnswer::Done) => formatter.write_str("done"),
            Ok(RecordedAnswer::Key(key)) => write!(formatter, "{key}"),
            Ok(RecordedAnswer::Plaintext(text)) => write!(formatter, "plaintext {}", Brief(text)),
            Ok(
                RecordedAnswer::Ciphertext(text)
                | RecordedAnswer::DataKey {
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
        let length = self.0.len();
        write!(formatter, "{} of {length}", HEXLOWER.encode_display(shown))
    }
}
