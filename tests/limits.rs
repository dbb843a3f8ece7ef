//! Hostile connections of every kind, by the thousand, against the real binary: a new client is
//! answered, memory stays bounded, and a stop comes to its end.
//!
//! `PORTCULLIS_HOSTILE_CONNECTIONS=8192` runs it with twice as many as there are places by default;
//! with a release build in `PORTCULLIS_BIN` and `PORTCULLIS_STRICT=1` the new client must be answered
//! within a second.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "tests fail loudly, and wait on the machine's own clock"
)]

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use portcullis_tests::{DEADLINE, Portcullis, eventually};
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit, setrlimit};
use serde_json::Value;

/// What the process may hold, whatever is done to it.
const RESIDENT_MIB_MAX: u64 = 256;

/// A way to hold a connection without getting anything done.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Silent,
    HalfHead,
    LargeHalfHead,
    HalfBodyOfCall,
    LargeHalfBody,
    HalfBodyOfAdmin,
    UnreadEvents,
    UnreadCalls,
}

impl Kind {
    const ALL: [Self; 8] = [
        Self::Silent,
        Self::HalfHead,
        Self::LargeHalfHead,
        Self::HalfBodyOfCall,
        Self::LargeHalfBody,
        Self::HalfBodyOfAdmin,
        Self::UnreadEvents,
        Self::UnreadCalls,
    ];

    /// What is sent, and then nothing more.
    fn sent(self) -> Vec<u8> {
        let json = "content-type: application/json\r\n";
        match self {
            Self::Silent => Vec::new(),
            Self::HalfHead => b"POST / HTTP/1.1\r\nhost: localhost\r\n".to_vec(),
            Self::LargeHalfHead => format!("POST / HTTP/1.1\r\nx: {}", "x".repeat(60_000)).into(),
            Self::HalfBodyOfCall => post("/", "content-length: 100\r\n", "{"),
            Self::LargeHalfBody => post("/", "content-length: 1048576\r\n", &"{".repeat(1_000_000)),
            Self::HalfBodyOfAdmin => {
                let headers = format!("{json}content-length: 100\r\n");
                post("/_portcullis/chaos", &headers, "{")
            }
            Self::UnreadEvents => {
                b"GET /_portcullis/events HTTP/1.1\r\nhost: localhost\r\n\r\n".to_vec()
            }
            Self::UnreadCalls => {
                call("TrentService.GenerateRandom", r#"{"NumberOfBytes":1024}"#).repeat(3000)
            }
        }
    }
}

fn post(path: &str, headers: &str, body: &str) -> Vec<u8> {
    format!("POST {path} HTTP/1.1\r\nhost: localhost\r\n{headers}\r\n{body}").into_bytes()
}

fn call(target: &str, body: &str) -> Vec<u8> {
    let headers = format!(
        "content-type: application/x-amz-json-1.1\r\nx-amz-target: {target}\r\n\
         content-length: {}\r\n",
        body.len()
    );
    post("/", &headers, body)
}

/// A connection that sends as much as is taken.
struct Hostile {
    stream: TcpStream,
    sent: usize,
}

impl Hostile {
    fn open(portcullis: &Portcullis) -> Self {
        // The queue of connections to be accepted may be full for a moment.
        let stream = eventually("a connection", || {
            TcpStream::connect(portcullis.authority()).ok()
        });
        stream.set_nonblocking(true).unwrap();
        Self { stream, sent: 0 }
    }

    fn send(&mut self, all: &[u8]) {
        while self.sent < all.len() {
            match self.stream.write(&all[self.sent..]) {
                Ok(count) => self.sent += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // It waits, or was closed.
                Err(_later) => return,
            }
        }
    }
}

/// A client that behaves: what it got, and in which time.
fn ask(portcullis: &Portcullis, request: &[u8]) -> (String, Duration) {
    let began = Instant::now();
    let mut stream = TcpStream::connect(portcullis.authority()).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.write_all(request).unwrap();
    let mut reply = vec![0; 65_536];
    let count = stream.read(&mut reply).expect("an answer");
    let took = began.elapsed();
    (String::from_utf8_lossy(&reply[..count]).into_owned(), took)
}

fn resident_mib(portcullis: &Portcullis) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", pid(portcullis))).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kib = line.unwrap().split_whitespace().nth(1).unwrap();
    kib.parse::<u64>().unwrap() / 1024
}

fn pid(portcullis: &Portcullis) -> i32 {
    let pid = portcullis.ready["pid"].as_i64().unwrap();
    i32::try_from(pid).unwrap()
}

/// A sample of the metrics, as soon as they are answered.
fn metric(portcullis: &Portcullis, name: &str) -> u64 {
    let request = b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    let page = eventually("the metrics", || {
        let mut stream = TcpStream::connect(portcullis.authority()).ok()?;
        stream.write_all(request).ok()?;
        let mut page = String::new();
        stream.read_to_string(&mut page).ok()?;
        page.starts_with("HTTP/1.1 200").then_some(page)
    });
    let found = page.lines().find_map(|line| line.strip_prefix(name));
    let value = found.unwrap_or_else(|| panic!("no {name} in\n{page}"));
    value.trim().parse().unwrap()
}

/// How many hostile connections there are of each kind.
fn count() -> usize {
    let asked = std::env::var("PORTCULLIS_HOSTILE_CONNECTIONS").ok();
    let count = asked.map_or(1000, |count| count.parse().unwrap());
    let has = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: has.maximum,
        maximum: has.maximum,
    };
    setrlimit(Resource::Nofile, raised).unwrap();
    count
}

/// The time in which a new client must be answered: generous where other tests run beside.
fn patience() -> Duration {
    let is_strict = std::env::var_os("PORTCULLIS_STRICT").is_some();
    Duration::from_secs(if is_strict { 1 } else { 20 })
}

/// Four megabytes of events: calls with long names that fail.
fn fill_events(portcullis: &Portcullis) {
    let body = format!(r#"{{"KeyId":"{}"}}"#, "x".repeat(2000));
    let calls = call("TrentService.DescribeKey", &body).repeat(2000);
    let mut stream = TcpStream::connect(portcullis.authority()).unwrap();
    let mut reading = stream.try_clone().unwrap();
    reading.set_read_timeout(Some(DEADLINE)).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || stream.write_all(&calls).unwrap());
        let mut some = [0; 65_536];
        let mut seen = 0;
        while seen < 2000 {
            let count = reading.read(&mut some).unwrap();
            assert!(count > 0, "closed after {seen} replies");
            seen += String::from_utf8_lossy(&some[..count])
                .matches("HTTP/1.1 400")
                .count();
        }
    });
}

/// Rules WIRE-23, WIRE-25, WIRE-27, WIRE-28, WIRE-29, WIRE-30, WIRE-31.
#[test]
fn whatever_thousands_of_connections_do_a_new_client_is_answered_and_memory_is_bounded() {
    let (count, patience) = (count(), patience());
    // By default there are no more.
    let places = count.min(4096).to_string();
    let arguments = ["--world", "quickstart", "--ephemeral", "--max-connections"];
    let portcullis = Portcullis::up(&[&arguments[..], &[&places]].concat());
    fill_events(&portcullis);
    for kind in Kind::ALL {
        let bytes = kind.sent();
        // More than there are places on one core, whichever the kernel chooses.
        let mut hostile: Vec<Hostile> = Vec::new();
        for _ in 0..count + count / 4 {
            let mut one = Hostile::open(&portcullis);
            one.send(&bytes);
            hostile.push(one);
        }
        // Until no more is taken of what they send.
        for _ in 0..3 {
            for one in &mut hostile {
                one.send(&bytes);
            }
        }
        let mut worst = Duration::ZERO;
        for _ in 0..5 {
            let health = b"GET /_portcullis/health HTTP/1.1\r\nhost: localhost\r\n\r\n";
            let (reply, took) = ask(&portcullis, health);
            assert!(reply.starts_with("HTTP/1.1 200"), "{kind:?}: {reply}");
            worst = worst.max(took);
            let random = call("TrentService.GenerateRandom", r#"{"NumberOfBytes":8}"#);
            let (reply, took) = ask(&portcullis, &random);
            let is_answer = reply.starts_with("HTTP/1.1 200") || reply.contains("HTTP/1.1 503");
            assert!(is_answer, "{kind:?}: {reply}");
            worst = worst.max(took);
        }
        let resident = resident_mib(&portcullis);
        eprintln!("{count} x {kind:?}: answered within {worst:?}, {resident} MiB");
        assert!(worst < patience, "{kind:?}: answered after {worst:?}");
        assert!(resident < RESIDENT_MIB_MAX, "{kind:?}: {resident} MiB");
        drop(hostile);
        eventually("they are gone", || {
            let busy = ["reading", "serving", "stalled"].map(|phase| {
                let name = format!("portcullis_connections{{phase=\"{phase}\"}}");
                metric(&portcullis, &name)
            });
            // The one that asks is being served.
            (busy.iter().sum::<u64>() <= 1).then_some(())
        });
    }
    let log = portcullis.log();
    let lines = log.lines().count();
    assert!(lines < 200, "{lines} lines in the log:\n{log}");
}

/// Rule WIRE-26.
#[test]
fn a_stop_comes_to_its_end_although_nobody_else_does() {
    let mut portcullis = Portcullis::up(&["--world", "quickstart", "--ephemeral"]);
    fill_events(&portcullis);
    let mut hostile = Vec::new();
    for kind in Kind::ALL {
        let bytes = kind.sent();
        for _ in 0..20 {
            let mut one = Hostile::open(&portcullis);
            one.send(&bytes);
            hostile.push(one);
        }
    }
    eventually("some are busy", || {
        (metric(&portcullis, "portcullis_connections{phase=\"stalled\"}") >= 20).then_some(())
    });
    let began = Instant::now();
    assert!(portcullis.terminate().success());
    let took = began.elapsed();
    eprintln!("stopped within {took:?}");
    assert!(took < Duration::from_secs(30), "{took:?}");
}

/// Rule WIRE-33.
#[test]
fn without_descriptors_an_idle_connection_makes_room_and_the_log_stays_short() {
    let portcullis = Portcullis::up(&["--world", "quickstart", "--ephemeral"]);
    let idle: Vec<Hostile> = (0..40).map(|_| Hostile::open(&portcullis)).collect();
    eventually("all are accepted", || {
        (metric(&portcullis, "portcullis_connections{phase=\"waiting\"}") >= 40).then_some(())
    });
    let process = Pid::from_raw(pid(&portcullis));
    let open = std::fs::read_dir(format!("/proc/{}/fd", pid(&portcullis))).unwrap();
    let open = open.filter_map(|entry| entry.unwrap().file_name().to_str()?.parse::<u64>().ok());
    let open: Vec<u64> = open.collect();
    let limit = open.iter().max().unwrap() + 1;
    let free = limit - open.len() as u64;
    let lowered = Rlimit {
        current: Some(limit),
        maximum: getrlimit(Resource::Nofile).maximum,
    };
    let before = prlimit(process, Resource::Nofile, lowered).unwrap();
    // Some of these find a descriptor; the others get that of an idle connection.
    let mut kept = Vec::new();
    for _ in 0..free + 20 {
        let mut stream = TcpStream::connect(portcullis.authority()).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let random = call("TrentService.GenerateRandom", r#"{"NumberOfBytes":8}"#);
        stream.write_all(&random).unwrap();
        let mut reply = [0; 12];
        stream.read_exact(&mut reply).unwrap();
        assert_eq!(&reply, b"HTTP/1.1 200");
        kept.push(stream);
    }
    prlimit(process, Resource::Nofile, before).unwrap();
    assert!(metric(&portcullis, "portcullis_accept_errors_total") > 0);
    let log = portcullis.log();
    let lines = log.lines().filter(|line| line.contains("accepted")).count();
    assert!((1..10).contains(&lines), "{lines} lines:\n{log}");
    drop((idle, kept));
}

/// Rule WIRE-34.
#[test]
fn places_are_as_many_as_there_are_descriptors() {
    let home = tempfile::tempdir().unwrap();
    let script = "ulimit -n 256; exec \"$0\" up --world empty --ephemeral --port 0";
    let mut child = std::process::Command::new("bash")
        .args(["-c", script])
        .arg(portcullis_tests::binary())
        .env("HOME", home.path())
        .stdout(std::process::Stdio::piped())
        .stderr(std::fs::File::create(home.path().join("log")).unwrap())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut stdout = std::io::BufReader::new(child.stdout.take().unwrap());
    std::io::BufRead::read_line(&mut stdout, &mut line).unwrap();
    let ready: Value = serde_json::from_str(&line).unwrap();
    let authority = ready["endpoint"].as_str().unwrap();
    let authority = authority.trim_start_matches("http://");
    let idle: Vec<TcpStream> = (0..400)
        .map(|_| TcpStream::connect(authority).unwrap())
        .collect();
    let mut stream = TcpStream::connect(authority).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream
        .write_all(b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        .unwrap();
    let mut page = String::new();
    stream.read_to_string(&mut page).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    drop(idle);
    assert!(page.starts_with("HTTP/1.1 200"), "{page}");
    assert!(
        page.contains("portcullis_accept_errors_total 0\n"),
        "{page}"
    );
    let log = std::fs::read_to_string(home.path().join("log")).unwrap();
    assert!(log.contains("ulimit -n"), "{log}");
}
