//! What was called and what KMS did by itself, in the form of CloudTrail records.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::response::Response;
use portcullis_admin::EventQuery;
use portcullis_seam::Timestamp;
use portcullis_sigv4::Date;

use super::Admin;
use super::reply::Refused;
use crate::events::EventFilter;
use crate::http;

/// `GET /_portcullis/events?name=&key=&since=&admin=`: the records kept, oldest first, as a CloudTrail log
/// file has them, and how many older ones were dropped. They are written as the client reads.
pub(super) async fn events(
    State(admin): State<Arc<Admin>>,
    Query(asked): Query<EventQuery>,
) -> Result<Response, Refused> {
    let since = asked.since.as_deref().map(|text| {
        moment(text).ok_or_else(|| {
            Refused::because("since is a date such as 2026-08-30T12:36:00Z, or seconds since 1970.")
        })
    });
    let filter = EventFilter {
        name: asked.name,
        key: asked.key,
        since: since.transpose()?,
        admin: asked.admin,
    };
    let pieces = admin.events.reader(filter).pieces();
    Ok(http::stream(&admin.bounds, "application/json", pieces))
}

/// A date as `eventTime` has it, or seconds since 1970.
fn moment(text: &str) -> Option<Timestamp> {
    let seconds = match text.parse::<u64>() {
        Ok(seconds) => seconds,
        Err(_) => {
            let compact: String = text.chars().filter(|c| !matches!(c, '-' | ':')).collect();
            compact.parse::<Date>().ok()?.unix_seconds()
        }
    };
    seconds.checked_mul(1000).map(Timestamp::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_read_as_it_is_shown() {
        let at = Timestamp::from_millis(1_635_291_687_000);
        assert_eq!(moment("2021-10-26T23:41:27Z"), Some(at));
        assert_eq!(moment("1635291687"), Some(at));
        for refused in ["", "yesterday", "2021-10-26", "99999999999999999999"] {
            assert_eq!(moment(refused), None, "{refused}");
        }
    }
}
