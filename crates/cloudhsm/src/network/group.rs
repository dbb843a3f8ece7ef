use serde::{Deserialize, Serialize};

/// A rule of a security group, for TCP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Which way the rule lets traffic pass.
    pub direction: Direction,
    /// The first port.
    pub from_port: u16,
    /// The last port.
    pub to_port: u16,
    /// The security group from or to which traffic passes.
    pub peer: String,
}

/// Which way a rule lets traffic pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// From the peer.
    Inbound,
    /// To the peer.
    Outbound,
}

/// The ports on which HSMs are reached (KMS Developer Guide, create a CloudHSM key store).
const PORTS: std::ops::RangeInclusive<u16> = 2223..=2225;

/// Rule VPC-04: KMS reaches a cluster while the group permits TCP 2223 to 2225 from and to itself.
pub(super) fn connects(rules: &[Rule], group: &str) -> bool {
    let permits = |direction: Direction, port: u16| {
        let mut of_itself = rules.iter().filter(|rule| rule.peer == group);
        of_itself.any(|rule| {
            rule.direction == direction && (rule.from_port..=rule.to_port).contains(&port)
        })
    };
    let both = [Direction::Inbound, Direction::Outbound];
    PORTS
        .into_iter()
        .all(|port| both.iter().all(|way| permits(*way, port)))
}

/// The rules that CloudHSM gives the security group of a cluster.
pub(crate) fn of_cloudhsm(group: &str) -> Vec<Rule> {
    let rule = |direction| Rule {
        direction,
        from_port: *PORTS.start(),
        to_port: *PORTS.end(),
        peer: group.to_owned(),
    };
    vec![rule(Direction::Inbound), rule(Direction::Outbound)]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rule VPC-04.
    #[test]
    fn every_port_is_needed_both_ways_with_the_group_itself() {
        let rules = of_cloudhsm("sg-1");
        assert!(connects(&rules, "sg-1"));
        assert!(!connects(&rules, "sg-2"));
        assert!(!connects(&rules[..1], "sg-1"));
        let mut narrow = rules.clone();
        narrow[0].to_port = 2224;
        assert!(!connects(&narrow, "sg-1"));
        narrow.push(Rule {
            from_port: 2225,
            to_port: 9000,
            ..rules[0].clone()
        });
        assert!(connects(&narrow, "sg-1"));
    }
}
