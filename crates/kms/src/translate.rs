//! What lower layers say, in the words of the service.

use portcullis_api::{Code, Exception};
use portcullis_hsm::Refusal;
use portcullis_link::{CallError, LinkError};
use portcullis_store::StoreError;

use crate::key_store::{ConnectionError, Failure};
use crate::work;

/// A commit that did not happen.
///
/// Rule ST-24, ST-21: a full disk and a data folder that is gone are one exception, whichever
/// operation it is. Common Errors of the API reference: "The request has failed due to a temporary
/// failure of the server."
pub(crate) fn store(error: StoreError) -> Exception {
    if let Some(text) = error.for_users() {
        return Exception::new(Code::ServiceUnavailable, text).because(error);
    }
    Exception::new(
        Code::KmsInternal,
        "The service could not store the change. Try again.",
    )
    .because(error)
}

/// Why a login, and with it a connect, failed.
pub(crate) fn login(error: &CallError) -> ConnectionError {
    match error {
        CallError::Refused(refusal) => match refusal {
            Refusal::WrongPassword | Refusal::NotPermitted => ConnectionError::InvalidCredentials,
            Refusal::LockedOut => ConnectionError::UserLockedOut,
            Refusal::LoggedIn => ConnectionError::UserLoggedIn,
            Refusal::NoSuchUser => ConnectionError::UserNotFound,
            Refusal::NoSession
            | Refusal::Fenced
            | Refusal::NoSuchKey
            | Refusal::NotAuthentic
            | Refusal::BadLength
            | Refusal::Full
            | Refusal::Busy
            | Refusal::UserExists
            | Refusal::OwnsKeys
            | Refusal::BadCredentials
            | Refusal::WrongPhase
            | Refusal::ForeignKey
            | Refusal::DiskFailed
            | Refusal::KeyForbids
            | Refusal::AttributeFixed
            | Refusal::NotOwner
            | Refusal::BadMechanism => ConnectionError::InternalError,
        },
        CallError::Link(link) => match link {
            LinkError::Unreachable(_)
            | LinkError::Untrusted(_)
            | LinkError::NoAnswer(_)
            | LinkError::Overloaded => ConnectionError::NetworkErrors,
            LinkError::Unusable(_) => ConnectionError::InternalError,
        },
    }
}

/// Why an operation with a key of a key store failed (Developer Guide, key states and
/// troubleshooting a custom key store). Rule CR-10: trouble of a CONNECTED store is
/// KMSInvalidStateException, though retrying may help.
pub(crate) fn operation(failure: &Failure, key_arn: &str) -> Exception {
    let unreachable = "KMS cannot communicate with your CloudHSM cluster. This can be a transient \
                       network issue; try again.";
    match failure {
        Failure::Disconnected => unavailable(key_arn),
        Failure::NoHsm => Exception::new(
            Code::KmsInvalidState,
            format!(
                "{unreachable} No HSM of the cluster is active and logged in. If that persists, \
                 add an HSM to the cluster or substitute a cluster restored from a backup."
            ),
        ),
        Failure::Unreachable(cause) | Failure::NoAnswer(cause) => {
            Exception::new(Code::KmsInvalidState, unreachable).because(cause)
        }
        Failure::NoMaterial => Exception::new(
            Code::KmsInvalidState,
            format!(
                "{key_arn}: its key material is not in the CloudHSM cluster. It may be newer than \
                 the backup from which the cluster was made; substitute a cluster that has it."
            ),
        ),
        // Rule CR-13: a lockout while CONNECTED names itself, and so how to mend it.
        Failure::LockedOut => Exception::new(
            Code::KmsInvalidState,
            "KMS cannot communicate with your CloudHSM cluster, because its crypto user kmsuser is \
             locked out after too many failed logins. Disconnect the custom key store, let an \
             admin change the password of kmsuser, set KeyStorePassword to it, and connect.",
        ),
        // Rule DEV-06: when every HSM is busy the caller is asked to slow down.
        Failure::Busy => Exception::new(
            Code::Throttling,
            "The CloudHSM cluster has more work than it takes at once. Try again more slowly, or \
             add an HSM.",
        ),
        Failure::NotStored(error) => store(error.clone()),
        Failure::OverQuota => crate::quota::throttled(),
        Failure::NoSessionFree => Exception::new(
            Code::KmsInternal,
            "KMS has no PKCS #11 session with the CloudHSM cluster free at the moment. Back off and \
             try again; fewer calls at once need fewer sessions.",
        ),
        Failure::Unconfirmed(why) => Exception::new(
            Code::KmsInternal,
            "The service cannot tell whether the key store is still connected. Try again.",
        )
        .because(why),
        Failure::NotDone { class, why } => work::not_done(*class, *why),
        Failure::Refused(Refusal::NotAuthentic) => invalid_ciphertext(),
        // Rule KEY-30: whatever else the HSMs object to, it is about the key and its user as they are in
        // the cluster, which was changed there.
        Failure::Refused(refusal) => Exception::new(
            Code::KmsInvalidState,
            format!(
                "{key_arn}: an HSM of the CloudHSM cluster refused the operation ({refusal}). Check \
                 what kmsuser and the key may do there, with cloudhsm-cli while the custom key store \
                 is disconnected; then connect and try again."
            ),
        )
        .because(refusal),
    }
}

/// Why an operation with a key of the built-in fleet failed. The fleet is part of the service: what
/// fails there, and is not the caller's, is the service's own failure.
pub(crate) fn fleet(failure: &Failure) -> Exception {
    match failure {
        Failure::Refused(Refusal::NotAuthentic) => invalid_ciphertext(),
        Failure::NotDone { class, why } => work::not_done(*class, *why),
        Failure::Busy => Exception::new(
            Code::Throttling,
            "The service has more work than it takes at once. Try again more slowly.",
        ),
        Failure::OverQuota => crate::quota::throttled(),
        Failure::NotStored(error) => store(error.clone()),
        Failure::Disconnected
        | Failure::NoHsm
        | Failure::Unreachable(_)
        | Failure::NoAnswer(_)
        | Failure::NoMaterial
        | Failure::LockedOut
        | Failure::NoSessionFree
        | Failure::Unconfirmed(_)
        | Failure::Refused(_) => Exception::new(
            Code::KmsInternal,
            "The service could not carry out the operation. Try again; the log of Portcullis says why.",
        )
        .because(format!("{failure:?}")),
    }
}

/// A key whose store is not CONNECTED.
pub(crate) fn unavailable(key_arn: &str) -> Exception {
    Exception::new(
        Code::KmsInvalidState,
        format!(
            "{key_arn} is unavailable, because its custom key store is not CONNECTED. Run \
             ConnectCustomKeyStore, wait until it is CONNECTED, then try again."
        ),
    )
}

/// Rule CR-11: a ciphertext that does not open gives nothing away. Rule CR-08: whatever the reason is.
pub(crate) fn invalid_ciphertext() -> Exception {
    // The service sends no message.
    Exception::worded(
        Code::InvalidCiphertext,
        "",
        "The ciphertext cannot be decrypted: it was changed, or its encryption context is not the \
         one it was encrypted with. Give exactly the same encryption context.",
    )
}

/// The same of an RSA key, whose ciphertexts have no encryption context.
pub(crate) fn invalid_rsa_ciphertext() -> Exception {
    Exception::worded(
        Code::InvalidCiphertext,
        "",
        "The ciphertext cannot be decrypted: it was changed, or made under another key or by another \
         algorithm. Give the EncryptionAlgorithm, with its hash, by which it was encrypted.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rule CR-08: what an RSA key does not have is not spoken of.
    #[test]
    fn only_a_symmetric_ciphertext_is_told_of_its_context() {
        let (symmetric, rsa) = (invalid_ciphertext(), invalid_rsa_ciphertext());
        assert_eq!(symmetric.code, rsa.code);
        assert!(symmetric.message.contains("encryption context"));
        assert!(!rsa.message.contains("context"), "{rsa}");
    }

    /// Rule KEY-30: and none of it is the service's own failure.
    #[test]
    fn what_an_hsm_refuses_is_trouble_of_the_key_store() {
        for refusal in Refusal::ALL {
            let exception = operation(&Failure::Refused(refusal), "arn:key");
            let expected = if refusal == Refusal::NotAuthentic {
                Code::InvalidCiphertext
            } else {
                Code::KmsInvalidState
            };
            assert_eq!(exception.code, expected, "{refusal:?}");
        }
    }
}
