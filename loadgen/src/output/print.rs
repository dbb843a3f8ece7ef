//! The one place that writes to stdout and stderr: results to stdout, everything else to stderr.
#![expect(clippy::print_stderr, reason = "this is where printing belongs")]

use std::io::{self, Write};

use serde::Serialize;

/// A result over several lines of JSON.
pub(crate) fn json(value: &impl Serialize) {
    match serde_json::to_string_pretty(value) {
        Ok(text) => line(&text),
        Err(error) => note(&format!("The result cannot be printed: {error}.")),
    }
}

/// A line of a result. A reader who has gone away, as `head` does, has read enough.
pub(crate) fn line(text: &str) {
    drop(writeln!(io::stdout().lock(), "{text}"));
}

/// A line beside the result.
pub(crate) fn note(text: &str) {
    eprintln!("{text}");
}

/// A line that takes the place of the last one, on a terminal.
pub(crate) fn replace(text: &str) {
    let mut stderr = io::stderr().lock();
    drop(write!(stderr, "\r\u{1b}[2K{text}").and_then(|()| stderr.flush()));
}

/// A table whose columns are as wide as their widest cell. The first row is the heading; the first
/// column is text, the others are numbers.
pub(crate) fn table(rows: &[Vec<String>]) {
    for row in layout(rows) {
        line(&row);
    }
}

fn layout(rows: &[Vec<String>]) -> Vec<String> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or_default()
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    rows.iter()
        .map(|row| {
            let cells = row
                .iter()
                .zip(&widths)
                .enumerate()
                .map(|(column, (cell, width))| {
                    if column == 0 {
                        format!("{cell:<width$}")
                    } else {
                        format!("{cell:>width$}")
                    }
                });
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        })
        .collect()
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
            layout(&rows),
            ["name           calls", "a longer name      7"]
        );
    }
}
