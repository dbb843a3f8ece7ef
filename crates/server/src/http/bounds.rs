use std::sync::Arc;

use tokio::sync::Semaphore;

use super::budget::Budget;
use super::notices::Notices;
use crate::exposition::{header, line};
use crate::limits::Limits;

/// What bounds the connections of all cores together.
#[derive(Debug)]
pub(crate) struct Bounds {
    pub(crate) limits: Limits,
    /// Connections of each core.
    pub(crate) places_per_core: usize,
    /// Heads above 8 KiB and bodies in pieces.
    pub(crate) requests: Arc<Budget>,
    /// Replies of the AWS endpoint that clients do not read.
    pub(crate) unread: Arc<Budget>,
    /// Other replies until they are sent.
    pub(crate) replies: Arc<Budget>,
    /// For one snapshot at a time.
    pub(crate) snapshot: Arc<Semaphore>,
    pub(crate) notices: Notices,
}

impl Bounds {
    /// For so many cores. Each has an equal part of the connections: the kernel spreads them.
    pub(crate) fn new(limits: Limits, cores: usize) -> Arc<Self> {
        Arc::new(Self {
            places_per_core: (limits.connections_max / cores.max(1)).max(1),
            requests: Budget::new(limits.request_bytes_max),
            unread: Budget::new(limits.unread_bytes_max),
            replies: Budget::new(limits.reply_bytes_max),
            snapshot: Arc::new(Semaphore::new(1)),
            notices: Notices::default(),
            limits,
        })
    }
    /// Adds to the page how many bytes are held.
    pub(crate) fn add_held(&self, page: &mut String) {
        let name = "portcullis_held_bytes";
        let help =
            "Bytes held of requests, of replies not read by their clients, and of other replies";
        header(page, name, "gauge", help);
        for (what, budget) in [
            ("requests", &self.requests),
            ("unread_replies", &self.unread),
            ("other_replies", &self.replies),
        ] {
            line(page, name, &format!("of=\"{what}\""), budget.held());
        }
    }
}
