use std::sync::atomic::AtomicBool;

use portcullis_api::HsmId;
use portcullis_hsm::{Call, HsmKeyId, MaskedKey, Operation, Output};
use portcullis_link::{BoxFuture, Channel, LinkError};

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
            Ok(Output(vec![7].into()))
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
    assert_eq!(encrypt(&live).await, Ok(Output(vec![7].into())));
    for hsm in &hsms {
        hsm.restart();
    }
    let began = Instant::now();
    assert_eq!(encrypt(&live).await, Ok(Output(vec![7].into())));
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
    assert!(matches!(encrypt(&live).await, Err(Failure::NoAnswer(_))));
    assert_eq!(began.elapsed(), Duration::ZERO);

    let (live, hsms) = connection(true).await;
    for hsm in &hsms {
        hsm.restart();
    }
    let outcome = encrypt(&live).await;
    assert!(matches!(outcome, Err(Failure::NoHsm)), "{outcome:?}");
    assert!(began.elapsed() <= REJOIN_DEADLINE);

    // A connection that has ended waits for no caller.
    live.stop();
    let began = Instant::now();
    assert_eq!(encrypt(&live).await, Err(Failure::NoHsm));
    assert_eq!(began.elapsed(), Duration::ZERO);
}

/// How an HSM answers commands about keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mood {
    Well,
    /// It never answers.
    Silent,
    /// Its connection breaks under the first command.
    Reconnecting,
    Full,
    /// It has gone down.
    Down,
}

/// An HSM that makes, takes and deletes keys, as far as its mood permits.
#[derive(Debug)]
struct KeyHolder {
    mood: Mutex<Mood>,
    keys: Mutex<Vec<HsmKeyId>>,
}

impl KeyHolder {
    fn answer(&self, command: &Command) -> Result<Reply, CallError> {
        let mut keys = self.keys.lock();
        #[expect(clippy::wildcard_enum_match_arm, reason = "all others are logins")]
        match command {
            Command::GenerateKey { id, .. } => {
                keys.push(*id);
                Ok(Reply::Key(MaskedKey(id.0.to_vec())))
            }
            Command::InsertMasked { key, .. } => {
                keys.push(HsmKeyId(key.0.clone().try_into().unwrap()));
                Ok(Reply::Done)
            }
            Command::DeleteKey { id, .. } => {
                keys.retain(|known| known != id);
                Ok(Reply::Done)
            }
            _ => Ok(Reply::Session(SessionId(1))),
        }
    }
}

impl Channel for KeyHolder {
    fn execute<'a>(
        &'a self,
        _call: Call<'a>,
        _deadline: Instant,
    ) -> BoxFuture<'a, Result<Output, CallError>> {
        Box::pin(std::future::ready(Err(Refusal::NoSuchKey.into())))
    }

    fn manage(
        &self,
        command: Command,
        deadline: Instant,
    ) -> BoxFuture<'_, Result<Reply, CallError>> {
        let no_answer = || LinkError::NoAnswer("closed".to_owned()).into();
        Box::pin(async move {
            let is_login = matches!(command, Command::Login { .. });
            let mood = *self.mood.lock();
            match mood {
                _ if is_login => self.answer(&command),
                Mood::Well => self.answer(&command),
                Mood::Silent => {
                    tokio::time::sleep_until(deadline).await;
                    Err(no_answer())
                }
                Mood::Reconnecting => {
                    *self.mood.lock() = Mood::Well;
                    Err(no_answer())
                }
                Mood::Full => Err(Refusal::Full.into()),
                Mood::Down => Err(Refusal::DiskFailed.into()),
            }
        })
    }

    fn in_flight(&self) -> usize {
        0
    }
}

/// Makes a key on HSMs in these moods, each in a zone of its own, the first of which begins. Gives the
/// outcome, how long it took, and how many of the HSMs have the key afterwards.
async fn make_key(moods: &[Mood]) -> (Result<(), Failure>, Duration, usize) {
    let holder = |mood: &Mood| KeyHolder {
        mood: Mutex::new(*mood),
        keys: Mutex::default(),
    };
    let hsms: Vec<_> = moods.iter().map(|mood| Arc::new(holder(mood))).collect();
    let members = hsms.iter().zip('a'..).map(|(hsm, zone)| {
        let id = format!("hsm-abcdefghij{zone}").parse().unwrap();
        let channel = Arc::clone(hsm) as Arc<dyn Channel>;
        let address = "127.0.0.1:1".parse().unwrap();
        Arc::new(Member::new(id, zone.to_string(), address, channel, 0))
    });
    let (_, changes) = watch::channel(0);
    let password = Secret::new("kmsPassword");
    let live = LiveConnection::new(FENCE, members.collect(), password, Vec::new(), changes);
    log_in(&live).await;
    let key = NewKey {
        id: HsmKeyId([1; 16]),
        label: "key".to_owned(),
    };
    let began = Instant::now();
    let is_member = |_: &HsmId| true;
    let outcome = live.create_key(&key, is_member).await;
    let took = began.elapsed();
    let keep = hsms.iter().filter(|hsm| !hsm.keys.lock().is_empty());
    (outcome, took, keep.count())
}

/// Rules KEY-10, KEY-24 and KEY-28: what CreateKey waits for, and what it leaves behind.
#[tokio::test(start_paused = true)]
async fn a_key_is_made_where_hsms_answer_and_else_nothing_of_it_stays() {
    use Mood::{Down, Full, Reconnecting, Silent, Well};
    let silent = || Err(Failure::NoAnswer(String::new()));
    let down = || Err(Failure::Unreachable(String::new()));
    let full = || Err(Failure::Refused(Refusal::Full));
    // HSMs, outcome, seconds, HSMs that have it.
    type Row<'a> = (&'a [Mood], Result<(), Failure>, u64, usize);
    let rows: [Row<'_>; 14] = [
        (&[Well, Well], Ok(()), 0, 2),
        (&[Well], Err(Failure::NoHsm), 0, 0),
        (&[Silent, Well], silent(), 2, 0),
        (&[Well, Silent], silent(), 2, 0),
        (&[Silent, Silent], silent(), 2, 0),
        // Perhaps the first one has made it: no other makes it too.
        (&[Silent, Well, Well], silent(), 2, 0),
        (&[Well, Silent, Well], Ok(()), 2, 2),
        (&[Reconnecting, Well], silent(), 0, 0),
        (&[Well, Reconnecting], Ok(()), 0, 2),
        (&[Well, Full], full(), 0, 0),
        (&[Full, Well, Well], Ok(()), 0, 2),
        (&[Down, Well], down(), 0, 0),
        // Its disk failed: the key may be there when it starts again.
        (&[Down, Well, Well], down(), 0, 0),
        (&[Well, Down, Well], Ok(()), 0, 2),
    ];
    for (moods, expected, seconds, holders) in rows {
        let (outcome, took, have_it) = make_key(moods).await;
        let kind = |outcome: &Result<(), Failure>| match outcome {
            Err(Failure::NoAnswer(_)) => silent(),
            Err(Failure::Unreachable(_)) => down(),
            other => other.clone(),
        };
        assert_eq!(kind(&outcome), expected, "{moods:?}");
        assert_eq!(took.as_secs(), seconds, "{moods:?}");
        assert_eq!(have_it, holders, "{moods:?}");
    }
}
