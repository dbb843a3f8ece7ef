use std::collections::BTreeMap;

/// What is known of a request, by condition key. A key that is not here is absent for every policy.
///
/// Names of condition keys are not case-sensitive, the name of an encryption context pair in
/// `kms:EncryptionContext:<name>` included; values are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Context(BTreeMap<String, ContextEntry>);

/// What one key is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct ContextEntry {
    values: Vec<String>,
    /// The key has one value, and it is not certain which of these: see [`Context::add_reading`].
    is_ambiguous: bool,
}

/// The values of a key, as a condition reads them.
pub(crate) enum Readings<'a> {
    Absent,
    /// All of them are the key's.
    Values(&'a [String]),
    /// One of them is the key's.
    OneOf(&'a [String]),
}

impl Context {
    /// Says what one key is.
    pub fn set(&mut self, key: &str, value: impl Into<String>) {
        self.set_all(key, vec![value.into()]);
    }

    /// Says what a key of several values is. Without any it stays absent.
    pub fn set_all(&mut self, key: &str, values: Vec<String>) {
        if !values.is_empty() {
            let entry = ContextEntry {
                values,
                is_ambiguous: false,
            };
            self.0.insert(key.to_ascii_lowercase(), entry);
        }
    }

    /// Says what a key is whose name has a part that the request chose, such as that of a tag. Two of
    /// these may differ in case only, and are then one condition key, of which each value is a possible
    /// reading: what permits must hold for all of them, and what denies for one.
    pub fn add_reading(&mut self, key: &str, value: impl Into<String>) {
        let entry = self.0.entry(key.to_ascii_lowercase()).or_default();
        let value = value.into();
        if !entry.values.contains(&value) {
            entry.is_ambiguous = !entry.values.is_empty();
            entry.values.push(value);
        }
    }

    /// The values of a key; none when it is absent.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&[String]> {
        self.entry(key).map(|entry| entry.values.as_slice())
    }

    pub(crate) fn readings(&self, key: &str) -> Readings<'_> {
        match self.entry(key) {
            None => Readings::Absent,
            Some(entry) if entry.is_ambiguous => Readings::OneOf(&entry.values),
            Some(entry) => Readings::Values(&entry.values),
        }
    }

    fn entry(&self, key: &str) -> Option<&ContextEntry> {
        let found = self.0.get(key);
        found.or_else(|| self.0.get(&key.to_ascii_lowercase()))
    }
}
