//! The AWS shapes of KMS and CloudHSM v2, their constraints, ids and exceptions.
//!
//! Shapes are generated from the public service models; see `generator/`. Nothing here decides
//! anything beyond whether a value has a permitted form, and nothing knows HTTP.

pub mod exception;
pub mod id;

pub use exception::{Code, Exception, Fault};
pub use id::{AccountId, BackupId, ClusterId, HsmId, InvalidId, KeyId, KeyStoreId, Region, Scope};
