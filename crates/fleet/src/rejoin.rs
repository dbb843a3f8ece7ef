//! What an HSM must catch up with before it serves again.
//!
//! While an HSM is down, users are changed and keys are deleted on the others. The service brings
//! it in step when it comes back, before it answers anybody:
//!
//! - a key that any HSM of the cluster notes as deleted is deleted here too: delete wins;
//! - of each user, the state that was changed last wins.
//!
//! Keys that were made meanwhile are copied afterwards, by `synchronise`. Among HSMs that are up,
//! differences between users are not repaired: user management is the client's business, and
//! `user list` shows them as inconsistent (CloudHSM User Guide, "user list").

use std::collections::BTreeMap;

use portcullis_hsm::Change;
use zeroize::Zeroizing;

use crate::disk::layout::USERS;
use crate::disk::{DiskContents, DiskNotes, Writes, key_of_record};

/// Rules CL-13 and CL-14: what `own` must take over from its peers.
pub(crate) fn catch_up(own: &DiskContents, peers: &[DiskContents]) -> Writes {
    let mut writes = Writes::default();
    delete_what_was_deleted(own, peers, &mut writes);
    let mut newest: BTreeMap<&str, (u64, &DiskContents)> = BTreeMap::new();
    for peer in peers {
        for (user, when) in &peer.notes.changed {
            let known = newest.get(user.as_str()).map_or_else(
                || own.notes.changed.get(user).copied().unwrap_or(0),
                |(when, _)| *when,
            );
            if *when > known {
                newest.insert(user, (*when, peer));
            }
        }
    }
    for (user, (when, peer)) in newest {
        let key = format!("{USERS}{user}");
        let value = record(peer, &key).cloned();
        writes.records.push(Change { key, value });
        writes.notes.changed.insert(user.to_owned(), when);
    }
    writes
}

fn delete_what_was_deleted(own: &DiskContents, peers: &[DiskContents], writes: &mut Writes) {
    let all = peers.iter().flat_map(|peer| &peer.notes.deleted);
    let missing = all.filter(|id| !own.notes.deleted.contains(id)).copied();
    writes.notes.deleted = missing.collect();
    let deleted = |id| writes.notes.deleted.contains(&id) || own.notes.deleted.contains(&id);
    for (key, _) in &own.records {
        if key_of_record(key).is_some_and(deleted) {
            writes.records.push(Change {
                key: key.clone(),
                value: None,
            });
        }
    }
}

fn record<'a>(contents: &'a DiskContents, key: &str) -> Option<&'a Zeroizing<Vec<u8>>> {
    let found = contents.records.iter().find(|(name, _)| name == key);
    found.map(|(_, value)| value)
}

/// Raises the notes of `changed` for `users`, so that this change is later than each one before.
pub(crate) fn stamp(notes: &DiskNotes, users: impl Iterator<Item = String>, now: u64) -> DiskNotes {
    let later = |user: &String| {
        notes
            .changed
            .get(user)
            .map_or(now, |last| now.max(last + 1))
    };
    DiskNotes {
        changed: users.map(|user| (user.clone(), later(&user))).collect(),
        ..DiskNotes::default()
    }
}

/// The user (`<role>/<name>`) whose record lies at `record_key`, if that is a user's.
pub(crate) fn user_of_record(record_key: &str) -> Option<&str> {
    record_key.strip_prefix(USERS)
}

#[cfg(test)]
mod tests {
    use portcullis_hsm::HsmKeyId;

    use super::*;

    fn contents(records: &[(&str, u8)], deleted: &[u8], changed: &[(&str, u64)]) -> DiskContents {
        DiskContents {
            records: records
                .iter()
                .map(|(key, value)| ((*key).to_owned(), Zeroizing::new(vec![*value])))
                .collect(),
            notes: DiskNotes {
                deleted: deleted.iter().map(|byte| HsmKeyId([*byte; 16])).collect(),
                changed: changed
                    .iter()
                    .map(|(user, when)| ((*user).to_owned(), *when))
                    .collect(),
            },
        }
    }

    fn written(writes: &Writes) -> Vec<(&str, Option<u8>)> {
        let value = |change: &Change| change.value.as_ref().map(|bytes| bytes[0]);
        writes
            .records
            .iter()
            .map(|change| (change.key.as_str(), value(change)))
            .collect()
    }

    /// Rule CL-14.
    #[test]
    fn of_each_user_the_state_that_was_changed_last_wins() {
        let own = contents(
            &[
                ("user/crypto-user/kmsuser", 1),
                ("user/crypto-user/gone", 1),
            ],
            &[],
            &[("crypto-user/kmsuser", 5), ("admin/admin", 9)],
        );
        let older = contents(
            &[("user/crypto-user/kmsuser", 2)],
            &[],
            &[("crypto-user/kmsuser", 6), ("admin/admin", 9)],
        );
        let newer = contents(
            &[("user/crypto-user/kmsuser", 3)],
            &[],
            &[("crypto-user/kmsuser", 7), ("crypto-user/gone", 8)],
        );
        let writes = catch_up(&own, &[older, newer]);
        assert_eq!(
            written(&writes),
            [
                ("user/crypto-user/gone", None),
                ("user/crypto-user/kmsuser", Some(3))
            ]
        );
        assert_eq!(writes.notes.changed.get("crypto-user/kmsuser"), Some(&7));
    }

    /// Rule CL-13.
    #[test]
    fn a_key_deleted_on_any_hsm_is_deleted_here_too() {
        let seven = format!("key/{}", HsmKeyId([7; 16]));
        let eight = format!("key/{}", HsmKeyId([8; 16]));
        let own = contents(&[(&seven, 1), (&eight, 1)], &[], &[]);
        let peer = contents(&[(&eight, 1)], &[7], &[]);
        let writes = catch_up(&own, &[peer]);
        assert_eq!(written(&writes), [(seven.as_str(), None)]);
        assert!(writes.notes.deleted.contains(&HsmKeyId([7; 16])));
    }

    #[test]
    fn a_change_is_later_than_the_one_before_even_within_a_millisecond() {
        let notes = contents(&[], &[], &[("admin/admin", 9)]).notes;
        let users = || std::iter::once("admin/admin".to_owned());
        assert_eq!(stamp(&notes, users(), 9).changed["admin/admin"], 10);
        assert_eq!(stamp(&notes, users(), 50).changed["admin/admin"], 50);
    }
}
