//! What each verb asks of the admin API.

use std::path::Path;

use base64_simd::STANDARD;
use serde_json::{Value, json};

use super::set;
use super::verbs::{
    Approval, Gcm, GenerateVerb, KeyVerb, NewKey, OneKey, Sharing, Unwrap, UnwrapVerb, Wrap,
    WrapVerb,
};

/// A request under a session, to be completed by its token.
pub(super) struct Request {
    pub(super) path: &'static str,
    pub(super) body: Value,
    /// Where to save the wrapped key of the reply.
    pub(super) save_to: Option<std::path::PathBuf>,
}

/// Why there is no request, or nothing came of it: the text of the reply.
pub(super) type Unavailable = String;

impl Request {
    pub(super) const fn new(path: &'static str, body: Value) -> Self {
        Self {
            path,
            body,
            save_to: None,
        }
    }
}

/// What a verb about keys asks for, except `key replicate`, which needs two sessions.
pub(super) fn of_key(verb: KeyVerb) -> Result<Request, Unavailable> {
    match verb {
        KeyVerb::List {
            filter,
            max_items,
            starting_token,
            verbose,
        } => Ok(Request::new(
            "keys/list",
            json!({
                "filter": filter,
                "max_items": max_items,
                "starting_token": starting_token,
                "verbose": verbose,
            }),
        )),
        KeyVerb::Delete(key) => one_key("keys/delete", &key),
        KeyVerb::GenerateSymmetric(verb) => generate(&verb),
        KeyVerb::Share(sharing) => share("keys/share", &sharing),
        KeyVerb::Unshare(sharing) => share("keys/unshare", &sharing),
        KeyVerb::SetAttribute { key, name, value } => {
            one_key("keys/set-attribute", &key).map(|mut request| {
                set(&mut request.body, "name", name.into());
                set(&mut request.body, "value", value.join(" ").into());
                request
            })
        }
        KeyVerb::Wrap(verb) => wrap(verb),
        KeyVerb::Unwrap(verb) => unwrap(&verb),
        KeyVerb::Replicate { .. } => Err(not_there("key replicate under one session")),
        KeyVerb::GenerateAsymmetricPair(_) => Err(not_there("key generate-asymmetric-pair")),
        KeyVerb::GenerateFile(_) => Err(not_there("key generate-file")),
        KeyVerb::Import(_) => Err(not_there("key import")),
    }
}

fn one_key(path: &'static str, key: &OneKey) -> Result<Request, Unavailable> {
    check_approval(&key.approval)?;
    Ok(Request::new(path, json!({ "filter": key.filter })))
}

fn share(path: &'static str, sharing: &Sharing) -> Result<Request, Unavailable> {
    let mut request = one_key(path, &sharing.key)?;
    if sharing.user.role != super::verbs::RoleArgument::CryptoUser {
        return Err("Keys are shared with crypto users only. Give --role crypto-user.".to_owned());
    }
    set(
        &mut request.body,
        "username",
        sharing.user.username.clone().into(),
    );
    Ok(request)
}

fn generate(verb: &GenerateVerb) -> Result<Request, Unavailable> {
    match verb {
        GenerateVerb::Aes {
            label,
            key_length_bytes,
            new,
        } => {
            let mut body = json!({ "label": label, "key_length_bytes": key_length_bytes });
            describe(new, &mut body)?;
            Ok(Request::new("keys/generate", body))
        }
        GenerateVerb::GenericSecret(_) => Err(not_there("key generate-symmetric generic-secret")),
    }
}

fn wrap(verb: WrapVerb) -> Result<Request, Unavailable> {
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
    let mut body = json!({
        "mechanism": mechanism,
        "payload_filter": payload_filter,
        "wrapping_filter": wrapping_filter,
    });
    parametrise(gcm.as_ref(), &mut body);
    Ok(Request {
        path: "keys/wrap",
        body,
        save_to: path,
    })
}

fn unwrap(verb: &UnwrapVerb) -> Result<Request, Unavailable> {
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
    let data = wrapped_data(unwrap)?;
    let complete = |mut request: Request| {
        let body = &mut request.body;
        set(body, "mechanism", mechanism.into());
        set(body, "data", data.into());
        set(body, "key_type_class", unwrap.key_type_class.clone().into());
        set(body, "label", unwrap.label.clone().into());
        parametrise(gcm, body);
        if let Some(iv) = iv {
            set(body, "iv", iv.clone().into());
        }
        describe(&unwrap.new, body)?;
        Ok(request)
    };
    one_key("keys/unwrap", &unwrap.key).and_then(complete)
}

/// In Base64.
fn wrapped_data(unwrap: &Unwrap) -> Result<String, Unavailable> {
    match (&unwrap.data, &unwrap.data_path) {
        (Some(data), _) => Ok(data.clone()),
        (None, Some(path)) => std::fs::read(path)
            .map(|bytes| STANDARD.encode_to_string(bytes))
            .map_err(|error| cannot("read", path, &error)),
        (None, None) => Err("Give --data or --data-path.".to_owned()),
    }
}

/// Saves the wrapped key of a reply as bytes.
pub(super) fn save(reply: &Value, path: &Path) -> Result<(), Unavailable> {
    let data = reply
        .get("data")
        .and_then(|data| data.get("wrapped_key_data"));
    let Some(data) = data.and_then(Value::as_str) else {
        return Ok(());
    };
    let bytes = STANDARD
        .decode_to_vec(data)
        .map_err(|_| "The wrapped key in the reply is not Base64.".to_owned())?;
    std::fs::write(path, bytes).map_err(|error| cannot("written", path, &error))
}

fn cannot(what: &str, path: &Path, error: &std::io::Error) -> Unavailable {
    format!(
        "{} cannot be {what}: {error}. Give the path of another file.",
        path.display()
    )
}

fn parametrise(gcm: Option<&Gcm>, body: &mut Value) {
    if let Some(Gcm {
        aad,
        tag_length_bits,
    }) = gcm
    {
        set(body, "aad", json!(aad));
        set(body, "tag_length_bits", json!(tag_length_bits));
    }
}

fn describe(new: &NewKey, body: &mut Value) -> Result<(), Unavailable> {
    if new.session {
        return Err(not_there("a session key (--session)"));
    }
    if new.manage_key_quorum_value > 1 || new.use_key_quorum_value > 1 {
        return Err(not_there("a quorum"));
    }
    set(body, "attributes", json!(new.attributes));
    set(body, "share_crypto_users", json!(new.share_crypto_users));
    Ok(())
}

pub(super) fn check_approval(approval: &Approval) -> Result<(), Unavailable> {
    if approval.approval.is_some() {
        Err(not_there("a quorum"))
    } else {
        Ok(())
    }
}

/// Rule CL-24: what the CloudHSM CLI has and Portcullis has not says so.
pub(super) fn not_there(what: &str) -> Unavailable {
    format!(
        "Portcullis does not have this part of the CloudHSM CLI: {what}. `help` lists what there \
         is; docs/cloudhsm-cli.md says what is missing."
    )
}
