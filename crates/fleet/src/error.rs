use std::fmt;

use portcullis_api::HsmId;

/// Why an HSM does not run: for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FleetError(String);

impl FleetError {
    pub(crate) fn of(hsm: &HsmId, what: &str, why: impl fmt::Display) -> Self {
        Self(format!("{hsm}: {what}: {why}"))
    }
}

impl fmt::Display for FleetError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}
