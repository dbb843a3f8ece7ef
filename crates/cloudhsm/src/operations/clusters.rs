//! The operations on clusters and HSMs: a request is parsed, decided on, committed and carried out.

use portcullis_api::cloudhsm::{
    CreateClusterRequest, CreateClusterResponse, CreateHsmRequest, CreateHsmResponse,
    DeleteClusterRequest, DeleteClusterResponse, DeleteHsmRequest, DeleteHsmResponse,
    DescribeClustersRequest, DescribeClustersResponse, InitializeClusterRequest,
    InitializeClusterResponse, ModifyClusterRequest, ModifyClusterResponse,
};
use portcullis_api::{ClusterId, Exception, HsmId, Scope};
use portcullis_seam::draw;

use crate::CloudHsm;
use crate::control::TurnSubject;
use crate::decide::{
    ClusterFilters, CreateCluster, CreateHsm, DeleteCluster, DeleteHsm, DescribeClusters, FreshHsm,
    InitializeCluster, ModifyCluster, PageRequest,
};
use crate::network::hex_id;
use crate::record::ScopeRecords;
use crate::shapes;

impl CloudHsm {
    /// CreateCluster.
    ///
    /// # Errors
    /// CloudHsmInvalidRequestException, CloudHsmResourceNotFoundException for the source backup.
    pub async fn create_cluster(
        &self,
        scope: &Scope,
        request: CreateClusterRequest,
    ) -> Result<CreateClusterResponse, Exception> {
        let id = ClusterId::from_random(draw(&*self.core.entropy));
        self.create_cluster_as(scope, id, request).await
    }

    /// CreateCluster with an ID of the caller's choice, for worlds.
    ///
    /// # Errors
    /// As [`CloudHsm::create_cluster`], and when there is such a cluster already.
    pub async fn create_cluster_as(
        &self,
        scope: &Scope,
        id: ClusterId,
        request: CreateClusterRequest,
    ) -> Result<CreateClusterResponse, Exception> {
        let command = CreateCluster::parse(request)?;
        let now = self.core.clock.now().millis();
        let decide = |state: &ScopeRecords| {
            let cluster = command.decide(state, scope, now, id.clone())?;
            self.core.quotas.check_clusters(state)?;
            Ok((cluster, ()))
        };
        let (cluster, ()) = self.reconciler.change(scope, &id, decide).await?;
        Ok(CreateClusterResponse {
            cluster: Some(shapes::cluster(&cluster)),
        })
    }

    /// DescribeClusters, in the order of the IDs.
    ///
    /// # Errors
    /// CloudHsmInvalidRequestException for an unknown filter or page size.
    pub async fn describe_clusters(
        &self,
        scope: &Scope,
        request: DescribeClustersRequest,
    ) -> Result<DescribeClustersResponse, Exception> {
        let command = DescribeClusters {
            filters: ClusterFilters::parse(request.filters.unwrap_or_default())?,
            page: PageRequest {
                max_results: request.max_results.map(i64::from),
                next_token: request.next_token,
            },
        };
        self.reconciler.end_what_was_described(scope).await;
        let page = command.decide(&self.core.ledger.state(scope)?)?;
        let ids = page.items.iter().map(|cluster| cluster.id.clone());
        let shown = ids.map(TurnSubject::Cluster);
        self.core.turns.describe(scope, shown);
        Ok(DescribeClustersResponse {
            clusters: Some(page.items.iter().map(shapes::cluster).collect()),
            next_token: page.next_token,
        })
    }

    /// InitializeCluster.
    ///
    /// # Errors
    /// CloudHsmResourceNotFoundException; CloudHsmInvalidRequestException when the cluster is not
    /// UNINITIALIZED or the certificates do not fit.
    pub async fn initialize_cluster(
        &self,
        scope: &Scope,
        request: InitializeClusterRequest,
    ) -> Result<InitializeClusterResponse, Exception> {
        let command = InitializeCluster {
            cluster: shapes::cluster_id(&request.cluster_id)?,
            signed_certificate: request.signed_cert,
            trust_anchor: request.trust_anchor,
        };
        let decide = |state: &ScopeRecords| Ok((command.decide(state)?, ()));
        let (cluster, ()) = self
            .reconciler
            .change(scope, &command.cluster, decide)
            .await?;
        Ok(InitializeClusterResponse {
            state: Some(cluster.state.name().to_owned()),
            state_message: Some("The cluster certificate is being installed.".to_owned()),
        })
    }

    /// CreateHsm.
    ///
    /// # Errors
    /// CloudHsmResourceNotFoundException; CloudHsmInvalidRequestException for the zone, the
    /// address or the state of the cluster.
    pub async fn create_hsm(
        &self,
        scope: &Scope,
        request: CreateHsmRequest,
    ) -> Result<CreateHsmResponse, Exception> {
        let id = HsmId::from_random(draw(&*self.core.entropy));
        self.create_hsm_as(scope, id, request).await
    }

    /// CreateHsm with an ID of the caller's choice, for worlds.
    ///
    /// # Errors
    /// As [`CloudHsm::create_hsm`].
    pub async fn create_hsm_as(
        &self,
        scope: &Scope,
        id: HsmId,
        request: CreateHsmRequest,
    ) -> Result<CreateHsmResponse, Exception> {
        let command = CreateHsm::parse(request)?;
        let fresh = FreshHsm {
            eni: hex_id("eni", id.as_str()),
            id: id.clone(),
        };
        let decide = |state: &ScopeRecords| {
            let mut cluster = command.decide(state, &scope.region, &fresh)?;
            self.core.quotas.check_hsms(state)?;
            let host = self.lines.host_for_new(&cluster, &command.zone)?;
            if let Some(hsm) = cluster.hsms.get_mut(&id) {
                hsm.host = host;
            }
            Ok((cluster, ()))
        };
        let (cluster, ()) = self
            .reconciler
            .change(scope, &command.cluster, decide)
            .await?;
        Ok(CreateHsmResponse {
            hsm: cluster
                .hsms
                .get(&id)
                .map(|hsm| shapes::hsm(&cluster, &id, hsm)),
        })
    }

    /// DeleteHsm.
    ///
    /// # Errors
    /// CloudHsmResourceNotFoundException; CloudHsmInvalidRequestException unless exactly one
    /// identifier is given.
    pub async fn delete_hsm(
        &self,
        scope: &Scope,
        request: DeleteHsmRequest,
    ) -> Result<DeleteHsmResponse, Exception> {
        let command = DeleteHsm::parse(request)?;
        let decide = |state: &ScopeRecords| command.decide(state);
        let (_, hsm) = self
            .reconciler
            .change(scope, &command.cluster, decide)
            .await?;
        Ok(DeleteHsmResponse {
            hsm_id: Some(hsm.to_string()),
        })
    }

    /// ModifyCluster: another retention, another HSM type, or both.
    ///
    /// # Errors
    /// CloudHsmResourceNotFoundException; CloudHsmInvalidRequestException for the members, or a
    /// change of type that the cluster's state does not permit.
    pub async fn modify_cluster(
        &self,
        scope: &Scope,
        request: ModifyClusterRequest,
    ) -> Result<ModifyClusterResponse, Exception> {
        let command = ModifyCluster::parse(request)?;
        let now = self.core.clock.now().millis();
        let decide = |state: &ScopeRecords| Ok((command.decide(state, now)?, ()));
        let (cluster, ()) = self
            .reconciler
            .change(scope, &command.cluster, decide)
            .await?;
        Ok(ModifyClusterResponse {
            cluster: Some(shapes::cluster(&cluster)),
        })
    }

    /// DeleteCluster.
    ///
    /// # Errors
    /// CloudHsmResourceNotFoundException; CloudHsmInvalidRequestException while it has HSMs.
    pub async fn delete_cluster(
        &self,
        scope: &Scope,
        request: DeleteClusterRequest,
    ) -> Result<DeleteClusterResponse, Exception> {
        let command = DeleteCluster {
            cluster: shapes::cluster_id(&request.cluster_id)?,
        };
        let decide = |state: &ScopeRecords| Ok((command.decide(state)?, ()));
        let (cluster, ()) = self
            .reconciler
            .change(scope, &command.cluster, decide)
            .await?;
        Ok(DeleteClusterResponse {
            cluster: Some(shapes::cluster(&cluster)),
        })
    }
}
