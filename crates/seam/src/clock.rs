use std::fmt::{self, Debug};
use std::num::NonZeroU32;
use std::str::FromStr;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// An instant of the calendar in milliseconds since 1970-01-01 UTC, the precision in which AWS
/// services report dates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The instant `millis` milliseconds after the epoch.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the epoch.
    #[must_use]
    pub const fn millis(self) -> u64 {
        self.0
    }

    /// Seconds since the epoch with a fraction: the wire form of AWS JSON 1.1.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        reason = "exact for the next 285,000 years"
    )]
    pub fn seconds(self) -> f64 {
        self.0 as f64 / 1000.0
    }

    /// This instant moved on by `duration`; saturates at the end of time.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(millis))
    }

    /// The time since `earlier`; zero when `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

/// Dates. Durations and deadlines use `tokio::time` instead.
pub trait WallClock: Send + Sync + Debug {
    /// The present date.
    fn now(&self) -> Timestamp;

    /// The machine's date, which no call puts forward.
    fn real_now(&self) -> Timestamp {
        self.now()
    }

    /// How much real time passes until `date`, as long as no call sets the clock; zero when it is
    /// over.
    fn real_until(&self, date: Timestamp) -> Duration {
        date.since(self.now())
    }
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl WallClock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the seam")]
    fn now(&self) -> Timestamp {
        let elapsed = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Timestamp::default().plus(elapsed)
    }
}

/// How many times faster than real time a clock runs: 1 to 1,000,000, at which a year passes in
/// half a minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TimeScale(NonZeroU32);

impl TimeScale {
    /// As fast as real time.
    pub const REAL: Self = Self(NonZeroU32::MIN);
    /// How many times faster than real time a clock runs at the most.
    pub const MAX: u32 = 1_000_000;

    /// `scale` times real time; none when it is out of range.
    #[must_use]
    pub fn new(scale: u32) -> Option<Self> {
        NonZeroU32::new(scale)
            .filter(|scale| scale.get() <= Self::MAX)
            .map(Self)
    }

    /// How many times real time.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0.get()
    }
}

impl fmt::Display for TimeScale {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, formatter)
    }
}

impl FromStr for TimeScale {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.parse().ok().and_then(Self::new).ok_or_else(|| {
            format!(
                "{text:?} is not a time scale. Give a whole number from 1 (real time) to {}.",
                Self::MAX
            )
        })
    }
}

/// The course of a clock: at the real date `real` it shows `shown`, and from there on it runs
/// `scale` times as fast as real time. Pure: the real date is an argument of every question.
///
/// Rule TIME-01: it shows what it is told to, and never runs back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Course {
    /// The real date from which it holds.
    pub real: Timestamp,
    /// What the clock shows then.
    pub shown: Timestamp,
    /// How fast it runs.
    pub scale: TimeScale,
}

impl Course {
    /// A clock that shows the real date at `real`.
    #[must_use]
    pub const fn from(real: Timestamp, scale: TimeScale) -> Self {
        Self {
            real,
            shown: real,
            scale,
        }
    }

    /// What the clock shows at the real date `real`; it does not run backwards when that does.
    #[must_use]
    pub fn at(&self, real: Timestamp) -> Timestamp {
        let passed = real.since(self.real);
        self.shown.plus(passed.saturating_mul(self.scale.get()))
    }

    /// How much real time passes from `real` until the clock shows `date`.
    #[must_use]
    pub fn real_until(&self, real: Timestamp, date: Timestamp) -> Duration {
        date.since(self.at(real)) / self.scale.get()
    }

    /// The course of a clock that is put forward at the real date `real`.
    #[must_use]
    pub fn advanced(&self, real: Timestamp, by: Duration) -> Self {
        Self {
            real,
            shown: self.at(real).plus(by),
            scale: self.scale,
        }
    }

    /// The course of a clock that runs at another speed from the real date `real` on.
    #[must_use]
    pub fn rescaled(&self, real: Timestamp, scale: TimeScale) -> Self {
        Self {
            real,
            shown: self.at(real),
            scale,
        }
    }
}

/// A course that every call reads and hardly anything sets: readers take no lock, and read again
/// when they meet a change.
#[derive(Debug)]
struct SharedCourse {
    /// Odd while a change is under way.
    version: AtomicU64,
    real: AtomicU64,
    shown: AtomicU64,
    scale: AtomicU32,
    /// One change at a time.
    setting: Mutex<()>,
}

impl SharedCourse {
    const fn new(course: Course) -> Self {
        Self {
            version: AtomicU64::new(0),
            real: AtomicU64::new(course.real.millis()),
            shown: AtomicU64::new(course.shown.millis()),
            scale: AtomicU32::new(course.scale.get()),
            setting: Mutex::new(()),
        }
    }

    fn read(&self) -> Course {
        loop {
            let before = self.version.load(Ordering::SeqCst);
            let course = Course {
                real: Timestamp::from_millis(self.real.load(Ordering::SeqCst)),
                shown: Timestamp::from_millis(self.shown.load(Ordering::SeqCst)),
                scale: TimeScale::new(self.scale.load(Ordering::SeqCst)).unwrap_or(TimeScale::REAL),
            };
            if before.is_multiple_of(2) && self.version.load(Ordering::SeqCst) == before {
                return course;
            }
            std::hint::spin_loop();
        }
    }

    fn set(&self, course: Course) {
        let _one_at_a_time = self.setting.lock().unwrap_or_else(PoisonError::into_inner);
        self.version.fetch_add(1, Ordering::SeqCst);
        self.real.store(course.real.millis(), Ordering::SeqCst);
        self.shown.store(course.shown.millis(), Ordering::SeqCst);
        self.scale.store(course.scale.get(), Ordering::SeqCst);
        self.version.fetch_add(1, Ordering::SeqCst);
    }
}

/// A clock that follows a course, and can be given another one.
#[derive(Debug)]
pub struct SimulatedClock {
    real: Arc<dyn WallClock>,
    course: SharedCourse,
}

impl SimulatedClock {
    /// A clock that follows `course` while `real` tells the real date.
    #[must_use]
    pub const fn new(real: Arc<dyn WallClock>, course: Course) -> Self {
        Self {
            real,
            course: SharedCourse::new(course),
        }
    }

    /// The real date.
    #[must_use]
    pub fn real_now(&self) -> Timestamp {
        self.real.now()
    }

    /// Its present course.
    #[must_use]
    pub fn course(&self) -> Course {
        self.course.read()
    }

    /// Gives it another course. Tasks that wait for a date must be told by the caller.
    pub fn follow(&self, course: Course) {
        self.course.set(course);
    }
}

impl WallClock for SimulatedClock {
    fn now(&self) -> Timestamp {
        self.course().at(self.real.now())
    }

    fn real_now(&self) -> Timestamp {
        self.real.real_now()
    }

    fn real_until(&self, date: Timestamp) -> Duration {
        self.course().real_until(self.real.now(), date)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_keep_the_milliseconds() {
        assert!(
            (Timestamp::from_millis(1_499_288_695_918).seconds() - 1_499_288_695.918).abs() < 1e-6
        );
    }

    /// Rule TIME-01.
    #[test]
    fn a_course_that_is_set_while_it_is_read_is_read_whole() {
        let course = |of: u64| Course {
            real: Timestamp::from_millis(of),
            shown: Timestamp::from_millis(of),
            scale: TimeScale::new(u32::try_from(of).unwrap()).unwrap(),
        };
        let shared = SharedCourse::new(course(1));
        std::thread::scope(|scope| {
            scope.spawn(|| (1..=50_000).for_each(|of| shared.set(course(of))));
            let mut last = 1;
            while last < 50_000 {
                let read = shared.read();
                let of = read.real.millis();
                assert_eq!(read, course(of));
                assert!(of >= last, "{of} after {last}");
                last = of;
            }
        });
    }

    #[test]
    fn arithmetic_saturates_instead_of_wrapping() {
        let late = Timestamp::from_millis(u64::MAX - 1);
        assert_eq!(late.plus(Duration::from_secs(1)).millis(), u64::MAX);
        assert_eq!(Timestamp::from_millis(1).since(late), Duration::ZERO);
    }
    const HOUR: Duration = Duration::from_secs(3600);

    /// Rule TIME-01.
    #[test]
    fn a_scaled_clock_runs_that_many_times_faster_and_never_back() {
        let began = Timestamp::from_millis(1_000_000);
        let course = Course::from(began, TimeScale::new(60).unwrap());
        assert_eq!(course.at(began), began);
        let minute_later = began.plus(Duration::from_secs(60));
        assert_eq!(course.at(minute_later), began.plus(HOUR));
        let due = began.plus(HOUR * 2);
        assert_eq!(
            course.real_until(minute_later, due),
            Duration::from_secs(60)
        );
        assert_eq!(course.real_until(due, due), Duration::ZERO);
        assert_eq!(
            course.at(Timestamp::from_millis(0)),
            began,
            "real time ran back"
        );
    }

    /// Rule TIME-01.
    #[test]
    fn setting_a_clock_keeps_what_it_shows_and_only_moves_it_forward() {
        let began = Timestamp::from_millis(5_000);
        let mut course = Course::from(began, TimeScale::REAL);
        let mut last = began;
        for (step, scale) in [(1_u64, 7), (20, 1), (3, 1_000_000), (500, 60)] {
            let real = course.real.plus(Duration::from_millis(step));
            let rescaled = course.rescaled(real, TimeScale::new(scale).unwrap());
            assert_eq!(rescaled.at(real), course.at(real), "the date does not jump");
            course = rescaled.advanced(real, HOUR);
            assert_eq!(course.at(real), rescaled.at(real).plus(HOUR));
            assert!(course.at(real) > last);
            last = course.at(real);
        }
    }

    #[test]
    fn a_time_scale_is_a_whole_number_in_its_range() {
        for text in ["0", "-1", "1.5", "1000001", "fast"] {
            assert!(text.parse::<TimeScale>().is_err(), "{text}");
        }
        assert_eq!("86400".parse::<TimeScale>().unwrap().get(), 86_400);
    }
}
