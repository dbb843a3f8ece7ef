//! Where the HSMs of a cluster are to be made.

use std::fmt;
use std::str::FromStr;

use crate::record::Cluster;

/// The tag by which a cluster says where its HSMs are made.
pub(crate) const PLACEMENT_TAG: &str = "portcullis:hsms-on";

/// Where the HSMs of a cluster are made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum HsmsOn {
    /// In the control plane's process.
    #[default]
    Process,
    /// On hosts.
    Hosts,
}

/// A word that names no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidPlacement;

impl fmt::Display for InvalidPlacement {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("HSMs are made on \"process\" or on \"hosts\".")
    }
}

impl std::error::Error for InvalidPlacement {}

impl FromStr for HsmsOn {
    type Err = InvalidPlacement;

    fn from_str(text: &str) -> Result<Self, InvalidPlacement> {
        match text {
            "process" => Ok(Self::Process),
            "hosts" => Ok(Self::Hosts),
            _ => Err(InvalidPlacement),
        }
    }
}

/// What was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HsmPlacement {
    Process,
    /// On a host if one waits: nothing was said of this cluster.
    HostIfIdle,
    /// On a host and nowhere else: the cluster says so.
    HostOnly,
}

impl HsmPlacement {
    /// Rule HOST-15: the cluster's tag decides, else what was set for all.
    pub(crate) fn of(cluster: &Cluster, default: HsmsOn) -> Self {
        let tag = cluster.tags.get(PLACEMENT_TAG).map(|tag| tag.parse());
        match (tag, default) {
            (Some(Ok(HsmsOn::Hosts)), _) => Self::HostOnly,
            (None | Some(Err(InvalidPlacement)), HsmsOn::Hosts) => Self::HostIfIdle,
            (Some(Ok(HsmsOn::Process)), _)
            | (None | Some(Err(InvalidPlacement)), HsmsOn::Process) => Self::Process,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tags::check_tags;
    use super::super::tests::{cluster, issued};
    use super::*;
    use portcullis_clusters::ClusterState;

    /// Rule HOST-15
    #[test]
    fn a_host_is_used_only_where_the_cluster_or_the_start_asks_for_hosts() {
        for (tag, default, expected) in [
            (None, HsmsOn::Process, HsmPlacement::Process),
            (None, HsmsOn::Hosts, HsmPlacement::HostIfIdle),
            (Some("process"), HsmsOn::Hosts, HsmPlacement::Process),
            (Some("hosts"), HsmsOn::Process, HsmPlacement::HostOnly),
            (Some("hosts"), HsmsOn::Hosts, HsmPlacement::HostOnly),
        ] {
            let mut cluster = cluster(ClusterState::Active, 0, issued());
            if let Some(tag) = tag {
                cluster
                    .tags
                    .insert(PLACEMENT_TAG.to_owned(), tag.to_owned());
            }
            assert_eq!(
                HsmPlacement::of(&cluster, default),
                expected,
                "{tag:?} {default:?}"
            );
        }
    }

    /// Rule HOST-15
    #[test]
    fn a_tag_that_names_no_place_is_refused() {
        let tag = |value: &str| check_tags(&[(PLACEMENT_TAG.to_owned(), value.to_owned())]);
        assert!(tag("hosts").is_ok() && tag("process").is_ok());
        for value in ["", "Hosts", "host", "anywhere"] {
            let refused = tag(value).unwrap_err();
            assert!(refused.message.contains("\"hosts\""), "{}", refused.message);
        }
    }
}
