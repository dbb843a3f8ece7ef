//! `portcullis chaos`: faults of a running Portcullis, and rehearsals of the repair.

mod script;

use std::process::ExitCode;
use std::time::Duration;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};
use portcullis_admin::{Direction, FaultField, FaultKind, FaultOrder};
use portcullis_api::{ClusterId, HsmId};
use portcullis_loadgen::print::{self, Columns};
use portcullis_loadgen::{Access, Credentials, RehearseArguments, parse_duration};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::args::Output;
use crate::client::{Client, ClientError};

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
    access: Access,
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

#[derive(Debug, Args)]
#[command(
    after_help = "A place is needed: --cluster, --zone or --hsm; of several all must hold.

Examples:
  portcullis chaos inject hang --hsm hsm-abcdefghijk --for 30s
  portcullis chaos inject partition --zone us-east-1a --direction from-hsm
  portcullis chaos inject slow --cluster cluster-abcdefghijk --delay 200ms
  portcullis chaos inject lose --cluster cluster-abcdefghijk --percent 20
  portcullis chaos inject delete-cluster --cluster cluster-abcdefghijk"
)]
struct Order {
    /// What to break
    #[arg(value_parser = kinds())]
    kind: FaultKind,
    /// Of this cluster
    #[arg(long, value_name = "ID")]
    cluster: Option<ClusterId>,
    /// In this Availability Zone
    #[arg(long)]
    zone: Option<String>,
    /// This HSM
    #[arg(long, value_name = "ID")]
    hsm: Option<HsmId>,
    #[arg(
        long,
        value_parser = directions(),
        help = taken("Which messages", FaultField::Direction, " [default: both]")
    )]
    direction: Option<Direction>,
    #[arg(long, value_parser = parse_duration, help = taken("How late", FaultField::Delay, ": 200ms, 3s"))]
    delay: Option<Duration>,
    #[arg(long, help = taken("How many of a hundred messages", FaultField::Percent, ""))]
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
        return rehearse(run, arguments.access);
    }
    crate::wait_for(ask(arguments))
}

async fn ask(arguments: Chaos) -> Result<ExitCode, ClientError> {
    let client = Client::of(&arguments.access)?;
    let reply = match &arguments.command {
        Verb::Inject(order) => client.post(&order.path(), &json!(order.order())).await?,
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
        print::table(Columns::Texts, &rows(data));
    } else {
        print::json(data);
    }
    Ok(ExitCode::SUCCESS)
}

fn rehearse(run: Run, access: Access) -> Result<ExitCode, ClientError> {
    let script = script::find(&run.script)?;
    let arguments = RehearseArguments {
        access,
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
    fn order(&self) -> FaultOrder {
        let millis = |it: Duration| u64::try_from(it.as_millis()).unwrap_or(u64::MAX);
        FaultOrder {
            kind: self.kind,
            cluster: self.cluster.clone(),
            zone: self.zone.clone(),
            hsm: self.hsm.clone(),
            direction: self.direction,
            delay_ms: self.delay.map(millis),
            percent: self.percent,
            duration_ms: self.lasts.map(millis),
        }
    }

    fn path(&self) -> String {
        let named = [("account", &self.account), ("region", &self.region)];
        let query: Vec<String> = named
            .iter()
            .filter_map(|(name, value)| Some(format!("{name}={}", value.as_ref()?)))
            .collect();
        format!("{PATH}?{}", query.join("&"))
    }
}

/// Reads the names of the faults there are, and says in the help what each does and takes.
fn kinds() -> impl TypedValueParser<Value = FaultKind> {
    let kinds = FaultKind::ALL.iter().map(|kind| {
        let about = kind.describe();
        let taken = about.required.iter().chain(&*about.optional);
        // Nearly every kind takes a duration, of which its own option speaks.
        let taken: Vec<&str> = taken
            .filter(|field| **field != FaultField::Duration)
            .map(|field| field.option())
            .collect();
        PossibleValue::new(kind.name()).help(if taken.is_empty() {
            about.effect.into_owned()
        } else {
            format!("{} ({})", about.effect, taken.join(", "))
        })
    });
    PossibleValuesParser::new(kinds).try_map(named)
}

/// The help of an option, with the kinds of faults that take it.
fn taken(what: &str, field: FaultField, how: &str) -> String {
    format!("{what}, for {}{how}", field.kinds())
}

fn directions() -> impl TypedValueParser<Value = Direction> {
    let directions = [
        PossibleValue::new("to-hsm").help("Requests never arrive"),
        PossibleValue::new("from-hsm").help("Requests are carried out, and no answer comes"),
        PossibleValue::new("both").help("Neither passes"),
    ];
    PossibleValuesParser::new(directions).try_map(named)
}

/// What goes by this name in JSON.
#[expect(clippy::needless_pass_by_value, reason = "the form that try_map wants")]
fn named<T: DeserializeOwned>(name: String) -> Result<T, serde_json::Error> {
    serde_json::from_value(json!(name))
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
    use super::*;

    #[test]
    fn only_what_was_given_is_sent() {
        let order = Order {
            kind: FaultKind::FillDisk,
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
        assert_eq!(json!(order.order()), expected);
    }

    #[test]
    fn what_can_be_injected_is_what_there_is() {
        for kind in FaultKind::ALL {
            assert_eq!(named::<FaultKind>(kind.to_string()).unwrap(), *kind);
        }
        for direction in ["to-hsm", "from-hsm", "both"] {
            named::<Direction>(direction.to_owned()).unwrap();
        }
    }

    #[test]
    fn a_fault_without_an_end_has_no_seconds_left() {
        let faults = json!({ "faults": [{ "id": "fault-1", "kind": "hang", "undoable": true }] });
        let rows = rows(&faults);
        let row: Vec<&str> = rows[1].iter().map(String::as_str).collect();
        assert_eq!(row, ["fault-1", "hang", "-", "", "0", "-", "yes"]);
    }
}
