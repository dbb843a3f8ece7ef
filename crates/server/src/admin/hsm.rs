//! HSM controls for chaos: what the real service does to its users without being asked.

use std::sync::Arc;

use axum::extract::{Path, State};
use portcullis_admin::{CrashHsm, RestartHsm};

use super::Admin;
use super::reply::{AdminAnswer, Done};

/// Takes an HSM down as a power cut does.
pub(super) async fn crash(
    State(admin): State<Arc<Admin>>,
    Path(id): Path<String>,
) -> AdminAnswer<CrashHsm> {
    let id = id.parse()?;
    admin.cloudhsm.controls().crash(&id)?;
    Ok(Done("HSM crashed".to_owned()))
}

/// Starts an HSM from its disk.
pub(super) async fn restart(
    State(admin): State<Arc<Admin>>,
    Path(id): Path<String>,
) -> AdminAnswer<RestartHsm> {
    let id = id.parse()?;
    admin.cloudhsm.controls().restart(&id).await?;
    Ok(Done("HSM restarted".to_owned()))
}
