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
/// their wakers to the bell and rings it once; a task of the bell on the callers' runtime does the
/// rest, without a system call.
pub(super) struct Bell {
    wakers: Mutex<Wakers>,
    ring: Notify,
}

#[derive(Default)]
struct Wakers {
    waiting: Vec<Waker>,
    /// The bell's task has ended with its runtime.
    ended: bool,
}

thread_local! {
    /// The bell of the runtime that this thread ran last.
    static LAST: RefCell<Option<(Id, Arc<Bell>)>> = const { RefCell::new(None) };
}

impl Bell {
    /// The bell of the caller's runtime; none when that is `home`, or there is none.
    pub(super) fn of_caller(home: Id) -> Option<Arc<Self>> {
        let runtime = Handle::try_current().ok()?;
        let id = runtime.id();
        if id == home {
            return None;
        }
        LAST.with_borrow_mut(|last| {
            if let Some((known, bell)) = last
                && *known == id
            {
                return Some(Arc::clone(bell));
            }
            let bell = Arc::new(Self {
                wakers: Mutex::default(),
                ring: Notify::new(),
            });
            // Ends with the runtime. One bell per runtime and thread that calls HSMs.
            let _detached = runtime.spawn(Arc::clone(&bell).listen());
            *last = Some((id, Arc::clone(&bell)));
            Some(bell)
        })
    }

    /// Hands a waker over; [`Bell::ring`] must follow.
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

/// Wakes whoever is left when the bell's task ends.
struct Ending<'a>(&'a Bell);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        let mut wakers = self.0.wakers.lock();
        wakers.ended = true;
        let left = std::mem::take(&mut wakers.waiting);
        drop(wakers);
        left.into_iter().for_each(Waker::wake);
    }
}

/// Whom to wake and how.
#[derive(Debug)]
pub(super) struct Wake {
    waker: Waker,
    bell: Option<Arc<Bell>>,
}

impl Wake {
    pub(super) const fn new(waker: Waker, bell: Option<Arc<Bell>>) -> Self {
        Self { waker, bell }
    }

    /// Follows the caller when its future moved to another task.
    pub(super) fn follow(&mut self, waker: &Waker) {
        self.waker.clone_from(waker);
    }

    /// Wakes them all, each bell rung once.
    pub(super) fn all(wakes: impl Iterator<Item = Self>) {
        let mut bells: Vec<Arc<Bell>> = Vec::new();
        for Self { waker, bell } in wakes {
            let Some(bell) = bell else {
                waker.wake();
                continue;
            };
            bell.add(waker);
            if !bells.iter().any(|known| Arc::ptr_eq(known, &bell)) {
                bells.push(bell);
            }
        }
        bells.iter().for_each(|bell| bell.ring.notify_one());
    }
}

impl fmt::Debug for Bell {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Bell(..)")
    }
}
