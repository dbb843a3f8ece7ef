//! What is bound to a ciphertext: the key and the encryption context, in canonical form.

use std::collections::BTreeMap;

use portcullis_api::{Code, Exception};
use portcullis_hsm::HsmKeyId;
use portcullis_seam::plant::{Bug, planted};

use crate::key::KeySnapshot;

/// An encryption context is part of every audit record; 8 KiB of it is more than a caller needs
/// and keeps a request within a frame (assumption: the service documents no bound).
const CONTEXT_BYTES_MAX: usize = 8192;

/// Keeps these bytes apart from whatever else is ever sealed under the key.
const DOMAIN: &[u8] = b"portcullis-ciphertext-1";

/// The additional data of a ciphertext under a version of the material of `key`.
///
/// Rule LIFE-04: it is bound to the key's ARN; that of a multi-Region key to the same without the
/// Region, so that each of its replicas opens it.
///
/// Rule CR-01: the order of an encryption context's pairs does not matter, and an empty one equals
/// none: pairs are sorted, and each text has its length before it.
pub(crate) fn additional_data(
    key: &KeySnapshot,
    material: HsmKeyId,
    context: Option<&BTreeMap<String, String>>,
) -> Result<Vec<u8>, Exception> {
    let mut data = Vec::with_capacity(256);
    data.extend_from_slice(DOMAIN);
    push(&mut data, key.bound_name().as_bytes());
    data.extend_from_slice(&material.0);
    for (name, value) in context.into_iter().flatten() {
        push(&mut data, name.as_bytes());
        push(&mut data, value.as_bytes());
        if data.len() > CONTEXT_BYTES_MAX {
            return Err(Exception::new(
                Code::Validation,
                format!("The encryption context is larger than {CONTEXT_BYTES_MAX} bytes."),
            ));
        }
    }
    Ok(data)
}

fn push(data: &mut Vec<u8>, text: &[u8]) {
    let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
    if !planted(Bug::ContextNotFramed) {
        data.extend_from_slice(&length.to_le_bytes());
    }
    data.extend_from_slice(text);
}
