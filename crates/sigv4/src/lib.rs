//! Signature Version 4: canonical requests, signing keys and signatures, for both ends.
//!
//! A client signs with a [`Signer`]; a server parses the `Authorization` header into an
//! [`Authorization`] and checks it with a [`Verifier`], which caches signing keys. Both build the
//! same canonical request, as "Create a signed AWS API request" of the IAM User Guide describes
//! it. Presigned URLs, SigV4a and S3's deviations are not here.
//!
//! The crate knows no HTTP library, no clock and no list of users: headers come through
//! [`Headers`], the date and the secret are arguments. Start reading at [`Verifier::verify`].
//!
//! ```
//! use portcullis_sigv4::{Authorization, Date, Request, Signer, Verifier};
//!
//! let now = Date::from_unix_seconds(1_788_093_360);
//! let signer = Signer::new("test", "secret", "eu-west-1", "kms");
//! let headers = [("host", "127.0.0.1:4566"), ("x-amz-target", "TrentService.ListKeys")];
//! let value = signer.sign(
//!     &Request { method: "POST", path: "/", query: "", headers: &headers[..], body: b"{}" },
//!     now,
//! );
//!
//! let date = now.to_string();
//! let received = [headers[0], headers[1], ("x-amz-date", date.as_str())];
//! let request =
//!     Request { method: "POST", path: "/", query: "", headers: &received[..], body: b"{}" };
//! let authorization = Authorization::parse(&value).unwrap();
//! assert_eq!(authorization.credential.region, "eu-west-1");
//! assert_eq!(Verifier::default().verify(&request, &authorization, "secret", now), Ok(()));
//! ```

mod authorization;
mod canonical;
mod date;
mod hex;
mod key;
mod reader;
mod sign;
mod verify;

pub use authorization::{Authorization, Credential, Malformed};
pub use canonical::{Headers, Request};
pub use date::{Date, InvalidDate};
pub use key::{SigningKey, SigningKeyCache};
pub use reader::AuthorizationReader;
pub use sign::Signer;
pub use verify::{Refusal, SKEW_SECONDS_MAX, Verifier};
