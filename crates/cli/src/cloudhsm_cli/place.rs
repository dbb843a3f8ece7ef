use portcullis_admin::{self as api, Call};

use super::FailedVerb;
use crate::client::AdminClient;

/// A cluster of a running Portcullis.
#[derive(Debug, Clone)]
pub(super) struct ClusterPlace {
    pub(super) client: AdminClient,
    pub(super) cluster: String,
    pub(super) account: Option<String>,
    pub(super) region: Option<String>,
}

impl ClusterPlace {
    /// Makes a call about the cluster.
    pub(super) async fn call<C: Call>(&self, request: &C::Request) -> Result<C::Reply, FailedVerb> {
        let place = api::Place {
            account: self.account.clone(),
            region: self.region.clone(),
        };
        let parameters = [self.cluster.as_str()];
        let reply = self.client.call::<C>(&parameters, &place, request).await?;
        reply.into_result().map_err(FailedVerb::Refused)
    }
}
