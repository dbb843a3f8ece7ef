use std::fmt;

use crate::hex;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const TERMINATOR: &str = "aws4_request";

/// A parsed `Authorization` header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Authorization<'a> {
    /// Who signed, and for what.
    pub credential: Credential<'a>,
    /// The names of the signed headers, lower case, separated by semicolons.
    pub signed_headers: &'a str,
    /// The signature, an HMAC-SHA256.
    pub signature: [u8; 32],
}

/// `access-key/20150830/us-east-1/kms/aws4_request`, the part that names the signer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Credential<'a> {
    /// The whole text.
    pub text: &'a str,
    /// The access key.
    pub access_key: &'a str,
    /// The day, `20150830`.
    pub day: &'a str,
    /// The Region of the credential scope, such as `us-east-1`.
    pub region: &'a str,
    /// The service's signing name.
    pub service: &'a str,
}

/// The part that a header lacks, or has in a form that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed(pub &'static str);

impl fmt::Display for Malformed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "the Authorization header has no valid {}",
            self.0
        )
    }
}

impl std::error::Error for Malformed {}

impl<'a> Authorization<'a> {
    /// Reads the value of an `Authorization` header.
    ///
    /// # Errors
    /// Names the first part that is missing or malformed.
    pub fn parse(value: &'a str) -> Result<Self, Malformed> {
        let rest = value
            .trim()
            .strip_prefix(ALGORITHM)
            .filter(|rest| rest.starts_with([' ', '\t']))
            .ok_or(Malformed("algorithm (AWS4-HMAC-SHA256 is supported)"))?;
        let (mut credential, mut signed_headers, mut signature) = (None, None, None);
        for part in rest.split(',') {
            let Some((name, value)) = part.trim().split_once('=') else {
                continue;
            };
            // Of a part that is there twice the first counts.
            let slot = match name {
                "Credential" => &mut credential,
                "SignedHeaders" => &mut signed_headers,
                "Signature" => &mut signature,
                _ => continue,
            };
            if slot.is_none() && !value.is_empty() {
                *slot = Some(value);
            }
        }
        let credential = credential.and_then(Credential::parse);
        let signature = signature.and_then(hex::parse);
        Ok(Self {
            credential: credential.ok_or(Malformed("Credential"))?,
            signed_headers: signed_headers.ok_or(Malformed("SignedHeaders"))?,
            signature: signature.ok_or(Malformed("Signature"))?,
        })
    }

    /// Whether the header `name`, in lower case, is among the signed ones.
    #[must_use]
    pub fn covers(&self, name: &str) -> bool {
        self.signed_headers.split(';').any(|signed| signed == name)
    }
}

impl<'a> Credential<'a> {
    /// Reads a credential. The access key may itself contain slashes; the scope may not.
    fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.rsplitn(5, '/');
        let terminator = parts.next()?;
        let (service, region, day) = (parts.next()?, parts.next()?, parts.next()?);
        let access_key = parts.next()?;
        let complete = terminator == TERMINATOR
            && ![service, region, access_key].contains(&"")
            && day.len() == 8
            && day.bytes().all(|byte| byte.is_ascii_digit());
        complete.then_some(Self {
            text,
            access_key,
            day,
            region,
            service,
        })
    }

    /// The scope: the credential without the access key.
    #[must_use]
    pub fn scope(&self) -> &'a str {
        self.text
            .get(self.access_key.len() + 1..)
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SIGNATURE: &str = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31";

    #[test]
    fn a_header_as_clients_send_it_is_read_with_and_without_spaces() {
        for separator in [", ", ",", " ,  "] {
            let value = [
                "AWS4-HMAC-SHA256 Credential=a/b/20150830/us-east-1/kms/aws4_request",
                "SignedHeaders=host;x-amz-date",
                &format!("Signature={SIGNATURE}"),
            ]
            .join(separator);
            let authorization = Authorization::parse(&value).unwrap();
            assert_eq!(authorization.credential.access_key, "a/b");
            assert_eq!(
                authorization.credential.scope(),
                "20150830/us-east-1/kms/aws4_request"
            );
            assert!(authorization.covers("host") && !authorization.covers("hos"));
        }
    }

    #[test]
    fn the_part_that_is_missing_is_named() {
        let credential = "Credential=a/20150830/us-east-1/kms/aws4_request";
        let headers = "SignedHeaders=host";
        let signature = format!("Signature={SIGNATURE}");
        for (value, missing) in [
            (String::new(), "algorithm"),
            ("Bearer token".to_owned(), "algorithm"),
            ("AWS4-HMAC-SHA256".to_owned(), "algorithm"),
            (
                format!("AWS4-HMAC-SHA256 {headers},{signature}"),
                "Credential",
            ),
            (
                format!("AWS4-HMAC-SHA256 Credential=a/b,{headers},{signature}"),
                "Credential",
            ),
            (
                format!("AWS4-HMAC-SHA256 {credential},{signature}"),
                "SignedHeaders",
            ),
            (
                format!("AWS4-HMAC-SHA256 {credential},{headers}"),
                "Signature",
            ),
            (
                format!("AWS4-HMAC-SHA256 {credential},{headers},Signature=zz"),
                "Signature",
            ),
        ] {
            let Malformed(part) = Authorization::parse(&value).unwrap_err();
            assert!(part.starts_with(missing), "{value}: {part}");
        }
    }

    proptest! {
        #[test]
        fn no_header_makes_the_parser_panic(value in "\\PC*") {
            let _outcome = Authorization::parse(&value);
        }

        #[test]
        fn nothing_that_resembles_a_header_makes_the_parser_panic(
            value in "AWS4-HMAC-SHA256 (Credential=|SignedHeaders=|Signature=|[a-f0-9/,=; ]){0,40}"
        ) {
            let _outcome = Authorization::parse(&value);
        }
    }
}
