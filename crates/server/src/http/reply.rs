use bytes::Bytes;
use data_encoding::HEXLOWER;
use http::header::{CONNECTION, CONTENT_TYPE, HeaderName, RETRY_AFTER};
use http::{HeaderValue, Response, StatusCode};
use http_body_util::Full;
use portcullis_api::{Code, Exception, Messages, Service};

/// Seconds after which a call may be tried again that found no room: what is full here empties as
/// soon as others are answered.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("1");

const JSON: HeaderValue = HeaderValue::from_static("application/x-amz-json-1.1");
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");

/// A request ID of random bits: a version-4 UUID as text.
///
/// Rule WIRE-05: every reply of the AWS endpoint has an ID of its own in `x-amzn-RequestId`.
pub(crate) fn request_id(mut bits: [u8; 16]) -> HeaderValue {
    bits[6] = (bits[6] & 0x0f) | 0x40;
    bits[8] = (bits[8] & 0x3f) | 0x80;
    let mut digits = [0; 32];
    HEXLOWER.encode_mut(&bits, &mut digits);
    let mut text = Vec::with_capacity(36);
    for (index, digit) in digits.into_iter().enumerate() {
        if matches!(index, 8 | 12 | 16 | 20) {
            text.push(b'-');
        }
        text.push(digit);
    }
    HeaderValue::from_maybe_shared(Bytes::from(text)).unwrap_or(HeaderValue::from_static("-"))
}

/// The answer to a call that succeeded; an operation without output shape has an empty body.
pub(crate) fn success(id: HeaderValue, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    let headers = response.headers_mut();
    headers.insert(REQUEST_ID, id);
    headers.insert(CONTENT_TYPE, JSON);
    response
}

/// The answer to a call that failed.
///
/// Rule WIRE-06: an error names its exception in `__type` and in `x-amzn-ErrorType`; its text is
/// in `message` from KMS and in `Message` from CloudHSM, as the two service models spell it.
pub(crate) fn failure(
    id: HeaderValue,
    exception: &Exception,
    (service, messages): (Service, Messages),
) -> Response<Full<Bytes>> {
    let name = exception.code.name();
    let message = exception.text(messages).map(|text| {
        let text = serde_json::to_string(text).unwrap_or_else(|_never| "\"\"".to_owned());
        format!(",\"{}\":{text}", service.message_member())
    });
    let message = message.unwrap_or_default();
    let body = format!("{{\"__type\":\"{name}\"{message}}}");
    let mut response = success(id, Bytes::from(body));
    let headers = response.headers_mut();
    headers.insert(ERROR_TYPE, HeaderValue::from_static(name));
    if exception.code == Code::ServiceUnavailable {
        headers.insert(RETRY_AFTER, RETRY_AFTER_SECONDS);
    }
    *response.status_mut() =
        StatusCode::from_u16(exception.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response
}

/// The answer to a request that is no call of a service and was not carried out.
pub(crate) fn plain(status: StatusCode, message: &str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(message_body(message))));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if status == StatusCode::SERVICE_UNAVAILABLE {
        headers.insert(RETRY_AFTER, RETRY_AFTER_SECONDS);
    }
    response
}

/// The same as bytes, after which the connection is closed.
pub(crate) fn last_words(status: StatusCode, message: &str) -> Vec<u8> {
    let body = message_body(message);
    let reason = status.canonical_reason().unwrap_or_default();
    let (status, length) = (status.as_str(), body.len());
    format!(
        "HTTP/1.1 {status} {reason}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\
         {CONNECTION}: close\r\n\r\n{body}"
    )
    .into_bytes()
}

fn message_body(message: &str) -> String {
    let text = serde_json::to_string(message).unwrap_or_else(|_never| "\"\"".to_owned());
    format!("{{\"message\":{text}}}")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use portcullis_seam::{SystemEntropy, draw};

    use super::*;

    /// Rule MSG-02.
    #[tokio::test]
    async fn a_message_is_whole_or_the_services_alone() {
        use http_body_util::BodyExt;
        let silent = Exception::worded(Code::InvalidCiphertext, "", "Ours.");
        let worded = Exception::worded(Code::NotFound, "Theirs", "Ours.");
        for (exception, service, messages, expected) in [
            (
                &silent,
                Service::Kms,
                Messages::Helpful,
                r#"{"__type":"InvalidCiphertextException","message":"Ours."}"#,
            ),
            (
                &silent,
                Service::Kms,
                Messages::Aws,
                r#"{"__type":"InvalidCiphertextException"}"#,
            ),
            (
                &worded,
                Service::Kms,
                Messages::Aws,
                r#"{"__type":"NotFoundException","message":"Theirs"}"#,
            ),
            (
                &worded,
                Service::CloudHsm,
                Messages::Helpful,
                r#"{"__type":"NotFoundException","Message":"Theirs. Ours."}"#,
            ),
        ] {
            let id = HeaderValue::from_static("-");
            let answer = failure(id, exception, (service, messages));
            let body = answer.into_body().collect().await.unwrap().to_bytes();
            assert_eq!(body, expected);
        }
    }

    /// Rule WIRE-05.
    #[test]
    fn request_ids_are_distinct_uuids() {
        let ids: BTreeSet<String> = (0..1000)
            .map(|_| {
                request_id(draw(&SystemEntropy))
                    .to_str()
                    .unwrap()
                    .to_owned()
            })
            .collect();
        assert_eq!(ids.len(), 1000);
        for id in ids {
            assert_eq!(id.len(), 36);
            assert_eq!(&id[14..15], "4", "{id}");
        }
    }
}
