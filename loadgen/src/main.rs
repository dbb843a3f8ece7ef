//! `loadgen`: the load generator on its own, without the rest of Portcullis.

use std::process::ExitCode;

use clap::Parser;
use portcullis_loadgen::LoadCommand;

/// Load against a KMS endpoint, measured through edit and reconnect cycles
#[derive(Debug, Parser)]
#[command(name = "loadgen", version)]
struct Arguments {
    #[command(subcommand)]
    command: LoadCommand,
}

fn main() -> ExitCode {
    portcullis_loadgen::run(Arguments::parse().command)
}
