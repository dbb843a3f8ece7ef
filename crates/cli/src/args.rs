use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::RangedU64ValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum};
use portcullis_api::Messages;
use portcullis_cloudhsm::{HsmsOn, Quotas};
use portcullis_loadgen::{Access, LoadCommand};
use portcullis_seam::TimeScale;
use portcullis_server::Limits;
use portcullis_time::Pace;

use crate::chaos::Chaos;
use crate::cloudhsm_cli::CloudHsmCli;
use crate::output_form::Output;
use crate::{pcr, time_span};

/// The command line.
#[derive(Debug, Parser)]
#[command(
    name = "portcullis",
    version,
    about = "CloudHSM clusters and a KMS facade, for people who use KMS custom key stores",
    after_help = "Examples:
  portcullis up                          start the quickstart world on 127.0.0.1:4566
  portcullis up --world guide            the AWS page's own identifiers
  eval \"$(portcullis env)\"               point the AWS CLI and SDKs at it
  portcullis status                      what exists and how it is
  portcullis load run --scenario edit-cycle --rate 2000/s --duration 20s --out out"
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start Portcullis and print its endpoint as one JSON line when it is ready
    Up(Up),
    /// Print the environment variables that point AWS clients at a running Portcullis
    Env(Access),
    /// Show the key stores, clusters and HSMs of a running Portcullis
    Status(StatusArguments),
    /// Wait until a running Portcullis is ready, or a key store, cluster or HSM is in a state
    Wait(Wait),
    /// Show the HSMs of a running Portcullis, crash and restart one, or run one as a process of its own
    Hsm(HsmArguments),
    /// Show the clock of a running Portcullis, put it forward, or make it run faster
    Clock(ClockArguments),
    /// Break things on purpose: list, inject, undo and clear faults, rehearse the repair
    Chaos(Box<Chaos>),
    /// Save everything a running or stopped Portcullis holds into one file, or load such a file
    #[command(after_help = "Examples:
  portcullis snapshot save before.snapshot
  portcullis snapshot save --data ./state before.snapshot
  portcullis snapshot load before.snapshot --data ./copy && portcullis up --data ./copy

The file holds the device key: whoever has it has every key and can use every key store.")]
    Snapshot {
        #[command(subcommand)]
        command: SnapshotCommand,
    },
    /// Make an attestation document for a public key, as a Nitro enclave would show one to KMS
    Attest(Attest),
    /// The CloudHSM CLI's verbs: activate a cluster, manage its users and keys
    CloudhsmCli(Box<CloudHsmCli>),
    /// Measure throughput and latency, also through disconnect, edit and reconnect
    Load {
        #[command(subcommand)]
        command: LoadCommand,
    },
    /// Print a completion script for your shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// How requests are authenticated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum AuthMode {
    /// Accept everybody, signed or not
    Open,
    /// Verify Signature Version 4; access key `test` or a 12-digit account ID, secret `test`
    Verify,
    /// Also let key policies, grants and the policies of the world's principals decide
    Enforce,
}

/// `portcullis up`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  portcullis up
  portcullis up --world guide --ephemeral
  portcullis up --world my-world.toml --data ./state --port 0
  portcullis up --time-scale 60 --state-changes aws
  portcullis up --quota aws
  portcullis up --messages aws
  portcullis up --auth verify
  portcullis up --world my-world.toml --auth enforce")]
pub(crate) struct Up {
    /// quickstart, guide, empty, or the path of a TOML file
    #[arg(long, default_value = "quickstart")]
    pub(crate) world: String,
    /// Keep nothing on disk
    #[arg(long, conflicts_with = "data")]
    pub(crate) ephemeral: bool,
    /// Where to keep state [default: the user's data folder, one folder per world]
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// The port of the endpoint; 0 takes a free one
    #[arg(long, default_value_t = 4566)]
    pub(crate) port: u16,
    /// The address to listen on; anything but loopback can be reached by others, and serves only the
    /// AWS endpoint and the health
    #[arg(long, default_value = "127.0.0.1")]
    pub(crate) bind: IpAddr,
    /// Where the admin API, the metrics and the console are [default: with the endpoint; if --bind is no
    /// loopback address, at the next port of 127.0.0.1]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) admin_bind: Option<SocketAddr>,
    /// Ask for the token in this file on every call of the admin API [default: a token is asked for if
    /// others reach the admin API, and made as admin-token in the data folder]
    #[arg(long, value_name = "FILE")]
    pub(crate) admin_token_file: Option<PathBuf>,
    /// A name by which browsers and the admin API may call Portcullis, beside addresses and localhost;
    /// may be given several times
    #[arg(long = "host-name", value_name = "NAME")]
    pub(crate) host_names: Vec<String>,
    /// Speak TLS, with a certificate of its own making; the authority's that clients must believe is
    /// printed
    #[arg(long)]
    pub(crate) tls: bool,
    /// Speak TLS with this certificate, and what stands between it and its root, in PEM
    #[arg(
        long,
        value_name = "FILE",
        requires = "tls_key",
        conflicts_with = "tls"
    )]
    pub(crate) tls_cert: Option<PathBuf>,
    /// The private key of the certificate, in PEM
    #[arg(
        long,
        value_name = "FILE",
        requires = "tls_cert",
        conflicts_with = "tls"
    )]
    pub(crate) tls_key: Option<PathBuf>,
    /// Who may call
    #[arg(long, value_enum, default_value_t = AuthMode::Open)]
    pub(crate) auth: AuthMode,
    /// How many times faster than real time the services' clock runs [default: the world's, or as
    /// it was set before]
    #[arg(long, value_name = "N")]
    pub(crate) time_scale: Option<TimeScale>,
    /// How long changes of state take: immediate, after:SECONDS, describes:N, or aws [default: the
    /// world's, or immediate]
    #[arg(long, value_name = "PACE")]
    pub(crate) state_changes: Option<Pace>,
    /// How fast HSMs are: raw, hsm1.medium, hsm2m.medium, or a profile of the world [default: the
    /// world's, or raw]
    #[arg(long, value_name = "NAME")]
    pub(crate) profile: Option<String>,
    /// Keep the service's quotas: none or aws [default: the world's, or none]
    #[arg(long, value_name = "QUOTAS")]
    pub(crate) quota: Option<Quotas>,
    /// What an error says: helpful, the service's sentence and what to do; or aws, its sentence alone
    /// [default: the world's, or helpful]
    #[arg(long, value_name = "MESSAGES")]
    pub(crate) messages: Option<Messages>,
    /// Whose attestation documents of enclaves are believed: any, aws, unchecked, or a PEM file with
    /// roots [default: the world's, or any]
    #[arg(long, value_name = "ROOTS")]
    pub(crate) attestation_roots: Option<String>,
    /// Where HSMs are made of clusters without the tag portcullis:hsms-on: process, or hosts that wait in
    /// the zone [default: the world's, or process]
    #[arg(long, value_name = "PLACE")]
    pub(crate) hsms_on: Option<HsmsOn>,
    /// Append every event, calls included, to this file as lines of JSON in CloudTrail's form
    #[arg(long, value_name = "PATH")]
    pub(crate) events_file: Option<PathBuf>,
    /// Run the scripts of this folder when everything is ready, before the line on stdout
    #[arg(long, value_name = "DIR")]
    pub(crate) ready_hooks: Option<PathBuf>,
    /// Let the system write a core dump if the process crashes, and debuggers look into it; the
    /// device key and every key in use would be in it
    #[arg(long)]
    pub(crate) allow_core_dumps: bool,
    /// The most connections that are open at once; fewer where there are fewer descriptors
    #[arg(
        long,
        value_name = "N",
        default_value_t = Limits::CONNECTIONS_MAX,
        value_parser = RangedU64ValueParser::<usize>::new().range(2..=u64::from(u32::MAX))
    )]
    pub(crate) max_connections: usize,
}

/// `portcullis attest`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  openssl genrsa -out enclave.key 2048 && openssl rsa -in enclave.key -pubout -out enclave.pub
  portcullis attest --public-key enclave.pub --out document
  portcullis attest --public-key enclave.pub --out document --authority ./authority
  portcullis up --attestation-roots ./authority/root.pem

A document is valid for three hours.")]
pub(crate) struct Attest {
    /// The enclave's public key, RSA, in PEM or DER
    #[arg(long, value_name = "FILE")]
    pub(crate) public_key: Option<PathBuf>,
    /// Where the document is written
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// A measurement, such as 0=ee0d45... for the image's; 0, 1 and 2 are zeros when not given
    #[arg(long, value_name = "INDEX=HEX", value_parser = pcr::parse)]
    pub(crate) pcr: Vec<(u8, Vec<u8>)>,
    /// Which enclave it is
    #[arg(long, default_value = "i-00000000000000000-enc00000000000000000")]
    pub(crate) module_id: String,
    /// Sign under the authority in this folder, which is made if it is not there: root.pem and
    /// root.key [default: under one that is forgotten]
    #[arg(long, value_name = "DIR")]
    pub(crate) authority: Option<PathBuf>,
    /// Make it for a clock that is so far ahead: 90s, 30m, 12h, 7d
    #[arg(long, value_name = "SPAN", default_value = "0s", value_parser = time_span::parse)]
    pub(crate) ahead: Duration,
}

/// `portcullis status`.
#[derive(Debug, Args)]
pub(crate) struct StatusArguments {
    #[command(flatten)]
    pub(crate) access: Access,
    /// table or json
    #[arg(long, value_enum, default_value_t = Output::Table)]
    pub(crate) output: Output,
}

/// `portcullis wait`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  portcullis wait
  portcullis wait --key-store ExampleKeyStore --state CONNECTED --timeout 60
  portcullis wait --hsm hsm-abcdefghijk --state ACTIVE
  portcullis wait --cluster cluster-abcdefghijk --state ACTIVE")]
pub(crate) struct Wait {
    #[command(flatten)]
    pub(crate) access: Access,
    /// The name or ID of a key store
    #[arg(long, requires = "state", group = "subject")]
    pub(crate) key_store: Option<String>,
    /// The ID of a cluster
    #[arg(long, requires = "state", group = "subject")]
    pub(crate) cluster: Option<String>,
    /// The ID of an HSM
    #[arg(long, requires = "state", group = "subject")]
    pub(crate) hsm: Option<String>,
    /// The state to wait for, such as CONNECTED or ACTIVE
    #[arg(long, requires = "subject")]
    pub(crate) state: Option<String>,
    /// Seconds to wait at the most
    #[arg(long, default_value_t = 30)]
    pub(crate) timeout: u64,
}

/// `portcullis clock`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  portcullis clock show
  portcullis clock advance 7d
  portcullis clock set-scale 86400
  portcullis clock set-state-changes describes:3")]
pub(crate) struct ClockArguments {
    #[command(flatten)]
    pub(crate) access: Access,
    #[command(subcommand)]
    pub(crate) command: ClockCommand,
}

/// What to do with the clock.
#[derive(Debug, Subcommand)]
pub(crate) enum ClockCommand {
    /// Show its date, how fast it runs, and how long changes of state take
    Show,
    /// Put it forward; what falls due meanwhile happens, a day at a time
    Advance {
        /// By how much: 90s, 30m, 12h, 7d
        #[arg(value_parser = time_span::parse)]
        by: Duration,
    },
    /// Make it run so many times faster than real time; remembered across restarts
    SetScale {
        /// A whole number from 1, real time, to 1000000
        scale: TimeScale,
    },
    /// Set how long changes of state take, until the next start
    SetStateChanges {
        /// immediate, after:SECONDS, describes:N, or aws
        pace: Pace,
    },
}

/// `portcullis hsm`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  portcullis hsm list
  portcullis hsm crash hsm-abcdefghijk
  portcullis hsm restart hsm-abcdefghijk
  portcullis hsm enrol --availability-zone us-east-1b
  portcullis hsm serve --join 127.0.0.1:4566 --token portcullis-host.1... --data ./host1
  portcullis hsm hosts
  portcullis hsm revoke 2")]
pub(crate) struct HsmArguments {
    #[command(flatten)]
    pub(crate) access: Access,
    #[command(subcommand)]
    pub(crate) command: HsmCommand,
}

/// What to do with HSMs.
#[derive(Debug, Subcommand)]
pub(crate) enum HsmCommand {
    /// List every HSM with its zone, state and address
    List {
        /// table or json
        #[arg(long, value_enum, default_value_t = Output::Table)]
        output: Output,
    },
    /// Stop an HSM at once, as a power cut would; its disk stays
    Crash {
        /// The HSM's ID
        id: String,
    },
    /// Start a crashed HSM from its disk
    Restart {
        /// The HSM's ID
        id: String,
    },
    /// Make a token with which another process or machine may join and run an HSM
    Enrol {
        /// Where it will stand [default: the first zone of the default Region]
        #[arg(long, value_name = "ZONE")]
        availability_zone: Option<String>,
    },
    /// List the hosts that were invited, and which HSM each runs
    Hosts {
        /// table or json
        #[arg(long, value_enum, default_value_t = Output::Table)]
        output: Output,
    },
    /// Never let a host in again: its connection ends, and its HSM is used no more
    Revoke {
        /// Its number, as `hsm hosts` shows it
        host: u64,
    },
    /// Be a host: join a control plane and run an HSM for it, until stopped
    Serve(ServeHsm),
}

/// `portcullis hsm serve`.
#[derive(Debug, Args)]
pub(crate) struct ServeHsm {
    /// Where the control plane receives hosts, as `hsm enrol` printed it
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) join: SocketAddr,
    /// The enrolment token, at the first time only; better in the environment, since command lines
    /// can be read by others
    #[arg(long, env = "PORTCULLIS_HOST_TOKEN", hide_env_values = true)]
    pub(crate) token: Option<String>,
    /// Where to keep the host's key and the HSM's disk
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// Where the HSM listens for the facade; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    pub(crate) listen: SocketAddr,
    /// Let the system write a core dump if the process crashes, and debuggers look into it; the keys
    /// of the HSM would be in it
    #[arg(long)]
    pub(crate) allow_core_dumps: bool,
}

/// `portcullis snapshot`.
#[derive(Debug, Subcommand)]
pub(crate) enum SnapshotCommand {
    /// Save control plane, HSM disks and device key, as they are at one instant
    Save {
        #[command(flatten)]
        source: SnapshotSource,
        /// The file to make
        file: PathBuf,
    },
    /// Make a data folder from a snapshot, for `portcullis up --data`
    Load {
        /// The snapshot
        file: PathBuf,
        /// The folder to make
        #[arg(long, value_name = "DIR")]
        data: PathBuf,
    },
}

/// What to save.
#[derive(Debug, Args)]
pub(crate) struct SnapshotSource {
    #[command(flatten)]
    pub(crate) access: Access,
    /// The data folder of a Portcullis that is stopped, instead of a running one
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
}
