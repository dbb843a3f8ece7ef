use std::time::Duration;

use tokio::time::sleep;

/// Lets so many milliseconds of the world pass.
pub(super) async fn wait(millis: u64) {
    sleep(Duration::from_millis(millis)).await;
}
