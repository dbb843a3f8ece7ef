//! Lines from the user: commands and passwords.

use std::io::{BufRead, IsTerminal};

use portcullis_loadgen::print;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use tokio::sync::mpsc;

/// Standard input, line by line, read by a thread of its own so that Ctrl-C is heard meanwhile.
pub(super) struct PromptInput {
    lines: mpsc::Receiver<String>,
    /// Whether a person types.
    terminal: bool,
}

impl PromptInput {
    pub(super) fn open() -> Self {
        let (send, lines) = mpsc::channel(1);
        std::thread::spawn(move || {
            for line in std::io::stdin().lock().lines() {
                let Ok(line) = line else { return };
                if send.blocking_send(line).is_err() {
                    return;
                }
            }
        });
        Self {
            lines,
            terminal: std::io::stdin().is_terminal(),
        }
    }

    /// The next line; none at the end of the input or after Ctrl-C.
    pub(super) async fn line(&mut self, prompt: &str) -> Option<String> {
        if self.terminal {
            print::prompt(prompt);
        }
        tokio::select! {
            biased;
            _ = tokio::signal::ctrl_c() => None,
            line = self.lines.recv() => line,
        }
    }

    /// Leaves the line of a prompt that was not answered.
    pub(super) fn end(&self) {
        if self.terminal {
            print::line("");
        }
    }

    /// A password, which the terminal does not show. Rule CL-25.
    pub(super) async fn password(&mut self, prompt: &str) -> Option<String> {
        let hidden = self.terminal.then(Hidden::new);
        let line = self.line(prompt).await;
        if hidden.is_some() {
            drop(hidden);
            // The line end that was typed was not shown either.
            print::note("");
        }
        line
    }
}

/// The terminal without echo, until it is dropped.
struct Hidden(Option<Termios>);

impl Hidden {
    fn new() -> Self {
        let before = tcgetattr(std::io::stdin()).ok();
        if let Some(mut quiet) = before.clone() {
            quiet.local_modes.remove(LocalModes::ECHO);
            if let Err(error) = tcsetattr(std::io::stdin(), OptionalActions::Flush, &quiet) {
                print::note(&format!("The terminal will show what is typed: {error}."));
            }
        }
        Self(before)
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            let _nothing_to_be_done = tcsetattr(std::io::stdin(), OptionalActions::Now, before);
        }
    }
}
