//! What is not the AWS endpoint: health, metrics, status, events, the clock, HSM controls, faults,
//! and the users and keys of clusters.

mod chaos;
mod clock;
mod date;
mod events;
mod health;
mod hosts;
mod hsm;
mod keys;
mod load;
mod reply;
mod reset;
mod roots;
mod snapshot;
mod status;
mod users;
mod vpc;

pub(crate) use date::date;

use std::sync::Arc;

use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use portcullis_api::Scope;
use portcullis_cloudhsm::{Calendar, CloudHsm};
use portcullis_kms::Kms;
use serde_json::json;
use tokio::time::Instant;

use crate::config::{LoadRuns, Resets, Snapshots};
use crate::metrics::CoreMetrics;
use crate::trail::Trail;

/// What the admin API works on.
#[derive(Debug)]
pub(crate) struct Admin {
    pub(crate) kms: Arc<Kms>,
    pub(crate) cloudhsm: Arc<CloudHsm>,
    pub(crate) calendar: Arc<Calendar>,
    pub(crate) defaults: Scope,
    /// Only where nobody but this machine can ask: they hold the device key.
    pub(crate) snapshots: Option<Arc<dyn Snapshots>>,
    pub(crate) load_runs: Option<Arc<dyn LoadRuns>>,
    pub(crate) trail: Arc<Trail>,
    pub(crate) resets: Option<Resets>,
    pub(crate) cores: Vec<Arc<CoreMetrics>>,
    pub(crate) began: Instant,
}

/// Every path but that of the AWS endpoint.
pub(crate) fn router(admin: Admin) -> Router {
    let cluster = Router::new()
        .route("/activate", post(users::activate))
        .route("/login", post(users::login))
        .route("/logout", post(users::logout))
        .route("/session", post(users::session))
        .route("/users", post(users::create).get(users::list))
        .route("/users/change-password", post(users::change_password))
        .route("/users/delete", post(users::delete))
        .route("/hsm-info", get(users::hsm_info))
        .route("/keys/list", post(keys::list))
        .route("/keys/generate", post(keys::generate))
        .route("/keys/delete", post(keys::delete))
        .route("/keys/share", post(keys::share))
        .route("/keys/unshare", post(keys::unshare))
        .route("/keys/set-attribute", post(keys::set_attribute))
        .route("/keys/wrap", post(keys::wrap))
        .route("/keys/unwrap", post(keys::unwrap))
        .route("/keys/replicate", post(keys::replicate));
    let routes = Router::new()
        // Rule WIRE-13: also where scripts written for LocalStack look for the health.
        .route("/_portcullis/health", get(health::health))
        .route("/_localstack/health", get(health::health))
        .route("/metrics", get(health::metrics))
        .route("/_portcullis/status", get(status::status))
        .route("/_portcullis/events", get(events::events))
        .route("/_portcullis/clock", get(clock::show))
        .route("/_portcullis/clock/advance", post(clock::advance))
        .route("/_portcullis/clock/scale", post(clock::set_scale))
        .route(
            "/_portcullis/clock/state-changes",
            post(clock::set_state_changes),
        )
        .route("/_portcullis/snapshot", post(snapshot::take))
        // Rule WIRE-13: also where scripts written for LocalStack ask for it.
        .route("/_portcullis/reset", post(reset::reset))
        .route("/_localstack/state/reset", post(reset::reset))
        .route("/_portcullis/hosts", get(hosts::list).post(hosts::enrol))
        .route("/_portcullis/roots/aws.pem", get(roots::aws))
        .route(
            "/_portcullis/roots/manufacturer.pem",
            get(roots::manufacturer),
        )
        .route("/_portcullis/hosts/{number}", delete(hosts::revoke))
        .route("/_portcullis/hsm/{id}/crash", post(hsm::crash))
        .route("/_portcullis/hsm/{id}/restart", post(hsm::restart))
        .route(
            "/_portcullis/chaos",
            get(chaos::list).post(chaos::inject).delete(chaos::clear),
        )
        .route("/_portcullis/chaos/{id}", delete(chaos::undo))
        .merge(crate::console::router())
        .route("/_portcullis/load", get(load::list).post(load::start))
        .route("/_portcullis/load/{id}", get(load::show).delete(load::stop))
        .route("/_portcullis/load/{id}/report", get(load::report))
        .nest("/_portcullis/vpc", vpc::router())
        .nest("/_portcullis/cloudhsm/{cluster}", cluster);
    nowhere(routes).with_state(Arc::new(admin))
}

/// The router's last resort.
///
/// Rule WIRE-14: what is nowhere is answered with where the AWS endpoint and the health are.
pub(crate) fn nowhere<S: Clone + Send + Sync + 'static>(router: Router<S>) -> Router<S> {
    async fn not_found(method: Method, uri: Uri) -> Response {
        let message = format!(
            "There is nothing at {method} {}. AWS calls go to POST / with X-Amz-Target; health is \
             at GET /_portcullis/health.",
            uri.path()
        );
        (StatusCode::NOT_FOUND, Json(json!({ "message": message }))).into_response()
    }
    router
        .fallback(not_found)
        .method_not_allowed_fallback(not_found)
}
