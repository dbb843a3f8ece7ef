use std::sync::Arc;

use axum::extract::State;
use portcullis_admin::{Nothing, Reset, ResetCount};

use super::Admin;
use super::reply::{AdminAnswer, Asked, Done, Refused};

/// `POST /_portcullis/reset`: back to the start of the world.
///
/// Rule CONF-04: the answer comes before it begins; it is done when the health shows the number of
/// resets that the answer has.
pub(super) async fn reset(
    State(admin): State<Arc<Admin>>,
    Asked(Nothing {}): Asked<Reset>,
) -> AdminAnswer<Reset> {
    let Some(resets) = &admin.resets else {
        return Err(Refused::because(
            "This Portcullis has no world to go back to: it is part of another program.",
        ));
    };
    resets.ask.notify_one();
    Ok(Done(ResetCount {
        resets: resets.count.saturating_add(1),
    }))
}
