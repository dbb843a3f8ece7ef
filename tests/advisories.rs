//! No locked package falls under a known advisory, and none was never looked up.
#![allow(clippy::unwrap_used, reason = "tests fail loudly")]

use std::collections::BTreeSet;

use portcullis_tests::root;
use semver::{Version, VersionReq};
use serde::Deserialize;

const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// What advisories.toml says; its head explains the fields.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AdvisoryList {
    looked_up: BTreeSet<String>,
    #[serde(rename = "advisory")]
    advisories: Vec<Advisory>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advisory {
    id: String,
    package: String,
    title: String,
    kind: AdvisoryKind,
    patched: Vec<VersionReq>,
    #[serde(default)]
    unaffected: Vec<VersionReq>,
    withdrawn: Option<String>,
    accepted: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum AdvisoryKind {
    Vulnerability,
    Unsound,
    Unmaintained,
    Notice,
}

impl Advisory {
    /// Whether `version` has what the advisory is about. A pre-release counts as affected unless a
    /// range names one of the same version: rather one alarm too many.
    fn covers(&self, package: &str, version: &Version) -> bool {
        self.package == package
            && self.withdrawn.is_none()
            && !self
                .patched
                .iter()
                .chain(&self.unaffected)
                .any(|range| range.matches(version))
    }
}

#[derive(Deserialize)]
struct LockFile {
    #[serde(rename = "package")]
    packages: Vec<LockedPackage>,
}

#[derive(Deserialize)]
struct LockedPackage {
    name: String,
    version: Version,
    /// Absent for the packages of the workspace.
    source: Option<String>,
}

/// What is wrong with `lock`, one sentence each.
fn findings(lock: &LockFile, list: &AdvisoryList) -> Vec<String> {
    let mut findings = Vec::new();
    for package in &lock.packages {
        let Some(source) = &package.source else {
            continue;
        };
        let LockedPackage { name, version, .. } = package;
        if source != CRATES_IO {
            findings.push(format!(
                "{name} {version} comes from {source}: advisories are about versions of crates.io"
            ));
        }
        if !list.looked_up.contains(name) {
            findings.push(format!(
                "{name} {version} was never looked up: read crates/{name} of \
                 https://github.com/rustsec/advisory-db, add its entries and its name to \
                 advisories.toml"
            ));
        }
        let open = |advisory: &&Advisory| advisory.accepted.is_none();
        let covering = list
            .advisories
            .iter()
            .filter(|one| one.covers(name, version));
        for advisory in covering.filter(open) {
            findings.push(format!(
                "{name} {version}: {}, {:?}: {}. Update it (patched: {}), or say in \
                 advisories.toml why it is accepted",
                advisory.id,
                advisory.kind,
                advisory.title,
                ranges(&advisory.patched)
            ));
        }
    }
    findings
}

fn ranges(patched: &[VersionReq]) -> String {
    if patched.is_empty() {
        return "no version".to_owned();
    }
    let texts: Vec<String> = patched.iter().map(VersionReq::to_string).collect();
    texts.join(" or ")
}

/// What is wrong with the list itself; `locks` are all lock files that it speaks about.
fn mistakes(locks: &[LockFile], list: &AdvisoryList) -> Vec<String> {
    let mut mistakes = Vec::new();
    let mut ids = BTreeSet::new();
    for advisory in &list.advisories {
        let Advisory { id, package, .. } = advisory;
        if !ids.insert(id) {
            mistakes.push(format!("{id} is listed twice"));
        }
        if !list.looked_up.contains(package) {
            mistakes.push(format!("{id}: {package} is not among those looked up"));
        }
        let Some(reason) = &advisory.accepted else {
            continue;
        };
        if reason.trim().is_empty() {
            mistakes.push(format!("{id} is accepted without a reason"));
        }
        let covered = locks
            .iter()
            .flat_map(|lock| &lock.packages)
            .any(|locked| advisory.covers(&locked.name, &locked.version));
        if !covered {
            mistakes.push(format!("{id} is accepted, but no locked version has it"));
        }
    }
    mistakes
}

fn list() -> AdvisoryList {
    let text = std::fs::read_to_string(root().join("advisories.toml")).unwrap();
    toml::from_str(&text).unwrap()
}

fn lock(file: &str) -> LockFile {
    let text = std::fs::read_to_string(root().join(file)).unwrap();
    toml::from_str(&text).unwrap()
}

#[test]
fn no_locked_package_falls_under_a_known_advisory() {
    let list = list();
    let locks = [lock("Cargo.lock"), lock("fuzz/Cargo.lock")];
    let mut findings: Vec<String> = locks
        .iter()
        .flat_map(|lock| findings(lock, &list))
        .collect();
    findings.extend(mistakes(&locks, &list));
    assert!(findings.is_empty(), "{}", findings.join("\n"));
}

/// The lock file of one package of crates.io, and of one of the workspace.
fn locked(name: &str, version: &str) -> LockFile {
    locked_from(CRATES_IO, name, version)
}

fn locked_from(source: &str, name: &str, version: &str) -> LockFile {
    let text = format!(
        "[[package]]\nname = \"portcullis\"\nversion = \"0.1.0\"\n\
         [[package]]\nname = \"{name}\"\nversion = \"{version}\"\nsource = \"{source}\"\n"
    );
    toml::from_str(&text).unwrap()
}

#[test]
fn the_repaired_version_passes_and_the_one_before_does_not() {
    let list = list();
    let cases: &[(&str, &str, Option<&str>)] = &[
        ("quinn-proto", "0.11.14", Some("RUSTSEC-2026-0185")),
        ("quinn-proto", "0.11.15", None),
        ("rustls", "0.23.44", Some("RUSTSEC-2026-0285")),
        ("rustls", "0.23.45", None),
        // Before both mistakes were made.
        ("rustls", "0.23.12", None),
        ("hyper", "0.14.9", Some("RUSTSEC-2021-0078")),
        ("hyper", "1.0.0", None),
        // A range in the middle: repaired in 1.38.2 and its successors, and again from 1.43.1.
        ("tokio", "1.38.1", Some("RUSTSEC-2025-0023")),
        ("tokio", "1.38.2", None),
        ("tokio", "1.39.0", Some("RUSTSEC-2025-0023")),
        // Never affected before, and withdrawn.
        ("slab", "0.4.9", None),
        ("slab", "0.4.10", Some("RUSTSEC-2025-0047")),
        ("ring", "0.17.14", None),
        // No version is repaired.
        ("rustls-pemfile", "99.0.0", Some("RUSTSEC-2025-0134")),
        // Pre-releases: repaired, affected, and repaired though no range of an older entry says so.
        ("ml-dsa", "0.1.0-rc.3", None),
        ("ml-dsa", "0.1.0-rc.2", Some("RUSTSEC-2025-0144")),
        (
            "rustls-webpki",
            "0.104.0-alpha.7",
            Some("RUSTSEC-2023-0053"),
        ),
    ];
    for (name, version, id) in cases {
        let found = findings(&locked(name, version), &list);
        let named = id.is_none_or(|id| found.iter().any(|line| line.contains(id)));
        assert!(named, "{name} {version}: {id:?} is not in {found:?}");
        assert_eq!(
            id.is_none(),
            found.is_empty(),
            "{name} {version}: {found:?}"
        );
    }
}

#[test]
fn what_was_never_looked_up_or_comes_from_elsewhere_is_named() {
    let found = findings(&locked("left-pad", "1.0.0"), &list());
    assert!(found.concat().contains("crates/left-pad"), "{found:?}");
    assert_eq!(found.len(), 1, "{found:?}");

    let elsewhere = locked_from("git+https://example.com/quinn", "quinn", "0.11.12");
    let found = findings(&elsewhere, &list());
    assert!(found.concat().contains("example.com"), "{found:?}");
    assert_eq!(found.len(), 1, "{found:?}");
}

#[test]
fn an_accepted_advisory_needs_a_reason_and_a_package_that_has_it() {
    let row = "id = \"RUSTSEC-2025-0134\"\npackage = \"rustls-pemfile\"\ntitle = \"archived\"\n\
               kind = \"unmaintained\"\npatched = []\n";
    let list = |accepted: &str| -> AdvisoryList {
        let text = format!("looked_up = [\"rustls-pemfile\"]\n[[advisory]]\n{row}{accepted}");
        toml::from_str(&text).unwrap()
    };
    let lock = locked("rustls-pemfile", "2.2.0");
    assert_eq!(findings(&lock, &list("")).len(), 1);

    let accepted = list("accepted = \"reads only files that this process wrote\"");
    assert_eq!(findings(&lock, &accepted), [""; 0]);
    assert_eq!(mistakes(&[lock], &accepted), [""; 0]);

    let gone = mistakes(&[locked("quinn", "0.11.12")], &accepted);
    assert!(gone.concat().contains("no locked version"), "{gone:?}");
    let lock = locked("rustls-pemfile", "2.2.0");
    let silent = mistakes(&[lock], &list("accepted = \" \""));
    assert!(silent.concat().contains("without a reason"), "{silent:?}");
}

#[test]
fn a_list_with_mistakes_is_refused() {
    let twice = "looked_up = []\n\
        [[advisory]]\nid = \"A\"\npackage = \"p\"\ntitle = \"t\"\nkind = \"notice\"\npatched = []\n\
        [[advisory]]\nid = \"A\"\npackage = \"p\"\ntitle = \"t\"\nkind = \"notice\"\npatched = []\n";
    let found = mistakes(&[], &toml::from_str(twice).unwrap()).join(" ");
    assert!(found.contains("listed twice"), "{found}");
    assert!(found.contains("not among those looked up"), "{found}");
    let misspelt = twice.replace("patched", "pached");
    assert!(toml::from_str::<AdvisoryList>(&misspelt).is_err());
}
