use portcullis_api::kms::{GetPublicKeyRequest, GetPublicKeyResponse};
use portcullis_api::{Blob, Exception, Operation, Scope};
use portcullis_hsm::Task;

use super::Cryptography;
use super::usable::unforeseen;
use crate::key::{find, metadata};

impl Cryptography {
    /// GetPublicKey: DER, SubjectPublicKeyInfo. Rule CRY-15: of asymmetric keys only, of disabled
    /// ones too. Rule KEY-31: of a key whose imported material is gone, if that was there once.
    ///
    /// # Errors
    /// As the operation declares.
    pub(crate) async fn get_public_key(
        &self,
        scope: &Scope,
        input: GetPublicKeyRequest,
    ) -> Result<GetPublicKeyResponse, Exception> {
        let operation = Operation::GetPublicKey;
        let key = find(operation, &self.records.partition(scope), &input.key_id)?;
        let public_key = match key.public_key_left()? {
            Some(public_key) => public_key.to_vec(),
            None => {
                let got = self.executor.perform(&key, Task::PublicKey).await?;
                got.map_err(unforeseen)?.0.take()
            }
        };
        let shown = metadata(&key.scope, &key);
        Ok(GetPublicKeyResponse {
            key_id: Some(key.arn.clone()),
            public_key: Some(Blob(public_key)),
            customer_master_key_spec: shown.customer_master_key_spec,
            key_spec: shown.key_spec,
            key_usage: shown.key_usage,
            encryption_algorithms: shown.encryption_algorithms,
            signing_algorithms: shown.signing_algorithms,
            key_agreement_algorithms: shown.key_agreement_algorithms,
            encapsulation_algorithms: shown.encapsulation_algorithms,
        })
    }
}
