use std::sync::Arc;

use portcullis_cloudhsm::Coverage;
use portcullis_hsm::{HsmKeyId, Role, Secret};
use portcullis_link::{CallError, ClientIdentity, QuicSettings, QuicTransport};
use portcullis_seam::SystemEntropy;

use crate::world::{World, soon};

async fn over_quic() -> World<QuicTransport> {
    let client = ClientIdentity::generate().unwrap();
    let settings = QuicSettings {
        accepted_clients: vec![client.certificate.clone()],
        client,
        entropy: Arc::new(SystemEntropy),
    };
    World::with(QuicTransport::new(settings)).await
}

/// The whole path over real sockets: certificates, users, keys, a crash and a restored cluster.
///
/// Rule CL-10
#[tokio::test]
async fn a_cluster_serves_over_quic_with_its_own_certificate() {
    let world = over_quic().await;
    let (cluster, hsms) = world.active_cluster(&["a", "b"]).await;
    let users = world
        .cloud
        .users()
        .list(&world.scope, &cluster)
        .await
        .unwrap();
    assert!(
        users
            .iter()
            .all(|user| user.cluster_coverage == Coverage::Full)
    );

    let key = HsmKeyId([1; 16]);
    let (one, other) = (
        world.client(&cluster, &hsms[0]).await,
        world.client(&cluster, &hsms[1]).await,
    );
    let masked = one.generate(key).await.unwrap();
    other.insert(masked).await.unwrap();
    let sealed = one.encrypt(key, b"attack at dawn").await.unwrap();
    assert_eq!(
        other.decrypt(key, &sealed).await.unwrap(),
        b"attack at dawn"
    );

    world.cloud.controls().crash(&hsms[0]).unwrap();
    assert!(matches!(
        one.encrypt(key, b"text").await,
        Err(CallError::Link(_))
    ));
    world.cloud.controls().restart(&hsms[0]).await.unwrap();
    let one = world.client(&cluster, &hsms[0]).await;
    assert_eq!(one.decrypt(key, &sealed).await.unwrap(), b"attack at dawn");

    let backup = world.cloud.back_up(&world.scope, &cluster).await.unwrap();
    let restored = world.create_cluster(Some(backup.to_string())).await;
    let hsm = world.create_hsm(&restored, "a").await;
    // Related clusters present one certificate, so the same client trusts both.
    assert_eq!(
        world.view(&restored).certificate,
        world.view(&cluster).certificate
    );
    let client = world.client(&restored, &hsm).await;
    assert_eq!(
        client.decrypt(key, &sealed).await.unwrap(),
        b"attack at dawn"
    );
}

/// A facade that a partition kept from logging out stayed logged in for ever, and no admin could
/// change the password of its user any more; a seed of the simulator found it.
///
/// Rule HSM-21
#[tokio::test]
async fn a_session_ends_with_the_connection_it_was_opened_over() {
    let world = over_quic().await;
    let (cluster, hsms) = world.active_cluster(&["a"]).await;
    let token = world.admin(&cluster).await;
    let change = async || {
        let password = Secret::new("newPassword1");
        world
            .cloud
            .users()
            .change_password(&token, "kmsuser", Role::CryptoUser, password)
            .await
    };
    let client = world.client(&cluster, &hsms[0]).await;
    assert!(change().await.is_err(), "kmsuser is logged in");

    drop(client);
    let deadline = soon();
    while let Err(error) = change().await {
        assert!(tokio::time::Instant::now() < deadline, "still: {error}");
    }
}
