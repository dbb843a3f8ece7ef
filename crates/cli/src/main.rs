//! `portcullis`: the command line.

mod args;
mod attest;
mod chaos;
mod client;
mod clock;
mod cloudhsm_cli;
mod core_dumps;
mod data;
mod descriptors;
mod door;
mod env;
mod folder;
mod hooks;
mod host;
mod instance;
mod load_runs;
mod output;
mod output_form;
mod pcr;
mod pem;
mod restart;
mod snapshot;
mod status;
mod stop;
mod time_span;
mod tls;
mod up;
mod urls;
mod user_folders;

use std::alloc::System;
use std::ffi::OsString;
use std::future::Future;
use std::path::Path;
use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use portcullis_loadgen::print;
use zeroizing_alloc::ZeroAlloc;

use crate::args::{Arguments, Command, HsmArguments, HsmCommand};
use crate::client::ClientError;

/// Memory is wiped when it is freed.
///
/// Rules SEC-02 and SEC-03: what is ours and secret wipes itself, but much of what held it is not ours: the
/// buffers of hyper, quinn and the JSON readers. Docs/cryptography.md says what is left.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<System> = ZeroAlloc(System);

/// The exit code of a command that could not be carried out; 1 is left for "carried out, and the
/// answer is no".
const UNUSABLE: u8 = 2;

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse_from(words(std::env::args_os())) {
        Ok(arguments) => arguments,
        Err(said) => return print::end_of_parsing(&said),
    };
    let outcome = match arguments.command {
        Command::Up(arguments) => return up::run(&arguments),
        Command::Load { command } => Ok(portcullis_loadgen::run(command)),
        Command::Env(access) => Ok(env::run(&access)),
        Command::Completions { shell } => Ok(completions(shell)),
        Command::Status(arguments) => wait_for(status::status(&arguments)),
        Command::Wait(arguments) => wait_for(status::wait(&arguments)),
        Command::Clock(arguments) => wait_for(clock::run(&arguments)),
        Command::Hsm(HsmArguments {
            command: HsmCommand::Serve(serve),
            ..
        }) => return host::run(serve),
        Command::Hsm(arguments) => wait_for(status::hsm(&arguments)),
        Command::Attest(arguments) => attest::run(&arguments),
        Command::Chaos(arguments) => chaos::run(*arguments),
        Command::Snapshot { command } => wait_for(snapshot::run(&command)),
        Command::CloudhsmCli(arguments) => wait_for(cloudhsm_cli::run(*arguments)),
    };
    print::end(outcome.unwrap_or_else(|error| {
        print::note(&error.0);
        ExitCode::from(UNUSABLE)
    }))
}

fn completions(shell: clap_complete::Shell) -> ExitCode {
    let mut script = Vec::new();
    let mut command = Arguments::command();
    clap_complete::generate(shell, &mut command, "portcullis", &mut script);
    print::text(&String::from_utf8_lossy(&script));
    ExitCode::SUCCESS
}

/// What was typed. Rule CL-33: called by the name of the CloudHSM CLI, the program is that.
fn words(typed: impl Iterator<Item = OsString>) -> Vec<OsString> {
    const CLOUDHSM_CLI: &str = "cloudhsm-cli";
    let mut words: Vec<OsString> = typed.collect();
    let name = words
        .first()
        .and_then(|program| Path::new(program).file_name());
    if name.is_some_and(|name| name == CLOUDHSM_CLI) {
        words.insert(1, CLOUDHSM_CLI.into());
    }
    words
}

/// Runs a client command on a runtime of its own.
fn wait_for(
    command: impl Future<Output = Result<ExitCode, ClientError>>,
) -> Result<ExitCode, ClientError> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| {
            ClientError(format!(
                "The operating system gives no event queue: {error}."
            ))
        })?
        .block_on(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }
}
