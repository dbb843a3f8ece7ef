//! A measured server as a process of its own.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

/// What a server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerKind {
    /// Portcullis with the world `quickstart`; it verifies signatures.
    Facade,
    /// The same, and it records no events.
    Silent,
    /// A bare hyper.
    Echo,
}

/// A running server. It ends when this is dropped.
#[derive(Debug)]
pub struct ServerProcess {
    /// Where it is reached.
    pub endpoint: Endpoint,
    child: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
}

/// Where a server is reached, and what it can be asked about.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// Where it listens.
    pub address: SocketAddr,
    /// The key that it has; no key of an echo.
    pub key: String,
}

/// What was allocated.
#[derive(Debug, Clone, Copy)]
pub struct Allocations {
    /// How many times.
    pub count: f64,
    /// Bytes in all.
    pub bytes: f64,
}

#[expect(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "a benchmark may fail loudly"
)]
impl ServerProcess {
    /// Starts `program` (`bench-server`), under the command `under` when that is not empty.
    #[must_use]
    pub fn start(program: &str, kind: ServerKind, under: &[&str]) -> Self {
        let kind = match kind {
            ServerKind::Facade => "facade",
            ServerKind::Silent => "silent",
            ServerKind::Echo => "echo",
        };
        let words: Vec<&str> = [under, &[program, kind]].concat();
        let (first, rest) = words.split_first().unwrap();
        let mut child = Command::new(first)
            .args(rest)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let commands = child.stdin.take().unwrap();
        let mut answers = BufReader::new(child.stdout.take().unwrap());
        let line = read_line(&mut answers);
        let (address, key) = line.split_once(' ').unwrap();
        Self {
            endpoint: Endpoint {
                address: address.parse().unwrap(),
                key: key.to_owned(),
            },
            child,
            commands,
            answers,
        }
    }

    /// Of the process.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Processor time of all its threads so far, in microseconds; zero where Linux does not tell it.
    #[must_use]
    pub fn cpu_us(&self) -> f64 {
        cpu_us_of(&self.id().to_string())
    }

    /// What it allocates while `work` goes on.
    pub fn allocations(&mut self, work: impl FnOnce() -> Duration) -> Allocations {
        writeln!(self.commands, "count").unwrap();
        let _took = work();
        writeln!(self.commands, "counted").unwrap();
        let line = read_line(&mut self.answers);
        let (count, bytes) = line.split_once(' ').unwrap();
        Allocations {
            count: count.parse().unwrap(),
            bytes: bytes.parse().unwrap(),
        }
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _waited = self.child.wait();
    }
}

/// Processor time of all threads of a process so far, in microseconds; zero where Linux does not tell it.
#[must_use]
pub fn cpu_us_of(process: &str) -> f64 {
    let threads = std::fs::read_dir(format!("/proc/{process}/task"))
        .into_iter()
        .flatten()
        .flatten();
    threads
        .filter_map(|thread| std::fs::read_to_string(thread.path().join("schedstat")).ok())
        .filter_map(|text| text.split(' ').next()?.parse::<f64>().ok())
        .sum::<f64>()
        / 1e3
}

#[expect(clippy::unwrap_used, reason = "a benchmark may fail loudly")]
fn read_line(from: &mut impl BufRead) -> String {
    let mut line = String::new();
    from.read_line(&mut line).unwrap();
    line.trim_end().to_owned()
}
