use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use portcullis_link::{BoxFuture, ControlConnection};
use portcullis_seam::WallClock;
use tokio::time::Instant;

use crate::fleet::{Courier, Letter, MESSAGE_BYTES_MAX, Outcome, Undelivered, decode, encode};

/// How long an errand may take: filling an HSM with a million keys takes tens of seconds. A host that
/// is gone is noticed by the connection, within seconds.
const ERRAND_MAX: Duration = Duration::from_secs(120);

/// The line to a host, whether it is connected or not.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) number: u64,
    pub(super) zone: String,
    clock: Arc<dyn WallClock>,
    present: Mutex<Option<Present>>,
}

#[derive(Debug)]
struct Present {
    connection: Arc<ControlConnection>,
    /// What it had of HSMs that are not its own was wiped: it can be given one.
    ready: bool,
}

impl Line {
    pub(super) fn new(number: u64, zone: String, clock: Arc<dyn WallClock>) -> Self {
        let present = Mutex::default();
        Self {
            number,
            zone,
            clock,
            present,
        }
    }

    /// The host has called. A connection that it had before is closed.
    pub(super) fn connect(&self, connection: Arc<ControlConnection>) {
        let ready = false;
        let fresh = Present { connection, ready };
        if let Some(before) = self.present.lock().replace(fresh) {
            before.connection.close("the host has called again");
        }
    }

    pub(super) fn make_ready(&self, connection: &Arc<ControlConnection>) {
        if let Some(present) = &mut *self.present.lock()
            && Arc::ptr_eq(&present.connection, connection)
        {
            present.ready = true;
        }
    }

    /// This connection has ended. False when the host has another one by now.
    pub(super) fn disconnect(&self, connection: &Arc<ControlConnection>) -> bool {
        let mut present = self.present.lock();
        let is_this = |present: &Present| Arc::ptr_eq(&present.connection, connection);
        let ended = present.as_ref().is_some_and(is_this);
        if ended {
            *present = None;
        }
        ended
    }

    /// Ends the connection, and says why to the host.
    pub(super) fn hang_up(&self, why: &'static str) {
        if let Some(present) = self.present.lock().take() {
            present.connection.close(why);
        }
    }

    fn connection(&self) -> Option<Arc<ControlConnection>> {
        let present = self.present.lock();
        present.as_ref().map(|it| Arc::clone(&it.connection))
    }

    /// Whether it can be given an HSM.
    pub(super) fn is_ready(&self) -> bool {
        self.present.lock().as_ref().is_some_and(|it| it.ready)
    }

    /// Where it calls from.
    pub(super) fn address(&self) -> Option<std::net::SocketAddr> {
        let present = self.present.lock();
        present.as_ref().map(|it| it.connection.remote_address())
    }
}

impl Courier for Line {
    fn carry(&self, letter: Letter) -> BoxFuture<'_, Result<Outcome, Undelivered>> {
        Box::pin(async move {
            let Some(connection) = self.connection() else {
                let why = format!("host {} is not connected", self.number);
                return Err(Undelivered::Away(why));
            };
            let message = encode(&letter).map_err(Undelivered::Failed)?;
            let deadline = Instant::now() + ERRAND_MAX;
            let answer = connection.ask(message, MESSAGE_BYTES_MAX, deadline).await;
            let away = |error| Undelivered::Away(format!("host {}: {error}", self.number));
            decode(&answer.map_err(away)?).map_err(Undelivered::Failed)
        })
    }

    fn is_connected(&self) -> bool {
        self.present.lock().is_some()
    }

    fn now_ms(&self) -> u64 {
        self.clock.now().millis()
    }
}
