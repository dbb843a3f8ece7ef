//! The one place where commands write to stdout and stderr: results to stdout, everything else to
//! stderr.
//!
//! What prints need not look whether it worked: a command goes on, and [`end`] says in its exit code
//! what became of its result. So a load run whose reader has left still gives its verdict.

use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::OnceLock;

use serde::Serialize;

/// The exit code of a command whose result could not be written, as of any that could not be
/// carried out.
const UNUSABLE: u8 = 2;

/// Why stdout took no more. A process has one stdout, and so one of these.
static REFUSED: OnceLock<io::Error> = OnceLock::new();

/// A result on one line, for scripts.
pub fn json_line(value: &impl Display) {
    write(format_args!("{value}\n"));
}

/// A result over several lines of JSON.
pub fn json(value: &impl Serialize) {
    match serde_json::to_string_pretty(value) {
        Ok(text) => line(&text),
        Err(error) => note(&format!("The result cannot be printed: {error}.")),
    }
}

/// As [`json`], with the members of every object in the order of their names, as the admin API answers.
pub fn sorted_json(value: &impl Serialize) {
    match serde_json::to_value(value) {
        Ok(sorted) => json(&sorted),
        Err(error) => note(&format!("The result cannot be printed: {error}.")),
    }
}

/// A line of a result.
pub fn line(text: &str) {
    write(format_args!("{text}\n"));
}

/// A result of many lines, each with its end.
pub fn text(text: &str) {
    write(format_args!("{text}"));
}

/// A question, with the cursor left behind it.
pub fn prompt(text: &str) {
    write(format_args!("{text}"));
}

fn write(text: std::fmt::Arguments<'_>) {
    if REFUSED.get().is_some() {
        return;
    }
    let mut stdout = io::stdout().lock();
    if let Err(error) = stdout.write_fmt(text).and_then(|()| stdout.flush()) {
        // The first reason stays.
        let _later = REFUSED.set(error);
    }
}

/// A line beside the result. When stderr takes nothing it is lost.
pub fn note(text: &str) {
    drop(writeln!(io::stderr().lock(), "{text}"));
}

/// A line that takes the place of the last one, on a terminal.
pub fn replace(text: &str) {
    let mut stderr = io::stderr().lock();
    drop(write!(stderr, "\r\u{1b}[2K{text}").and_then(|()| stderr.flush()));
}

/// The exit code of a command that ends with `code`, after its last line.
///
/// Rule OUT-03: a reader that has gone away, as `head` does, has read enough: the command's own code
/// stands. Rule OUT-04: a result that could not be written for another reason is told on stderr, and
/// the code is 2.
#[must_use]
pub fn end(code: ExitCode) -> ExitCode {
    match REFUSED.get() {
        Some(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            note(&format!(
                "The result could not be written to stdout: {error}. Make room, or send it \
                 elsewhere, and run the command again."
            ));
            ExitCode::from(UNUSABLE)
        }
        Some(_) | None => code,
    }
}

/// Shows what clap has to say about a command line: help and versions are results.
#[must_use]
pub fn end_of_parsing(said: &clap::Error) -> ExitCode {
    if said.use_stderr() {
        drop(write!(io::stderr().lock(), "{said}"));
        ExitCode::from(UNUSABLE)
    } else {
        text(&said.to_string());
        end(ExitCode::SUCCESS)
    }
}

/// How the columns of a table line up, all but the first, which is text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Columns {
    /// At the left.
    Texts,
    /// At the right.
    Numbers,
}

/// A table whose columns are as wide as their widest cell. The first row is the heading.
pub fn table(columns: Columns, rows: &[Vec<String>]) {
    for row in layout(columns, rows) {
        line(&row);
    }
}

fn layout(columns: Columns, rows: &[Vec<String>]) -> Vec<String> {
    let count = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or_default()
    };
    let widths: Vec<usize> = (0..count).map(width).collect();
    let aligned = |(column, (cell, width)): (usize, (&String, &usize))| {
        if column == 0 || columns == Columns::Texts {
            format!("{cell:<width$}")
        } else {
            format!("{cell:>width$}")
        }
    };
    let row = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).enumerate().map(aligned);
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let rows = [["name", "calls"], ["a longer name", "7"]];
        let rows: Vec<Vec<String>> = rows
            .iter()
            .map(|row| row.iter().map(|cell| (*cell).to_owned()).collect())
            .collect();
        assert_eq!(
            layout(Columns::Numbers, &rows),
            ["name           calls", "a longer name      7"]
        );
        assert_eq!(
            layout(Columns::Texts, &rows),
            ["name           calls", "a longer name  7"]
        );
    }
}
