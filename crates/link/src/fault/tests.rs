use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use portcullis_hsm::{Call, Command, Operation, Output, Reply, SessionId};
use portcullis_seam::SystemEntropy;
use tokio::time::{Instant, sleep};

use super::{Direction, FaultyTransport, LinkEffect, LinkFaults, LinkRule};
use crate::{BoxFuture, CallError, Channel, LinkError, Listener, Listening, Target, Transport};

/// An HSM that answers everything at once and counts it.
#[derive(Debug, Default)]
struct Counting(AtomicUsize);

#[derive(Debug)]
struct Perfect(Arc<Counting>);

impl Transport for Perfect {
    fn dial(&self, _target: Target) -> Arc<dyn Channel> {
        Arc::clone(&self.0) as Arc<dyn Channel>
    }

    fn listen(&self, _listener: Listener) -> BoxFuture<'_, Result<Box<dyn Listening>, LinkError>> {
        let unusable = LinkError::Unusable("nobody listens".to_owned());
        Box::pin(std::future::ready(Err(unusable)))
    }
}

impl Channel for Counting {
    fn execute<'a>(
        &'a self,
        _call: Call<'a>,
        _deadline: Instant,
    ) -> BoxFuture<'a, Result<Output, CallError>> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Box::pin(std::future::ready(Ok(Output(Vec::new().into()))))
    }

    fn manage(
        &self,
        _command: Command,
        _deadline: Instant,
    ) -> BoxFuture<'_, Result<Reply, CallError>> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Box::pin(std::future::ready(Ok(Reply::Done)))
    }

    fn in_flight(&self) -> usize {
        0
    }
}

struct Link {
    faults: Arc<LinkFaults>,
    hsm: Arc<Counting>,
    channel: Arc<dyn Channel>,
}

const PATIENCE: Duration = Duration::from_secs(1);

impl Link {
    fn new() -> Self {
        let faults = Arc::new(LinkFaults::new(Arc::new(SystemEntropy)));
        let hsm = Arc::new(Counting::default());
        let inner = Arc::new(Perfect(Arc::clone(&hsm)));
        let transport = FaultyTransport::new(inner, Arc::clone(&faults));
        let channel = transport.dial(Target {
            name: "hsm-a".to_owned(),
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 1)),
            trust_anchor: Vec::new(),
            cluster_certificate: Vec::new(),
        });
        Self {
            faults,
            hsm,
            channel,
        }
    }

    fn rule(&self, hsm: &str, direction: Direction, effect: LinkEffect) {
        self.faults.set(vec![LinkRule {
            hsms: [hsm.to_owned()].into(),
            direction,
            effect,
        }]);
    }

    /// Whether a call was answered, how long it took and whether the HSM heard of it.
    async fn call(&self) -> (bool, Duration, bool) {
        let (began, before) = (Instant::now(), self.hsm.0.load(Ordering::Relaxed));
        let operation = Operation::Random { bytes: 1 };
        let session = SessionId(1);
        let call = Call { session, operation };
        let answer = self.channel.execute(call, began + PATIENCE).await;
        let heard = self.hsm.0.load(Ordering::Relaxed) > before;
        (answer.is_ok(), began.elapsed(), heard)
    }
}

const NOW: Duration = Duration::ZERO;

/// Rule LINK-12
#[tokio::test(start_paused = true)]
async fn a_cut_to_the_hsm_keeps_requests_and_one_from_it_keeps_answers() {
    let link = Link::new();
    assert_eq!(link.call().await, (true, NOW, true));
    for (direction, heard) in [
        (Direction::ToHsm, false),
        (Direction::FromHsm, true),
        (Direction::Both, false),
    ] {
        link.rule("hsm-a", direction, LinkEffect::Cut);
        assert_eq!(link.call().await, (false, PATIENCE, heard), "{direction:?}");
    }
    link.rule("hsm-b", Direction::Both, LinkEffect::Cut);
    assert_eq!(link.call().await, (true, NOW, true), "another link");
    link.faults.set(Vec::new());
    assert_eq!(link.call().await, (true, NOW, true));
}

/// Rule LINK-12
#[tokio::test(start_paused = true)]
async fn commands_meet_the_same_faults_as_operations() {
    let link = Link::new();
    link.rule("hsm-a", Direction::FromHsm, LinkEffect::Cut);
    let deadline = Instant::now() + PATIENCE;
    let answer = link.channel.manage(Command::ListUsers, deadline).await;
    assert!(matches!(
        answer,
        Err(CallError::Link(LinkError::NoAnswer(_)))
    ));
    assert_eq!(link.hsm.0.load(Ordering::Relaxed), 1);
}

/// Rule LINK-13
#[tokio::test(start_paused = true)]
async fn what_waits_at_a_cut_goes_on_when_it_is_mended() {
    let link = Link::new();
    link.rule("hsm-a", Direction::Both, LinkEffect::Cut);
    let mended = Duration::from_millis(300);
    let mend = async {
        sleep(mended).await;
        assert_eq!(link.channel.in_flight(), 1);
        link.faults.set(Vec::new());
    };
    let (called, ()) = tokio::join!(link.call(), mend);
    assert_eq!(called, (true, mended, true));
    assert_eq!(link.channel.in_flight(), 0);
}

/// Rule LINK-13
#[tokio::test(start_paused = true)]
async fn delays_count_each_way_and_end_at_the_deadline() {
    let link = Link::new();
    let delay = Duration::from_millis(200);
    link.rule("hsm-a", Direction::ToHsm, LinkEffect::Delay(delay));
    assert_eq!(link.call().await, (true, delay, true));
    link.rule("hsm-a", Direction::Both, LinkEffect::Delay(delay));
    assert_eq!(link.call().await, (true, 2 * delay, true));
    link.rule("hsm-a", Direction::Both, LinkEffect::Delay(3 * delay));
    assert_eq!(link.call().await, (false, PATIENCE, true));
}

/// Rule LINK-12
#[tokio::test(start_paused = true)]
async fn of_a_hundred_messages_so_many_get_lost() {
    let link = Link::new();
    let mut answered = [0_u32; 3];
    for (count, percent) in answered.iter_mut().zip([0, 30, 100]) {
        link.rule("hsm-a", Direction::ToHsm, LinkEffect::Lose { percent });
        for _ in 0..1000 {
            *count += u32::from(link.call().await.0);
        }
    }
    assert_eq!((answered[0], answered[2]), (1000, 0));
    assert!((600..800).contains(&answered[1]), "{}", answered[1]);
}
