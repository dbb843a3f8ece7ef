//! What a grant may say: the decision of CreateGrant, without its driver.

use std::collections::BTreeMap;

use portcullis_api::kms::{CreateGrantRequest, GrantOperation, KeySpec, KeyUsageType};
use portcullis_api::{AccountId, Code, Exception};

use super::record::{Constraints, Party, Terms};

/// Pairs of an encryption context in a constraint, and characters of their values together (API,
/// GrantConstraints).
const PAIRS_MAX: usize = 8;
const VALUE_CHARACTERS_MAX: usize = 384;

/// The terms that CreateGrant asks for on a key of this spec and usage.
pub(crate) fn terms(
    input: &CreateGrantRequest,
    spec: KeySpec,
    usage: KeyUsageType,
) -> Result<Terms, Exception> {
    // Rule GRANT-01: there is exactly one grantee and at most one that may retire the grant.
    let grantee = party(
        input.grantee_principal.as_deref(),
        input.grantee_service_principal.as_deref(),
        "GranteePrincipal and GranteeServicePrincipal",
    )?;
    let grantee = grantee.ok_or_else(|| {
        invalid("Give exactly one of GranteePrincipal and GranteeServicePrincipal.")
    })?;
    let retiring = party(
        input.retiring_principal.as_deref(),
        input.retiring_service_principal.as_deref(),
        "RetiringPrincipal and RetiringServicePrincipal",
    )?;
    let operations = operations(&input.operations, spec, usage)?;
    let constraints = constraints(input, spec, &operations)?;
    // Rule GRANT-02: a grant to a service is for one resource, and names a party that may retire it.
    if grantee.service().is_some() && (constraints.source_arn.is_none() || retiring.is_none()) {
        return Err(invalid(
            "A GranteeServicePrincipal needs the constraint SourceArn and a RetiringPrincipal or \
             RetiringServicePrincipal. Add them.",
        ));
    }
    Ok(Terms {
        grantee,
        retiring,
        operations,
        constraints,
    })
}

fn invalid(text: impl Into<String>) -> Exception {
    Exception::new(Code::Validation, text)
}

fn party(
    principal: Option<&str>,
    service: Option<&str>,
    both: &str,
) -> Result<Option<Party>, Exception> {
    match (principal, service) {
        (Some(_), Some(_)) => Err(invalid(format!("Give only one of {both}."))),
        (Some(arn), None) => {
            check_principal(arn)?;
            Ok(Some(Party::Principal(arn.to_owned())))
        }
        (None, Some(service)) => Ok(Some(Party::Service(service.to_owned()))),
        (None, None) => Ok(None),
    }
}

/// Whether a text is the ARN of an account's root, a user, a role or a session. Whether there is
/// such a principal is not looked up.
pub(super) fn check_principal(arn: &str) -> Result<(), Exception> {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let valid = match parts.as_slice() {
        ["arn", _partition, "iam", "", account, resource] => {
            let kinds = ["user/", "role/", "federated-user/"];
            account.parse::<AccountId>().is_ok()
                && (*resource == "root" || kinds.iter().any(|kind| resource.starts_with(kind)))
        }
        ["arn", _partition, "sts", "", account, resource] => {
            let kinds = ["assumed-role/", "federated-user/"];
            account.parse::<AccountId>().is_ok()
                && kinds.iter().any(|kind| resource.starts_with(kind))
        }
        _ => false,
    };
    if valid {
        return Ok(());
    }
    Err(Exception::worded(
        Code::InvalidArn,
        format!("ARN does not refer to a valid principal: {arn}"),
        "Give the ARN of a user, a role, a session or an account's root, such as \
         arn:aws:iam::111122223333:user/alice.",
    ))
}

/// Rule GRANT-03: a grant's operations are such as a key of this type has.
fn operations(
    names: &[String],
    spec: KeySpec,
    usage: KeyUsageType,
) -> Result<Vec<GrantOperation>, Exception> {
    let mut operations = Vec::with_capacity(names.len());
    for name in names {
        let operation = name.parse().ok().filter(|operation| {
            ALWAYS.contains(operation) || of_key(spec, usage).contains(operation)
        });
        operations.push(operation.ok_or_else(|| {
            invalid(format!(
                "The operation {name} does not fit the key, whose spec is {} and whose usage is \
                 {}. Leave it out of Operations.",
                spec.as_str(),
                usage.as_str()
            ))
        })?);
    }
    operations.sort_unstable();
    operations.dedup();
    if operations.is_empty() {
        return Err(invalid("Operations is empty. Name at least one."));
    }
    Ok(operations)
}

/// What may be granted on every key.
const ALWAYS: &[GrantOperation] = &[
    GrantOperation::CreateGrant,
    GrantOperation::RetireGrant,
    GrantOperation::DescribeKey,
];

/// Whether a constraint looks at the operation's encryption context.
pub(crate) fn has_context(operation: GrantOperation) -> bool {
    SYMMETRIC.contains(&operation)
}

/// Operations of symmetric encryption: those that have an encryption context.
const SYMMETRIC: &[GrantOperation] = &[
    GrantOperation::Decrypt,
    GrantOperation::Encrypt,
    GrantOperation::GenerateDataKey,
    GrantOperation::GenerateDataKeyWithoutPlaintext,
    GrantOperation::GenerateDataKeyPair,
    GrantOperation::GenerateDataKeyPairWithoutPlaintext,
    GrantOperation::ReEncryptFrom,
    GrantOperation::ReEncryptTo,
];

/// What may be granted on a key by its spec and usage (Guide, grants).
const fn of_key(spec: KeySpec, usage: KeyUsageType) -> &'static [GrantOperation] {
    match usage {
        KeyUsageType::EncryptDecrypt if matches!(spec, KeySpec::SymmetricDefault) => SYMMETRIC,
        KeyUsageType::EncryptDecrypt => &[
            GrantOperation::Decrypt,
            GrantOperation::Encrypt,
            GrantOperation::ReEncryptFrom,
            GrantOperation::ReEncryptTo,
            GrantOperation::GetPublicKey,
        ],
        KeyUsageType::SignVerify => &[
            GrantOperation::Sign,
            GrantOperation::Verify,
            GrantOperation::GetPublicKey,
        ],
        KeyUsageType::GenerateVerifyMac => {
            &[GrantOperation::GenerateMac, GrantOperation::VerifyMac]
        }
        KeyUsageType::KeyAgreement => &[
            GrantOperation::DeriveSharedSecret,
            GrantOperation::GetPublicKey,
        ],
        KeyUsageType::EncapsulateDecapsulate => &[
            GrantOperation::Encapsulate,
            GrantOperation::Decapsulate,
            GrantOperation::GetPublicKey,
        ],
    }
}

/// Rule GRANT-04: a constraint on the encryption context needs a symmetric encryption key and an
/// operation that has such a context.
fn constraints(
    input: &CreateGrantRequest,
    spec: KeySpec,
    operations: &[GrantOperation],
) -> Result<Constraints, Exception> {
    let Some(given) = &input.constraints else {
        return Ok(Constraints::default());
    };
    let constraints = Constraints {
        equals: given.encryption_context_equals.clone(),
        subset: given.encryption_context_subset.clone(),
        source_arn: given.source_arn.clone(),
    };
    for context in [&constraints.equals, &constraints.subset]
        .into_iter()
        .flatten()
    {
        check_context(context)?;
        if spec != KeySpec::SymmetricDefault {
            return Err(invalid(
                "Only symmetric encryption keys have an encryption context. Leave the constraint \
                 out.",
            ));
        }
        if !operations
            .iter()
            .any(|operation| SYMMETRIC.contains(operation))
        {
            return Err(invalid(
                "None of Operations has an encryption context. Leave the constraint out.",
            ));
        }
    }
    Ok(constraints)
}

fn check_context(context: &BTreeMap<String, String>) -> Result<(), Exception> {
    let longest = context.values().map(|value| value.chars().count()).max();
    if context.len() > PAIRS_MAX || longest.unwrap_or(0) > VALUE_CHARACTERS_MAX {
        return Err(invalid(format!(
            "The encryption context of a constraint has at most {PAIRS_MAX} pairs, with values of \
             at most {VALUE_CHARACTERS_MAX} characters."
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use portcullis_api::kms::GrantConstraints;

    use super::*;

    const ALICE: &str = "arn:aws:iam::111122223333:user/alice";

    fn request(operations: &[&str]) -> CreateGrantRequest {
        CreateGrantRequest {
            grantee_principal: Some(ALICE.to_owned()),
            operations: operations.iter().map(|it| (*it).to_owned()).collect(),
            ..CreateGrantRequest::default()
        }
    }

    #[track_caller]
    fn check(input: &CreateGrantRequest, key: (KeySpec, KeyUsageType), expected: Option<Code>) {
        let outcome = terms(input, key.0, key.1);
        assert_eq!(outcome.err().map(|it| it.code), expected, "{input:?}");
    }

    const SYMMETRIC_KEY: (KeySpec, KeyUsageType) =
        (KeySpec::SymmetricDefault, KeyUsageType::EncryptDecrypt);
    const RSA: (KeySpec, KeyUsageType) = (KeySpec::Rsa2048, KeyUsageType::EncryptDecrypt);
    const SIGNING: (KeySpec, KeyUsageType) = (KeySpec::EccNistP256, KeyUsageType::SignVerify);
    const MAC: (KeySpec, KeyUsageType) = (KeySpec::Hmac256, KeyUsageType::GenerateVerifyMac);

    /// Rule GRANT-03
    #[test]
    fn a_grants_operations_fit_the_key() {
        let refused = Some(Code::Validation);
        for (operations, key, expected) in [
            (
                &["Encrypt", "Decrypt", "CreateGrant"][..],
                SYMMETRIC_KEY,
                None,
            ),
            (&["GenerateDataKeyPair"], SYMMETRIC_KEY, None),
            (&["GetPublicKey"], SYMMETRIC_KEY, refused),
            (&["Encrypt", "GetPublicKey"], RSA, None),
            (&["GenerateDataKey"], RSA, refused),
            (&["Sign", "Verify", "DescribeKey"], SIGNING, None),
            (&["Encrypt"], SIGNING, refused),
            (&["GenerateMac", "VerifyMac", "RetireGrant"], MAC, None),
            (&["Sign"], MAC, refused),
            (&["Nothing"], MAC, refused),
            (&[], SYMMETRIC_KEY, refused),
        ] {
            check(&request(operations), key, expected);
        }
    }

    /// Rule GRANT-01, GRANT-02
    #[test]
    fn a_grant_has_one_grantee_and_a_service_needs_more() {
        let nobody = CreateGrantRequest {
            grantee_principal: None,
            ..request(&["Encrypt"])
        };
        check(&nobody, SYMMETRIC_KEY, Some(Code::Validation));
        let both = CreateGrantRequest {
            grantee_service_principal: Some("rds.amazonaws.com".to_owned()),
            ..request(&["Encrypt"])
        };
        check(&both, SYMMETRIC_KEY, Some(Code::Validation));
        let mut service = CreateGrantRequest {
            grantee_service_principal: Some("rds.amazonaws.com".to_owned()),
            ..nobody
        };
        check(&service, SYMMETRIC_KEY, Some(Code::Validation));
        service.retiring_principal = Some(ALICE.to_owned());
        check(&service, SYMMETRIC_KEY, Some(Code::Validation));
        service.constraints = Some(GrantConstraints {
            source_arn: Some("arn:aws:rds:us-east-1:111122223333:db:x".to_owned()),
            ..GrantConstraints::default()
        });
        check(&service, SYMMETRIC_KEY, None);
        service.retiring_service_principal = Some("rds.amazonaws.com".to_owned());
        check(&service, SYMMETRIC_KEY, Some(Code::Validation));
        for (arn, expected) in [
            ("arn:aws:iam::111122223333:root", None),
            ("arn:aws:sts::111122223333:assumed-role/Role/session", None),
            ("arn:aws:iam::1111:user/alice", Some(Code::InvalidArn)),
            (
                "arn:aws:iam::111122223333:group/staff",
                Some(Code::InvalidArn),
            ),
            ("alice", Some(Code::InvalidArn)),
        ] {
            let input = CreateGrantRequest {
                grantee_principal: Some(arn.to_owned()),
                ..request(&["Encrypt"])
            };
            check(&input, SYMMETRIC_KEY, expected);
        }
    }

    /// Rule GRANT-04
    #[test]
    fn a_constraint_on_the_encryption_context_needs_one() {
        let refused = Some(Code::Validation);
        let constrained = |operations: &[&str], pairs: usize, value: &str| {
            let context = (0..pairs).map(|at| (at.to_string(), value.to_owned()));
            CreateGrantRequest {
                constraints: Some(GrantConstraints {
                    encryption_context_subset: Some(context.collect()),
                    ..GrantConstraints::default()
                }),
                ..request(operations)
            }
        };
        check(&constrained(&["Encrypt"], 8, "v"), SYMMETRIC_KEY, None);
        check(&constrained(&["Encrypt"], 9, "v"), SYMMETRIC_KEY, refused);
        let long = "v".repeat(385);
        check(&constrained(&["Encrypt"], 1, &long), SYMMETRIC_KEY, refused);
        check(
            &constrained(&["DescribeKey"], 1, "v"),
            SYMMETRIC_KEY,
            refused,
        );
        check(&constrained(&["Encrypt"], 1, "v"), RSA, refused);
    }
}
