//! HSMs as processes of their own: killed, stopped and cut off between facade and host, they lose
//! nothing that was acknowledged and answer nothing wrong, and serve again within five seconds.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "tests fail loudly; when to break something is a matter of the machine's clock"
)]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use portcullis_sim::check::Invariant;
use portcullis_sim::history::{HistoryEvent, Moment, RecordedAnswer, RecordedRequest};
use portcullis_tests::{Portcullis, binary, eventually};
use serde_json::Value;

use self::observer::{Observer, WorldClient};

mod observer;

/// How soon everything works after whatever was broken is mended (invariant I11).
const RECOVERY: Duration = Duration::from_secs(5);

/// A host: `portcullis hsm serve`. Dropping it kills the process.
struct Host {
    child: Child,
    data: PathBuf,
    log: PathBuf,
    place: HsmRoute,
}

/// Where a host runs.
#[derive(Clone, Default)]
struct HsmRoute {
    namespace: Option<String>,
    listen: Option<String>,
}

impl Host {
    fn start(join: &str, token: Option<&str>, data: &Path, place: HsmRoute) -> Self {
        let mut command = match &place.namespace {
            Some(namespace) => {
                let mut command = Command::new("ip");
                command.args(["netns", "exec", namespace]).arg(binary());
                command
            }
            None => Command::new(binary()),
        };
        command.args(["hsm", "serve", "--join", join, "--data"]);
        command.arg(data);
        if let Some(listen) = &place.listen {
            command.args(["--listen", listen]);
        }
        if let Some(token) = token {
            command.env("PORTCULLIS_HOST_TOKEN", token);
        }
        let log = data.with_extension("log");
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        stdout.read_line(&mut line).unwrap();
        let log_text = || std::fs::read_to_string(&log).unwrap();
        assert!(line.contains("\"host\""), "{line}{}", log_text());
        // Whoever reads no further must not stop the host from writing.
        std::thread::spawn(move || std::io::copy(&mut stdout, &mut std::io::sink()));
        Self {
            child,
            data: data.to_owned(),
            log,
            place,
        }
    }

    fn signal(&self, signal: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args([signal, &id]).status();
        assert!(sent.unwrap().success());
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn terminate(&mut self) {
        self.signal("-TERM");
        let status = eventually("the host ends", || self.child.try_wait().unwrap());
        let log = std::fs::read_to_string(&self.log).unwrap();
        assert!(status.success(), "{log}");
    }

    fn again(&mut self, join: &str) {
        *self = Self::start(join, None, &self.data.clone(), self.place.clone());
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _already_ended = self.child.kill();
        let _status = self.child.wait();
    }
}

/// What `hsm serve` says when it is refused.
fn refused(portcullis: &Portcullis, arguments: &str) -> String {
    let join = portcullis.authority();
    portcullis.shell_fails(&format!("portcullis hsm serve --join {join} {arguments}"))
}

/// A token for a host in this zone.
fn enrol(portcullis: &Portcullis, zone: &str) -> String {
    let line = format!("portcullis hsm enrol --availability-zone {zone}");
    let printed: Value = serde_json::from_str(&portcullis.shell(&line)).unwrap();
    printed["data"]["token"].as_str().unwrap().to_owned()
}

fn hosts(portcullis: &Portcullis) -> Value {
    let printed = portcullis.shell("portcullis hsm hosts --output json");
    serde_json::from_str(&printed).unwrap()
}

fn wait_for_states(portcullis: &Portcullis, wanted: &[&str]) {
    eventually(&format!("the hosts are {wanted:?}"), || {
        let found = hosts(portcullis);
        let states = found.as_array().unwrap().iter().map(|host| &host["state"]);
        states.eq(wanted.iter()).then_some(())
    });
}

/// A cluster with one HSM.
const FIRST_HSM: &str = r#"
SUBNETS=$(portcullis status --output json | python3 -c 'import json,sys; print(*json.load(sys.stdin)["subnets"]["us-east-1"].values())')
CLUSTER=$(aws cloudhsmv2 create-cluster --hsm-type hsm2m.medium --mode FIPS --subnet-ids $SUBNETS --tag-list Key=portcullis:hsms-on,Value=hosts --query Cluster.ClusterId --output text)
until aws cloudhsmv2 describe-clusters --output text | grep -q UNINITIALIZED; do sleep 0.2; done
aws cloudhsmv2 create-hsm --cluster-id $CLUSTER --availability-zone us-east-1a
"#;

/// A cluster in two zones, a key store that uses it, and a key.
const BUILD: &str = r#"
SUBNETS=$(portcullis status --output json | python3 -c 'import json,sys; print(*json.load(sys.stdin)["subnets"]["us-east-1"].values())')
CLUSTER=$(aws cloudhsmv2 create-cluster --hsm-type hsm2m.medium --mode FIPS --subnet-ids $SUBNETS --tag-list Key=portcullis:hsms-on,Value=hosts --query Cluster.ClusterId --output text)
aws cloudhsmv2 create-hsm --cluster-id $CLUSTER --availability-zone us-east-1a
aws cloudhsmv2 describe-clusters --query 'Clusters[0].Certificates.ClusterCsr' --output text > cluster.csr
openssl req -x509 -newkey rsa:2048 -nodes -days 3652 -subj '/CN=Example Root' -keyout ca.key -out ca.crt
openssl x509 -req -days 3652 -in cluster.csr -CA ca.crt -CAkey ca.key -CAcreateserial -out cluster.crt
aws cloudhsmv2 initialize-cluster --cluster-id $CLUSTER --signed-cert file://cluster.crt --trust-anchor file://ca.crt
export CLOUDHSM_CLUSTER_ID=$CLUSTER CLOUDHSM_ROLE=admin CLOUDHSM_PIN=admin:adminPassword1
portcullis cloudhsm-cli cluster activate --password adminPassword1
portcullis cloudhsm-cli user create --username kmsuser --role crypto-user --password kmsPswd1
aws cloudhsmv2 create-hsm --cluster-id $CLUSTER --availability-zone us-east-1b
STORE=$(aws kms create-custom-key-store --custom-key-store-name Hosted --cloud-hsm-cluster-id $CLUSTER --key-store-password kmsPswd1 --trust-anchor-certificate file://ca.crt --query CustomKeyStoreId --output text)
aws kms connect-custom-key-store --custom-key-store-id $STORE
portcullis wait --key-store $STORE --state CONNECTED
aws kms create-key --origin AWS_CLOUDHSM --custom-key-store-id $STORE
"#;

/// Two hosts in two zones, and a key store on them.
fn build(portcullis: &Portcullis, folder: &Path, places: [HsmRoute; 2]) -> [Host; 2] {
    let zones = ["us-east-1a", "us-east-1b"];
    let mut number = 0;
    let hosts = places.map(|place| {
        let token = enrol(portcullis, zones[number]);
        number += 1;
        let data = folder.join(format!("host{number}"));
        Host::start(portcullis.authority(), Some(&token), &data, place)
    });
    wait_for_states(portcullis, &["IDLE", "IDLE"]);
    portcullis.shell(BUILD);
    wait_for_states(portcullis, &["SERVING", "SERVING"]);
    let shown = portcullis.aws("cloudhsmv2 describe-clusters");
    let messages = shown["Clusters"][0]["Hsms"].as_array().unwrap().iter();
    let mut messages: Vec<&str> = messages
        .map(|hsm| hsm["StateMessage"].as_str().unwrap())
        .collect();
    messages.sort_unstable();
    let expected = ["HSM created on host 1.", "HSM created on host 2."];
    assert_eq!(messages, expected);
    hosts
}

/// Takes the key store from its first connection, and what happens from then on.
fn observe(portcullis: &Portcullis) -> Observer {
    portcullis.shell(
        "STORE=$(aws kms describe-custom-key-stores --query CustomKeyStores[0].CustomKeyStoreId --output text); \
         aws kms disconnect-custom-key-store --custom-key-store-id $STORE; \
         portcullis wait --key-store $STORE --state DISCONNECTED",
    );
    Observer::new(portcullis.authority())
}

/// Waits until a key is made, which needs both HSMs, and every kind of operation works.
fn recovered(observer: &Observer, operator: &mut WorldClient<'_>, log: impl Fn() -> String) {
    observer.tell(|at| HistoryEvent::Healed { at });
    let mended = Instant::now();
    let mut works = || {
        operator.connect();
        let Ok(RecordedAnswer::Key(key)) = operator.call(RecordedRequest::CreateKey) else {
            return false;
        };
        (0..8).all(|_| operator.encrypt(key).is_ok())
    };
    while !works() {
        assert!(mended.elapsed() < 4 * RECOVERY, "{}", log());
    }
    eprintln!("works again after {:?}", mended.elapsed());
    observer.tell(|at| HistoryEvent::Well { at });
    observer.tell(|at| HistoryEvent::Calm { at });
    observer.look_for_keys();
}

/// Waits until the control plane misses a host.
fn wait_for_a_loss(portcullis: &Portcullis) {
    eventually("a host is lost", || {
        let found = hosts(portcullis);
        let mut states = found.as_array().unwrap().iter().map(|host| &host["state"]);
        states.any(|state| state == "LOST").then_some(())
    });
}

/// Calls that show how things are at the moment.
const CALLS: usize = 100;

/// Waits until so many calls were made and answered after `since`.
fn wait_for_calls(observer: &Observer, since: Moment) {
    eventually("calls are answered", || {
        (observer.calls(since) >= CALLS).then_some(())
    });
}

/// Breaks and mends under load, with an operator who disconnects and connects the key store before,
/// meanwhile and afterwards. `trouble` breaks, lets that last, and mends.
///
/// No invariant of the simulator is violated, and as long as the operator stays away no call finds
/// the key store unavailable: there is always an HSM that serves.
fn under_load(
    portcullis: &Portcullis,
    observer: &Observer,
    what: &'static str,
    trouble: impl FnOnce(&mut dyn FnMut()),
) {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for number in 0..3 {
            let mut client = observer.client(number);
            let over = &over;
            scope.spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    client.step();
                    std::thread::sleep(Duration::from_millis(2));
                }
            });
        }
        // Whatever fails here ends those who call, too.
        let _ends = Ends(&over);
        let mut operator = observer.client(100);
        operator.cycle();
        // While a host is away no key is made: what is used meanwhile is there before.
        for _ in 0..3 {
            operator.call(RecordedRequest::CreateKey).unwrap();
        }
        observer.look_for_keys();
        wait_for_calls(observer, observer.now());
        let since = observer.now();
        observer.tell(|at| HistoryEvent::FaultBegins { at, what });
        trouble(&mut || {
            wait_for_a_loss(portcullis);
            wait_for_calls(observer, observer.now());
            let failures = observer.failures(since);
            let unavailable = |why: &&String| why.contains("InvalidState");
            assert_eq!(failures.iter().find(unavailable), None, "{what}");
            let until = Instant::now() + Duration::from_secs(3);
            while Instant::now() < until {
                operator.cycle();
            }
        });
        recovered(observer, &mut operator, || portcullis.log());
        operator.cycle();
        observer.look_for_keys();
    });
    observer.open_everything();
    observer.check(what);
}

struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Rules HOST-02, HOST-05, HOST-06 and HOST-07
#[test]
fn hosts_that_are_killed_stopped_and_restarted_lose_nothing_and_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("plane");
    let data = data.to_str().unwrap();
    let arguments = ["--world", "empty", "--data", data];
    let mut portcullis = Portcullis::up(&arguments);
    let mut hosts = build(&portcullis, folder.path(), Default::default());
    let mut observer = observe(&portcullis);

    under_load(&portcullis, &observer, "killed", |last| {
        hosts[0].kill();
        last();
        hosts[0].again(portcullis.authority());
    });
    under_load(&portcullis, &observer, "stopped", |last| {
        hosts[1].signal("-STOP");
        last();
        hosts[1].signal("-CONT");
    });

    // Everything stops, the hosts first, and starts again at another address.
    let what = "all stopped";
    observer.tell(|at| HistoryEvent::FaultBegins { at, what });
    for host in &mut hosts {
        host.terminate();
    }
    wait_for_states(&portcullis, &["LOST", "LOST"]);
    portcullis.terminate();
    portcullis = Portcullis::up(&arguments);
    for host in &mut hosts {
        host.again(portcullis.authority());
    }
    wait_for_states(&portcullis, &["SERVING", "SERVING"]);
    observer.moves_to(portcullis.authority());
    recovered(&observer, &mut observer.client(101), || portcullis.log());
    observer.open_everything();
    observer.check(what);

    // Rule HOST-11
    let said = portcullis.shell_fails("portcullis snapshot save state.snapshot");
    assert!(said.contains("another host"), "{said}");

    // Rule HOST-09: an HSM whose host is gone can be removed, and the host is idle when it is back.
    hosts[1].kill();
    wait_for_states(&portcullis, &["SERVING", "LOST"]);
    portcullis.shell(
        "IFS=$'\\t' read CLUSTER HSM < <(aws cloudhsmv2 describe-clusters --query \
         \"Clusters[0].[ClusterId, Hsms[?AvailabilityZone=='us-east-1b'].HsmId | [0]]\" --output text); \
         aws cloudhsmv2 delete-hsm --cluster-id $CLUSTER --hsm-id $HSM",
    );
    hosts[1].again(portcullis.authority());
    wait_for_states(&portcullis, &["SERVING", "IDLE"]);
    let left = std::fs::read_dir(hosts[1].data.join("hsms"))
        .unwrap()
        .count();
    assert_eq!(left, 0, "the disk of the HSM was wiped");
    observer.look_for_keys();
    observer.open_everything();
    observer.check("removed");
    let found = observer.violations_after_a_lie();
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].invariant, Invariant::I3);
}

/// A network namespace with one end of a cable whose other end is here.
struct Namespace {
    name: String,
    here: String,
    there: String,
}

impl Namespace {
    /// Makes one, or says why this machine cannot.
    fn make() -> Result<Self, String> {
        let number = std::process::id() % 200 + 20;
        let name = format!("portcullis-{number}");
        let (one, other) = (format!("pc{number}a"), format!("pc{number}b"));
        let made = Self {
            here: format!("10.217.{number}.1"),
            there: format!("10.217.{number}.2"),
            name: name.clone(),
        };
        for line in [
            format!("netns add {name}"),
            format!("link add {one} type veth peer name {other} netns {name}"),
            format!("addr add {}/24 dev {one}", made.here),
            format!("link set {one} up"),
            format!("-n {name} addr add {}/24 dev {other}", made.there),
            format!("-n {name} link set {other} up"),
            format!("-n {name} link set lo up"),
        ] {
            ip(&line)?;
        }
        Ok(made)
    }

    fn cable(&self, state: &str) {
        let number = self.name.rsplit('-').next().unwrap();
        ip(&format!("-n {} link set pc{number}b {state}", self.name)).unwrap();
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _best_effort = ip(&format!("netns delete {}", self.name));
    }
}

fn ip(line: &str) -> Result<(), String> {
    let output = Command::new("ip").args(line.split(' ')).output();
    let output = output.map_err(|error| format!("ip: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let why = String::from_utf8_lossy(&output.stderr);
    Err(format!("ip {line}: {}", why.trim()))
}

/// Rules HOST-06 and HOST-07
#[test]
fn a_host_behind_a_cut_cable_loses_nothing_and_comes_back() {
    let namespace = match Namespace::make() {
        Ok(namespace) => namespace,
        Err(why) => {
            eprintln!("SKIPPED: this machine makes no network namespaces ({why})");
            return;
        }
    };
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("plane");
    let data = data.to_str().unwrap();
    let portcullis = Portcullis::up(&[
        "--world",
        "empty",
        "--data",
        data,
        "--bind",
        &namespace.here,
    ]);
    let far = HsmRoute {
        namespace: Some(namespace.name.clone()),
        listen: Some(format!("{}:0", namespace.there)),
    };
    let near = HsmRoute {
        namespace: None,
        listen: Some(format!("{}:0", namespace.here)),
    };
    let _hosts = build(&portcullis, folder.path(), [far, near]);
    let observer = observe(&portcullis);
    for what in ["cut", "cut again"] {
        under_load(&portcullis, &observer, what, |last| {
            namespace.cable("down");
            last();
            namespace.cable("up");
        });
    }
    wait_for_states(&portcullis, &["SERVING", "SERVING"]);
}

/// Rules HOST-01 to HOST-04
#[test]
fn who_was_not_invited_is_refused_and_told_why() {
    let portcullis = Portcullis::up(&["--world", "empty", "--ephemeral"]);
    let folder = tempfile::tempdir().unwrap();
    let data = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let said = portcullis.shell_fails("portcullis hsm enrol --availability-zone us-east-1x");
    assert!(said.contains("no Availability Zone"), "{said}");

    let token = enrol(&portcullis, "us-east-1a");
    let said = refused(&portcullis, &format!("--data {}", data("none")));
    assert!(said.contains("has no token"), "{said}");
    let said = refused(
        &portcullis,
        &format!("--token {}x --data {}", token, data("bad")),
    );
    assert!(said.contains("no enrolment token"), "{said}");

    let mut parts: Vec<String> = token.split('.').map(str::to_owned).collect();
    let wrong = |at: usize, parts: &[String]| {
        let mut changed = parts.to_vec();
        changed[at] = "0".repeat(64);
        changed.join(".")
    };
    let arguments = format!("--token {} --data {}", wrong(2, &parts), data("secret"));
    assert!(refused(&portcullis, &arguments).contains("secret of the token"));
    let arguments = format!(
        "--token {} --data {}",
        wrong(3, &parts),
        data("fingerprint")
    );
    assert!(refused(&portcullis, &arguments).contains("another certificate"));
    "7".clone_into(&mut parts[1]);
    let arguments = format!("--token {} --data {}", parts.join("."), data("number"));
    assert!(refused(&portcullis, &arguments).contains("not the one that host 7"));

    let mut host = Host::start(
        portcullis.authority(),
        Some(&token),
        Path::new(&data("first")),
        HsmRoute::default(),
    );
    let arguments = format!("--token {token} --data {}", data("second"));
    assert!(refused(&portcullis, &arguments).contains("has been used"));
    host.terminate();
    host.again(portcullis.authority());

    let late = enrol(&portcullis, "us-east-1b");
    portcullis.shell("portcullis clock advance 2h");
    let arguments = format!("--token {late} --data {}", data("late"));
    assert!(refused(&portcullis, &arguments).contains("has expired"));
    wait_for_states(&portcullis, &["IDLE", "EXPIRED"]);

    let said = refused(
        &portcullis,
        &format!("--data {} --listen 0.0.0.0:0", data("x")),
    );
    assert!(said.contains("--listen"), "{said}");
    let folder_of_host = data("first");
    host.terminate();
    let said = portcullis.shell_fails(&format!("portcullis up --port 0 --data {folder_of_host}"));
    assert!(said.contains("that of a host"), "{said}");
}

/// Rule HOST-12
#[test]
fn a_fault_inside_an_hsm_does_not_reach_another_host() {
    let portcullis = Portcullis::up(&["--world", "empty", "--ephemeral"]);
    let folder = tempfile::tempdir().unwrap();
    let token = enrol(&portcullis, "us-east-1a");
    let data = folder.path().join("host");
    let join = portcullis.authority();
    let _host = Host::start(join, Some(&token), &data, HsmRoute::default());
    wait_for_states(&portcullis, &["IDLE"]);
    portcullis.shell(FIRST_HSM);
    wait_for_states(&portcullis, &["SERVING"]);
    for kind in ["corrupt-disk", "lock-kmsuser"] {
        let line = format!("portcullis chaos inject {kind} --zone us-east-1a");
        let said = portcullis.shell_fails(&line);
        assert!(said.contains("on another host"), "{kind}: {said}");
    }
    let hsm = hosts(&portcullis)[0]["hsm"].as_str().unwrap().to_owned();
    portcullis.shell(&format!("portcullis hsm crash {hsm}"));
    wait_for_states(&portcullis, &["DOWN"]);
    portcullis.shell(&format!("portcullis hsm restart {hsm}"));
    wait_for_states(&portcullis, &["SERVING"]);
}

/// Rules HOST-15 and HOST-16. Any host that had been let in once took the next HSM of its zone, with
/// the device key beside it.
#[test]
fn a_host_gets_an_hsm_only_where_hosts_were_asked_for() {
    const UNTAGGED: &str = "SUBNETS=$(portcullis status --output json | python3 -c 'import json,sys; \
        print(*json.load(sys.stdin)[\"subnets\"][\"us-east-1\"].values())'); \
        CLUSTER=$(aws cloudhsmv2 create-cluster --hsm-type hsm2m.medium --mode FIPS --subnet-ids \
        $SUBNETS --query Cluster.ClusterId --output text); ";
    const TAG: &str = "aws cloudhsmv2 tag-resource --resource-id $CLUSTER --tag-list \
        Key=portcullis:hsms-on,Value";
    const CREATE: &str = "aws cloudhsmv2 create-hsm --cluster-id $CLUSTER --availability-zone";
    let portcullis = Portcullis::up(&["--world", "empty", "--ephemeral"]);
    let folder = tempfile::tempdir().unwrap();
    let token = enrol(&portcullis, "us-east-1a");
    let data = folder.path().join("host");
    let _host = Host::start(
        portcullis.authority(),
        Some(&token),
        &data,
        HsmRoute::default(),
    );
    wait_for_states(&portcullis, &["IDLE"]);

    portcullis.shell(&format!("{UNTAGGED}{CREATE} us-east-1a"));
    portcullis.shell(&format!("{UNTAGGED}{TAG}=process; {CREATE} us-east-1a"));
    wait_for_states(&portcullis, &["IDLE"]);
    let said = portcullis.shell_fails(&format!("{UNTAGGED}{TAG}=hosts; {CREATE} us-east-1b"));
    assert!(said.contains("CloudHsmInvalidRequestException"), "{said}");
    assert!(
        said.contains("hsm enrol --availability-zone us-east-1b"),
        "{said}"
    );
    let said = portcullis.shell_fails(&format!("{UNTAGGED}{TAG}=somewhere"));
    assert!(said.contains("CloudHsmTagException"), "{said}");
    portcullis.shell(&format!("{UNTAGGED}{TAG}=hosts; {CREATE} us-east-1a"));
    wait_for_states(&portcullis, &["SERVING"]);

    // What was asked for at the start is a wish: without a host it is made here.
    let wishing = ["--world", "empty", "--ephemeral", "--hsms-on", "hosts"];
    let portcullis = Portcullis::up(&wishing);
    let token = enrol(&portcullis, "us-east-1a");
    let data = folder.path().join("other");
    let _other = Host::start(
        portcullis.authority(),
        Some(&token),
        &data,
        HsmRoute::default(),
    );
    wait_for_states(&portcullis, &["IDLE"]);
    portcullis.shell(&format!("{UNTAGGED}{CREATE} us-east-1b"));
    wait_for_states(&portcullis, &["IDLE"]);
    portcullis.shell(&format!("{UNTAGGED}{CREATE} us-east-1a"));
    wait_for_states(&portcullis, &["SERVING"]);
}

/// Rule HOST-08
#[test]
fn an_hsm_whose_host_is_lost_before_it_is_made_is_made_elsewhere_and_says_so() {
    let world = [
        "--world",
        "empty",
        "--ephemeral",
        "--state-changes",
        "after:3",
    ];
    let portcullis = Portcullis::up(&world);
    let folder = tempfile::tempdir().unwrap();
    let token = enrol(&portcullis, "us-east-1a");
    let data = folder.path().join("host");
    let join = portcullis.authority();
    let mut host = Host::start(join, Some(&token), &data, HsmRoute::default());
    wait_for_states(&portcullis, &["IDLE"]);
    portcullis.shell(FIRST_HSM);
    host.kill();
    let message = eventually("the HSM is made", || {
        let shown = portcullis.aws("cloudhsmv2 describe-clusters");
        let hsm = &shown["Clusters"][0]["Hsms"][0];
        let message = hsm["StateMessage"].as_str()?;
        (hsm["State"] == "ACTIVE").then(|| message.to_owned())
    });
    assert!(message.contains("host 1 was lost"), "{message}");
    host.again(portcullis.authority());
    wait_for_states(&portcullis, &["IDLE"]);
}

/// Makes an HSM in the place of the one that went with its host. No other host waits, so that one is
/// made in the control plane's process.
const REPLACE: &str = r#"
IFS=$'\t' read CLUSTER HSM < <(aws cloudhsmv2 describe-clusters --query "Clusters[0].[ClusterId, Hsms[?State=='DEGRADED'].HsmId | [0]]" --output text)
aws cloudhsmv2 delete-hsm --cluster-id $CLUSTER --hsm-id $HSM
aws cloudhsmv2 tag-resource --resource-id $CLUSTER --tag-list Key=portcullis:hsms-on,Value=process
aws cloudhsmv2 create-hsm --cluster-id $CLUSTER --availability-zone us-east-1b
"#;

const CREATE_KEY: &str = "aws kms create-key --origin AWS_CLOUDHSM --custom-key-store-id \
                          $(aws kms describe-custom-key-stores --output text \
                          --query CustomKeyStores[0].CustomKeyStoreId)";
const ENCRYPT: &str = "aws kms encrypt --plaintext aGVsbG8= --key-id \
                       $(aws kms list-keys --output text --query Keys[0].KeyId)";

fn works(portcullis: &Portcullis, line: &str) {
    eventually(line, || {
        portcullis.try_shell(line).status.success().then_some(())
    });
}

/// What a host says last, and its exit code.
fn end_of(host: &mut Host) -> (Option<i32>, String) {
    let status = eventually("the host ends", || host.child.try_wait().unwrap());
    (status.code(), std::fs::read_to_string(&host.log).unwrap())
}

/// Rules HOST-13 and HOST-14
#[test]
fn a_revoked_host_stays_out_and_the_others_outlive_a_reset() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("plane");
    let arguments = ["--world", "empty", "--data", data.to_str().unwrap()];
    let mut portcullis = Portcullis::up(&arguments);
    let mut hosts = build(&portcullis, folder.path(), Default::default());
    let said = portcullis.shell_fails("portcullis hsm revoke 7");
    assert!(said.contains("no host 7"), "{said}");
    let told: Value = serde_json::from_str(&portcullis.shell("portcullis hsm revoke 2")).unwrap();
    assert_eq!(told["data"]["state"], "REVOKED", "{told}");
    assert!(told["data"]["hsm"].is_string(), "{told}");
    let (code, said) = end_of(&mut hosts[1]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("host 2 was revoked"), "{said}");

    let check = |portcullis: &Portcullis| {
        wait_for_states(portcullis, &["SERVING", "REVOKED"]);
        let shown = portcullis.aws("cloudhsmv2 describe-clusters");
        let hsms = shown["Clusters"][0]["Hsms"].as_array().unwrap();
        let revoked = hsms.iter().find(|hsm| hsm["State"] == "DEGRADED").unwrap();
        let message = revoked["StateMessage"].as_str().unwrap();
        assert!(message.contains("Host 2, on which it ran, was revoked"));
        works(portcullis, ENCRYPT);
        // One HSM is left.
        portcullis.shell_fails(CREATE_KEY);
    };
    check(&portcullis);
    portcullis.kill();
    portcullis = Portcullis::up(&arguments);
    let join = portcullis.authority().to_owned();
    hosts[0].terminate();
    hosts[0].again(&join);
    check(&portcullis);
    let again = format!("--data {}", hosts[1].data.display());
    let said = refused(&portcullis, &again);
    assert!(said.contains("host 2 was revoked"), "{said}");
    portcullis.shell(REPLACE);
    works(&portcullis, CREATE_KEY);

    // A new world: the host that is left wipes its HSM and is given another one.
    let reset = format!(
        "curl -sf -X POST -H 'content-type: application/json' -d '{{}}' {}/_portcullis/reset",
        portcullis.endpoint()
    );
    portcullis.shell(&reset);
    eventually("the host waits in the new world", || {
        let listed = portcullis.try_shell("portcullis hsm hosts --output json");
        let listed: Value = serde_json::from_slice(&listed.stdout).ok()?;
        let states: Vec<&Value> = listed.as_array()?.iter().map(|it| &it["state"]).collect();
        (states == ["IDLE", "REVOKED"]).then_some(())
    });
    let disks = std::fs::read_dir(hosts[0].data.join("hsms")).unwrap();
    assert_eq!(disks.count(), 0, "the disk of the HSM was wiped");
    portcullis.shell(FIRST_HSM);
    wait_for_states(&portcullis, &["SERVING", "REVOKED"]);
}
