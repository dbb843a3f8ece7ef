//! Grants: permissions to use one key, given and taken back one by one.
//!
//! A grant's record stands beside its key's and goes with it. What a grant permits is decided in
//! `access`; here they are made, listed and ended.

mod create;
mod end;
mod ledger;
mod list;
mod record;
mod terms;
mod token;

pub(crate) use ledger::Ledger;
pub(crate) use record::{Constraints, GrantRecord};
pub(crate) use terms::has_context;
