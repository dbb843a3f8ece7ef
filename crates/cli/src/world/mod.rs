//! Worlds: what exists when Portcullis starts, as plain TOML.

mod file;
mod principal;
mod seed;

pub(crate) use file::World;
pub(crate) use seed::seed;
