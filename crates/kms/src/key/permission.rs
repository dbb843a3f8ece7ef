//! Which operation each state of a key permits, by the operation's row (the Developer Guide's page on
//! key states), and the exception of each combination that is refused.
//!
//! Whether an operation fits the *kind* of key at all (a key store's key does not rotate) is asked
//! before this table is.

use portcullis_api::kms::KeyState;
use portcullis_api::{Exception, Operation};

use super::Snapshot;
use super::state;
use crate::operation::{STATES, Verdict, row};
use crate::translate;

/// What the table says; an operation that is on no key is permitted.
pub(crate) fn verdict(operation: Operation, state: KeyState) -> Verdict {
    let state = if state == KeyState::PendingReplicaDeletion {
        KeyState::PendingDeletion
    } else {
        state
    };
    let column = STATES.iter().position(|found| *found == state);
    row(operation)
        .states
        .zip(column)
        .and_then(|(states, column)| states.get(column).copied())
        .unwrap_or(Verdict::Permitted)
}

/// Whether the state of `key` permits `operation`.
///
/// # Errors
/// The exception that the table names.
pub(crate) fn check_permitted(operation: Operation, key: &Snapshot) -> Result<(), Exception> {
    Err(match verdict(operation, key.state()) {
        Verdict::Permitted => return Ok(()),
        Verdict::Disabled => state::disabled(key),
        Verdict::PendingDeletion => state::pending_deletion(key),
        Verdict::NotPendingDeletion => state::not_pending_deletion(key),
        Verdict::PendingImport => state::pending_import(key),
        Verdict::External => state::external(key),
        Verdict::Unavailable => translate::unavailable(&key.arn),
        Verdict::Creating => state::creating(key),
        Verdict::Updating => state::updating(key),
    })
}

#[cfg(test)]
mod tests {
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

    fn footnote(text: &str) -> Option<Verdict> {
        match text {
            "+" => Some(Verdict::Permitted),
            "1" => Some(Verdict::Disabled),
            "3" => Some(Verdict::PendingDeletion),
            "4" => Some(Verdict::NotPendingDeletion),
            "5" => Some(Verdict::PendingImport),
            "6" => Some(Verdict::External),
            "11" => Some(Verdict::Unavailable),
            "14" => Some(Verdict::Creating),
            "15" => Some(Verdict::Updating),
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
        assert_eq!(verdict(Operation::Sign, replicas), Verdict::PendingDeletion);
    }
}
