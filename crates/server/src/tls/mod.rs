//! TLS in front of HTTP: what a listener presents (`identity.rs`), and an authority of our own that
//! makes it where the user gives none (`authority.rs`).

mod authority;
mod identity;

pub use authority::TlsAuthority;
pub use identity::{InvalidIdentity, TlsIdentity};
