//! Which operation is accepted in which state, and what each refuses.

use std::collections::BTreeMap;

use portcullis_api::{BackupId, Code, HsmId, Region};
use portcullis_seam::{SystemEntropy, Timestamp};

use super::*;
use crate::certificate::{CustomerAuthority, Makers, give_birth};
use crate::network::{default_subnets, default_vpc};
use crate::record::{Backup, BackupState, Certificates, HsmRecord};
use crate::{ClusterState, HsmState};

fn region() -> Region {
    "us-east-1".parse().unwrap()
}

fn cluster_id() -> ClusterId {
    "cluster-abcdefghijk".parse().unwrap()
}

fn hsm_id(number: u8) -> HsmId {
    HsmId::from_random([number; 11])
}

fn backup_id() -> BackupId {
    "backup-abcdefghijk".parse().unwrap()
}

/// A cluster with this many HSMs in service.
fn cluster(state: ClusterState, hsms: u8, certificates: Certificates) -> Cluster {
    let hsm = |number: u8| HsmRecord {
        state: HsmState::Active,
        zone: "us-east-1a".to_owned(),
        subnet: default_subnets(&region())["us-east-1a"].clone(),
        eni: format!("eni-{number:08x}"),
        ip: [172, 31, 0, 10 + number].into(),
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
        subnets: default_subnets(&region()),
        vpc: default_vpc(&region()),
        security_group: "sg-12345678".to_owned(),
        certificates,
        tags: BTreeMap::new(),
        hsms: (0..hsms)
            .map(|number| (hsm_id(number), hsm(number)))
            .collect(),
        network_trouble: None,
    }
}

fn issued() -> Certificates {
    Certificates::Issued {
        cluster: "certificate".to_owned(),
        trust_anchor: "anchor".to_owned(),
    }
}

/// A request of a first HSM and what InitializeCluster should be given for it.
fn requested() -> (Certificates, InitializeCluster) {
    let now = Timestamp::from_millis(1_700_000_000_000);
    let makers = Makers::generate(&SystemEntropy, now).unwrap();
    let birth = give_birth(&makers, &hsm_id(0), &SystemEntropy, now).unwrap();
    let owner = CustomerAuthority::generate(&SystemEntropy, now).unwrap();
    let command = InitializeCluster {
        cluster: cluster_id(),
        signed_certificate: owner.sign(&birth.request).unwrap(),
        trust_anchor: owner.trust_anchor().to_owned(),
    };
    let certificates = Certificates::Requested {
        request: birth.request,
        hsm: birth.hsm,
        aws_hardware: birth.aws_hardware,
        manufacturer_hardware: birth.manufacturer_hardware,
    };
    (certificates, command)
}

fn backup(created: u64, id: BackupId) -> Backup {
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
    }
}

fn with(cluster: Cluster) -> State {
    State {
        clusters: BTreeMap::from([(cluster.id.clone(), cluster)]),
        backups: BTreeMap::from([(backup_id(), backup(1, backup_id()))]),
    }
}

fn create_cluster() -> CreateCluster {
    CreateCluster {
        hsm_type: "hsm2m.medium".to_owned(),
        subnets: default_subnets(&region()).into_values().collect(),
        source_backup: None,
        retention_days: None,
        mode: Some("FIPS".to_owned()),
        network_type: None,
        tags: BTreeMap::new(),
    }
}

fn create_hsm(zone: &str) -> CreateHsm {
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

fn fresh() -> FreshHsm {
    FreshHsm {
        id: hsm_id(99),
        eni: "eni-99999999".to_owned(),
    }
}

/// The state after an operation, or how it is refused.
fn outcome(decided: Result<Cluster, Exception>) -> &'static str {
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

/// Rules CL-03, CL-05, CL-08 and CL-09: the seven operations against every state.
#[test]
fn each_operation_is_accepted_in_its_states_only() {
    use ClusterState as S;
    let (request, initialize) = requested();
    let none = || Certificates::Nothing;
    let restored = || Cluster {
        source_backup: Some(backup_id()),
        ..cluster(S::Initialized, 0, issued())
    };
    #[rustfmt::skip]
    let rows: Vec<(&str, State, [&str; 4])> = vec![
        // situation                        CreateHsm, DeleteHsm, InitializeCluster, DeleteCluster
        ("no cluster",          State::default(),                                  ["not found", "not found", "not found", "not found"]),
        ("being created",       with(cluster(S::CreateInProgress, 0, none())),     ["refused", "refused", "refused", "refused"]),
        ("new",                 with(cluster(S::Uninitialized, 0, none())),        ["UNINITIALIZED", "not found", "refused", "DELETE_IN_PROGRESS"]),
        ("with its first HSM",  with(cluster(S::Uninitialized, 1, request)), ["refused", "UNINITIALIZED", "INITIALIZE_IN_PROGRESS", "refused"]),
        ("being initialised",   with(cluster(S::InitializeInProgress, 1, issued())), ["refused", "refused", "refused", "refused"]),
        ("initialised",         with(cluster(S::Initialized, 1, issued())),        ["refused", "INITIALIZED", "refused", "refused"]),
        ("identity lost",       with(cluster(S::Initialized, 0, issued())),        ["refused", "not found", "refused", "DELETE_IN_PROGRESS"]),
        ("from a backup",       with(restored()),                                  ["INITIALIZED", "not found", "refused", "DELETE_IN_PROGRESS"]),
        ("active",              with(cluster(S::Active, 2, issued())),             ["UPDATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "refused", "refused"]),
        ("active, one HSM",     with(cluster(S::Active, 1, issued())),             ["UPDATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "refused", "refused"]),
        ("active, no HSM",      with(cluster(S::Active, 0, issued())),             ["UPDATE_IN_PROGRESS", "not found", "refused", "DELETE_IN_PROGRESS"]),
        ("being updated",       with(cluster(S::UpdateInProgress, 1, issued())),   ["refused", "refused", "refused", "refused"]),
        ("degraded",            with(cluster(S::Degraded, 2, issued())),           ["DEGRADED", "DEGRADED", "refused", "refused"]),
        ("being deleted",       with(cluster(S::DeleteInProgress, 0, issued())),   ["refused", "refused", "refused", "refused"]),
        ("deleted",             with(cluster(S::Deleted, 0, issued())),            ["refused", "refused", "refused", "refused"]),
    ];
    for (situation, state, expected) in rows {
        let delete = DeleteCluster {
            cluster: cluster_id(),
        };
        let actual = [
            outcome(create_hsm("us-east-1a").decide(&state, &region(), &fresh())),
            outcome(
                delete_first_hsm()
                    .decide(&state)
                    .map(|(cluster, _)| cluster),
            ),
            outcome(initialize.decide(&state)),
            outcome(delete.decide(&state)),
        ];
        assert_eq!(actual, expected, "a cluster that is {situation}");
        // The other three do not depend on the state of a cluster.
        let other: ClusterId = "cluster-othercluster".parse().unwrap();
        let created = create_cluster().decide(&state, &region(), 5, other);
        assert_eq!(outcome(created), "CREATE_IN_PROGRESS", "{situation}");
        let listed = DescribeClusters::default().decide(&state).unwrap();
        assert_eq!(listed.items.len(), state.clusters.len(), "{situation}");
        let listed = DescribeBackups::default().decide(&state).unwrap();
        assert_eq!(listed.items.len(), state.backups.len(), "{situation}");
    }
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
        match command.decide(&State::default(), &region(), 5, cluster_id()) {
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
        let refused = command.decide(&state, &region(), 5, other).unwrap_err();
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
    let made = command.decide(&state, &region(), 5, other).unwrap();
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
        (at([172, 31, 0, 10]), &small, "Another HSM has"),
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
        made.unwrap().hsms[&hsm_id(99)].ip.to_string(),
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
    let state = State {
        backups: dated
            .map(|(id, created)| (id.clone(), backup(created, id.clone())))
            .collect(),
        ..State::default()
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
