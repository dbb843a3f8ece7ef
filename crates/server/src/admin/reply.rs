//! The form in which the CloudHSM CLI answers: `{"error_code": 0, "data": …}`.

use std::error::Error;
use std::fmt;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
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

/// What was sent to a verb, not read yet.
pub(super) struct Sent {
    headers: HeaderMap,
    body: Bytes,
}

impl Sent {
    /// Reads the body, of which a verb may read different members at different times.
    pub(super) fn read<T: DeserializeOwned>(&self) -> Result<T, Refused> {
        parse(&self.headers, &self.body)
    }
}

impl<S: Send + Sync> FromRequest<S> for Sent {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        let headers = request.headers().clone();
        let body = Bytes::from_request(request, state).await;
        let body = body.map_err(IntoResponse::into_response)?;
        Ok(Self { headers, body })
    }
}

/// By hand: a body may hold a password.
impl fmt::Debug for Sent {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Sent({} bytes)", self.body.len())
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
fn parse<T: DeserializeOwned>(headers: &HeaderMap, body: &[u8]) -> Result<T, Refused> {
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
