use std::borrow::Cow;

use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};

use crate::call::{Call, Form};

/// The reply to a call, mostly in the form of the CloudHSM CLI: `{"error_code": 0, "data": …}`, or another
/// code with a text that says why it was refused. [`Form`] says which calls answer otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply<T> {
    /// It was done, and this came of it.
    Done(T),
    /// It was not done, for this reason.
    Refused(String),
    /// It did not reach the call, for this reason: there is none, or the guard of the admin API let
    /// no caller in. It has a form of its own, `{"message": …}`.
    Unreached(String),
}

/// The code of everything that was refused: the CloudHSM CLI has no other.
const REFUSED: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Envelope<D> {
    error_code: u32,
    data: D,
}

#[derive(Serialize, Deserialize)]
struct Unreached<'a> {
    message: Cow<'a, str>,
}

impl<T: Serialize> Serialize for Reply<T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Done(data) => Envelope {
                error_code: 0,
                data,
            }
            .serialize(serializer),
            Self::Refused(why) => Envelope {
                error_code: REFUSED,
                data: why,
            }
            .serialize(serializer),
            Self::Unreached(why) => Unreached {
                message: why.into(),
            }
            .serialize(serializer),
        }
    }
}

impl<T: DeserializeOwned> Reply<T> {
    /// Reads the body of a reply to `C`.
    ///
    /// # Errors
    /// When it is neither a reply to `C` nor a refusal.
    pub fn read<C: Call<Reply = T>>(body: &[u8]) -> Result<Self, serde_json::Error> {
        // The data of a refusal is a text, whatever the call gives.
        if let Ok(head) = serde_json::from_slice::<Envelope<IgnoredAny>>(body) {
            return if head.error_code == 0 {
                let done: Envelope<T> = serde_json::from_slice(body)?;
                Ok(Self::Done(done.data))
            } else {
                let refused: Envelope<String> = serde_json::from_slice(body)?;
                Ok(Self::Refused(refused.data))
            };
        }
        if let Ok(Unreached { message }) = serde_json::from_slice(body) {
            return Ok(Self::Unreached(message.into_owned()));
        }
        match C::ROUTE.form {
            Form::Bare => serde_json::from_slice(body).map(Self::Done),
            Form::Enveloped | Form::Media(_) => {
                serde_json::from_slice(body).map(|Envelope { data, .. }| Self::Done(data))
            }
        }
    }
}

impl<T> Reply<T> {
    /// What came of it, or why it was refused.
    ///
    /// # Errors
    /// The text of the refusal.
    pub fn into_result(self) -> Result<T, String> {
        match self {
            Self::Done(data) => Ok(data),
            Self::Refused(why) | Self::Unreached(why) => Err(why),
        }
    }

    /// Whether it was done.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        matches!(self, Self::Done(_))
    }
}

/// Nothing to say, but in JSON: pages of other origins cannot send that.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Nothing {}
