//! The Authorization header of a request, read once: for its signature, its scope, its caller and its
//! event.

use http::HeaderMap;
use http::header::AUTHORIZATION;
use portcullis_sigv4::{Authorization, AuthorizationReader, Credential, Malformed};

/// The signer that a request names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RequestSigner<'a> {
    /// It has no such header.
    Not,
    /// The header is not plain text.
    NotText,
    /// The header lacks a part.
    Incomplete(Malformed),
    /// Whether rightly so is seen when the signature is verified.
    By(Authorization<'a>),
}

impl<'a> RequestSigner<'a> {
    /// Reads the header with the reader of its connection.
    pub(crate) fn of(headers: &'a HeaderMap, reader: &mut AuthorizationReader) -> Self {
        let Some(header) = headers.get(AUTHORIZATION) else {
            return Self::Not;
        };
        match header.to_str().map(|header| reader.read(header)) {
            Ok(Ok(authorization)) => Self::By(authorization),
            Ok(Err(malformed)) => Self::Incomplete(malformed),
            Err(_not_text) => Self::NotText,
        }
    }

    /// Who signed, and for what.
    pub(crate) const fn credential(&self) -> Option<&Credential<'a>> {
        match self {
            Self::By(authorization) => Some(&authorization.credential),
            Self::Not | Self::NotText | Self::Incomplete(_) => None,
        }
    }
}
