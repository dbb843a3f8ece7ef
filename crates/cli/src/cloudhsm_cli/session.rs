//! Under whose session a verb runs.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::ValueEnum;
use portcullis_admin::{
    GetSession, LogIn, LogOut, LoggedIn, LoginRequest, Secret, SessionRequest, UserName,
};

use super::FailedVerb;
use super::place::ClusterPlace;
use super::verbs::RoleArgument;
use crate::client::ClientError;
use crate::user_folders;

/// Where the tokens of sessions come from.
#[derive(Debug)]
pub(super) enum SessionSource {
    /// One command: a session that an earlier `login` left open, or one from the environment for
    /// this command alone.
    OneCommand,
    /// The prompt: what was opened there, by cluster.
    Prompt(BTreeMap<String, OpenSession>),
}

/// A session that `login` opened.
#[derive(Debug, Clone)]
pub(super) struct OpenSession {
    token: Secret,
    username: String,
}

/// A token for one verb.
pub(super) struct TokenLease {
    pub(super) token: Secret,
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

impl SessionSource {
    /// A token for one verb.
    pub(super) async fn lease(
        &self,
        place: &ClusterPlace,
        side: Side,
    ) -> Result<TokenLease, FailedVerb> {
        let kept = match self {
            Self::OneCommand => open_session(place).await?,
            Self::Prompt(open) => open.get(&place.cluster).cloned(),
        };
        if let Some(OpenSession { token, .. }) = kept {
            return Ok(TokenLease {
                token,
                passing: false,
            });
        }
        let (role, pin) = side.variables();
        if matches!(self, Self::Prompt(_)) {
            let cluster = &place.cluster;
            return Err(FailedVerb::Refused(format!(
                "Nobody is logged in on {cluster}. Run `login --username NAME --role ROLE` first."
            )));
        }
        let credentials = credentials_from_environment(role, pin).map_err(FailedVerb::Refused)?;
        let LoggedIn { token, .. } = place.call::<LogIn>(&credentials).await?;
        Ok(TokenLease {
            token,
            passing: true,
        })
    }

    /// Gives a token back.
    pub(super) async fn release(
        place: &ClusterPlace,
        lease: TokenLease,
    ) -> Result<(), ClientError> {
        if !lease.passing {
            return Ok(());
        }
        let request = SessionRequest { token: lease.token };
        match place.call::<LogOut>(&request).await {
            // A session that has ended meanwhile needs no logout.
            Ok(_) | Err(FailedVerb::Refused(_)) => Ok(()),
            Err(FailedVerb::NoReply(error)) => Err(error),
        }
    }

    /// `login`: the session stays open. The token is this program's business: the CloudHSM CLI shows the
    /// user and the role.
    pub(super) async fn log_in(
        &mut self,
        place: &ClusterPlace,
        credentials: LoginRequest,
    ) -> Result<UserName, FailedVerb> {
        let before = match self {
            Self::OneCommand => open_session(place).await?,
            Self::Prompt(open) => open.get(&place.cluster).cloned(),
        };
        if let Some(OpenSession { username, .. }) = before {
            return Err(FailedVerb::Refused(format!(
                "{username} is logged in on this cluster. Run `logout` first."
            )));
        }
        let LoggedIn {
            username,
            role,
            token,
        } = place.call::<LogIn>(&credentials).await?;
        match self {
            Self::OneCommand => keep_session(place, &token)?,
            Self::Prompt(open) => {
                let username = username.clone();
                open.insert(place.cluster.clone(), OpenSession { token, username });
            }
        }
        Ok(UserName { username, role })
    }

    /// `logout`.
    pub(super) async fn log_out(&mut self, place: &ClusterPlace) -> Result<String, FailedVerb> {
        let open = match self {
            Self::OneCommand => open_session(place).await?,
            Self::Prompt(open) => open.remove(&place.cluster),
        };
        let none = || FailedVerb::Refused("Nobody is logged in.".to_owned());
        let OpenSession { token, .. } = open.ok_or_else(none)?;
        let reply = place.call::<LogOut>(&SessionRequest { token }).await;
        if matches!(self, Self::OneCommand) && !matches!(reply, Err(FailedVerb::NoReply(_))) {
            forget_session(place)?;
        }
        reply
    }

    /// The clusters on which a user is logged in at the prompt.
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

fn credentials_from_environment(role: &str, pin: &str) -> Result<LoginRequest, String> {
    let (Ok(value), Ok(name)) = (std::env::var(pin), std::env::var(role)) else {
        return Err(format!(
            "Nobody is logged in. Run `login` first, or set {role} (admin or crypto-user) and \
             {pin} (user:password)."
        ));
    };
    let Ok(found) = RoleArgument::from_str(&name, false) else {
        return Err(format!(
            "{role} is {name:?}, which is no role. Set it to admin or crypto-user."
        ));
    };
    let Some((username, password)) = value.split_once(':') else {
        return Err(format!(
            "{pin} has no colon. Set it to the user, a colon and the password: user:password."
        ));
    };
    Ok(LoginRequest {
        username: username.to_owned(),
        role: found.into(),
        password: Secret::new(password),
    })
}

/// The session that an earlier `login` command left open.
///
/// Rule CL-28: one that has ended in the meantime, as all do when Portcullis is started again, is
/// forgotten.
async fn open_session(place: &ClusterPlace) -> Result<Option<OpenSession>, ClientError> {
    let Some(token) = kept_session(place) else {
        return Ok(None);
    };
    let request = SessionRequest { token };
    match place.call::<GetSession>(&request).await {
        Ok(UserName { username, .. }) => Ok(Some(OpenSession {
            token: request.token,
            username,
        })),
        Err(FailedVerb::Refused(_)) => {
            forget_session(place)?;
            Ok(None)
        }
        Err(FailedVerb::NoReply(error)) => Err(error),
    }
}

/// Where the session of `login` is kept between two commands: readable by its owner only.
///
/// Rule CL-28: each cluster of each Portcullis has a file of its own.
fn session_file(place: &ClusterPlace) -> PathBuf {
    let name = format!("{}-{}", place.client.authority(), place.cluster);
    let unusual = |character: char| !character.is_ascii_alphanumeric() && character != '-';
    user_folders::runtime().join(format!("portcullis-session-{}", name.replace(unusual, "_")))
}

fn kept_session(place: &ClusterPlace) -> Option<Secret> {
    let kept = std::fs::read_to_string(session_file(place)).ok()?;
    Some(Secret::new(kept.trim()))
}

fn keep_session(place: &ClusterPlace, token: &Secret) -> Result<(), ClientError> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let path = session_file(place);
    std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&path)
        .and_then(|mut file| file.write_all(token.reveal().as_bytes()))
        .map_err(|error| {
            ClientError(format!(
                "The session is open but cannot be kept in {}: {error}.",
                path.display()
            ))
        })
}

fn forget_session(place: &ClusterPlace) -> Result<(), ClientError> {
    let path = session_file(place);
    std::fs::remove_file(&path)
        .map_err(|error| ClientError(format!("{} cannot be removed: {error}.", path.display())))
}
