use std::sync::Arc;

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use portcullis_admin::{GetHealth, Health, Services};

use super::reply::Done;
use super::{Admin, status};
use crate::metrics;

/// `GET /_portcullis/health`.
///
/// Rule ST-21, ST-24: while nothing can be written it says so, and why.
pub(super) async fn health(State(admin): State<Arc<Admin>>) -> Done<GetHealth> {
    let trouble = admin.kms.storage_trouble();
    let status = if trouble.is_some() {
        "read-only"
    } else {
        "running"
    };
    Done(Health {
        status: status.to_owned(),
        reason: trouble.map(|trouble| trouble.message),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        uptime: admin.began.elapsed().as_secs(),
        resets: admin.resets.as_ref().map_or(0, |resets| resets.count),
        services: Services {
            kms: "running".to_owned(),
            cloudhsm: "running".to_owned(),
        },
    })
}

/// `GET /metrics`.
///
/// Rule WIRE-15: calls by operation and outcome, latencies, calls in flight, and the state of
/// each key store. Rule WORK-08: what each class of work has to do and has done.
pub(super) async fn metrics(State(admin): State<Arc<Admin>>) -> impl IntoResponse {
    let mut page = metrics::page(&admin.cores);
    metrics::add_drops(
        &mut page,
        admin.log_drops.get(),
        admin.events.missing_in_file(),
    );
    admin.bounds.add_held(&mut page);
    metrics::add_work(&mut page, &admin.pool.figures());
    status::add_key_stores(&mut page, &admin.kms);
    ([(CONTENT_TYPE, "text/plain; version=0.0.4")], page)
}
