//! What one call costs, counted: user instructions, allocations, system calls, processor time of the
//! server; beside a bare hyper that echoes the same bytes, measured the same way.
//!
//! Every server is a process of its own. Instructions are counted by callgrind, which knows no SHA
//! extensions and runs one thread at a time; system calls by `perf stat`; allocations by the server's own
//! allocator; processor time by the kernel. Where callgrind or perf are missing, their columns are
//! empty. Figures are per call, at 64 connections, each with one request in flight. With `-- --keep
//! FOLDER` what callgrind counted, function by function, stays there for `callgrind_annotate`: of each of
//! the two processes a file for each of its rows, in their order.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a benchmark prints, and may fail loudly"
)]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use bytes::Bytes;
use portcullis_benches::call::Call;
use portcullis_benches::client::Client;
use portcullis_benches::process::{ServerKind, ServerProcess};
use portcullis_benches::{counts, median};

const SERVER: &str = env!("CARGO_BIN_EXE_bench-server");
const CONNECTIONS: usize = 64;
/// Requests on each connection, in a round that is timed.
const TIMED: usize = 200;
/// Rounds that are timed, of which the median is shown.
const ROUNDS: usize = 7;
/// Requests one after the other on one connection.
const ALONE: usize = 2000;
/// Requests on each connection while instructions are counted: some fifty times slower.
const COUNTED: usize = 20;

fn main() {
    let mut facade = ServerProcess::start(SERVER, ServerKind::Facade, &[]);
    let mut echo = ServerProcess::start(SERVER, ServerKind::Echo, &[]);
    let mut rows = Vec::new();
    for bytes in [32, 4096] {
        let call = Call::Encrypt(bytes);
        let request = call.request(&facade.endpoint);
        rows.push(Row::measure(
            &format!("echo {}", call.name()),
            &mut echo,
            &request,
        ));
    }
    for call in Call::ALL {
        let request = call.request(&facade.endpoint);
        rows.push(Row::measure(&call.name(), &mut facade, &request));
    }
    drop((facade, echo));
    for (row, instructions) in rows.iter_mut().zip(instructions()) {
        row.instructions = instructions;
    }
    print(&rows);
}

/// What is known of a call.
struct Row {
    name: String,
    instructions: Option<f64>,
    allocations: f64,
    allocated_bytes: f64,
    cpu_us: f64,
    rate: f64,
    p50_us: f64,
    system_calls: Option<BTreeMap<String, f64>>,
}

impl Row {
    fn measure(name: &str, server: &mut ServerProcess, request: &Bytes) -> Self {
        let calls = (CONNECTIONS * TIMED) as f64;
        let mut client = Client::connect(server.endpoint.address, CONNECTIONS);
        // Warms up caches, channels and signing keys.
        client.round(request, TIMED);
        let (mut took, mut worked) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let before = server.cpu_us();
            took.push(client.round(request, TIMED).as_secs_f64());
            worked.push((server.cpu_us() - before) / calls);
        }
        let allocations = server.allocations(|| client.round(request, TIMED));
        let counted = counts::system_calls(server, || client.round(request, TIMED));
        let each = |(name, count): (String, f64)| (name, count / calls);
        Self {
            name: name.to_owned(),
            instructions: None,
            allocations: allocations.count / calls,
            allocated_bytes: allocations.bytes / calls,
            cpu_us: median(worked),
            rate: calls / median(took),
            p50_us: median(client.one_by_one(request, ALONE)),
            system_calls: counted.map(|counted| counted.into_iter().map(each).collect()),
        }
    }
}

/// User instructions of each row's call.
fn instructions() -> Vec<Option<f64>> {
    let temporary = tempfile::tempdir().unwrap();
    let kept = std::env::args().skip_while(|word| word != "--keep").nth(1);
    let folder = kept.map_or_else(|| temporary.path().to_path_buf(), PathBuf::from);
    std::fs::create_dir_all(&folder).unwrap();
    let callgrind = counts::callgrind(&folder);
    let under: Vec<&str> = callgrind.iter().map(String::as_str).collect();
    if Command::new("valgrind").arg("--version").output().is_err() {
        return Vec::new();
    }
    let facade = ServerProcess::start(SERVER, ServerKind::Facade, &under);
    let echo = ServerProcess::start(SERVER, ServerKind::Echo, &under);
    let counted = |server: &ServerProcess, request: &Bytes| {
        let mut client = Client::connect(server.endpoint.address, CONNECTIONS);
        client.round(request, COUNTED);
        let calls = (CONNECTIONS * COUNTED) as f64;
        let round = || client.round(request, COUNTED);
        counts::instructions(server, &folder, round).map(|all| all / calls)
    };
    let echoed = [32, 4096].map(|bytes| {
        let request = Call::Encrypt(bytes).request(&facade.endpoint);
        counted(&echo, &request)
    });
    let called = Call::ALL.map(|call| counted(&facade, &call.request(&facade.endpoint)));
    echoed.into_iter().chain(called).collect()
}

fn print(rows: &[Row]) {
    println!(
        "{:<19} {:>12} {:>11} {:>10} {:>8} {:>9} {:>8}  system calls",
        "per call", "instructions", "allocations", "bytes", "CPU µs", "calls/s", "p50 µs"
    );
    let none = || "-".to_owned();
    for row in rows {
        let instructions = row
            .instructions
            .map_or_else(none, |count| format!("{count:.0}"));
        println!(
            "{:<19} {instructions:>12} {:>11.1} {:>10.0} {:>8.1} {:>9.0} {:>8.1}  {}",
            row.name,
            row.allocations,
            row.allocated_bytes,
            row.cpu_us,
            row.rate,
            row.p50_us,
            row.system_calls.as_ref().map_or_else(none, listed),
        );
    }
}

/// All system calls, and those of which there is one in a hundred calls or more.
fn listed(calls: &BTreeMap<String, f64>) -> String {
    let mut calls: Vec<_> = calls.iter().filter(|(_, count)| **count >= 0.01).collect();
    calls.sort_by(|one, other| other.1.total_cmp(one.1));
    let each = calls
        .iter()
        .map(|(name, count)| format!("{name} {count:.2}"));
    each.collect::<Vec<_>>().join(", ")
}
