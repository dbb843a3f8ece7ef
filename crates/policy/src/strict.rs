//! What a policy that is yet to take effect must not have.

use std::collections::BTreeSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::document::{Clause, Document};
use crate::malformed::{INVALID_PRINCIPALS, Malformed, malformed, malformed_as_told};
use crate::principal::StatementPrincipals;

/// Rule AUTH-42: a policy has no member twice, no condition without a value, and in a resource's
/// policy no statement without Action or Resource.
pub(crate) fn check(text: &str, document: &Document) -> Result<(), Malformed> {
    serde_json::from_str::<Unique>(text)
        .map_err(|error| malformed(format!("The policy is ambiguous: {error}.")))?;
    for statement in &document.statements {
        if let Some(condition) = statement.conditions.iter().find(|it| it.values.is_empty()) {
            let key = &condition.key;
            return Err(malformed(format!("The condition on {key} has no value.")));
        }
        if let Some(principals) = &statement.principals {
            check_principals(principals)?;
        }
        if statement.actions.is_none() {
            return Err(malformed("Policy contains a statement with no action."));
        }
        if statement.resources.is_none() {
            return Err(malformed("Policy contains a statement with no resource."));
        }
    }
    Ok(())
}

/// Rule AUTH-46: a principal is of a kind that can call: an account, a user, a role, a session, a
/// federated user, a service.
fn check_principals(principals: &Clause<StatementPrincipals>) -> Result<(), Malformed> {
    let (Clause::These(principals) | Clause::AllBut(principals)) = principals;
    let StatementPrincipals::Listed(kinds) = principals else {
        return Ok(());
    };
    for (kind, values) in kinds {
        let wrong = values.iter().find(|value| match kind.as_str() {
            "AWS" => !is_aws_principal(value),
            "Service" => !is_service(value),
            _ => false,
        });
        if let Some(value) = wrong {
            return Err(malformed_as_told(
                INVALID_PRINCIPALS,
                format!(
                    "{value:?} is none of the kind {kind}. Name accounts, users, roles, sessions or \
                     services; groups and policies have no identity."
                ),
            ));
        }
    }
    Ok(())
}

/// What an ARN of a principal has between its account and its name, by the service that it is of.
const KINDS_OF_ARN: [(&str, &[&str]); 2] = [
    ("iam", &["user/", "role/"]),
    ("sts", &["assumed-role/", "federated-user/"]),
];

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_aws_principal(value: &str) -> bool {
    if value == "*" || is_account(value) {
        return true;
    }
    let parts: Vec<&str> = value.splitn(6, ':').collect();
    let [arn, partition, service, region, account, resource] = parts.as_slice() else {
        return false;
    };
    let kinds = KINDS_OF_ARN.iter().find(|(name, _)| name == service);
    let names_one = kinds.is_some_and(|(_, kinds)| {
        kinds.iter().any(|kind| {
            let name = resource.strip_prefix(kind);
            name.is_some_and(|name| !name.is_empty() && !name.ends_with('/'))
        })
    });
    let is_root = *service == "iam" && *resource == "root";
    *arn == "arn"
        && (*partition == "aws" || partition.starts_with("aws-"))
        && region.is_empty()
        && is_account(account)
        && (is_root || names_one)
}

fn is_service(value: &str) -> bool {
    let name = value
        .strip_suffix(".amazonaws.com")
        .or_else(|| value.strip_suffix(".amazonaws.com.cn"));
    name.is_some_and(|name| {
        let permitted = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        !name.is_empty() && name.bytes().all(permitted)
    })
}

/// JSON in which no object has a member twice.
struct Unique;

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for Unique {
    type Value = Self;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self, A::Error> {
        let mut names = BTreeSet::new();
        while let Some(name) = members.next_key::<String>()? {
            let _value: Self = members.next_value()?;
            if names.contains(&name) {
                return Err(A::Error::custom(format_args!("{name:?} is given twice")));
            }
            names.insert(name);
        }
        Ok(Self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self, A::Error> {
        while elements.next_element::<Self>()?.is_some() {}
        Ok(Self)
    }

    fn visit_str<E: Error>(self, _text: &str) -> Result<Self, E> {
        Ok(Self)
    }

    fn visit_bool<E: Error>(self, _truth: bool) -> Result<Self, E> {
        Ok(Self)
    }

    fn visit_i64<E: Error>(self, _number: i64) -> Result<Self, E> {
        Ok(Self)
    }

    fn visit_u64<E: Error>(self, _number: u64) -> Result<Self, E> {
        Ok(Self)
    }

    fn visit_f64<E: Error>(self, _number: f64) -> Result<Self, E> {
        Ok(Self)
    }

    fn visit_unit<E: Error>(self) -> Result<Self, E> {
        Ok(Self)
    }
}
