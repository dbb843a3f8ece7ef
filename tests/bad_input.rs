//! Nonsense on every socket: clean errors, and the server still serves.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests fail loudly"
)]

use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::time::Duration;

use portcullis_tests::Portcullis;
use serde_json::Value;

/// A generator of bytes that is the same in every run (xorshift64).
struct Bytes(u64);

impl Bytes {
    fn next(&mut self, count: usize) -> Vec<u8> {
        let mut draw = || {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            self.0.to_le_bytes()[0]
        };
        (0..count).map(|_| draw()).collect()
    }
}

/// Sends raw bytes and gives whatever comes back before the server closes or falls silent.
fn raw(portcullis: &Portcullis, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(portcullis.authority()).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(2)))
        .unwrap();
    let _closed_early = stream.write_all(bytes);
    let mut reply = vec![0; 65_536];
    let read = stream.read(&mut reply).unwrap_or(0);
    String::from_utf8_lossy(&reply[..read]).into_owned()
}

fn post(target: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST / HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-amz-json-1.1\r\n\
         x-amz-target: {target}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

fn code(reply: &str) -> String {
    let body = reply.split("\r\n\r\n").nth(1).unwrap_or_default();
    let body: Value = serde_json::from_str(body).unwrap_or_default();
    body["__type"].as_str().unwrap_or("none").to_owned()
}

fn still_serves(portcullis: &Portcullis) {
    let reply = raw(
        portcullis,
        &post("TrentService.GenerateRandom", br#"{"NumberOfBytes":8}"#),
    );
    assert!(reply.starts_with("HTTP/1.1 200"), "{reply}");
}

#[test]
fn bad_requests_get_clean_errors_and_the_server_still_serves() {
    let portcullis = Portcullis::up(&["--world", "quickstart", "--ephemeral"]);
    for (target, body, expected) in [
        ("TrentService.Encrypt", &b"{"[..], "SerializationException"),
        ("TrentService.Encrypt", b"[]", "SerializationException"),
        ("TrentService.Encrypt", b"{}", "ValidationException"),
        (
            "TrentService.Encrypt",
            b"\xff\xfe",
            "SerializationException",
        ),
        ("TrentService.Nonsense", b"{}", "UnknownOperationException"),
        ("Nonsense", b"{}", "UnknownOperationException"),
        (
            "TrentService.CreateKey",
            br#"{"Origin":"EXTERNAL_KEY_STORE"}"#,
            "UnsupportedOperationException",
        ),
        (
            "TrentService.GenerateRandom",
            br#"{"NumberOfBytes":1025}"#,
            "ValidationException",
        ),
    ] {
        let reply = raw(&portcullis, &post(target, body));
        assert!(reply.starts_with("HTTP/1.1 4"), "{target}: {reply}");
        assert_eq!(
            code(&reply),
            expected,
            "{target} {}",
            String::from_utf8_lossy(body)
        );
    }
    let oversized = raw(
        &portcullis,
        &post("TrentService.Encrypt", &vec![b' '; 3 << 20]),
    );
    assert!(
        oversized.starts_with("HTTP/1.1 413") || oversized.is_empty(),
        "{oversized}"
    );
    still_serves(&portcullis);

    let mut bytes = Bytes(0x9e37_79b9_7f4a_7c15);
    for size in 1..200 {
        raw(
            &portcullis,
            &post("TrentService.Decrypt", &bytes.next(size * 7)),
        );
    }
    for size in [1, 10, 100, 1000, 10_000] {
        let mut stream = TcpStream::connect(portcullis.authority()).unwrap();
        let _closed_early = stream.write_all(&bytes.next(size));
    }
    still_serves(&portcullis);
}

#[test]
fn nonsense_on_the_quic_ports_disturbs_nobody() {
    let portcullis = Portcullis::up(&["--world", "quickstart", "--ephemeral"]);
    let status = portcullis.shell("portcullis status --output json");
    let status: Value = serde_json::from_str(&status).unwrap();
    let hsms = status
        .pointer("/clusters/0/hsms")
        .and_then(Value::as_array)
        .unwrap()
        .clone();
    assert_eq!(hsms.len(), 2);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut bytes = Bytes(1);
    for hsm in &hsms {
        for size in 0..1400 {
            socket
                .send_to(&bytes.next(size), hsm["address"].as_str().unwrap())
                .unwrap();
        }
    }
    let encrypted = portcullis.shell("aws kms encrypt --key-id alias/quickstart --plaintext x");
    assert!(encrypted.contains("CiphertextBlob"));
}

#[test]
fn under_verify_only_good_signatures_pass() {
    let portcullis = Portcullis::up(&["--world", "quickstart", "--ephemeral", "--auth", "verify"]);
    let unsigned = raw(&portcullis, &post("TrentService.ListKeys", b"{}"));
    assert_eq!(
        code(&unsigned),
        "MissingAuthenticationTokenException",
        "{unsigned}"
    );
    assert!(portcullis.shell("aws kms list-keys").contains("KeyArn"));
    let forged = portcullis.shell_fails("AWS_SECRET_ACCESS_KEY=wrong aws kms list-keys");
    assert!(forged.contains("InvalidSignatureException"), "{forged}");
    let unknown = portcullis.shell_fails("AWS_ACCESS_KEY_ID=AKIAUNKNOWN aws kms list-keys");
    assert!(unknown.contains("UnrecognizedClientException"), "{unknown}");
    assert!(portcullis.shell("aws kms list-keys").contains("KeyArn"));
}
