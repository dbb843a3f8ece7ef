//! The verbs of the CloudHSM CLI that are about keys, all under `/_portcullis/cloudhsm/{cluster}`
//! with a token of `login` in the body.

use std::sync::Arc;

use axum::extract::State;
use base64_simd::STANDARD;
use data_encoding::HEXLOWER;
use portcullis_cloudhsm::{Coverage, KeyRow, NewKey, UnwrapRequest, WrapRequest};
use portcullis_hsm::{Flag, HsmKeyId, KEY_CLASS, KEY_TYPE};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::Admin;
use super::reply::{Answer, Done, Refused, Sent};

/// Keys on a page (CloudHSM User Guide, key list).
const LISTED_BY_DEFAULT: usize = 10;

/// A verb that selects one key.
#[derive(Deserialize)]
struct OneKey {
    token: String,
    filter: Vec<String>,
}

/// `key share` and `key unshare`.
#[derive(Deserialize)]
struct Sharing {
    token: String,
    filter: Vec<String>,
    username: String,
}

/// `key list`.
pub(super) async fn list(State(admin): State<Arc<Admin>>, sent: Sent) -> Answer {
    #[derive(Deserialize)]
    struct List {
        token: String,
        #[serde(default)]
        filter: Vec<String>,
        max_items: Option<usize>,
        starting_token: Option<String>,
        #[serde(default)]
        verbose: bool,
    }
    let asked: List = sent.read()?;
    let start = match &asked.starting_token {
        Some(text) => text.parse().map_err(|_| {
            Refused::because("The starting token is not one that `key list` gave. Leave it out.")
        })?,
        None => 0,
    };
    let max = asked.max_items.unwrap_or(LISTED_BY_DEFAULT);
    if max == 0 {
        return Err(Refused::because(
            "A page of no keys never ends. Give 1 or more with --max-items.",
        ));
    }
    let page = admin
        .cloudhsm
        .list_keys(&asked.token, &asked.filter, start, max)
        .await?;
    let shown = page.keys.iter().map(|row| {
        if asked.verbose && page.all_about_them {
            whole(row)
        } else {
            json!({
                "key-reference": reference(row.key.id),
                "attributes": { "label": row.key.attributes.label },
            })
        }
    });
    let mut data = Map::new();
    data.insert("matched_keys".to_owned(), shown.collect());
    data.insert("total_key_count".to_owned(), page.total.into());
    data.insert("returned_key_count".to_owned(), page.keys.len().into());
    if let Some(next) = page.next {
        data.insert("next_token".to_owned(), next.to_string().into());
    }
    Ok(Done(Value::Object(data)))
}

/// `key generate-symmetric aes`.
pub(super) async fn generate(State(admin): State<Arc<Admin>>, sent: Sent) -> Answer {
    #[derive(Deserialize)]
    struct Generate {
        token: String,
        label: String,
        key_length_bytes: usize,
        #[serde(default)]
        attributes: Vec<String>,
        #[serde(default)]
        share_crypto_users: Vec<String>,
    }
    let asked: Generate = sent.read()?;
    let key = NewKey {
        label: asked.label,
        length_bytes: asked.key_length_bytes,
        attributes: asked.attributes,
        share_crypto_users: asked.share_crypto_users,
    };
    let row = admin.cloudhsm.generate_key(&asked.token, &key).await?;
    Ok(Done(json!({ "key": whole(&row) })))
}

/// `key delete`.
pub(super) async fn delete(State(admin): State<Arc<Admin>>, sent: Sent) -> Answer {
    let OneKey { token, filter } = sent.read()?;
    admin.cloudhsm.delete_key(&token, &filter).await?;
    Ok(message("Key deleted successfully"))
}

/// `key share`.
pub(super) async fn share(State(admin): State<Arc<Admin>>, sent: Sent) -> Answer {
    let asked: Sharing = sent.read()?;
    let shared = admin
        .cloudhsm
        .share_key(&asked.token, &asked.filter, &asked.username);
    shared.await?;
    Ok(message("Key shared successfully"))
}

/// `key unshare`.
pub(super) async fn unshare(State(admin): State<Arc<Admin>>, sent: Sent) -> Answer {
    let asked: Sharing = sent.read()?;
    let unshared = admin
        .cloudhsm
        .unshare_key(&asked.token, &asked.filter, &asked.username);
    unshared.await?;
    Ok(message("Key unshared successfully"))
}

/// `key set-attribute`.
pub(super) async fn set_attribute(State(admin): State<Arc<Admin>>, sent: Sent) -> Answer {
    #[derive(Deserialize)]
    struct Change {
        name: String,
        value: String,
    }
    let OneKey { token, filter } = sent.read()?;
    let Change { name, value } = sent.read()?;
    let set = admin
        .cloudhsm
        .set_key_attribute(&token, &filter, &name, &value);
    set.await?;
    Ok(message("Attribute set successfully"))
}

/// `key wrap …`.
pub(super) async fn wrap(State(admin): State<Arc<Admin>>, sent: Sent) -> Answer {
    #[derive(Deserialize)]
    struct Wrap {
        token: String,
        mechanism: String,
        payload_filter: Vec<String>,
        wrapping_filter: Vec<String>,
        aad: Option<String>,
        tag_length_bits: Option<u32>,
    }
    let asked: Wrap = sent.read()?;
    let request = WrapRequest {
        mechanism: asked.mechanism,
        payload_filter: asked.payload_filter,
        wrapping_filter: asked.wrapping_filter,
        aad: asked.aad,
        tag_length_bits: asked.tag_length_bits,
    };
    let wrapped = admin.cloudhsm.wrap_key(&asked.token, &request).await?;
    let mut data = Map::new();
    let mut put = |name: &str, value: String| data.insert(name.to_owned(), value.into());
    put("payload_key_reference", reference(wrapped.payload));
    put("wrapping_key_reference", reference(wrapped.wrapping));
    if !wrapped.iv.is_empty() {
        put("iv", hex(&wrapped.iv));
    }
    put("wrapped_key_data", STANDARD.encode_to_string(&wrapped.data));
    Ok(Done(Value::Object(data)))
}

/// `key unwrap …`.
pub(super) async fn unwrap(State(admin): State<Arc<Admin>>, sent: Sent) -> Answer {
    #[derive(Deserialize)]
    struct Unwrap {
        token: String,
        mechanism: String,
        filter: Vec<String>,
        aad: Option<String>,
        tag_length_bits: Option<u32>,
        iv: Option<String>,
        data: String,
        key_type_class: String,
        label: String,
        #[serde(default)]
        attributes: Vec<String>,
        #[serde(default)]
        share_crypto_users: Vec<String>,
    }
    let asked: Unwrap = sent.read()?;
    let data = STANDARD.decode_to_vec(asked.data.trim()).map_err(|_| {
        Refused::because("The wrapped key is not Base64. Give what `key wrap` printed.")
    })?;
    let request = UnwrapRequest {
        mechanism: asked.mechanism,
        filter: asked.filter,
        aad: asked.aad,
        tag_length_bits: asked.tag_length_bits,
        iv: asked.iv,
        data,
        key_type_class: asked.key_type_class,
        label: asked.label,
        attributes: asked.attributes,
        share_crypto_users: asked.share_crypto_users,
    };
    let row = admin.cloudhsm.unwrap_key(&asked.token, &request).await?;
    Ok(Done(json!({ "key": whole(&row) })))
}

/// `key replicate`; the path's cluster is the source.
pub(super) async fn replicate(State(admin): State<Arc<Admin>>, sent: Sent) -> Answer {
    #[derive(Deserialize)]
    struct Destination {
        destination_token: String,
    }
    let OneKey { token, filter } = sent.read()?;
    let Destination { destination_token } = sent.read()?;
    let replicated = admin
        .cloudhsm
        .replicate_key(&token, &destination_token, &filter);
    let row = replicated.await?;
    let message = "Successfully replicated key";
    Ok(Done(json!({ "key": whole(&row), "message": message })))
}

fn message(text: &str) -> Done {
    Done(json!({ "message": text }))
}

/// Everything about a key, as `key list --verbose` shows it.
fn whole(row: &KeyRow) -> Value {
    let key = &row.key;
    let mut attributes = Map::new();
    let mut put = |name: &str, value: Value| attributes.insert(name.to_owned(), value);
    put("key-type", KEY_TYPE.into());
    put("class", KEY_CLASS.into());
    put("label", key.attributes.label.as_str().into());
    put("id", hex(&key.attributes.id).into());
    put("check-value", hex(&key.check_value).into());
    put("key-length-bytes", key.length.bytes().into());
    for flag in Flag::ALL {
        put(flag.name(), key.attributes.flags.has(flag).into());
    }
    let shared = row.shared_users.iter();
    let shared: Vec<Value> = shared
        .map(|(user, covered)| person(user, *covered))
        .collect();
    json!({
        "key-reference": reference(key.id),
        "key-info": {
            "key-owners": [person(&key.owner, row.owner_coverage)],
            "shared-users": shared,
            "key-quorum-values": { "manage-key-quorum-value": 0, "use-key-quorum-value": 0 },
            "cluster-coverage": row.cluster_coverage.name(),
        },
        "attributes": attributes,
    })
}

fn person(username: &str, coverage: Coverage) -> Value {
    json!({ "username": username, "key-coverage": coverage.name() })
}

fn reference(id: HsmKeyId) -> String {
    format!("{:#018x}", id.reference())
}

fn hex(bytes: &[u8]) -> String {
    format!("0x{}", HEXLOWER.encode_display(bytes))
}
