use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::Extension;
use axum::body::Body;
use axum::response::IntoResponse;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{Response, StatusCode};
use hyper::body::{Body as _, Frame, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use super::bounds::Bounds;
use super::budget::{Budget, HeldBytes, with_guard};
use super::reply;
use super::state::ConnectionState;

/// Bytes of a reply that are not counted: 4,096 connections hold 16 MiB of such replies at most.
const UNCOUNTED_BYTES: u64 = 4096;

/// What a reply in pieces holds at most: 64 KiB that hyper buffers before it waits for the client, and
/// two pieces of 16 KiB, one made and one being made.
const STREAM_BYTES: usize = 96 << 10;

/// What is answered then.
pub(super) const NOTHING_LEFT: &str = "Replies that other clients do not read hold all the memory \
                                       that replies may hold. Try again in a second.";

/// Marks a reply whose bytes are counted elsewhere: by who made them, for as long as they last.
#[derive(Debug, Clone, Copy)]
pub(super) struct CountedElsewhere;

/// Takes from the budget of replies what a whole reply holds until it is sent.
///
/// Rule WIRE-30: no reply is held that finds nothing left of the budget; it is answered with 503.
///
/// # Errors
/// When nothing is left.
pub(super) fn count(
    response: &Response<Body>,
    replies: &Arc<Budget>,
) -> Result<Option<HeldBytes>, NothingLeft> {
    let bytes = response.body().size_hint().exact();
    let bytes = bytes.filter(|bytes| *bytes > UNCOUNTED_BYTES);
    let Some(bytes) = bytes.filter(|_| response.extensions().get::<CountedElsewhere>().is_none())
    else {
        return Ok(None);
    };
    let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
    replies.take(bytes).map(Some).ok_or(NothingLeft)
}

/// The replies that others do not read hold all the bytes that replies may hold.
#[derive(Debug)]
pub(super) struct NothingLeft;

/// A reply that holds one of few permits until the last of it is sent, instead of a part of the budget.
pub(crate) fn counted(bytes: Vec<u8>, permit: OwnedSemaphorePermit) -> impl IntoResponse {
    (
        Extension(CountedElsewhere),
        Body::from(with_guard(bytes, permit)),
    )
}

/// A reply that is made piece by piece, as its client reads. Rule WIRE-30: who does not read makes
/// the server hold a few pieces of it and no more.
pub(crate) fn stream<P>(bounds: &Bounds, kind: &'static str, pieces: P) -> Response<Body>
where
    P: Iterator<Item = Vec<u8>> + Send + 'static,
{
    let Some(held) = bounds.replies.take(STREAM_BYTES) else {
        return unavailable(NOTHING_LEFT);
    };
    let held = Arc::new(held);
    let (sender, receiver) = mpsc::channel(1);
    let run = async move {
        for piece in pieces.filter(|piece| !piece.is_empty()) {
            let piece = with_guard(piece, Arc::clone(&held));
            if sender.send(piece).await.is_err() {
                return;
            }
        }
    };
    // It ends with the reply, when the receiver is dropped.
    drop(tokio::spawn(run));
    ([(CONTENT_TYPE, kind)], Body::new(RoutedPieces(receiver))).into_response()
}

/// What is answered when there is no room.
pub(crate) fn unavailable(message: &str) -> Response<Body> {
    reply::plain(StatusCode::SERVICE_UNAVAILABLE, message).map(Body::new)
}

/// Pieces that another task makes.
#[derive(Debug)]
struct RoutedPieces(mpsc::Receiver<Bytes>);

impl hyper::body::Body for RoutedPieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let piece = self.0.poll_recv(context);
        piece.map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
    }
}

/// The body of a reply that the router made. It tells the connection when hyper has the last of it,
/// and holds its part of the budget until the last of it is sent.
#[derive(Debug)]
pub(crate) struct RoutedBody {
    body: Body,
    held: Option<Arc<HeldBytes>>,
    state: Arc<ConnectionState>,
}

impl RoutedBody {
    pub(super) fn new(body: Body, held: Option<HeldBytes>, state: &Arc<ConnectionState>) -> Self {
        state.counts_by_itself();
        Self {
            body,
            held: held.map(Arc::new),
            state: Arc::clone(state),
        }
    }
}

impl hyper::body::Body for RoutedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        let guarded = |bytes: Bytes| match &self.held {
            Some(held) => with_guard(bytes, Arc::clone(held)),
            None => bytes,
        };
        Poll::Ready(frame.map(|frame| frame.map(|frame| frame.map_data(guarded))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for RoutedBody {
    fn drop(&mut self) {
        self.state.replied();
    }
}
