use portcullis_loadgen::Script;

use crate::client::ClientError;

/// The rehearsals that Portcullis brings along.
const BUILT_IN: [(&str, &str); 1] = [(
    "substitution",
    include_str!("../../chaos/substitution.toml"),
)];

/// A built-in rehearsal by its name, a file by its path, or with `-` what comes on standard input.
///
/// # Errors
/// When there is neither, or the file is not a rehearsal.
pub(super) fn find(name_or_path: &str) -> Result<Script, ClientError> {
    let built_in = BUILT_IN.iter().find(|(name, _)| *name == name_or_path);
    let text = match built_in {
        Some((_, text)) => (*text).to_owned(),
        None if name_or_path == "-" => std::io::read_to_string(std::io::stdin()).map_err(|error| {
            ClientError(format!("The rehearsal on standard input cannot be read: {error}."))
        })?,
        None => std::fs::read_to_string(name_or_path).map_err(|error| {
            ClientError(format!(
                "There is no rehearsal {name_or_path:?}: it is not `substitution`, and as a file it \
                 cannot be read ({error}). Give that name, the path of a TOML file, or `-` for one on \
                 standard input."
            ))
        })?,
    };
    toml::from_str(&text).map_err(|error| {
        ClientError(format!(
            "The rehearsal {name_or_path} is not valid: {error}See docs/chaos.md."
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_rehearsal_is_valid_and_says_what_it_is() {
        for (name, _) in BUILT_IN {
            assert!(!find(name).unwrap().description.is_empty(), "{name}");
        }
    }

    #[test]
    fn an_unknown_rehearsal_says_which_there_is() {
        let error = find("/does/not/exist.toml").unwrap_err().to_string();
        assert!(error.contains("not `substitution`"), "{error}");
    }
}
