//! Which members a body has, whatever their values: an empty value is no missing one.
//!
//! Values are not kept: they may be secret.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// The outline of a JSON value.
#[derive(Debug, Default)]
pub struct Given {
    form: Form,
}

#[derive(Debug, Default)]
enum Form {
    #[default]
    Null,
    Value,
    Members(BTreeMap<String, Given>),
    Entries(Vec<Given>),
}

impl Given {
    /// Whether there is a value other than null at `path`, as messages write it: `tags.1.member.tagKey`.
    pub(crate) fn has(&self, path: &str) -> bool {
        let mut here = self;
        let mut steps = path.split('.').filter(|step| !step.is_empty());
        while let Some(step) = steps.next() {
            let next = match &here.form {
                Form::Members(members) => members.get(&capitalised(step)),
                Form::Entries(entries) => {
                    let entry = step.parse().ok().and_then(|at: usize| at.checked_sub(1));
                    let _member = steps.next();
                    entry.and_then(|at| entries.get(at))
                }
                Form::Null | Form::Value => None,
            };
            match next {
                Some(next) => here = next,
                None => return false,
            }
        }
        !matches!(here.form, Form::Null)
    }
}

/// Messages write members in lower camel case, bodies have them as the model does.
fn capitalised(name: &str) -> String {
    let mut rest = name.chars();
    let first = rest.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(rest).collect()
}

impl<'de> Deserialize<'de> for Given {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let form = deserializer.deserialize_any(Outline)?;
        Ok(Self { form })
    }
}

struct Outline;

impl<'de> Visitor<'de> for Outline {
    type Value = Form;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Form, A::Error> {
        let mut found = BTreeMap::new();
        while let Some((name, value)) = members.next_entry()? {
            found.insert(name, value);
        }
        Ok(Form::Members(found))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Form, A::Error> {
        let mut found = Vec::new();
        while let Some(entry) = entries.next_element()? {
            found.push(entry);
        }
        Ok(Form::Entries(found))
    }

    fn visit_str<E: Error>(self, _text: &str) -> Result<Form, E> {
        Ok(Form::Value)
    }

    fn visit_bool<E: Error>(self, _truth: bool) -> Result<Form, E> {
        Ok(Form::Value)
    }

    fn visit_i64<E: Error>(self, _number: i64) -> Result<Form, E> {
        Ok(Form::Value)
    }

    fn visit_u64<E: Error>(self, _number: u64) -> Result<Form, E> {
        Ok(Form::Value)
    }

    fn visit_f64<E: Error>(self, _number: f64) -> Result<Form, E> {
        Ok(Form::Value)
    }

    fn visit_unit<E: Error>(self) -> Result<Form, E> {
        Ok(Form::Null)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_leads_through_members_and_entries() {
        let body = r#"{"KeyId":"","Tags":[{"TagKey":""},{"TagKey":null}],"Deep":{"One":[["x"]]}}"#;
        let given: Given = serde_json::from_str(body).unwrap();
        for (path, expected) in [
            ("keyId", true),
            ("plaintext", false),
            ("tags", true),
            ("tags.1.member.tagKey", true),
            ("tags.2.member.tagKey", false),
            ("tags.3.member.tagKey", false),
            ("tags.0.member.tagKey", false),
            ("deep.one.1.member", true),
            ("keyId.more", false),
        ] {
            assert_eq!(given.has(path), expected, "{path}");
        }
    }
}
