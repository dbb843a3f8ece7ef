use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::Context;

use parking_lot::Mutex;
use portcullis_hsm::Call;
use tokio::runtime::Id;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::callers::{AnswerTicket, Callers};
use super::wake_up::{Wake, WakeUp};
use crate::frame::{Pushed, Replies, RequestFrame};
use crate::{CallError, LinkError};
use portcullis_wiped::Wiped;

/// Calls that may wait to be sent to one HSM: at a million a second, 16 ms of work.
pub(super) const WAITING_CALLS_MAX: usize = 16_384;

/// Frames that may wait to be sent; with the largest, 16 MiB.
const WAITING_FRAMES_MAX: usize = 16;

/// Frames on their way at once. One is at the HSM while others are on the way there and back and
/// the next fills: what arrives when all are out is sent together. Measured by `benches/link.rs`.
const FRAMES_IN_FLIGHT_MAX: usize = 4;

/// A frame starts with room for as much as the last one held, within these bounds: growing means
/// copying and wiping. The smaller one holds some sixteen small calls.
const ROOM_MIN: usize = 2 << 10;
const ROOM_MAX: usize = 128 << 10;

/// What callers and the channel's task share: what waits to be sent, and what was sent.
///
/// The queue's lock is taken before that of the callers of a frame, never after it.
#[derive(Debug)]
pub(super) struct SendQueue {
    state: Mutex<QueueState>,
    /// The runtime of the channel's task.
    home: Id,
    unanswered: AtomicUsize,
    /// Whether there is a connection.
    ready: AtomicBool,
    /// Rung when there is something that can be sent.
    work: Notify,
    /// Rung when the earliest deadline has become earlier.
    deadline: Notify,
}

#[derive(Debug, Default)]
struct QueueState {
    /// Frames that wait to be sent; all but the last are full.
    waiting: VecDeque<Waiting>,
    waiting_calls: usize,
    sent: BTreeMap<u64, Arc<Callers>>,
    last_id: u64,
    last_bytes: usize,
    earliest_deadline: Option<Instant>,
    /// Why there is no connection, for those who have waited for one in vain.
    trouble: Option<String>,
    connected: bool,
    /// A connection shall be made although nothing waits.
    wanted: bool,
    closed: Option<LinkError>,
}

#[derive(Debug)]
struct Waiting {
    frame: RequestFrame,
    callers: Arc<Callers>,
    /// The latest of the callers' deadlines: how long the answer is of any use.
    latest_deadline: Instant,
}

impl SendQueue {
    pub(super) fn new(home: Id) -> Self {
        Self {
            state: Mutex::default(),
            home,
            unanswered: AtomicUsize::new(0),
            ready: AtomicBool::new(false),
            work: Notify::new(),
            deadline: Notify::new(),
        }
    }

    /// Calls that were taken and have no answer yet, abandoned ones included: they burden the HSM.
    pub(super) fn unanswered(&self) -> usize {
        self.unanswered.load(Ordering::Relaxed)
    }

    /// Writes the call straight from where it lies into the frame that is filling.
    pub(super) fn submit(
        &self,
        call: &Call<'_>,
        deadline: Instant,
        context: &Context<'_>,
    ) -> Result<AnswerTicket, CallError> {
        let wake = Wake::new(context.waker().clone(), WakeUp::of_caller(self.home));
        let mut state = self.state.lock();
        if let Some(error) = &state.closed {
            return Err(error.clone().into());
        }
        let ticket = state.write(call, deadline, wake)?;
        let earlier = state
            .earliest_deadline
            .is_none_or(|earliest| deadline < earliest);
        if earlier {
            state.earliest_deadline = Some(deadline);
        }
        let can_send = state.sent.len() < FRAMES_IN_FLIGHT_MAX;
        drop(state);
        self.unanswered.fetch_add(1, Ordering::Relaxed);
        if earlier {
            self.deadline.notify_one();
        }
        if can_send {
            // One atomic operation while the task has not yet run: wake-ups are batched.
            self.work.notify_one();
        }
        Ok(ticket)
    }

    /// Whether there is a connection, as far as is known.
    pub(super) fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Relaxed)
    }

    /// Whether it has ended, and takes nothing more.
    pub(super) fn is_closed(&self) -> bool {
        self.state.lock().closed.is_some()
    }

    /// Lets a connection be made, or tried for once, although nothing waits to be sent.
    pub(super) fn want_connection(&self) {
        self.state.lock().wanted = true;
        self.work.notify_one();
    }

    /// Waits until something waits to be sent, or a connection is wanted.
    pub(super) async fn work(&self) {
        loop {
            let rung = self.work.notified();
            if self.has_work() {
                return;
            }
            rung.await;
        }
    }

    fn has_work(&self) -> bool {
        let mut state = self.state.lock();
        let abandoned = state.drop_abandoned();
        let has_work = !state.waiting.is_empty() || std::mem::take(&mut state.wanted);
        drop(state);
        self.forget(abandoned);
        has_work
    }

    /// The next frame, once there is one and few enough are on their way.
    pub(super) async fn next_frame(&self) -> Wiped {
        loop {
            let rung = self.work.notified();
            if let Some(frame) = self.take_frame() {
                return frame;
            }
            rung.await;
        }
    }

    fn take_frame(&self) -> Option<Wiped> {
        let mut state = self.state.lock();
        if state.sent.len() >= FRAMES_IN_FLIGHT_MAX {
            return None;
        }
        let abandoned = state.drop_abandoned();
        let next = state.waiting.pop_front();
        let sealed = next.map(|next| state.send(next));
        drop(state);
        self.forget(abandoned);
        sealed.map(|(frame, id, latest)| {
            frame.seal(id, latest.saturating_duration_since(Instant::now()))
        })
    }

    /// Gives the answers to those who wait for them. Rule LINK-09: each frame is answered once.
    pub(super) fn answer(&self, replies: Replies) -> Result<(), LinkError> {
        let mut state = self.state.lock();
        let Some(callers) = state.sent.remove(&replies.id()) else {
            let why = "the HSM answered something that was not asked";
            return Err(LinkError::NoAnswer(why.to_owned()));
        };
        let more = !state.waiting.is_empty();
        drop(state);
        if more {
            self.work.notify_one();
        }
        self.forget(callers.joined());
        callers.answer(replies)
    }

    pub(super) fn connected(&self) {
        let mut state = self.state.lock();
        state.connected = true;
        state.trouble = None;
        self.ready.store(true, Ordering::Relaxed);
    }

    /// Rule LINK-08: what was sent over a connection that broke may or may not have been carried
    /// out. It is not sent again.
    pub(super) fn broken(&self, error: &LinkError) {
        let mut state = self.state.lock();
        state.connected = false;
        self.ready.store(false, Ordering::Relaxed);
        state.trouble = Some(error.to_string());
        let sent = std::mem::take(&mut state.sent);
        drop(state);
        for callers in sent.into_values() {
            self.forget(callers.joined());
            callers.fail(error.clone());
        }
    }

    /// There is no connection: those who wait go on waiting until their deadline.
    pub(super) fn no_connection(&self, why: String) {
        self.state.lock().trouble = Some(why);
    }

    /// The peer must not be spoken to: no caller waits any longer.
    pub(super) fn refuse_waiting(&self, error: &LinkError) {
        let mut state = self.state.lock();
        let waiting = std::mem::take(&mut state.waiting);
        state.waiting_calls = 0;
        drop(state);
        for next in waiting {
            self.forget(next.callers.joined());
            next.callers.fail(error.clone());
        }
    }

    /// Nothing more is taken, and whatever there is fails.
    pub(super) fn close(&self, error: &LinkError) {
        self.state.lock().closed = Some(error.clone());
        self.refuse_waiting(error);
        self.broken(error);
    }

    /// Rule LINK-06: a call ends at its deadline, answered or not.
    pub(super) async fn expire(&self) {
        loop {
            let rung = self.deadline.notified();
            let earliest = self.state.lock().earliest_deadline;
            let Some(earliest) = earliest else {
                rung.await;
                continue;
            };
            tokio::select! {
                biased;
                () = rung => {}
                () = tokio::time::sleep_until(earliest) => self.expire_until(Instant::now()),
            }
        }
    }

    fn expire_until(&self, now: Instant) {
        let mut state = self.state.lock();
        state.earliest_deadline = None;
        let all: Vec<Arc<Callers>> = state
            .waiting
            .iter()
            .map(|next| &next.callers)
            .chain(state.sent.values())
            .map(Arc::clone)
            .collect();
        let error = state.too_late();
        drop(state);
        let next = all
            .iter()
            .filter_map(|callers| callers.expire(now, &error))
            .min();
        let mut state = self.state.lock();
        state.earliest_deadline = match (state.earliest_deadline, next) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
    }

    fn forget(&self, calls: usize) {
        self.unanswered.fetch_sub(calls, Ordering::Relaxed);
    }
}

impl QueueState {
    fn write(
        &mut self,
        call: &Call<'_>,
        deadline: Instant,
        wake: Wake,
    ) -> Result<AnswerTicket, CallError> {
        // Rule LINK-05: what waits is bounded; beyond it a call is refused and not sent.
        if self.waiting_calls >= WAITING_CALLS_MAX {
            return Err(LinkError::Overloaded.into());
        }
        let last = self.waiting.back_mut();
        let full = match last {
            Some(last) => last.frame.push(call)? == Pushed::Full,
            None => true,
        };
        if full {
            if self.waiting.len() >= WAITING_FRAMES_MAX {
                return Err(LinkError::Overloaded.into());
            }
            let room = self.last_bytes.clamp(ROOM_MIN, ROOM_MAX);
            self.waiting
                .push_back(Waiting::starting_with(call, deadline, room)?);
        }
        let Some(last) = self.waiting.back_mut() else {
            return Err(LinkError::Overloaded.into());
        };
        last.latest_deadline = last.latest_deadline.max(deadline);
        self.waiting_calls += 1;
        Ok(last.callers.join(deadline, wake))
    }

    /// Marks `next` as sent.
    fn send(&mut self, next: Waiting) -> (RequestFrame, u64, Instant) {
        self.waiting_calls -= next.frame.len();
        self.last_id += 1;
        self.last_bytes = next.frame.bytes();
        self.sent.insert(self.last_id, next.callers);
        (next.frame, self.last_id, next.latest_deadline)
    }

    /// Drops the frames at the front that no caller waits for, and says how many calls they had.
    fn drop_abandoned(&mut self) -> usize {
        let mut dropped = 0;
        while let Some(front) = self.waiting.front()
            && !front.callers.wait()
        {
            dropped += front.frame.len();
            self.waiting.pop_front();
        }
        self.waiting_calls -= dropped;
        dropped
    }

    /// What a call hears whose deadline has come. Its frame may have been sent or may yet be, for
    /// the sake of others in it, unless there is no connection.
    fn too_late(&self) -> LinkError {
        if self.connected {
            return LinkError::NoAnswer("the deadline passed".to_owned());
        }
        let why = self
            .trouble
            .as_deref()
            .unwrap_or("the connection is being made");
        LinkError::Unreachable(format!("the deadline passed; {why}"))
    }
}

impl Waiting {
    fn starting_with(call: &Call<'_>, deadline: Instant, room: usize) -> Result<Self, CallError> {
        let mut frame = RequestFrame::with_capacity(room);
        match frame.push(call)? {
            Pushed::Added => Ok(Self {
                frame,
                callers: Arc::default(),
                latest_deadline: deadline,
            }),
            // A call's fields are of at most 64 KiB each: it fits an empty frame.
            Pushed::Full => Err(portcullis_hsm::Refusal::BadLength.into()),
        }
    }
}
