//! The console under `/console/`: files of the binary, compressed where the client takes that, with
//! entity tags and a policy that lets the page talk to no server but this one.

use axum::extract::Path;
use axum::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG,
    IF_NONE_MATCH, REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use portcullis_console::{Carried, File, carried, find};

use crate::admin::Route;

/// Rule CON-04: the page loads nothing from elsewhere and sends nothing elsewhere, and no other
/// page may frame it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                      font-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

/// A file whose name has its digest in it.
const FOR_EVER: &str = "public, max-age=31536000, immutable";

/// A file that is asked for again each time, and answered with 304.
const ASK_AGAIN: &str = "no-cache";

/// `/console` and everything below.
pub(crate) fn routes() -> [Route; 3] {
    [
        Route::file("/console", || async { Redirect::permanent("/console/") }),
        Route::file("/console/", |headers: HeaderMap| async move {
            serve("", &headers)
        }),
        Route::file(
            "/console/{*path}",
            |Path(path): Path<String>, headers: HeaderMap| async move { serve(&path, &headers) },
        ),
    ]
}

/// Says in the log which console the binary carries.
pub(crate) fn log() {
    match carried() {
        Carried::Console => tracing::info!("the console is at /console/"),
        Carried::Placeholder => {
            tracing::info!("the console is not in this binary; /console/ says how to get it");
        }
    }
}

/// Rule CON-01: a file is sent compressed to who takes Brotli, and not at all to who has it.
fn serve(path: &str, headers: &HeaderMap) -> Response {
    let Some(file) = find(path) else {
        let text = "The console has no such file. Its start page is /console/.\n";
        return (StatusCode::NOT_FOUND, text).into_response();
    };
    let tag = format!("\"{}\"", file.tag);
    let cache = if file.is_immutable {
        FOR_EVER
    } else {
        ASK_AGAIN
    };
    let always = [
        (ETAG, tag.as_str()),
        (CACHE_CONTROL, cache),
        (VARY, "accept-encoding"),
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
    ];
    if lists(headers, IF_NONE_MATCH.as_str(), &tag) {
        return (StatusCode::NOT_MODIFIED, always).into_response();
    }
    let kind = [(CONTENT_TYPE, file.media_type)];
    match brotli(file, headers) {
        Some(bytes) => (always, kind, [(CONTENT_ENCODING, "br")], bytes).into_response(),
        None => (always, kind, file.plain).into_response(),
    }
}

fn brotli(file: &'static File, headers: &HeaderMap) -> Option<&'static [u8]> {
    file.brotli
        .filter(|_| lists(headers, ACCEPT_ENCODING.as_str(), "br"))
}

/// Whether a header that is a list has `wanted` in it; what follows a semicolon is not looked at,
/// but `;q=0`, which takes it back.
fn lists(headers: &HeaderMap, name: &str, wanted: &str) -> bool {
    let values = headers.get_all(name).iter();
    let texts = values.filter_map(|value| value.to_str().ok());
    texts.flat_map(|text| text.split(',')).any(|item| {
        let (item, quality) = item.split_once(';').unwrap_or((item, ""));
        let item = item.trim();
        let item = item.strip_prefix("W/").unwrap_or(item);
        item == wanted && quality.trim() != "q=0"
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.parse().unwrap());
        headers
    }

    /// Rule CON-01, CON-04.
    #[test]
    fn a_page_has_a_tag_and_a_policy_and_is_not_sent_twice() {
        let first = serve("", &HeaderMap::new());
        assert_eq!(first.status(), StatusCode::OK);
        assert_eq!(first.headers()[CONTENT_TYPE], "text/html; charset=utf-8");
        let policy = first.headers()[CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none';"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        let tag = first.headers()[ETAG].to_str().unwrap();
        let again = serve("kms/keys", &headers("if-none-match", tag));
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
        assert_eq!(
            serve("no.js", &HeaderMap::new()).status(),
            StatusCode::NOT_FOUND
        );
    }

    /// Rule CON-01.
    #[test]
    fn lists_are_read_as_lists() {
        for taken in ["br", "gzip, br", "gzip;q=0.5, br;q=0.9"] {
            assert!(lists(
                &headers("accept-encoding", taken),
                "accept-encoding",
                "br"
            ));
        }
        for not_taken in ["gzip", "gzip, brotli", "br;q=0"] {
            assert!(!lists(
                &headers("accept-encoding", not_taken),
                "accept-encoding",
                "br"
            ));
        }
    }
}
