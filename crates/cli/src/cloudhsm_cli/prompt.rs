//! The interactive mode: one line, one verb, until `quit`.

use clap::{Parser, Subcommand};
use portcullis_loadgen::print;

use super::verbs::Verb;
use super::{Cli, replied};
use crate::client::ClientError;

/// The verbs of the CloudHSM CLI; `help VERB` explains one
#[derive(Debug, Parser)]
#[command(no_binary_name = true, name = "", disable_help_flag = false)]
struct PromptLine {
    /// The cluster, if another than the one the prompt was started with
    #[arg(long, global = true, value_name = "ID")]
    cluster_id: Option<String>,
    #[command(subcommand)]
    verb: LineVerb,
}

#[derive(Debug, Subcommand)]
enum LineVerb {
    #[command(flatten)]
    Verb(Box<Verb>),
    /// Log out and leave
    #[command(alias = "exit")]
    Quit,
}

/// Reads and carries out lines until `quit`, the end of the input or Ctrl-C, then logs out.
///
/// Rule CL-25: a session that `login` opens lasts until `logout` or the end of the prompt.
pub(super) async fn run(cli: &mut Cli) -> Result<(), ClientError> {
    loop {
        let prompt = cli.prompt();
        let Some(line) = cli.input().line(&prompt).await else {
            cli.input().end();
            break;
        };
        let Some(words) = shlex::split(&line) else {
            print::note("A quotation mark is open at the end of the line. Close it.");
            continue;
        };
        if words.is_empty() {
            continue;
        }
        match PromptLine::try_parse_from(words) {
            Ok(PromptLine {
                verb: LineVerb::Quit,
                ..
            }) => break,
            Ok(PromptLine {
                cluster_id,
                verb: LineVerb::Verb(verb),
            }) => match replied(cli.carry_out(*verb, cluster_id).await) {
                Ok(reply) => print::json(&reply),
                // The next line may be answered again.
                Err(error) => print::note(&error.0),
            },
            Err(help) if !help.use_stderr() => print::line(&at_the_prompt(&help.to_string())),
            Err(error) => print::note(&error.to_string()),
        }
    }
    cli.log_out_everywhere().await
}

/// A help text whose examples can be typed at the prompt: each on one line, without the program.
fn at_the_prompt(help: &str) -> String {
    help.replace(" \\\n      ", " ")
        .replace("portcullis cloudhsm-cli ", "")
}
