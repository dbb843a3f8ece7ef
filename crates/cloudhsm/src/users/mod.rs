//! Users of a cluster, managed as the CloudHSM CLI does: over the link, on every HSM in service.
//!
//! There is no user of a cluster, only users of its HSMs. An operation goes to each in turn; one
//! that does not reach all of them says which, and the list of users shows what differs.

mod error;
mod hsm_users;
mod list;
mod session;

pub use error::UserError;
pub use hsm_users::HsmUsers;
pub use list::{Coverage, HsmInfo, Locked, UserRow};
pub(crate) use session::{SessionSeat, UserSession, deadline, unexpected};
