//! Who may do what with which key: key policies, grants and the policies of identities.
//!
//! `table.rs` says what each request concerns, `guard.rs` looks that up, `decide.rs` and
//! `granted.rs` decide, purely. Nothing of it runs unless the edge asks ([`Kms::authorize`]), which
//! it does with `--auth enforce`.
//!
//! [`Kms::authorize`]: crate::Kms::authorize

mod admit;
mod concern;
mod condition_keys;
mod context;
mod decide;
mod granted;
mod guard;
mod lockout;
mod origin;
mod principal;
mod table;
#[cfg(test)]
mod tests;

pub(crate) use concern::On;
pub use concern::{Concern, Concerns, Names};
pub use condition_keys::{policy_findings, policy_findings_of};
pub(crate) use guard::AccessGuard;
pub(crate) use lockout::{check_policy, default_policy};
pub use origin::RequestOrigin;
pub use principal::Principal;
