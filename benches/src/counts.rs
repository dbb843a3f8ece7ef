//! Counts that no noise blurs: user instructions (callgrind) and system calls (perf).

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::process::ServerProcess;

/// System calls that are counted one by one, beside all of them together.
const SYSTEM_CALLS: [&str; 11] = [
    "writev",
    "sendto",
    "recvfrom",
    "sendmsg",
    "sendmmsg",
    "recvmsg",
    "recvmmsg",
    "futex",
    "epoll_wait",
    "write",
    "read",
];

/// All of them.
const EVERY_CALL: &str = "raw_syscalls:sys_enter";
const ENTERS: &str = "syscalls:sys_enter_";

/// Callgrind, which counts when it is told to and writes to `folder`.
#[must_use]
pub fn callgrind(folder: &Path) -> Vec<String> {
    let out = folder.join("callgrind.%p");
    [
        "valgrind".to_owned(),
        "--tool=callgrind".to_owned(),
        "--quiet".to_owned(),
        "--instr-atstart=no".to_owned(),
        format!("--callgrind-out-file={}", out.display()),
    ]
    .into()
}

/// User instructions of a server under [`callgrind`] while `work` goes on; none when callgrind's tools do
/// not do what they are told. Leaves what it counted, by function, in a file of `folder`, for
/// `callgrind_annotate`.
pub fn instructions(
    server: &ServerProcess,
    folder: &Path,
    work: impl FnOnce() -> Duration,
) -> Option<f64> {
    let process = server.id().to_string();
    let control = |told: &str| {
        let mut command = Command::new("callgrind_control");
        command
            .args([told, &process])
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command.status().ok().filter(|status| status.success())
    };
    control("--zero")?;
    control("--instr=on")?;
    let _took = work();
    control("--instr=off")?;
    let before = dumps(folder);
    control("--dump")?;
    let newest = dumps(folder)
        .into_iter()
        .find(|dump| !before.contains(dump))?;
    let text = std::fs::read_to_string(newest).ok()?;
    let totals = text.lines().rev().find_map(|line| {
        line.strip_prefix("totals: ")
            .or_else(|| line.strip_prefix("summary: "))
    });
    totals?.trim().parse().ok()
}

fn dumps(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<_> = entries.map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some());
    paths
}

/// System calls of a server by name while `work` goes on, with all of them under `all`; none without
/// perf or the right to use it.
pub fn system_calls(
    server: &ServerProcess,
    work: impl FnOnce() -> Duration,
) -> Option<BTreeMap<String, f64>> {
    let names = SYSTEM_CALLS.map(|name| format!("{ENTERS}{name}"));
    let events = format!("{EVERY_CALL},{}", names.join(","));
    let mut perf = Command::new("perf");
    perf.args(["stat", "--interval-print", "100", "--field-separator", ";"])
        .args(["--event", &events, "--pid", &server.id().to_string()])
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let mut running = perf.spawn().ok()?;
    let mut lines = BufReader::new(running.stderr.take()?).lines();
    // The first interval says that it has attached.
    let mut counted = BTreeMap::new();
    add(&mut counted, &lines.next()?.ok()?);
    let _took = work();
    let stop = ["-INT".to_owned(), running.id().to_string()];
    Command::new("kill").args(stop).status().ok()?;
    for line in lines {
        add(&mut counted, &line.ok()?);
    }
    running.wait().ok()?;
    Some(counted)
}

/// Adds a line of an interval: `SECONDS;COUNT;UNIT;EVENT;…`.
fn add(counted: &mut BTreeMap<String, f64>, line: &str) {
    let mut fields = line.split(';').skip(1);
    let (count, event) = (fields.next(), fields.nth(1));
    // An event that did not come up has no number.
    let count = count.and_then(|count| count.parse::<f64>().ok());
    if let (Some(count), Some(event)) = (count, event) {
        let name = event.strip_prefix(ENTERS).unwrap_or("all");
        *counted.entry(name.to_owned()).or_default() += count;
    }
}
