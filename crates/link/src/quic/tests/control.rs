use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use tokio::time::Instant;
use zeroize::Zeroizing;

use crate::{ClientIdentity, ControlConnection, ControlListener, LinkError, dial_control};

fn fingerprint(certificate: &[u8]) -> [u8; 32] {
    digest(&SHA256, certificate).as_ref().try_into().unwrap()
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(5)
}

fn message(bytes: &[u8]) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(bytes.to_vec())
}

/// The ends of a connection: the host's and the control plane's, and the host's certificate.
struct Pair {
    host: ControlConnection,
    plane: Arc<ControlConnection>,
    certificate: Vec<u8>,
    _listener: ControlListener,
}

async fn connect() -> Pair {
    let plane = ClientIdentity::generate().unwrap();
    let host = ClientIdentity::generate().unwrap();
    let listener = ControlListener::bind((Ipv4Addr::LOCALHOST, 0).into(), &plane).unwrap();
    let pinned = fingerprint(&plane.certificate);
    let (called, received) = tokio::join!(dial_control(listener.address(), &host, pinned), async {
        listener.accept().await.unwrap().connect().await
    });
    Pair {
        host: called.unwrap(),
        plane: Arc::new(received.unwrap()),
        certificate: host.certificate,
        _listener: listener,
    }
}

#[tokio::test]
async fn either_side_asks_and_knows_the_certificate_of_the_other() {
    let pair = connect().await;
    assert_eq!(pair.plane.peer(), pair.certificate);
    let plane = Arc::clone(&pair.plane);
    let answering = tokio::spawn(async move {
        let (question, answer) = plane.next().await.unwrap().read(100).await.unwrap();
        answer.send(message(&[&question[..], b"!"].concat())).await;
    });
    let answer = pair.host.ask(message(b"who"), 100, soon()).await.unwrap();
    assert_eq!(*answer, b"who!");
    answering.await.unwrap();
    let (asked, answered) = tokio::join!(pair.plane.ask(message(b"do"), 100, soon()), async {
        let (question, answer) = pair.host.next().await.unwrap().read(100).await.unwrap();
        answer.send(question).await;
    });
    assert_eq!((*asked.unwrap()).as_slice(), b"do");
    let () = answered;
}

/// Rule HOST-04
#[tokio::test]
async fn a_control_plane_with_another_certificate_is_not_spoken_to() {
    let plane = ClientIdentity::generate().unwrap();
    let host = ClientIdentity::generate().unwrap();
    let listener = ControlListener::bind((Ipv4Addr::LOCALHOST, 0).into(), &plane).unwrap();
    let (called, received) =
        tokio::join!(dial_control(listener.address(), &host, [7; 32]), async {
            listener.accept().await.unwrap().connect().await
        });
    assert!(matches!(called, Err(LinkError::Untrusted(_))), "{called:?}");
    assert!(received.is_err());
}

/// Rule HOST-10
#[tokio::test]
async fn a_message_beyond_its_bound_is_not_read() {
    let pair = connect().await;
    let plane = Arc::clone(&pair.plane);
    let reading = tokio::spawn(async move {
        let question = plane.next().await.unwrap();
        question.read(10).await.map(drop)
    });
    let asked = pair.host.ask(message(&[1; 11]), 100, soon()).await;
    assert!(matches!(asked, Err(LinkError::NoAnswer(_))), "{asked:?}");
    assert!(reading.await.unwrap().is_err());
}

#[tokio::test]
async fn the_end_of_a_connection_is_told_to_whoever_waits() {
    let pair = connect().await;
    let asking = pair.host.ask(message(b"who"), 100, soon());
    let closing = async { pair.plane.close("enough") };
    let (asked, ()) = tokio::join!(asking, closing);
    assert!(matches!(asked, Err(LinkError::NoAnswer(_))), "{asked:?}");
    assert!(pair.host.closed().await.contains("enough"));
}
