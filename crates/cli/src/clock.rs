//! `portcullis clock`: the services' calendar.

use std::process::ExitCode;
use std::time::Duration;

use portcullis_loadgen::print;
use serde_json::{Value, json};

use crate::args::{Clock, ClockCommand};
use crate::client::{Client, ClientError};

/// A longer way is gone in several requests, each of which answers in time.
const STRIDE_SECONDS: u64 = 30 * 24 * 60 * 60;

/// Shows or sets the clock.
pub(crate) async fn run(arguments: &Clock) -> Result<ExitCode, ClientError> {
    let client = Client::of(&arguments.access)?;
    let reply = match &arguments.command {
        ClockCommand::Show => client.get("/_portcullis/clock").await?,
        ClockCommand::Advance { by } => advance(&client, *by).await?,
        ClockCommand::SetScale { scale } => {
            let body = json!({ "time_scale": scale.get() });
            client.post("/_portcullis/clock/scale", &body).await?
        }
        ClockCommand::SetStateChanges { pace } => {
            let body = json!({ "state_changes": pace.to_string() });
            client
                .post("/_portcullis/clock/state-changes", &body)
                .await?
        }
    };
    print::json(reply.get("data").unwrap_or(&reply));
    Ok(if done(&reply) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

async fn advance(client: &Client, by: Duration) -> Result<Value, ClientError> {
    let mut left = by.as_secs();
    loop {
        let stride = left.min(STRIDE_SECONDS);
        let body = json!({ "seconds": stride });
        let reply = client.post("/_portcullis/clock/advance", &body).await?;
        left -= stride;
        if left == 0 || !done(&reply) {
            return Ok(reply);
        }
    }
}

fn done(reply: &Value) -> bool {
    reply.get("error_code").and_then(Value::as_i64) == Some(0)
}

/// Reads `90s`, `30m`, `12h`, `7d`.
pub(crate) fn span(text: &str) -> Result<Duration, String> {
    let invalid = || {
        format!(
            "{text:?} is not a span of time. Give a whole number and a unit: 90s, 30m, 12h, 7d."
        )
    };
    let number = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let seconds: u64 = match text.get(number.len()..) {
        Some("s") => 1,
        Some("m") => 60,
        Some("h") => 60 * 60,
        Some("d") => 24 * 60 * 60,
        _ => return Err(invalid()),
    };
    let number: u64 = number.parse().map_err(|_| invalid())?;
    number
        .checked_mul(seconds)
        .map(Duration::from_secs)
        .ok_or_else(invalid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_a_number_and_a_unit() {
        for (text, seconds) in [("90s", 90), ("30m", 1800), ("12h", 43_200), ("7d", 604_800)] {
            assert_eq!(span(text).unwrap().as_secs(), seconds);
        }
        for text in [
            "",
            "7",
            "d",
            "7w",
            "-1d",
            "1.5h",
            "7 d",
            "99999999999999999999d",
        ] {
            assert!(span(text).is_err(), "{text}");
        }
    }
}
