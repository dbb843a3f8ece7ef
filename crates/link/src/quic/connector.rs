use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use portcullis_seam::{Entropy, draw};
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{Connection, Endpoint};
use tokio::time::Instant;

use crate::{LinkError, Target};

use super::verifier::{self, Distrust};
use super::{QuicSettings, transport_config};

/// Waits between attempts: at once, then doubling to the longest.
const FIRST_BACK_OFF: Duration = Duration::from_millis(50);
const LONGEST_BACK_OFF: Duration = Duration::from_secs(2);

/// TLS asks for a name; the verifier does not look at it.
const SERVER_NAME: &str = "hsm.portcullis";

/// Makes and keeps the connection to one HSM.
#[derive(Debug)]
pub(super) struct Connector {
    endpoint: Endpoint,
    settings: QuicSettings,
    target: Target,
    state: tokio::sync::Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    connection: Option<Connection>,
    failures: u32,
    not_before: Option<Instant>,
}

impl Connector {
    pub(super) fn new(endpoint: Endpoint, settings: QuicSettings, target: Target) -> Self {
        Self {
            endpoint,
            settings,
            target,
            state: tokio::sync::Mutex::default(),
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.target.name
    }

    /// The connection; a new one when there is none or it has closed. Rule LINK-07: after a
    /// failure the next attempt waits, longer each time.
    pub(super) async fn connection(&self) -> Result<Connection, LinkError> {
        let mut state = self.state.lock().await;
        if let Some(connection) = &state.connection
            && connection.close_reason().is_none()
        {
            return Ok(connection.clone());
        }
        state.connection = None;
        if let Some(not_before) = state.not_before {
            tokio::time::sleep_until(not_before).await;
        }
        match self.connect().await {
            Ok(connection) => {
                *state = State {
                    connection: Some(connection.clone()),
                    ..State::default()
                };
                Ok(connection)
            }
            Err(error) => {
                state.not_before = Some(Instant::now() + self.back_off(state.failures));
                state.failures = state.failures.saturating_add(1);
                Err(error)
            }
        }
    }

    /// With up to a quarter of jitter, so that facades do not come back in step.
    fn back_off(&self, failures: u32) -> Duration {
        let [jitter] = draw(&*self.settings.entropy as &dyn Entropy);
        let plain = FIRST_BACK_OFF
            .saturating_mul(1 << failures.min(6))
            .min(LONGEST_BACK_OFF);
        plain + plain * u32::from(jitter) / 1024
    }

    async fn connect(&self) -> Result<Connection, LinkError> {
        let distrust: Distrust = Arc::new(Mutex::new(None));
        let tls =
            verifier::client_config(&self.settings.client, &self.target, Arc::clone(&distrust))?;
        let tls = QuicClientConfig::try_from(tls)
            .map_err(|error| LinkError::Unusable(error.to_string()))?;
        let mut config = quinn::ClientConfig::new(Arc::new(tls));
        let loopback = self.target.address.ip().is_loopback();
        config.transport_config(Arc::new(transport_config(loopback)));
        let connecting = self
            .endpoint
            .connect_with(config, self.target.address, SERVER_NAME)
            .map_err(|error| LinkError::Unusable(error.to_string()))?;
        connecting
            .await
            .map_err(|error| match distrust.lock().take() {
                Some(why) => LinkError::Untrusted(why),
                None => LinkError::Unreachable(error.to_string()),
            })
    }
}
