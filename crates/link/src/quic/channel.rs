use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use portcullis_hsm::{Call, Command, Output, Reply};
use quinn::{Connection, RecvStream, SendStream};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use super::QuicSettings;
use super::callers::Ticket;
use super::connector::Connector;
use super::queue::Queue;
use super::socket::Wire;
use super::stream::MessageReader;
use crate::frame::{Message, Order};
use crate::transport::BoxFuture;
use crate::{CallError, Channel, LinkError, Target, Wiped};

/// Opens a channel whose task runs on the caller's runtime until the channel is dropped.
pub(super) fn open(settings: &QuicSettings, wire: &Wire, target: Target) -> Arc<dyn Channel> {
    let Ok(runtime) = Handle::try_current() else {
        return Arc::new(Homeless);
    };
    let connector = Arc::new(Connector::new(settings.clone(), wire.clone(), target));
    let queue = Arc::new(Queue::new(runtime.id()));
    let task = runtime.spawn(drive(Arc::clone(&connector), Arc::clone(&queue)));
    Arc::new(QuicChannel {
        connector,
        queue,
        task,
    })
}

struct QuicChannel {
    connector: Arc<Connector>,
    queue: Arc<Queue>,
    task: JoinHandle<()>,
}

impl Channel for QuicChannel {
    fn execute<'a>(
        &'a self,
        call: Call<'a>,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<Output, CallError>> {
        Box::pin(Execute {
            queue: &self.queue,
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
            let connection = self.connector.connection_until(deadline).await?;
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
                Err(CallError::Link(error)) => {
                    Err(self.connector.why_broken(&connection, error).await.into())
                }
                answered => {
                    self.connector.proven().await;
                    answered
                }
            }
        })
    }

    fn in_flight(&self) -> usize {
        self.queue.unanswered()
    }
}

/// One operation: written into a frame when first polled, then waiting for its answer.
struct Execute<'a> {
    queue: &'a Queue,
    call: Call<'a>,
    deadline: Instant,
    ticket: Option<Ticket>,
}

impl Future for Execute<'_> {
    type Output = Result<Output, CallError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(ticket) = &mut self.ticket {
            return ticket.poll(context);
        }
        match self.queue.submit(&self.call, self.deadline, context) {
            Ok(ticket) => {
                self.ticket = Some(ticket);
                Poll::Pending
            }
            Err(error) => Poll::Ready(Err(error)),
        }
    }
}

fn no_answer(why: impl fmt::Display) -> LinkError {
    LinkError::NoAnswer(why.to_string())
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

fn wrong_kind() -> LinkError {
    LinkError::NoAnswer("the HSM answered with another kind of frame".to_owned())
}

/// The channel's task: one connection after another while there is something to be sent.
async fn drive(connector: Arc<Connector>, queue: Arc<Queue>) {
    let closing = Closing(&queue);
    tokio::select! {
        biased;
        () = exchange(&connector, closing.0) => {}
        () = closing.0.expire() => {}
    }
}

/// Lets everybody fail when the channel's task ends, also when its runtime does.
struct Closing<'a>(&'a Queue);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.0
            .close(&LinkError::Unreachable("the channel was closed".to_owned()));
    }
}

async fn exchange(connector: &Connector, queue: &Queue) {
    loop {
        queue.work().await;
        match connector.connection().await {
            Ok(connection) => {
                queue.connected();
                let error = exchange_over(&connection, connector, queue).await;
                let error = connector.why_broken(&connection, error).await;
                tracing::debug!(hsm = connector.name(), %error, "the connection broke");
                queue.broken(&error);
            }
            Err(LinkError::Unreachable(why)) => queue.no_connection(why),
            Err(error) => {
                tracing::warn!(hsm = connector.name(), %error, "no connection");
                queue.refuse_waiting(&error);
            }
        }
    }
}

/// Sends and receives until something fails, and says what.
async fn exchange_over(connection: &Connection, connector: &Connector, queue: &Queue) -> LinkError {
    let (send, receive) = match connection.open_bi().await {
        Ok(streams) => streams,
        Err(error) => return no_answer(error),
    };
    tokio::select! {
        biased;
        error = receive_answers(receive, connector, queue) => error,
        error = send_frames(send, queue) => error,
    }
}

async fn send_frames(mut send: SendStream, queue: &Queue) -> LinkError {
    loop {
        let frame = queue.next_frame().await;
        // Not copied: it is wiped when the HSM has acknowledged its last packet.
        if let Err(error) = send.write_chunk(Bytes::from_owner(frame)).await {
            return no_answer(error);
        }
    }
}

async fn receive_answers(receive: RecvStream, connector: &Connector, queue: &Queue) -> LinkError {
    let mut messages = MessageReader::new(receive);
    let mut proven = false;
    loop {
        match messages.next().await {
            Ok(Message::Replies(replies)) => {
                if let Err(error) = queue.answer(replies) {
                    return error;
                }
            }
            Ok(Message::Request(_) | Message::Order(_) | Message::Answer(_)) => {
                return wrong_kind();
            }
            Err(ended) => return no_answer(ended),
        }
        if !proven {
            connector.proven().await;
            proven = true;
        }
    }
}

impl Drop for QuicChannel {
    fn drop(&mut self) {
        self.connector.close();
        self.task.abort();
    }
}

impl fmt::Debug for QuicChannel {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "QuicChannel({}, {} in flight)",
            self.connector.name(),
            self.in_flight()
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
