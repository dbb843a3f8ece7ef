//! From the parts of a request to a call of a service: operation, scope, JSON, constraints.
//!
//! Everything here is a pure function of bytes, and so the place where a fuzzer starts:
//! [`request`].

use portcullis_api::{AccountId, Code, Exception, Operation, Region, Scope, Service};
use portcullis_sigv4::Credential;
use serde::de::DeserializeOwned;

pub use crate::input::Input;

/// A call that a service can carry out: known, permitted in form, and in a scope.
#[derive(Debug)]
pub struct Call {
    /// Whose resources, and where.
    pub scope: Scope,
    /// Which operation, with its input.
    pub input: Input,
}

/// Decodes a request whose signature, if that matters, was checked before.
///
/// `target` is the value of `X-Amz-Target`, and `credential` what the request is signed with.
///
/// # Errors
/// In this order: UnknownOperationException, SerializationException, ValidationException.
pub fn request(
    target: Option<&str>,
    credential: Option<&Credential<'_>>,
    body: &[u8],
    defaults: &Scope,
) -> Result<Call, Exception> {
    call(target, body, || scope(credential, defaults))
}

/// The same, where the scope is known already.
pub(crate) fn call(
    target: Option<&str>,
    body: &[u8],
    scope: impl FnOnce() -> Scope,
) -> Result<Call, Exception> {
    let operation = operation(target)?;
    let input = Input::decode(operation, body)?;
    let scope = scope();
    Ok(Call { scope, input })
}

/// Rule WIRE-01: `X-Amz-Target` names the operation; one that is no operation of either service
/// is answered with UnknownOperationException.
fn operation(target: Option<&str>) -> Result<Operation, Exception> {
    let unknown = |what: String| {
        Exception::new(
            Code::UnknownOperation,
            format!(
                "{what} Send X-Amz-Target: TrentService.<Operation> for KMS or \
                 BaldrApiService.<Operation> for CloudHSM."
            ),
        )
    };
    let Some(target) = target else {
        return Err(unknown(
            "The request has no X-Amz-Target header.".to_owned(),
        ));
    };
    Operation::from_target(target)
        .ok_or_else(|| unknown("X-Amz-Target names no operation of KMS or CloudHSM.".to_owned()))
}

/// The service a target belongs to; KMS when it names none.
pub(crate) fn service(target: Option<&str>) -> Service {
    let prefix = target.and_then(|target| target.split('.').next());
    if prefix == Some(Service::CloudHsm.target_prefix()) {
        Service::CloudHsm
    } else {
        Service::Kms
    }
}

/// Rule WIRE-02: the body is JSON and says so. Web pages of other origins cannot send this type
/// without asking first, and are never answered that they may.
pub(crate) fn content_type(value: Option<&str>) -> Result<(), Exception> {
    let kind = value
        .unwrap_or_default()
        .split(';')
        .next()
        .unwrap_or_default()
        .trim();
    let accepted = [
        "application/x-amz-json-1.1",
        "application/x-amz-json-1.0",
        "application/json",
    ];
    if accepted
        .iter()
        .any(|accepted| kind.eq_ignore_ascii_case(accepted))
    {
        return Ok(());
    }
    Err(Exception::new(
        Code::Serialization,
        "The Content-Type is not application/x-amz-json-1.1, the one form in which Portcullis \
         reads requests. Set the header.",
    ))
}

/// Rule WIRE-07: an access key of twelve digits is the account, and the credential scope names
/// the Region; what a request does not say is taken from the server's defaults.
pub(crate) fn scope(credential: Option<&Credential<'_>>, defaults: &Scope) -> Scope {
    let account = credential.and_then(|found| found.access_key.parse::<AccountId>().ok());
    let region = credential.and_then(|found| found.region.parse::<Region>().ok());
    Scope {
        account: account.unwrap_or_else(|| defaults.account.clone()),
        region: region.unwrap_or_else(|| defaults.region.clone()),
    }
}

/// Reads a body as the JSON object of a shape. An empty body counts as `{}`.
///
/// Rule WIRE-04: a body that is not a JSON object of the operation's shape is answered with
/// SerializationException. The text says where, and never repeats what it found there: that may
/// be a plaintext or a password.
///
/// Rule WIRE-50: serde_json stops at 128 levels, also where it skips what no shape has.
pub(crate) fn json<T: DeserializeOwned>(name: &str, body: &[u8]) -> Result<T, Exception> {
    let refused = |why: String| {
        Exception::new(
            Code::Serialization,
            format!("The body is not the JSON object that {name} takes: {why}."),
        )
    };
    let body = if body.is_empty() { b"{}" } else { body };
    if body.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'{') {
        return Err(refused("it does not begin with a brace".to_owned()));
    }
    serde_json::from_slice(body).map_err(|error| {
        refused(format!(
            "line {}, column {} has a member of another type, or is no JSON",
            error.line(),
            error.column()
        ))
    })
}

#[cfg(test)]
mod tests {
    use portcullis_sigv4::Authorization;
    use proptest::prelude::*;

    use super::*;

    const ENCRYPT: Option<&str> = Some("TrentService.Encrypt");

    fn defaults() -> Scope {
        Scope {
            account: "000000000000".parse().unwrap(),
            region: "us-east-1".parse().unwrap(),
        }
    }

    fn check(target: Option<&str>, body: &[u8], expected: Code) {
        let outcome = request(target, None, body, &defaults());
        let exception = outcome.expect_err("refused");
        assert_eq!(exception.code, expected, "{target:?}: {exception}");
        assert!(!exception.message.contains("c2VjcmV0"), "{exception}");
    }

    /// Rules WIRE-01 and WIRE-04.
    #[test]
    fn a_request_that_cannot_be_read_is_refused_in_the_order_of_the_checks() {
        check(None, b"{", Code::UnknownOperation);
        check(Some("Encrypt"), b"{", Code::UnknownOperation);
        check(
            Some("TrentService.CreateCluster"),
            b"{",
            Code::UnknownOperation,
        );
        for body in [
            &b"{"[..],
            b"[]",
            b"null",
            b"\"c2VjcmV0\"",
            b"\xff",
            b"{}{}",
            b"<xml/>",
        ] {
            check(ENCRYPT, body, Code::Serialization);
        }
        for body in [
            &br#"{"KeyId": 7, "Plaintext": "c2VjcmV0"}"#[..],
            br#"{"KeyId": "k", "Plaintext": ["c2VjcmV0"]}"#,
            br#"{"KeyId": "k", "Plaintext": "c2VjcmV0*"}"#,
        ] {
            check(ENCRYPT, body, Code::Serialization);
        }
        for body in [&b""[..], b"{}", br#"{"KeyId":"k","Plaintext":""}"#] {
            check(ENCRYPT, body, Code::Validation);
        }
    }

    /// Rule WIRE-07.
    #[test]
    fn account_and_region_come_from_the_credential() {
        let signed = |access_key: &str, region: &str| {
            format!(
                "AWS4-HMAC-SHA256 Credential={access_key}/20260830/{region}/kms/aws4_request, \
                 SignedHeaders=host, Signature={:064}",
                0
            )
        };
        for (authorization, account, region) in [
            (None, "000000000000", "us-east-1"),
            (Some(String::from("Bearer x")), "000000000000", "us-east-1"),
            (
                Some(signed("111122223333", "eu-west-1")),
                "111122223333",
                "eu-west-1",
            ),
            (
                Some(signed("test", "eu-west-1")),
                "000000000000",
                "eu-west-1",
            ),
            (
                Some(signed("11112222333", "NO REGION")),
                "000000000000",
                "us-east-1",
            ),
        ] {
            let signed = authorization.as_deref().map(Authorization::parse);
            let signed = signed.and_then(Result::ok);
            let credential = signed.as_ref().map(|signed| &signed.credential);
            let found = scope(credential, &defaults());
            assert_eq!(
                (found.account.as_str(), found.region.as_str()),
                (account, region)
            );
        }
    }

    /// Rule WIRE-02.
    #[test]
    fn only_json_is_read() {
        for accepted in [
            "application/x-amz-json-1.1",
            "application/json; charset=utf-8",
        ] {
            assert_eq!(content_type(Some(accepted)), Ok(()));
        }
        for refused in [None, Some("text/plain"), Some("application/cbor")] {
            assert_eq!(content_type(refused).unwrap_err().code, Code::Serialization);
        }
    }

    /// What the fuzz target `request` starts from, and what it once found.
    #[test]
    fn the_fuzzers_corpus_is_answered() {
        let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus/request");
        let mut read = 0;
        for entry in std::fs::read_dir(corpus).unwrap() {
            let data = std::fs::read(entry.unwrap().path()).unwrap();
            let mut parts = data.splitn(3, |byte| *byte == b'\n');
            let mut text = || parts.next().and_then(|part| std::str::from_utf8(part).ok());
            let (target, authorization) = (text(), text());
            let body = parts.next().unwrap_or_default();
            let signed = authorization.and_then(|value| Authorization::parse(value).ok());
            let credential = signed.as_ref().map(|signed| &signed.credential);
            if let Err(refused) = request(target, credential, body, &defaults()) {
                assert!(refused.code.status() < 500, "{refused}");
            }
            read += 1;
        }
        assert!(read >= 10, "{read} inputs");
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_decoder_panic(
            target in prop_oneof![
                Just("TrentService.Encrypt"),
                Just("TrentService.CreateKey"),
                Just("BaldrApiService.DescribeClusters"),
            ],
            authorization in prop::option::of("\\PC{0,80}"),
            body in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            let signed = authorization.as_deref().map(Authorization::parse);
            let signed = signed.and_then(Result::ok);
            let credential = signed.as_ref().map(|signed| &signed.credential);
            let _outcome = request(Some(target), credential, &body, &defaults());
        }

        #[test]
        fn no_json_makes_the_decoder_panic(
            body in r#"\{("KeyId"|"Plaintext"|"EncryptionContext"|:|,|"[a-z=]{0,9}"|\{|\}|[0-9]){0,30}\}"#,
        ) {
            let _outcome = request(ENCRYPT, None, body.as_bytes(), &defaults());
        }
    }
}
