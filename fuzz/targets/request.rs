//! Any target, Authorization header and body: the decoder answers and never panics.
//!
//! The input is the target, the header and the body, separated by line feeds.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use portcullis_server::{ServerConfig, decode};
use portcullis_sigv4::Authorization;

static CONFIG: LazyLock<ServerConfig> = LazyLock::new(ServerConfig::default);

fuzz_target!(|data: &[u8]| {
    let mut parts = data.splitn(3, |byte| *byte == b'\n');
    let mut text = || parts.next().and_then(|part| std::str::from_utf8(part).ok());
    let (target, authorization) = (text(), text());
    let body = parts.next().unwrap_or_default();
    let signed = authorization.and_then(|value| Authorization::parse(value).ok());
    let credential = signed.as_ref().map(|signed| &signed.credential);
    if let Err(refused) = decode::request(target, credential, body, &CONFIG.defaults) {
        assert!(refused.code.status() < 500, "{refused}");
    }
});
