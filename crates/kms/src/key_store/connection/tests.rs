use std::sync::atomic::AtomicBool;

use portcullis_hsm::{Call, HsmKeyId, Operation, Output};
use portcullis_link::{BoxFuture, Channel, LinkError};
use zeroize::Zeroizing;

use super::*;

/// An HSM as a facade sees it that restarts: it forgets its sessions, and the connection is gone.
#[derive(Debug)]
struct Restarting {
    /// The session that it knows.
    session: AtomicU64,
    connected: AtomicBool,
    comes_back: bool,
}

impl Restarting {
    fn restart(&self) {
        self.session.fetch_add(1, Ordering::Relaxed);
        self.connected.store(false, Ordering::Relaxed);
    }
}

impl Channel for Restarting {
    fn execute<'a>(
        &'a self,
        call: Call<'a>,
        _deadline: Instant,
    ) -> BoxFuture<'a, Result<Output, CallError>> {
        let known = SessionId(self.session.load(Ordering::Relaxed));
        let answer = if !self.connected.swap(self.comes_back, Ordering::Relaxed) {
            Err(LinkError::NoAnswer("closed".to_owned()).into())
        } else if call.session == known {
            Ok(Output(Zeroizing::new(vec![7])))
        } else {
            Err(Refusal::NoSession.into())
        };
        Box::pin(std::future::ready(answer))
    }

    fn manage(
        &self,
        _login: Command,
        _deadline: Instant,
    ) -> BoxFuture<'_, Result<Reply, CallError>> {
        let known = SessionId(self.session.load(Ordering::Relaxed));
        Box::pin(std::future::ready(Ok(Reply::Session(known))))
    }

    fn in_flight(&self) -> usize {
        0
    }
}

const FENCE: Fence = Fence {
    scope: [1; 16],
    epoch: Epoch(1),
};

/// Two HSMs on which the facade is logged in.
async fn connection(comes_back: bool) -> (Arc<LiveConnection>, Vec<Arc<Restarting>>) {
    let hsm = || Restarting {
        session: AtomicU64::new(1),
        connected: AtomicBool::new(true),
        comes_back,
    };
    let hsms = vec![Arc::new(hsm()), Arc::new(hsm())];
    let members = hsms.iter().zip(["a", "b"]).map(|(hsm, zone)| {
        let id = format!("hsm-abcdefghij{zone}").parse().unwrap();
        let address = "127.0.0.1:1".parse().unwrap();
        let channel = Arc::clone(hsm) as Arc<dyn Channel>;
        Arc::new(Member::new(id, zone.to_owned(), address, channel, 0))
    });
    let password = Secret::new("kmsPassword");
    let (_, changes) = watch::channel(0);
    let live = LiveConnection::new(FENCE, members.collect(), password, Vec::new(), changes);
    log_in(&live).await;
    (Arc::new(live), hsms)
}

async fn log_in(live: &LiveConnection) {
    for member in live.members.load().iter().filter(|it| it.wants_login()) {
        member.log_in(&[&live.current], FENCE, false).await.unwrap();
    }
}

fn maintain(live: &Arc<LiveConnection>) {
    let watched = Arc::clone(live);
    live.maintained_by(tokio::spawn(async move {
        loop {
            watched.nudge.notified().await;
            let lost = watched.lost_so_far();
            log_in(&watched).await;
            watched.saw_to(lost);
        }
    }));
}

async fn encrypt(live: &LiveConnection) -> Result<Output, Failure> {
    let operation = Operation::Encrypt {
        key: HsmKeyId([1; 16]),
        additional_data: &[],
        plaintext: b"attack",
    };
    let deadline = Instant::now() + Duration::from_secs(5);
    live.execute(operation, deadline).await
}

/// Rule CR-14
#[tokio::test(start_paused = true)]
async fn a_call_outlives_sessions_and_connections_that_hsms_have_forgotten() {
    let (live, hsms) = connection(true).await;
    maintain(&live);
    assert_eq!(encrypt(&live).await, Ok(Output(Zeroizing::new(vec![7]))));
    for hsm in &hsms {
        hsm.restart();
    }
    let began = Instant::now();
    assert_eq!(encrypt(&live).await, Ok(Output(Zeroizing::new(vec![7]))));
    assert_eq!(began.elapsed(), Duration::ZERO);
    live.stop();
}

/// Rule CR-14: what does not come back fails the call, and soon.
#[tokio::test(start_paused = true)]
async fn a_call_fails_when_the_hsms_stay_away_or_nobody_logs_in_again() {
    let (live, hsms) = connection(false).await;
    maintain(&live);
    for hsm in &hsms {
        hsm.restart();
    }
    let began = Instant::now();
    assert!(matches!(encrypt(&live).await, Err(Failure::Unreachable(_))));
    assert_eq!(began.elapsed(), Duration::ZERO);

    let (live, hsms) = connection(true).await;
    for hsm in &hsms {
        hsm.restart();
    }
    let outcome = encrypt(&live).await;
    assert!(matches!(outcome, Err(Failure::NoHsm)), "{outcome:?}");
    assert!(began.elapsed() <= REJOIN_DEADLINE);

    // A connection that has ended waits for nobody.
    live.stop();
    let began = Instant::now();
    assert_eq!(encrypt(&live).await, Err(Failure::NoHsm));
    assert_eq!(began.elapsed(), Duration::ZERO);
}
