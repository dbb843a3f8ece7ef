//! Every reply is the service model's, and docs/operations.md says what there is of it.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests fail loudly"
)]

use portcullis_tests::{Portcullis, root};
use serde_json::Value;

const BEGIN: &str = "<!-- made by tests/conformance.rs -->\n";
const NEVER: &str = "<!-- made by tests/conformance.rs: never -->\n";
const END: &str = "<!-- end -->\n";

/// The page with another block where one begins with `mark`.
fn with_block(page: &str, mark: &str, block: &str) -> String {
    let (before, rest) = page.split_once(mark).unwrap();
    let (_old, after) = rest.split_once(END).unwrap();
    format!("{before}{block}{after}")
}

/// Rules CONF-01 and CONF-02. `conformance.py` walks the operations, and its table is compared with
/// the page; `PORTCULLIS_UPDATE=1` writes the page instead.
#[test]
fn every_operation_is_what_the_page_says() {
    let world = root().join("tests/clients/conformance.toml");
    let portcullis = Portcullis::up(&["--world", world.to_str().unwrap(), "--ephemeral"]);
    let told: Value = serde_json::from_str(&portcullis.python("conformance.py", &[])).unwrap();
    let rows = told["rows"].as_array().unwrap().iter();
    let rows: Vec<&str> = rows.map(|row| row.as_str().unwrap()).collect();
    assert_eq!(rows.len(), 74);
    let head = "| operation | state | what is not there |\n| --- | --- | --- |\n";
    let table = format!("{BEGIN}{head}{}\n{END}", rows.join("\n"));

    let never = told["never"].as_array().unwrap().iter();
    let never: Vec<&str> = never.map(|row| row.as_str().unwrap()).collect();
    let head = "| operation | exception | why it does not occur |\n| --- | --- | --- |\n";
    let reasons = format!("{NEVER}{head}{}\n{END}", never.join("\n"));

    let path = root().join("docs/operations.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let fresh = with_block(&with_block(&page, BEGIN, &table), NEVER, &reasons);
    if std::env::var_os("PORTCULLIS_UPDATE").is_some() {
        std::fs::write(&path, fresh).unwrap();
    } else {
        let why = "docs/operations.md is out of date: PORTCULLIS_UPDATE=1 cargo test -p \
                   portcullis-tests --test conformance writes it";
        assert_eq!(page, fresh, "{why}");
    }
}

/// Rules CONF-03, WIRE-20, WIRE-21 and WIRE-22. `validation.py` violates every constraint once.
#[test]
fn every_constraint_of_the_model_is_checked_in_the_services_words() {
    let portcullis = Portcullis::up(&["--world", "empty", "--ephemeral"]);
    portcullis.python("validation.py", &[]);
}

/// Rule CONF-07. Five seconds of what `fuzz/shapes.py` does for as long as one likes.
#[test]
fn requests_made_from_the_shapes_are_answered_and_memory_levels_off() {
    let portcullis = Portcullis::up(&["--world", "guide", "--ephemeral"]);
    let pid = portcullis.ready["pid"].to_string();
    let arguments = ["--seconds", "5", "--seed", "1", "--pid", &pid];
    portcullis.python("../../fuzz/shapes.py", &arguments);
    assert!(
        !portcullis.log().contains("panicked"),
        "{}",
        portcullis.log()
    );
}
