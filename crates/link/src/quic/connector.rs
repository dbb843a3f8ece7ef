use std::cell::RefCell;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use portcullis_seam::draw;
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{Connection, ConnectionError, Endpoint, VarInt};
use tokio::runtime::{Handle, Id};
use tokio::time::{Instant, timeout, timeout_at};

use super::socket::Wire;
use super::verifier::{self, Distrust};
use super::{QuicSettings, bind_endpoint, transport_config};
use crate::{LinkError, Target};

/// Waits after the second failure and later ones: doubling to the longest. The first retry is at
/// once, since most connections break because the peer restarted.
const FIRST_BACK_OFF: Duration = Duration::from_millis(50);
const LONGEST_BACK_OFF: Duration = Duration::from_secs(2);

/// A handshake that has taken this long will not end.
const HANDSHAKE_MAX: Duration = Duration::from_secs(2);

/// TLS asks for a name; the verifier does not look at it.
const SERVER_NAME: &str = "hsm.portcullis";

/// Makes and keeps the connection to one HSM.
#[derive(Debug)]
pub(super) struct Connector {
    settings: QuicSettings,
    wire: Wire,
    target: Target,
    /// Whether it shares the UDP port of its thread's other lanes.
    shares_port: bool,
    state: tokio::sync::Mutex<ConnectorState>,
    /// A second hold on the connection, to close it without waiting.
    current: Mutex<Option<Connection>>,
}

#[derive(Debug, Default)]
struct ConnectorState {
    endpoint: Option<Endpoint>,
    connection: Option<Connection>,
    /// Since the last answer.
    failures: u32,
    not_before: Option<Instant>,
    /// The peer must not be spoken to, or will not speak to us: told at once until the next
    /// attempt.
    refusal: Option<LinkError>,
}

impl Connector {
    pub(super) fn new(settings: QuicSettings, wire: Wire, target: Target) -> Self {
        Self {
            settings,
            wire,
            target,
            shares_port: false,
            state: tokio::sync::Mutex::default(),
            current: Mutex::default(),
        }
    }

    /// To the same HSM, with a connection of its own, from the UDP port that all lanes of a thread share:
    /// what comes from many HSMs in one turn of its event loop is then received in one call.
    pub(super) fn of_lane(&self) -> Self {
        Self {
            shares_port: true,
            ..Self::new(
                self.settings.clone(),
                self.wire.clone(),
                self.target.clone(),
            )
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.target.name
    }

    /// The connection; a new one when there is none or it has closed.
    pub(super) async fn connection(&self) -> Result<Connection, LinkError> {
        let mut state = self.state.lock().await;
        if let Some(connection) = &state.connection
            && connection.close_reason().is_none()
        {
            return Ok(connection.clone());
        }
        state.connection = None;
        // Rule LINK-07: after a failure the next attempt waits, longer each time.
        if let Some(not_before) = state.not_before {
            if let Some(refusal) = &state.refusal
                && Instant::now() < not_before
            {
                return Err(refusal.clone());
            }
            tokio::time::sleep_until(not_before).await;
        }
        match self.connect(&mut state).await {
            Ok(connection) => {
                *self.current.lock() = Some(connection.clone());
                state.connection = Some(connection.clone());
                Ok(connection)
            }
            Err(error) => {
                self.failed(&mut state, &error);
                Err(error)
            }
        }
    }

    /// The connection, tried for until `deadline`.
    pub(super) async fn connection_until(
        &self,
        deadline: Instant,
    ) -> Result<Connection, LinkError> {
        let mut trouble = "the deadline passed before there was a connection".to_owned();
        loop {
            match timeout_at(deadline, self.connection()).await {
                Ok(Err(LinkError::Unreachable(why))) => trouble = why,
                Ok(outcome) => return outcome,
                Err(_elapsed) => return Err(LinkError::Unreachable(trouble)),
            }
        }
    }

    /// The peer has answered: a later failure counts as the first.
    pub(super) async fn proven(&self) {
        let mut state = self.state.lock().await;
        state.failures = 0;
        state.not_before = None;
        state.refusal = None;
    }

    /// What the end of `connection` means to those whose calls it carried. `otherwise`: it is
    /// closed here, because of that.
    pub(super) async fn why_broken(
        &self,
        connection: &Connection,
        otherwise: LinkError,
    ) -> LinkError {
        let error = match connection.close_reason() {
            Some(reason) => meaning(&reason),
            None => {
                connection.close(VarInt::from_u32(0), otherwise.to_string().as_bytes());
                otherwise
            }
        };
        let mut state = self.state.lock().await;
        let is_current = |known: &Connection| known.stable_id() == connection.stable_id();
        if state.connection.as_ref().is_some_and(is_current) {
            state.connection = None;
            self.failed(&mut state, &error);
        }
        error
    }

    /// Closes the connection for good.
    pub(super) fn close(&self) {
        if let Some(connection) = self.current.lock().take() {
            connection.close(VarInt::from_u32(0), b"the channel was closed");
        }
    }

    fn failed(&self, state: &mut ConnectorState, error: &LinkError) {
        let refused = matches!(error, LinkError::Untrusted(_) | LinkError::Unusable(_));
        state.refusal = refused.then(|| error.clone());
        // Who was refused is not let in a moment later: no retry at once.
        let doublings = if refused {
            Some(state.failures)
        } else {
            state.failures.checked_sub(1)
        };
        let wait = doublings.map(|doublings| self.back_off(doublings));
        state.not_before = wait.map(|wait| Instant::now() + wait);
        state.failures = state.failures.saturating_add(1);
    }

    /// With up to a quarter of jitter, so that facades do not come back in step.
    fn back_off(&self, doublings: u32) -> Duration {
        let [jitter] = draw(&*self.settings.entropy);
        let plain = FIRST_BACK_OFF
            .saturating_mul(1 << doublings.min(6))
            .min(LONGEST_BACK_OFF);
        plain + plain * u32::from(jitter) / 1024
    }

    async fn connect(&self, state: &mut ConnectorState) -> Result<Connection, LinkError> {
        let distrust: Distrust = Arc::new(Mutex::new(None));
        let tls =
            verifier::client_config(&self.settings.client, &self.target, Arc::clone(&distrust))?;
        let tls = QuicClientConfig::try_from(tls)
            .map_err(|error| LinkError::Unusable(error.to_string()))?;
        let mut config = quinn::ClientConfig::new(Arc::new(tls));
        let loopback = self.target.address.ip().is_loopback();
        config.transport_config(Arc::new(transport_config(loopback)));
        let connecting = self
            .endpoint(state)?
            .connect_with(config, self.target.address, SERVER_NAME)
            .map_err(|error| LinkError::Unusable(error.to_string()))?;
        match timeout(HANDSHAKE_MAX, connecting).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(error)) => Err(match distrust.lock().take() {
                Some(why) => LinkError::Untrusted(why),
                None => unconnected(&error),
            }),
            Err(_elapsed) => Err(LinkError::Unreachable(
                "the HSM does not respond".to_owned(),
            )),
        }
    }

    /// The client side's UDP port, bound when it is first needed.
    fn endpoint<'a>(&self, state: &'a mut ConnectorState) -> Result<&'a Endpoint, LinkError> {
        let address = self.target.address.ip();
        let local = match (address.is_loopback(), address.is_ipv6()) {
            (true, true) => Ipv6Addr::LOCALHOST.into(),
            (true, false) => Ipv4Addr::LOCALHOST.into(),
            (false, true) => Ipv6Addr::UNSPECIFIED.into(),
            (false, false) => Ipv4Addr::UNSPECIFIED.into(),
        };
        let endpoint = match state.endpoint.take() {
            Some(endpoint) => endpoint,
            None => {
                let bind = || bind_endpoint(&self.wire, SocketAddr::new(local, 0), None);
                let bound = if self.shares_port {
                    endpoint_of_thread(local, bind)
                } else {
                    bind()
                };
                bound.map_err(|error| LinkError::Unusable(format!("{local}: {error}")))?
            }
        };
        Ok(state.endpoint.insert(endpoint))
    }
}

thread_local! {
    /// The endpoints of the lanes on this thread's runtime, by local address.
    static ENDPOINTS: RefCell<Vec<(Id, IpAddr, Endpoint)>> = const { RefCell::new(Vec::new()) };
}

fn endpoint_of_thread(
    local: IpAddr,
    bind: impl FnOnce() -> io::Result<Endpoint>,
) -> io::Result<Endpoint> {
    let runtime = Handle::current().id();
    ENDPOINTS.with_borrow_mut(|endpoints| {
        endpoints.retain(|(of, _, _)| *of == runtime);
        let known = endpoints.iter().find(|(_, address, _)| *address == local);
        if let Some((_, _, endpoint)) = known {
            return Ok(endpoint.clone());
        }
        let endpoint = bind()?;
        endpoints.push((runtime, local, endpoint.clone()));
        Ok(endpoint)
    })
}

/// TLS alerts travel as QUIC transport errors 0x100 to 0x1ff (RFC 9001, section 4.8).
fn is_tls_alert(code: u64) -> bool {
    (0x100..0x200).contains(&code)
}

/// What it means that a connection that stood has ended.
fn meaning(reason: &ConnectionError) -> LinkError {
    let error = unconnected(reason);
    if let LinkError::Unreachable(why) = error {
        LinkError::NoAnswer(why)
    } else {
        error
    }
}

/// What it means that a connection did not come to stand.
fn unconnected(error: &ConnectionError) -> LinkError {
    match error {
        ConnectionError::TransportError(error) if is_tls_alert(error.code.into()) => {
            LinkError::Untrusted(error.to_string())
        }
        ConnectionError::ConnectionClosed(close) if is_tls_alert(close.error_code.into()) => {
            LinkError::Unusable(format!("the HSM does not accept this facade: {close}"))
        }
        ConnectionError::TransportError(_)
        | ConnectionError::ConnectionClosed(_)
        | ConnectionError::ApplicationClosed(_)
        | ConnectionError::VersionMismatch
        | ConnectionError::Reset
        | ConnectionError::TimedOut
        | ConnectionError::LocallyClosed
        | ConnectionError::CidsExhausted => LinkError::Unreachable(error.to_string()),
    }
}
