//! Where `portcullis up` listens, who may use its admin API, and what it says about that.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use portcullis_seam::{Entropy, draw};
use portcullis_server::{AdminAccess, AdminToken, HostNames, Listeners, Running};
use zeroize::Zeroizing;

use crate::args::{AuthMode, Up};
use crate::data::Data;
use crate::folder::ADMIN_TOKEN;
use crate::output::ServerOutput;
use crate::restart;

/// Longer files hold no token.
const TOKEN_BYTES_MAX: u64 = 4 << 10;

/// Where Portcullis will listen, and for which clients.
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
    pub(crate) token_file: Option<PathBuf>,
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
