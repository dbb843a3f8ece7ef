//! The admin token: who has it may use the admin API from elsewhere.

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use base64_simd::STANDARD;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use zeroize::Zeroizing;

/// What the server keeps of the admin token: a digest, so that the token itself is nowhere in its
/// memory.
#[derive(Clone)]
pub struct AdminToken(TokenDigest);

/// The SHA-256 hash of a token.
pub(super) type TokenDigest = [u8; 32];

/// A text that is no good as an admin token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidToken;

/// Shorter ones could be guessed within the bound on guesses.
const TOKEN_CHARS_MIN: usize = 16;

/// Far more than any secret needs; a longer file is some other file.
const TOKEN_CHARS_MAX: usize = 1024;

impl AdminToken {
    /// Reads a token as a file holds it: one line, whose end does not count.
    ///
    /// # Errors
    /// Unless it is 16 to 1,024 visible ASCII characters.
    pub fn parse(text: &str) -> Result<Self, InvalidToken> {
        let token = text.trim_ascii();
        let is_good = (TOKEN_CHARS_MIN..=TOKEN_CHARS_MAX).contains(&token.len())
            && token.bytes().all(|byte| byte.is_ascii_graphic());
        if is_good {
            Ok(Self(digest_of(token.as_bytes())))
        } else {
            Err(InvalidToken)
        }
    }

    /// Compares in a time that does not depend on where the two differ.
    pub(super) fn is(&self, presented: &TokenDigest) -> bool {
        verify_slices_are_equal(&self.0, presented).is_ok()
    }
}

/// The digest of the token that a request brings: of a Bearer token, or of the password of HTTP
/// Basic, which is what a browser can send. None when it brings neither.
///
/// Rule DOOR-05: a token is taken in both forms.
pub(super) fn presented(headers: &HeaderMap) -> Option<TokenDigest> {
    let value = headers.get(AUTHORIZATION).map(HeaderValue::as_bytes)?;
    let space = value.iter().position(|byte| *byte == b' ')?;
    let (scheme, rest) = value.split_at(space);
    let rest = rest.trim_ascii();
    if scheme.eq_ignore_ascii_case(b"bearer") {
        return Some(digest_of(rest));
    }
    if !scheme.eq_ignore_ascii_case(b"basic") {
        return None;
    }
    // What cannot be read is a wrong token, not none.
    let read = STANDARD.decode_to_vec(rest).unwrap_or_default();
    let pair = Zeroizing::new(read);
    let colon = pair.iter().position(|byte| *byte == b':');
    let password = colon.and_then(|at| pair.get(at + 1..)).unwrap_or_default();
    Some(digest_of(password))
}

fn digest_of(bytes: &[u8]) -> TokenDigest {
    let digest = digest(&SHA256, bytes);
    let mut copied = TokenDigest::default();
    for (to, from) in copied.iter_mut().zip(digest.as_ref()) {
        *to = *from;
    }
    copied
}

/// By hand: a token that a person chose could be guessed from its digest.
impl fmt::Debug for AdminToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("AdminToken(..)")
    }
}

impl fmt::Display for InvalidToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "An admin token is one line of {TOKEN_CHARS_MIN} to {TOKEN_CHARS_MAX} visible \
             characters. Make one with `openssl rand -hex 32`."
        )
    }
}

impl std::error::Error for InvalidToken {}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(authorization: &str) -> Option<TokenDigest> {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, authorization.parse().unwrap());
        presented(&headers)
    }

    fn basic(pair: &str) -> String {
        format!("Basic {}", STANDARD.encode_to_string(pair))
    }

    /// Rule DOOR-05
    #[test]
    fn a_token_is_taken_as_bearer_and_as_the_password_of_basic() {
        let token = AdminToken::parse("0123456789abcdef\n").unwrap();
        let right = |header: &str| with(header).map(|presented| token.is(&presented));
        for header in [
            "Bearer 0123456789abcdef".to_owned(),
            "bearer  0123456789abcdef".to_owned(),
            basic("anybody:0123456789abcdef"),
            basic(":0123456789abcdef"),
        ] {
            assert_eq!(right(&header), Some(true), "{header}");
        }
        for header in [
            "Bearer 0123456789abcdeF".to_owned(),
            "Bearer 0123456789abcde".to_owned(),
            "Bearer 0123456789abcdef0".to_owned(),
            "Bearer x".to_owned(),
            basic("0123456789abcdef"),
            basic("a:b:0123456789abcdef"),
            "Basic !!!".to_owned(),
        ] {
            assert_eq!(right(&header), Some(false), "{header}");
        }
        for header in ["0123456789abcdef", "AWS4-HMAC-SHA256 Credential=a/b", ""] {
            assert_eq!(with(header), None, "{header}");
        }
    }

    #[test]
    fn what_could_be_guessed_is_no_token_and_a_token_is_not_printed() {
        let long = "a".repeat(1025);
        for text in [
            "",
            "\n",
            "short",
            "0123456789 abcdef",
            "a\u{e4}aaaaaaaaaaaaaaaa",
            &long,
        ] {
            assert!(AdminToken::parse(text).is_err(), "{text:?}");
        }
        let token = AdminToken::parse("0123456789abcdef").unwrap();
        assert_eq!(format!("{token:?}"), "AdminToken(..)");
    }
}
