use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU16, AtomicUsize, Ordering};

use super::bounds::Bounds;
use super::places::{ConnectionPhase, ConnectionPlace, Dismissal};
use super::room::ConnectionRoom;
use crate::connections::{ConnectionMetrics, End};

/// How far one connection has come. The stream, the service and the task of the connection share
/// it; all three run on one core, so that nothing here is ever waited for.
#[derive(Debug)]
pub(crate) struct ConnectionState {
    pub(crate) room: Arc<ConnectionRoom>,
    pub(crate) bounds: Arc<Bounds>,
    metrics: Arc<ConnectionMetrics>,
    place: ConnectionPlace,
    /// Bytes that came since the last request was answered.
    head_bytes: AtomicUsize,
    /// Whether bytes came since the last request began.
    is_fresh: AtomicBool,
    /// Whether the whole reply is in hyper's hands.
    is_replied: AtomicBool,
    /// Whether the bytes of the reply are counted already.
    is_counted: AtomicBool,
    /// The status of a reply that hyper gave by itself, to a head that it could not read.
    refused: AtomicU16,
    end: AtomicU8,
}

impl ConnectionState {
    pub(crate) fn new(
        place: ConnectionPlace,
        room: Arc<ConnectionRoom>,
        bounds: Arc<Bounds>,
        metrics: Arc<ConnectionMetrics>,
    ) -> Arc<Self> {
        metrics.opened(room.purpose);
        Arc::new(Self {
            room,
            bounds,
            metrics,
            place,
            head_bytes: AtomicUsize::new(0),
            is_fresh: AtomicBool::new(false),
            is_replied: AtomicBool::new(false),
            is_counted: AtomicBool::new(false),
            refused: AtomicU16::new(0),
            end: AtomicU8::new(End::Client as u8),
        })
    }

    /// Bytes came. Gives how many the next head has so far; none when a request is under way.
    pub(super) fn received(&self, bytes: usize) -> Option<usize> {
        self.is_fresh.store(true, Ordering::Relaxed);
        if !self.place.is(ConnectionPhase::Waiting) {
            return None;
        }
        let head = self.head_bytes.load(Ordering::Relaxed) + bytes;
        self.head_bytes.store(head, Ordering::Relaxed);
        if head == bytes {
            // Who begins to speak has not waited long.
            self.place.set(ConnectionPhase::Waiting);
        }
        Some(head)
    }

    /// A request begins. Gives whether it came together with the one before.
    pub(crate) fn begin(&self) -> bool {
        self.place.set(ConnectionPhase::Serving);
        self.is_counted.store(false, Ordering::Relaxed);
        let is_fresh = self.is_fresh.load(Ordering::Relaxed);
        self.is_fresh.store(false, Ordering::Relaxed);
        !is_fresh
    }

    /// The bytes of the reply are counted by its body.
    pub(super) fn counts_by_itself(&self) {
        self.is_counted.store(true, Ordering::Relaxed);
    }

    /// Whether the bytes of the reply are counted already.
    pub(super) fn is_counted(&self) -> bool {
        self.is_counted.load(Ordering::Relaxed)
    }

    /// Its body has to be waited for.
    pub(crate) fn reading(&self) {
        self.place.set(ConnectionPhase::Reading);
    }

    /// Its body is there.
    pub(crate) fn serving(&self) {
        self.place.set(ConnectionPhase::Serving);
    }

    /// hyper has the whole reply. When nothing of it is left to send, the connection waits.
    pub(crate) fn replied(&self) {
        self.is_replied.store(true, Ordering::Relaxed);
    }

    /// Nothing is left to send. Gives whether the reply is over with it.
    pub(super) fn flushed(&self) -> bool {
        if !self.is_replied.load(Ordering::Relaxed) {
            return false;
        }
        self.is_replied.store(false, Ordering::Relaxed);
        self.head_bytes.store(0, Ordering::Relaxed);
        self.place.set(ConnectionPhase::Waiting);
        true
    }

    /// Whether no request is under way.
    pub(super) fn is_waiting(&self) -> bool {
        self.place.is(ConnectionPhase::Waiting)
    }

    /// The client does not take its reply.
    pub(super) fn stalled(&self) {
        self.place.set(ConnectionPhase::Stalled);
    }

    /// Closes the connection that has been stalled for longest, of the others of this core. Gives
    /// whether there was one.
    pub(super) fn close_longest_stalled(&self) -> bool {
        let found = self.place.dismiss_stalled();
        if let Some(index) = found {
            self.room.close(index);
        }
        found.is_some()
    }

    /// hyper has refused a head by itself, with this status.
    pub(super) fn refused(&self, status: u16) {
        self.refused.store(status, Ordering::Relaxed);
        self.ends(End::Malformed);
    }

    /// The status with which hyper has refused a head; zero if it has not.
    pub(super) fn refused_with(&self) -> u16 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Bytes of the head that was last begun.
    pub(super) fn head_bytes(&self) -> usize {
        self.head_bytes.load(Ordering::Relaxed)
    }

    /// Why the connection will be closed; without, its client closes it.
    pub(crate) fn ends(&self, end: End) {
        self.end.store(end as u8, Ordering::Relaxed);
    }
}

impl Drop for ConnectionState {
    fn drop(&mut self) {
        let end = match self.place.dismissal() {
            Some(Dismissal::Place) => End::Full,
            Some(Dismissal::Bytes) => End::Bytes,
            Some(Dismissal::Time) if self.head_bytes() == 0 => End::Idle,
            Some(Dismissal::Time) => End::Head,
            None => End::from_code(self.end.load(Ordering::Relaxed)),
        };
        self.metrics.closed(end);
        self.room.forget(self.place.index());
    }
}
