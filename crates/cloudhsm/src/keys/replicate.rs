use portcullis_hsm::{Command, KeyAction, Reply};

use super::hsm_keys::HsmKeys;
use super::row::KeyRow;
use crate::users::{SessionSeat, UserError, unexpected};

impl HsmKeys {
    /// `key replicate`: copies the one key that meets the filter from the cluster of one token to
    /// that of another. Both tokens are of an admin or of the key's owner.
    ///
    /// Rule CL-23: it arrives only where the masking key is the same, as it is in clusters that
    /// share a backup history.
    ///
    /// # Errors
    /// When the filter does not select one key, when the clusters are not related, when a user of
    /// the key does not exist there, or when an HSM refuses or cannot be reached.
    pub async fn replicate(
        &self,
        source: &str,
        destination: &str,
        filter: &[String],
    ) -> Result<KeyRow, UserError> {
        let id = self.select(source, filter).await?;
        let from = self.session(source)?;
        let fetch = |seat: &SessionSeat| Command::Key {
            session: seat.session,
            id,
            action: KeyAction::Fetch,
        };
        let (seat, reply) = self.on_any_hsm(&from, fetch).await?;
        let Reply::Key(masked) = reply else {
            return Err(UserError::from_all(vec![(seat.hsm.clone(), unexpected())]));
        };
        let insert = |seat: &SessionSeat| Command::InsertMasked {
            session: seat.session,
            key: masked.clone(),
        };
        self.users.on_every_hsm(destination, insert).await?;
        self.row(destination, id).await
    }
}
