//! `loadgen`: the load generator on its own, without the rest of Portcullis.

use std::process::ExitCode;

use clap::Parser;
use portcullis_loadgen::{LoadCommand, print};

/// Load against a KMS endpoint, measured through edit and reconnect cycles
#[derive(Debug, Parser)]
#[command(name = "loadgen", version)]
struct Arguments {
    #[command(subcommand)]
    command: LoadCommand,
}

fn main() -> ExitCode {
    match Arguments::try_parse() {
        Ok(arguments) => print::end(portcullis_loadgen::run(arguments.command)),
        Err(said) => print::end_of_parsing(&said),
    }
}
