//! How a running Portcullis is reached, as the command line and the environment say it.

use std::io::Read;
use std::path::{Path, PathBuf};

use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Command, FromArgMatches};
use http::HeaderValue;
use zeroize::Zeroizing;

/// A running Portcullis.
///
/// Rule DOOR-11: an endpoint that is named on the command line is not asked at the admin URL of the
/// environment, nor given its token: those are of another server.
#[derive(Debug, Clone)]
pub struct Access {
    /// Where its AWS endpoint is.
    pub endpoint: String,
    /// Where its admin API is, if not there.
    pub admin_url: Option<String>,
    /// The file with the token of its admin API.
    pub admin_token_file: Option<PathBuf>,
    /// The file with the authorities that are believed.
    pub ca_bundle: Option<PathBuf>,
}

/// As the command line has it.
#[derive(Debug, Args)]
struct Given {
    /// The endpoint of a running Portcullis
    #[arg(
        long = "endpoint",
        env = "AWS_ENDPOINT_URL",
        default_value = "http://127.0.0.1:4566",
        value_name = "URL"
    )]
    endpoint: String,
    /// Where its admin API is, if that has an address of its own [default: the endpoint]
    #[arg(long, env = "PORTCULLIS_ADMIN_URL", value_name = "URL")]
    admin_url: Option<String>,
    /// The file with the token of its admin API, if that asks for one
    #[arg(long, env = "PORTCULLIS_ADMIN_TOKEN_FILE", value_name = "FILE")]
    admin_token_file: Option<PathBuf>,
    /// The file with the authorities that are believed at an https:// endpoint
    #[arg(long, env = "AWS_CA_BUNDLE", value_name = "FILE")]
    ca_bundle: Option<PathBuf>,
}

impl Args for Access {
    fn augment_args(command: Command) -> Command {
        Given::augment_args(command)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Given::augment_args_for_update(command)
    }
}

impl FromArgMatches for Access {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let given = Given::from_arg_matches(matches)?;
        let is_named = matches.value_source("endpoint") == Some(ValueSource::CommandLine);
        let counts =
            |name| !is_named || matches.value_source(name) != Some(ValueSource::EnvVariable);
        Ok(Self {
            endpoint: given.endpoint,
            admin_url: given.admin_url.filter(|_| counts("admin_url")),
            admin_token_file: given
                .admin_token_file
                .filter(|_| counts("admin_token_file")),
            ca_bundle: given.ca_bundle,
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// Longer files hold no token.
const TOKEN_BYTES_MAX: u64 = 4 << 10;

impl Access {
    /// Where the admin API is.
    #[must_use]
    pub fn admin(&self) -> &str {
        // An empty variable says no more than none.
        let named = self.admin_url.as_deref().filter(|url| !url.is_empty());
        named.unwrap_or(&self.endpoint)
    }

    /// The file with the authorities that are believed.
    #[must_use]
    pub fn ca_bundle(&self) -> Option<&Path> {
        let named = self.ca_bundle.as_deref();
        named.filter(|path| !path.as_os_str().is_empty())
    }

    /// The file with the admin token.
    #[must_use]
    pub fn token_file(&self) -> Option<&Path> {
        let named = self.admin_token_file.as_deref();
        named.filter(|path| !path.as_os_str().is_empty())
    }

    /// What goes with every call of the admin API, for the header Authorization.
    ///
    /// # Errors
    /// A text for the user, when the file of the token cannot be read.
    pub fn authorization(&self) -> Result<Option<HeaderValue>, String> {
        let Some(path) = self.token_file() else {
            return Ok(None);
        };
        let unusable = |why: &str| {
            let path = path.display();
            format!(
                "The admin token in {path} cannot be used: {why}. Check --admin-token-file and \
                 PORTCULLIS_ADMIN_TOKEN_FILE."
            )
        };
        let mut text = Zeroizing::new(String::new());
        std::fs::File::open(path)
            .and_then(|file| file.take(TOKEN_BYTES_MAX).read_to_string(&mut text))
            .map_err(|error| unusable(&error.to_string()))?;
        let value = Zeroizing::new(format!("Bearer {}", text.trim_ascii()));
        let value = HeaderValue::from_str(&value);
        let mut value = value.map_err(|_no_header| unusable("it is more than one line"))?;
        value.set_sensitive(true);
        Ok(Some(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(token: Option<PathBuf>) -> Access {
        Access {
            endpoint: "http://127.0.0.1:4566".to_owned(),
            admin_url: Some(String::new()),
            admin_token_file: token,
            ca_bundle: None,
        }
    }

    #[test]
    fn a_token_is_read_from_its_file_and_not_printed() {
        assert_eq!(access(None).admin(), "http://127.0.0.1:4566");
        assert_eq!(access(None).authorization(), Ok(None));
        assert_eq!(access(Some(PathBuf::new())).authorization(), Ok(None));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let missing = access(Some(path.clone())).authorization().unwrap_err();
        assert!(missing.contains("--admin-token-file"), "{missing}");
        std::fs::write(&path, "canary\n").unwrap();
        let read = access(Some(path.clone())).authorization().unwrap().unwrap();
        assert_eq!(read, "Bearer canary");
        assert!(!format!("{read:?}").contains("canary"));
        std::fs::write(&path, "canary\nmore\n").unwrap();
        let refused = access(Some(path)).authorization().unwrap_err();
        assert!(!refused.contains("canary"), "{refused}");
    }
}
