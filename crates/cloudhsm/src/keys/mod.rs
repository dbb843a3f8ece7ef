//! Keys of a cluster, managed as the CloudHSM CLI does: over the link, on every HSM in service.
//!
//! A key is made on one HSM and handed to the others under their masking key. What changes a key
//! goes to each HSM; one that was away takes the later state over when it is back (rule CL-12).

mod filter;
mod hsm_keys;
mod list;
mod replicate;
mod row;
mod wrap;

pub use filter::KeyTextError;
pub use hsm_keys::{HsmKeys, NewKey};
pub use list::KeyPage;
pub use row::KeyRow;
pub use wrap::{UnwrapRequest, WrapRequest, WrappedKey};
