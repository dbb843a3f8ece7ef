//! The text format in which Prometheus reads metrics.

use std::fmt::Write as _;

/// Starts a metric.
pub(crate) fn header(page: &mut String, name: &str, kind: &str, help: &str) {
    // Writing to a string does not fail.
    let _written = write!(page, "# HELP {name} {help}.\n# TYPE {name} {kind}\n");
}

/// Adds one sample of a metric, with its labels, to the page.
pub(crate) fn line(page: &mut String, name: &str, labels: &str, value: impl std::fmt::Display) {
    let _written = if labels.is_empty() {
        writeln!(page, "{name} {value}")
    } else {
        writeln!(page, "{name}{{{labels}}} {value}")
    };
}
