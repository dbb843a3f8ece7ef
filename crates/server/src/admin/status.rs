use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use portcullis_admin::{ClusterStatus, Defaults, GetStatus, HsmStatus, KeyStoreStatus, Status};
use portcullis_api::Scope;
use portcullis_cloudhsm::default_subnets;
use portcullis_clusters::ClusterView;
use portcullis_kms::{self as kms, Connection, Kms};

use super::Admin;
use super::reply::Done;
use crate::exposition::{header, line};

/// `GET /_portcullis/status`: key stores, clusters and HSMs of every account and Region.
pub(super) async fn status(State(admin): State<Arc<Admin>>) -> Done<GetStatus> {
    let key_stores = admin.kms.key_stores();
    let clusters = admin.cloudhsm.clusters();
    Done(Status {
        key_stores: key_stores.into_iter().map(key_store).collect(),
        clusters: clusters
            .iter()
            .map(|(scope, view)| cluster(scope, view))
            .collect(),
        subnets: subnets(&admin),
        defaults: Defaults {
            account: admin.defaults.account.to_string(),
            region: admin.defaults.region.to_string(),
        },
    })
}

/// The subnets of the default VPC, by Region and Availability Zone: what CreateCluster wants. The
/// default Region's, and those of every Region that has a cluster.
fn subnets(admin: &Admin) -> BTreeMap<String, BTreeMap<String, String>> {
    let mut regions = vec![admin.defaults.region.clone()];
    let clusters = admin.cloudhsm.clusters();
    regions.extend(clusters.into_iter().map(|(scope, _)| scope.region));
    regions
        .iter()
        .map(|region| (region.to_string(), default_subnets(region)))
        .collect()
}

fn key_store(store: kms::KeyStoreStatus) -> KeyStoreStatus {
    KeyStoreStatus {
        id: store.id,
        name: store.name,
        state: store.connection.name().to_owned(),
        error_code: error_code(store.connection).map(str::to_owned),
        cluster_id: store.cluster,
        account: store.scope.account.to_string(),
        region: store.scope.region.to_string(),
    }
}

const fn error_code(connection: Connection) -> Option<&'static str> {
    match connection {
        Connection::Failed(error) => Some(error.name()),
        Connection::Disconnected
        | Connection::Connecting
        | Connection::Connected
        | Connection::Disconnecting => None,
    }
}

fn cluster(scope: &Scope, view: &ClusterView) -> ClusterStatus {
    let hsms = view.hsms.iter().map(|hsm| HsmStatus {
        id: hsm.id.to_string(),
        availability_zone: hsm.availability_zone.clone(),
        state: hsm.state.name().to_owned(),
        address: hsm.address,
    });
    ClusterStatus {
        id: view.id.to_string(),
        state: view.state.name().to_owned(),
        account: scope.account.to_string(),
        region: scope.region.to_string(),
        hsms: hsms.collect(),
    }
}

/// Adds to the metrics in which state each key store is.
pub(super) fn add_key_stores(page: &mut String, kms: &Kms) {
    let name = "portcullis_key_store_state";
    header(
        page,
        name,
        "gauge",
        "1 for the connection state that each key store is in",
    );
    for store in kms.key_stores() {
        let labels = format!(
            "key_store=\"{}\",account=\"{}\",region=\"{}\",state=\"{}\"",
            store.id,
            store.scope.account,
            store.scope.region,
            store.connection.name(),
        );
        line(page, name, &labels, 1);
    }
}
