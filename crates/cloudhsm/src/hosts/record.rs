use portcullis_store::{Expect, Store, StoreError, Transaction};
use serde::{Deserialize, Serialize};

use crate::record::{decode, encode};

/// A host, from its invitation on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HostRecord {
    pub(crate) number: u64,
    /// The Availability Zone that it stands in.
    pub(crate) zone: String,
    pub(crate) standing: HostStanding,
}

/// How far it is in. Digests are SHA-256.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum HostStanding {
    /// Rule HOST-01: of the secret only the digest is kept.
    Invited {
        secret: [u8; 32],
        /// Milliseconds since 1970.
        expires: u64,
    },
    /// It joined, and is known by its certificate.
    Enrolled {
        certificate: [u8; 32],
        /// The digest of the secret that let it in.
        secret: [u8; 32],
    },
    /// Rule HOST-13: neither its token nor its certificate lets it in any more.
    Revoked,
}

const HOSTS: &str = "cloudhsm/host/";

/// In the order of the numbers: they have twenty digits.
fn key(number: u64) -> String {
    format!("{HOSTS}{number:020}")
}

/// A host's record and its revision.
pub(crate) fn read(store: &Store, number: u64) -> Option<(HostRecord, u64)> {
    let found = store.get(&key(number))?;
    let record = decode(&found.value).ok()?;
    Some((record, found.revision))
}

/// Every host, by number.
pub(crate) fn all(store: &Store) -> Vec<HostRecord> {
    let found = store.scan(HOSTS, None, usize::MAX);
    let records = found.iter();
    records
        .filter_map(|(_, record)| decode(&record.value).ok())
        .collect()
}

/// The records of the hosts that have joined, or were revoked, as they lie in a store: what a control
/// plane that begins its world anew takes along.
///
/// Rule HOST-14: hosts are no part of a world.
#[must_use]
pub fn records_of_hosts(store: &Store) -> Vec<(String, Vec<u8>)> {
    let found = store.scan(HOSTS, None, usize::MAX).into_iter();
    let joined = found.filter(|(_, record)| {
        let host = decode::<HostRecord>(&record.value);
        host.is_ok_and(|host| match host.standing {
            HostStanding::Enrolled { .. } | HostStanding::Revoked => true,
            HostStanding::Invited { .. } => false,
        })
    });
    joined
        .map(|(key, record)| (key, record.value.to_vec()))
        .collect()
}

/// Writes a record over that of `revision`; over none without. False when another was faster.
pub(crate) async fn write(
    store: &Store,
    record: &HostRecord,
    revision: Option<u64>,
) -> Result<bool, StoreError> {
    let key = key(record.number);
    let expect = revision.map_or(Expect::Absent, Expect::Revision);
    let transaction = Transaction::new()
        .expect(&key, expect)
        .put(&key, encode(record));
    match store.commit(transaction).await {
        Ok(_revision) => Ok(true),
        Err(StoreError::Conflict { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}
