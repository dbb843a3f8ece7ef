//! Results on stdout, everything else on stderr, without a panic where they are not taken.

use std::fmt::Arguments;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::OnceLock;

/// Why stdout took no more.
static REFUSED: OnceLock<io::Error> = OnceLock::new();

/// A line of a result.
pub(crate) fn line(text: Arguments<'_>) {
    if let Err(error) = writeln!(io::stdout().lock(), "{text}") {
        // The first reason stays.
        let _later = REFUSED.set(error);
    }
}

/// A line beside the result.
pub(crate) fn note(text: Arguments<'_>) {
    drop(writeln!(io::stderr().lock(), "{text}"));
}

/// The exit code of a run: a reader that has gone away has read enough, and what could not be written
/// for another reason is told.
pub(crate) fn end(code: ExitCode) -> ExitCode {
    match REFUSED.get() {
        Some(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            note(format_args!(
                "The result could not be written to stdout: {error}."
            ));
            ExitCode::from(2)
        }
        Some(_) | None => code,
    }
}
