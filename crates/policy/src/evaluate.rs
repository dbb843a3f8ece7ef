//! What a document says about a request.

use crate::context::Context;
use crate::document::{Clause, Document, LanguageVersion, Statement};
use crate::effect::Effect;
use crate::glob::{Case, Variables, Wild, matches, pieces};
use crate::principal::{Identity, Named};

/// A request as a policy sees it.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// What is asked for, e.g. `kms:Decrypt`.
    pub action: &'a str,
    /// The ARN of what it is asked of; `*` for nothing in particular.
    pub resource: &'a str,
    /// Its condition keys.
    pub context: &'a Context,
}

/// What an identity's own policy says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Nothing: it is denied unless something else permits it.
    Silent,
    /// A statement permits it and none refuses it.
    Allow,
    /// A statement refuses it.
    Deny,
}

/// What a resource's policy says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hold {
    /// Nothing: it is denied unless something else permits it.
    Silent,
    /// It permits the identity's account, which leaves the decision to the account's own policies.
    Account,
    /// It permits the identity itself.
    Itself,
    /// It refuses the identity.
    Deny,
}

impl Document {
    /// What this policy of an identity says about the identity's request.
    #[must_use]
    pub fn for_identity(&self, request: &Request<'_>) -> Verdict {
        let mut verdict = Verdict::Silent;
        for statement in &self.statements {
            if statement.is_about(request, self.variables(request)) {
                verdict = verdict.max(match statement.effect {
                    Effect::Allow => Verdict::Allow,
                    Effect::Deny => Verdict::Deny,
                });
            }
        }
        verdict
    }

    /// What this policy of a resource says about a request of `who`.
    #[must_use]
    pub fn for_resource(&self, who: Identity<'_>, request: &Request<'_>) -> Hold {
        let mut hold = Hold::Silent;
        for statement in &self.statements {
            let named = statement.names(who);
            if named == Named::Not || !statement.is_about(request, self.variables(request)) {
                continue;
            }
            hold = hold.max(match (statement.effect, named) {
                (_, Named::Not) => Hold::Silent,
                (Effect::Deny, Named::ByAccount | Named::Itself) => Hold::Deny,
                (Effect::Allow, Named::ByAccount) => Hold::Account,
                (Effect::Allow, Named::Itself) => Hold::Itself,
            });
        }
        hold
    }

    fn variables<'a>(&self, request: &Request<'a>) -> Option<&'a Context> {
        match self.version {
            LanguageVersion::Of2008 => None,
            LanguageVersion::Of2012 => Some(request.context),
        }
    }
}

impl Statement {
    fn names(&self, who: Identity<'_>) -> Named {
        match &self.principals {
            None => Named::Not,
            Some(Clause::These(principals)) => principals.names(who),
            Some(Clause::AllBut(principals)) => principals.names_others(who),
        }
    }

    /// Whether action, resource and every condition fit. One without Action or Resource is about
    /// nothing.
    fn is_about(&self, request: &Request<'_>, variables: Option<&Context>) -> bool {
        let action = |wanted: &String| {
            // Actions are not case-sensitive and have no variables.
            pieces(wanted, Wild::Yes, None)
                .is_some_and(|pieces| matches(&pieces, request.action, Case::Ignored))
        };
        let all_but = matches!(self.resources, Some(Clause::AllBut(_)));
        let of_resource = variables.map(|it| Variables::new(it, self.effect, all_but));
        let resource = |wanted: &String| {
            pieces(wanted, Wild::Yes, of_resource)
                .is_some_and(|pieces| matches(&pieces, request.resource, Case::Matters))
        };
        includes(self.actions.as_ref(), action)
            && includes(self.resources.as_ref(), resource)
            && self
                .conditions
                .iter()
                .all(|condition| condition.holds(request.context, variables, self.effect))
    }
}

fn includes(clause: Option<&Clause<Vec<String>>>, fits: impl Fn(&String) -> bool) -> bool {
    match clause {
        None => false,
        Some(Clause::These(values)) => values.iter().any(fits),
        Some(Clause::AllBut(values)) => !values.iter().any(fits),
    }
}
