use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::HEXLOWER;
use portcullis_api::Region;

use super::Cidr;

/// The letters of the Availability Zones, in the order of their subnets.
const ZONES: [char; 3] = ['a', 'b', 'c'];

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

/// Zone, ID and range of each of them.
pub(super) fn default_ranges(region: &Region) -> Vec<(String, String, Cidr)> {
    let bases = (u32::from(Ipv4Addr::new(172, 31, 0, 0))..).step_by(1 << 12);
    let subnets = default_subnets(region).into_iter().zip(bases);
    subnets
        .map(|((zone, id), base)| (zone, id, Cidr::of_prefix_20(base)))
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
    let hex = HEXLOWER.encode(hash.as_ref());
    format!("{prefix}-{}", hex.get(..17).unwrap_or(&hex))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

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
        let ranges = default_ranges(&region());
        let ranges: Vec<_> = ranges
            .iter()
            .map(|(_, _, range)| range.to_string())
            .collect();
        assert_eq!(
            ranges,
            ["172.31.0.0/20", "172.31.16.0/20", "172.31.32.0/20"]
        );
    }
}
