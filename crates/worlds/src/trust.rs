use std::fs;
use std::path::Path;

use portcullis_kms::AttestationTrust;

/// The longest file that is read: public keys and certificates have a few kilobytes.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Whose documents are believed, by the name of the choice or the path of a file with roots.
///
/// # Errors
/// A text for the user.
pub(crate) fn trust(choice: Option<&str>) -> Result<AttestationTrust, String> {
    match choice {
        None | Some("any") => Ok(AttestationTrust::AnyRoot),
        Some("unchecked") => Ok(AttestationTrust::Unchecked),
        Some("aws") => AttestationTrust::aws().map_err(|error| error.to_string()),
        Some(path) => {
            let text = read_key_file(Path::new(path)).map_err(|why| {
                format!(
                    "The attestation roots {path:?} are neither any, aws nor unchecked, and as a \
                     file they cannot be read: {why} Give one of the three, or a PEM file."
                )
            })?;
            AttestationTrust::roots(&String::from_utf8_lossy(&text)).map_err(|error| {
                format!("The attestation roots {path:?} cannot be used: {error} Give a PEM file.")
            })
        }
    }
}

/// Reads a file of a key or of certificates, of at most a megabyte.
///
/// # Errors
/// A sentence for the user when it cannot be read, or is longer.
pub fn read_key_file(path: &Path) -> Result<Vec<u8>, String> {
    let unreadable =
        |why: &dyn std::fmt::Display| format!("{} cannot be read: {why}.", path.display());
    let size = fs::metadata(path)
        .map_err(|error| unreadable(&error))?
        .len();
    if size > FILE_BYTES_MAX {
        return Err(unreadable(&"it has more than a megabyte"));
    }
    fs::read(path).map_err(|error| unreadable(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_are_named_or_a_file() {
        assert_eq!(trust(None), Ok(AttestationTrust::AnyRoot));
        assert_eq!(trust(Some("unchecked")), Ok(AttestationTrust::Unchecked));
        assert!(matches!(trust(Some("aws")), Ok(AttestationTrust::Roots(_))));
        let why = trust(Some("/nowhere/root.pem")).unwrap_err();
        assert!(why.contains("Give one of the three"), "{why}");
    }
}
