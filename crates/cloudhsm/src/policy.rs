//! Resource policies: what the owner of a backup permits other accounts to do with it.
//!
//! A policy is a JSON document of IAM. Elements that are not evaluated here, such as `Condition`,
//! are refused when the policy is put: a statement that was stored but ignored would share more
//! than its author said.

use portcullis_api::{AccountId, Exception};
use serde::Deserialize;

use crate::decide::refuse;
use crate::record::Backup;

/// Listing the backup.
pub(crate) const DESCRIBE_BACKUPS: &str = "cloudhsm:DescribeBackups";
/// Making a cluster from the backup.
pub(crate) const CREATE_CLUSTER: &str = "cloudhsm:CreateCluster";

/// A policy that can be evaluated.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Policy {
    #[serde(rename = "Version", default)]
    _version: Option<String>,
    #[serde(rename = "Id", default)]
    _id: Option<String>,
    #[serde(rename = "Statement")]
    statements: OneOrMany<Statement>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Statement {
    #[serde(rename = "Sid", default)]
    _sid: Option<String>,
    #[serde(rename = "Effect")]
    effect: PolicyEffect,
    #[serde(rename = "Principal")]
    principal: Principal,
    #[serde(rename = "Action")]
    actions: OneOrMany<String>,
    #[serde(rename = "Resource", default)]
    resources: Option<OneOrMany<String>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
enum PolicyEffect {
    Allow,
    Deny,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Principal {
    Text(String),
    Aws(AwsPrincipal),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AwsPrincipal {
    #[serde(rename = "AWS")]
    named: OneOrMany<String>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum OneOrMany<T> {
    One(T),
    Many(Vec<T>),
}

impl<T> OneOrMany<T> {
    fn as_slice(&self) -> &[T] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        }
    }
}

impl Policy {
    /// Reads a policy for the resource with this ARN.
    ///
    /// # Errors
    /// When it is not a policy, has an element that is not evaluated, or is about another resource.
    pub(crate) fn parse(text: &str, arn: &str) -> Result<Self, Exception> {
        let policy: Self = serde_json::from_str(text).map_err(|error| {
            refuse(format!(
                "Policy is not a resource policy that can be evaluated: line {}, column {}. Give \
                 a JSON document whose Statement has PolicyEffect, Principal, Action and Resource; \
                 Condition and the Not forms are not there.",
                error.line(),
                error.column()
            ))
        })?;
        let of_another = policy.statements.as_slice().iter().any(|statement| {
            let resources = statement.resources.as_ref().map(OneOrMany::as_slice);
            let mut named = resources.unwrap_or_default().iter();
            named.any(|resource| resource != "*" && resource != arn)
        });
        if of_another {
            return Err(refuse(format!(
                "Policy has a statement about another resource. Give Resource as {arn}."
            )));
        }
        Ok(policy)
    }

    /// The policy of a backup, if it has one.
    pub(crate) fn of(backup: &Backup) -> Option<Self> {
        serde_json::from_str(backup.policy.as_ref()?).ok()
    }

    /// Whether `account` may do something with the resource.
    pub(crate) fn names(&self, account: &AccountId) -> bool {
        [DESCRIBE_BACKUPS, CREATE_CLUSTER]
            .iter()
            .any(|action| self.permits(account, action))
    }

    /// Rule BK-15: a statement that allows is needed, and one that denies decides.
    pub(crate) fn permits(&self, account: &AccountId, action: &str) -> bool {
        let about = |effect: PolicyEffect| {
            let mut statements = self.statements.as_slice().iter();
            statements.any(|one| one.effect == effect && one.is_about(account, action))
        };
        about(PolicyEffect::Allow) && !about(PolicyEffect::Deny)
    }
}

impl Statement {
    fn is_about(&self, account: &AccountId, action: &str) -> bool {
        let mut actions = self.actions.as_slice().iter();
        actions.any(|pattern| covers(pattern, action)) && self.principal.includes(account)
    }
}

impl Principal {
    fn includes(&self, account: &AccountId) -> bool {
        let named = match self {
            Self::Text(text) => std::slice::from_ref(text),
            Self::Aws(principal) => principal.named.as_slice(),
        };
        let account = account.as_str();
        let whole_account = |arn: &str| {
            let rest = arn.strip_prefix("arn:aws");
            let rest = rest.and_then(|rest| rest.split_once(":iam::"));
            let named = rest.and_then(|(_partition, rest)| rest.strip_suffix(":root"));
            named == Some(account)
        };
        let mut named = named.iter();
        named.any(|one| one == "*" || one == account || whole_account(one))
    }
}

/// Whether an action of a policy, in which a `*` at the end stands for anything, covers `action`.
fn covers(pattern: &str, action: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(beginning) => {
            let head = action.get(..beginning.len());
            head.is_some_and(|head| head.eq_ignore_ascii_case(beginning))
        }
        None => pattern.eq_ignore_ascii_case(action),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARN: &str = "arn:aws:cloudhsm:us-east-1:111122223333:backup/backup-abcdefghijk";

    fn policy(statements: &str) -> Result<Policy, Exception> {
        let text = format!(r#"{{"Version":"2012-10-17","Statement":{statements}}}"#);
        Policy::parse(&text, ARN)
    }

    fn account() -> AccountId {
        "444455556666".parse().unwrap()
    }

    /// Rule BK-15.
    #[test]
    fn a_policy_permits_what_it_allows_and_does_not_deny() {
        let allow = |principal: &str, action: &str| {
            let text = format!(
                r#"{{"Effect":"Allow","Principal":{principal},"Action":{action},"Resource":"*"}}"#
            );
            let found = policy(&text).unwrap();
            [DESCRIBE_BACKUPS, CREATE_CLUSTER].map(|one| found.permits(&account(), one))
        };
        let both = r#"["cloudhsm:DescribeBackups","cloudhsm:CreateCluster"]"#;
        assert_eq!(allow(r#"{"AWS":"444455556666"}"#, both), [true, true]);
        let root = r#"{"AWS":["arn:aws:iam::444455556666:root"]}"#;
        assert_eq!(allow(root, r#""cloudhsm:CreateCluster""#), [false, true]);
        assert_eq!(allow(r#""*""#, r#""cloudhsm:Describe*""#), [true, false]);
        assert_eq!(allow(r#"{"AWS":"999999999999"}"#, both), [false, false]);
        let denied = format!(
            r#"[{{"Effect":"Allow","Principal":"*","Action":"*"}},
                {{"Effect":"Deny","Principal":{root},"Action":"cloudhsm:CreateCluster"}}]"#
        );
        let denied = policy(&denied).unwrap();
        assert!(denied.permits(&account(), DESCRIBE_BACKUPS));
        assert!(!denied.permits(&account(), CREATE_CLUSTER));
    }

    #[test]
    fn what_is_not_evaluated_is_refused() {
        for (statement, why) in [
            ("7", "not a resource policy"),
            (
                r#"{"Effect":"Allow","Principal":"*","Action":"*","Condition":{}}"#,
                "not a resource policy",
            ),
            (
                r#"{"Effect":"Maybe","Principal":"*","Action":"*"}"#,
                "not a resource policy",
            ),
            (
                r#"{"Effect":"Allow","Principal":"*","Action":"*","Resource":"arn:x"}"#,
                "another resource",
            ),
        ] {
            let refused = policy(statement).unwrap_err();
            assert!(refused.message.contains(why), "{statement}: {refused}");
        }
    }
}
