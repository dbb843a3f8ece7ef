//! `portcullis clock`: the services' calendar.

use std::process::ExitCode;
use std::time::Duration;

use portcullis_admin::{
    AdvanceClock, AdvanceRequest, GetClock, Place, Reply, SetStateChanges, SetTimeScale,
    StateChangesRequest, TimeScaleRequest,
};

use crate::args::{ClockArguments, ClockCommand};
use crate::client::{AdminClient, ClientError, print_data};

/// A longer way is gone in several requests, each of which answers in time.
const STRIDE_SECONDS: u64 = 30 * 24 * 60 * 60;

/// Shows or sets the clock.
pub(crate) async fn run(arguments: &ClockArguments) -> Result<ExitCode, ClientError> {
    let client = AdminClient::of(&arguments.access)?;
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
    client: &AdminClient,
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
