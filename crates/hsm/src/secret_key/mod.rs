//! Keys beside the AES keys: HMAC keys, and the private keys of RSA, elliptic curves and
//! post-quantum algorithms.
//!
//! They never leave their HSM, not even masked: only the built-in fleet of KMS has them, which is
//! one HSM in process. Everything is aws-lc's but for three things that its Rust interface does not
//! have: Ed25519ph (`ed25519-dalek`), ML-DSA over a given mu (`ml-dsa`), and ML-KEM keys in seed
//! form (`ml-kem`).
//!
//! | family | secret as it is kept |
//! | --- | --- |
//! | HMAC | the key |
//! | RSA, elliptic curves | PKCS #8 |
//! | Ed25519, ML-DSA | the seed of 32 bytes |
//! | ML-KEM | the seed of 64 bytes, `d ‖ z` |

mod agree;
mod encapsulate;
mod encrypt;
mod expand;
mod form;
mod keep;
mod kem_keys;
mod kind;
#[cfg(test)]
mod known_answers;
mod sign;
mod task;

pub use form::SecretKey;
pub use kind::KeyKind;
pub use task::{Message, OaepHash, SignatureAlgorithm, SignatureHash, Task};

pub(crate) use keep::{KeptKey, KeptRecord};
