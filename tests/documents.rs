//! What the documents show is what happens: their marked blocks are run as they stand.
#![allow(clippy::unwrap_used, reason = "tests fail loudly")]

use portcullis_tests::{Portcullis, block, root, up_as_documented};

/// The shell blocks of `document` that follow `<!-- run: MARK -->`, as one script.
fn script(document: &str, mark: &str) -> String {
    let text = std::fs::read_to_string(root().join(document)).unwrap();
    let marker = format!("<!-- run: {mark} -->\n```\n");
    let blocks: Vec<&str> = text
        .split(&marker)
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap())
        .collect();
    assert!(!blocks.is_empty(), "{document} has no block {mark}");
    blocks.concat()
}

#[test]
fn the_tour_of_the_readme_works_as_printed() {
    let portcullis = Portcullis::up(&["--world", "guide", "--ephemeral"]);
    let printed = portcullis.shell(&script("README.md", "tour"));
    assert!(printed.contains("the gate is down"), "{printed}");
    assert!(printed.contains("attack at dawn"), "{printed}");
    let summary = std::fs::read_to_string(portcullis.home().join("out/summary.json")).unwrap();
    let summary: serde_json::Value = serde_json::from_str(&summary).unwrap();
    assert_eq!(summary.get("gate_leaks"), Some(&0.into()));
    assert_eq!(summary.get("wrong_plaintexts"), Some(&0.into()));
}

#[test]
fn the_repair_is_rehearsed_as_the_readme_says() {
    let portcullis = Portcullis::up(&["--world", "guide", "--ephemeral"]);
    let printed = portcullis.shell(&script("README.md", "rehearse"));
    for part in ["outage", "lost keys", "partition", "\"undone\": 1"] {
        assert!(printed.contains(part), "{part}: {printed}");
    }
}

#[test]
fn a_plaintext_is_for_an_enclave_only_as_the_chapter_on_enclaves_says() {
    let portcullis = Portcullis::up(&["--world", "quickstart", "--ephemeral"]);
    let printed = portcullis.shell(&script("docs/enclaves.md", "enclave"));
    assert!(printed.contains("attack at dawn"), "{printed}");
}

#[test]
fn policies_and_grants_decide_as_the_chapter_on_them_says() {
    let arguments = ["--auth", "enforce"];
    let (portcullis, _folder) = up_as_documented("docs/auth.md", "world", &arguments);
    let printed = portcullis.shell(&script("docs/auth.md", "auth"));
    for part in [
        "assumed-role/Deploy/build-7",
        "alice may not disable it",
        "bob is of another account",
        "GrantToken",
        "not without the context",
        "alice is denied",
    ] {
        assert!(printed.contains(part), "{part}: {printed}");
    }
}

/// The script of the chapter is the one that is built in.
#[test]
fn the_chapter_on_chaos_shows_the_rehearsal_as_it_is() {
    let shown = block("docs/chaos.md", "script", "toml");
    let file = root().join("crates/cli/chaos/substitution.toml");
    assert_eq!(shown, std::fs::read_to_string(file).unwrap());
}

/// Rule CL-32 on the way.
#[test]
fn a_key_store_is_built_from_nothing_as_the_chapter_says() {
    let portcullis = Portcullis::up(&["--world", "empty", "--ephemeral"]);
    let users = portcullis.shell(&script("docs/from-empty.md", "from-empty"));
    assert!(users.contains("kmsuser"), "{users}");
    assert!(users.contains("\"cluster-coverage\": \"full\""), "{users}");
    assert_eq!(
        users.matches("HsmCertificate.pem: OK").count(),
        2,
        "{users}"
    );
    assert!(users.contains("the request is that of the HSM"), "{users}");
}

/// The hosts run in the background of the shell, which takes them along when it ends.
#[test]
fn a_cluster_runs_on_hosts_as_the_chapter_on_hosts_says() {
    let portcullis = Portcullis::up(&["--world", "empty", "--ephemeral"]);
    let script = script("docs/hosts.md", "hosts");
    let stop = "trap 'kill $(jobs -p)' EXIT; unset PORTCULLIS_HOST_TOKEN\n";
    let printed = portcullis.shell(&format!("{stop}{script}"));
    for expected in ["IDLE", "SERVING", "LOST", "HSM created on host 1."] {
        assert!(printed.contains(expected), "{expected}: {printed}");
    }
}

#[test]
fn users_and_keys_are_managed_as_the_chapter_on_the_cloudhsm_cli_says() {
    let portcullis = Portcullis::up(&["--world", "guide", "--ephemeral"]);
    let printed = portcullis.shell(&script("docs/cloudhsm-cli.md", "cloudhsm-cli"));
    for expected in [
        "Key shared successfully",
        "Key deleted successfully",
        "arn:aws:kms:us-east-1:",
        "Successfully replicated key",
        "\"total_key_count\": 1",
    ] {
        assert!(printed.contains(expected), "{expected}: {printed}");
    }
}

#[test]
fn the_world_of_the_chapter_on_worlds_starts() {
    let (portcullis, _folder) = up_as_documented("docs/worlds.md", "world", &[]);
    let stores = portcullis.shell(
        "AWS_ACCESS_KEY_ID=111122223333 AWS_REGION=eu-west-1 AWS_DEFAULT_REGION=eu-west-1 \
         aws kms describe-custom-key-stores --custom-key-store-name Payments",
    );
    assert!(stores.contains("cks-0123456789abcdef0"), "{stores}");
    assert!(stores.contains("CONNECTED"), "{stores}");
}
