use tokio::time::Instant;

/// What is certain about the key store's connection, seen from here.
///
/// ```text
///            call Disconnect      it returned          call Connect       CONNECTED seen
///  Connected ──────────────▶ Moving ──────▶ Disconnected ──────────▶ Moving ──────▶ Connected
/// ```
///
/// Calls and answers are ordered by one monotonic clock on one thread. While Disconnect or
/// Connect are under way nothing is certain, and nothing is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GateKnowledge {
    /// Seen CONNECTED at this instant, and no Disconnect called since.
    Connected(Instant),
    /// Somewhere in between.
    Moving,
    /// DisconnectCustomKeyStore returned at this instant, and no Connect called since.
    Disconnected(Instant),
}

/// What an answer says about the gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GateVerdict {
    /// Nothing against it.
    Permitted,
    /// It succeeded although the key store was disconnected all the while.
    Leak,
    /// It failed while the key store was disconnected, but not as disconnected.
    WrongErrorWhileDisconnected,
    /// It failed as disconnected although the key store was connected all the while.
    DisconnectedErrorWhileConnected,
}

/// The exception of a key whose key store is not connected.
pub(crate) const INVALID_STATE: &str = "KMSInvalidStateException";

impl GateKnowledge {
    /// Judges an operation that started at `started` and has ended now, with `error` as the name
    /// of its exception.
    pub(crate) fn judge(self, started: Instant, error: Option<&str>) -> GateVerdict {
        match (self, error) {
            // Rule LG-05: a success whose whole interval lies between a returned Disconnect and
            // the next call of Connect is a gate leak.
            (Self::Disconnected(since), None) if started >= since => GateVerdict::Leak,
            // Rule LG-06: within that interval everything must fail with the one exception.
            (Self::Disconnected(since), Some(name))
                if started >= since && name != INVALID_STATE =>
            {
                GateVerdict::WrongErrorWhileDisconnected
            }
            // Rule LG-07: while connected throughout, nothing may fail with it.
            (Self::Connected(since), Some(INVALID_STATE)) if started >= since => {
                GateVerdict::DisconnectedErrorWhileConnected
            }
            (Self::Connected(_) | Self::Moving | Self::Disconnected(_), _) => {
                GateVerdict::Permitted
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Rules LG-05, LG-06 and LG-07: every gate, start and outcome.
    #[test]
    fn an_answer_is_judged_by_where_its_whole_interval_lies() {
        let since = Instant::now();
        let before = since - Duration::from_micros(1);
        let after = since + Duration::from_micros(1);
        let (closed, open) = (
            GateKnowledge::Disconnected(since),
            GateKnowledge::Connected(since),
        );
        let other = Some("KMSInternalException");
        let state = Some(INVALID_STATE);
        for (gate, started, error, expected) in [
            (closed, after, None, GateVerdict::Leak),
            (closed, since, None, GateVerdict::Leak),
            (closed, before, None, GateVerdict::Permitted),
            (closed, after, state, GateVerdict::Permitted),
            (closed, before, other, GateVerdict::Permitted),
            (
                closed,
                after,
                other,
                GateVerdict::WrongErrorWhileDisconnected,
            ),
            (GateKnowledge::Moving, after, None, GateVerdict::Permitted),
            (GateKnowledge::Moving, after, state, GateVerdict::Permitted),
            (GateKnowledge::Moving, after, other, GateVerdict::Permitted),
            (open, after, None, GateVerdict::Permitted),
            (open, after, other, GateVerdict::Permitted),
            (open, before, state, GateVerdict::Permitted),
            (
                open,
                after,
                state,
                GateVerdict::DisconnectedErrorWhileConnected,
            ),
        ] {
            assert_eq!(gate.judge(started, error), expected, "{gate:?} {error:?}");
        }
    }
}
