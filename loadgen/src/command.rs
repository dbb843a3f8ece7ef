use std::process::ExitCode;

use crate::args::{LoadCommand, Output};
use crate::failure::Unusable;
use crate::print::{self, Columns};
use crate::{compare, report, run as running};

/// The exit code of a command that could not be carried out; 1 says that it was, and that the
/// result is bad.
const UNUSABLE: u8 = 2;

/// Runs a command and prints what it finds: results to stdout, everything else to stderr.
// Rule LG-10: exit codes are 0, 1 for a bad result and 2 for no result.
pub fn run(command: LoadCommand) -> ExitCode {
    let done = match command {
        LoadCommand::Run(arguments) => running::run(&arguments),
        LoadCommand::Report(arguments) => report::remake(&arguments.folder).map(|path| {
            print::line(&path.display().to_string());
            true
        }),
        LoadCommand::Compare(arguments) => compare::compare(&arguments.first, &arguments.second)
            .map(|comparison| {
                match arguments.output {
                    Output::Table => print::table(Columns::Numbers, &comparison.table()),
                    Output::Json => print::json(&comparison),
                }
                true
            }),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(Unusable(reason)) => {
            print::note(&reason);
            ExitCode::from(UNUSABLE)
        }
    }
}
