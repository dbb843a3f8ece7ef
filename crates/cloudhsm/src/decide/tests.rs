//! Which operation is accepted in which state, and what each refuses.

use std::collections::BTreeMap;

use portcullis_api::{BackupId, Code, HsmId, Region, Scope};
use portcullis_clusters::{ClusterState, HsmState};
use portcullis_seam::{SystemEntropy, Timestamp};

use super::*;
use crate::certificate::{CustomerAuthority, Makers, give_birth};
use crate::network::{default_subnets, default_vpc};
use crate::record::{Backup, BackupState, ClusterCertificates, HsmRecord, Rollback};

pub(super) fn region() -> Region {
    "us-east-1".parse().unwrap()
}

pub(super) fn scope() -> Scope {
    Scope {
        account: "111122223333".parse().unwrap(),
        region: region(),
    }
}

pub(super) fn cluster_id() -> ClusterId {
    "cluster-abcdefghijk".parse().unwrap()
}

pub(super) fn hsm_id(number: u8) -> HsmId {
    HsmId::from_random([number; 11])
}

pub(super) fn backup_id() -> BackupId {
    "backup-abcdefghijk".parse().unwrap()
}

/// A cluster with this many HSMs in service.
pub(super) fn cluster(state: ClusterState, hsms: u8, certificates: ClusterCertificates) -> Cluster {
    let hsm = |number: u8| HsmRecord {
        state: HsmState::Active,
        zone: "us-east-1a".to_owned(),
        subnet: default_subnets(&region())["us-east-1a"].clone(),
        eni: format!("eni-{number:08x}"),
        ip: [172, 31, 0, 10 + number].into(),
        hsm_type: None,
        host: None,
        lost_host: None,
    };
    Cluster {
        id: cluster_id(),
        state,
        created: 1,
        hsm_type: "hsm2m.medium".to_owned(),
        mode: "FIPS".to_owned(),
        network_type: "IPV4".to_owned(),
        retention_days: 90,
        source_backup: None,
        source_owner: None,
        subnets: default_subnets(&region()),
        vpc: default_vpc(&region()),
        security_group: "sg-12345678".to_owned(),
        certificates,
        tags: BTreeMap::new(),
        hsms: (0..hsms)
            .map(|number| (hsm_id(number), hsm(number)))
            .collect(),
        rollback: None,
    }
}

pub(super) fn issued() -> ClusterCertificates {
    ClusterCertificates::Issued {
        cluster: "certificate".to_owned(),
        trust_anchor: "anchor".to_owned(),
    }
}

/// A request of a first HSM and what InitializeCluster should be given for it.
fn requested() -> (ClusterCertificates, InitializeCluster) {
    let now = Timestamp::from_millis(1_700_000_000_000);
    let makers = Makers::generate(&SystemEntropy, now).unwrap();
    let birth = give_birth(&makers, &hsm_id(0), &SystemEntropy, now).unwrap();
    let owner = CustomerAuthority::generate(&SystemEntropy, now).unwrap();
    let command = InitializeCluster {
        cluster: cluster_id(),
        signed_certificate: owner.sign(&birth.request).unwrap(),
        trust_anchor: owner.trust_anchor().to_owned(),
    };
    let certificates = ClusterCertificates::Requested {
        request: birth.request,
        hsm: birth.hsm,
        aws_hardware: birth.aws_hardware,
        manufacturer_hardware: birth.manufacturer_hardware,
    };
    (certificates, command)
}

pub(super) fn backup(created: u64, id: BackupId) -> Backup {
    Backup {
        id,
        cluster: cluster_id(),
        state: BackupState::Ready,
        created,
        hsm_type: "hsm2m.medium".to_owned(),
        mode: "FIPS".to_owned(),
        never_expires: false,
        certificate: "certificate".to_owned(),
        trust_anchor: "anchor".to_owned(),
        tags: BTreeMap::new(),
        source: None,
        policy: None,
    }
}

pub(super) fn with(cluster: Cluster) -> ScopeRecords {
    ScopeRecords {
        clusters: BTreeMap::from([(cluster.id.clone(), Arc::new(cluster))]),
        backups: BTreeMap::from([(backup_id(), Arc::new(backup(1, backup_id())))]),
        ..ScopeRecords::default()
    }
}

pub(super) fn create_cluster() -> CreateCluster {
    CreateCluster {
        hsm_type: "hsm2m.medium".to_owned(),
        subnets: default_subnets(&region()).into_values().collect(),
        source_backup: None,
        source_owner: None,
        retention_days: None,
        mode: Some("FIPS".to_owned()),
        network_type: None,
        tags: Vec::new(),
    }
}

pub(super) fn create_hsm(zone: &str) -> CreateHsm {
    CreateHsm {
        cluster: cluster_id(),
        zone: zone.to_owned(),
        ip: None,
    }
}

fn delete_first_hsm() -> DeleteHsm {
    DeleteHsm {
        cluster: cluster_id(),
        hsm: HsmSelector {
            id: Some(hsm_id(0)),
            ..HsmSelector::default()
        },
    }
}

pub(super) fn fresh() -> FreshHsm {
    FreshHsm {
        id: hsm_id(31),
        eni: "eni-99999999".to_owned(),
    }
}

/// The state after an operation, or how it is refused.
pub(super) fn outcome(decided: Result<Cluster, Exception>) -> &'static str {
    match decided {
        Ok(cluster) => cluster.state.name(),
        Err(exception) if exception.code == Code::CloudHsmResourceNotFound => "not found",
        Err(exception) => {
            assert_eq!(exception.code, Code::CloudHsmInvalidRequest);
            assert!(exception.message.contains(". ") || exception.message.ends_with('.'));
            "refused"
        }
    }
}

/// A cluster that was migrated from hsm1.medium to hsm2m.medium at 1.
fn migrated(state: ClusterState, hsms: u8) -> Cluster {
    Cluster {
        rollback: Some(Rollback {
            hsm_type: "hsm1.medium".to_owned(),
            until: 100,
        }),
        ..cluster(state, hsms, issued())
    }
}

fn of_type(hsm_type: &str, cluster: Cluster) -> Cluster {
    Cluster {
        hsm_type: hsm_type.to_owned(),
        ..cluster
    }
}

fn modify(hsm_type: Option<&str>, retention_days: Option<&str>) -> ModifyCluster {
    ModifyCluster {
        cluster: cluster_id(),
        hsm_type: hsm_type.map(str::to_owned),
        retention_days: retention_days.map(str::to_owned),
    }
}

/// What the operations that name a cluster come to: CreateHsm, DeleteHsm, InitializeCluster,
/// DeleteCluster, ModifyCluster with a retention, with hsm2m.medium and with hsm1.medium, and
/// TagResource.
fn outcomes(state: &ScopeRecords, initialize: &InitializeCluster) -> [&'static str; 8] {
    let delete = DeleteCluster {
        cluster: cluster_id(),
    };
    let tag = TagChange::Add(vec![("key".to_owned(), "value".to_owned())]);
    let deleted_hsm = delete_first_hsm().decide(state);
    [
        outcome(create_hsm("us-east-1a").decide(state, &region(), &fresh())),
        outcome(deleted_hsm.map(|(cluster, _)| cluster)),
        outcome(initialize.decide(state)),
        outcome(delete.decide(state)),
        outcome(modify(None, Some("30")).decide(state, 5)),
        outcome(modify(Some("hsm2m.medium"), None).decide(state, 5)),
        outcome(modify(Some("hsm1.medium"), None).decide(state, 5)),
        outcome(tag.of_cluster(state, &cluster_id())),
    ]
}

/// Rules CL-03, CL-05, CL-08, CL-09, MIG-01, MIG-02 and MIG-03: every operation on a cluster against
/// every state and number of HSMs.
#[test]
fn each_operation_is_accepted_in_its_states_only() {
    use ClusterState as S;
    let (request, initialize) = requested();
    let none = || ClusterCertificates::Nothing;
    let restored = || Cluster {
        source_backup: Some(backup_id()),
        ..cluster(S::Initialized, 0, issued())
    };
    let older = |state, hsms| of_type("hsm1.medium", cluster(state, hsms, issued()));
    #[rustfmt::skip]
    let rows: Vec<(&str, ScopeRecords, [&str; 8])> = vec![
        // situation                        CreateHsm, DeleteHsm, InitializeCluster, DeleteCluster, retention, to hsm2m, to hsm1, TagResource
        ("no cluster",          ScopeRecords::default(),                                  ["not found"; 8]),
        ("being created",       with(cluster(S::CreateInProgress, 0, none())),     ["refused", "refused", "refused", "refused", "CREATE_IN_PROGRESS", "refused", "refused", "CREATE_IN_PROGRESS"]),
        ("new",                 with(cluster(S::Uninitialized, 0, none())),        ["UNINITIALIZED", "not found", "refused", "DELETE_IN_PROGRESS", "UNINITIALIZED", "refused", "refused", "UNINITIALIZED"]),
        ("with its first HSM",  with(cluster(S::Uninitialized, 1, request)),       ["refused", "UNINITIALIZED", "INITIALIZE_IN_PROGRESS", "refused", "UNINITIALIZED", "refused", "refused", "UNINITIALIZED"]),
        ("being initialised",   with(cluster(S::InitializeInProgress, 1, issued())), ["refused", "refused", "refused", "refused", "INITIALIZE_IN_PROGRESS", "refused", "refused", "INITIALIZE_IN_PROGRESS"]),
        ("initialised",         with(cluster(S::Initialized, 1, issued())),        ["refused", "INITIALIZED", "refused", "refused", "INITIALIZED", "refused", "refused", "INITIALIZED"]),
        ("initialised, hsm1",   with(older(S::Initialized, 1)),                    ["refused", "INITIALIZED", "refused", "refused", "INITIALIZED", "refused", "refused", "INITIALIZED"]),
        ("identity lost",       with(cluster(S::Initialized, 0, issued())),        ["refused", "not found", "refused", "DELETE_IN_PROGRESS", "INITIALIZED", "refused", "refused", "INITIALIZED"]),
        ("from a backup",       with(restored()),                                  ["INITIALIZED", "not found", "refused", "DELETE_IN_PROGRESS", "INITIALIZED", "refused", "refused", "INITIALIZED"]),
        ("active",              with(cluster(S::Active, 2, issued())),             ["UPDATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "refused", "refused", "ACTIVE", "refused", "refused", "ACTIVE"]),
        ("active, one HSM",     with(cluster(S::Active, 1, issued())),             ["UPDATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "refused", "refused", "ACTIVE", "refused", "refused", "ACTIVE"]),
        ("active, no HSM",      with(cluster(S::Active, 0, issued())),             ["UPDATE_IN_PROGRESS", "not found", "refused", "DELETE_IN_PROGRESS", "ACTIVE", "refused", "refused", "ACTIVE"]),
        ("active, full",        with(cluster(S::Active, 28, issued())),            ["refused", "UPDATE_IN_PROGRESS", "refused", "refused", "ACTIVE", "refused", "refused", "ACTIVE"]),
        ("active, hsm1",        with(older(S::Active, 27)),                        ["UPDATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "refused", "refused", "ACTIVE", "MODIFY_IN_PROGRESS", "refused", "ACTIVE"]),
        ("active, full, hsm1",  with(older(S::Active, 28)),                        ["refused", "UPDATE_IN_PROGRESS", "refused", "refused", "ACTIVE", "refused", "refused", "ACTIVE"]),
        ("migrated",            with(migrated(S::Active, 2)),                      ["UPDATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "refused", "refused", "ACTIVE", "refused", "ROLLBACK_IN_PROGRESS", "ACTIVE"]),
        ("being updated",       with(cluster(S::UpdateInProgress, 1, issued())),   ["refused", "refused", "refused", "refused", "UPDATE_IN_PROGRESS", "refused", "refused", "UPDATE_IN_PROGRESS"]),
        ("being migrated",      with(migrated(S::ModifyInProgress, 2)),            ["refused", "refused", "refused", "refused", "MODIFY_IN_PROGRESS", "refused", "ROLLBACK_IN_PROGRESS", "MODIFY_IN_PROGRESS"]),
        ("being rolled back",   with(older(S::RollbackInProgress, 2)),             ["refused", "refused", "refused", "refused", "ROLLBACK_IN_PROGRESS", "refused", "refused", "ROLLBACK_IN_PROGRESS"]),
        ("degraded",            with(cluster(S::Degraded, 2, issued())),           ["DEGRADED", "DEGRADED", "refused", "refused", "DEGRADED", "refused", "refused", "DEGRADED"]),
        ("degraded, hsm1",      with(older(S::Degraded, 2)),                       ["DEGRADED", "DEGRADED", "refused", "refused", "DEGRADED", "refused", "refused", "DEGRADED"]),
        ("being deleted",       with(cluster(S::DeleteInProgress, 0, issued())),   ["refused", "refused", "refused", "refused", "refused", "refused", "refused", "DELETE_IN_PROGRESS"]),
        ("deleted",             with(cluster(S::Deleted, 0, issued())),            ["refused", "refused", "refused", "refused", "refused", "refused", "refused", "DELETED"]),
    ];
    for (situation, state, expected) in rows {
        assert_eq!(
            outcomes(&state, &initialize),
            expected,
            "a cluster that is {situation}"
        );
        // The others do not depend on the state of a cluster.
        let other: ClusterId = "cluster-othercluster".parse().unwrap();
        let created = create_cluster().decide(&state, &scope(), 5, other);
        assert_eq!(outcome(created), "CREATE_IN_PROGRESS", "{situation}");
        let listed = DescribeClusters::default().decide(&state).unwrap();
        assert_eq!(listed.items.len(), state.clusters.len(), "{situation}");
        let listed = DescribeBackups::default().decide(&state).unwrap();
        assert_eq!(listed.items.len(), state.backups.len(), "{situation}");
    }
}

/// Rule CL-08: DeleteHsm against every state of the HSM, in the states of a cluster that permit it.
#[test]
fn an_hsm_is_deleted_once_in_whatever_state_it_is() {
    use ClusterState as S;
    use HsmState as H;
    for (hsm, accepted) in [
        // One that is still being made is given up.
        (H::CreateInProgress, true),
        (H::Active, true),
        (H::Degraded, true),
        (H::DeleteInProgress, false),
    ] {
        for (state, next) in [
            (S::Uninitialized, "UNINITIALIZED"),
            (S::Initialized, "INITIALIZED"),
            (S::Active, "UPDATE_IN_PROGRESS"),
            (S::Degraded, "DEGRADED"),
        ] {
            let mut with_one = cluster(state, 1, issued());
            for one in with_one.hsms.values_mut() {
                one.state = hsm;
            }
            let decided = delete_first_hsm().decide(&with(with_one));
            let expected = if accepted { next } else { "refused" };
            let outcome = outcome(decided.map(|(cluster, _)| cluster));
            assert_eq!(outcome, expected, "{hsm:?} of a cluster that is {state:?}");
        }
    }
}

/// Rule CL-31.
#[test]
fn a_retention_policy_without_its_value_is_refused() {
    use portcullis_api::cloudhsm::{BackupRetentionPolicy, ModifyClusterRequest};
    let parse = |r#type: Option<&str>, value: Option<&str>| {
        let policy = BackupRetentionPolicy {
            r#type: r#type.map(str::to_owned),
            value: value.map(str::to_owned),
        };
        ModifyCluster::parse(ModifyClusterRequest {
            cluster_id: cluster_id().to_string(),
            hsm_type: None,
            backup_retention_policy: Some(policy),
        })
    };
    for (kind, value) in [(Some("DAYS"), None), (None, Some("30")), (None, None)] {
        let refused = parse(kind, value).unwrap_err();
        assert!(refused.message.contains("Type as DAYS"), "{refused:?}");
    }
    let parsed = parse(Some("DAYS"), Some("30")).unwrap();
    assert_eq!(parsed.retention_days.as_deref(), Some("30"));
}

/// Rules CL-03, CL-04 and CL-11: CreateHsm and DeleteHsm against where the HSMs of a cluster are.
#[test]
fn hsms_come_and_go_in_every_layout_of_zones() {
    let layouts: [(&[&str], [&str; 4]); 7] = [
        // HSMs in            CreateHsm in a, b, c; DeleteHsm of the first
        (&[], ["a", "b", "refused", "not found"]),
        (&["a"], ["aa", "ab", "refused", ""]),
        (&["b"], ["ab", "bb", "refused", ""]),
        (&["a", "a"], ["aaa", "aab", "refused", "a"]),
        (&["a", "b"], ["aab", "abb", "refused", "b"]),
        (&["a", "b", "b"], ["aabb", "abbb", "refused", "bb"]),
        (
            &["a"; 28],
            ["refused", "refused", "refused", &"a".repeat(27)],
        ),
    ];
    let zones = |decided: Result<Cluster, Exception>| match decided {
        Ok(cluster) => {
            let staying = cluster.hsms.values();
            let staying = staying.filter(|hsm| hsm.state != HsmState::DeleteInProgress);
            let mut letters: Vec<char> =
                staying.filter_map(|hsm| hsm.zone.chars().last()).collect();
            letters.sort_unstable();
            letters.into_iter().collect()
        }
        Err(refused) => outcome(Err(refused)).to_owned(),
    };
    for (layout, expected) in layouts {
        let count = u8::try_from(layout.len()).unwrap();
        let mut laid_out = cluster(ClusterState::Active, count, issued());
        laid_out.subnets.remove("us-east-1c");
        for (hsm, letter) in laid_out.hsms.values_mut().zip(layout) {
            hsm.zone = format!("us-east-1{letter}");
        }
        let state = with(laid_out);
        let create = |zone: &str| {
            zones(create_hsm(&format!("us-east-1{zone}")).decide(&state, &region(), &fresh()))
        };
        let deleted = delete_first_hsm()
            .decide(&state)
            .map(|(cluster, _)| cluster);
        let actual = [create("a"), create("b"), create("c"), zones(deleted)];
        assert_eq!(actual, expected, "{layout:?}");
    }
}

/// Rules MIG-01 and MIG-03.
#[test]
fn modify_cluster_changes_what_it_names_and_a_rollback_has_its_time() {
    let state = with(of_type(
        "hsm1.medium",
        cluster(ClusterState::Active, 2, issued()),
    ));
    let both = modify(Some("hsm2m.medium"), Some("7"))
        .decide(&state, 5)
        .unwrap();
    assert_eq!(
        (both.retention_days, both.hsm_type.as_str()),
        (7, "hsm2m.medium")
    );
    let until = both.rollback.unwrap().until;
    assert_eq!(until, 5 + 24 * 60 * 60 * 1000);
    assert!(
        both.hsms
            .values()
            .all(|hsm| hsm.hsm_type.as_deref() == Some("hsm1.medium"))
    );
    for (command, why) in [
        (modify(None, None), "HsmType or BackupRetentionPolicy"),
        (modify(None, Some("380")), "7 to 379"),
        (modify(Some("hsm9.large"), None), "no HSM type"),
        (modify(Some("hsm1.medium"), None), "already"),
    ] {
        let refused = command.decide(&state, 5).unwrap_err();
        assert!(refused.message.contains(why), "{why}: {refused}");
    }
    let state = with(migrated(ClusterState::Active, 2));
    let back = |now| modify(Some("hsm1.medium"), None).decide(&state, now);
    assert_eq!(back(99).unwrap().rollback, None);
    assert!(back(100).unwrap_err().message.contains("24 hours"));
}

/// Rule CL-01.
#[test]
fn a_cluster_needs_known_subnets_in_different_zones() {
    let subnets = default_subnets(&region());
    let (a, b) = (&subnets["us-east-1a"], &subnets["us-east-1b"]);
    let elsewhere = &default_subnets(&"eu-west-1".parse().unwrap())["eu-west-1a"];
    let rows: [(&[&String], &str); 6] = [
        (&[a], ""),
        (&[a, b], ""),
        (&[], "1 to 10"),
        (&[a, a], "Two of the subnets lie in us-east-1a"),
        (&[elsewhere], "There is no subnet"),
        (&[a; 11], "1 to 10"),
    ];
    for (given, why) in rows {
        let command = CreateCluster {
            subnets: given.iter().map(|id| (*id).clone()).collect(),
            ..create_cluster()
        };
        match command.decide(&ScopeRecords::default(), &scope(), 5, cluster_id()) {
            Ok(cluster) => assert_eq!(cluster.subnets.len(), given.len(), "{why}"),
            Err(exception) => {
                assert!(
                    !why.is_empty() && exception.message.contains(why),
                    "{exception}"
                );
            }
        }
    }
}

/// Rule BK-13, and the form of the other members.
#[test]
fn the_members_of_create_cluster_have_their_documented_values() {
    let state = with(cluster(ClusterState::Active, 2, issued()));
    let missing: BackupId = "backup-missingone22".parse().unwrap();
    let rows: [(CreateCluster, &str); 8] = [
        (
            CreateCluster {
                hsm_type: "hsm9.large".to_owned(),
                ..create_cluster()
            },
            "HSM type",
        ),
        (
            CreateCluster {
                retention_days: Some("6".to_owned()),
                ..create_cluster()
            },
            "7 to 379",
        ),
        (
            CreateCluster {
                retention_days: Some("380".to_owned()),
                ..create_cluster()
            },
            "7 to 379",
        ),
        (
            CreateCluster {
                retention_days: Some("x".to_owned()),
                ..create_cluster()
            },
            "7 to 379",
        ),
        (
            CreateCluster {
                mode: Some("fips".to_owned()),
                ..create_cluster()
            },
            "FIPS or NON_FIPS",
        ),
        (
            CreateCluster {
                network_type: Some("IPV6".to_owned()),
                ..create_cluster()
            },
            "DUALSTACK",
        ),
        (
            CreateCluster {
                source_backup: Some(missing),
                ..create_cluster()
            },
            "no backup",
        ),
        (
            CreateCluster {
                hsm_type: "hsm1.medium".to_owned(),
                source_backup: Some(backup_id()),
                ..create_cluster()
            },
            "cannot restore",
        ),
    ];
    for (command, why) in rows {
        let other: ClusterId = "cluster-othercluster".parse().unwrap();
        let refused = command.decide(&state, &scope(), 5, other).unwrap_err();
        assert!(refused.message.contains(why), "{why}: {refused}");
    }
}

/// Rule CL-02.
#[test]
fn a_cluster_made_from_a_backup_has_its_certificate_at_once() {
    let state = with(cluster(ClusterState::Active, 2, issued()));
    let command = CreateCluster {
        source_backup: Some(backup_id()),
        ..create_cluster()
    };
    let other: ClusterId = "cluster-othercluster".parse().unwrap();
    let made = command.decide(&state, &scope(), 5, other).unwrap();
    assert_eq!(made.issued(), Some(("certificate", "anchor")));
    assert_eq!(made.source_backup, Some(backup_id()));
}

/// Rules CL-04 and CL-11.
#[test]
fn an_hsm_needs_a_zone_of_the_cluster_a_free_address_and_room() {
    let mut small = cluster(ClusterState::Active, 2, issued());
    small.subnets.remove("us-east-1c");
    let small = with(small);
    let full = with(cluster(ClusterState::Active, 28, issued()));
    let at = |ip: [u8; 4]| CreateHsm {
        ip: Some(ip.into()),
        ..create_hsm("us-east-1a")
    };
    let rows = [
        (create_hsm("us-east-1c"), &small, "us-east-1a, us-east-1b"),
        (at([172, 31, 0, 10]), &small, "Another HSM"),
        (at([172, 31, 0, 3]), &small, "from 172.31.0.4"),
        (at([172, 31, 16, 4]), &small, "to 172.31.15.254"),
        (create_hsm("us-east-1a"), &full, "28 HSMs"),
    ];
    for (command, state, why) in rows {
        let refused = command.decide(state, &region(), &fresh()).unwrap_err();
        assert!(refused.message.contains(why), "{why}: {refused}");
    }
    let made = at([172, 31, 0, 99]).decide(&small, &region(), &fresh());
    assert_eq!(
        made.unwrap().hsms[&hsm_id(31)].ip.to_string(),
        "172.31.0.99"
    );
}

/// Rule CL-08.
#[test]
fn an_hsm_is_deleted_by_exactly_one_identifier() {
    let state = with(cluster(ClusterState::Active, 2, issued()));
    let by = |id: Option<u8>, eni: Option<&str>, ip: Option<[u8; 4]>| {
        let hsm = HsmSelector {
            id: id.map(hsm_id),
            eni: eni.map(str::to_owned),
            ip: ip.map(Into::into),
        };
        let command = DeleteHsm {
            cluster: cluster_id(),
            hsm,
        };
        command.decide(&state).map(|(_, hsm)| hsm)
    };
    let ip = [172, 31, 0, 11];
    assert_eq!(by(Some(1), None, None), Ok(hsm_id(1)));
    assert_eq!(by(None, Some("eni-00000001"), None), Ok(hsm_id(1)));
    assert_eq!(by(None, None, Some(ip)), Ok(hsm_id(1)));
    assert_eq!(
        by(None, None, None).unwrap_err().code,
        Code::CloudHsmInvalidRequest
    );
    assert_eq!(
        by(Some(1), None, Some(ip)).unwrap_err().code,
        Code::CloudHsmInvalidRequest
    );
    assert_eq!(
        by(Some(7), None, None).unwrap_err().code,
        Code::CloudHsmResourceNotFound
    );
}

/// Rule CL-06.
#[test]
fn filters_show_what_every_one_of_them_names_and_unknown_ids_show_nothing() {
    let state = with(cluster(ClusterState::Active, 2, issued()));
    let shown = |filters: &[(&str, &str)]| {
        let given = filters
            .iter()
            .map(|(name, value)| ((*name).to_owned(), vec![(*value).to_owned()]))
            .collect();
        let command = DescribeClusters {
            filters: ClusterFilters::parse(given)?,
            page: PageRequest::default(),
        };
        command.decide(&state).map(|page| page.items.len())
    };
    let id = cluster_id();
    assert_eq!(
        shown(&[("clusterIds", id.as_str()), ("states", "ACTIVE")]),
        Ok(1)
    );
    assert_eq!(
        shown(&[("clusterIds", id.as_str()), ("states", "DEGRADED")]),
        Ok(0)
    );
    assert_eq!(shown(&[("vpcIds", &default_vpc(&region()))]), Ok(1));
    assert_eq!(shown(&[("clusterIds", "cluster-nosuchone22")]), Ok(0));
    assert!(
        shown(&[("names", "x")])
            .unwrap_err()
            .message
            .contains("clusterIds")
    );
}

/// Rule BK-04.
#[test]
fn the_newest_backup_comes_first_unless_asked_otherwise() {
    let ids: Vec<BackupId> = (1..=3).map(|n| BackupId::from_random([n; 11])).collect();
    let dated = ids.iter().zip([20, 10, 30]);
    let state = ScopeRecords {
        backups: dated
            .map(|(id, created)| (id.clone(), Arc::new(backup(created, id.clone()))))
            .collect(),
        ..ScopeRecords::default()
    };
    let dates = |oldest_first, token: Option<String>| {
        let command = DescribeBackups {
            oldest_first,
            page: PageRequest {
                max_results: Some(2),
                next_token: token,
            },
            ..DescribeBackups::default()
        };
        let page = command.decide(&state).unwrap();
        let dates: Vec<u64> = page.items.iter().map(|one| one.created).collect();
        (dates, page.next_token)
    };
    let (first, token) = dates(false, None);
    assert_eq!(first, [30, 20]);
    assert_eq!(dates(false, token), (vec![10], None));
    let (first, token) = dates(true, None);
    assert_eq!(first, [10, 20]);
    assert_eq!(dates(true, token), (vec![30], None));
}
