use portcullis_api::kms::{KeyListEntry, ListKeysRequest, ListKeysResponse};
use portcullis_api::{Exception, KeyId, Scope};

use crate::kms::Kms;
use crate::paging::{Asked, invalid_marker, marker};

impl Kms {
    /// ListKeys, in the order of the key IDs. A page costs the same among a thousand keys and among
    /// a million.
    ///
    /// # Errors
    /// InvalidMarkerException.
    pub async fn list_keys(
        &self,
        scope: &Scope,
        input: ListKeysRequest,
    ) -> Result<ListKeysResponse, Exception> {
        let partition = self.partition(scope);
        let asked = Asked {
            limit: input.limit,
            marker: input.marker.as_deref(),
            default: 100,
            max: 1000,
        };
        let size = asked.size()?;
        let after: Option<KeyId> = match asked.after()?.map(str::parse) {
            Some(Err(_not_an_id)) => return Err(invalid_marker()),
            other => other.transpose().ok().flatten(),
        };
        // One more than asked for says whether there is more.
        let mut ids = partition
            .keys
            .ids_after(after.as_ref(), size.saturating_add(1));
        let more = ids.len() > size;
        ids.truncate(size);
        let next_marker = ids
            .last()
            .filter(|_| more)
            .map(|last| marker(&last.to_string()));
        let entry = |id: &KeyId| KeyListEntry {
            key_id: Some(id.to_string()),
            key_arn: Some(scope.key_arn(id)),
        };
        Ok(ListKeysResponse {
            keys: Some(ids.iter().map(entry).collect()),
            truncated: Some(next_marker.is_some()),
            next_marker,
        })
    }
}
