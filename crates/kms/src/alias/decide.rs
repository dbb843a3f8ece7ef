//! Decisions on aliases, over records.

use portcullis_api::{Code, Exception};

use super::record::{AliasRecord, RESERVED};
use crate::key::{KeySnapshot, spec};

/// Aliases of one key (KMS resource quotas).
const ALIASES_A_KEY_MAX: usize = 50;

/// Rule KEY-21: an alias begins with `alias/`, and those under `alias/aws/` are the service's.
pub(super) fn check_name(name: &str) -> Result<(), Exception> {
    let invalid = |text: String| Err(Exception::new(Code::InvalidAliasName, text));
    match name.strip_prefix("alias/") {
        None | Some("") => invalid(format!("{name:?} does not begin with alias/. Add it.")),
        Some(rest) if rest.starts_with("aws/") => {
            invalid("Names under alias/aws/ are reserved for AWS. Choose another.".to_owned())
        }
        Some(_) => Ok(()),
    }
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
            assert_eq!(check_name(name).is_ok(), permitted, "{name}");
        }
        assert!(check_not_reserved("alias/a").is_ok());
        let refusal = check_not_reserved("alias/aws/s3").unwrap_err();
        assert_eq!(refusal.code, Code::AccessDenied);
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
