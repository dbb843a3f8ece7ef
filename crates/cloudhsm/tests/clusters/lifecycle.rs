use std::process::Command;

use portcullis_api::Code;
use portcullis_api::cloudhsm::{
    Cluster, CreateHsmRequest, DeleteClusterRequest, DeleteHsmRequest, InitializeClusterRequest,
};
use portcullis_cloudhsm::CustomerAuthority;
use portcullis_clusters::{ClusterState, HsmState};
use portcullis_hsm::Secret;
use portcullis_seam::{SystemEntropy, Timestamp};

use crate::world::{ADMIN, World};

/// Rules CL-06 and CL-07: what DescribeClusters shows from creation to activation.
#[tokio::test]
async fn a_cluster_passes_through_its_documented_states() {
    let world = World::new().await;
    let cluster = world.create_cluster(None).await;
    let shown = world.describe(&cluster).await.unwrap();
    assert_eq!(shown.state.as_deref(), Some("UNINITIALIZED"));
    assert_eq!(shown.certificates, Some(Default::default()));
    assert_eq!(shown.subnet_mapping.unwrap().len(), 3);

    world.create_hsm(&cluster, "a").await;
    let shown = world.describe(&cluster).await.unwrap();
    assert_eq!(shown.state.as_deref(), Some("UNINITIALIZED"));
    let hsm = &shown.hsms.unwrap()[0];
    assert_eq!(hsm.state.as_deref(), Some("ACTIVE"));
    assert_eq!(hsm.eni_ip.as_deref(), Some("172.31.0.4"));
    let certificates = shown.certificates.unwrap();
    let request = certificates.cluster_csr.unwrap();
    assert!(request.starts_with("-----BEGIN CERTIFICATE REQUEST-----"));
    assert!(certificates.hsm_certificate.is_some() && certificates.cluster_certificate.is_none());

    world
        .cloud
        .issue_certificates(&world.scope, &cluster)
        .await
        .unwrap();
    let shown = world.describe(&cluster).await.unwrap();
    assert_eq!(shown.state.as_deref(), Some("INITIALIZED"));
    let certificates = shown.certificates.unwrap();
    assert!(certificates.cluster_csr.is_none() && certificates.hsm_certificate.is_none());
    assert!(certificates.cluster_certificate.is_some());
    assert!(world.backups().await.is_empty());

    world
        .cloud
        .users()
        .activate(&world.scope, &cluster, Secret::new(ADMIN))
        .await
        .unwrap();
    let shown = world.describe(&cluster).await.unwrap();
    assert_eq!(shown.state.as_deref(), Some("ACTIVE"));
    assert_eq!(world.backups().await.len(), 1);
}

/// Rules CL-03 and CL-05: the request is that of the HSM that is there.
#[tokio::test]
async fn the_first_hsm_is_alone_and_one_in_its_place_has_another_request() {
    let world = World::new().await;
    let cluster = world.create_cluster(None).await;
    let first = world.create_hsm(&cluster, "a").await;
    for zone in ["a", "b", "c"] {
        let second = CreateHsmRequest {
            cluster_id: cluster.to_string(),
            availability_zone: format!("us-east-1{zone}"),
            ..CreateHsmRequest::default()
        };
        let refused = world.cloud.create_hsm(&world.scope, second).await;
        let refused = refused.unwrap_err();
        assert_eq!(refused.code, Code::CloudHsmInvalidRequest);
        let told = "has an HSM already but is not fully activated";
        assert!(refused.message.contains(told), "{refused}");
    }
    let request = |shown: Cluster| shown.certificates.unwrap().cluster_csr;
    let before = request(world.describe(&cluster).await.unwrap());
    let delete = DeleteHsmRequest {
        cluster_id: cluster.to_string(),
        hsm_id: Some(first.to_string()),
        ..DeleteHsmRequest::default()
    };
    world.cloud.delete_hsm(&world.scope, delete).await.unwrap();
    assert_eq!(request(world.describe(&cluster).await.unwrap()), None);
    world.create_hsm(&cluster, "b").await;
    let after = request(world.describe(&cluster).await.unwrap());
    assert!(after.is_some() && after != before);
}

/// Rule CL-05: which signatures are read is said.
#[tokio::test]
async fn a_root_whose_signature_is_not_read_is_told_so() {
    let world = World::new().await;
    let cluster = world.create_cluster(None).await;
    world.create_hsm(&cluster, "a").await;
    let shown = world.describe(&cluster).await.unwrap();
    let request = shown.certificates.unwrap().cluster_csr.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    std::fs::write(file("cluster.csr"), request).unwrap();
    for (key, is_read) in [
        ("ec -pkeyopt ec_paramgen_curve:P-521", false),
        ("ec -pkeyopt ec_paramgen_curve:secp256k1", false),
        (
            "rsa:2048 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:20",
            false,
        ),
        ("ec -pkeyopt ec_paramgen_curve:P-384 -sha384", true),
    ] {
        let script = format!(
            "openssl req -x509 -newkey {key} -nodes -days 9 -subj '/CN=Root' -keyout ca.key -out \
             ca.crt && openssl x509 -req -days 9 -in cluster.csr -CA ca.crt -CAkey ca.key \
             -CAcreateserial -sha384 -out cluster.crt"
        );
        let mut shell = Command::new("sh");
        let made = shell.args(["-ec", &script]).current_dir(folder.path());
        let made = made.output().unwrap();
        let why = String::from_utf8_lossy(&made.stderr);
        assert!(made.status.success(), "{key}: {why}");
        let text = |name: &str| std::fs::read_to_string(file(name)).unwrap();
        let request = InitializeClusterRequest {
            cluster_id: cluster.to_string(),
            signed_cert: text("cluster.crt"),
            trust_anchor: text("ca.crt"),
        };
        let outcome = world.cloud.initialize_cluster(&world.scope, request).await;
        match outcome {
            Ok(_initialised) => assert!(is_read, "{key}"),
            Err(refused) => {
                assert!(!is_read, "{key}: {refused}");
                assert!(refused.message.contains("Read are RSA"), "{key}: {refused}");
            }
        }
    }
}

/// The User Guide's "Initialize the cluster", with openssl itself.
#[tokio::test]
async fn a_certificate_that_openssl_signed_initialises_the_cluster() {
    let world = World::new().await;
    let cluster = world.create_cluster(None).await;
    world.create_hsm(&cluster, "a").await;
    let shown = world.describe(&cluster).await.unwrap();
    let request = shown.certificates.unwrap().cluster_csr.unwrap();

    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    std::fs::write(file("cluster.csr"), request).unwrap();
    let script = "openssl req -x509 -newkey rsa:2048 -nodes -days 3652 -subj '/CN=Example Root' \
                  -keyout ca.key -out ca.crt && openssl x509 -req -days 3652 -in cluster.csr \
                  -CA ca.crt -CAkey ca.key -CAcreateserial -out cluster.crt";
    let mut shell = Command::new("sh");
    let output = shell
        .args(["-ec", script])
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );

    let signed_cert = std::fs::read_to_string(file("cluster.crt")).unwrap();
    let request = InitializeClusterRequest {
        cluster_id: cluster.to_string(),
        signed_cert: signed_cert.clone(),
        trust_anchor: std::fs::read_to_string(file("ca.crt")).unwrap(),
    };
    let reply = world
        .cloud
        .initialize_cluster(&world.scope, request)
        .await
        .unwrap();
    assert_eq!(reply.state.as_deref(), Some("INITIALIZE_IN_PROGRESS"));
    let shown = world.describe(&cluster).await.unwrap();
    assert_eq!(shown.state.as_deref(), Some("INITIALIZED"));
    assert_eq!(
        shown.certificates.unwrap().cluster_certificate,
        Some(signed_cert)
    );
    // And the HSM proves itself with it.
    world
        .cloud
        .users()
        .activate(&world.scope, &cluster, Secret::new(ADMIN))
        .await
        .unwrap();
}

/// Rule CL-05.
#[tokio::test]
async fn wrong_certificates_are_refused_and_change_nothing() {
    let world = World::new().await;
    let cluster = world.create_cluster(None).await;
    world.create_hsm(&cluster, "a").await;
    let before = world.describe(&cluster).await.unwrap();
    let request = before.certificates.clone().unwrap().cluster_csr.unwrap();
    let owner = || CustomerAuthority::generate(&SystemEntropy, Timestamp::default()).unwrap();
    let request = InitializeClusterRequest {
        cluster_id: cluster.to_string(),
        signed_cert: owner().sign(&request).unwrap(),
        trust_anchor: owner().trust_anchor().to_owned(),
    };
    let refused = world
        .cloud
        .initialize_cluster(&world.scope, request)
        .await
        .unwrap_err();
    assert_eq!(refused.code, Code::CloudHsmInvalidRequest);
    assert_eq!(world.describe(&cluster).await.unwrap(), before);
    assert_eq!(
        world.view(&cluster).hsms[0].address,
        None,
        "the HSM does not listen yet"
    );
}

/// Rules CL-08, CL-09 and BK-03.
#[tokio::test]
async fn the_last_hsm_may_go_and_the_next_one_has_everything() {
    let world = World::new().await;
    let (cluster, hsms) = world.active_cluster(&["a"]).await;
    let key = portcullis_hsm::HsmKeyId([1; 16]);
    world
        .client(&cluster, &hsms[0])
        .await
        .generate(key)
        .await
        .unwrap();
    let delete = || DeleteClusterRequest {
        cluster_id: cluster.to_string(),
    };
    let refused = world
        .cloud
        .delete_cluster(&world.scope, delete())
        .await
        .unwrap_err();
    assert!(refused.message.contains("has an HSM"), "{refused}");

    let request = DeleteHsmRequest {
        cluster_id: cluster.to_string(),
        hsm_id: Some(hsms[0].to_string()),
        ..DeleteHsmRequest::default()
    };
    world.cloud.delete_hsm(&world.scope, request).await.unwrap();
    assert_eq!(world.view(&cluster).state, ClusterState::Active);
    assert!(world.view(&cluster).hsms.is_empty());
    assert_eq!(world.transport.listening(), 0);

    let next = world.create_hsm(&cluster, "b").await;
    assert_eq!(world.view(&cluster).hsms[0].state, HsmState::Active);
    assert_eq!(world.client(&cluster, &next).await.keys().await, [key]);

    let request = DeleteHsmRequest {
        cluster_id: cluster.to_string(),
        hsm_id: Some(next.to_string()),
        ..DeleteHsmRequest::default()
    };
    world.cloud.delete_hsm(&world.scope, request).await.unwrap();
    let reply = world
        .cloud
        .delete_cluster(&world.scope, delete())
        .await
        .unwrap();
    let state = reply.cluster.unwrap().state;
    assert_eq!(state.as_deref(), Some("DELETE_IN_PROGRESS"));
    assert_eq!(world.describe(&cluster).await, None);
    assert!(world.cloud.clusters().is_empty());
    assert!(!world.backups().await.is_empty(), "its backups stay");
}

/// Every HSM of a cluster presents the cluster certificate (rule CL-10), so a client that expects
/// another cluster's does not speak to it.
///
/// Rule CL-10
#[tokio::test]
async fn an_unrelated_cluster_cannot_prove_to_be_this_one() {
    let world = World::new().await;
    let (ours, _) = world.active_cluster(&["a", "b"]).await;
    let (other, _) = world.active_cluster(&["a"]).await;
    let certificate = |cluster| world.view(cluster).certificate.clone().unwrap();
    assert_ne!(certificate(&ours), certificate(&other));
    // One owner may sign for both: the trust anchor alone does not tell them apart.
    assert_eq!(
        world.view(&ours).trust_anchor,
        world.view(&other).trust_anchor
    );
}

#[tokio::test]
async fn watchers_hear_of_every_change() {
    use portcullis_clusters::Clusters;
    let world = World::new().await;
    let mut changes = world.cloud.changes();
    changes.mark_unchanged();
    world.create_cluster(None).await;
    assert!(changes.has_changed());
    changes.mark_unchanged();
    world
        .cloud
        .describe_clusters(&world.scope, Default::default())
        .await
        .unwrap();
    assert!(!changes.has_changed());
}

/// Two requests at once may not both make the first HSM, or take one address.
#[tokio::test]
async fn concurrent_requests_are_decided_one_after_the_other() {
    let world = World::new().await;
    let (cluster, _) = world.active_cluster(&["a"]).await;
    let (one, other) = tokio::join!(
        world.create_hsm(&cluster, "b"),
        world.create_hsm(&cluster, "b")
    );
    assert_ne!(one, other);
    let shown = world.describe(&cluster).await.unwrap();
    let mut addresses: Vec<_> = shown
        .hsms
        .unwrap()
        .into_iter()
        .map(|hsm| hsm.eni_ip.unwrap())
        .collect();
    addresses.sort();
    assert_eq!(addresses, ["172.31.0.4", "172.31.16.4", "172.31.16.5"]);
}
