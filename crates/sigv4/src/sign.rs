use std::fmt;

use zeroize::Zeroizing;

use crate::canonical::string_to_sign;
use crate::{Date, Request, SigningKey, hex};

/// A client's credentials for one Region and service.
pub struct Signer {
    access_key: String,
    secret: Zeroizing<String>,
    region: String,
    service: String,
}

impl Signer {
    /// A signer for `service`, e.g. `kms` or `cloudhsm`, in `region`.
    #[must_use]
    pub fn new(
        access_key: impl Into<String>,
        secret: impl Into<String>,
        region: impl Into<String>,
        service: impl Into<String>,
    ) -> Self {
        Self {
            access_key: access_key.into(),
            secret: Zeroizing::new(secret.into()),
            region: region.into(),
            service: service.into(),
        }
    }

    /// The value of the `Authorization` header for a request that is sent with all the headers
    /// given, `host` among them, and with `x-amz-date: <date>`, which is added here when it is
    /// not among them.
    #[must_use]
    pub fn sign(&self, request: &Request<'_, [(&str, &str)]>, date: Date) -> String {
        let date = date.to_string();
        let lower: Vec<(String, &str)> = request
            .headers
            .iter()
            .map(|(name, value)| (name.to_ascii_lowercase(), *value))
            .filter(|(name, _)| name != "x-amz-date")
            .collect();
        let mut headers: Vec<(&str, &str)> = lower
            .iter()
            .map(|(name, value)| (name.as_str(), *value))
            .collect();
        headers.push(("x-amz-date", &date));
        // A stable sort: the values of one name keep their order.
        headers.sort_by_key(|(name, _)| *name);
        let mut names: Vec<&str> = headers.iter().map(|(name, _)| *name).collect();
        names.dedup();
        let names = names.join(";");
        let day = date.get(..8).unwrap_or_default();
        let scope = format!("{day}/{}/{}/aws4_request", self.region, self.service);
        let request = Request {
            headers: headers.as_slice(),
            ..*request
        };
        // Every signed header is in the list that its name was taken from.
        let mut text = Vec::new();
        let _all_there = string_to_sign(&request, &names, &date, &scope, &mut text);
        let key = SigningKey::derive(&self.secret, day, &self.region, &self.service);
        let mut signature = Vec::with_capacity(64);
        hex::push(&mut signature, &key.sign(&text));
        format!(
            "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={}",
            self.access_key,
            String::from_utf8_lossy(&signature),
        )
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "Signer({}/{}/{})",
            self.access_key, self.region, self.service
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(signer: &Signer, request: &Request<'_, [(&str, &str)]>, date: &str, expected: &str) {
        assert_eq!(signer.sign(request, date.parse().unwrap()), expected);
    }

    /// `get-vanilla` of the public SigV4 test suite.
    #[test]
    fn the_documented_example_has_the_documented_signature() {
        check(
            &Signer::new(
                "AKIDEXAMPLE",
                "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
                "us-east-1",
                "service",
            ),
            &Request {
                method: "GET",
                path: "/",
                query: "",
                headers: &[("Host", "example.amazonaws.com")],
                body: b"",
            },
            "20150830T123600Z",
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
             SignedHeaders=host;x-amz-date, \
             Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
        );
    }

    /// Made with botocore 1.44.5, `SigV4Auth`.
    #[test]
    fn an_encrypt_call_is_signed_as_botocore_signs_it() {
        check(
            &Signer::new("111122223333", "test", "eu-west-1", "kms"),
            &Request {
                method: "POST",
                path: "/",
                query: "",
                headers: &[
                    ("content-type", "application/x-amz-json-1.1"),
                    ("x-amz-target", "TrentService.Encrypt"),
                    ("host", "127.0.0.1:4566"),
                ],
                body: br#"{"KeyId":"alias/quickstart","Plaintext":"aGVsbG8="}"#,
            },
            "20260830T123600Z",
            "AWS4-HMAC-SHA256 Credential=111122223333/20260830/eu-west-1/kms/aws4_request, \
             SignedHeaders=content-type;host;x-amz-date;x-amz-target, \
             Signature=755ebcb2eebd2822e60716f312dc66ced73f7887baa6b7881e7b165e9a287acf",
        );
    }

    /// Made with botocore 1.44.5, `SigV4Auth`.
    #[test]
    fn a_session_token_is_a_signed_header_as_in_botocore() {
        check(
            &Signer::new("test", "test", "us-east-1", "cloudhsm"),
            &Request {
                method: "POST",
                path: "/",
                query: "",
                headers: &[
                    ("host", "127.0.0.1:4566"),
                    ("content-type", "application/x-amz-json-1.1"),
                    ("x-amz-target", "BaldrApiService.DescribeClusters"),
                    ("x-amz-security-token", "session/token=="),
                ],
                body: b"{}",
            },
            "20260830T235959Z",
            "AWS4-HMAC-SHA256 Credential=test/20260830/us-east-1/cloudhsm/aws4_request, \
             SignedHeaders=content-type;host;x-amz-date;x-amz-security-token;x-amz-target, \
             Signature=7abe931627b438e1b42b161e3069c3896824deacf0550be9bec30d23b49265fb",
        );
    }

    /// Made with botocore 1.44.5, `SigV4Auth`.
    #[test]
    fn an_odd_path_query_and_header_are_canonical_as_in_botocore() {
        check(
            &Signer::new(
                "AKIDEXAMPLE",
                "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
                "us-east-1",
                "service",
            ),
            &Request {
                method: "GET",
                path: "/a/../b%20c//d/",
                query: "z=1&a=2&a=1&flag",
                headers: &[("X-Spaces", "  one   two  "), ("Host", "example.com")],
                body: b"",
            },
            "20150830T123600Z",
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
             SignedHeaders=host;x-amz-date;x-spaces, \
             Signature=10e5f8d45570e67484de76243b1f1b583d5297d3d4eea16d50c2a28e98eea0ef",
        );
    }

    #[test]
    fn a_signer_does_not_print_its_secret() {
        let printed = format!("{:?}", Signer::new("user", "hidden", "eu-west-1", "kms"));
        assert_eq!(printed, "Signer(user/eu-west-1/kms)");
    }
}
