//! The network of an account in a Region: what there is, and ways to break and mend it.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use portcullis_admin::{
    AddSubnet, Addresses, Call, DeleteSubnet, GetNetwork, Network, NetworkRule, Place,
    RestoreSecurityGroupRules, RestoreSubnet, RuleDirection, RulesRequest, SetSecurityGroupRules,
    Subnet, SubnetRequest, TakeAddresses, TakeRequest,
};
use portcullis_api::Scope;
use portcullis_cloudhsm::{self as cloudhsm, Direction, NetworkChange, Rule};

use super::Admin;
use super::reply::{AdminAnswer, Asked, Done};

/// Subnets and security groups.
pub(super) async fn show(
    State(admin): State<Arc<Admin>>,
    Query(place): Query<Place>,
) -> AdminAnswer<GetNetwork> {
    let scope = admin.scope(place)?;
    let network = admin.cloudhsm.networks().of(&scope)?;
    let groups = admin.cloudhsm.networks().security_groups(&scope)?;
    let subnets = network.subnets.into_iter();
    let groups = groups.into_iter();
    Ok(Done(Network {
        subnets: subnets.map(|(id, one)| (id, subnet(one))).collect(),
        security_groups: groups
            .map(|(id, rules)| (id, rules.into_iter().map(shown).collect()))
            .collect(),
    }))
}

/// A new subnet.
pub(super) async fn add(
    State(admin): State<Arc<Admin>>,
    Query(place): Query<Place>,
    Asked(asked): Asked<AddSubnet>,
) -> AdminAnswer<AddSubnet> {
    let SubnetRequest {
        id,
        vpc,
        zone,
        cidr,
    } = asked;
    let change = NetworkChange::AddSubnet {
        id,
        vpc,
        zone,
        cidr: cidr.parse()?,
    };
    admin.change(place, change, "Subnet added").await
}

/// Deletes a subnet.
pub(super) async fn delete_subnet(
    State(admin): State<Arc<Admin>>,
    Path(id): Path<String>,
    Query(place): Query<Place>,
) -> AdminAnswer<DeleteSubnet> {
    let change = NetworkChange::DeleteSubnet(id);
    admin.change(place, change, "Subnet deleted").await
}

/// Brings a deleted subnet back.
pub(super) async fn restore_subnet(
    State(admin): State<Arc<Admin>>,
    Path(id): Path<String>,
    Query(place): Query<Place>,
) -> AdminAnswer<RestoreSubnet> {
    let change = NetworkChange::RestoreSubnet(id);
    admin.change(place, change, "Subnet restored").await
}

/// Lets others than HSMs have addresses of a subnet.
pub(super) async fn take(
    State(admin): State<Arc<Admin>>,
    Path(id): Path<String>,
    Query(place): Query<Place>,
    Asked(TakeRequest { addresses }): Asked<TakeAddresses>,
) -> AdminAnswer<TakeAddresses> {
    let addresses = match addresses {
        Addresses::All => cloudhsm::Addresses::All,
        Addresses::Count(count) => cloudhsm::Addresses::Count(count),
    };
    let change = NetworkChange::TakeAddresses(id, addresses);
    admin.change(place, change, "Addresses taken").await
}

/// Replaces the rules of a security group.
pub(super) async fn set_rules(
    State(admin): State<Arc<Admin>>,
    Path(id): Path<String>,
    Query(place): Query<Place>,
    Asked(RulesRequest { rules }): Asked<SetSecurityGroupRules>,
) -> AdminAnswer<SetSecurityGroupRules> {
    let change = NetworkChange::SetRules(id, rules.into_iter().map(wanted).collect());
    admin.change(place, change, "Rules set").await
}

/// Gives a security group the rules back that CloudHSM made.
pub(super) async fn restore_rules(
    State(admin): State<Arc<Admin>>,
    Path(id): Path<String>,
    Query(place): Query<Place>,
) -> AdminAnswer<RestoreSecurityGroupRules> {
    let change = NetworkChange::RestoreRules(id);
    admin.change(place, change, "Rules restored").await
}

impl Admin {
    async fn change<C: Call<Reply = String>>(
        &self,
        place: Place,
        change: NetworkChange,
        done: &str,
    ) -> AdminAnswer<C> {
        let scope: Scope = self.scope(place)?;
        self.cloudhsm.networks().change(&scope, change).await?;
        Ok(Done(done.to_owned()))
    }
}

fn subnet(subnet: cloudhsm::Subnet) -> Subnet {
    Subnet {
        vpc: subnet.vpc,
        zone: subnet.zone,
        cidr: subnet.cidr.to_string(),
        taken: subnet.taken,
        deleted: subnet.deleted,
    }
}

fn shown(rule: Rule) -> NetworkRule {
    NetworkRule {
        direction: match rule.direction {
            Direction::Inbound => RuleDirection::Inbound,
            Direction::Outbound => RuleDirection::Outbound,
        },
        from_port: rule.from_port,
        to_port: rule.to_port,
        peer: rule.peer,
    }
}

fn wanted(rule: NetworkRule) -> Rule {
    Rule {
        direction: match rule.direction {
            RuleDirection::Inbound => Direction::Inbound,
            RuleDirection::Outbound => Direction::Outbound,
        },
        from_port: rule.from_port,
        to_port: rule.to_port,
        peer: rule.peer,
    }
}
