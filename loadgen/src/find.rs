//! What the load is sent to, when the command line does not say it.

use portcullis_admin::LoadScenario;
use serde::Serialize;
use serde_json::json;

use crate::args::RunArguments;
use crate::client::{
    CallError, ControlClient, DescribedKey, KeyMetadata, KeyStore, KeyStores, ListedKeys,
};
use crate::failure::Unusable;

/// A key, and the key store that it is in.
#[derive(Debug)]
pub(crate) struct LoadTarget {
    /// The key's ARN.
    pub(crate) key_id: String,
    /// Absent for a key of the Region's own.
    pub(crate) key_store: Option<KeyStore>,
    /// Whether the key was made for this run.
    pub(crate) created: bool,
}

/// Keys that are looked at to find one. A key store has one among its first, or gets one.
const KEYS_MAX: usize = 1000;

pub(crate) async fn target(
    control: &mut ControlClient,
    arguments: &RunArguments,
) -> Result<LoadTarget, Unusable> {
    let found = match &arguments.key_id {
        Some(key_id) => named(control, key_id, arguments).await,
        None => unnamed(control, arguments).await,
    };
    let endpoint = control.endpoint().clone();
    let target = found.map_err(|problem| match problem {
        TargetProblem::Call(error) => error.unusable(&endpoint),
        TargetProblem::Refused(text) => Unusable(text),
    })?;
    if arguments.scenario == LoadScenario::EditCycle {
        check_that_it_can_be_edited(&target)?;
    }
    Ok(target)
}

enum TargetProblem {
    Call(CallError),
    Refused(String),
}

impl From<CallError> for TargetProblem {
    fn from(error: CallError) -> Self {
        Self::Call(error)
    }
}

fn check_that_it_can_be_edited(target: &LoadTarget) -> Result<(), Unusable> {
    match &target.key_store {
        Some(store) if store.cluster_id.is_some() && store.state == "CONNECTED" => Ok(()),
        Some(store) if store.cluster_id.is_some() => Err(Unusable(format!(
            "The key store {} is {}, and an edit cycle begins with a CONNECTED one. Run \
             ConnectCustomKeyStore, then try again.",
            store.id, store.state
        ))),
        Some(_) | None => Err(Unusable(format!(
            "The key {} is not in a CloudHSM key store, so there is nothing to edit. Name a key \
             of one, or leave --key-id out.",
            target.key_id
        ))),
    }
}

async fn named(
    control: &mut ControlClient,
    key_id: &str,
    arguments: &RunArguments,
) -> Result<LoadTarget, TargetProblem> {
    let key = described(control, key_id).await?;
    let key = UsableKey::of(key).ok_or_else(|| not_usable(key_id))?;
    let key_store = match &key.key_store_id {
        Some(id) => Some(control.key_store(id).await?),
        None => None,
    };
    let wanted = arguments.key_store.as_deref();
    if wanted.is_some_and(|wanted| !key_store.as_ref().is_some_and(|it| is_called(it, wanted))) {
        return Err(TargetProblem::Refused(format!(
            "The key {key_id} is not in the key store {}. Leave one of --key-id and --key-store \
             out.",
            wanted.unwrap_or_default()
        )));
    }
    Ok(LoadTarget {
        key_id: key.arn,
        key_store,
        created: false,
    })
}

fn not_usable(key_id: &str) -> TargetProblem {
    TargetProblem::Refused(format!(
        "The key {key_id} cannot encrypt and decrypt: it must be an enabled symmetric key. Name \
         another, or leave --key-id out."
    ))
}

fn is_called(key_store: &KeyStore, wanted: &str) -> bool {
    key_store.id == wanted || key_store.name == wanted
}

async fn unnamed(
    control: &mut ControlClient,
    arguments: &RunArguments,
) -> Result<LoadTarget, TargetProblem> {
    let stores = candidate_stores(control, arguments).await?;
    let mut keys = keys(control).await?;
    // The oldest key first: it is the one that a cluster restored from a backup has, too.
    keys.sort_by(|one, other| one.created.total_cmp(&other.created));
    for store in &stores {
        let in_store = |key: &&UsableKey| key.key_store_id.as_deref() == Some(store.id.as_str());
        if let Some(key) = keys.iter().find(in_store) {
            let key_store = Some(store.clone());
            return Ok(LoadTarget {
                key_id: key.arn.clone(),
                key_store,
                created: false,
            });
        }
    }
    match stores.into_iter().next() {
        Some(store) => {
            let input = json!({
                "Origin": "AWS_CLOUDHSM",
                "CustomKeyStoreId": store.id,
                "Description": "Made by the load generator",
            });
            create(control, &input, Some(store)).await
        }
        None => match keys.into_iter().find(|key| key.key_store_id.is_none()) {
            Some(key) => Ok(LoadTarget {
                key_id: key.arn,
                key_store: None,
                created: false,
            }),
            None => {
                let input = json!({ "Description": "Made by the load generator" });
                create(control, &input, None).await
            }
        },
    }
}

/// The key stores in which a key may be used: the one that is named, or every connected one.
async fn candidate_stores(
    control: &mut ControlClient,
    arguments: &RunArguments,
) -> Result<Vec<KeyStore>, TargetProblem> {
    let mut stores = control.list::<KeyStores>().await?;
    if let Some(wanted) = &arguments.key_store {
        stores.retain(|store| is_called(store, wanted));
        if stores.is_empty() {
            return Err(TargetProblem::Refused(format!(
                "There is no key store {wanted} in this account and Region. \
                 DescribeCustomKeyStores lists those there are."
            )));
        }
        return Ok(stores);
    }
    stores.retain(|store| store.cluster_id.is_some() && store.state == "CONNECTED");
    if stores.is_empty() && arguments.scenario == LoadScenario::EditCycle {
        return Err(TargetProblem::Refused(
            "There is no CONNECTED CloudHSM key store in this account and Region, so there is \
             nothing to edit. Connect one, or name it with --key-store to see why not."
                .to_owned(),
        ));
    }
    Ok(stores)
}

async fn create(
    control: &mut ControlClient,
    input: &impl Serialize,
    key_store: Option<KeyStore>,
) -> Result<LoadTarget, TargetProblem> {
    let made: DescribedKey = control.kms("CreateKey", input).await?;
    let key = UsableKey::of(made.key_metadata).ok_or_else(|| not_usable("that CreateKey made"))?;
    Ok(LoadTarget {
        key_id: key.arn,
        key_store,
        created: true,
    })
}

/// A key that can encrypt and decrypt.
struct UsableKey {
    arn: String,
    created: f64,
    key_store_id: Option<String>,
}

impl UsableKey {
    /// None when it cannot encrypt and decrypt for a customer.
    fn of(key: KeyMetadata) -> Option<Self> {
        let is =
            |found: &Option<String>, value: &str| found.as_deref().is_none_or(|it| it == value);
        // Unavailable, as in a disconnected key store, is left for the first Encrypt to explain.
        let in_use = is(&key.key_state, "Enabled") || is(&key.key_state, "Unavailable");
        let symmetric =
            is(&key.key_spec, "SYMMETRIC_DEFAULT") && is(&key.key_usage, "ENCRYPT_DECRYPT");
        (in_use && symmetric && is(&key.key_manager, "CUSTOMER")).then_some(Self {
            arn: key.arn,
            created: key.creation_date,
            key_store_id: key.custom_key_store_id,
        })
    }
}

async fn described(control: &mut ControlClient, key_id: &str) -> Result<KeyMetadata, CallError> {
    let input = json!({ "KeyId": key_id });
    let reply: DescribedKey = control.kms("DescribeKey", &input).await?;
    Ok(reply.key_metadata)
}

async fn keys(control: &mut ControlClient) -> Result<Vec<UsableKey>, CallError> {
    let listed = control.list::<ListedKeys>().await?;
    let mut keys = Vec::new();
    for entry in listed.iter().take(KEYS_MAX) {
        keys.extend(UsableKey::of(described(control, &entry.key_id).await?));
    }
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_enabled_symmetric_key_of_the_customer_is_taken() {
        let key = |member: &str, value: &str| {
            let mut metadata = json!({ "Arn": "arn", "KeyState": "Enabled" });
            metadata[member] = json!(value);
            UsableKey::of(serde_json::from_value(metadata).unwrap()).is_some()
        };
        assert!(key("KeySpec", "SYMMETRIC_DEFAULT"));
        assert!(key("CustomKeyStoreId", "cks-1"));
        assert!(!key("KeySpec", "RSA_2048"));
        assert!(!key("KeyState", "Disabled"));
        assert!(!key("KeyManager", "AWS"));
    }
}
