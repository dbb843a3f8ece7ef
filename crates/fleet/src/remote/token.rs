use std::fmt;
use std::str::FromStr;

use data_encoding::HEXLOWER;
use portcullis_seam::Entropy;
use zeroize::Zeroizing;

/// What lets one host join, once: `portcullis-host.<number>.<secret>.<fingerprint>`.
///
/// It names the host's number, proves by its secret that the control plane has invited it, and says
/// by the SHA-256 of its certificate which control plane that is.
#[derive(Clone, PartialEq, Eq)]
pub struct EnrolmentToken {
    /// The host's number.
    pub number: u64,
    /// The SHA-256 of the control plane's certificate.
    pub fingerprint: [u8; 32],
    /// Proves that the host was invited.
    pub secret: TokenSecret,
}

/// The secret of a token. Rule SEC-03: it stays in one place, since a value that is moved leaves a copy
/// behind.
pub type TokenSecret = Box<Zeroizing<[u8; 32]>>;

/// A text that is no enrolment token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidToken;

impl fmt::Display for InvalidToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(
            "This is no enrolment token: one looks like portcullis-host.<number>.<64 hexadecimal \
             digits>.<64 hexadecimal digits>. Copy the whole line that `portcullis hsm enrol` \
             printed.",
        )
    }
}

impl std::error::Error for InvalidToken {}

const PREFIX: &str = "portcullis-host";

impl EnrolmentToken {
    /// A token with a fresh secret.
    #[must_use]
    pub fn draw(number: u64, fingerprint: [u8; 32], entropy: &dyn Entropy) -> Self {
        let mut secret = TokenSecret::default();
        entropy.fill(&mut **secret);
        Self {
            number,
            fingerprint,
            secret,
        }
    }

    /// The token as it is typed. Secret until it was used.
    #[must_use]
    pub fn reveal(&self) -> Zeroizing<String> {
        Zeroizing::new(format!(
            "{PREFIX}.{}.{}.{}",
            self.number,
            *hex(&**self.secret),
            *hex(&self.fingerprint)
        ))
    }
}

impl FromStr for EnrolmentToken {
    type Err = InvalidToken;

    fn from_str(text: &str) -> Result<Self, InvalidToken> {
        let mut parts = text.trim().split('.');
        let mut next = || parts.next().ok_or(InvalidToken);
        let (prefix, number, secret, fingerprint) = (next()?, next()?, next()?, next()?);
        let plain = !number.starts_with(['+', '0']);
        if prefix != PREFIX || !plain || parts.next().is_some() {
            return Err(InvalidToken);
        }
        Ok(Self {
            number: number.parse().map_err(|_error| InvalidToken)?,
            secret: bytes(secret).ok_or(InvalidToken)?,
            fingerprint: **bytes(fingerprint).ok_or(InvalidToken)?,
        })
    }
}

impl fmt::Debug for EnrolmentToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "EnrolmentToken(host {})", self.number)
    }
}

fn hex(bytes: &[u8]) -> Zeroizing<String> {
    Zeroizing::new(HEXLOWER.encode(bytes))
}

/// Read where it stays: no other buffer has seen it.
fn bytes(hex: &str) -> Option<TokenSecret> {
    let mut bytes = TokenSecret::default();
    let is_long_enough = hex.len() == 2 * bytes.len();
    let is_read = is_long_enough && HEXLOWER.decode_mut(hex.as_bytes(), &mut **bytes).is_ok();
    is_read.then_some(bytes)
}

#[cfg(test)]
mod tests {
    use portcullis_seam::SystemEntropy;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Rule HOST-10
        #[test]
        fn a_token_reads_back_and_one_with_a_changed_form_is_refused(
            number in 1_u64..,
            fingerprint in any::<[u8; 32]>(),
            at in any::<prop::sample::Index>(),
        ) {
            let token = EnrolmentToken::draw(number, fingerprint, &SystemEntropy);
            let text = token.reveal();
            prop_assert_eq!(text.parse(), Ok(token));
            let at = at.index(text.len());
            let changed = format!("{}~{}", &text[..at], &text[at + 1..]);
            prop_assert_eq!(changed.parse::<EnrolmentToken>(), Err(InvalidToken));
            let shorter = &text[..at];
            prop_assert_eq!(shorter.parse::<EnrolmentToken>(), Err(InvalidToken));
        }

        /// Rule HOST-10
        #[test]
        fn any_text_is_a_token_or_refused(text in ".{0,200}") {
            if let Ok(token) = text.parse::<EnrolmentToken>() {
                let revealed = token.reveal();
                prop_assert_eq!(revealed.as_str(), text.trim());
            }
        }
    }

    #[test]
    fn a_token_is_not_printed() {
        let token = EnrolmentToken::draw(7, [1; 32], &SystemEntropy);
        assert_eq!(format!("{token:?}"), "EnrolmentToken(host 7)");
    }
}
