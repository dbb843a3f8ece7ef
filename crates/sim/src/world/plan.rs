use crate::{Dice, Way, Weather};

/// Everything that will be done to a world, drawn from its seed before it begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// What the operator changes while the store is disconnected.
    pub edit: EditKind,
    /// When the operator disconnects the store, in milliseconds after the clients have begun.
    pub edit_at: u64,
    /// The HSM that loses its power, and how.
    pub crash: Crash,
    /// Which links are cut.
    pub partition: Partition,
    /// Bad weather, and when.
    pub storm: Storm,
    /// Milliseconds between two calls of a client.
    pub think: u64,
}

/// What the operator changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum EditKind {
    /// The friendly name.
    Name,
    /// The password of `kmsuser`, which an admin has changed.
    Password,
    /// The cluster, to one restored from a backup.
    Cluster,
}

impl EditKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Name, Self::Password, Self::Cluster];
}

/// A power cut of one HSM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crash {
    /// Which HSM of the first cluster.
    pub hsm: usize,
    /// When the power fails.
    pub at: u64,
    /// How long it is down.
    pub down: u64,
    /// Fails in the midst of a write: after this many more.
    pub mid_write: Option<u64>,
}

/// A partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Partition {
    /// Which zone, or which HSM, by its index.
    pub which: usize,
    /// The whole zone with all its HSMs, or one HSM of the first cluster.
    pub whole_zone: bool,
    /// One way, or both.
    pub way: Option<Way>,
    /// When it begins.
    pub at: u64,
    /// How long it lasts.
    pub lasts: u64,
}

/// A time of bad weather.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Storm {
    /// When it begins.
    pub at: u64,
    /// How long it lasts.
    pub lasts: u64,
    /// What it does.
    pub weather: Weather,
}

/// Until when clients call and faults begin, in milliseconds.
const BUSY_FOR: u64 = 1_500;

impl Plan {
    /// The plan of `seed`.
    #[must_use]
    pub fn draw(seed: u64) -> Self {
        let mut dice = Dice::new(seed, "plan");
        let edit = dice.pick(&EditKind::ALL).copied().unwrap_or(EditKind::Name);
        let edit_at = 150 + dice.below(BUSY_FOR - 300);
        Self {
            edit,
            edit_at,
            crash: Crash::draw(&mut dice),
            partition: Partition::draw(&mut dice),
            storm: Storm::draw(&mut dice, edit_at),
            think: 10 + dice.below(40),
        }
    }
}

impl Crash {
    fn draw(dice: &mut Dice) -> Self {
        Self {
            hsm: usize::from(dice.chance(50)),
            at: 100 + dice.below(BUSY_FOR),
            down: 20 + dice.below(600),
            mid_write: dice.chance(40).then(|| dice.below(12)),
        }
    }
}

impl Partition {
    fn draw(dice: &mut Dice) -> Self {
        let ways = [None, None, Some(Way::ToHsm), Some(Way::FromHsm)];
        Self {
            which: usize::from(dice.chance(50)),
            whole_zone: dice.chance(60),
            way: dice.pick(&ways).copied().flatten(),
            at: 100 + dice.below(BUSY_FOR),
            lasts: if dice.chance(20) {
                4_000
            } else {
                20 + dice.below(1_200)
            },
        }
    }
}

impl Storm {
    /// Half of the storms end just as the operator disconnects: what is late then comes in when
    /// everything has changed.
    fn draw(dice: &mut Dice, edit_at: u64) -> Self {
        let (at, lasts) = if dice.chance(50) {
            let before = 20 + dice.below(80);
            (edit_at.saturating_sub(before), before + dice.below(3))
        } else {
            (50 + dice.below(BUSY_FOR), 50 + dice.below(500))
        };
        let weather = Weather {
            delay: 0..=(1 + dice.below(8)),
            late_percent: 5 + dice.below(35),
            late: 30..=(100 + dice.below(850)),
            lost_percent: dice.below(8),
        };
        Self { at, lasts, weather }
    }
}
