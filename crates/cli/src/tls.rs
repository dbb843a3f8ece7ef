//! What `portcullis up` presents to clients that speak TLS.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use portcullis_seam::{SystemClock, WallClock};
use portcullis_server::{HostNames, Listeners, System, TlsAuthority, TlsIdentity};
use zeroize::Zeroizing;

use crate::args::Up;
use crate::data::Data;
use crate::door::Door;
use crate::folder::TLS_AUTHORITY;
use crate::user_folders;

/// What is presented, and what clients need to believe it.
#[derive(Debug)]
pub(crate) struct PresentedIdentity {
    pub(crate) identity: TlsIdentity,
    /// The certificate of our own authority, if it is ours.
    pub(crate) authority: Option<AuthorityFile>,
}

/// The file with the certificate of our own authority.
#[derive(Debug)]
pub(crate) struct AuthorityFile {
    pub(crate) path: PathBuf,
    /// Removed at the end: the authority is forgotten too.
    is_fleeting: bool,
}

impl Drop for AuthorityFile {
    fn drop(&mut self) {
        if self.is_fleeting {
            let _gone = std::fs::remove_file(&self.path);
        }
    }
}

/// What the command line asks for; none without TLS.
///
/// # Errors
/// A text for the user.
pub(crate) async fn presented(
    arguments: &Up,
    system: &System,
    (data, door): (&Data, &Door),
) -> Result<Option<PresentedIdentity>, String> {
    if let (Some(certificate), Some(key)) = (&arguments.tls_cert, &arguments.tls_key) {
        return given(certificate, key).map(Some);
    }
    if !arguments.tls {
        return Ok(None);
    }
    // Rule TLS-01: clients judge by the machine's date, so the services' clock does not count.
    let now = SystemClock.now();
    let authority = system.tls_authority(now).await?;
    let issued = authority.issue(subjects(&door.listeners, &door.host_names), now);
    let identity = issued.map_err(|error| error.to_string())?;
    let file = match data {
        Data::Folder(folder) => AuthorityFile {
            path: folder.join(TLS_AUTHORITY),
            is_fleeting: false,
        },
        Data::Memory => AuthorityFile {
            path: user_folders::runtime().join(format!("portcullis-{}-ca.pem", std::process::id())),
            is_fleeting: true,
        },
    };
    write(&file.path, &authority).map_err(|error| {
        let path = file.path.display();
        format!("The certificate of the authority cannot be written to {path}: {error}.")
    })?;
    Ok(Some(PresentedIdentity {
        identity,
        authority: Some(file),
    }))
}

/// Rule TLS-02: a certificate and a key of the user's.
fn given(certificate: &Path, key: &Path) -> Result<PresentedIdentity, String> {
    let read = |path: &Path| {
        std::fs::read(path).map_err(|error| {
            let path = path.display();
            format!("{path} cannot be read: {error}. Check --tls-cert and --tls-key.")
        })
    };
    let chain = read(certificate)?;
    let key = Zeroizing::new(read(key)?);
    let identity = TlsIdentity::from_pem(&chain, &key)
        .map_err(|error| format!("{error} Check --tls-cert and --tls-key."))?;
    Ok(PresentedIdentity {
        identity,
        authority: None,
    })
}

/// Names and addresses under which clients may call.
fn subjects(listeners: &Listeners, names: &HostNames) -> Vec<String> {
    let mut subjects = ["localhost", "127.0.0.1", "::1"]
        .map(str::to_owned)
        .to_vec();
    let addresses = [listeners.endpoint(), listeners.admin()];
    subjects.extend(addresses.map(|address| address.ip().to_string()));
    subjects.extend(names.iter().map(str::to_owned));
    subjects.sort();
    subjects.dedup();
    subjects
}

/// Never through a link that another user has put there: every user may be able to write in the folder.
fn write(path: &Path, authority: &TlsAuthority) -> std::io::Result<()> {
    let text = authority.certificate();
    let is_there = std::fs::symlink_metadata(path).is_ok_and(|found| found.is_file());
    if is_there && std::fs::read_to_string(path).is_ok_and(|there| there == text) {
        return Ok(());
    }
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rule TLS-01
    #[test]
    fn the_certificate_names_what_clients_may_call() {
        let mut names = HostNames::default();
        for name in ["portcullis", "10.9.8.7"] {
            names.insert(name).unwrap();
        }
        let listeners = Listeners::Two {
            public: "10.1.2.3:4566".parse().unwrap(),
            admin: "127.0.0.1:4567".parse().unwrap(),
        };
        let expected = [
            "10.1.2.3",
            "10.9.8.7",
            "127.0.0.1",
            "::1",
            "localhost",
            "portcullis",
        ];
        assert_eq!(subjects(&listeners, &names), expected);
    }

    #[test]
    fn the_certificate_is_not_written_through_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let [path, other] = ["ca.pem", "other"].map(|name| folder.path().join(name));
        std::fs::write(&other, "mine").unwrap();
        std::os::unix::fs::symlink(&other, &path).unwrap();
        let authority = TlsAuthority::generate(SystemClock.now()).unwrap();
        write(&path, &authority).unwrap();
        write(&path, &authority).unwrap();
        assert_eq!(std::fs::read_to_string(&other).unwrap(), "mine");
        assert_eq!(
            std::fs::read_to_string(&path).unwrap(),
            authority.certificate()
        );
    }
}
