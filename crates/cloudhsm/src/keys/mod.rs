//! Keys of a cluster, managed as the CloudHSM CLI does: over the link, on every HSM in service.
//!
//! A key is made on one HSM and handed to the others under their masking key. What changes a key
//! goes to each HSM; one that was away takes the later state over when it is back (rule CL-12).

mod filter;
mod hsm_keys;
mod list;
mod replicate;
mod wrap;

pub use filter::KeyTextError;
pub use hsm_keys::NewKey;
pub use list::{KeyPage, KeyRow};
pub use wrap::{UnwrapRequest, WrapRequest, WrappedKey};
