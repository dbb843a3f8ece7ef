use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use portcullis_api::{Region, Scope};
use portcullis_cloudhsm::default_subnets;
use portcullis_clusters::ClusterView;
use portcullis_kms::{Connection, KeyStoreStatus, Kms};
use serde_json::{Value, json};

use super::Admin;
use crate::metrics::{header, line};

/// `GET /_portcullis/status`: key stores, clusters and HSMs of every account and Region.
pub(super) async fn status(State(admin): State<Arc<Admin>>) -> Json<Value> {
    let key_stores: Vec<Value> = admin.kms.key_stores().iter().map(key_store).collect();
    let clusters = admin.cloudhsm.clusters();
    let clusters: Vec<Value> = clusters
        .iter()
        .map(|(scope, view)| cluster(scope, view))
        .collect();
    Json(json!({
        "key_stores": key_stores,
        "clusters": clusters,
        "subnets": subnets(&admin),
        "defaults": { "account": admin.defaults.account, "region": admin.defaults.region },
    }))
}

/// The subnets of the default VPC, by Region and Availability Zone: what CreateCluster wants. The
/// default Region's, and those of every Region that has a cluster.
fn subnets(admin: &Admin) -> Value {
    let mut regions = vec![admin.defaults.region.clone()];
    regions.extend(
        admin
            .cloudhsm
            .clusters()
            .into_iter()
            .map(|(scope, _)| scope.region),
    );
    regions.sort();
    regions.dedup();
    let of = |region: &Region| (region.to_string(), json!(default_subnets(region)));
    Value::Object(regions.iter().map(of).collect())
}

fn key_store(store: &KeyStoreStatus) -> Value {
    json!({
        "id": store.id,
        "name": store.name,
        "state": store.connection.name(),
        "error_code": error_code(store.connection),
        "cluster_id": store.cluster,
        "account": store.scope.account,
        "region": store.scope.region,
    })
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

fn cluster(scope: &Scope, view: &ClusterView) -> Value {
    let hsms: Vec<Value> = view
        .hsms
        .iter()
        .map(|hsm| {
            json!({
                "id": hsm.id,
                "availability_zone": hsm.availability_zone,
                "state": hsm.state,
                "address": hsm.address,
            })
        })
        .collect();
    json!({
        "id": view.id,
        "state": view.state,
        "account": scope.account,
        "region": scope.region,
        "hsms": hsms,
    })
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
