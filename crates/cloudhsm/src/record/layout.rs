//! Where records lie in the store. No other line of this crate spells a key.
//!
//! ```text
//! cloudhsm/roots                                          sealed: the makers' root certificates
//! cloudhsm/cluster/<region>/<account>/<cluster id>        Cluster, JSON
//! cloudhsm/device/<region>/<account>/<cluster id>         the cluster's device profile, JSON
//! cloudhsm/backup/<region>/<account>/<backup id>          Backup, JSON
//! cloudhsm/image/<region>/<account>/<backup id>/<part>    sealed: users, keys, identity
//!
//! On the disk of an HSM:
//!
//! hsm/<record of the HSM>                                 sealed by the HSM
//! deleted/<key id>                                        empty: this key was deleted on purpose
//! changed/<role>/<user>                                   when this user was last changed
//! ```

use portcullis_api::{AccountId, BackupId, ClusterId, Region, Scope};
use portcullis_hsm::HsmKeyId;

pub(crate) const ROOTS: &str = "cloudhsm/roots";
const CLUSTERS: &str = "cloudhsm/cluster/";

pub(crate) fn clusters(scope: &Scope) -> String {
    format!("{CLUSTERS}{}/{}/", scope.region, scope.account)
}

pub(crate) fn cluster(scope: &Scope, id: &ClusterId) -> String {
    format!("{}{id}", clusters(scope))
}

/// Where a cluster's own device profile lies.
pub(crate) fn device(scope: &Scope, id: &ClusterId) -> String {
    format!("cloudhsm/device/{}/{}/{id}", scope.region, scope.account)
}

pub(crate) fn backups(scope: &Scope) -> String {
    format!("cloudhsm/backup/{}/{}/", scope.region, scope.account)
}

pub(crate) fn backup(scope: &Scope, id: &BackupId) -> String {
    format!("{}{id}", backups(scope))
}

/// The prefix of the parts of a backup's image.
pub(crate) fn image(scope: &Scope, id: &BackupId) -> String {
    format!("cloudhsm/image/{}/{}/{id}/", scope.region, scope.account)
}

/// Parts lie in the order of their names.
pub(crate) fn image_part(scope: &Scope, id: &BackupId, part: usize) -> String {
    format!("{}{part:04}", image(scope, id))
}

/// The prefix of every cluster of every scope.
pub(crate) const fn all_clusters() -> &'static str {
    CLUSTERS
}

/// Whose cluster lies at `key`.
pub(crate) fn scope_of_cluster(key: &str) -> Option<(Scope, ClusterId)> {
    let mut parts = key.strip_prefix(CLUSTERS)?.split('/');
    let region: Region = parts.next()?.parse().ok()?;
    let account: AccountId = parts.next()?.parse().ok()?;
    let id = parts.next()?.parse().ok()?;
    Some((Scope { account, region }, id))
}

/// On the disk of an HSM: the HSM's own records.
pub(crate) const HSM_RECORDS: &str = "hsm/";
pub(crate) const DELETED: &str = "deleted/";
pub(crate) const CHANGED: &str = "changed/";

pub(crate) fn hsm_record(key: &str) -> String {
    format!("{HSM_RECORDS}{key}")
}

pub(crate) fn deleted(id: &HsmKeyId) -> String {
    format!("{DELETED}{id}")
}

pub(crate) fn changed(user: &str) -> String {
    format!("{CHANGED}{user}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clusters_key_names_its_scope() {
        let scope = Scope {
            account: "111122223333".parse().unwrap(),
            region: "eu-west-1".parse().unwrap(),
        };
        let id: ClusterId = "cluster-abcdefghijk".parse().unwrap();
        let key = cluster(&scope, &id);
        assert_eq!(
            key,
            "cloudhsm/cluster/eu-west-1/111122223333/cluster-abcdefghijk"
        );
        assert_eq!(scope_of_cluster(&key), Some((scope, id)));
        assert_eq!(scope_of_cluster("cloudhsm/backup/eu-west-1/1/2"), None);
    }
}
