//! The connection between a host that runs HSMs and the control plane: QUIC with a certificate on
//! each side, and a stream for each question. What the questions mean is not known here.
//!
//! The host calls: it may stand behind a router. It knows the one certificate that the control plane
//! must present. The control plane lets everybody in who has a key to a certificate, and decides by
//! the first message whether to go on; until then it reads a few kilobytes and no more.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{Connection, Endpoint, Incoming, RecvStream, SendStream, VarInt};
use rustls::pki_types::CertificateDer;
use tokio::time::{Instant, timeout, timeout_at};
use zeroize::Zeroizing;

use super::socket::Wire;
use super::verifier::{self, Distrust};
use super::{ClientIdentity, bind_endpoint, transport_config};
use crate::LinkError;

/// A handshake that has taken this long will not end.
const HANDSHAKE_MAX: Duration = Duration::from_secs(3);

/// TLS asks for a name; the verifier does not look at it.
const SERVER_NAME: &str = "control.portcullis";

/// With which a connection is closed on purpose.
const CLOSED: VarInt = VarInt::from_u32(0);

/// Where the control plane waits for hosts. Dropping it closes every connection.
pub struct ControlListener {
    endpoint: Endpoint,
    address: SocketAddr,
}

impl ControlListener {
    /// Binds `address` and presents `identity` to its callers.
    ///
    /// # Errors
    /// When the address cannot be bound or the identity is unusable.
    pub fn bind(address: SocketAddr, identity: &ClientIdentity) -> Result<Self, LinkError> {
        let tls = verifier::control_server_config(identity)?;
        let tls = QuicServerConfig::try_from(tls).map_err(unusable)?;
        let mut config = quinn::ServerConfig::with_crypto(Arc::new(tls));
        config.transport_config(Arc::new(transport_config(address.ip().is_loopback())));
        let named = |error: std::io::Error| LinkError::Unusable(format!("{address}: {error}"));
        let endpoint = bind_endpoint(&Wire::Udp, address, Some(config)).map_err(named)?;
        let address = endpoint.local_addr().map_err(named)?;
        Ok(Self { endpoint, address })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The next caller, before its handshake; none when the listener was closed.
    pub async fn accept(&self) -> Option<ControlCaller> {
        self.endpoint.accept().await.map(ControlCaller)
    }
}

impl fmt::Debug for ControlListener {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ControlListener({})", self.address)
    }
}

impl Drop for ControlListener {
    fn drop(&mut self) {
        self.endpoint.close(CLOSED, b"the control plane stops");
    }
}

/// A caller that has connected.
#[derive(Debug)]
pub struct ControlCaller(Incoming);

impl ControlCaller {
    /// Sends it away: there are too many.
    pub fn refuse(self) {
        self.0.refuse();
    }

    /// Completes the handshake.
    ///
    /// # Errors
    /// When the caller presents no certificate, has not the key to it, or takes too long.
    pub async fn connect(self) -> Result<ControlConnection, LinkError> {
        let connection = timeout(HANDSHAKE_MAX, self.0)
            .await
            .map_err(|_elapsed| LinkError::Unreachable("the handshake did not end".to_owned()))?
            .map_err(|error| LinkError::Untrusted(error.to_string()))?;
        ControlConnection::over(connection, None)
    }
}

/// Calls the control plane at `address`, whose certificate must have the SHA-256 `fingerprint`.
///
/// Rule HOST-04: a host speaks to the one control plane whose certificate it knows.
///
/// # Errors
/// [`LinkError::Untrusted`] when another certificate is presented; otherwise why there is no
/// connection.
pub async fn dial_control(
    address: SocketAddr,
    identity: &ClientIdentity,
    fingerprint: [u8; 32],
) -> Result<ControlConnection, LinkError> {
    let distrust: Distrust = Arc::new(Mutex::new(None));
    let tls = verifier::control_client_config(identity, fingerprint, Arc::clone(&distrust))?;
    let tls = QuicClientConfig::try_from(tls).map_err(unusable)?;
    let mut config = quinn::ClientConfig::new(Arc::new(tls));
    let loopback = address.ip().is_loopback();
    config.transport_config(Arc::new(transport_config(loopback)));
    let local = match (loopback, address.is_ipv6()) {
        (true, true) => Ipv6Addr::LOCALHOST.into(),
        (true, false) => Ipv4Addr::LOCALHOST.into(),
        (false, true) => Ipv6Addr::UNSPECIFIED.into(),
        (false, false) => Ipv4Addr::UNSPECIFIED.into(),
    };
    let endpoint = bind_endpoint(&Wire::Udp, SocketAddr::new(local, 0), None).map_err(unusable)?;
    let connecting = endpoint
        .connect_with(config, address, SERVER_NAME)
        .map_err(unusable)?;
    match timeout(HANDSHAKE_MAX, connecting).await {
        Ok(Ok(connection)) => ControlConnection::over(connection, Some(endpoint)),
        Ok(Err(error)) => Err(match distrust.lock().take() {
            Some(why) => LinkError::Untrusted(why),
            None => LinkError::Unreachable(error.to_string()),
        }),
        Err(_elapsed) => Err(LinkError::Unreachable(
            "the control plane does not respond".to_owned(),
        )),
    }
}

/// A connection between a host and the control plane. Either side asks.
pub struct ControlConnection {
    connection: Connection,
    peer: Vec<u8>,
    /// The caller's UDP port, which lives as long as the connection.
    _endpoint: Option<Endpoint>,
}

impl ControlConnection {
    fn over(connection: Connection, endpoint: Option<Endpoint>) -> Result<Self, LinkError> {
        let presented = connection
            .peer_identity()
            .and_then(|identity| identity.downcast::<Vec<CertificateDer<'static>>>().ok());
        let first = presented.as_deref().and_then(|chain| chain.first());
        let Some(peer) = first.map(|certificate| certificate.to_vec()) else {
            return Err(LinkError::Untrusted(
                "it presents no certificate".to_owned(),
            ));
        };
        Ok(Self {
            connection,
            peer,
            _endpoint: endpoint,
        })
    }

    /// The certificate (DER) to which the other side has proven that it has the key.
    #[must_use]
    pub fn peer(&self) -> &[u8] {
        &self.peer
    }

    /// Where the other side calls from or was called at.
    #[must_use]
    pub fn remote_address(&self) -> SocketAddr {
        self.connection.remote_address()
    }

    /// Asks, and gives the answer, which has at most `answer_bytes_max` bytes.
    ///
    /// # Errors
    /// [`LinkError::NoAnswer`] when there is none before `deadline`: the other side may or may not
    /// have done what it was asked for.
    pub async fn ask(
        &self,
        question: Zeroizing<Vec<u8>>,
        answer_bytes_max: usize,
        deadline: Instant,
    ) -> Result<Zeroizing<Vec<u8>>, LinkError> {
        let asked = async {
            let (mut send, receive) = self.connection.open_bi().await.map_err(no_answer)?;
            let written = send.write_chunk(Bytes::from_owner(question)).await;
            written.map_err(no_answer)?;
            send.finish().map_err(no_answer)?;
            read(receive, answer_bytes_max).await
        };
        timeout_at(deadline, asked)
            .await
            .unwrap_or_else(|_elapsed| Err(no_answer("the deadline passed")))
    }

    /// The next question of the other side.
    ///
    /// # Errors
    /// When the connection has ended.
    pub async fn next(&self) -> Result<ControlQuestion, LinkError> {
        let (send, receive) = self.connection.accept_bi().await.map_err(no_answer)?;
        Ok(ControlQuestion {
            answer: ControlAnswer(send),
            receive,
        })
    }

    /// Waits until the connection has ended, and says why.
    pub async fn closed(&self) -> String {
        self.connection.closed().await.to_string()
    }

    /// Ends the connection.
    pub fn close(&self, why: &str) {
        self.connection.close(CLOSED, why.as_bytes());
    }
}

impl fmt::Debug for ControlConnection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ControlConnection({})", self.remote_address())
    }
}

/// A question that waits for its answer.
#[derive(Debug)]
pub struct ControlQuestion {
    answer: ControlAnswer,
    receive: RecvStream,
}

impl ControlQuestion {
    /// The question, if it has at most `bytes_max` bytes, and where its answer goes.
    ///
    /// # Errors
    /// When it is longer, or the connection ends.
    pub async fn read(
        self,
        bytes_max: usize,
    ) -> Result<(Zeroizing<Vec<u8>>, ControlAnswer), LinkError> {
        let question = read(self.receive, bytes_max).await?;
        Ok((question, self.answer))
    }
}

/// Where an answer goes. One that is dropped breaks the question off.
#[derive(Debug)]
pub struct ControlAnswer(SendStream);

impl Drop for ControlAnswer {
    fn drop(&mut self) {
        // A stream that is merely dropped ends in order: the other side would take nothing for an
        // answer. Once the answer has arrived, this does nothing.
        let _gone_already = self.0.reset(CLOSED);
    }
}

impl ControlAnswer {
    /// Answers, and waits until the answer has arrived or its caller waits for it no longer.
    pub async fn send(mut self, answer: Zeroizing<Vec<u8>>) {
        let written = self.0.write_chunk(Bytes::from_owner(answer)).await;
        if written.is_ok() && self.0.finish().is_ok() {
            let _arrived_or_gone = self.0.stopped().await;
        }
    }
}

/// Rule HOST-10: what a message may have in bytes is bounded, and nothing beyond is read.
async fn read(mut receive: RecvStream, bytes_max: usize) -> Result<Zeroizing<Vec<u8>>, LinkError> {
    let read = receive.read_to_end(bytes_max).await;
    read.map(Zeroizing::new).map_err(no_answer)
}

fn no_answer(why: impl fmt::Display) -> LinkError {
    LinkError::NoAnswer(why.to_string())
}

fn unusable(why: impl fmt::Display) -> LinkError {
    LinkError::Unusable(why.to_string())
}
