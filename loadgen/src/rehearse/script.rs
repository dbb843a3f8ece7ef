use std::time::Duration;

use portcullis_admin::{BackupChoice, Secret};
use serde::{Deserialize, Deserializer};

use crate::quantity::{Rate, parse_duration};

/// What a rehearsal does, and what a good result is: a file of the user's.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Script {
    /// What it rehearses.
    pub description: String,
    /// The custom key store: ID or name; the first CONNECTED one when it is left out.
    #[serde(default)]
    pub(crate) key_store: Option<String>,
    /// The backup that the new cluster is made from.
    #[serde(default)]
    pub(crate) backup: BackupChoice,
    /// Keys made after the backup, which the repair loses.
    #[serde(default)]
    pub(crate) keys_after_backup: u16,
    /// How long the load runs before the cluster is destroyed, and again after the repair.
    #[serde(default = "default_steady", deserialize_with = "duration")]
    pub(crate) steady: Duration,
    /// How long the operator does not notice that the cluster is gone.
    #[serde(default = "default_notice", deserialize_with = "duration")]
    pub(crate) notice: Duration,
    /// Give up when a state takes longer to come; AWS needs up to 20 minutes for a connect.
    #[serde(default = "default_patience", deserialize_with = "duration")]
    pub(crate) state_timeout: Duration,
    /// What is sent meanwhile.
    #[serde(default)]
    pub(crate) load: LoadScript,
    /// Who resets the password of kmsuser when the backup has another.
    #[serde(default)]
    pub(crate) admin: Option<AdminScript>,
    /// What a good result is.
    #[serde(default)]
    pub(crate) thresholds: RehearsalLimits,
}

/// The load of a rehearsal.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct LoadScript {
    /// Calls to send.
    #[serde(deserialize_with = "rate")]
    pub(crate) rate: Rate,
    /// Connections; each carries one call at a time.
    pub(crate) connections: u16,
    /// Give up a call after this time.
    #[serde(deserialize_with = "duration")]
    pub(crate) timeout: Duration,
}

/// An admin of the cluster, as its backup has it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AdminScript {
    /// The name of the admin in the cluster.
    #[serde(default = "default_admin")]
    pub(crate) user: String,
    /// The password that the admin has in the backup.
    pub(crate) password: Secret,
}

/// Limits that the result must keep; what is left out is not judged, but gate leaks and wrong
/// plaintexts are never good.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RehearsalLimits {
    /// How long there may be no answered call.
    #[serde(deserialize_with = "some_duration")]
    pub(crate) outage: Option<Duration>,
    /// Keys that may be lost.
    pub(crate) lost_keys: Option<u64>,
    /// Calls that may fail before the cluster is destroyed and after the repair.
    pub(crate) failures_while_connected: Option<u64>,
    /// Calls that may fail in all.
    pub(crate) failures: Option<u64>,
}

impl Default for LoadScript {
    fn default() -> Self {
        Self {
            rate: Rate::REHEARSAL,
            connections: 16,
            timeout: Duration::from_secs(15),
        }
    }
}

const fn default_steady() -> Duration {
    Duration::from_secs(2)
}

const fn default_notice() -> Duration {
    Duration::from_secs(1)
}

const fn default_patience() -> Duration {
    Duration::from_secs(60)
}

fn default_admin() -> String {
    "admin".to_owned()
}

fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_duration(&text).map_err(serde::de::Error::custom)
}

fn some_duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    duration(deserializer).map(Some)
}

fn rate<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Rate, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_script_says_little_and_the_rest_has_defaults() {
        let script = json!({ "description": "short", "thresholds": { "outage": "3s" } });
        let script: Script = serde_json::from_value(script).unwrap();
        assert_eq!(script.backup, BackupChoice::Fresh);
        assert_eq!(script.thresholds.outage, Some(Duration::from_secs(3)));
        assert_eq!(script.thresholds.lost_keys, None);
    }

    #[test]
    fn a_slip_in_a_script_is_refused() {
        for (member, value) in [
            ("backup", json!("best")),
            ("steady", json!("2 fortnights")),
            ("load", json!({ "rate": "fast" })),
            ("admin", json!({ "user": "admin" })),
            ("thresholds", json!({ "outrage": "3s" })),
        ] {
            let mut script = json!({ "description": "wrong" });
            script[member] = value;
            assert!(
                serde_json::from_value::<Script>(script).is_err(),
                "{member}"
            );
        }
    }

    #[test]
    fn the_password_of_the_admin_is_not_printed() {
        let script = json!({ "description": "x", "admin": { "password": "canary" } });
        let script: Script = serde_json::from_value(script).unwrap();
        assert!(!format!("{script:?}").contains("canary"));
    }
}
