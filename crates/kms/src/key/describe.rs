use std::sync::Arc;

use portcullis_api::kms::{DescribeKeyRequest, DescribeKeyResponse, UpdateKeyDescriptionRequest};
use portcullis_api::{Exception, Operation, Scope};

use super::create::KeyCreation;
use super::keys::Keys;
use super::replicate::Replication;
use super::{KeyRecord, find, metadata};
use crate::records::Records;

/// Shows keys, and changes their description.
#[derive(Debug)]
pub(crate) struct KeyDescription {
    records: Arc<Records>,
    keys: Arc<Keys>,
    creation: Arc<KeyCreation>,
    replication: Arc<Replication>,
}

impl KeyDescription {
    pub(crate) fn new(
        records: &Arc<Records>,
        keys: &Arc<Keys>,
        creation: &Arc<KeyCreation>,
        replication: &Arc<Replication>,
    ) -> Self {
        Self {
            records: Arc::clone(records),
            keys: Arc::clone(keys),
            creation: Arc::clone(creation),
            replication: Arc::clone(replication),
        }
    }
}

impl KeyDescription {
    /// DescribeKey. Works in every state.
    ///
    /// # Errors
    /// NotFoundException, InvalidArnException.
    pub(crate) async fn describe_key(
        &self,
        scope: &Scope,
        input: DescribeKeyRequest,
    ) -> Result<DescribeKeyResponse, Exception> {
        self.creation.make_managed_key(scope, &input.key_id).await?;
        let partition = self.records.partition(scope);
        let mut key = find(Operation::DescribeKey, &partition, &input.key_id)?;
        if let Some(turn) = &key.turn {
            // Rule TIME-06: what was described often enough is over before it is described again.
            self.replication
                .end_change(&key.scope, &key.record.id)
                .await;
            self.records.config.pacing.describe(turn);
            key = find(Operation::DescribeKey, &partition, &input.key_id)?;
        }
        Ok(DescribeKeyResponse {
            key_metadata: Some(metadata(&key.scope, &key)),
        })
    }
}

impl KeyDescription {
    /// UpdateKeyDescription.
    ///
    /// # Errors
    /// NotFoundException, KMSInvalidStateException.
    pub(crate) async fn update_key_description(
        &self,
        scope: &Scope,
        input: UpdateKeyDescriptionRequest,
    ) -> Result<(), Exception> {
        let operation = Operation::UpdateKeyDescription;
        self.keys
            .change_key(scope, operation, &input.key_id, |key| {
                Ok(KeyRecord {
                    description: input.description,
                    ..key.record.clone()
                })
            })
            .await
    }
}
