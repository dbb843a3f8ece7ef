use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use portcullis_hsm::{Call, Command, Output, Reply};
use quinn::{Connection, Endpoint, RecvStream, SendStream};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};
use zeroize::Zeroizing;

use crate::frame::{Message, Order, Pushed, Replies, RequestFrame};
use crate::transport::BoxFuture;
use crate::{CallError, Channel, LinkError, Target, Wiped};

use super::QuicSettings;
use super::connector::Connector;
use super::stream::{Ended, MessageReader};

/// Calls that may wait for one HSM: at a million a second, 16 ms of work.
const WAITING_CALLS_MAX: usize = 16_384;

/// Frames on their way at once. While one is in flight the next fills; a second keeps the HSM busy
/// during the way back.
const FRAMES_IN_FLIGHT_MAX: usize = 2;

type Outcome = Result<Output, CallError>;

/// Opens a channel whose task runs on the transport's runtime until the channel is dropped.
pub(super) fn open(
    endpoint: Endpoint,
    settings: &QuicSettings,
    target: Target,
) -> Arc<dyn Channel> {
    let connector = Arc::new(Connector::new(endpoint, settings.clone(), target));
    let shared = Arc::new(Shared::default());
    let task = settings
        .runtime
        .spawn(drive(Arc::clone(&connector), Arc::clone(&shared)));
    Arc::new(QuicChannel {
        connector,
        shared,
        task,
    })
}

struct QuicChannel {
    connector: Arc<Connector>,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

/// What callers and the channel's task share.
#[derive(Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    /// Calls that were accepted and not yet answered or abandoned.
    in_flight: AtomicUsize,
    filled: Notify,
}

/// Frames that are filling up; all but the last are full.
#[derive(Default)]
struct Waiting {
    frames: VecDeque<Filling>,
    calls: usize,
}

struct Filling {
    frame: RequestFrame,
    callers: Vec<oneshot::Sender<Outcome>>,
    /// The latest of the callers' deadlines: how long the answer is of any use.
    deadline: Instant,
}

/// A frame starts with room for some sixteen small calls.
const FRAME_BYTES_FIRST: usize = 2048;

impl Filling {
    fn new(deadline: Instant) -> Self {
        let frame = RequestFrame::with_capacity(FRAME_BYTES_FIRST);
        Self {
            frame,
            callers: Vec::new(),
            deadline,
        }
    }
}

impl Waiting {
    /// Writes the call straight into the frame that is filling.
    fn push(
        &mut self,
        call: &Call<'_>,
        deadline: Instant,
    ) -> Result<oneshot::Receiver<Outcome>, CallError> {
        // Rule LINK-05: what waits is bounded; beyond it a call is refused and not sent.
        if self.calls >= WAITING_CALLS_MAX {
            return Err(LinkError::Overloaded.into());
        }
        let mut added = match self.frames.back_mut() {
            Some(filling) => filling.frame.push(call)?,
            None => Pushed::Full,
        };
        if added == Pushed::Full {
            let mut fresh = Filling::new(deadline);
            added = fresh.frame.push(call)?;
            self.frames.push_back(fresh);
        }
        if added == Pushed::Full {
            self.frames.pop_back();
            let why = "the operation is larger than a frame".to_owned();
            return Err(LinkError::Unusable(why).into());
        }
        let (caller, answer) = oneshot::channel();
        if let Some(filling) = self.frames.back_mut() {
            filling.callers.push(caller);
            filling.deadline = filling.deadline.max(deadline);
            self.calls += 1;
        }
        Ok(answer)
    }

    /// The next frame that somebody still waits for.
    fn pop(&mut self) -> Option<Filling> {
        while let Some(filling) = self.frames.pop_front() {
            self.calls -= filling.callers.len();
            if filling.callers.iter().any(|caller| !caller.is_closed()) {
                return Some(filling);
            }
        }
        None
    }
}

impl Shared {
    fn take_filled(&self) -> Option<Filling> {
        self.waiting.lock().pop()
    }
}

/// Counts a call for as long as its caller waits.
struct InFlight<'a>(&'a AtomicUsize);

impl<'a> InFlight<'a> {
    fn enter(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Channel for QuicChannel {
    fn execute<'a>(
        &'a self,
        call: Call<'a>,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<Output, CallError>> {
        Box::pin(async move {
            let _counted = InFlight::enter(&self.shared.in_flight);
            let answer = self.shared.waiting.lock().push(&call, deadline)?;
            self.shared.filled.notify_one();
            match timeout_at(deadline, answer).await {
                Ok(Ok(outcome)) => outcome,
                Ok(Err(_dropped)) => Err(no_answer("the channel was closed")),
                // Rule LINK-06: a call ends at its deadline, answered or not.
                Err(_elapsed) => Err(no_answer("the deadline passed")),
            }
        })
    }

    fn manage(
        &self,
        command: Command,
        deadline: Instant,
    ) -> BoxFuture<'_, Result<Reply, CallError>> {
        Box::pin(async move {
            let patience = deadline.saturating_duration_since(Instant::now());
            let frame = Order {
                id: 0,
                patience,
                command,
            }
            .encode()
            .map_err(|error| LinkError::Unusable(error.to_string()))?;
            let connection = timeout_at(deadline, self.connector.connection())
                .await
                .map_err(|_elapsed| LinkError::Unreachable("the deadline passed".to_owned()))??;
            timeout_at(deadline, ask(&connection, &frame))
                .await
                .map_err(|_elapsed| no_answer("the deadline passed"))?
        })
    }

    fn in_flight(&self) -> usize {
        self.shared.in_flight.load(Ordering::Relaxed)
    }
}

fn no_answer(why: impl Into<String>) -> CallError {
    CallError::Link(LinkError::NoAnswer(why.into()))
}

/// Sends a command on a stream of its own and reads the answer.
async fn ask(connection: &Connection, frame: &Wiped) -> Result<Reply, CallError> {
    let broken = |error: &dyn fmt::Display| no_answer(error.to_string());
    let (mut send, receive) = connection.open_bi().await.map_err(|error| broken(&error))?;
    send.write_all(frame.as_ref())
        .await
        .map_err(|error| broken(&error))?;
    send.finish().map_err(|error| broken(&error))?;
    match MessageReader::new(receive)
        .next()
        .await
        .map_err(|ended| broken(&ended))?
    {
        Message::Answer(answer) => Ok(answer.result?),
        Message::Request(_) | Message::Replies(_) | Message::Order(_) => {
            Err(no_answer("the answer is of another kind"))
        }
    }
}

/// Sends frames as they fill, over one connection after another.
async fn drive(connector: Arc<Connector>, shared: Arc<Shared>) {
    loop {
        wait_for_work(&shared).await;
        match connect(&connector).await {
            Ok((send, receive)) => run(&shared, send, receive).await,
            Err(error) => {
                tracing::debug!(hsm = connector.name(), %error, "no connection");
                fail_waiting(&shared, &error);
            }
        }
    }
}

async fn wait_for_work(shared: &Shared) {
    loop {
        let filled = shared.filled.notified();
        if !shared.waiting.lock().frames.is_empty() {
            return;
        }
        filled.await;
    }
}

async fn connect(connector: &Connector) -> Result<(SendStream, RecvStream), LinkError> {
    let connection = connector.connection().await?;
    let opened = connection.open_bi().await;
    opened.map_err(|error| LinkError::Unreachable(error.to_string()))
}

/// What could not be sent is refused at once: the caller tries another HSM.
fn fail_waiting(shared: &Shared, error: &LinkError) {
    while let Some(filling) = shared.take_filled() {
        answer_all(filling.callers, || Err(CallError::Link(error.clone())));
    }
}

fn answer_all(callers: Vec<oneshot::Sender<Outcome>>, outcome: impl Fn() -> Outcome) {
    for caller in callers {
        // A caller may have given up; its answer is wiped as it is dropped.
        let _gave_up = caller.send(outcome());
    }
}

/// What was sent and waits for its answer, by the id of the frame.
type Sent = BTreeMap<u64, Vec<oneshot::Sender<Outcome>>>;

/// Sends and receives until the connection breaks, then fails what was sent.
async fn run(shared: &Shared, mut send: SendStream, receive: RecvStream) {
    let mut sent = Sent::new();
    let mut messages = MessageReader::new(receive);
    let mut next_id = 0_u64;
    let broken = loop {
        if sent.len() < FRAMES_IN_FLIGHT_MAX
            && let Some(filling) = shared.take_filled()
        {
            next_id += 1;
            sent.insert(next_id, filling.callers);
            let patience = filling.deadline.saturating_duration_since(Instant::now());
            let frame = filling.frame.seal(next_id, patience);
            match send.write_all(frame.as_ref()).await {
                Ok(()) => continue,
                Err(error) => break error.to_string(),
            }
        }
        let may_send = sent.len() < FRAMES_IN_FLIGHT_MAX;
        let read = tokio::select! {
            biased;
            read = messages.next() => read,
            () = wait_for_work(shared), if may_send => continue,
        };
        match read {
            Ok(Message::Replies(replies)) => deliver(&replies, &mut sent),
            Ok(Message::Request(_) | Message::Order(_) | Message::Answer(_)) => {
                break "the answer is of another kind".to_owned();
            }
            Err(Ended::Stream(why)) => break why,
            Err(Ended::Frame(error)) => break error.to_string(),
        }
    };
    for callers in sent.into_values() {
        answer_all(callers, || Err(no_answer(broken.clone())));
    }
}

fn deliver(replies: &Replies, sent: &mut Sent) {
    let callers = sent.remove(&replies.id()).unwrap_or_default();
    for (caller, outcome) in callers.into_iter().zip(replies.iter()) {
        let outcome = outcome.map(|bytes| Output(Zeroizing::new(bytes.to_vec())));
        let _gave_up = caller.send(outcome.map_err(CallError::Refused));
    }
}

impl Drop for QuicChannel {
    fn drop(&mut self) {
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
