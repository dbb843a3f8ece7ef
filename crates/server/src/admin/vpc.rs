//! The network of an account in a Region: what there is, and ways to break and mend it.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use portcullis_api::Scope;
use portcullis_cloudhsm::{Addresses, Cidr, NetworkChange, Rule};
use serde::Deserialize;
use serde_json::json;

use super::Admin;
use super::reply::{Answer, Done, Sent};
use super::route::{Verb, post};
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

/// Deletes a subnet.
pub(super) fn delete_subnet() -> Verb {
    change(NetworkChange::DeleteSubnet, "Subnet deleted")
}

/// Brings a deleted subnet back.
pub(super) fn restore_subnet() -> Verb {
    change(NetworkChange::RestoreSubnet, "Subnet restored")
}

/// Gives a security group the rules back that CloudHSM made.
pub(super) fn restore_rules() -> Verb {
    change(NetworkChange::RestoreRules, "Rules restored")
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
    sent: Sent,
) -> Answer {
    let NewSubnet {
        id,
        vpc,
        zone,
        cidr,
    } = sent.read()?;
    let change = NetworkChange::AddSubnet {
        id,
        vpc,
        zone,
        cidr,
    };
    admin.change(place, change, "Subnet added").await
}

/// A verb that changes what its path names, and needs to be told nothing else.
fn change(change: fn(String) -> NetworkChange, done: &'static str) -> Verb {
    post(
        move |State(admin): State<Arc<Admin>>,
              Path(id): Path<String>,
              Query(place): Query<Place>| async move {
            admin.change(place, change(id), done).await
        },
    )
}

/// Lets others than HSMs have addresses of a subnet.
pub(super) async fn take(
    State(admin): State<Arc<Admin>>,
    Path(id): Path<String>,
    Query(place): Query<Place>,
    sent: Sent,
) -> Answer {
    let Taken { addresses } = sent.read()?;
    let change = NetworkChange::TakeAddresses(id, addresses);
    admin.change(place, change, "Addresses taken").await
}

/// Replaces the rules of a security group.
pub(super) async fn set_rules(
    State(admin): State<Arc<Admin>>,
    Path(id): Path<String>,
    Query(place): Query<Place>,
    sent: Sent,
) -> Answer {
    let Rules { rules } = sent.read()?;
    let change = NetworkChange::SetRules(id, rules);
    admin.change(place, change, "Rules set").await
}

impl Admin {
    async fn change(&self, place: Place, change: NetworkChange, done: &str) -> Answer {
        let scope: Scope = self.scope(place)?;
        self.cloudhsm.change_network(&scope, change).await?;
        Ok(Done(json!(done)))
    }
}
