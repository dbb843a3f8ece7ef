//! Where a server's output goes decides neither whether it answers nor whether it stops.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "tests fail loudly, and wait on the machine's own clock"
)]

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use portcullis_tests::{Caller, DEADLINE, Outcome, Portcullis, binary, eventually};
use serde_json::{Value, json};
use tempfile::TempDir;

/// How long a server may take to stop, whatever becomes of its output.
const STOP: Duration = Duration::from_secs(12);

/// A server whose output goes where a test wants it.
struct Server {
    child: Child,
    endpoint: String,
    /// Removed after the process has ended.
    _home: TempDir,
}

impl Server {
    /// Starts `portcullis up` with `arguments` and waits for its line on stdout.
    fn up(arguments: &[&str], log: &str, stderr: Stdio) -> Self {
        let home = tempfile::tempdir().unwrap();
        let mut child = Command::new(binary())
            .args(["up", "--ephemeral", "--port", "0"])
            .args(arguments)
            .env("HOME", home.path())
            .env("PORTCULLIS_LOG", log)
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (tell, told) = channel();
        std::thread::spawn(move || tell.send(stdout.lines().next()));
        // One that hangs before it is ready is not waited for.
        let Ok(Some(Ok(line))) = told.recv_timeout(DEADLINE) else {
            let _already_ended = child.kill();
            panic!("no line when it is ready: {}", child.wait().unwrap());
        };
        let ready: Value = serde_json::from_str(&line).unwrap();
        Self {
            child,
            endpoint: ready["endpoint"].as_str().unwrap().to_owned(),
            _home: home,
        }
    }

    fn caller(&self) -> Caller {
        Caller::new(self.endpoint.trim_start_matches("http://"))
    }

    /// The value of a counter in `/metrics`.
    fn counter(&self, name: &str) -> u64 {
        let page = get(&self.endpoint, "/metrics");
        let line = page.lines().find_map(|line| line.strip_prefix(name));
        let value = line.unwrap_or_else(|| panic!("{name} is not in\n{page}"));
        value.trim().parse().unwrap()
    }

    fn terminate(&mut self) -> (ExitStatus, Duration) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &id]).status();
        assert!(sent.unwrap().success());
        let asked = Instant::now();
        let status = eventually("the server stops", || self.child.try_wait().unwrap());
        (status, asked.elapsed())
    }

    /// Rule OUT-02: it stops in time and in order.
    fn stops(mut self, what: &str) {
        let (status, took) = self.terminate();
        assert!(status.success(), "{what}: {status}");
        assert!(took < STOP, "{what}: stopped after {took:?}");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _already_ended = self.child.kill();
        let _status = self.child.wait();
    }
}

fn get(endpoint: &str, path: &str) -> String {
    let url = format!("{endpoint}{path}");
    let asked = Command::new("curl")
        .args(["-sf", "-m", "30", &url])
        .output();
    String::from_utf8(asked.unwrap().stdout).unwrap()
}

/// Calls that are answered, with a success or with what the service says, and not after a hang.
fn call(caller: &mut Caller, context_bytes: usize, calls: usize) {
    let context = json!({ "padding": "x".repeat(context_bytes) });
    for _ in 0..calls {
        let input = json!({
            "KeyId": "alias/quickstart", "Plaintext": "aGVsbG8=", "EncryptionContext": context,
        });
        match caller.kms("Encrypt", &input) {
            Outcome::Done(_) => {}
            other @ (Outcome::Refused(_) | Outcome::Lost) => {
                panic!("an Encrypt ended with {other:?}")
            }
        }
    }
}

/// Calls until `done`, which is asked now and then.
fn call_until(server: &Server, context_bytes: usize, what: &str, done: impl Fn() -> bool) {
    let mut caller = server.caller();
    eventually(what, || {
        call(&mut caller, context_bytes, 100);
        done().then_some(())
    });
}

fn full() -> Stdio {
    let device = OpenOptions::new().write(true).open("/dev/full");
    device.unwrap().into()
}

const LOG_DROPS: &str = "portcullis_log_lines_dropped_total";

/// Once 64 KiB of warnings into a pipe that nobody read made the server hang for good: the thread
/// that logged waited for the reader, and held the log's lock meanwhile. A pipe that was closed ended
/// it, and a full disk made every call fail that logged.
///
/// Rules OUT-01 and OUT-02.
#[test]
fn a_log_that_is_blocked_closed_or_full_holds_up_no_call_and_no_stop() {
    let (unread, write) = std::io::pipe().unwrap();
    let blocked = Server::up(&[], "trace", write.into());
    call_until(&blocked, 1, "lines are dropped", || {
        blocked.counter(LOG_DROPS) > 0
    });
    blocked.stops("stderr is not read");
    drop(unread);

    let (read, write) = std::io::pipe().unwrap();
    let closed = Server::up(&[], "debug", write.into());
    drop(read);
    call_until(&closed, 1, "lines are dropped", || {
        closed.counter(LOG_DROPS) > 0
    });
    closed.stops("stderr is closed");

    let full = Server::up(&[], "trace", full());
    call_until(&full, 1, "lines are dropped", || {
        full.counter(LOG_DROPS) > 0
    });
    full.stops("stderr is full");
}

/// Rule OUT-01: when a log that was blocked flows again, it says how many lines it lacks.
#[test]
fn a_log_that_flows_again_tells_what_it_lacks() {
    let (read, write) = std::io::pipe().unwrap();
    let server = Server::up(&[], "trace", write.into());
    call_until(&server, 1, "lines are dropped", || {
        server.counter(LOG_DROPS) > 0
    });
    let gap = "lines are missing here: stderr did not take them in time.";
    let mut lines = BufReader::new(read).lines();
    assert!(lines.any(|line| line.unwrap().ends_with(gap)), "no {gap:?}");
    // Not read any more, but not closed either.
    server.stops("stderr is not read");
    drop(lines);
}

/// Rule OUT-02.
#[test]
fn a_line_on_stdout_that_is_not_taken_ends_nothing() {
    for (what, stdout) in [
        ("closed", Stdio::from(std::io::pipe().unwrap().1)),
        ("full", full()),
    ] {
        let home = tempfile::tempdir().unwrap();
        let log = home.path().join("log");
        let child = Command::new(binary())
            .args(["up", "--ephemeral", "--port", "0"])
            .env("HOME", home.path())
            .stdout(stdout)
            .stderr(std::fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let mut server = Server {
            child,
            endpoint: String::new(),
            _home: home,
        };
        server.endpoint = eventually("it says where it is", || {
            let log = std::fs::read_to_string(&log).unwrap();
            let rest = log
                .split("Portcullis is ready at ")
                .nth(1)?
                .split(": ")
                .next();
            rest.map(str::to_owned)
        });
        call(&mut server.caller(), 1, 1);
        server.stops(what);
    }
}

const EVENT_DROPS: &str = "portcullis_events_dropped_total";

/// Bytes of an encryption context that an event shows whole: under 8 KiB with everything else.
const CONTEXT: usize = 7 << 10;

fn make_pipe(path: &Path) {
    let made = Command::new("mkfifo").arg(path).status();
    assert!(made.unwrap().success());
}

/// Once a pipe without a reader kept the server from starting, and one that was not read, or a disk
/// slower than the calls, made every call wait.
///
/// Rules EV-06, EV-07 and EV-08.
#[test]
fn a_pipe_of_events_without_a_reader_holds_up_nothing_and_tells_what_it_lacks() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("events");
    make_pipe(&pipe);
    let arguments = ["--events-file", pipe.to_str().unwrap()];
    let mut server = Server::up(&arguments, "warn", Stdio::null());
    call_until(&server, CONTEXT, "events are dropped", || {
        server.counter(EVENT_DROPS) > 0
    });

    // The reader finds what fitted, then the gap, then what came after it.
    let mut records = BufReader::new(std::fs::File::open(&pipe).unwrap()).lines();
    let mut next = || -> Value { serde_json::from_str(&records.next().unwrap().unwrap()).unwrap() };
    assert_eq!(next()["eventName"], "Encrypt");
    let mut caller = server.caller();
    let gap = loop {
        let record = next();
        if record["eventName"] == "EventsMissing" {
            break record;
        }
        assert_eq!(record["eventName"], "Encrypt");
    };
    assert_eq!(gap["eventSource"], "portcullis");
    let missing = gap["additionalEventData"]["missing"].as_u64().unwrap();
    assert_eq!(missing, server.counter(EVENT_DROPS));
    call(&mut caller, 1, 1);
    let after = next();
    assert_eq!(
        after["requestParameters"]["encryptionContext"]["padding"],
        "x"
    );

    // The reader leaves, and nothing else changes.
    drop(records);
    call(&mut caller, CONTEXT, 100);
    let (status, took) = server.terminate();
    assert!(status.success() && took < STOP, "{status} after {took:?}");
}

/// Rule EV-06.
#[test]
fn a_full_disk_under_the_events_holds_up_nothing() {
    let server = Server::up(&["--events-file", "/dev/full"], "warn", Stdio::null());
    call(&mut server.caller(), CONTEXT, 200);
    server.stops("the events find no room");
}

/// Rule EV-09, and Rule EV-08 as log rotation needs it.
#[test]
fn a_file_of_events_is_its_owners_and_is_made_again_when_it_was_moved_away() {
    use std::os::unix::fs::PermissionsExt;
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let folder = tempfile::tempdir().unwrap();
    let [file, moved] = ["events", "events.1"].map(|name| folder.path().join(name));
    let mut portcullis = Portcullis::up(&["--ephemeral", "--events-file", file.to_str().unwrap()]);
    assert_eq!(mode(&file), 0o600);
    let mut caller = Caller::new(portcullis.authority());
    let lines = |path: &Path| {
        std::fs::read_to_string(path)
            .unwrap_or_default()
            .lines()
            .count()
    };
    call(&mut caller, 1, 3);
    eventually("three records", || (lines(&file) == 3).then_some(()));
    std::fs::rename(&file, &moved).unwrap();
    call(&mut caller, 1, 2);
    eventually("a new file", || (lines(&file) == 2).then_some(()));
    assert_eq!((lines(&moved), mode(&file)), (3, 0o600));
    assert!(portcullis.terminate().success());

    // One that others could read before stays so, and is told of.
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o644)).unwrap();
    let arguments = ["--ephemeral", "--events-file", file.to_str().unwrap()];
    let portcullis = Portcullis::up(&arguments);
    eventually("a note", || {
        let log = portcullis.log();
        log.contains("others can read the events").then_some(())
    });
    assert_eq!(mode(&file), 0o644);
}

/// Rule OUT-05: an empty variable once put the data below the working directory.
#[test]
fn variables_that_are_empty_or_relative_name_no_folder() {
    let folder = tempfile::tempdir().unwrap();
    for variables in [
        &[("HOME", ""), ("XDG_DATA_HOME", "")][..],
        &[("HOME", "home"), ("XDG_DATA_HOME", "data")],
    ] {
        let output = Command::new(binary())
            .args(["up", "--port", "0"])
            .envs(variables.iter().copied())
            .current_dir(folder.path())
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains("There is no HOME"), "{said}");
    }
    let left = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(left, 0, "something was put into the working directory");
}

/// Starts a server below a shell that permits cores of any size, and lets it crash.
fn crash(arguments: &str) -> ExitStatus {
    let home = tempfile::tempdir().unwrap();
    let line = format!(
        "ulimit -c unlimited; exec {} up --ephemeral --port 0 {arguments}",
        binary().display()
    );
    let mut child = Command::new("sh")
        .args(["-c", &line])
        .current_dir(home.path())
        .env("HOME", home.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut first = [0];
    child.stdout.take().unwrap().read_exact(&mut first).unwrap();
    let limits = format!("/proc/{}/limits", child.id());
    if let Ok(limits) = std::fs::read_to_string(limits) {
        let core = limits
            .lines()
            .find(|line| line.starts_with("Max core file size"));
        let soft = core.unwrap().split_whitespace().nth(4).unwrap();
        let expected = if arguments.is_empty() {
            "0"
        } else {
            "unlimited"
        };
        assert_eq!(soft, expected);
    }
    let id = child.id().to_string();
    let sent = Command::new("kill").args(["-ABRT", &id]).status();
    assert!(sent.unwrap().success());
    child.wait().unwrap()
}

/// Rule SEC-01.
#[test]
fn a_crash_leaves_no_core_unless_it_is_asked_for() {
    let status = crash("");
    assert!(
        status.signal().is_some() && !status.core_dumped(),
        "{status}"
    );
    // Where the machine writes none in any case, the limit above is all that can be seen.
    let status = crash("--allow-core-dumps");
    assert!(status.signal().is_some(), "{status}");
}
