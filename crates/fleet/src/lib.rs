//! HSMs that run: each a [`portcullis_hsm::Hsm`] with a disk and a listener of its own, in this
//! process or on another host.
//!
//! [`Fleet`] is what runs them. It knows neither clusters nor KMS: it is told which HSM to make, from
//! what, and which HSMs shall have the same keys. An HSM that was placed on a host is reached over a
//! [`HostLine`]; an [`HsmHost`] is the other end of it, with a fleet of its own.
//!
//! Start reading at [`Fleet`], then `local` for an HSM of this process, and `remote` and `host` for the
//! two ends of a line.
//!
//! ```
//! use portcullis_fleet::Profile;
//!
//! assert!(Profile::named("hsm2m.medium").unwrap().is_some());
//! ```

mod capture;
mod condition;
mod device;
mod disk;
mod equipment;
mod error;
mod fleet;
mod host;
mod identity;
mod local;
mod peer;
mod rejoin;
mod remote;
mod seat;
mod synchronise;

pub use capture::Capture;
pub use condition::Behaviour;
pub use device::{InvalidProfile, Latency, Profile};
pub use disk::{Disks, FileDisks, FoundDisk, MemoryDisks};
pub use equipment::Equipment;
pub use error::FleetError;
pub use fleet::Fleet;
pub use host::{HostConfig, HostEnd, HsmHost, Joined, MakeTransport, is_host_folder};
pub use identity::KeptIdentity;
pub use local::{CryptoUser, UserBefore};
pub use remote::{
    Admission, EnrolmentToken, HostLine, InvalidToken, JOIN_BYTES_MAX, Join, TokenSecret, decode,
    encode, is_host_message,
};
