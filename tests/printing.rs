//! Every command whose reader goes away or whose output finds no room ends in an orderly way.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "tests fail loudly"
)]

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

use portcullis_tests::{Portcullis, binary};
use serde_json::Value;

/// What is run of each command. `{cluster}`, `{hsm}` and `{folder}` stand for what there is, `{new}`
/// for a path where nothing is, `{fault}` for a fault made for this run. An answer that is a refusal
/// is as good as another: it is printed.
const LINES: &[&str] = &[
    "env",
    "status --output json",
    "clock show",
    "clock advance 1s",
    "clock set-scale 1",
    "clock set-state-changes immediate",
    "hsm list",
    "hsm crash {hsm}",
    "hsm restart {hsm}",
    "hsm enrol",
    "hsm hosts",
    "hsm revoke 99",
    "chaos list",
    "chaos clear",
    "chaos inject slow --hsm {hsm} --delay 1ms",
    "chaos undo {fault}",
    "snapshot save {new}",
    "snapshot load {folder}/snapshot --data {new}",
    "cloudhsm-cli cluster activate --password hidden-password-1",
    "cloudhsm-cli cluster hsm-info",
    "cloudhsm-cli login --username nobody --role admin --password hidden-password-1",
    "cloudhsm-cli logout",
    "cloudhsm-cli user create --username one --role admin --password hidden-password-1",
    "cloudhsm-cli user change-password --username one --role admin --password hidden-password-1",
    "cloudhsm-cli user list",
    "cloudhsm-cli user delete --username one --role admin",
    "cloudhsm-cli key list",
    "cloudhsm-cli key delete --filter attr.label=one",
    "cloudhsm-cli key generate-symmetric aes --label one --key-length-bytes 32",
    "cloudhsm-cli key share --filter attr.label=one --username one --role crypto-user",
    "cloudhsm-cli key unshare --filter attr.label=one --username one --role crypto-user",
    "cloudhsm-cli key set-attribute --filter attr.label=one --name encrypt --value false",
    "cloudhsm-cli key wrap aes-gcm --payload-filter attr.label=one --wrapping-filter \
     attr.label=one --tag-length-bits 128",
    "cloudhsm-cli key wrap aes-no-pad --payload-filter attr.label=one --wrapping-filter \
     attr.label=one",
    "cloudhsm-cli key wrap aes-pkcs5-pad --payload-filter attr.label=one --wrapping-filter \
     attr.label=one",
    "cloudhsm-cli key wrap aes-zero-pad --payload-filter attr.label=one --wrapping-filter \
     attr.label=one",
    "cloudhsm-cli key wrap cloudhsm-aes-gcm --payload-filter attr.label=one --wrapping-filter \
     attr.label=one --tag-length-bits 128",
    "cloudhsm-cli key unwrap aes-gcm --filter attr.label=one --key-type-class aes --label two \
     --data AAAA --tag-length-bits 128 --iv 0x00",
    "cloudhsm-cli key unwrap aes-no-pad --filter attr.label=one --key-type-class aes --label two \
     --data AAAA",
    "cloudhsm-cli key unwrap aes-pkcs5-pad --filter attr.label=one --key-type-class aes --label \
     two --data AAAA",
    "cloudhsm-cli key unwrap aes-zero-pad --filter attr.label=one --key-type-class aes --label \
     two --data AAAA",
    "cloudhsm-cli key unwrap cloudhsm-aes-gcm --filter attr.label=one --key-type-class aes \
     --label two --data AAAA --tag-length-bits 128",
    "cloudhsm-cli key replicate --filter attr.label=one --source-cluster-id {cluster} \
     --destination-cluster-id {cluster}",
    "cloudhsm-cli interactive",
    "load run --rate 20/s --duration 200ms",
    "load report {folder}/run",
    "load compare {folder}/run {folder}/run",
    "completions bash",
];

/// Commands that are not run here, and why.
const LEFT_OUT: &[(&str, &str)] = &[
    ("up", "a server: tests/output.rs"),
    ("hsm serve", "a server: tests/output.rs"),
    ("wait", "prints nothing"),
    ("attest", "prints nothing"),
    (
        "chaos run",
        "a rehearsal takes its time, and prints as load run does",
    ),
];

/// Every command below `path` that has no commands of its own, and every one that has.
fn commands(path: &[String]) -> Vec<Vec<String>> {
    let help = Command::new(binary())
        .args(path)
        .arg("--help")
        .output()
        .unwrap();
    assert!(help.status.success(), "{path:?} --help");
    let help = String::from_utf8(help.stdout).unwrap();
    let mut found = vec![path.to_vec()];
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    for line in listed.take_while(|line| !line.is_empty()) {
        let entry = line
            .strip_prefix("  ")
            .filter(|entry| !entry.starts_with(' '));
        let name = entry.and_then(|entry| entry.split_whitespace().next());
        if let Some(name) = name.filter(|name| *name != "help") {
            found.extend(commands(&[path, &[name.to_owned()]].concat()));
        }
    }
    found
}

/// Where a command's stdout goes.
#[derive(Debug, Clone, Copy)]
enum Stdout {
    Read,
    /// A pipe whose reader has gone away.
    Closed,
    /// A device without room.
    Full,
}

struct Ended {
    status: ExitStatus,
    stdout: String,
    stderr: String,
}

fn run(command: &mut Command, stdout: Stdout) -> Ended {
    let stdio = match stdout {
        Stdout::Read => Stdio::piped(),
        Stdout::Closed => std::io::pipe().unwrap().1.into(),
        Stdout::Full => OpenOptions::new()
            .write(true)
            .open("/dev/full")
            .unwrap()
            .into(),
    };
    let output = command
        .stdout(stdio)
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    // The other end of a closed pipe goes with the command that holds it.
    Ended {
        status: output.status,
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Rules OUT-03 and OUT-04: runs a command three times, and says what is wrong.
fn judge(line: &str, make: impl Fn() -> Command) -> Vec<String> {
    let [read, closed, full] =
        [Stdout::Read, Stdout::Closed, Stdout::Full].map(|stdout| run(&mut make(), stdout));
    let mut wrong = Vec::new();
    let mut expect = |holds: bool, what: &str, ended: &Ended| {
        if !holds {
            wrong.push(format!(
                "{line}: {what}: {}: {}",
                ended.status, ended.stderr
            ));
        }
    };
    expect(!read.stdout.is_empty(), "it prints nothing", &read);
    // What was answered the first time may be refused the second.
    let answered = matches!(closed.status.code(), Some(0 | 1));
    expect(answered, "with a closed pipe", &closed);
    let quiet = closed.stderr.is_empty() || !read.stderr.is_empty();
    expect(quiet, "with a closed pipe it is not quiet", &closed);
    expect(full.status.code() == Some(2), "with a full disk", &full);
    let told = full.stderr.contains("could not be written to stdout");
    expect(told, "with a full disk it does not say so", &full);
    wrong
}

struct World {
    portcullis: Portcullis,
    cluster: String,
    hsm: String,
}

impl World {
    fn new() -> Self {
        let portcullis = Portcullis::up(&["--ephemeral"]);
        let status: Value =
            serde_json::from_str(&portcullis.shell("portcullis status --output json")).unwrap();
        let cluster = &status["clusters"][0];
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let (cluster, hsm) = (text(&cluster["id"]), text(&cluster["hsms"][0]["id"]));
        std::fs::write(portcullis.home().join("typed"), "cluster hsm-info\nquit\n").unwrap();
        portcullis.shell("portcullis snapshot save snapshot");
        portcullis.shell("portcullis load run --rate 20/s --duration 200ms --out run");
        Self {
            portcullis,
            cluster,
            hsm,
        }
    }

    /// A fault of its own, to be undone.
    fn fault(&self) -> String {
        let inject = format!(
            "portcullis chaos inject slow --hsm {} --delay 1ms",
            self.hsm
        );
        let made: Value = serde_json::from_str(&self.portcullis.shell(&inject)).unwrap();
        made["id"].as_str().unwrap().to_owned()
    }

    fn command(&self, line: &str) -> Command {
        let folder = self.portcullis.home();
        let new = tempfile::tempdir_in(folder).unwrap().keep().join("new");
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        let line = line
            .replace("{cluster}", &self.cluster)
            .replace("{hsm}", &self.hsm)
            .replace("{folder}", &text(folder))
            .replace("{new}", &text(&new));
        let line = if line.contains("{fault}") {
            line.replace("{fault}", &self.fault())
        } else {
            line
        };
        let mut command = self.portcullis.client(binary().to_str().unwrap());
        command.args(line.split(' ')).stdin(Stdio::null());
        if line.starts_with("cloudhsm-cli") {
            command.args(["--cluster-id", &self.cluster]);
        }
        if line == "cloudhsm-cli interactive" {
            command.stdin(File::open(folder.join("typed")).unwrap());
        }
        command
    }
}

/// Shares `work` out to a few threads and collects what they find.
fn in_parallel<T: Sync>(work: &[T], find: impl Fn(&T) -> Vec<String> + Sync) -> Vec<String> {
    let part = work.len().div_ceil(4);
    std::thread::scope(|scope| {
        let find = &find;
        let parts: Vec<_> = work
            .chunks(part)
            .map(|part| scope.spawn(move || part.iter().flat_map(find).collect::<Vec<_>>()))
            .collect();
        let found = parts.into_iter().map(|part| part.join().unwrap());
        found.flatten().collect()
    })
}

/// Once `portcullis status --output json | true` ended in a panic, as did every command that prints:
/// `println!` panics when stdout takes nothing.
#[test]
fn a_command_bears_a_reader_that_leaves_and_says_when_its_output_finds_no_room() {
    let all = commands(&[]);
    let leaves = all.iter().filter(|path| {
        let has_more = |other: &&Vec<String>| other.len() > path.len() && other.starts_with(path);
        !all.iter().any(|other| has_more(&other))
    });
    let listed = LINES.iter().copied();
    let listed: Vec<&str> = listed
        .chain(LEFT_OUT.iter().map(|(name, _)| *name))
        .collect();
    let missing: BTreeSet<String> = leaves
        .map(|path| path.join(" "))
        .filter(|path| {
            !listed
                .iter()
                .any(|line| format!("{line} ").starts_with(&format!("{path} ")))
        })
        .collect();
    assert!(
        missing.is_empty(),
        "commands that are not tried: {missing:?}"
    );

    let world = World::new();
    let mut wrong = in_parallel(LINES, |line| judge(line, || world.command(line)));
    wrong.extend(in_parallel(&all, |path| {
        judge(&format!("{} --help", path.join(" ")), || {
            let mut command = Command::new(binary());
            command.args(path).arg("--help");
            command
        })
    }));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
