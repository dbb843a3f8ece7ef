use std::collections::BTreeMap;

/// What is known of a request, by condition key. A key that is not here is absent for every policy.
///
/// Names of condition keys are not case-sensitive, the name of an encryption context pair in
/// `kms:EncryptionContext:<name>` included; values are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Context(BTreeMap<String, Vec<String>>);

impl Context {
    /// Says what one key is.
    pub fn set(&mut self, key: &str, value: impl Into<String>) {
        self.0.insert(key.to_ascii_lowercase(), vec![value.into()]);
    }

    /// Says what a key of several values is. Without any it stays absent.
    pub fn set_all(&mut self, key: &str, values: Vec<String>) {
        if !values.is_empty() {
            self.0.insert(key.to_ascii_lowercase(), values);
        }
    }

    /// The values of a key; none when it is absent.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&[String]> {
        let found = self.0.get(key);
        let found = found.or_else(|| self.0.get(&key.to_ascii_lowercase()));
        found.map(Vec::as_slice)
    }
}
