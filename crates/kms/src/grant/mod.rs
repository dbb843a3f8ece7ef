//! Grants: permissions to use one key, given and taken back one by one.
//!
//! A grant's record stands beside its key's and goes with it. What a grant permits is decided in
//! `access`; here they are made, listed and ended.

use std::sync::Arc;

use crate::records::Records;

mod create;
mod end;
mod ledger;
mod list;
mod record;
mod terms;
mod token;

pub(crate) use ledger::GrantLedger;
pub(crate) use record::{Constraints, GrantRecord};
pub(crate) use terms::has_context;

/// The grants of keys.
#[derive(Debug)]
pub(crate) struct Grants {
    records: Arc<Records>,
}

impl Grants {
    pub(crate) fn new(records: &Arc<Records>) -> Arc<Self> {
        Arc::new(Self {
            records: Arc::clone(records),
        })
    }
}
