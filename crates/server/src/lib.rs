//! A whole Portcullis in a process, and its edge: HTTP, AWS JSON 1.1, SigV4, the admin API and metrics.
//!
//! A [`System`] is KMS and CloudHSM with what they stand on. It is opened by [`System::open`], and
//! answers over HTTP from [`System::serve`] on:
//!
//! ```
//! use portcullis_server::{ServerConfig, System, SystemConfig};
//!
//! # tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(async {
//! let system = System::open(SystemConfig::default()).await?;
//! let running = system.serve(ServerConfig::on_free_port())?;
//! println!("aws --endpoint-url http://{} kms list-keys", running.address);
//! running.shutdown().await;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```
//!
//! The edge turns requests into calls of [`Kms`](portcullis_kms::Kms) and
//! [`CloudHsm`](portcullis_cloudhsm::CloudHsm) and their outcomes into replies. It knows how
//! requests look, who may send them and how large they may be, and deliberately no rule of
//! either service.
//!
//! The life of a call: `http/core.rs` accepts, `http/edge.rs` reads and verifies, [`decode`]
//! makes a call of the bytes, `dispatch.rs` hands it to the service, `http/reply.rs` writes the
//! answer, `events/` records what was called. `built.rs` lists the operations. Everything but `POST /`
//! goes past `door/` to a router of `admin/`, of which `surface.rs` says what it serves. What is written for people
//! and to the file of events goes through a [`LineQueue`].
//!
//! ```
//! use portcullis_server::decode;
//!
//! let defaults = portcullis_server::ServerConfig::default().defaults;
//! let body = br#"{"KeyId": "alias/quickstart", "Plaintext": "aGVsbG8="}"#;
//! let call = decode::request(Some("TrentService.Encrypt"), None, body, &defaults).unwrap();
//! assert_eq!(call.input.operation().name(), "Encrypt");
//! assert_eq!(call.scope.region.as_str(), "us-east-1");
//! ```

mod admin;
mod built;
mod config;
mod connections;
mod console;
pub mod decode;
mod dispatch;
mod door;
mod events;
mod exposition;
mod handle;
mod hsm_threads;
mod http;
mod input;
mod limits;
mod line_queue;
mod metrics;
mod principals;
mod running;
mod server;
mod surface;
mod system;
#[cfg(test)]
mod tests;
mod tls;

pub use config::{Auth, Credentials, LoadRuns, Resets, ServerConfig, Snapshots};
pub use door::{AdminAccess, AdminToken, HostNames, InvalidHostName, InvalidToken};
pub use events::{EventsConfig, EventsFile};
pub use limits::{Limits, Patience};
pub use line_queue::{DropCount, LineQueue, LineSink};
pub use principals::Principals;
pub use running::Running;
pub use surface::{Listeners, NoAdminPort, NotStarted, Surface};
pub use system::{OpenError, System, SystemConfig};
pub use tls::{InvalidIdentity, TlsAuthority, TlsIdentity};
