//! Under whose session a verb runs.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use clap::ValueEnum;
use serde_json::{Value, json};

use super::place::Place;
use super::verbs::RoleArgument;
use super::{failure, set};
use crate::client::ClientError;
use crate::user_folders;

/// Where the tokens of sessions come from.
#[derive(Debug)]
pub(super) enum Sessions {
    /// One command: a session that an earlier `login` left open, or one from the environment for
    /// this command alone.
    OneCommand,
    /// The prompt: what was opened there, by cluster.
    Prompt(BTreeMap<String, Open>),
}

/// A session that `login` opened.
#[derive(Clone)]
pub(super) struct Open {
    token: String,
    username: String,
}

impl fmt::Debug for Open {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Open({})", self.username)
    }
}

/// A token for one verb.
pub(super) struct Lease {
    pub(super) token: String,
    /// Whether it ends with the verb.
    passing: bool,
}

/// Which variables have the credentials of a command.
#[derive(Debug, Clone, Copy)]
pub(super) enum Side {
    /// `CLOUDHSM_ROLE` and `CLOUDHSM_PIN`.
    Here,
    /// `DESTINATION_CLOUDHSM_ROLE` and `DESTINATION_CLOUDHSM_PIN`.
    Destination,
}

impl Side {
    const fn variables(self) -> (&'static str, &'static str) {
        match self {
            Self::Here => ("CLOUDHSM_ROLE", "CLOUDHSM_PIN"),
            Self::Destination => ("DESTINATION_CLOUDHSM_ROLE", "DESTINATION_CLOUDHSM_PIN"),
        }
    }
}

impl Sessions {
    /// A token, or the reply of a verb that gets none.
    pub(super) async fn lease(
        &self,
        place: &Place,
        side: Side,
    ) -> Result<Result<Lease, Value>, ClientError> {
        let kept = match self {
            Self::OneCommand => open_session(place).await?,
            Self::Prompt(open) => open.get(&place.cluster).cloned(),
        };
        if let Some(Open { token, .. }) = kept {
            return Ok(Ok(Lease {
                token,
                passing: false,
            }));
        }
        let (role, pin) = side.variables();
        if matches!(self, Self::Prompt(_)) {
            let cluster = &place.cluster;
            return Ok(Err(failure(&format!(
                "Nobody is logged in on {cluster}. Run `login --username NAME --role ROLE` first."
            ))));
        }
        let credentials = match credentials_from_environment(role, pin) {
            Ok(credentials) => credentials,
            Err(why) => return Ok(Err(failure(&why))),
        };
        let reply = place.post("login", credentials).await?;
        Ok(match token_of(&reply) {
            Some(token) => Ok(Lease {
                token,
                passing: true,
            }),
            None => Err(reply),
        })
    }

    /// Gives a token back.
    pub(super) async fn release(place: &Place, lease: Lease) -> Result<(), ClientError> {
        if lease.passing {
            let logout = json!({ "token": lease.token });
            place.post("logout", logout).await?;
        }
        Ok(())
    }

    /// `login`: the session stays open.
    pub(super) async fn log_in(
        &mut self,
        place: &Place,
        credentials: Value,
    ) -> Result<Value, ClientError> {
        let before = match self {
            Self::OneCommand => open_session(place).await?,
            Self::Prompt(open) => open.get(&place.cluster).cloned(),
        };
        if let Some(Open { username, .. }) = before {
            return Ok(failure(&format!(
                "{username} is logged in on this cluster. Run `logout` first."
            )));
        }
        let mut reply = place.post("login", credentials).await?;
        let Some(token) = token_of(&reply) else {
            return Ok(reply);
        };
        // The token is this program's business; the CloudHSM CLI shows the user and the role.
        let data = reply.get_mut("data").and_then(Value::as_object_mut);
        let username = data.and_then(|data| {
            data.remove("token");
            data.get("username")?.as_str().map(str::to_owned)
        });
        match self {
            Self::OneCommand => keep_session(place, &token)?,
            Self::Prompt(open) => {
                let username = username.unwrap_or_default();
                open.insert(place.cluster.clone(), Open { token, username });
            }
        }
        Ok(reply)
    }

    /// `logout`.
    pub(super) async fn log_out(&mut self, place: &Place) -> Result<Value, ClientError> {
        let open = match self {
            Self::OneCommand => open_session(place).await?,
            Self::Prompt(open) => open.remove(&place.cluster),
        };
        let Some(Open { token, .. }) = open else {
            return Ok(failure("Nobody is logged in."));
        };
        let reply = place.post("logout", json!({ "token": token })).await?;
        if matches!(self, Self::OneCommand) {
            forget_session(place)?;
        }
        Ok(reply)
    }

    /// The clusters on which somebody is logged in at the prompt.
    pub(super) fn open_clusters(&self) -> Vec<String> {
        match self {
            Self::OneCommand => Vec::new(),
            Self::Prompt(open) => open.keys().cloned().collect(),
        }
    }

    /// Who is logged in at the prompt.
    pub(super) fn user_of(&self, cluster: &str) -> Option<&str> {
        match self {
            Self::OneCommand => None,
            Self::Prompt(open) => open.get(cluster).map(|open| open.username.as_str()),
        }
    }
}

fn credentials_from_environment(role: &str, pin: &str) -> Result<Value, String> {
    let (Ok(value), Ok(name)) = (std::env::var(pin), std::env::var(role)) else {
        return Err(format!(
            "Nobody is logged in. Run `login` first, or set {role} (admin or crypto-user) and \
             {pin} (user:password)."
        ));
    };
    if RoleArgument::from_str(&name, false).is_err() {
        return Err(format!(
            "{role} is {name:?}, which is no role. Set it to admin or crypto-user."
        ));
    }
    let Some((username, password)) = value.split_once(':') else {
        return Err(format!(
            "{pin} has no colon. Set it to the user, a colon and the password: user:password."
        ));
    };
    let mut credentials = json!({ "username": username, "role": name });
    set(&mut credentials, "password", password.into());
    Ok(credentials)
}

/// The session that an earlier `login` command left open.
///
/// Rule CL-28: one that has ended in the meantime, as all do when Portcullis is started again, is
/// forgotten.
async fn open_session(place: &Place) -> Result<Option<Open>, ClientError> {
    let Some(token) = kept_session(place) else {
        return Ok(None);
    };
    let reply = place.post("session", json!({ "token": token })).await?;
    let username = reply.get("data").and_then(|data| data.get("username"));
    let Some(username) = username.and_then(Value::as_str).map(str::to_owned) else {
        forget_session(place)?;
        return Ok(None);
    };
    Ok(Some(Open { token, username }))
}

fn token_of(login: &Value) -> Option<String> {
    login.get("data")?.get("token")?.as_str().map(str::to_owned)
}

/// Where the session of `login` is kept between two commands: readable by its owner only.
///
/// Rule CL-28: each cluster of each Portcullis has a file of its own.
fn session_file(place: &Place) -> PathBuf {
    let name = format!("{}-{}", place.client.authority(), place.cluster);
    let unusual = |character: char| !character.is_ascii_alphanumeric() && character != '-';
    user_folders::runtime().join(format!("portcullis-session-{}", name.replace(unusual, "_")))
}

fn kept_session(place: &Place) -> Option<String> {
    let kept = std::fs::read_to_string(session_file(place)).ok()?;
    Some(kept.trim().to_owned())
}

fn keep_session(place: &Place, token: &str) -> Result<(), ClientError> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let path = session_file(place);
    std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&path)
        .and_then(|mut file| file.write_all(token.as_bytes()))
        .map_err(|error| {
            ClientError(format!(
                "The session is open but cannot be kept in {}: {error}.",
                path.display()
            ))
        })
}

fn forget_session(place: &Place) -> Result<(), ClientError> {
    let path = session_file(place);
    std::fs::remove_file(&path)
        .map_err(|error| ClientError(format!("{} cannot be removed: {error}.", path.display())))
}
