use std::fmt;

use crate::{Carrier, Random, Way, Weather};

/// Everything that will be done to a world, drawn from its seed before it begins.
///
/// Each seed enables a random subset of the kinds of fault (swarm testing): a kind that is always
/// there hides what only happens without it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorldPlan {
    /// What carries frames between the facade and its HSMs.
    pub carrier: Carrier,
    /// What the world begins with.
    pub origin: WorldOrigin,
    /// How many facades there are; several share the control plane's store.
    pub facades: usize,
    /// What the operator changes while the store is disconnected.
    pub edit: EditKind,
    /// When the operator disconnects the store, in milliseconds after the clients have begun.
    pub edit_at: u64,
    /// Clients that call cryptographic operations.
    pub clients: u8,
    /// Calls of each client while the faults happen.
    pub calls: usize,
    /// Milliseconds between two calls of a client.
    pub think: u64,
    /// Minutes in which nothing happens when all is well again.
    pub idle_minutes: u64,
    /// What befalls the world.
    pub faults: Vec<PlannedFault>,
}

/// How many templates there are. Which HSM comes first in the order of IDs, and which zone it is in, differs
/// between them.
const TEMPLATES: u64 = 4;

/// What a world begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorldOrigin {
    /// Everything is built, under the chance of the seed.
    Nothing,
    /// Rule SIM-12: the disks of a world that was built before, by its number. Those of a schedule
    /// are a copy.
    Copy(u64),
}

impl WorldOrigin {
    fn of(seed: u64) -> Self {
        let mut random = Random::new(seed, "origin");
        if random.below(BUILT_ONE_IN) == 0 {
            Self::Nothing
        } else {
            Self::Copy(random.below(TEMPLATES))
        }
    }
}

/// What the operator changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum EditKind {
    /// The friendly name.
    Name,
    /// The password of `kmsuser`, which an admin has changed.
    Password,
    /// The password of `kmsuser`, after an admin has changed it on one HSM only, and the connect
    /// has failed for that.
    Desynchronised,
    /// The cluster, to one restored from a backup.
    Cluster,
    /// The cluster, to one restored from a backup that is older than some of the keys.
    OlderBackup,
}

impl EditKind {
    /// Every kind of edit.
    pub const ALL: [Self; 5] = [
        Self::Name,
        Self::Password,
        Self::Desynchronised,
        Self::Cluster,
        Self::OlderBackup,
    ];

    /// Its name in the coverage.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Name => "edit: name",
            Self::Password => "edit: password",
            Self::Desynchronised => "edit: password, changed on one HSM only",
            Self::Cluster => "edit: cluster",
            Self::OlderBackup => "edit: cluster of an older backup",
        }
    }
}

/// Something that befalls a world.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlannedFault {
    /// An HSM loses its power.
    PowerCut(Crash),
    /// Links are cut.
    Partition(NetworkPartition),
    /// Messages are late or lost.
    Storm(Storm),
    /// An HSM is added to the cluster, and it or an older one is removed.
    Members(Members),
    /// A client tries wrong passwords for `kmsuser` on an HSM.
    Guesses(PasswordGuesses),
    /// The process with KMS, CloudHSM and all HSMs ends and is started again.
    Restart(Restart),
    /// A second operator manages the key store at the same time.
    SecondOperator(SecondOperatorPlan),
    /// One of several facades is killed and started again.
    FacadeEnd(FacadeEnd),
    /// One of several facades is cut off the store that they share.
    StoreOutage(StoreOutage),
    /// There is no room on the control plane's disk.
    FullDisk(FullDisk),
    /// The control plane's disk is taken away while it is in use.
    Vanish(Vanish),
}

impl PlannedFault {
    /// Draws one of each kind, in this order.
    const DRAW: [fn(&mut Random, u64) -> Self; 7] = [
        |random, _| Self::PowerCut(Crash::draw(random)),
        |random, _| Self::Partition(NetworkPartition::draw(random)),
        |random, edit_at| Self::Storm(Storm::draw(random, edit_at)),
        |random, _| Self::Members(Members::draw(random)),
        |random, _| Self::Guesses(PasswordGuesses::draw(random)),
        |random, edit_at| Self::Restart(Restart::draw(random, edit_at)),
        |random, _| Self::SecondOperator(SecondOperatorPlan::draw(random)),
    ];
}

/// A power cut of one HSM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crash {
    /// Which HSM of the first cluster.
    pub hsm: usize,
    /// When the power fails.
    pub at: u64,
    /// How long the facade is down, in milliseconds.
    pub down: u64,
    /// Fails in the midst of a write: after this many more.
    pub mid_write: Option<u64>,
}

/// Some HSMs cannot be reached over the network, while they run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NetworkPartition {
    /// Which zone, or which HSM, by its index.
    pub which: usize,
    /// The whole zone with all its HSMs, or one HSM of the first cluster.
    pub whole_zone: bool,
    /// One way, or both.
    pub way: Option<Way>,
    /// When it begins, in milliseconds after the clients have begun.
    pub at: u64,
    /// How long it lasts, in milliseconds.
    pub lasts: u64,
}

/// A time of bad weather.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Storm {
    /// When it begins, in milliseconds after the clients have begun.
    pub at: u64,
    /// How long it lasts, in milliseconds.
    pub lasts: u64,
    /// What it does.
    pub weather: Weather,
}

/// An HSM that comes, and one that goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Members {
    /// When the HSM is added.
    pub at: u64,
    /// In which zone.
    pub zone: usize,
    /// After how long an HSM of that zone is removed; none stays for ever.
    pub removes_after: Option<u64>,
    /// Whether the older HSM of the zone goes, or the one that was added.
    pub removes_older: bool,
}

/// Wrong passwords are tried for `kmsuser` until the HSM locks the user out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PasswordGuesses {
    /// Which HSM of the first cluster.
    pub hsm: usize,
    /// When it happens, in milliseconds after the clients have begun.
    pub at: u64,
}

/// An end of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Restart {
    /// When it happens, in milliseconds after the clients have begun.
    pub at: u64,
    /// The host loses its power, and with it what was not synced; or the process is killed.
    pub power_cut: bool,
    /// The power fails in the midst of a write of the control plane: after this many more.
    pub mid_write: Option<u64>,
    /// How long nothing runs, in milliseconds.
    pub down: u64,
}

/// A second operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SecondOperatorPlan {
    /// When the first call is.
    pub at: u64,
    /// How many calls.
    pub calls: u64,
    /// Up to how many milliseconds between two calls.
    pub think: u64,
    /// Whether it connects and disconnects, or only renames and looks.
    pub connects: bool,
}

/// An end of one facade of several.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FacadeEnd {
    /// The number of the facade.
    pub which: usize,
    /// When it happens, in milliseconds after the clients have begun.
    pub at: u64,
    /// How long the facade is down, in milliseconds.
    pub down: u64,
}

/// A time in which a facade does not reach the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreOutage {
    /// The number of the facade.
    pub which: usize,
    /// One way, or both.
    pub way: Option<Way>,
    /// When it begins, in milliseconds after the clients have begun.
    pub at: u64,
    /// How long it lasts, in milliseconds.
    pub lasts: u64,
}

/// A time in which the control plane's disk is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FullDisk {
    /// When it begins, in milliseconds after the clients have begun.
    pub at: u64,
    /// How long it lasts, in milliseconds.
    pub lasts: u64,
}

/// The control plane's disk is not where it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vanish {
    /// When it happens, in milliseconds after the clients have begun.
    pub at: u64,
    /// How long until the process is ended and the disk put back.
    pub lasts: u64,
}

/// Seeds in a hundred whose control plane's disk is full for a time.
const FULL_PERCENT: u64 = 12;

/// Seeds in a hundred whose control plane's disk is taken away.
const VANISH_PERCENT: u64 = 6;

/// One seed in so many has several facades.
const SHARED_ONE_IN: u64 = 4;

/// Until when clients call and faults begin, in milliseconds.
const BUSY_FOR: u64 = 1_500;

/// Clients of a drawn plan, and how often each calls.
const CLIENTS: u8 = 3;
const CALLS: usize = 67;

/// One seed of so many builds its world from nothing.
const BUILT_ONE_IN: u64 = 8;

/// In how many of a hundred seeds a kind of fault is enabled.
const KIND_PERCENT: u64 = 40;

/// How many faults of an enabled kind there are at most.
const EACH_MAX: u64 = 2;

impl WorldPlan {
    /// The plan of `seed`.
    #[must_use]
    pub fn draw(seed: u64) -> Self {
        let mut random = Random::new(seed, "plan");
        let edit = random
            .pick(&EditKind::ALL)
            .copied()
            .unwrap_or(EditKind::Name);
        let edit_at = 150 + random.below(BUSY_FOR - 300);
        let mut faults = Vec::new();
        for draw in PlannedFault::DRAW {
            if random.chance(KIND_PERCENT) {
                let count = 1 + random.below(EACH_MAX);
                faults.extend((0..count).map(|_| draw(&mut random, edit_at)));
            }
        }
        let facades = draw_facades(seed, edit_at, &mut faults);
        draw_disk(seed, edit_at, &mut faults);
        Self {
            carrier: Carrier::Messages,
            facades,
            origin: WorldOrigin::of(seed),
            edit,
            edit_at,
            clients: CLIENTS,
            calls: CALLS,
            think: 10 + random.below(40),
            idle_minutes: 0,
            faults,
        }
    }

    /// The same plan over another carrier. What a seed has drawn stays decided.
    #[must_use]
    pub fn over(self, carrier: Carrier) -> Self {
        Self { carrier, ..self }
    }

    /// The same plan in a world that is built from nothing.
    #[must_use]
    pub fn built(self) -> Self {
        Self {
            origin: WorldOrigin::Nothing,
            ..self
        }
    }

    /// Rule SIM-09: a world in which nothing happens for `minutes`, which costs next to nothing.
    #[must_use]
    pub const fn idle(minutes: u64) -> Self {
        Self {
            carrier: Carrier::Messages,
            facades: 1,
            origin: WorldOrigin::Copy(0),
            edit: EditKind::Name,
            edit_at: 0,
            clients: 0,
            calls: 0,
            think: 1,
            idle_minutes: minutes,
            faults: Vec::new(),
        }
    }
}

/// How many facades there are, and what befalls them: from a stream of its own, so that schedules
/// with one facade are as they would be without it.
fn draw_facades(seed: u64, edit_at: u64, faults: &mut Vec<PlannedFault>) -> usize {
    let mut random = Random::new(seed, "facades");
    if random.below(SHARED_ONE_IN) > 0 {
        return 1;
    }
    let count = 2 + usize::from(random.chance(25));
    if random.chance(KIND_PERCENT) {
        let end = FacadeEnd::draw(&mut random, count, edit_at);
        faults.push(PlannedFault::FacadeEnd(end));
    }
    if random.chance(KIND_PERCENT) {
        faults.push(PlannedFault::StoreOutage(StoreOutage::draw(
            &mut random,
            count,
            edit_at,
        )));
    }
    count
}

/// What befalls the control plane's disk: from a stream of its own, so that other schedules are as
/// they would be without it.
fn draw_disk(seed: u64, edit_at: u64, faults: &mut Vec<PlannedFault>) {
    let mut random = Random::new(seed, "disk of the control plane");
    if random.chance(FULL_PERCENT) {
        let at = draw_at(&mut random, edit_at);
        let lasts = 50 + random.below(800);
        faults.push(PlannedFault::FullDisk(FullDisk { at, lasts }));
    }
    if random.chance(VANISH_PERCENT) {
        let at = draw_at(&mut random, edit_at);
        let lasts = 20 + random.below(400);
        faults.push(PlannedFault::Vanish(Vanish { at, lasts }));
    }
}

/// About the edit, when there is most to overlook, or at any time.
fn draw_at(random: &mut Random, edit_at: u64) -> u64 {
    if random.chance(50) {
        (edit_at + random.below(120)).saturating_sub(60)
    } else {
        50 + random.below(BUSY_FOR)
    }
}

fn draw_facade(random: &mut Random, count: usize) -> usize {
    let count = u64::try_from(count).unwrap_or(1);
    usize::try_from(random.below(count)).unwrap_or_default()
}

impl FacadeEnd {
    fn draw(random: &mut Random, count: usize, edit_at: u64) -> Self {
        Self {
            which: draw_facade(random, count),
            at: draw_at(random, edit_at),
            down: 10 + random.below(600),
        }
    }
}

impl StoreOutage {
    fn draw(random: &mut Random, count: usize, edit_at: u64) -> Self {
        let ways = [None, None, Some(Way::ToHsm), Some(Way::FromHsm)];
        Self {
            which: draw_facade(random, count),
            way: random.pick(&ways).copied().flatten(),
            at: draw_at(random, edit_at),
            lasts: if random.chance(20) {
                4_000
            } else {
                20 + random.below(1_200)
            },
        }
    }
}

impl Crash {
    fn draw(random: &mut Random) -> Self {
        Self {
            hsm: usize::from(random.chance(50)),
            at: 100 + random.below(BUSY_FOR),
            down: 20 + random.below(600),
            mid_write: random.chance(40).then(|| random.below(12)),
        }
    }
}

impl NetworkPartition {
    fn draw(random: &mut Random) -> Self {
        let ways = [None, None, Some(Way::ToHsm), Some(Way::FromHsm)];
        Self {
            which: usize::from(random.chance(50)),
            whole_zone: random.chance(60),
            way: random.pick(&ways).copied().flatten(),
            at: 100 + random.below(BUSY_FOR),
            lasts: if random.chance(20) {
                4_000
            } else {
                20 + random.below(1_200)
            },
        }
    }
}

impl Storm {
    /// Half of the storms end just as the operator disconnects: what is late then comes in when
    /// everything has changed.
    fn draw(random: &mut Random, edit_at: u64) -> Self {
        let (at, lasts) = if random.chance(50) {
            let before = 20 + random.below(80);
            (edit_at.saturating_sub(before), before + random.below(3))
        } else {
            (50 + random.below(BUSY_FOR), 50 + random.below(500))
        };
        let weather = Weather {
            delay: 0..=(1 + random.below(8)),
            late_percent: 5 + random.below(35),
            late: 30..=(100 + random.below(850)),
            lost_percent: random.below(8),
        };
        Self { at, lasts, weather }
    }
}

impl Members {
    fn draw(random: &mut Random) -> Self {
        Self {
            at: 50 + random.below(BUSY_FOR),
            zone: usize::from(random.chance(50)),
            removes_after: random.chance(60).then(|| 20 + random.below(800)),
            removes_older: random.chance(50),
        }
    }
}

impl PasswordGuesses {
    fn draw(random: &mut Random) -> Self {
        Self {
            hsm: usize::from(random.chance(50)),
            at: 50 + random.below(BUSY_FOR),
        }
    }
}

impl Restart {
    /// Most come about when the operator reconnects: there is more to lose.
    fn draw(random: &mut Random, edit_at: u64) -> Self {
        Self {
            at: if random.chance(60) {
                edit_at + random.below(60)
            } else {
                100 + random.below(BUSY_FOR)
            },
            power_cut: random.chance(70),
            mid_write: random.chance(50).then(|| random.below(40)),
            down: 10 + random.below(300),
        }
    }
}

impl SecondOperatorPlan {
    fn draw(random: &mut Random) -> Self {
        Self {
            at: 20 + random.below(BUSY_FOR),
            calls: 5 + random.below(25),
            think: 1 + random.below(60),
            connects: random.chance(60),
        }
    }
}

/// One line for what a reader should know first, and one for each fault.
impl fmt::Display for WorldPlan {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            carrier,
            origin,
            facades,
            edit,
            edit_at,
            clients,
            calls,
            think,
            idle_minutes: _,
            faults,
        } = self;
        writeln!(
            formatter,
            "{facades} facade(s); {clients} clients with {calls} calls each, {think} ms apart, over {carrier:?}; {edit:?} \
             at {edit_at} ms; {origin:?}"
        )?;
        if faults.is_empty() {
            return writeln!(formatter, "no fault");
        }
        faults
            .iter()
            .try_for_each(|fault| writeln!(formatter, "{fault:?}"))
    }
}
