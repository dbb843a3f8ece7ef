use std::rc::Rc;

use serde_json::json;

use crate::client::{Prepared, read_sealed};
use crate::judge::{CallOutcome, PlaintextDigest, Sample, SampleComparison, Samples, digest};
use crate::operation::{Mix, Operation};
use crate::random::Sequence;

/// What is sent next, and what its answer leaves behind.
#[derive(Debug)]
pub(crate) struct CallPlan {
    key_id: String,
    mix: Mix,
    sequence: Sequence,
    encrypts: Vec<Rc<Payload>>,
    data_keys: Vec<Rc<Payload>>,
    pub(crate) samples: Samples,
}

/// An Encrypt or GenerateDataKey that is sent many times.
#[derive(Debug)]
pub(crate) struct Payload {
    call: Prepared,
    /// Of the plaintext of an Encrypt; a data key is known from its answer only.
    plaintext: Option<PlaintextDigest>,
    context: String,
}

/// A call that is about to be sent.
#[derive(Debug)]
pub(crate) enum PlannedCall {
    Seal(Rc<Payload>),
    Open(Rc<Sample>),
}

impl PlannedCall {
    pub(crate) fn call(&self) -> &Prepared {
        match self {
            Self::Seal(payload) => &payload.call,
            Self::Open(sample) => &sample.call,
        }
    }
}

/// Enough that no answer can be guessed from the last; few enough that signing them once a second
/// costs nothing.
const PAYLOADS: usize = 64;

/// The one entry of every encryption context of this program.
const CONTEXT: &str = "loadgen";

impl CallPlan {
    pub(crate) fn new(key_id: &str, mix: Mix, payload_bytes: usize, seed: u64) -> Self {
        let mut sequence = Sequence::new(seed);
        let encrypts = (0..PAYLOADS)
            .map(|_| Rc::new(encrypt(key_id, payload_bytes, &mut sequence)))
            .collect();
        let data_keys = (0..PAYLOADS)
            .map(|_| Rc::new(data_key(key_id, &mut sequence)))
            .collect();
        let key_id = key_id.to_owned();
        Self {
            key_id,
            mix,
            sequence,
            encrypts,
            data_keys,
            samples: Samples::default(),
        }
    }

    /// The calls that fill the samples before the run, so that a Decrypt has something to open.
    pub(crate) fn first_jobs(&self) -> Vec<PlannedCall> {
        self.encrypts
            .iter()
            .take(16)
            .map(|payload| PlannedCall::Seal(Rc::clone(payload)))
            .collect()
    }

    /// The next call.
    pub(crate) fn next(&mut self) -> Option<PlannedCall> {
        let operation = self.mix.choose(self.sequence.draw());
        let payloads = match operation {
            Operation::Decrypt => {
                return self.samples.any(&mut self.sequence).map(PlannedCall::Open);
            }
            Operation::Encrypt => &self.encrypts,
            Operation::GenerateDataKey => &self.data_keys,
        };
        payloads
            .get(self.sequence.below(payloads.len()))
            .map(|payload| PlannedCall::Seal(Rc::clone(payload)))
    }

    /// Reads the answer to a call that succeeded.
    pub(crate) fn read(&mut self, job: &PlannedCall, body: &[u8]) -> CallOutcome {
        match job {
            PlannedCall::Open(sample) => CallOutcome::Succeeded(sample.compare(body)),
            PlannedCall::Seal(payload) => match self.samples.place(&mut self.sequence) {
                None => CallOutcome::Succeeded(SampleComparison::Right),
                Some(place) => match self.sample(payload, body) {
                    Some(sample) => {
                        self.samples.keep(place, sample);
                        CallOutcome::Succeeded(SampleComparison::Right)
                    }
                    None => CallOutcome::Failed(NOT_UNDERSTOOD.to_owned()),
                },
            },
        }
    }

    fn sample(&self, payload: &Payload, body: &[u8]) -> Option<Sample> {
        let sealed = read_sealed(body)?;
        let plaintext = match payload.plaintext {
            Some(plaintext) => plaintext,
            None => digest(&sealed.data_key()?),
        };
        let body = json!({
            "KeyId": self.key_id,
            "CiphertextBlob": sealed.ciphertext,
            "EncryptionContext": { CONTEXT: payload.context },
        });
        Some(Sample::new(
            Prepared::new(Operation::Decrypt, body.to_string()),
            plaintext,
        ))
    }
}

/// The name under which a success without the members of the API is counted.
const NOT_UNDERSTOOD: &str = "ClientAnswerNotUnderstood";

fn encrypt(key_id: &str, payload_bytes: usize, sequence: &mut Sequence) -> Payload {
    let plaintext = sequence.bytes(payload_bytes);
    let context = context(sequence);
    let body = json!({
        "KeyId": key_id,
        "Plaintext": base64_simd::STANDARD.encode_to_string(&plaintext),
        "EncryptionContext": { CONTEXT: context },
    });
    let call = Prepared::new(Operation::Encrypt, body.to_string());
    Payload {
        call,
        plaintext: Some(digest(&plaintext)),
        context,
    }
}

fn data_key(key_id: &str, sequence: &mut Sequence) -> Payload {
    let context = context(sequence);
    let body = json!({
        "KeyId": key_id,
        "KeySpec": "AES_256",
        "EncryptionContext": { CONTEXT: context },
    });
    let call = Prepared::new(Operation::GenerateDataKey, body.to_string());
    Payload {
        call,
        plaintext: None,
        context,
    }
}

fn context(sequence: &mut Sequence) -> String {
    format!("{:016x}", sequence.draw())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_its_calls() {
        let plan = || {
            CallPlan::new(
                "alias/a",
                "encrypt=1,generate-data-key=1".parse().unwrap(),
                32,
                9,
            )
        };
        let (mut one, mut two) = (plan(), plan());
        for _ in 0..100 {
            let (first, second) = (one.next().unwrap(), two.next().unwrap());
            assert_eq!(
                format!("{:?}", first.call()),
                format!("{:?}", second.call())
            );
        }
    }

    #[test]
    fn a_success_without_a_ciphertext_is_a_failure() {
        let mut plan = CallPlan::new("alias/a", "encrypt".parse().unwrap(), 32, 9);
        let job = plan.next().unwrap();
        assert_eq!(
            plan.read(&job, b"{}"),
            CallOutcome::Failed(NOT_UNDERSTOOD.to_owned())
        );
    }
}
