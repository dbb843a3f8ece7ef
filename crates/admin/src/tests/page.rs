//! The page `docs/admin-api.md`, and the table of faults in `docs/chaos.md`.

use std::collections::BTreeSet;
use std::fmt::Write;

use serde_json::{Map, Value};

use super::shapes::{Shapes, alternatives, described, is_required, members, named, types};
use crate::{FaultField, FaultKind, Form, Method, ROUTES, Route};

const HEAD: &str = "\
# The calls of the admin API

Every call with what it takes and what it gives. [The admin API](admin.md) says where it is, who reaches it
and what the kinds of calls are; [events](events.md) says what is kept of them. This page is written from
`crates/admin`, as are the types of the console.

Bodies are JSON and need `Content-Type: application/json`. Where the admin API asks for a token, add
`-H \"Authorization: Bearer $(cat token)\"` to the examples. `{cluster}`, `{id}` and `{number}` stand for what
the lists show.

Unless a call says otherwise it answers `{\"error_code\": 0, \"data\": …}`, and below is what `data` is.

## When it is refused

| status | body | when |
| --- | --- | --- |
| 400 | `{\"error_code\": 1, \"data\": \"why\"}` | the body is not what the call takes, or what is asked for cannot be done; each call says when |
| 401, 403, 421, 429 | `{\"message\": \"why\"}` | [the guard](admin.md) lets nobody in like that: without the token, from a page of another origin, under a name that is not its own, or after too many wrong tokens |
| 404 | `{\"message\": \"why\"}` | there is no such call |
| 413, 503 | `{\"message\": \"why\"}` | the body is too long, or there is no room for it at present |

";

pub(super) fn written() -> String {
    let types = types();
    let mut text = HEAD.to_owned();
    let mut inner = BTreeSet::new();
    text.push_str("## The calls\n");
    for (route, shapes) in ROUTES.iter().zip(crate::calls::shapes()) {
        describe_call(&mut text, route, &shapes, &types, &mut inner);
    }
    text.push_str("\n## The types\n");
    // A type may name others that no call names.
    let mut shown = BTreeSet::new();
    while let Some(name) = inner.difference(&shown).next().cloned() {
        for other in names_in(&types[&name]) {
            inner.insert(other);
        }
        shown.insert(name);
    }
    for name in shown {
        describe_type(&mut text, &name, &types[&name]);
    }
    text
}

fn describe_call(
    text: &mut String,
    route: &Route,
    shapes: &Shapes,
    types: &Map<String, Value>,
    inner: &mut BTreeSet<String>,
) {
    let (name, method, path) = (route.name, route.method.name(), route.path);
    let kind = route.kind.name();
    writeln!(
        text,
        "\n### {method} {path}\n\n`{name}` ({kind}). {}",
        route.help.trim()
    )
    .unwrap();
    for (shape, title) in [(&shapes.query, "query"), (&shapes.request, "request")] {
        let Some(object) = shape.as_ref().map(|shape| resolve(shape, types)) else {
            continue;
        };
        if members(object).next().is_none() {
            writeln!(text, "\nThe body is an empty object, `{{}}`.").unwrap();
            continue;
        }
        table(text, title, object);
        inner.extend(names_in(object));
    }
    match (&shapes.reply, route.form) {
        (Some(shape), form) => {
            let object = resolve(shape, types);
            if form == Form::Bare {
                writeln!(text, "\nThe reply is the following without an envelope.").unwrap();
            }
            if members(object).next().is_some() {
                table(text, "reply", object);
                inner.extend(names_in(object));
            } else {
                writeln!(text, "\nThe reply is a text that says what was done.").unwrap();
            }
        }
        (None, Form::Media(media)) => writeln!(text, "\nThe reply is `{media}`.").unwrap(),
        (None, Form::Bare | Form::Enveloped) => {}
    }
    if let Some(refused) = route.refused {
        writeln!(text, "\nIt is refused {refused}.").unwrap();
    }
    writeln!(text, "\n```\n{}\n```", example(route)).unwrap();
}

fn example(route: &Route) -> String {
    let path: Vec<&str> = route
        .path
        .split('/')
        .map(|part| match part {
            "{cluster}" => "cluster-abcdefghijk",
            "{number}" => "1",
            "{id}" if route.path.contains("/hsm/") => "hsm-abcdefghijk",
            "{id}" if route.path.contains("/chaos/") => "fault-1",
            "{id}" if route.path.contains("/load/") => "run-1",
            "{id}" if route.path.contains("/subnets/") => "subnet-0123abcd",
            "{id}" => "sg-0123456789abcdef0",
            other => other,
        })
        .collect();
    let method = match route.method {
        Method::GET => "",
        Method::POST if route.example.is_some() => "",
        Method::POST => "-X POST ",
        Method::DELETE => "-X DELETE ",
    };
    let url = format!("curl {method}http://127.0.0.1:4566{}", path.join("/"));
    match route.example {
        Some(body) => format!("{url} \\\n  -H 'Content-Type: application/json' -d '{body}'"),
        None => url,
    }
}

/// The type itself where a schema only names it.
fn resolve<'a>(schema: &'a Value, types: &'a Map<String, Value>) -> &'a Value {
    named(schema).map_or(schema, |name| &types[name])
}

fn describe_type(text: &mut String, name: &str, schema: &Value) {
    writeln!(text, "\n### {name}\n\n{}", described(schema)).unwrap();
    if members(schema).next().is_some() {
        table(text, "member", schema);
        return;
    }
    let Some(alternatives) = alternatives(schema) else {
        return;
    };
    if alternatives.iter().any(|one| members(one).next().is_some()) {
        for one in alternatives {
            let (tag, value) = members(one).next().unwrap();
            writeln!(text, "\n- with `{tag}` {}: {}", kind(value), kind(one)).unwrap();
        }
        return;
    }
    writeln!(text, "\n| value | meaning |\n| --- | --- |").unwrap();
    for one in alternatives {
        writeln!(text, "| {} | {} |", kind(one), described(one)).unwrap();
    }
}

fn table(text: &mut String, title: &str, object: &Value) {
    writeln!(text, "\n| {title} | type | meaning |\n| --- | --- | --- |").unwrap();
    for (name, member) in members(object) {
        let kind = kind(member);
        let kind = if is_required(object, name) {
            kind
        } else {
            // A member that may be left out is left out; null is never sent.
            let kind = kind.strip_suffix(" or null").unwrap_or(&kind);
            format!("{kind}, may be absent")
        };
        writeln!(text, "| `{name}` | {kind} | {} |", described(member)).unwrap();
    }
}

/// A type in words, with links to the types of the page.
fn kind(schema: &Value) -> String {
    if let Some(name) = named(schema) {
        return format!("[{name}](#{})", name.to_lowercase());
    }
    if let Some(value) = schema.get("const") {
        return format!("`{}`", value.to_string().trim_matches('"'));
    }
    if let Some(alternatives) = alternatives(schema) {
        let kinds: Vec<String> = alternatives.iter().map(kind).collect();
        return kinds.join(" or ");
    }
    match schema.get("type") {
        Some(Value::String(one)) => of_kind(one, schema),
        Some(Value::Array(several)) => {
            let kinds = several.iter().filter_map(Value::as_str);
            let kinds: Vec<String> = kinds.map(|kind| of_kind(kind, schema)).collect();
            kinds.join(" or ")
        }
        _ => "any JSON".to_owned(),
    }
}

fn of_kind(name: &str, schema: &Value) -> String {
    let of = |member| {
        schema
            .get(member)
            .filter(|value: &&Value| value.is_object())
    };
    match name {
        "array" => format!(
            "list of {}",
            of("items").map_or_else(|| "any JSON".to_owned(), kind)
        ),
        "object" => of("additionalProperties").map_or_else(
            || "object".to_owned(),
            |value| format!("object, each member {}", kind(value)),
        ),
        "null" | "string" | "integer" | "number" | "boolean" => name.to_owned(),
        other => panic!("there is no word for {other}"),
    }
}

/// The types that a schema names.
fn names_in(schema: &Value) -> Vec<String> {
    let own = named(schema).map(str::to_owned);
    let inner: Vec<String> = match schema {
        Value::Object(members) => members.values().flat_map(names_in).collect(),
        Value::Array(items) => items.iter().flat_map(names_in).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    };
    own.into_iter().chain(inner).collect()
}

/// Every kind of fault with an example of what it must be told.
pub(super) fn faults() -> String {
    let mut text = "| kind | what it does | what undoing it does |\n| --- | --- | --- |".to_owned();
    for kind in FaultKind::ALL {
        let about = kind.describe();
        let options: String = about.required.iter().map(|field| told(*field)).collect();
        let (effect, undo) = (about.effect, about.undo);
        write!(text, "\n| `{kind}{options}` | {effect} | {undo} |").unwrap();
    }
    text
}

fn told(field: FaultField) -> String {
    let value = match field {
        FaultField::Direction => "from-hsm",
        FaultField::Delay => "200ms",
        FaultField::Percent => "20",
        FaultField::Duration => "30s",
    };
    format!(" {} {value}", field.option())
}
