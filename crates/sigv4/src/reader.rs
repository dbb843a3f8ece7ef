use std::ops::Range;

use crate::{Authorization, Credential, Malformed, hex};

/// Bytes of a header that is kept at most: one of usual size has some 200.
const KEPT_BYTES_MAX: usize = 1024;

/// Hexadecimal digits of a signature.
const SIGNATURE_DIGITS: usize = 64;

/// Reads the `Authorization` headers of one connection.
///
/// What a client signs with is the same for a day, and with it all of the header that stands before
/// the signature. It is read once, and then compared.
#[derive(Debug, Default)]
pub struct AuthorizationReader {
    last: Option<Constant>,
}

/// All of a header but the signature at its end, and where its parts lie.
#[derive(Debug)]
struct Constant {
    text: Box<str>,
    credential: Range<usize>,
    access_key: Range<usize>,
    day: Range<usize>,
    region: Range<usize>,
    service: Range<usize>,
    signed_headers: Range<usize>,
}

impl AuthorizationReader {
    /// Reads the value of an `Authorization` header, as [`Authorization::parse`] does.
    ///
    /// # Errors
    /// Names the first part that is missing or malformed.
    pub fn read<'a>(&mut self, value: &'a str) -> Result<Authorization<'a>, Malformed> {
        if let Some(found) = self.last.as_ref().and_then(|last| last.read(value)) {
            return Ok(found);
        }
        let found = Authorization::parse(value)?;
        self.last = Constant::of(value, &found);
        Ok(found)
    }
}

impl Constant {
    /// None where the signature is not the last part: then another header may have the same text up
    /// to there and mean something else.
    fn of(value: &str, parsed: &Authorization<'_>) -> Option<Self> {
        let (text, digits) = value.split_at_checked(value.len().checked_sub(SIGNATURE_DIGITS)?)?;
        let is_last = text.ends_with("Signature=")
            && text.matches("Signature=").count() == 1
            && hex::parse(digits) == Some(parsed.signature);
        if !is_last || text.len() > KEPT_BYTES_MAX {
            return None;
        }
        // Both are slices of one text.
        let lies = |part: &str| {
            let start = part.as_ptr().addr() - value.as_ptr().addr();
            start..start + part.len()
        };
        let credential = &parsed.credential;
        Some(Self {
            text: text.into(),
            credential: lies(credential.text),
            access_key: lies(credential.access_key),
            day: lies(credential.day),
            region: lies(credential.region),
            service: lies(credential.service),
            signed_headers: lies(parsed.signed_headers),
        })
    }

    fn read<'a>(&self, value: &'a str) -> Option<Authorization<'a>> {
        let digits = value.strip_prefix(&*self.text)?;
        let signature = hex::parse(digits)?;
        Some(Authorization {
            credential: Credential {
                text: value.get(self.credential.clone())?,
                access_key: value.get(self.access_key.clone())?,
                day: value.get(self.day.clone())?,
                region: value.get(self.region.clone())?,
                service: value.get(self.service.clone())?,
            },
            signed_headers: value.get(self.signed_headers.clone())?,
            signature,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HEADER: &str = "AWS4-HMAC-SHA256 Credential=a/b/20150830/us-east-1/kms/aws4_request, \
                          SignedHeaders=host;x-amz-date, Signature=";

    fn check(reader: &mut AuthorizationReader, value: &str) {
        assert_eq!(reader.read(value), Authorization::parse(value), "{value}");
    }

    #[test]
    fn a_header_reads_the_same_whatever_was_read_before() {
        let (ones, twos) = ("1".repeat(64), "2".repeat(64));
        let headers = [
            format!("{HEADER}{ones}"),
            format!("{HEADER}{twos}"),
            format!("{HEADER}{twos} "),
            format!("{HEADER}{}", "x".repeat(64)),
            format!("{HEADER}{ones}, Signature={twos}"),
            format!("{HEADER}{ones}, Signature={ones}"),
            format!("{}{ones}", HEADER.replace("a/b", "c")),
            format!("{}{ones}", HEADER.replace("Signature=", "Other=")),
            format!("{}{ones}", HEADER.replace("a/b", &"c".repeat(2000))),
            String::new(),
        ];
        let mut reader = AuthorizationReader::default();
        for first in &headers {
            for second in &headers {
                check(&mut reader, first);
                check(&mut reader, second);
            }
        }
    }

    /// What makes it worth while: the second header of a client is not parsed.
    #[test]
    fn the_header_of_a_client_is_kept_up_to_its_signature() {
        let mut reader = AuthorizationReader::default();
        check(&mut reader, &format!("{HEADER}{}", "1".repeat(64)));
        let kept = reader.last.as_ref().map(|last| &*last.text);
        assert_eq!(kept, Some(HEADER));
    }

    proptest! {
        #[test]
        fn headers_that_resemble_each_other_read_as_if_each_were_alone(
            values in prop::collection::vec(
                "AWS4-HMAC-SHA256 (Credential=a/20150830/r/s/aws4_request,|SignedHeaders=host,|Signature=[0-9a]{64}|Signature=1{64}|[ ,;é]){0,5}",
                0..6,
            )
        ) {
            let mut reader = AuthorizationReader::default();
            for value in values {
                check(&mut reader, &value);
            }
        }
    }
}
