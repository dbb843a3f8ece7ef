use std::collections::{BTreeSet, VecDeque};

/// How many writes are remembered. Who has fallen further behind reads everything.
const WRITES_MAX: usize = 4096;

/// Which keys the latest commits have written, for those who follow a store.
#[derive(Debug)]
pub(crate) struct Log {
    /// Every commit after this revision is here.
    after: u64,
    /// In the order of their revisions.
    writes: VecDeque<(u64, String)>,
}

impl Log {
    pub(crate) const fn begin(revision: u64) -> Self {
        Self {
            after: revision,
            writes: VecDeque::new(),
        }
    }

    pub(crate) fn add<'a>(&mut self, revision: u64, keys: impl Iterator<Item = &'a String>) {
        self.writes.extend(keys.map(|key| (revision, key.clone())));
        while self.writes.len() > WRITES_MAX
            && let Some((revision, _)) = self.writes.pop_front()
        {
            self.after = revision;
        }
    }

    /// The keys written after `revision`; none when that is too long ago.
    pub(crate) fn keys_after(&self, revision: u64) -> Option<BTreeSet<&str>> {
        if revision < self.after {
            return None;
        }
        let from = self.writes.partition_point(|(at, _)| *at <= revision);
        let newer = self.writes.range(from..);
        Some(newer.map(|(_, key)| key.as_str()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rule ST-14
    #[test]
    fn what_was_written_since_is_known_until_it_is_too_long_ago() {
        let mut log = Log::begin(7);
        let (a, b) = ("a".to_owned(), "b".to_owned());
        log.add(8, [&a, &b].into_iter());
        log.add(9, [&a].into_iter());
        assert_eq!(log.keys_after(6), None, "before the log began");
        assert_eq!(log.keys_after(7), Some(BTreeSet::from(["a", "b"])));
        assert_eq!(log.keys_after(8), Some(BTreeSet::from(["a"])));
        assert_eq!(log.keys_after(9), Some(BTreeSet::new()));
        for revision in 10..10_000 {
            log.add(revision, [&b].into_iter());
        }
        assert_eq!(log.keys_after(9), None);
        assert_eq!(log.keys_after(9_998), Some(BTreeSet::from(["b"])));
    }
}
