//! What a key policy must be before it is put.

use portcullis_api::{Code, Exception, Scope};
use portcullis_policy::{Context, Document, Effect, Hold, Identity, Kind, Malformed, Request};

use super::condition_keys::{policy_findings, refused_in_key_policy};

/// The policy of a key that was made without one: the account's own policies decide (Guide, default
/// key policy). The order and the white space are the service's too.
pub(crate) fn default_policy(scope: &Scope) -> String {
    let root = scope.root_arn(&scope.account);
    format!(
        "{{\n  \"Version\" : \"2012-10-17\",\n  \"Id\" : \"key-default-1\",\n  \"Statement\" : [ {{\n    \
         \"Sid\" : \"Enable IAM User Permissions\",\n    \"Effect\" : \"Allow\",\n    \
         \"Principal\" : {{\n      \"AWS\" : \"{root}\"\n    }},\n    \
         \"Action\" : \"kms:*\",\n    \"Resource\" : \"*\"\n  }} ]\n}}"
    )
}

/// Whether a policy may be put on the key with this ARN.
///
/// Rule AUTH-10: it is a well-formed policy, also as to its conditions; what of these has no effect
/// here is told. Rule AUTH-11: unless the safety check is bypassed, it
/// leaves some principal of the key's account able to call PutKeyPolicy again. Which principal calls
/// is known only with `--auth enforce`; there the check before the operation asks for that one.
///
/// # Errors
/// MalformedPolicyDocumentException.
pub(crate) fn check_policy(
    policy: &str,
    bypass: Option<bool>,
    scope: &Scope,
    key_arn: &str,
) -> Result<(), Exception> {
    let document = Document::parse_new(policy, Kind::Resource).map_err(|why| malformed(&why))?;
    if let Some(why) = refused_in_key_policy(&document) {
        return Err(Exception::new(Code::MalformedPolicyDocument, why));
    }
    for finding in policy_findings(&document) {
        tracing::warn!(key = key_arn, "a key policy: {finding}");
    }
    if bypass == Some(true) {
        return Ok(());
    }
    let account = scope.account.as_str();
    let root = scope.root_arn(&scope.account);
    let listed = document
        .principals(Effect::Allow)
        .filter(|name| name.split(':').nth(4) == Some(account));
    for name in listed.chain([root.as_str()]) {
        let names = [name.to_owned()];
        let who = Identity {
            names: &names,
            account: Some(account),
            service: None,
        };
        let mut context = Context::default();
        context.set("kms:CallerAccount", account);
        context.set("aws:PrincipalAccount", account);
        context.set("aws:PrincipalArn", name);
        if keeps_control(&document, who, key_arn, &context) {
            return Ok(());
        }
    }
    Err(locked_out())
}

/// Whether `who` may call PutKeyPolicy under this policy, as far as the policy decides it.
pub(crate) fn keeps_control(
    document: &Document,
    who: Identity<'_>,
    key_arn: &str,
    context: &Context,
) -> bool {
    let hold = document.for_resource(
        who,
        &Request {
            action: "kms:PutKeyPolicy",
            resource: key_arn,
            context,
        },
    );
    matches!(hold, Hold::Account | Hold::Itself)
}

pub(crate) fn parse(policy: &str) -> Result<Document, Exception> {
    Document::parse(policy, Kind::Resource).map_err(|why| malformed(&why))
}

fn malformed(why: &Malformed) -> Exception {
    let code = Code::MalformedPolicyDocument;
    if why.hint().is_empty() {
        return Exception::new(code, why.why());
    }
    Exception::worded(code, why.why(), why.hint())
}

pub(crate) fn locked_out() -> Exception {
    Exception::worded(
        Code::MalformedPolicyDocument,
        "The new key policy will not allow you to update the key policy in the future.",
        "Let it allow kms:PutKeyPolicy to the account's root or to the caller, or set \
         BypassPolicyLockoutSafetyCheck.",
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ARN: &str = "arn:aws:kms:us-east-1:111122223333:key/1";

    #[track_caller]
    fn check(policy: &str, bypass: Option<bool>, expected: Option<Code>) {
        let scope = Scope {
            account: "111122223333".parse().unwrap(),
            region: "us-east-1".parse().unwrap(),
        };
        let outcome = check_policy(policy, bypass, &scope, ARN);
        assert_eq!(outcome.err().map(|it| it.code), expected, "{policy}");
    }

    /// Rule AUTH-10, AUTH-11
    #[test]
    fn a_key_policy_is_well_formed_and_leaves_somebody_in_control() {
        let malformed = Some(Code::MalformedPolicyDocument);
        let statement = |effect: &str, principal: &str, action: &str| {
            json!({"Effect": effect, "Principal": {"AWS": principal}, "Action": action,
                "Resource": "*"})
        };
        let policy = |statements: &[serde_json::Value]| {
            json!({"Version": "2012-10-17", "Statement": statements}).to_string()
        };
        let root = statement("Allow", "111122223333", "kms:*");
        let alice = statement("Allow", "arn:aws:iam::111122223333:user/alice", "kms:Put*");
        let encrypts = statement("Allow", "111122223333", "kms:Encrypt");
        let other = statement("Allow", "arn:aws:iam::444455556666:root", "kms:*");
        let denied = statement("Deny", "*", "kms:PutKeyPolicy");
        check(
            &default_policy(&Scope {
                account: "111122223333".parse().unwrap(),
                region: "us-east-1".parse().unwrap(),
            }),
            None,
            None,
        );
        for (statements, expected) in [
            (vec![root.clone()], None),
            (vec![alice.clone()], None),
            (vec![encrypts.clone()], malformed),
            (vec![encrypts, alice], None),
            (vec![other], malformed),
            (vec![root, denied], malformed),
        ] {
            check(&policy(&statements), None, expected);
            check(&policy(&statements), Some(true), None);
        }
        let put = |text: &str| check(text, Some(true), malformed);
        put(r#"{"Statement": [{"Effect": "Deny", "Principal": "*", "Resource": "*"}]}"#);
        put(r#"{"Statement": [{"Effect": "Deny", "Principal": "*", "Action": "kms:*"}]}"#);
        put(
            r#"{"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "kms:*", "Resource": "*",
                "Condition": {"StringEquals": {"kms:ResourceAliases": "alias/x"}}}]}"#,
        );
        check("{}", Some(true), malformed);
        check(&policy(&[]), None, malformed);
    }
}
