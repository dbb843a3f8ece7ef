//! What a policy that is yet to take effect must not have.

use std::collections::BTreeSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::document::Document;
use crate::malformed::{Malformed, malformed};

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
        if statement.actions.is_none() {
            return Err(malformed("Policy contains a statement with no action."));
        }
        if statement.resources.is_none() {
            return Err(malformed("Policy contains a statement with no resource."));
        }
    }
    Ok(())
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
