use portcullis_api::kms::KeyLastUsageTrackingOperation as Tracked;
use portcullis_api::kms::{
    GenerateMacRequest, GenerateMacResponse, MacAlgorithmSpec, VerifyMacRequest, VerifyMacResponse,
};
use portcullis_api::{Blob, Code, Exception, Operation, Scope};
use portcullis_hsm::Task;

use super::Cryptography;
use super::algorithm::algorithm_of;
use super::usable::{Unfit, Usable, stop_dry_run, unforeseen};

impl Cryptography {
    /// GenerateMac.
    ///
    /// # Errors
    /// As the operation declares.
    pub(crate) async fn generate_mac(
        &self,
        scope: &Scope,
        input: GenerateMacRequest,
    ) -> Result<GenerateMacResponse, Exception> {
        let operation = Operation::GenerateMac;
        let usable = Usable::find(operation, &self.records.partition(scope), &input.key_id)?;
        let key = &usable.key;
        let algorithm: MacAlgorithmSpec = algorithm_of(key, &input.mac_algorithm, operation)?;
        stop_dry_run(input.dry_run)?;
        let message = input.message.0.into();
        let made = self.executor.perform(key, Task::Mac { message }).await?;
        let mac = made.map_err(unforeseen)?;
        self.uses.used(key, Tracked::GenerateMac);
        Ok(GenerateMacResponse {
            mac: Some(Blob(mac.0.take())),
            mac_algorithm: Some(algorithm.as_str().to_owned()),
            key_id: Some(key.arn.clone()),
        })
    }

    /// VerifyMac. Rule CRY-14: a MAC that is not the message's, or is cut short, is an exception.
    ///
    /// # Errors
    /// As the operation declares.
    pub(crate) async fn verify_mac(
        &self,
        scope: &Scope,
        input: VerifyMacRequest,
    ) -> Result<VerifyMacResponse, Exception> {
        let operation = Operation::VerifyMac;
        let usable = Usable::find(operation, &self.records.partition(scope), &input.key_id)?;
        let key = &usable.key;
        let algorithm: MacAlgorithmSpec = algorithm_of(key, &input.mac_algorithm, operation)?;
        let task = Task::VerifyMac {
            message: input.message.0.into(),
            mac: input.mac.0,
        };
        let verified = self.executor.perform(key, task).await?;
        verified.map_err(|unfit| match unfit {
            Unfit::NotAuthentic => invalid_mac(),
            Unfit::BadLength | Unfit::BadForm => unforeseen(unfit),
        })?;
        stop_dry_run(input.dry_run)?;
        self.uses.used(key, Tracked::VerifyMac);
        Ok(VerifyMacResponse {
            key_id: Some(key.arn.clone()),
            mac_valid: Some(true),
            mac_algorithm: Some(algorithm.as_str().to_owned()),
        })
    }
}

fn invalid_mac() -> Exception {
    // The service sends no message.
    Exception::worded(
        Code::KmsInvalidMac,
        "",
        "The MAC is not valid: it was not made of this message under this key. Give the whole MAC.",
    )
}
