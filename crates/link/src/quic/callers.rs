use std::sync::Arc;
use std::task::{Context, Poll};

use parking_lot::Mutex;
use portcullis_hsm::Output;
use tokio::time::Instant;

use super::wake_up::Wake;
use crate::frame::Replies;
use crate::{CallError, LinkError};

/// The callers of one frame. They share its answer, and each copies its own output out of it.
#[derive(Debug, Default)]
pub(super) struct Callers(Mutex<CallersState>);

#[derive(Debug, Default)]
struct CallersState {
    callers: Vec<WaitingCaller>,
    /// Callers that still wait.
    waiting: usize,
    outcome: Option<CallOutcome>,
}

#[derive(Debug)]
enum CallOutcome {
    Answered(Replies),
    Failed(LinkError),
}

#[derive(Debug)]
struct WaitingCaller {
    deadline: Instant,
    wake: Option<Wake>,
    /// Why it waits no more although its frame has no answer.
    expired: Option<LinkError>,
}

/// One caller's claim to its answer. Rule LINK-11: dropping it abandons the answer, which is wiped
/// with the others of its frame.
#[derive(Debug)]
pub(super) struct AnswerTicket {
    callers: Arc<Callers>,
    index: usize,
    done: bool,
}

impl Callers {
    /// The next caller of the frame.
    pub(super) fn join(self: &Arc<Self>, deadline: Instant, wake: Wake) -> AnswerTicket {
        let mut state = self.0.lock();
        state.callers.push(WaitingCaller {
            deadline,
            wake: Some(wake),
            expired: None,
        });
        state.waiting += 1;
        AnswerTicket {
            callers: Arc::clone(self),
            index: state.callers.len() - 1,
            done: false,
        }
    }

    /// How many joined.
    pub(super) fn joined(&self) -> usize {
        self.0.lock().callers.len()
    }

    /// Whether anybody still waits.
    pub(super) fn wait(&self) -> bool {
        self.0.lock().waiting > 0
    }

    /// Gives everybody the answer, if it has as many outputs as there are callers.
    pub(super) fn answer(&self, replies: Replies) -> Result<(), LinkError> {
        if replies.len() == self.joined() {
            self.finish(CallOutcome::Answered(replies));
            Ok(())
        } else {
            let why = "the HSM answered another number of operations than were sent";
            let error = LinkError::NoAnswer(why.to_owned());
            self.fail(error.clone());
            Err(error)
        }
    }

    /// Lets everybody fail.
    pub(super) fn fail(&self, error: LinkError) {
        self.finish(CallOutcome::Failed(error));
    }

    fn finish(&self, outcome: CallOutcome) {
        let mut state = self.0.lock();
        state.outcome = Some(outcome);
        let wakes: Vec<Wake> = state
            .callers
            .iter_mut()
            .filter_map(|caller| caller.wake.take())
            .collect();
        drop(state);
        Wake::all(wakes.into_iter());
    }

    /// Lets those fail whose deadline has come, and tells the next deadline.
    pub(super) fn expire(&self, now: Instant, error: &LinkError) -> Option<Instant> {
        let mut state = self.0.lock();
        let (mut wakes, mut next) = (Vec::new(), None::<Instant>);
        for caller in &mut state.callers {
            if caller.wake.is_none() {
                continue;
            }
            if caller.deadline <= now {
                caller.expired = Some(error.clone());
                wakes.extend(caller.wake.take());
            } else {
                next = Some(next.map_or(caller.deadline, |next| next.min(caller.deadline)));
            }
        }
        drop(state);
        Wake::all(wakes.into_iter());
        next
    }
}

impl AnswerTicket {
    /// The caller's own answer, once it is there.
    pub(super) fn poll(&mut self, context: &Context<'_>) -> Poll<Result<Output, CallError>> {
        let mut state = self.callers.0.lock();
        let CallersState {
            callers,
            outcome,
            waiting,
        } = &mut *state;
        let caller = callers.get_mut(self.index).filter(|_| !self.done);
        let Some(caller) = caller else {
            return Poll::Ready(Err(lost().into()));
        };
        let result = match (&*outcome, &caller.expired) {
            (_, Some(error)) | (Some(CallOutcome::Failed(error)), None) => {
                Err(error.clone().into())
            }
            (Some(CallOutcome::Answered(replies)), None) => match replies.get(self.index) {
                Some(Ok(output)) => Ok(Output(output.to_vec().into())),
                Some(Err(refusal)) => Err(CallError::Refused(refusal)),
                None => Err(lost().into()),
            },
            (None, None) => {
                if let Some(wake) = &mut caller.wake {
                    wake.follow(context.waker());
                }
                return Poll::Pending;
            }
        };
        *waiting -= 1;
        self.done = true;
        Poll::Ready(result)
    }
}

impl Drop for AnswerTicket {
    fn drop(&mut self) {
        if self.done {
            return;
        }
        let mut state = self.callers.0.lock();
        state.waiting -= 1;
        if let Some(caller) = state.callers.get_mut(self.index) {
            caller.wake = None;
        }
    }
}

/// Cannot happen: an answer is taken only with an output for every caller.
fn lost() -> LinkError {
    LinkError::NoAnswer("the answer is not there".to_owned())
}
