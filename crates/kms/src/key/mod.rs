//! KMS keys: their records, states and management.

mod batch;
mod create;
mod custom;
mod deletion;
mod describe;
mod enable;
#[cfg(test)]
pub(crate) mod fixtures;
mod identify;
mod import;
mod keep;
mod keys;
mod kind;
mod last_use;
pub(crate) mod managed;
mod material;
mod metadata;
mod permission;
mod policy;
mod record;
mod relatives;
mod replicate;
mod rotation;
pub(crate) mod spec;
mod state;
mod tags;
mod upkeep;
mod usable;
mod uses;
mod wrapping;

pub use custom::check_key_material;

pub(crate) use create::KeyCreation;
pub(crate) use deletion::KeyDeletion;
pub(crate) use describe::KeyDescription;
pub(crate) use identify::{find_for_management, find_for_use, find_maker, find_shared, is_damaged};
pub(crate) use import::MaterialImport;
pub(crate) use keys::Keys;
pub(crate) use material::Materials;
pub(crate) use metadata::{material_id, metadata};
pub(crate) use permission::find;
pub(crate) use record::{Home, KeyRecord, KeySnapshot, MaterialOrigin, Requested, Rotation};
pub(crate) use replicate::Replication;
pub(crate) use rotation::KeyRotation;
pub(crate) use upkeep::Upkeep;
pub(crate) use usable::check_usable;
pub(crate) use uses::{LastUses, load_last_uses};
