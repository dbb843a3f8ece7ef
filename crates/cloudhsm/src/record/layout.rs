//! Where records lie in the control plane's store. No other line of this crate spells a key.
//!
//! ```text
//! cloudhsm/roots                                          sealed: the makers' root certificates
//! cloudhsm/cluster/<region>/<account>/<cluster id>        Cluster, JSON
//! cloudhsm/device/<region>/<account>/<cluster id>         the cluster's device profile, JSON
//! cloudhsm/network/<region>/<account>                     Network, JSON, once it was changed
//! cloudhsm/backup/<region>/<account>/<backup id>          Backup, JSON
//! cloudhsm/fault/<number>                                 sealed: a fault and what undoes it, JSON
//! cloudhsm/last-fault                                     the number of the last fault there was
//! cloudhsm/image/<region>/<account>/<backup id>/<part>    sealed: users, keys, identity
//! ```

use std::str::FromStr;

use portcullis_api::{AccountId, BackupId, ClusterId, Region, Scope};

pub(crate) const ROOTS: &str = "cloudhsm/roots";
const CLUSTERS: &str = "cloudhsm/cluster/";
const BACKUPS: &str = "cloudhsm/backup/";
const FAULTS: &str = "cloudhsm/fault/";
pub(crate) const LAST_FAULT: &str = "cloudhsm/last-fault";

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
    format!("{}{}/", backups_in(&scope.region), scope.account)
}

/// The prefix of the backups of every account in a Region.
pub(crate) fn backups_in(region: &Region) -> String {
    format!("{BACKUPS}{region}/")
}

pub(crate) fn backup(scope: &Scope, id: &BackupId) -> String {
    format!("{}{id}", backups(scope))
}

pub(crate) fn network(scope: &Scope) -> String {
    format!("cloudhsm/network/{}/{}", scope.region, scope.account)
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

/// The prefix of every backup of every scope.
pub(crate) const fn all_backups() -> &'static str {
    BACKUPS
}

/// Whose cluster lies at `key`.
pub(crate) fn scope_of_cluster(key: &str) -> Option<(Scope, ClusterId)> {
    owned(key.strip_prefix(CLUSTERS)?)
}

/// Whose backup lies at `key`.
pub(crate) fn scope_of_backup(key: &str) -> Option<(Scope, BackupId)> {
    owned(key.strip_prefix(BACKUPS)?)
}

/// The prefix of every fault.
pub(crate) const fn all_faults() -> &'static str {
    FAULTS
}

/// In the order of the numbers: they have twenty digits.
pub(crate) fn fault(number: u64) -> String {
    format!("{FAULTS}{number:020}")
}

/// The number of the fault at `key`.
pub(crate) fn number_of_fault(key: &str) -> Option<u64> {
    key.strip_prefix(FAULTS)?.parse().ok()
}

/// `<region>/<account>/<id>`.
fn owned<T: FromStr>(path: &str) -> Option<(Scope, T)> {
    let mut parts = path.split('/');
    let region: Region = parts.next()?.parse().ok()?;
    let account: AccountId = parts.next()?.parse().ok()?;
    let id = parts.next()?.parse().ok()?;
    Some((Scope { account, region }, id))
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

    #[test]
    fn a_backups_key_names_its_scope_and_lies_under_its_region() {
        let scope = Scope {
            account: "111122223333".parse().unwrap(),
            region: "eu-west-1".parse().unwrap(),
        };
        let id: BackupId = "backup-abcdefghijk".parse().unwrap();
        let key = backup(&scope, &id);
        assert!(key.starts_with(&backups_in(&scope.region)));
        assert_eq!(scope_of_backup(&key), Some((scope, id)));
    }
}
