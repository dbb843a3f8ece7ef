//! How long a restart takes: with one key in a key store and with ten thousand, before and after a
//! load of Encrypt calls. What it must not depend on is the last.
//!
//! It starts the real binary of the same profile (`cargo build --release -p portcullis`), or the one
//! that `PORTCULLIS_BIN` names, over data folders in the target folder, and kills it each time, so
//! that every start has what a power cut leaves.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark measures the machine's clock, prints, and may fail loudly"
)]

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

const STARTS: usize = 11;
const KEYS: usize = 10_000;
const LOAD_SECONDS: &str = "20s";

fn main() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    println!("{:<42} {:>12} {:>20}", "", "ready, ms", "first Encrypt, ms");
    let few = Data::make(folder.path(), 1);
    let one = few.starts("one key");
    let many = Data::make(folder.path(), KEYS);
    let before = many.starts(&format!("{KEYS} keys"));
    let calls = many.load();
    let after = many.starts(&format!("{KEYS} keys, after {calls} calls"));
    println!("{KEYS} keys / one key:          {:.2}", before / one);
    println!("after the load / before it:     {:.2}", after / before);
    println!("(medians of {STARTS} starts of a killed process)");
}

/// A world in a data folder.
struct Data {
    world: PathBuf,
    folder: PathBuf,
}

impl Data {
    fn make(below: &Path, keys: usize) -> Self {
        let made = Self {
            world: below.join(format!("{keys}.toml")),
            folder: below.join(format!("{keys}")),
        };
        let mut text = String::from(
            "[[clusters]]\nname = \"primary\"\nhsm_zones = [\"a\", \"b\"]\nadmin_password = \
             \"admin-password\"\nkmsuser_password = \"kmsPswd1\"\n\n[[key_stores]]\nname = \
             \"Keys\"\ncluster = \"primary\"\nconnect = true\n",
        );
        for key in 0..keys {
            text.push_str("\n[[keys]]\nkey_store = \"Keys\"\n");
            if key == 0 {
                text.push_str("aliases = [\"alias/keys\"]\n");
            }
        }
        std::fs::write(&made.world, text).unwrap();
        made.start();
        made
    }

    fn start(&self) -> Running {
        let mut child = Command::new(binary())
            .args(["up", "--port", "0", "--world"])
            .arg(&self.world)
            .arg("--data")
            .arg(&self.folder)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let stdout = child.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        let said: Value = serde_json::from_str(&line).unwrap();
        Running {
            child,
            endpoint: said["endpoint"].as_str().unwrap().to_owned(),
            ready_ms: said["ready_ms"].as_f64().unwrap(),
        }
    }

    /// Prints the medians, and gives that of the time until ready.
    fn starts(&self, what: &str) -> f64 {
        let (mut ready, mut first) = (Vec::new(), Vec::new());
        for _ in 0..STARTS {
            let began = Instant::now();
            let running = self.start();
            ready.push(running.ready_ms);
            while !running.encrypts() {
                std::thread::yield_now();
            }
            first.push(began.elapsed().as_secs_f64() * 1e3);
        }
        let (ready, first) = (median(ready), median(first));
        println!("{what:<42} {ready:>12.0} {first:>20.0}");
        ready
    }

    /// Puts load on it; gives the number of calls.
    fn load(&self) -> u64 {
        let running = self.start();
        let done = Command::new(binary())
            .args(["load", "run", "--closed-loop", "--output", "json"])
            .args(["--key-id", "alias/keys", "--mix", "encrypt=1"])
            .args(["--duration", LOAD_SECONDS, "--endpoint", &running.endpoint])
            .stderr(Stdio::null())
            .output()
            .unwrap();
        let summary: Value = serde_json::from_slice(&done.stdout).unwrap();
        summary["arrived"].as_u64().unwrap()
    }
}

/// A process, killed when dropped.
struct Running {
    child: Child,
    endpoint: String,
    ready_ms: f64,
}

impl Running {
    fn encrypts(&self) -> bool {
        let host = self.endpoint.trim_start_matches("http://");
        let body = r#"{"KeyId":"alias/keys","Plaintext":"aGVsbG8="}"#;
        let mut request = String::new();
        write!(
            request,
            "POST / HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\nx-amz-target: \
             TrentService.Encrypt\r\ncontent-type: application/x-amz-json-1.1\r\ncontent-length: \
             {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut stream = TcpStream::connect(host).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(30)))
            .unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).unwrap();
        reply.starts_with("HTTP/1.1 200")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

fn binary() -> PathBuf {
    if let Some(named) = std::env::var_os("PORTCULLIS_BIN") {
        return PathBuf::from(named);
    }
    let bench = std::env::current_exe().unwrap();
    let built = bench.ancestors().nth(2).unwrap().join("portcullis");
    assert!(
        built.exists(),
        "{} is not built: cargo build --release -p portcullis",
        built.display()
    );
    built
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_unstable_by(f64::total_cmp);
    *times.get(times.len() / 2).unwrap()
}
