//! A value that tasks watch. They are woken in the order in which they began to wait.
//!
//! tokio's `watch` spreads those who wait over several lists, one drawn at random for each, and wakes list
//! by list: of two calls that wait for the same thing either may go on first, and a seed does not replay.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use parking_lot::{RwLock, RwLockReadGuard};
use tokio::sync::Notify;

/// A sender of `value`, and a receiver that has seen it.
#[must_use]
pub fn channel<T>(value: T) -> (Sender<T>, Receiver<T>) {
    let sender = Sender::new(value);
    let receiver = sender.subscribe();
    (sender, receiver)
}

/// Changes the value.
pub struct Sender<T> {
    shared: Arc<Shared<T>>,
}

/// Looks at the value, and waits until it changes.
pub struct Receiver<T> {
    shared: Arc<Shared<T>>,
    /// The number of the change that was seen last.
    seen: u64,
}

struct Shared<T> {
    state: RwLock<State<T>>,
    changed: Notify,
}

struct State<T> {
    value: T,
    /// How many changes there were.
    changes: u64,
    /// The sender is gone: nothing changes any more.
    ended: bool,
}

/// The value, which does not change while this is held. Not to be held across an `await`.
pub struct Ref<'a, T>(RwLockReadGuard<'a, State<T>>);

/// The sender is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended;

impl<T> Sender<T> {
    /// Without a watcher yet.
    #[must_use]
    pub fn new(value: T) -> Self {
        let state = State {
            value,
            changes: 0,
            ended: false,
        };
        Self {
            shared: Arc::new(Shared {
                state: RwLock::new(state),
                changed: Notify::new(),
            }),
        }
    }

    /// A receiver that has seen the value as it is now.
    #[must_use]
    pub fn subscribe(&self) -> Receiver<T> {
        Receiver {
            seen: self.shared.state.read().changes,
            shared: Arc::clone(&self.shared),
        }
    }

    /// The value as it is now.
    #[must_use]
    pub fn borrow(&self) -> Ref<'_, T> {
        Ref(self.shared.state.read())
    }

    /// Changes the value in place, and wakes all who wait.
    pub fn send_modify(&self, change: impl FnOnce(&mut T)) {
        self.send_if_modified(|value| {
            change(value);
            true
        });
    }

    /// Replaces the value, wakes all who wait, and gives what was there before.
    pub fn send_replace(&self, mut value: T) -> T {
        self.send_modify(|present| std::mem::swap(present, &mut value));
        value
    }

    /// Changes the value in place, and wakes all who wait if `change` says that it did. Gives what it says.
    pub fn send_if_modified(&self, change: impl FnOnce(&mut T) -> bool) -> bool {
        let mut state = self.shared.state.write();
        let changed = change(&mut state.value);
        state.changes += u64::from(changed);
        drop(state);
        if changed {
            self.shared.changed.notify_waiters();
        }
        changed
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.shared.state.write().ended = true;
        self.shared.changed.notify_waiters();
    }
}

impl<T> Receiver<T> {
    /// The value as it is now, which counts as seen before only if it was.
    #[must_use]
    pub fn borrow(&self) -> Ref<'_, T> {
        Ref(self.shared.state.read())
    }

    /// The value as it is now, which is seen with this.
    pub fn borrow_and_update(&mut self) -> Ref<'_, T> {
        let state = self.shared.state.read();
        self.seen = state.changes;
        Ref(state)
    }

    /// The value as it is now counts as seen.
    pub fn mark_unchanged(&mut self) {
        self.seen = self.shared.state.read().changes;
    }

    /// Whether there is a value that was not seen.
    #[must_use]
    pub fn has_changed(&self) -> bool {
        self.shared.state.read().changes != self.seen
    }

    /// Waits until there is a value that was not seen, which is seen with this. Cancel-safe.
    ///
    /// # Errors
    /// When the sender is gone and everything was seen.
    pub async fn changed(&mut self) -> Result<(), Ended> {
        loop {
            // Made before looking: a change after it rings.
            let rung = self.shared.changed.notified();
            {
                let state = self.shared.state.read();
                if state.changes != self.seen {
                    self.seen = state.changes;
                    return Ok(());
                }
                if state.ended {
                    return Err(Ended);
                }
            }
            rung.await;
        }
    }

    /// Waits until the value is as `wanted`, which it may be at once. Cancel-safe.
    ///
    /// # Errors
    /// When the sender is gone and the value is another one.
    pub async fn wait_for(
        &mut self,
        mut wanted: impl FnMut(&T) -> bool,
    ) -> Result<Ref<'_, T>, Ended> {
        loop {
            if wanted(&self.borrow_and_update()) {
                return Ok(Ref(self.shared.state.read()));
            }
            self.changed().await?;
        }
    }
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            seen: self.seen,
        }
    }
}

impl<T> Deref for Ref<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0.value
    }
}

impl<T: fmt::Debug> fmt::Debug for Ref<'_, T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.value.fmt(formatter)
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Sender(..)")
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Receiver({} seen)", self.seen)
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the sender is gone")
    }
}

impl std::error::Error for Ended {}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parking_lot::Mutex;
    use tokio::task::{JoinSet, yield_now};

    use super::*;

    #[tokio::test]
    async fn those_who_wait_go_on_in_the_order_in_which_they_came() {
        let sender = Sender::new(0);
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut waiting = JoinSet::new();
        for number in 0..40 {
            let (mut receiver, order) = (sender.subscribe(), Arc::clone(&order));
            waiting.spawn(async move {
                receiver.wait_for(|value| *value == 2).await.unwrap();
                order.lock().push(number);
            });
            yield_now().await;
        }
        sender.send_modify(|value| *value += 1);
        yield_now().await;
        sender.send_modify(|value| *value += 1);
        waiting.join_all().await;
        assert_eq!(*order.lock(), (0..40).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn a_change_is_seen_once_and_the_last_one_before_the_end_too() {
        let (sender, mut receiver) = channel(1);
        assert_eq!(sender.send_replace(2), 1);
        let mut late = receiver.clone();
        late.mark_unchanged();
        receiver.changed().await.unwrap();
        assert_eq!(*receiver.borrow(), 2);
        assert!(!receiver.has_changed());
        assert!(!sender.send_if_modified(|_value| false));
        sender.send_modify(|value| *value = 3);
        drop(sender);
        receiver.changed().await.unwrap();
        assert_eq!(receiver.changed().await, Err(Ended));
        assert_eq!(
            late.wait_for(|value| *value == 3).await.map(|value| *value),
            Ok(3)
        );
        assert_eq!(
            late.wait_for(|value| *value == 4).await.map(|value| *value),
            Err(Ended)
        );
    }
}
