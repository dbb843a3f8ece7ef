//! The AWS shapes of KMS and CloudHSM v2, their constraints, ids and exceptions.
//!
//! Shapes, constraints and the table of operations are generated from the public service models;
//! see `generator/README.md`. Nothing here decides anything beyond whether a value has a permitted
//! form, and nothing knows HTTP.
//!
//! Start reading at [`Operation`], [`validate`] and [`Exception`].
//!
//! ```
//! use portcullis_api::{Code, kms::UpdateCustomKeyStoreRequest, validate};
//!
//! let request: UpdateCustomKeyStoreRequest =
//!     serde_json::from_str(r#"{"CustomKeyStoreId": "cks-1", "KeyStorePassword": "short"}"#).unwrap();
//! assert_eq!(validate(&request).unwrap_err().code, Code::Validation);
//! ```

pub mod cloudhsm;
pub mod exception;
mod given;
pub mod id;
mod inline_text;
mod key_tag;
pub mod kms;
mod operation;
mod service;
mod validate;
mod values;

pub use exception::{Code, Exception, Fault, Messages};
pub use given::Given;
pub use id::{AccountId, BackupId, ClusterId, HsmId, InvalidId, KeyId, KeyStoreId, Region, Scope};
pub use operation::Operation;
pub use service::{Reply, Service};
pub use validate::{Validate, Violations, validate, validate_given};
pub use values::{Blob, EpochSeconds, SecretBlob, SecretText};
