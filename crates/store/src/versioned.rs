//! Records as JSON, each with the version of its shape.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The form in which a record is written: with the version of its shape, so that a later version
/// can tell what it reads.
#[derive(Debug, Serialize, Deserialize)]
struct Versioned<T> {
    version: u32,
    record: T,
}

/// Raised when the shape of a record changes so that this code would misread it.
const VERSION: u32 = 1;

/// What every record of this version begins and ends with.
const BEGINS: &[u8] = br#"{"version":1,"record":"#;
const ENDS: &[u8] = b"}";

/// The bytes of a record.
///
/// # Panics
/// When it has a map whose keys are no texts, which JSON does not know.
#[expect(
    clippy::expect_used,
    reason = "records have text keys only, the one thing JSON could refuse"
)]
pub fn encode<T: Serialize>(record: &T) -> Vec<u8> {
    let versioned = Versioned {
        version: VERSION,
        record,
    };
    serde_json::to_vec(&versioned).expect("a record is JSON")
}

/// The record in `bytes`.
///
/// # Errors
/// A sentence for the log when the bytes were written by a version that this one cannot read.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    // A record as this version writes it needs no second look.
    let written = bytes.strip_prefix(BEGINS);
    if let Some(record) = written.and_then(|rest| rest.strip_suffix(ENDS))
        && let Ok(record) = serde_json::from_slice(record)
    {
        return Ok(record);
    }
    // The version first, alone: the rest of another version may have any shape.
    let Version { version } =
        serde_json::from_slice(bytes).map_err(|error| format!("not a record: {error}"))?;
    if version != VERSION {
        return Err(format!(
            "a record of version {version}, and this version of Portcullis reads version {VERSION}"
        ));
    }
    serde_json::from_slice(bytes)
        .map(|versioned: Versioned<T>| versioned.record)
        .map_err(|error| format!("not this record: {error}"))
}

/// Of a record of any version.
#[derive(Deserialize)]
struct Version {
    version: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_of_another_version_is_not_guessed_at() {
        assert_eq!(decode::<u8>(&encode(&7_u8)), Ok(7));
        let refused = decode::<u8>(br#"{"version":2,"record":7}"#).unwrap_err();
        assert!(refused.contains("version 2"), "{refused}");
        assert!(encode(&7_u8).starts_with(BEGINS));
        let spaced = br#"{ "version": 1, "record": 7 }"#;
        assert_eq!(decode::<u8>(spaced), Ok(7));
    }
}
