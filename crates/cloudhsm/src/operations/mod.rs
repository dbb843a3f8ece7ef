//! The operations of the API, and what worlds do beside them.

mod backups;
mod clusters;
mod tags;
mod worlds;
