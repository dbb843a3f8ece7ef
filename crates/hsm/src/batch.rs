use std::fmt;
use std::sync::Arc;

use portcullis_seam::plant::{Bug, planted};

use crate::key::{Key, make_room, wipe_from};
use crate::nonce::NonceLease;
use crate::session::Session;
use crate::{
    Call, Flag, Hsm, HsmKeyId, NONCE_BYTES, Operation, Refusal, Role, SEAL_BYTES, SessionId,
};

/// KMS draws at most 1,024 bytes at a time (service model, NumberOfBytes).
const RANDOM_BYTES_MAX: u16 = 1024;

/// A run of operations on one HSM. Neighbours mostly share session and key, so the last of each
/// is remembered; nonces are taken in runs.
///
/// Make one for every frame and drop it with the answer: a remembered key can be used in this
/// batch although it was deleted meanwhile, as if the operation had come first.
pub struct Batch<'a> {
    hsm: &'a Hsm,
    session: Option<(SessionId, Arc<Session>)>,
    key: Option<(HsmKeyId, Arc<Key>)>,
    lease: NonceLease,
}

impl<'a> Batch<'a> {
    pub(crate) fn new(hsm: &'a Hsm) -> Self {
        Self {
            hsm,
            session: None,
            key: None,
            lease: NonceLease::default(),
        }
    }

    /// Runs one operation and appends its output to `out`. When `out` must grow, what it held
    /// before is wiped from the memory it leaves.
    ///
    /// # Errors
    /// A [`Refusal`]; then nothing was appended, and what was half-written is wiped.
    pub fn run(&mut self, call: &Call<'_>, out: &mut Vec<u8>) -> Result<(), Refusal> {
        self.enter(call.session)?;
        match call.operation {
            Operation::Encrypt {
                key,
                additional_data,
                plaintext,
            } => self.seal(key, additional_data, plaintext, out),
            Operation::Decrypt {
                key,
                additional_data,
                sealed,
            } => self.open(key, additional_data, sealed, out),
            Operation::GenerateDataKey {
                key,
                additional_data,
                bytes,
            } => self.generate_data_key(key, additional_data, bytes, out),
            Operation::ReEncrypt {
                source,
                source_additional_data,
                destination,
                destination_additional_data,
                sealed,
            } => {
                let start = out.len();
                make_room(out, NONCE_BYTES + sealed.len());
                out.extend_from_slice(&[0; NONCE_BYTES]);
                let moved = self
                    .open(source, source_additional_data, sealed, out)
                    .and_then(|()| {
                        self.seal_written(destination, destination_additional_data, start, out)
                    });
                if moved.is_err() {
                    wipe_from(out, start);
                }
                moved
            }
            Operation::Random { bytes } => random(self.hsm, bytes, out).map(|_start| ()),
        }
    }

    /// Checks the session and its fence, for every call: a fence may rise between two.
    fn enter(&mut self, id: SessionId) -> Result<(), Refusal> {
        if self.session.as_ref().is_none_or(|(last, _)| *last != id) {
            let found = self.hsm.sessions.get(&id).ok_or(Refusal::NoSession)?;
            self.key = None;
            self.session = Some((id, Arc::clone(&*found)));
        }
        let (_, session) = self.session.as_ref().ok_or(Refusal::NoSession)?;
        if session.user.role != Role::CryptoUser {
            return Err(Refusal::NotPermitted);
        }
        session.check_usable()
    }

    /// Finds a key and makes it the remembered one.
    ///
    /// Rule HSM-09: only its owner and those it is shared with use a key; to others it does not
    /// exist. Rule HSM-22: it is used only for what its attributes permit.
    fn find_key(&mut self, id: HsmKeyId, purpose: Flag) -> Result<&Key, Refusal> {
        if self.key.as_ref().is_none_or(|(last, _)| *last != id) {
            let key = Arc::clone(&*self.hsm.keys.get(&id).ok_or(Refusal::NoSuchKey)?);
            let session = self.session.as_ref();
            if !session.is_some_and(|(_, session)| key.is_used_by(&session.owner)) {
                return Err(Refusal::NoSuchKey);
            }
            self.key = Some((id, key));
        }
        let (_, key) = self.key.as_ref().ok_or(Refusal::NoSuchKey)?;
        if key.attributes.flags.has(purpose) {
            Ok(key)
        } else {
            Err(Refusal::KeyForbids)
        }
    }

    fn seal(
        &mut self,
        key: HsmKeyId,
        additional_data: &[u8],
        plaintext: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), Refusal> {
        if plaintext.len() > Operation::PLAINTEXT_BYTES_MAX {
            return Err(Refusal::BadLength);
        }
        let nonce = self.hsm.nonces.next(&mut self.lease);
        let key = self.find_key(key, Flag::Encrypt)?;
        key.cipher
            .seal(nonce, bound(additional_data), plaintext, out)
    }

    /// Seals the plaintext that stands at the end of `out`, behind room for a nonce at `start`.
    fn seal_written(
        &mut self,
        key: HsmKeyId,
        additional_data: &[u8],
        start: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), Refusal> {
        let nonce = self.hsm.nonces.next(&mut self.lease);
        let key = self.find_key(key, Flag::Encrypt)?;
        key.cipher
            .seal_written(nonce, bound(additional_data), start, out)
    }

    fn open(
        &mut self,
        key: HsmKeyId,
        additional_data: &[u8],
        sealed: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), Refusal> {
        self.find_key(key, Flag::Decrypt)?
            .cipher
            .open(bound(additional_data), sealed, out)
    }

    fn generate_data_key(
        &mut self,
        key: HsmKeyId,
        additional_data: &[u8],
        bytes: u16,
        out: &mut Vec<u8>,
    ) -> Result<(), Refusal> {
        self.find_key(key, Flag::Encrypt)?;
        make_room(out, 2 * usize::from(bytes) + SEAL_BYTES);
        let start = random(self.hsm, bytes, out)?;
        let sealed_from = out.len();
        out.extend_from_slice(&[0; NONCE_BYTES]);
        out.extend_from_within(start..sealed_from);
        let sealed = self.seal_written(key, additional_data, sealed_from, out);
        if sealed.is_err() {
            wipe_from(out, start);
        }
        sealed
    }
}

/// Appends random bytes and says where they start.
fn random(hsm: &Hsm, bytes: u16, out: &mut Vec<u8>) -> Result<usize, Refusal> {
    if !(1..=RANDOM_BYTES_MAX).contains(&bytes) {
        return Err(Refusal::BadLength);
    }
    let start = out.len();
    make_room(out, usize::from(bytes));
    out.resize(start + usize::from(bytes), 0);
    hsm.entropy.fill(out.get_mut(start..).unwrap_or_default());
    Ok(start)
}

/// What is bound to a sealed text. Rule HSM-12.
fn bound(additional_data: &[u8]) -> &[u8] {
    if planted(Bug::AdditionalDataIgnored) {
        &[]
    } else {
        additional_data
    }
}

impl fmt::Debug for Batch<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Batch(..)")
    }
}
