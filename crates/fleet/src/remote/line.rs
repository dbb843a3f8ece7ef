use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use portcullis_link::ControlConnection;
use portcullis_seam::WallClock;
use tokio::time::Instant;

use super::protocol::{HostRequest, HsmReply, MESSAGE_BYTES_MAX, Undelivered, decode, encode};

/// How long a request may take: filling an HSM with a million keys takes tens of seconds. A host that
/// is gone is noticed by the connection, within seconds.
const REPLY_WITHIN: Duration = Duration::from_secs(120);

/// The line to a host, whether it is connected or not.
#[derive(Debug)]
pub struct HostLine {
    number: u64,
    zone: String,
    clock: Arc<dyn WallClock>,
    present: Mutex<Option<PresentHost>>,
}

#[derive(Debug)]
struct PresentHost {
    connection: Arc<ControlConnection>,
    /// What it had of HSMs that are not its own was wiped: it can be given one.
    ready: bool,
}

impl HostLine {
    /// The line to the host of this number, which stands in `zone`; it has had no call yet.
    #[must_use]
    pub fn new(number: u64, zone: String, clock: Arc<dyn WallClock>) -> Self {
        let present = Mutex::default();
        Self {
            number,
            zone,
            clock,
            present,
        }
    }

    /// The host has called. A connection that it had before is closed.
    pub fn connect(&self, connection: Arc<ControlConnection>) {
        let ready = false;
        let fresh = PresentHost { connection, ready };
        if let Some(before) = self.present.lock().replace(fresh) {
            before.connection.close("the host has called again");
        }
    }

    /// What the host had of HSMs that are not its own was wiped: it can be given one.
    pub fn make_ready(&self, connection: &Arc<ControlConnection>) {
        if let Some(present) = &mut *self.present.lock()
            && Arc::ptr_eq(&present.connection, connection)
        {
            present.ready = true;
        }
    }

    /// This connection has ended. False when the host has another one by now.
    pub fn disconnect(&self, connection: &Arc<ControlConnection>) -> bool {
        let mut present = self.present.lock();
        let is_this = |present: &PresentHost| Arc::ptr_eq(&present.connection, connection);
        let ended = present.as_ref().is_some_and(is_this);
        if ended {
            *present = None;
        }
        ended
    }

    /// Ends the connection, and says why to the host.
    pub fn close(&self, why: &'static str) {
        if let Some(present) = self.present.lock().take() {
            present.connection.close(why);
        }
    }

    fn connection(&self) -> Option<Arc<ControlConnection>> {
        let present = self.present.lock();
        present.as_ref().map(|it| Arc::clone(&it.connection))
    }

    /// Whether it can be given an HSM.
    pub fn is_ready(&self) -> bool {
        self.present.lock().as_ref().is_some_and(|it| it.ready)
    }

    /// Where it calls from.
    pub fn address(&self) -> Option<std::net::SocketAddr> {
        let present = self.present.lock();
        present.as_ref().map(|it| it.connection.remote_address())
    }

    /// The host's number.
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// The Availability Zone that the host stands in.
    pub fn zone(&self) -> &str {
        &self.zone
    }

    /// Carries a request to the host, and brings what came of it.
    pub(crate) async fn carry(&self, request: HostRequest) -> Result<HsmReply, Undelivered> {
        let Some(connection) = self.connection() else {
            let why = format!("host {} is not connected", self.number);
            return Err(Undelivered::Away(why));
        };
        let message = encode(&request).map_err(Undelivered::Failed)?;
        let deadline = Instant::now() + REPLY_WITHIN;
        let answer = connection.ask(message, MESSAGE_BYTES_MAX, deadline).await;
        let away = |error| Undelivered::Away(format!("host {}: {error}", self.number));
        decode(&answer.map_err(away)?).map_err(Undelivered::Failed)
    }

    /// Whether the host is connected.
    pub fn is_connected(&self) -> bool {
        self.present.lock().is_some()
    }

    /// The date, for requests: milliseconds since 1970.
    pub(crate) fn now_ms(&self) -> u64 {
        self.clock.now().millis()
    }
}
