//! Attestation documents of AWS Nitro Enclaves: read, verified, made; and plaintexts sealed to one.
//!
//! An enclave proves what it runs by a document that the hypervisor signs: CBOR inside COSE_Sign1,
//! with measurements (PCRs), a certificate chain and the enclave's public key. [`verify`] is a pure
//! function of document, date and [`Trust`]; [`RecipientKey::seal`] makes the CMS message that only
//! the enclave opens; an [`Authority`] stands in for the hypervisor, so that there are documents
//! without one.
//!
//! No service is known here: neither which operations take a document, nor how a refusal is told.
//! Start reading at `verify.rs`; `document.rs` has the form and its bounds, `cbor.rs` the bytes,
//! `chain.rs` the certificates, `envelope.rs` what is sealed.
//!
//! ```
//! use portcullis_attest::{Authority, Claims, Refused, Trust, verify};
//! use portcullis_seam::{SystemEntropy, Timestamp};
//!
//! let now = Timestamp::from_millis(1_800_000_000_000);
//! let authority = Authority::generate(&SystemEntropy, now).unwrap();
//! let claims = Claims { module_id: "i-1-enc1", ..Claims::default() };
//! let document = authority.attest(&claims, &SystemEntropy, now).unwrap();
//! // Signed well, but it names no key that anything could be sealed to.
//! assert!(matches!(verify(&document, now, &Trust::AnyRoot), Err(Refused::NoPublicKey)));
//! ```

mod cbor;
mod chain;
mod document;
mod envelope;
mod make;
mod refused;
mod trust;
mod verify;

pub use cbor::Malformed;
pub use document::Document;
pub use envelope::{CannotSeal, RecipientKey};
pub use make::{Authority, CannotMake, Claims};
pub use refused::Refused;
pub use trust::{NoRoots, Trust};
pub use verify::{Attested, verify};
