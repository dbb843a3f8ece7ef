//! The console, driven by a browser as a person would. The scripts are in `console/e2e`; without
//! Node.js, its packages or Chromium, which `./test` installs where it can, the browser stays shut.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "tests fail loudly, and say what they could not do"
)]

use std::path::Path;
use std::process::Command;

use portcullis_tests::{Portcullis, all_bytes_below, root};

/// Runs a script of `console/e2e` against the instance and gives what it printed.
fn node(portcullis: &Portcullis, script: &str) -> String {
    let path = root().join("console/e2e").join(script);
    let output = portcullis.client("node").arg(&path).output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    // What a story measured is for people: `-- --nocapture` shows it.
    eprint!("{printed}");
    assert!(
        output.status.success(),
        "{script}\n{printed}{}\n-- log --\n{}",
        String::from_utf8_lossy(&output.stderr),
        portcullis.log()
    );
    printed
}

fn has_node() -> bool {
    let version = Command::new("node").arg("--version").output();
    version.is_ok_and(|output| output.status.success())
}

/// Whether there is a browser and a console to look at; says so when not.
fn can_browse() -> bool {
    let browsers = ["chromium", "chromium-browser", "google-chrome"];
    let missing = [
        (has_node(), "Node.js"),
        (
            root().join("console/node_modules/playwright-core").exists(),
            "npm packages",
        ),
        (
            root().join("console/dist/site/index.html").exists(),
            "a built console",
        ),
        (
            browsers
                .iter()
                .any(|name| Path::new("/usr/bin").join(name).exists()),
            "Chromium",
        ),
    ];
    let missing: Vec<&str> = missing
        .iter()
        .filter(|(there, _)| !there)
        .map(|(_, what)| *what)
        .collect();
    if !missing.is_empty() {
        eprintln!(
            "SKIPPED: the console is not looked at without {}.",
            missing.join(", ")
        );
    }
    missing.is_empty()
}

/// Rules CON-01, CON-02, CON-03 and CON-04.
#[test]
fn the_console_is_served_to_its_own_pages_and_says_which_it_is() {
    if !has_node() {
        eprintln!("SKIPPED: without Node.js nobody asks for the console.");
        return;
    }
    let portcullis = Portcullis::up(&["--world", "empty", "--ephemeral"]);
    let carried = node(&portcullis, "served.mjs");
    let is_built = root().join("console/dist/site/index.html").exists();
    assert_eq!(carried.trim() == "console", is_built, "{carried}");
}

#[test]
fn the_nine_steps_of_the_guide_work_in_the_console_as_the_page_says() {
    if can_browse() {
        let portcullis = Portcullis::up(&["--world", "guide", "--ephemeral"]);
        node(&portcullis, "guide.mjs");
        portcullis.python("console_guide.py", &[]);
    }
}

#[test]
fn a_key_store_is_made_from_nothing_in_the_console_and_deleted_again() {
    if can_browse() {
        let portcullis = Portcullis::up(&["--world", "empty", "--ephemeral"]);
        node(&portcullis, "begin.mjs");
    }
}

#[test]
fn keys_are_made_tried_named_disabled_and_their_deletion_scheduled_in_the_console() {
    if can_browse() {
        let portcullis = Portcullis::up(&["--world", "guide", "--ephemeral"]);
        node(&portcullis, "keys.mjs");
    }
}

#[test]
fn users_hsms_and_backups_of_a_cluster_are_managed_in_the_console() {
    if can_browse() {
        let portcullis = Portcullis::up(&["--world", "guide", "--ephemeral"]);
        node(&portcullis, "cluster.mjs");
    }
}

#[test]
fn every_fault_is_injected_and_undone_the_clock_moved_and_events_read_in_the_console() {
    if can_browse() {
        let portcullis = Portcullis::up(&["--world", "guide", "--ephemeral"]);
        node(&portcullis, "simulator.mjs");
    }
}

#[test]
fn states_that_pass_are_seen_while_they_last() {
    if can_browse() {
        let slow = [
            "--world",
            "guide",
            "--ephemeral",
            "--state-changes",
            "after:2",
        ];
        node(&Portcullis::up(&slow), "passing.mjs");
    }
}

#[test]
fn a_key_store_is_edited_by_keyboard_alone() {
    if can_browse() {
        let portcullis = Portcullis::up(&["--world", "guide", "--ephemeral"]);
        node(&portcullis, "keyboard.mjs");
    }
}

#[test]
fn every_page_outlives_a_reload_and_says_when_there_is_nothing_or_no_answer() {
    if can_browse() {
        let portcullis = Portcullis::up(&["--world", "guide", "--ephemeral"]);
        node(&portcullis, "states.mjs");
    }
}

/// A world whose connects take long enough to break them on the way.
fn breakable(world: &str) -> Portcullis {
    let world = root().join("tests/clients").join(world);
    Portcullis::up(&["--world", world.to_str().unwrap(), "--ephemeral"])
}

#[test]
fn every_page_is_accessible_fits_and_complains_of_nothing() {
    if can_browse() {
        node(
            &Portcullis::up(&["--world", "guide", "--ephemeral"]),
            "pages.mjs",
        );
    }
}

#[test]
fn every_connection_error_code_is_explained_with_its_repair_while_the_page_is_open() {
    if can_browse() {
        node(&breakable("connection_errors.toml"), "errors.mjs");
    }
}

#[test]
fn the_runbook_leads_to_a_repaired_key_store_over_a_cluster_from_a_backup() {
    if can_browse() {
        node(&breakable("console.toml"), "repair.mjs");
    }
}

/// Rule CON-05.
#[test]
fn a_load_run_is_watched_through_edits_and_its_report_is_kept_over_a_restart() {
    if can_browse() {
        let folder = tempfile::tempdir().unwrap();
        let kept = [
            "--world",
            "guide",
            "--data",
            folder.path().to_str().unwrap(),
        ];
        let mut portcullis = Portcullis::up(&kept);
        node(&portcullis, "load.mjs");
        assert!(portcullis.terminate().success());
        node(&Portcullis::up(&kept), "kept.mjs");
    }
}

/// Rules CON-06 and LG-17.
#[test]
fn the_repair_is_rehearsed_from_its_runbook_and_the_report_shown() {
    if can_browse() {
        let folder = tempfile::tempdir().unwrap();
        let kept = folder.path().to_str().unwrap();
        node(
            &Portcullis::up(&["--world", "guide", "--data", kept]),
            "rehearse.mjs",
        );
        let files = all_bytes_below(&folder.path().join("load-runs"));
        assert!(
            files
                .iter()
                .any(|(path, _)| path.ends_with("rehearsal.json"))
        );
        for (path, bytes) in files {
            let told = String::from_utf8_lossy(&bytes).contains("guide-admin");
            assert!(!told, "the password is in {}", path.display());
        }
    }
}
