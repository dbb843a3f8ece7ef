//! I9: secrets that must not turn up in logs, in errors, or on a disk in the clear.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::sync::Arc;

use parking_lot::Mutex;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Metadata, Subscriber};

/// A shorter plaintext turns up by chance.
const SECRET_BYTES_MIN: usize = 16;

/// Collects secrets, and what may contain none of them.
#[derive(Default)]
pub struct Canaries(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    /// Each with what it is.
    secrets: BTreeMap<Vec<u8>, &'static str>,
    /// Logs and errors.
    texts: String,
}

impl Canaries {
    /// Something that must stay secret.
    pub fn secret(&self, kind: &'static str, bytes: &[u8]) {
        if bytes.len() >= SECRET_BYTES_MIN {
            self.0.lock().secrets.insert(bytes.to_vec(), kind);
        }
    }

    /// A password, however short.
    pub fn password(&self, password: &str) {
        let secret = password.as_bytes().to_vec();
        self.0.lock().secrets.insert(secret, "a password");
    }

    /// Something that was logged or told.
    pub fn text(&self, text: fmt::Arguments<'_>) {
        // Writing to a string cannot fail.
        let _written = writeln!(self.0.lock().texts, "{text}");
    }

    /// Rule SIM-06: where secrets turned up, in the texts, or in one of the images.
    #[must_use]
    pub fn leaks(&self, images: &[(String, Vec<u8>)]) -> Vec<String> {
        let inner = self.0.lock();
        let mut leaks = Vec::new();
        for (secret, kind) in &inner.secrets {
            if forms(secret).iter().any(|form| inner.texts.contains(form)) {
                leaks.push(format!("{kind} stands in a log or an error"));
            }
        }
        for (disk, image) in images {
            for kind in found(&inner.secrets, image) {
                leaks.push(format!("{kind} lies unencrypted on {disk}"));
            }
        }
        leaks.sort_unstable();
        leaks.dedup();
        leaks
    }
}

/// How a text may show bytes: as text, in hexadecimal digits, or as a list of numbers.
fn forms(secret: &[u8]) -> Vec<String> {
    let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    let list = format!("{secret:?}");
    let list = list.trim_matches(['[', ']']).to_owned();
    let text = std::str::from_utf8(secret).ok().map(str::to_owned);
    text.into_iter().chain([hex, list]).collect()
}

/// The kinds of secrets that `image` contains. A table of the first two bytes of all secrets
/// passes over what is none of them: an image is megabytes, most of them zeros.
fn found<'a>(secrets: &BTreeMap<Vec<u8>, &'a str>, image: &[u8]) -> Vec<&'a str> {
    let mut begins = vec![false; 1 << 16];
    for secret in secrets.keys() {
        if let Some(slot) = first_two(secret).and_then(|two| begins.get_mut(two)) {
            *slot = true;
        }
    }
    let mut kinds = Vec::new();
    for at in 0..image.len() {
        let rest = image.get(at..).unwrap_or_default();
        let possible = first_two(rest).and_then(|two| begins.get(two));
        if possible != Some(&true) {
            continue;
        }
        let begin = rest.get(..2).unwrap_or_default().to_vec();
        let candidates = secrets.range(begin.clone()..);
        let candidates = candidates.take_while(|(secret, _)| secret.starts_with(&begin));
        let present = candidates.filter(|(secret, _)| rest.starts_with(secret));
        kinds.extend(present.map(|(_, kind)| *kind));
    }
    kinds
}

fn first_two(bytes: &[u8]) -> Option<usize> {
    let two: [u8; 2] = *bytes.first_chunk()?;
    Some(usize::from(u16::from_be_bytes(two)))
}

impl fmt::Debug for Canaries {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Canaries({})", self.0.lock().secrets.len())
    }
}

/// Hears every line that the product logs on this thread, whatever its level.
pub(crate) struct Listener(pub(crate) Arc<Canaries>);

impl Subscriber for Listener {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("portcullis")
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        let mut line = Line::default();
        attributes.record(&mut line);
        self.0.text(format_args!("{}", line.0));
        Id::from_u64(1)
    }

    fn record(&self, _span: &Id, values: &Record<'_>) {
        let mut line = Line::default();
        values.record(&mut line);
        self.0.text(format_args!("{}", line.0));
    }

    fn record_follows_from(&self, _span: &Id, _follows: &Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        let mut line = Line::default();
        event.record(&mut line);
        self.0.text(format_args!("{}", line.0));
    }

    fn enter(&self, _span: &Id) {}

    fn exit(&self, _span: &Id) {}
}

#[derive(Default)]
struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a string cannot fail.
        let _written = write!(self.0, "{}={value:?} ", field.name());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let _written = write!(self.0, "{}={value} ", field.name());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rule SIM-06
    #[test]
    fn a_secret_is_found_in_every_form_and_a_harmless_text_is_not() {
        let secret = [7_u8; 32];
        let canaries = Canaries::default();
        canaries.secret("a key", &secret);
        canaries.password("kmsPswd1");
        canaries.text(format_args!("all is well"));
        assert!(
            canaries
                .leaks(&[("a disk".to_owned(), vec![7; 31])])
                .is_empty()
        );
        let image = [vec![0; 100], secret.to_vec(), vec![1; 9]].concat();
        assert_eq!(
            canaries.leaks(&[("a disk".to_owned(), image)]),
            ["a key lies unencrypted on a disk"]
        );
        for text in [
            format!("key {secret:?}"),
            "07".repeat(32),
            "kmsPswd1".to_owned(),
        ] {
            let other = Canaries::default();
            other.secret("a key", &secret);
            other.password("kmsPswd1");
            other.text(format_args!("{text}"));
            assert_eq!(other.leaks(&[]).len(), 1, "{text}");
        }
    }
}
