use std::sync::Arc;
use std::time::Duration;

use portcullis_seam::{SystemEntropy, draw};
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{Connection, ConnectionError, Endpoint};

use super::support::*;
use crate::frame::{CALLS_MAX, FRAME_BYTES_MAX, Order, RequestFrame};
use crate::quic::socket::Wire;
use crate::quic::{bind_endpoint, transport_config, verifier};
use crate::{CallError, LinkError};
use portcullis_wiped::Wiped;

/// An admitted facade that sends whatever it likes.
async fn raw_connection(world: &World, address: std::net::SocketAddr) -> (Endpoint, Connection) {
    let tls = verifier::client_config(
        &world.transport.settings.client,
        &world.target(address),
        Arc::default(),
    );
    let tls = QuicClientConfig::try_from(tls.unwrap()).unwrap();
    let mut config = quinn::ClientConfig::new(Arc::new(tls));
    config.transport_config(Arc::new(transport_config(true)));
    let endpoint = bind_endpoint(&Wire::Udp, ([127, 0, 0, 1], 0).into(), None).unwrap();
    let connection = endpoint
        .connect_with(config, address, "raw")
        .unwrap()
        .await
        .unwrap();
    (endpoint, connection)
}

fn frame() -> Vec<u8> {
    let mut frame = RequestFrame::with_capacity(0);
    frame.push(&encrypt(b"text")).unwrap();
    frame.seal(1, Duration::from_secs(1)).as_ref().to_vec()
}

/// Rule LINK-01
#[tokio::test]
async fn malformed_bytes_end_their_connection_and_the_hsm_goes_on_serving() {
    let world = World::new();
    let listening = world.listen(Arc::<Echo>::default()).await;
    let bystander = world.dial(listening.address());
    assert!(ask(&*bystander, b"before").await.is_ok());

    let whole = frame();
    let random: [u8; 512] = draw(&SystemEntropy);
    let oversized = u32::try_from(FRAME_BYTES_MAX).unwrap().to_be_bytes();
    let mut unknown_kind = whole.clone();
    unknown_kind[4] = 9;
    let mut unknown_operation = whole.clone();
    unknown_operation[19] = 77;
    let mut more_than_announced = whole.clone();
    more_than_announced[18] = 2;
    let mut none = whole.clone();
    none[18] = 0;
    let two_kinds = [
        whole.clone(),
        Order {
            id: 1,
            patience: Duration::ZERO,
            command: portcullis_hsm::Command::ListUsers,
        }
        .encode()
        .unwrap()
        .as_ref()
        .to_vec(),
    ]
    .concat();
    let cut = whole[..whole.len() - 1].to_vec();
    let cases: [(&str, Vec<u8>); 8] = [
        ("random", [&[0, 0, 1, 0], &random[..]].concat()),
        ("oversized", oversized.to_vec()),
        ("cut", cut),
        ("unknown kind", unknown_kind),
        ("unknown operation", unknown_operation),
        ("more than announced", more_than_announced),
        ("none", none),
        ("two kinds", two_kinds),
    ];
    for (name, bytes) in cases {
        let (_endpoint, connection) = raw_connection(&world, listening.address()).await;
        let (mut send, _receive) = connection.open_bi().await.unwrap();
        send.write_all(&bytes).await.unwrap();
        let _reset = send.finish();
        let closed = connection.closed().await;
        let ConnectionError::ApplicationClosed(close) = &closed else {
            panic!("{name}: {closed:?}");
        };
        assert_eq!(u64::from(close.error_code), 1, "{name}");
        assert!(
            close.reason.starts_with(b"malformed frame"),
            "{name}: {close:?}"
        );
        assert!(ask(&*bystander, b"after").await.is_ok(), "{name}");
    }
}

/// Rule LINK-02
#[tokio::test]
async fn a_whole_frame_of_the_largest_number_of_operations_is_served() {
    let world = World::new();
    let listening = world.listen(Arc::<Echo>::default()).await;
    let (_endpoint, connection) = raw_connection(&world, listening.address()).await;
    let (mut send, mut receive) = connection.open_bi().await.unwrap();
    let mut frame = RequestFrame::with_capacity(0);
    (0..CALLS_MAX).for_each(|_| assert!(frame.push(&encrypt(b"text")).is_ok()));
    send.write_all(frame.seal(3, Duration::from_secs(9)).as_ref())
        .await
        .unwrap();
    let mut answer = vec![0; 19 + CALLS_MAX * 9];
    receive.read_exact(&mut answer).await.unwrap();
    let Ok(crate::frame::Message::Replies(replies)) = crate::frame::decode(Wiped::from(answer))
    else {
        panic!("no replies")
    };
    assert!(replies.iter().all(|reply| reply == Ok(b"text")));
    assert_eq!((replies.id(), replies.len()), (3, CALLS_MAX));
}

#[tokio::test]
async fn a_service_that_forgets_to_answer_loses_the_connection_not_the_caller() {
    let world = World::new();
    let held = Arc::<WaitingOperation>::default();
    let listening = world.listen(Arc::clone(&held)).await;
    let channel = world.dial(listening.address());
    let forget = async {
        held.arrived.notified().await;
        held.drop_all();
    };
    let (answer, ()) = tokio::join!(ask(&*channel, b"text"), forget);
    assert!(
        matches!(answer, Err(CallError::Link(LinkError::NoAnswer(_)))),
        "{answer:?}"
    );
}
