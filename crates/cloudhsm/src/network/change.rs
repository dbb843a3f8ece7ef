use std::collections::BTreeSet;

use portcullis_api::{Exception, Region};
use serde::Deserialize;

use super::{Cidr, Network, Rule, Subnet, default_vpc};
use crate::decide::{not_found, refuse};

/// What the owner of a network, or an operator who breaks it, does to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NetworkChange {
    /// Makes a subnet. Without a VPC it is one of the default VPC.
    AddSubnet {
        /// The ID of the subnet.
        id: String,
        /// The ID of the VPC that the subnet is in.
        vpc: Option<String>,
        /// Its Availability Zone.
        zone: String,
        /// The range of addresses of the subnet.
        cidr: Cidr,
    },
    /// Deletes a subnet.
    DeleteSubnet(String),
    /// Brings a deleted subnet back.
    RestoreSubnet(String),
    /// Lets others than HSMs have addresses of a subnet; replaces what they had.
    TakeAddresses(String, Addresses),
    /// Replaces the rules of a cluster's security group.
    SetRules(String, Vec<Rule>),
    /// Gives a security group the rules that CloudHSM made it with.
    RestoreRules(String),
}

/// How many addresses of a subnet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Addresses {
    /// Every one that no HSM has.
    All,
    /// As many.
    #[serde(untagged)]
    Count(u32),
}

impl NetworkChange {
    /// The network after the change. `groups` are the security groups that there are.
    ///
    /// Rule VPC-01: a subnet lies in a zone of its Region and shares no address with another one
    /// of its VPC.
    pub(crate) fn decide(
        &self,
        network: &Network,
        region: &Region,
        groups: &BTreeSet<&str>,
    ) -> Result<Network, Exception> {
        let mut changed = network.clone();
        match self {
            Self::AddSubnet {
                id,
                vpc,
                zone,
                cidr,
            } => {
                let subnet = Subnet {
                    vpc: vpc.clone().unwrap_or_else(|| default_vpc(region)),
                    zone: zone.clone(),
                    cidr: *cidr,
                    taken: 0,
                    deleted: false,
                };
                check_new(network, region, id, &subnet)?;
                changed.subnets.insert(id.clone(), subnet);
            }
            Self::DeleteSubnet(id) => known(&mut changed, id)?.deleted = true,
            Self::RestoreSubnet(id) => known(&mut changed, id)?.deleted = false,
            Self::TakeAddresses(id, addresses) => {
                let subnet = known(&mut changed, id)?;
                let most = subnet.cidr.usable_count();
                subnet.taken = match addresses {
                    Addresses::All => most,
                    Addresses::Count(count) => *count.min(&most),
                };
            }
            Self::SetRules(group, rules) => {
                check_group(group, groups)?;
                changed.groups.insert(group.clone(), rules.clone());
            }
            Self::RestoreRules(group) => {
                check_group(group, groups)?;
                changed.groups.remove(group);
            }
        }
        Ok(changed)
    }
}

fn check_new(
    network: &Network,
    region: &Region,
    id: &str,
    subnet: &Subnet,
) -> Result<(), Exception> {
    let suffix = id.strip_prefix("subnet-").unwrap_or_default();
    let is_hex = suffix.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !is_hex || !(8..=17).contains(&suffix.len()) {
        return Err(refuse(format!(
            "{id:?} is no subnet ID. Give \"subnet-\" and 8 to 17 hexadecimal digits."
        )));
    }
    if network.subnets.contains_key(id) {
        return Err(refuse(format!(
            "There is a subnet {id} already. Choose another ID."
        )));
    }
    let letter = subnet.zone.strip_prefix(region.as_str());
    if !letter.is_some_and(|letter| matches!(letter.as_bytes(), [b'a'..=b'z'])) {
        return Err(refuse(format!(
            "The zone {:?} is none of {region}. Give the Region and a letter, such as {region}a.",
            subnet.zone
        )));
    }
    let mut others = network.subnets.iter();
    let overlapping =
        others.find(|(_, other)| other.vpc == subnet.vpc && other.cidr.overlaps(subnet.cidr));
    if let Some((other, found)) = overlapping {
        return Err(refuse(format!(
            "The range {} shares addresses with {} of {other}, in the same VPC. Choose another \
             range or another VPC.",
            subnet.cidr, found.cidr
        )));
    }
    Ok(())
}

fn known<'a>(network: &'a mut Network, id: &str) -> Result<&'a mut Subnet, Exception> {
    network.subnets.get_mut(id).ok_or_else(|| {
        not_found(format!(
            "There is no subnet {id} in this account and Region. GET /_portcullis/vpc shows which \
             there are."
        ))
    })
}

fn check_group(group: &str, groups: &BTreeSet<&str>) -> Result<(), Exception> {
    if groups.contains(group) {
        return Ok(());
    }
    Err(not_found(format!(
        "No cluster of this account and Region has a security group {group}. DescribeClusters \
         shows which there are."
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rule VPC-01.
    #[test]
    fn a_new_subnet_has_a_zone_of_its_region_and_addresses_of_its_own() {
        let region: Region = "us-east-1".parse().unwrap();
        let network = Network::new(&region);
        let add = |id: &str, vpc: Option<&str>, zone: &str, cidr: &str| {
            let change = NetworkChange::AddSubnet {
                id: id.to_owned(),
                vpc: vpc.map(str::to_owned),
                zone: zone.to_owned(),
                cidr: cidr.parse().unwrap(),
            };
            let changed = change.decide(&network, &region, &BTreeSet::new());
            changed
                .map(|network| network.subnets.len())
                .map_err(|refused| refused.message)
        };
        let id = "subnet-0123abcd";
        let taken = network.subnets.keys().next().unwrap();
        assert_eq!(add(id, None, "us-east-1d", "172.31.48.0/20"), Ok(4));
        assert_eq!(add(id, Some("vpc-1"), "us-east-1a", "172.31.0.0/16"), Ok(4));
        for (id, zone, cidr, why) in [
            (id, "us-east-1a", "172.31.0.0/24", "shares addresses"),
            (id, "eu-west-1a", "10.0.0.0/24", "none of us-east-1"),
            (id, "us-east-1ab", "10.0.0.0/24", "none of us-east-1"),
            ("subnet-xyz", "us-east-1a", "10.0.0.0/24", "no subnet ID"),
            (taken, "us-east-1a", "10.0.0.0/24", "already"),
        ] {
            let refused = add(id, None, zone, cidr).unwrap_err();
            assert!(refused.contains(why), "{why}: {refused}");
        }
    }

    #[test]
    fn what_is_not_there_cannot_be_changed() {
        let region: Region = "us-east-1".parse().unwrap();
        let network = Network::new(&region);
        let groups = BTreeSet::from(["sg-1"]);
        for change in [
            NetworkChange::DeleteSubnet("subnet-0123abcd".to_owned()),
            NetworkChange::RestoreSubnet("subnet-0123abcd".to_owned()),
            NetworkChange::TakeAddresses("subnet-0123abcd".to_owned(), Addresses::All),
            NetworkChange::SetRules("sg-2".to_owned(), Vec::new()),
            NetworkChange::RestoreRules("sg-2".to_owned()),
        ] {
            let refused = change.decide(&network, &region, &groups).unwrap_err();
            assert!(refused.message.contains("shows which"), "{refused}");
        }
        let change = NetworkChange::SetRules("sg-1".to_owned(), Vec::new());
        let changed = change.decide(&network, &region, &groups).unwrap();
        assert!(changed.groups["sg-1"].is_empty());
    }

    #[test]
    fn addresses_are_a_number_or_all() {
        let read = |text| serde_json::from_str::<Addresses>(text).unwrap();
        assert_eq!(read("7"), Addresses::Count(7));
        assert_eq!(read("\"all\""), Addresses::All);
    }
}
