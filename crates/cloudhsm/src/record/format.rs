use portcullis_api::{Code, Exception, Scope};
use portcullis_store::versioned::decode;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A record that a decision can result in.
pub(crate) trait DecidedRecord: Serialize {
    /// Where it lies.
    fn key(&self, scope: &Scope) -> String;
}

/// Reads a record.
pub(super) fn parse<T: DeserializeOwned>(key: &str, value: &[u8]) -> Result<T, Exception> {
    decode(value).map_err(|why| {
        internal("A stored record cannot be read. The log of Portcullis says which.")
            .because(format!("{key}: {why}"))
    })
}

/// Our failure, not the caller's.
pub(crate) fn internal(message: &str) -> Exception {
    Exception::new(Code::CloudHsmInternalFailure, message)
}
