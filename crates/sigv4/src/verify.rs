use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;

use crate::canonical::{Coverage, must_be_signed, string_to_sign};
use crate::{Authorization, Date, Headers, Request, SigningKey, SigningKeyCache};

/// How far the signer's clock may be off, as KMS and CloudHSM allow it: 5 minutes.
pub const SKEW_SECONDS_MAX: u64 = 5 * 60;

/// Checks signatures. One for each thread: the cache of signing keys has no lock.
///
/// An access key has one secret as long as a verifier lives.
#[derive(Debug, Default)]
pub struct Verifier {
    keys: SigningKeyCache,
    /// What is signed, written here for each request anew.
    text: Vec<u8>,
}

/// Why a signature is not accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// There is no `x-amz-date` header of the form `20150830T123600Z`.
    DateMissing,
    /// The credential is for another day than `x-amz-date`.
    OtherDay,
    /// The signer's clock and this one differ by more than 5 minutes.
    Skewed {
        /// When the request was signed, by its own account.
        signed: Date,
        /// What the time is here.
        now: Date,
    },
    /// A header that must be signed is not: `host`, or any `x-amz-` header.
    NotSigned(String),
    /// A signed header is not in the request.
    HeaderMissing,
    /// Everything is there, and the signature is of something else or by another secret.
    Mismatch,
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DateMissing => {
                formatter.write_str("there is no X-Amz-Date header such as 20150830T123600Z")
            }
            Self::OtherDay => {
                formatter.write_str("the day in the credential is not that of X-Amz-Date")
            }
            Self::Skewed { signed, now } => skewed(formatter, *signed, *now),
            Self::NotSigned(name) => write!(formatter, "the header {name} is not signed"),
            Self::HeaderMissing => formatter.write_str("a signed header is not in the request"),
            Self::Mismatch => formatter.write_str("the signature does not match the request"),
        }
    }
}

impl std::error::Error for Refusal {}

/// The service's own words, which programs look for.
fn skewed(formatter: &mut fmt::Formatter<'_>, signed: Date, now: Date) -> fmt::Result {
    let here = now.unix_seconds();
    let minutes = SKEW_SECONDS_MAX / 60;
    if signed.unix_seconds() < here {
        let limit = Date::from_unix_seconds(here.saturating_sub(SKEW_SECONDS_MAX));
        return write!(
            formatter,
            "Signature expired: {signed} is now earlier than {limit} ({now} - {minutes} min.)"
        );
    }
    let limit = Date::from_unix_seconds(here.saturating_add(SKEW_SECONDS_MAX));
    write!(
        formatter,
        "Signature not yet current: {signed} is still later than {limit} ({now} + {minutes} min.)"
    )
}

impl Verifier {
    /// Checks that the holder of `secret` signed `request` within 5 minutes of `now`.
    ///
    /// The comparison takes the same time wherever the signatures differ. A signing key is kept
    /// only after a signature under it was right, so that strangers cannot fill the cache.
    ///
    /// # Errors
    /// The first reason found, in the order of [`Refusal`].
    pub fn verify<H: Headers + ?Sized>(
        &mut self,
        request: &Request<'_, H>,
        authorization: &Authorization<'_>,
        secret: &str,
        now: Date,
    ) -> Result<(), Refusal> {
        let credential = &authorization.credential;
        let date = check_date(request.headers, credential.day, now)?;
        let text = &mut self.text;
        let signed_headers = authorization.signed_headers;
        let coverage = string_to_sign(request, signed_headers, date, credential.scope(), text);
        check_coverage(request.headers, authorization, coverage)?;
        let matches = |key: &SigningKey| {
            verify_slices_are_equal(&key.sign(text), &authorization.signature).is_ok()
        };
        if let Some(key) = self.keys.get(credential) {
            return if matches(key) {
                Ok(())
            } else {
                Err(Refusal::Mismatch)
            };
        }
        let key = SigningKey::derive(
            secret,
            credential.day,
            credential.region,
            credential.service,
        );
        if !matches(&key) {
            return Err(Refusal::Mismatch);
        }
        self.keys.keep(credential, key);
        Ok(())
    }
}

fn check_date<'a, H: Headers + ?Sized>(
    headers: &'a H,
    day: &str,
    now: Date,
) -> Result<&'a str, Refusal> {
    let text = headers
        .values("x-amz-date")
        .next()
        .and_then(|value| std::str::from_utf8(value).ok())
        .ok_or(Refusal::DateMissing)?;
    let signed: Date = text.parse().map_err(|_invalid| Refusal::DateMissing)?;
    if !text.starts_with(day) {
        return Err(Refusal::OtherDay);
    }
    if signed.unix_seconds().abs_diff(now.unix_seconds()) > SKEW_SECONDS_MAX {
        return Err(Refusal::Skewed { signed, now });
    }
    Ok(text)
}

/// Whether all is signed that must be, and all is there that is signed.
///
/// Where the list is ascending, each of its names is in the request: it has as many that must be
/// signed as the request has, or fewer. Only then is it searched for the one that it lacks.
fn check_coverage<H: Headers + ?Sized>(
    headers: &H,
    authorization: &Authorization<'_>,
    coverage: Option<Coverage>,
) -> Result<(), Refusal> {
    let required = || headers.names().filter(|name| must_be_signed(name));
    let is_whole = |coverage: Coverage| {
        coverage.is_ascending && coverage.has_host && coverage.required == required().count()
    };
    if coverage.is_some_and(is_whole) {
        return Ok(());
    }
    for name in required().chain(["host"]) {
        if !authorization.covers(name) {
            return Err(Refusal::NotSigned(name.to_owned()));
        }
    }
    coverage.map_or(Err(Refusal::HeaderMissing), |_all_there| Ok(()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Signer;

    const NOW: Date = Date::from_unix_seconds(1_440_938_160);
    const DATE: &str = "20150830T123600Z";
    const HOST: (&str, &str) = ("host", "localhost");
    const TARGET: (&str, &str) = ("x-amz-target", "TrentService.ListKeys");

    fn post<'a>(
        headers: &'a [(&'a str, &'a str)],
        body: &'a [u8],
    ) -> Request<'a, [(&'a str, &'a str)]> {
        Request {
            method: "POST",
            path: "/",
            query: "",
            headers,
            body,
        }
    }

    fn signed(headers: &[(&str, &str)], body: &[u8]) -> String {
        Signer::new("user", "secret", "us-east-1", "kms").sign(&post(headers, body), NOW)
    }

    /// Signs host and target, and shows the verifier what `received` says arrived.
    fn check(received: &[(&str, &str)], body: &[u8], now: Date, expected: &Result<(), Refusal>) {
        let value = signed(&[HOST, TARGET], b"{}");
        let authorization = Authorization::parse(&value).unwrap();
        let outcome =
            Verifier::default().verify(&post(received, body), &authorization, "secret", now);
        assert_eq!(&outcome, expected, "{received:?}");
    }

    #[test]
    fn only_what_was_signed_is_accepted() {
        let date = ("x-amz-date", DATE);
        check(&[HOST, TARGET, date], b"{}", NOW, &Ok(()));
        check(
            &[HOST, TARGET, date, ("accept", "*/*")],
            b"{}",
            NOW,
            &Ok(()),
        );
        check(&[HOST, TARGET, date], b"{ }", NOW, &Err(Refusal::Mismatch));
        check(
            &[("host", "other"), TARGET, date],
            b"{}",
            NOW,
            &Err(Refusal::Mismatch),
        );
        check(&[HOST, date], b"{}", NOW, &Err(Refusal::HeaderMissing));
        check(
            &[HOST, TARGET, TARGET, date],
            b"{}",
            NOW,
            &Err(Refusal::Mismatch),
        );
        let token = ("x-amz-security-token", "slipped in");
        let unsigned = Refusal::NotSigned("x-amz-security-token".to_owned());
        check(&[HOST, TARGET, date, token], b"{}", NOW, &Err(unsigned));
    }

    #[test]
    fn a_header_that_must_be_signed_is_missed_whatever_else_is_in_the_list() {
        let date = ("x-amz-date", DATE);
        let unsigned = || Err(Refusal::NotSigned("x-amz-date".to_owned()));
        for (listed, received, expected) in [
            ("host;host", vec![HOST, date], unsigned()),
            ("host;x-amz-target", vec![HOST, date], unsigned()),
            ("x-amz-target;host", vec![HOST, TARGET, date], unsigned()),
            (
                "host;x-amz-a;x-amz-date",
                vec![HOST, date],
                Err(Refusal::HeaderMissing),
            ),
            (
                "x-amz-date",
                vec![date],
                Err(Refusal::NotSigned("host".to_owned())),
            ),
            ("x-amz-date;host", vec![HOST, date], Err(Refusal::Mismatch)),
        ] {
            let value = signed(&[HOST, TARGET], b"{}");
            let listing = "SignedHeaders=host;x-amz-date;x-amz-target";
            assert!(value.contains(listing), "{value}");
            let value = value.replace(listing, &format!("SignedHeaders={listed}"));
            let authorization = Authorization::parse(&value).unwrap();
            let request = post(&received, b"{}");
            let outcome = Verifier::default().verify(&request, &authorization, "secret", NOW);
            assert_eq!(outcome, expected, "{listed}");
        }
    }

    /// Rule WIRE-11.
    #[test]
    fn a_signature_counts_for_five_minutes_either_way() {
        let received = [HOST, TARGET, ("x-amz-date", DATE)];
        let at = |seconds| Date::from_unix_seconds(seconds);
        let signed = NOW;
        let base = NOW.unix_seconds();
        for seconds in [0, 1, 240, 299, 300] {
            check(&received, b"{}", at(base + seconds), &Ok(()));
            check(&received, b"{}", at(base - seconds), &Ok(()));
        }
        for seconds in [301, 360, 899, 900, 901, 86_400] {
            for now in [at(base + seconds), at(base - seconds)] {
                check(&received, b"{}", now, &Err(Refusal::Skewed { signed, now }));
            }
        }
        for (now, expected) in [
            (
                at(base + 360),
                "Signature expired: 20150830T123600Z is now earlier than 20150830T123700Z \
                 (20150830T124200Z - 5 min.)",
            ),
            (
                at(base - 360),
                "Signature not yet current: 20150830T123600Z is still later than 20150830T123500Z \
                 (20150830T123000Z + 5 min.)",
            ),
        ] {
            assert_eq!(Refusal::Skewed { signed, now }.to_string(), expected);
        }
        check(&[HOST, TARGET], b"{}", NOW, &Err(Refusal::DateMissing));
        check(
            &[HOST, TARGET, ("x-amz-date", "now")],
            b"{}",
            NOW,
            &Err(Refusal::DateMissing),
        );
        let tomorrow = ("x-amz-date", "20150831T000000Z");
        check(
            &[HOST, TARGET, tomorrow],
            b"{}",
            NOW,
            &Err(Refusal::OtherDay),
        );
    }

    #[test]
    fn a_wrong_secret_is_refused_and_its_key_is_not_kept() {
        let value = signed(&[HOST], b"");
        let authorization = Authorization::parse(&value).unwrap();
        let received = [HOST, ("x-amz-date", DATE)];
        let request = post(&received, b"");
        let mut verifier = Verifier::default();
        let wrong = verifier.verify(&request, &authorization, "guess", NOW);
        assert_eq!(wrong, Err(Refusal::Mismatch));
        assert!(verifier.keys.get(&authorization.credential).is_none());
        for _ in 0..2 {
            assert_eq!(
                verifier.verify(&request, &authorization, "secret", NOW),
                Ok(())
            );
        }
    }

    #[test]
    fn a_request_whose_host_is_not_signed_is_refused() {
        let value = signed(&[], b"");
        let authorization = Authorization::parse(&value).unwrap();
        let received = [("x-amz-date", DATE)];
        let outcome =
            Verifier::default().verify(&post(&received, b""), &authorization, "secret", NOW);
        assert_eq!(outcome, Err(Refusal::NotSigned("host".to_owned())));
    }

    proptest! {
        #[test]
        fn what_a_signer_signs_a_verifier_accepts(
            secret in "[!-~]{1,60}",
            access_key in "[A-Za-z0-9/]{1,30}",
            path in "/[ -~]{0,30}",
            query in "[ -~]{0,30}",
            value in "[ -~]{0,40}",
            body in prop::collection::vec(any::<u8>(), 0..200),
            seconds in 0_u64..253_402_300_799,
        ) {
            let now = Date::from_unix_seconds(seconds);
            let date = now.to_string();
            let signer = Signer::new(access_key, secret.clone(), "eu-west-1", "kms");
            let headers = [HOST, ("x-amz-extra", value.as_str()), ("x-amz-date", date.as_str())];
            let request = Request {
                method: "PUT",
                path: &path,
                query: &query,
                headers: &headers[..],
                body: &body,
            };
            let text = signer.sign(&request, now);
            let authorization = Authorization::parse(&text).unwrap();
            let mut verifier = Verifier::default();
            prop_assert_eq!(verifier.verify(&request, &authorization, &secret, now), Ok(()));
            let changed = Request { body: b"another body, longer than none", ..request };
            let outcome = verifier.verify(&changed, &authorization, &secret, now);
            prop_assert_eq!(outcome, Err(Refusal::Mismatch));
        }
    }
}
