//! How many connections there are, what they are doing and why they were closed, in the text form
//! of Prometheus.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::exposition::{header, line};
use crate::http::{ConnectionPhase, ConnectionRoom, Purpose};

/// Why a connection was closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum End {
    /// Its client closed it or broke off, or a reply said that it would be closed.
    Client,
    /// No request came in time.
    Idle,
    /// A head did not come in time.
    Head,
    /// A body did not come in time.
    Body,
    /// Its client did not read in time.
    Write,
    /// Another connection needed its place.
    Full,
    /// Others hold all the bytes that may be held.
    Bytes,
    /// What came is not HTTP.
    Malformed,
}

impl End {
    const ALL: [Self; 8] = [
        Self::Client,
        Self::Idle,
        Self::Head,
        Self::Body,
        Self::Write,
        Self::Full,
        Self::Bytes,
        Self::Malformed,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Idle => "idle",
            Self::Head => "head",
            Self::Body => "body",
            Self::Write => "write",
            Self::Full => "full",
            Self::Bytes => "bytes",
            Self::Malformed => "malformed",
        }
    }

    pub(crate) fn from_code(code: u8) -> Self {
        let found = Self::ALL.into_iter().find(|end| *end as u8 == code);
        found.unwrap_or(Self::Client)
    }
}

/// One core's counters of connections.
#[derive(Debug, Default)]
pub(crate) struct ConnectionMetrics {
    accepted: AtomicU64,
    refused: AtomicU64,
    turned_away: AtomicU64,
    not_accepted: AtomicU64,
    closed: [AtomicU64; End::ALL.len()],
    rooms: Mutex<Vec<Arc<ConnectionRoom>>>,
}

impl ConnectionMetrics {
    /// Where the connections are.
    pub(crate) fn watch(&self, rooms: [&Arc<ConnectionRoom>; 2]) {
        *self.rooms.lock() = rooms.map(Arc::clone).to_vec();
    }

    /// A connection has a place.
    pub(crate) fn opened(&self, purpose: Purpose) {
        let counter = match purpose {
            Purpose::Serve => &self.accepted,
            Purpose::Refuse => &self.refused,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// A connection was closed before it was looked at.
    pub(crate) fn turned_away(&self) {
        self.turned_away.fetch_add(1, Ordering::Relaxed);
    }

    /// The operating system gave no connection.
    pub(crate) fn not_accepted(&self) {
        self.not_accepted.fetch_add(1, Ordering::Relaxed);
    }

    /// A connection is closed.
    pub(crate) fn closed(&self, end: End) {
        if let Some(counter) = self.closed.get(end as usize) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many connections of this purpose do this.
    fn open(&self, purpose: Purpose, phase: usize) -> u64 {
        let rooms = self.rooms.lock();
        let rooms = rooms.iter().filter(|room| room.purpose == purpose);
        let doing = rooms.filter_map(|room| room.places.census().get(phase).copied());
        doing.sum()
    }
}

/// Adds to the page what connections of all cores there are and were.
///
/// Rule WIRE-32: connections by what they do, and why they were closed.
pub(crate) fn add(page: &mut String, cores: &[&ConnectionMetrics]) {
    let open = "portcullis_connections";
    header(
        page,
        open,
        "gauge",
        "Open connections by what they are doing",
    );
    for (index, phase) in ConnectionPhase::ALL.into_iter().enumerate() {
        let count: u64 = cores.iter().map(|it| it.open(Purpose::Serve, index)).sum();
        line(page, open, &format!("phase=\"{}\"", phase.name()), count);
    }
    let each = |index| cores.iter().map(move |it| it.open(Purpose::Refuse, index));
    let refusing: u64 = (0..ConnectionPhase::ALL.len()).flat_map(each).sum();
    line(page, open, "phase=\"refusing\"", refusing);
    let counter = |counter: fn(&ConnectionMetrics) -> &AtomicU64| {
        let counts = cores
            .iter()
            .map(|core| counter(core).load(Ordering::Relaxed));
        counts.sum::<u64>()
    };
    for (name, help, count) in [
        (
            "portcullis_connections_accepted_total",
            "Connections that got a place",
            counter(|core| &core.accepted),
        ),
        (
            "portcullis_connections_refused_total",
            "Connections that were answered with 503, because no place was left",
            counter(|core| &core.refused),
        ),
        (
            "portcullis_connections_turned_away_total",
            "Connections that were closed at once, because too many were being refused",
            counter(|core| &core.turned_away),
        ),
        (
            "portcullis_accept_errors_total",
            "Times that the operating system gave no connection",
            counter(|core| &core.not_accepted),
        ),
    ] {
        header(page, name, "counter", help);
        line(page, name, "", count);
    }
    let closed = "portcullis_connections_closed_total";
    header(page, closed, "counter", "Closed connections by reason");
    for end in End::ALL {
        let of_core = |core: &&ConnectionMetrics| {
            let counter = core.closed.get(end as usize);
            counter.map_or(0, |counter| counter.load(Ordering::Relaxed))
        };
        let count: u64 = cores.iter().map(of_core).sum();
        line(page, closed, &format!("reason=\"{}\"", end.name()), count);
    }
}
