//! I9: secrets that must not turn up in logs, in errors, or on a disk in the clear.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::sync::Arc;

use parking_lot::Mutex;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Metadata, Subscriber};

use crate::DiskImage;
use crate::finder::Finder;

/// A shorter plaintext turns up by chance.
const SECRET_BYTES_MIN: usize = 16;

/// Collects secrets, and what may contain none of them.
#[derive(Default)]
pub struct Canaries(Mutex<CanaryInner>);

#[derive(Default)]
struct CanaryInner {
    /// Each with what it is.
    secrets: BTreeMap<Vec<u8>, &'static str>,
    /// Logs and errors.
    texts: String,
    /// Disks that have been looked at, by their names, and what was found then.
    seen: BTreeMap<String, DiskImage>,
    found: Vec<String>,
}

impl Canaries {
    /// Canaries that know the secrets of others, and have seen all that those saw: `images` are
    /// the disks as they were then. A secret that is drawn later cannot stand in what was written
    /// before, so that only what is written from now on need be looked at.
    pub(crate) fn after(earlier: &Self, images: &[(String, DiskImage)]) -> Self {
        let found = earlier.leaks(images);
        let inner = earlier.0.lock();
        Self(Mutex::new(CanaryInner {
            secrets: inner.secrets.clone(),
            texts: String::new(),
            seen: images.iter().cloned().collect(),
            found,
        }))
    }

    /// The same canaries for another world.
    pub(crate) fn copy(&self) -> Self {
        let inner = self.0.lock();
        Self(Mutex::new(CanaryInner {
            secrets: inner.secrets.clone(),
            texts: inner.texts.clone(),
            seen: inner.seen.clone(),
            found: inner.found.clone(),
        }))
    }

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
    pub fn leaks(&self, images: &[(String, DiskImage)]) -> Vec<String> {
        let inner = self.0.lock();
        let secrets: Vec<(&[u8], &'static str)> = inner
            .secrets
            .iter()
            .map(|(secret, kind)| (secret.as_slice(), *kind))
            .collect();
        let finder = Finder::new(&secrets);
        let mut leaks = inner.found.clone();
        for kind in finder.in_text(&inner.texts) {
            leaks.push(format!("{kind} stands in a log or an error"));
        }
        for (disk, image) in images {
            for kind in finder.in_medium(image, inner.seen.get(disk)) {
                leaks.push(format!("{kind} lies unencrypted on {disk}"));
            }
        }
        leaks.sort_unstable();
        leaks.dedup();
        leaks
    }
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

    fn disk(bytes: &[u8]) -> DiskImage {
        let mut medium = DiskImage::default();
        medium.resize(bytes.len());
        medium.write(0, bytes);
        medium
    }

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
                .leaks(&[("a disk".to_owned(), disk(&[7; 31]))])
                .is_empty()
        );
        let image = [vec![0; 100], secret.to_vec(), vec![1; 9]].concat();
        assert_eq!(
            canaries.leaks(&[("a disk".to_owned(), disk(&image))]),
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
