//! `portcullis env`: the variables that point AWS clients at a running Portcullis.

use std::borrow::Cow;
use std::process::ExitCode;

use portcullis_loadgen::{Access, print};

/// Prints `export` lines for a shell's `eval`.
///
/// The credentials are the ones that `--auth verify` knows too.
pub(crate) fn run(access: &Access) -> ExitCode {
    for (name, value) in variables(access) {
        print::line(&format!("export {name}={}", quoted(&value)));
    }
    ExitCode::SUCCESS
}

fn variables(access: &Access) -> Vec<(&'static str, Cow<'_, str>)> {
    let mut variables = vec![
        ("AWS_ENDPOINT_URL", access.endpoint.as_str().into()),
        ("AWS_ACCESS_KEY_ID", "test".into()),
        ("AWS_SECRET_ACCESS_KEY", "test".into()),
        ("AWS_REGION", "us-east-1".into()),
        ("AWS_DEFAULT_REGION", "us-east-1".into()),
    ];
    if access.admin() != access.endpoint {
        variables.push(("PORTCULLIS_ADMIN_URL", access.admin().into()));
    }
    if let Some(path) = access.ca_bundle() {
        variables.push(("AWS_CA_BUNDLE", path.to_string_lossy()));
    }
    if let Some(path) = access.token_file() {
        variables.push(("PORTCULLIS_ADMIN_TOKEN_FILE", path.to_string_lossy()));
    }
    variables
}

/// `text` as one word of a POSIX shell.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._:/".contains(c);
    if text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_cannot_end_its_quotes() {
        assert_eq!(quoted("http://127.0.0.1:4566"), "http://127.0.0.1:4566");
        assert_eq!(quoted("a'; rm b"), r"'a'\''; rm b'");
    }
}
