//! The service's quotas (CloudHSM User Guide, "AWS CloudHSM quotas").

use std::fmt;
use std::str::FromStr;

use portcullis_api::Exception;
use portcullis_hsm::Limits;

use crate::decide::refuse;
use crate::record::{HSM1, ScopeRecords};

/// Whether the service's quotas are kept.
///
/// Rule QUO-01: they are not by default, since a benchmark may want more clusters and keys than an
/// account has on its first day.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum Quotas {
    /// None is kept but the fixed one of 28 HSMs a cluster.
    #[default]
    None,
    /// Those of an AWS account that had none raised.
    Aws,
}

/// Clusters of an account in a Region.
const CLUSTERS_MAX: usize = 4;

/// HSMs of an account in a Region.
const HSMS_MAX: usize = 6;

/// Users and keys of a cluster of hsm1.medium.
const HSM1_LIMITS: Limits = Limits {
    users_max: 250,
    keys_max: 3_300,
};

/// Users and keys of a cluster of hsm2m.medium.
const HSM2M_LIMITS: Limits = Limits {
    users_max: 1_024,
    keys_max: 16_666,
};

impl Quotas {
    /// Rule QUO-02: four clusters in an account and Region.
    pub(crate) fn check_clusters(self, state: &ScopeRecords) -> Result<(), Exception> {
        self.check(state.clusters.len(), CLUSTERS_MAX, "clusters")
    }

    /// Rule QUO-03: six HSMs in an account and Region, whatever clusters they are in.
    pub(crate) fn check_hsms(self, state: &ScopeRecords) -> Result<(), Exception> {
        let hsms = state.clusters.values().map(|cluster| cluster.hsms.len());
        self.check(hsms.sum(), HSMS_MAX, "HSMs")
    }

    fn check(self, present: usize, most: usize, what: &str) -> Result<(), Exception> {
        if self == Self::None || present < most {
            return Ok(());
        }
        Err(refuse(format!(
            "The account has {present} {what} in this Region, and its quota is {most}. Delete \
             some, or start Portcullis with --quota none."
        )))
    }

    /// Rule QUO-04: what an HSM of this type holds. Every HSM of a cluster holds all of the
    /// cluster, so the quota of the cluster is a limit of each.
    pub(crate) fn limits(self, hsm_type: &str) -> Option<Limits> {
        match self {
            Self::None => None,
            Self::Aws if hsm_type == HSM1 => Some(HSM1_LIMITS),
            Self::Aws => Some(HSM2M_LIMITS),
        }
    }
}

/// Neither `none` nor `aws`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidQuotas;

impl fmt::Display for InvalidQuotas {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("quotas are `none` or `aws`")
    }
}

impl std::error::Error for InvalidQuotas {}

impl FromStr for Quotas {
    type Err = InvalidQuotas;

    fn from_str(text: &str) -> Result<Self, InvalidQuotas> {
        match text {
            "none" => Ok(Self::None),
            "aws" => Ok(Self::Aws),
            _ => Err(InvalidQuotas),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::HSM2M;

    /// Rule QUO-04.
    #[test]
    fn the_types_differ_in_what_they_hold() {
        assert_eq!(Quotas::Aws.limits(HSM1), Some(HSM1_LIMITS));
        assert_eq!(Quotas::Aws.limits(HSM2M), Some(HSM2M_LIMITS));
        assert_eq!(Quotas::None.limits(HSM1), None);
    }
}
