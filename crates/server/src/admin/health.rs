use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use serde_json::{Value, json};

use super::{Admin, status};
use crate::metrics;

/// `GET /_portcullis/health`.
pub(super) async fn health(State(admin): State<Arc<Admin>>) -> Json<Value> {
    Json(json!({
        "status": "running",
        "version": env!("CARGO_PKG_VERSION"),
        "uptime": admin.began.elapsed().as_secs(),
        "resets": admin.resets.as_ref().map_or(0, |resets| resets.count),
        "services": { "kms": "running", "cloudhsm": "running" },
    }))
}

/// `GET /metrics`.
///
/// Rule WIRE-15: calls by operation and outcome, latencies, calls in flight, and the state of
/// each key store.
pub(super) async fn metrics(State(admin): State<Arc<Admin>>) -> impl IntoResponse {
    let mut page = metrics::page(&admin.cores);
    status::add_key_stores(&mut page, &admin.kms);
    ([(CONTENT_TYPE, "text/plain; version=0.0.4")], page)
}
