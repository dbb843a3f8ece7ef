//! The services' clock: what it shows, putting it forward, how fast it runs and how long changes of
//! state take.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use portcullis_admin::{
    AdvanceClock, AdvanceRequest, Clock, GetClock, SetStateChanges, SetTimeScale,
    StateChangesRequest, TimeScaleRequest,
};
use portcullis_seam::TimeScale;
use portcullis_time::{Pace, Reading};

use super::Admin;
use super::date::date;
use super::reply::{AdminAnswer, Asked, Done};

/// The longest step of the clock at once: longer than the longest retention of a backup.
const ADVANCE_MAX: Duration = Duration::from_secs(400 * 24 * 60 * 60);

/// What happens daily happens on each day that is passed over.
const STRIDE: Duration = Duration::from_secs(24 * 60 * 60);

/// A value out of its range.
#[derive(Debug)]
struct OutOfRange(&'static str);

impl fmt::Display for OutOfRange {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0)
    }
}

impl std::error::Error for OutOfRange {}

/// `GET /_portcullis/clock`.
pub(super) async fn show(State(admin): State<Arc<Admin>>) -> Done<GetClock> {
    Done(shown(&admin, admin.calendar.read()))
}

/// `POST /_portcullis/clock/advance` with `{"seconds": 86400}`: puts the clock forward, a day at a
/// time, and answers when what was due meanwhile has been done.
///
/// Rule TIME-04: what is due by the new date has happened when the answer comes.
pub(super) async fn advance(
    State(admin): State<Arc<Admin>>,
    Asked(AdvanceRequest { seconds }): Asked<AdvanceClock>,
) -> AdminAnswer<AdvanceClock> {
    let mut left = Duration::from_secs(seconds);
    if left > ADVANCE_MAX {
        return Err(OutOfRange("The clock is put forward by at most 400 days at once.").into());
    }
    while !left.is_zero() {
        let stride = left.min(STRIDE);
        admin.calendar.advance(stride).await?;
        admin.cloudhsm.reconcile_once().await;
        admin.kms.reconcile_once().await;
        left -= stride;
    }
    Ok(Done(shown(&admin, admin.calendar.read())))
}

/// `POST /_portcullis/clock/scale` with `{"time_scale": 60}`.
pub(super) async fn set_scale(
    State(admin): State<Arc<Admin>>,
    Asked(TimeScaleRequest { time_scale }): Asked<SetTimeScale>,
) -> AdminAnswer<SetTimeScale> {
    let scale = TimeScale::new(time_scale).ok_or(OutOfRange(
        "A time scale is a whole number from 1 (real time) to 1000000.",
    ))?;
    let reading = admin.calendar.set_scale(scale).await?;
    Ok(Done(shown(&admin, reading)))
}

/// `POST /_portcullis/clock/state-changes` with `{"state_changes": "aws"}`, until the next start.
pub(super) async fn set_state_changes(
    State(admin): State<Arc<Admin>>,
    Asked(StateChangesRequest { state_changes }): Asked<SetStateChanges>,
) -> AdminAnswer<SetStateChanges> {
    let pace: Pace = state_changes.parse()?;
    admin.calendar.pacing().set_pace(pace);
    Ok(Done(shown(&admin, admin.calendar.read())))
}

fn shown(admin: &Admin, reading: Reading) -> Clock {
    Clock {
        now: date(reading.now),
        real: date(reading.real),
        time_scale: reading.scale.get(),
        state_changes: admin.calendar.pacing().pace().to_string(),
    }
}
