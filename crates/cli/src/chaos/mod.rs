//! `portcullis chaos`: faults of a running Portcullis, and rehearsals of the repair.

mod script;

use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use portcullis_loadgen::{Credentials, RehearseArguments, parse_duration};
use serde_json::{Map, Value};

use crate::args::{Endpoint, Output};
use crate::client::{Client, ClientError};
use crate::print;

/// `portcullis chaos`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  portcullis chaos inject hang --hsm hsm-abcdefghijk --for 30s
  portcullis chaos inject partition --zone us-east-1a --direction from-hsm
  portcullis chaos inject lose --cluster cluster-abcdefghijk --percent 20
  portcullis chaos list
  portcullis chaos undo fault-1
  portcullis chaos clear
  portcullis chaos run substitution")]
pub(crate) struct Chaos {
    #[command(flatten)]
    endpoint: Endpoint,
    #[command(subcommand)]
    command: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List the faults that are not undone
    List {
        /// table or json
        #[arg(long, value_enum, default_value_t = Output::Table)]
        output: Output,
    },
    /// Break something
    Inject(Order),
    /// Undo one fault
    Undo {
        /// Its ID, as `list` shows it
        id: String,
    },
    /// Undo every fault
    Clear,
    /// Destroy a key store's cluster under load, repair the key store from a backup, and report
    Run(Run),
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  portcullis chaos run substitution
  portcullis chaos run my-rehearsal.toml --output json

Exit codes: 0 fine; 1 a threshold missed, a gate leak or a wrong plaintext; 2 not carried out.")]
struct Run {
    /// substitution, the path of a TOML file, or - for standard input
    script: String,
    /// Who calls.
    #[command(flatten)]
    credentials: Credentials,
    /// table or json
    #[arg(long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

/// The faults there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// HSMs go down as in a power cut; undone by a restart from their disks
    Crash,
    /// HSMs take what comes and never answer
    Hang,
    /// HSMs answer late (--delay)
    Slow,
    /// HSMs show DEGRADED and serve nothing
    Degrade,
    /// The disks of HSMs take no more writes
    FillDisk,
    /// The disks of HSMs are damaged, and the HSMs down
    CorruptDisk,
    /// Links to HSMs are cut (--direction)
    Partition,
    /// Messages are late (--delay, --direction)
    Delay,
    /// Messages get lost (--percent, --direction)
    Lose,
    /// kmsuser is locked out by wrong passwords
    LockKmsuser,
    /// kmsuser has a password that nobody knows
    ChangeKmsuserPassword,
    /// kmsuser is gone
    RemoveKmsuser,
    /// The cluster vanishes with its HSMs; its backups stay
    DeleteCluster,
    /// A subnet of the cluster is gone
    DeleteSubnet,
    /// A subnet of the cluster has no free address
    FillSubnet,
    /// The cluster's security group lets nothing through
    CloseSecurityGroup,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Direction {
    /// Requests never arrive
    ToHsm,
    /// Requests are carried out, and no answer comes
    FromHsm,
    /// Neither passes
    Both,
}

#[derive(Debug, Args)]
struct Order {
    /// What to break
    #[arg(value_enum)]
    kind: Kind,
    /// Of this cluster
    #[arg(long, value_name = "ID")]
    cluster: Option<String>,
    /// In this Availability Zone
    #[arg(long)]
    zone: Option<String>,
    /// This HSM
    #[arg(long, value_name = "ID")]
    hsm: Option<String>,
    /// Which messages, for partition, delay and lose [default: both]
    #[arg(long, value_enum)]
    direction: Option<Direction>,
    /// How late, for slow and delay: 200ms, 3s
    #[arg(long, value_parser = parse_duration)]
    delay: Option<Duration>,
    /// How many of a hundred messages, for lose
    #[arg(long)]
    percent: Option<u8>,
    /// After how long it is undone by itself: 30s, 5m
    #[arg(long = "for", value_name = "DURATION", value_parser = parse_duration)]
    lasts: Option<Duration>,
    /// The account the cluster belongs to
    #[arg(long)]
    account: Option<String>,
    /// The Region the cluster is in
    #[arg(long, env = "AWS_REGION")]
    region: Option<String>,
}

/// Runs the verb; exit code 1 when Portcullis refuses it, or when a rehearsal went badly.
pub(crate) fn run(arguments: Chaos) -> Result<ExitCode, ClientError> {
    if let Verb::Run(run) = arguments.command {
        return rehearse(run, arguments.endpoint);
    }
    crate::wait_for(ask(arguments))
}

async fn ask(arguments: Chaos) -> Result<ExitCode, ClientError> {
    let client = Client::new(&arguments.endpoint.url)?;
    let reply = match &arguments.command {
        Verb::Inject(order) => client.post(&order.path(), &body(order)).await?,
        Verb::Undo { id } => client.delete(&format!("{PATH}/{id}")).await?,
        Verb::Clear => client.delete(PATH).await?,
        Verb::List { .. } | Verb::Run(_) => client.get(PATH).await?,
    };
    let data = reply.get("data").unwrap_or(&Value::Null);
    if reply.get("error_code").and_then(Value::as_i64) != Some(0) {
        print::note(
            data.as_str()
                .unwrap_or("Portcullis refused it without a reason."),
        );
        return Ok(ExitCode::FAILURE);
    }
    if matches!(arguments.command, Verb::List { output } if output == Output::Table) {
        print::table(&rows(data));
    } else {
        print::json_pretty(data);
    }
    Ok(ExitCode::SUCCESS)
}

fn rehearse(run: Run, endpoint: Endpoint) -> Result<ExitCode, ClientError> {
    let script = script::find(&run.script)?;
    let arguments = RehearseArguments {
        endpoint: endpoint.url,
        credentials: run.credentials,
        output: match run.output {
            Output::Table => portcullis_loadgen::Output::Table,
            Output::Json => portcullis_loadgen::Output::Json,
        },
    };
    Ok(portcullis_loadgen::rehearse(&script, &arguments))
}

const PATH: &str = "/_portcullis/chaos";

impl Order {
    fn path(&self) -> String {
        let named = [("account", &self.account), ("region", &self.region)];
        let query: Vec<String> = named
            .iter()
            .filter_map(|(name, value)| Some(format!("{name}={}", value.as_ref()?)))
            .collect();
        format!("{PATH}?{}", query.join("&"))
    }
}

fn body(order: &Order) -> Value {
    let named = |value: Option<clap::builder::PossibleValue>| {
        value.map(|it| Value::from(it.get_name().to_owned()))
    };
    let millis = |it: Duration| Value::from(u64::try_from(it.as_millis()).unwrap_or(u64::MAX));
    let members = [
        ("kind", named(order.kind.to_possible_value())),
        ("cluster", order.cluster.clone().map(Value::from)),
        ("zone", order.zone.clone().map(Value::from)),
        ("hsm", order.hsm.clone().map(Value::from)),
        (
            "direction",
            named(order.direction.and_then(|it| it.to_possible_value())),
        ),
        ("delay_ms", order.delay.map(millis)),
        ("percent", order.percent.map(Value::from)),
        ("duration_ms", order.lasts.map(millis)),
    ];
    let given = members
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(given.collect::<Map<_, _>>())
}

fn rows(data: &Value) -> Vec<Vec<String>> {
    let heading = [
        "FAULT",
        "KIND",
        "PLACE",
        "HOW",
        "HSMS",
        "SECONDS LEFT",
        "UNDO",
    ];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    let faults = data.get("faults").and_then(Value::as_array);
    for fault in faults.into_iter().flatten() {
        let text = |name: &str| fault.get(name).and_then(Value::as_str).unwrap_or("-");
        let number = |name: &str| fault.get(name).and_then(Value::as_u64);
        let how = [
            fault
                .get("direction")
                .and_then(Value::as_str)
                .map(str::to_owned),
            number("delay_ms").map(|it| format!("{it}ms")),
            number("percent").map(|it| format!("{it}%")),
        ];
        let how: Vec<String> = how.into_iter().flatten().collect();
        let hsms = fault
            .get("hsms")
            .and_then(Value::as_array)
            .map_or(0, Vec::len);
        let left = number("left_ms").map_or_else(|| "-".to_owned(), |it| (it / 1000).to_string());
        let undoable = fault.get("undoable").and_then(Value::as_bool) == Some(true);
        rows.push(vec![
            text("id").to_owned(),
            text("kind").to_owned(),
            text("place").to_owned(),
            how.join(" "),
            hsms.to_string(),
            left,
            if undoable { "yes" } else { "no" }.to_owned(),
        ]);
    }
    rows
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_was_given_is_sent() {
        let order = Order {
            kind: Kind::FillDisk,
            cluster: None,
            zone: Some("us-east-1a".to_owned()),
            hsm: None,
            direction: None,
            delay: None,
            percent: None,
            lasts: Some(Duration::from_secs(2)),
            account: None,
            region: Some("eu-west-1".to_owned()),
        };
        assert_eq!(order.path(), "/_portcullis/chaos?region=eu-west-1");
        let expected = json!({ "kind": "fill-disk", "zone": "us-east-1a", "duration_ms": 2000 });
        assert_eq!(body(&order), expected);
    }

    #[test]
    fn a_fault_without_an_end_has_no_seconds_left() {
        let faults = json!({ "faults": [{ "id": "fault-1", "kind": "hang", "undoable": true }] });
        let rows = rows(&faults);
        let row: Vec<&str> = rows[1].iter().map(String::as_str).collect();
        assert_eq!(row, ["fault-1", "hang", "-", "", "0", "-", "yes"]);
    }
}
