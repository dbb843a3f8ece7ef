//! The form in which the CloudHSM CLI answers: `{"error_code": 0, "data": …}`.

use std::error::Error;

use axum::Json;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// The answer to a verb.
pub(super) type Answer = Result<Done, Refused>;

/// It was done, and this came of it.
#[derive(Debug)]
pub(super) struct Done(pub(super) Value);

/// It was not done, and why.
#[derive(Debug)]
pub(super) struct Refused(String);

impl Refused {
    /// For a reason that no lower layer gives.
    pub(super) fn because(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl IntoResponse for Done {
    fn into_response(self) -> Response {
        Json(json!({ "error_code": 0, "data": self.0 })).into_response()
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let body = json!({ "error_code": 1, "data": self.0 });
        (StatusCode::BAD_REQUEST, Json(body)).into_response()
    }
}

impl<E: Error> From<E> for Refused {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

/// Reads a JSON body. The text of a refusal never repeats the body, which may hold a password.
pub(super) fn parse<T: DeserializeOwned>(headers: &HeaderMap, body: &[u8]) -> Result<T, Refused> {
    let kind = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    if !kind.starts_with("application/json") {
        return Err(Refused(
            "The Content-Type is not application/json. Set the header.".into(),
        ));
    }
    serde_json::from_slice(body).map_err(|error| {
        Refused(format!(
            "Line {}, column {} of the body is not what this path takes. Check the names and \
             types of the members.",
            error.line(),
            error.column()
        ))
    })
}

#[cfg(test)]
mod tests {
    use portcullis_hsm::Secret;

    use super::*;

    #[test]
    fn a_refusal_does_not_repeat_the_body() {
        let mut headers = HeaderMap::new();
        assert!(parse::<Secret>(&headers, b"\"hidden\"").is_err());
        headers.insert(CONTENT_TYPE, "application/json".parse().unwrap());
        assert!(parse::<Secret>(&headers, b"\"hidden\"").is_ok());
        let Refused(why) = parse::<u64>(&headers, b"\"hidden\"").unwrap_err();
        assert!(!why.contains("hidden"), "{why}");
    }
}
