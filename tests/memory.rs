//! What was secret once is not in the memory of a server after it was used.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "tests fail loudly, and wait on the machine's own clock"
)]
#![cfg(target_os = "linux")]

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::FileExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use data_encoding::HEXLOWER;
use portcullis_tests::{Caller, Outcome, Portcullis, binary, eventually};
use serde_json::{Value, json};

/// How long copies may take to go: connections end, and what was sent is acknowledged, shortly after
/// the call that they were for.
const SETTLE: Duration = Duration::from_secs(20);

/// Pieces in which memory is read.
const PIECE: usize = 1 << 20;

/// A copy of a secret in the memory of a process.
struct Copy {
    /// The line of `/proc/PID/maps` in which it lies, and its distance from the start.
    place: String,
    /// What stands around it.
    around: String,
}

/// The copies of `secret` in what process `id` can write to; none when that may not be read here.
fn copies(id: u32, secret: &[u8]) -> Option<Vec<Copy>> {
    let memory = File::open(format!("/proc/{id}/mem")).ok()?;
    let maps = std::fs::read_to_string(format!("/proc/{id}/maps")).ok()?;
    let mut found = Vec::new();
    for map in maps.lines() {
        let mut words = map.split_whitespace();
        let (range, access) = (words.next().unwrap(), words.next().unwrap());
        if !access.starts_with("rw") {
            continue;
        }
        let (start, end) = range.split_once('-').unwrap();
        let [start, end] = [start, end].map(|it| u64::from_str_radix(it, 16).unwrap());
        found.extend(
            in_range(&memory, (start, end), secret).map(|(at, around)| Copy {
                place: format!("{map} +{:#x}", at - start),
                around,
            }),
        );
    }
    Some(found)
}

fn in_range<'a>(
    memory: &'a File,
    (start, end): (u64, u64),
    secret: &'a [u8],
) -> impl Iterator<Item = (u64, String)> + 'a {
    let mut piece = vec![0; PIECE + secret.len() - 1];
    (start..end).step_by(PIECE).flat_map(move |at| {
        let wanted = usize::try_from(end - at).unwrap().min(piece.len());
        // A page that was never touched, or is gone by now, holds nothing.
        let read = memory.read_at(&mut piece[..wanted], at).unwrap_or(0);
        let mut found = Vec::new();
        let mut from = 0;
        while let Some(position) = position(&piece[from..read], secret) {
            let position = from + position;
            let around = position.saturating_sub(48)..(position + secret.len() + 48).min(read);
            let text = String::from_utf8_lossy(&piece[around])
                .escape_debug()
                .to_string();
            found.push((at + position as u64, text));
            from = position + 1;
        }
        found
    })
}

fn position(text: &[u8], wanted: &[u8]) -> Option<usize> {
    let first = wanted[0];
    let mut from = 0;
    while let Some(at) = text[from..].iter().position(|byte| *byte == first) {
        let at = from + at;
        if text[at..].starts_with(wanted) {
            return Some(at);
        }
        from = at + 1;
    }
    None
}

/// Fails unless nothing is left of the secrets, each of which has a name, after a while.
fn expect_no_copy_of(portcullis: &Portcullis, secrets: &[(&str, &[u8])]) {
    let id = u32::try_from(portcullis.ready["pid"].as_u64().unwrap()).unwrap();
    let began = Instant::now();
    loop {
        let mut left = Vec::new();
        for (name, secret) in secrets {
            let Some(copies) = copies(id, secret) else {
                eprintln!("SKIPPED: this machine lets no process read another one's memory");
                return;
            };
            let told = |copy: Copy| format!("{name}: {}: {}", copy.place, copy.around);
            left.extend(copies.into_iter().map(told));
        }
        if left.is_empty() {
            return;
        }
        assert!(
            began.elapsed() < SETTLE,
            "{} copies are left:\n{}",
            left.len(),
            left.join("\n")
        );
    }
}

fn up() -> Portcullis {
    Portcullis::up(&["--ephemeral", "--allow-core-dumps"])
}

fn status(portcullis: &Portcullis) -> Value {
    serde_json::from_str(&portcullis.shell("portcullis status --output json")).unwrap()
}

fn done(outcome: Outcome) -> Value {
    match outcome {
        Outcome::Done(value) => value,
        other @ (Outcome::Refused(_) | Outcome::Lost) => panic!("{other:?}"),
    }
}

/// The search finds what is there: a name that the server keeps.
#[test]
fn what_a_server_keeps_is_found_in_its_memory() {
    let portcullis = up();
    let mut caller = Caller::new(portcullis.authority());
    let name = "alias/a-name-that-stays-in-memory";
    let keys = done(caller.kms("ListKeys", &json!({})));
    let key = &keys["Keys"][0]["KeyId"];
    done(caller.kms(
        "CreateAlias",
        &json!({ "AliasName": name, "TargetKeyId": key }),
    ));
    drop(caller);
    let id = u32::try_from(portcullis.ready["pid"].as_u64().unwrap()).unwrap();
    match copies(id, name.as_bytes()) {
        Some(found) => assert!(!found.is_empty()),
        None => eprintln!("SKIPPED: this machine lets no process read another one's memory"),
    }
}

/// Rule SEC-03: KMS gives `kmsuser` a new password when it connects; the old one, which somebody
/// typed, was in memory up to three times afterwards.
#[test]
fn the_password_of_kmsuser_is_gone_once_kms_has_changed_it() {
    const PASSWORD: &str = "Canary-pw-5fWq81";
    let portcullis = up();
    let mut caller = Caller::new(portcullis.authority());
    let store = &status(&portcullis)["key_stores"][0];
    let (id, cluster) = (&store["id"], store["cluster_id"].as_str().unwrap());
    done(caller.kms(
        "DisconnectCustomKeyStore",
        &json!({ "CustomKeyStoreId": id }),
    ));
    portcullis.shell(&format!(
        "CLOUDHSM_ROLE=admin CLOUDHSM_PIN=admin:quickstart-admin portcullis cloudhsm-cli \
         --cluster-id {cluster} user change-password --username kmsuser --role crypto-user \
         --password {PASSWORD}"
    ));
    done(caller.kms(
        "UpdateCustomKeyStore",
        &json!({ "CustomKeyStoreId": id, "KeyStorePassword": PASSWORD }),
    ));
    done(caller.kms("ConnectCustomKeyStore", &json!({ "CustomKeyStoreId": id })));
    portcullis.shell("portcullis wait --key-store QuickstartKeyStore --state CONNECTED");
    drop(caller);
    expect_no_copy_of(&portcullis, &[("password", PASSWORD.as_bytes())]);
}

/// Rules SEC-02 and SEC-03.
#[test]
fn plaintexts_are_gone_once_they_were_answered() {
    let portcullis = up();
    let mut caller = Caller::new(portcullis.authority());
    // Long enough to go the way of small texts, and of large ones.
    for (raw, encoded) in [
        (
            "plaintext-canary-0123456789",
            "cGxhaW50ZXh0LWNhbmFyeS0wMTIzNDU2Nzg5",
        ),
        (
            "another-canary-0123456789abc",
            "YW5vdGhlci1jYW5hcnktMDEyMzQ1Njc4OWFiYw==",
        ),
    ] {
        let input = json!({ "KeyId": "alias/quickstart", "Plaintext": encoded });
        let encrypted = done(caller.kms("Encrypt", &input));
        let input = json!({ "CiphertextBlob": encrypted["CiphertextBlob"] });
        assert_eq!(done(caller.kms("Decrypt", &input))["Plaintext"], encoded);
        let refused = json!({ "KeyId": "alias/none", "Plaintext": encoded });
        assert!(matches!(
            caller.kms("Encrypt", &refused),
            Outcome::Refused(_)
        ));
        let secrets: [(&str, &[u8]); 2] = [
            ("raw", raw.as_bytes()),
            ("base64", encoded.trim_end_matches('=').as_bytes()),
        ];
        // The first is looked for while the connection it came on is still open.
        if encoded.ends_with('=') {
            caller = Caller::new(portcullis.authority());
        }
        expect_no_copy_of(&portcullis, &secrets);
    }
}

/// Rule SEC-03.
#[test]
fn an_enrolment_token_is_gone_once_its_host_has_joined() {
    let portcullis = up();
    let invited: Value = serde_json::from_str(&portcullis.shell("portcullis hsm enrol")).unwrap();
    let text = |name: &str| invited["data"][name].as_str().unwrap().to_owned();
    let mut host = Command::new(binary())
        .args(["hsm", "serve", "--join", &text("join"), "--data"])
        .arg(portcullis.home().join("host"))
        .env("PORTCULLIS_HOST_TOKEN", text("token"))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(host.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let token = text("token");
    let secret = token.split('.').nth(2).unwrap();
    let raw = HEXLOWER.decode(secret.as_bytes()).unwrap();
    expect_no_copy_of(&portcullis, &[("text", secret.as_bytes()), ("raw", &raw)]);
    host.kill().unwrap();
    eventually("the host ends", || host.try_wait().unwrap());
}
