//! What it costs that links can be broken: a channel that answers at once, alone and behind a
//! table of faults that is empty.
#![allow(missing_docs, reason = "criterion makes public functions")]
#![allow(clippy::print_stdout, reason = "the ratio is the result")]

use std::hint::black_box;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use portcullis_hsm::{Call, Command, Operation, Output, Reply, SessionId};
use portcullis_link::{
    BoxFuture, CallError, Channel, FaultyTransport, LinkError, LinkFaults, Listener, Listening,
    Target, Transport,
};
use portcullis_seam::SystemEntropy;
use tokio::time::Instant;

/// Calls timed at once: far more than a reading of the clock costs.
const CALLS: u32 = 100_000;

/// Rounds of each, taken in turn.
const ROUNDS: usize = 31;

/// An HSM that answers at once, so that nothing hides what is added.
#[derive(Debug, Clone)]
struct Instantly;

impl Transport for Instantly {
    fn dial(&self, _target: Target) -> Arc<dyn Channel> {
        Arc::new(Self)
    }

    fn listen(&self, _listener: Listener) -> BoxFuture<'_, Result<Box<dyn Listening>, LinkError>> {
        let unusable = LinkError::Unusable("nobody listens".to_owned());
        Box::pin(std::future::ready(Err(unusable)))
    }
}

impl Channel for Instantly {
    fn execute<'a>(
        &'a self,
        _call: Call<'a>,
        _deadline: Instant,
    ) -> BoxFuture<'a, Result<Output, CallError>> {
        Box::pin(std::future::ready(Ok(Output(Vec::new().into()))))
    }

    fn manage(
        &self,
        _command: Command,
        _deadline: Instant,
    ) -> BoxFuture<'_, Result<Reply, CallError>> {
        Box::pin(std::future::ready(Ok(Reply::Done)))
    }

    fn in_flight(&self) -> usize {
        0
    }
}

fn dial(transport: &dyn Transport) -> Arc<dyn Channel> {
    transport.dial(Target {
        name: "hsm".to_owned(),
        address: SocketAddr::from((Ipv4Addr::LOCALHOST, 1)),
        trust_anchor: Vec::new(),
        cluster_certificate: Vec::new(),
    })
}

fn call(channel: &Arc<dyn Channel>, deadline: Instant) -> bool {
    let call = Call {
        session: SessionId(1),
        operation: Operation::Random { bytes: 1 },
    };
    let mut answer = black_box(channel).execute(call, deadline);
    let mut context = Context::from_waker(Waker::noop());
    answer.as_mut().poll(&mut context).is_ready()
}

fn fault(criterion: &mut Criterion) {
    let faults = Arc::new(LinkFaults::new(Arc::new(SystemEntropy)));
    let faulty = dial(&FaultyTransport::new(Arc::new(Instantly), faults));
    let plain = dial(&Instantly);
    let deadline = Instant::now() + Duration::from_secs(3600);
    let mut group = criterion.benchmark_group("fault");
    group.bench_function("a channel", |bencher| {
        bencher.iter(|| call(&plain, deadline));
    });
    group.bench_function("behind an empty table of faults", |bencher| {
        bencher.iter(|| call(&faulty, deadline));
    });
    group.finish();
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        with.push(timed(|| call(&faulty, deadline)));
        without.push(timed(|| call(&plain, deadline)));
    }
    let (with, without) = (median(with), median(without));
    let added = with.saturating_sub(without) / CALLS;
    println!(
        "with / without a table of faults: {:.2}, {added:?} more a call (medians of {ROUNDS} \
         rounds, taken in turn)",
        with.as_secs_f64() / without.as_secs_f64()
    );
}

fn timed(run: impl Fn() -> bool) -> Duration {
    let began = Instant::now();
    for _ in 0..CALLS {
        black_box(run());
    }
    began.elapsed()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

criterion_group!(benches, fault);
criterion_main!(benches);
