//! Decisions on aliases, over records.

use portcullis_api::{Code, Exception};

use super::record::{AliasRecord, RESERVED};
use crate::key::{KeySnapshot, spec};

/// Aliases of one key (KMS resource quotas).
const ALIASES_A_KEY_MAX: usize = 50;

/// Rule KEY-21: an alias begins with `alias/`, and those under `alias/aws/` are the service's.
pub(super) fn check_new_name(name: &str) -> Result<(), Exception> {
    check_name(name)?;
    let invalid = |text: &str| Err(Exception::new(Code::InvalidAliasName, text));
    match name.strip_prefix(PREFIX) {
        Some("") => invalid("The name of the alias is empty after alias/. Add one."),
        Some(rest) if rest.starts_with("aws/") => {
            invalid("Names under alias/aws/ are reserved for AWS. Choose another.")
        }
        _ => Ok(()),
    }
}

/// What every name of an alias begins with.
const PREFIX: &str = "alias/";

/// Rule KEY-32: what is no name of an alias is told by every operation that takes one. The pattern of
/// the service model has a colon, which only ARNs have.
pub(super) fn check_name(name: &str) -> Result<(), Exception> {
    if !name.starts_with(PREFIX) {
        let sentence = "Alias must start with the prefix \"alias/\". Please see \
                        https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html";
        let hint = format!("{name:?} does not.");
        return Err(Exception::worded(Code::Validation, sentence, &hint));
    }
    if name.contains(':') {
        let sentence = format!("{name} contains invalid characters for an alias");
        let hint = "A colon has only its ARN. Use letters, digits, and / _ -.";
        return Err(Exception::worded(Code::Validation, sentence, hint));
    }
    Ok(())
}

/// Rule KEY-33: an alias has a key, and no other alias.
pub(super) fn check_target(target: &str) -> Result<(), Exception> {
    let resource = target.rsplit(':').next().unwrap_or_default();
    if !resource.starts_with(PREFIX) {
        return Ok(());
    }
    let sentence = "Aliases must refer to keys. Not aliases";
    let hint = "Give the ID or the ARN of the key as TargetKeyId.";
    Err(Exception::worded(Code::Validation, sentence, hint))
}

/// Rule LIFE-42: the aliases of AWS services are not changed by an account.
pub(super) fn check_not_reserved(name: &str) -> Result<(), Exception> {
    if !name.starts_with(RESERVED) {
        return Ok(());
    }
    let text = format!("{name} is the alias of an AWS service, which only AWS changes.");
    Err(Exception::new(Code::AccessDenied, text))
}

/// Rule LIFE-43: an alias moves between keys of one type (symmetric encryption, HMAC, asymmetric) and
/// usage, so that a moved alias does not break those who use it.
fn check_alike(present: Option<&KeySnapshot>, target: &KeySnapshot) -> Result<(), Exception> {
    let kind = |key: &KeySnapshot| {
        let is_asymmetric = spec::is_asymmetric(key.record.spec);
        (is_asymmetric, key.record.usage.as_str())
    };
    if present.is_none_or(|present| kind(present) == kind(target)) {
        return Ok(());
    }
    let text = format!(
        "{} is of another type or usage than the key that the alias has. Delete the alias and create \
         it for that key.",
        target.arn
    );
    Err(Exception::new(Code::Validation, text))
}

fn check_number(others: usize) -> Result<(), Exception> {
    if others < ALIASES_A_KEY_MAX {
        return Ok(());
    }
    let text = format!("The key has {ALIASES_A_KEY_MAX} aliases already. Delete one.");
    Err(Exception::new(Code::LimitExceeded, text))
}

/// The record that CreateAlias leaves, of a key with so many other aliases.
pub(super) fn created(
    name: String,
    target: &KeySnapshot,
    others: usize,
    now_ms: u64,
) -> Result<AliasRecord, Exception> {
    check_number(others)?;
    Ok(AliasRecord::new(name, target.record.id, now_ms))
}

/// The record that UpdateAlias leaves: of the keys, the first is the one that the alias has at present,
/// and the second, which has so many other aliases, the one that it shall have.
pub(super) fn moved(
    record: &AliasRecord,
    (present, target): (Option<&KeySnapshot>, &KeySnapshot),
    others: usize,
    now_ms: u64,
) -> Result<AliasRecord, Exception> {
    check_alike(present, target)?;
    check_number(others)?;
    Ok(AliasRecord {
        target: target.record.id,
        updated_ms: now_ms,
        ..record.clone()
    })
}

#[cfg(test)]
mod tests {
    use portcullis_api::KeyId;
    use portcullis_api::kms::{KeySpec, KeyUsageType};

    use super::*;
    use crate::key::KeyRecord;
    use crate::key::fixtures::{key, record};

    fn other(spec: KeySpec, usage: KeyUsageType) -> KeySnapshot {
        key(KeyRecord {
            id: KeyId::from_bytes([2; 16]),
            spec,
            usage,
            ..record()
        })
    }

    /// Rules KEY-21 and LIFE-42.
    #[test]
    fn names_of_aws_are_reserved_and_every_name_has_its_prefix() {
        for (name, permitted) in [
            ("alias/a", true),
            ("alias/", false),
            ("a", false),
            ("alias/aws/s3", false),
        ] {
            assert_eq!(check_new_name(name).is_ok(), permitted, "{name}");
        }
        assert!(check_not_reserved("alias/a").is_ok());
        let refusal = check_not_reserved("alias/aws/s3").unwrap_err();
        assert_eq!(refusal.code, Code::AccessDenied);
    }

    /// Rules KEY-21, KEY-32 and KEY-33.
    #[test]
    fn each_fault_of_a_name_has_its_exception_and_its_words() {
        const START: &str = "Alias must start with the prefix \"alias/\". Please see ";
        for (name, code, start) in [
            ("foo", Code::Validation, START),
            ("ALIAS/foo", Code::Validation, START),
            ("alias", Code::Validation, START),
            (
                "arn:aws:kms:us-east-1:111122223333:alias/a",
                Code::Validation,
                START,
            ),
            (
                "alias/my:alias",
                Code::Validation,
                "alias/my:alias contains invalid characters for an alias",
            ),
            (
                "alias/Service:Test",
                Code::Validation,
                "alias/Service:Test contains invalid characters for an alias",
            ),
            (
                "alias/:",
                Code::Validation,
                "alias/: contains invalid characters for an alias",
            ),
            (
                "alias/aws/s3",
                Code::InvalidAliasName,
                "Names under alias/aws/",
            ),
            (
                "alias/",
                Code::InvalidAliasName,
                "The name of the alias is empty",
            ),
        ] {
            let refusal = check_new_name(name).unwrap_err();
            assert_eq!(refusal.code, code, "{name}");
            assert!(refusal.message.starts_with(start), "{refusal}");
        }
        for target in ["alias/a", "arn:aws:kms:us-east-1:111122223333:alias/a"] {
            let refusal = check_target(target).unwrap_err();
            assert_eq!(refusal.code, Code::Validation, "{target}");
        }
        for target in ["1234abcd", "arn:aws:kms:us-east-1:111122223333:key/1"] {
            assert_eq!(check_target(target), Ok(()), "{target}");
        }
    }

    /// Rule LIFE-43.
    #[test]
    fn an_alias_moves_to_a_key_of_its_type_and_usage() {
        let symmetric = key(record());
        let alias = created("alias/a".to_owned(), &symmetric, 0, 1).unwrap();
        let same = other(KeySpec::SymmetricDefault, KeyUsageType::EncryptDecrypt);
        let after = moved(&alias, (Some(&symmetric), &same), 0, 5).unwrap();
        assert_eq!((after.target, after.updated_ms), (same.record.id, 5));
        assert_eq!((&after.name, after.created_ms), (&alias.name, 1));
        for (spec, usage) in [
            (KeySpec::Rsa2048, KeyUsageType::EncryptDecrypt),
            (KeySpec::Hmac256, KeyUsageType::GenerateVerifyMac),
        ] {
            let unlike = other(spec, usage);
            let refusal = moved(&alias, (Some(&symmetric), &unlike), 0, 5).unwrap_err();
            assert_eq!(refusal.code, Code::Validation);
            // The key that the alias had may be gone.
            assert!(moved(&alias, (None, &unlike), 0, 5).is_ok());
        }
    }

    #[test]
    fn a_key_has_at_most_fifty_aliases() {
        let target = key(record());
        for (others, permitted) in [(49, true), (50, false)] {
            let outcome = created("alias/a".to_owned(), &target, others, 1);
            assert_eq!(outcome.is_ok(), permitted);
            let code = outcome.err().map(|refusal| refusal.code);
            assert_eq!(code, (!permitted).then_some(Code::LimitExceeded));
        }
    }
}
