//! Where `portcullis up` listens, who may use its admin API, and what it says about that.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use portcullis_seam::{Entropy, draw};
use portcullis_server::{AdminAccess, AdminToken, HostNames, Listeners, Running};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::args::{AuthMode, Up};
use crate::folder::ADMIN_TOKEN;
use crate::instance::Data;
use crate::output::ServerOutput;
use crate::restart;
use crate::tls::Presented;

/// The variable by which commands find the admin token.
pub(crate) const TOKEN_FILE: &str = "PORTCULLIS_ADMIN_TOKEN_FILE";

/// Longer files hold no token.
const TOKEN_BYTES_MAX: u64 = 4 << 10;

/// Where Portcullis will listen, and for whom.
#[derive(Debug)]
pub(crate) struct Door {
    pub(crate) listeners: Listeners,
    pub(crate) host_names: HostNames,
    pub(crate) access: AdminAccess,
    pub(crate) reach: Reach,
}

/// What of the door is told to who will use it.
#[derive(Debug, Clone)]
pub(crate) struct Reach {
    /// Where the token lies that is asked for.
    token_file: Option<PathBuf>,
    /// Whether every call of the admin API needs it.
    is_locked: bool,
}

impl Door {
    /// The door as it was asked for. In a data folder that is open the token is made if it is needed
    /// and not there.
    ///
    /// # Errors
    /// A text for the user.
    pub(crate) fn of(arguments: &Up, data: &Data, entropy: &dyn Entropy) -> Result<Self, String> {
        let listeners = listeners(arguments)?;
        let mut host_names = HostNames::default();
        for name in &arguments.host_names {
            host_names.insert(name).map_err(|error| error.to_string())?;
        }
        let door = |access, token_file| Self {
            listeners,
            host_names,
            reach: Reach {
                token_file,
                is_locked: matches!(access, AdminAccess::Token(_)),
            },
            access,
        };
        if let Some(path) = &arguments.admin_token_file {
            let token = read_token(path)?;
            return Ok(door(AdminAccess::Token(token), Some(path.clone())));
        }
        let is_own = listeners.admin().ip().is_loopback();
        let is_enforced = arguments.auth == AuthMode::Enforce;
        Ok(match data {
            _ if is_own && !is_enforced => door(AdminAccess::Open, None),
            Data::Memory if is_own => door(AdminAccess::TokenForSecrets(None), None),
            Data::Memory => return Err(no_token(listeners.admin())),
            Data::Folder(folder) => {
                let path = folder.join(ADMIN_TOKEN);
                let token = make_or_read_token(&path, entropy)?;
                let access = if is_own {
                    AdminAccess::TokenForSecrets(Some(token))
                } else {
                    AdminAccess::Token(token)
                };
                door(access, Some(path))
            }
        })
    }
}

/// Refuses what cannot be, before a world is made for it.
///
/// # Errors
/// A text for the user.
pub(crate) fn check(arguments: &Up, data: &Data) -> Result<(), String> {
    let admin = listeners(arguments)?.admin();
    let has_token = arguments.admin_token_file.is_some() || matches!(data, Data::Folder(_));
    if has_token || admin.ip().is_loopback() {
        Ok(())
    } else {
        Err(no_token(admin))
    }
}

fn no_token(admin: SocketAddr) -> String {
    format!(
        "The admin API at {admin} would be open to everybody who reaches it. Give a token with \
         --admin-token-file: --ephemeral has no data folder to make one in."
    )
}

/// Where to listen: as asked for, or after a reset where it was.
fn listeners(arguments: &Up) -> Result<Listeners, String> {
    let port = restart::port().unwrap_or(arguments.port);
    let bind = SocketAddr::new(arguments.bind, port);
    let planned = Listeners::plan(bind, arguments.admin_bind).map_err(|error| error.to_string())?;
    Ok(match (planned, restart::admin_port()) {
        (Listeners::Two { public, admin }, Some(port)) => Listeners::Two {
            public,
            admin: SocketAddr::new(admin.ip(), port),
        },
        (planned, _) => planned,
    })
}

fn read_token(path: &Path) -> Result<AdminToken, String> {
    let mut text = Zeroizing::new(String::new());
    let read = std::fs::File::open(path)
        .and_then(|file| file.take(TOKEN_BYTES_MAX).read_to_string(&mut text));
    let unusable = |why: String| {
        format!(
            "The admin token in {} cannot be used: {why}",
            path.display()
        )
    };
    read.map_err(|error| {
        unusable(format!(
            "{error}. Name another file with --admin-token-file."
        ))
    })?;
    AdminToken::parse(&text).map_err(|error| unusable(error.to_string()))
}

/// The token of the data folder: 256 random bits, in a file that its owner alone can read.
fn make_or_read_token(path: &Path, entropy: &dyn Entropy) -> Result<AdminToken, String> {
    match make_token(path, entropy) {
        Ok(()) => read_token(path),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => read_token(path),
        Err(error) => Err(format!(
            "No admin token can be made in {}: {error}. Give one with --admin-token-file.",
            path.display()
        )),
    }
}

fn make_token(path: &Path, entropy: &dyn Entropy) -> std::io::Result<()> {
    if path.exists() {
        return Err(ErrorKind::AlreadyExists.into());
    }
    let bits: Zeroizing<[u8; 32]> = Zeroizing::new(draw(entropy));
    let mut text = Zeroizing::new(String::with_capacity(65));
    for byte in bits.iter() {
        for digit in [byte >> 4, byte & 15] {
            text.extend(char::from_digit(digit.into(), 16));
        }
    }
    text.push('\n');
    // There whole or not at all, also if the power is cut.
    let making = path.with_extension("making");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&making)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&making, path)
}

/// Where Portcullis is reached, and with what.
#[derive(Debug, Clone)]
pub(crate) struct Urls {
    /// The AWS endpoint.
    pub(crate) endpoint: String,
    /// The admin API; the same unless it has an address of its own.
    pub(crate) admin: String,
    /// The file with the token that the admin API asks for.
    pub(crate) token_file: Option<PathBuf>,
    /// The file with the authority that clients must believe, if it is ours.
    pub(crate) ca_bundle: Option<PathBuf>,
}

impl Urls {
    pub(crate) fn of(running: &Running, reach: &Reach, tls: Option<&Presented>) -> Self {
        let url = |address: SocketAddr| {
            // Rule TLS-04
            let is_plain = address != running.address && address.ip().is_loopback();
            let scheme = if tls.is_some() && !is_plain {
                "https"
            } else {
                "http"
            };
            format!("{scheme}://{address}")
        };
        let authority = tls.and_then(|tls| tls.authority.as_ref());
        Self {
            endpoint: url(running.address),
            admin: url(running.admin),
            token_file: reach.token_file.clone(),
            ca_bundle: authority.map(|file| file.path.clone()),
        }
    }

    /// The admin API's, if that is another one than the endpoint's.
    pub(crate) fn own_admin(&self) -> Option<&str> {
        (self.admin != self.endpoint).then_some(self.admin.as_str())
    }

    /// Adds to the line on stdout what differs from a plain endpoint.
    pub(crate) fn add_to(&self, line: &mut Value) {
        let Some(members) = line.as_object_mut() else {
            return;
        };
        if let Some(admin) = self.own_admin() {
            members.insert("admin".to_owned(), json!(admin));
        }
        if let Some(path) = &self.token_file {
            members.insert("admin_token_file".to_owned(), json!(path));
        }
        if let Some(path) = &self.ca_bundle {
            members.insert("ca_bundle".to_owned(), json!(path));
        }
    }

    /// What lets `portcullis` find the admin API, and clients believe what they call.
    pub(crate) fn admin_variables(&self) -> Vec<(&'static str, PathBuf)> {
        let mut variables = vec![("PORTCULLIS_ADMIN_URL", PathBuf::from(&self.admin))];
        let token_file = self.token_file.clone();
        variables.extend(token_file.map(|path| (TOKEN_FILE, path)));
        let ca_bundle = self.ca_bundle.clone();
        variables.extend(ca_bundle.map(|path| ("AWS_CA_BUNDLE", path)));
        variables
    }

    /// The options that `portcullis env` needs beside the endpoint.
    pub(crate) fn options(&self) -> String {
        let admin = self.own_admin().map(|url| format!(" --admin-url {url}"));
        let token = self.token_file.as_deref();
        let token = token.map(|path| format!(" --admin-token-file '{}'", path.display()));
        let bundle = self.ca_bundle.as_deref();
        let bundle = bundle.map(|path| format!(" --ca-bundle '{}'", path.display()));
        [admin, token, bundle].into_iter().flatten().collect()
    }
}

/// Rule DOOR-03: an endpoint that others reach says in one line what is open to them.
pub(crate) fn tell(running: &Running, reach: &Reach, auth: AuthMode, output: &ServerOutput) {
    let is_own = running.admin.ip().is_loopback();
    if running.address.ip().is_loopback() && is_own {
        return;
    }
    let calls = match auth {
        AuthMode::Open => "open to everybody who reaches it (--auth open)",
        AuthMode::Verify => "for who signs with a known secret (--auth verify)",
        AuthMode::Enforce => "for who signs and is permitted (--auth enforce)",
    };
    let whom = match (is_own, reach.is_locked) {
        (true, false) => "this machine only",
        (true, true) => "this machine only, with the admin token",
        (false, _) => "for who has the admin token",
    };
    output.note(&format!(
        "Others reach this: AWS endpoint {}: {calls}; admin API and console {}: {whom}.",
        running.address, running.admin,
    ));
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use portcullis_seam::SystemEntropy;

    use super::*;

    /// Rule DOOR-04
    #[test]
    fn the_token_of_a_folder_is_made_once_and_for_its_owner() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(ADMIN_TOKEN);
        make_or_read_token(&path, &SystemEntropy).unwrap();
        let made = std::fs::read_to_string(&path).unwrap();
        assert_eq!(made.trim_end().len(), 64, "256 bits");
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        make_or_read_token(&path, &SystemEntropy).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), made);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        std::fs::write(&path, "").unwrap();
        let refused = make_or_read_token(&path, &SystemEntropy).unwrap_err();
        assert!(refused.contains("openssl rand"), "{refused}");
    }
}
