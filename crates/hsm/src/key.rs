use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use portcullis_seam::{Entropy, draw};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use crate::record;
use crate::{HsmKeyId, KeyInfo, MaskedKey, NONCE_BYTES, Refusal};

/// A key's hash is its own random bits: half the cost of hashing them again.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct IdBits(u64);

impl Hasher for IdBits {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            if let Some(start) = word.get_mut(..chunk.len()) {
                start.copy_from_slice(chunk);
            }
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    fn write_usize(&mut self, _length: usize) {}

    fn write_u64(&mut self, word: u64) {
        // Turned, so that an id of two equal halves does not hash to zero.
        self.0 = self.0.rotate_left(32) ^ word;
    }
}

pub(crate) type IdHash = BuildHasherDefault<IdBits>;

/// AES-256 key material, also as it stands in records and masked keys.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Material(Zeroizing<[u8; 32]>);

impl Material {
    pub(crate) fn draw(entropy: &dyn Entropy) -> Self {
        Self(Zeroizing::new(draw(entropy)))
    }

    pub(crate) const fn from_bytes(bytes: Zeroizing<[u8; 32]>) -> Self {
        Self(bytes)
    }

    /// The expanded key: expanding costs more than sealing 32 bytes, so it is kept.
    pub(crate) fn expand(&self) -> Cipher {
        Cipher(new_cipher(&self.0))
    }
}

#[expect(clippy::expect_used, reason = "AES-256 takes every 32-byte key")]
fn new_cipher(bytes: &[u8; 32]) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, bytes).expect("32 bytes are an AES-256 key"))
}

/// An expanded AES-256-GCM key. The caller is responsible for nonces.
pub(crate) struct Cipher(LessSafeKey);

impl Cipher {
    /// Appends `nonce ‖ ciphertext ‖ tag` to `out`.
    pub(crate) fn seal(
        &self,
        nonce: [u8; NONCE_BYTES],
        additional_data: &[u8],
        plaintext: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), Refusal> {
        let start = out.len();
        make_room(out, plaintext.len() + crate::SEAL_BYTES);
        out.extend_from_slice(&nonce);
        out.extend_from_slice(plaintext);
        self.seal_written(nonce, additional_data, start, out)
    }

    /// Seals the plaintext that stands at the end of `out`, behind room for a nonce at `start`.
    pub(crate) fn seal_written(
        &self,
        nonce: [u8; NONCE_BYTES],
        additional_data: &[u8],
        start: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), Refusal> {
        let written = out.get_mut(start..).unwrap_or_default();
        let Some((head, body)) = written.split_first_chunk_mut::<NONCE_BYTES>() else {
            return Err(Refusal::BadLength);
        };
        *head = nonce;
        let nonce = Nonce::assume_unique_for_key(nonce);
        let tag = self
            .0
            .seal_in_place_separate_tag(nonce, Aad::from(additional_data), body);
        if let Ok(tag) = tag {
            make_room(out, tag.as_ref().len());
            out.extend_from_slice(tag.as_ref());
            Ok(())
        } else {
            wipe_from(out, start);
            Err(Refusal::BadLength)
        }
    }

    /// Appends the plaintext of `sealed` to `out`, or nothing.
    pub(crate) fn open(
        &self,
        additional_data: &[u8],
        sealed: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), Refusal> {
        let Some((nonce, body)) = sealed.split_first_chunk::<NONCE_BYTES>() else {
            return Err(Refusal::NotAuthentic);
        };
        let start = out.len();
        make_room(out, body.len());
        out.extend_from_slice(body);
        let text = out.get_mut(start..).unwrap_or_default();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let opened = self
            .0
            .open_in_place(nonce, Aad::from(additional_data), text);
        if let Ok(plaintext) = opened {
            let end = start + plaintext.len();
            out.truncate(end);
            Ok(())
        } else {
            wipe_from(out, start);
            Err(Refusal::NotAuthentic)
        }
    }
}

/// Makes room for `bytes` more. Growing moves what is there, and a vector that grows by itself
/// would leave the plaintexts of earlier calls behind in the memory it frees.
pub(crate) fn make_room(out: &mut Vec<u8>, bytes: usize) {
    if out.capacity() - out.len() < bytes {
        grow(out, bytes);
    }
}

#[cold]
fn grow(out: &mut Vec<u8>, bytes: usize) {
    let capacity = (out.len() + bytes).max(2 * out.capacity());
    let mut roomy = Vec::with_capacity(capacity);
    roomy.extend_from_slice(out);
    std::mem::swap(out, &mut roomy);
    roomy.zeroize();
}

/// Wipes and removes what stands in `out` from `start` on.
pub(crate) fn wipe_from(out: &mut Vec<u8>, start: usize) {
    if let Some(written) = out.get_mut(start..) {
        written.zeroize();
    }
    out.truncate(start);
}

/// A key in an HSM.
pub(crate) struct Key {
    pub(crate) cipher: Cipher,
    material: Material,
    pub(crate) owner: Arc<str>,
    pub(crate) label: String,
}

/// A key as its record has it.
#[derive(Serialize, Deserialize)]
pub(crate) struct KeyRecord {
    material: Material,
    owner: String,
    label: String,
}

/// What a masked key says in the clear; it is authenticated with the material.
#[derive(Serialize, Deserialize)]
struct MaskedForm {
    id: HsmKeyId,
    owner: String,
    label: String,
    sealed: Vec<u8>,
}

impl Key {
    pub(crate) fn new(material: Material, owner: Arc<str>, label: String) -> Self {
        Self {
            cipher: material.expand(),
            material,
            owner,
            label,
        }
    }

    pub(crate) fn from_record(record: KeyRecord) -> Self {
        Self::new(record.material, record.owner.into(), record.label)
    }

    pub(crate) fn record(&self) -> KeyRecord {
        let material = Material(self.material.0.clone());
        KeyRecord {
            material,
            owner: self.owner.to_string(),
            label: self.label.clone(),
        }
    }

    pub(crate) fn info(&self, id: HsmKeyId) -> KeyInfo {
        KeyInfo {
            id,
            label: self.label.clone(),
            owner: self.owner.to_string(),
        }
    }

    /// Rule HSM-10: between HSMs a key travels only under their cluster's masking key.
    pub(crate) fn mask(
        &self,
        id: HsmKeyId,
        masking: &Cipher,
        entropy: &dyn Entropy,
    ) -> Result<MaskedKey, Refusal> {
        let (owner, label) = (self.owner.to_string(), self.label.clone());
        let mut sealed = Vec::new();
        let header = masked_header(id, &owner, &label);
        masking.seal(draw(entropy), &header, &*self.material.0, &mut sealed)?;
        let form = MaskedForm {
            id,
            owner,
            label,
            sealed,
        };
        Ok(MaskedKey(record::encode(&form).to_vec()))
    }

    pub(crate) fn unmask(
        masked: &MaskedKey,
        masking: &Cipher,
    ) -> Result<(HsmKeyId, Self), Refusal> {
        let form: MaskedForm = record::decode(&masked.0).ok_or(Refusal::ForeignKey)?;
        let header = masked_header(form.id, &form.owner, &form.label);
        let mut opened = Zeroizing::new(Vec::new());
        masking
            .open(&header, &form.sealed, &mut opened)
            .map_err(|_| Refusal::ForeignKey)?;
        let bytes: [u8; 32] = opened
            .as_slice()
            .try_into()
            .map_err(|_| Refusal::ForeignKey)?;
        let material = Material(Zeroizing::new(bytes));
        Ok((form.id, Self::new(material, form.owner.into(), form.label)))
    }
}

fn masked_header(id: HsmKeyId, owner: &str, label: &str) -> Zeroizing<Vec<u8>> {
    record::encode(&("masked-key-1", id, owner, label))
}

impl std::fmt::Debug for Key {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Key({} of {})", self.label, self.owner)
    }
}
