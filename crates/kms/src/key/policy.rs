//! Key policies: the one that a key has, and the form that one must have.

use portcullis_api::kms::{
    GetKeyPolicyRequest, GetKeyPolicyResponse, ListKeyPoliciesRequest, ListKeyPoliciesResponse,
    PutKeyPolicyRequest,
};
use portcullis_api::{Code, Exception, KeyId, Operation, Scope};

use super::keys::Keys;
use super::{KeyRecord, KeySnapshot, find};
use crate::access;
use crate::paging::{PageRequest, page};

/// The only policy that a key has of its own (API, PutKeyPolicy).
const NAME: &str = "default";

/// The longest policy document (KMS resource quotas, 2023).
const BYTES_MAX: usize = 32_768;

/// The policy of a key's record.
pub(crate) fn policy_of(scope: &Scope, record: &KeyRecord) -> String {
    let given = record.policy.clone();
    given.unwrap_or_else(|| access::default_policy(scope))
}

impl Keys {
    /// PutKeyPolicy. Works in every state of the key.
    ///
    /// # Errors
    /// NotFoundException, MalformedPolicyDocumentException, LimitExceededException,
    /// ValidationException for another policy than `default`.
    pub(crate) async fn put_key_policy(
        &self,
        scope: &Scope,
        input: PutKeyPolicyRequest,
    ) -> Result<(), Exception> {
        let bypass = input.bypass_policy_lockout_safety_check;
        let operation = Operation::PutKeyPolicy;
        self.change_key(scope, operation, &input.key_id, |key| {
            check_put_name(input.policy_name.as_deref())?;
            decide(key, input.policy, bypass)
        })
        .await
    }

    /// GetKeyPolicy. Works in every state of the key.
    ///
    /// # Errors
    /// NotFoundException, also for another policy than `default`.
    pub(crate) async fn get_key_policy(
        &self,
        scope: &Scope,
        input: GetKeyPolicyRequest,
    ) -> Result<GetKeyPolicyResponse, Exception> {
        let operation = Operation::GetKeyPolicy;
        let key = find(operation, &self.records.partition(scope), &input.key_id)?;
        // Rule LIFE-10: a key has the policy default and no other.
        if input
            .policy_name
            .as_deref()
            .is_some_and(|name| name != NAME)
        {
            let text = "No such policy exists. The policy of a key is named default.";
            return Err(Exception::new(Code::NotFound, text));
        }
        Ok(GetKeyPolicyResponse {
            policy: Some(policy_of(scope, &key.record)),
            policy_name: Some(NAME.to_owned()),
        })
    }

    /// ListKeyPolicies: there is one. Works in every state of the key.
    ///
    /// # Errors
    /// NotFoundException.
    pub(crate) async fn list_key_policies(
        &self,
        scope: &Scope,
        input: ListKeyPoliciesRequest,
    ) -> Result<ListKeyPoliciesResponse, Exception> {
        let operation = Operation::ListKeyPolicies;
        find(operation, &self.records.partition(scope), &input.key_id)?;
        let asked = PageRequest {
            limit: input.limit,
            marker: input.marker.as_deref(),
            default: 100,
            max: 1000,
        };
        let page = page([NAME.to_owned()], asked, Clone::clone)?;
        Ok(ListKeyPoliciesResponse {
            policy_names: Some(page.items),
            truncated: Some(page.next_marker.is_some()),
            next_marker: page.next_marker,
        })
    }
}

fn check_put_name(name: Option<&str>) -> Result<(), Exception> {
    if name.is_none_or(|name| name == NAME) {
        return Ok(());
    }
    let text = "The policy of a key that can be put is named default. Leave PolicyName out.";
    Err(Exception::new(Code::Validation, text))
}

/// The record that PutKeyPolicy leaves.
fn decide(
    key: &KeySnapshot,
    policy: String,
    bypass_lockout_check: Option<bool>,
) -> Result<KeyRecord, Exception> {
    check_policy(&key.scope, &key.record.id, &policy, bypass_lockout_check)?;
    let mut changed = key.record.clone();
    changed.policy = Some(policy);
    Ok(changed)
}

/// What every policy that is put on a key is asked.
///
/// Rule LIFE-09: it has at most 32,768 bytes.
pub(super) fn check_policy(
    scope: &Scope,
    key: &KeyId,
    policy: &str,
    bypass_lockout_check: Option<bool>,
) -> Result<(), Exception> {
    if policy.len() > BYTES_MAX {
        let text = format!("The policy has more than {BYTES_MAX} bytes. Shorten it.");
        return Err(Exception::new(Code::LimitExceeded, text));
    }
    access::check_policy(policy, bypass_lockout_check, scope, &scope.key_arn(key))
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{key, record};
    use super::*;

    /// Rule LIFE-09.
    #[test]
    fn a_policy_is_put_as_it_was_given_unless_it_is_too_long_or_none() {
        let policy =
            r#"{"Statement":{"Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"*"}}"#;
        let key = key(record());
        let put = decide(&key, policy.to_owned(), None).unwrap();
        assert_eq!(put.policy.as_deref(), Some(policy));
        let code = |policy: String| decide(&key, policy, Some(true)).map_err(|it| it.code);
        let long = " ".repeat(BYTES_MAX + 1 - policy.len()) + policy;
        assert_eq!(code(long), Err(Code::LimitExceeded));
        assert_eq!(code("[]".to_owned()), Err(Code::MalformedPolicyDocument));
    }
}
