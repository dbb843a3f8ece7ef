//! What an HSM promises, through its public surface.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests fail loudly")]

mod attributes;
mod backup;
mod keys;
mod secrecy;
mod secret_keys;
mod sessions;
mod tamper;
mod users;
mod world;
