//! Faults of links, above whatever carries them: in the product, QUIC.
//!
//! A link joins a facade, or a person's client, with one HSM. A rule names HSMs, a direction and
//! what befalls messages that go that way:
//!
//! ```text
//! to the HSM      a request that is cut off or lost never arrives
//! from the HSM    what was asked is carried out, and no answer comes
//! ```
//!
//! Rules hold for calls that begin while they are there. What waits at a cut link goes on when
//! the cut is mended before its deadline, as a transport would send it again.

mod channel;
mod table;

pub use channel::FaultyTransport;
pub use table::{Direction, LinkEffect, LinkFaults, LinkRule};

#[cfg(test)]
mod tests;
