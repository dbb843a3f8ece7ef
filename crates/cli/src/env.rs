//! `portcullis env`: the variables that point AWS clients at a running Portcullis.

use std::process::ExitCode;

use portcullis_loadgen::{Access, print};

/// Prints `export` lines for a shell's `eval`.
///
/// The credentials are the ones that `--auth verify` knows too.
pub(crate) fn run(access: &Access) -> ExitCode {
    for (name, value) in variables(access) {
        print::line(&format!("export {name}={}", quoted(value)));
    }
    ExitCode::SUCCESS
}

fn variables(access: &Access) -> Vec<(&'static str, &str)> {
    let mut variables = vec![
        ("AWS_ENDPOINT_URL", access.endpoint.as_str()),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_REGION", "us-east-1"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
    ];
    if access.admin() != access.endpoint {
        variables.push(("PORTCULLIS_ADMIN_URL", access.admin()));
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
