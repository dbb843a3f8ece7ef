//! What a head must have before anything else of a request is looked at, and what is answered to a
//! head that cannot be read.

use http::header::HOST;
use http::request::Parts;
use http::{StatusCode, Version};

/// Whether a head names one host, as HTTP/1.1 asks for (RFC 9112, section 3.2).
///
/// Rule WIRE-24: without one, or with two, it is refused with 400: what stands between two servers
/// that read it differently is how requests are smuggled.
pub(crate) fn check(head: &Parts) -> Result<(), &'static str> {
    let mut hosts = head.headers.get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(_), None) => Ok(()),
        (None, _) if head.version < Version::HTTP_11 => Ok(()),
        (None, _) => Err("The request has no Host header. HTTP/1.1 asks for one; send it."),
        (Some(_), Some(_)) => Err("The request has two Host headers. Send one."),
    }
}

/// What hyper left of a head that it refused.
#[derive(Debug, Clone, Copy)]
pub(super) enum Left<'a> {
    /// Nothing: it read the head to its end.
    Nothing,
    /// The head as far as it came.
    All(&'a [u8]),
}

/// What is told about a head that hyper refused with `status`.
///
/// hyper gives the status of a head that is too large also to a path that is, and to a length of a
/// body that no computer has; only then has it read the head to its end.
pub(super) fn refusal(status: u16, left: Left<'_>, bytes_max: usize) -> (StatusCode, String) {
    let is_too_large = status == StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
    let too_long = || {
        let message =
            format!("The path of the request is longer than {bytes_max} bytes. Shorten it.");
        (StatusCode::URI_TOO_LONG, message)
    };
    match left {
        Left::Nothing if is_too_large => (
            StatusCode::PAYLOAD_TOO_LARGE,
            "The Content-Length is more than any body has. Send the length of the body.".to_owned(),
        ),
        Left::All(head) if is_too_large && !head.contains(&b'\n') => too_long(),
        Left::All(_) if is_too_large => (
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            format!(
                "The head of the request has more than {bytes_max} bytes or more than 100 headers. \
                 Send fewer."
            ),
        ),
        Left::Nothing | Left::All(_) if status == StatusCode::URI_TOO_LONG => too_long(),
        Left::Nothing | Left::All(_) => (
            StatusCode::BAD_REQUEST,
            "The request is not HTTP/1.1 as this server reads it: its first line or a header is \
             malformed, or the length of its body is not said clearly. AWS calls go to POST / over \
             plain HTTP."
                .to_owned(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    /// Rule WIRE-24.
    #[test]
    fn a_head_of_http_1_1_names_one_host() {
        let cases: [(Version, &[&str], bool); 6] = [
            (Version::HTTP_11, &["localhost"], true),
            (Version::HTTP_11, &[""], true),
            (Version::HTTP_11, &[], false),
            (Version::HTTP_11, &["localhost", "localhost"], false),
            (Version::HTTP_10, &[], true),
            (Version::HTTP_10, &["a", "b"], false),
        ];
        for (version, hosts, accepted) in cases {
            let mut request = Request::builder().version(version);
            for host in hosts {
                request = request.header(HOST, *host);
            }
            let (head, ()) = request.body(()).unwrap().into_parts();
            assert_eq!(check(&head).is_ok(), accepted, "{version:?} {hosts:?}");
        }
    }

    /// Rule WIRE-24.
    #[test]
    fn a_head_that_cannot_be_read_is_answered_with_what_is_wrong() {
        let begun = Left::All(b"GET / HTTP/1.1\r\nhost: a");
        for (status, left, expected, says) in [
            (400, begun, 400, "malformed"),
            (400, Left::Nothing, 400, "malformed"),
            (414, begun, 414, "65536"),
            (431, Left::All(b"GET /////"), 414, "65536"),
            (431, begun, 431, "65536"),
            (431, Left::Nothing, 413, "Content-Length"),
            (0, begun, 400, "malformed"),
        ] {
            let (status, message) = refusal(status, left, 65536);
            assert_eq!(status.as_u16(), expected, "{message}");
            assert!(message.contains(says), "{message}");
        }
    }
}
