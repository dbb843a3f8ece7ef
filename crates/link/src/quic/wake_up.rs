use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;
use std::task::Waker;

use parking_lot::Mutex;
use tokio::runtime::{Handle, Id};
use tokio::sync::Notify;

/// Wakes the callers of one runtime from within it.
///
/// Waking a task of another current-thread runtime costs a write to that runtime's event file
/// descriptor, every time. A frame answers many callers at once, so the channel's task hands all
/// their wakers to the wake-up and rings it once; a task of the wake-up on the callers' runtime does the
/// rest, without a system call.
pub(super) struct WakeUp {
    wakers: Mutex<Wakers>,
    ring: Notify,
}

#[derive(Default)]
struct Wakers {
    waiting: Vec<Waker>,
    /// The wake-up's task has ended with its runtime.
    ended: bool,
}

thread_local! {
    /// The wake-up of the runtime that this thread ran last.
    static LAST: RefCell<Option<(Id, Arc<WakeUp>)>> = const { RefCell::new(None) };
}

impl WakeUp {
    /// The wake-up of the caller's runtime; none when that is `home`, or there is none.
    pub(super) fn of_caller(home: Id) -> Option<Arc<Self>> {
        let runtime = Handle::try_current().ok()?;
        let id = runtime.id();
        if id == home {
            return None;
        }
        LAST.with_borrow_mut(|last| {
            if let Some((known, wake_up)) = last
                && *known == id
            {
                return Some(Arc::clone(wake_up));
            }
            let wake_up = Arc::new(Self {
                wakers: Mutex::default(),
                ring: Notify::new(),
            });
            // Ends with the runtime. One wake-up per runtime and thread that calls HSMs.
            let _detached = runtime.spawn(Arc::clone(&wake_up).listen());
            *last = Some((id, Arc::clone(&wake_up)));
            Some(wake_up)
        })
    }

    /// Hands a waker over; [`WakeUp::ring`] must follow.
    fn add(&self, waker: Waker) {
        let mut wakers = self.wakers.lock();
        if wakers.ended {
            drop(wakers);
            waker.wake();
        } else {
            wakers.waiting.push(waker);
        }
    }

    async fn listen(self: Arc<Self>) {
        let ending = Ending(&self);
        loop {
            self.ring.notified().await;
            let waiting = std::mem::take(&mut ending.0.wakers.lock().waiting);
            waiting.into_iter().for_each(Waker::wake);
        }
    }
}

/// Wakes the tasks that are left when the wake-up's task ends.
struct Ending<'a>(&'a WakeUp);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        let mut wakers = self.0.wakers.lock();
        wakers.ended = true;
        let left = std::mem::take(&mut wakers.waiting);
        drop(wakers);
        left.into_iter().for_each(Waker::wake);
    }
}

/// The task to wake, and how.
#[derive(Debug)]
pub(super) struct Wake {
    waker: Waker,
    wake_up: Option<Arc<WakeUp>>,
}

impl Wake {
    pub(super) const fn new(waker: Waker, wake_up: Option<Arc<WakeUp>>) -> Self {
        Self { waker, wake_up }
    }

    /// Follows the caller when its future moved to another task.
    pub(super) fn follow(&mut self, waker: &Waker) {
        self.waker.clone_from(waker);
    }

    /// Wakes them all, each wake-up rung once.
    pub(super) fn all(wakes: impl Iterator<Item = Self>) {
        let mut wake_ups: Vec<Arc<WakeUp>> = Vec::new();
        for Self { waker, wake_up } in wakes {
            let Some(wake_up) = wake_up else {
                waker.wake();
                continue;
            };
            wake_up.add(waker);
            if !wake_ups.iter().any(|known| Arc::ptr_eq(known, &wake_up)) {
                wake_ups.push(wake_up);
            }
        }
        wake_ups
            .iter()
            .for_each(|wake_up| wake_up.ring.notify_one());
    }
}

impl fmt::Debug for WakeUp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("WakeUp(..)")
    }
}
