//! Keys whose material is fixed, as users of other emulators have them: by a world and by a tag, with
//! what another implementation makes of the same material, and nowhere to be read.
#![allow(clippy::unwrap_used, reason = "tests fail loudly")]

use std::path::PathBuf;

use portcullis_tests::{Portcullis, all_bytes_below, root};

fn world() -> PathBuf {
    root().join("tests/clients/key_material.toml")
}

fn up(arguments: &[&str]) -> Portcullis {
    let world = world();
    Portcullis::up(&[&["--world", world.to_str().unwrap()], arguments].concat())
}

/// The values of `material` in the world file.
fn of_the_world() -> Vec<String> {
    let text = std::fs::read_to_string(world()).unwrap();
    let lines = text.lines();
    let values = lines.filter_map(|line| line.strip_prefix("material = \""));
    values
        .map(|value| value.trim_end_matches('"').to_owned())
        .collect()
}

fn decoded(portcullis: &Portcullis, base64: &str) -> Vec<u8> {
    let line = format!("printf %s '{base64}' | base64 -d");
    portcullis.try_shell(&line).stdout
}

/// Rules CONF-08, CONF-09 and CONF-10.
#[test]
fn a_world_and_a_tag_fix_the_material_of_a_key() {
    let first = up(&["--ephemeral"]);
    let blobs = first.python("key_material.py", &["seal"]);
    drop(first);

    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    let events = folder.path().join("events.jsonl");
    let mut second = up(&["--data", data, "--events-file", events.to_str().unwrap()]);
    let arguments: Vec<&str> = [&["open"], &*blobs.lines().collect::<Vec<_>>()].concat();
    let printed = second.python("key_material.py", &arguments);
    let mut secrets = of_the_world();
    secrets.extend(printed.lines().map(str::to_owned));
    assert!(secrets.len() > 12, "{secrets:?}");
    let in_memory = format!("curl -sf {}/_portcullis/events", second.endpoint());
    let in_memory = second.shell(&in_memory).into_bytes();
    assert!(second.terminate().success());

    let mut places = all_bytes_below(folder.path());
    assert!(places.iter().any(|(path, _)| *path == events));
    places.push(("the log".into(), second.log().into_bytes()));
    places.push(("the events".into(), in_memory));
    for secret in &secrets {
        let raw = decoded(&second, secret);
        assert!(raw.len() > 12, "{secret}");
        for (path, bytes) in &places {
            let has = |part: &[u8]| bytes.windows(part.len()).any(|window| window == part);
            let found = has(secret.as_bytes()) || has(&raw);
            assert!(!found, "{secret} stands in {}", path.display());
        }
    }
}

/// Rule CONF-09.
#[test]
fn material_that_does_not_fit_ends_the_start_without_being_shown() {
    let empty = Portcullis::up(&["--world", "empty", "--ephemeral"]);
    let path = empty.home().join("bad.toml");
    std::fs::write(
        &path,
        "[[keys]]\naliases = [\"alias/bad\"]\nmaterial = \"Y2FuYXJ5\"\n",
    )
    .unwrap();
    let line = format!(
        "portcullis up --port 0 --ephemeral --world {}",
        path.display()
    );
    let refused = empty.shell_fails(&line);
    for part in ["alias/bad", "6 bytes", "32 bytes"] {
        assert!(refused.contains(part), "{refused}");
    }
    assert!(!refused.contains("Y2FuYXJ5"), "{refused}");
}
