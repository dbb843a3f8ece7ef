//! The examples in the help texts are typed by people as they stand, so they must parse.

use clap::{Command, CommandFactory, Parser};

use crate::args::Arguments;

const PROGRAM: &str = "  portcullis cloudhsm-cli";

/// Every verb that is not hidden, by its path.
fn verbs(command: &Command, path: &str, found: &mut Vec<(String, String)>) {
    for verb in command.get_subcommands().filter(|verb| !verb.is_hide_set()) {
        let path = format!("{path} {}", verb.get_name());
        if verb.has_subcommands() {
            verbs(verb, &path, found);
        } else if verb.get_name() != "interactive" && verb.get_name() != "help" {
            let help = verb.get_after_help().map(ToString::to_string);
            found.push((path, help.unwrap_or_default()));
        }
    }
}

#[test]
fn every_verb_has_an_example_that_parses() {
    let arguments = Arguments::command();
    let cli = arguments.find_subcommand("cloudhsm-cli").unwrap();
    let mut found = Vec::new();
    verbs(cli, PROGRAM.trim_start(), &mut found);
    assert!(found.len() > 20, "{found:?}");
    for (path, help) in found {
        let help = help.replace(" \\\n      ", " ");
        let examples: Vec<&str> = help
            .lines()
            .filter(|line| line.starts_with(PROGRAM))
            .collect();
        let verb = path.rsplit(' ').next().unwrap();
        assert!(
            examples.first().is_some_and(|line| line.contains(verb)),
            "{path} has no example of itself"
        );
        for example in examples {
            let words = shlex::split(example).unwrap();
            if let Err(error) = Arguments::try_parse_from(words) {
                panic!("{example}: {error}");
            }
        }
    }
}
