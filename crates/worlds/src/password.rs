use std::fmt;

use serde::Deserialize;
use zeroize::Zeroizing;

/// A password or key material in a world file. Not printed.
#[derive(Deserialize)]
#[serde(transparent)]
pub(crate) struct Password(Zeroizing<String>);

impl Password {
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Password(..)")
    }
}
