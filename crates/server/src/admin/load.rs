//! Load runs against this server: `/_portcullis/load` lists and starts them, `/_portcullis/load/{id}`
//! shows one as it grows and ends it.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use portcullis_admin::{
    GetLoadRun, ListLoadRuns, LoadRunList, LoadRunQuery, StartLoadRun, StartedLoadRun, StopLoadRun,
};

use super::Admin;
use super::reply::{AdminAnswer, Asked, Done, Refused};
use crate::config::LoadRuns;

/// Every run that was kept.
pub(super) async fn list(State(admin): State<Arc<Admin>>) -> AdminAnswer<ListLoadRuns> {
    let runs = admin.load_runs()?.list();
    Ok(Done(LoadRunList { runs }))
}

/// Starts a run; the body is its order.
pub(super) async fn start(
    State(admin): State<Arc<Admin>>,
    Asked(order): Asked<StartLoadRun>,
) -> AdminAnswer<StartLoadRun> {
    let id = admin.load_runs()?.start(order);
    let id = id.map_err(|why| Refused::because(&why))?;
    Ok(Done(StartedLoadRun { id }))
}

/// A run and what its timeline has grown by.
pub(super) async fn show(
    State(admin): State<Arc<Admin>>,
    Path(id): Path<String>,
    Query(LoadRunQuery { from }): Query<LoadRunQuery>,
) -> AdminAnswer<GetLoadRun> {
    let run = admin.load_runs()?.show(&id, from);
    run.map(Done).ok_or_else(|| unknown(&id))
}

/// Ends a run that is under way.
pub(super) async fn stop(
    State(admin): State<Arc<Admin>>,
    Path(id): Path<String>,
) -> AdminAnswer<StopLoadRun> {
    if admin.load_runs()?.stop(&id) {
        Ok(Done(format!("{id} is ending")))
    } else {
        Err(unknown(&id))
    }
}

/// The report, a page that needs nothing from elsewhere and may load nothing.
pub(super) async fn report(
    State(admin): State<Arc<Admin>>,
    Path(id): Path<String>,
) -> Result<Response, Refused> {
    let page = admin.load_runs()?.report(&id).ok_or_else(|| unknown(&id))?;
    let policy = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; \
                  img-src data:";
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CONTENT_SECURITY_POLICY, policy),
    ];
    Ok((headers, page).into_response())
}

fn unknown(id: &str) -> Refused {
    Refused::because(&format!(
        "There is no load run {id}, or it has no report yet. GET /_portcullis/load lists them."
    ))
}

impl Admin {
    fn load_runs(&self) -> Result<&dyn LoadRuns, Refused> {
        self.load_runs.as_deref().ok_or_else(|| {
            Refused::because(
                "This server runs no load. Start it with `portcullis up`, or use `portcullis load \
                 run` against it.",
            )
        })
    }
}
