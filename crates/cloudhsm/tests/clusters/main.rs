//! Clusters as their users see them: the control plane, HSMs that really run, a link in memory
//! and one over QUIC.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "tests fail loudly"
)]

mod backups;
mod chaos;
mod devices;
mod disks;
mod faults;
mod kept_faults;
mod keys;
mod lifecycle;
mod link;
mod migrate;
mod over_quic;
mod quotas;
mod time;
mod users;
mod world;
