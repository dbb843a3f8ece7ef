//! An HSM on another host, as the control plane knows it: what it was seen to be at last, and the
//! way to its host.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use portcullis_api::HsmId;
use portcullis_hsm::{HsmKeyId, MaskedKey};

use super::line::Line;
use super::protocol::{Errand, Fittings, KeyErrand, Letter, Outcome, Status, Tally};
use crate::peer::{Peer, Told};

/// Why an errand brought nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Undelivered {
    /// The host is not there, or went away meanwhile: it may or may not have been done.
    Away(String),
    /// The host could not do it.
    Failed(String),
}

impl std::fmt::Display for Undelivered {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Away(why) | Self::Failed(why) => formatter.write_str(why),
        }
    }
}

/// An HSM on another host.
#[derive(Debug)]
pub(crate) struct RemoteHsm {
    hsm: HsmId,
    line: Arc<Line>,
    seen: Mutex<Status>,
    fittings: Mutex<Fittings>,
    /// Held while fittings are sent, so that the last ones sent are the last ones set.
    fitting: tokio::sync::Mutex<()>,
}

impl RemoteHsm {
    pub(crate) fn new(hsm: HsmId, line: Arc<Line>) -> Self {
        Self {
            hsm,
            line,
            seen: Mutex::default(),
            fittings: Mutex::default(),
            fitting: tokio::sync::Mutex::default(),
        }
    }

    /// Whether its host is connected and it was running when it was seen last.
    pub(crate) fn is_up(&self) -> bool {
        self.line.is_connected() && self.seen.lock().running
    }

    pub(crate) fn is_activated(&self) -> bool {
        self.is_up() && self.seen.lock().activated
    }

    /// Where it listens or listened.
    ///
    /// Rule HOST-07: the loss of its host changes nothing that clusters show.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        self.seen.lock().address
    }

    pub(crate) fn keeps_apart(&self) -> bool {
        self.fittings.lock().ailment.keeps_apart()
    }

    /// Sends it an errand.
    pub(crate) async fn send(&self, errand: Errand) -> Result<Outcome, Undelivered> {
        let letter = Letter {
            hsm: self.hsm.clone(),
            now_ms: self.line.now_ms(),
            errand,
        };
        let outcome = self.line.carry(letter).await?;
        if let Outcome::Failed(why) = outcome {
            return Err(Undelivered::Failed(why));
        }
        Ok(outcome)
    }

    /// Sends it an errand after which its status is another.
    pub(crate) async fn change(&self, errand: Errand) -> Result<Status, Undelivered> {
        let Outcome::Status(status) = self.send(errand).await? else {
            return Err(unexpected());
        };
        let mut seen = self.seen.lock();
        *seen = Status {
            // One that does not listen for the moment keeps its address, like one that is down.
            address: status.address.or(seen.address),
            ..status
        };
        drop(seen);
        Ok(status)
    }

    /// Takes it down; at once as far as the control plane is concerned.
    pub(crate) fn crash(self: &Arc<Self>) -> bool {
        let was_up = self.is_up();
        self.seen.lock().running = false;
        let remote = Arc::clone(self);
        tokio::spawn(async move {
            if let Err(error) = remote.send(Errand::Crash).await {
                tracing::warn!(hsm = %remote.hsm, %error, "not taken down on its host");
            }
        });
        was_up
    }

    /// Forgets how it was seen, and where.
    pub(crate) fn forget(&self) {
        *self.seen.lock() = Status::default();
    }

    /// Changes what it is fitted with, and lets its host know if that is there.
    pub(crate) fn fit_with(self: &Arc<Self>, change: impl FnOnce(&mut Fittings)) {
        let mut fittings = self.fittings.lock();
        let before = fittings.clone();
        change(&mut fittings);
        if *fittings == before || !self.line.is_connected() {
            return;
        }
        drop(fittings);
        let remote = Arc::clone(self);
        tokio::spawn(async move { remote.fit().await });
    }

    /// Fits it with what it shall have.
    pub(crate) async fn fit(&self) {
        let _one_at_a_time = self.fitting.lock().await;
        let fittings = self.fittings.lock().clone();
        if let Err(error) = self.send(Errand::Fit(fittings)).await {
            tracing::warn!(hsm = %self.hsm, %error, "not fitted on its host");
        }
    }

    /// Sends it an errand about its keys, and reads the answer with `expected`.
    async fn keys<T>(
        &self,
        errand: KeyErrand,
        expected: impl FnOnce(Outcome) -> Option<T> + Send,
    ) -> Result<T, String> {
        let outcome = self.send(Errand::Keys(errand)).await;
        if let Err(Undelivered::Failed(_)) = &outcome {
            // Seen anew when it has been started again.
            self.seen.lock().running = false;
        }
        let outcome = outcome.map_err(|why| why.to_string())?;
        expected(outcome).ok_or_else(|| unexpected().to_string())
    }
}

impl Peer for RemoteHsm {
    fn tally(&self) -> Told<'_, Tally> {
        Box::pin(self.keys(KeyErrand::Count, |outcome| {
            if let Outcome::Tally(found) = outcome {
                Some(found)
            } else {
                None
            }
        }))
    }

    fn deleted(&self) -> Told<'_, BTreeSet<HsmKeyId>> {
        Box::pin(self.keys(KeyErrand::Deleted, |outcome| {
            if let Outcome::Ids(found) = outcome {
                Some(found)
            } else {
                None
            }
        }))
    }

    fn bury<'a>(&'a self, deleted: &'a [HsmKeyId]) -> Told<'a, ()> {
        Box::pin(self.keys(KeyErrand::Bury(deleted.to_vec()), |outcome| done(&outcome)))
    }

    fn revisions(&self) -> Told<'_, Vec<(HsmKeyId, u64)>> {
        let errand = KeyErrand::Revisions;
        Box::pin(self.keys(errand, |outcome| {
            if let Outcome::Revisions(found) = outcome {
                Some(found)
            } else {
                None
            }
        }))
    }

    fn export<'a>(&'a self, ids: &'a [HsmKeyId]) -> Told<'a, Vec<MaskedKey>> {
        let errand = KeyErrand::Export(ids.to_vec());
        Box::pin(self.keys(errand, |outcome| {
            if let Outcome::Keys(found) = outcome {
                Some(found)
            } else {
                None
            }
        }))
    }

    fn take_over<'a>(&'a self, keys: &'a [MaskedKey]) -> Told<'a, ()> {
        Box::pin(self.keys(KeyErrand::TakeOver(keys.to_vec()), |outcome| done(&outcome)))
    }
}

fn done(outcome: &Outcome) -> Option<()> {
    (*outcome == Outcome::Done).then_some(())
}

pub(crate) fn unexpected() -> Undelivered {
    Undelivered::Failed("the host answered something else than it was asked".to_owned())
}
