//! Circles: within a crate no file imports another that imports it, through however many files.
//!
//! Arrows are what `use` statements name. A re-export (`pub use`) is no arrow of its own: what is
//! imported through one is imported from where it is defined.

use std::collections::{BTreeMap, BTreeSet};

use super::{fail_if_any, rust_files};

/// The product's files of a crate: by the path of the module, the file and its text without tests.
type Crate = BTreeMap<String, (String, String)>;

/// For each module, what it imports: the other module, and the path as it is written.
type Imports = BTreeMap<String, BTreeSet<(String, String)>>;

/// What modules give on: by module and name, the path that is behind the name.
type ReExports = BTreeMap<(String, String), String>;

/// `a/b.rs` and `a/b/mod.rs` are `a::b`; the root is empty.
fn module_of(file: &str) -> String {
    let path = file.trim_end_matches(".rs");
    let path = path.strip_suffix("/mod").unwrap_or(path);
    match path {
        "lib" | "main" => String::new(),
        _ => path.replace('/', "::"),
    }
}

fn join(module: &str, name: &str) -> String {
    if module.is_empty() {
        name.to_owned()
    } else {
        format!("{module}::{name}")
    }
}

fn parent(module: &str) -> &str {
    module.rsplit_once("::").map_or("", |(parent, _)| parent)
}

/// The statements that begin a line: whether each is a re-export, and its tree.
fn statements(text: &str) -> Vec<(bool, &str)> {
    let mut found = Vec::new();
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let start = line.trim_start();
        let words = if start.starts_with("pub(") {
            start.split_once(' ').map_or(start, |(_, rest)| rest)
        } else {
            start.strip_prefix("pub ").unwrap_or(start)
        };
        if words.starts_with("use ") {
            let from = at + line.len() - words.len() + "use ".len();
            let tree = text[from..].split(';').next().unwrap();
            found.push((start.starts_with("pub"), tree));
        }
        at += line.len();
    }
    found
}

/// The paths of a tree, each with the name that it is known by.
fn expand(tree: &str) -> Vec<(String, String)> {
    let Some((prefix, rest)) = tree.split_once('{') else {
        let (path, name) = tree.split_once(" as ").unwrap_or((tree, tree));
        let path = path.trim().replace("r#", "");
        let name = name.trim().rsplit("::").next().unwrap().to_owned();
        return if path.is_empty() {
            Vec::new()
        } else {
            vec![(path, name)]
        };
    };
    let inside = rest.rsplit_once('}').map_or(rest, |(inside, _)| inside);
    let mut depth = 0;
    let branches = inside.split(|letter| {
        depth += i32::from(letter == '{') - i32::from(letter == '}');
        letter == ',' && depth == 0
    });
    let branches = branches.map(str::trim).filter(|branch| !branch.is_empty());
    branches
        .flat_map(|branch| expand(&format!("{}{branch}", prefix.trim())))
        .collect()
}

/// The module of this crate in which what a path of `module` names is defined; none when it is in
/// another crate.
fn resolve(files: &Crate, given_on: &ReExports, module: &str, path: &str) -> Option<String> {
    let mut names = path.split("::").peekable();
    let mut at = match *names.peek()? {
        "crate" => String::new(),
        "self" | "super" => module.to_owned(),
        child if files.contains_key(&join(module, child)) => module.to_owned(),
        _ => return None,
    };
    for name in names {
        let child = join(&at, name);
        if name == "super" {
            at = parent(&at).to_owned();
        } else if files.contains_key(&child) {
            at = child;
        } else if let Some(behind) = given_on.get(&(at.clone(), name.to_owned())) {
            // What is given on from another crate counts as the module's own.
            at = resolve(files, given_on, &at, behind).unwrap_or(at);
        }
    }
    Some(at)
}

fn imports(files: &Crate) -> Imports {
    let mut given_on = ReExports::new();
    let mut imported = Vec::new();
    for (module, (_, text)) in files {
        for (is_re_export, tree) in statements(text) {
            for (path, name) in expand(tree) {
                if is_re_export {
                    given_on.insert((module.clone(), name), path);
                } else {
                    imported.push((module, path));
                }
            }
        }
    }
    let mut imports = Imports::new();
    for (module, path) in imported {
        let from = resolve(files, &given_on, module, &path);
        if let Some(other) = from.filter(|other| other != module) {
            let of = imports.entry(module.clone()).or_default();
            of.insert((other, path));
        }
    }
    imports
}

/// Every module that can be reached from this one.
fn reached<'a>(imports: &'a Imports, module: &'a str) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut open = vec![module];
    while let Some(module) = open.pop() {
        for (other, _) in imports.get(module).into_iter().flatten() {
            if reached.insert(other.as_str()) {
                open.push(other);
            }
        }
    }
    reached
}

/// The circles of a crate: for each, its files and the imports that make it.
fn circles(files: &Crate) -> Vec<String> {
    let imports = imports(files);
    let reach: BTreeMap<&str, BTreeSet<&str>> = imports
        .keys()
        .map(|module| (module.as_str(), reached(&imports, module)))
        .collect();
    let reaches = |from: &str, to: &str| reach.get(from).is_some_and(|of| of.contains(to));
    let mut circles = Vec::new();
    let mut seen = BTreeSet::new();
    for module in reach.keys().filter(|module| reaches(module, module)) {
        let there_and_back = |other: &&str| reaches(module, other) && reaches(other, module);
        let circle: BTreeSet<&str> = reach.keys().copied().filter(there_and_back).collect();
        if !seen.insert(circle.clone()) {
            continue;
        }
        let mut told = format!("{} files import each other:", circle.len());
        for member in &circle {
            let of = imports[*member].iter();
            for (other, path) in of.filter(|(other, _)| circle.contains(other.as_str())) {
                let (file, other) = (&files[*member].0, &files[other].0);
                told.push_str(&format!("\n    {file} -> {other}: {path}"));
            }
        }
        circles.push(told);
    }
    circles
}

fn crate_of<'a>(listed: impl IntoIterator<Item = (&'a str, &'a str)>) -> Crate {
    let entry = |(file, text): (&str, &str)| {
        let text = text.split("#[cfg(test)]\nmod ").next().unwrap();
        (module_of(file), (file.to_owned(), text.to_owned()))
    };
    listed.into_iter().map(entry).collect()
}

#[test]
fn no_files_of_a_crate_import_each_other() {
    let mut crates: BTreeMap<&str, Vec<(&str, String)>> = BTreeMap::new();
    for (file, text) in rust_files() {
        let is_test = file.ends_with("tests.rs") || file.contains("/tests/");
        if let Some(at) = file.find("src/").filter(|_| !is_test) {
            let (folder, rest) = file.split_at(at + "src/".len());
            crates.entry(folder).or_default().push((rest, text));
        }
    }
    assert!(crates.len() > 15, "{} crates", crates.len());
    let mut findings = Vec::new();
    for (folder, listed) in &crates {
        let texts = listed.iter().map(|(file, text)| (*file, text.as_str()));
        let found = circles(&crate_of(texts));
        findings.extend(found.iter().map(|circle| format!("{folder}: {circle}")));
    }
    fail_if_any("circles of files: move what both need down", &findings);
}

#[test]
fn a_circle_is_found_through_trees_parents_and_re_exports() {
    let tree = [
        ("lib.rs", "mod a;\nmod b;\npub use b::Inner;\n"),
        (
            "a.rs",
            "use std::fmt;\n\nuse crate::{\n    b::{self, Outer},\n    d,\n};\n",
        ),
        ("b/mod.rs", "mod c;\npub(crate) use c::Inner;\n"),
        (
            "b/c.rs",
            "use super::super::a::Thing;\n\n#[cfg(test)]\nmod tests {\n    use crate::e;\n}\n",
        ),
        ("d.rs", "use crate::Inner as Other;\n"),
        ("e.rs", "use crate::{a, d};\n"),
    ];
    let expected = "3 files import each other:\n    a.rs -> d.rs: crate::d\n    \
                    b/c.rs -> a.rs: super::super::a::Thing\n    d.rs -> b/c.rs: crate::Inner";
    assert_eq!(circles(&crate_of(tree)), [expected]);
    let without = tree.into_iter().filter(|(file, _)| *file != "d.rs");
    assert_eq!(circles(&crate_of(without)), Vec::<String>::new());
}
