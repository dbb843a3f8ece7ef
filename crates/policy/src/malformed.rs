use std::fmt;

/// Why a text is no policy document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed {
    why: String,
    hint: String,
}

impl Malformed {
    /// What is wrong; where there is a hint, in the service's own words.
    #[must_use]
    pub fn why(&self) -> &str {
        &self.why
    }

    /// Where it is wrong, and what to do.
    #[must_use]
    pub fn hint(&self) -> &str {
        &self.hint
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.why)?;
        if !self.hint.is_empty() {
            write!(formatter, " {}", self.hint)?;
        }
        Ok(())
    }
}

impl std::error::Error for Malformed {}

/// What the service says of principals that are none.
pub(crate) const INVALID_PRINCIPALS: &str =
    "Policy contains a statement with one or more invalid principals.";

pub(crate) fn malformed(text: impl Into<String>) -> Malformed {
    Malformed {
        why: text.into(),
        hint: String::new(),
    }
}

/// In the service's own words, with a hint of ours.
pub(crate) fn malformed_as_told(why: &str, hint: String) -> Malformed {
    Malformed {
        why: why.to_owned(),
        hint,
    }
}
