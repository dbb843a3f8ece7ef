//! `portcullis chaos`: faults of a running Portcullis, and rehearsals of the repair.

mod script;

use std::process::ExitCode;
use std::time::Duration;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};
use portcullis_admin::{
    ClearFaults, Direction, Fault, FaultField, FaultKind, FaultList, FaultOrder, InjectFault,
    ListFaults, Place, UndoFault,
};
use portcullis_api::{ClusterId, HsmId};
use portcullis_loadgen::print::{self, Columns};
use portcullis_loadgen::{Access, Credentials, RehearseArguments, parse_duration};

use crate::client::{AdminClient, ClientError, print_data};
use crate::output_form::Output;

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
    command: ChaosVerb,
}

#[derive(Debug, Subcommand)]
enum ChaosVerb {
    /// List the faults that are not undone
    List {
        /// table or json
        #[arg(long, value_enum, default_value_t = Output::Table)]
        output: Output,
    },
    /// Break something
    Inject(InjectArguments),
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
struct InjectArguments {
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
    if let ChaosVerb::Run(run) = arguments.command {
        return rehearse(run, arguments.access);
    }
    crate::wait_for(ask(arguments))
}

async fn ask(arguments: Chaos) -> Result<ExitCode, ClientError> {
    let client = AdminClient::of(&arguments.access)?;
    let here = Place::default();
    match &arguments.command {
        ChaosVerb::Inject(order) => {
            let (place, order) = (order.scope(), order.order());
            let injected = client.call::<InjectFault>(&[], &place, &order).await?;
            Ok(print_data(injected))
        }
        ChaosVerb::Undo { id } => {
            let undone = client.call::<UndoFault>(&[id], &here, &()).await?;
            Ok(print_data(undone))
        }
        ChaosVerb::Clear => Ok(print_data(
            client.call::<ClearFaults>(&[], &here, &()).await?,
        )),
        ChaosVerb::List {
            output: Output::Json,
        } => Ok(print_data(
            client.call::<ListFaults>(&[], &here, &()).await?,
        )),
        ChaosVerb::List {
            output: Output::Table,
        } => {
            let FaultList { faults } = client.get::<ListFaults>().await?;
            print::table(Columns::Texts, &rows(&faults));
            Ok(ExitCode::SUCCESS)
        }
        ChaosVerb::Run(_) => Err(ClientError("A rehearsal is no call.".to_owned())),
    }
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

impl InjectArguments {
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

    fn scope(&self) -> Place {
        Place {
            account: self.account.clone(),
            region: self.region.clone(),
        }
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
    PossibleValuesParser::new(kinds).try_map(|name| named(FaultKind::ALL, FaultKind::name, &name))
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
    PossibleValuesParser::new(directions)
        .try_map(|name| named(&Direction::ALL, Direction::name, &name))
}

/// The one of `all` that is asked for by this name.
fn named<T: Copy>(all: &[T], name_of: fn(T) -> &'static str, name: &str) -> Result<T, String> {
    let mut all = all.iter().copied();
    let found = all.find(|one| name_of(*one) == name);
    found.ok_or_else(|| format!("there is no {name}"))
}

fn rows(faults: &[Fault]) -> Vec<Vec<String>> {
    let heading = [
        "FAULT",
        "KIND",
        "PLACE",
        "HOW",
        "HSMS",
        "SECONDS LEFT",
        "UNDO",
    ];
    let row = |fault: &Fault| {
        let left = fault.left_ms.map(|left| (left / 1000).to_string());
        vec![
            fault.id.clone(),
            fault.kind.to_string(),
            fault.place.clone(),
            how(fault),
            fault.hsms.len().to_string(),
            left.unwrap_or_else(|| "-".to_owned()),
            if fault.undoable { "yes" } else { "no" }.to_owned(),
        ]
    };
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    rows.extend(faults.iter().map(row));
    rows
}

/// What was given beside the kind and the place.
fn how(fault: &Fault) -> String {
    let parts = [
        fault.direction.map(|direction| direction.name().to_owned()),
        fault.delay_ms.map(|delay| format!("{delay}ms")),
        fault.percent.map(|percent| format!("{percent}%")),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    parts.join(" ")
}

#[cfg(test)]
mod tests {
    use portcullis_admin::target;
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_was_given_is_sent() {
        let order = InjectArguments {
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
        let target = target::<InjectFault>(&[], &order.scope());
        assert_eq!(target, "/_portcullis/chaos?region=eu-west-1");
        let expected = json!({ "kind": "fill-disk", "zone": "us-east-1a", "duration_ms": 2000 });
        assert_eq!(json!(order.order()), expected);
    }

    #[test]
    fn what_can_be_injected_is_what_there_is() {
        for kind in FaultKind::ALL {
            assert_eq!(
                named(FaultKind::ALL, FaultKind::name, kind.name()).unwrap(),
                *kind
            );
        }
        for name in ["to-hsm", "from-hsm", "both"] {
            assert_eq!(
                named(&Direction::ALL, Direction::name, name)
                    .unwrap()
                    .name(),
                name
            );
        }
    }

    #[test]
    fn a_fault_without_an_end_has_no_seconds_left() {
        let fault = Fault {
            id: "fault-1".to_owned(),
            kind: FaultKind::Hang,
            place: "us-east-1a".to_owned(),
            direction: None,
            delay_ms: None,
            percent: None,
            hsms: Vec::new(),
            since_ms: 0,
            left_ms: None,
            undoable: true,
        };
        let rows = rows(&[fault]);
        let row: Vec<&str> = rows[1].iter().map(String::as_str).collect();
        assert_eq!(row, ["fault-1", "hang", "us-east-1a", "", "0", "-", "yes"]);
    }
}
