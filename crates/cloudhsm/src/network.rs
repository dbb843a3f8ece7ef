//! The default VPC: the only network there is.
//!
//! ```text
//! VPC 172.31.0.0/16      zone a 172.31.0.0/20    zone b 172.31.16.0/20    zone c 172.31.32.0/20
//! ```
//!
//! The ranges are those of an AWS default VPC. No packet is ever sent to these addresses: an HSM
//! really listens on the address in its [`HsmView`](crate::HsmView).

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use aws_lc_rs::digest::{SHA256, digest};
use portcullis_api::Region;

/// The letters of the Availability Zones, in the order of their subnets.
const ZONES: [char; 3] = ['a', 'b', 'c'];

/// Addresses of a /20.
const SUBNET_ADDRESSES: u32 = 1 << 12;

/// AWS keeps the first four addresses of a subnet and the last one for itself (Amazon VPC User
/// Guide, "Subnet CIDR blocks").
const RESERVED_FIRST: u32 = 4;

/// The default VPC's subnets by Availability Zone: one in each of the zones a, b and c. The IDs
/// depend on the Region only, so that scripts can name them.
#[must_use]
pub fn default_subnets(region: &Region) -> BTreeMap<String, String> {
    ZONES
        .iter()
        .map(|letter| format!("{region}{letter}"))
        .map(|zone| (zone.clone(), hex_id("subnet", &zone)))
        .collect()
}

/// The ID of a Region's default VPC.
#[must_use]
pub fn default_vpc(region: &Region) -> String {
    hex_id("vpc", region.as_str())
}

/// `<prefix>-` and 17 hexadecimal digits that depend on `text` only.
pub(crate) fn hex_id(prefix: &str, text: &str) -> String {
    let hash = digest(&SHA256, format!("{prefix}/{text}").as_bytes());
    let hex: String = hash
        .as_ref()
        .iter()
        .take(9)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("{prefix}-{}", hex.get(..17).unwrap_or(&hex))
}

/// Why an address cannot be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AddressRefusal {
    /// Not one that the subnet gives out.
    Outside { first: Ipv4Addr, last: Ipv4Addr },
    /// Another HSM has it.
    Taken,
    /// The subnet has none left.
    Exhausted,
}

/// The address `wanted`, or the lowest free one, in the subnet of `zone`.
pub(crate) fn assign(
    region: &Region,
    zone: &str,
    wanted: Option<Ipv4Addr>,
    taken: &BTreeSet<Ipv4Addr>,
) -> Result<Ipv4Addr, AddressRefusal> {
    let (first, last) = range(region, zone);
    match wanted {
        Some(address) if address < first || address > last => {
            Err(AddressRefusal::Outside { first, last })
        }
        Some(address) if taken.contains(&address) => Err(AddressRefusal::Taken),
        Some(address) => Ok(address),
        None => (u32::from(first)..=u32::from(last))
            .map(Ipv4Addr::from)
            .find(|address| !taken.contains(address))
            .ok_or(AddressRefusal::Exhausted),
    }
}

/// The first and last address that the subnet of `zone` gives out.
fn range(region: &Region, zone: &str) -> (Ipv4Addr, Ipv4Addr) {
    let zones = default_subnets(region);
    let index = zones.keys().take_while(|key| key.as_str() != zone).count();
    let base = u32::from(Ipv4Addr::new(172, 31, 0, 0))
        + SUBNET_ADDRESSES * u32::try_from(index).unwrap_or(0);
    (
        Ipv4Addr::from(base + RESERVED_FIRST),
        Ipv4Addr::from(base + SUBNET_ADDRESSES - 2),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region() -> Region {
        "us-east-1".parse().unwrap()
    }

    #[test]
    fn every_region_has_one_subnet_in_each_of_three_zones() {
        let subnets = default_subnets(&region());
        let zones: Vec<_> = subnets.keys().map(String::as_str).collect();
        assert_eq!(zones, ["us-east-1a", "us-east-1b", "us-east-1c"]);
        let ids: BTreeSet<_> = subnets.values().collect();
        assert_eq!(ids.len(), 3);
        assert!(ids.iter().all(|id| id.len() == "subnet-".len() + 17));
        assert_eq!(subnets, default_subnets(&region()));
        assert_ne!(subnets, default_subnets(&"eu-west-1".parse().unwrap()));
    }

    /// Rule CL-04.
    #[test]
    fn an_address_is_free_and_inside_the_subnet() {
        let mut taken = BTreeSet::new();
        let first = assign(&region(), "us-east-1b", None, &taken).unwrap();
        assert_eq!(first, Ipv4Addr::new(172, 31, 16, 4));
        taken.insert(first);
        let next = assign(&region(), "us-east-1b", None, &taken).unwrap();
        assert_eq!(next, Ipv4Addr::new(172, 31, 16, 5));
        let refused = assign(&region(), "us-east-1b", Some(first), &taken);
        assert_eq!(refused, Err(AddressRefusal::Taken));
        let elsewhere = Some(Ipv4Addr::new(172, 31, 0, 9));
        let refused = assign(&region(), "us-east-1b", elsewhere, &taken);
        assert!(matches!(refused, Err(AddressRefusal::Outside { .. })));
    }
}
