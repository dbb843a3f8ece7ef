//! Decisions by table, and what must hold for all of them.

use std::collections::BTreeMap;

use portcullis_api::Operation;
use portcullis_api::kms::{self, CreateGrantRequest};
use portcullis_policy::{Context, Document, Kind};
use proptest::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::Principal;
use super::concern::{Concern, Concerns, Names, On};
use super::decide::{Ask, Denied, Granted, KeySide, decide};
use super::granted::{Child, Use, permits};
use crate::answers::Answers;
use crate::grant::GrantRecord;
use crate::kms_operations;
use crate::operation::{KeyLookup, row};

const KEY: &str = "arn:aws:kms:us-east-1:111122223333:key/1";
const ALICE: &str = "arn:aws:iam::111122223333:user/alice";
const BOB: &str = "arn:aws:iam::444455556666:user/bob";
const OWNER: &str = "arn:aws:iam::111122223333:root";
const OTHER: &str = "arn:aws:iam::444455556666:root";

fn own_policy(effect: &str) -> Document {
    let text = json!({"Version": "2012-10-17", "Statement": {
        "Effect": effect, "Action": "kms:*", "Resource": "*",
    }});
    Document::parse(&text.to_string(), Kind::Identity).unwrap()
}

/// A principal by its ARN, with a policy of its own for each effect.
fn principal(arn: &str, effects: &[&str]) -> Principal {
    let account = arn.split(':').nth(4).unwrap().parse().unwrap();
    let policies = effects.iter().map(|effect| own_policy(effect)).collect();
    match arn.rsplit_once('/') {
        None => Principal::root(account),
        Some((_, name)) => Principal::user(account, name, policies),
    }
}

/// A key policy with a statement for each effect and principal.
fn key_policy(statements: &[(&str, &str)]) -> Document {
    let statement = |(effect, who): &(&str, &str)| json!({"Effect": effect, "Principal": {"AWS": who}, "Action": "kms:*", "Resource": "*"});
    let statements: Vec<Value> = statements.iter().map(statement).collect();
    let policy = json!({"Version": "2012-10-17", "Statement": statements});
    Document::parse(&policy.to_string(), Kind::Resource).unwrap()
}

fn outcome(who: &Principal, policy: &Document, granted: Granted) -> Result<(), Denied> {
    let account = "111122223333".parse().unwrap();
    let ask = Ask {
        action: "kms:Encrypt",
        resource: KEY,
        context: &Context::default(),
        key: Some(KeySide {
            account: &account,
            policy,
            granted,
        }),
    };
    decide(who, &ask)
}

/// Rule AUTH-20, AUTH-21, AUTH-22
#[test]
fn key_policy_grants_and_own_policies_decide_together() {
    use Denied::{ByIdentity, ByResource, NoIdentity, NoResource, NoResourceElsewhere};
    let allow: &[&str] = &["Allow"];
    let deny: &[&str] = &["Allow", "Deny"];
    let none: &[&str] = &[];
    use Granted::{No, ToAccount, ToItself};
    for (who, own, policy, granted, expected) in [
        // The account's root, by name.
        (OWNER, none, ("Allow", OWNER), No, Ok(())),
        (OWNER, none, ("Allow", ALICE), No, Err(NoResource)),
        (OWNER, none, ("Deny", OWNER), No, Err(ByResource)),
        // What is left to the account needs a policy of the user.
        (ALICE, allow, ("Allow", OWNER), No, Ok(())),
        (ALICE, none, ("Allow", OWNER), No, Err(NoIdentity)),
        (ALICE, deny, ("Allow", OWNER), No, Err(ByIdentity)),
        // A user who is named needs none, and a policy of one's own is not enough.
        (ALICE, none, ("Allow", ALICE), No, Ok(())),
        (ALICE, none, ("Allow", "*"), No, Ok(())),
        (ALICE, deny, ("Allow", ALICE), No, Err(ByIdentity)),
        (ALICE, allow, ("Allow", BOB), No, Err(NoResource)),
        // Grants.
        (ALICE, none, ("Allow", BOB), ToItself, Ok(())),
        (ALICE, none, ("Allow", BOB), ToAccount, Err(NoIdentity)),
        (ALICE, allow, ("Allow", BOB), ToAccount, Ok(())),
        (ALICE, none, ("Deny", ALICE), ToItself, Err(ByResource)),
        (ALICE, deny, ("Allow", BOB), ToItself, Err(ByIdentity)),
        // Across accounts both sides.
        (BOB, allow, ("Allow", BOB), No, Ok(())),
        (BOB, allow, ("Allow", OTHER), No, Ok(())),
        (BOB, none, ("Allow", BOB), No, Err(NoIdentity)),
        (BOB, allow, ("Allow", OWNER), No, Err(NoResourceElsewhere)),
        (BOB, allow, ("Allow", OWNER), ToItself, Ok(())),
        (BOB, none, ("Allow", OWNER), ToItself, Err(NoIdentity)),
        (OTHER, none, ("Allow", OTHER), No, Ok(())),
        (OTHER, none, ("Allow", OWNER), No, Err(NoResourceElsewhere)),
    ] {
        let found = outcome(&principal(who, own), &key_policy(&[policy]), granted);
        assert_eq!(found, expected, "{who} {own:?} {policy:?} {granted:?}");
    }
}

/// Rule AUTH-23
#[test]
fn what_is_not_asked_of_a_key_is_for_the_principals_own_policies() {
    let ask = Ask {
        action: "kms:CreateKey",
        resource: "*",
        context: &Context::default(),
        key: None,
    };
    for (who, own, expected) in [
        (OWNER, &[][..], Ok(())),
        (ALICE, &["Allow"], Ok(())),
        (ALICE, &[], Err(Denied::NoIdentity)),
        (ALICE, &["Allow", "Deny"], Err(Denied::ByIdentity)),
    ] {
        assert_eq!(decide(&principal(who, own), &ask), expected);
    }
}

fn grant(grantee: &str, operations: &[&str], constraints: &Value) -> GrantRecord {
    let record = json!({
        "id": "0".repeat(64), "key": "01020304-0506-0708-090a-0b0c0d0e0f10", "created_ms": 1,
        "issuing_account": "111122223333", "grantee": {"Principal": grantee},
        "operations": operations, "constraints": constraints,
    });
    serde_json::from_value(record).unwrap()
}

fn pairs(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    let pairs = pairs.iter();
    pairs
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

/// Rule AUTH-24
#[test]
fn a_grant_permits_its_operations_to_its_grantee_under_its_constraints() {
    let alice = principal(ALICE, &[]);
    let subset = json!({"subset": {"a": "1"}});
    let equals = json!({"equals": {"a": "1"}});
    let one = pairs(&[("a", "1")]);
    let two = pairs(&[("a", "1"), ("b", "2")]);
    for (grantee, constraints, operation, context, expected) in [
        (ALICE, json!({}), "Encrypt", None, Granted::ToItself),
        (ALICE, json!({}), "Decrypt", None, Granted::No),
        (BOB, json!({}), "Encrypt", None, Granted::No),
        (OWNER, json!({}), "Encrypt", None, Granted::ToAccount),
        (
            ALICE,
            subset.clone(),
            "Encrypt",
            Some(&one),
            Granted::ToItself,
        ),
        (
            ALICE,
            subset.clone(),
            "Encrypt",
            Some(&two),
            Granted::ToItself,
        ),
        (ALICE, subset.clone(), "Encrypt", None, Granted::No),
        (ALICE, subset, "DescribeKey", None, Granted::ToItself),
        (
            ALICE,
            equals.clone(),
            "Encrypt",
            Some(&one),
            Granted::ToItself,
        ),
        (ALICE, equals, "Encrypt", Some(&two), Granted::No),
        (
            ALICE,
            json!({"source_arn": "arn:aws:s3:::x"}),
            "Encrypt",
            None,
            Granted::No,
        ),
    ] {
        let grant = grant(grantee, &["Encrypt", "DescribeKey"], &constraints);
        let wanted = Use {
            operation: operation.parse().unwrap(),
            encryption_context: context,
            child: None,
        };
        assert_eq!(
            permits(&grant, &alice, wanted),
            expected,
            "{grant:?} {wanted:?}"
        );
    }
}

/// Rule AUTH-24
#[test]
fn a_grant_made_by_permission_of_a_grant_says_no_more() {
    let alice = principal(ALICE, &[]);
    let parent = grant(
        ALICE,
        &["Encrypt", "CreateGrant"],
        &json!({"subset": {"a": "1"}}),
    );
    let (one, two, other) = (
        pairs(&[("a", "1")]),
        pairs(&[("a", "1"), ("b", "2")]),
        pairs(&[("b", "2")]),
    );
    for (operations, subset, expected) in [
        (&["Encrypt"][..], Some(&one), Granted::ToItself),
        (&["Encrypt"], Some(&two), Granted::ToItself),
        (&["Encrypt"], Some(&other), Granted::No),
        (&["Encrypt"], None, Granted::No),
        (&["Encrypt", "Decrypt"], Some(&one), Granted::No),
    ] {
        let input = CreateGrantRequest {
            operations: operations.iter().map(|it| (*it).to_owned()).collect(),
            ..CreateGrantRequest::default()
        };
        let wanted = Use {
            operation: "CreateGrant".parse().unwrap(),
            encryption_context: None,
            child: Some(Child {
                operations: &input.operations,
                equals: None,
                subset,
            }),
        };
        assert_eq!(permits(&parent, &alice, wanted), expected, "{operations:?}");
    }
}

fn anybody() -> impl Strategy<Value = (&'static str, Vec<&'static str>)> {
    let who = prop::sample::select(vec![ALICE, BOB, OWNER, OTHER]);
    let effects = prop::sample::subsequence(vec!["Allow", "Deny"], 0..=2);
    (who, effects)
}

fn any_policy() -> impl Strategy<Value = Vec<(&'static str, &'static str)>> {
    let effect = prop::sample::select(vec!["Allow", "Deny"]);
    let who = prop::sample::select(vec![ALICE, BOB, OWNER, OTHER, "*"]);
    prop::collection::vec((effect, who), 1..5)
}

fn any_grant() -> impl Strategy<Value = Granted> {
    prop::sample::select(vec![Granted::No, Granted::ToAccount, Granted::ToItself])
}

proptest! {
    /// Rule AUTH-20
    #[test]
    fn a_denial_wins_whatever_else_is_said(
        (who, own) in anybody(),
        policy in any_policy(),
        granted in any_grant(),
    ) {
        let mut denying = policy.clone();
        denying.push(("Deny", "*"));
        let caller = principal(who, &own);
        prop_assert!(outcome(&caller, &key_policy(&denying), granted).is_err());
        if own.contains(&"Deny") && !caller.is_root() {
            prop_assert_eq!(outcome(&caller, &key_policy(&policy), granted), Err(Denied::ByIdentity));
        }
    }

    #[test]
    fn one_more_allow_or_grant_takes_no_permission_away(
        (who, own) in anybody(),
        policy in any_policy(),
        granted in any_grant(),
        more in prop::sample::select(vec![ALICE, BOB, OWNER, OTHER, "*"]),
    ) {
        let caller = principal(who, &own);
        if outcome(&caller, &key_policy(&policy), granted).is_ok() {
            let mut wider = policy.clone();
            wider.push(("Allow", more));
            prop_assert!(outcome(&caller, &key_policy(&wider), granted).is_ok());
            prop_assert!(outcome(&caller, &key_policy(&policy), Granted::ToItself).is_ok());
            let mut own = own;
            own.push("Allow");
            prop_assert!(outcome(&principal(who, &own), &key_policy(&policy), granted).is_ok());
        }
    }

    /// Rule AUTH-22
    #[test]
    fn nobody_of_another_account_is_let_in_by_one_side_alone(
        own in prop::sample::subsequence(vec!["Allow", "Deny"], 0..=2),
        policy in any_policy(),
        granted in any_grant(),
    ) {
        let bob = principal(BOB, &own);
        let allowed = outcome(&bob, &key_policy(&policy), granted).is_ok();
        let own_side = own.contains(&"Allow") && !own.contains(&"Deny");
        let named = |(effect, who): &(&str, &str)| {
            *effect == "Allow" && [BOB, OTHER, "*"].contains(who)
        };
        let key_side = policy.iter().any(named) || granted != Granted::No;
        prop_assert!(!allowed || (own_side && key_side));
    }
}

/// How the key that an action is on is looked for; none where the request names no key there.
const fn lookup(on: On<'_>) -> Option<KeyLookup> {
    match on {
        On::Use(_) | On::Maker { .. } => Some(KeyLookup::Used),
        On::Shared(_) | On::Grant(_) => Some(KeyLookup::Shared),
        On::Own(_) => Some(KeyLookup::Own),
        On::Nothing
        | On::KeyStore(_)
        | On::Like(_)
        | On::Alias(_)
        | On::AliasTarget(_)
        | On::Cluster(_)
        | On::Backup(_)
        | On::Resource(_)
        | On::Arn(_) => None,
    }
}

fn check_lookup(operation: Operation, concern: &Concern<'_>) {
    for wanted in &concern.wanted {
        if let Some(lookup) = lookup(wanted.on) {
            let key = row(operation).key.map(|key| key.lookup);
            assert_eq!(key, Some(lookup), "{}", operation.name());
        }
    }
}

macro_rules! check_lookups {
    ($($operation:ident $service:ident.$method:ident($input:ty) $effect:ident $reply:ident { $($row:tt)* };)*) => {
        $(check_lookup(Operation::$operation, &<$input>::default().concern());)*
    };
}

/// Rules AUTH-01, AUTH-02 and KEY-06: permission is asked for the key that the operation then finds.
#[test]
fn the_key_of_a_permission_is_looked_for_as_the_operation_looks_for_its_key() {
    kms_operations!(check_lookups);
}

/// A request or a reply with everything that it can name.
fn naming<T: DeserializeOwned>() -> T {
    let members = json!({
        "KeyId": "key", "TargetKeyId": "target", "DestinationKeyId": "destination",
        "SourceKeyId": "source", "CustomKeyStoreId": "store",
    });
    serde_json::from_value(members).unwrap()
}

/// Compares what a shape says that it names with its members.
fn check_names<T: Serialize>(shape: &T, names: Names<'_>, operation: Operation) {
    let shape = serde_json::to_value(shape).unwrap();
    let member = |name: &str| shape.get(name).and_then(Value::as_str);
    let keys = ["KeyId", "TargetKeyId", "DestinationKeyId"];
    let expected = Names {
        key: keys.into_iter().find_map(member),
        source_key: member("SourceKeyId"),
        key_store: member("CustomKeyStoreId"),
    };
    assert_eq!(names, expected, "{}", operation.name());
}

macro_rules! check_all_names {
    ($($operation:ident $service:ident.$method:ident($input:ty) $effect:ident $reply:ident { $part:ident; $output:ty; $($row:tt)* };)*) => {
        $(
            let input: $input = naming();
            check_names(&input, input.names(), Operation::$operation);
            check_all_names!(@$reply $operation $output);
        )*
    };
    (@object $operation:ident $output:ty) => {
        let output: $output = naming();
        check_names(&output, output.names(), Operation::$operation);
    };
    (@empty $operation:ident $output:ty) => {};
}

/// Rule EV-04.
#[test]
fn an_event_is_about_what_the_members_of_request_and_reply_name() {
    kms_operations!(check_all_names);
}
