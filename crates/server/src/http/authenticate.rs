use http::HeaderName;
use http::request::Parts;
use portcullis_api::{Code, Exception};
use portcullis_seam::Timestamp;
use portcullis_sigv4::{Date, Headers, Refusal, Request, Verifier};

use super::signed::RequestSigner;
use crate::config::Credentials;

/// What temporary credentials send beside the signature.
const SESSION_TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");

/// Checks that a known access key signed the request for this service, in the order in which
/// "Troubleshoot Signature Version 4" of the IAM User Guide lists the errors.
pub(crate) fn authenticate(
    (head, signed): (&Parts, &RequestSigner<'_>),
    body: &[u8],
    service: &str,
    judge: (&mut Verifier, &Credentials, Timestamp),
) -> Result<(), Exception> {
    let (verifier, credentials, now) = judge;
    // Rule WIRE-08: with verification on, an unsigned request is refused.
    let authorization = match signed {
        RequestSigner::Not => return Err(unsigned(credentials)),
        // Rule WIRE-09: a header that lacks a part is answered with what it lacks.
        RequestSigner::NotText => return Err(incomplete("its header is not plain text")),
        RequestSigner::Incomplete(malformed) => return Err(incomplete(malformed)),
        RequestSigner::By(authorization) => authorization,
    };
    let credential = authorization.credential;
    if credential.service != service {
        return Err(invalid(format!(
            "it is for the service {}, and this call belongs to {service}",
            credential.service
        )));
    }
    // Rule WIRE-10: an access key that is not known is refused.
    let secret = credentials
        .secret(credential.access_key)
        .ok_or_else(|| unknown(credentials))?;
    // Rule AUTH-45: a token that is not theirs is refused, whichever principal signs.
    let token = head.headers.get(SESSION_TOKEN);
    let token = token.map(http::HeaderValue::as_bytes);
    let token = token.filter(|token| !token.is_empty());
    if !credentials.accepts_token(credential.access_key, token) {
        return Err(foreign_token());
    }
    let request = Request {
        method: head.method.as_str(),
        path: head.uri.path(),
        query: head.uri.query().unwrap_or_default(),
        headers: &HeaderMap(&head.headers),
        body,
    };
    // Rule WIRE-11: a signature of something else, by another secret or more than 5 minutes off is
    // refused.
    let now = Date::from_unix_seconds(now.millis() / 1000);
    verifier
        .verify(&request, authorization, secret, now)
        .map_err(|refusal| refused(&refusal, credentials))
}

/// What may be signed with.
///
/// Rule DOOR-10: a secret that all know is not named where it does not count.
const fn known(credentials: &Credentials) -> &'static str {
    if credentials.has_public_root() {
        "test with secret test, an account ID with secret test, or the access keys it was started with"
    } else {
        "an access key of the principals that it was started with"
    }
}

fn unsigned(credentials: &Credentials) -> Exception {
    Exception::new(
        Code::MissingAuthenticationToken,
        format!(
            "The request is not signed, and this Portcullis verifies signatures. Use {}, or start it \
             with --auth open.",
            known(credentials)
        ),
    )
}

fn incomplete(why: impl std::fmt::Display) -> Exception {
    Exception::new(
        Code::IncompleteSignature,
        format!(
            "The signature is incomplete: {why}. Send Authorization: AWS4-HMAC-SHA256 \
             Credential=<access key>/<day>/<Region>/<service>/aws4_request, SignedHeaders=..., \
             Signature=..."
        ),
    )
}

fn unknown(credentials: &Credentials) -> Exception {
    Exception::new(
        Code::UnrecognizedClient,
        format!(
            "The security token included in the request is invalid: this Portcullis does not know \
             the access key. Use {}.",
            known(credentials)
        ),
    )
}

fn foreign_token() -> Exception {
    Exception::new(
        Code::UnrecognizedClient,
        "The security token included in the request is invalid. Long-term credentials, as all are that \
         this Portcullis was not given with a session_token, have none: unset AWS_SESSION_TOKEN. \
         Temporary ones have exactly theirs.",
    )
}

/// In the service's own words where these are known (IAM User Guide, Troubleshoot Signature Version 4).
fn refused(refusal: &Refusal, credentials: &Credentials) -> Exception {
    let told =
        |sentence: &str, hint: &str| Exception::worded(Code::InvalidSignature, sentence, hint);
    match refusal {
        Refusal::Skewed { .. } => told(
            &refusal.to_string(),
            "Set the clock of the machine that signs.",
        ),
        Refusal::Mismatch => told(
            "The request signature we calculated does not match the signature you provided. Check your \
             AWS Secret Access Key and signing method. Consult the service documentation for details.",
            &format!(
                "Use {}; nothing may change the request on its way.",
                known(credentials)
            ),
        ),
        Refusal::DateMissing
        | Refusal::OtherDay
        | Refusal::NotSigned(_)
        | Refusal::HeaderMissing => invalid(refusal),
    }
}

fn invalid(why: impl std::fmt::Display) -> Exception {
    Exception::new(
        Code::InvalidSignature,
        format!(
            "The signature is not valid: {why}. Check the secret access key, the clock and the \
             signing method, and that nothing changes the request on its way."
        ),
    )
}

/// hyper's headers as `sigv4` reads them. A request has some ten, which are compared sooner than a name
/// is hashed.
struct HeaderMap<'a>(&'a http::HeaderMap);

impl Headers for HeaderMap<'_> {
    fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        let named = self
            .0
            .iter()
            .filter(move |(found, _)| found.as_str() == name);
        named.map(|(_, value)| value.as_bytes())
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(HeaderName::as_str)
    }
}
