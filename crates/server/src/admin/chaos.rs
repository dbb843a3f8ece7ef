//! Faults: `/_portcullis/chaos` lists, injects and clears them, `/_portcullis/chaos/{id}` undoes
//! one.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use portcullis_admin::{FaultKindList, FaultOrder};
use serde_json::json;

use super::Admin;
use super::reply::{Answer, Done, Refused, Sent};
use super::users::Place;

/// Every fault that is not undone.
pub(super) async fn list(State(admin): State<Arc<Admin>>) -> Answer {
    Ok(Done(json!({ "faults": admin.cloudhsm.faults() })))
}

/// Every kind of fault that can be injected.
pub(super) async fn kinds() -> Done {
    Done(json!(FaultKindList::every()))
}

/// Injects a fault; the body is its order.
pub(super) async fn inject(
    State(admin): State<Arc<Admin>>,
    Query(place): Query<Place>,
    sent: Sent,
) -> Answer {
    let order: FaultOrder = sent.read()?;
    let scope = admin.scope(place)?;
    let report = admin.cloudhsm.inject(scope, &order).await?;
    Ok(Done(json!(report)))
}

/// Undoes one fault.
pub(super) async fn undo(State(admin): State<Arc<Admin>>, Path(id): Path<String>) -> Answer {
    admin.cloudhsm.undo_fault(&id).await?;
    Ok(Done(json!(format!("{id} is undone"))))
}

/// Undoes every fault.
pub(super) async fn clear(State(admin): State<Arc<Admin>>) -> Answer {
    let (undone, failed) = admin.cloudhsm.clear_faults().await;
    match failed.first() {
        None => Ok(Done(json!({ "undone": undone }))),
        Some(error) => Err(Refused::because(&format!(
            "{undone} faults are undone, {} are not. The first: {error}",
            failed.len()
        ))),
    }
}
