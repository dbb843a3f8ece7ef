use std::borrow::Cow;

use serde::Deserialize;
use zeroize::Zeroizing;

/// The members of an answer to Encrypt and GenerateDataKey that are looked at.
#[derive(Deserialize)]
pub(crate) struct SealedReply<'a> {
    #[serde(rename = "CiphertextBlob", borrow)]
    pub(crate) ciphertext: Cow<'a, str>,
    #[serde(rename = "Plaintext", borrow)]
    plaintext: Option<Cow<'a, str>>,
}

impl SealedReply<'_> {
    /// The data key of GenerateDataKey.
    pub(crate) fn data_key(&self) -> Option<Zeroizing<Vec<u8>>> {
        decode(self.plaintext.as_deref()?)
    }
}

/// The answer to Encrypt or GenerateDataKey.
pub(crate) fn read_sealed(body: &[u8]) -> Option<SealedReply<'_>> {
    serde_json::from_slice(body).ok()
}

/// The plaintext in the answer to Decrypt.
pub(crate) fn decode_plaintext(body: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    #[derive(Deserialize)]
    struct Opened<'a> {
        #[serde(rename = "Plaintext", borrow)]
        plaintext: Cow<'a, str>,
    }
    let opened: Opened<'_> = serde_json::from_slice(body).ok()?;
    decode(&opened.plaintext)
}

fn decode(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    base64_simd::STANDARD
        .decode_to_vec(text)
        .ok()
        .map(Zeroizing::new)
}

/// The name of an exception and its message: `__type`, the part after `#` and before `:`, as
/// botocore reads it.
pub(crate) fn exception_name(body: &[u8]) -> Option<(String, String)> {
    #[derive(Deserialize)]
    struct Exception<'a> {
        #[serde(rename = "__type", borrow)]
        code: Cow<'a, str>,
        #[serde(alias = "Message", default, borrow)]
        message: Cow<'a, str>,
    }
    let exception: Exception<'_> = serde_json::from_slice(body).ok()?;
    let code = exception.code.rsplit('#').next()?.split(':').next()?;
    let name: String = code.chars().take(NAME_CHARS_MAX).collect();
    Some((name, exception.message.into_owned()))
}

/// Longer than any exception's name; what a server sends is kept and printed.
const NAME_CHARS_MAX: usize = 80;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exception_names_are_read_as_botocore_reads_them() {
        for (body, expected) in [
            (
                r#"{"__type":"DisabledException","message":"m"}"#,
                Some("DisabledException"),
            ),
            (
                r#"{"__type":"com.amazonaws#NotFoundException","Message":"m"}"#,
                Some("NotFoundException"),
            ),
            (
                r#"{"__type":"ThrottlingException:http://x","message":"m"}"#,
                Some("ThrottlingException"),
            ),
            (r#"{"message":"m"}"#, None),
            ("<html>", None),
        ] {
            let name = exception_name(body.as_bytes()).map(|(name, _)| name);
            assert_eq!(name.as_deref(), expected, "{body}");
        }
    }
}
