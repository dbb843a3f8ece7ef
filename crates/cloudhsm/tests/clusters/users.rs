use portcullis_cloudhsm::{Coverage, Locked, UserError};
use portcullis_clusters::ClusterState;
use portcullis_hsm::{Command, Refusal, Role, Secret};

use crate::world::{KMSUSER, World};

/// Rule CL-17: a user operation goes to every HSM in service.
#[tokio::test]
async fn users_are_created_changed_and_deleted_on_every_hsm() {
    let world = World::new().await;
    let (cluster, hsms) = world.active_cluster(&["a", "b"]).await;
    let cloud = &world.cloud;
    let admin = world.admin(&cluster).await;
    let password = || Secret::new("password1");
    cloud
        .users()
        .create(&admin, "alice", Role::CryptoUser, password())
        .await
        .unwrap();
    let again = cloud
        .users()
        .create(&admin, "Alice", Role::CryptoUser, password())
        .await;
    assert_eq!(again, Err(UserError::Refused(Refusal::UserExists)));
    let rows = cloud.users().list(&world.scope, &cluster).await.unwrap();
    let alice = rows.iter().find(|row| row.username == "alice").unwrap();
    assert_eq!(
        (alice.locked, alice.cluster_coverage),
        (Locked::False, Coverage::Full)
    );
    assert!(alice.mfa.is_empty());

    let changed = Secret::new("password2");
    cloud
        .users()
        .change_password(&admin, "kmsuser", Role::CryptoUser, changed)
        .await
        .unwrap();
    for hsm in &hsms {
        let old = world.try_client(&cluster, hsm, Secret::new(KMSUSER)).await;
        assert!(old.is_err());
        let new = world
            .try_client(&cluster, hsm, Secret::new("password2"))
            .await;
        assert!(new.is_ok());
    }
    cloud
        .users()
        .delete(&admin, "alice", Role::CryptoUser)
        .await
        .unwrap();
    let gone = cloud
        .users()
        .delete(&admin, "alice", Role::CryptoUser)
        .await;
    assert_eq!(gone, Err(UserError::Refused(Refusal::NoSuchUser)));
    cloud.users().logout(&admin).await.unwrap();
    assert_eq!(
        cloud.users().logout(&admin).await,
        Err(UserError::NoSession)
    );
}

/// A session that a person leaves open keeps KMS out, as the Developer Guide warns.
#[tokio::test]
async fn a_session_left_open_as_kmsuser_blocks_an_exclusive_login() {
    let world = World::new().await;
    let (cluster, hsms) = world.active_cluster(&["a", "b"]).await;
    let password = Secret::new(KMSUSER);
    let login = world
        .cloud
        .users()
        .login(
            &world.scope,
            &cluster,
            "kmsuser",
            Role::CryptoUser,
            password,
        )
        .await;
    let token = login.unwrap();
    let admin = world.admin(&cluster).await;
    let change = Secret::new("password2");
    let refused = world
        .cloud
        .users()
        .change_password(&admin, "kmsuser", Role::CryptoUser, change)
        .await;
    assert_eq!(refused, Err(UserError::Refused(Refusal::LoggedIn)));
    world.cloud.users().logout(&token).await.unwrap();
    let client = world
        .try_client(&cluster, &hsms[1], Secret::new(KMSUSER))
        .await;
    assert!(client.is_ok());
}

/// Rules CL-17 and CL-18.
#[tokio::test]
async fn what_reaches_only_some_hsms_is_told_and_shown() {
    let world = World::new().await;
    let (cluster, hsms) = world.active_cluster(&["a", "b"]).await;
    let admin = world.admin(&cluster).await;
    world.transport.cut_off(&[hsms[1].as_str()]);
    let password = Secret::new("password1");
    let partly = world
        .cloud
        .users()
        .create(&admin, "alice", Role::CryptoUser, password)
        .await;
    let Err(UserError::Partial { done, failed }) = &partly else {
        panic!("{partly:?}");
    };
    assert_eq!(done, &hsms[..1]);
    assert_eq!(failed[0].0, hsms[1]);
    let text = partly.unwrap_err().to_string();
    assert!(
        text.contains(hsms[0].as_str()) && text.contains(hsms[1].as_str()),
        "{text}"
    );

    world.transport.cut_off(&[]);
    let rows = world
        .cloud
        .users()
        .list(&world.scope, &cluster)
        .await
        .unwrap();
    let coverage = |name| {
        rows.iter()
            .find(|row| row.username == name)
            .unwrap()
            .cluster_coverage
    };
    assert_eq!(coverage("alice"), Coverage::Inconsistent);
    assert_eq!(coverage("kmsuser"), Coverage::Full);
}

#[tokio::test]
async fn a_cluster_without_a_reachable_hsm_is_told_apart_from_a_wrong_password() {
    let world = World::new().await;
    let (cluster, hsms) = world.active_cluster(&["a"]).await;
    let login = |password: &str| {
        let password = Secret::new(password);
        world
            .cloud
            .users()
            .login(&world.scope, &cluster, "admin", Role::Admin, password)
    };
    assert_eq!(
        login("wrong password").await,
        Err(UserError::Refused(Refusal::WrongPassword))
    );
    world.transport.cut_off(&[hsms[0].as_str()]);
    let unreachable = login("wrong password").await.unwrap_err();
    assert!(
        matches!(unreachable, UserError::NoHsmReachable(_)),
        "{unreachable}"
    );
    assert!(
        unreachable.to_string().contains(hsms[0].as_str()),
        "{unreachable}"
    );
    let listed = world
        .cloud
        .users()
        .list(&world.scope, &cluster)
        .await
        .unwrap_err();
    assert!(matches!(listed, UserError::NoHsmReachable(_)));
}

/// Rule CL-07.
#[tokio::test]
async fn a_cluster_is_activated_once_and_after_its_initialisation() {
    let world = World::new().await;
    let early = world.create_cluster(None).await;
    let activate = |cluster| {
        world
            .cloud
            .users()
            .activate(&world.scope, cluster, Secret::new("another password"))
    };
    let refused = activate(&early).await.unwrap_err();
    assert!(
        refused.to_string().contains("InitializeCluster"),
        "{refused}"
    );
    let (late, _) = world.active_cluster(&["a"]).await;
    let refused = activate(&late).await.unwrap_err();
    let state = ClusterState::Active;
    assert_eq!(
        refused,
        UserError::WrongState {
            cluster: late.clone(),
            state
        }
    );
    let unknown = "cluster-nosuchone22".parse().unwrap();
    assert_eq!(
        activate(&unknown).await,
        Err(UserError::NoSuchCluster(unknown.clone()))
    );
}

/// An activation that reaches the HSM but not the records, because the process ends between, is
/// noticed from the HSM.
///
/// Rule CL-16
#[tokio::test]
async fn an_activation_that_was_not_recorded_is_found_after_a_restart() {
    let mut world = World::new().await;
    let cluster = world.create_cluster(None).await;
    let hsm = world.create_hsm(&cluster, "a").await;
    world
        .cloud
        .issue_certificates(&world.scope, &cluster)
        .await
        .unwrap();
    // The CloudHSM CLI speaks to the HSM itself.
    let view = world.view(&cluster);
    let target = portcullis_link::Target {
        name: hsm.to_string(),
        address: view.hsms[0].address.unwrap(),
        trust_anchor: portcullis_link::pem_to_der(view.trust_anchor.as_ref().unwrap()).unwrap(),
        cluster_certificate: portcullis_link::pem_to_der(view.certificate.as_ref().unwrap())
            .unwrap(),
    };
    use portcullis_link::Transport;
    let channel = world.transport.dial(target);
    let activate = Command::Activate {
        password: Secret::new("adminPassword1"),
    };
    channel
        .manage(activate, crate::world::soon())
        .await
        .unwrap();
    assert_eq!(world.view(&cluster).state, ClusterState::Initialized);
    world.start().await;
    assert_eq!(world.view(&cluster).state, ClusterState::Active);
    assert_eq!(world.backups().await.len(), 1);
}
