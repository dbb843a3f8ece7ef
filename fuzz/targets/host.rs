//! Any bytes between a host and the control plane: joins, requests, what comes of them, and enrolment
//! tokens are accepted or refused, never with a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_fleet::{EnrolmentToken, is_host_message};

fuzz_target!(|data: &[u8]| {
    let _accepted = is_host_message(data);
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(token) = text.parse::<EnrolmentToken>() {
        assert_eq!(token.reveal().as_str(), text.trim());
    }
});
