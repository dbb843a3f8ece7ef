use serde_json::{Value, json};

use crate::{Context, Document, Hold, Identity, Kind, Request, Verdict};

const KEY: &str = "arn:aws:kms:us-east-1:111122223333:key/0987dcba-09fe-87dc-65ba-ab0987654321";

fn context(pairs: &Value) -> Context {
    let mut context = Context::default();
    for (key, value) in pairs.as_object().unwrap() {
        match value.as_array() {
            Some(values) => {
                let values = values.iter().map(|it| it.as_str().unwrap().to_owned());
                context.set_all(key, values.collect());
            }
            None => context.set(key, value.as_str().unwrap()),
        }
    }
    context
}

/// Whether a statement with this condition applies in this context.
#[track_caller]
fn check(condition: &Value, known: &Value, expected: bool) {
    let policy = json!({"Version": "2012-10-17", "Statement": {
        "Effect": "Allow", "Action": "kms:*", "Resource": "*", "Condition": condition,
    }});
    let policy = Document::parse(&policy.to_string(), Kind::Identity).unwrap();
    let request = Request {
        action: "kms:Encrypt",
        resource: KEY,
        context: &context(known),
    };
    let allowed = policy.for_identity(&request) == Verdict::Allow;
    assert_eq!(allowed, expected, "{condition} in {known}");
}

/// Operator, the policy's value, what is known, and whether the condition holds.
const CONDITIONS: &str = r#"
StringEquals | "a" | {"k": "a"} | true
StringEquals | "A" | {"k": "a"} | false
StringEquals | ["b", "a"] | {"k": "a"} | true
StringEquals | "a*" | {"k": "ab"} | false
StringEquals | "a" | {} | false
StringEqualsIfExists | "a" | {} | true
StringEqualsIfExists | "a" | {"k": "b"} | false
StringEqualsIgnoreCase | "A" | {"k": "a"} | true
StringNotEquals | "a" | {"k": "a"} | false
StringNotEquals | ["a", "b"] | {"k": "c"} | true
StringNotEquals | "a" | {} | true
StringLike | "a?c*" | {"k": "abcd"} | true
StringNotLike | "a*" | {"k": "a"} | false
NumericLessThan | 7 | {"k": "6.5"} | true
NumericLessThan | "7" | {"k": "7"} | false
NumericGreaterThanEquals | 7 | {"k": "7"} | true
NumericEquals | 7 | {"k": "x"} | false
NumericNotEquals | 7 | {"k": "8"} | true
Bool | true | {"k": "true"} | true
Bool | "false" | {"k": "true"} | false
Bool | "false" | {} | false
Null | true | {} | true
Null | "false" | {} | false
Null | "false" | {"k": "a"} | true
DateLessThan | "2026-09-20T00:00:00Z" | {"k": "2026-09-19"} | true
DateGreaterThan | "2026-09-20T00:00:00Z" | {"k": "2026-09-19"} | false
IpAddress | "10.1.0.0/16" | {"k": "10.1.2.3"} | true
IpAddress | "10.1.0.0/16" | {"k": "10.2.2.3"} | false
NotIpAddress | "::1" | {"k": "::1"} | false
IpAddress | "0.0.0.0/0" | {"k": "1.2.3.4"} | true
ArnLike | "arn:aws:iam::*:role/x*" | {"k": "arn:aws:iam::1:role/xy"} | true
ArnEquals | "arn:aws:iam::*:role/x*" | {"k": "arn:aws:iam::1:role/xy"} | true
ArnLike | "arn:aws:*:role/x" | {"k": "arn:aws:iam::1:role/x"} | false
ArnNotLike | "arn:aws:iam::1:*" | {"k": "arn:aws:iam::2:role/x"} | true
ForAllValues:StringEquals | ["a", "b"] | {"k": ["a", "b"]} | true
ForAllValues:StringEquals | ["a", "b"] | {"k": ["a", "c"]} | false
ForAllValues:StringEquals | "a" | {} | true
ForAnyValue:StringEquals | "a" | {"k": ["c", "a"]} | true
ForAnyValue:StringEquals | "a" | {"k": ["c", "d"]} | false
ForAnyValue:StringEquals | "a" | {} | false
ForAnyValue:StringNotEquals | "a" | {"k": ["c", "a"]} | true
ForAllValues:StringNotEquals | "a" | {"k": ["c", "a"]} | false
StringNotEqualsIfExists | "a" | {} | true
StringNotEqualsIfExists | "a" | {"k": "a"} | false
StringNotLike | "a*" | {} | true
NumericNotEquals | 7 | {} | true
NumericEquals | 7 | {} | false
DateNotEquals | "2026-09-20" | {} | true
NotIpAddress | "10.0.0.0/8" | {} | true
IpAddressIfExists | "10.0.0.0/8" | {} | true
ArnNotLike | "arn:aws:iam::1:*" | {} | true
ArnNotEquals | "arn:aws:iam::1:*" | {} | true
BoolIfExists | "false" | {} | true
BoolIfExists | "false" | {"k": "true"} | false
ForAllValues:StringNotEquals | "a" | {} | true
ForAnyValue:StringNotEquals | "a" | {} | false
ForAnyValue:StringEqualsIfExists | "a" | {} | true
ForAllValues:StringLike | "a*" | {"k": ["ab", "b"]} | false
ForAnyValue:StringLike | "a*" | {"k": ["ab", "b"]} | true
Null | ["true", "false"] | {} | true
stringequals | "a" | {"k": "a"} | true
STRINGNOTEQUALSIFEXISTS | "a" | {"k": "a"} | false
forAnyValue:stringLike | "a*" | {"k": ["c", "ab"]} | true
foranyvalue:stringequalsifexists | "a" | {} | true
null | "TRUE" | {} | true
NumericLessThanEquals | "1546257599.0" | {"k": "1546257599"} | true
DateLessThan | "2018-12-31T12:00:00Z" | {"k": "1546257599.5"} | true
DateLessThan | "1546257600.1" | {"k": "1546257600.05"} | true
IpAddress | "127.0.0.0/8" | {"k": "127.0.0.1"} | true
"#;

/// In ArnLike a wildcard does not reach over a colon. Rule AUTH-36.
#[test]
fn a_condition_holds_as_the_reference_says() {
    let rows = CONDITIONS.lines().filter(|line| !line.is_empty());
    for row in rows {
        let cells: Vec<&str> = row.split(" | ").collect();
        let value = |cell: usize| -> Value { serde_json::from_str(cells[cell]).unwrap() };
        let condition = json!({cells[0]: {"k": value(1)}});
        check(&condition, &value(2), value(3) == json!(true));
    }
}

#[test]
fn every_operator_and_key_of_a_condition_must_hold() {
    let both = json!({"StringEquals": {"k": "a", "l": "b"}});
    check(&both, &json!({"k": "a", "l": "b"}), true);
    check(&both, &json!({"k": "a", "l": "c"}), false);
    let two = json!({"StringEquals": {"k": "a"}, "Null": {"l": "true"}});
    check(&two, &json!({"k": "a"}), true);
    check(&two, &json!({"k": "a", "l": "b"}), false);
}

#[test]
fn the_names_of_keys_are_not_case_sensitive_and_variables_are_filled_in() {
    let known = json!({"kms:EncryptionContext:AppName": "x", "aws:username": "al*ce"});
    let condition = json!({"StringEquals": {"KMS:encryptioncontext:appname": "x"}});
    check(&condition, &known, true);
    for (wanted, expected) in [
        ("${aws:username}", true),
        // What a variable is replaced by is no wildcard.
        ("alice", false),
        ("${aws:nothing}", false),
        ("${aws:nothing, 'al*ce'}", true),
        ("al${*}ce", true),
    ] {
        let condition = json!({"StringEquals": {"aws:username": wanted}});
        check(&condition, &known, expected);
    }
    let like = json!({"StringLike": {"aws:username": "${aws:username}"}});
    check(&like, &known, true);
    let known = json!({"k": "arn:aws:iam::1:role/x", "own": "arn:aws:iam::1:role/x", "part": "x"});
    for (wanted, expected) in [
        ("arn:aws:iam::*:role/${part}", true),
        ("arn:aws:iam::*:role/${own}", false),
        // A variable may be a whole ARN, with colons of its own.
        ("${own}", true),
        ("${part}", false),
    ] {
        check(&json!({"ArnLike": {"k": wanted}}), &known, expected);
    }
}

/// Rule AUTH-38: two names that differ in case are one condition key; what permits must hold for both
/// values, what denies for one.
#[test]
fn names_that_differ_in_case_are_one_key_of_either_value() {
    let mut context = Context::default();
    context.add_reading("kms:EncryptionContext:App", "x");
    context.add_reading("kms:EncryptionContext:app", "y");
    context.add_reading("kms:EncryptionContext:Same", "z");
    context.add_reading("kms:EncryptionContext:same", "z");
    let verdict = |effect: &str, operator: &str, name: &str, value: &str| {
        let policy = json!({"Version": "2012-10-17", "Statement": {
            "Effect": effect, "Action": "kms:*", "Resource": "*",
            "Condition": {operator: {format!("kms:EncryptionContext:{name}"): value}},
        }});
        let policy = Document::parse(&policy.to_string(), Kind::Identity).unwrap();
        policy.for_identity(&Request {
            action: "kms:Encrypt",
            resource: KEY,
            context: &context,
        })
    };
    use Verdict::{Allow, Deny, Silent};
    for name in ["App", "app", "APP"] {
        for (operator, value, allow, deny) in [
            ("StringEquals", "x", Silent, Deny),
            ("StringEquals", "y", Silent, Deny),
            ("StringEquals", "z", Silent, Silent),
            ("StringNotEquals", "x", Silent, Deny),
            ("StringNotEquals", "z", Allow, Deny),
            ("StringLike", "?", Allow, Deny),
            ("StringEqualsIfExists", "x", Silent, Deny),
            ("Null", "true", Silent, Silent),
            ("Null", "false", Allow, Deny),
        ] {
            let found = (
                verdict("Allow", operator, name, value),
                verdict("Deny", operator, name, value),
            );
            assert_eq!(found, (allow, deny), "{operator} {name} {value}");
        }
    }
    assert_eq!(verdict("Allow", "StringEquals", "same", "z"), Allow);
}

const USER: &str = "arn:aws:iam::111122223333:user/alice";
const ROOT: &str = "arn:aws:iam::111122223333:root";
const SERVICE: &str = "rds.amazonaws.com";

/// What a policy of one statement says about a user, the root of the user's account, and a service.
fn holds(effect: &str, element: &str, principal: &Value) -> [Hold; 3] {
    let policy = json!({"Statement": [{
        "Effect": effect, element: principal, "Action": "kms:*", "Resource": "*",
    }]});
    let policy = Document::parse(&policy.to_string(), Kind::Resource).unwrap();
    let context = Context::default();
    let request = Request {
        action: "kms:Encrypt",
        resource: KEY,
        context: &context,
    };
    [(USER, false), (ROOT, false), ("", true)].map(|(name, service)| {
        let names = [name.to_owned()];
        let who = Identity {
            names: if service { &[] } else { &names },
            account: (!service).then_some("111122223333"),
            service: service.then_some(SERVICE),
        };
        policy.for_resource(who, &request)
    })
}

#[test]
fn a_resources_policy_names_somebody_by_itself_by_its_account_or_not() {
    use Hold::{Account, Deny, Itself, Silent};
    for (effect, principal, expected) in [
        ("Allow", json!("*"), [Itself; 3]),
        ("Deny", json!("*"), [Deny; 3]),
        ("Allow", json!({"AWS": "*"}), [Itself; 3]),
        ("Allow", json!({"AWS": USER}), [Itself, Silent, Silent]),
        ("Allow", json!({"AWS": ROOT}), [Account, Itself, Silent]),
        (
            "Allow",
            json!({"AWS": "111122223333"}),
            [Account, Itself, Silent],
        ),
        ("Deny", json!({"AWS": ROOT}), [Deny, Deny, Silent]),
        (
            "Allow",
            json!({"Service": SERVICE}),
            [Silent, Silent, Itself],
        ),
    ] {
        assert_eq!(
            holds(effect, "Principal", &principal),
            expected,
            "{principal}"
        );
    }
    // Who lists a user alone excepts nobody of the account.
    let alone = holds("Deny", "NotPrincipal", &json!({"AWS": USER}));
    assert_eq!(alone, [Deny; 3]);
    let both = holds("Deny", "NotPrincipal", &json!({"AWS": [USER, ROOT]}));
    assert_eq!(both, [Silent, Silent, Deny]);
}

/// Rule AUTH-37: whom NotPrincipal leaves out.
#[test]
fn a_session_is_left_out_only_with_its_role_and_its_account() {
    const SESSION: &str = "arn:aws:sts::111122223333:assumed-role/Deploy/build";
    const ROLE: &str = "arn:aws:iam::111122223333:role/Deploy";
    let names = [SESSION.to_owned(), ROLE.to_owned()];
    let who = Identity {
        names: &names,
        account: Some("111122223333"),
        service: None,
    };
    for (listed, left_out) in [
        (json!([SESSION, ROLE, ROOT]), true),
        (json!([SESSION, ROLE, "111122223333"]), true),
        (json!([ROLE, ROOT]), false),
        (json!([SESSION, ROOT]), false),
        (json!([SESSION, ROLE]), false),
        (json!([ROOT]), false),
        (json!("*"), true),
    ] {
        let policy = json!({"Statement": [{
            "Effect": "Deny", "NotPrincipal": {"AWS": listed}, "Action": "*", "Resource": "*",
        }]});
        let policy = Document::parse(&policy.to_string(), Kind::Resource).unwrap();
        let context = Context::default();
        let request = Request {
            action: "kms:Encrypt",
            resource: KEY,
            context: &context,
        };
        let hold = policy.for_resource(who, &request);
        assert_eq!(hold == Hold::Silent, left_out, "{listed}");
    }
}

/// Rule AUTH-42: what a policy that was accepted once goes on to mean, a new one must not have.
#[test]
fn a_new_policy_has_nothing_twice_and_nothing_void() {
    let kept = [
        (
            r#"{"Statement": [{"Effect": "Deny", "Principal": "*", "Resource": "*"}]}"#,
            "no action",
        ),
        (
            r#"{"Statement": [{"Effect": "Deny", "Principal": "*", "Action": "kms:*"}]}"#,
            "no resource",
        ),
        (
            r#"{"Statement": [{"Effect": "Deny", "Effect": "Allow", "Principal": "*", "Action": "kms:*",
                "Resource": "*"}]}"#,
            "\"Effect\" is given twice",
        ),
        (
            r#"{"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "kms:*", "Resource": "*",
                "Condition": {"Bool": {"k": "true"}, "Bool": {"l": "true"}}}]}"#,
            "\"Bool\" is given twice",
        ),
        (
            r#"{"Statement": [{"Effect": "Deny", "Principal": "*", "Action": "kms:*", "Resource": "*",
                "Condition": {"StringEquals": {"k": []}}}]}"#,
            "The condition on k has no value",
        ),
    ];
    for (text, part) in kept {
        assert!(Document::parse(text, Kind::Resource).is_ok(), "{text}");
        let error = Document::parse_new(text, Kind::Resource).unwrap_err();
        assert!(error.to_string().contains(part), "{text}: {error}");
    }
    let fine = r#"{"Statement": [{"Effect": "Deny", "Principal": "*", "Action": "kms:*",
        "Resource": "*", "Condition": {"Bool": {"k": true, "K": [1, null]}}}]}"#;
    assert!(
        Document::parse_new(fine, Kind::Resource).is_err(),
        "null is no value"
    );
    let fine = fine
        .replace("[1, null]", "[1.5, false, \"x\"]")
        .replace("Bool", "StringLike");
    assert!(Document::parse_new(&fine, Kind::Resource).is_ok());
}

/// Rule ARN-01: a root is that of its own partition.
#[test]
fn an_account_is_named_in_its_own_partition() {
    let allows = |principal: &str, name: &str| {
        let text = format!(
            r#"{{"Statement": {{"Effect": "Allow", "Principal": {{"AWS": "{principal}"}},
                "Action": "*", "Resource": "*"}}}}"#
        );
        let names = [name.to_owned()];
        let who = Identity {
            names: &names,
            account: Some("111122223333"),
            service: None,
        };
        let asked = Request {
            action: "kms:Encrypt",
            resource: "*",
            context: &Context::default(),
        };
        let document = Document::parse(&text, Kind::Resource).unwrap();
        document.for_resource(who, &asked)
    };
    let (itself, account, not) = (Hold::Itself, Hold::Account, Hold::Silent);
    for (principal, name, expected) in [
        (
            "arn:aws-cn:iam::111122223333:root",
            "arn:aws-cn:iam::111122223333:root",
            itself,
        ),
        (
            "arn:aws-cn:iam::111122223333:root",
            "arn:aws-cn:iam::111122223333:user/a",
            account,
        ),
        (
            "111122223333",
            "arn:aws-us-gov:iam::111122223333:user/a",
            account,
        ),
        (
            "arn:aws:iam::111122223333:root",
            "arn:aws:iam::111122223333:user/a",
            account,
        ),
        (
            "arn:aws:iam::111122223333:root",
            "arn:aws-cn:iam::111122223333:root",
            not,
        ),
        (
            "arn:aws-cn:iam::111122223333:root",
            "arn:aws:iam::111122223333:user/a",
            not,
        ),
    ] {
        assert_eq!(allows(principal, name), expected, "{principal} {name}");
    }
}

/// Rule AUTH-46.
#[test]
fn a_principal_of_a_new_policy_is_of_a_kind_that_can_call() {
    let policy = |kind: &str, value: &str| {
        format!(
            r#"{{"Statement": [{{"Effect": "Allow", "Principal": {{"{kind}": "{value}"}},
                "Action": "kms:*", "Resource": "*"}}]}}"#
        )
    };
    for (kind, value, permitted) in [
        ("AWS", "*", true),
        ("AWS", "111122223333", true),
        ("AWS", "arn:aws:iam::111122223333:root", true),
        ("AWS", "arn:aws-cn:iam::111122223333:root", true),
        ("AWS", "arn:aws-us-gov:iam::111122223333:role/app", true),
        ("AWS", "arn:aws:iam::111122223333:user/team/alice", true),
        (
            "AWS",
            "arn:aws:sts::111122223333:assumed-role/app/session",
            true,
        ),
        ("AWS", "arn:aws:sts::111122223333:federated-user/bob", true),
        ("Service", "logs.eu-west-1.amazonaws.com", true),
        ("Service", "ec2.cn-north-1.amazonaws.com.cn", true),
        ("AWS", "arn:aws:iam::111122223333:group/dev", false),
        ("AWS", "arn:aws:iam::111122223333:policy/p", false),
        ("AWS", "arn:aws:iam::111122223333:mfa/alice", false),
        ("AWS", "arn:aws:iam::111122223333:instance-profile/p", false),
        ("AWS", "arn:aws:iam::111122223333:user/", false),
        ("AWS", "arn:aws:iam::123:user/alice", false),
        (
            "AWS",
            "arn:aws:iam:us-east-1:111122223333:user/alice",
            false,
        ),
        ("AWS", "arn:aws:s3:::bucket", false),
        ("AWS", "arn:aws:kms:us-east-1:111122223333:key/k", false),
        ("AWS", "arn:azure:iam::111122223333:root", false),
        ("AWS", "123", false),
        ("Service", "bogus", false),
        ("Service", "rds", false),
        ("Service", ".amazonaws.com", false),
    ] {
        for text in [
            policy(kind, value),
            policy(kind, value).replace("Principal", "NotPrincipal"),
        ] {
            let outcome = Document::parse_new(&text, Kind::Resource);
            assert_eq!(outcome.is_ok(), permitted, "{text}");
            if let Err(refused) = outcome {
                let expected = "Policy contains a statement with one or more invalid principals.";
                assert_eq!(refused.why(), expected, "{text}");
            }
        }
    }
}

#[test]
fn actions_and_resources_may_be_negated_and_a_statement_without_them_is_void() {
    let context = Context::default();
    for (rest, expected) in [
        (
            json!({"Action": "KMS:encrypt", "Resource": KEY}),
            Verdict::Allow,
        ),
        (
            json!({"Action": ["s3:*", "*"], "Resource": "arn:*:key/*"}),
            Verdict::Allow,
        ),
        (
            json!({"NotAction": "kms:Decrypt", "Resource": "*"}),
            Verdict::Allow,
        ),
        (
            json!({"NotAction": "kms:E*", "Resource": "*"}),
            Verdict::Silent,
        ),
        (json!({"Action": "*", "NotResource": "*"}), Verdict::Silent),
        (
            json!({"Action": "*", "Resource": "arn:aws:s3:::x"}),
            Verdict::Silent,
        ),
    ] {
        let mut statement = rest;
        statement["Effect"] = json!("Allow");
        let text = json!({"Version": "2012-10-17", "Statement": statement}).to_string();
        let policy = Document::parse(&text, Kind::Identity).unwrap();
        let request = Request {
            action: "kms:Encrypt",
            resource: KEY,
            context: &context,
        };
        assert_eq!(policy.for_identity(&request), expected, "{text}");
    }
    for void in [
        json!({"Action": "kms:*"}),
        json!({"Resource": "*"}),
        json!({}),
    ] {
        let mut statement = void;
        statement["Effect"] = json!("Allow");
        statement["Principal"] = json!("*");
        let text = json!({"Statement": statement}).to_string();
        let policy = Document::parse(&text, Kind::Resource).unwrap();
        let request = Request {
            action: "kms:Encrypt",
            resource: KEY,
            context: &context,
        };
        let who = Identity {
            names: &[],
            account: None,
            service: None,
        };
        assert_eq!(policy.for_resource(who, &request), Hold::Silent, "{text}");
    }
}

#[test]
fn what_is_no_policy_says_what_is_wrong() {
    let statement = |rest: &str| {
        format!(r#"{{"Statement": {{"Effect": "Allow", "Principal": "*", "Action": "*"{rest}}}}}"#)
    };
    for (text, part) in [
        (String::new(), "not JSON"),
        ("[]".to_owned(), "JSON object"),
        ("{}".to_owned(), "no Statement"),
        (r#"{"Statement": []}"#.to_owned(), "no Statement"),
        (r#"{"Version": "2020-01-01", "Statement": [{"Effect": "Allow", "Principal": "*"}]}"#.to_owned(), "Version"),
        (r#"{"Statement": [{"Effect": "allow", "Principal": "*"}]}"#.to_owned(), "Effect"),
        (r#"{"Statement": [{"Effect": "Allow"}]}"#.to_owned(), "no principal"),
        (statement(r#", "Colour": 1"#), "Colour"),
        (statement(r#", "NotAction": "*""#), "both"),
        (statement(r#", "Resource": 7"#), "Resource"),
        (statement(r#", "Resource": []"#), "empty"),
        (statement(r#", "Condition": {"Equals": {"k": "v"}}"#), "Equals"),
        (statement(r#", "Condition": {"NullIfExists": {"k": "true"}}"#), "NullIfExists"),
        (statement(r#", "Condition": {"Bool": {"k": "yes"}}"#), "yes"),
        (statement(r#", "Condition": {"Bool": {"k": {}}}"#), "needs a value"),
        (statement(r#", "Condition": {"NumericEquals": {"k": "seven"}}"#), "seven"),
        (
            r#"{"Statement": [{"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::1:*"}}]}"#.to_owned(),
            "invalid principals",
        ),
        (
            r#"{"Statement": [{"Effect": "Allow", "Principal": {"Nobody": "x"}}]}"#.to_owned(),
            "Nobody",
        ),
        (
            r#"{"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "Encrypt"}]}"#.to_owned(),
            "service:Operation",
        ),
        (
            r#"{"Statement": [{"Sid": "a", "Effect": "Allow", "Principal": "*"}, {"Sid": "a", "Effect": "Deny", "Principal": "*"}]}"#.to_owned(),
            "Sid",
        ),
    ] {
        let error = Document::parse(&text, Kind::Resource).unwrap_err();
        assert!(error.to_string().contains(part), "{text}: {error}");
    }
    let identity =
        r#"{"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*", "Principal": "*"}}"#;
    assert!(Document::parse(identity, Kind::Identity).is_err());
    assert!(Document::parse(identity, Kind::Resource).is_ok());
}

/// What the fuzz target `policy` starts from.
#[test]
fn the_fuzzers_corpus_is_answered() {
    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus/policy");
    let mut policies = 0;
    for entry in std::fs::read_dir(corpus).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        for kind in [Kind::Identity, Kind::Resource] {
            if let Ok(document) = Document::parse(&text, kind) {
                assert_eq!(Document::parse(&document.to_string(), kind), Ok(document));
                policies += 1;
            }
        }
    }
    assert!(policies >= 4, "{policies} policies");
}
