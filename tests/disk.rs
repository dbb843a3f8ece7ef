//! A disk that is full, and a data folder that is removed while it is used: writes are refused with
//! one exception, everything else goes on, and nothing that was acknowledged is lost.
//!
//! A full disk once ended the process, which then did not start before there was room; and a folder
//! that had been removed took keys that no later start found.
//!
//! `PORTCULLIS_DISK_MIB=64 cargo test -p portcullis-tests --test disk` fills a larger one.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::wildcard_enum_match_arm,
    reason = "tests fail loudly, and say when they cannot run"
)]

use std::path::{Path, PathBuf};
use std::process::Command;

use portcullis_tests::{Caller, Outcome, Portcullis, eventually};
use serde_json::{Value, json};
use tempfile::TempDir;

const STORE: &str = "cks-1234567890abcdef0";

/// A file system in memory of this size. Unmounted when it is dropped.
struct SmallDisk(TempDir);

impl SmallDisk {
    /// None where nothing can be mounted.
    fn of(kib: u64) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let options = format!("size={kib}k");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "tmpfs"])
            .arg(folder.path())
            .output();
        if mounted.is_ok_and(|output| output.status.success()) {
            return Some(Self(folder));
        }
        eprintln!("SKIPPED: no file system can be mounted here, so no disk is full");
        None
    }

    fn data(&self) -> PathBuf {
        self.0.path().join("data")
    }

    fn ballast(&self) -> PathBuf {
        self.0.path().join("ballast")
    }

    /// Takes room that is given back later.
    fn load(&self, kib: usize) {
        std::fs::write(self.ballast(), vec![7; kib << 10]).unwrap();
    }

    /// Takes all the room that is left.
    fn fill(&self) {
        let mut options = std::fs::OpenOptions::new();
        let opened = options.append(true).create(true).open(self.ballast());
        let all = opened.unwrap();
        let mut out = std::io::BufWriter::new(all);
        let _until_it_is_full = std::io::copy(&mut std::io::repeat(7), &mut out);
        drop(out.into_parts());
    }

    fn make_room(&self) {
        std::fs::remove_file(self.ballast()).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _unmounted = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

fn up(data: &Path) -> Portcullis {
    Portcullis::up(&["--world", "guide", "--data", data.to_str().unwrap()])
}

fn done(caller: &mut Caller, operation: &str, body: &Value) -> Value {
    match caller.kms(operation, body) {
        Outcome::Done(value) => value,
        other => panic!("{operation}: {other:?}"),
    }
}

fn health(portcullis: &Portcullis) -> Value {
    let line = format!("curl -sf {}/_portcullis/health", portcullis.endpoint());
    serde_json::from_str(&portcullis.shell(&line)).unwrap()
}

fn wait_until_connected(caller: &mut Caller) {
    eventually("the key store is connected", || {
        let shown = done(caller, "DescribeCustomKeyStores", &json!({}));
        let stores = shown["CustomKeyStores"].as_array().unwrap();
        let named = stores.iter().find(|it| it["CustomKeyStoreId"] == STORE)?;
        (named["ConnectionState"] == "CONNECTED").then_some(())
    });
}

/// Everything that was acknowledged: keys with a ciphertext each.
#[derive(Default)]
struct Acknowledged(Vec<(String, String)>);

impl Acknowledged {
    /// Makes a key and a ciphertext, or gives the exception.
    fn add(&mut self, caller: &mut Caller) -> Result<(), Value> {
        let in_store = self.0.len() % 2 == 1;
        let body = if in_store {
            json!({ "Origin": "AWS_CLOUDHSM", "CustomKeyStoreId": STORE })
        } else {
            json!({ "Description": "x".repeat(8000) })
        };
        let made = match caller.kms("CreateKey", &body) {
            Outcome::Done(made) => made,
            Outcome::Refused(refused) => return Err(refused),
            Outcome::Lost => panic!("the process ended"),
        };
        let key = made["KeyMetadata"]["KeyId"].as_str().unwrap().to_owned();
        let body = json!({ "KeyId": key, "Plaintext": "aGVsbG8h" });
        let sealed = done(caller, "Encrypt", &body);
        let text = sealed["CiphertextBlob"].as_str().unwrap().to_owned();
        self.0.push((key, text));
        Ok(())
    }

    /// Until it is refused.
    fn add_all(&mut self, caller: &mut Caller) -> Value {
        for _ in 0..20_000 {
            if let Err(refused) = self.add(caller) {
                return refused;
            }
        }
        panic!("the disk is never full")
    }

    fn check(&self, caller: &mut Caller) {
        wait_until_connected(caller);
        for (key, text) in &self.0 {
            done(caller, "DescribeKey", &json!({ "KeyId": key }));
            let opened = done(caller, "Decrypt", &json!({ "CiphertextBlob": text }));
            assert_eq!(opened["Plaintext"], "aGVsbG8h");
        }
    }
}

fn check_exception(refused: &Value, named: &str) {
    assert_eq!(
        refused["__type"], "ServiceUnavailableException",
        "{refused}"
    );
    let message = refused.to_string();
    assert!(message.contains(named), "{message}");
}

/// Every operation that writes is refused with the one exception; those that read and use are not.
fn check_read_only(caller: &mut Caller, acknowledged: &Acknowledged, named: &str) {
    let (key, _) = &acknowledged.0[0];
    let mut next = Acknowledged::default();
    for (operation, body) in [
        // First: it must not close the gate before it finds that it cannot be stored.
        (
            "DisconnectCustomKeyStore",
            json!({ "CustomKeyStoreId": STORE }),
        ),
        ("CreateKey", json!({})),
        (
            "CreateKey",
            json!({ "Origin": "AWS_CLOUDHSM", "CustomKeyStoreId": STORE }),
        ),
        (
            "CreateKey",
            json!({ "KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY" }),
        ),
        (
            "CreateAlias",
            json!({ "AliasName": "alias/full", "TargetKeyId": key }),
        ),
        ("DisableKey", json!({ "KeyId": key })),
        (
            "TagResource",
            json!({ "KeyId": key, "Tags": [{ "TagKey": "a", "TagValue": "b" }] }),
        ),
        ("ScheduleKeyDeletion", json!({ "KeyId": key })),
        ("RotateKeyOnDemand", json!({ "KeyId": key })),
    ] {
        match caller.kms(operation, &body) {
            Outcome::Refused(refused) => check_exception(&refused, named),
            other => panic!("{operation}: {other:?}"),
        }
    }
    check_exception(&next.add(caller).unwrap_err(), named);
    acknowledged.check(caller);
    let fresh = json!({ "KeyId": key, "Plaintext": "aGVsbG8h" });
    done(caller, "Encrypt", &fresh);
    done(caller, "GenerateRandom", &json!({ "NumberOfBytes": 32 }));
}

/// Rules ST-24, ST-25 and ST-20.
#[test]
fn a_full_disk_refuses_writes_serves_everything_else_and_loses_nothing() {
    let mib = std::env::var("PORTCULLIS_DISK_MIB").map_or(5, |mib| mib.parse().unwrap());
    let Some(disk) = SmallDisk::of(mib << 10) else {
        return;
    };
    disk.load(1 << 10);
    let mut portcullis = up(&disk.data());
    let mut caller = Caller::new(portcullis.authority());
    let mut acknowledged = Acknowledged::default();
    let refused = acknowledged.add_all(&mut caller);
    check_exception(&refused, "disk that holds the data folder is full");
    disk.fill();
    eprintln!("{} keys until the disk was full", acknowledged.0.len());
    assert!(acknowledged.0.len() > 3);
    check_read_only(&mut caller, &acknowledged, "full");
    assert_eq!(health(&portcullis)["status"], "read-only");
    let log = portcullis.log();
    assert_eq!(log.matches("the disk is full").count(), 1, "{log}");

    // Full when it starts, after a kill and after an orderly end.
    portcullis.kill();
    for _ in 0..2 {
        portcullis = up(&disk.data());
        caller = Caller::new(portcullis.authority());
        wait_until_connected(&mut caller);
        check_read_only(&mut caller, &acknowledged, "full");
        assert!(portcullis.terminate().success());
    }

    // Room is made while it runs.
    let portcullis = up(&disk.data());
    let mut caller = Caller::new(portcullis.authority());
    wait_until_connected(&mut caller);
    assert_eq!(health(&portcullis)["status"], "read-only");
    disk.make_room();
    eventually("the health is well again", || {
        (health(&portcullis)["status"] == "running").then_some(())
    });
    for _ in 0..4 {
        acknowledged.add(&mut caller).unwrap();
    }
    acknowledged.check(&mut caller);
}

/// Rule ST-24: a disk that is hardly larger than a new folder.
#[test]
fn a_tiny_disk_takes_a_world_or_says_that_it_is_too_small() {
    let Some(disk) = SmallDisk::of(1024) else {
        return;
    };
    let portcullis = Portcullis::up(&["--world", "empty", "--data", disk.data().to_str().unwrap()]);
    let mut caller = Caller::new(portcullis.authority());
    let mut keys = Vec::new();
    for _ in 0..5000 {
        match caller.kms("CreateKey", &json!({ "Description": "x".repeat(2000) })) {
            Outcome::Done(made) => keys.push(made["KeyMetadata"]["KeyId"].clone()),
            Outcome::Refused(refused) => {
                check_exception(&refused, "full");
                break;
            }
            Outcome::Lost => panic!("the process ended:\n{}", portcullis.log()),
        }
    }
    eprintln!("{} keys on a disk of 1 MiB", keys.len());
    assert!(!keys.is_empty() && keys.len() < 5000);
    drop(portcullis);
    let again = Portcullis::up(&["--world", "empty", "--data", disk.data().to_str().unwrap()]);
    let mut caller = Caller::new(again.authority());
    for key in &keys {
        done(
            &mut caller,
            "Encrypt",
            &json!({ "KeyId": key, "Plaintext": "aGVsbG8h" }),
        );
    }
}

/// Rule ST-21
#[test]
fn a_folder_that_is_removed_replaced_or_moved_takes_no_more_writes() {
    let remove: fn(&Path) = |data| std::fs::remove_dir_all(data).unwrap();
    let replace: fn(&Path) = |data| {
        let aside = data.with_extension("aside");
        std::fs::rename(data, &aside).unwrap();
        std::fs::create_dir(data).unwrap();
        for name in ["control.redb", "device.key", "version"] {
            std::fs::copy(aside.join(name), data.join(name)).unwrap();
        }
    };
    let move_away: fn(&Path) = |data| {
        std::fs::rename(data, data.with_extension("away")).unwrap();
    };
    for vanish in [remove, replace, move_away] {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let portcullis = up(&data);
        let mut caller = Caller::new(portcullis.authority());
        let mut acknowledged = Acknowledged::default();
        for _ in 0..4 {
            acknowledged.add(&mut caller).unwrap();
        }
        assert_eq!(health(&portcullis)["status"], "running");
        vanish(&data);
        let is_there = data.exists();
        check_read_only(&mut caller, &acknowledged, "removed or replaced");
        let health = health(&portcullis);
        assert_eq!(health["status"], "read-only");
        assert!(
            health["reason"].as_str().unwrap().contains("removed"),
            "{health}"
        );
        let log = portcullis.log();
        let said = log
            .lines()
            .filter(|line| line.contains("control.redb was re"))
            .count();
        assert_eq!(said, 1, "{log}");
        assert_eq!(data.exists(), is_there, "nothing is made anew in the gap");
    }
}
