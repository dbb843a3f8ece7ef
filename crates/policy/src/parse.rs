//! From JSON to a document: which elements there are, and which each kind must have.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::condition;
use crate::document::{Clause, Document, Kind, LanguageVersion, Statement};
use crate::effect::Effect;
use crate::malformed::{INVALID_PRINCIPALS, Malformed, malformed, malformed_as_told};
use crate::principal::StatementPrincipals;

type Object = Map<String, Value>;

pub(crate) fn document(text: &str, kind: Kind) -> Result<Document, Malformed> {
    let value: Value = serde_json::from_str(text)
        .map_err(|error| malformed(format!("The policy is not JSON: {error}.")))?;
    let object = object(&value, "The policy")?;
    known(object, &["Version", "Id", "Statement"], "The policy")?;
    let statements = match object.get("Statement") {
        Some(Value::Array(statements)) => statements.as_slice(),
        Some(one @ Value::Object(_)) => std::slice::from_ref(one),
        _ => return Err(malformed("The policy has no Statement.")),
    };
    if statements.is_empty() {
        return Err(malformed("The policy has no Statement."));
    }
    let statements: Vec<Statement> = statements
        .iter()
        .map(|value| statement(value, kind))
        .collect::<Result<_, _>>()?;
    let mut sids = BTreeSet::new();
    for sid in statements.iter().filter_map(|it| it.sid.as_deref()) {
        if !sids.insert(sid) {
            return Err(malformed(format!("Two statements have the Sid {sid:?}.")));
        }
    }
    Ok(Document {
        version: version(object)?,
        id: text_of(object, "Id")?,
        statements,
    })
}

fn version(object: &Object) -> Result<LanguageVersion, Malformed> {
    let Some(text) = text_of(object, "Version")? else {
        return Ok(LanguageVersion::Of2008);
    };
    let mut all = LanguageVersion::ALL.into_iter();
    all.find(|version| version.as_str() == text)
        .ok_or_else(|| malformed("The Version must be 2012-10-17 or 2008-10-17."))
}

fn statement(value: &Value, kind: Kind) -> Result<Statement, Malformed> {
    let object = object(value, "A statement")?;
    let elements = [
        "Sid",
        "Effect",
        "Principal",
        "NotPrincipal",
        "Action",
        "NotAction",
        "Resource",
        "NotResource",
        "Condition",
    ];
    known(object, &elements, "A statement")?;
    let effect = match text_of(object, "Effect")?.as_deref() {
        Some("Allow") => Effect::Allow,
        Some("Deny") => Effect::Deny,
        _ => return Err(malformed("The Effect must be Allow or Deny.")),
    };
    let statement = Statement {
        sid: text_of(object, "Sid")?,
        effect,
        principals: clause(object, ["Principal", "NotPrincipal"], principals)?,
        actions: clause(object, ["Action", "NotAction"], actions)?,
        resources: clause(object, ["Resource", "NotResource"], texts)?,
        conditions: match object.get("Condition") {
            None => Vec::new(),
            Some(value) => conditions(value)?,
        },
    };
    match kind {
        Kind::Identity if statement.principals.is_some() => {
            Err(malformed("An identity's policy has no Principal."))
        }
        Kind::Identity if statement.actions.is_none() || statement.resources.is_none() => Err(
            malformed("Every statement of an identity's policy has an Action and a Resource."),
        ),
        Kind::Resource if statement.principals.is_none() => {
            Err(malformed("Policy contains a statement with no principal."))
        }
        Kind::Identity | Kind::Resource => Ok(statement),
    }
}

/// An element or its negation; both at once are malformed.
fn clause<T>(
    object: &Object,
    names: [&str; 2],
    read: impl Fn(&str, &Value) -> Result<T, Malformed>,
) -> Result<Option<Clause<T>>, Malformed> {
    let [name, negated] = names;
    match (object.get(name), object.get(negated)) {
        (None, None) => Ok(None),
        (Some(value), None) => Ok(Some(Clause::These(read(name, value)?))),
        (None, Some(value)) => Ok(Some(Clause::AllBut(read(negated, value)?))),
        (Some(_), Some(_)) => Err(malformed(format!(
            "A statement has both {name} and {negated}."
        ))),
    }
}

fn principals(name: &str, value: &Value) -> Result<StatementPrincipals, Malformed> {
    if value.as_str() == Some("*") {
        return Ok(StatementPrincipals::Everybody);
    }
    let Value::Object(kinds) = value else {
        let text = format!("{name} must be \"*\" or an object such as {{\"AWS\": \"...\"}}.");
        return Err(malformed(text));
    };
    let mut listed = BTreeMap::new();
    for (kind, values) in kinds {
        if !StatementPrincipals::KINDS.contains(&kind.as_str()) {
            let text = format!("{name} has {kind:?}; its kinds are AWS, Service and Federated.");
            return Err(malformed(text));
        }
        let values = texts(name, values)?;
        if kind == "AWS" {
            for value in &values {
                aws(value)?;
            }
        }
        listed.insert(kind.clone(), values);
    }
    if listed.is_empty() {
        return Err(malformed(format!("{name} names nobody.")));
    }
    Ok(StatementPrincipals::Listed(listed))
}

/// An account ID, an ARN of IAM or STS, or `*` alone: part of an ARN is no wildcard.
fn aws(value: &str) -> Result<(), Malformed> {
    let account = value.len() == 12 && value.bytes().all(|byte| byte.is_ascii_digit());
    let arn = value.starts_with("arn:") && !value.contains(['*', '?']);
    if value == "*" || account || arn {
        return Ok(());
    }
    Err(malformed_as_told(
        INVALID_PRINCIPALS,
        format!("{value:?} is no account ID and no complete ARN."),
    ))
}

fn actions(name: &str, value: &Value) -> Result<Vec<String>, Malformed> {
    let actions = texts(name, value)?;
    match actions
        .iter()
        .find(|action| *action != "*" && !action.contains(':'))
    {
        None => Ok(actions),
        Some(action) => Err(malformed(format!(
            "{name} has {action:?}; an action is written service:Operation."
        ))),
    }
}

fn conditions(value: &Value) -> Result<Vec<condition::PolicyCondition>, Malformed> {
    let mut conditions = Vec::new();
    for (operator, keys) in object(value, "Condition")? {
        for (key, values) in object(keys, operator)? {
            let values = scalars(key, values)?;
            conditions.push(condition::PolicyCondition::new(operator, key, values)?);
        }
    }
    // The order in which they print, so that a document reads back as it was.
    conditions
        .sort_by(|one, other| (one.operator(), &one.key).cmp(&(other.operator(), &other.key)));
    Ok(conditions)
}

/// One text or a list of texts.
fn texts(name: &str, value: &Value) -> Result<Vec<String>, Malformed> {
    let wrong = || malformed(format!("{name} must be a text or a list of texts."));
    let text = |value: &Value| value.as_str().map(str::to_owned).ok_or_else(wrong);
    match value.as_array() {
        Some(values) if values.is_empty() => Err(malformed(format!("{name} is empty."))),
        Some(values) => values.iter().map(text).collect(),
        None => Ok(vec![text(value)?]),
    }
}

/// As [`texts`], with truth values and numbers as their text.
fn scalars(name: &str, value: &Value) -> Result<Vec<String>, Malformed> {
    let scalar = |value: &Value| match value {
        Value::String(text) => Ok(text.clone()),
        Value::Bool(_) | Value::Number(_) => Ok(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => Err(malformed(format!(
            "The condition on {name} needs a value or a list of values."
        ))),
    };
    match value.as_array() {
        Some(values) => values.iter().map(scalar).collect(),
        None => Ok(vec![scalar(value)?]),
    }
}

fn object<'a>(value: &'a Value, what: &str) -> Result<&'a Object, Malformed> {
    let object = value.as_object();
    object.ok_or_else(|| malformed(format!("{what} must be a JSON object.")))
}

fn known(object: &Object, names: &[&str], what: &str) -> Result<(), Malformed> {
    match object.keys().find(|key| !names.contains(&key.as_str())) {
        None => Ok(()),
        Some(key) => Err(malformed(format!(
            "{what} has the unknown element {key:?}."
        ))),
    }
}

fn text_of(object: &Object, name: &str) -> Result<Option<String>, Malformed> {
    match object.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(malformed(format!("{name} must be a text."))),
    }
}
