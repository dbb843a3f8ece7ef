//! Whose pages may call: those of this server. A browser lets any page send requests to the
//! loopback interface, and tells in `Origin` whose page it was; other clients send no `Origin`.

use std::net::IpAddr;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST, ORIGIN};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use http_body_util::Full;

/// Whether a request is from no page, or from a page of this server.
///
/// Rule CON-03: a page of another origin may call nothing here, and neither may a page whose own
/// host name was made to point here: the host is an address or `localhost`.
pub(crate) fn is_own_or_none(headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(ORIGIN) else {
        return true;
    };
    let host = headers.get(HOST).and_then(|value| value.to_str().ok());
    let authority = origin.to_str().ok().and_then(|text| {
        text.strip_prefix("http://")
            .or_else(|| text.strip_prefix("https://"))
    });
    match (authority, host) {
        (Some(authority), Some(host)) => authority == host && cannot_be_made_to_point_here(host),
        _ => false,
    }
}

fn cannot_be_made_to_point_here(authority: &str) -> bool {
    let name = match authority.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => authority,
    };
    let address = name.trim_start_matches('[').trim_end_matches(']');
    address.parse::<IpAddr>().is_ok() || name == "localhost" || name.ends_with(".localhost")
}

/// The answer to a page of another origin.
pub(crate) fn refused() -> Response<Full<Bytes>> {
    let text = "{\"message\":\"A page of another origin called. Portcullis takes requests of browsers \
                only from its own console. Open /console/ of this server at its address or at \
                localhost.\"}";
    let mut response = Response::new(Full::new(Bytes::from_static(text.as_bytes())));
    *response.status_mut() = StatusCode::FORBIDDEN;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rule CON-03.
    #[test]
    fn only_pages_of_this_server_call_it() {
        let cases = [
            (None, "evil.example", true),
            (Some("http://127.0.0.1:4566"), "127.0.0.1:4566", true),
            (Some("http://localhost:4566"), "localhost:4566", true),
            (Some("https://kms.localhost"), "kms.localhost", true),
            (Some("http://[::1]:4566"), "[::1]:4566", true),
            (Some("http://evil.example"), "127.0.0.1:4566", false),
            (Some("http://localhost:3000"), "localhost:4566", false),
            // A name of somebody else's that was made to point here.
            (Some("http://evil.example:4566"), "evil.example:4566", false),
            (Some("null"), "127.0.0.1:4566", false),
        ];
        for (origin, host, permitted) in cases {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, host.parse().unwrap());
            if let Some(origin) = origin {
                headers.insert(ORIGIN, origin.parse().unwrap());
            }
            assert_eq!(is_own_or_none(&headers), permitted, "{origin:?} {host}");
        }
    }
}
