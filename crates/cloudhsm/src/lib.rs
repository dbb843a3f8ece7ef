//! CloudHSM: clusters and their HSMs, backups, certificates and users.
//!
//! The control plane decides by pure functions over records (`decide`), commits what they say and
//! carries it out on a [`portcullis_fleet::Fleet`] of HSMs that really run. Users and keys are managed
//! over the link, like any client does it.
//!
//! This crate knows nothing of KMS, HTTP, QUIC or files: the link brings the transport, the store
//! the records. What KMS may know of clusters is in [`portcullis_clusters::Clusters`], and nothing else.
//!
//! Start reading at [`CloudHsm`], then `decide` for the rules and `control` for what
//! happens between two states.
//!
//! ```
//! use portcullis_cloudhsm::default_subnets;
//!
//! let subnets = default_subnets(&"eu-west-1".parse().unwrap());
//! assert!(subnets["eu-west-1a"].starts_with("subnet-"));
//! ```

mod certificate;
mod chaos;
mod cloudhsm;
mod config;
mod control;
mod decide;
mod hosts;
mod keys;
mod network;
mod operations;
mod policy;
mod quota;
mod record;
mod service_core;
mod shapes;
mod users;

pub use certificate::{CannotSign, CustomerAuthority, Roots};
pub use chaos::{BadOrder, Controls, FaultError, Faults};
pub use cloudhsm::CloudHsm;
pub use config::{CloudHsmConfig, OpenError};
pub use control::Devices;
pub use decide::{HsmsOn, InvalidPlacement};
pub use hosts::{
    Enrolment, HostError, HostGate, Hosts, hsms_here, hsms_on_hosts, records_of_hosts,
};
pub use keys::{
    HsmKeys, KeyPage, KeyRow, KeyTextError, NewKey, UnwrapRequest, WrapRequest, WrappedKey,
};
pub use network::{
    Addresses, Cidr, Direction, InvalidCidr, Network, NetworkChange, Networks, Rule, Subnet,
    default_subnets, default_vpc,
};
pub use quota::{InvalidQuotas, Quotas};
pub use users::{Coverage, HsmInfo, HsmUsers, Locked, UserError, UserRow};
