//! How a host introduces itself to the control plane, and what it is answered.

use std::fmt;

use portcullis_api::HsmId;
use serde::{Deserialize, Serialize};

use super::token::TokenSecret;

/// The first message of a host: a few hundred bytes.
pub const JOIN_BYTES_MAX: usize = 4 << 10;

/// What a host says first.
#[derive(PartialEq, Eq, Serialize, Deserialize)]
pub struct Join {
    /// The host's number.
    pub number: u64,
    /// The secret of the enrolment token, at the first time.
    pub secret: Option<TokenSecret>,
    /// The HSMs whose disks it has; one, unless something went wrong.
    pub held: Vec<HsmId>,
}

impl fmt::Debug for Join {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Join(host {}, {:?})", self.number, self.held)
    }
}

/// What the control plane answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Admission {
    /// It is in, and stands in this zone.
    Admitted {
        /// The Availability Zone.
        zone: String,
    },
    /// It is not, and will not be when it tries again.
    Refused(String),
    /// Something is wrong at the moment.
    Later(String),
}
