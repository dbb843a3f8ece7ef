use std::fmt;

use portcullis_api::{ClusterId, HsmId};

use super::BadOrder;

/// Why a control did nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FaultError {
    /// No cluster has the HSM.
    NoSuchHsm(HsmId),
    /// There is no such cluster.
    NoSuchCluster(ClusterId),
    /// It did not come back, or the change could not be stored.
    Failed(String),
    /// What was asked for makes no sense.
    BadOrder(BadOrder),
    /// No HSM is where something was to be broken.
    Nowhere(String),
    /// No fault is listed under this ID.
    NoSuchFault(String),
    /// It cannot be undone.
    Final(String),
}

impl fmt::Display for FaultError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchHsm(id) => write!(
                formatter,
                "No cluster has an HSM {id}. Run DescribeClusters to see which there are."
            ),
            Self::NoSuchCluster(id) => write!(
                formatter,
                "There is no cluster {id}. Run DescribeClusters to see which there are."
            ),
            Self::Failed(why) => write!(formatter, "It could not be done: {why}."),
            Self::BadOrder(why) => fmt::Display::fmt(why, formatter),
            Self::Nowhere(place) => write!(
                formatter,
                "There is no HSM at {place}, so nothing is broken. Run `portcullis hsm list` to \
                 see where there are some."
            ),
            Self::NoSuchFault(id) => write!(
                formatter,
                "There is no fault {id}. Run `portcullis chaos list` to see which there are."
            ),
            Self::Final(why) => write!(
                formatter,
                "This cannot be undone: {why}. Make a cluster from a backup and let the key store \
                 use it; `portcullis chaos clear` strikes the fault off the list."
            ),
        }
    }
}

impl std::error::Error for FaultError {}
