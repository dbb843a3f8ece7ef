use portcullis_hsm::{Command, HsmKeyId, KeyAction, KeyLength, Mechanism, NONCE_BYTES, Reply};

use super::filter::{HEX, KeyTextError, hex, template};
use super::hsm_keys::HsmKeys;
use super::row::KeyRow;
use crate::users::{UserError, unexpected};

/// `key wrap …`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrapRequest {
    /// `aes-gcm`, `cloudhsm-aes-gcm`, `aes-no-pad`, `aes-pkcs5-pad` or `aes-zero-pad`.
    pub mechanism: String,
    /// Selects the key to be wrapped.
    pub payload_filter: Vec<String>,
    /// Selects the key to wrap with.
    pub wrapping_filter: Vec<String>,
    /// Additional authenticated data of AES-GCM, in hexadecimal.
    pub aad: Option<String>,
    /// The tag length of AES-GCM.
    pub tag_length_bits: Option<u32>,
}

/// `key unwrap …`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnwrapRequest {
    /// As in [`WrapRequest`].
    pub mechanism: String,
    /// Selects the key to unwrap with.
    pub filter: Vec<String>,
    /// As in [`WrapRequest`].
    pub aad: Option<String>,
    /// As in [`WrapRequest`].
    pub tag_length_bits: Option<u32>,
    /// The initial value of `aes-gcm`, in hexadecimal.
    pub iv: Option<String>,
    /// What was wrapped.
    pub data: Vec<u8>,
    /// The type of the wrapped key; only `aes`.
    pub key_type_class: String,
    /// The new key's label.
    pub label: String,
    /// Its attributes as `name=value`.
    pub attributes: Vec<String>,
    /// Crypto users with whom it is shared.
    pub share_crypto_users: Vec<String>,
}

/// A key that was wrapped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrappedKey {
    /// Which key.
    pub payload: HsmKeyId,
    /// With which one.
    pub wrapping: HsmKeyId,
    /// The initial value of `aes-gcm`; empty for all others.
    pub iv: Vec<u8>,
    /// The wrapped key.
    pub data: Vec<u8>,
}

/// Where the initial value of a way to wrap is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Iv {
    None,
    Apart,
    InFront,
}

impl HsmKeys {
    /// `key wrap`; the token of the owner of the key.
    ///
    /// # Errors
    /// When a filter does not select one key, when there is no such way to wrap, or when no HSM
    /// wraps it.
    pub async fn wrap(&self, token: &str, request: &WrapRequest) -> Result<WrappedKey, UserError> {
        let aad = request.aad.as_deref();
        let (mechanism, place) = mechanism(&request.mechanism, aad, request.tag_length_bits)?;
        let payload = self.select(token, &request.payload_filter).await?;
        let wrapping = self.select(token, &request.wrapping_filter).await?;
        let session = self.session(token)?;
        let wrap = |seat: &crate::users::SessionSeat| Command::Key {
            session: seat.session,
            id: payload,
            action: KeyAction::Wrap {
                wrapping,
                mechanism: mechanism.clone(),
            },
        };
        let (seat, reply) = self.on_any_hsm(&session, wrap).await?;
        let Reply::Wrapped { iv, data } = reply else {
            return Err(UserError::from_all(vec![(seat.hsm.clone(), unexpected())]));
        };
        let (iv, data) = match place {
            Iv::None | Iv::Apart => (iv, data),
            Iv::InFront => (Vec::new(), [iv, data].concat()),
        };
        Ok(WrappedKey {
            payload,
            wrapping,
            iv,
            data,
        })
    }

    /// `key unwrap`; the token of a crypto user, who owns the new key.
    ///
    /// # Errors
    /// When the filter does not select one key, when what is given cannot be read, or when no HSM
    /// unwraps it.
    pub async fn unwrap(&self, token: &str, request: &UnwrapRequest) -> Result<KeyRow, UserError> {
        if request.key_type_class != "aes" {
            return Err(KeyTextError::KeyType(request.key_type_class.clone()).into());
        }
        let aad = request.aad.as_deref();
        let (mechanism, place) = mechanism(&request.mechanism, aad, request.tag_length_bits)?;
        let (iv, wrapped) = parts(request, place)?;
        // The HSM finds the length in what was wrapped.
        let template = template(
            KeyLength::Bytes32,
            &request.label,
            &request.attributes,
            &request.share_crypto_users,
        )?;
        let wrapping = self.select(token, &request.filter).await?;
        self.make_key(token, |seat, id| Command::Key {
            session: seat.session,
            id,
            action: KeyAction::Unwrap {
                wrapping,
                mechanism: mechanism.clone(),
                iv: iv.clone(),
                wrapped: wrapped.clone(),
                template: template.clone(),
            },
        })
        .await
    }
}

fn mechanism(
    name: &str,
    aad: Option<&str>,
    tag_length_bits: Option<u32>,
) -> Result<(Mechanism, Iv), KeyTextError> {
    let gcm = || -> Result<Mechanism, KeyTextError> {
        let bits = tag_length_bits.ok_or(KeyTextError::Missing("--tag-length-bits"))?;
        let fits = bits.is_multiple_of(8) && TAG_BITS.contains(&bits);
        let tag_bytes = u8::try_from(bits / 8).ok().filter(|_| fits);
        let additional_data = aad.map_or_else(|| Some(Vec::new()), hex);
        Ok(Mechanism::Gcm {
            additional_data: additional_data.ok_or(form("--aad", HEX))?,
            tag_bytes: tag_bytes.ok_or(form("--tag-length-bits", TAG))?,
        })
    };
    Ok(match name {
        "aes-gcm" => (gcm()?, Iv::Apart),
        "cloudhsm-aes-gcm" => (gcm()?, Iv::InFront),
        "aes-no-pad" => (Mechanism::NoPad, Iv::None),
        "aes-pkcs5-pad" => (Mechanism::Pkcs5Pad, Iv::None),
        "aes-zero-pad" => (Mechanism::ZeroPad, Iv::None),
        _ => return Err(KeyTextError::Mechanism(name.to_owned())),
    })
}

/// The initial value, and what was wrapped without it.
fn parts(request: &UnwrapRequest, place: Iv) -> Result<(Vec<u8>, Vec<u8>), KeyTextError> {
    match place {
        Iv::None => Ok((Vec::new(), request.data.clone())),
        Iv::Apart => {
            let iv = request.iv.as_deref().ok_or(KeyTextError::Missing("--iv"))?;
            let iv = hex(iv).filter(|iv| iv.len() == NONCE_BYTES);
            let iv = iv.ok_or(form("--iv", INITIAL_VALUE))?;
            Ok((iv, request.data.clone()))
        }
        Iv::InFront => {
            let split = request.data.split_first_chunk::<NONCE_BYTES>();
            let (iv, data) = split.ok_or(form("The wrapped key", WRAPPED))?;
            Ok((iv.to_vec(), data.to_vec()))
        }
    }
}

const fn form(flag: &'static str, takes: &'static str) -> KeyTextError {
    KeyTextError::Form { flag, takes }
}

/// Lengths of a tag of AES-GCM (NIST SP 800-38D, 5.2.1.2; 64 bits and more serve for keys).
const TAG_BITS: std::ops::RangeInclusive<u32> = 64..=128;
const TAG: &str = "64 to 128, in steps of 8";
const INITIAL_VALUE: &str = "the 12 bytes in hexadecimal that `key wrap` printed as iv";
const WRAPPED: &str = "what `key wrap cloudhsm-aes-gcm` made";
