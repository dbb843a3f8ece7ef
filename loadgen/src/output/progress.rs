use std::io::IsTerminal;
use std::time::Duration;

use portcullis_admin::{LoadSecond, TimelineLine};

use super::{RunFiles, millis};
use crate::print;
use crate::worker::RunJournal;

/// The timeline as it grows: to its file, and a line a second to stderr.
#[derive(Debug)]
pub(crate) struct Progress {
    files: Option<RunFiles>,
    shown: Shown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shown {
    /// The run is over before anybody has read a line.
    Not,
    /// One line, rewritten each second.
    InPlace,
    /// A line a second, for logs.
    Lines,
}

/// Runs up to this length show no progress.
const SHORT: Duration = Duration::from_secs(2);

impl Progress {
    pub(crate) fn new(files: Option<RunFiles>, duration: Duration) -> Self {
        let shown = if duration <= SHORT {
            Shown::Not
        } else if std::io::stderr().is_terminal() {
            Shown::InPlace
        } else {
            Shown::Lines
        };
        Self { files, shown }
    }

    /// Writes what has ended since the last call.
    pub(crate) fn note_all(&mut self, journal: &mut RunJournal) {
        for span in std::mem::take(&mut journal.ended_phases) {
            self.note(&TimelineLine::Phase(span));
        }
        for second in journal.recorder.take_closed() {
            self.show(&second);
            self.note(&TimelineLine::Second(second));
        }
    }

    /// Ends the line on the terminal. Gives the files.
    pub(crate) fn finish(&mut self) -> Option<RunFiles> {
        if self.shown == Shown::InPlace {
            print::note("");
        }
        self.shown = Shown::Not;
        self.files.take()
    }

    fn note(&mut self, line: &TimelineLine) {
        if let Some(files) = &mut self.files {
            files.append(line);
        }
    }

    fn show(&self, second: &LoadSecond) {
        match self.shown {
            Shown::Not => {}
            Shown::InPlace => print::replace(&line(second)),
            Shown::Lines => print::note(&line(second)),
        }
    }
}

fn line(second: &LoadSecond) -> String {
    let latency = |name: &str, micros: Option<u64>| {
        micros
            .map(|micros| format!("  {name} {}", millis(micros)))
            .unwrap_or_default()
    };
    let dropped = if second.shed > 0 {
        format!("  {} shed", second.shed)
    } else {
        String::new()
    };
    format!(
        "{:>5} s  {:<13} {:>7} ok {:>7} failed {:>6} late{dropped}{}{}",
        second.second + 1,
        second.phase.name(),
        second.succeeded,
        second.failed,
        second.late,
        latency("p50", second.latency_us_p50),
        latency("p99", second.latency_us_p99),
    )
}
