use std::collections::BTreeMap;

use super::gate::INVALID_STATE;
use super::{GateVerdict, SampleComparison};
use crate::operation::Operation;
use crate::record::count;

/// How a call ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CallOutcome {
    /// With a success; for a Decrypt, with this plaintext.
    Succeeded(SampleComparison),
    /// With an exception, or without an answer.
    Failed(String),
}

impl CallOutcome {
    /// The name of the exception.
    pub(crate) fn error(&self) -> Option<&str> {
        match self {
            Self::Succeeded(_) => None,
            Self::Failed(name) => Some(name),
        }
    }
}

/// What was found against the service.
#[derive(Debug, Default)]
pub(crate) struct RunFindings {
    pub(crate) gate_leaks: u64,
    pub(crate) wrong_plaintexts: u64,
    pub(crate) wrong_errors_while_disconnected: u64,
    pub(crate) disconnected_errors_while_connected: u64,
    /// Failures that no disconnected key store explains.
    pub(crate) unexpected_errors: u64,
    /// Plaintexts that were compared, right or wrong.
    pub(crate) plaintexts_compared: u64,
    /// Ciphertexts of this run that Decrypt refused for good, by the exception's name.
    pub(crate) undecryptable: BTreeMap<String, u64>,
}

/// Exceptions that say that this ciphertext will never open. All others are about the key, its
/// key store or the moment.
const FOR_GOOD: [&str; 3] = [
    "InvalidCiphertextException",
    "IncorrectKeyException",
    "NotFoundException",
];

impl RunFindings {
    pub(crate) fn note(
        &mut self,
        operation: Operation,
        outcome: &CallOutcome,
        verdict: GateVerdict,
    ) {
        match verdict {
            GateVerdict::Permitted => {}
            GateVerdict::Leak => self.gate_leaks += 1,
            GateVerdict::WrongErrorWhileDisconnected => self.wrong_errors_while_disconnected += 1,
            GateVerdict::DisconnectedErrorWhileConnected => {
                self.disconnected_errors_while_connected += 1;
            }
        }
        match outcome {
            CallOutcome::Succeeded(comparison) if operation == Operation::Decrypt => {
                self.compared(*comparison);
            }
            CallOutcome::Succeeded(_) => {}
            CallOutcome::Failed(name) => self.failed(operation, name, verdict),
        }
    }

    /// Notes the answer to a Decrypt.
    pub(crate) fn compared(&mut self, comparison: SampleComparison) {
        self.plaintexts_compared += 1;
        // Rule LG-08: a plaintext that differs, or none in a success, is a wrong plaintext.
        self.wrong_plaintexts += u64::from(comparison != SampleComparison::Right);
    }

    /// Notes a Decrypt of the check after the run, when there is no excuse left.
    pub(crate) fn undecryptable(&mut self, name: &str) {
        count(&mut self.undecryptable, name, 1);
    }

    fn failed(&mut self, operation: Operation, name: &str, verdict: GateVerdict) {
        if name != INVALID_STATE || verdict == GateVerdict::DisconnectedErrorWhileConnected {
            self.unexpected_errors += 1;
        }
        if operation == Operation::Decrypt && FOR_GOOD.contains(&name) {
            self.undecryptable(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_decrypt_can_show_a_wrong_plaintext() {
        let mut findings = RunFindings::default();
        let wrong = CallOutcome::Succeeded(SampleComparison::Wrong);
        findings.note(Operation::Encrypt, &wrong, GateVerdict::Permitted);
        assert_eq!(findings.wrong_plaintexts, 0);
        findings.note(Operation::Decrypt, &wrong, GateVerdict::Permitted);
        assert_eq!(findings.wrong_plaintexts, 1);
    }

    #[test]
    fn a_disconnected_key_store_explains_one_exception_only() {
        let mut findings = RunFindings::default();
        let failed = |name: &str| CallOutcome::Failed(name.to_owned());
        findings.note(
            Operation::Encrypt,
            &failed(INVALID_STATE),
            GateVerdict::Permitted,
        );
        assert_eq!(findings.unexpected_errors, 0);
        findings.note(
            Operation::Decrypt,
            &failed("IncorrectKeyException"),
            GateVerdict::Permitted,
        );
        assert_eq!(findings.unexpected_errors, 1);
        assert_eq!(
            findings.undecryptable.get("IncorrectKeyException"),
            Some(&1)
        );
    }
}
