//! What users and clusters of a world are called, and their passwords.

use portcullis_api::ClusterId;

use super::WorldError;

/// The admin of every cluster.
pub(super) const ADMIN: &str = "admin";
pub(super) const ADMIN_PASSWORD: &str = "adminPassword";
pub(super) const KMSUSER: &str = "kmsuser";
pub(super) const KMSUSER_PASSWORD: &str = "kmsPswd1";
pub(super) const NEW_PASSWORD: &str = "newPassword1";
/// What an admin gives `kmsuser` on one HSM only.
pub(super) const ODD_PASSWORD: &str = "oddPassword1";

/// `cluster-` and a name of five letters, filled up to eleven.
pub(super) fn cluster_id(name: &str) -> Result<ClusterId, WorldError> {
    let id = format!("cluster-{name}cluster");
    let id = id.get(..19).unwrap_or(&id);
    id.parse().map_err(|error| WorldError::of(id, error))
}
