//! What verbs about keys ask of the admin API: requests that want for the token of a session.

use std::path::{Path, PathBuf};

use base64_simd::STANDARD;
use portcullis_admin::{
    AttributeRequest, GenerateRequest, Secret, ShareRequest, UnwrapRequest, WrapRequest, WrappedKey,
};

use super::verbs::{
    Approval, Gcm, GenerateVerb, NewKey, OneKey, RoleArgument, Sharing, Unwrap, UnwrapVerb, Wrap,
    WrapVerb,
};
use super::{FailedVerb, refused};

/// The filter of a verb that works on one key.
pub(super) fn one_key(key: OneKey) -> Result<Vec<String>, FailedVerb> {
    check_approval(&key.approval)?;
    Ok(key.filter)
}

pub(super) fn share(sharing: Sharing) -> Result<impl FnOnce(Secret) -> ShareRequest, FailedVerb> {
    let filter = one_key(sharing.key)?;
    if sharing.user.role != RoleArgument::CryptoUser {
        return Err(refused(
            "Keys are shared with crypto users only. Give --role crypto-user.",
        ));
    }
    let username = sharing.user.username;
    Ok(|token| ShareRequest {
        token,
        filter,
        username,
    })
}

pub(super) fn set_attribute(
    key: OneKey,
    name: String,
    value: &[String],
) -> Result<impl FnOnce(Secret) -> AttributeRequest + use<>, FailedVerb> {
    let filter = one_key(key)?;
    let value = value.join(" ");
    Ok(|token| AttributeRequest {
        token,
        filter,
        name,
        value,
    })
}

pub(super) fn generate(
    verb: GenerateVerb,
) -> Result<impl FnOnce(Secret) -> GenerateRequest, FailedVerb> {
    match verb {
        GenerateVerb::Aes {
            label,
            key_length_bytes,
            new,
        } => {
            check_new(&new)?;
            Ok(move |token| GenerateRequest {
                token,
                label,
                key_length_bytes,
                attributes: new.attributes,
                share_crypto_users: new.share_crypto_users,
            })
        }
        GenerateVerb::GenericSecret(_) => Err(not_there("key generate-symmetric generic-secret")),
    }
}

/// The request, and where the wrapped key is saved too.
pub(super) fn wrap(
    verb: WrapVerb,
) -> Result<(Option<PathBuf>, impl FnOnce(Secret) -> WrapRequest), FailedVerb> {
    let (mechanism, wrap, gcm) = match verb {
        WrapVerb::AesGcm(with) => ("aes-gcm", with.wrap, Some(with.gcm)),
        WrapVerb::CloudhsmAesGcm(with) => ("cloudhsm-aes-gcm", with.wrap, Some(with.gcm)),
        WrapVerb::AesNoPad(wrap) => ("aes-no-pad", wrap, None),
        WrapVerb::AesPkcs5Pad(wrap) => ("aes-pkcs5-pad", wrap, None),
        WrapVerb::AesZeroPad(wrap) => ("aes-zero-pad", wrap, None),
        WrapVerb::RsaAes(_) => return Err(not_there("key wrap rsa-aes")),
        WrapVerb::RsaOaep(_) => return Err(not_there("key wrap rsa-oaep")),
        WrapVerb::RsaPkcs(_) => return Err(not_there("key wrap rsa-pkcs")),
    };
    let Wrap {
        payload_filter,
        wrapping_filter,
        path,
        payload_approval,
        wrapping_approval,
    } = wrap;
    if payload_approval.is_some() || wrapping_approval.is_some() {
        return Err(not_there("a quorum"));
    }
    let (aad, tag_length_bits) = parameters(gcm);
    let request = move |token| WrapRequest {
        token,
        mechanism: mechanism.to_owned(),
        payload_filter,
        wrapping_filter,
        aad,
        tag_length_bits,
    };
    Ok((path, request))
}

pub(super) fn unwrap(verb: UnwrapVerb) -> Result<impl FnOnce(Secret) -> UnwrapRequest, FailedVerb> {
    let (mechanism, unwrap, gcm, iv) = match verb {
        UnwrapVerb::AesGcm { unwrap, gcm, iv } => ("aes-gcm", unwrap, Some(gcm), Some(iv)),
        UnwrapVerb::CloudhsmAesGcm { unwrap, gcm } => ("cloudhsm-aes-gcm", unwrap, Some(gcm), None),
        UnwrapVerb::AesNoPad(unwrap) => ("aes-no-pad", unwrap, None, None),
        UnwrapVerb::AesPkcs5Pad(unwrap) => ("aes-pkcs5-pad", unwrap, None, None),
        UnwrapVerb::AesZeroPad(unwrap) => ("aes-zero-pad", unwrap, None, None),
        UnwrapVerb::RsaAes(_) => return Err(not_there("key unwrap rsa-aes")),
        UnwrapVerb::RsaOaep(_) => return Err(not_there("key unwrap rsa-oaep")),
        UnwrapVerb::RsaPkcs(_) => return Err(not_there("key unwrap rsa-pkcs")),
    };
    let data = wrapped_data(&unwrap)?;
    let filter = one_key(unwrap.key)?;
    check_new(&unwrap.new)?;
    let (aad, tag_length_bits) = parameters(gcm);
    Ok(move |token| UnwrapRequest {
        token,
        mechanism: mechanism.to_owned(),
        filter,
        aad,
        tag_length_bits,
        iv,
        data,
        key_type_class: unwrap.key_type_class,
        label: unwrap.label,
        attributes: unwrap.new.attributes,
        share_crypto_users: unwrap.new.share_crypto_users,
    })
}

/// In Base64.
fn wrapped_data(unwrap: &Unwrap) -> Result<String, FailedVerb> {
    match (&unwrap.data, &unwrap.data_path) {
        (Some(data), _) => Ok(data.clone()),
        (None, Some(path)) => std::fs::read(path)
            .map(|bytes| STANDARD.encode_to_string(bytes))
            .map_err(|error| cannot("read", path, &error)),
        (None, None) => Err(refused("Give --data or --data-path.")),
    }
}

/// Saves a wrapped key as bytes.
pub(super) fn save(wrapped: &WrappedKey, path: &Path) -> Result<(), FailedVerb> {
    let bytes = STANDARD
        .decode_to_vec(&wrapped.wrapped_key_data)
        .map_err(|_| refused("The wrapped key in the reply is not Base64."))?;
    std::fs::write(path, bytes).map_err(|error| cannot("written", path, &error))
}

fn cannot(what: &str, path: &Path, error: &std::io::Error) -> FailedVerb {
    FailedVerb::Refused(format!(
        "{} cannot be {what}: {error}. Give the path of another file.",
        path.display()
    ))
}

/// The additional authenticated data and the length of the tag.
fn parameters(gcm: Option<Gcm>) -> (Option<String>, Option<u32>) {
    match gcm {
        Some(Gcm {
            aad,
            tag_length_bits,
        }) => (aad, Some(tag_length_bits)),
        None => (None, None),
    }
}

fn check_new(new: &NewKey) -> Result<(), FailedVerb> {
    if new.session {
        return Err(not_there("a session key (--session)"));
    }
    if new.manage_key_quorum_value > 1 || new.use_key_quorum_value > 1 {
        return Err(not_there("a quorum"));
    }
    Ok(())
}

pub(super) fn check_approval(approval: &Approval) -> Result<(), FailedVerb> {
    if approval.approval.is_some() {
        Err(not_there("a quorum"))
    } else {
        Ok(())
    }
}

/// Rule CL-24: what the CloudHSM CLI has and Portcullis has not says so.
pub(super) fn not_there(what: &str) -> FailedVerb {
    FailedVerb::Refused(format!(
        "Portcullis does not have this part of the CloudHSM CLI: {what}. `help` lists what there \
         is; docs/cloudhsm-cli.md says what is missing."
    ))
}
