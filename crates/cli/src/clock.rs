//! `portcullis clock`: the services' calendar.

use std::process::ExitCode;
use std::time::Duration;

use portcullis_admin::{
    AdvanceClock, AdvanceRequest, GetClock, Place, Reply, SetStateChanges, SetTimeScale,
    StateChangesRequest, TimeScaleRequest,
};

use crate::args::{Clock, ClockCommand};
use crate::client::{Client, ClientError, print_data};

/// A longer way is gone in several requests, each of which answers in time.
const STRIDE_SECONDS: u64 = 30 * 24 * 60 * 60;

/// Shows or sets the clock.
pub(crate) async fn run(arguments: &Clock) -> Result<ExitCode, ClientError> {
    let client = Client::of(&arguments.access)?;
    let here = Place::default();
    let reply = match &arguments.command {
        ClockCommand::Show => client.call::<GetClock>(&[], &here, &()).await?,
        ClockCommand::Advance { by } => advance(&client, *by).await?,
        ClockCommand::SetScale { scale } => {
            let request = TimeScaleRequest {
                time_scale: scale.get(),
            };
            client.call::<SetTimeScale>(&[], &here, &request).await?
        }
        ClockCommand::SetStateChanges { pace } => {
            let request = StateChangesRequest {
                state_changes: pace.to_string(),
            };
            client.call::<SetStateChanges>(&[], &here, &request).await?
        }
    };
    Ok(print_data(reply))
}

async fn advance(
    client: &Client,
    by: Duration,
) -> Result<Reply<portcullis_admin::Clock>, ClientError> {
    let mut left = by.as_secs();
    loop {
        let seconds = left.min(STRIDE_SECONDS);
        let request = AdvanceRequest { seconds };
        let here = Place::default();
        let reply = client.call::<AdvanceClock>(&[], &here, &request).await?;
        left -= seconds;
        if left == 0 || !reply.is_done() {
            return Ok(reply);
        }
    }
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
