//! What a grant permits.

use std::collections::BTreeMap;

use portcullis_api::kms::GrantOperation;
use portcullis_policy::Context;

use super::Principal;
use super::decide::Granted;
use crate::grant::{Constraints, GrantRecord, has_context};

type EncryptionContext = BTreeMap<String, String>;

/// What a request would do with a grant's permission.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Use<'a> {
    pub(crate) operation: GrantOperation,
    pub(crate) encryption_context: Option<&'a EncryptionContext>,
    /// The grant that CreateGrant asks for.
    pub(crate) child: Option<Child<'a>>,
}

/// A grant made by permission of another one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Child<'a> {
    pub(crate) operations: &'a [String],
    pub(crate) equals: Option<&'a EncryptionContext>,
    pub(crate) subset: Option<&'a EncryptionContext>,
}

/// How a party that a grant names covers `principal`: as a grantee, or as one who may retire it.
pub(crate) fn reaches(party: &str, principal: &Principal) -> Granted {
    if principal.grantee_names().any(|name| name == party) {
        return Granted::ToItself;
    }
    if !principal.is_service() && principal.root_arn() == party {
        Granted::ToAccount
    } else {
        Granted::No
    }
}

/// Rule AUTH-24: a grant permits its operations to its grantee under its constraints; one made by
/// permission of a grant says no more than that grant.
pub(crate) fn permits(grant: &GrantRecord, principal: &Principal, wanted: Use<'_>) -> Granted {
    let terms = &grant.terms;
    let fits = terms.operations.contains(&wanted.operation)
        && met(&terms.constraints, wanted)
        && terms
            .constraints
            .source_arn
            .as_deref()
            .is_none_or(|arn| principal.source_arn() == Some(arn))
        && wanted.child.is_none_or(|child| within(grant, child));
    if fits {
        reaches(terms.grantee.as_str(), principal)
    } else {
        Granted::No
    }
}

/// Whether the encryption context is such as the constraints want; operations without one, such as
/// DescribeKey, they do not concern.
fn met(constraints: &Constraints, wanted: Use<'_>) -> bool {
    if !has_context(wanted.operation) {
        return true;
    }
    let none = EncryptionContext::new();
    let given = wanted.encryption_context.unwrap_or(&none);
    constraints
        .equals
        .as_ref()
        .is_none_or(|equals| equals == given)
        && constraints
            .subset
            .as_ref()
            .is_none_or(|subset| is_part(subset, given))
}

fn is_part(part: &EncryptionContext, whole: &EncryptionContext) -> bool {
    part.iter()
        .all(|(name, value)| whole.get(name) == Some(value))
}

fn within(parent: &GrantRecord, child: Child<'_>) -> bool {
    let terms = &parent.terms;
    let known = |name: &String| {
        terms
            .operations
            .iter()
            .any(|operation| operation.as_str() == name)
    };
    let equals = terms.constraints.equals.as_ref();
    let subset = terms.constraints.subset.as_ref();
    child.operations.iter().all(known)
        && equals.is_none_or(|equals| child.equals == Some(equals))
        && subset.is_none_or(|subset| {
            let narrower = [child.equals, child.subset].into_iter().flatten();
            narrower.into_iter().any(|context| is_part(subset, context))
        })
}

/// The condition keys of encryption contexts, of which a request has one at the most and a grant two.
pub(super) fn describe<'a>(
    encryption_contexts: impl Iterator<Item = &'a EncryptionContext> + Clone,
    context: &mut Context,
) {
    let pairs = encryption_contexts.flatten();
    for (name, value) in pairs.clone() {
        context.add_reading(&format!("kms:EncryptionContext:{name}"), value);
    }
    let names = pairs.map(|(name, _value)| name.clone());
    context.set_all("kms:EncryptionContextKeys", names.collect());
}
