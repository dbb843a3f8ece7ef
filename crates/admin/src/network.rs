use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The network of an account in a Region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Network {
    /// The subnets by ID.
    pub subnets: BTreeMap<String, Subnet>,
    /// The rules of each security group of a cluster, by the group's ID.
    pub security_groups: BTreeMap<String, Vec<NetworkRule>>,
}

/// A subnet of a VPC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Subnet {
    /// The ID of its VPC.
    pub vpc: String,
    /// The name of the Availability Zone that it is in.
    pub zone: String,
    /// Its range, such as `172.31.0.0/20`.
    pub cidr: String,
    /// How many addresses others than HSMs have.
    pub taken: u32,
    /// Whether it was deleted.
    pub deleted: bool,
}

/// A rule of a security group, for TCP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct NetworkRule {
    /// Which way it lets traffic pass.
    pub direction: RuleDirection,
    /// The lowest TCP port that the rule is about.
    pub from_port: u16,
    /// The highest TCP port that the rule is about.
    pub to_port: u16,
    /// The ID of the security group from or to which traffic passes.
    pub peer: String,
}

/// Which way a rule lets traffic pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum RuleDirection {
    /// It comes from the peer.
    Inbound,
    /// It goes to the peer.
    Outbound,
}

/// A subnet that shall be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SubnetRequest {
    /// Its ID: `subnet-` and 8 to 17 hexadecimal digits.
    pub id: String,
    /// The ID of its VPC; the default one when it is left out.
    pub vpc: Option<String>,
    /// The name of the Availability Zone that it is in.
    pub zone: String,
    /// Its range, from /16 to /28, such as `10.0.1.0/24`.
    pub cidr: String,
}

/// How many addresses of a subnet others than HSMs have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct TakeRequest {
    /// A number, or `all` for every one that no HSM has. It replaces what they had.
    pub addresses: Addresses,
}

/// How many addresses of a subnet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum Addresses {
    /// Every one that no HSM has.
    All,
    /// As many as the number says.
    #[serde(untagged)]
    Count(u32),
}

/// The rules that a security group shall have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RulesRequest {
    /// They replace those that it has.
    pub rules: Vec<NetworkRule>,
}
