//! Whether a key does what it is asked for, by the algorithm it is asked for.

use portcullis_api::kms::{
    EncapsulationAlgorithmSpec, EncryptionAlgorithmSpec, KeyAgreementAlgorithmSpec, KeyUsageType,
    MacAlgorithmSpec, SigningAlgorithmSpec,
};
use portcullis_api::{Code, Exception, Operation};

use crate::key::KeySnapshot;
use crate::key::spec::{self, Algorithms};

/// An algorithm of some usage.
pub(super) trait Algorithm:
    Copy + PartialEq + AsRef<str> + std::str::FromStr + 'static
{
    const USAGE: KeyUsageType;

    /// Those of this usage.
    fn among(algorithms: Algorithms) -> Option<&'static [Self]>;
}

macro_rules! algorithm {
    ($($spec:ident is $usage:ident, $family:ident;)*) => {
        $(impl Algorithm for $spec {
            const USAGE: KeyUsageType = KeyUsageType::$usage;

            fn among(algorithms: Algorithms) -> Option<&'static [Self]> {
                if let Algorithms::$family(all) = algorithms { Some(all) } else { None }
            }
        })*
    };
}

algorithm! {
    EncryptionAlgorithmSpec is EncryptDecrypt, Encryption;
    SigningAlgorithmSpec is SignVerify, Signing;
    MacAlgorithmSpec is GenerateVerifyMac, Mac;
    KeyAgreementAlgorithmSpec is KeyAgreement, Agreement;
    EncapsulationAlgorithmSpec is EncapsulateDecapsulate, Encapsulation;
}

/// The algorithm of this name, if it is one of the key's.
///
/// Rule CRY-05: a key is used for its usage, by an algorithm of its spec; anything else is
/// InvalidKeyUsageException.
pub(super) fn algorithm_of<A: Algorithm>(
    key: &KeySnapshot,
    name: &str,
    operation: Operation,
) -> Result<A, Exception> {
    let record = &key.record;
    let invalid =
        |sentence: String, hint: &str| Exception::worded(Code::InvalidKeyUsage, sentence, hint);
    if record.usage != A::USAGE {
        let sentence = format!(
            "{} key usage is {} which is not valid for {}.",
            key.arn,
            record.usage.as_str(),
            operation.name(),
        );
        let hint = format!("Use a key with usage {}.", A::USAGE.as_str());
        return Err(invalid(sentence, &hint));
    }
    let all = spec::algorithms(record.spec, record.usage).and_then(A::among);
    let asked: Option<A> = name.parse().ok();
    let found = asked.filter(|asked| all.is_some_and(|all| all.contains(asked)));
    match found {
        Some(algorithm) => Ok(algorithm),
        None => {
            let sentence = format!(
                "Algorithm {name} is incompatible with key spec {}.",
                record.spec.as_str()
            );
            let all = all.unwrap_or_default().iter().map(AsRef::as_ref);
            let hint = format!("Use one of: {}.", all.collect::<Vec<&str>>().join(", "));
            Err(invalid(sentence, &hint))
        }
    }
}

/// A key that seals data keys: a symmetric one.
pub(super) fn check_symmetric(key: &KeySnapshot, operation: Operation) -> Result<(), Exception> {
    let symmetric = EncryptionAlgorithmSpec::SymmetricDefault;
    algorithm_of::<EncryptionAlgorithmSpec>(key, symmetric.as_str(), operation).map(|_same| ())
}
