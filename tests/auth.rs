//! Who may use which key, as two accounts' principals see it with boto3.
#![allow(clippy::unwrap_used, reason = "tests fail loudly")]

use portcullis_tests::{Portcullis, root};

/// A Portcullis whose world has the principals of a file in `tests/clients`.
fn up(world: &str, auth: &str) -> Portcullis {
    let world = root().join("tests/clients").join(world);
    let world = world.to_str().unwrap();
    Portcullis::up(&["--world", world, "--ephemeral", "--auth", auth])
}

/// Rule AUTH-25, AUTH-26, AUTH-27, AUTH-28, AUTH-30, AUTH-32, AUTH-34, AUTH-35
#[test]
fn policies_grants_and_conditions_decide_when_they_are_enforced() {
    let portcullis = up("auth.world.toml", "enforce");
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
        let portcullis = up("auth.world.toml", auth);
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

/// Denials on kms:ReEncryptOnSameKey and aws:SourceIp never fired, because no request had these keys,
/// and nothing said so. NotPrincipal excepted a session whose role was named, and of two encryption
/// context names that differ in case the last one decided.
///
/// Rules AUTH-37, AUTH-38, AUTH-40, AUTH-41, AUTH-43, AUTH-44 and AUTH-45
#[test]
fn no_denial_fails_open_in_silence() {
    let portcullis = up("auth_conditions.world.toml", "enforce");
    let told = portcullis.python("auth_conditions.py", &[]);
    assert!(told.contains("session_tokens"), "{told}");
    let log = portcullis.log();
    let world =
        "the statement \"Foreign\" (Deny) has a condition, StringEquals, on aws:PrincipalOrgID";
    assert!(log.contains(world) && log.contains("AKIAALICE"), "{log}");
    let put = "the statement \"Organization\" (Deny) has a condition";
    assert!(log.contains(put), "{log}");
}

/// Rule AUTH-45: open to everybody, tokens are not looked at.
#[test]
fn where_nothing_is_verified_any_session_token_is_taken() {
    let portcullis = up("auth_conditions.world.toml", "open");
    let as_alice = "AWS_ACCESS_KEY_ID=AKIAALICE AWS_SECRET_ACCESS_KEY=x AWS_SESSION_TOKEN=anything";
    let identity = portcullis.shell(&format!("{as_alice} aws sts get-caller-identity"));
    assert!(identity.contains(":user/alice"), "{identity}");
}
