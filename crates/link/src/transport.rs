use std::fmt::{self, Debug};
use std::net::SocketAddr;
use std::sync::Arc;

use portcullis_hsm::{Call, Command, Output, Refusal, Reply};
pub use portcullis_seam::BoxFuture;
use tokio::time::Instant;
use zeroize::Zeroizing;

use crate::LinkFaults;
use crate::frame::{ReplyFrame, Request};

/// How facades and HSM nodes reach each other: QUIC in the product, seeded messages in the
/// simulator. Both ends of the seam are here.
pub trait Transport: Send + Sync + Debug {
    /// A channel to one HSM. Returns at once; the channel connects when it is first used,
    /// reconnects with back-off and closes when the last reference is dropped.
    fn dial(&self, target: Target) -> Arc<dyn Channel>;

    /// Serves an HSM until the returned handle is dropped.
    ///
    /// # Errors
    /// When the address cannot be bound or the identity is unusable.
    fn listen(&self, listener: Listener) -> BoxFuture<'_, Result<Box<dyn Listening>, LinkError>>;

    /// The table by which its links are broken on purpose, if it has one.
    fn faults(&self) -> Option<Arc<LinkFaults>> {
        None
    }
}

/// An HSM as a facade knows it: where it is and how it must prove itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The HSM's ID, for logs.
    pub name: String,
    /// Where it listens.
    pub address: SocketAddr,
    /// The customer's root certificate (DER): the peer's certificate must be signed by it.
    pub trust_anchor: Vec<u8>,
    /// The cluster certificate (DER) that the peer must present, byte for byte.
    pub cluster_certificate: Vec<u8>,
}

/// What an HSM presents: the cluster certificate and its private key.
#[derive(Clone)]
pub struct Identity {
    /// The signed cluster certificate, DER.
    pub certificate: Vec<u8>,
    /// Its private key, PKCS #8 DER.
    pub private_key: Arc<Zeroizing<Vec<u8>>>,
}

impl Debug for Identity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "Identity({} byte certificate)",
            self.certificate.len()
        )
    }
}

/// One HSM to be served.
#[derive(Debug)]
pub struct Listener {
    /// The HSM's ID, for logs.
    pub name: String,
    /// Where to listen; port 0 chooses a free one.
    pub bind: SocketAddr,
    /// What to present.
    pub identity: Identity,
    /// The HSM that answers what is received.
    pub service: Arc<dyn Service>,
}

/// A served HSM. Dropping it closes every connection and frees the address.
pub trait Listening: Send + Sync + Debug {
    /// Where it listens.
    fn address(&self) -> SocketAddr;
}

/// The client's end: one HSM.
pub trait Channel: Send + Sync + Debug {
    /// Runs one cryptographic operation. Operations of concurrent callers share frames.
    ///
    /// Cancel-safe: dropping the future abandons the reply, which is wiped when it arrives.
    fn execute<'a>(
        &'a self,
        call: Call<'a>,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<Output, CallError>>;

    /// Runs one management command.
    fn manage(
        &self,
        command: Command,
        deadline: Instant,
    ) -> BoxFuture<'_, Result<Reply, CallError>>;

    /// Operations sent and not yet answered: what routing compares.
    fn in_flight(&self) -> usize;
}

/// The server's end: an HSM node.
pub trait Service: Send + Sync + Debug {
    /// Who answers a connection that was just made. Dropped when the connection has ended and the
    /// last command that came over it has been carried out.
    fn connected(self: Arc<Self>) -> Arc<dyn Conversation>;
}

/// What an HSM node does with what arrives over one connection.
pub trait Conversation: Send + Sync + Debug {
    /// Answers a whole frame of operations, in order, now or on a worker, and then calls `done`
    /// exactly once.
    fn execute(self: Arc<Self>, request: Request, done: Done);

    /// Answers a management command. Durable before it returns.
    fn manage(&self, command: Command) -> BoxFuture<'_, Result<Reply, Refusal>>;
}

/// Takes the answers of one frame.
pub type Done = Box<dyn FnOnce(ReplyFrame) + Send>;

/// Why a call brought no answer from the HSM's logic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkError {
    /// There is no connection and the deadline came before there was one.
    Unreachable(String),
    /// The peer did not prove that it is the cluster: it must not be spoken to.
    Untrusted(String),
    /// Sent, but no answer before the deadline or before the connection broke. It may or may
    /// not have been carried out.
    NoAnswer(String),
    /// More is waiting than the channel's bound allows. Not sent.
    Overloaded,
    /// The address or the identity cannot be used.
    Unusable(String),
}

impl fmt::Display for LinkError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(why) => write!(formatter, "the HSM cannot be reached: {why}"),
            Self::Untrusted(why) => write!(formatter, "the HSM did not prove its identity: {why}"),
            Self::NoAnswer(why) => write!(formatter, "the HSM did not answer: {why}"),
            Self::Overloaded => formatter.write_str("too many operations wait for the HSM"),
            Self::Unusable(why) => write!(
                formatter,
                "the HSM's address or identity is unusable: {why}"
            ),
        }
    }
}

impl std::error::Error for LinkError {}

/// How a call to an HSM fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallError {
    /// The HSM answered: no.
    Refused(Refusal),
    /// The HSM did not answer.
    Link(LinkError),
}

impl From<Refusal> for CallError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<LinkError> for CallError {
    fn from(error: LinkError) -> Self {
        Self::Link(error)
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refusal) => write!(formatter, "the HSM refused: {refusal}"),
            Self::Link(error) => fmt::Display::fmt(error, formatter),
        }
    }
}

impl std::error::Error for CallError {}
