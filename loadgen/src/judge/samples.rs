use std::rc::Rc;

use aws_lc_rs::digest::SHA256;

use crate::client::{Prepared, decode_plaintext};
use crate::random::Sequence;

/// The SHA-256 of a plaintext: enough to compare with, and data keys are not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PlaintextDigest([u8; 32]);

pub(crate) fn digest(bytes: &[u8]) -> PlaintextDigest {
    let mut digest = [0; 32];
    for (to, from) in digest
        .iter_mut()
        .zip(aws_lc_rs::digest::digest(&SHA256, bytes).as_ref())
    {
        *to = *from;
    }
    PlaintextDigest(digest)
}

/// A ciphertext that is to open to a known plaintext: a Decrypt that is ready to be sent.
#[derive(Debug)]
pub(crate) struct Sample {
    pub(crate) call: Prepared,
    plaintext: PlaintextDigest,
}

/// What the answer to a Decrypt shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SampleComparison {
    Right,
    Wrong,
    NotUnderstood,
}

impl Sample {
    pub(crate) const fn new(call: Prepared, plaintext: PlaintextDigest) -> Self {
        Self { call, plaintext }
    }

    pub(crate) fn compare(&self, body: &[u8]) -> SampleComparison {
        match decode_plaintext(body) {
            Some(plaintext) if digest(&plaintext) == self.plaintext => SampleComparison::Right,
            Some(_) => SampleComparison::Wrong,
            None => SampleComparison::NotUnderstood,
        }
    }
}

/// Ciphertexts to decrypt later: an even choice of all that the run has seen (algorithm R), so
/// that the first second counts as much as the last and the memory stays bounded.
#[derive(Debug, Default)]
pub(crate) struct Samples {
    kept: Vec<Rc<Sample>>,
    seen: u64,
}

/// Each costs some 500 bytes, one signature a second while it is in use and one Decrypt at the end.
const SAMPLES_MAX: usize = 512;

impl Samples {
    /// Whether the ciphertext that has just been seen is to be kept, and where. Asked once for
    /// each, before the answer is read in full.
    pub(crate) fn place(&mut self, sequence: &mut Sequence) -> Option<usize> {
        self.seen += 1;
        if self.kept.len() < SAMPLES_MAX {
            return Some(self.kept.len());
        }
        let seen = usize::try_from(self.seen).unwrap_or(usize::MAX);
        Some(sequence.below(seen)).filter(|place| *place < SAMPLES_MAX)
    }

    pub(crate) fn keep(&mut self, place: usize, sample: Sample) {
        match self.kept.get_mut(place) {
            Some(kept) => *kept = Rc::new(sample),
            None => self.kept.push(Rc::new(sample)),
        }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    pub(crate) fn any(&self, sequence: &mut Sequence) -> Option<Rc<Sample>> {
        self.kept
            .get(sequence.below(self.kept.len()))
            .map(Rc::clone)
    }

    pub(crate) fn all(&self) -> Vec<Rc<Sample>> {
        self.kept.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operation::Operation;

    fn sample(plaintext: &[u8]) -> Sample {
        Sample::new(Prepared::new(Operation::Decrypt, "{}"), digest(plaintext))
    }

    /// Rule LG-08.
    #[test]
    fn a_plaintext_is_compared_by_its_digest() {
        let sample = sample(b"right");
        for (body, expected) in [
            (r#"{"Plaintext":"cmlnaHQ="}"#, SampleComparison::Right),
            (r#"{"Plaintext":"d3Jvbmc="}"#, SampleComparison::Wrong),
            (r#"{"Plaintext":"?"}"#, SampleComparison::NotUnderstood),
            ("{}", SampleComparison::NotUnderstood),
        ] {
            assert_eq!(sample.compare(body.as_bytes()), expected, "{body}");
        }
    }

    #[test]
    fn samples_stay_within_their_bound_and_come_from_the_whole_run() {
        let (mut samples, mut sequence) = (Samples::default(), Sequence::new(1));
        let mut late = 0;
        for number in 0..20 * SAMPLES_MAX {
            if let Some(place) = samples.place(&mut sequence) {
                samples.keep(place, sample(b"x"));
                late += usize::from(number >= 10 * SAMPLES_MAX);
            }
        }
        assert_eq!(samples.kept.len(), SAMPLES_MAX);
        assert!(
            late > SAMPLES_MAX / 4,
            "{late} of the second half were kept"
        );
    }
}
