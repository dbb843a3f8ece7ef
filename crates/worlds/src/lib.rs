//! Worlds: what exists when Portcullis starts, as plain TOML.
//!
//! [`World::find`] reads one of the three that come along, or a file; [`World::open`] opens a
//! [`System`](portcullis_server::System) in memory that has everything in it. So a test of your own gets
//! a whole Portcullis, with a key in a connected key store:
//!
//! ```
//! use portcullis_server::ServerConfig;
//! use portcullis_worlds::World;
//!
//! # tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(async {
//! let system = World::find("quickstart")?.open().await?;
//! let running = system.serve(ServerConfig::on_free_port())?;
//! println!("aws --endpoint-url http://{} kms list-aliases", running.address);
//! running.shutdown().await;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```

mod file;
mod password;
mod principal;
mod principals;
mod seed;
mod trust;

pub use file::{AuthEntry, World, WorldError};
pub use trust::read_key_file;
