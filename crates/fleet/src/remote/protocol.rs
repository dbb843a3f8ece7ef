//! What the control plane asks a host to do with an HSM, and what comes of it: the messages of the
//! connection between the two.
//!
//! A message is one postcard value, alone on a stream of its own; the link bounds its length.

use std::collections::BTreeSet;
use std::fmt;
use std::net::SocketAddr;

use portcullis_api::HsmId;
use portcullis_hsm::{Fingerprint, HsmKeyId, Limits, MaskedKey};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::disk::{DiskContents, DiskNotes};
use crate::{Behaviour, Profile};

/// The longest message (Rule HOST-10): the image of an HSM with a million keys.
pub(crate) const MESSAGE_BYTES_MAX: usize = 512 << 20;

/// A request to one HSM.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HostRequest {
    pub(crate) hsm: HsmId,
    /// The date where the control plane is, in milliseconds since 1970: hosts note by it when users
    /// were changed, and all of a cluster's HSMs must agree on what was later.
    pub(crate) now_ms: u64,
    pub(crate) request: HsmRequest,
}

/// What is to be done.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum HsmRequest {
    /// Make the HSM and start it. Whatever was there of it is wiped first. Answer: `NodeStatus`.
    Create(Content),
    /// Start it from its disk, after it has caught up with its peers. Answer: `NodeStatus`.
    Start { peers: Vec<DiskContents> },
    /// The same, whether it is down or not. Answer: `NodeStatus`.
    Restart { peers: Vec<DiskContents> },
    /// Install the cluster certificate (PEM) and listen. Answer: `NodeStatus`.
    Install { certificate: String },
    /// Take it down as a power cut does. Answer: `Done`.
    Crash,
    /// Destroy it with its disk. Answer: `Done`.
    Remove,
    /// Answer: `NodeStatus`.
    Look,
    /// Answer: `Content`.
    Capture,
    /// What others catch up with. Answer: `Users`.
    Users,
    /// Answer: `Done`.
    Fit(Fittings),
    /// Something about the keys of an HSM that is up.
    Keys(KeyRequest),
}

/// What keeps the keys of HSMs in step.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum KeyRequest {
    /// Answer: `Tally`.
    Count,
    /// Answer: `Ids`.
    Deleted,
    /// Delete these keys and note them as deleted. Answer: `Done`.
    DeleteKeys(Vec<HsmKeyId>),
    /// Answer: `Revisions`.
    Revisions,
    /// Answer: `Keys`.
    Export(Vec<HsmKeyId>),
    /// Take these keys over. Answer: `Done`.
    TakeOver(Vec<MaskedKey>),
}

impl HsmRequest {
    /// Whether there must be such an HSM already.
    pub(crate) const fn needs_the_disk(&self) -> bool {
        !matches!(self, Self::Create(_) | Self::Remove | Self::Fit(_))
    }
}

/// What came of a request.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum HsmReply {
    Done,
    Status(NodeStatus),
    Content(Content),
    Users(DiskContents),
    Tally(Tally),
    Ids(BTreeSet<HsmKeyId>),
    Revisions(Vec<(HsmKeyId, u64)>),
    Keys(Vec<MaskedKey>),
    /// It could not be done, and why.
    Failed(String),
}

/// Why a request brought nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Undelivered {
    /// The host is not there, or went away meanwhile: it may or may not have been done.
    Away(String),
    /// The host could not do it.
    Failed(String),
}

impl fmt::Display for Undelivered {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Away(why) | Self::Failed(why) => formatter.write_str(why),
        }
    }
}

/// What a new HSM holds, or a present one at an instant. Secret.
#[derive(PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Content {
    /// Nothing but this identity.
    Blank(Zeroizing<Vec<u8>>),
    /// The bytes of an image, and the notes beside it.
    Image(Zeroizing<Vec<u8>>, DiskNotes),
}

impl fmt::Debug for Content {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Blank(_) => formatter.write_str("Blank"),
            Self::Image(bytes, _) => write!(formatter, "Image({} bytes)", bytes.len()),
        }
    }
}

/// How an HSM is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct NodeStatus {
    pub(crate) running: bool,
    /// Whether its first admin has set a password.
    pub(crate) activated: bool,
    /// Where it listens.
    pub(crate) address: Option<SocketAddr>,
}

/// Which keys an HSM has and notes as deleted, in numbers that are cheap to compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tally {
    pub(crate) keys: Fingerprint,
    pub(crate) deleted: Fingerprint,
}

/// What an HSM is fitted with: how fast it is, how much it holds, how it misbehaves on purpose.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Fittings {
    pub(crate) device: Option<Profile>,
    pub(crate) limits: Option<Limits>,
    pub(crate) behaviour: Behaviour,
}

/// A message as it travels.
///
/// # Errors
/// When it is longer than a message may be.
pub fn encode<T: Serialize>(message: &T) -> Result<Zeroizing<Vec<u8>>, String> {
    let bytes = postcard::to_stdvec(message).map_err(|error| error.to_string())?;
    let bytes = Zeroizing::new(bytes);
    if bytes.len() > MESSAGE_BYTES_MAX {
        return Err(format!(
            "a message of {} bytes is too long; the longest has {MESSAGE_BYTES_MAX}",
            bytes.len()
        ));
    }
    Ok(bytes)
}

/// Reads a message: one value, and nothing after it.
///
/// # Errors
/// When the bytes are not that. The text repeats none of them.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    match postcard::take_from_bytes(bytes) {
        Ok((message, [])) => Ok(message),
        Ok((_, _)) => Err("a message with something after its end".to_owned()),
        Err(_malformed) => Err("not a message of this protocol".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(request: HsmRequest) -> HostRequest {
        HostRequest {
            hsm: "hsm-abcdefghijk".parse().unwrap(),
            now_ms: 7,
            request,
        }
    }

    fn requests() -> impl Strategy<Value = HsmRequest> {
        let bytes = || proptest::collection::vec(any::<u8>(), 0..64);
        let ids = || {
            let id = any::<[u8; 16]>().prop_map(HsmKeyId);
            proptest::collection::vec(id, 0..8)
        };
        let contents = move || {
            let record = ("[a-z/]{0,8}", bytes()).prop_map(|(key, it)| (key, Zeroizing::new(it)));
            (proptest::collection::vec(record, 0..4), ids()).prop_map(|(records, deleted)| {
                let notes = DiskNotes {
                    deleted: deleted.into_iter().collect(),
                    changed: std::iter::once(("admin/admin".to_owned(), 1)).collect(),
                };
                DiskContents { records, notes }
            })
        };
        prop_oneof![
            bytes().prop_map(|it| HsmRequest::Create(Content::Blank(Zeroizing::new(it)))),
            (bytes(), contents()).prop_map(|(it, contents)| {
                HsmRequest::Create(Content::Image(Zeroizing::new(it), contents.notes))
            }),
            proptest::collection::vec(contents(), 0..3)
                .prop_map(|peers| HsmRequest::Start { peers }),
            ".{0,20}".prop_map(|certificate| HsmRequest::Install { certificate }),
            any::<()>().prop_map(|()| HsmRequest::Crash),
            any::<()>().prop_map(|()| HsmRequest::Keys(KeyRequest::Count)),
            ids().prop_map(|ids| HsmRequest::Keys(KeyRequest::DeleteKeys(ids))),
            ids().prop_map(|ids| HsmRequest::Keys(KeyRequest::Export(ids))),
            bytes().prop_map(|it| HsmRequest::Keys(KeyRequest::TakeOver(vec![MaskedKey(it)]))),
            any::<()>().prop_map(|()| HsmRequest::Fit(Fittings::default())),
        ]
    }

    proptest! {
        /// Rule HOST-10
        #[test]
        fn a_request_reads_back_and_a_cut_or_longer_one_is_refused(request in requests()) {
            let request = of(request);
            let bytes = encode(&request).unwrap();
            prop_assert_eq!(decode::<HostRequest>(&bytes), Ok(request));
            let cut = bytes.split_last().unwrap().1;
            prop_assert!(decode::<HostRequest>(cut).is_err());
            let longer = [&bytes[..], &[0]].concat();
            prop_assert!(decode::<HostRequest>(&longer).is_err());
        }

        /// Rule HOST-10
        #[test]
        fn any_bytes_are_a_request_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
            if let Ok(request) = decode::<HostRequest>(&bytes) {
                prop_assert!(encode(&request).is_ok());
            }
            let _no_panic = decode::<HsmReply>(&bytes);
        }
    }

    #[test]
    fn no_content_is_printed() {
        let content = Content::Image(Zeroizing::new(b"hidden".to_vec()), DiskNotes::default());
        assert_eq!(format!("{content:?}"), "Image(6 bytes)");
    }
}
