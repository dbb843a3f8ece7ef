//! What a connection is told for which there is no place.

use std::sync::Arc;

use http::header::CONNECTION;
use http::{HeaderValue, Method, Request, Response};
use http_body_util::Either;
use hyper::body::Incoming;

use super::body;
use super::edge::{Edge, ReplyBody};
use super::state::ConnectionState;
use crate::events::EventClient;

/// Paths that are answered although there is no place: who looks whether the server is alive must
/// not be told that it is not.
const HEALTH: [&str; 2] = ["/_portcullis/health", "/_localstack/health"];

/// Answers the only request of such a connection.
///
/// Rule WIRE-28: when every connection of a core has a request under way, one more is told so with
/// 503, and one that asks for the health gets it.
pub(super) async fn answer(
    edge: &Edge,
    request: Request<Incoming>,
    client: &EventClient,
    state: &Arc<ConnectionState>,
) -> Response<ReplyBody> {
    state.begin();
    let (head, sent) = request.into_parts();
    state.reading();
    body::discard(sent, state).await;
    state.serving();
    let path = head.uri.path();
    let is_health = head.method == Method::GET && HEALTH.contains(&path);
    let mut response = if is_health {
        edge.answer_health(head, client, state).await
    } else {
        let is_aws = head.method == Method::POST && path == "/";
        edge.unavailable(is_aws, &full(state)).map(Either::Left)
    };
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    state.replied();
    response
}

fn full(state: &ConnectionState) -> String {
    format!(
        "Portcullis has no place for one more connection: each of the {} that this core may have is \
         busy with a request. Try again in a second, with fewer connections at once.",
        state.bounds.places_per_core
    )
}
