use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use portcullis_admin::{EditKind, LoadScenario, Secret};

use crate::access::Access;
use crate::credentials::Credentials;
use crate::operation::Mix;
use crate::quantity::{Rate, parse_duration};
use crate::scenario::{edits, scenarios};
use crate::threshold::Threshold;

/// What `portcullis load` and `loadgen` can do.
#[derive(Debug, Subcommand)]
pub enum LoadCommand {
    /// Send load, check every answer, and write the results to a folder
    Run(Box<RunArguments>),
    /// Make report.html anew from the timeline and summary of a run
    Report(ReportArguments),
    /// Compare two runs as ratios
    Compare(CompareArguments),
}

/// How the result is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people
    Table,
    /// For scripts: the summary
    Json,
}

/// `load run`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  load run --rate 2000/s --duration 20s --out out
  load run --scenario edit-cycle --edits name --rate 500/s --duration 10s --out out
  load run --scenario edit-cycle --edits name,password,cluster \\
           --admin-user admin --admin-password SECRET --cycle-every 5s --out out
  load run --closed-loop --connections 8 --mix encrypt=1 --threshold 'p99<5ms' --out out

Thresholds:
  p50, p90, p99, p99.9, p99.99, max, mean   latency, also of one operation: decrypt.p99<20ms
  errors<1%  errors<100                     failed calls, as a share or a number
  unexpected_errors=0                       those that no disconnected key store explains
  rate>1900/s                               the achieved rate
  gate_leaks, wrong_plaintexts, undecryptable, shed, abandoned,
  wrong_errors_while_disconnected, disconnected_errors_while_connected

Exit codes: 0 fine; 1 a threshold missed, a gate leak or a wrong plaintext; 2 not carried out.")]
pub struct RunArguments {
    /// What happens while the load goes on
    #[arg(long, default_value = LoadScenario::Steady.name(), value_parser = scenarios())]
    pub scenario: LoadScenario,
    /// Calls to send, e.g. 2000/s or 600/m [default: 1000/s; no limit with --closed-loop]
    #[arg(long)]
    pub rate: Option<Rate>,
    /// How long to send, e.g. 20s or 5m
    #[arg(long, default_value = "10s", value_parser = parse_duration)]
    pub duration: Duration,
    /// Where the calls go.
    #[command(flatten)]
    pub access: Access,
    /// The folder for summary.json, timeline.jsonl, *.hgrm and report.html
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Who calls.
    #[command(flatten)]
    pub credentials: Credentials,
    /// The KMS key: ID, ARN or alias [default: found, or made in the key store]
    #[arg(long, value_name = "ID")]
    pub key_id: Option<String>,
    /// The custom key store: ID or name [default: the first CONNECTED one of a cluster]
    #[arg(long, value_name = "ID")]
    pub key_store: Option<String>,
    /// Shares of encrypt, decrypt and generate-data-key
    #[arg(long, default_value = "encrypt=70,decrypt=20,generate-data-key=10")]
    pub mix: Mix,
    /// Bytes of plaintext in each Encrypt
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub payload: u16,
    /// Connections; each carries one call at a time
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub connections: u16,
    /// Send the next call when the last is answered, and measure from the real send
    #[arg(long)]
    pub closed_loop: bool,
    /// Give up a call after this time
    #[arg(long, default_value = "5s", value_parser = parse_duration)]
    pub timeout: Duration,
    /// What a good result is, e.g. 'p99<50ms'; may be given several times
    #[arg(long = "threshold", value_name = "RULE")]
    pub thresholds: Vec<Threshold>,
    /// Print the result as a table or as JSON
    #[arg(long, value_enum, default_value_t = Output::Table)]
    pub output: Output,
    /// Start of the random sequence of calls and payloads [default: drawn and reported]
    #[arg(long)]
    pub seed: Option<u64>,
    /// What `edit-cycle` does.
    #[command(flatten)]
    pub cycle: CycleArguments,
}

/// What `edit-cycle` does.
#[derive(Debug, Args)]
#[command(next_help_heading = "Scenario edit-cycle")]
pub struct CycleArguments {
    /// Kinds of edits, in turn [default: those that can be made]
    #[arg(long, value_parser = edits(), value_delimiter = ',', value_name = "KIND")]
    pub edits: Vec<EditKind>,
    /// The time from the start of one cycle to the next; the first starts after half of it
    #[arg(long, default_value = "5s", value_parser = parse_duration)]
    pub cycle_every: Duration,
    /// How long the key store stays disconnected before the edit
    #[arg(long, default_value = "1s", value_parser = parse_duration)]
    pub disconnected_for: Duration,
    /// Give up when the key store takes longer to disconnect or connect; AWS needs up to 20m
    #[arg(long, default_value = "60s", value_parser = parse_duration)]
    pub state_timeout: Duration,
    /// Clusters to switch between [default: those with the key store's cluster certificate]
    #[arg(long, value_delimiter = ',', value_name = "ID")]
    pub clusters: Vec<String>,
    /// The admin of the clusters of a Portcullis, who resets the password of kmsuser
    #[arg(long, default_value = "admin", value_name = "USER")]
    pub admin_user: String,
    /// The password of the admin
    #[arg(
        long,
        env = "PORTCULLIS_ADMIN_PASSWORD",
        hide_env_values = true,
        conflicts_with = "password_command"
    )]
    pub admin_password: Option<Secret>,
    /// A command that resets the password of kmsuser in the cluster $CLUSTER_ID and prints it on
    /// its last line
    #[arg(long, value_name = "CMD")]
    pub password_command: Option<String>,
    /// The password that kmsuser gets from the admin [default: a fresh one each time]; without an
    /// admin, the one that it has
    #[arg(long, hide_env_values = true, value_name = "PASSWORD")]
    pub kmsuser_password: Option<Secret>,
}

/// `load report`.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  load report out")]
pub struct ReportArguments {
    /// The folder of the run
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
}

/// `load compare`.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  load compare before after")]
pub struct CompareArguments {
    /// The folder of the first run, the measure
    #[arg(value_name = "DIR_A")]
    pub first: PathBuf,
    /// The folder of the second run
    #[arg(value_name = "DIR_B")]
    pub second: PathBuf,
    /// Print the comparison as a table or as JSON
    #[arg(long, value_enum, default_value_t = Output::Table)]
    pub output: Output,
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct ApiConnection {
        #[command(subcommand)]
        command: LoadCommand,
    }

    #[test]
    fn the_command_line_is_consistent() {
        <ApiConnection as clap::CommandFactory>::command().debug_assert();
    }

    #[test]
    fn no_secret_of_the_command_line_is_printed() {
        let line = ApiConnection::try_parse_from([
            "load",
            "run",
            "--secret=canary",
            "--session-token=canary",
            "--admin-password=canary",
            "--kmsuser-password=canary",
        ]);
        let printed = format!("{:?}", line.unwrap());
        assert!(!printed.contains("canary"), "{printed}");
    }
}
