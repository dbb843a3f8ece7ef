//! What the files of a data folder are called, and the version of that.

/// Raised when files come, go or change their meaning so that older versions would misread them.
pub(super) const LAYOUT: u64 = 1;

pub(super) const LOCK: &str = "lock";
pub(super) const VERSION: &str = "version";
pub(super) const WORLD: &str = "world";
pub(super) const UNFINISHED: &str = "unfinished";
pub(super) const KEPT: &str = "kept";
pub(super) const DEVICE_KEY: &str = "device.key";
pub(super) const CONTROL: &str = "control.redb";
pub(super) const HSMS: &str = "hsms";
pub(super) const RESERVE: &str = "reserve";
pub(crate) const LOAD_RUNS: &str = "load-runs";
/// The admin token.
pub(crate) const ADMIN_TOKEN: &str = "admin-token";
/// The certificate of the authority for TLS.
pub(crate) const TLS_AUTHORITY: &str = "tls-ca.pem";
