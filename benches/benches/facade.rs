//! What the facade costs: Encrypt over HTTP, verified, sealed on an HSM behind QUIC and answered,
//! against a bare hyper that echoes the same bytes.
//!
//! Each server is a process of its own, and the same client drives all: 64 kept connections, requests
//! signed beforehand, one in flight on each connection. Rounds alternate, so that a slow moment of the
//! machine meets all; printed are the medians and their ratio. A second facade that records no events
//! shows what recording them costs. The client shares the machine with the servers, so rates are not what
//! a server alone could do; the processor time is the server's alone.
#![expect(
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a benchmark prints"
)]

use portcullis_benches::call::Call;
use portcullis_benches::client::Client;
use portcullis_benches::median;
use portcullis_benches::process::{ServerKind, ServerProcess};

const SERVER: &str = env!("CARGO_BIN_EXE_bench-server");
const CONNECTIONS: usize = 64;
const REQUESTS_PER_CONNECTION: usize = 100;
/// Requests of a round.
const REQUESTS: f64 = (CONNECTIONS * REQUESTS_PER_CONNECTION) as f64;
const ROUNDS: usize = 15;
const PLAINTEXTS: [usize; 2] = [32, 4096];

fn main() {
    let start = |kind| ServerProcess::start(SERVER, kind, &[]);
    let facade = start(ServerKind::Facade);
    let silent = start(ServerKind::Silent);
    let echo = start(ServerKind::Echo);
    println!(
        "{:>10} {:>20} {:>20} {:>8} {:>20} {:>9} {:>9} {:>9} {:>14}",
        "plaintext",
        "Encrypt µs",
        "echo µs",
        "of echo",
        "no events µs",
        "events",
        "CPU µs",
        "echo CPU",
        "no events CPU",
    );
    for bytes in PLAINTEXTS {
        let call = Call::Encrypt(bytes);
        let request = call.request(&facade.endpoint);
        let about_silent = call.request(&silent.endpoint);
        let mut loads = [
            (&facade, &request),
            (&echo, &request),
            (&silent, &about_silent),
        ]
        .map(|(server, request)| {
            let client = Client::connect(server.endpoint.address, CONNECTIONS);
            (server, client, request, Vec::new(), Vec::new())
        });
        for round in 0..=ROUNDS {
            for (server, client, request, took, worked) in &mut loads {
                let before = server.cpu_us();
                let duration = client.round(request, REQUESTS_PER_CONNECTION);
                // The first round warms up caches, channels and signing keys.
                if round > 0 {
                    took.push(duration.as_secs_f64() * 1e6 / REQUESTS);
                    worked.push((server.cpu_us() - before) / REQUESTS);
                }
            }
        }
        let [
            (encrypt, encrypt_cpu),
            (echo, echo_cpu),
            (silent, silent_cpu),
        ] = loads.map(|(_, _, _, took, worked)| (median(took), median(worked)));
        println!(
            "{bytes:>8} B {:>20} {:>20} {:>8.2} {:>20} {:>9.3} {encrypt_cpu:>9.1} {echo_cpu:>9.1} {silent_cpu:>14.1}",
            rate(encrypt),
            rate(echo),
            echo / encrypt,
            rate(silent),
            silent / encrypt,
        );
    }
}

fn rate(us: f64) -> String {
    format!("{us:.1} ({:.0}/s)", 1e6 / us)
}
