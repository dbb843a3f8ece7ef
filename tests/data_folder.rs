//! A data folder in which something is lost, empty, cut off or another one's: it is refused with the
//! name of what is wrong, or nothing is lost.
//!
//! A start that took a lost `control.redb` for a new folder once made a fresh world in it, and the
//! start after that removed every HSM's disk.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::wildcard_enum_match_arm,
    reason = "tests fail loudly"
)]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use portcullis_store::{Store, Transaction};
use portcullis_tests::{Caller, Outcome, Portcullis, all_bytes_below, binary, eventually};
use serde_json::{Value, json};

const STORE: &str = "cks-1234567890abcdef0";

/// With that of the world.
const KEYS: usize = 41;

/// What a process printed when it was ready, or what it said when it was refused.
enum Start {
    Ready(Running),
    Refused(String),
}

/// A process of Portcullis. Dropping it kills it.
struct Running {
    child: Child,
    ready: Value,
    log: PathBuf,
}

impl Running {
    fn authority(&self) -> String {
        let endpoint = self.ready["endpoint"].as_str().unwrap();
        endpoint.trim_start_matches("http://").to_owned()
    }

    fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _already_ended = self.child.kill();
        let _status = self.child.wait();
    }
}

fn start(arguments: &[&str], data: &Path) -> Start {
    let log = data.with_extension("log");
    let mut child = Command::new(binary())
        .args(arguments)
        .arg(data)
        .stdout(Stdio::piped())
        .stderr(std::fs::File::create(&log).unwrap())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    if stdout.read_line(&mut line).unwrap() == 0 {
        assert_eq!(child.wait().unwrap().code(), Some(2));
        return Start::Refused(std::fs::read_to_string(&log).unwrap());
    }
    let ready = serde_json::from_str(&line).unwrap();
    Start::Ready(Running { child, ready, log })
}

fn up(data: &Path) -> Start {
    start(&["up", "--port", "0", "--world", "guide", "--data"], data)
}

fn done(caller: &mut Caller, operation: &str, body: &Value) -> Value {
    match caller.kms(operation, body) {
        Outcome::Done(value) => value,
        other => panic!("{operation}: {other:?}"),
    }
}

fn wait_until_connected(caller: &mut Caller) {
    eventually("the key store is connected", || {
        let shown = done(caller, "DescribeCustomKeyStores", &json!({}));
        let stores = shown["CustomKeyStores"].as_array().unwrap();
        let named = stores.iter().find(|it| it["CustomKeyStoreId"] == STORE)?;
        (named["ConnectionState"] == "CONNECTED").then_some(())
    });
}

/// Makes a folder with keys, and a ciphertext under each.
fn fill(data: &Path) -> Vec<String> {
    let portcullis = Portcullis::up(&["--world", "guide", "--data", data.to_str().unwrap()]);
    let mut caller = Caller::new(portcullis.authority());
    let in_store = json!({ "Origin": "AWS_CLOUDHSM", "CustomKeyStoreId": STORE });
    let made = (1..KEYS).map(|number| {
        let body = if number % 2 == 0 {
            json!({})
        } else {
            in_store.clone()
        };
        let made = done(&mut caller, "CreateKey", &body);
        let key = &made["KeyMetadata"]["KeyId"];
        let body = json!({ "KeyId": key, "Plaintext": "aGVsbG8h" });
        let sealed = done(&mut caller, "Encrypt", &body);
        sealed["CiphertextBlob"].as_str().unwrap().to_owned()
    });
    let texts = made.collect();
    let mut portcullis = portcullis;
    assert!(portcullis.terminate().success());
    texts
}

/// Every key is there, and every ciphertext opens.
fn check_nothing_lost(running: &Running, texts: &[String]) {
    let mut caller = Caller::new(&running.authority());
    wait_until_connected(&mut caller);
    let listed = done(&mut caller, "ListKeys", &json!({}));
    assert_eq!(listed["Keys"].as_array().unwrap().len(), KEYS);
    for text in texts {
        let opened = done(&mut caller, "Decrypt", &json!({ "CiphertextBlob": text }));
        assert_eq!(opened["Plaintext"], "aGVsbG8h");
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Damage {
    Missing,
    Empty,
    Truncated,
    Foreign,
}

const DAMAGES: [Damage; 4] = [
    Damage::Missing,
    Damage::Empty,
    Damage::Truncated,
    Damage::Foreign,
];

/// Damages a file; what is foreign comes from `other`, or is noise when there is nothing.
fn damage(file: &Path, damage: Damage, other: &Path) {
    match damage {
        Damage::Missing => {
            let _was_it_there = std::fs::remove_file(file);
        }
        Damage::Empty => std::fs::write(file, []).unwrap(),
        Damage::Truncated => {
            let mut bytes = std::fs::read(file).unwrap_or_else(|_none| b"{\"state\":".to_vec());
            bytes.truncate(bytes.len() / 2);
            std::fs::write(file, bytes).unwrap();
        }
        Damage::Foreign => {
            let bytes = std::fs::read(other).unwrap_or_else(|_none| vec![0x5a; 5000]);
            std::fs::write(file, bytes).unwrap();
        }
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            std::fs::copy(&path, &target).unwrap();
        }
    }
}

/// The disks of HSMs and the device key, which no start may lose.
fn treasures(data: &Path) -> Vec<(PathBuf, usize)> {
    let mut found = all_bytes_below(data);
    found.retain(|(path, _)| {
        path.ends_with("device.key") || path.extension().is_some_and(|it| it == "redb")
    });
    let mut sizes: Vec<(PathBuf, usize)> = found
        .into_iter()
        .map(|(path, bytes)| (path.strip_prefix(data).unwrap().to_owned(), bytes.len()))
        .collect();
    sizes.sort();
    sizes
}

fn first_disk(data: &Path) -> PathBuf {
    let mut disks: Vec<PathBuf> = std::fs::read_dir(data.join("hsms"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|it| it == "redb"))
        .collect();
    disks.sort();
    disks.swap_remove(0)
}

/// Of a refusal: it names the file and says what to do, nothing was lost, and when the file is put
/// back everything is there.
fn check_refused(case: &Path, name: &str, told: &str, whole: &Path) {
    assert!(told.contains(name), "{name} is not named: {told}");
    let says_what_to_do = [
        "ut the",
        "ut it back",
        "ut back",
        "ut `",
        "empty the folder",
        "another folder",
    ];
    assert!(says_what_to_do.iter().any(|it| told.contains(it)), "{told}");
    let kept: Vec<PathBuf> = treasures(case).into_iter().map(|(path, _)| path).collect();
    for (path, _) in treasures(whole) {
        assert!(
            kept.contains(&path) || path.ends_with(name),
            "{path:?} is gone"
        );
    }
}

/// Rules ST-17, ST-18 and ST-19: seven files, four damages each.
#[test]
fn a_file_that_is_lost_empty_cut_or_foreign_is_refused_by_its_name_or_nothing_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let [whole, other] = ["whole", "other"].map(|name| folder.path().join(name));
    let texts = fill(&whole);
    drop(fill(&other));
    let disk = first_disk(&whole);
    let disk = disk
        .strip_prefix(&whole)
        .unwrap()
        .to_str()
        .unwrap()
        .to_owned();
    let names = [
        "lock",
        "version",
        "world",
        "device.key",
        "control.redb",
        &*disk,
        "unfinished",
        "kept",
    ];
    let mut refused = 0;
    for name in names {
        for how in DAMAGES {
            let case = folder.path().join("case");
            copy(&whole, &case);
            let foreign = if name == disk {
                first_disk(&other)
            } else {
                other.join(name)
            };
            damage(&case.join(name), how, &foreign);
            // Twice, and killed in between: what one start began, the next must not finish.
            for _ in 0..2 {
                match up(&case) {
                    Start::Refused(told) => {
                        refused += 1;
                        check_refused(&case, name, &told, &whole);
                    }
                    Start::Ready(running) => {
                        check_nothing_lost(&running, &texts);
                        let id = disk.trim_start_matches("hsms/").trim_end_matches(".redb");
                        let named = running.log().contains(id);
                        assert_eq!(named, name == disk, "{name} {how:?}: {}", running.log());
                        break;
                    }
                }
            }
            if name == disk && how == Damage::Missing {
                assert!(!case.join(name).exists(), "a lost disk was made anew");
            }
            std::fs::remove_dir_all(&case).unwrap();
        }
    }
    // control.redb and device.key in each way, an empty version, the mark in three; twice each.
    assert_eq!(refused, 2 * (4 + 4 + 1 + 3), "starts that were refused");
}

/// Rule ST-17: the disks of all HSMs at once.
#[test]
fn a_folder_without_the_disks_of_its_hsms_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let texts = fill(&data);
    let aside = folder.path().join("aside");
    std::fs::rename(data.join("hsms"), &aside).unwrap();
    let Start::Refused(told) = up(&data) else {
        panic!("it started")
    };
    assert!(told.contains("hsms"), "{told}");
    assert!(!data.join("hsms").exists());
    std::fs::rename(&aside, data.join("hsms")).unwrap();
    let Start::Ready(running) = up(&data) else {
        panic!("it was refused")
    };
    check_nothing_lost(&running, &texts);
}

/// Calls CloudHSM with curl.
fn cloudhsm(portcullis: &Portcullis, operation: &str, body: &Value) -> Value {
    let line = format!(
        "curl -sf -H 'X-Amz-Target: BaldrApiService.{operation}' \
         -H 'Content-Type: application/x-amz-json-1.1' -d '{body}' {}",
        portcullis.endpoint()
    );
    serde_json::from_str(&portcullis.shell(&line)).unwrap()
}

/// A host with an HSM, its folder, stopped.
fn host_with_hsm(portcullis: &Portcullis, zone: &str, data: &Path) {
    let line = format!("portcullis hsm enrol --availability-zone {zone}");
    let printed: Value = serde_json::from_str(&portcullis.shell(&line)).unwrap();
    let token = printed["data"]["token"].as_str().unwrap();
    let join = portcullis.authority();
    let arguments = ["hsm", "serve", "--join", join, "--token", token, "--data"];
    let Start::Ready(running) = start(&arguments, data) else {
        panic!("the host was refused")
    };
    let shown = portcullis.shell("portcullis status --output json");
    let shown: Value = serde_json::from_str(&shown).unwrap();
    let subnets = shown["subnets"]["us-east-1"].as_object().unwrap();
    let subnets: Vec<&Value> = subnets.values().collect();
    let tags = json!([{ "Key": "portcullis:hsms-on", "Value": "hosts" }]);
    let body = json!({
        "HsmType": "hsm2m.medium", "Mode": "FIPS", "SubnetIds": subnets, "TagList": tags,
    });
    let made = cloudhsm(portcullis, "CreateCluster", &body);
    let cluster = made["Cluster"]["ClusterId"].as_str().unwrap();
    portcullis.shell(&format!(
        "portcullis wait --cluster {cluster} --state UNINITIALIZED"
    ));
    let body = json!({ "ClusterId": cluster, "AvailabilityZone": zone });
    cloudhsm(portcullis, "CreateHsm", &body);
    eventually("the host has a disk", || {
        let disks = std::fs::read_dir(data.join("hsms")).ok()?;
        let mut names = disks.map(|entry| entry.unwrap().path());
        names.find(|path| path.extension().is_some_and(|it| it == "redb"))
    });
    drop(running);
}

/// Rules ST-17 and ST-18: the same for the folder of a host.
#[test]
fn a_hosts_folder_that_is_damaged_is_refused_or_keeps_its_hsm() {
    let folder = tempfile::tempdir().unwrap();
    let portcullis = Portcullis::up(&["--world", "empty", "--ephemeral"]);
    let [whole, other] = ["whole", "other"].map(|name| folder.path().join(name));
    host_with_hsm(&portcullis, "us-east-1a", &whole);
    host_with_hsm(&portcullis, "us-east-1b", &other);
    let disk = first_disk(&whole);
    let disk = disk
        .strip_prefix(&whole)
        .unwrap()
        .to_str()
        .unwrap()
        .to_owned();
    let join = portcullis.authority();
    let serve = ["hsm", "serve", "--join", join, "--data"];
    let names = [
        "lock",
        "version",
        "device.key",
        "control.redb",
        &*disk,
        "unfinished",
        "kept",
    ];
    for name in names {
        for how in DAMAGES {
            let case = folder.path().join("case");
            copy(&whole, &case);
            let foreign = if name == disk {
                first_disk(&other)
            } else {
                other.join(name)
            };
            damage(&case.join(name), how, &foreign);
            for _ in 0..2 {
                match start(&serve, &case) {
                    Start::Refused(told) => check_refused(&case, name, &told, &whole),
                    Start::Ready(running) => {
                        let damaged = ["device.key", "control.redb"].contains(&name);
                        assert!(!damaged, "{name} {how:?}: {}", running.log());
                        break;
                    }
                }
            }
            let kept: Vec<PathBuf> = treasures(&case).into_iter().map(|(path, _)| path).collect();
            let disk_is_kept = kept.iter().any(|path| path.ends_with(&disk));
            assert_eq!(
                disk_is_kept,
                name != disk || how != Damage::Missing,
                "{name} {how:?}"
            );
            std::fs::remove_dir_all(&case).unwrap();
        }
    }
}

/// Rule ST-23: killed after the HSM's disk was destroyed and before its record was.
#[test]
fn a_deletion_that_was_cut_short_raises_no_alarm() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut first = Portcullis::up(&["--world", "guide", "--data", data.to_str().unwrap()]);
    assert!(first.terminate().success());
    let store = Store::open(&data.join("control.redb"), None).unwrap();
    let mut clusters = store.scan("cloudhsm/cluster/", None, 99).into_iter();
    let (key, mut cluster) = clusters
        .find_map(|(key, record)| {
            let cluster: Value = serde_json::from_slice(&record.value).unwrap();
            let count = cluster["record"]["hsms"].as_object()?.len();
            (count > 1).then_some((key, cluster))
        })
        .expect("a cluster with two HSMs");
    let id = cluster["record"]["hsms"]
        .as_object()
        .unwrap()
        .keys()
        .next()
        .unwrap()
        .clone();
    cluster["record"]["hsms"][&id]["state"] = "DELETE_IN_PROGRESS".into();
    let put = Transaction::new().put(key, cluster.to_string().into_bytes());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(store.commit(put)).unwrap();
    drop(store);
    std::fs::remove_file(data.join("hsms").join(format!("{id}.redb"))).unwrap();
    let running = eventually("the file is closed", || match up(&data) {
        Start::Ready(running) => Some(running),
        Start::Refused(told) => {
            assert!(told.contains("in use"), "{told}");
            None
        }
    });
    let line = format!("curl -sf http://{}/_portcullis/status", running.authority());
    eventually("the HSM is gone", || {
        let shown = Command::new("bash").args(["-c", &line]).output().unwrap();
        let shown = String::from_utf8(shown.stdout).unwrap();
        (!shown.is_empty() && !shown.contains(&id)).then_some(())
    });
    assert!(!running.log().contains("ERROR"), "{}", running.log());
}

/// Rule ST-28: a backup that is mounted for reading.
#[test]
fn a_folder_on_a_read_only_file_system_is_saved() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let texts = fill(&data);
    let mounted = folder.path().join("mounted");
    std::fs::create_dir(&mounted).unwrap();
    let mount = format!(
        "mount --bind {0} {1} && mount -o remount,ro,bind {1}",
        data.display(),
        mounted.display()
    );
    let done = Command::new("bash").args(["-c", &mount]).output();
    if !done.is_ok_and(|output| output.status.success()) {
        eprintln!(
            "SKIPPED: nothing can be mounted here, so no folder is on a read-only file system"
        );
        return;
    }
    let portcullis = |arguments: &[&str]| {
        let output = Command::new(binary()).args(arguments).output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.success(), told)
    };
    let snapshot = folder.path().join("one.snapshot");
    let (file, from) = (snapshot.to_str().unwrap(), mounted.to_str().unwrap());
    let saved = portcullis(&["snapshot", "save", file, "--data", from]);
    let Start::Ready(running) = up(&data) else {
        panic!("it was refused")
    };
    let other = folder.path().join("two.snapshot");
    let refused = portcullis(&["snapshot", "save", other.to_str().unwrap(), "--data", from]);
    drop(running);
    let unmounted = Command::new("umount").arg("-l").arg(&mounted).status();
    assert!(unmounted.unwrap().success());
    assert!(saved.0, "{}", saved.1);
    assert!(!refused.0 && refused.1.contains("in use"), "{}", refused.1);
    let copy = folder.path().join("copy");
    let loaded = portcullis(&["snapshot", "load", file, "--data", copy.to_str().unwrap()]);
    assert!(loaded.0, "{}", loaded.1);
    let Start::Ready(running) = up(&copy) else {
        panic!("the copy was refused")
    };
    check_nothing_lost(&running, &texts);
}
