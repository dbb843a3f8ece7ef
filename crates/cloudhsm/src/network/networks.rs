//! The network that clusters lie in, as its owner sees and changes it.

use std::collections::BTreeMap;
use std::sync::Arc;

use portcullis_api::{Exception, Scope};

use crate::network::rules_of_cloudhsm;
use crate::record::{Cluster, ScopeRecords};
use crate::service_core::ServiceCore;
use crate::{Network, NetworkChange, Rule};

/// The networks of accounts, and changes of them.
#[derive(Debug)]
pub struct Networks {
    core: Arc<ServiceCore>,
}

impl Networks {
    pub(crate) const fn new(core: Arc<ServiceCore>) -> Self {
        Self { core }
    }

    /// The network of an account in a Region.
    ///
    /// # Errors
    /// When a record cannot be read.
    pub fn of(&self, scope: &Scope) -> Result<Network, Exception> {
        let state = self.core.ledger.clusters_and_network(scope)?;
        Ok(state.network(&scope.region).into_owned())
    }

    /// The security groups of the clusters in a scope, with their rules.
    ///
    /// # Errors
    /// When a record cannot be read.
    pub fn security_groups(&self, scope: &Scope) -> Result<BTreeMap<String, Vec<Rule>>, Exception> {
        let state = self.core.ledger.clusters_and_network(scope)?;
        let network = state.network(&scope.region);
        let rules = |cluster: &Arc<Cluster>| {
            let group = cluster.security_group.clone();
            let changed = network.groups.get(&group).cloned();
            let rules = changed.unwrap_or_else(|| rules_of_cloudhsm(&group));
            (group, rules)
        };
        Ok(state.clusters.values().map(rules).collect())
    }

    /// Changes the network. Connections of key stores that are up stay up: KMS looks at the
    /// network when it connects.
    ///
    /// # Errors
    /// CloudHsmResourceNotFoundException for a subnet or group that is not there;
    /// CloudHsmInvalidRequestException for a subnet that cannot be made.
    pub async fn change(&self, scope: &Scope, change: NetworkChange) -> Result<(), Exception> {
        let _one_at_a_time = self.core.control.lock().await;
        let decide = |state: &ScopeRecords| {
            let clusters = state.clusters.values();
            let groups = clusters.map(|one| one.security_group.as_str()).collect();
            let network = state.network(&scope.region);
            Ok((change.decide(&network, &scope.region, &groups)?, ()))
        };
        self.core.ledger.decide(scope, decide).await?;
        for id in self
            .core
            .ledger
            .clusters_and_network(scope)?
            .clusters
            .keys()
        {
            self.core.refresh(scope, id);
        }
        Ok(())
    }
}
