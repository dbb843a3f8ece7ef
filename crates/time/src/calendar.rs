use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use portcullis_seam::{Course, SimulatedClock, TimeScale, Timestamp, WallClock};
use portcullis_store::versioned::{decode, encode};
use portcullis_store::{Store, Transaction};
use serde::{Deserialize, Serialize};

use crate::Pacing;

/// Where the course of the clock lies in the store.
const RECORD: &str = "clock";

/// The services' calendar: it can be put forward and run faster, and remembers both.
///
/// Rule TIME-03: what it was set to is on disk before it shows, so that it goes on from there after
/// a restart. While the process is down it goes on at its speed, like every calendar.
#[derive(Debug)]
pub struct Calendar {
    clock: Arc<SimulatedClock>,
    pacing: Arc<Pacing>,
    store: Store,
    setting: tokio::sync::Mutex<()>,
}

/// What a calendar shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// The services' date.
    pub now: Timestamp,
    /// The machine's date.
    pub real: Timestamp,
    /// How many times faster than real time it runs.
    pub scale: TimeScale,
}

/// Why a calendar cannot be read or set: for the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CalendarError(String);

impl fmt::Display for CalendarError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for CalendarError {}

/// A course as it stands in the store.
#[derive(Serialize, Deserialize)]
struct CourseRecord {
    real_ms: u64,
    shown_ms: u64,
    scale: u32,
}

impl Calendar {
    /// The calendar that `store` remembers, or one that shows the date of `real`; at `scale`, if
    /// that is given.
    ///
    /// # Errors
    /// When what is stored is not a course, or the store fails.
    pub async fn open(
        store: Store,
        real: Arc<dyn WallClock>,
        scale: Option<TimeScale>,
        pacing: Arc<Pacing>,
    ) -> Result<Self, CalendarError> {
        let now = real.now();
        let kept = store.get(RECORD).map(|record| parse(&record.value));
        let kept = kept.transpose()?;
        let course = kept.unwrap_or_else(|| Course::from(now, TimeScale::REAL));
        let calendar = Self {
            clock: Arc::new(SimulatedClock::new(real, course)),
            pacing,
            store,
            setting: tokio::sync::Mutex::default(),
        };
        if let Some(scale) = scale.filter(|scale| *scale != course.scale) {
            calendar.set_scale(scale).await?;
        }
        Ok(calendar)
    }

    /// The clock to live on.
    #[must_use]
    pub fn clock(&self) -> Arc<dyn WallClock> {
        Arc::<SimulatedClock>::clone(&self.clock)
    }

    /// How long changes of state take.
    #[must_use]
    pub fn pacing(&self) -> &Arc<Pacing> {
        &self.pacing
    }

    /// What it shows.
    #[must_use]
    pub fn read(&self) -> Reading {
        Reading {
            now: self.clock.now(),
            real: self.clock.real_now(),
            scale: self.clock.course().scale,
        }
    }

    /// Puts it forward.
    ///
    /// # Errors
    /// When the store fails; then it shows what it showed.
    pub async fn advance(&self, by: Duration) -> Result<Reading, CalendarError> {
        self.set(|course, real| course.advanced(real, by)).await
    }

    /// Makes it run faster or slower from here on.
    ///
    /// # Errors
    /// When the store fails; then it runs as before.
    pub async fn set_scale(&self, scale: TimeScale) -> Result<Reading, CalendarError> {
        self.set(|course, real| course.rescaled(real, scale)).await
    }

    async fn set(
        &self,
        change: impl FnOnce(Course, Timestamp) -> Course,
    ) -> Result<Reading, CalendarError> {
        let _one_at_a_time = self.setting.lock().await;
        let course = change(self.clock.course(), self.clock.real_now());
        let record = CourseRecord {
            real_ms: course.real.millis(),
            shown_ms: course.shown.millis(),
            scale: course.scale.get(),
        };
        let put = Transaction::new().put(RECORD, encode(&record));
        self.store.commit(put).await.map_err(|error| {
            CalendarError(format!(
                "The clock is not set: its record failed ({error})."
            ))
        })?;
        self.clock.follow(course);
        self.pacing.ring();
        Ok(self.read())
    }
}

fn parse(bytes: &[u8]) -> Result<Course, CalendarError> {
    let invalid = |why: &str| {
        CalendarError(format!(
            "The record of the clock cannot be read ({why}). Use another data folder."
        ))
    };
    let record: CourseRecord = decode(bytes).map_err(|why| invalid(&why))?;
    let scale = TimeScale::new(record.scale).ok_or_else(|| invalid("its scale is out of range"))?;
    Ok(Course {
        real: Timestamp::from_millis(record.real_ms),
        shown: Timestamp::from_millis(record.shown_ms),
        scale,
    })
}

#[cfg(test)]
mod tests {
    use portcullis_seam::SystemClock;

    use super::*;
    use crate::Pace;

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    async fn open(store: &Store, scale: Option<u32>) -> Calendar {
        let scale = scale.and_then(TimeScale::new);
        let pacing = Pacing::new(Pace::Immediate);
        Calendar::open(store.clone(), Arc::new(SystemClock), scale, pacing)
            .await
            .unwrap()
    }

    /// Rule TIME-03.
    #[tokio::test]
    async fn a_calendar_remembers_what_it_was_set_to() {
        let store = Store::memory();
        let first = open(&store, None).await;
        assert!(first.read().now.since(first.read().real) < DAY);
        first.advance(DAY * 30).await.unwrap();
        let set = first.set_scale(TimeScale::new(60).unwrap()).await.unwrap();
        assert!(set.now.since(set.real) >= DAY * 30);

        let second = open(&store, None).await;
        assert_eq!(second.read().scale.get(), 60, "as it was set");
        assert!(second.read().now >= set.now);
        let third = open(&store, Some(1)).await;
        assert_eq!(third.read().scale, TimeScale::REAL);
        assert!(third.read().now >= set.now, "the date stays");
    }
}
