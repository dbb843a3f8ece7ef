//! What a server says while it runs: results on stdout, the log and notes on stderr.
//!
//! A server must not depend on who reads either of them. Every line goes through a bounded queue that
//! a thread of its own writes from, the message of a panic included.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::panic::PanicHookInfo;
use std::process::ExitCode;
use std::sync::Arc;

use portcullis_server::{DropCount, LineQueue, LineSink};
use serde_json::Value;
use tracing_subscriber::EnvFilter;

/// What may wait for stderr: some 8,000 lines of usual length.
const LOG_BYTES_MAX: usize = 1 << 20;

/// What may wait for stdout, which gets a line when a server is ready and one when a host joins again.
const RESULT_BYTES_MAX: usize = 64 << 10;

type Lines = LineQueue<Vec<u8>>;

/// The output of a server. Dropping it writes what waits, unless nothing is taken.
///
/// Rule OUT-02: whether stdout or stderr is blocked, closed or full, the server goes on and stops in
/// time.
#[derive(Debug)]
pub(crate) struct ServerOutput {
    results: Lines,
    log: Arc<Lines>,
}

impl ServerOutput {
    /// Sends the log and the messages of panics to stderr from here on. `PORTCULLIS_LOG` chooses
    /// what is logged, e.g. `debug` or `portcullis_kms=trace`.
    ///
    /// # Errors
    /// A text for the user.
    pub(crate) fn start() -> Result<Self, String> {
        let started = Self::open();
        let output = started.map_err(|error| {
            format!("The operating system gives no thread for the log: {error}.")
        })?;
        let filter = EnvFilter::try_from_env("PORTCULLIS_LOG")
            .unwrap_or_else(|_unset| EnvFilter::new("warn"));
        let log = Arc::clone(&output.log);
        tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_ansi(io::stderr().is_terminal())
            .log_internal_errors(false)
            .with_writer(move || LogWriter(Arc::clone(&log)))
            .init();
        let log = Arc::clone(&output.log);
        std::panic::set_hook(Box::new(move |panic| {
            offer(&log, message(panic).as_bytes());
        }));
        Ok(output)
    }

    fn open() -> io::Result<Self> {
        let stdout = io::stdout().as_fd().try_clone_to_owned()?;
        let stderr = io::stderr().as_fd().try_clone_to_owned()?;
        let results = Stream {
            name: "stdout",
            file: stdout.into(),
        };
        let log = Stream {
            name: "stderr",
            file: stderr.into(),
        };
        Ok(Self {
            results: LineQueue::start("stdout", RESULT_BYTES_MAX, results)?,
            log: Arc::new(LineQueue::start("stderr", LOG_BYTES_MAX, log)?),
        })
    }

    /// A result on one line of stdout, for scripts.
    pub(crate) fn result(&self, value: &Value) {
        offer(&self.results, value.to_string().as_bytes());
    }

    /// A line on stderr, for people.
    pub(crate) fn note(&self, text: &str) {
        offer(&self.log, text.as_bytes());
    }

    /// Waits until what was said is written, unless nothing is taken.
    pub(crate) fn flush(&self) {
        self.results.flush();
        self.log.flush();
    }

    /// The exit code of a server that ended so; says why it could not do what it was started for.
    pub(crate) fn end(self, outcome: Result<(), String>) -> ExitCode {
        match outcome {
            Ok(()) => ExitCode::SUCCESS,
            Err(why) => {
                self.note(&why);
                ExitCode::from(2)
            }
        }
    }

    /// Lines that the log lacks.
    pub(crate) fn log_drops(&self) -> DropCount {
        self.log.dropped()
    }
}

impl Drop for ServerOutput {
    fn drop(&mut self) {
        for queue in [&self.results, &*self.log] {
            // Where they could have been told is where they were not taken.
            let _left = queue.close();
        }
    }
}

/// `text` is one line or several, with or without the last line end.
fn offer(queue: &Lines, text: &[u8]) {
    let mut line = text.to_vec();
    if !line.ends_with(b"\n") {
        line.push(b'\n');
    }
    let bytes = line.len();
    queue.offer(line, bytes);
}

/// What the standard library prints of a panic.
fn message(panic: &PanicHookInfo<'_>) -> String {
    let thread = std::thread::current();
    let name = thread.name().unwrap_or("<unnamed>");
    // Made when RUST_BACKTRACE asks for it.
    let backtrace = Backtrace::capture();
    if backtrace.status() == BacktraceStatus::Captured {
        format!("thread '{name}' {panic}\n{backtrace}")
    } else {
        format!("thread '{name}' {panic}")
    }
}

/// Hands each event to the queue. The subscriber writes an event in one piece.
struct LogWriter(Arc<Lines>);

impl Write for LogWriter {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        offer(&self.0, event);
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// stdout or stderr, without the locks and buffers of the standard library.
struct Stream {
    name: &'static str,
    file: File,
}

impl LineSink for Stream {
    type Line = Vec<u8>;

    fn format(&mut self, line: &Vec<u8>, out: &mut Vec<u8>) {
        out.extend_from_slice(line);
    }

    fn format_gap(&mut self, missing: u64, out: &mut Vec<u8>) {
        let name = self.name;
        // Writing to memory does not fail.
        let _written = writeln!(
            out,
            "{missing} lines are missing here: {name} did not take them in time."
        );
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    /// A pipe never gets another reader.
    fn is_gone(&self, error: &io::Error) -> bool {
        error.kind() == io::ErrorKind::BrokenPipe
    }

    fn refused(&mut self, error: &io::Error) {
        // Of stderr it cannot be told; there the count says it.
        if self.name == "stdout" {
            tracing::warn!(%error, "stdout takes no lines");
        }
    }
}
