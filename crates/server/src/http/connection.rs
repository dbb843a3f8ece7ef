use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use http::Response;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::watch;

use super::edge::{Edge, ReplyBody};
use super::head::Left;
use super::room::Purpose;
use super::state::ConnectionState;
use super::stream::Bounded;
use super::{head, refuse, reply};
use crate::connections::End;
use crate::events::EventClient;

/// How long a client may take to read why its head was refused, and to stop sending.
const FAREWELL: Duration = Duration::from_secs(1);

/// What such a client may go on sending; then it sees a reset connection.
const FAREWELL_BYTES_MAX: u64 = 1 << 20;

/// The client of a connection, and how far the connection has come.
#[derive(Debug)]
pub(super) struct Visit {
    pub(super) edge: Arc<Edge>,
    pub(super) client: EventClient,
    pub(super) state: Arc<ConnectionState>,
}

/// Serves one connection to its end, over whatever carries its bytes. After `stop`, the request in
/// flight is the last.
///
/// Every phase of it is bounded: the head and the time between requests by the rounds of its core
/// (`places.rs`), the body by `body.rs`, the reply by the stream. Only how long a request is worked on
/// is decided elsewhere, by the operation.
pub(super) async fn serve<S>(stream: S, visit: &Visit, mut stop: watch::Receiver<bool>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let Visit {
        edge,
        client,
        state,
    } = visit;
    let head_bytes_max = state.bounds.limits.head_bytes_max;
    let mut http = http1::Builder::new();
    http.max_buf_size(head_bytes_max);
    match state.room.purpose {
        Purpose::Serve => http.header_read_timeout(None),
        // It is there for one request, so that a timer of its own costs little and ends it sooner.
        Purpose::Refuse => http
            .timer(TokioTimer::new())
            .header_read_timeout(state.room.patience.head)
            .keep_alive(false),
    };
    let service = service_fn(|request| async move {
        let response: Response<ReplyBody> = match state.room.purpose {
            Purpose::Serve => edge.answer(request, client, state).await,
            Purpose::Refuse => refuse::answer(edge, request, client, state).await,
        };
        Ok::<_, Infallible>(response)
    });
    let stream = Bounded::new(stream, Arc::clone(state));
    let mut connection = http.serve_connection(TokioIo::new(stream), service);
    let ended = tokio::select! {
        biased;
        outcome = &mut connection => Some(outcome),
        _ = stop.changed() => None,
    };
    let outcome = match ended {
        Some(outcome) => outcome,
        None => {
            Pin::new(&mut connection).graceful_shutdown();
            (&mut connection).await
        }
    };
    let Err(error) = outcome else { return };
    tracing::debug!(%error, "a connection ended early");
    let begun = state.head_bytes();
    match state.refused_with() {
        0 if error.is_timeout() && begun == 0 => state.ends(End::Idle),
        0 if error.is_timeout() => state.ends(End::Head),
        0 => {}
        status => {
            let parts = connection.into_parts();
            let left = if parts.read_buf.len() < begun {
                Left::Nothing
            } else {
                Left::All(&parts.read_buf)
            };
            let (status, message) = head::refusal(status, left, head_bytes_max);
            let text = reply::last_words(status, &message);
            let farewell = part(parts.io.into_inner().into_inner(), &text);
            let _given_up = tokio::time::timeout(FAREWELL, farewell).await;
        }
    }
}

/// Sends the last that a client gets, and reads until it has read that: a connection that is closed
/// with bytes unread is reset, and the client does not see the answer.
async fn part<S>(mut stream: S, text: &[u8])
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    if stream.write_all(text).await.is_err() || stream.shutdown().await.is_err() {
        return;
    }
    let mut left = stream.take(FAREWELL_BYTES_MAX);
    let mut thrown_away = [0; 1024];
    while let Ok(1..) = left.read(&mut thrown_away).await {}
}
