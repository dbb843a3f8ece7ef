//! Whether a principal may do one thing: the policies and grants combined.
//!
//! ```text
//! a denial in any policy                                      -> denied
//! nothing in particular (CreateKey, ListKeys ...)             -> the principal's policies allow
//! a key of the principal's account   the key policy names it  -> allowed
//!                                    a grant is to it         -> allowed
//!                                    either is to its account -> the principal's policies allow
//! a key of another account           key policy or grant, and the principal's policies
//! ```
//!
//! Source: AWS KMS Developer Guide, "Determining access to AWS KMS keys"; IAM User Guide, policy
//! evaluation logic.

use portcullis_api::AccountId;
use portcullis_policy::{Context, Document, Hold, Request, Verdict};

use super::Principal;

/// One permission that a request needs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ask<'a> {
    pub(crate) action: &'a str,
    /// An ARN; `*` for nothing in particular.
    pub(crate) resource: &'a str,
    pub(crate) context: &'a Context,
    /// What the key's side says, when it is asked of a key.
    pub(crate) key: Option<KeySide<'a>>,
}

/// The key's side.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KeySide<'a> {
    pub(crate) account: &'a AccountId,
    pub(crate) policy: &'a Document,
    pub(crate) granted: Granted,
}

/// Whether a grant permits it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Granted {
    No,
    /// To the root of the principal's account, which leaves it to the account's own policies.
    ToAccount,
    ToItself,
}

/// Why not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Denied {
    /// A policy of the principal refuses it.
    ByIdentity,
    /// A statement of the key policy denies the action.
    ByResource,
    /// No policy of the principal allows it, and the key's side does not do so by itself.
    NoIdentity,
    /// Neither key policy nor grant allow it.
    NoResource,
    /// The same, of a key of another account, whose existence is not given away.
    NoResourceElsewhere,
}

/// Decides. Rule AUTH-20: a denial in any policy wins; Rule AUTH-21: in the key's own account its
/// policy or a grant is enough, and what they leave to the account needs a policy of the principal;
/// Rule AUTH-22: across accounts both sides must allow it.
pub(crate) fn decide(principal: &Principal, ask: &Ask<'_>) -> Result<(), Denied> {
    let request = Request {
        action: ask.action,
        resource: ask.resource,
        context: ask.context,
    };
    let identity = own_verdict(principal, &request);
    if identity == Verdict::Deny {
        return Err(Denied::ByIdentity);
    }
    let allowed_by_own = identity == Verdict::Allow;
    let Some(key) = ask.key else {
        // Rule AUTH-23: what is not asked of a key is for the principal's own policies to allow.
        return if allowed_by_own {
            Ok(())
        } else {
            Err(Denied::NoIdentity)
        };
    };
    let hold = key.policy.for_resource(principal.identity(), &request);
    if hold == Hold::Deny {
        return Err(Denied::ByResource);
    }
    let by_itself = hold == Hold::Itself || key.granted == Granted::ToItself;
    let by_account = hold == Hold::Account || key.granted == Granted::ToAccount;
    let elsewhere = principal.account() != key.account && !principal.is_service();
    match (by_itself, by_account) {
        (false, false) if elsewhere => Err(Denied::NoResourceElsewhere),
        (false, false) => Err(Denied::NoResource),
        (true, _) if !elsewhere => Ok(()),
        (true, _) | (false, true) if allowed_by_own => Ok(()),
        (true, _) | (false, true) => Err(Denied::NoIdentity),
    }
}

/// What the principal's own policies say together. An account's root is bound by none.
fn own_verdict(principal: &Principal, request: &Request<'_>) -> Verdict {
    if principal.is_root() {
        return Verdict::Allow;
    }
    let policies = principal.policies().iter();
    let verdicts = policies.map(|policy| policy.for_identity(request));
    verdicts.max().unwrap_or(Verdict::Silent)
}

/// Rule AUTH-28: a denial says who, what, on what and which kind of policy is why, in the words of
/// the service.
pub(super) fn denial(caller: &Principal, action: &str, named: &str, denied: Denied) -> String {
    let start = format!(
        "User: {} is not authorized to perform: {action}{named}",
        caller.arn()
    );
    match denied {
        Denied::ByIdentity => format!("{start} with an explicit deny in an identity-based policy"),
        Denied::ByResource => format!("{start} with an explicit deny in a resource-based policy"),
        Denied::NoIdentity => {
            format!("{start} because no identity-based policy allows the {action} action")
        }
        Denied::NoResource => {
            format!("{start} because no resource-based policy allows the {action} action")
        }
        Denied::NoResourceElsewhere => format!(
            "{start} because the resource does not exist in this Region, no resource-based policies \
             allow access, or a resource-based policy explicitly denies access"
        ),
    }
}
