//! One HSM: users, sessions, keys and cryptography.
//!
//! An [`Hsm`] is real software, not a mock: passwords are hashed and counted, AES keys leave it only
//! masked, or wrapped if they are extractable, other keys not at all, and nonces are constructed so
//! that none repeats. It does no input or output: management commands give back what must be made
//! durable, and the program that runs the HSM does that before the answer leaves. It knows no AWS name, no
//! socket, no file and no runtime.
//!
//! Start reading at [`Hsm`]; `manage` and `keys` hold what each command may do, `batch` the
//! fast path, `secret_key` the keys that are not AES keys.
//!
//! ```
//! use std::sync::Arc;
//! use portcullis_hsm::{Command, Hsm, Reply, Secret, Settings};
//! use portcullis_seam::SystemEntropy;
//!
//! let hsm = Hsm::blank(Settings::default(), Arc::new(SystemEntropy));
//! let activate = Command::Activate { password: Secret::new("adminPassword") };
//! assert_eq!(hsm.manage(activate).result, Ok(Reply::Done));
//! ```

mod attributes;
mod batch;
mod command;
mod device_key;
mod fence;
mod fingerprint;
mod hsm;
mod image;
mod key;
mod keys;
#[cfg(test)]
mod known_answers;
mod manage;
mod nonce;
mod operation;
mod password;
mod placement;
mod record;
mod secret_key;
mod session;
mod tamper;
mod user;
mod wrap;

pub use attributes::{
    AttributeChange, Attributes, Criterion, Flag, Flags, KEY_CLASS, KEY_TYPE, KeyInfo, KeyLength,
    KeyTemplate,
};
pub use batch::Batch;
pub use command::{
    Command, Epoch, Fence, KeyAction, MaskedKey, Mechanism, Reply, Role, Secret, SessionId,
    UserInfo,
};
pub use device_key::{DeviceKey, Unsealable};
pub use fingerprint::Fingerprint;
pub use hsm::{Answer, Hsm, Limits, LoadError, Settings};
pub use image::{Image, ImageError};
pub use nonce::NONCE_BYTES;
pub use operation::{Call, HsmKeyId, Operation, Output, Refusal};
pub use placement::{Placement, placement};
pub use record::Change;
pub use secret_key::{
    KeyKind, Message, OaepHash, SecretKey, SignatureAlgorithm, SignatureHash, Task,
};

/// The bytes that sealing adds to a plaintext: the nonce and the tag.
pub const SEAL_BYTES: usize = NONCE_BYTES + 16;
