use std::sync::Arc;

use axum::extract::State;
use serde::Deserialize;
use serde_json::json;

use super::Admin;
use super::reply::{Answer, Done, Refused, Sent};

/// Nothing to say, but in JSON: pages of other origins cannot send that.
#[derive(Deserialize)]
struct Nothing {}

/// `POST /_portcullis/reset`: back to the start of the world.
///
/// Rule CONF-04: the answer comes before it begins; it is done when the health shows the number of
/// resets that the answer has.
pub(super) async fn reset(State(admin): State<Arc<Admin>>, sent: Sent) -> Answer {
    let Nothing {} = sent.read()?;
    let Some(resets) = &admin.resets else {
        return Err(Refused::because(
            "This Portcullis has no world to go back to: it is part of another program.",
        ));
    };
    resets.ask.notify_one();
    Ok(Done(json!({ "resets": resets.count.saturating_add(1) })))
}
