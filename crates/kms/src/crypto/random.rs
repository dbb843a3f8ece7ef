use portcullis_api::kms::{GenerateRandomRequest, GenerateRandomResponse};
use portcullis_api::{Code, Exception, Scope};
use portcullis_hsm::Operation;
use portcullis_seam::Entropy;

use super::DataKeys;
use crate::gate::Passage;
use crate::key_store::{self, Failure, KeyStore};
use crate::translate;

/// NumberOfBytes of GenerateDataKey and GenerateRandom.
const BYTES_MAX: u16 = 1024;

impl DataKeys {
    /// GenerateRandom, from the built-in fleet or the cluster of a key store.
    ///
    /// # Errors
    /// As the operation declares.
    pub(crate) async fn generate_random(
        &self,
        scope: &Scope,
        input: GenerateRandomRequest,
    ) -> Result<GenerateRandomResponse, Exception> {
        let recipient = self.crypto.recipients.recipient(input.recipient.as_ref())?;
        let bytes = number_of_bytes(input.number_of_bytes)?;
        let operation = Operation::Random { bytes };
        let drawn = match &input.custom_key_store_id {
            None => {
                let mut drawn = vec![0; usize::from(bytes)];
                Entropy::fill(&*self.crypto.records.config.entropy, &mut drawn);
                drawn.into()
            }
            Some(id) => {
                let store = key_store::find(&self.crypto.records.partition(scope), id)?;
                let passage = enter_for_random(&store)?;
                let drawn = self
                    .crypto
                    .executor
                    .run_in_store(&store, passage, operation)
                    .await;
                drawn.map_err(|failure| random_failed(&store, &failure))?.0
            }
        };
        let handed = self.crypto.recipients.hand_over(&recipient, drawn)?;
        Ok(GenerateRandomResponse {
            plaintext: handed.plaintext,
            ciphertext_for_recipient: handed.for_recipient,
        })
    }
}

pub(super) fn number_of_bytes(bytes: Option<i32>) -> Result<u16, Exception> {
    let bytes = bytes.and_then(|bytes| u16::try_from(bytes).ok());
    bytes
        .filter(|bytes| (1..=BYTES_MAX).contains(bytes))
        .ok_or_else(|| {
            Exception::new(
                Code::Validation,
                "NumberOfBytes is required and must be from 1 to 1024.",
            )
        })
}

/// Rule CR-06: random bytes of a key store need it CONNECTED.
fn enter_for_random(store: &KeyStore) -> Result<Passage, Exception> {
    store
        .gate
        .enter()
        .ok_or_else(|| disconnected_for_random(store))
}

fn disconnected_for_random(store: &KeyStore) -> Exception {
    store.turned_away().wrong_state(
        "random bytes come from its cluster only while it is CONNECTED",
        "Run ConnectCustomKeyStore and wait until it is CONNECTED, then try again.",
    )
}

/// Rule KEY-29: GenerateRandom does not declare KMSInvalidStateException. Where trying again may help it
/// is DependencyTimeoutException, and where the key store must be mended first
/// CustomKeyStoreInvalidStateException, both in the words of every other operation.
fn random_failed(store: &KeyStore, failure: &Failure) -> Exception {
    let exception = translate::operation(failure, store.id.as_str());
    let code = match failure {
        Failure::Disconnected => return disconnected_for_random(store),
        Failure::Unreachable(_) | Failure::NoAnswer(_) => Code::DependencyTimeout,
        Failure::NoHsm | Failure::LockedOut | Failure::NoMaterial | Failure::Refused(_) => {
            Code::CustomKeyStoreInvalidState
        }
        Failure::OverQuota
        | Failure::Busy
        | Failure::NoSessionFree
        | Failure::NotStored(_)
        | Failure::NotDone { .. }
        | Failure::Unconfirmed(_) => exception.code,
    };
    exception.under(code)
}
