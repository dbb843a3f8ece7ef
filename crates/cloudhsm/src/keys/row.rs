use std::collections::{BTreeMap, BTreeSet};

use portcullis_hsm::{Command, Criterion, HsmKeyId, KeyInfo, Reply};
use portcullis_link::CallError;

use crate::users::{Coverage, SessionSeat, deadline, unexpected};

/// A key of a cluster as `key list --verbose` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRow {
    /// The key in the latest state that an HSM has of it.
    pub key: KeyInfo,
    /// On how many HSMs it has this owner.
    pub owner_coverage: Coverage,
    /// With whom it is shared, and on how many HSMs.
    pub shared_users: Vec<(String, Coverage)>,
    /// On how many HSMs it is, in its latest state.
    pub cluster_coverage: Coverage,
}

/// Keys that an HSM is asked for at a time.
const LISTED_AT_ONCE: u16 = 1000;

pub(super) async fn keys_on(
    seat: &SessionSeat,
    criteria: &[Criterion],
) -> Result<Vec<KeyInfo>, CallError> {
    let mut all = Vec::new();
    loop {
        let list = Command::ListKeys {
            session: seat.session,
            criteria: criteria.to_vec(),
            after: all.last().map(|key: &KeyInfo| key.id),
            limit: LISTED_AT_ONCE,
        };
        match seat.channel.manage(list, deadline()).await? {
            Reply::Keys(page) if page.is_empty() => return Ok(all),
            Reply::Keys(page) => all.extend(page),
            Reply::Done
            | Reply::Session(_)
            | Reply::Users(_)
            | Reply::Key(_)
            | Reply::Wrapped { .. } => return Err(unexpected()),
        }
    }
}

/// Rule CL-22: coverage is full when all of the `hsms` in service agree, relative to those that
/// are there.
pub(super) fn merge(lists: Vec<Vec<KeyInfo>>, hsms: usize) -> Vec<KeyRow> {
    let mut keys: BTreeMap<HsmKeyId, Vec<KeyInfo>> = BTreeMap::new();
    for key in lists.into_iter().flatten() {
        keys.entry(key.id).or_default().push(key);
    }
    keys.into_values()
        .filter_map(|states| row(&states, hsms))
        .collect()
}

fn row(states: &[KeyInfo], hsms: usize) -> Option<KeyRow> {
    let latest = states.iter().max_by_key(|state| state.revision)?;
    let coverage = |agrees: &dyn Fn(&KeyInfo) -> bool| {
        if states.iter().filter(|state| agrees(state)).count() == hsms {
            Coverage::Full
        } else {
            Coverage::Inconsistent
        }
    };
    let shared: BTreeSet<&String> = states
        .iter()
        .flat_map(|state| &state.shared_users)
        .collect();
    let shared_users = shared.into_iter().map(|user| {
        let coverage = coverage(&|state| state.shared_users.contains(user));
        (user.clone(), coverage)
    });
    Some(KeyRow {
        shared_users: shared_users.collect(),
        owner_coverage: coverage(&|state| state.owner == latest.owner),
        cluster_coverage: coverage(&|state| state.revision == latest.revision),
        key: latest.clone(),
    })
}

#[cfg(test)]
mod tests {
    use portcullis_hsm::KeyTemplate;

    use super::*;

    fn key(id: u8, revision: u64, shared: &[&str]) -> KeyInfo {
        let template = KeyTemplate::sealing(HsmKeyId([id; 16]), "arn");
        KeyInfo {
            id: HsmKeyId([id; 16]),
            owner: "kmsuser".to_owned(),
            shared_users: shared.iter().map(|user| (*user).to_owned()).collect(),
            attributes: template.attributes,
            length: template.length,
            check_value: [0; 3],
            revision,
        }
    }

    /// Rule CL-22.
    #[test]
    fn what_differs_between_hsms_is_shown_key_by_key() {
        let lists = vec![
            vec![key(1, 0, &[]), key(2, 1, &["alice"]), key(3, 0, &[])],
            vec![key(1, 0, &[]), key(2, 0, &[])],
        ];
        let rows = merge(lists, 2);
        let shown: Vec<_> = rows
            .iter()
            .map(|row| (row.owner_coverage, row.cluster_coverage))
            .collect();
        assert_eq!(
            shown,
            [
                (Coverage::Full, Coverage::Full),
                (Coverage::Full, Coverage::Inconsistent),
                (Coverage::Inconsistent, Coverage::Inconsistent),
            ]
        );
        assert_eq!(
            rows[1].shared_users,
            [("alice".to_owned(), Coverage::Inconsistent)]
        );
        assert_eq!(rows[1].key.revision, 1);
        assert_eq!(
            merge(vec![vec![key(1, 0, &[])]], 1)[0].cluster_coverage,
            Coverage::Full
        );
    }
}
