//! What befalls messages and datagrams, and which way a link is cut.

use std::ops::RangeInclusive;
use std::time::Duration;

/// How long a message that is not acknowledged keeps its connection: as in the product.
pub(crate) const IDLE_TIMEOUT: Duration = Duration::from_secs(3);

/// Which way a link is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// What the facade sends does not arrive.
    ToHsm,
    /// What the HSM sends does not arrive.
    FromHsm,
}

/// What happens to messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Weather {
    /// Milliseconds on the way.
    pub delay: RangeInclusive<u64>,
    /// How many in a hundred are late.
    pub late_percent: u64,
    /// Milliseconds on the way for those.
    pub late: RangeInclusive<u64>,
    /// How many in a hundred break the connection instead of arriving.
    pub lost_percent: u64,
}

impl Weather {
    /// Nothing is late and nothing is lost.
    #[must_use]
    pub const fn fair() -> Self {
        Self {
            delay: 0..=2,
            late_percent: 0,
            late: 0..=0,
            lost_percent: 0,
        }
    }
}

/// What carries the frames.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Carrier {
    /// Seeded messages: what QUIC hides from its users is hidden.
    #[default]
    Messages,
    /// Rule SIM-11: the product's own endpoints, over UDP whose datagrams are lost, late, doubled
    /// and out of order.
    Quinn,
}

/// What becomes of one message, or datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Arrives(Duration),
    Lost,
}
