//! Who may use which key, as two accounts' principals see it with boto3.
#![allow(clippy::unwrap_used, reason = "tests fail loudly")]

use portcullis_tests::{Portcullis, root};

/// A Portcullis whose world has the principals of `tests/clients/auth.world.toml`.
fn up(auth: &str) -> Portcullis {
    let world = root().join("tests/clients/auth.world.toml");
    let world = world.to_str().unwrap();
    Portcullis::up(&["--world", world, "--ephemeral", "--auth", auth])
}

/// Rule AUTH-25, AUTH-26, AUTH-27, AUTH-28, AUTH-30, AUTH-32, AUTH-34, AUTH-35
#[test]
fn policies_grants_and_conditions_decide_when_they_are_enforced() {
    let portcullis = up("enforce");
    let told = portcullis.python("auth.py", &[]);
    assert!(told.contains("two_accounts"), "{told}");
    // A denied call is told as one, with who made it.
    let events = portcullis.shell(&format!(
        "curl -s '{}/_portcullis/events?name=ListGrants'",
        portcullis.endpoint()
    ));
    assert!(
        events.contains("\"errorCode\":\"AccessDeniedException\""),
        "{events}"
    );
    assert!(
        events.contains("arn:aws:iam::111122223333:user/carol"),
        "{events}"
    );
}

/// Rule AUTH-33
#[test]
fn nothing_is_denied_unless_policies_are_enforced() {
    for auth in ["open", "verify"] {
        let portcullis = up(auth);
        let as_carol = "AWS_ACCESS_KEY_ID=AKIACAROL AWS_SECRET_ACCESS_KEY=carol-secret";
        for command in [
            "aws kms encrypt --key-id alias/payments --plaintext hello",
            "aws kms create-key",
            "aws kms list-keys",
        ] {
            portcullis.shell(&format!("{as_carol} {command}"));
        }
        let identity = portcullis.shell(&format!("{as_carol} aws sts get-caller-identity"));
        assert!(identity.contains(":user/carol"), "{identity}");
    }
}
