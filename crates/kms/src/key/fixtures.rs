//! Keys for unit tests.

use std::collections::BTreeSet;
use std::sync::Arc;

use portcullis_api::{KeyId, Region, Scope};
use portcullis_hsm::HsmKeyId;

use super::record::MultiRegion;
use super::{KeyRecord, KeySnapshot, Materials};

/// The account and Region of every key here.
pub(crate) fn scope() -> Scope {
    Scope {
        account: "111122223333".parse().unwrap(),
        region: region("us-east-1"),
    }
}

pub(crate) fn region(name: &str) -> Region {
    name.parse().unwrap()
}

/// An enabled symmetric encryption key of a customer, built in, made at 1 ms after 1970.
pub(crate) fn record() -> KeyRecord {
    let record = serde_json::json!({
        "id": KeyId::from_bytes([1; 16]), "created_ms": 1, "description": "",
        "requested": "Enabled", "home": "Fleet",
        "materials": Materials::generated(HsmKeyId([1; 16]), 1),
    });
    serde_json::from_value(record).unwrap()
}

/// The same as a multi-Region key with its primary in a Region.
pub(crate) fn multi_region(primary: &str, replicas: &[&str]) -> KeyRecord {
    KeyRecord {
        id: KeyId::multi_region_from_bytes([1; 16]),
        multi_region: Some(MultiRegion {
            primary: region(primary),
            replicas: replicas
                .iter()
                .map(|name| region(name))
                .collect::<BTreeSet<_>>(),
        }),
        ..record()
    }
}

/// A key with this record, in no key store.
pub(crate) fn key(record: KeyRecord) -> KeySnapshot {
    KeySnapshot::new(&Arc::new(scope()), record, 1, None)
}
