//! `portcullis hsm serve`: a host, which runs an HSM for a control plane elsewhere.

use std::process::ExitCode;
use std::sync::Arc;

use portcullis_fleet::{
    Disks, EnrolmentToken, HostConfig, HsmHost, InvalidToken, Joined, MakeTransport, is_host_folder,
};
use portcullis_hsm::{DeviceKey, Settings};
use portcullis_link::{ClientIdentity, QuicSettings, QuicTransport};
use portcullis_loadgen::print;
use portcullis_seam::{Entropy, SystemClock, SystemEntropy, ThreadPool};
use serde_json::json;
use zeroize::Zeroizing;

use crate::args::ServeHsm;
use crate::folder::{DataFolder, FolderKind};
use crate::output::ServerOutput;
use crate::up::Signals;
use crate::{core_dumps, stop};

/// Runs until SIGTERM or SIGINT, or until the control plane refuses.
pub(crate) fn run(arguments: ServeHsm) -> ExitCode {
    let output = match ServerOutput::start() {
        Ok(output) => output,
        Err(why) => {
            print::note(&why);
            return ExitCode::from(2);
        }
    };
    if !arguments.allow_core_dumps
        && let Err(why) = core_dumps::forbid()
    {
        output.note(&why);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let outcome = match runtime {
        Ok(runtime) => stop::run(runtime, serve(arguments, &output)),
        Err(error) => Err(format!("The operating system gives no threads: {error}.")),
    };
    output.end(outcome)
}

async fn serve(mut arguments: ServeHsm, output: &ServerOutput) -> Result<(), String> {
    let token = read_token(arguments.token.take())?;
    let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
    let folder = DataFolder::open(&arguments.data, FolderKind::Host, &*entropy)?;
    // A new folder holds nothing; one of `up` has a world.
    if !is_host_folder(&folder.store) && !folder.is_new() {
        return Err(format!(
            "The data folder {} is that of a control plane, which `portcullis up` uses. Choose \
             another folder with --data.",
            arguments.data.display()
        ));
    }
    let config = HostConfig {
        store: folder.store.clone(),
        disks: Arc::<dyn Disks>::clone(&folder.disks),
        transport: transport(&entropy)?,
        entropy: Arc::clone(&entropy),
        clock: Arc::new(SystemClock),
        pool: Arc::new(ThreadPool::per_core()),
        device_key: Arc::new(DeviceKey::from_bytes(&folder.device_key.0)),
        hsm_settings: Settings::default(),
        listen: arguments.listen,
        join: arguments.join,
    };
    let host = HsmHost::open(config, token)
        .await
        .map_err(|end| end.to_string())?;
    folder.finished(&*entropy).await?;
    let mut signals = Signals::listen()?;
    tokio::select! {
        biased;
        () = signals.next() => {
            output.note("Stopping: the HSM finishes what it has begun ...");
            host.stop().await;
            Ok(())
        }
        end = host.run(|joined| tell(joined, output)) => Err(end.to_string()),
    }
}

/// The text of a token is not kept; the environment of the process still has it if it came from there.
fn read_token(text: Option<String>) -> Result<Option<EnrolmentToken>, String> {
    let text = text.map(Zeroizing::new);
    let token = text.as_deref().map(|text| text.parse()).transpose();
    token.map_err(|error: InvalidToken| error.to_string())
}

fn tell(joined: &Joined, output: &ServerOutput) {
    output.result(&json!({
        "host": joined.host,
        "availability_zone": joined.zone,
        "pid": std::process::id(),
    }));
}

/// The HSM admits one facade and makes no connections, so what it would call with is thrown away.
fn transport(entropy: &Arc<dyn Entropy>) -> Result<MakeTransport, String> {
    let client = ClientIdentity::generate().map_err(|error| error.to_string())?;
    let entropy = Arc::clone(entropy);
    Ok(Box::new(move |facade| {
        Arc::new(QuicTransport::new(QuicSettings {
            client: client.clone(),
            accepted_clients: vec![facade],
            entropy: Arc::clone(&entropy),
        }))
    }))
}
