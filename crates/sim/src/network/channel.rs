use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use portcullis_hsm::{Call, Command, Output, Refusal, Reply};
use portcullis_link::frame::{Message, Order, Pushed, Replies, RequestFrame, decode};
use portcullis_link::{BoxFuture, CallError, Channel, LinkError, Target};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout_at};

use super::state::{Connection, NetworkShared};
use super::weather::IDLE_TIMEOUT;
use super::wire::broken;

/// What a frame is made with; most grow no further.
const FRAME_BYTES: usize = 512;

pub(super) fn open(network: Arc<NetworkShared>, target: Target, process: u64) -> Arc<dyn Channel> {
    let inner = ChannelInner {
        process,
        network,
        target,
        state: Mutex::default(),
        in_flight: AtomicUsize::new(0),
    };
    Arc::new(SimChannel(Arc::new(inner)))
}

/// A facade's channel to one HSM.
struct SimChannel(Arc<ChannelInner>);

struct ChannelInner {
    network: Arc<NetworkShared>,
    /// The process that it belongs to.
    process: u64,
    target: Target,
    state: Mutex<ChannelState>,
    in_flight: AtomicUsize,
}

#[derive(Default)]
struct ChannelState {
    connection: Option<Connection>,
    next_id: u64,
    /// Operations that wait for the connection, and go together.
    filling: Option<Filling>,
}

struct Filling {
    frame: RequestFrame,
    callers: Vec<oneshot::Sender<Outcome>>,
    deadline: Instant,
}

type Outcome = Result<Output, CallError>;

impl Channel for SimChannel {
    fn execute<'a>(
        &'a self,
        call: Call<'a>,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<Output, CallError>> {
        Box::pin(async move {
            let _counted = CountedCall::enter(&self.0.in_flight);
            let answer = self.0.push(&call, deadline)?;
            match timeout_at(deadline, answer).await {
                Ok(Ok(outcome)) => outcome,
                Ok(Err(_dropped)) => Err(broken("the channel was closed").into()),
                Err(_elapsed) => {
                    self.0.network.count_unanswered();
                    Err(broken("the deadline passed").into())
                }
            }
        })
    }

    fn manage(
        &self,
        command: Command,
        deadline: Instant,
    ) -> BoxFuture<'_, Result<Reply, CallError>> {
        Box::pin(async move {
            let (tell, told) = oneshot::channel();
            let inner = Arc::clone(&self.0);
            // A task of its own: what was sent is carried out also when its caller no longer waits.
            tokio::spawn(async move {
                let _nobody_waits = tell.send(inner.order(command, deadline).await);
            });
            match timeout_at(deadline, told).await {
                Ok(Ok(outcome)) => outcome,
                Ok(Err(_dropped)) => Err(broken("the channel was closed").into()),
                Err(_elapsed) => Err(broken("the deadline passed").into()),
            }
        })
    }

    fn in_flight(&self) -> usize {
        self.0.in_flight.load(Ordering::Relaxed)
    }
}

impl ChannelInner {
    /// Adds an operation to the frame that goes next.
    fn push(
        self: &Arc<Self>,
        call: &Call<'_>,
        deadline: Instant,
    ) -> Result<oneshot::Receiver<Outcome>, CallError> {
        let (caller, answer) = oneshot::channel();
        let mut state = self.state.lock();
        let fresh = state.filling.is_none();
        let filling = state.filling.get_or_insert_with(|| Filling {
            frame: RequestFrame::with_capacity(FRAME_BYTES),
            callers: Vec::new(),
            deadline,
        });
        match filling.frame.push(call) {
            Ok(Pushed::Added) => {
                filling.callers.push(caller);
                filling.deadline = filling.deadline.max(deadline);
            }
            Ok(Pushed::Full) => return Err(LinkError::Overloaded.into()),
            Err(refusal) => return Err(refusal.into()),
        }
        drop(state);
        if fresh {
            let inner = Arc::clone(self);
            tokio::spawn(async move { inner.flush().await });
        }
        Ok(answer)
    }

    /// Connects, and sends what has been gathered by then.
    async fn flush(self: Arc<Self>) {
        // Those who call at the same instant share the frame.
        tokio::task::yield_now().await;
        let connected = self.connection().await;
        let Some(filling) = self.state.lock().filling.take() else {
            return;
        };
        let connection = match connected {
            Ok(connection) => connection,
            Err(error) => return tell_all(filling.callers, &error),
        };
        // As in the product: a call without a waiting caller is not sent.
        if filling.callers.iter().all(oneshot::Sender::is_closed) {
            return;
        }
        let id = self.next_id();
        let patience = filling.deadline.saturating_duration_since(Instant::now());
        self.network.tell_asked(&self.target.name);
        let frame = filling.frame.seal(id, patience);
        match self.network.ask(&self.target, &connection, frame).await {
            Ok(answer) => match decode(answer) {
                Ok(Message::Replies(replies)) => deliver(filling.callers, &replies),
                _ => tell_all(filling.callers, &broken("the answer is of another kind")),
            },
            Err(error) => {
                self.disconnect(&connection);
                tell_all(filling.callers, &error);
            }
        }
    }

    async fn order(&self, command: Command, deadline: Instant) -> Result<Reply, CallError> {
        let connection = timeout_at(deadline, self.connection())
            .await
            .map_err(|_elapsed| LinkError::Unreachable("the deadline passed".to_owned()))??;
        let patience: Duration = deadline.saturating_duration_since(Instant::now());
        let order = Order {
            id: self.next_id(),
            patience,
            command,
        };
        let frame = order
            .encode()
            .map_err(|error| LinkError::Unusable(error.to_string()))?;
        let answer = self.network.ask(&self.target, &connection, frame).await;
        let answer = answer.inspect_err(|_broken| self.disconnect(&connection))?;
        match decode(answer) {
            Ok(Message::Answer(answer)) => Ok(answer.result?),
            _ => Err(broken("the answer is of another kind").into()),
        }
    }

    async fn connection(&self) -> Result<Connection, LinkError> {
        if let Some(connection) = &self.state.lock().connection {
            return Ok(connection.clone());
        }
        let connection = self.network.connect(&self.target, self.process).await?;
        self.state.lock().connection = Some(connection.clone());
        Ok(connection)
    }

    /// Gives up a connection that broke. The HSM finds out when it has heard nothing for a while.
    fn disconnect(&self, broken: &Connection) {
        let mut state = self.state.lock();
        let same =
            |present: &mut Connection| Arc::ptr_eq(&present.conversation, &broken.conversation);
        if let Some(given_up) = state.connection.take_if(same) {
            tokio::spawn(async move {
                sleep(IDLE_TIMEOUT).await;
                drop(given_up);
            });
        }
    }

    fn next_id(&self) -> u64 {
        let mut state = self.state.lock();
        state.next_id += 1;
        state.next_id
    }
}

fn deliver(callers: Vec<oneshot::Sender<Outcome>>, replies: &Replies) {
    for (index, caller) in callers.into_iter().enumerate() {
        let outcome = match replies.get(index) {
            Some(Ok(output)) => Ok(Output(output.to_vec().into())),
            Some(Err(refusal)) => Err(CallError::Refused(refusal)),
            None => Err(CallError::Refused(Refusal::BadLength)),
        };
        let _gave_up = caller.send(outcome);
    }
}

fn tell_all(callers: Vec<oneshot::Sender<Outcome>>, error: &LinkError) {
    for caller in callers {
        let _gave_up = caller.send(Err(CallError::Link(error.clone())));
    }
}

/// Counts a call for as long as its caller waits.
struct CountedCall<'a>(&'a AtomicUsize);

impl<'a> CountedCall<'a> {
    fn enter(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for CountedCall<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl fmt::Debug for SimChannel {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SimChannel({})", self.0.target.name)
    }
}
