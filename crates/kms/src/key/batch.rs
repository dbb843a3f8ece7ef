use std::sync::Arc;

use portcullis_api::{Exception, KeyId, Scope};
use portcullis_hsm::HsmKeyId;
use portcullis_seam::draw;
use portcullis_store::{Expect, Transaction};

use super::create::KeyCreation;
use super::{KeyRecord, KeySnapshot, Materials, find_for_management};
use crate::records::encode;
use crate::translate;

/// Keys of one commit: some two megabytes of records.
const BATCH: usize = 5_000;

impl KeyCreation {
    /// Makes `count` more built-in keys like one that exists, in few commits: for worlds.
    ///
    /// # Errors
    /// KMSInternalException when they cannot be stored.
    pub(crate) async fn create_keys_like(
        &self,
        scope: &Scope,
        like: &KeyId,
        count: usize,
    ) -> Result<(), Exception> {
        let partition = self.records.partition(scope);
        let like = find_for_management(&partition, &like.to_string())?;
        let mut left = count;
        while left > 0 {
            let batch = left.min(BATCH);
            left -= batch;
            let records: Vec<KeyRecord> = (0..batch).map(|_| self.another(&like.record)).collect();
            let materials = records.iter().filter_map(|record| {
                let version = record.materials.current()?;
                Some((version.hsm_key, scope.key_arn(&record.id)))
            });
            let made = self
                .keys
                .fleet
                .create_keys(&self.records.config, materials)
                .await;
            made.map_err(|failure| translate::fleet(&failure))?;
            let mut put = Transaction::new();
            for record in &records {
                let name = KeySnapshot::record_key(scope, &record.id);
                put = put
                    .expect(&*name, Expect::Absent)
                    .put(&*name, encode(record));
            }
            let revision = self.records.commit(put).await?;
            for record in records {
                let id = record.id;
                let snapshot = KeySnapshot::new(&partition.scope, record, revision, None);
                partition.keys.insert(id, Arc::new(snapshot));
            }
        }
        Ok(())
    }

    fn another(&self, like: &KeyRecord) -> KeyRecord {
        let material = HsmKeyId(draw(&*self.records.config.entropy));
        KeyRecord {
            id: KeyId::from_random(draw(&*self.records.config.entropy)),
            materials: Materials::generated(material, like.created_ms),
            ..like.clone()
        }
    }
}
