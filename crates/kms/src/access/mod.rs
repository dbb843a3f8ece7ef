//! Who may do what with which key: key policies, grants and the policies of identities.

mod lockout;

pub(crate) use lockout::{check_policy, default_policy};
