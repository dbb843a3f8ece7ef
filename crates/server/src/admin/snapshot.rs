use std::sync::Arc;

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use portcullis_admin::{Nothing, TakeSnapshot};

use super::Admin;
use super::reply::{Asked, Refused};
use crate::http;

/// `POST /_portcullis/snapshot`: everything that is kept, the device key included.
///
/// Rule ST-12: only where no other machine can ask.
pub(super) async fn take(
    State(admin): State<Arc<Admin>>,
    Asked(Nothing {}): Asked<TakeSnapshot>,
) -> Result<Response, Refused> {
    let Some(snapshots) = admin.snapshots.clone() else {
        return Err(Refused::because(
            "A snapshot holds the device key, so it is not given in the clear over an address that \
             others can reach. Stop Portcullis and save its folder with `portcullis snapshot save --data`.",
        ));
    };
    // Rule WIRE-30: a snapshot may be as large as all that is kept, so one is held at a time.
    let Ok(only) = Arc::clone(&admin.bounds.snapshot).try_acquire_owned() else {
        return Ok(http::unavailable(
            "Another snapshot is being taken or read. Try again when it is done.",
        ));
    };
    // Encoding takes as long as there is to encode: the core goes on serving.
    let taken = tokio::task::spawn_blocking(move || snapshots.take()).await;
    let bytes = taken?.map_err(|why| Refused::because(&why))?;
    let kind = [(CONTENT_TYPE, "application/octet-stream")];
    Ok((kind, http::counted(bytes, only)).into_response())
}
