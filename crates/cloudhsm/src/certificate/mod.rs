//! Certificates: the makers' chain of every HSM, the cluster's signing request, the checks of
//! InitializeCluster, and a customer's root certificate for worlds that need no openssl.
//!
//! ```text
//!   AWS root                 maker's root               customer's root (the trust anchor)
//!      │ signs                  │ signs                     │ signs the request
//!   AwsHardwareCertificate   ManufacturerHardware-          │
//!      │                     Certificate                    │
//!      └──── the same hardware key signs ────┐              │
//!                                            ▼              ▼
//!                                HsmCertificate      ClusterCertificate
//!                                      └── the cluster's key pair ──┘
//! ```
//!
//! The cluster's private key never leaves its HSMs and their backups. The hardware key is
//! forgotten as soon as it has signed.

mod check;
mod customer;
mod issue;
mod key;
mod makers;
mod request;
#[cfg(test)]
mod tests;

pub(crate) use check::check_pair;
pub use customer::{CannotSign, CustomerAuthority};
pub(crate) use makers::Makers;
pub use makers::Roots;
pub(crate) use request::give_birth;

/// Certificates are valid from a day before they are made, for clocks that differ.
const VALID_BEFORE: std::time::Duration = std::time::Duration::from_secs(24 * 60 * 60);

/// Ten years, as in the User Guide's openssl example (3,652 days).
const VALID_FOR: std::time::Duration = std::time::Duration::from_secs(3652 * 24 * 60 * 60);
