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
mod route;
mod routes;
mod snapshot;
mod status;
mod users;
mod vpc;

pub(crate) use date::date;
pub(crate) use route::Route;
pub(crate) use routes::table;

use std::sync::Arc;

use axum::http::{Method, StatusCode, Uri};
use axum::middleware;
use axum::response::IntoResponse;
use axum::{Json, Router};
use portcullis_api::Scope;
use portcullis_cloudhsm::CloudHsm;
use portcullis_kms::Kms;
use portcullis_seam::WorkPool;
use portcullis_time::Calendar;
use serde_json::json;
use tokio::time::Instant;

use crate::config::{LoadRuns, Resets, Snapshots};
use crate::door::{self, DoorGuard, Doorkeeper};
use crate::events::EventLog;
use crate::http::Bounds;
use crate::line_queue::DropCount;
use crate::metrics::CoreMetrics;
use crate::surface::Surface;

/// What the admin API works on.
#[derive(Debug)]
pub(crate) struct Admin {
    pub(crate) kms: Arc<Kms>,
    pub(crate) cloudhsm: Arc<CloudHsm>,
    pub(crate) calendar: Arc<Calendar>,
    pub(crate) defaults: Scope,
    /// Only where no other machine can ask: they hold the device key.
    pub(crate) snapshots: Option<Arc<dyn Snapshots>>,
    pub(crate) load_runs: Option<Arc<dyn LoadRuns>>,
    pub(crate) events: Arc<EventLog>,
    pub(crate) log_drops: DropCount,
    pub(crate) resets: Option<Resets>,
    pub(crate) cores: Vec<Arc<CoreMetrics>>,
    pub(crate) bounds: Arc<Bounds>,
    pub(crate) pool: Arc<dyn WorkPool>,
    pub(crate) began: Instant,
}

/// What is served at a surface beside the AWS endpoint, and what stands before it.
pub(crate) fn router(surface: Surface, admin: &Arc<Admin>, doorkeeper: Doorkeeper) -> Router {
    let mut routes = table();
    routes.retain(|route| surface.serves(route.call.kind));
    let known = routes
        .iter()
        .map(|route| (route.path, route.method.clone(), route.call));
    let guard = DoorGuard::new(surface, doorkeeper, known);
    let mut router = Router::new();
    for route in routes {
        router = router.route(route.path, route.answers);
    }
    let guarded = middleware::from_fn_with_state(Arc::new(guard), door::layer);
    nowhere(surface, router)
        .layer(guarded)
        .with_state(Arc::clone(admin))
}

/// The router's last resort.
///
/// What is said besides at a path of a protocol that SDKs may choose.
///
/// Rule WIRE-65: JSON 1.1 is the one protocol of both services.
fn other_protocol(path: &str) -> &'static str {
    if path.starts_with("/service/") {
        ", in AWS JSON 1.1, which is the one protocol here: RPC v2 CBOR is not read"
    } else {
        ""
    }
}

/// Rule WIRE-14: what is nowhere is answered with where the AWS endpoint and the health are.
pub(crate) fn nowhere<S: Clone + Send + Sync + 'static>(
    surface: Surface,
    router: Router<S>,
) -> Router<S> {
    let elsewhere = match surface {
        Surface::Everything => "",
        Surface::Public => {
            " The admin API is not at this address: it has one of its own, which `portcullis up` \
             prints as \"admin\" and --admin-bind chooses."
        }
    };
    let not_found = move |method: Method, uri: Uri| async move {
        let message = format!(
            "There is nothing at {method} {}. AWS calls go to POST / with X-Amz-Target{}; health is \
             at GET /_portcullis/health.{elsewhere}",
            uri.path(),
            other_protocol(uri.path())
        );
        (StatusCode::NOT_FOUND, Json(json!({ "message": message }))).into_response()
    };
    router
        .fallback(not_found)
        .method_not_allowed_fallback(not_found)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rule WIRE-65.
    #[test]
    fn the_one_protocol_is_named_where_another_one_is_spoken() {
        for (path, is_named) in [
            ("/service/BaldrApiService/operation/DescribeClusters", true),
            ("/service/TrentService/operation/Encrypt", true),
            ("/service/", true),
            ("/service", false),
            ("/", false),
            ("/_portcullis/nothing", false),
        ] {
            let said = other_protocol(path);
            assert_eq!(said.contains("JSON 1.1"), is_named, "{path}");
        }
    }
}
