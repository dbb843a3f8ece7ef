//! Attestation: which documents of enclaves are believed, and `portcullis attest`, which makes one
//! without an enclave.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::ExitCode;

use portcullis_attest::{Authority, Claims};
use portcullis_seam::{SystemClock, SystemEntropy, Timestamp, WallClock};
use portcullis_worlds::read_key_file;

use crate::args::Attest;
use crate::client::ClientError;
use crate::pem;

/// Makes a document and writes it to a file.
pub(crate) fn run(arguments: &Attest) -> Result<ExitCode, ClientError> {
    make(arguments).map_err(ClientError)
}

fn make(arguments: &Attest) -> Result<ExitCode, String> {
    let now = SystemClock.now().plus(arguments.ahead);
    let authority = authority(arguments.authority.as_deref())?;
    let public_key = arguments
        .public_key
        .as_deref()
        .map(public_key)
        .transpose()?;
    let pcrs: BTreeMap<u8, Vec<u8>> = arguments.pcr.iter().cloned().collect();
    let claims = Claims {
        module_id: &arguments.module_id,
        pcrs,
        public_key: public_key.as_deref(),
        user_data: None,
        nonce: None,
    };
    let document = authority.attest(&claims, &SystemEntropy, now);
    let document = document.map_err(|error| error.to_string())?;
    fs::write(&arguments.out, document).map_err(|error| {
        let path = arguments.out.display();
        format!("The document cannot be written to {path}: {error}. Choose another file.")
    })?;
    Ok(ExitCode::SUCCESS)
}

/// The one kept in a folder, which is made when it is not there; otherwise one that is never seen
/// again.
fn authority(folder: Option<&Path>) -> Result<Authority, String> {
    // Its certificate is for years, whichever date the document is to have.
    let now: Timestamp = SystemClock.now();
    let Some(folder) = folder else {
        return generate(now);
    };
    let (root, key) = (folder.join("root.pem"), folder.join("root.key"));
    if root.exists() && key.exists() {
        let root = pem::decode(&read_key_file(&root)?, "CERTIFICATE")?;
        let key = pem::decode(&read_key_file(&key)?, "PRIVATE KEY")?;
        return Ok(Authority::kept(root.to_vec(), key));
    }
    let made = generate(now)?;
    let unwritable = |error| {
        let folder = folder.display();
        format!("The authority cannot be kept in {folder}: {error}. Choose another folder.")
    };
    fs::create_dir_all(folder).map_err(unwritable)?;
    let mut file = fs::OpenOptions::new();
    let file = file.write(true).create(true).truncate(true).mode(0o600);
    let text = pem::encode("PRIVATE KEY", made.private_key());
    let mut file = file.open(&key).map_err(unwritable)?;
    file.write_all(text.as_bytes()).map_err(unwritable)?;
    let text = pem::encode("CERTIFICATE", made.certificate());
    fs::write(&root, text.as_bytes()).map_err(unwritable)?;
    Ok(made)
}

fn generate(now: Timestamp) -> Result<Authority, String> {
    Authority::generate(&SystemEntropy, now).map_err(|error| error.to_string())
}

/// SubjectPublicKeyInfo from a file, PEM or DER.
fn public_key(path: &Path) -> Result<Vec<u8>, String> {
    let bytes = read_key_file(path)?;
    if bytes.starts_with(b"-----") {
        return Ok(pem::decode(&bytes, "PUBLIC KEY")?.to_vec());
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use portcullis_kms::AttestationTrust;
    use portcullis_worlds::World;

    use super::*;

    #[test]
    fn the_authority_of_a_folder_is_made_once_and_a_world_can_believe_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("authority");
        let made = authority(Some(&path)).unwrap();
        let again = authority(Some(&path)).unwrap();
        assert_eq!(made.certificate(), again.certificate());
        let mut world = World::find("empty").unwrap();
        let root = path.join("root.pem");
        world.attestation_roots = root.to_str().map(str::to_owned);
        let expected = AttestationTrust::Roots(vec![made.certificate().to_vec()]);
        assert_eq!(world.attestation(), Ok(expected));
    }
}
