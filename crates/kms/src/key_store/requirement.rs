//! What a cluster must have before a key store may be associated with it (Developer Guide, create
//! a CloudHSM key store).

use std::sync::Arc;

use portcullis_api::{ClusterId, Code, Exception};
use portcullis_clusters::{ClusterState, ClusterView, NetworkTrouble};

/// A key needs two HSMs to be safe, so associating a cluster does too.
const ZONES_MIN: usize = 2;

/// Rule KS-10: the cluster exists in this account and Region.
pub(crate) fn found(
    id: &ClusterId,
    cluster: Option<&Arc<ClusterView>>,
) -> Result<Arc<ClusterView>, Exception> {
    cluster.map(Arc::clone).ok_or_else(|| {
        Exception::new(
            Code::CloudHsmClusterNotFound,
            format!(
                "There is no cluster {id} in this account and Region. Use DescribeClusters to find \
                 the cluster's ID, and check the account and Region of the request."
            ),
        )
    })
}

/// Rule KS-11: the cluster is ACTIVE.
pub(crate) fn active(cluster: &ClusterView) -> Result<(), Exception> {
    if cluster.state == ClusterState::Active {
        return Ok(());
    }
    Err(Exception::new(
        Code::CloudHsmClusterNotActive,
        format!(
            "The cluster {} is {}, and a key store needs an ACTIVE one. Initialise and activate \
             it (a cluster made from a backup needs an HSM instead), then try again.",
            cluster.id,
            cluster.state.name()
        ),
    ))
}

/// Rule KS-12: the cluster has two active HSMs in different Availability Zones, and subnets in two.
pub(crate) fn two_zones(cluster: &ClusterView) -> Result<(), Exception> {
    let zones = cluster.active_zones();
    if zones < ZONES_MIN {
        let why = format!(
            "has active HSMs in {zones} Availability Zone(s), and at least two in different \
             Availability Zones are needed. Add an HSM in another Availability Zone with CreateHsm"
        );
        return Err(invalid(cluster, &why));
    }
    network(cluster)
}

/// Rule KS-13: connecting needs one active HSM, and the network as it was made.
pub(crate) fn one_hsm(cluster: &ClusterView) -> Result<(), Exception> {
    if cluster.active_hsms().next().is_none() {
        return Err(invalid(
            cluster,
            "has no active HSM. Add one with CreateHsm",
        ));
    }
    network(cluster)
}

fn network(cluster: &ClusterView) -> Result<(), Exception> {
    if cluster.subnets.len() < ZONES_MIN {
        let why = "has subnets in fewer than two Availability Zones. Make a cluster over two from \
                   a backup and substitute it";
        return Err(invalid(cluster, why));
    }
    if cluster.network_trouble == Some(NetworkTrouble::SecurityGroupChanged) {
        let why = "has lost rules of its security group. Restore those for TCP 2223-2225 from and \
                   to the group itself";
        return Err(invalid(cluster, why));
    }
    Ok(())
}

fn invalid(cluster: &ClusterView, why: &str) -> Exception {
    let text = format!("The cluster {} {why}, then try again.", cluster.id);
    Exception::new(Code::CloudHsmClusterInvalidConfiguration, text)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use portcullis_api::HsmId;
    use portcullis_clusters::{HsmState, HsmView};

    use super::super::{
        Action, Connection, ConnectionEvent, connect, create, disconnect, record::KeyStoreRecord,
        update,
    };
    use super::*;

    const CERTIFICATE: &str = "certificate";
    const ANCHOR: &str = "anchor";
    const INVALID: Option<Code> = Some(Code::CloudHsmClusterInvalidConfiguration);
    const OK: Option<Code> = None;

    /// HSMs by their zone and state.
    type Layout<'a> = &'a [(&'a str, HsmState)];

    fn cluster(state: ClusterState, hsms: Layout<'_>) -> ClusterView {
        let hsm = |(number, (zone, state)): (u8, &(&str, HsmState))| HsmView {
            id: HsmId::from_random([number; 11]),
            availability_zone: (*zone).to_owned(),
            state: *state,
            address: None,
        };
        let subnets = ["a", "b"].map(|zone| (zone.to_owned(), format!("subnet-{zone}")));
        ClusterView {
            id: "cluster-abcdefghijk".parse().unwrap(),
            state,
            certificate: Some(CERTIFICATE.to_owned()),
            trust_anchor: Some(ANCHOR.to_owned()),
            subnets: BTreeMap::from(subnets),
            hsms: (0..).zip(hsms).map(hsm).collect(),
            network_trouble: None,
        }
    }

    fn wanted(cluster: &ClusterView) -> create::WantedKeyStore {
        create::WantedKeyStore {
            name: "Keys".to_owned(),
            cluster: cluster.id.clone(),
            trust_anchor: ANCHOR.to_owned(),
        }
    }

    /// A disconnected key store over another cluster of the same backup history.
    fn store() -> KeyStoreRecord {
        let id = "cks-1234567890abcdef0".parse().unwrap();
        let other = create::WantedKeyStore {
            cluster: "cluster-lmnopqrstuv".parse().unwrap(),
            ..wanted(&cluster(ClusterState::Active, &[]))
        };
        create::record(id, other, CERTIFICATE.to_owned(), Vec::new(), 1)
    }

    /// What CreateCustomKeyStore, UpdateCustomKeyStore with the cluster's ID, CreateKey as far as the
    /// cluster is concerned, and ConnectCustomKeyStore are refused with.
    fn refusals(cluster: &ClusterView) -> [Option<Code>; 4] {
        let shared = || Some(Arc::new(cluster.clone()));
        let created = create::decide(
            &wanted(cluster),
            &create::CreateContext {
                stores: &[],
                cluster: shared(),
                same_password: &|_| false,
            },
        );
        let edit = update::KeyStoreEdit {
            name: None,
            cluster: Some(cluster.id.clone()),
            has_password: false,
        };
        let updated = update::decide(
            &edit,
            &update::UpdateContext {
                store: &store(),
                others: &[],
                cluster: shared(),
                rename_while_connected: false,
                now_ms: 1,
            },
        );
        let connected = connect::decide(&store(), Some(cluster), 1).map(drop);
        let code = |refused: Exception| refused.code;
        [
            created.map(drop).err().map(code),
            updated.err().map(code),
            two_zones(cluster).err().map(code),
            connected.err().map(code),
        ]
    }

    /// Rules KS-02, KS-32: a step is the record as the lifecycle's row leaves it, and starts nothing
    /// under an epoch that was used before.
    #[test]
    fn what_is_started_is_started_under_a_new_epoch() {
        let cluster = cluster(ClusterState::Active, &[("a", HsmState::Active)]);
        let present = store();
        let connect = |store: &KeyStoreRecord| connect::decide(store, Some(&cluster), 7);
        let connecting = connect(&present).unwrap().unwrap();
        assert_eq!(connecting.record.connection, Connection::Connecting);
        assert!(connecting.record.epoch > present.epoch);
        assert!(!connecting.closes_gate());
        assert_eq!(connect(&connecting.record), Ok(None));
        let disconnecting = disconnect::decide(&connecting.record, 7).unwrap();
        assert_eq!(disconnecting.record.connection, Connection::Disconnecting);
        assert!(disconnecting.record.epoch > connecting.record.epoch);
        assert!(disconnecting.closes_gate());
        let ended = disconnecting
            .record
            .after(ConnectionEvent::DisconnectFinished, 7);
        let ended = ended.unwrap();
        assert_eq!(ended.record.connection, Connection::Disconnected);
        assert_eq!(ended.record.epoch, disconnecting.record.epoch);
    }

    /// Rule KS-02.
    #[test]
    fn what_has_ended_counts_only_under_the_epoch_under_which_it_began() {
        let step = connect::decide(&store(), None, 7).unwrap().unwrap();
        let begun = step.record;
        let epoch = begun.epoch;
        let mut connected = begun.clone();
        let actions = connect::ended(&mut connected, ConnectionEvent::ConnectSucceeded, epoch);
        assert_eq!(actions, Some(&[Action::OpenGate][..]));
        assert_eq!(connected.connection, Connection::Connected);
        let leaving = disconnect::decide(&begun, 8).unwrap().record;
        let mut late = leaving.clone();
        assert_eq!(
            connect::ended(&mut late, ConnectionEvent::ConnectSucceeded, epoch),
            None
        );
        assert_eq!(late, leaving);
        assert_eq!(disconnect::ended(&mut late, epoch), None);
        assert!(disconnect::ended(&mut late, leaving.epoch).is_some());
        assert_eq!(late.connection, Connection::Disconnected);
    }

    /// Rule KS-11: what needs an ACTIVE cluster, against every state of one.
    #[test]
    fn a_key_store_is_associated_and_connected_in_one_state_of_its_cluster() {
        use ClusterState as S;
        let inactive = Some(Code::CloudHsmClusterNotActive);
        for state in [
            S::CreateInProgress,
            S::Uninitialized,
            S::InitializeInProgress,
            S::Initialized,
            S::UpdateInProgress,
            S::ModifyInProgress,
            S::RollbackInProgress,
            S::DeleteInProgress,
            S::Deleted,
            S::Degraded,
        ] {
            let hsms = [("a", HsmState::Active), ("b", HsmState::Active)];
            // A key that is made in a connected store needs the HSMs, whatever the cluster goes
            // through.
            let expected = [inactive, inactive, OK, inactive];
            assert_eq!(refusals(&cluster(state, &hsms)), expected, "{state:?}");
            let bare = refusals(&cluster(state, &[]));
            assert_eq!(bare, [inactive, inactive, INVALID, inactive], "{state:?}");
        }
    }

    /// Rules KS-12 and KS-13: the same operations against how many HSMs an ACTIVE cluster has, and
    /// where.
    #[test]
    fn a_key_store_needs_two_zones_to_be_associated_and_one_hsm_to_connect() {
        use HsmState as H;
        let (on, down) = (H::Active, H::Degraded);
        let (coming, going) = (H::CreateInProgress, H::DeleteInProgress);
        #[rustfmt::skip]
        let layouts: [(Layout<'_>, [Option<Code>; 4]); 11] = [
            // HSMs                              Create   Update   CreateKey Connect
            (&[],                               [INVALID, INVALID, INVALID, INVALID]),
            (&[("a", on)],                      [INVALID, INVALID, INVALID, OK]),
            (&[("a", on), ("a", on)],           [INVALID, INVALID, INVALID, OK]),
            (&[("a", on), ("b", on)],           [OK, OK, OK, OK]),
            (&[("a", on), ("a", on), ("b", on)], [OK, OK, OK, OK]),
            (&[("a", on), ("b", down)],         [INVALID, INVALID, INVALID, OK]),
            (&[("a", on), ("b", coming)],       [INVALID, INVALID, INVALID, OK]),
            (&[("a", on), ("b", going)],        [INVALID, INVALID, INVALID, OK]),
            (&[("a", down), ("b", down)],       [INVALID, INVALID, INVALID, INVALID]),
            (&[("a", coming), ("b", coming)],   [INVALID, INVALID, INVALID, INVALID]),
            (&[("a", going), ("b", going)],     [INVALID, INVALID, INVALID, INVALID]),
        ];
        for (hsms, expected) in layouts {
            let cluster = cluster(ClusterState::Active, hsms);
            assert_eq!(refusals(&cluster), expected, "{hsms:?}");
        }
    }

    /// Rules KS-12 and KS-13: the network that the cluster was made with.
    #[test]
    fn a_key_store_needs_two_subnets_and_the_rules_of_the_security_group() {
        let whole = cluster(
            ClusterState::Active,
            &[("a", HsmState::Active), ("b", HsmState::Active)],
        );
        let mut narrow = whole.clone();
        narrow.subnets.remove("b");
        assert_eq!(refusals(&narrow), [INVALID; 4]);
        let with = |trouble| ClusterView {
            network_trouble: Some(trouble),
            ..whole.clone()
        };
        let changed = with(NetworkTrouble::SecurityGroupChanged);
        assert_eq!(refusals(&changed), [INVALID; 4]);
        // These are found while connecting, and have a ConnectionErrorCode each.
        for trouble in [
            NetworkTrouble::SubnetNotFound("subnet-a".to_owned()),
            NetworkTrouble::NoFreeAddress("subnet-a".to_owned()),
        ] {
            assert_eq!(refusals(&with(trouble)), [OK; 4]);
        }
    }
}
