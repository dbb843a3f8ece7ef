//! Device profiles: HSMs that are as slow as a device, seen by a client of KMS.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests fail loudly"
)]

use portcullis_tests::{Portcullis, up_as_documented};
use serde_json::Value;

/// Two HSMs of fifty operations a second, of which four may wait.
const WORLD: &str = "
[profiles.tiny]
symmetric_per_s = 50
random_per_s = 50
queue_operations_max = 4

[[clusters]]
name = 'primary'
hsm_zones = ['a', 'b']
admin_password = 'adminPassword'
kmsuser_password = 'kmsPassword'
profile = 'tiny'

[[key_stores]]
name = 'Keys'
cluster = 'primary'
connect = true
";

/// Rules DEV-02, DEV-03 and DEV-06.
#[test]
fn an_overloaded_cluster_serves_its_rate_and_throttles_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("world.toml");
    std::fs::write(&file, WORLD).unwrap();
    let portcullis = Portcullis::up(&["--world", file.to_str().unwrap(), "--ephemeral"]);
    portcullis.shell(
        "portcullis load run --closed-loop --connections 32 --mix encrypt=1 --duration 5s --out out",
    );
    let path = portcullis.home().join("out/summary.json");
    let summary: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let errors = summary["errors"].to_string();
    assert!(errors.contains("ThrottlingException"), "{errors}");
    assert!(!errors.contains("KMSInternalException"), "{errors}");
    let served = summary["succeeded"].as_f64().unwrap() / 5.0;
    assert!(
        (50.0..=110.0).contains(&served),
        "{served}/s of 100: {summary:#}"
    );
}

#[test]
fn a_profile_that_does_not_exist_is_refused_with_those_that_do() {
    let portcullis = Portcullis::up(&["--world", "empty", "--ephemeral", "--profile", "raw"]);
    let refused = portcullis.shell_fails("portcullis up --port 0 --ephemeral --profile hsm9");
    assert!(refused.contains("hsm2m.medium"), "{refused}");
}

#[test]
fn the_world_of_the_chapter_on_profiles_starts() {
    let (portcullis, _folder) = up_as_documented("docs/profiles.md", "profiles", &[]);
    let status = portcullis.shell("portcullis status");
    assert!(status.contains("ACTIVE"), "{status}");
}
