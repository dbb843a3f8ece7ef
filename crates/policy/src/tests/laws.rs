use proptest::prelude::*;
use serde_json::{Value, json};

use crate::glob::{Case, GlobPiece, Wild, matches, pieces};
use crate::{Context, Document, Hold, Identity, Kind, Request, Verdict};

/// A wildcard pattern matched as it is defined, at exponential cost.
fn naive(pattern: &[GlobPiece], text: &[char]) -> bool {
    match (pattern.split_first(), text.split_first()) {
        (None, None) => true,
        (None, Some(_)) => false,
        (Some((GlobPiece::Run, rest)), None) => naive(rest, text),
        (Some((GlobPiece::Run, rest)), Some((_, left))) => {
            naive(rest, text) || naive(pattern, left)
        }
        (Some((GlobPiece::One, rest)), Some((_, left))) => naive(rest, left),
        (Some((GlobPiece::Letter(wanted), rest)), Some((letter, left))) => {
            wanted == letter && naive(rest, left)
        }
        (Some((GlobPiece::One | GlobPiece::Letter(_), _)), None) => false,
    }
}

fn texts(values: &'static [&'static str]) -> impl Strategy<Value = Value> {
    let one = prop::sample::select(values);
    prop_oneof![
        one.clone().prop_map(|value| json!(value)),
        prop::collection::vec(one, 1..3).prop_map(|values| json!(values)),
    ]
}

fn condition() -> impl Strategy<Value = Value> {
    let operator = prop::sample::select(vec![
        "StringEquals",
        "StringNotEqualsIfExists",
        "StringLike",
        "ForAllValues:StringLike",
        "ForAnyValue:StringEquals",
        "ArnLike",
    ]);
    let key = prop::sample::select(vec!["kms:ViaService", "aws:TagKeys"]);
    (operator, key, texts(&["a", "b*", "${kms:ViaService}"]))
        .prop_map(|(operator, key, values)| json!({operator: {key: values}}))
}

fn statement(kind: Kind) -> impl Strategy<Value = Value> {
    let principal = prop_oneof![
        Just(json!("*")),
        texts(&[
            "arn:aws:iam::111122223333:user/alice",
            "111122223333",
            "444455556666"
        ])
        .prop_map(|values| json!({"AWS": values})),
        texts(&["rds.amazonaws.com"]).prop_map(|values| json!({"Service": values})),
    ];
    (
        prop::bool::ANY,
        prop::sample::select(vec!["Action", "NotAction"]),
        texts(&["kms:Encrypt", "kms:*", "kms:Dec?ypt"]),
        prop::sample::select(vec!["Resource", "NotResource"]),
        texts(&["*", "arn:key/1", "arn:key/*"]),
        prop::sample::select(vec!["Principal", "NotPrincipal"]),
        principal,
        prop::option::of(condition()),
    )
        .prop_map(
            move |(allow, action, actions, resource, resources, who, principal, condition)| {
                let mut statement = json!({
                    "Effect": if allow { "Allow" } else { "Deny" },
                    action: actions,
                    resource: resources,
                });
                if kind == Kind::Resource {
                    statement[who] = principal;
                }
                if let Some(condition) = condition {
                    statement["Condition"] = condition;
                }
                statement
            },
        )
}

fn statements(kind: Kind) -> impl Strategy<Value = Vec<Value>> {
    prop::collection::vec(statement(kind), 1..6)
}

fn document(statements: &[Value], kind: Kind) -> Document {
    let text = json!({"Version": "2012-10-17", "Id": "x", "Statement": statements}).to_string();
    Document::parse(&text, kind).unwrap()
}

fn requests() -> Vec<(&'static str, &'static str, Context)> {
    let mut contexts = vec![Context::default(), Context::default()];
    contexts[1].set("kms:ViaService", "a");
    contexts[1].set_all("aws:TagKeys", vec!["a".to_owned(), "bc".to_owned()]);
    let mut requests = Vec::new();
    for action in ["kms:Encrypt", "kms:Decrypt"] {
        for resource in ["arn:key/1", "*"] {
            for context in &contexts {
                requests.push((action, resource, context.clone()));
            }
        }
    }
    requests
}

fn verdicts(policy: &Document) -> Vec<Verdict> {
    let all = requests().into_iter();
    all.map(|(action, resource, context)| {
        policy.for_identity(&Request {
            action,
            resource,
            context: &context,
        })
    })
    .collect()
}

fn holds(policy: &Document) -> Vec<Hold> {
    let names = ["arn:aws:iam::111122223333:user/alice".to_owned()];
    let alice = Identity {
        names: &names,
        account: Some("111122223333"),
        service: None,
    };
    let service = Identity {
        names: &[],
        account: None,
        service: Some("rds.amazonaws.com"),
    };
    let mut holds = Vec::new();
    for (action, resource, context) in requests() {
        for who in [alice, service] {
            let request = Request {
                action,
                resource,
                context: &context,
            };
            holds.push(policy.for_resource(who, &request));
        }
    }
    holds
}

proptest! {
    #[test]
    fn a_wildcard_matches_as_it_is_defined(pattern in "[ab*?]{0,8}", text in "[ab]{0,8}") {
        let pattern = pieces(&pattern, Wild::Yes, None).unwrap();
        let letters: Vec<char> = text.chars().collect();
        prop_assert_eq!(matches(&pattern, &text, Case::Matters), naive(&pattern, &letters));
    }

    #[test]
    fn the_order_of_statements_does_not_matter(
        all in statements(Kind::Identity),
        of_key in statements(Kind::Resource),
    ) {
        let backwards: Vec<Value> = all.iter().rev().cloned().collect();
        prop_assert_eq!(
            verdicts(&document(&all, Kind::Identity)),
            verdicts(&document(&backwards, Kind::Identity))
        );
        let backwards: Vec<Value> = of_key.iter().rev().cloned().collect();
        prop_assert_eq!(
            holds(&document(&of_key, Kind::Resource)),
            holds(&document(&backwards, Kind::Resource))
        );
    }

    #[test]
    fn a_denial_wins_over_whatever_else_there_is(
        all in statements(Kind::Identity),
        of_key in statements(Kind::Resource),
    ) {
        let mut all = all;
        all.push(json!({"Effect": "Deny", "Action": "*", "Resource": "*"}));
        let policy = document(&all, Kind::Identity);
        prop_assert!(verdicts(&policy).iter().all(|verdict| *verdict == Verdict::Deny));
        let mut of_key = of_key;
        of_key.push(json!({"Effect": "Deny", "Principal": "*", "Action": "*", "Resource": "*"}));
        let policy = document(&of_key, Kind::Resource);
        prop_assert!(holds(&policy).iter().all(|hold| *hold == Hold::Deny));
    }

    #[test]
    fn one_more_allow_takes_no_permission_away(
        all in statements(Kind::Identity),
        more in statement(Kind::Identity),
        of_key in statements(Kind::Resource),
        more_of_key in statement(Kind::Resource),
    ) {
        let (mut all, mut more) = (all, more);
        let before = verdicts(&document(&all, Kind::Identity));
        more["Effect"] = json!("Allow");
        all.push(more);
        let after = verdicts(&document(&all, Kind::Identity));
        prop_assert!(before.iter().zip(&after).all(|(before, after)| before <= after));
        let (mut of_key, mut more) = (of_key, more_of_key);
        let before = holds(&document(&of_key, Kind::Resource));
        more["Effect"] = json!("Allow");
        of_key.push(more);
        let after = holds(&document(&of_key, Kind::Resource));
        prop_assert!(before.iter().zip(&after).all(|(before, after)| before <= after));
    }

    /// Rule AUTH-38
    #[test]
    fn of_two_readings_neither_hides_a_denial_nor_permits_alone(all in statements(Kind::Identity)) {
        let policy = document(&all, Kind::Identity);
        let read = |values: &[&str]| {
            let mut context = Context::default();
            for value in values {
                context.add_reading("kms:ViaService", *value);
            }
            policy.for_identity(&Request {
                action: "kms:Encrypt",
                resource: "arn:key/1",
                context: &context,
            })
        };
        let (one, other, both) = (read(&["a"]), read(&["bc"]), read(&["a", "bc"]));
        if one.max(other) == Verdict::Deny {
            prop_assert_eq!(both, Verdict::Deny);
        }
        if both == Verdict::Allow {
            prop_assert_eq!((one, other), (Verdict::Allow, Verdict::Allow));
        }
    }

    #[test]
    fn a_document_reads_back_what_it_prints(
        all in statements(Kind::Identity),
        of_key in statements(Kind::Resource),
    ) {
        for (statements, kind) in [(all, Kind::Identity), (of_key, Kind::Resource)] {
            let document = document(&statements, kind);
            prop_assert_eq!(Document::parse(&document.to_string(), kind), Ok(document));
        }
    }

    #[test]
    fn no_text_makes_the_decoder_panic(
        text in r#"\{("Statement"|"Effect"|"Allow"|"Principal"|"Condition"|"Null"|"\$\{a"|:|,|\[|\]|\{|\}|[0-9]){0,30}\}"#,
    ) {
        let _either = Document::parse(&text, Kind::Resource);
    }
}

/// A pattern of many wildcards costs no more than the product of the lengths.
#[test]
fn a_hostile_pattern_is_answered_at_once() {
    let pattern = pieces(&"*a".repeat(2000), Wild::Yes, None).unwrap();
    assert!(!matches(&pattern, &"a".repeat(1999), Case::Matters));
    assert!(matches(&pattern, &"a".repeat(2000), Case::Matters));
}
