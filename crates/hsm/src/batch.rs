use std::fmt;
use std::sync::Arc;

use portcullis_seam::plant::{Bug, planted};
use zeroize::Zeroizing;

use crate::key::{Key, wipe_from};
use crate::nonce::Lease;
use crate::session::Session;
use crate::{Call, Hsm, HsmKeyId, Operation, Refusal, Role, SessionId};

/// KMS draws at most 1,024 bytes at a time (service model, NumberOfBytes).
const RANDOM_BYTES_MAX: u16 = 1024;

/// A run of operations on one HSM. Neighbours mostly share session and key, so the last of each
/// is remembered; nonces are taken in growing runs.
pub struct Batch<'a> {
    hsm: &'a Hsm,
    session: Option<(SessionId, Arc<Session>)>,
    key: Option<(HsmKeyId, Arc<Key>)>,
    lease: Lease,
}

impl<'a> Batch<'a> {
    pub(crate) fn new(hsm: &'a Hsm) -> Self {
        Self {
            hsm,
            session: None,
            key: None,
            lease: Lease::default(),
        }
    }

    /// Runs one operation and appends its output to `out`.
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
                let mut plaintext = Zeroizing::new(Vec::with_capacity(sealed.len()));
                self.open(source, source_additional_data, sealed, &mut plaintext)?;
                self.seal(destination, destination_additional_data, &plaintext, out)
            }
            Operation::Random { bytes } => self.random(bytes, out).map(|_start| ()),
        }
    }

    /// Checks the session and its fence, for every call: a fence may rise between two.
    fn enter(&mut self, id: SessionId) -> Result<(), Refusal> {
        let known = self.session.as_ref().filter(|(last, _)| *last == id);
        let session = if let Some((_, session)) = known {
            session
        } else {
            let found = self.hsm.sessions.get(&id).ok_or(Refusal::NoSession)?;
            let session = Arc::clone(&*found);
            drop(found);
            self.key = None;
            &self.session.insert((id, session)).1
        };
        if session.user.role != Role::CryptoUser {
            return Err(Refusal::NotPermitted);
        }
        session.check_fence()
    }

    /// Rule HSM-09: only its owner uses a key; to others it does not exist.
    fn find_key(&mut self, id: HsmKeyId) -> Result<Arc<Key>, Refusal> {
        if let Some((last, key)) = &self.key
            && *last == id
        {
            return Ok(Arc::clone(key));
        }
        let key = Arc::clone(&*self.hsm.keys.get(&id).ok_or(Refusal::NoSuchKey)?);
        let owner = self.session.as_ref().map(|(_, session)| &session.owner);
        if owner != Some(&key.owner) {
            return Err(Refusal::NoSuchKey);
        }
        self.key = Some((id, Arc::clone(&key)));
        Ok(key)
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
        let key = self.find_key(key)?;
        let nonce = self.hsm.nonces.next(&mut self.lease);
        key.cipher
            .seal(nonce, bound(additional_data), plaintext, out)
    }

    fn open(
        &mut self,
        key: HsmKeyId,
        additional_data: &[u8],
        sealed: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), Refusal> {
        self.find_key(key)?
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
        let key = self.find_key(key)?;
        let start = self.random(bytes, out)?;
        let plaintext = Zeroizing::new(out.get(start..).unwrap_or_default().to_vec());
        let nonce = self.hsm.nonces.next(&mut self.lease);
        let sealed = key
            .cipher
            .seal(nonce, bound(additional_data), &plaintext, out);
        if sealed.is_err() {
            wipe_from(out, start);
        }
        sealed
    }

    /// Appends random bytes and says where they start.
    fn random(&self, bytes: u16, out: &mut Vec<u8>) -> Result<usize, Refusal> {
        if !(1..=RANDOM_BYTES_MAX).contains(&bytes) {
            return Err(Refusal::BadLength);
        }
        let start = out.len();
        out.resize(start + usize::from(bytes), 0);
        self.hsm
            .entropy
            .fill(out.get_mut(start..).unwrap_or_default());
        Ok(start)
    }
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
