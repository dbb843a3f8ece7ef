//! Where records lie on the disk of an HSM.
//!
//! ```text
//! hsm/<record of the HSM>   sealed by the HSM
//! deleted/<key id>          empty: this key was deleted on purpose
//! changed/<role>/<user>     when this user was last changed
//! damaged                   empty: a fault has inverted every hsm/ record
//! ```

use portcullis_hsm::HsmKeyId;

/// The prefix of the HSM's own records.
pub(crate) const HSM_RECORDS: &str = "hsm/";
/// Where an HSM's records of users lie.
pub(crate) const USERS: &str = "user/";
pub(crate) const DELETED: &str = "deleted/";
pub(crate) const CHANGED: &str = "changed/";
pub(crate) const DAMAGED: &str = "damaged";

pub(crate) fn hsm_record(key: &str) -> String {
    format!("{HSM_RECORDS}{key}")
}

pub(crate) fn deleted(id: &HsmKeyId) -> String {
    format!("{DELETED}{id}")
}

pub(crate) fn changed(user: &str) -> String {
    format!("{CHANGED}{user}")
}
