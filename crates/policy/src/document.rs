use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Map, Value, json};

use crate::condition::PolicyCondition;
use crate::effect::Effect;
use crate::glob::{Case, Wild, matches, pieces};
use crate::malformed::Malformed;
use crate::principal::StatementPrincipals;

/// Whose policy a document is, which decides the elements it must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A user's or role's: no Principal; Action and Resource in every statement.
    Identity,
    /// A resource's, such as a key's: Principal in every statement. A statement without Action or
    /// Resource is accepted and means nothing, as KMS does it.
    Resource,
}

/// A policy document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    pub(crate) version: LanguageVersion,
    pub(crate) id: Option<String>,
    pub(crate) statements: Vec<Statement>,
}

/// The version of the policy language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LanguageVersion {
    /// Also what a document without Version is written in; it knows no policy variables.
    Of2008,
    Of2012,
}

impl LanguageVersion {
    pub(crate) const ALL: [Self; 2] = [Self::Of2008, Self::Of2012];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Of2008 => "2008-10-17",
            Self::Of2012 => "2012-10-17",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Statement {
    pub(crate) sid: Option<String>,
    pub(crate) effect: Effect,
    pub(crate) principals: Option<Clause<StatementPrincipals>>,
    pub(crate) actions: Option<Clause<Vec<String>>>,
    pub(crate) resources: Option<Clause<Vec<String>>>,
    pub(crate) conditions: Vec<PolicyCondition>,
}

/// An element or its negation, such as Action and NotAction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Clause<T> {
    These(T),
    AllBut(T),
}

/// A condition as a statement uses it.
#[derive(Debug, Clone, Copy)]
pub struct UsedCondition<'a> {
    statement: &'a Statement,
    condition: &'a PolicyCondition,
}

impl<'a> UsedCondition<'a> {
    /// The condition key, as it is written.
    #[must_use]
    pub fn key(&self) -> &'a str {
        &self.condition.key
    }

    /// The operator, such as `ForAllValues:StringLike`.
    #[must_use]
    pub fn operator(&self) -> String {
        self.condition.operator()
    }

    /// The name of the statement.
    #[must_use]
    pub fn sid(&self) -> Option<&'a str> {
        self.statement.sid.as_deref()
    }

    /// What the statement does.
    #[must_use]
    pub const fn effect(&self) -> Effect {
        self.statement.effect
    }

    /// Whether a request meets it that does not have the key.
    #[must_use]
    pub fn holds_without(&self) -> bool {
        self.condition.holds_without()
    }

    /// Whether its operator begins with `ForAllValues:`.
    #[must_use]
    pub const fn is_for_all_values(&self) -> bool {
        self.condition.is_for_all_values()
    }

    /// Whether its statement may be about an action of this service, such as `kms`.
    #[must_use]
    pub fn may_concern(&self, service: &str) -> bool {
        self.statement.may_concern(service)
    }
}

impl Document {
    /// Parses a document.
    ///
    /// # Errors
    /// With what is wrong and where.
    pub fn parse(text: &str, kind: Kind) -> Result<Self, Malformed> {
        crate::parse::document(text, kind)
    }

    /// Parses a document that is yet to take effect, and refuses what would have no effect, or another
    /// one than it seems to have, without a word: members that are given twice, conditions without a
    /// value, and statements of a resource's policy without Action or Resource. [`parse`](Self::parse)
    /// reads all of these, because a policy that was accepted once stays one.
    ///
    /// # Errors
    /// With what is wrong and where.
    pub fn parse_new(text: &str, kind: Kind) -> Result<Self, Malformed> {
        let document = Self::parse(text, kind)?;
        crate::strict::check(text, &document)?;
        Ok(document)
    }

    /// Every condition of every statement.
    pub fn conditions(&self) -> impl Iterator<Item = UsedCondition<'_>> {
        self.statements.iter().flat_map(|statement| {
            let used = move |condition| UsedCondition {
                statement,
                condition,
            };
            statement.conditions.iter().map(used)
        })
    }

    /// The ARNs and account IDs that statements of this effect name as principals.
    pub fn principals(&self, effect: Effect) -> impl Iterator<Item = &str> {
        let statements = self
            .statements
            .iter()
            .filter(move |statement| statement.effect == effect);
        statements
            .filter_map(|statement| match &statement.principals {
                Some(Clause::These(StatementPrincipals::Listed(kinds))) => kinds.get("AWS"),
                _ => None,
            })
            .flatten()
            .map(String::as_str)
    }
}

/// The document as JSON. Every list is written as one, also where a single value may stand alone.
impl fmt::Display for Document {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut document = Map::new();
        document.insert("Version".to_owned(), json!(self.version.as_str()));
        if let Some(id) = &self.id {
            document.insert("Id".to_owned(), json!(id));
        }
        let statements: Vec<Value> = self.statements.iter().map(Statement::json).collect();
        document.insert("Statement".to_owned(), statements.into());
        write!(formatter, "{}", Value::Object(document))
    }
}

impl Statement {
    fn may_concern(&self, service: &str) -> bool {
        let named = |action: &String| {
            let wanted = action.split(':').next().unwrap_or_default();
            pieces(wanted, Wild::Yes, None)
                .is_some_and(|pieces| matches(&pieces, service, Case::Ignored))
        };
        match &self.actions {
            None => false,
            Some(Clause::These(actions)) => actions.iter().any(named),
            Some(Clause::AllBut(_)) => true,
        }
    }

    fn json(&self) -> Value {
        let mut object = Map::new();
        if let Some(sid) = &self.sid {
            object.insert("Sid".to_owned(), json!(sid));
        }
        let effect = match self.effect {
            Effect::Allow => "Allow",
            Effect::Deny => "Deny",
        };
        object.insert("Effect".to_owned(), json!(effect));
        let mut put = |name: &str, clause: Option<(bool, Value)>| {
            if let Some((negated, value)) = clause {
                let not = if negated { "Not" } else { "" };
                object.insert(format!("{not}{name}"), value);
            }
        };
        put("Principal", self.principals.as_ref().map(principals));
        put("Action", self.actions.as_ref().map(list));
        put("Resource", self.resources.as_ref().map(list));
        if !self.conditions.is_empty() {
            let mut operators: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
            for condition in &self.conditions {
                let keys = operators.entry(condition.operator()).or_default();
                keys.insert(condition.key.clone(), json!(condition.values));
            }
            object.insert("Condition".to_owned(), json!(operators));
        }
        Value::Object(object)
    }
}

fn list(clause: &Clause<Vec<String>>) -> (bool, Value) {
    match clause {
        Clause::These(values) => (false, json!(values)),
        Clause::AllBut(values) => (true, json!(values)),
    }
}

fn principals(clause: &Clause<StatementPrincipals>) -> (bool, Value) {
    let (negated, principals) = match clause {
        Clause::These(principals) => (false, principals),
        Clause::AllBut(principals) => (true, principals),
    };
    let value = match principals {
        StatementPrincipals::Everybody => json!("*"),
        StatementPrincipals::Listed(kinds) => json!(kinds),
    };
    (negated, value)
}
