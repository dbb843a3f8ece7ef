//! Bodies that nest as deep as a body may be long. One body of 18.6 KB once ended the process: its
//! parser skipped a member that no shape has by recursion without a limit, and a stack that
//! overflows cannot be caught.

use axum::http::Method;
use bytes::Bytes;
use portcullis_api::{Code, Operation};
use portcullis_link::frame::{self, Assembler};
use portcullis_policy::Kind;

use super::client::EventClient;
use super::story::World;
use crate::admin::table;
use crate::decode;
use crate::limits::Limits;

/// What a body may begin with again and again.
const OPENERS: &[&str] = &[
    "[", "{\"Z\":", "[{\"Z\":", "{\"Z\":[", "{", "\"", "\\", "-", "1", "1e", "t", " ", "\n",
    "\u{feff}", "\0",
];

/// Members that one shape or another reads: lists, maps, structures, texts and blobs. In front of an
/// opener they lead into the typed path of the parser; before a member that no shape has they do not.
const MEMBERS: &[&str] = &[
    "Z",
    "KeyId",
    "Plaintext",
    "EncryptionContext",
    "GrantTokens",
    "Recipient",
    "Constraints",
    "Tags",
    "TagList",
    "Filters",
    "SubnetIds",
    "BackupRetentionPolicy",
    "XksProxyAuthenticationCredential",
];

/// `opener`, as often as a body may have it.
fn filled(start: &str, opener: &str) -> Vec<u8> {
    let room = Limits::default().body_bytes_max - start.len();
    let mut body = start.as_bytes().to_vec();
    body.extend_from_slice(opener.repeat(room / opener.len()).as_bytes());
    body
}

/// The target of an operation.
fn target(operation: Operation) -> String {
    let prefix = operation.service().target_prefix();
    format!("{prefix}.{}", operation.name())
}

/// Decodes `body` as every operation's, and expects a refusal of its form.
fn refused_by_every_operation(body: &[u8]) {
    let defaults = crate::ServerConfig::default().defaults;
    for operation in Operation::ALL {
        let target = target(*operation);
        let outcome = decode::request(Some(&target), None, body, &defaults);
        let code = outcome.map(drop).map_err(|refused| refused.code);
        assert!(
            matches!(
                code,
                Err(Code::Serialization | Code::Validation | Code::CloudHsmInvalidRequest)
            ),
            "{target}: {code:?} to {:?}",
            body.get(..40)
        );
    }
}

/// Rule WIRE-50.
#[test]
fn no_opening_byte_and_no_depth_ends_a_decoder() {
    for byte in 0..=u8::MAX {
        refused_by_every_operation(&vec![byte; Limits::default().body_bytes_max]);
    }
    for member in MEMBERS {
        for opener in ["[", "{\"Z\":"] {
            refused_by_every_operation(&filled(&format!("{{\"{member}\":"), opener));
        }
    }
}

/// Rule WIRE-50.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_nests_to_its_end_is_refused_by_every_operation() {
    let world = World::start().await;
    let mut client = EventClient::connect(world.address()).await;
    let bodies: Vec<Bytes> = OPENERS
        .iter()
        .map(|opener| filled("", opener).into())
        .collect();
    for operation in Operation::ALL {
        let target = target(*operation);
        let headers = [
            ("content-type", "application/x-amz-json-1.1"),
            ("x-amz-target", target.as_str()),
        ];
        for body in &bodies {
            let reply = client.send("POST", "/", &headers, body.clone()).await;
            assert_eq!(
                reply.code(),
                "SerializationException",
                "{target}: {reply:?}"
            );
        }
    }
    let health = client
        .send("GET", "/_portcullis/health", &[], Bytes::new())
        .await;
    assert_eq!(health.status, 200, "{health:?}");
}

/// Rule WIRE-50.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_nests_to_its_end_is_refused_by_every_route() {
    let world = World::start().await;
    let mut client = EventClient::connect(world.address()).await;
    let json = [("content-type", "application/json")];
    for route in table().iter().filter(|route| route.method != Method::GET) {
        let path = route.path.replace(['{', '}'], "");
        for opener in OPENERS {
            let body = filled("", opener).into();
            let method = route.method.as_str();
            let reply = client.send(method, &path, &json, body).await;
            let is_refused = (400..500).contains(&reply.status);
            // Nothing of a body is read where a path says all.
            assert!(
                is_refused || route.method == Method::DELETE,
                "{method} {path}: {reply:?}"
            );
        }
    }
    let health = client
        .send("GET", "/_portcullis/health", &[], Bytes::new())
        .await;
    assert_eq!(health.status, 200, "{health:?}");
}

/// A decoder of bytes that come from a socket, called for its effect on the stack.
type Decoder = fn(&[u8]);

/// Every decoder beside those of requests.
const DECODERS: &[(&str, Decoder)] = &[
    ("frames of the link", |bytes| {
        let mut frames = Vec::new();
        let _refused = Assembler::default().feed(bytes, |frame| frames.push(frame));
        for frame in frames {
            let _decoded = frame::decode(frame);
        }
    }),
    ("frames whose length is right", |bytes| {
        let length = u32::try_from(bytes.len()).unwrap();
        let framed = [&length.to_be_bytes()[..], bytes].concat();
        let mut frames = Vec::new();
        let _refused = Assembler::default().feed(&framed, |frame| frames.push(frame));
        for frame in frames {
            let _decoded = frame::decode(frame);
        }
    }),
    ("messages of hosts", |bytes| {
        let _accepted = portcullis_fleet::is_host_message(bytes);
    }),
    ("attestation documents", |bytes| {
        let _document = portcullis_attest::Document::parse(bytes);
    }),
    ("certificates", |bytes| {
        let _certificate = portcullis_link::verify_certificate_signed_by(bytes, bytes);
    }),
    ("certificates in PEM", |bytes| {
        let _certificate = portcullis_link::pem_to_der(&String::from_utf8_lossy(bytes));
    }),
    ("key policies", |bytes| {
        let text = String::from_utf8_lossy(bytes);
        for kind in [Kind::Resource, Kind::Identity] {
            let _policy = portcullis_policy::Document::parse(&text, kind);
        }
    }),
];

/// What CBOR and DER nest by: arrays, maps, tags and texts of indefinite length; sequences of
/// indefinite and of definite length, sets, explicit tags, octet strings.
const BINARY_OPENERS: &[&[u8]] = &[
    &[0x81],
    &[0x9f],
    &[0xa1, 0x00],
    &[0xbf, 0x00],
    &[0xd2],
    &[0xd8, 0x18],
    &[0x7f],
    &[0x30, 0x80],
    &[0x30, 0x83, 0x0f, 0xff, 0xf0],
    &[0x31, 0x80],
    &[0xa0, 0x80],
    &[0x24, 0x80],
];

/// Rule WIRE-50.
#[test]
fn no_other_decoder_nests_as_deep_as_its_sender_likes() {
    let longest = Limits::default().body_bytes_max;
    for (_, decoder) in DECODERS {
        for byte in 0..=u8::MAX {
            decoder(&vec![byte; longest]);
        }
        for opener in OPENERS {
            decoder(&filled("", opener));
        }
        for opener in BINARY_OPENERS {
            decoder(&opener.repeat(longest / opener.len()));
        }
    }
}
