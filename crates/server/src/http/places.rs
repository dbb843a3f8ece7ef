//! Which connections of one core have a place, and which of them gives its own up when there is
//! none left. Only what is decided: `core.rs` accepts and closes.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

/// Places of connections that were told to go and are not gone yet: the scheduler drops them at its
/// next turn, and one turn accepts fewer than this (tokio lets a task go on 128 times).
const LEAVING_MAX: usize = 256;

/// In so many rounds a connection has waited for as long as it may. It is closed at most one round
/// later than a timer of its own would do it; but for that timer every request would pay.
pub(crate) const ROUNDS: u8 = 16;

/// What a connection is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ConnectionPhase {
    /// Between requests, or the head of the next one is on its way.
    Waiting,
    /// The body of a request is on its way.
    Reading,
    /// A request is being answered, or its reply is being sent.
    Serving,
    /// The client does not take the reply as fast as it is sent.
    Stalled,
}

impl ConnectionPhase {
    /// In the order in which they are counted.
    pub(crate) const ALL: [Self; 4] = [Self::Waiting, Self::Reading, Self::Serving, Self::Stalled];

    /// As metrics name it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Reading => "reading",
            Self::Serving => "serving",
            Self::Stalled => "stalled",
        }
    }

    const fn code(self) -> u64 {
        match self {
            Self::Waiting => 2,
            Self::Reading => 3,
            Self::Serving => 4,
            Self::Stalled => 5,
        }
    }
}

/// A place that no connection has.
const FREE: u64 = 0;

/// A place whose connection was told to go. It counts no more.
const LEAVING: u64 = 1;

/// What a connection was told to go for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dismissal {
    /// Its place is wanted for another connection.
    Place,
    /// The memory that its bytes take is wanted for others.
    Bytes,
    /// It has waited for too long.
    Time,
}

/// The bits of a word that say what its connection is doing; the others say since when.
const CODE_BITS: u32 = 3;

/// The places of one core, each a word: what its connection is doing, and since which tick.
///
/// A tick passes whenever a connection begins to wait or to stall, so that who has waited longest
/// is found without a look at a clock. The words are written by the core's own thread, and stand
/// side by side: a search through 4,096 of them reads 32 KiB.
#[derive(Debug)]
pub(crate) struct ConnectionPlaces {
    places_max: usize,
    /// What a connection may be doing that is closed for another one.
    gives_way: &'static [ConnectionPhase],
    words: Box<[AtomicU64]>,
    tick: AtomicU64,
    rest: Mutex<Rest>,
}

#[derive(Debug)]
struct Rest {
    free: Vec<usize>,
    /// Connections that count: those that were not told to go.
    open: usize,
    /// The tick at each of the last rounds, the oldest first.
    rounds: VecDeque<u64>,
}

/// A connection may come in.
#[derive(Debug)]
pub(crate) struct Entered {
    pub(crate) place: ConnectionPlace,
    /// The place of the connection that is closed instead.
    pub(crate) instead_of: Option<usize>,
}

/// Why no connection may come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Full {
    /// No connection gives way.
    Busy,
    /// Those that were told to go are not gone yet: let them.
    Leaving,
}

impl ConnectionPlaces {
    /// Room for `places_max` connections, and for those that leave.
    pub(crate) fn new(places_max: usize, gives_way: &'static [ConnectionPhase]) -> Self {
        let all = places_max + LEAVING_MAX;
        Self {
            places_max,
            gives_way,
            words: (0..all).map(|_| AtomicU64::new(FREE)).collect(),
            tick: AtomicU64::new(0),
            rest: Mutex::new(Rest {
                free: (0..all).rev().collect(),
                open: 0,
                rounds: VecDeque::new(),
            }),
        }
    }

    /// The most places there are, free ones included, of those that leave too.
    pub(crate) fn all(&self) -> usize {
        self.words.len()
    }

    /// Decides whether one more connection may come in.
    ///
    /// Rule WIRE-27: when no place is left, the connection that has waited longest for a request is
    /// closed. One that has a request under way is never closed for another where requests are
    /// answered.
    pub(crate) fn enter(self: &Arc<Self>) -> Result<Entered, Full> {
        let mut rest = self.rest.lock();
        let instead_of = if rest.open < self.places_max {
            None
        } else {
            Some(self.longest(self.gives_way, None).ok_or(Full::Busy)?)
        };
        let index = rest.free.pop().ok_or(Full::Leaving)?;
        rest.open += 1;
        drop(rest);
        if let Some(leaving) = instead_of {
            self.leave(leaving, Dismissal::Place);
        }
        self.put(index, ConnectionPhase::Waiting);
        let place = ConnectionPlace {
            places: Arc::clone(self),
            index,
        };
        Ok(Entered { place, instead_of })
    }

    /// The connection that has waited longest for a request, told to go.
    pub(crate) fn dismiss_waiting(&self) -> Option<usize> {
        let found = self.longest(&[ConnectionPhase::Waiting], None)?;
        self.leave(found, Dismissal::Place);
        Some(found)
    }

    /// The connections that have waited for a request since [`ROUNDS`] rounds, told to go. To be asked
    /// again and again, each time after the same time.
    ///
    /// Rule WIRE-35: no connection waits longer than its bound.
    pub(crate) fn dismiss_overdue(&self) -> Vec<usize> {
        let mut rest = self.rest.lock();
        rest.rounds.push_back(self.tick.load(Ordering::Relaxed));
        if rest.rounds.len() <= usize::from(ROUNDS) {
            return Vec::new();
        }
        let Some(then) = rest.rounds.pop_front() else {
            return Vec::new();
        };
        drop(rest);
        let words = self.words.iter().enumerate();
        let overdue = words.filter(|(_, word)| {
            let word = word.load(Ordering::Relaxed);
            code(word) == ConnectionPhase::Waiting.code() && word >> CODE_BITS <= then
        });
        let overdue: Vec<usize> = overdue.map(|(index, _)| index).collect();
        for index in &overdue {
            self.leave(*index, Dismissal::Time);
        }
        overdue
    }

    /// How many connections do each of [`ConnectionPhase::ALL`].
    pub(crate) fn census(&self) -> [u64; ConnectionPhase::ALL.len()] {
        ConnectionPhase::ALL.map(|phase| {
            let doing = |word: &&AtomicU64| code(word.load(Ordering::Relaxed)) == phase.code();
            self.words.iter().filter(doing).count() as u64
        })
    }

    /// The place whose connection has done one of these for longest, `but` left out.
    fn longest(&self, phases: &[ConnectionPhase], but: Option<usize>) -> Option<usize> {
        let words = self.words.iter().enumerate();
        let doing = words.filter_map(|(index, word)| {
            let word = word.load(Ordering::Relaxed);
            let is_one = phases.iter().any(|phase| phase.code() == code(word));
            (is_one && Some(index) != but).then_some((word, index))
        });
        doing.min().map(|(_, index)| index)
    }

    fn leave(&self, index: usize, dismissal: Dismissal) {
        if let Some(word) = self.words.get(index) {
            word.store((dismissal as u64) << CODE_BITS | LEAVING, Ordering::Relaxed);
        }
        self.rest.lock().open -= 1;
    }

    fn put(&self, index: usize, phase: ConnectionPhase) {
        // A load and a store: the core's thread is the only one that writes.
        let tick = self.tick.load(Ordering::Relaxed) + 1;
        self.tick.store(tick, Ordering::Relaxed);
        if let Some(word) = self.words.get(index) {
            word.store(tick << CODE_BITS | phase.code(), Ordering::Relaxed);
        }
    }
}

const fn code(word: u64) -> u64 {
    word & ((1 << CODE_BITS) - 1)
}

/// A connection's place. Dropping it frees it.
#[derive(Debug)]
pub(crate) struct ConnectionPlace {
    places: Arc<ConnectionPlaces>,
    index: usize,
}

impl ConnectionPlace {
    /// Which one, counted from zero.
    pub(crate) const fn index(&self) -> usize {
        self.index
    }

    /// Puts down what the connection does from here on, unless it was told to go.
    pub(crate) fn set(&self, phase: ConnectionPhase) {
        if code(self.word()) != LEAVING {
            self.places.put(self.index, phase);
        }
    }

    /// What the connection was told to go for.
    pub(crate) fn dismissal(&self) -> Option<Dismissal> {
        let word = self.word();
        let told = [Dismissal::Place, Dismissal::Bytes, Dismissal::Time];
        let mut told = told.into_iter().filter(|_| code(word) == LEAVING);
        told.find(|dismissal| *dismissal as u64 == word >> CODE_BITS)
    }

    /// Whether the connection does this.
    pub(crate) fn is(&self, phase: ConnectionPhase) -> bool {
        code(self.word()) == phase.code()
    }

    /// The connection that has been stalled for longest but for this one, told to go.
    pub(crate) fn dismiss_stalled(&self) -> Option<usize> {
        let found = self
            .places
            .longest(&[ConnectionPhase::Stalled], Some(self.index))?;
        self.places.leave(found, Dismissal::Bytes);
        Some(found)
    }

    fn word(&self) -> u64 {
        let word = self.places.words.get(self.index);
        word.map_or(FREE, |word| word.load(Ordering::Relaxed))
    }
}

impl Drop for ConnectionPlace {
    fn drop(&mut self) {
        let Some(word) = self.places.words.get(self.index) else {
            return;
        };
        let counted = code(word.swap(FREE, Ordering::Relaxed)) != LEAVING;
        let mut rest = self.places.rest.lock();
        rest.free.push(self.index);
        if counted {
            rest.open -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entered(places: &Arc<ConnectionPlaces>) -> ConnectionPlace {
        let entered = places.enter().unwrap();
        assert_eq!(entered.instead_of, None);
        entered.place
    }

    /// Rule WIRE-27.
    #[test]
    fn the_connection_that_has_waited_longest_makes_room() {
        let places = Arc::new(ConnectionPlaces::new(3, &[ConnectionPhase::Waiting]));
        let [first, second, third] = [(); 3].map(|()| entered(&places));
        // The first one has had a request since, the second has one under way.
        second.set(ConnectionPhase::Serving);
        first.set(ConnectionPhase::Serving);
        first.set(ConnectionPhase::Waiting);
        let fourth = places.enter().unwrap();
        assert_eq!(fourth.instead_of, Some(third.index()));
        let fifth = places.enter().unwrap();
        assert_eq!(fifth.instead_of, Some(first.index()));
        assert_eq!(first.dismissal(), Some(Dismissal::Place));
        assert_eq!(second.dismissal(), None);
        // Who was told to go is not asked twice, and holds no place when it is gone.
        drop((third, first));
        assert_eq!(places.census(), [2, 0, 1, 0]);
        drop(fourth.place);
        let sixth = entered(&places);
        assert_eq!(places.census(), [2, 0, 1, 0]);
        drop((sixth, fifth.place, second));
        assert_eq!(places.census(), [0; 4]);
    }

    /// Rule WIRE-27.
    #[test]
    fn a_connection_with_a_request_under_way_is_never_closed_for_another() {
        let places = Arc::new(ConnectionPlaces::new(3, &[ConnectionPhase::Waiting]));
        let all = [
            ConnectionPhase::Reading,
            ConnectionPhase::Serving,
            ConnectionPhase::Stalled,
        ];
        let all = all.map(|phase| {
            let place = entered(&places);
            place.set(phase);
            place
        });
        assert_eq!(places.enter().unwrap_err(), Full::Busy);
        assert_eq!(places.dismiss_waiting(), None);
        assert_eq!(places.census(), [0, 1, 1, 1]);
        drop(all);
        drop(entered(&places));
    }

    /// Rule WIRE-28.
    #[test]
    fn where_connections_are_refused_the_slow_make_room_too() {
        let places = Arc::new(ConnectionPlaces::new(
            3,
            &[ConnectionPhase::Waiting, ConnectionPhase::Reading],
        ));
        let [reads, waits, answered] = [(); 3].map(|()| entered(&places));
        reads.set(ConnectionPhase::Reading);
        answered.set(ConnectionPhase::Serving);
        let fourth = places.enter().unwrap();
        assert_eq!(fourth.instead_of, Some(waits.index()));
        let fifth = places.enter().unwrap();
        assert_eq!(fifth.instead_of, Some(reads.index()));
        for place in [&fourth.place, &fifth.place] {
            place.set(ConnectionPhase::Serving);
        }
        assert_eq!(places.enter().unwrap_err(), Full::Busy);
    }

    #[test]
    fn those_who_leave_are_waited_for_when_they_are_many() {
        let places = Arc::new(ConnectionPlaces::new(1, &[ConnectionPhase::Waiting]));
        let mut leaving = vec![entered(&places)];
        for _ in 0..LEAVING_MAX {
            let next = places.enter().unwrap();
            assert_eq!(next.instead_of, leaving.last().map(ConnectionPlace::index));
            leaving.push(next.place);
        }
        assert_eq!(places.enter().unwrap_err(), Full::Leaving);
        // The newest is the only one that counts, and was not told to go in vain.
        assert_eq!(places.census(), [1, 0, 0, 0]);
        leaving.remove(0);
        assert!(places.enter().is_ok());
    }

    #[test]
    fn who_was_told_to_go_does_not_come_back() {
        let places = Arc::new(ConnectionPlaces::new(2, &[ConnectionPhase::Waiting]));
        let (leaving, staying) = (entered(&places), entered(&places));
        assert_eq!(places.dismiss_waiting(), Some(leaving.index()));
        leaving.set(ConnectionPhase::Serving);
        assert!(!leaving.is(ConnectionPhase::Serving));
        assert_eq!(places.census(), [1, 0, 0, 0]);
        drop((leaving, staying));
        assert_eq!(places.census(), [0; 4]);
    }

    /// Rule WIRE-35.
    #[test]
    fn who_has_waited_for_all_rounds_is_told_to_go() {
        let places = Arc::new(ConnectionPlaces::new(9, &[ConnectionPhase::Waiting]));
        let [silent, lively, busy] = [(); 3].map(|()| entered(&places));
        busy.set(ConnectionPhase::Serving);
        for _ in 0..ROUNDS {
            assert!(places.dismiss_overdue().is_empty());
            lively.set(ConnectionPhase::Serving);
            lively.set(ConnectionPhase::Waiting);
        }
        let late = entered(&places);
        assert_eq!(places.dismiss_overdue(), [silent.index()]);
        assert_eq!(silent.dismissal(), Some(Dismissal::Time));
        for _ in 1..ROUNDS {
            busy.set(ConnectionPhase::Waiting);
            assert!(places.dismiss_overdue().is_empty());
        }
        assert_eq!(places.dismiss_overdue(), [lively.index(), late.index()]);
        assert_eq!(lively.dismissal(), Some(Dismissal::Time));
        assert_eq!(busy.dismissal(), None);
    }

    #[test]
    fn the_longest_stalled_of_the_others_is_found() {
        let places = Arc::new(ConnectionPlaces::new(3, &[ConnectionPhase::Waiting]));
        let [first, second, third] = [(); 3].map(|()| entered(&places));
        assert_eq!(first.dismiss_stalled(), None);
        second.set(ConnectionPhase::Stalled);
        first.set(ConnectionPhase::Stalled);
        assert_eq!(second.dismiss_stalled(), Some(first.index()));
        assert_eq!(first.dismissal(), Some(Dismissal::Bytes));
        assert_eq!(second.dismiss_stalled(), None);
        assert_eq!(third.dismiss_stalled(), Some(second.index()));
    }
}
