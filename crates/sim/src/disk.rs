//! A disk in memory that loses and tears what was not synced when its power is cut.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Waker};

use parking_lot::Mutex;
use portcullis_api::HsmId;
use portcullis_fleet::{Disks, FoundDisk};
use portcullis_hsm::HsmKeyId;
use portcullis_store::{Storage, StorageLocation, Store, StoreError, Transaction};
use tokio::sync::Notify;

use crate::disk_image::{PIECE_BYTES, Piece};
use crate::{DiskImage, Random};

/// What a disk writes in one piece; a write that is cut off ends at such a boundary.
const SECTOR_BYTES: usize = 512;

/// The medium. Rule SIM-04: what was synced survives every power cut.
#[derive(Debug, Clone)]
pub struct SimDisk(Arc<Mutex<Platter>>);

#[derive(Debug)]
struct Platter {
    random: Random,
    bytes: DiskImage,
    /// What was done since the last sync.
    unsynced: Vec<DiskUndo>,
    /// What the steps of `unsynced` replaced or cut off, one after another.
    replaced: Vec<u8>,
    /// Raised by every power cut: a host that was cut off can neither read nor write.
    power: u64,
    /// Writes until the power fails by itself.
    fuse: Option<u64>,
    /// Whether there is room for what is already there, and for nothing else.
    full: bool,
    /// What it had when it was taken from its place; no start finds what is written from then on.
    at_its_place: Option<DiskImage>,
    /// Told when it has.
    cut: Arc<Notify>,
}

/// One step since the last sync. What the write of a whole piece replaced is kept as it is; what
/// another write replaced lies in [`Platter::replaced`]. So a write, of which there are thousands in
/// a world, copies little and asks the allocator for next to nothing.
#[derive(Debug)]
enum DiskUndo {
    Replaced {
        number: usize,
        before: Option<Arc<Piece>>,
    },
    Wrote {
        at: usize,
        bytes: usize,
    },
    Resized {
        before: usize,
        after: usize,
    },
}

/// A step that reaches the medium after all, or does not.
enum Again {
    Write { at: usize, data: Vec<u8> },
    Resize(usize),
}

impl SimDisk {
    /// An empty disk whose misfortunes are drawn from `random`.
    #[must_use]
    pub fn new(random: Random) -> Self {
        Self::with(DiskImage::default(), random)
    }

    /// A disk that begins with what another one had.
    #[must_use]
    pub fn with(bytes: DiskImage, random: Random) -> Self {
        Self(Arc::new(Mutex::new(Platter {
            random,
            bytes,
            unsynced: Vec::new(),
            replaced: Vec::new(),
            power: 0,
            fuse: None,
            full: false,
            at_its_place: None,
            cut: Arc::default(),
        })))
    }

    /// Connects a host: its reads and writes fail from the next power cut on.
    #[must_use]
    pub fn attach(&self) -> Attached {
        let power = self.0.lock().power;
        Attached {
            disk: self.clone(),
            power,
        }
    }

    /// Where it lies, for who has it open.
    #[must_use]
    pub(crate) fn place(&self) -> Slotted {
        Slotted(self.clone())
    }

    /// Leaves no room, or gives it back.
    ///
    /// Rule SIM-13: while it is full every write fails but that of the first page, which recovery
    /// overwrites.
    pub fn set_full(&self, full: bool) {
        self.0.lock().full = full;
    }

    /// Takes it from its place, like a folder that is moved while it is in use: the process
    /// goes on writing to it, and no start finds that.
    ///
    /// Rule SIM-14: what is put back is what it had then.
    pub fn take_away(&self) {
        let mut platter = self.0.lock();
        if platter.at_its_place.is_none() {
            platter.at_its_place = Some(platter.bytes.clone());
        }
    }

    /// Whether it was taken away.
    #[must_use]
    pub fn is_away(&self) -> bool {
        self.0.lock().at_its_place.is_some()
    }

    /// Puts back what was taken away, after the process that had it open has ended.
    pub fn put_back(&self) {
        let mut platter = self.0.lock();
        if let Some(found) = platter.at_its_place.take() {
            platter.power += 1;
            platter.bytes = found;
            platter.unsynced.clear();
            platter.replaced.clear();
        }
    }

    /// Cuts the power at once. Unsynced writes may each be there, torn or lost.
    pub fn cut_power(&self) {
        self.0.lock().cut_power();
    }

    /// Cuts the power in the middle of the write or sync after `writes` more.
    pub fn cut_power_after(&self, writes: u64) {
        self.0.lock().fuse = Some(writes);
    }

    /// Told when the power has failed in the middle of a write.
    #[must_use]
    pub fn when_cut(&self) -> Arc<Notify> {
        Arc::clone(&self.0.lock().cut)
    }

    /// Takes the disk away from its host: in a power cut, or because the process was killed, whose
    /// writes are in the operating system's hands then.
    pub fn let_go(&self, power_cut: bool) {
        let mut platter = self.0.lock();
        if power_cut {
            platter.cut_power();
        } else {
            platter.power += 1;
            platter.fuse = None;
        }
    }

    /// How often a host has lost it.
    #[must_use]
    pub fn cuts(&self) -> u64 {
        self.0.lock().power
    }

    /// What is on it, byte for byte.
    #[must_use]
    pub fn image(&self) -> DiskImage {
        self.0.lock().bytes.clone()
    }
}

impl Platter {
    fn cut_power(&mut self) {
        self.power += 1;
        self.fuse = None;
        // Everything lost, torn, nearly everything kept, or all of it.
        let odds = self.random.pick(&[0, 50, 95, 100]).copied().unwrap_or(50);
        for again in self.take_back() {
            match again {
                Again::Write { at, data } => self.put_what_survives(at, &data, odds),
                Again::Resize(after) if self.random.chance(odds) => self.bytes.resize(after),
                Again::Resize(_) => (),
            }
        }
    }

    /// Brings back what was there at the last sync, and gives what was done since, in order.
    fn take_back(&mut self) -> Vec<Again> {
        let unsynced = std::mem::take(&mut self.unsynced);
        let mut replaced = std::mem::take(&mut self.replaced);
        let mut done = Vec::new();
        for undo in unsynced.into_iter().rev() {
            done.push(match undo {
                DiskUndo::Replaced { number, before } => {
                    let written = self.bytes.replace(number, before).flatten();
                    Again::Write {
                        at: number * PIECE_BYTES,
                        data: written.map_or_else(Vec::new, |piece| piece.to_vec()),
                    }
                }
                // When all that came later is undone, the medium has what this write wrote.
                DiskUndo::Wrote { at, bytes } => {
                    let mut data = Vec::with_capacity(bytes);
                    self.bytes.append_to(&mut data, at, bytes);
                    let before = replaced.split_off(replaced.len().saturating_sub(bytes));
                    self.bytes.write(at, &before);
                    Again::Write { at, data }
                }
                DiskUndo::Resized { before, after } => {
                    let cut_off = before.saturating_sub(after);
                    let tail = replaced.split_off(replaced.len().saturating_sub(cut_off));
                    self.bytes.resize(before);
                    self.bytes.write(after, &tail);
                    Again::Resize(after)
                }
            });
        }
        done.reverse();
        done
    }

    /// Each sector of a write reaches the medium or does not.
    fn put_what_survives(&mut self, at: usize, data: &[u8], odds: u64) {
        for (index, sector) in data.chunks(SECTOR_BYTES).enumerate() {
            if self.random.chance(odds) {
                self.bytes.write(at + index * SECTOR_BYTES, sector);
            }
        }
    }

    /// Writes whole pieces, if that is what `data` is. Whether it was.
    fn write_pieces(&mut self, at: usize, data: &[u8]) -> bool {
        let (pieces, rest) = data.as_chunks::<PIECE_BYTES>();
        if !rest.is_empty() || !at.is_multiple_of(PIECE_BYTES) {
            return false;
        }
        for (number, piece) in (at / PIECE_BYTES..).zip(pieces) {
            if let Some(before) = self.bytes.replace(number, Some(Arc::new(*piece))) {
                self.unsynced.push(DiskUndo::Replaced { number, before });
            }
        }
        true
    }

    fn check_room(&self) -> io::Result<()> {
        if self.full {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }

    fn burn(&mut self) -> io::Result<()> {
        match &mut self.fuse {
            Some(0) => {
                self.cut_power();
                self.cut.notify_one();
                Err(no_power())
            }
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }
}

/// A host's connection to a [`SimDisk`].
#[derive(Debug)]
pub struct Attached {
    disk: SimDisk,
    power: u64,
}

impl Attached {
    fn with<T>(&self, run: impl FnOnce(&mut Platter) -> io::Result<T>) -> io::Result<T> {
        let mut platter = self.disk.0.lock();
        if platter.power == self.power {
            run(&mut platter)
        } else {
            Err(no_power())
        }
    }
}

/// Where the disk lies.
#[derive(Debug)]
pub(crate) struct Slotted(SimDisk);

impl StorageLocation for Slotted {
    fn check(&self) -> Result<(), String> {
        if self.0.is_away() {
            return Err("the disk was taken away".to_owned());
        }
        Ok(())
    }
}

impl Storage for Attached {
    fn length(&self) -> io::Result<u64> {
        self.with(|platter| u64::try_from(platter.bytes.len()).map_err(io::Error::other))
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let at = usize::try_from(offset).map_err(io::Error::other)?;
        self.with(|platter| {
            let found = platter.bytes.read(at, out);
            found.then_some(()).ok_or_else(past_the_end)
        })
    }

    fn resize(&self, length: u64) -> io::Result<()> {
        let after = usize::try_from(length).map_err(io::Error::other)?;
        self.with(|platter| {
            let before = platter.bytes.len();
            if after > before {
                platter.check_room()?;
            }
            let cut_off = before.saturating_sub(after);
            let Platter {
                bytes, replaced, ..
            } = platter;
            bytes.append_to(replaced, after, cut_off);
            bytes.resize(after);
            platter.unsynced.push(DiskUndo::Resized { before, after });
            Ok(())
        })
    }

    fn sync(&self) -> io::Result<()> {
        self.with(|platter| {
            platter.burn()?;
            platter.unsynced.clear();
            platter.replaced.clear();
            Ok(())
        })
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let at = usize::try_from(offset).map_err(io::Error::other)?;
        self.with(|platter| {
            if at.saturating_add(data.len()) > platter.bytes.len() {
                return Err(past_the_end());
            }
            if at > 0 {
                platter.check_room()?;
            }
            if !platter.write_pieces(at, data) {
                let Platter {
                    bytes, replaced, ..
                } = platter;
                bytes.append_to(replaced, at, data.len());
                bytes.write(at, data);
                let bytes = data.len();
                platter.unsynced.push(DiskUndo::Wrote { at, bytes });
            }
            // A power cut in the midst of it tears it.
            platter.burn()
        })
    }
}

fn past_the_end() -> io::Error {
    io::ErrorKind::UnexpectedEof.into()
}

fn no_power() -> io::Error {
    io::Error::other("the power is off")
}

/// The disks of all HSMs of a world.
#[derive(Debug)]
pub struct SimDisks {
    seed: u64,
    /// Raised when the process ends.
    process: AtomicU64,
    slots: Mutex<BTreeMap<HsmId, Slot>>,
    /// Of each key on an HSM that was about to be removed: all the HSMs that had it then.
    removed: Mutex<BTreeMap<HsmKeyId, BTreeSet<HsmId>>>,
}

#[derive(Debug)]
struct Slot {
    disk: SimDisk,
    /// What the HSM has open; none after a power cut.
    store: Option<Store>,
}

impl Slot {
    fn let_go(&mut self, power_cut: bool) {
        self.disk.let_go(power_cut);
        if let Some(store) = self.store.take() {
            give_up(&store);
        }
    }
}

/// Has a store find out that its disk was taken away. Closing it then writes nothing: it would
/// first lay out all that it never brings to the disk, which took a twentieth of a schedule's time.
pub(crate) fn give_up(store: &Store) {
    let mut write = pin!(store.commit(Transaction::new().put("", Vec::new())));
    // It commits on the caller, and fails.
    let _failed = write.as_mut().poll(&mut Context::from_waker(Waker::noop()));
}

impl SimDisks {
    /// No disks yet.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self {
            seed,
            process: AtomicU64::new(0),
            slots: Mutex::new(BTreeMap::new()),
            removed: Mutex::new(BTreeMap::new()),
        }
    }

    /// Disks that begin with what others had.
    #[must_use]
    pub fn with(seed: u64, images: &BTreeMap<HsmId, DiskImage>) -> Self {
        let slot = |(hsm, bytes): (&HsmId, &DiskImage)| {
            let random = Random::new(seed, hsm.as_str());
            let disk = SimDisk::with(bytes.clone(), random);
            (hsm.clone(), Slot { disk, store: None })
        };
        Self {
            slots: Mutex::new(images.iter().map(slot).collect()),
            ..Self::new(seed)
        }
    }

    /// The disks for the process that runs.
    #[must_use]
    pub fn of_process(self: &Arc<Self>) -> ProcessDisks {
        ProcessDisks {
            disks: Arc::clone(self),
            process: self.process.load(Ordering::Relaxed),
        }
    }

    /// The process that has the disks open ends.
    pub fn end_process(&self) {
        self.process.fetch_add(1, Ordering::Relaxed);
    }

    /// Cuts the power of one HSM's disk. The HSM itself must be crashed with it.
    pub fn cut_power(&self, hsm: &HsmId) {
        self.let_go(hsm, true);
    }

    /// Takes one HSM's disk away from its host, in a power cut or not.
    pub fn let_go(&self, hsm: &HsmId, power_cut: bool) {
        if let Some(slot) = self.slots.lock().get_mut(hsm) {
            slot.let_go(power_cut);
        }
    }

    /// The world ends: nothing that still runs reaches a disk.
    pub fn switch_off(&self) {
        self.end_process();
        for slot in self.slots.lock().values_mut() {
            slot.let_go(false);
        }
    }

    /// Closes every disk in order.
    pub fn close(&self) {
        for slot in self.slots.lock().values_mut() {
            slot.store = None;
        }
    }

    /// What is on every disk, byte for byte.
    #[must_use]
    pub fn images(&self) -> BTreeMap<HsmId, DiskImage> {
        let slots = self.slots.lock();
        let images = slots.iter();
        images
            .map(|(hsm, slot)| (hsm.clone(), slot.disk.image()))
            .collect()
    }

    /// Lets the power fail in the middle of a later write: the HSM's disk fails under it.
    pub fn cut_power_after(&self, hsm: &HsmId, writes: u64) {
        if let Some(slot) = self.slots.lock().get(hsm) {
            slot.disk.cut_power_after(writes);
        }
    }

    /// The keys that are durable on the disk of an HSM, whether it is up or not.
    ///
    /// # Errors
    /// When the disk cannot be read.
    pub fn keys(&self, hsm: &HsmId) -> Result<BTreeSet<HsmKeyId>, StoreError> {
        Ok(keys_in(&self.open(hsm)?))
    }

    /// Remembers who has the keys of an HSM that is about to be removed. Its removal brings the
    /// others in step, so that afterwards no check could tell.
    pub fn note_removal(&self, goes: &HsmId) {
        let slots = self.slots.lock();
        let open = slots
            .iter()
            .filter_map(|(hsm, slot)| Some((hsm, slot.store.as_ref()?)));
        let held: BTreeMap<&HsmId, _> = open.map(|(hsm, store)| (hsm, keys_in(store))).collect();
        let mut removed = self.removed.lock();
        for key in held.get(goes).into_iter().flatten() {
            let has = held.iter().filter(|(_, keys)| keys.contains(key));
            let holders = has.map(|(hsm, _)| (*hsm).clone()).collect();
            removed.insert(*key, holders);
        }
    }

    /// Every HSM that had a key when one that had it was last about to be removed; none when none
    /// was.
    #[must_use]
    pub fn holders_at_removal(&self, key: HsmKeyId) -> BTreeSet<HsmId> {
        self.removed.lock().get(&key).cloned().unwrap_or_default()
    }
}

fn keys_in(disk: &Store) -> BTreeSet<HsmKeyId> {
    const KEYS: &str = "hsm/key/";
    let names = disk.scan(KEYS, None, usize::MAX);
    let id = |name: &str| HsmKeyId::from_hex(name.strip_prefix(KEYS)?);
    names.iter().filter_map(|(name, _)| id(name)).collect()
}

/// The disks as one process has them: what is left of an earlier one touches none.
#[derive(Debug)]
pub struct ProcessDisks {
    disks: Arc<SimDisks>,
    process: u64,
}

impl ProcessDisks {
    fn check(&self) -> Result<(), StoreError> {
        if self.disks.process.load(Ordering::Relaxed) == self.process {
            Ok(())
        } else {
            Err(StoreError::Closed("the process has ended".to_owned()))
        }
    }
}

impl Disks for ProcessDisks {
    fn make(&self, hsm: &HsmId) -> Result<Store, StoreError> {
        self.check()?;
        self.disks.make(hsm)
    }

    fn open(&self, hsm: &HsmId) -> Result<Store, StoreError> {
        self.check()?;
        self.disks.open(hsm)
    }

    fn remove(&self, hsm: &HsmId) -> Result<(), StoreError> {
        self.check()?;
        self.disks.remove(hsm)
    }

    fn all(&self) -> Result<Vec<FoundDisk>, StoreError> {
        self.check()?;
        self.disks.all()
    }
}

impl Disks for SimDisks {
    fn make(&self, hsm: &HsmId) -> Result<Store, StoreError> {
        let disk = SimDisk::new(Random::new(self.seed, hsm.as_str()));
        let slot = Slot { disk, store: None };
        self.slots.lock().insert(hsm.clone(), slot);
        self.open(hsm)
    }

    fn open(&self, hsm: &HsmId) -> Result<Store, StoreError> {
        let mut slots = self.slots.lock();
        let slot = slots.get_mut(hsm);
        let slot = slot.ok_or_else(|| StoreError::Absent(format!("the disk of {hsm}")))?;
        if let Some(store) = &slot.store {
            return Ok(store.clone());
        }
        let store = Store::on_storage(slot.disk.attach())?;
        slot.store = Some(store.clone());
        Ok(store)
    }

    fn remove(&self, hsm: &HsmId) -> Result<(), StoreError> {
        self.slots.lock().remove(hsm);
        Ok(())
    }

    fn all(&self) -> Result<Vec<FoundDisk>, StoreError> {
        let ids: Vec<HsmId> = self.slots.lock().keys().cloned().collect();
        let mut found = Vec::new();
        for id in ids {
            let disk = self.open(&id);
            found.push((id, disk));
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use portcullis_store::Transaction;
    use proptest::prelude::*;

    use super::*;

    fn commit(store: &Store, key: &str, value: Vec<u8>) -> Result<u64, StoreError> {
        tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap()
            .block_on(store.commit(Transaction::new().put(key, value)))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]

        /// Rule SIM-04
        #[test]
        fn what_was_acknowledged_survives_a_power_cut_in_any_write(
            seed: u64,
            writes in prop::collection::vec((0_u8..5, 0_usize..3000), 1..20),
            fuse in 0_u64..60,
        ) {
            let disk = SimDisk::new(Random::new(seed, "disk"));
            let store = Store::on_storage(disk.attach()).unwrap();
            let mut acknowledged = BTreeMap::new();
            let mut unknown = None;
            disk.cut_power_after(fuse);
            for (key, size) in writes {
                let (key, value) = (format!("k{key}"), vec![key; size]);
                match commit(&store, &key, value.clone()) {
                    Ok(_) => { acknowledged.insert(key, value); }
                    Err(_) => { unknown = Some((key, value)); break; }
                }
            }
            disk.cut_power();
            drop(store);
            let again = Store::on_storage(disk.attach()).unwrap();
            let found: BTreeMap<String, Vec<u8>> = again
                .scan("", None, 100)
                .into_iter()
                .map(|(key, record)| (key, record.value.to_vec()))
                .collect();
            let mut with_unknown = acknowledged.clone();
            with_unknown.extend(unknown);
            prop_assert!(found == acknowledged || found == with_unknown);
        }
    }

    /// Rule SIM-04
    #[test]
    fn a_shrink_that_was_not_synced_takes_nothing_with_it() {
        let (mut kept, mut lost) = (false, false);
        for seed in 0..40 {
            let disk = SimDisk::new(Random::new(seed, "disk"));
            let host = disk.attach();
            host.resize(2048).unwrap();
            host.write(0, &[1; 2048]).unwrap();
            host.sync().unwrap();
            host.write(1536, &[2; 512]).unwrap();
            host.resize(1024).unwrap();
            disk.cut_power();
            let image = disk.image().to_vec();
            assert!(image.get(..1024).unwrap().iter().all(|byte| *byte == 1));
            match image.get(1024..).unwrap() {
                [] => kept = true,
                tail => {
                    lost = true;
                    assert!(tail.get(..512).unwrap().iter().all(|byte| *byte == 1));
                    let last = tail.get(512..).unwrap();
                    assert!(*last == [1; 512] || *last == [2; 512], "{last:?}");
                }
            }
        }
        assert!(kept && lost);
    }

    #[test]
    fn a_host_that_was_cut_off_reads_and_writes_no_more() {
        let disks = SimDisks::new(1);
        let hsm: HsmId = "hsm-abcdefghijk".parse().unwrap();
        let store = disks.make(&hsm).unwrap();
        commit(&store, "a", vec![1]).unwrap();
        disks.cut_power(&hsm);
        assert!(matches!(
            commit(&store, "a", vec![2]),
            Err(StoreError::Closed(_))
        ));
        assert_eq!(&*disks.open(&hsm).unwrap().get("a").unwrap().value, [1]);
    }
}
