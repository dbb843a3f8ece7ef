//! What the link costs: operations over QUIC to a service that echoes, against one that seals.
//!
//! Both HSMs run on a thread of their own, the callers on another; so many callers wait for an
//! answer at once as the first column says. Runs alternate, so that a slow moment of the machine
//! meets both. Beside them: sealing without any link, and callers that live on another runtime
//! than their channel. Numbers on the command line choose rows:
//! `cargo bench --bench link -- 64 256`.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    reason = "a benchmark measures the machine's clock, prints, and may fail loudly"
)]

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use portcullis_benches::{cpu_us, median};
use portcullis_hsm::{
    Call, Command, Hsm, HsmKeyId, KeyTemplate, Operation, Refusal, Reply, Role, SEAL_BYTES, Secret,
    SessionId, Settings,
};
use portcullis_link::{
    BoxFuture, Channel, ClientIdentity, Conversation, Done, Identity, Listener, Listening,
    QuicSettings, QuicTransport, ReplyFrame, Request, Service, Target, Transport,
};
use portcullis_seam::SystemEntropy;
use rcgen::{CertificateParams, Issuer, KeyPair};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;
use zeroize::Zeroizing;

const KEY: HsmKeyId = HsmKeyId([7; 16]);
const PLAINTEXT: [u8; 32] = [1; 32];
const CONTEXT: [u8; 64] = [2; 64];

/// Callers at once.
const CALLERS: [usize; 6] = [1, 16, 64, 256, 1024, 4096];
const ROUNDS: usize = 7;
const RUN: Duration = Duration::from_millis(400);

#[derive(Debug)]
struct Echo;

impl Service for Echo {
    fn connected(self: Arc<Self>) -> Arc<dyn Conversation> {
        self
    }
}

impl Conversation for Echo {
    fn execute(self: Arc<Self>, request: Request, done: Done) {
        let mut reply = ReplyFrame::answering(&request);
        for call in request.calls() {
            reply.push(|out| {
                let Operation::Encrypt { plaintext, .. } = call.operation else {
                    return Err(Refusal::BadLength);
                };
                out.extend_from_slice(plaintext);
                out.extend_from_slice(&[0; SEAL_BYTES]);
                Ok(())
            });
        }
        done(reply);
    }

    fn manage(&self, _command: Command) -> BoxFuture<'_, Result<Reply, Refusal>> {
        Box::pin(async { Ok(Reply::Done) })
    }
}

struct Seal(Hsm);

impl std::fmt::Debug for Seal {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Seal")
    }
}

impl Service for Seal {
    fn connected(self: Arc<Self>) -> Arc<dyn Conversation> {
        self
    }
}

impl Conversation for Seal {
    fn execute(self: Arc<Self>, request: Request, done: Done) {
        let mut reply = ReplyFrame::answering(&request);
        let mut batch = self.0.batch();
        for call in request.calls() {
            reply.push(|out| batch.run(&call, out));
        }
        done(reply);
    }

    fn manage(&self, command: Command) -> BoxFuture<'_, Result<Reply, Refusal>> {
        Box::pin(async move { self.0.manage(command).result })
    }
}

/// An HSM with a user who owns [`KEY`], and that user's session.
fn hsm() -> (Hsm, SessionId) {
    let hsm = Hsm::blank(Settings::default(), Arc::new(SystemEntropy));
    let run = |command| hsm.manage(command).result.unwrap();
    let login = |username: &str, role, password| {
        let command = Command::Login {
            username: username.to_owned(),
            role,
            password: Secret::new(password),
            fence: None,
            exclusive: false,
            holder: 0,
        };
        let reply = run(command);
        let Reply::Session(session) = reply else {
            panic!("{reply:?}")
        };
        session
    };
    run(Command::Activate {
        password: Secret::new("adminPassword"),
    });
    let session = login("admin", Role::Admin, "adminPassword");
    run(Command::CreateUser {
        session,
        username: "kmsuser".to_owned(),
        role: Role::CryptoUser,
        password: Secret::new("kmsPassword"),
    });
    let session = login("kmsuser", Role::CryptoUser, "kmsPassword");
    run(Command::GenerateKey {
        session,
        id: KEY,
        template: KeyTemplate::sealing(KEY, "key"),
    });
    (hsm, session)
}

fn call(session: SessionId) -> Call<'static> {
    let operation = Operation::Encrypt {
        key: KEY,
        additional_data: &CONTEXT,
        plaintext: &PLAINTEXT,
    };
    Call { session, operation }
}

/// A cluster certificate and its root, and a facade that HSMs admit.
struct World {
    transport: QuicTransport,
    anchor: Vec<u8>,
    identity: Identity,
}

impl World {
    fn new() -> Self {
        let root_key = KeyPair::generate().unwrap();
        let root = CertificateParams::default();
        let anchor = root.self_signed(&root_key).unwrap().der().to_vec();
        let key = KeyPair::generate().unwrap();
        let issuer = Issuer::from_params(&root, &root_key);
        let certificate = CertificateParams::default()
            .signed_by(&key, &issuer)
            .unwrap();
        let identity = Identity {
            certificate: certificate.der().to_vec(),
            private_key: Arc::new(Zeroizing::new(key.serialize_der())),
        };
        let client = ClientIdentity::generate().unwrap();
        let accepted_clients = vec![client.certificate.clone()];
        let entropy = Arc::new(SystemEntropy);
        let transport = QuicTransport::new(QuicSettings {
            client,
            accepted_clients,
            entropy,
        });
        Self {
            transport,
            anchor,
            identity,
        }
    }

    async fn listen(&self, service: Arc<dyn Service>) -> Box<dyn Listening> {
        let bind = (Ipv4Addr::LOCALHOST, 0).into();
        let identity = self.identity.clone();
        let listener = Listener {
            name: "hsm".to_owned(),
            bind,
            identity,
            service,
        };
        self.transport.listen(listener).await.unwrap()
    }

    fn dial(&self, listening: &dyn Listening) -> Arc<dyn Channel> {
        self.transport.dial(Target {
            name: "hsm".to_owned(),
            address: listening.address(),
            trust_anchor: self.anchor.clone(),
            cluster_certificate: self.identity.certificate.clone(),
        })
    }
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// Runs a runtime on a thread of its own for as long as the benchmark runs.
fn run_forever<T: Send + 'static>(setup: impl FnOnce(&Runtime) -> T + Send + 'static) -> T {
    let (out, made) = mpsc::channel();
    std::thread::spawn(move || {
        let runtime = runtime();
        out.send(setup(&runtime)).unwrap();
        runtime.block_on(std::future::pending::<()>());
    });
    made.recv().unwrap()
}

/// What so many callers at once achieve.
#[derive(Clone, Copy)]
struct Measured {
    /// Operations a second.
    rate: f64,
    /// Processor time of both sides for one operation, in microseconds: means something also on
    /// a machine that is busy with other things.
    cost_us: f64,
}

async fn measure(channel: &Arc<dyn Channel>, callers: usize, session: SessionId) -> Measured {
    let (started, cpu) = (Instant::now(), cpu_us());
    let mut running = JoinSet::new();
    for _ in 0..callers {
        let channel = Arc::clone(channel);
        running.spawn(async move {
            let mut answered = 0_usize;
            while started.elapsed() < RUN {
                let deadline = tokio::time::Instant::now() + Duration::from_secs(5);
                let answer = channel.execute(call(session), deadline).await.unwrap();
                assert_eq!(answer.as_ref().len(), PLAINTEXT.len() + SEAL_BYTES);
                answered += 1;
            }
            answered
        });
    }
    let mut answered = 0;
    while let Some(ended) = running.join_next().await {
        answered += ended.unwrap();
    }
    let answered = answered as f64;
    let rate = answered / started.elapsed().as_secs_f64();
    Measured {
        rate,
        cost_us: (cpu_us() - cpu) / answered,
    }
}

/// Sealing in batches of 64 without frames or sockets.
fn sealing_alone(hsm: &Hsm, session: SessionId) -> f64 {
    let (started, mut sealed) = (Instant::now(), 0_usize);
    let mut out = Vec::with_capacity(64 * 128);
    while started.elapsed() < RUN {
        let mut batch = hsm.batch();
        out.clear();
        for _ in 0..64 {
            batch.run(&call(session), &mut out).unwrap();
        }
        sealed += 64;
    }
    sealed as f64 / started.elapsed().as_secs_f64()
}

fn main() {
    let (sealer, session) = hsm();
    let alone = median(
        (0..ROUNDS)
            .map(|_| sealing_alone(&sealer, session))
            .collect(),
    );
    println!("sealing alone, batches of 64: {:.2} M/s", alone / 1e6);

    let world = Arc::new(World::new());
    let hsms = Arc::clone(&world);
    let [echoing, sealing] = run_forever(move |runtime| {
        runtime.block_on(async {
            let seal: Arc<dyn Service> = Arc::new(Seal(sealer));
            [hsms.listen(Arc::new(Echo)).await, hsms.listen(seal).await]
        })
    });
    let callers = runtime();
    let [echo, seal] = callers.block_on(async { [world.dial(&*echoing), world.dial(&*sealing)] });
    println!("callers   echo M/s   seal M/s   seal/echo   echo us CPU   seal us CPU");
    let chosen: Vec<usize> = std::env::args()
        .filter_map(|text| text.parse().ok())
        .collect();
    let wanted = |count: &usize| chosen.is_empty() || chosen.contains(count);
    for count in CALLERS.into_iter().filter(wanted) {
        let mut columns: [Vec<f64>; 5] = Default::default();
        callers.block_on(async {
            measure(&echo, count, session).await;
            measure(&seal, count, session).await;
            for _ in 0..ROUNDS {
                let echoed = measure(&echo, count, session).await;
                let sealed = measure(&seal, count, session).await;
                let ratio = sealed.rate / echoed.rate;
                let row = [
                    echoed.rate,
                    sealed.rate,
                    ratio,
                    echoed.cost_us,
                    sealed.cost_us,
                ];
                columns
                    .iter_mut()
                    .zip(row)
                    .for_each(|(column, value)| column.push(value));
            }
        });
        let [echoed, sealed, ratio, echo_us, seal_us] = columns.map(median);
        let (echoed, sealed) = (echoed / 1e6, sealed / 1e6);
        println!(
            "{count:>7}   {echoed:>8.3}   {sealed:>8.3}   {ratio:>9.2}   {echo_us:>11.2}   {seal_us:>11.2}"
        );
    }
    if chosen.is_empty() {
        across_runtimes(&world, &*sealing, &callers, session);
    }
}

/// Callers on another runtime than their channel: what waking them costs.
fn across_runtimes(world: &World, sealing: &dyn Listening, callers: &Runtime, session: SessionId) {
    let home = Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let away = home.block_on(async { world.dial(sealing) });
    for count in [64, 256, 1024] {
        let measured: Vec<Measured> = (0..ROUNDS)
            .map(|_| callers.block_on(measure(&away, count, session)))
            .collect();
        let rate = median(measured.iter().map(|one| one.rate).collect()) / 1e6;
        let cost = median(measured.iter().map(|one| one.cost_us).collect());
        println!("{count} callers on another runtime: {rate:.3} M/s, {cost:.2} us CPU");
    }
}
