//! Which operation on a backup is accepted in which state, what the calendar does to backups, and
//! tags and policies.

use portcullis_api::{AccountId, BackupId, Code, Exception};
use portcullis_clusters::ClusterState;

use super::tests::{backup, backup_id, cluster, cluster_id, create_cluster, create_hsm, fresh};
use super::tests::{issued, region, scope, with};
use super::*;
use crate::record::{Backup, BackupState, ScopeRecords, SharedBackup, Source};

const DAY: u64 = 24 * 60 * 60 * 1000;
const NOW: u64 = 1000 * DAY;

fn in_state(state: BackupState) -> ScopeRecords {
    let mut there = with(cluster(ClusterState::Active, 2, issued()));
    change(&mut there).state = state;
    there
}

/// The backup of `state`, to be changed.
fn change(state: &mut ScopeRecords) -> &mut Backup {
    Arc::make_mut(state.backups.get_mut(&backup_id()).unwrap())
}

fn arn() -> BackupArn {
    BackupArn {
        text: scope().backup_arn(&backup_id()),
        owner: scope().account,
        region: region(),
        backup: backup_id(),
    }
}

fn policy_for(account: &str, action: &str) -> String {
    format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"AWS":"{account}"}},"Action":"{action}"}}]}}"#
    )
}

fn put_policy() -> PutPolicy {
    PutPolicy {
        resource: arn(),
        policy: policy_for("444455556666", "cloudhsm:*"),
    }
}

fn copy(destination: &str) -> CopyBackup {
    CopyBackup {
        backup: backup_id(),
        destination: destination.parse().unwrap(),
        tags: None,
    }
}

fn shown(decided: Result<Backup, Exception>) -> &'static str {
    match decided {
        Ok(backup) => backup.state.name(),
        Err(error) if error.code == Code::CloudHsmResourceNotFound => "not found",
        Err(error) => {
            assert_eq!(error.code, Code::CloudHsmInvalidRequest);
            "refused"
        }
    }
}

/// Rules BK-08, BK-09, BK-10, BK-12 and BK-14: every operation on a backup in every state.
#[test]
fn each_operation_on_a_backup_is_accepted_in_its_states_only() {
    use BackupState as S;
    #[rustfmt::skip]
    let rows: [(&str, ScopeRecords, [&str; 8]); 6] = [
        // situation       DeleteBackup, RestoreBackup, ModifyBackupAttributes, CopyBackupToRegion, PutResourcePolicy, DeleteResourcePolicy, TagResource, CreateCluster
        ("missing",        ScopeRecords::default(),                                 ["not found", "not found", "not found", "not found", "not found", "not found", "not found", "not found"]),
        ("being copied",   in_state(S::CreateInProgress),                    ["refused", "refused", "refused", "refused", "refused", "CREATE_IN_PROGRESS", "CREATE_IN_PROGRESS", "refused"]),
        ("ready",          in_state(S::Ready),                               ["PENDING_DELETION", "refused", "READY", "CREATE_IN_PROGRESS", "READY", "READY", "READY", "READY"]),
        ("to be deleted",  in_state(S::PendingDeletion { until: NOW + 1 }),  ["refused", "READY", "refused", "refused", "refused", "PENDING_DELETION", "PENDING_DELETION", "refused"]),
        ("over the time",  in_state(S::PendingDeletion { until: NOW }),      ["refused", "refused", "refused", "refused", "refused", "PENDING_DELETION", "PENDING_DELETION", "refused"]),
        ("deleted",        in_state(S::Deleted { since: NOW }),              ["refused", "refused", "refused", "refused", "refused", "DELETED", "DELETED", "refused"]),
    ];
    for (situation, state, expected) in rows {
        let backup = backup_id();
        let other = || "backup-othercopy2222".parse::<BackupId>().unwrap();
        let tag = TagChange::Add(vec![("a".to_owned(), "b".to_owned())]);
        let from = CreateCluster {
            source_backup: Some(backup_id()),
            ..create_cluster()
        };
        let made = from.decide(
            &state,
            &scope(),
            NOW,
            "cluster-othercluster".parse().unwrap(),
        );
        let never = ModifyBackup {
            backup: backup_id(),
            never_expires: true,
        };
        let actual = [
            shown(
                DeleteBackup {
                    backup: backup.clone(),
                }
                .decide(&state, NOW),
            ),
            shown(
                RestoreBackup {
                    backup: backup.clone(),
                }
                .decide(&state, NOW),
            ),
            shown(never.decide(&state)),
            shown(copy("eu-west-1").decide(&state, &region(), NOW, other())),
            shown(put_policy().decide(&state, &scope())),
            shown(
                DeletePolicy { resource: arn() }
                    .decide(&state, &scope())
                    .map(|(backup, _)| backup),
            ),
            shown(tag.of_backup(&state, &backup)),
            shown(made.map(|_| Backup::clone(&state.backups[&backup]))),
        ];
        assert_eq!(actual, expected, "a backup that is {situation}");
    }
}

/// Rule BK-08.
#[test]
fn a_deleted_backup_says_when_it_will_be_gone() {
    let state = in_state(BackupState::Ready);
    let delete = DeleteBackup {
        backup: backup_id(),
    };
    let deleted = delete.decide(&state, NOW).unwrap();
    let until = NOW + 7 * DAY;
    assert_eq!(deleted.state, BackupState::PendingDeletion { until });
}

/// Rules BK-05, BK-10 and BK-11: what the calendar does, by age in days.
#[test]
fn the_calendar_purges_what_is_over_its_retention_and_never_the_last_one() {
    let id = |number| BackupId::from_random([number; 11]);
    let aged = |number, days: u64| backup(NOW - days * DAY, id(number));
    let never = Backup {
        never_expires: true,
        ..aged(3, 300)
    };
    let copied = Backup {
        source: Some(Source {
            region: "eu-west-1".parse().unwrap(),
            backup: id(9),
            copied: NOW,
        }),
        ..aged(4, 300)
    };
    let state_of = |number, state| Backup {
        state,
        ..aged(number, 200)
    };
    let orphan = Backup {
        cluster: "cluster-gonegonegone".parse().unwrap(),
        ..aged(8, 300)
    };
    let mut state = with(cluster(ClusterState::Active, 2, issued()));
    let backups = [
        aged(1, 91),
        aged(2, 90),
        never,
        copied,
        state_of(5, BackupState::PendingDeletion { until: NOW }),
        state_of(6, BackupState::PendingDeletion { until: NOW + 1 }),
        state_of(
            7,
            BackupState::Deleted {
                since: NOW - 7 * DAY,
            },
        ),
        orphan,
    ];
    state.backups = backups
        .into_iter()
        .map(|one| (one.id.clone(), Arc::new(one)))
        .collect();
    let done: Vec<(BackupId, &str)> = changes_due(&state, NOW)
        .into_iter()
        .map(|change| match change {
            ScheduledChange::Purge(one) => (one.id, one.state.name()),
            ScheduledChange::Delete(one) => (one.id, one.state.name()),
            ScheduledChange::Forget(id) => (id, "forgotten"),
        })
        .collect();
    assert_eq!(
        done,
        [
            (id(1), "PENDING_DELETION"),
            (id(5), "DELETED"),
            (id(7), "forgotten"),
        ]
    );
}

/// Rule BK-05.
#[test]
fn the_last_ready_backup_stays_however_old_also_when_a_newer_one_is_about_to_go() {
    let id = |number| BackupId::from_random([number; 11]);
    let mut state = with(cluster(ClusterState::Active, 2, issued()));
    let leaving = Backup {
        state: BackupState::PendingDeletion { until: u64::MAX },
        ..backup(3, id(3))
    };
    let backups = [backup(1, id(1)), backup(2, id(2)), leaving];
    state.backups = backups
        .into_iter()
        .map(|one| (one.id.clone(), Arc::new(one)))
        .collect();
    let changes = changes_due(&state, 1000 * NOW);
    assert!(
        matches!(&changes[..], [ScheduledChange::Purge(one)] if one.id == id(1)),
        "{changes:?}"
    );
}

/// Rule BK-07.
#[test]
fn a_backup_is_due_a_day_after_the_newest_one() {
    let mut state = with(cluster(ClusterState::Active, 2, issued()));
    state.backups = [(backup_id(), Arc::new(backup(NOW, backup_id())))].into();
    assert!(!backup_is_due(&state, &cluster_id(), NOW));
    assert!(!backup_is_due(&state, &cluster_id(), NOW + DAY - 1));
    assert!(backup_is_due(&state, &cluster_id(), NOW + DAY));
    assert!(backup_is_due(&ScopeRecords::default(), &cluster_id(), NOW));
}

/// Rule BK-12.
#[test]
fn a_copy_names_its_source_and_keeps_its_date_and_tags() {
    let mut state = in_state(BackupState::Ready);
    let source = change(&mut state);
    source.tags = [("team".to_owned(), "payments".to_owned())].into();
    source.policy = Some(String::new());
    let other = || "backup-othercopy2222".parse::<BackupId>().unwrap();
    let copied = copy("eu-west-1")
        .decide(&state, &region(), NOW, other())
        .unwrap();
    let named = copied.source.unwrap();
    assert_eq!((named.region, named.backup), (region(), backup_id()));
    assert_eq!((copied.created, named.copied), (1, NOW));
    assert_eq!(copied.tags["team"], "payments");
    assert_eq!(copied.policy, None, "a policy names one resource");
    let retagged = CopyBackup {
        tags: Some(vec![("new".to_owned(), "tag".to_owned())]),
        ..copy("eu-west-1")
    };
    let copied = retagged.decide(&state, &region(), NOW, other()).unwrap();
    assert_eq!(copied.tags.keys().collect::<Vec<_>>(), ["new"]);
    let same = copy("us-east-1").decide(&state, &region(), NOW, other());
    assert!(
        same.unwrap_err()
            .message
            .contains("another DestinationRegion")
    );
}

/// Rules BK-16 and BK-17.
#[test]
fn a_shared_backup_is_listed_and_restored_as_its_policy_permits() {
    let (owner, me): (AccountId, AccountId) = ("444455556666".parse().unwrap(), scope().account);
    let shared_with = |account: &str, action: &str| {
        let mut one = backup(1, backup_id());
        one.policy = Some(policy_for(account, action));
        let owner = owner.clone();
        ScopeRecords {
            shared: [(
                backup_id(),
                SharedBackup {
                    owner,
                    backup: Arc::new(one),
                },
            )]
            .into(),
            ..ScopeRecords::default()
        }
    };
    let attempt = |state: &ScopeRecords, named: Option<AccountId>| {
        let listed = DescribeBackups {
            shared: Some(me.clone()),
            ..DescribeBackups::default()
        };
        let from = CreateCluster {
            source_backup: Some(backup_id()),
            source_owner: named,
            ..create_cluster()
        };
        let made = from.decide(state, &scope(), NOW, cluster_id());
        let made = made.map(|cluster| cluster.source_owner);
        (
            listed.decide(state).unwrap().items.len(),
            made.map_err(|error| error.code),
        )
    };
    let all = shared_with(me.as_str(), "cloudhsm:*");
    let by_arn = Some(owner.clone());
    assert_eq!(attempt(&all, by_arn.clone()), (1, Ok(by_arn.clone())));
    assert_eq!(
        attempt(&all, None),
        (1, Err(Code::CloudHsmResourceNotFound)),
        "by its ID alone"
    );
    let listing = shared_with(me.as_str(), "cloudhsm:DescribeBackups");
    let denied = Err(Code::CloudHsmAccessDenied);
    assert_eq!(attempt(&listing, by_arn.clone()), (1, denied));
    let making = shared_with(me.as_str(), "cloudhsm:CreateCluster");
    assert_eq!(attempt(&making, by_arn.clone()), (0, Ok(by_arn)));
    // One's own list does not have it.
    let own = DescribeBackups::default().decide(&all).unwrap();
    assert!(own.items.is_empty());
}

/// Rule BK-14.
#[test]
fn only_the_owner_sees_and_changes_a_policy() {
    let state = in_state(BackupState::Ready);
    let foreign = BackupArn {
        owner: "444455556666".parse().unwrap(),
        ..arn()
    };
    let elsewhere = BackupArn {
        region: "eu-west-1".parse().unwrap(),
        ..arn()
    };
    let get = |resource| GetPolicy { resource }.decide(&state, &scope());
    assert_eq!(get(arn()), Ok(None));
    assert_eq!(get(foreign).unwrap_err().code, Code::CloudHsmAccessDenied);
    assert_eq!(
        get(elsewhere).unwrap_err().code,
        Code::CloudHsmResourceNotFound
    );
}

/// Rules TAG-01, TAG-02 and TAG-03.
#[test]
fn tags_have_distinct_keys_and_a_resource_has_fifty_of_them() {
    let mut state = with(cluster(ClusterState::Deleted, 0, issued()));
    let id = cluster_id();
    let pairs = |keys: &[&str]| {
        let pair = |key: &&str| ((*key).to_owned(), "value".to_owned());
        keys.iter().map(pair).collect::<Vec<_>>()
    };
    let add =
        |state: &ScopeRecords, keys: &[&str]| TagChange::Add(pairs(keys)).of_cluster(state, &id);
    let code = |decided: Result<Cluster, Exception>| decided.unwrap_err().code;
    assert_eq!(code(add(&state, &["a", "a"])), Code::CloudHsmTag);
    assert_eq!(code(add(&state, &["AWS:a"])), Code::CloudHsmTag);
    let named = CreateCluster {
        tags: pairs(&["a", "a"]),
        ..create_cluster()
    };
    let other = "cluster-othercluster".parse().unwrap();
    let made = named.decide(&ScopeRecords::default(), &scope(), NOW, other);
    assert_eq!(code(made), Code::CloudHsmTag);

    let fifty: Vec<String> = (0..50).map(|number| format!("key{number:02}")).collect();
    let fifty: Vec<&str> = fifty.iter().map(String::as_str).collect();
    let tagged = add(&state, &fifty).unwrap();
    state.clusters.insert(id.clone(), Arc::new(tagged));
    assert_eq!(add(&state, &["key07"]).unwrap().tags.len(), 50);
    assert_eq!(
        code(add(&state, &["other"])),
        Code::CloudHsmResourceLimitExceeded
    );
    let gone = ["key49", "nowhere"].map(str::to_owned).to_vec();
    let fewer = TagChange::Remove(gone).of_cluster(&state, &id).unwrap();
    assert_eq!(fewer.tags.len(), 49);

    let page = |token: Option<String>| {
        let command = ListTags {
            resource: Resource::Cluster(id.clone()),
            page: PageRequest {
                max_results: Some(30),
                next_token: token,
            },
        };
        command.decide(&state).unwrap()
    };
    let first = page(None);
    assert_eq!(first.items.len(), 30);
    let rest = page(first.next_token);
    assert_eq!((rest.items.len(), rest.next_token), (20, None));
}

/// Rule BK-18.
#[test]
fn a_cluster_without_hsms_needs_a_backup_for_its_next_one() {
    for (backup, permitted) in [
        (BackupState::Ready, true),
        (BackupState::PendingDeletion { until: NOW }, false),
        (BackupState::Deleted { since: NOW }, false),
    ] {
        for source in [None, Some(backup_id())] {
            let mut state = in_state(backup);
            let mut empty = cluster(ClusterState::Active, 0, issued());
            if source.is_some() {
                // Of another cluster, so that only the source is left.
                let origin = "cluster-othercluster".parse().unwrap();
                change(&mut state).cluster = origin;
            }
            empty.source_backup = source;
            state.clusters.insert(cluster_id(), Arc::new(empty));
            let made = create_hsm("us-east-1a").decide(&state, &region(), &fresh());
            assert_eq!(made.is_ok(), permitted, "{backup:?}");
        }
    }
}
