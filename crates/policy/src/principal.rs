use std::collections::BTreeMap;

/// Who asks, as the principals of a policy name it.
#[derive(Debug, Clone, Copy)]
pub struct Identity<'a> {
    /// The ARNs under which a policy may name it: a user's; a session's and its role's; the root's.
    pub names: &'a [String],
    /// Its account; none for a service.
    pub account: Option<&'a str>,
    /// The name of the service, such as `rds.amazonaws.com`, when it is one.
    pub service: Option<&'a str>,
}

impl Identity<'_> {
    fn is_root(&self) -> bool {
        let root = self.root_arn();
        root.is_some_and(|root| self.names.contains(&root))
    }

    /// The ARN of its account's root, which is in its own partition of AWS.
    fn root_arn(&self) -> Option<String> {
        let name = self.names.first();
        let partition = name.and_then(|name| name.split(':').nth(1));
        let partition = partition.unwrap_or("aws");
        let account = self.account?;
        Some(format!("arn:{partition}:iam::{account}:root"))
    }

    /// Whether a policy's value is its account.
    fn is_of(&self, value: &str) -> bool {
        self.account == Some(value) || self.root_arn().as_deref() == Some(value)
    }
}

/// How a policy's principals name a caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Named {
    Not,
    /// Only its account, which leaves it to the account's own policies.
    ByAccount,
    /// It itself, or everybody.
    Itself,
}

/// The principals of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StatementPrincipals {
    /// `"*"`.
    Everybody,
    /// Kinds, such as `AWS` and `Service`, each with its values.
    Listed(BTreeMap<String, Vec<String>>),
}

impl StatementPrincipals {
    /// Every kind that IAM knows.
    pub(crate) const KINDS: [&str; 4] = ["AWS", "Service", "Federated", "CanonicalUser"];

    /// How these principals, of the element Principal, name a caller.
    pub(crate) fn names(&self, who: Identity<'_>) -> Named {
        let Self::Listed(kinds) = self else {
            return Named::Itself;
        };
        let mut best = Named::Not;
        for (kind, values) in kinds {
            for value in values {
                best = best.max(match kind.as_str() {
                    "AWS" => aws(value, who),
                    "Service" if who.service == Some(value.as_str()) => Named::Itself,
                    _ => Named::Not,
                });
            }
        }
        best
    }

    /// How the complement of these principals, of the element NotPrincipal, names a caller.
    ///
    /// Rule AUTH-37: a caller is left out only when every ARN of its own and its account are listed: a
    /// user's and the account, or those of the session, its role and the account. Who lists a user or a
    /// role alone excepts no caller of the account.
    pub(crate) fn names_others(&self, who: Identity<'_>) -> Named {
        let Self::Listed(kinds) = self else {
            return Named::Not;
        };
        let aws = kinds.get("AWS").map(Vec::as_slice).unwrap_or_default();
        let services = kinds.get("Service").map(Vec::as_slice).unwrap_or_default();
        let account = aws.iter().any(|value| who.is_of(value));
        let itself = who.names.iter().all(|name| aws.contains(name));
        let service = who
            .service
            .is_some_and(|service| services.iter().any(|listed| listed == service));
        let everybody = aws.iter().any(|value| value == "*");
        let left_out = everybody || service || (account && (itself || who.is_root()));
        if left_out { Named::Not } else { Named::Itself }
    }
}

fn aws(value: &str, who: Identity<'_>) -> Named {
    if value == "*" || who.names.iter().any(|name| name == value) {
        return Named::Itself;
    }
    if !who.is_of(value) {
        Named::Not
    } else if who.is_root() {
        Named::Itself
    } else {
        Named::ByAccount
    }
}
