//! The types in TypeScript.

use std::fmt::Write;

use serde_json::Value;

use super::shapes::{alternatives, described, is_required, members, named, types};

pub(super) fn written() -> String {
    let mut text =
        "// @generated from crates/admin by its tests; see crates/admin/src/tests.\n".to_owned();
    for (name, schema) in types() {
        declare(&mut text, &name, &schema);
    }
    text
}

fn declare(text: &mut String, name: &str, schema: &Value) {
    let about = described(schema);
    if !about.is_empty() {
        write!(text, "\n/** {about} */").unwrap();
    }
    if members(schema).next().is_some() {
        writeln!(text, "\nexport interface {name} {}", object(schema)).unwrap();
    } else {
        writeln!(text, "\nexport type {name} = {};", one_of(schema)).unwrap();
    }
}

/// A type that is written where it is used.
fn one_of(schema: &Value) -> String {
    if let Some(name) = named(schema) {
        // A variant with a tag: the members of a type and one more.
        return match members(schema).next() {
            Some((tag, value)) => format!("{name} & {{ {tag}: {} }}", one_of(value)),
            None => name.to_owned(),
        };
    }
    if let Some(value) = schema.get("const") {
        return value.to_string();
    }
    if let Some(values) = schema.get("enum").and_then(Value::as_array) {
        let values: Vec<String> = values.iter().map(Value::to_string).collect();
        return values.join(" | ");
    }
    if let Some(alternatives) = alternatives(schema) {
        let written: Vec<String> = alternatives.iter().map(one_of).collect();
        return written.join(" | ");
    }
    match schema.get("type") {
        Some(Value::String(one)) => of_kind(one, schema),
        Some(Value::Array(several)) => {
            let kinds = several.iter().filter_map(Value::as_str);
            let written: Vec<String> = kinds.map(|kind| of_kind(kind, schema)).collect();
            written.join(" | ")
        }
        _ => "unknown".to_owned(),
    }
}

fn of_kind(kind: &str, schema: &Value) -> String {
    match kind {
        "integer" | "number" => "number".to_owned(),
        "array" => {
            let item = schema
                .get("items")
                .map_or_else(|| "unknown".to_owned(), one_of);
            if item.contains(' ') {
                format!("({item})[]")
            } else {
                format!("{item}[]")
            }
        }
        "object" => match schema.get("additionalProperties") {
            Some(value) if !value.is_boolean() => format!("Record<string, {}>", one_of(value)),
            Some(Value::Bool(true)) => "Record<string, unknown>".to_owned(),
            _ if members(schema).next().is_none() => "Record<string, never>".to_owned(),
            _ => object(schema).replace("\n  ", " ").replace("\n}", " }"),
        },
        other => other.to_owned(),
    }
}

fn object(schema: &Value) -> String {
    let mut text = "{".to_owned();
    for (name, member) in members(schema) {
        let about = described(member);
        if !about.is_empty() {
            write!(text, "\n  /** {about} */").unwrap();
        }
        let plain = name
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
        let shown = if plain {
            name.clone()
        } else {
            format!("\"{name}\"")
        };
        let kind = one_of(member);
        if is_required(schema, name) {
            write!(text, "\n  {shown}: {kind};").unwrap();
        } else {
            // A member that may be left out is left out; null is never sent.
            let kind = kind.strip_suffix(" | null").unwrap_or(&kind);
            write!(text, "\n  {shown}?: {kind};").unwrap();
        }
    }
    text.push_str("\n}");
    text
}
