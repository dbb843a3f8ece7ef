use std::sync::Arc;
use std::time::Duration;

use portcullis_hsm::Command;
use tokio::time::Instant;
use x509_parser::pem::Pem;
use zeroize::Zeroizing;

use super::support::*;
use crate::{
    CallError, Identity, LinkError, Listener, Transport, pem_to_der, verify_certificate_signed_by,
};

/// What the operation and the command through a channel fail with.
async fn failures(channel: &dyn crate::Channel) -> [LinkError; 2] {
    let operation = ask(channel, b"secret").await.map(|_| ());
    let command = channel.manage(Command::ListUsers, soon()).await.map(|_| ());
    [operation, command].map(|outcome| match outcome {
        Err(CallError::Link(error)) => error,
        other => panic!("{other:?}"),
    })
}

/// Rule LINK-03
#[tokio::test]
async fn an_hsm_with_another_root_or_certificate_is_not_spoken_to() {
    let (world, stranger) = (World::new(), World::new());
    let listening = world.listen(Arc::<Echo>::default()).await;
    let right = world.target(listening.address());
    let mut other_root = right.clone();
    other_root.trust_anchor.clone_from(&stranger.anchor);
    let mut other_certificate = right.clone();
    other_certificate
        .cluster_certificate
        .clone_from(&stranger.identity.certificate);
    for target in [other_root, other_certificate] {
        let channel = world.transport.dial(target);
        let started = Instant::now();
        for error in failures(&*channel).await {
            assert!(matches!(error, LinkError::Untrusted(_)), "{error:?}");
        }
        assert!(
            started.elapsed() < Duration::from_secs(5),
            "nobody waits for a deadline"
        );
    }
    assert!(ask(&*world.transport.dial(right), b"text").await.is_ok());
}

/// Rule LINK-03: a copy of the certificate without its key proves nothing.
#[tokio::test]
async fn an_identity_whose_key_is_another_is_not_served() {
    let (world, stranger) = (World::new(), World::new());
    let identity = Identity {
        certificate: world.identity.certificate.clone(),
        private_key: Arc::clone(&stranger.identity.private_key),
    };
    let bind = ([127, 0, 0, 1], 0).into();
    let service = Arc::<Echo>::default();
    let listener = Listener {
        name: "hsm".to_owned(),
        bind,
        identity,
        service,
    };
    let refused = world.transport.listen(listener).await.unwrap_err();
    assert!(matches!(refused, LinkError::Unusable(_)), "{refused:?}");
}

/// Rule LINK-04
#[tokio::test]
async fn a_facade_whose_certificate_is_not_known_is_not_admitted() {
    let world = World::new();
    let echo = Arc::<Echo>::default();
    let listening = world.listen(Arc::clone(&echo)).await;
    let stranger = transport();
    let channel = stranger.dial(world.target(listening.address()));
    for error in failures(&*channel).await {
        assert!(matches!(error, LinkError::Unusable(_)), "{error:?}");
    }
    assert_eq!(
        echo.operations.load(std::sync::atomic::Ordering::Relaxed),
        0
    );
    assert!(
        ask(&*world.dial(listening.address()), b"text")
            .await
            .is_ok()
    );
}

/// Rule LINK-07: a client that is refused does not knock again and again.
#[tokio::test]
async fn distrust_is_told_at_once_and_not_tried_again_in_a_loop() {
    let (world, stranger) = (World::new(), World::new());
    let listening = world.listen(Arc::<Echo>::default()).await;
    let mut target = world.target(listening.address());
    target.trust_anchor.clone_from(&stranger.anchor);
    let channel = world.transport.dial(target);
    let started = Instant::now();
    // 10,000 handshakes would take many times as long.
    for _ in 0..10_000 {
        let answer = ask(&*channel, b"text").await;
        assert!(
            matches!(answer, Err(CallError::Link(LinkError::Untrusted(_)))),
            "{answer:?}"
        );
    }
    assert!(
        started.elapsed() < Duration::from_secs(4),
        "{:?}",
        started.elapsed()
    );
}

fn pair(certificate: &str, key: &str) -> Identity {
    let key = Pem::iter_from_buffer(key.as_bytes())
        .next()
        .unwrap()
        .unwrap();
    Identity {
        certificate: pem_to_der(certificate).unwrap(),
        private_key: Arc::new(Zeroizing::new(key.contents)),
    }
}

/// Rule LINK-03: certificates of version 1, without extensions, as `openssl x509 -req` makes them.
#[tokio::test]
async fn certificates_made_with_openssl_are_verified_whatever_their_version_and_key() {
    let rsa_root = pem_to_der(include_str!("../fixtures/rsa-root.pem")).unwrap();
    let rsa = pair(
        include_str!("../fixtures/rsa-cluster.pem"),
        include_str!("../fixtures/rsa-cluster.key"),
    );
    let ec_root = pem_to_der(include_str!("../fixtures/ec-root.pem")).unwrap();
    let ec = pair(
        include_str!("../fixtures/ec-cluster.pem"),
        include_str!("../fixtures/ec-cluster.key"),
    );
    assert!(verify_certificate_signed_by(&rsa.certificate, &ec_root).is_err());
    assert!(verify_certificate_signed_by(&ec.certificate, &rsa_root).is_err());
    assert!(verify_certificate_signed_by(&rsa_root, &rsa_root).is_ok());
    assert!(verify_certificate_signed_by(b"no certificate", &rsa_root).is_err());
    for (anchor, identity) in [(rsa_root, rsa), (ec_root, ec)] {
        let world = World {
            transport: transport(),
            anchor,
            identity,
        };
        let listening = world.listen(Arc::<Echo>::default()).await;
        let channel = world.dial(listening.address());
        assert_eq!(ask(&*channel, b"text").await.unwrap().as_ref(), b"text");
    }
}

#[test]
fn a_client_identity_reads_back_and_prints_no_key() {
    let identity = crate::ClientIdentity::generate().unwrap();
    let bytes = identity.to_bytes();
    let back = crate::ClientIdentity::from_bytes(&bytes).unwrap();
    assert_eq!(back.certificate, identity.certificate);
    assert_eq!(*back.private_key, *identity.private_key);
    assert!(crate::ClientIdentity::from_bytes(&bytes[..2]).is_none());
    assert!(!format!("{identity:?}").contains(&format!("{:?}", &identity.private_key[..4])));
}
