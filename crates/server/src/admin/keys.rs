//! The verbs of the CloudHSM CLI that are about keys, all under `/_portcullis/cloudhsm/{cluster}`
//! with a token of `login` in the body.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use base64_simd::STANDARD;
use data_encoding::HEXLOWER;
use portcullis_admin::{
    AttributeRequest, AttributeValue, DeleteHsmKey, GenerateHsmKey, GenerateRequest, KeyFilter,
    KeyInfo, KeyPage, KeyQuorum, KeyUser, ListHsmKeys, ListedKey, MadeKey, Message,
    ReplicateHsmKey, ReplicateRequest, ReplicatedKey, SetHsmKeyAttribute, ShareHsmKey,
    ShareRequest, UnshareHsmKey, UnwrapHsmKey, WrapHsmKey, WrappedKey,
};
use portcullis_cloudhsm::{Coverage, KeyRow, NewKey, UnwrapRequest, WrapRequest};
use portcullis_hsm::{Flag, HsmKeyId, KEY_CLASS, KEY_TYPE};

use super::Admin;
use super::reply::{AdminAnswer, Asked, Done, Refused};

/// Keys on a page (CloudHSM User Guide, key list).
const LISTED_BY_DEFAULT: usize = 10;

/// `key list`.
pub(super) async fn list(
    State(admin): State<Arc<Admin>>,
    Asked(asked): Asked<ListHsmKeys>,
) -> AdminAnswer<ListHsmKeys> {
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
        .keys()
        .list(asked.token.reveal(), &asked.filter, start, max)
        .await?;
    let everything = asked.verbose && page.all_about_them;
    let shown = if everything { whole } else { brief };
    Ok(Done(KeyPage {
        matched_keys: page.keys.iter().map(shown).collect(),
        total_key_count: page.total,
        returned_key_count: page.keys.len(),
        next_token: page.next.map(|next| next.to_string()),
    }))
}

/// `key generate-symmetric aes`.
pub(super) async fn generate(
    State(admin): State<Arc<Admin>>,
    Asked(asked): Asked<GenerateHsmKey>,
) -> AdminAnswer<GenerateHsmKey> {
    let GenerateRequest {
        token,
        label,
        key_length_bytes,
        attributes,
        share_crypto_users,
    } = asked;
    let key = NewKey {
        label,
        length_bytes: key_length_bytes,
        attributes,
        share_crypto_users,
    };
    let row = admin.cloudhsm.keys().generate(token.reveal(), &key).await?;
    Ok(Done(MadeKey { key: whole(&row) }))
}

/// `key delete`.
pub(super) async fn delete(
    State(admin): State<Arc<Admin>>,
    Asked(KeyFilter { token, filter }): Asked<DeleteHsmKey>,
) -> AdminAnswer<DeleteHsmKey> {
    admin
        .cloudhsm
        .keys()
        .delete(token.reveal(), &filter)
        .await?;
    Ok(Done(message("Key deleted successfully")))
}

/// `key share`.
pub(super) async fn share(
    State(admin): State<Arc<Admin>>,
    Asked(asked): Asked<ShareHsmKey>,
) -> AdminAnswer<ShareHsmKey> {
    let ShareRequest {
        token,
        filter,
        username,
    } = asked;
    let shared = admin
        .cloudhsm
        .keys()
        .share(token.reveal(), &filter, &username);
    shared.await?;
    Ok(Done(message("Key shared successfully")))
}

/// `key unshare`.
pub(super) async fn unshare(
    State(admin): State<Arc<Admin>>,
    Asked(asked): Asked<UnshareHsmKey>,
) -> AdminAnswer<UnshareHsmKey> {
    let ShareRequest {
        token,
        filter,
        username,
    } = asked;
    let unshared = admin
        .cloudhsm
        .keys()
        .unshare(token.reveal(), &filter, &username);
    unshared.await?;
    Ok(Done(message("Key unshared successfully")))
}

/// `key set-attribute`.
pub(super) async fn set_attribute(
    State(admin): State<Arc<Admin>>,
    Asked(asked): Asked<SetHsmKeyAttribute>,
) -> AdminAnswer<SetHsmKeyAttribute> {
    let AttributeRequest {
        token,
        filter,
        name,
        value,
    } = asked;
    let set = admin
        .cloudhsm
        .keys()
        .set_attribute(token.reveal(), &filter, &name, &value);
    set.await?;
    Ok(Done(message("Attribute set successfully")))
}

/// `key wrap …`.
pub(super) async fn wrap(
    State(admin): State<Arc<Admin>>,
    Asked(asked): Asked<WrapHsmKey>,
) -> AdminAnswer<WrapHsmKey> {
    let request = WrapRequest {
        mechanism: asked.mechanism,
        payload_filter: asked.payload_filter,
        wrapping_filter: asked.wrapping_filter,
        aad: asked.aad,
        tag_length_bits: asked.tag_length_bits,
    };
    let wrapped = admin.cloudhsm.keys().wrap(asked.token.reveal(), &request);
    let wrapped = wrapped.await?;
    Ok(Done(WrappedKey {
        payload_key_reference: reference(wrapped.payload),
        wrapping_key_reference: reference(wrapped.wrapping),
        iv: (!wrapped.iv.is_empty()).then(|| hex(&wrapped.iv)),
        wrapped_key_data: STANDARD.encode_to_string(&wrapped.data),
    }))
}

/// `key unwrap …`.
pub(super) async fn unwrap(
    State(admin): State<Arc<Admin>>,
    Asked(asked): Asked<UnwrapHsmKey>,
) -> AdminAnswer<UnwrapHsmKey> {
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
    let row = admin.cloudhsm.keys().unwrap(asked.token.reveal(), &request);
    let row = row.await?;
    Ok(Done(MadeKey { key: whole(&row) }))
}

/// `key replicate`; the path's cluster is the source.
pub(super) async fn replicate(
    State(admin): State<Arc<Admin>>,
    Asked(asked): Asked<ReplicateHsmKey>,
) -> AdminAnswer<ReplicateHsmKey> {
    let ReplicateRequest {
        token,
        destination_token,
        filter,
    } = asked;
    let replicated =
        admin
            .cloudhsm
            .keys()
            .replicate(token.reveal(), destination_token.reveal(), &filter);
    let row = replicated.await?;
    Ok(Done(ReplicatedKey {
        key: whole(&row),
        message: "Successfully replicated key".to_owned(),
    }))
}

fn message(text: &str) -> Message {
    Message {
        message: text.to_owned(),
    }
}

/// A key as `key list` shows it.
fn brief(row: &KeyRow) -> ListedKey {
    let label = AttributeValue::Text(row.key.attributes.label.clone());
    ListedKey {
        key_reference: reference(row.key.id),
        key_info: None,
        attributes: BTreeMap::from([("label".to_owned(), label)]),
    }
}

/// Everything about a key, as `key list --verbose` shows it.
fn whole(row: &KeyRow) -> ListedKey {
    let key = &row.key;
    let mut attributes = BTreeMap::new();
    let mut put = |name: &str, value| attributes.insert(name.to_owned(), value);
    for (name, text) in [
        ("key-type", KEY_TYPE.to_owned()),
        ("class", KEY_CLASS.to_owned()),
        ("label", key.attributes.label.clone()),
        ("id", hex(&key.attributes.id)),
        ("check-value", hex(&key.check_value)),
    ] {
        put(name, AttributeValue::Text(text));
    }
    put(
        "key-length-bytes",
        AttributeValue::Number(key.length.bytes()),
    );
    for flag in Flag::ALL {
        put(
            flag.name(),
            AttributeValue::Flag(key.attributes.flags.has(flag)),
        );
    }
    let shared = row.shared_users.iter();
    ListedKey {
        key_reference: reference(key.id),
        key_info: Some(KeyInfo {
            key_owners: vec![user(&key.owner, row.owner_coverage)],
            shared_users: shared.map(|(name, covered)| user(name, *covered)).collect(),
            key_quorum_values: KeyQuorum::default(),
            cluster_coverage: row.cluster_coverage.name().to_owned(),
        }),
        attributes,
    }
}

fn user(username: &str, coverage: Coverage) -> KeyUser {
    KeyUser {
        username: username.to_owned(),
        key_coverage: coverage.name().to_owned(),
    }
}

fn reference(id: HsmKeyId) -> String {
    format!("{:#018x}", id.reference())
}

/// Rule CL-34: nothing at all is an empty text.
fn hex(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return String::new();
    }
    format!("0x{}", HEXLOWER.encode_display(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rule CL-34.
    #[test]
    fn nothing_at_all_is_an_empty_text() {
        for (bytes, expected) in [
            (&b""[..], ""),
            (b"\0", "0x00"),
            (b"\x01", "0x01"),
            (b"id", "0x6964"),
        ] {
            assert_eq!(hex(bytes), expected);
        }
    }
}
