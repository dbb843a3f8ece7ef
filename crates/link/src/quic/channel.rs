use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use arc_swap::ArcSwap;
use bytes::Bytes;
use parking_lot::Mutex;
use portcullis_hsm::{Call, Command, Output, Reply};
use quinn::Connection;
use tokio::runtime::{Handle, Id};
use tokio::time::{Instant, timeout_at};

use super::QuicSettings;
use super::callers::AnswerTicket;
use super::connector::Connector;
use super::lane::{Lane, no_answer, wrong_kind};
use super::socket::Wire;
use super::stream::MessageReader;
use crate::frame::{Message, Order};
use crate::transport::BoxFuture;
use crate::{CallError, Channel, LinkError, Target};
use portcullis_wiped::Wiped;

/// Lanes of a channel beside the first. With one more for itself, a facade on this many cores has 65 of
/// the 900 connections that an HSM takes; further cores share the first lane.
const LANES_MAX: usize = 64;

thread_local! {
    /// The runtime that this thread drives, when channels may have lanes on it.
    static LANES_HERE: Cell<Option<Id>> = const { Cell::new(None) };
}

/// Lets every channel that this thread uses have a lane, which is a connection, on this thread's runtime.
///
/// For a thread that drives one current-thread runtime until both end: a runtime that is left alone for
/// seconds would lose its connections. Does nothing outside a runtime.
pub fn keep_lanes_here() {
    LANES_HERE.set(Handle::try_current().ok().map(|runtime| runtime.id()));
}

/// Opens a channel whose first lane is on the caller's runtime. All its tasks end with the channel.
pub(super) fn open(settings: &QuicSettings, wire: &Wire, target: Target) -> Arc<dyn Channel> {
    let Ok(runtime) = Handle::try_current() else {
        return Arc::new(Homeless);
    };
    let connector = Connector::new(settings.clone(), wire.clone(), target);
    Arc::new(QuicChannel {
        first: Arc::new(Lane::start(connector, &runtime)),
        lanes: ArcSwap::default(),
        growing: Mutex::default(),
    })
}

/// Rule LINK-15: commands, and calls from most threads, go over the first lane. A thread that has asked
/// for it ([`keep_lanes_here`]), as an HTTP core has, gets a lane on its own runtime: no thread has to be
/// woken between it and the datagram that carries its calls, and the calls of one turn of its event loop
/// share a frame.
///
/// An HSM takes a session's calls over any connection of the facade; the session lives as long as the
/// connection over which it was opened, the first lane's.
struct QuicChannel {
    first: Arc<Lane>,
    lanes: ArcSwap<Vec<Arc<Lane>>>,
    /// Held while `lanes` is replaced.
    growing: Mutex<()>,
}

impl QuicChannel {
    /// The lane of the caller's thread, or the first one while that has no connection.
    fn lane(&self) -> Arc<Lane> {
        let first = || Arc::clone(&self.first);
        let Some(runtime) = LANES_HERE.get() else {
            return first();
        };
        if self.first.is_of(runtime) {
            return first();
        }
        let lanes = self.lanes.load();
        match lanes.iter().find(|lane| lane.is_of(runtime)) {
            Some(lane) if lane.queue.is_ready() => Arc::clone(lane),
            Some(lane) => {
                lane.queue.want_connection();
                first()
            }
            None => {
                self.grow(runtime);
                first()
            }
        }
    }

    fn grow(&self, runtime: Id) {
        let Ok(handle) = Handle::try_current() else {
            return;
        };
        let _one_at_a_time = self.growing.lock();
        let mut lanes = Vec::clone(&self.lanes.load());
        lanes.retain(|lane| !lane.queue.is_closed());
        if handle.id() != runtime || lanes.len() >= LANES_MAX {
            return;
        }
        let lane = Lane::start(self.first.connector.of_lane(), &handle);
        lane.queue.want_connection();
        lanes.push(Arc::new(lane));
        self.lanes.store(Arc::new(lanes));
    }
}

impl Channel for QuicChannel {
    fn execute<'a>(
        &'a self,
        call: Call<'a>,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<Output, CallError>> {
        Box::pin(Execute {
            channel: self,
            call,
            deadline,
            ticket: None,
        })
    }

    fn manage(
        &self,
        command: Command,
        deadline: Instant,
    ) -> BoxFuture<'_, Result<Reply, CallError>> {
        Box::pin(async move {
            let connection = self.first.connector.connection_until(deadline).await?;
            let patience = deadline.saturating_duration_since(Instant::now());
            let frame = Order {
                id: 0,
                patience,
                command,
            }
            .encode()
            .map_err(|error| LinkError::Unusable(error.to_string()))?;
            let answer = timeout_at(deadline, ask(&connection, frame)).await;
            let answer = answer.map_err(|_elapsed| no_answer("the deadline passed"))?;
            match answer {
                Err(CallError::Link(error)) => Err(self
                    .first
                    .connector
                    .why_broken(&connection, error)
                    .await
                    .into()),
                answered => {
                    self.first.connector.proven().await;
                    answered
                }
            }
        })
    }

    fn in_flight(&self) -> usize {
        self.lane().queue.unanswered()
    }
}

/// One operation: written into a frame when first polled, then waiting for its answer.
struct Execute<'a> {
    channel: &'a QuicChannel,
    call: Call<'a>,
    deadline: Instant,
    ticket: Option<AnswerTicket>,
}

impl Future for Execute<'_> {
    type Output = Result<Output, CallError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(ticket) = &mut self.ticket {
            return ticket.poll(context);
        }
        let lane = self.channel.lane();
        match lane.queue.submit(&self.call, self.deadline, context) {
            Ok(ticket) => {
                self.ticket = Some(ticket);
                Poll::Pending
            }
            Err(error) => Poll::Ready(Err(error)),
        }
    }
}

/// Sends a command on a stream of its own, so that it waits for no other, and reads the answer.
async fn ask(connection: &Connection, frame: Wiped) -> Result<Reply, CallError> {
    let (mut send, receive) = connection.open_bi().await.map_err(no_answer)?;
    send.write_chunk(Bytes::from_owner(frame))
        .await
        .map_err(no_answer)?;
    send.finish().map_err(no_answer)?;
    match MessageReader::new(receive)
        .next()
        .await
        .map_err(no_answer)?
    {
        Message::Answer(answer) => Ok(answer.result?),
        Message::Request(_) | Message::Replies(_) | Message::Order(_) => Err(wrong_kind().into()),
    }
}

impl fmt::Debug for QuicChannel {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "QuicChannel({:?}, {} more lanes)",
            self.first,
            self.lanes.load().len()
        )
    }
}

/// A channel that was opened where no runtime could host it.
#[derive(Debug)]
struct Homeless;

impl Homeless {
    fn error() -> CallError {
        LinkError::Unusable("the channel was opened outside of a tokio runtime".to_owned()).into()
    }
}

impl Channel for Homeless {
    fn execute<'a>(
        &'a self,
        _call: Call<'a>,
        _deadline: Instant,
    ) -> BoxFuture<'a, Result<Output, CallError>> {
        Box::pin(async { Err(Self::error()) })
    }

    fn manage(
        &self,
        _command: Command,
        _deadline: Instant,
    ) -> BoxFuture<'_, Result<Reply, CallError>> {
        Box::pin(async { Err(Self::error()) })
    }

    fn in_flight(&self) -> usize {
        0
    }
}
