//! Whose pages may call: those of this server. A browser lets any page send requests to the
//! loopback interface, and tells in `Origin` whose page it was; other clients send no `Origin`.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST, ORIGIN};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use http_body_util::Full;

use crate::door::HostNames;
use crate::events::ConnectionPeer;

/// Whether a request is from no page, or from a page of this server.
///
/// Rule CON-03: a page of another origin may call nothing here, and neither may a page whose own
/// host name was made to point here. Over TLS a page that came without it is another origin.
pub(crate) fn is_own_or_none(headers: &HeaderMap, names: &HostNames, peer: ConnectionPeer) -> bool {
    let Some(origin) = headers.get(ORIGIN) else {
        return true;
    };
    let host = headers.get(HOST).and_then(|value| value.to_str().ok());
    let authority = origin.to_str().ok().and_then(|text| {
        text.strip_prefix("https://")
            .or_else(|| text.strip_prefix("http://").filter(|_| !peer.is_secure))
    });
    match (authority, host) {
        (Some(authority), Some(host)) => authority == host && names.permits(host),
        _ => false,
    }
}

/// Whether a browser says that it asks for another page, other than by following a link: pictures and
/// scripts have no Origin.
pub(crate) fn is_of_another_page(headers: &HeaderMap) -> bool {
    let text = |name| {
        let value = headers.get(name).map(HeaderValue::as_bytes);
        value.unwrap_or_default()
    };
    let is_link = text("sec-fetch-mode") == b"navigate" && text("sec-fetch-dest") == b"document";
    matches!(text("sec-fetch-site"), b"cross-site" | b"same-site") && !is_link
}

/// What a page of another origin is told.
pub(crate) const FOREIGN_PAGE: &str = "A page of another origin called. Portcullis takes requests of \
                                       browsers only from its own console. Open /console/ of this \
                                       server at its address, at localhost, or at a name that it was \
                                       started with by --host-name.";

/// The answer to a page of another origin.
pub(crate) fn refused() -> Response<Full<Bytes>> {
    let text = serde_json::json!({ "message": FOREIGN_PAGE }).to_string();
    let mut response = Response::new(Full::new(Bytes::from(text)));
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
        let mut names = HostNames::default();
        names.insert("portcullis").unwrap();
        let cases = [
            (None, "evil.example", true),
            (Some("http://127.0.0.1:4566"), "127.0.0.1:4566", true),
            (Some("http://localhost:4566"), "localhost:4566", true),
            (Some("https://kms.localhost"), "kms.localhost", true),
            (Some("http://[::1]:4566"), "[::1]:4566", true),
            (Some("http://portcullis:4566"), "portcullis:4566", true),
            (Some("http://evil.example"), "127.0.0.1:4566", false),
            (Some("http://localhost:3000"), "localhost:4566", false),
            // A foreign name that was made to point here.
            (Some("http://evil.example:4566"), "evil.example:4566", false),
            (Some("null"), "127.0.0.1:4566", false),
        ];
        for (origin, host, permitted) in cases {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, host.parse().unwrap());
            if let Some(origin) = origin {
                headers.insert(ORIGIN, origin.parse().unwrap());
            }
            let at = |is_secure| ConnectionPeer {
                address: "127.0.0.1".parse().unwrap(),
                is_secure,
            };
            let judged = is_own_or_none(&headers, &names, at(false));
            assert_eq!(judged, permitted, "{origin:?} {host}");
            let is_plain = origin.is_some_and(|origin| origin.starts_with("http://"));
            let judged = is_own_or_none(&headers, &names, at(true));
            assert_eq!(judged, permitted && !is_plain, "{origin:?} {host} over TLS");
        }
    }

    /// Rule CON-03.
    #[test]
    fn pictures_of_other_pages_are_known_and_links_are_followed() {
        let cases = [
            (["", "", ""], false),
            (["same-origin", "cors", "empty"], false),
            (["none", "navigate", "document"], false),
            (["cross-site", "navigate", "document"], false),
            (["cross-site", "no-cors", "image"], true),
            (["same-site", "no-cors", "script"], true),
            (["cross-site", "navigate", "iframe"], true),
        ];
        for (told, expected) in cases {
            let mut headers = HeaderMap::new();
            for (part, value) in ["site", "mode", "dest"].iter().zip(told) {
                let name = http::HeaderName::try_from(format!("sec-fetch-{part}")).unwrap();
                headers.insert(name, value.parse().unwrap());
            }
            assert_eq!(is_of_another_page(&headers), expected, "{told:?}");
        }
    }
}
