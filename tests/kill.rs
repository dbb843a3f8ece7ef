//! `kill -9` of the real process under load, again and again on one data folder: nothing that was
//! acknowledged is lost.
//!
//! `PORTCULLIS_KILLS=200 cargo test -p portcullis-tests --test kill` kills 200 times; without the
//! variable it is a few times, so that the test takes seconds.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "tests fail loudly; when to kill is a matter of the machine's clock"
)]

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use portcullis_tests::{Caller, Outcome, Portcullis, binary, eventually};
use serde_json::{Value, json};

const STORE: &str = "cks-1234567890abcdef0";

/// Kills of the ordinary run: seconds, not minutes.
const KILLS: u64 = 10;

/// The longest time under load before a kill.
const LOAD_MS: u64 = 500;

fn up(data: &str) -> Portcullis {
    Portcullis::up(&["--world", "guide", "--data", data])
}

/// Everything that was acknowledged, and what was asked for last without an answer.
#[derive(Default)]
struct Ledger(Mutex<Entries>);

#[derive(Default)]
struct Entries {
    keys: Vec<String>,
    /// The key that each alias was acknowledged to point at.
    aliases: BTreeMap<String, String>,
    /// Where an alias may point too: the process was killed before it answered.
    asked: BTreeMap<String, String>,
    /// Key, plaintext, ciphertext.
    texts: Vec<(String, String, String)>,
    name: String,
    asked_name: Option<String>,
}

impl Ledger {
    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap()
    }

    fn some_key(&self, number: u64) -> Option<String> {
        let entries = self.lock();
        let newest = entries.keys.iter().rev().take(16).collect::<Vec<_>>();
        let at = usize::try_from(number).unwrap() % newest.len().max(1);
        newest.get(at).map(|key| (*key).clone())
    }
}

/// One run of the process, from ready to killed.
struct Cycle<'a> {
    authority: &'a str,
    ledger: &'a Ledger,
    over: AtomicBool,
    /// Never the same number twice, over all runs.
    numbers: &'a AtomicU64,
}

impl Cycle<'_> {
    /// Calls until the process is gone.
    fn while_it_lives(&self, mut act: impl FnMut(&mut Caller, u64) -> Option<()>) {
        let mut caller = Caller::new(self.authority);
        while !self.over.load(Ordering::Relaxed) {
            let number = self.numbers.fetch_add(1, Ordering::Relaxed);
            if act(&mut caller, number).is_none() {
                break;
            }
        }
    }

    /// Each caller moves an alias of its own: of two that move the same one, who was last is not
    /// known.
    fn make_keys(&self, caller_name: &str) {
        let prefix = format!("alias/{caller_name}-");
        self.while_it_lives(|caller, number| {
            let body = if number.is_multiple_of(4) {
                json!({})
            } else {
                json!({ "Origin": "AWS_CLOUDHSM", "CustomKeyStoreId": STORE })
            };
            let Some(made) = done(caller.kms("CreateKey", &body))? else {
                return Some(());
            };
            let key = made["KeyMetadata"]["KeyId"].as_str().unwrap().to_owned();
            self.ledger.lock().keys.push(key.clone());
            self.point("CreateAlias", caller, &format!("{prefix}{number}"), &key)?;
            let alias = {
                let entries = self.ledger.lock();
                let mut aliases = entries.aliases.keys();
                aliases.find(|alias| alias.starts_with(&prefix)).cloned()
            };
            alias.map_or(Some(()), |alias| {
                self.point("UpdateAlias", caller, &alias, &key)
            })
        });
    }

    fn point(&self, operation: &str, caller: &mut Caller, alias: &str, key: &str) -> Option<()> {
        let body = json!({ "AliasName": alias, "TargetKeyId": key });
        self.ledger.lock().asked.insert(alias.into(), key.into());
        let outcome = done(caller.kms(operation, &body))?;
        let mut entries = self.ledger.lock();
        entries.asked.remove(alias);
        if outcome.is_some() {
            entries.aliases.insert(alias.into(), key.into());
        }
        Some(())
    }

    fn encrypt(&self) {
        self.while_it_lives(|caller, number| {
            let Some(key) = self.ledger.some_key(number) else {
                return Some(());
            };
            // Base64 of text whose length is a multiple of three has no padding to care for.
            let plaintext = format!("{number:016x}");
            let body = json!({ "KeyId": key, "Plaintext": plaintext });
            if let Some(sealed) = done(caller.kms("Encrypt", &body))? {
                let blob = sealed["CiphertextBlob"].as_str().unwrap().to_owned();
                self.ledger.lock().texts.push((key, plaintext, blob));
            }
            Some(())
        });
    }

    fn edit(&self) {
        let id = json!({ "CustomKeyStoreId": STORE });
        self.while_it_lives(|caller, number| {
            std::thread::sleep(Duration::from_millis(40));
            done(caller.kms("DisconnectCustomKeyStore", &id))?;
            wait_for_state(caller, "DISCONNECTED")?;
            let name = format!("Renamed-{number}");
            self.ledger.lock().asked_name = Some(name.clone());
            let body = json!({ "CustomKeyStoreId": STORE, "NewCustomKeyStoreName": name });
            let edited = done(caller.kms("UpdateCustomKeyStore", &body))?;
            let mut entries = self.ledger.lock();
            entries.asked_name = None;
            if edited.is_some() {
                entries.name = name;
            }
            drop(entries);
            done(caller.kms("ConnectCustomKeyStore", &id))?;
            wait_for_state(caller, "CONNECTED")
        });
    }
}

/// None when the process is gone; otherwise what it answered, if that was not a refusal.
fn done(outcome: Outcome) -> Option<Option<Value>> {
    match outcome {
        Outcome::Done(value) => Some(Some(value)),
        Outcome::Refused(_) => Some(None),
        Outcome::Lost => None,
    }
}

fn key_store(caller: &mut Caller) -> Option<Value> {
    let found = done(caller.kms(
        "DescribeCustomKeyStores",
        &json!({ "CustomKeyStoreId": STORE }),
    ))?;
    Some(found.unwrap()["CustomKeyStores"][0].clone())
}

fn wait_for_state(caller: &mut Caller, wanted: &str) -> Option<()> {
    let began = Instant::now();
    while key_store(caller)?["ConnectionState"] != wanted {
        assert!(began.elapsed() < Duration::from_secs(60), "not {wanted}");
        std::thread::sleep(Duration::from_millis(2));
    }
    Some(())
}

/// What a restarted process must have: of the ciphertexts, those from `texts_from` on.
fn check(portcullis: &Portcullis, ledger: &Ledger, texts_from: usize) {
    let mut caller = Caller::new(portcullis.authority());
    reconnect(&mut caller, portcullis);
    let mut entries = ledger.lock();
    let name = key_store(&mut caller).unwrap()["CustomKeyStoreName"]
        .as_str()
        .unwrap()
        .to_owned();
    let asked = entries.asked_name.take();
    assert!(
        name == entries.name || Some(&name) == asked.as_ref(),
        "{name} instead of {} or {asked:?}",
        entries.name
    );
    entries.name = name;

    let present = all(&mut caller, "ListKeys", "Keys", "KeyId", "KeyId");
    for key in &entries.keys {
        assert!(present.contains_key(key), "the key {key} is lost");
    }
    let present = all(
        &mut caller,
        "ListAliases",
        "Aliases",
        "AliasName",
        "TargetKeyId",
    );
    let asked = std::mem::take(&mut entries.asked);
    for (alias, key) in &mut entries.aliases {
        let found = present
            .get(alias)
            .unwrap_or_else(|| panic!("the alias {alias} is lost"));
        assert!(
            found == key || Some(found) == asked.get(alias),
            "{alias} points at {found} instead of {key}"
        );
        found.clone_into(key);
    }
    for (key, plaintext, blob) in entries.texts.iter().skip(texts_from) {
        let opened = caller.kms("Decrypt", &json!({ "CiphertextBlob": blob }));
        let Outcome::Done(opened) = opened else {
            panic!("a ciphertext of {key} does not open: {opened:?}")
        };
        assert_eq!(opened["Plaintext"], plaintext.as_str());
    }
}

/// A key store that was CONNECTED connects by itself; one that was caught in the middle of an
/// edit is connected here.
fn reconnect(caller: &mut Caller, portcullis: &Portcullis) {
    eventually("the key store is connected", || {
        let found = key_store(caller)?;
        match found["ConnectionState"].as_str()? {
            "CONNECTED" => return Some(()),
            "FAILED" => panic!("{found}\n{}", portcullis.log()),
            "DISCONNECTED" => {
                let connect = json!({ "CustomKeyStoreId": STORE });
                let asked = caller.kms("ConnectCustomKeyStore", &connect);
                assert!(matches!(asked, Outcome::Done(_)), "{asked:?}");
            }
            _ => (),
        }
        None
    });
}

/// Every entry of a list, page by page.
fn all(
    caller: &mut Caller,
    operation: &str,
    list: &str,
    name: &str,
    value: &str,
) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut marker = Value::Null;
    loop {
        let mut body = json!({ "Limit": 100 });
        if !marker.is_null() {
            body["Marker"] = marker;
        }
        let Outcome::Done(page) = caller.kms(operation, &body) else {
            panic!("{operation} fails")
        };
        for entry in page[list].as_array().unwrap() {
            let text = |member: &str| entry[member].as_str().unwrap_or_default().to_owned();
            found.insert(text(name), text(value));
        }
        marker = page["NextMarker"].clone();
        if marker.is_null() {
            return found;
        }
    }
}

/// Numbers that look random and are the same in every run.
fn scatter(number: u64) -> u64 {
    number
        .wrapping_add(1)
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
        .rotate_left(29)
        .wrapping_mul(0xbf58_476d_1ce4_e5b9)
        >> 16
}

fn load_and_kill(portcullis: &mut Portcullis, ledger: &Ledger, numbers: &AtomicU64, kill: u64) {
    let authority = portcullis.authority().to_owned();
    let cycle = Cycle {
        authority: &authority,
        ledger,
        over: AtomicBool::new(false),
        numbers,
    };
    std::thread::scope(|scope| {
        scope.spawn(|| cycle.make_keys("first"));
        scope.spawn(|| cycle.make_keys("second"));
        scope.spawn(|| cycle.encrypt());
        scope.spawn(|| cycle.encrypt());
        scope.spawn(|| cycle.edit());
        std::thread::sleep(Duration::from_millis(20 + scatter(kill) % LOAD_MS));
        portcullis.kill();
        cycle.over.store(true, Ordering::Relaxed);
    });
}

/// Rule ST-13
#[test]
fn nothing_acknowledged_is_lost_when_the_process_is_killed_under_load() {
    let kills = std::env::var("PORTCULLIS_KILLS").map_or(KILLS, |text| {
        text.parse().expect("PORTCULLIS_KILLS is a number")
    });
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let data = data.to_str().unwrap();
    let (ledger, numbers) = (Ledger::default(), AtomicU64::new(0));
    ledger.lock().name = "ExampleKeyStore".to_owned();
    let mut portcullis = up(data);
    let mut slowest = 0;
    for kill in 0..kills {
        let before = ledger.lock().texts.len();
        load_and_kill(&mut portcullis, &ledger, &numbers, kill);
        portcullis = up(data);
        slowest = slowest.max(portcullis.ready["ready_ms"].as_u64().unwrap());
        check(&portcullis, &ledger, before);
    }
    check(&portcullis, &ledger, 0);
    let entries = ledger.lock();
    assert!(!entries.texts.is_empty() && !entries.aliases.is_empty());
    eprintln!(
        "{kills} kills: {} keys, {} aliases, {} ciphertexts, all there; the slowest start took \
         {slowest} ms",
        entries.keys.len(),
        entries.aliases.len(),
        entries.texts.len()
    );
}

/// Rule ST-11
#[test]
fn a_kill_while_the_world_is_made_leaves_a_folder_that_starts() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let data = data.to_str().unwrap();
    for after_ms in [1, 5, 10, 20, 40, 80, 120, 160, 250, 400] {
        let mut child = Command::new(binary())
            .args(["up", "--port", "0", "--world", "guide", "--data", data])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(after_ms));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let portcullis = up(data);
    check(
        &portcullis,
        &Ledger(Mutex::new(Entries {
            name: "ExampleKeyStore".to_owned(),
            ..Entries::default()
        })),
        0,
    );
}
