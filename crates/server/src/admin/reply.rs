//! How calls are read and answered.

use std::error::Error;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use portcullis_admin::{Call, Form, Reply};
use serde::de::DeserializeOwned;
use serde_json::json;

/// The answer to a call.
pub(super) type AdminAnswer<C> = Result<Done<C>, Refused>;

/// It was done, and this came of it.
pub(super) struct Done<C: Call>(pub(super) C::Reply);

/// It was not done, and why.
#[derive(Debug)]
pub(super) struct Refused(String);

impl Refused {
    /// For a reason that no lower layer gives.
    pub(super) fn because(text: &str) -> Self {
        Self(text.to_owned())
    }
}

/// The body of a call.
pub(super) struct Asked<C: Call>(pub(super) C::Request);

impl<C: Call, S: Send + Sync> FromRequest<S> for Asked<C> {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        let headers = request.headers().clone();
        let body = Bytes::from_request(request, state).await;
        let body = body.map_err(IntoResponse::into_response)?;
        let asked = parse(&headers, &body);
        asked.map(Self).map_err(IntoResponse::into_response)
    }
}

impl<C: Call> IntoResponse for Done<C> {
    /// The members of an object stand in the order of their names: `json!` sorts them.
    fn into_response(self) -> Response {
        match C::ROUTE.form {
            Form::Bare => Json(json!(self.0)).into_response(),
            Form::Enveloped | Form::Media(_) => Json(json!(Reply::Done(self.0))).into_response(),
        }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let refused = Reply::<()>::Refused(self.0);
        (StatusCode::BAD_REQUEST, Json(json!(refused))).into_response()
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
