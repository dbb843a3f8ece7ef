use portcullis_api::kms::{KeyListEntry, ListKeysRequest, ListKeysResponse};
use portcullis_api::{Exception, KeyId, Scope};

use crate::kms::Kms;
use crate::paging::{Asked, page};

impl Kms {
    /// ListKeys, in the order of the key IDs.
    ///
    /// # Errors
    /// InvalidMarkerException.
    pub async fn list_keys(
        &self,
        scope: &Scope,
        input: ListKeysRequest,
    ) -> Result<ListKeysResponse, Exception> {
        let partition = self.partition(scope);
        let mut ids: Vec<KeyId> = partition.keys.iter().map(|entry| *entry.key()).collect();
        ids.sort_unstable();
        let asked = Asked {
            limit: input.limit,
            marker: input.marker.as_deref(),
            default: 100,
            max: 1000,
        };
        let page = page(ids, asked, ToString::to_string)?;
        let entry = |id: &KeyId| KeyListEntry {
            key_id: Some(id.to_string()),
            key_arn: Some(scope.key_arn(id)),
        };
        Ok(ListKeysResponse {
            keys: Some(page.items.iter().map(entry).collect()),
            truncated: Some(page.next_marker.is_some()),
            next_marker: page.next_marker,
        })
    }
}
