//! Which facade a caller uses, how facades start, and what befalls them.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use portcullis_store::Store;

use super::facade::{Facade, FacadeClusters, FacadeNetwork, FarStore, Life, Reaches, store_of};
use super::plan::{FacadeEnd, StoreOutage};
use super::process::FacadeParts;
use super::wait::wait;
use super::{World, WorldError};
use crate::Way;
use crate::history::HistoryEvent;

impl World {
    /// The facade that a caller uses: its own, or another one while that is down.
    pub(super) fn facade(&self, caller: usize) -> Option<Facade> {
        let process = self.process.lock();
        let facades = &process.as_ref()?.facades;
        let own = caller.checked_rem(facades.len())?;
        let from_own = facades.iter().cycle().skip(own).take(facades.len());
        from_own.flatten().next().cloned()
    }

    /// One facade after another.
    pub(super) fn any_facade(&self) -> Option<Facade> {
        self.facade(self.looks.fetch_add(1, Ordering::Relaxed))
    }

    /// Starts the facade with this number over the store of a process that runs.
    async fn start_facade(&self, number: usize, parts: &FacadeParts) -> Result<Facade, WorldError> {
        let life = Arc::new(Life::default());
        let unreachable = |error| WorldError::of("the shared store", error);
        let cloud = || Arc::clone(&parts.cloud);
        let (store, reaches) = if self.facades == 1 {
            let reaches = Reaches {
                transport: Arc::new(parts.network.clone()),
                clusters: cloud(),
            };
            (parts.store.clone(), reaches)
        } else {
            let far = FarStore {
                store: parts.store.clone(),
                network: parts.network.clone(),
                name: store_of(number),
                life: Arc::clone(&life),
            };
            let network = FacadeNetwork {
                network: parts.network.clone(),
                life: Arc::clone(&life),
            };
            let replica = Store::replica(Arc::new(far)).await.map_err(unreachable)?;
            let clusters = FacadeClusters {
                cloud: cloud(),
                changes: parts.relay.to(number),
            };
            let reaches = Reaches {
                transport: Arc::new(network),
                clusters: Arc::new(clusters),
            };
            (replica, reaches)
        };
        let kms = self.open_kms(store, reaches).await?;
        Ok(Facade { kms, life })
    }

    /// One of several facades is killed and started again; the others go on.
    pub(super) async fn end_facade(&self, end: FacadeEnd) -> Result<(), WorldError> {
        wait(end.at).await;
        let ended = {
            let mut process = self.process.lock();
            let facades = process.as_mut().map(|process| &mut process.facades);
            facades.and_then(|facades| facades.get_mut(end.which)?.take())
        };
        let Some(ended) = ended else {
            return Ok(());
        };
        self.fault("facade killed");
        ended.life.end();
        drop(ended);
        wait(end.down).await;
        self.revive_facade(end.which).await
    }

    async fn revive_facade(&self, number: usize) -> Result<(), WorldError> {
        let Some(parts) = self.parts().filter(|_| self.is_down(number)) else {
            // Everything is down, and starts with all its facades, or has done so meanwhile.
            return Ok(());
        };
        let revived = tokio::select! {
            biased;
            () = parts.life.ended() => return Ok(()),
            revived = self.start_facade_at_last(number, &parts) => revived?,
        };
        let mut process = self.process.lock();
        let process = process.as_mut().filter(|it| it.parts.is_same(&parts));
        if let Some(slot) = process.and_then(|it| it.facades.get_mut(number)) {
            self.recorder
                .note(format_args!("facade {number} is started again"));
            *slot = Some(revived);
        }
        Ok(())
    }

    fn is_down(&self, number: usize) -> bool {
        let process = self.process.lock();
        let facades = process.as_ref().map(|process| &process.facades);
        facades.is_some_and(|facades| facades.get(number).is_some_and(Option::is_none))
    }

    /// A facade that cannot reach the store by then tries again.
    pub(super) async fn start_facade_at_last(
        &self,
        number: usize,
        parts: &FacadeParts,
    ) -> Result<Facade, WorldError> {
        let mut started = self.start_facade(number, parts).await;
        for _ in 0..STARTS_MAX {
            if started.is_ok() || self.facades == 1 {
                break;
            }
            wait(START_EVERY).await;
            started = self.start_facade(number, parts).await;
        }
        started
    }

    /// Cuts a facade off the store that it shares.
    pub(super) async fn cut_off_store(&self, outage: StoreOutage) {
        wait(outage.at).await;
        self.fault("facade cut off the store");
        for way in [Way::ToHsm, Way::FromHsm] {
            if outage.way.is_none_or(|only| only == way) {
                self.network.cut(&store_of(outage.which), way);
            }
        }
        wait(outage.lasts).await;
        self.network.mend();
        self.recorder.tell(|at| HistoryEvent::Happens {
            at,
            what: "facade reaches the store again",
        });
    }
}

/// How often, and after how many milliseconds, a facade that did not start is started again.
const STARTS_MAX: usize = 100;
const START_EVERY: u64 = 100;
