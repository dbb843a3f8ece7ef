//! The calls that benchmarks measure.

use bytes::Bytes;

use crate::client::{Client, signed};
use crate::process::Endpoint;

/// A call that is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// Encrypt of this many bytes.
    Encrypt(usize),
    /// Decrypt of 32 bytes.
    Decrypt,
    /// GenerateDataKey of 32 bytes.
    GenerateDataKey,
    /// DescribeKey.
    DescribeKey,
}

impl Call {
    /// All, in the order of the tables.
    pub const ALL: [Self; 5] = [
        Self::Encrypt(32),
        Self::Encrypt(4096),
        Self::Decrypt,
        Self::GenerateDataKey,
        Self::DescribeKey,
    ];

    /// As tables name it.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self::Encrypt(4096) => "Encrypt 4 KiB".to_owned(),
            Self::Encrypt(bytes) => format!("Encrypt {bytes} B"),
            Self::Decrypt => "Decrypt 32 B".to_owned(),
            Self::GenerateDataKey => "GenerateDataKey".to_owned(),
            Self::DescribeKey => "DescribeKey".to_owned(),
        }
    }

    /// The call with the key of a server, signed now. An echo is sent the same bytes.
    #[must_use]
    pub fn request(self, facade: &Endpoint) -> Bytes {
        let key = &facade.key;
        let about_key = |more: &str| format!(r#"{{"KeyId":"{key}"{more}}}"#);
        let encrypt = |bytes: usize| {
            let plaintext = base64_simd::STANDARD.encode_to_string(vec![7; bytes]);
            let body = about_key(&format!(r#","Plaintext":"{plaintext}""#));
            signed(facade.address, "Encrypt", &body)
        };
        match self {
            Self::Encrypt(bytes) => encrypt(bytes),
            Self::Decrypt => {
                let client = Client::connect(facade.address, 0);
                let reply: serde_json::Value =
                    serde_json::from_slice(&client.ask(&encrypt(32))).unwrap_or_default();
                let blob = reply.get("CiphertextBlob").and_then(|blob| blob.as_str());
                let body = format!(r#"{{"CiphertextBlob":"{}"}}"#, blob.unwrap_or_default());
                signed(facade.address, "Decrypt", &body)
            }
            Self::GenerateDataKey => {
                let body = about_key(r#","KeySpec":"AES_256""#);
                signed(facade.address, "GenerateDataKey", &body)
            }
            Self::DescribeKey => signed(facade.address, "DescribeKey", &about_key("")),
        }
    }
}
