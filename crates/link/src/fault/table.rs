use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::RwLock;
use portcullis_seam::watch;
use portcullis_seam::{Entropy, draw};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep_until};

/// Which messages of a link a rule is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// Messages from the facade to the HSM: requests.
    ToHsm,
    /// Messages from the HSM to the facade: answers.
    FromHsm,
    /// Messages both ways.
    Both,
}

/// One way of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LinkWay {
    ToHsm,
    FromHsm,
}

impl Direction {
    const fn includes(self, way: LinkWay) -> bool {
        match self {
            Self::ToHsm => matches!(way, LinkWay::ToHsm),
            Self::FromHsm => matches!(way, LinkWay::FromHsm),
            Self::Both => true,
        }
    }
}

/// What befalls a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkEffect {
    /// No message passes.
    Cut,
    /// Each is late by this much, beside what other rules add.
    Delay(Duration),
    /// Of a hundred, this many get lost.
    Lose {
        /// 0 to 100.
        percent: u8,
    },
}

/// A rule of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkRule {
    /// The names of the HSMs at the far end, as in [`Target`](crate::Target).
    pub hsms: BTreeSet<String>,
    /// The messages that the rule is about.
    pub direction: Direction,
    /// What befalls them.
    pub effect: LinkEffect,
}

/// The faults of every link of a [`FaultyTransport`](super::FaultyTransport): one table that all
/// its channels share.
///
/// Without a rule a call pays one atomic load (`benches/benches/fault.rs` has the ratio).
#[derive(Debug)]
pub struct LinkFaults {
    any: AtomicBool,
    rules: RwLock<Vec<LinkRule>>,
    changes: watch::Sender<()>,
    entropy: Arc<dyn Entropy>,
}

/// What the rules together do to one message.
#[derive(Debug, Default)]
struct Weather {
    cut: bool,
    lost: bool,
    delay: Duration,
}

impl LinkFaults {
    /// A table without rules. `entropy` decides which messages get lost.
    #[must_use]
    pub fn new(entropy: Arc<dyn Entropy>) -> Self {
        Self {
            any: AtomicBool::new(false),
            rules: RwLock::default(),
            changes: watch::Sender::new(()),
            entropy,
        }
    }

    /// Replaces every rule. Messages that wait at a cut link look again.
    pub fn set(&self, rules: Vec<LinkRule>) {
        let any = !rules.is_empty();
        *self.rules.write() = rules;
        self.any.store(any, Ordering::Release);
        self.changes.send_replace(());
    }

    /// Whether there is any rule.
    pub(super) fn any(&self) -> bool {
        self.any.load(Ordering::Acquire)
    }

    /// Brings a message to the other end, or waits for the deadline and says that it never came.
    ///
    /// Rule LINK-13: what waits at a cut goes on when that is mended before the deadline.
    pub(super) async fn carry(&self, hsm: &str, way: LinkWay, deadline: Instant) -> bool {
        let mut changes = self.changes.subscribe();
        loop {
            changes.borrow_and_update();
            let Weather { cut, lost, delay } = self.weather(hsm, way);
            if !cut {
                let arrives = Instant::now() + delay;
                let in_time = !lost && arrives < deadline;
                sleep_until(if in_time { arrives } else { deadline }).await;
                return in_time;
            }
            tokio::select! {
                biased;
                () = sleep_until(deadline) => return false,
                _changed = changes.changed() => {}
            }
        }
    }

    fn weather(&self, hsm: &str, way: LinkWay) -> Weather {
        let rules = self.rules.read();
        let here = rules
            .iter()
            .filter(|rule| rule.direction.includes(way) && rule.hsms.contains(hsm));
        here.fold(Weather::default(), |mut weather, rule| {
            match rule.effect {
                LinkEffect::Cut => weather.cut = true,
                LinkEffect::Delay(more) => weather.delay += more,
                LinkEffect::Lose { percent } => weather.lost |= self.is_lost(percent),
            }
            weather
        })
    }

    fn is_lost(&self, percent: u8) -> bool {
        let drawn = u32::from_le_bytes(draw(&*self.entropy));
        drawn % 100 < u32::from(percent)
    }
}
