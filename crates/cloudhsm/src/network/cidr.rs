use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An IPv4 range such as `10.0.1.0/24`, of a size that a subnet can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Cidr {
    base: u32,
    prefix: u8,
}

/// Sizes of a subnet (Amazon VPC User Guide, "Subnet CIDR blocks").
const PREFIXES: std::ops::RangeInclusive<u8> = 16..=28;

/// AWS keeps the first four addresses of a subnet and the last one for itself (the same page).
const RESERVED_FIRST: u32 = 4;
const RESERVED_LAST: u32 = 1;

/// A text that is no range of a subnet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidCidr(String);

impl fmt::Display for InvalidCidr {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{:?} is no range of a subnet; give its first address and a prefix from /{} to /{}, \
             such as 10.0.1.0/24",
            self.0,
            PREFIXES.start(),
            PREFIXES.end()
        )
    }
}

impl std::error::Error for InvalidCidr {}

impl Cidr {
    pub(super) const fn of_prefix_20(base: u32) -> Self {
        Self { base, prefix: 20 }
    }

    const fn size(self) -> u32 {
        1 << (32 - self.prefix)
    }

    const fn last(self) -> u32 {
        self.base + (self.size() - 1)
    }

    /// The first and last address that the subnet gives out.
    pub(crate) fn usable(self) -> (Ipv4Addr, Ipv4Addr) {
        (
            Ipv4Addr::from(self.base + RESERVED_FIRST),
            Ipv4Addr::from(self.last() - RESERVED_LAST),
        )
    }

    /// How many addresses the subnet gives out.
    pub(crate) const fn usable_count(self) -> u32 {
        self.size() - RESERVED_FIRST - RESERVED_LAST
    }

    pub(crate) const fn overlaps(self, other: Self) -> bool {
        self.base <= other.last() && other.base <= self.last()
    }
}

impl FromStr for Cidr {
    type Err = InvalidCidr;

    fn from_str(text: &str) -> Result<Self, InvalidCidr> {
        let invalid = || InvalidCidr(text.to_owned());
        let (base, prefix) = text.split_once('/').ok_or_else(invalid)?;
        let base: Ipv4Addr = base.parse().map_err(|_error| invalid())?;
        let prefix: u8 = prefix.parse().map_err(|_error| invalid())?;
        if !PREFIXES.contains(&prefix) {
            return Err(invalid());
        }
        let found = Self {
            base: base.into(),
            prefix,
        };
        if found.base & (found.size() - 1) == 0 {
            Ok(found)
        } else {
            Err(invalid())
        }
    }
}

impl TryFrom<String> for Cidr {
    type Error = InvalidCidr;

    fn try_from(text: String) -> Result<Self, InvalidCidr> {
        text.parse()
    }
}

impl From<Cidr> for String {
    fn from(cidr: Cidr) -> Self {
        cidr.to_string()
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", Ipv4Addr::from(self.base), self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_reads_back_what_it_prints_and_others_are_refused() {
        let range: Cidr = "10.0.1.0/24".parse().unwrap();
        assert_eq!(range.to_string(), "10.0.1.0/24");
        assert_eq!(range.usable_count(), 251);
        let (first, last) = range.usable();
        assert_eq!(
            (first.to_string(), last.to_string()),
            ("10.0.1.4".into(), "10.0.1.254".into())
        );
        assert!("255.255.255.240/28".parse::<Cidr>().is_ok());
        for wrong in [
            "",
            "10.0.1.0",
            "10.0.1.0/29",
            "10.0.1.0/15",
            "10.0.1.1/24",
            "10.0.1/24",
        ] {
            assert!(wrong.parse::<Cidr>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn ranges_overlap_when_they_share_an_address() {
        let overlap = |one: &str, other: &str| {
            let (one, other): (Cidr, Cidr) = (one.parse().unwrap(), other.parse().unwrap());
            assert_eq!(one.overlaps(other), other.overlaps(one));
            one.overlaps(other)
        };
        assert!(overlap("10.0.0.0/16", "10.0.7.0/24"));
        assert!(!overlap("10.0.0.0/24", "10.0.1.0/24"));
    }
}
