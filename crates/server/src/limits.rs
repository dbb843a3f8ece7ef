use std::time::Duration;

/// Bounds of what clients may take, each alone and all together. `docs/limits.md` lists them.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Bytes of a body. The largest request of both services, a CreateCustomKeyStore or
    /// PutKeyPolicy, has under 64 KiB; 1 MiB leaves room for what must be answered with a
    /// validation error.
    pub body_bytes_max: usize,
    /// Bytes of a request's head. A head with a session token of 4 KiB has some 6 KiB.
    pub head_bytes_max: usize,
    /// Connections of all cores together. Each takes some 14 KiB, so that these take 112 MiB.
    pub connections_max: usize,
    /// Connections of one core, beyond its share of [`Limits::connections_max`], that are answered
    /// with 503. They come and go within a second; 64 of them hold a megabyte.
    pub refusals_per_core_max: usize,
    /// Bytes of heads above 8 KiB and of bodies that come in pieces, of all connections together.
    pub request_bytes_max: usize,
    /// Bytes of replies of the AWS endpoint that clients do not read, of all connections together.
    pub unread_bytes_max: usize,
    /// Bytes of other replies that were not sent yet, of all connections together.
    pub reply_bytes_max: usize,
    /// How long the other side may take.
    pub patience: Patience,
    /// How long a shutdown waits for requests in flight. Container runtimes kill after 10 seconds
    /// or later.
    pub drain: Duration,
}

/// How long the other side of a connection may take for its part.
#[derive(Debug, Clone)]
pub struct Patience {
    /// For the next request to begin, and again for its head from the first byte on.
    pub head: Duration,
    /// For a body.
    pub body: Duration,
    /// Without taking a byte of a reply. In the long run it must take
    /// [`Patience::write_bytes_per_second_min`].
    pub write: Duration,
    /// What a client must take of a reply on average, once [`Patience::write`] is over.
    pub write_bytes_per_second_min: u32,
}

impl Limits {
    /// The most connections unless more are asked for. With half a head each they take some 130 MiB.
    pub const CONNECTIONS_MAX: usize = 4096;
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes_max: 1 << 20,
            head_bytes_max: 64 << 10,
            connections_max: Self::CONNECTIONS_MAX,
            refusals_per_core_max: 64,
            request_bytes_max: 32 << 20,
            unread_bytes_max: 32 << 20,
            reply_bytes_max: 32 << 20,
            patience: Patience::default(),
            drain: Duration::from_secs(10),
        }
    }
}

/// Descriptors that a process needs beside those of connections: two for each HSM, its socket and its
/// disk, and a few files. Of fewer than twice as many, half are left for this.
const OTHER_DESCRIPTORS: usize = 512;

impl Limits {
    /// Descriptors with which a process of so many threads has all the connections that it may have.
    #[must_use]
    pub const fn descriptors(&self, threads: usize) -> usize {
        let refusals = self.refusals_per_core_max.saturating_mul(threads);
        let connections = self.connections_max.saturating_add(refusals);
        connections.saturating_add(OTHER_DESCRIPTORS)
    }

    /// The limits of a process of so many threads that may have so many descriptors.
    ///
    /// Rule WIRE-34: there are no more places for connections than there are descriptors for them.
    #[must_use]
    pub fn within(self, descriptors: usize, threads: usize) -> Self {
        let threads = threads.max(1);
        let left = descriptors - OTHER_DESCRIPTORS.min(descriptors / 2);
        let refusals = (left / 8 / threads).clamp(1, self.refusals_per_core_max.max(1));
        let places = left.saturating_sub(refusals * threads).max(threads);
        Self {
            connections_max: self.connections_max.min(places),
            refusals_per_core_max: refusals,
            ..self
        }
    }
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            // Longer than the 50 s for which SDKs keep an idle connection.
            head: Duration::from_secs(75),
            body: Duration::from_secs(30),
            // As long as a mobile network may be gone.
            write: Duration::from_secs(30),
            // A modem of 1998. The kernel buffers some 128 KiB for each connection and wakes the
            // server when a third of it is free: at this rate every 11 seconds, within the time
            // in which a byte must move.
            write_bytes_per_second_min: 4096,
        }
    }
}

impl Patience {
    /// With a connection that only waits to be told that there is no place for it: such a client
    /// must speak at once, and be gone a second later.
    pub(crate) const fn short() -> Self {
        Self {
            head: Duration::from_secs(1),
            body: Duration::from_millis(500),
            write: Duration::from_secs(1),
            write_bytes_per_second_min: 4096,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rule WIRE-34.
    #[test]
    fn there_are_no_more_places_than_descriptors() {
        let all = Limits::default().descriptors(2);
        // Descriptors, threads: places of all threads, places of each for refusals.
        for (descriptors, threads, places, refusals) in [
            (all, 2, 4096, 64),
            (1_000_000, 2, 4096, 64),
            (4096, 2, 3456, 64),
            (1024, 2, 448, 32),
            (256, 2, 112, 8),
            (256, 64, 64, 1),
            (16, 1, 7, 1),
            (0, 2, 2, 1),
        ] {
            let limits = Limits::default().within(descriptors, threads);
            let got = (limits.connections_max, limits.refusals_per_core_max);
            assert_eq!(got, (places, refusals), "{descriptors} for {threads}");
        }
    }
}
