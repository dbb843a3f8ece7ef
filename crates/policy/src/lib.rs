//! IAM policies: documents as JSON, their conditions, and what they say about a request.
//!
//! A [`Document`] is parsed once, under the rules of an identity policy or of a resource's policy,
//! and says by [`Document::for_identity`] or [`Document::for_resource`] what it means for a
//! [`Request`]. Everything is a pure function of its arguments; explicit denial wins.
//!
//! The crate knows no service: neither which actions there are, nor what a key, a grant or an
//! account's root is worth. It combines nothing: the code that asks holds the several policies and knows
//! which of them must agree. Start reading at [`Document`], then `evaluate.rs` and `condition.rs`.
//!
//! Source of every rule here: IAM User Guide, "IAM JSON policy reference" and "Policy evaluation
//! logic".
//!
//! ```
//! use portcullis_policy::{Context, Document, Kind, Request, Verdict};
//!
//! let policy = r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow",
//!     "Action": "kms:Describe*", "Resource": "*"}}"#;
//! let policy = Document::parse(policy, Kind::Identity).unwrap();
//! let context = Context::default();
//! let ask = |action| Request { action, resource: "*", context: &context };
//! assert_eq!(policy.for_identity(&ask("kms:DescribeKey")), Verdict::Allow);
//! assert_eq!(policy.for_identity(&ask("kms:Decrypt")), Verdict::Silent);
//! ```

mod condition;
mod context;
mod date;
mod document;
mod effect;
mod evaluate;
mod glob;
mod malformed;
mod parse;
mod principal;
mod strict;
#[cfg(test)]
mod tests;

pub use context::Context;
pub use document::{Document, Kind, UsedCondition};
pub use effect::Effect;
pub use evaluate::{Hold, Request, Verdict};
pub use malformed::Malformed;
pub use principal::Identity;
