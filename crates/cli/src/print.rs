//! The one place that writes to stdout and stderr: results to stdout, everything else to stderr.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "this is where printing belongs"
)]

use serde_json::Value;

/// A result on one line, for scripts.
pub(crate) fn json_line(value: &Value) {
    println!("{value}");
}

/// A result over several lines, for people who read JSON.
pub(crate) fn json_pretty(value: &Value) {
    println!("{value:#}");
}

/// A line of a result.
pub(crate) fn line(text: &str) {
    println!("{text}");
}

/// A question, with the cursor left behind it.
pub(crate) fn prompt(text: &str) {
    use std::io::Write;
    print!("{text}");
    let _nobody_sees_it = std::io::stdout().flush();
}

/// A line beside the result.
pub(crate) fn note(text: &str) {
    eprintln!("{text}");
}

/// A table whose columns are as wide as their widest cell. The first row is the heading.
pub(crate) fn table(rows: &[Vec<String>]) {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let widths: Vec<usize> = (0..columns)
        .map(|column| {
            let cells = rows.iter().filter_map(|row| row.get(column));
            cells
                .map(|cell| cell.chars().count())
                .max()
                .unwrap_or_default()
        })
        .collect();
    for row in rows {
        let cells = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:<width$}"));
        println!("{}", cells.collect::<Vec<_>>().join("  ").trim_end());
    }
}
