use std::fmt;

/// Why a text is no policy document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed(pub(crate) String);

impl fmt::Display for Malformed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for Malformed {}

pub(crate) fn malformed(text: impl Into<String>) -> Malformed {
    Malformed(text.into())
}
