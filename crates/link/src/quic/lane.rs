//! A connection to an HSM, and the calls that share it, driven on one runtime.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use quinn::{Connection, RecvStream, SendStream};
use tokio::runtime::{Handle, Id};
use tokio::task::JoinHandle;

use super::connector::Connector;
use super::queue::SendQueue;
use super::stream::MessageReader;
use crate::LinkError;
use crate::frame::Message;

/// One of a channel's ways to its HSM. Its task runs until it is dropped, or its runtime ends.
pub(super) struct Lane {
    runtime: Id,
    pub(super) connector: Arc<Connector>,
    pub(super) queue: Arc<SendQueue>,
    task: JoinHandle<()>,
}

impl Lane {
    /// Connects when there is something to be sent.
    pub(super) fn start(connector: Connector, runtime: &Handle) -> Self {
        let connector = Arc::new(connector);
        let queue = Arc::new(SendQueue::new(runtime.id()));
        let task = runtime.spawn(drive(Arc::clone(&connector), Arc::clone(&queue)));
        Self {
            runtime: runtime.id(),
            connector,
            queue,
            task,
        }
    }

    /// Whether it is driven on this runtime.
    pub(super) fn is_of(&self, runtime: Id) -> bool {
        self.runtime == runtime
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.connector.close();
        self.task.abort();
    }
}

impl fmt::Debug for Lane {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, unanswered) = (self.connector.name(), self.queue.unanswered());
        write!(formatter, "Lane({name}, {unanswered} in flight)")
    }
}

/// The lane's task: one connection after another while there is something to be sent.
async fn drive(connector: Arc<Connector>, queue: Arc<SendQueue>) {
    let closing = Closing(&queue);
    tokio::select! {
        biased;
        () = exchange(&connector, closing.0) => {}
        () = closing.0.expire() => {}
    }
}

/// Lets everybody fail when the lane's task ends, also when its runtime does.
struct Closing<'a>(&'a SendQueue);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.0
            .close(&LinkError::Unreachable("the channel was closed".to_owned()));
    }
}

async fn exchange(connector: &Connector, queue: &SendQueue) {
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
async fn exchange_over(
    connection: &Connection,
    connector: &Connector,
    queue: &SendQueue,
) -> LinkError {
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

async fn send_frames(mut send: SendStream, queue: &SendQueue) -> LinkError {
    loop {
        let frame = queue.next_frame().await;
        // Not copied: it is wiped when the HSM has acknowledged its last packet.
        if let Err(error) = send.write_chunk(Bytes::from_owner(frame)).await {
            return no_answer(error);
        }
    }
}

async fn receive_answers(
    receive: RecvStream,
    connector: &Connector,
    queue: &SendQueue,
) -> LinkError {
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

pub(super) fn no_answer(why: impl fmt::Display) -> LinkError {
    LinkError::NoAnswer(why.to_string())
}

pub(super) fn wrong_kind() -> LinkError {
    LinkError::NoAnswer("the HSM answered with another kind of frame".to_owned())
}
