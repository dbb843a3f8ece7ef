//! Work that is too long for the thread that serves the network.

use portcullis_api::{Code, Exception};
use portcullis_hsm::KeyKind;
use portcullis_seam::{JobTerms, NotDone, WorkClass, perform};
use tokio::time::Instant;

use crate::config::KmsConfig;
use crate::key_store::Failure;

impl KmsConfig {
    /// Has a worker of `class` do it, who begins within the time that an operation has. Dropping the
    /// future takes it back while it waits.
    pub(crate) async fn work<T: Send + 'static>(
        &self,
        class: WorkClass,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Failure> {
        let terms = JobTerms {
            class,
            deadline: Instant::now() + self.operation_deadline,
        };
        let done = perform(&*self.pool, terms, work).await;
        done.map_err(|why| Failure::NotDone { class, why })
    }

    /// The same with a key of `kind`, if those take long; else here and now.
    pub(crate) async fn work_with<T: Send + 'static>(
        &self,
        kind: KeyKind,
        class: WorkClass,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Failure> {
        if kind.is_slow() {
            self.work(class, work).await
        } else {
            Ok(work())
        }
    }
}

/// The exception for work that was not done.
///
/// Rule WORK-04: too much work is ThrottlingException, which SDKs answer with longer pauses. Rule
/// WORK-05: a service that is about to end is not available.
pub(crate) fn not_done(class: WorkClass, why: NotDone) -> Exception {
    match why {
        NotDone::QueueFull { .. } | NotDone::TooLong { .. } | NotDone::Expired => Exception::new(
            Code::Throttling,
            format!(
                "The call was not carried out: it has to {}, and {why}. Nothing was changed. Make \
                 fewer such calls at once, or try again later; SDKs do that by themselves.",
                purpose(class)
            ),
        ),
        NotDone::Stopping => Exception::new(
            Code::ServiceUnavailable,
            "The call was not carried out, because Portcullis is stopping. Nothing was changed. Try \
             again when it runs again.",
        ),
        NotDone::Failed => Exception::new(
            Code::InternalFailure,
            "Portcullis failed in a way it did not expect. Its log says where; please report it.",
        ),
    }
}

const fn purpose(class: WorkClass) -> &'static str {
    match class {
        WorkClass::KeyGeneration => "make an RSA key",
        WorkClass::Asymmetric => "use an RSA key or check an attestation document",
        WorkClass::Batch => "use a key in an HSM",
        WorkClass::Control => "check a password",
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Rules WORK-04 and WORK-05.
    #[test]
    fn who_is_refused_hears_why_and_what_to_do() {
        let expected = Duration::from_secs(12);
        for (why, code, part) in [
            (
                NotDone::QueueFull { waiting: 256 },
                Code::Throttling,
                "256 calls wait",
            ),
            (NotDone::TooLong { expected }, Code::Throttling, "some 12 s"),
            (NotDone::Expired, Code::Throttling, "its time was over"),
            (NotDone::Stopping, Code::ServiceUnavailable, "is stopping"),
            (NotDone::Failed, Code::InternalFailure, "report it"),
        ] {
            let exception = not_done(WorkClass::KeyGeneration, why);
            assert_eq!(exception.code, code, "{why:?}");
            assert!(exception.message.contains(part), "{exception}");
            let throttled = exception.message.contains("make an RSA key");
            assert_eq!(throttled, code == Code::Throttling, "{exception}");
        }
    }
}
