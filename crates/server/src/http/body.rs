//! The one place that reads bodies: in bounds of time, of size, and of what all together may hold.

use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::StatusCode;
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use portcullis_api::{Code, Exception};

use super::bounds::Bounds;
use super::budget::{HeldBytes, with_guard};
use super::state::ConnectionState;
use crate::connections::End;

/// How many times the permitted size is read and thrown away before the answer, so that a client
/// that sends first and reads later sees the answer instead of a reset connection.
const DISCARD_FACTOR: usize = 16;

/// Why a body was not read.
#[derive(Debug)]
pub(crate) enum Unread {
    /// It has more than so many bytes.
    TooLarge(usize),
    /// It was not there within this time.
    TooSlow(Duration),
    /// The connection broke off, or the body has not the form that its head says.
    Broken(hyper::Error),
    /// Other bodies hold all the bytes that bodies may hold.
    NoRoom,
}

/// Reads a body to its end. A body that arrives in one piece, as nearly all do, is not copied, and
/// no timer is made for it.
///
/// Rule WIRE-03: a body above 1 MiB is answered with RequestEntityTooLargeException. Rule WIRE-23: a
/// body must be there within 30 seconds, whatever path it is sent to.
pub(crate) async fn read(body: Incoming, state: &ConnectionState) -> Result<Bytes, Unread> {
    let mut reading = pin!(collect(body, &state.bounds));
    let at_once = std::future::poll_fn(|context| Poll::Ready(reading.as_mut().poll(context)));
    if let Poll::Ready(outcome) = at_once.await {
        return outcome;
    }
    state.reading();
    let patience = state.room.patience.body;
    let outcome = tokio::time::timeout(patience, reading).await;
    state.serving();
    outcome.unwrap_or_else(|_elapsed| {
        state.ends(End::Body);
        Err(Unread::TooSlow(patience))
    })
}

/// Reads what there is of a body and throws it away, so that the client sees the answer.
pub(crate) async fn discard(mut body: Incoming, state: &ConnectionState) {
    let mut left = state.bounds.limits.body_bytes_max;
    let reading = async {
        while let Ok(Some(data)) = next(&mut body).await {
            left = left.saturating_sub(data.len());
            if left == 0 {
                break;
            }
        }
    };
    let _given_up = tokio::time::timeout(state.room.patience.body, reading).await;
}

async fn collect(mut body: Incoming, bounds: &Bounds) -> Result<Bytes, Unread> {
    let bytes_max = bounds.limits.body_bytes_max;
    if body.size_hint().lower() > (bytes_max * DISCARD_FACTOR) as u64 {
        return Err(Unread::TooLarge(bytes_max));
    }
    // What its head says that it has, when that says anything.
    let said = body
        .size_hint()
        .upper()
        .and_then(|said| usize::try_from(said).ok());
    let first = next(&mut body).await?.unwrap_or_default();
    if body.is_end_stream() {
        return if first.len() > bytes_max {
            Err(Unread::TooLarge(bytes_max))
        } else {
            Ok(first)
        };
    }
    let most = said.unwrap_or(bytes_max).min(bytes_max);
    let mut pieces = BodyPieces::of(&first, most, bounds)?;
    drop(first);
    let mut length = pieces.whole.len();
    while let Some(data) = next(&mut body).await? {
        length += data.len();
        if length > bytes_max * DISCARD_FACTOR {
            break;
        }
        if length <= bytes_max {
            pieces.add(&data)?;
        }
    }
    if length > bytes_max {
        Err(Unread::TooLarge(bytes_max))
    } else {
        Ok(pieces.join())
    }
}

/// The pieces of a body, and what they hold of the budget that all bodies share.
///
/// Rule WIRE-29: a body in pieces that finds nothing left of it is answered with 503.
struct BodyPieces {
    whole: BytesMut,
    bytes_max: usize,
    held: HeldBytes,
}

impl BodyPieces {
    fn of(first: &[u8], bytes_max: usize, bounds: &Bounds) -> Result<Self, Unread> {
        let whole = BytesMut::from(first);
        let held = bounds.requests.take(whole.capacity());
        let held = held.ok_or(Unread::NoRoom)?;
        Ok(Self {
            whole,
            bytes_max,
            held,
        })
    }

    fn add(&mut self, data: &[u8]) -> Result<(), Unread> {
        let (length, capacity) = (self.whole.len() + data.len(), self.whole.capacity());
        if length > capacity {
            // Twice as much each time, so that the bytes are copied once more at most.
            let grown = (capacity * 2).min(self.bytes_max).max(length);
            if !self.held.grow(grown - capacity) {
                return Err(Unread::NoRoom);
            }
            self.whole.reserve(grown - self.whole.len());
        }
        self.whole.extend_from_slice(data);
        Ok(())
    }

    fn join(self) -> Bytes {
        with_guard(self.whole, self.held)
    }
}

/// The next piece of data; trailers are passed over.
async fn next(body: &mut Incoming) -> Result<Option<Bytes>, Unread> {
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(Unread::Broken)?;
        if let Ok(data) = frame.into_data() {
            return Ok(Some(data));
        }
    }
    Ok(None)
}

impl Unread {
    /// What the client is told.
    pub(crate) fn message(&self) -> String {
        match self {
            Self::TooLarge(bytes_max) => format!(
                "The body has more than {bytes_max} bytes, the most that is read. Send less."
            ),
            Self::TooSlow(patience) => format!(
                "The body did not arrive within {} seconds. Send it again.",
                patience.as_secs()
            ),
            Self::Broken(_) => "The body broke off. Send the request again.".to_owned(),
            Self::NoRoom => {
                "The bodies of other requests hold all the memory that bodies may hold. \
                             Try again in a second."
                    .to_owned()
            }
        }
    }

    /// The status where no service model says another one.
    pub(crate) const fn status(&self) -> StatusCode {
        match self {
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow(_) => StatusCode::REQUEST_TIMEOUT,
            Self::Broken(_) => StatusCode::BAD_REQUEST,
            Self::NoRoom => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

impl From<Unread> for Exception {
    fn from(unread: Unread) -> Self {
        let code = match unread {
            Unread::TooLarge(_) => Code::RequestEntityTooLarge,
            Unread::TooSlow(_) | Unread::Broken(_) => Code::Serialization,
            Unread::NoRoom => Code::ServiceUnavailable,
        };
        let exception = Self::new(code, unread.message());
        match unread {
            Unread::Broken(error) => exception.because(error),
            Unread::TooLarge(_) | Unread::TooSlow(_) | Unread::NoRoom => exception,
        }
    }
}
