use crate::StoreError;

/// A key is a short path such as `kms/000000000000/us-east-1/key/…`.
pub const KEY_BYTES_MAX: usize = 1024;

/// The largest record is an HSM's backup image: the users and keys of a full cluster.
pub const VALUE_BYTES_MAX: usize = 64 << 20;

/// What a record must look like for a transaction to be committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// There is no record.
    Absent,
    /// The record was last written by the commit with this revision.
    Revision(u64),
}

/// Checks and writes that happen together or not at all.
#[derive(Clone, Default)]
pub struct Transaction {
    pub(crate) checks: Vec<(String, Expect)>,
    pub(crate) writes: Vec<(String, Option<Vec<u8>>)>,
    pub(crate) pressing: bool,
}

impl Transaction {
    /// An empty transaction. Committing it does nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Commit only if the record at `key` is as expected.
    #[must_use]
    pub fn expect(mut self, key: impl Into<String>, expect: Expect) -> Self {
        self.checks.push((key.into(), expect));
        self
    }

    /// Writes `value` at `key`.
    #[must_use]
    pub fn put(mut self, key: impl Into<String>, value: Vec<u8>) -> Self {
        self.writes.push((key.into(), Some(value)));
        self
    }

    /// Removes the record at `key`, if there is one.
    #[must_use]
    pub fn delete(mut self, key: impl Into<String>) -> Self {
        self.writes.push((key.into(), None));
        self
    }

    /// It belongs to something that was done already, when there was room
    /// ([`Store::check_writable`](crate::Store::check_writable)): it is tried also when by now there
    /// seems to be none.
    #[must_use]
    pub const fn pressing(mut self) -> Self {
        self.pressing = true;
        self
    }

    /// The keys that it writes.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.writes.iter().map(|(key, _)| key.as_str())
    }

    /// Rule ST-05: keys and values are bounded.
    pub(crate) fn check_sizes(&self) -> Result<(), StoreError> {
        for (key, value) in &self.writes {
            let large = value
                .as_ref()
                .is_some_and(|value| value.len() > VALUE_BYTES_MAX);
            if large || key.len() > KEY_BYTES_MAX {
                return Err(StoreError::TooLarge {
                    key: key.chars().take(64).collect(),
                });
            }
        }
        Ok(())
    }
}

impl std::fmt::Debug for Transaction {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Values are left out: the store cannot know which of them are secret.
        let writes: Vec<&str> = self.writes.iter().map(|(key, _)| key.as_str()).collect();
        formatter
            .debug_struct("Transaction")
            .field("checks", &self.checks)
            .field("writes", &writes)
            .finish()
    }
}
