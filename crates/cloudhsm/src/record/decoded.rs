use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use portcullis_api::Exception;
use portcullis_store::Record;
use serde::de::DeserializeOwned;

use super::format::parse;

/// Records as they were decoded last. A record is read far more often than it is changed: by every
/// description, every decision in its scope and every round of reconciling.
///
/// Rule CL-26: what is kept was decoded from the very revision that the store has, so that nobody
/// can see a record as it was before.
pub(crate) struct Decoded<T>(Mutex<BTreeMap<String, Decoding<T>>>);

struct Decoding<T> {
    revision: u64,
    record: Arc<T>,
}

impl<T: DeserializeOwned> Decoded<T> {
    /// The record that was found at `key`.
    pub(super) fn of(&self, key: &str, found: &Record) -> Result<Arc<T>, Exception> {
        if let Some(kept) = self.0.lock().get(key)
            && kept.revision == found.revision
        {
            return Ok(Arc::clone(&kept.record));
        }
        let record = Arc::new(parse(key, &found.value)?);
        let kept = Decoding {
            revision: found.revision,
            record: Arc::clone(&record),
        };
        self.0.lock().insert(key.to_owned(), kept);
        Ok(record)
    }

    /// The record at `key` is gone.
    pub(super) fn forget(&self, key: &str) {
        self.0.lock().remove(key);
    }
}

impl<T> Default for Decoded<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> fmt::Debug for Decoded<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Decoded({} records)", self.0.lock().len())
    }
}

#[cfg(test)]
mod tests {
    use portcullis_store::{Store, Transaction};

    use super::*;
    use crate::record::encode;

    /// Rule CL-26
    #[tokio::test]
    async fn a_changed_record_is_decoded_anew_and_an_unchanged_one_is_not() {
        let store = Store::memory();
        let decoded = Decoded::<String>::default();
        let put = async |value: &str| {
            let put = Transaction::new().put("a", encode(&value));
            store.commit(put).await.unwrap();
        };
        let read = || decoded.of("a", &store.get("a").unwrap()).unwrap();
        put("first").await;
        let first = read();
        assert_eq!(*first, "first");
        assert!(Arc::ptr_eq(&first, &read()));
        put("second").await;
        assert_eq!(*read(), "second");
        decoded.forget("a");
        assert!(!Arc::ptr_eq(&first, &read()));
        assert_eq!(*read(), "second");
    }
}
