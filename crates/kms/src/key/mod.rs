//! KMS keys: their records, states and management.

mod create;
mod deletion;
mod describe;
mod enable;
mod identify;
mod list;
mod record;
mod spec;
mod state;

pub(crate) use describe::material_id;
pub(crate) use identify::{find_for_management, find_for_use, find_maker};
pub(crate) use record::{Home, KeyRecord, Requested, Snapshot};
pub(crate) use state::check_usable;
