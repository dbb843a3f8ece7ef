use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{Receiver, Sender, channel};

use super::*;

/// How long a test waits for what must come.
const DEADLINE: Duration = Duration::from_secs(60);

/// What a destination does with one attempt to write.
enum Attempt {
    /// Takes so many bytes at most.
    Take(usize),
    Refuse,
}

/// A destination that waits to be told what to do with each attempt, and takes everything once
/// the test has nothing more to say.
struct Scripted {
    attempts: Receiver<Attempt>,
    taken: Sender<u8>,
    is_another: Arc<AtomicBool>,
}

impl LineSink for Scripted {
    type Line = &'static str;

    fn format(&mut self, line: &&'static str, out: &mut Vec<u8>) {
        out.extend_from_slice(format!("{line}\n").as_bytes());
    }

    fn format_gap(&mut self, missing: u64, out: &mut Vec<u8>) {
        out.extend_from_slice(format!("{missing} missing\n").as_bytes());
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let bytes_max = match self.attempts.recv() {
            Ok(Attempt::Refuse) => return Err(io::ErrorKind::StorageFull.into()),
            Ok(Attempt::Take(bytes_max)) => bytes_max,
            Err(_nothing_more) => usize::MAX,
        };
        let taken = bytes_max.min(bytes.len());
        for byte in &bytes[..taken] {
            self.taken.send(*byte).unwrap();
        }
        Ok(taken)
    }

    fn renew(&mut self) -> io::Result<bool> {
        Ok(self.is_another.swap(false, Ordering::Relaxed))
    }
}

/// A queue of at most `bytes_max` bytes, and both ends of its destination.
struct Bench {
    queue: LineQueue<&'static str>,
    attempts: Sender<Attempt>,
    taken: Receiver<u8>,
    is_another: Arc<AtomicBool>,
}

impl Bench {
    fn new(bytes_max: usize) -> Self {
        let ((attempts, told), (take, taken)) = (channel(), channel());
        let is_another = Arc::new(AtomicBool::new(false));
        let sink = Scripted {
            attempts: told,
            taken: take,
            is_another: Arc::clone(&is_another),
        };
        Self {
            queue: LineQueue::start("scripted", bytes_max, sink).unwrap(),
            attempts,
            taken,
            is_another,
        }
    }

    fn offer(&self, lines: &[&'static str]) {
        lines.iter().for_each(|line| self.queue.offer(line, 1));
    }

    fn allow(&self, attempts: impl IntoIterator<Item = Attempt>) {
        for attempt in attempts {
            self.attempts.send(attempt).unwrap();
        }
    }

    /// Waits for so many bytes of the destination.
    fn take(&self, bytes: usize) -> String {
        let taken = (0..bytes).map(|_| self.taken.recv_timeout(DEADLINE).unwrap());
        String::from_utf8(taken.collect()).unwrap()
    }

    /// Lets the destination take everything, closes, and gives what it took and what is left over.
    fn end(self) -> (String, u64) {
        drop(self.attempts);
        let left = self.queue.close();
        let taken = self.taken.try_iter().collect();
        (String::from_utf8(taken).unwrap(), left)
    }
}

/// Rule OUT-01.
#[test]
fn a_full_queue_drops_lines_counts_them_and_says_where_they_are_missing() {
    let bench = Bench::new(3);
    bench.offer(&["a", "b", "c", "d", "e"]);
    assert_eq!(bench.queue.dropped().get(), 2);
    // This one needs no room.
    bench.queue.offer("f", 0);
    let (taken, left) = bench.end();
    assert_eq!((taken.as_str(), left), ("a\nb\nc\n2 missing\nf\n", 0));
}

/// Rule OUT-01.
#[test]
fn a_gap_is_told_although_no_line_comes_after_it() {
    let bench = Bench::new(1);
    bench.offer(&["a", "b"]);
    bench.allow([Attempt::Take(8), Attempt::Take(64)]);
    assert_eq!(bench.take(12), "a\n1 missing\n");
}

/// Rule OUT-01.
#[test]
fn what_a_destination_refuses_is_tried_again_from_the_byte_where_it_stopped() {
    let bench = Bench::new(64);
    bench.offer(&["first"]);
    bench.allow([Attempt::Refuse, Attempt::Take(2), Attempt::Refuse]);
    bench.allow([Attempt::Take(64)]);
    assert_eq!(bench.take(6), "first\n");
    bench.offer(&["second"]);
    let (taken, left) = bench.end();
    assert_eq!((taken.as_str(), left), ("second\n", 0));
}

/// Rule EV-08.
#[test]
fn a_new_destination_gets_the_line_that_was_begun_as_a_whole() {
    let bench = Bench::new(64);
    bench.offer(&["first"]);
    bench.allow([Attempt::Take(2)]);
    assert_eq!(bench.take(2), "fi");
    bench.is_another.store(true, Ordering::Relaxed);
    bench.allow([Attempt::Refuse, Attempt::Take(64)]);
    assert_eq!(bench.take(6), "first\n");
}

/// Rule OUT-02.
#[test]
fn a_close_leaves_a_destination_that_takes_nothing() {
    let bench = Bench::new(64);
    bench.offer(&["a", "b"]);
    assert_eq!(bench.queue.close(), 2);
    bench.offer(&["c"]);
    assert_eq!(bench.queue.dropped().get(), 3);
}
