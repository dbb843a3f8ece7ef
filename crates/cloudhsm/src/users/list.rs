use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};

use portcullis_api::{ClusterId, HsmId, Scope};
use portcullis_clusters::HsmState;
use portcullis_hsm::{Command, Reply, Role, UserInfo};

use super::error::UserError;
use super::hsm_users::HsmUsers;
use super::session::{deadline, unexpected};

/// A user of a cluster as `user list` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserRow {
    /// The name, in lower case.
    pub username: String,
    /// The role.
    pub role: Role,
    /// Whether too many wrong passwords were given.
    pub locked: Locked,
    /// Second factors; there are none here.
    pub mfa: Vec<String>,
    /// On how many HSMs the user is.
    pub cluster_coverage: Coverage,
}

/// Whether a user is locked out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Locked {
    /// On no HSM.
    False,
    /// On every HSM that has the user.
    True,
    /// On some: wrong passwords are counted by each HSM.
    Inconsistent,
}

/// On which HSMs a user is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coverage {
    /// On every HSM in service.
    Full,
    /// Not on every HSM in service, as far as they answer.
    Inconsistent,
}

impl Locked {
    /// As the CloudHSM CLI writes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::False => "false",
            Self::True => "true",
            Self::Inconsistent => "inconsistent",
        }
    }
}

impl Coverage {
    /// As the CloudHSM CLI writes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Inconsistent => "inconsistent",
        }
    }
}

/// An HSM as `cluster hsm-info` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HsmInfo {
    /// The ID of the HSM.
    pub id: HsmId,
    /// Its Availability Zone.
    pub availability_zone: String,
    /// Its address in the VPC.
    pub ip: Ipv4Addr,
    /// Its state.
    pub state: HsmState,
    /// Where it really listens, once the cluster is initialised.
    pub address: Option<SocketAddr>,
}

impl HsmUsers {
    /// `user list`; no session needed.
    ///
    /// # Errors
    /// When no HSM answers.
    pub async fn list(
        &self,
        scope: &Scope,
        cluster: &ClusterId,
    ) -> Result<Vec<UserRow>, UserError> {
        let view = self.view_of(scope, cluster)?;
        let mut lists = Vec::new();
        let mut failed = Vec::new();
        for (hsm, channel) in self.channels(&view)? {
            match channel.manage(Command::ListUsers, deadline()).await {
                Ok(Reply::Users(users)) => lists.push(users),
                Ok(_other) => failed.push((hsm, unexpected())),
                Err(error) => failed.push((hsm, error)),
            }
        }
        if lists.is_empty() {
            return Err(UserError::from_all(failed));
        }
        Ok(merge(lists, view.active_hsms().count()))
    }

    /// `cluster hsm-info`.
    ///
    /// # Errors
    /// When there is no such cluster.
    pub fn hsm_info(&self, scope: &Scope, cluster: &ClusterId) -> Result<Vec<HsmInfo>, UserError> {
        let Ok(Some(found)) = self.core.ledger.cluster(scope, cluster) else {
            return Err(UserError::NoSuchCluster(cluster.clone()));
        };
        let info = |(id, hsm): (&HsmId, &crate::record::HsmRecord)| HsmInfo {
            id: id.clone(),
            availability_zone: hsm.zone.clone(),
            ip: hsm.ip,
            state: hsm.state,
            address: self.core.fleet.address(id),
        };
        Ok(found.hsms.iter().map(info).collect())
    }
}

/// Rule CL-18: a user is shown with what all HSMs agree on, and `inconsistent` for what differs.
fn merge(lists: Vec<Vec<UserInfo>>, hsms: usize) -> Vec<UserRow> {
    let mut users: BTreeMap<(String, Role), Vec<bool>> = BTreeMap::new();
    for user in lists.into_iter().flatten() {
        let key = (user.username, user.role);
        users.entry(key).or_default().push(user.locked);
    }
    let row = |((username, role), locked): ((String, Role), Vec<bool>)| UserRow {
        username,
        role,
        locked: if locked.iter().all(|locked| *locked) {
            Locked::True
        } else if locked.iter().any(|locked| *locked) {
            Locked::Inconsistent
        } else {
            Locked::False
        },
        mfa: Vec::new(),
        cluster_coverage: if locked.len() == hsms {
            Coverage::Full
        } else {
            Coverage::Inconsistent
        },
    };
    users.into_iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str, locked: bool) -> UserInfo {
        UserInfo {
            username: name.to_owned(),
            role: Role::CryptoUser,
            locked,
        }
    }

    /// Rule CL-18.
    #[test]
    fn what_differs_between_hsms_is_shown_as_inconsistent() {
        let lists = vec![
            vec![
                user("both", false),
                user("locked", true),
                user("one", false),
            ],
            vec![user("both", false), user("locked", false)],
        ];
        let rows = merge(lists, 2);
        let shown: Vec<_> = rows
            .iter()
            .map(|row| {
                let coverage = row.cluster_coverage.name();
                (row.username.as_str(), row.locked.name(), coverage)
            })
            .collect();
        assert_eq!(
            shown,
            [
                ("both", "false", "full"),
                ("locked", "inconsistent", "full"),
                ("one", "false", "inconsistent"),
            ]
        );
    }

    /// Rule CL-18.
    #[test]
    fn an_hsm_that_does_not_answer_makes_coverage_inconsistent() {
        let rows = merge(vec![vec![user("one", false)]], 2);
        assert_eq!(rows[0].cluster_coverage, Coverage::Inconsistent);
    }
}
