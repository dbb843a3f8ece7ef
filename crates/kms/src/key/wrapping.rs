//! How key material travels to KMS: wrapped under an RSA key that exists for one import.

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::key_wrap::{AES_256, AesKek, KeyWrapPadded};
use aws_lc_rs::rsa::{
    KeySize, OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OaepAlgorithm, OaepPrivateDecryptingKey,
    PrivateDecryptingKey,
};
use zeroize::Zeroizing;

/// A wrapping algorithm (API, GetParametersForImport).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wrapping {
    OaepSha1,
    OaepSha256,
    /// The material under a one-time AES-256 key (RFC 5649), and that under RSA: PKCS #11's
    /// CKM_RSA_AES_KEY_WRAP.
    AesSha1,
    AesSha256,
}

/// A wrapped text that does not come apart.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NotWrapped;

/// A fresh wrapping key.
pub(super) struct WrappingKey {
    /// The private key in DER, PKCS #8.
    pub(super) private: Zeroizing<Vec<u8>>,
    /// The public key in DER, SubjectPublicKeyInfo.
    pub(super) public: Vec<u8>,
}

impl Wrapping {
    pub(super) const ALL: [Self; 4] = [
        Self::OaepSha1,
        Self::OaepSha256,
        Self::AesSha1,
        Self::AesSha256,
    ];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::OaepSha1 => "RSAES_OAEP_SHA_1",
            Self::OaepSha256 => "RSAES_OAEP_SHA_256",
            Self::AesSha1 => "RSA_AES_KEY_WRAP_SHA_1",
            Self::AesSha256 => "RSA_AES_KEY_WRAP_SHA_256",
        }
    }

    /// As an import token has it.
    pub(super) const fn code(self) -> u8 {
        match self {
            Self::OaepSha1 => 1,
            Self::OaepSha256 => 2,
            Self::AesSha1 => 3,
            Self::AesSha256 => 4,
        }
    }

    pub(super) fn of_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.code() == code)
    }

    /// Whether material of any length fits.
    pub(super) const fn takes_long_material(self) -> bool {
        matches!(self, Self::AesSha1 | Self::AesSha256)
    }

    const fn hash(self) -> &'static OaepAlgorithm {
        match self {
            Self::OaepSha1 | Self::AesSha1 => &OAEP_SHA1_MGF1SHA1,
            Self::OaepSha256 | Self::AesSha256 => &OAEP_SHA256_MGF1SHA256,
        }
    }

    /// Takes the material out. Slow: an RSA operation.
    pub(super) fn unwrap(
        self,
        private: &[u8],
        wrapped: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, NotWrapped> {
        let key = PrivateDecryptingKey::from_pkcs8(private).map_err(|_| NotWrapped)?;
        let key = OaepPrivateDecryptingKey::new(key).map_err(|_| NotWrapped)?;
        if !self.takes_long_material() {
            return open(&key, self.hash(), wrapped);
        }
        let modulus = key.key_size_bytes();
        let (first, rest) = wrapped.split_at_checked(modulus).ok_or(NotWrapped)?;
        let one_time = open(&key, self.hash(), first)?;
        let kek = AesKek::new(&AES_256, &one_time).map_err(|_| NotWrapped)?;
        let mut room = Zeroizing::new(vec![0; rest.len()]);
        let length = kek
            .unwrap_with_padding(rest, &mut room)
            .map_err(|_| NotWrapped)?
            .len();
        room.truncate(length);
        Ok(room)
    }
}

fn open(
    key: &OaepPrivateDecryptingKey,
    hash: &'static OaepAlgorithm,
    wrapped: &[u8],
) -> Result<Zeroizing<Vec<u8>>, NotWrapped> {
    let mut room = Zeroizing::new(vec![0; key.min_output_size()]);
    let length = key
        .decrypt(hash, wrapped, &mut room, None)
        .map_err(|_| NotWrapped)?
        .len();
    room.truncate(length);
    Ok(room)
}

/// A fresh wrapping key. Slow: up to seconds.
pub(super) fn generate(size: KeySize) -> Result<WrappingKey, NotWrapped> {
    let key = PrivateDecryptingKey::generate(size).map_err(|_| NotWrapped)?;
    let private: Pkcs8V1Der<'_> = key.as_der().map_err(|_| NotWrapped)?;
    let public: PublicKeyX509Der<'_> = key.public_key().as_der().map_err(|_| NotWrapped)?;
    Ok(WrappingKey {
        private: Zeroizing::new(private.as_ref().to_vec()),
        public: public.as_ref().to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::rsa::{OaepPublicEncryptingKey, PublicEncryptingKey};

    use super::*;

    fn wrap(wrapping: Wrapping, public: &[u8], material: &[u8]) -> Vec<u8> {
        let key = PublicEncryptingKey::from_der(public).unwrap();
        let key = OaepPublicEncryptingKey::new(key).unwrap();
        let seal = |text: &[u8]| {
            let mut room = vec![0; key.ciphertext_size()];
            let sealed = key.encrypt(wrapping.hash(), text, &mut room, None);
            sealed.unwrap().to_vec()
        };
        if !wrapping.takes_long_material() {
            return seal(material);
        }
        let mut room = vec![0; material.len() + 15];
        let kek = AesKek::new(&AES_256, &[7; 32]).unwrap();
        let wrapped = kek.wrap_with_padding(material, &mut room).unwrap();
        [seal(&[7; 32]).as_slice(), wrapped].concat()
    }

    /// Rule LIFE-31.
    #[test]
    fn what_is_wrapped_in_each_way_comes_out_and_not_when_changed() {
        let WrappingKey { private, public } = generate(KeySize::Rsa2048).unwrap();
        for wrapping in Wrapping::ALL {
            let long = vec![
                3;
                if wrapping.takes_long_material() {
                    1500
                } else {
                    190
                }
            ];
            for material in [&[9; 32][..], &long] {
                let mut wrapped = wrap(wrapping, &public, material);
                let out = wrapping.unwrap(&private, &wrapped).unwrap();
                assert_eq!(out.as_slice(), material, "{wrapping:?}");
                *wrapped.last_mut().unwrap() ^= 1;
                assert_eq!(wrapping.unwrap(&private, &wrapped), Err(NotWrapped));
                assert_eq!(wrapping.unwrap(&private, &wrapped[..9]), Err(NotWrapped));
            }
            assert_eq!(Wrapping::of_code(wrapping.code()), Some(wrapping));
        }
    }
}
