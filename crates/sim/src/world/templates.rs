//! What most schedules begin with: a furnished world, built once in a process, whose disks they copy.
//!
//! Building a world takes longer than living through a schedule, and what befalls it there is
//! always the same. So a few are built, each under a seed of its own, and their process is ended in
//! order. A schedule starts the product again over a copy of the disks, and from there on everything is drawn
//! from its own seed. What happened before is the beginning of its history and of its hash.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use portcullis_seam::plant::Bug;
use tokio::runtime::Runtime;

use super::build::Beginning;
use super::template::Template;
use super::{World, WorldError};
use crate::Carrier;
use crate::canary::{Canaries, Listener};
use crate::history::HistoryEvent;
use crate::record::{Lines, WorldRecorder};

/// Far from the seeds that anybody tries: what a template draws is drawn in no schedule again.
const FIRST_SEED: u64 = 0x7465_6d70_6c61_7465;

type Which = (Option<Bug>, Carrier, u64);
type Built = Arc<OnceLock<Result<Arc<Template>, WorldError>>>;

impl Template {
    /// The template with a number, built for the first world that asks. A bug is planted in it too.
    pub(crate) fn of(
        number: u64,
        carrier: Carrier,
        bug: Option<Bug>,
    ) -> Result<Arc<Self>, WorldError> {
        static ALL: Mutex<BTreeMap<Which, Built>> = Mutex::new(BTreeMap::new());
        let built = {
            let mut all = ALL.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(all.entry((bug, carrier, number)).or_default())
        };
        let build = || Self::build(FIRST_SEED + number, carrier).map(Arc::new);
        built.get_or_init(build).clone()
    }

    fn build(seed: u64, carrier: Carrier) -> Result<Self, WorldError> {
        let canaries = Arc::new(Canaries::default());
        let _listens = tracing::subscriber::set_default(Listener(Arc::clone(&canaries)));
        let runtime = paused()?;
        let (world, past) = runtime.block_on(async {
            let recorder = Arc::new(WorldRecorder::start(Lines::Kept));
            let beginning = Beginning {
                seed,
                carrier,
                facades: 1,
                recorder: Arc::clone(&recorder),
                canaries: Arc::clone(&canaries),
            };
            let world = World::build(beginning).await?;
            world.close();
            recorder.tell(|at| HistoryEvent::Restarted { at, shared: true });
            Ok((world, recorder.past()))
        })?;
        // With its tasks the last handles of the stores go, which closes them.
        drop(runtime);
        let known = std::mem::take(&mut *world.known.lock());
        Ok(Self {
            past,
            network: world.network.memory(),
            canaries: Canaries::after(&canaries, &world.images()),
            disks: world.disks.images(),
            control: world.control.image(),
            device_key: Arc::clone(&world.device_key),
            known,
        })
    }
}

/// A runtime of one thread, whose clock stands still while anything is to be done.
pub(crate) fn paused() -> Result<Runtime, WorldError> {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .map_err(|error| WorldError::of("the runtime", error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DiskImage;

    /// Rule SIM-12: whichever process or thread builds a template, schedules that begin with it have
    /// the same history and the same hash, although certificates differ.
    #[test]
    fn a_template_is_built_twice_with_the_same_history() {
        let build = || Template::build(FIRST_SEED, Carrier::Messages).unwrap();
        let (one, other) = (build(), build());
        assert_eq!(one.past.lines(), other.past.lines());
        assert!(!one.past.lines().is_empty());
        assert_eq!(one.past.hash(), other.past.hash());
        let sizes = |template: &Template| -> Vec<usize> {
            template.disks.values().map(DiskImage::len).collect()
        };
        assert_eq!(sizes(&one), sizes(&other));
        assert_eq!(one.control.len(), other.control.len());
        assert_eq!(one.canaries.leaks(&[]), Vec::<String>::new());
    }

    /// Rule SIM-12: what a power cut leaves is repaired at the next start, which takes time.
    #[test]
    fn the_disks_of_a_template_were_closed_in_order() {
        /// Where redb notes what its file needs, and the bit for a repair.
        const NOTES: usize = 9;
        const NEEDS_REPAIR: u8 = 2;
        let template = Template::build(FIRST_SEED, Carrier::Messages).unwrap();
        assert_eq!(template.disks.len(), 4);
        for medium in template.disks.values().chain([&template.control]) {
            let mut notes = [0];
            assert!(medium.read(NOTES, &mut notes));
            assert_eq!(notes[0] & NEEDS_REPAIR, 0, "{medium:?}");
        }
    }
}
