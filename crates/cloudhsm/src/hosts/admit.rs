//! Whether a caller is let in: a pure decision over its record.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use portcullis_fleet::Join;

use super::record::{HostRecord, HostStanding};

/// Why a host is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotAdmitted {
    /// It was never invited, or shows neither a secret nor the certificate of its number.
    Stranger,
    /// The secret is not the one of its token.
    WrongSecret,
    /// The token has let another certificate in.
    TokenUsed,
    /// The token was not used in time.
    TokenExpired,
    /// It was revoked.
    Revoked,
}

impl NotAdmitted {
    pub(crate) fn told(self, number: u64) -> String {
        let again = "Make a token with `portcullis hsm enrol` and start the host with it, over an \
                     empty --data folder.";
        let why = match self {
            Self::Stranger => {
                format!("This certificate is not the one that host {number} joined with.")
            }
            Self::WrongSecret => format!("The secret of the token for host {number} is wrong."),
            Self::TokenUsed => {
                format!("The token for host {number} has been used, and lets in one host once.")
            }
            Self::TokenExpired => format!("The token for host {number} has expired."),
            Self::Revoked => format!("Since host {number} was revoked, it is not let in again."),
        };
        format!("{why} {again}")
    }
}

/// Rules HOST-02 and HOST-03: a token lets in one certificate, once and in time; afterwards that
/// certificate is let in, with the token or without. Gives the record to be written, if it changes.
pub(crate) fn admit(
    record: Option<&HostRecord>,
    join: &Join,
    certificate: &[u8],
    now: u64,
) -> Result<Option<HostRecord>, NotAdmitted> {
    let record = record.ok_or(NotAdmitted::Stranger)?;
    let certificate = sha256(certificate);
    let shown = join.secret.as_ref().map(|secret| sha256(&***secret));
    match (&record.standing, shown) {
        (HostStanding::Revoked, _) => Err(NotAdmitted::Revoked),
        (
            HostStanding::Enrolled {
                certificate: own, ..
            },
            _,
        ) if *own == certificate => Ok(None),
        (HostStanding::Enrolled { secret, .. }, Some(shown)) if same(secret, &shown) => {
            Err(NotAdmitted::TokenUsed)
        }
        (HostStanding::Enrolled { .. } | HostStanding::Invited { .. }, None) => {
            Err(NotAdmitted::Stranger)
        }
        (HostStanding::Enrolled { .. }, Some(_)) => Err(NotAdmitted::WrongSecret),
        (HostStanding::Invited { secret, .. }, Some(shown)) if !same(secret, &shown) => {
            Err(NotAdmitted::WrongSecret)
        }
        (HostStanding::Invited { expires, .. }, Some(_)) if *expires <= now => {
            Err(NotAdmitted::TokenExpired)
        }
        (HostStanding::Invited { secret, .. }, Some(_)) => Ok(Some(HostRecord {
            standing: HostStanding::Enrolled {
                certificate,
                secret: *secret,
            },
            ..record.clone()
        })),
    }
}

fn same(one: &[u8; 32], other: &[u8; 32]) -> bool {
    verify_slices_are_equal(one, other).is_ok()
}

/// The SHA-256 of `bytes`.
pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut digested = [0; 32];
    for (slot, byte) in digested.iter_mut().zip(digest(&SHA256, bytes).as_ref()) {
        *slot = *byte;
    }
    digested
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;

    const SECRET: [u8; 32] = [7; 32];

    fn invited() -> HostRecord {
        HostRecord {
            number: 1,
            zone: "us-east-1a".to_owned(),
            standing: HostStanding::Invited {
                secret: sha256(&SECRET),
                expires: 100,
            },
        }
    }

    fn join(secret: Option<[u8; 32]>) -> Join {
        Join {
            number: 1,
            secret: secret.map(|secret| Box::new(Zeroizing::new(secret))),
            held: Vec::new(),
        }
    }

    #[track_caller]
    fn check(
        record: &HostRecord,
        secret: Option<[u8; 32]>,
        certificate: &str,
        expected: Result<bool, NotAdmitted>,
    ) {
        let admitted = admit(Some(record), &join(secret), certificate.as_bytes(), 99);
        assert_eq!(admitted.map(|changed| changed.is_some()), expected);
    }

    /// Rules HOST-02 and HOST-03
    #[test]
    fn a_token_lets_in_one_certificate_once_and_that_certificate_for_ever() {
        let enrolled = admit(Some(&invited()), &join(Some(SECRET)), b"own", 99);
        let enrolled = enrolled.unwrap().unwrap();
        check(&enrolled, None, "own", Ok(false));
        check(&enrolled, Some(SECRET), "own", Ok(false));
        check(
            &enrolled,
            Some(SECRET),
            "other",
            Err(NotAdmitted::TokenUsed),
        );
        check(
            &enrolled,
            Some([8; 32]),
            "other",
            Err(NotAdmitted::WrongSecret),
        );
        check(&enrolled, None, "other", Err(NotAdmitted::Stranger));
    }

    /// Rule HOST-13
    #[test]
    fn a_revoked_host_is_let_in_by_nothing() {
        let revoked = HostRecord {
            standing: HostStanding::Revoked,
            ..invited()
        };
        for secret in [None, Some(SECRET), Some([8; 32])] {
            check(&revoked, secret, "own", Err(NotAdmitted::Revoked));
        }
    }

    /// Rules HOST-01 and HOST-02
    #[test]
    fn a_stranger_a_wrong_secret_and_a_late_one_are_refused() {
        check(&invited(), None, "own", Err(NotAdmitted::Stranger));
        check(
            &invited(),
            Some([8; 32]),
            "own",
            Err(NotAdmitted::WrongSecret),
        );
        let late = admit(Some(&invited()), &join(Some(SECRET)), b"own", 100);
        assert_eq!(late, Err(NotAdmitted::TokenExpired));
        let nobody = admit(None, &join(Some(SECRET)), b"own", 1);
        assert_eq!(nobody, Err(NotAdmitted::Stranger));
    }

    /// Rule HOST-01
    #[test]
    fn no_record_holds_the_secret() {
        let mut record = invited();
        for _ in 0..2 {
            let written = crate::record::encode(&record);
            let text = String::from_utf8(written).unwrap();
            assert!(!text.contains("7,7,7,7"), "{text}");
            let enrolled = admit(Some(&invited()), &join(Some(SECRET)), b"own", 1);
            record = enrolled.unwrap().unwrap();
        }
    }

    #[test]
    fn every_refusal_says_what_to_do() {
        for refusal in [
            NotAdmitted::Stranger,
            NotAdmitted::WrongSecret,
            NotAdmitted::TokenUsed,
            NotAdmitted::TokenExpired,
            NotAdmitted::Revoked,
        ] {
            let told = refusal.told(3);
            assert!(
                told.contains("host 3") && told.contains("hsm enrol"),
                "{told}"
            );
        }
    }
}
