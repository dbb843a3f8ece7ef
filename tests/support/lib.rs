//! What the black-box tests share: the real binary on a port of its own, and real clients.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::missing_panics_doc,
    reason = "the support of tests fails loudly, and waits on the machine's own clock"
)]

mod caller;
mod http;

pub use caller::{Caller, Outcome};
pub use http::{HttpReply, http};

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// How long anything that a test waits for may take, on a busy machine.
pub const DEADLINE: Duration = Duration::from_secs(60);

static ROOT: LazyLock<PathBuf> = LazyLock::new(|| {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_path_buf()
});

/// The root of the tree.
#[must_use]
pub fn root() -> &'static Path {
    &ROOT
}

/// The binary under test, built by the profile of the tests unless `PORTCULLIS_BIN` names one.
static BINARY: LazyLock<PathBuf> = LazyLock::new(|| {
    if let Some(named) = std::env::var_os("PORTCULLIS_BIN") {
        return PathBuf::from(named);
    }
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--locked", "--package", "portcullis"])
        .current_dir(root())
        .status()
        .expect("cargo runs");
    assert!(built.success(), "portcullis does not build");
    let test = std::env::current_exe().unwrap();
    test.ancestors().nth(2).unwrap().join("portcullis")
});

/// The binary under test.
#[must_use]
pub fn binary() -> &'static Path {
    &BINARY
}

/// A running Portcullis. Dropping it kills the process.
#[derive(Debug)]
pub struct Portcullis {
    child: Child,
    /// What it printed when it was ready.
    pub ready: Value,
    home: TempDir,
}

impl Portcullis {
    /// Starts `portcullis up --port 0` with `arguments` and waits until it is ready.
    #[must_use]
    pub fn up(arguments: &[&str]) -> Self {
        Self::up_with(arguments, &[])
    }

    /// The same, with these variables in its environment.
    #[must_use]
    pub fn up_with(arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let home = tempfile::tempdir().unwrap();
        let mut child = Command::new(binary())
            .args(["up", "--port", "0"])
            .args(arguments)
            .env("HOME", home.path())
            .env("XDG_RUNTIME_DIR", home.path())
            .env_remove("XDG_DATA_HOME")
            .envs(environment.iter().copied())
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(home.path().join("log")).unwrap())
            .spawn()
            .expect("portcullis starts");
        let mut line = String::new();
        let read = BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        if read == 0 {
            let ended = child.wait().unwrap();
            let log = std::fs::read_to_string(home.path().join("log")).unwrap();
            panic!("portcullis ended before it was ready ({ended}):\n{log}");
        }
        let ready = serde_json::from_str(&line).expect("one JSON line when ready");
        Self { child, ready, home }
    }

    /// The endpoint, e.g. `http://127.0.0.1:41234`.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        self.ready
            .get("endpoint")
            .and_then(Value::as_str)
            .expect("an endpoint")
    }

    /// The URL of the admin API: the endpoint, or an address of its own.
    #[must_use]
    pub fn admin(&self) -> &str {
        let own = self.ready.get("admin").and_then(Value::as_str);
        own.unwrap_or_else(|| self.endpoint())
    }

    /// `host:port` of the endpoint.
    #[must_use]
    pub fn authority(&self) -> &str {
        self.endpoint().split("//").nth(1).unwrap()
    }

    /// A folder of this instance's own, removed at the end.
    #[must_use]
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// What it has logged so far.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.home.path().join("log")).unwrap()
    }

    /// A command whose environment points AWS clients at this instance.
    #[must_use]
    pub fn client(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .env("AWS_ENDPOINT_URL", self.endpoint())
            .env("PORTCULLIS_ADMIN_URL", self.admin())
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .env("AWS_REGION", "us-east-1")
            .env("AWS_DEFAULT_REGION", "us-east-1")
            .env("AWS_PAGER", "")
            .env("AWS_MAX_ATTEMPTS", "1")
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("XDG_RUNTIME_DIR", self.home.path())
            .env("HOME", self.home.path())
            .current_dir(self.home.path());
        let venv = root().join(".venv/bin");
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{}:{path}", venv.display()));
        command
    }

    /// Runs `line` in a shell as a user would type it, and expects it to succeed.
    pub fn shell(&self, line: &str) -> String {
        let output = self.try_shell(line);
        assert!(
            output.status.success(),
            "$ {line}\n{}{}\n-- log --\n{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
            self.log()
        );
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs `line` in a shell as a user would type it. `portcullis` is the binary under test.
    #[must_use]
    pub fn try_shell(&self, line: &str) -> Output {
        let folder = binary().parent().unwrap();
        let script = format!("set -euo pipefail; PATH={}:$PATH; {line}", folder.display());
        self.client("bash")
            .args(["-c", &script])
            .output()
            .expect("bash runs")
    }

    /// Runs `line`, expects it to fail, and gives what it wrote to stderr.
    pub fn shell_fails(&self, line: &str) -> String {
        let output = self.try_shell(line);
        assert!(!output.status.success(), "$ {line}\nsucceeded unexpectedly");
        format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        )
    }

    /// Runs a Python script of `tests/clients` with boto3 at hand, and expects it to succeed.
    pub fn python(&self, script: &str, arguments: &[&str]) -> String {
        let path = root().join("tests/clients").join(script);
        let output = self
            .client("python3")
            .arg(&path)
            .args(arguments)
            .output()
            .expect("python3 runs");
        assert!(
            output.status.success(),
            "{script}\n{}{}\n-- log --\n{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
            self.log()
        );
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs an AWS CLI command line and reads its JSON.
    #[must_use]
    pub fn aws(&self, line: &str) -> Value {
        let printed = self.shell(&format!("aws --output json {line}"));
        if printed.trim().is_empty() {
            Value::Null
        } else {
            serde_json::from_str(&printed).unwrap()
        }
    }

    /// Sends SIGTERM and waits for the end.
    pub fn terminate(&mut self) -> ExitStatus {
        self.signal("-TERM");
        self.wait()
    }

    /// Sends SIGKILL and waits for the end.
    pub fn kill(&mut self) -> ExitStatus {
        self.signal("-KILL");
        self.wait()
    }

    /// Sends a signal, for example `-TERM`, and does not wait.
    pub fn signal(&self, signal: &str) {
        let sent = Command::new("kill")
            .args([signal, &self.child.id().to_string()])
            .status();
        assert!(sent.unwrap().success(), "the process has ended already");
    }

    /// Waits for the end.
    pub fn wait(&mut self) -> ExitStatus {
        eventually("the process ends", || self.child.try_wait().unwrap())
    }
}

impl Drop for Portcullis {
    fn drop(&mut self) {
        let _already_ended = self.child.kill();
        let _status = self.child.wait();
    }
}

/// Asks `look` until it gives something, with a deadline.
pub fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(
            started.elapsed() < DEADLINE,
            "{what}: not within {DEADLINE:?}"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The block of `document` that follows `<!-- MARK -->`, in this language.
#[must_use]
pub fn block(document: &str, mark: &str, language: &str) -> String {
    let text = std::fs::read_to_string(root().join(document)).unwrap();
    let marker = format!("<!-- {mark} -->\n```{language}\n");
    let rest = text.split(&*marker).nth(1);
    let block = rest.and_then(|rest| rest.split("```").next());
    block
        .unwrap_or_else(|| panic!("{document} has no {language} block {mark}"))
        .to_owned()
}

/// A Portcullis whose world is that block of a document; the folder holds its file.
#[must_use]
pub fn up_as_documented(document: &str, mark: &str, arguments: &[&str]) -> (Portcullis, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("world.toml");
    std::fs::write(&file, block(document, mark, "toml")).unwrap();
    let world = ["--world", file.to_str().unwrap(), "--ephemeral"];
    let portcullis = Portcullis::up(&[&world[..], arguments].concat());
    (portcullis, folder)
}

/// Every byte of every file below `folder`.
#[must_use]
pub fn all_bytes_below(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(all_bytes_below(&path));
        } else {
            let mut bytes = Vec::new();
            std::fs::File::open(&path)
                .unwrap()
                .read_to_end(&mut bytes)
                .unwrap();
            found.push((path, bytes));
        }
    }
    found
}
