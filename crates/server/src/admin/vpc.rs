//! The network of an account in a Region: what there is, and ways to break and mend it.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use portcullis_api::Scope;
use portcullis_cloudhsm::{Addresses, Cidr, NetworkChange, Rule};
use serde::Deserialize;
use serde_json::json;

use super::Admin;
use super::reply::{Answer, Done, parse};
use super::users::Place;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewSubnet {
    id: String,
    vpc: Option<String>,
    zone: String,
    cidr: Cidr,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Taken {
    addresses: Addresses,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rules {
    rules: Vec<Rule>,
}

/// Subnets and security groups.
pub(super) async fn show(State(admin): State<Arc<Admin>>, Query(place): Query<Place>) -> Answer {
    let scope = admin.scope(place)?;
    let network = admin.cloudhsm.network(&scope)?;
    let groups = admin.cloudhsm.security_groups(&scope)?;
    Ok(Done(json!({
        "subnets": network.subnets,
        "security_groups": groups,
    })))
}

/// A new subnet.
pub(super) async fn add(
    State(admin): State<Arc<Admin>>,
    Query(place): Query<Place>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    let NewSubnet {
        id,
        vpc,
        zone,
        cidr,
    } = parse(&headers, &body)?;
    let change = NetworkChange::AddSubnet {
        id,
        vpc,
        zone,
        cidr,
    };
    admin.change(place, change, "Subnet added").await
}

/// Deletes a subnet.
pub(super) async fn delete(
    State(admin): State<Arc<Admin>>,
    Path(id): Path<String>,
    Query(place): Query<Place>,
) -> Answer {
    let change = NetworkChange::DeleteSubnet(id);
    admin.change(place, change, "Subnet deleted").await
}

/// Brings a deleted subnet back.
pub(super) async fn restore(
    State(admin): State<Arc<Admin>>,
    Path(id): Path<String>,
    Query(place): Query<Place>,
) -> Answer {
    let change = NetworkChange::RestoreSubnet(id);
    admin.change(place, change, "Subnet restored").await
}

/// Lets others than HSMs have addresses of a subnet.
pub(super) async fn take(
    State(admin): State<Arc<Admin>>,
    Path(id): Path<String>,
    Query(place): Query<Place>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    let Taken { addresses } = parse(&headers, &body)?;
    let change = NetworkChange::TakeAddresses(id, addresses);
    admin.change(place, change, "Addresses taken").await
}

/// Replaces the rules of a security group.
pub(super) async fn set_rules(
    State(admin): State<Arc<Admin>>,
    Path(id): Path<String>,
    Query(place): Query<Place>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    let Rules { rules } = parse(&headers, &body)?;
    let change = NetworkChange::SetRules(id, rules);
    admin.change(place, change, "Rules set").await
}

/// Gives a security group the rules back that CloudHSM made it with.
pub(super) async fn restore_rules(
    State(admin): State<Arc<Admin>>,
    Path(id): Path<String>,
    Query(place): Query<Place>,
) -> Answer {
    let change = NetworkChange::RestoreRules(id);
    admin.change(place, change, "Rules restored").await
}

impl Admin {
    async fn change(&self, place: Place, change: NetworkChange, done: &str) -> Answer {
        let scope: Scope = self.scope(place)?;
        self.cloudhsm.change_network(&scope, change).await?;
        Ok(Done(json!(done)))
    }
}
