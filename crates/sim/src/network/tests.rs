use std::net::SocketAddr;
use std::time::Duration;

use portcullis_hsm::{Call, Command, Operation, Refusal, Reply, SessionId};
use portcullis_link::{CallError, Conversation, Done, Identity, ReplyFrame, Request, Service};
use rcgen::{CertificateParams, KeyPair};
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::*;
use crate::history::HistoryEvent;
use crate::record::Lines;

/// Answers every operation with one byte and every command with done.
#[derive(Debug)]
struct Yes;

impl Service for Yes {
    fn connected(self: Arc<Self>) -> Arc<dyn Conversation> {
        self
    }
}

impl Conversation for Yes {
    fn execute(self: Arc<Self>, request: Request, done: Done) {
        let mut reply = ReplyFrame::answering(&request);
        for _ in request.calls() {
            reply.push(|out| {
                out.push(7);
                Ok(())
            });
        }
        done(reply);
    }

    fn manage(&self, _command: Command) -> BoxFuture<'_, Result<Reply, Refusal>> {
        Box::pin(async { Ok(Reply::Done) })
    }
}

fn identity() -> Identity {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::default().self_signed(&key).unwrap();
    Identity {
        certificate: certificate.der().to_vec(),
        private_key: Arc::new(Zeroizing::new(key.serialize_der())),
    }
}

struct World {
    network: Network,
    recorder: Arc<WorldRecorder>,
    listening: Box<dyn Listening>,
    target: Target,
    identity: Identity,
}

const NAME: &str = "hsm-abcdefghijk";

async fn world() -> World {
    world_over(Carrier::Messages).await
}

async fn world_over(carrier: Carrier) -> World {
    let recorder = Arc::new(WorldRecorder::start(Lines::Kept));
    let network = Network::new(1, carrier, Arc::clone(&recorder));
    let identity = identity();
    let listening = listen(&network, SocketAddr::new(BIND_IP, 0), &identity).await;
    let target = Target {
        name: NAME.to_owned(),
        address: listening.address(),
        trust_anchor: identity.certificate.clone(),
        cluster_certificate: identity.certificate.clone(),
    };
    World {
        network,
        recorder,
        listening,
        target,
        identity,
    }
}

async fn listen(network: &Network, bind: SocketAddr, identity: &Identity) -> Box<dyn Listening> {
    let listener = Listener {
        name: NAME.to_owned(),
        bind,
        identity: identity.clone(),
        service: Arc::new(Yes),
    };
    network.of_process().listen(listener).await.unwrap()
}

async fn ask(channel: &Arc<dyn Channel>, within: Duration) -> Result<Vec<u8>, CallError> {
    let call = Call {
        session: SessionId(1),
        operation: Operation::Random { bytes: 1 },
    };
    let output = channel.execute(call, Instant::now() + within).await?;
    Ok(output.0.to_vec())
}

const LONG: Duration = Duration::from_secs(60);

#[tokio::test(start_paused = true)]
async fn operations_of_one_instant_share_a_frame() {
    let world = world().await;
    let channel = world.network.of_process().dial(world.target.clone());
    let (one, two) = tokio::join!(ask(&channel, LONG), ask(&channel, LONG));
    assert_eq!((one, two), (Ok(vec![7]), Ok(vec![7])));
    let history = world.recorder.finish().history;
    let asked = history
        .events
        .iter()
        .filter(|event| matches!(event, HistoryEvent::Asked { .. }));
    assert_eq!(asked.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn only_the_expected_certificate_with_its_key_is_spoken_to() {
    let world = world().await;
    let other = identity();
    let untrusted = [
        Target {
            cluster_certificate: other.certificate.clone(),
            ..world.target.clone()
        },
        Target {
            trust_anchor: other.certificate.clone(),
            ..world.target.clone()
        },
    ];
    for target in untrusted {
        let answer = ask(&world.network.of_process().dial(target), LONG).await;
        assert!(
            matches!(answer, Err(CallError::Link(LinkError::Untrusted(_)))),
            "{answer:?}"
        );
    }
    let stolen = Identity {
        private_key: other.private_key,
        ..world.identity.clone()
    };
    let listener = Listener {
        name: "hsm-stolen".to_owned(),
        bind: SocketAddr::new(BIND_IP, 0),
        identity: stolen,
        service: Arc::new(Yes),
    };
    assert!(matches!(
        world.network.of_process().listen(listener).await,
        Err(LinkError::Unusable(_))
    ));
}

#[tokio::test(start_paused = true)]
async fn a_cut_either_way_ends_without_an_answer_and_mending_brings_it_back() {
    let world = world().await;
    for way in [Way::ToHsm, Way::FromHsm] {
        let channel = world.network.of_process().dial(world.target.clone());
        assert!(ask(&channel, LONG).await.is_ok());
        world.network.cut(NAME, way);
        let began = Instant::now();
        let answer = ask(&channel, LONG).await;
        assert!(
            matches!(answer, Err(CallError::Link(LinkError::NoAnswer(_)))),
            "{answer:?}"
        );
        assert!(began.elapsed() < Duration::from_secs(4));
        let answer = ask(&channel, LONG).await;
        assert!(
            matches!(answer, Err(CallError::Link(LinkError::Unreachable(_)))),
            "{answer:?}"
        );
        world.network.mend();
        assert!(ask(&channel, LONG).await.is_ok());
    }
}

#[tokio::test(start_paused = true)]
async fn a_deadline_ends_a_call_and_a_short_cut_only_delays_it() {
    let world = world().await;
    let channel = world.network.of_process().dial(world.target.clone());
    assert!(ask(&channel, LONG).await.is_ok());
    world.network.cut(NAME, Way::ToHsm);
    let answer = ask(&channel, Duration::from_millis(500)).await;
    assert!(
        matches!(answer, Err(CallError::Link(LinkError::NoAnswer(_)))),
        "{answer:?}"
    );
    let network = world.network.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(1)).await;
        network.mend();
    });
    assert!(ask(&channel, LONG).await.is_ok());
    assert_eq!(world.network.counts().unanswered, 1);
}

#[tokio::test(start_paused = true)]
async fn a_restarted_hsm_is_connected_to_anew() {
    let World {
        network,
        listening,
        target,
        identity,
        ..
    } = world().await;
    let address = listening.address();
    let channel = network.of_process().dial(target);
    assert!(ask(&channel, LONG).await.is_ok());
    drop(listening);
    assert!(ask(&channel, LONG).await.is_err());
    let _again = listen(&network, address, &identity).await;
    assert!(ask(&channel, LONG).await.is_ok());
    assert_eq!(network.counts().connections, 2);
}

#[tokio::test(start_paused = true)]
async fn a_lost_message_breaks_its_connection_after_the_idle_timeout() {
    let world = world().await;
    let channel = world.network.of_process().dial(world.target.clone());
    assert!(ask(&channel, LONG).await.is_ok());
    world.network.set_weather(Weather {
        lost_percent: 100,
        ..Weather::fair()
    });
    let began = Instant::now();
    let answer = channel.manage(Command::ListUsers, began + LONG).await;
    assert!(
        matches!(answer, Err(CallError::Link(LinkError::NoAnswer(_)))),
        "{answer:?}"
    );
    assert_eq!(began.elapsed(), IDLE_TIMEOUT);
}

/// Rule SIM-11: QUIC makes up for datagrams that are lost, late, doubled and out of order.
#[tokio::test(start_paused = true)]
async fn over_quic_every_operation_is_answered_whatever_becomes_of_its_datagrams() {
    let world = world_over(Carrier::Quinn).await;
    let channel = world.network.of_process().dial(world.target.clone());
    assert_eq!(ask(&channel, LONG).await, Ok(vec![7]));
    world.network.set_weather(Weather {
        delay: 0..=8,
        late_percent: 30,
        late: 30..=200,
        lost_percent: 10,
    });
    let asked: Vec<_> = (0..200).map(|_| ask(&channel, LONG)).collect();
    for answer in asked {
        assert_eq!(answer.await, Ok(vec![7]));
    }
    let counts = world.network.counts();
    assert!(
        counts.lost > 10 && counts.late > 10 && counts.doubled > 5,
        "{counts:?}"
    );
    assert_eq!(counts.connections, 1);
}

/// Rule SIM-11
#[tokio::test(start_paused = true)]
async fn over_quic_an_hsm_without_the_clusters_certificate_is_not_spoken_to() {
    let world = world_over(Carrier::Quinn).await;
    let target = Target {
        trust_anchor: identity().certificate,
        ..world.target.clone()
    };
    let channel = world.network.of_process().dial(target);
    let answer = channel.manage(Command::ListUsers, Instant::now() + LONG);
    let answer = answer.await;
    assert!(
        matches!(answer, Err(CallError::Link(LinkError::Untrusted(_)))),
        "{answer:?}"
    );
}

/// Rule SIM-11
#[tokio::test(start_paused = true)]
async fn over_quic_a_cut_ends_without_an_answer_and_mending_brings_it_back() {
    let world = world_over(Carrier::Quinn).await;
    for way in [Way::ToHsm, Way::FromHsm] {
        let channel = world.network.of_process().dial(world.target.clone());
        assert!(ask(&channel, LONG).await.is_ok());
        world.network.cut(NAME, way);
        let began = Instant::now();
        let answer = ask(&channel, LONG).await;
        assert!(
            matches!(answer, Err(CallError::Link(LinkError::NoAnswer(_)))),
            "{answer:?}"
        );
        assert!(
            began.elapsed() <= IDLE_TIMEOUT * 3,
            "{way:?} {:?}",
            began.elapsed()
        );
        world.network.mend();
        assert!(ask(&channel, LONG).await.is_ok());
    }
}

/// Rule SIM-11: what is left of a process that has ended reaches no peer, and its ports are free.
#[tokio::test(start_paused = true)]
async fn over_quic_the_sockets_of_a_process_end_with_it() {
    let world = world_over(Carrier::Quinn).await;
    let channel = world.network.of_process().dial(world.target.clone());
    assert!(ask(&channel, LONG).await.is_ok());
    let address = world.listening.address();
    world.network.end_process();
    let began = Instant::now();
    let haunting = ask(&channel, LONG).await;
    assert!(
        matches!(haunting, Err(CallError::Link(LinkError::NoAnswer(_)))),
        "{haunting:?}"
    );
    assert!(began.elapsed() >= LONG, "it heard something");
    let _again = listen(&world.network, address, &world.identity).await;
    let channel = world.network.of_process().dial(world.target.clone());
    assert!(ask(&channel, LONG).await.is_ok());
}

/// An HSM restarted while a facade was cut off from it. quinn kept its port for three times the
/// connection's probe timeout, the restart gave up after a second, and the HSM stayed down for
/// good. Seed 380 over quinn found it.
///
/// Rule LINK-14
#[tokio::test(start_paused = true)]
async fn over_quic_an_hsm_restarts_although_a_facade_that_is_cut_off_has_not_heard_of_it() {
    let world = world_over(Carrier::Quinn).await;
    world.network.set_weather(Weather {
        delay: 400..=400,
        ..Weather::fair()
    });
    let channel = world.network.of_process().dial(world.target.clone());
    assert!(ask(&channel, LONG).await.is_ok());
    world.network.cut(NAME, Way::FromHsm);
    let address = world.listening.address();
    drop(world.listening);
    let _again = listen(&world.network, address, &world.identity).await;
    world.network.mend();
    // The facade finds out with its first call that the connection of before is gone.
    let _first = ask(&channel, LONG).await;
    assert!(ask(&channel, LONG).await.is_ok());
}
