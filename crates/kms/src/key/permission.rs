//! Whether an operation is permitted with a key, by the operation's row: who manages the key, its state
//! (the Developer Guide's page on key states), and its kind, in this order; and the exception of each
//! combination that is refused.
//!
//! Operations find their keys here and in `Keys::hold_for`, so that none has to ask by itself.

use std::sync::Arc;

use portcullis_api::kms::KeyState;
use portcullis_api::{Exception, Operation};

use super::KeySnapshot;
use super::identify::{find_for_management, find_for_use, find_shared};
use super::kind::check_kind;
use super::state::{self, check_customers};
use crate::catalogue::Partition;
use crate::operation::{KeyLookup, KeyManager, STATES, StateVerdict, row};
use crate::translate;

/// The key that a call names, if the operation's row permits the call with the key.
///
/// # Errors
/// NotFoundException, InvalidArnException, and those of [`check_permitted`].
pub(crate) fn find(
    operation: Operation,
    partition: &Arc<Partition>,
    name: &str,
) -> Result<Arc<KeySnapshot>, Exception> {
    let key = match row(operation).key.map(|key| key.lookup) {
        Some(KeyLookup::Used) => find_for_use(partition, name)?,
        Some(KeyLookup::Shared) => find_shared(partition, name)?,
        Some(KeyLookup::Own) | None => find_for_management(partition, name)?,
    };
    check_permitted(operation, &key)?;
    Ok(key)
}

/// What the table says; an operation that is on no key is permitted.
pub(crate) fn verdict(operation: Operation, state: KeyState) -> StateVerdict {
    let state = if state == KeyState::PendingReplicaDeletion {
        KeyState::PendingDeletion
    } else {
        state
    };
    let column = STATES.iter().position(|found| *found == state);
    row(operation)
        .key
        .zip(column)
        .and_then(|(key, column)| key.states.get(column).copied())
        .unwrap_or(StateVerdict::Permitted)
}

/// Whether `operation` is permitted with `key`. Rule ORD-02: its state comes before its kind.
///
/// # Errors
/// AccessDeniedException for a key that only AWS manages, the exception that the table names for the
/// key's state, and UnsupportedOperationException for another kind of key.
pub(super) fn check_permitted(operation: Operation, key: &KeySnapshot) -> Result<(), Exception> {
    if let Some(row) = row(operation).key {
        match row.manager {
            KeyManager::Any => {}
            KeyManager::Customer => check_customers(key)?,
        }
        check_state(operation, key, key.state())?;
        return check_kind(row.kind, key);
    }
    Ok(())
}

/// Whether `operation` is permitted with a key in this state.
///
/// # Errors
/// The exception that the table names.
pub(super) fn check_state(
    operation: Operation,
    key: &KeySnapshot,
    state: KeyState,
) -> Result<(), Exception> {
    Err(match verdict(operation, state) {
        StateVerdict::Permitted => return Ok(()),
        StateVerdict::Disabled => state::disabled(key),
        StateVerdict::PendingDeletion if gives_alias(operation) => state::no_target(key),
        StateVerdict::PendingDeletion => state::pending_deletion(key),
        StateVerdict::NotPendingDeletion => state::not_pending_deletion(key),
        StateVerdict::PendingImport => state::pending_import(key),
        StateVerdict::External => state::external(key),
        StateVerdict::Unavailable => translate::unavailable(&key.arn),
        StateVerdict::Creating => state::creating(key),
        StateVerdict::Updating => state::updating(key),
    })
}

/// Whether the operation's key is the one that an alias shall have, in whose place another key can be
/// chosen.
const fn gives_alias(operation: Operation) -> bool {
    matches!(operation, Operation::CreateAlias | Operation::UpdateAlias)
}

#[cfg(test)]
mod tests {
    use portcullis_api::Code;
    use portcullis_api::kms::KeySpec;

    use super::super::fixtures::{key, record};
    use super::super::{KeyRecord, Requested};
    use super::*;

    /// The page's table, a row an operation, in its own words: `+` is permitted, numbers are
    /// footnotes, `-` is a combination that cannot occur or that the kind of key decides.
    const PAGE: &str = "
        CancelKeyDeletion                   4 4 + 4 4 4 4
        CreateAlias                         + + 3 + + + +
        CreateGrant                         + 1 3 5 + 14 +
        Decrypt                             + 1 3 5 11 14 +
        DeleteAlias                         + + + + + + +
        DeleteImportedKeyMaterial           + + + + - 14 15
        DeriveSharedSecret                  + 1 3 5 - 14 +
        DescribeKey                         + + + + + + +
        DisableKey                          + + 3 5 + 14 15
        DisableKeyRotation                  + 1 3 6 - 14 +
        EnableKey                           + + 3 5 + 14 15
        EnableKeyRotation                   + 1 3 6 - 14 +
        Encrypt                             + 1 3 5 11 14 +
        GenerateDataKey                     + 1 3 5 11 14 +
        GenerateDataKeyPair                 + 1 3 5 - 14 +
        GenerateDataKeyPairWithoutPlaintext + 1 3 5 - 14 +
        GenerateDataKeyWithoutPlaintext     + 1 3 5 11 14 +
        GenerateMac                         + 1 3 5 - 14 +
        GetKeyPolicy                        + + + + + + +
        GetKeyRotationStatus                + + + 6 - + +
        GetParametersForImport              + + 3 + - 14 15
        GetPublicKey                        + + 3 + - 14 +
        ImportKeyMaterial                   + + - + - 14 +
        ListAliases                         + + + + + + +
        ListGrants                          + + + + + + +
        ListKeyPolicies                     + + + + + + +
        ListKeyRotations                    + + + + - + +
        ListResourceTags                    + + + + + + +
        PutKeyPolicy                        + + + + + + +
        ReEncrypt                           + 1 3 5 11 14 +
        ReplicateKey                        + 1 3 5 - 14 15
        RetireGrant                         + + + + + + +
        RevokeGrant                         + + + + + + +
        RotateKeyOnDemand                   + 1 3 5 - 14 +
        ScheduleKeyDeletion                 + + 3 + + + 15
        Sign                                + 1 3 5 - 14 +
        TagResource                         + + 3 + + + +
        UntagResource                       + + 3 + + + +
        UpdateAlias                         + + - + + + +
        UpdateKeyDescription                + + 3 + + + +
        UpdatePrimaryRegion                 + 1 3 5 - 14 +
        Verify                              + 1 3 5 - 14 +
        VerifyMac                           + 1 3 5 - 14 +";

    fn footnote(text: &str) -> Option<StateVerdict> {
        match text {
            "+" => Some(StateVerdict::Permitted),
            "1" => Some(StateVerdict::Disabled),
            "3" => Some(StateVerdict::PendingDeletion),
            "4" => Some(StateVerdict::NotPendingDeletion),
            "5" => Some(StateVerdict::PendingImport),
            "6" => Some(StateVerdict::External),
            "11" => Some(StateVerdict::Unavailable),
            "14" => Some(StateVerdict::Creating),
            "15" => Some(StateVerdict::Updating),
            _ => None,
        }
    }

    /// Rule LIFE-05.
    #[test]
    fn every_operation_is_permitted_in_the_states_that_the_guide_names() {
        let mut compared = 0;
        for line in PAGE.lines().filter(|line| !line.trim().is_empty()) {
            let mut words = line.split_whitespace();
            let name = words.next().unwrap();
            let named = |operation: &&Operation| operation.name() == name;
            let operation = Operation::ALL.iter().find(named).unwrap();
            for (state, word) in STATES.into_iter().zip(words.by_ref()) {
                if let Some(expected) = footnote(word) {
                    assert_eq!(verdict(*operation, state), expected, "{name} {state:?}");
                    compared += 1;
                }
            }
            assert_eq!(words.next(), None, "{name}");
        }
        assert_eq!(compared, 281);
        let replicas = KeyState::PendingReplicaDeletion;
        assert_eq!(
            verdict(Operation::Sign, replicas),
            StateVerdict::PendingDeletion
        );
    }

    /// Rules LIFE-06, LIFE-11, LIFE-05 and ORD-02.
    #[test]
    fn the_manager_is_asked_before_the_state_and_the_state_before_the_kind() {
        let mut asked = KeyRecord {
            requested: Requested::Disabled,
            spec: KeySpec::Hmac256,
            aws_service: Some("ebs".to_owned()),
            ..record()
        };
        let mut refused = |change: fn(&mut KeyRecord)| {
            change(&mut asked);
            let outcome = check_permitted(Operation::RotateKeyOnDemand, &key(asked.clone()));
            outcome.map_err(|refusal| refusal.code)
        };
        assert_eq!(refused(|_| ()), Err(Code::AccessDenied));
        let of_customer = refused(|it| it.aws_service = None);
        assert_eq!(of_customer, Err(Code::Disabled));
        let enabled = refused(|it| it.requested = Requested::Enabled);
        assert_eq!(enabled, Err(Code::UnsupportedOperation));
        assert_eq!(refused(|it| it.spec = KeySpec::SymmetricDefault), Ok(()));
    }

    /// Rule KEY-23.
    #[test]
    fn in_the_place_of_a_key_that_is_pending_deletion_an_alias_gets_another() {
        let pending = key(KeyRecord {
            requested: Requested::PendingDeletion { at_ms: 9 },
            ..record()
        });
        for operation in [Operation::CreateAlias, Operation::UpdateAlias] {
            let refusal = check_permitted(operation, &pending).unwrap_err();
            assert_eq!(refusal.code, Code::KmsInvalidState);
            assert!(
                refusal.message.ends_with("Choose another key."),
                "{refusal}"
            );
        }
    }
}
