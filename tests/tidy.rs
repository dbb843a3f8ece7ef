//! The tree checks itself: layers, sizes, rule citations, words, licences, duplicate versions.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test of the tree may fail loudly"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use serde_json::Value;

#[path = "tidy/circles.rs"]
mod circles;
#[path = "tidy/types.rs"]
mod types;

/// Crates by layer, lowest first; a row is read from left to right, and a dependency points to a
/// lower row or to the left within its own.
const LAYERS: &[&[&str]] = &[
    &[
        "portcullis-wiped",
        "portcullis-seam",
        "portcullis-api",
        "portcullis-admin",
        "portcullis-sigv4",
        "portcullis-policy",
        "portcullis-attest",
    ],
    &["portcullis-hsm"],
    &[
        "portcullis-link",
        "portcullis-store",
        "portcullis-clusters",
        "portcullis-time",
    ],
    &["portcullis-fleet"],
    &["portcullis-cloudhsm", "portcullis-kms"],
    &["portcullis-console", "portcullis-server", "portcullis-sim"],
    &["portcullis-worlds"],
    &[
        "portcullis-loadgen",
        "portcullis",
        "portcullis-benches",
        "portcullis-tests",
    ],
];

/// Services that know nothing of each other: neither may depend on the other, except in tests.
const SIBLINGS: [&str; 2] = ["portcullis-cloudhsm", "portcullis-kms"];

/// A library and the only crates that may depend on it.
const CONFINED: &[(&str, &[&str])] = &[
    ("quinn", &["portcullis-link"]),
    ("redb", &["portcullis-store"]),
    ("axum", &["portcullis-server"]),
    (
        "hyper",
        &[
            "portcullis-server",
            "portcullis-loadgen",
            "portcullis",
            "portcullis-benches",
            "portcullis-tests",
        ],
    ),
];

/// Packages of which two versions are built, each with its reason. The list may only shrink.
const DUPLICATES: &[(&str, &str)] = &[
    (
        "base64",
        "two generations of other people's dependencies; the newer arrives with rcgen",
    ),
    ("nom", "7 by x509-parser, 8 by hdrhistogram"),
    ("untrusted", "0.7 by aws-lc-rs, 0.9 by rustls-webpki"),
    ("syn", "2 by most derive macros, 3 by the newest"),
];

const LICENCES: &[&str] = &[
    "Apache-2.0",
    "MIT",
    "ISC",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "Unicode-3.0",
    "Zlib",
    "Unlicense",
    "BSL-1.0",
    "OpenSSL",
    "CC0-1.0",
    "MIT-0",
    "CDLA-Permissive-2.0",
    "0BSD",
];

/// Words that do not belong into the tree. Split, so that this file does not find itself.
const BANNED: &[(&str, &str)] = &[
    (concat!("../sha", "red"), "the project stands alone"),
    (concat!(".libr", "ary/"), "the project stands alone"),
    (concat!("/wo", "rk/"), "no path of one machine"),
    (concat!("TO", "DO"), "file an issue, or do it"),
    (concat!("FIX", "ME"), "fix it"),
    (concat!("XX", "X"), "say what is wrong"),
    (
        concat!("design", ".md"),
        "ARCHITECTURE.md is the project's own",
    ),
    (
        concat!("facts", ".md"),
        "docs/behaviour.md is the project's own",
    ),
];

const FILE_LINES_MAX: usize = 800;
const GENERATED_LINES_MAX: usize = 1500;
const FUNCTION_LINES_MAX: usize = 70;

static ROOT: LazyLock<PathBuf> = LazyLock::new(|| {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_path_buf()
});

static TRACKED: LazyLock<Vec<String>> = LazyLock::new(|| {
    let listed = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(&*ROOT)
        .output()
        .expect("git lists the files of the tree");
    let mut files: Vec<String> = String::from_utf8(listed.stdout)
        .unwrap()
        .lines()
        .filter(|file| ROOT.join(file).is_file())
        .map(str::to_owned)
        .collect();
    files.sort();
    assert!(!files.is_empty(), "git knows no file here");
    files
});

static METADATA: LazyLock<Value> = LazyLock::new(|| {
    let printed = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--locked", "--offline"])
        .args(["--filter-platform", "x86_64-unknown-linux-gnu"])
        .current_dir(&*ROOT)
        .output()
        .expect("cargo describes the workspace");
    assert!(
        printed.status.success(),
        "{}",
        String::from_utf8_lossy(&printed.stderr)
    );
    serde_json::from_slice(&printed.stdout).unwrap()
});

fn read(file: &str) -> String {
    String::from_utf8_lossy(&std::fs::read(ROOT.join(file)).unwrap()).into_owned()
}

fn rust_files() -> impl Iterator<Item = (&'static str, String)> {
    TRACKED
        .iter()
        .filter(|file| file.ends_with(".rs"))
        .map(|file| (file.as_str(), read(file)))
}

fn is_generated(text: &str) -> bool {
    text.lines()
        .next()
        .is_some_and(|line| line.contains("@generated"))
}

fn fail_if_any(what: &str, findings: &[String]) {
    assert!(findings.is_empty(), "{what}:\n  {}", findings.join("\n  "));
}

fn packages() -> impl Iterator<Item = &'static Value> {
    METADATA["packages"].as_array().unwrap().iter()
}

fn ours(package: &Value) -> bool {
    package["source"].is_null()
}

#[test]
fn dependencies_point_down() {
    let place: BTreeMap<&str, (usize, usize)> = LAYERS
        .iter()
        .enumerate()
        .flat_map(|(row, names)| {
            names
                .iter()
                .enumerate()
                .map(move |(at, name)| (*name, (row, at)))
        })
        .collect();
    let mut findings = Vec::new();
    for package in packages().filter(|package| ours(package)) {
        let name = package["name"].as_str().unwrap();
        let Some(here) = place.get(name) else {
            findings.push(format!(
                "{name} stands in no layer: give it one in tests/tidy.rs"
            ));
            continue;
        };
        for dependency in package["dependencies"].as_array().unwrap() {
            let other = dependency["name"].as_str().unwrap();
            let development = dependency["kind"] == "dev";
            let up = place.get(other).is_some_and(|there| there >= here);
            let across = SIBLINGS.contains(&name) && SIBLINGS.contains(&other);
            if (up || across) && !development {
                findings.push(format!("{name} must not depend on {other}"));
            }
        }
    }
    fail_if_any("dependencies that point up", &findings);
}

#[test]
fn each_library_stays_behind_its_crate() {
    let mut findings = Vec::new();
    for package in packages().filter(|package| ours(package)) {
        let name = package["name"].as_str().unwrap();
        for dependency in package["dependencies"].as_array().unwrap() {
            let library = dependency["name"].as_str().unwrap();
            let confined = CONFINED.iter().find(|(confined, _)| *confined == library);
            if confined.is_some_and(|(_, users)| !users.contains(&name)) {
                findings.push(format!("{name} must not depend on {library}"));
            }
        }
    }
    fail_if_any("libraries outside their crate", &findings);
}

#[test]
fn every_entry_of_the_workspace_has_a_user() {
    let root = read("Cargo.toml");
    let table = root.split_once("[workspace.dependencies]\n").unwrap().1;
    let table = table.split("\n[").next().unwrap();
    let entries = table.lines().filter_map(|line| line.split_once(" = "));
    let manifests = TRACKED.iter().filter(|file| file.ends_with("/Cargo.toml"));
    let manifests: Vec<String> = manifests.map(|file| read(file)).collect();
    let is_used = |name: &str| {
        let short = format!("{name}.workspace");
        let long = format!("{name} = {{ workspace");
        let mut lines = manifests.iter().flat_map(|manifest| manifest.lines());
        lines.any(|line| line.starts_with(&short) || line.starts_with(&long))
    };
    let unused = entries.filter(|(name, _)| !is_used(name));
    let unused: Vec<String> = unused.map(|(name, _)| name.to_owned()).collect();
    fail_if_any("entries of the workspace that no crate uses", &unused);
}

#[test]
fn every_crate_takes_the_workspaces_lints() {
    let findings: Vec<String> = TRACKED
        .iter()
        .filter(|file| file.ends_with("/Cargo.toml") && !file.starts_with("fuzz/"))
        .filter(|file| !read(file).contains("[lints]\nworkspace = true"))
        .cloned()
        .collect();
    fail_if_any("manifests without `[lints] workspace = true`", &findings);
}

#[test]
fn files_fit_a_head() {
    let mut findings = Vec::new();
    for (file, text) in rust_files() {
        let lines = text.lines().count();
        let limit = if is_generated(&text) {
            GENERATED_LINES_MAX
        } else {
            FILE_LINES_MAX
        };
        if lines > limit {
            findings.push(format!("{file}: {lines} lines, at most {limit}"));
        }
    }
    fail_if_any("files that hold more than one idea", &findings);
}

/// The lengths of a file's functions as rustfmt lays them out: from the line with `fn` to the
/// closing brace in the same column, signature and braces not counted.
fn function_lengths(text: &str) -> Vec<(String, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut lengths = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let trimmed = line.trim_start();
        let head = trimmed.split('(').next().unwrap_or_default();
        let is_function = head.split_whitespace().any(|word| word == "fn")
            && !trimmed.starts_with("//")
            && !head.contains('"')
            && !head.contains('=');
        if !is_function {
            continue;
        }
        let indent = line.len() - trimmed.len();
        let close = format!("{}}}", " ".repeat(indent));
        let Some(open) = (start..lines.len()).find(|at| lines[*at].ends_with('{')) else {
            continue;
        };
        if (start..open).any(|at| lines[at].ends_with(';')) {
            continue;
        }
        if let Some(end) = (open + 1..lines.len()).find(|at| lines[*at] == close) {
            let name = head.split("fn ").nth(1).unwrap_or(head).to_owned();
            lengths.push((name, end - open - 1));
        }
    }
    lengths
}

#[test]
fn functions_fit_a_screen() {
    let mut findings = Vec::new();
    let mut all = Vec::new();
    for (file, text) in rust_files().filter(|(_, text)| !is_generated(text)) {
        for (name, lines) in function_lengths(&text) {
            if lines > FUNCTION_LINES_MAX {
                findings.push(format!("{file}: {name} has {lines} lines"));
            }
            all.push(lines);
        }
    }
    fail_if_any(
        &format!("functions over {FUNCTION_LINES_MAX} lines"),
        &findings,
    );
    all.sort_unstable();
    let (median, tenth) = (all[all.len() / 2], all[all.len() * 9 / 10]);
    eprintln!(
        "{} functions: median {median} lines, nine in ten at most {tenth}",
        all.len()
    );
    assert!(
        median <= 8,
        "the median function has {median} lines, at most 8 are wanted"
    );
    assert!(
        tenth <= 30,
        "a tenth of the functions have over {tenth} lines, 30 are wanted"
    );
}

/// The ids in `text` that follow the word "Rule", also in lists: `Rule KS-01, KS-02`.
fn cited(text: &str) -> BTreeSet<String> {
    let is_id = |word: &str| {
        word.split_once('-').is_some_and(|(family, number)| {
            (2..=5).contains(&family.len())
                && family.bytes().all(|byte| byte.is_ascii_uppercase())
                && number.len() == 2
                && number.bytes().all(|byte| byte.is_ascii_digit())
        })
    };
    let mut ids = BTreeSet::new();
    for (at, _) in text.match_indices("Rule") {
        let after = text[at..]
            .trim_start_matches("Rules")
            .trim_start_matches("Rule");
        for word in after
            .split([' ', ',', '\n', '/'])
            .filter(|word| !word.is_empty())
            .take(12)
        {
            let word = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
            if is_id(word) {
                ids.insert(word.to_owned());
            } else if word != "and" && !word.is_empty() {
                break;
            }
        }
    }
    ids
}

#[test]
fn every_rule_is_kept_in_code_and_shown_by_a_test() {
    let rows: Vec<String> = read("docs/behaviour.md")
        .lines()
        .filter_map(|line| line.strip_prefix("| "))
        .filter_map(|row| row.split(" |").next())
        .filter(|id| id.contains('-') && id.bytes().next().is_some_and(|b| b.is_ascii_uppercase()))
        .map(str::to_owned)
        .collect();
    let listed: BTreeSet<String> = rows.iter().cloned().collect();
    let (mut code, mut tests) = (BTreeSet::new(), BTreeSet::new());
    for (file, text) in rust_files() {
        let black_box = file.contains("tests/") || file.ends_with("tests.rs");
        let (product, test) = match text.find("#[cfg(test)]\nmod ") {
            Some(at) if !black_box => text.split_at(at),
            _ if black_box => ("", text.as_str()),
            _ => (text.as_str(), ""),
        };
        code.extend(cited(product));
        tests.extend(cited(test));
    }
    assert!(
        listed.len() > 20,
        "docs/behaviour.md lists {} rules",
        listed.len()
    );
    let mut findings = Vec::new();
    let twice = |id: &&String| rows.iter().filter(|row| row == id).count() > 1;
    findings.extend(
        listed
            .iter()
            .filter(twice)
            .map(|id| format!("{id}: listed twice")),
    );
    findings.extend(
        listed
            .difference(&code)
            .map(|id| format!("{id}: cited in no code")),
    );
    findings.extend(
        listed
            .difference(&tests)
            .map(|id| format!("{id}: cited in no test")),
    );
    let all: BTreeSet<String> = code.union(&tests).cloned().collect();
    findings.extend(
        all.difference(&listed)
            .map(|id| format!("{id}: not in docs/behaviour.md")),
    );
    fail_if_any("rules of docs/behaviour.md", &findings);
}

#[test]
fn banned_words_are_absent() {
    let mut findings = Vec::new();
    // Digests and pictures hold every short word some day.
    let is_text = |file: &&String| {
        let ends = ["Cargo.lock", "package-lock.json", ".png"];
        !ends.iter().any(|end| file.ends_with(end))
    };
    for file in TRACKED.iter().filter(is_text) {
        if file.starts_with("fuzz/corpus") {
            continue;
        }
        for (number, line) in read(file).lines().enumerate() {
            for (word, reason) in BANNED {
                if line.contains(word) {
                    findings.push(format!("{file}:{}: {word:?}: {reason}", number + 1));
                }
            }
        }
    }
    fail_if_any("words that do not belong here", &findings);
}

/// Sleeps of tests that wait for no state, each with its reason.
const SLEEPS: &[(&str, usize, &str)] = &[
    (
        "crates/kms/tests/situations.rs",
        1,
        "what has arrived at an HSM's device and is not answered is seen by nobody",
    ),
    (
        "loadgen/tests/fake/mod.rs",
        1,
        "a server that takes as long as it was told to",
    ),
    (
        "tests/kill.rs",
        3,
        "when to kill, and how fast to edit, is drawn",
    ),
];

/// Whether the line at `at` is repeated until something is so, or is on a clock that stands still: it
/// goes through the blocks around the line, up to the function.
fn waits_for_a_state(lines: &[&str], at: usize) -> bool {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let mut inner = indent(lines[at]);
    for above in (0..at).rev().filter(|above| !lines[*above].is_empty()) {
        if indent(lines[above]) >= inner {
            continue;
        }
        inner = indent(lines[above]);
        let block = lines[above].trim_start();
        if ["loop {", "while ", "for _ in "]
            .iter()
            .any(|it| block.starts_with(it))
        {
            return true;
        }
        if block.contains("fn ") {
            let attributes = lines[..above].iter().rev();
            let mut attributes = attributes.take_while(|line| line.trim_start().starts_with('#'));
            return attributes.any(|line| line.contains("start_paused"));
        }
    }
    false
}

#[test]
fn tests_wait_for_a_state_and_not_for_a_time() {
    let mut findings = Vec::new();
    let ends = [".rs", ".py"];
    for file in TRACKED
        .iter()
        .filter(|file| ends.iter().any(|end| file.ends_with(end)))
    {
        let text = read(file);
        let is_test =
            file.starts_with("tests/") || file.contains("tests/") || file.ends_with("tests.rs");
        let from = if is_test {
            Some(0)
        } else {
            text.find("#[cfg(test)]\nmod ")
        };
        // Where every test stops the clock, so do those that their helpers are for.
        let paused = text.matches("start_paused").count();
        let all_paused = paused > 0 && paused == text.matches("::test").count();
        let Some(from) = from.filter(|_| !all_paused) else {
            continue;
        };
        let lines: Vec<&str> = text[from..].lines().collect();
        let sleeps = (0..lines.len()).filter(|at| {
            let code = lines[*at].split("//").next().unwrap();
            let is_sleep = code.contains("sleep(") && !code.contains('"');
            is_sleep && !waits_for_a_state(&lines, *at)
        });
        let sleeps: Vec<&str> = sleeps.map(|at| lines[at].trim()).collect();
        let listed = SLEEPS.iter().find(|(name, ..)| name == file);
        let permitted = listed.map_or(0, |(_, count, _)| *count);
        if sleeps.len() != permitted {
            findings.push(format!("{file}: {sleeps:?}, listed are {permitted}"));
        }
    }
    fail_if_any(
        "sleeps of a fixed time: wait for the state, with a deadline",
        &findings,
    );
}

#[test]
fn no_test_is_ignored() {
    let attribute = concat!("#[ign", "ore");
    let findings: Vec<String> = rust_files()
        .filter(|(_, text)| text.contains(attribute))
        .map(|(file, _)| file.to_owned())
        .collect();
    fail_if_any("ignored tests: assert what is, with the reason", &findings);
}

#[test]
fn every_licence_is_permissive() {
    let mut findings = Vec::new();
    for package in packages().filter(|package| !ours(package)) {
        let name = package["name"].as_str().unwrap();
        let Some(licence) = package["license"].as_str() else {
            findings.push(format!("{name}: names no licence"));
            continue;
        };
        // `A OR B`, `A/B`: one permitted choice is enough. `(A) AND (B OR C)`: each part counts.
        let permitted = licence.split(" AND ").all(|part| {
            part.replace(['(', ')'], "")
                .replace('/', " OR ")
                .split(" OR ")
                .any(|one| LICENCES.contains(&one.trim().split(" WITH ").next().unwrap()))
        });
        if !permitted {
            findings.push(format!("{name}: {licence}"));
        }
    }
    fail_if_any("licences that are not on the list", &findings);
}

/// cargo-deny has to be installed and goes to the network: what it says is said here too.
#[test]
fn deny_toml_permits_what_is_permitted_here() {
    let deny: toml::Table = toml::from_str(&read("deny.toml")).unwrap();
    let licences: BTreeSet<&str> = deny["licenses"]["allow"]
        .as_array()
        .unwrap()
        .iter()
        .map(|licence| licence.as_str().unwrap())
        .collect();
    assert_eq!(licences, LICENCES.iter().copied().collect());
    let skipped: BTreeSet<&str> = deny["bans"]["skip"]
        .as_array()
        .unwrap()
        .iter()
        .map(|skip| skip["crate"].as_str().unwrap().split('@').next().unwrap())
        .collect();
    assert_eq!(skipped, DUPLICATES.iter().map(|(name, _)| *name).collect());
}

#[test]
fn no_package_is_built_in_two_versions_without_a_reason() {
    // The Rust SDK is a client of the tests; what only it pulls in is never part of the product.
    let printed = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--workspace",
            "--exclude",
            "portcullis-tests",
            "--locked",
            "--offline",
        ])
        .args([
            "--edges",
            "normal,build",
            "--prefix",
            "none",
            "--format",
            "{p}",
        ])
        .current_dir(&*ROOT)
        .output()
        .unwrap();
    let mut versions: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in String::from_utf8(printed.stdout).unwrap().lines() {
        let mut words = line.split(' ');
        if let (Some(name), Some(version)) = (words.next(), words.next()) {
            versions
                .entry(name.to_owned())
                .or_default()
                .insert(version.to_owned());
        }
    }
    let double: BTreeSet<&str> = versions
        .iter()
        .filter(|(_, versions)| versions.len() > 1)
        .map(|(name, _)| name.as_str())
        .collect();
    let known: BTreeSet<&str> = DUPLICATES.iter().map(|(name, _)| *name).collect();
    let fresh: Vec<String> = double
        .difference(&known)
        .map(|name| format!("{name} {:?}", versions[*name]))
        .collect();
    fail_if_any("packages in two versions", &fresh);
    let gone: Vec<String> = known
        .difference(&double)
        .map(|name| (*name).to_owned())
        .collect();
    fail_if_any("no longer double: take them off the list", &gone);
}

#[test]
fn the_changelog_speaks_to_users() {
    let text = read("CHANGELOG.md");
    assert!(text.starts_with("# Changelog"));
    let allowed = [
        "### Added",
        "### Changed",
        "### Fixed",
        "### Removed",
        "### Security",
    ];
    let findings: Vec<String> = text
        .lines()
        .filter(|line| line.starts_with("### ") && !allowed.contains(line))
        .map(str::to_owned)
        .collect();
    fail_if_any("headings that say nothing to a user", &findings);
    assert!(
        !text.to_lowercase().contains("internal:"),
        "internal changes are not entries"
    );
}

#[test]
fn documents_are_in_the_index_and_their_links_lead_somewhere() {
    let index = read("docs/README.md");
    let mut findings = Vec::new();
    for file in TRACKED.iter().filter(|file| file.ends_with(".md")) {
        let name = file
            .strip_prefix("docs/")
            .filter(|name| *name != "README.md");
        if name.is_some_and(|name| !index.contains(&format!("]({name})"))) {
            findings.push(format!("{file} is not in docs/README.md"));
        }
        let folder = Path::new(file).parent().unwrap();
        let text = read(file);
        let targets = text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next());
        for target in targets.filter(|target| !target.contains("://")) {
            let (path, heading) = target.split_once('#').unwrap_or((target, ""));
            let path = if path.is_empty() {
                ROOT.join(file)
            } else {
                ROOT.join(folder).join(path)
            };
            if !path.exists() || !(heading.is_empty() || headings(&path).contains(heading)) {
                findings.push(format!("{file}: {target} is not there"));
            }
        }
    }
    fail_if_any("documents", &findings);
}

/// The headings of a document as links name them.
fn headings(document: &Path) -> BTreeSet<String> {
    let text = std::fs::read_to_string(document).unwrap();
    let headings = text.lines().filter(|line| line.starts_with('#'));
    let named = headings.map(|line| {
        let words = line.trim_start_matches('#').trim().to_lowercase();
        let kept = words
            .chars()
            .filter(|it| it.is_alphanumeric() || " -_".contains(*it));
        kept.map(|it| if it == ' ' { '-' } else { it }).collect()
    });
    named.collect()
}

#[test]
fn what_the_architecture_names_exists() {
    let text = read("ARCHITECTURE.md");
    let lines = text.lines().count();
    assert!(
        lines < 400,
        "ARCHITECTURE.md has {lines} lines; under 400 are wanted"
    );
    let findings: Vec<String> = text
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|word| word.contains('/') && !word.contains(' ') && !word.contains("://"))
        .filter(|word| {
            Path::new(word)
                .extension()
                .is_some_and(|ext| ext == "rs" || ext == "md")
                || word.starts_with("crates/")
        })
        .filter(|word| !ROOT.join(word.trim_end_matches('/')).exists())
        .map(str::to_owned)
        .collect();
    fail_if_any("named in ARCHITECTURE.md but not there", &findings);
}

#[test]
fn scripts_can_be_run() {
    use std::os::unix::fs::PermissionsExt;
    for script in ["run", "test", ".ci/run"] {
        let mode = std::fs::metadata(ROOT.join(script))
            .unwrap()
            .permissions()
            .mode();
        assert!(mode & 0o100 != 0, "{script} is not executable");
    }
    assert!(read(".ci/run").contains("./test"));
}

/// A file of tests that no package has as a target never runs: tests/auth.rs once did not.
#[test]
fn every_file_of_tests_or_benchmarks_is_a_target() {
    let targets = packages().filter(|package| ours(package));
    let targets: BTreeSet<&str> = targets
        .flat_map(|package| package["targets"].as_array().unwrap())
        .map(|target| target["src_path"].as_str().unwrap())
        .collect();
    let findings: Vec<String> = TRACKED
        .iter()
        .filter(|file| {
            let folders: Vec<&str> = file.split('/').collect();
            let stands_alone = matches!(
                folders[..],
                ["tests", _] | ["benches", "benches", _] | ["crates", _, "tests", _]
            );
            stands_alone && file.ends_with(".rs")
        })
        .filter(|file| !targets.contains(ROOT.join(file).to_str().unwrap()))
        .cloned()
        .collect();
    fail_if_any("no target of its package", &findings);
}
