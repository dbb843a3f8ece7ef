//! Faults: `/_portcullis/chaos` lists, injects and clears them, `/_portcullis/chaos/{id}` undoes
//! one.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use portcullis_admin::{
    ClearFaults, ClearedFaults, FaultKindList, FaultList, InjectFault, ListFaultKinds, ListFaults,
    Place, UndoFault,
};

use super::Admin;
use super::reply::{AdminAnswer, Asked, Done, Refused};

/// Every fault that is not undone.
pub(super) async fn list(State(admin): State<Arc<Admin>>) -> Done<ListFaults> {
    Done(FaultList {
        faults: admin.cloudhsm.faults().list(),
    })
}

/// Every kind of fault that can be injected.
pub(super) async fn kinds() -> Done<ListFaultKinds> {
    Done(FaultKindList::every())
}

/// Injects a fault; the body is its order.
pub(super) async fn inject(
    State(admin): State<Arc<Admin>>,
    Query(place): Query<Place>,
    Asked(order): Asked<InjectFault>,
) -> AdminAnswer<InjectFault> {
    let scope = admin.scope(place)?;
    Ok(Done(admin.cloudhsm.faults().inject(scope, &order).await?))
}

/// Undoes one fault.
pub(super) async fn undo(
    State(admin): State<Arc<Admin>>,
    Path(id): Path<String>,
) -> AdminAnswer<UndoFault> {
    admin.cloudhsm.faults().undo(&id).await?;
    Ok(Done(format!("{id} is undone")))
}

/// Undoes every fault.
pub(super) async fn clear(State(admin): State<Arc<Admin>>) -> AdminAnswer<ClearFaults> {
    let (undone, failed) = admin.cloudhsm.faults().clear().await;
    match failed.first() {
        None => Ok(Done(ClearedFaults { undone })),
        Some(error) => Err(Refused::because(&format!(
            "{undone} faults are undone, {} are not. The first: {error}",
            failed.len()
        ))),
    }
}
