//! The network that clusters lie in: VPCs, their subnets and the security groups of clusters.
//!
//! ```text
//! VPC 172.31.0.0/16      zone a 172.31.0.0/20    zone b 172.31.16.0/20    zone c 172.31.32.0/20
//! ```
//!
//! Every account has, in every Region, a default VPC with the ranges of an AWS default VPC; a world
//! declares more subnets, and the admin API changes them while everything runs. No packet is ever
//! sent to these addresses: an HSM really listens on the address in its
//! [`HsmView`](portcullis_clusters::HsmView).

mod change;
mod cidr;
mod group;
mod ids;
mod networks;

pub use change::{Addresses, NetworkChange};
pub use cidr::{Cidr, InvalidCidr};
pub(crate) use group::of_cloudhsm as rules_of_cloudhsm;
pub use group::{Direction, Rule};
pub(crate) use ids::hex_id;
pub use ids::{default_subnets, default_vpc};
pub use networks::Networks;

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use portcullis_api::Region;
use serde::{Deserialize, Serialize};

use ids::default_ranges;
use portcullis_clusters::NetworkTrouble;

/// The network of an account in a Region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// Subnets by their IDs, deleted ones too: they can be brought back.
    pub subnets: BTreeMap<String, Subnet>,
    /// The rules of security groups that were changed. A group that is not here has those that
    /// CloudHSM gave it.
    pub groups: BTreeMap<String, Vec<Rule>>,
}

/// A subnet of a VPC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subnet {
    /// Of which VPC.
    pub vpc: String,
    /// In which Availability Zone.
    pub zone: String,
    /// Its range.
    pub cidr: Cidr,
    /// Addresses that others than HSMs have. They have the highest ones.
    pub taken: u32,
    /// Whether it was deleted.
    pub deleted: bool,
}

/// Why an address cannot be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum AddressRefusal {
    /// The subnet was deleted.
    NoSubnet,
    /// Not one that the subnet gives out.
    Outside { first: Ipv4Addr, last: Ipv4Addr },
    /// Something else has it.
    Taken,
    /// The subnet has none left.
    Exhausted,
}

impl Network {
    /// The default VPC of a Region.
    #[must_use]
    pub fn new(region: &Region) -> Self {
        let vpc = default_vpc(region);
        let subnet = |(zone, id, cidr)| {
            let subnet = Subnet {
                vpc: vpc.clone(),
                zone,
                cidr,
                taken: 0,
                deleted: false,
            };
            (id, subnet)
        };
        Self {
            subnets: default_ranges(region).into_iter().map(subnet).collect(),
            groups: BTreeMap::new(),
        }
    }

    /// A subnet that is there.
    pub(crate) fn subnet(&self, id: &str) -> Option<&Subnet> {
        self.subnets.get(id).filter(|subnet| !subnet.deleted)
    }

    /// The address `wanted`, or the lowest free one, in a subnet. `hsms` are the addresses of all
    /// HSMs.
    ///
    /// Rule CL-04: the address is free and inside the subnet.
    pub(crate) fn assign(
        &self,
        subnet: &str,
        wanted: Option<Ipv4Addr>,
        hsms: &BTreeSet<Ipv4Addr>,
    ) -> Result<Ipv4Addr, AddressRefusal> {
        let subnet = self.subnet(subnet).ok_or(AddressRefusal::NoSubnet)?;
        let (first, last) = subnet.cidr.usable();
        match wanted {
            Some(address) if address < first || address > last => {
                Err(AddressRefusal::Outside { first, last })
            }
            Some(address)
                if hsms.contains(&address) || !subnet.left().contains(&u32::from(address)) =>
            {
                Err(AddressRefusal::Taken)
            }
            Some(address) => Ok(address),
            None => subnet.lowest_free(hsms).ok_or(AddressRefusal::Exhausted),
        }
    }

    /// What is wrong with the network of a cluster, if anything: a missing subnet before one
    /// without addresses, and that before the security group.
    ///
    /// Rule VPC-03.
    pub(crate) fn trouble(
        &self,
        subnets: &BTreeMap<String, String>,
        group: &str,
        hsms: &BTreeSet<Ipv4Addr>,
    ) -> Option<NetworkTrouble> {
        let gone = |id: &&String| self.subnet(id).is_none();
        if let Some(id) = subnets.values().find(gone) {
            return Some(NetworkTrouble::SubnetNotFound(id.clone()));
        }
        let full = |id: &&String| {
            self.subnet(id)
                .is_some_and(|one| one.lowest_free(hsms).is_none())
        };
        if let Some(id) = subnets.values().find(full) {
            return Some(NetworkTrouble::NoFreeAddress(id.clone()));
        }
        let rules = self.groups.get(group);
        let cut_off = rules.is_some_and(|rules| !group::connects(rules, group));
        cut_off.then_some(NetworkTrouble::SecurityGroupChanged)
    }
}

impl Subnet {
    /// The addresses that others than HSMs left.
    fn left(&self) -> std::ops::Range<u32> {
        let (first, last) = self.cidr.usable();
        let end = (u32::from(last) + 1).saturating_sub(self.taken);
        u32::from(first)..end
    }

    fn lowest_free(&self, hsms: &BTreeSet<Ipv4Addr>) -> Option<Ipv4Addr> {
        let mut left = self.left().map(Ipv4Addr::from);
        left.find(|address| !hsms.contains(address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network() -> Network {
        Network::new(&"us-east-1".parse().unwrap())
    }

    fn in_zone(network: &Network, zone: &str) -> String {
        let mut found = network.subnets.iter();
        let found = found.find(|(_, subnet)| subnet.zone == zone);
        found.unwrap().0.clone()
    }

    /// Rule CL-04.
    #[test]
    fn an_address_is_free_and_inside_the_subnet() {
        let mut network = network();
        let subnet = in_zone(&network, "us-east-1b");
        let mut hsms = BTreeSet::new();
        let first = network.assign(&subnet, None, &hsms).unwrap();
        assert_eq!(first, Ipv4Addr::new(172, 31, 16, 4));
        hsms.insert(first);
        let next = network.assign(&subnet, None, &hsms).unwrap();
        assert_eq!(next, Ipv4Addr::new(172, 31, 16, 5));
        let refused = network.assign(&subnet, Some(first), &hsms);
        assert_eq!(refused, Err(AddressRefusal::Taken));
        let elsewhere = Some(Ipv4Addr::new(172, 31, 0, 9));
        let refused = network.assign(&subnet, elsewhere, &hsms);
        assert!(matches!(refused, Err(AddressRefusal::Outside { .. })));
        let last = Ipv4Addr::new(172, 31, 31, 254);
        assert_eq!(network.assign(&subnet, Some(last), &hsms), Ok(last));
        network.subnets.get_mut(&subnet).unwrap().taken = 1;
        let refused = network.assign(&subnet, Some(last), &hsms);
        assert_eq!(refused, Err(AddressRefusal::Taken), "something else has it");
        network.subnets.get_mut(&subnet).unwrap().taken = 4091;
        let refused = network.assign(&subnet, None, &hsms);
        assert_eq!(refused, Err(AddressRefusal::Exhausted));
        network.subnets.get_mut(&subnet).unwrap().deleted = true;
        let refused = network.assign(&subnet, None, &hsms);
        assert_eq!(refused, Err(AddressRefusal::NoSubnet));
    }

    /// Rule VPC-03.
    #[test]
    fn trouble_is_named_in_a_fixed_order() {
        let mut network = network();
        let (a, b) = (
            in_zone(&network, "us-east-1a"),
            in_zone(&network, "us-east-1b"),
        );
        let c = in_zone(&network, "us-east-1c");
        let subnets = [("a", &a), ("b", &b)].map(|(zone, id)| (zone.to_owned(), id.clone()));
        let subnets = subnets.into();
        let hsms = BTreeSet::new();
        let trouble = |network: &Network| network.trouble(&subnets, "sg-1", &hsms);
        assert_eq!(trouble(&network), None);
        network.subnets.get_mut(&c).unwrap().deleted = true;
        assert_eq!(trouble(&network), None, "another one's subnet");
        network.groups.insert("sg-1".to_owned(), Vec::new());
        assert_eq!(
            trouble(&network),
            Some(NetworkTrouble::SecurityGroupChanged)
        );
        network.subnets.get_mut(&b).unwrap().taken = 4091;
        assert_eq!(trouble(&network), Some(NetworkTrouble::NoFreeAddress(b)));
        network.subnets.get_mut(&a).unwrap().deleted = true;
        assert_eq!(trouble(&network), Some(NetworkTrouble::SubnetNotFound(a)));
    }
}
