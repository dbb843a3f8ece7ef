//! The query protocol, of which one operation is there: GetCallerIdentity of AWS STS, by which
//! tools find out who they are.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use http_body_util::Full;
use portcullis_api::{Code, Exception, Messages};
use portcullis_kms::Principal;
use portcullis_sigv4::Credential;

/// The name of STS in the credential scope of a signature.
pub(crate) const SERVICE: &str = "sts";

const NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";
const XML: HeaderValue = HeaderValue::from_static("text/xml");

/// Whether a request without `X-Amz-Target` is one of the query protocol.
pub(crate) fn is_query(headers: &HeaderMap) -> bool {
    let value = headers.get(CONTENT_TYPE).and_then(|it| it.to_str().ok());
    value.is_some_and(|value| {
        let kind = value.split(';').next().unwrap_or_default().trim();
        kind.eq_ignore_ascii_case("application/x-www-form-urlencoded")
    })
}

/// Whether the request is for GetCallerIdentity.
///
/// Rule AUTH-34: any other action and any other service of the query protocol is answered with what
/// there is instead.
pub(crate) fn check(credential: Option<&Credential<'_>>, body: &[u8]) -> Result<(), Exception> {
    let service = credential.map_or(SERVICE, |found| found.service);
    let body = std::str::from_utf8(body).unwrap_or_default();
    let action = body
        .split('&')
        .find_map(|pair| pair.strip_prefix("Action="));
    match (service, action) {
        (SERVICE, Some("GetCallerIdentity")) => Ok(()),
        _ => Err(Exception::new(
            Code::InvalidAction,
            format!(
                "Portcullis has no action {} of the service {service}. Of the query protocol it has \
                 GetCallerIdentity of sts; KMS and CloudHSM v2 are called by JSON.",
                action.unwrap_or("(none)")
            ),
        )),
    }
}

/// The answer to GetCallerIdentity: the principal that signed the request.
pub(crate) fn identity(id: &HeaderValue, caller: &Principal) -> Response<Full<Bytes>> {
    let (arn, user, account) = (
        escaped(caller.arn()),
        escaped(&caller.user_id()),
        caller.account(),
    );
    let request = id.to_str().unwrap_or_default();
    xml(
        StatusCode::OK,
        id,
        format!(
            "<GetCallerIdentityResponse xmlns=\"{NAMESPACE}\">\
             <GetCallerIdentityResult><Arn>{arn}</Arn><UserId>{user}</UserId>\
             <Account>{account}</Account></GetCallerIdentityResult>\
             <ResponseMetadata><RequestId>{request}</RequestId></ResponseMetadata>\
             </GetCallerIdentityResponse>"
        ),
    )
}

/// A refusal as the query protocol words it.
pub(crate) fn failure(
    id: &HeaderValue,
    exception: &Exception,
    messages: Messages,
) -> Response<Full<Bytes>> {
    let status = exception.code.status();
    let side = if status < 500 { "Sender" } else { "Receiver" };
    let name = exception.code.name();
    let request = id.to_str().unwrap_or_default();
    let text = escaped(exception.text(messages).unwrap_or_default());
    xml(
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
        id,
        format!(
            "<ErrorResponse xmlns=\"{NAMESPACE}\"><Error><Type>{side}</Type><Code>{name}</Code>\
             <Message>{text}</Message></Error><RequestId>{request}</RequestId></ErrorResponse>"
        ),
    )
}

fn xml(status: StatusCode, id: &HeaderValue, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(super::reply::REQUEST_ID, id.clone());
    headers.insert(CONTENT_TYPE, XML);
    response
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
