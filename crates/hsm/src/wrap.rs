//! Wrapping a key under another one, and unwrapping it.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::key_wrap::{AES_128, AES_256, AesKek, KeyWrap, KeyWrapPadded};
use zeroize::Zeroizing;

use crate::key::{Cipher, Key, Material};
use crate::{KeyLength, Mechanism, NONCE_BYTES, Refusal};

/// AES-GCM's whole tag.
const TAG_BYTES: usize = 16;

/// A shorter tag is guessed too easily (CloudHSM User Guide: 64 to 128 bits).
const TAG_BYTES_MIN: usize = 8;

/// AES key wrap works on pieces of this size.
const PIECE_BYTES: usize = 8;

/// AES key wrap adds one piece, its padding at most another one.
const WRAP_BYTES_MAX: usize = 2 * PIECE_BYTES;

/// The initial value, empty where there is none, and the wrapped key.
pub(crate) type Wrapped = (Vec<u8>, Vec<u8>);

impl Key {
    /// Wraps `payload` under this key. `nonce` is fresh.
    pub(crate) fn wrap(
        &self,
        payload: &Material,
        mechanism: &Mechanism,
        nonce: [u8; NONCE_BYTES],
    ) -> Result<Wrapped, Refusal> {
        let bytes = payload.bytes();
        let data = match mechanism {
            Mechanism::Gcm {
                additional_data,
                tag_bytes,
            } => {
                let tag = tag_length(*tag_bytes)?;
                let mut sealed = Vec::new();
                self.cipher
                    .seal(nonce, additional_data, bytes, &mut sealed)?;
                sealed.truncate(NONCE_BYTES + bytes.len() + tag);
                let data = sealed.split_off(NONCE_BYTES);
                return Ok((sealed, data));
            }
            Mechanism::NoPad => wrap_plain(&self.material, bytes)?,
            Mechanism::Pkcs5Pad => {
                let piece = u8::try_from(PIECE_BYTES).unwrap_or_default();
                // AES keys are whole pieces long, so the padding is a whole one.
                let padded = Zeroizing::new([bytes, &[piece; PIECE_BYTES]].concat());
                wrap_plain(&self.material, &padded)?
            }
            Mechanism::ZeroPad => {
                let mut room = vec![0; bytes.len() + WRAP_BYTES_MAX];
                let wrapped = kek(&self.material)?.wrap_with_padding(bytes, &mut room);
                wrapped.map_err(|_| Refusal::BadLength)?.to_vec()
            }
        };
        Ok((Vec::new(), data))
    }

    /// Unwraps what was wrapped under this key.
    pub(crate) fn unwrap(
        &self,
        mechanism: &Mechanism,
        iv: &[u8],
        wrapped: &[u8],
    ) -> Result<Material, Refusal> {
        let opened = match mechanism {
            Mechanism::Gcm {
                additional_data,
                tag_bytes,
            } => {
                let tag = tag_length(*tag_bytes)?;
                let nonce = iv.try_into().map_err(|_| Refusal::BadLength)?;
                open_short(&self.cipher, nonce, additional_data, tag, wrapped)?
            }
            Mechanism::NoPad => unwrap_plain(&self.material, wrapped)?,
            Mechanism::Pkcs5Pad => {
                let mut padded = unwrap_plain(&self.material, wrapped)?;
                let key = padded.len().saturating_sub(PIECE_BYTES);
                let padding = padded.get(key..).unwrap_or_default();
                if !padding.iter().all(|byte| usize::from(*byte) == PIECE_BYTES) {
                    return Err(Refusal::NotAuthentic);
                }
                padded.truncate(key);
                padded
            }
            Mechanism::ZeroPad => {
                let mut room = Zeroizing::new(vec![0; wrapped.len()]);
                let opened = kek(&self.material)?.unwrap_with_padding(wrapped, &mut room);
                let length = opened.map_err(|_| Refusal::NotAuthentic)?.len();
                room.truncate(length);
                room
            }
        };
        Material::from_slice(&opened).ok_or(Refusal::BadLength)
    }
}

fn tag_length(bytes: u8) -> Result<usize, Refusal> {
    let bytes = usize::from(bytes);
    if (TAG_BYTES_MIN..=TAG_BYTES).contains(&bytes) {
        Ok(bytes)
    } else {
        Err(Refusal::BadLength)
    }
}

/// Opens a text whose tag was cut to `tag` bytes, which aws-lc does not do: zeros seal to the key
/// stream, with the key stream the text opens, and what it opens to must seal to it again.
fn open_short(
    cipher: &Cipher,
    nonce: [u8; NONCE_BYTES],
    additional_data: &[u8],
    tag: usize,
    wrapped: &[u8],
) -> Result<Zeroizing<Vec<u8>>, Refusal> {
    let length = wrapped
        .len()
        .checked_sub(tag)
        .ok_or(Refusal::NotAuthentic)?;
    let mut text = Zeroizing::new(vec![0; length]);
    let mut sealed = Zeroizing::new(Vec::new());
    cipher.seal(nonce, additional_data, &text, &mut sealed)?;
    let stream = sealed.iter().skip(NONCE_BYTES);
    for ((byte, wrapped), stream) in text.iter_mut().zip(wrapped).zip(stream) {
        *byte = wrapped ^ stream;
    }
    let mut again = Zeroizing::new(Vec::new());
    cipher.seal(nonce, additional_data, &text, &mut again)?;
    let expected = again.get(NONCE_BYTES..NONCE_BYTES + wrapped.len());
    let expected = expected.ok_or(Refusal::NotAuthentic)?;
    verify_slices_are_equal(expected, wrapped).map_err(|_| Refusal::NotAuthentic)?;
    Ok(text)
}

/// The key as aws-lc wraps with it, which it does with the shortest and the longest AES keys.
fn kek(material: &Material) -> Result<AesKek, Refusal> {
    let cipher = match material.length() {
        KeyLength::Bytes16 => &AES_128,
        KeyLength::Bytes24 => return Err(Refusal::BadMechanism),
        KeyLength::Bytes32 => &AES_256,
    };
    AesKek::new(cipher, material.bytes()).map_err(|_| Refusal::BadMechanism)
}

fn wrap_plain(wrapping: &Material, bytes: &[u8]) -> Result<Vec<u8>, Refusal> {
    let mut room = vec![0; bytes.len() + PIECE_BYTES];
    let wrapped = kek(wrapping)?.wrap(bytes, &mut room);
    Ok(wrapped.map_err(|_| Refusal::BadLength)?.to_vec())
}

fn unwrap_plain(wrapping: &Material, wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, Refusal> {
    let mut room = Zeroizing::new(vec![0; wrapped.len()]);
    let opened = kek(wrapping)?.unwrap(wrapped, &mut room);
    let length = opened.map_err(|_| Refusal::NotAuthentic)?.len();
    room.truncate(length);
    Ok(room)
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;

    use super::*;
    use crate::KeyTemplate;
    use crate::key::Description;

    fn key(bytes: &[u8]) -> Key {
        let template = KeyTemplate::general(KeyLength::Bytes32, "k");
        let description = Description {
            owner: "cu1".to_owned(),
            shared_users: std::collections::BTreeSet::new(),
            attributes: template.attributes,
            revision: 0,
        };
        Key::new(Material::from_slice(bytes).unwrap(), description)
    }

    fn hex(text: &str) -> Vec<u8> {
        HEXLOWER.decode(text.as_bytes()).unwrap()
    }

    fn gcm(tag_bytes: u8) -> Mechanism {
        Mechanism::Gcm {
            additional_data: b"bound".to_vec(),
            tag_bytes,
        }
    }

    /// Rule HSM-25. The vectors are those of RFC 3394, sections 4.1 and 4.6.
    #[test]
    fn key_wrap_gives_the_published_vectors() {
        let payload = "00112233445566778899aabbccddeeff";
        let vectors = [
            (
                "000102030405060708090a0b0c0d0e0f",
                payload.to_owned(),
                "1fa68b0a8112b447aef34bd8fb5a7b829d3e862371d2cfe5",
            ),
            (
                "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
                format!("{payload}000102030405060708090a0b0c0d0e0f"),
                "28c9f404c4b810f4cbccb35cfb87f8263f5786e2d80ed326cbc7f0e71a99f43bfb988b9b7a02dd21",
            ),
        ];
        for (wrapping, payload, wrapped) in vectors {
            let (wrapping, payload) = (key(&hex(wrapping)), hex(&payload));
            let material = Material::from_slice(&payload).unwrap();
            let (iv, data) = wrapping
                .wrap(&material, &Mechanism::NoPad, [0; 12])
                .unwrap();
            assert_eq!((iv, data.as_slice()), (Vec::new(), hex(wrapped).as_slice()));
            let back = wrapping.unwrap(&Mechanism::NoPad, &[], &data).unwrap();
            assert_eq!(back.bytes(), payload);
        }
    }

    /// Rule HSM-25
    #[test]
    fn what_is_wrapped_unwraps_in_the_same_way_only_and_not_when_changed() {
        let ways = [
            gcm(8),
            gcm(12),
            gcm(16),
            Mechanism::NoPad,
            Mechanism::Pkcs5Pad,
            Mechanism::ZeroPad,
        ];
        for length in [16, 24, 32] {
            let payload = Material::from_slice(&vec![length; usize::from(length)]).unwrap();
            let wrapping = key(&[9; 32]);
            for (index, way) in ways.iter().enumerate() {
                let (iv, data) = wrapping
                    .wrap(&payload, way, [index.try_into().unwrap(); 12])
                    .unwrap();
                let back = wrapping.unwrap(way, &iv, &data).unwrap();
                assert_eq!(back.bytes(), payload.bytes(), "{way:?}");
                for at in 0..data.len() {
                    let mut changed = data.clone();
                    changed[at] ^= 1;
                    let refused = wrapping.unwrap(way, &iv, &changed).map(|_| ());
                    assert_eq!(refused, Err(Refusal::NotAuthentic), "{way:?} at {at}");
                }
                for other in ways.iter().filter(|other| *other != way) {
                    // Without padding, what has padding may pass for a longer key.
                    let read = wrapping.unwrap(other, &iv, &data);
                    let same = read.is_ok_and(|read| read.bytes() == payload.bytes());
                    assert!(!same, "{way:?} as {other:?}");
                }
                assert!(key(&[8; 32]).unwrap(way, &iv, &data).is_err(), "{way:?}");
            }
        }
    }

    /// Rule HSM-25
    #[test]
    fn lengths_that_do_not_fit_are_refused() {
        let payload = Material::from_slice(&[1; 16]).unwrap();
        for tag in [0, 7, 17] {
            let refused = key(&[9; 32]).wrap(&payload, &gcm(tag), [0; 12]).map(|_| ());
            assert_eq!(refused, Err(Refusal::BadLength));
        }
        let refused = key(&[9; 32])
            .unwrap(&gcm(16), &[0; 11], &[0; 32])
            .map(|_| ());
        assert_eq!(refused, Err(Refusal::BadLength));
        let refused = key(&[9; 24])
            .wrap(&payload, &Mechanism::NoPad, [0; 12])
            .map(|_| ());
        assert_eq!(refused, Err(Refusal::BadMechanism));
        assert!(key(&[9; 24]).wrap(&payload, &gcm(16), [0; 12]).is_ok());
    }

    /// FIPS 197, appendix C: the block that AES-128, -192 and -256 make of a known one, from which
    /// the check value's own block differs only in its text.
    #[test]
    fn a_check_value_tells_lengths_and_keys_apart() {
        let zero: [(usize, [u8; 3]); 3] = [
            (16, [0x66, 0xe9, 0x4b]),
            (24, [0xaa, 0xe0, 0x69]),
            (32, [0xdc, 0x95, 0xc0]),
        ];
        for (length, expected) in zero {
            let info = key(&vec![0; length]).info(crate::HsmKeyId([1; 16]));
            assert_eq!(info.check_value, expected);
        }
    }
}
