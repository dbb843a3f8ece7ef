//! Types: where their methods stand, and how many have one name.

use std::collections::{BTreeMap, BTreeSet};

use super::{fail_if_any, is_generated, rust_files};

/// Files in which the methods of one type may stand.
const METHOD_FILES_MAX: usize = 6;

/// The product's own files, without generated ones and tests: the crate's folder, the file, its text.
fn product_files() -> impl Iterator<Item = (&'static str, &'static str, String)> {
    rust_files().filter_map(|(file, text)| {
        let at = file.find("/src/")? + "/src/".len();
        let is_test = file.ends_with("tests.rs") || file.contains("/tests/");
        let text = text.split("#[cfg(test)]\nmod tests {").next()?.to_owned();
        (!is_test && !is_generated(&text)).then(|| (file.get(..at).unwrap(), file, text))
    })
}

/// The name that is defined at the beginning of a line after one of these words.
fn name_after<'a>(line: &'a str, words: &[&str]) -> Option<&'a str> {
    let line = ["pub(crate) ", "pub(super) ", "pub "]
        .iter()
        .find_map(|visible| line.strip_prefix(visible))
        .unwrap_or(line);
    let rest = words.iter().find_map(|word| line.strip_prefix(word))?;
    rest.split(|letter: char| !letter.is_alphanumeric() && letter != '_')
        .next()
}

/// A line of code should be able to touch little: state belongs to a type whose methods fit a head.
#[test]
fn the_methods_of_a_type_stand_together() {
    let mut files: BTreeMap<(&str, String), BTreeSet<&str>> = BTreeMap::new();
    for (folder, file, text) in product_files() {
        for line in text.lines().filter(|line| !line.contains(" for ")) {
            if let Some(name) = name_after(line, &["impl "]) {
                let of = files.entry((folder, name.to_owned())).or_default();
                of.insert(file);
            }
        }
    }
    assert!(files.len() > 300, "{} types", files.len());
    let findings: Vec<String> = files
        .iter()
        .filter(|(_, files)| files.len() > METHOD_FILES_MAX)
        .map(|((folder, name), files)| {
            let count = files.len();
            format!("{name} in {folder}: {count} files, at most {METHOD_FILES_MAX}")
        })
        .collect();
    fail_if_any("types whose methods are scattered", &findings);
}

#[test]
fn no_type_is_defined_twice_within_a_crate() {
    let kinds = ["struct ", "enum ", "trait ", "type ", "union "];
    let mut found: BTreeMap<(&str, String), BTreeSet<&str>> = BTreeMap::new();
    for (folder, file, text) in product_files() {
        // The shapes of the two services have the names that AWS gave them.
        if folder == "crates/api/src/" {
            continue;
        }
        for line in text.lines() {
            if let Some(name) = name_after(line, &kinds) {
                let of = found.entry((folder, name.to_owned())).or_default();
                of.insert(file);
            }
        }
    }
    assert!(found.len() > 900, "{} types", found.len());
    let twice = found.iter().filter(|(_, files)| files.len() > 1);
    let findings: Vec<String> = twice
        .map(|((_, name), files)| format!("{name}: {files:?}"))
        .collect();
    fail_if_any("names of two types in one crate", &findings);
}
