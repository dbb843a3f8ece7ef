use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::task::AbortHandle;

use super::places::{ConnectionPhase, ConnectionPlaces, Entered, Full, ROUNDS};
use crate::limits::Patience;

/// What is done with the requests of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// They are answered.
    Serve,
    /// They are told that there is no place for their connection.
    Refuse,
}

/// The connections of one core that are there for one purpose: their places, and how to close them.
#[derive(Debug)]
pub(crate) struct ConnectionRoom {
    pub(crate) purpose: Purpose,
    pub(crate) patience: Patience,
    pub(crate) places: Arc<ConnectionPlaces>,
    closers: Mutex<Vec<Option<AbortHandle>>>,
}

impl ConnectionRoom {
    pub(crate) fn new(purpose: Purpose, places_max: usize, patience: Patience) -> Self {
        let gives_way: &[ConnectionPhase] = match purpose {
            Purpose::Serve => &[ConnectionPhase::Waiting],
            // Its request will not be carried out anyhow.
            Purpose::Refuse => &[ConnectionPhase::Waiting, ConnectionPhase::Reading],
        };
        let places = ConnectionPlaces::new(places_max, gives_way);
        Self {
            purpose,
            patience,
            closers: Mutex::new(vec![None; places.all()]),
            places: Arc::new(places),
        }
    }

    /// Whether one more connection may come in; who has to leave for it is closed.
    pub(crate) fn enter(&self) -> Result<Entered, Full> {
        let entered = self.places.enter()?;
        if let Some(leaving) = entered.instead_of {
            self.close(leaving);
        }
        Ok(entered)
    }

    /// Puts down how the connection at a place is closed.
    pub(crate) fn closes_by(&self, index: usize, closer: AbortHandle) {
        if let Some(place) = self.closers.lock().get_mut(index) {
            *place = Some(closer);
        }
    }

    /// The connection at a place is gone.
    pub(crate) fn forget(&self, index: usize) {
        // It holds the memory of the task, so it must not stay.
        drop(self.closers.lock().get_mut(index).and_then(Option::take));
    }

    /// Closes the connection at a place, whatever it is doing.
    pub(crate) fn close(&self, index: usize) {
        let closer = self.closers.lock().get_mut(index).and_then(Option::take);
        if let Some(closer) = closer {
            closer.abort();
        }
    }

    /// Closes the connection that has waited longest for a request. Gives whether there was one.
    pub(crate) fn close_longest_waiting(&self) -> bool {
        let found = self.places.dismiss_waiting();
        if let Some(waiting) = found {
            self.close(waiting);
        }
        found.is_some()
    }

    /// Closes the connections that have waited for too long. To be called after each [`ConnectionRoom::round`].
    pub(crate) fn close_overdue(&self) {
        for overdue in self.places.dismiss_overdue() {
            self.close(overdue);
        }
    }

    /// How often to look for them.
    pub(crate) fn round(&self) -> Duration {
        (self.patience.head / u32::from(ROUNDS)).max(Duration::from_millis(1))
    }

    /// Closes every connection that has no request under way.
    pub(crate) fn close_waiting(&self) {
        while self.close_longest_waiting() {}
    }
}
