use std::collections::BTreeSet;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use aws_lc_rs::aead::{AES_128_GCM, AES_192_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::cipher::{AES_128, AES_192, AES_256, EncryptingKey, UnboundCipherKey};
use portcullis_seam::{Entropy, draw};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use crate::attributes::{KEY_CLASS, KEY_TYPE};
use crate::record;
use crate::{Attributes, Criterion, HsmKeyId, KeyInfo, KeyLength, MaskedKey, NONCE_BYTES, Refusal};

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

/// AES key material, also as it stands in records and masked keys. A short key leaves the end of
/// its room zero.
#[derive(Serialize, Deserialize)]
pub(crate) struct Material {
    length: KeyLength,
    room: Zeroizing<[u8; 32]>,
}

impl Material {
    pub(crate) fn draw(length: KeyLength, entropy: &dyn Entropy) -> Self {
        let mut drawn = Self::from_bytes(Zeroizing::new(draw(entropy)));
        drawn.length = length;
        if let Some(beyond) = drawn.room.get_mut(length.bytes()..) {
            beyond.zeroize();
        }
        drawn
    }

    pub(crate) const fn from_bytes(bytes: Zeroizing<[u8; 32]>) -> Self {
        Self {
            length: KeyLength::Bytes32,
            room: bytes,
        }
    }

    /// The key of these bytes, if AES has keys of that length.
    pub(crate) fn from_slice(bytes: &[u8]) -> Option<Self> {
        let length = KeyLength::of(bytes.len())?;
        let mut room = Zeroizing::new([0; 32]);
        room.get_mut(..bytes.len())?.copy_from_slice(bytes);
        Some(Self { length, room })
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.room.get(..self.length.bytes()).unwrap_or_default()
    }

    pub(crate) const fn length(&self) -> KeyLength {
        self.length
    }

    fn duplicate(&self) -> Self {
        Self {
            length: self.length,
            room: self.room.clone(),
        }
    }

    /// The expanded key: expanding costs more than sealing 32 bytes, so it is kept.
    #[expect(
        clippy::expect_used,
        reason = "the algorithm is that of the key's length"
    )]
    pub(crate) fn expand(&self) -> Cipher {
        let algorithm = match self.length {
            KeyLength::Bytes16 => &AES_128_GCM,
            KeyLength::Bytes24 => &AES_192_GCM,
            KeyLength::Bytes32 => &AES_256_GCM,
        };
        let key = UnboundKey::new(algorithm, self.bytes());
        Cipher(LessSafeKey::new(
            key.expect("AES takes every key of its length"),
        ))
    }

    /// The first bytes of an encrypted block of zeros (CloudHSM User Guide, check value).
    fn check_value(&self) -> [u8; 3] {
        let algorithm = match self.length {
            KeyLength::Bytes16 => &AES_128,
            KeyLength::Bytes24 => &AES_192,
            KeyLength::Bytes32 => &AES_256,
        };
        let mut block = [0; 16];
        let sealed = UnboundCipherKey::new(algorithm, self.bytes())
            .and_then(EncryptingKey::ecb)
            .and_then(|key| key.encrypt(&mut block));
        debug_assert!(sealed.is_ok(), "AES encrypts a block");
        let [first, second, third, ..] = block;
        [first, second, third]
    }
}

/// An expanded AES-GCM key. The caller is responsible for nonces.
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

/// A key in an HSM. It never changes: a change puts another one in its place.
pub(crate) struct Key {
    pub(crate) cipher: Cipher,
    pub(crate) material: Material,
    pub(crate) owner: Arc<str>,
    pub(crate) shared_users: BTreeSet<String>,
    pub(crate) attributes: Attributes,
    pub(crate) revision: u64,
}

/// Everything about a key but its bytes, as records and masked keys have it.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Description {
    pub(crate) owner: String,
    pub(crate) shared_users: BTreeSet<String>,
    pub(crate) attributes: Attributes,
    /// Raised by each change, so that of two states the later one is known.
    pub(crate) revision: u64,
}

/// A key as its record has it.
#[derive(Serialize, Deserialize)]
pub(crate) struct KeyRecord {
    material: Material,
    description: Description,
}

/// What a masked key says in the clear; it is authenticated with the material.
#[derive(Serialize, Deserialize)]
struct MaskedForm {
    id: HsmKeyId,
    description: Description,
    sealed: Vec<u8>,
}

impl Key {
    pub(crate) fn new(material: Material, description: Description) -> Self {
        let owner = Arc::from(description.owner.as_str());
        Self::owned_by(owner, material, description)
    }

    /// The key whose owner's name is shared with the session that makes it.
    pub(crate) fn owned_by(owner: Arc<str>, material: Material, description: Description) -> Self {
        Self {
            cipher: material.expand(),
            material,
            owner,
            shared_users: description.shared_users,
            attributes: description.attributes,
            revision: description.revision,
        }
    }

    /// The same bytes under another description, as a later state.
    pub(crate) fn changed(&self, change: impl FnOnce(&mut Description)) -> Self {
        let mut description = self.description();
        change(&mut description);
        description.revision = self.revision.saturating_add(1);
        Self::owned_by(
            Arc::clone(&self.owner),
            self.material.duplicate(),
            description,
        )
    }

    /// Rule HSM-22: its owner and those with whom it is shared use a key.
    pub(crate) fn is_used_by(&self, user: &Arc<str>) -> bool {
        self.owner == *user || self.shared_users.contains(&**user)
    }

    pub(crate) fn from_record(record: KeyRecord) -> Self {
        Self::new(record.material, record.description)
    }

    pub(crate) fn record(&self) -> KeyRecord {
        KeyRecord {
            material: self.material.duplicate(),
            description: self.description(),
        }
    }

    pub(crate) fn description(&self) -> Description {
        Description {
            owner: self.owner.to_string(),
            shared_users: self.shared_users.clone(),
            attributes: self.attributes.clone(),
            revision: self.revision,
        }
    }

    pub(crate) fn info(&self, id: HsmKeyId) -> KeyInfo {
        KeyInfo {
            id,
            owner: self.owner.to_string(),
            shared_users: self.shared_users.iter().cloned().collect(),
            attributes: self.attributes.clone(),
            length: self.material.length(),
            check_value: self.material.check_value(),
            revision: self.revision,
        }
    }

    pub(crate) fn meets(&self, id: HsmKeyId, criterion: &Criterion) -> bool {
        match criterion {
            Criterion::Reference(reference) => id.reference() == *reference,
            Criterion::Label(label) => self.attributes.label == *label,
            Criterion::Id(bytes) => self.attributes.id == *bytes,
            Criterion::KeyType(name) => name == KEY_TYPE,
            Criterion::Class(name) => name == KEY_CLASS,
            Criterion::CheckValue(value) => self.material.check_value() == *value,
            Criterion::Length(bytes) => {
                usize::try_from(*bytes) == Ok(self.material.length().bytes())
            }
            Criterion::Flag(flag, value) => self.attributes.flags.has(*flag) == *value,
        }
    }

    /// Rule HSM-10: between HSMs a key travels only under their cluster's masking key.
    pub(crate) fn mask(
        &self,
        id: HsmKeyId,
        masking: &Cipher,
        entropy: &dyn Entropy,
    ) -> Result<MaskedKey, Refusal> {
        let description = self.description();
        let mut sealed = Vec::new();
        let header = masked_header(id, &description);
        masking.seal(draw(entropy), &header, self.material.bytes(), &mut sealed)?;
        let form = MaskedForm {
            id,
            description,
            sealed,
        };
        Ok(MaskedKey(record::encode(&form).to_vec()))
    }

    pub(crate) fn unmask(
        masked: &MaskedKey,
        masking: &Cipher,
    ) -> Result<(HsmKeyId, Self), Refusal> {
        let form: MaskedForm = record::decode(&masked.0).ok_or(Refusal::ForeignKey)?;
        let header = masked_header(form.id, &form.description);
        let mut opened = Zeroizing::new(Vec::new());
        masking
            .open(&header, &form.sealed, &mut opened)
            .map_err(|_| Refusal::ForeignKey)?;
        let material = Material::from_slice(&opened).ok_or(Refusal::ForeignKey)?;
        Ok((form.id, Self::new(material, form.description)))
    }
}

fn masked_header(id: HsmKeyId, description: &Description) -> Zeroizing<Vec<u8>> {
    record::encode(&("masked-key-2", id, description))
}

impl std::fmt::Debug for Key {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            formatter,
            "Key({} of {})",
            self.attributes.label, self.owner
        )
    }
}
