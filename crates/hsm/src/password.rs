use std::num::NonZeroU32;

use aws_lc_rs::pbkdf2;
use portcullis_seam::{Entropy, draw};
use serde::{Deserialize, Serialize};

/// A password as an HSM keeps it: PBKDF2-HMAC-SHA256 over a salt of its own.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct PasswordHash {
    salt: [u8; 16],
    hash: [u8; 32],
    iterations: NonZeroU32,
}

impl PasswordHash {
    pub(crate) fn of(password: &str, iterations: NonZeroU32, entropy: &dyn Entropy) -> Self {
        let salt = draw(entropy);
        let mut hash = [0; 32];
        let algorithm = pbkdf2::PBKDF2_HMAC_SHA256;
        pbkdf2::derive(algorithm, iterations, &salt, password.as_bytes(), &mut hash);
        Self {
            salt,
            hash,
            iterations,
        }
    }

    /// What the password of an unknown user is compared with, so that an unknown name costs as much as a known
    /// one.
    pub(crate) const fn of_nobody(iterations: NonZeroU32) -> Self {
        Self {
            salt: [0; 16],
            hash: [0; 32],
            iterations,
        }
    }

    /// Compares in constant time.
    pub(crate) fn accepts(&self, password: &str) -> bool {
        let algorithm = pbkdf2::PBKDF2_HMAC_SHA256;
        pbkdf2::verify(
            algorithm,
            self.iterations,
            &self.salt,
            password.as_bytes(),
            &self.hash,
        )
        .is_ok()
    }
}

impl std::fmt::Debug for PasswordHash {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("PasswordHash(..)")
    }
}
