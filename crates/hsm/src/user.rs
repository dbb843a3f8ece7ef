use portcullis_seam::plant::{Bug, planted};
use serde::{Deserialize, Serialize};

use crate::password::PasswordHash;
use crate::{Refusal, Role, UserInfo};

/// User names have at most 31 characters (AWS CloudHSM User Guide, quotas).
const NAME_CHARACTERS_MAX: usize = 31;

/// Passwords have 7 to 32 characters: KMS's KeyStorePassword. The CloudHSM quota page says 8 today;
/// the KMS Developer Guide's own example `kmsPswd` has 7.
const PASSWORD_CHARACTERS: std::ops::RangeInclusive<usize> = 7..=32;

/// Five wrong passwords lock an account (AWS CloudHSM User Guide, user management).
const FAILED_LOGINS_MAX: u8 = 5;

/// Name of the service's own user.
pub(crate) const APPLIANCE_USER: &str = "app_user";

/// Name of the user that activation turns into the first admin.
pub(crate) const FIRST_ADMIN: &str = "admin";

/// A user of an HSM. The role is part of its name: `admin` may exist as admin and as crypto user.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct UserName {
    pub(crate) name: String,
    pub(crate) role: Role,
}

impl UserName {
    /// Rule HSM-01: names are at most 31 letters, digits or underscores, and case does not count.
    pub(crate) fn parse(name: &str, role: Role) -> Result<Self, Refusal> {
        let permitted = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let fits = (1..=NAME_CHARACTERS_MAX).contains(&name.len()) && name.chars().all(permitted);
        if !fits {
            return Err(Refusal::BadCredentials);
        }
        Ok(Self {
            name: name.to_ascii_lowercase(),
            role,
        })
    }
}

/// Rule HSM-02: passwords have 7 to 32 characters.
pub(crate) fn check_password(password: &str) -> Result<(), Refusal> {
    if PASSWORD_CHARACTERS.contains(&password.chars().count()) {
        Ok(())
    } else {
        Err(Refusal::BadCredentials)
    }
}

/// What an HSM keeps of a user.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct StoredUser {
    /// None for a user that cannot log in with a password.
    pub(crate) password: Option<PasswordHash>,
    /// Wrong passwords since the last right one.
    pub(crate) failed_logins: u8,
}

impl StoredUser {
    pub(crate) const fn with(password: Option<PasswordHash>) -> Self {
        Self {
            password,
            failed_logins: 0,
        }
    }

    /// Counts a wrong password, and says whether it locked the account.
    pub(crate) fn count_failure(&mut self) -> bool {
        if planted(Bug::LockoutNotCounted) {
            return false;
        }
        self.failed_logins = self.failed_logins.saturating_add(1);
        self.failed_logins == FAILED_LOGINS_MAX
    }

    pub(crate) const fn locked(&self) -> bool {
        self.failed_logins >= FAILED_LOGINS_MAX
    }

    pub(crate) fn info(&self, name: &UserName) -> UserInfo {
        UserInfo {
            username: name.name.clone(),
            role: name.role,
            locked: self.locked(),
        }
    }
}
