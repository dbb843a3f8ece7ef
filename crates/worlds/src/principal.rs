//! A principal of a world file: who calls with which access key, and what its own policies say.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use portcullis_api::{AccountId, Scope};
use portcullis_kms::{Principal, policy_findings};
use portcullis_policy::{Document, Kind};
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::password::Password;

/// A principal of a world: exactly one of `root`, `user`, `role` and `service`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PrincipalEntry {
    /// What it signs with.
    pub(crate) access_key: String,
    /// The secret access key; or one of the next two, so that a world holds no secret itself.
    secret: Option<Password>,
    /// The environment variable with the secret access key.
    secret_env: Option<String>,
    /// The file with the secret access key, on one line.
    secret_file: Option<PathBuf>,
    /// Its account; the world's when absent.
    account: Option<AccountId>,
    /// The root of the account.
    #[serde(default)]
    root: bool,
    /// The name of a user, with its path.
    user: Option<String>,
    /// The name of a role, with its path; the caller is a session of it.
    role: Option<String>,
    /// The name of the session.
    session: Option<String>,
    /// An AWS service that acts for itself, such as `rds.amazonaws.com`.
    service: Option<String>,
    /// The resource for which the service acts.
    source_arn: Option<String>,
    /// The service that calls on the principal's behalf, such as `s3.us-east-1.amazonaws.com`.
    via_service: Option<String>,
    /// Identity policies, each the JSON of a document.
    #[serde(default)]
    policies: Vec<String>,
    /// Tags of the user or role, which policies compare as `aws:PrincipalTag/<name>`.
    #[serde(default)]
    tags: BTreeMap<String, String>,
    /// What it sends as X-Amz-Security-Token with every request, where it has temporary credentials.
    pub(crate) session_token: Option<Password>,
}

fn read_secret(path: &Path) -> Result<Zeroizing<String>, String> {
    let mut text = Zeroizing::new(String::new());
    let read =
        File::open(path).and_then(|file| file.take(SECRET_BYTES_MAX).read_to_string(&mut text));
    read.map_err(|error| {
        let path = path.display();
        format!("needs the secret in {path}, which cannot be read: {error}.")
    })?;
    Ok(Zeroizing::new(text.trim_ascii().to_owned()))
}

/// A session without a name.
const SESSION: &str = "portcullis";

/// A longer file holds no secret access key.
const SECRET_BYTES_MAX: u64 = 4 << 10;

impl PrincipalEntry {
    pub(crate) fn secret(&self) -> Result<Zeroizing<String>, String> {
        let secret = match (&self.secret, &self.secret_env, &self.secret_file) {
            (Some(secret), None, None) => Zeroizing::new(secret.reveal().to_owned()),
            (None, Some(name), None) => {
                std::env::var(name).map(Zeroizing::new).map_err(|_unset| {
                    format!("needs the environment variable {name}, which is not set.")
                })?
            }
            (None, None, Some(path)) => read_secret(path)?,
            _ => return Err("needs exactly one of secret, secret_env and secret_file.".into()),
        };
        if secret.is_empty() {
            return Err("has an empty secret.".into());
        }
        Ok(secret)
    }

    pub(crate) fn principal(&self, scope: &Scope) -> Result<Principal, String> {
        let account = self.account.as_ref().unwrap_or(&scope.account).clone();
        let policies = || -> Result<Vec<Document>, String> {
            let parse = |text: &String| {
                let document = Document::parse_new(text, Kind::Identity)
                    .map_err(|error| format!("has a policy that is none: {error}"))?;
                // Rule AUTH-40
                for finding in policy_findings(&document) {
                    tracing::warn!(
                        access_key = self.access_key,
                        "a policy of the world: {finding}"
                    );
                }
                Ok(document)
            };
            self.policies.iter().map(parse).collect()
        };
        let policies = policies()?;
        let session = self.session.as_deref();
        let principal = match (self.root, &self.user, &self.role, &self.service) {
            (true, None, None, None) if policies.is_empty() => Principal::root(account),
            (true, None, None, None) => {
                return Err(
                    "is a root, which no policy of its own binds. Leave policies out.".into(),
                );
            }
            (false, Some(name), None, None) => Principal::user(account, name, policies),
            (false, None, Some(role), None) => {
                Principal::session(account, role, session.unwrap_or(SESSION), policies)
            }
            (false, None, None, Some(name)) => {
                Principal::service(account, name, self.source_arn.clone())
            }
            _ => return Err("needs exactly one of root, user, role and service.".into()),
        };
        if session.is_some() && self.role.is_none() {
            return Err("has a session but no role.".into());
        }
        if self.source_arn.is_some() && self.service.is_none() {
            return Err("has a source_arn, which only a service has.".into());
        }
        if !self.tags.is_empty() && self.user.is_none() && self.role.is_none() {
            return Err("has tags, which only a user or a role has.".into());
        }
        if self.session_token.is_some() && self.root {
            return Err(
                "is a root, which has no temporary credentials. Leave session_token out.".into(),
            );
        }
        let principal = principal.in_partition(scope.region.partition());
        let principal = principal.tagged(self.tags.clone());
        Ok(principal.via(self.via_service.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rule DOOR-10
    #[test]
    fn a_secret_comes_from_one_place() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret");
        std::fs::write(&file, "of a file\n").unwrap();
        let entry = |given: &str| -> PrincipalEntry {
            toml::from_str(&format!("access_key = \"A\"\nroot = true\n{given}")).unwrap()
        };
        let of_file = format!("secret_file = \"{}\"", file.display());
        let read = |given: &str| entry(given).secret().map(|secret| secret.to_string());
        assert_eq!(read("secret = \"plain\"").as_deref(), Ok("plain"));
        assert_eq!(read(&of_file).as_deref(), Ok("of a file"));
        for (given, told) in [
            ("", "exactly one"),
            ("secret = \"a\"\nsecret_env = \"B\"", "exactly one"),
            ("secret = \"\"", "empty"),
            (
                "secret_env = \"PORTCULLIS_NO_SUCH_VARIABLE\"",
                "PORTCULLIS_NO_SUCH_VARIABLE",
            ),
            ("secret_file = \"/nowhere\"", "/nowhere"),
        ] {
            let refused = read(given).unwrap_err();
            assert!(refused.contains(told), "{given}: {refused}");
        }
    }
}
