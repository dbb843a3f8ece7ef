//! `portcullis up`: puts the parts together, makes the world, serves until told to stop.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use portcullis_api::Scope;
use portcullis_loadgen::print;
use portcullis_server::{
    Auth, EventsConfig, EventsFile, Limits, Principals, Resets, Running, ServerConfig,
};
use portcullis_store::Closing;
use portcullis_worlds::World;
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::args::{AuthMode, Up};
use crate::data::Data;
use crate::door::Door;
use crate::instance::Instance;
use crate::output::ServerOutput;
use crate::urls::Urls;
use crate::{core_dumps, descriptors, door, hooks, restart, stop, tls, user_folders};

/// Runs until SIGTERM or SIGINT.
pub(crate) fn run(arguments: &Up) -> ExitCode {
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
    let outcome = match outcome {
        Ok(ServingEnd::Stopped { files }) => {
            stop::wait_for(&files);
            Ok(())
        }
        Ok(ServingEnd::ToBeginAgain { port, admin_port }) => {
            // What was said is written before this process becomes another one.
            output.flush();
            Err(restart::begin(port, admin_port))
        }
        Err(why) => Err(why),
    };
    output.end(outcome)
}

/// Why Portcullis does not serve any more.
enum ServingEnd {
    Stopped {
        /// What is to be closed before the process ends.
        files: Vec<Closing>,
    },
    /// A client asked for the world's start.
    ToBeginAgain { port: u16, admin_port: u16 },
}

async fn serve(arguments: &Up, output: &ServerOutput) -> Result<ServingEnd, String> {
    let started = Instant::now();
    let world = world(arguments)?;
    // Said before anything is opened: the command line may have named another one than the world.
    let _known = world.device(world.profile.as_deref())?;
    tracing::info!(world = arguments.world, "{}", world.description);
    let data = data(arguments)?;
    door::check(arguments, &data)?;
    let instance = Instance::open(&data, &world).await?;
    let seeded = world.make(&instance.system).await;
    let seeded = seeded.map_err(|error| error.to_string())?;
    if seeded {
        instance.name_world(&world_name(arguments))?;
    }
    instance.finished().await?;
    let door = Door::of(arguments, &data, &*instance.system.entropy)?;
    let presented = tls::presented(arguments, &instance.system, (&data, &door)).await?;
    let (auth, principals) = auth(arguments, &world)?;
    // Before the first line on stdout: a program that waits for that line may stop us at once.
    let mut signals = Signals::listen()?;
    let resets = Resets {
        ask: Arc::new(Notify::new()),
        count: restart::resets(),
    };
    let running = instance.serve(ServerConfig {
        listeners: door.listeners,
        admin_access: door.access,
        host_names: door.host_names,
        tls: presented.as_ref().map(|it| it.identity.clone()),
        auth,
        principals,
        defaults: world.scope(),
        messages: world.messages,
        events: events(arguments, output)?,
        log_drops: output.log_drops(),
        resets: Some(resets.clone()),
        limits: limits(arguments),
        ..ServerConfig::default()
    })?;
    instance.system.receive_hosts(running.address)?;
    let urls = Urls::of(&running, &door.reach, presented.as_ref());
    instance.send_load_to(urls.clone());
    run_hooks(arguments, &urls, world.scope(), output).await?;
    let ready_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    // After a reset the program that waited for the line has read it, and may not read on.
    if restart::port().is_none() {
        let mut line = json!({
            "endpoint": urls.endpoint,
            "world": arguments.world,
            "account": world.account,
            "region": world.region,
            "data": folder(&data),
            "pid": std::process::id(),
            "ready_ms": ready_ms,
        });
        urls.add_to(&mut line);
        output.result(&line);
    }
    let started = Started {
        world: &arguments.world,
        data: &data,
        seeded,
    };
    hints(&urls, &started, output);
    door::tell(&running, &door.reach, arguments.auth, output);
    tell_of_another_world(instance.world().as_deref(), arguments, output);
    tell_of_faults(instance.system.cloudhsm.faults().list().len(), output);
    let why = why_to_end(&mut signals, &resets.ask).await;
    end(why, running, &instance, output).await
}

/// The world that was named, with what the command line says of it otherwise.
fn world(arguments: &Up) -> Result<World, String> {
    let mut world = World::find(&arguments.world).map_err(|error| error.to_string())?;
    world.time_scale = arguments.time_scale.or(world.time_scale);
    world.profile = arguments.profile.clone().or(world.profile);
    world.state_changes = arguments.state_changes.unwrap_or(world.state_changes);
    world.quota = arguments.quota.unwrap_or(world.quota);
    world.messages = arguments.messages.unwrap_or(world.messages);
    world.hsms_on = arguments.hsms_on.unwrap_or(world.hsms_on);
    let roots = arguments.attestation_roots.clone();
    world.attestation_roots = roots.or(world.attestation_roots);
    Ok(world)
}

/// Why a server ends.
enum Reason {
    Signal,
    Reset,
}

async fn why_to_end(signals: &mut Signals, reset: &Notify) -> Reason {
    tokio::select! {
        biased;
        () = signals.next() => Reason::Signal,
        () = reset.notified() => Reason::Reset,
    }
}

async fn end(
    why: Reason,
    running: Running,
    instance: &Instance,
    output: &ServerOutput,
) -> Result<ServingEnd, String> {
    let (port, admin_port) = (running.address.port(), running.admin.port());
    match why {
        Reason::Signal => {
            output.note("Stopping: answering what is under way ...");
            instance.system.end_long_work();
            running.shutdown().await;
            stop::save(instance.system.kms.save_last_uses()).await;
            Ok(ServingEnd::Stopped {
                files: instance.closing(),
            })
        }
        Reason::Reset => {
            output.note("Going back to the start of the world ...");
            instance.system.end_long_work();
            running.shutdown().await;
            instance.abandon()?;
            Ok(ServingEnd::ToBeginAgain { port, admin_port })
        }
    }
}

/// Runs the scripts of `--ready-hooks`, while calls are answered.
async fn run_hooks(
    arguments: &Up,
    urls: &Urls,
    scope: Scope,
    output: &ServerOutput,
) -> Result<(), String> {
    let Some(folder) = arguments.ready_hooks.clone() else {
        return Ok(());
    };
    let urls = urls.clone();
    let run = tokio::task::spawn_blocking(move || hooks::run(&folder, &urls, &scope));
    let count = run.await.map_err(|error| error.to_string())??;
    output.note(&format!("Ready hooks: {count} run."));
    Ok(())
}

/// Who may call, and who that is.
fn auth(arguments: &Up, world: &World) -> Result<(Auth, Option<Arc<Principals>>), String> {
    let (principals, credentials) = world.principals()?;
    let enforced = arguments.auth == AuthMode::Enforce;
    if arguments.auth != AuthMode::Open && !world.auth.public_root && principals.is_empty() {
        return Err(
            "Nobody could call: the world switches the public root off ([auth] public_root = false) \
             and declares no [[principals]]. Declare some, or start with --auth open."
                .to_owned(),
        );
    }
    let auth = match arguments.auth {
        AuthMode::Open => Auth::Open,
        AuthMode::Verify => Auth::Verify(credentials),
        AuthMode::Enforce => Auth::Enforce(credentials),
    };
    let principals = (enforced || !principals.is_empty()).then(|| Arc::new(principals));
    Ok((auth, principals))
}

/// What clients may take.
fn limits(arguments: &Up) -> Limits {
    let limits = Limits {
        connections_max: arguments.max_connections,
        ..Limits::default()
    };
    descriptors::fit(limits, ServerConfig::default().cores.get())
}

/// What is kept of events.
fn events(arguments: &Up, output: &ServerOutput) -> Result<EventsConfig, String> {
    let open = |path: &PathBuf| {
        let opened = EventsFile::open(path);
        opened.map_err(|error| {
            let path = path.display();
            format!("Events cannot be appended to {path}: {error}. Give another --events-file.")
        })
    };
    let file = arguments.events_file.as_ref().map(open).transpose()?;
    // Rule EV-09: who may read a file that was there before is its owner's decision.
    if let (Some(path), Some(mode)) = (
        &arguments.events_file,
        file.as_ref().and_then(EventsFile::read_by_others),
    ) {
        let path = path.display();
        output.note(&format!(
            "Note: others can read the events in {path} (mode {mode:03o}), which tell who does what \
             with which key. If they should not: chmod 600 {path}"
        ));
    }
    Ok(EventsConfig {
        file,
        ..EventsConfig::default()
    })
}

/// SIGTERM and SIGINT.
#[derive(Debug)]
pub(crate) struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    pub(crate) fn listen() -> Result<Self, String> {
        let unheard = |error| format!("Signals cannot be listened for: {error}.");
        Ok(Self {
            terminate: signal(SignalKind::terminate()).map_err(unheard)?,
            interrupt: signal(SignalKind::interrupt()).map_err(unheard)?,
        })
    }

    pub(crate) async fn next(&mut self) {
        tokio::select! {
            biased;
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

fn folder(data: &Data) -> Option<&Path> {
    match data {
        Data::Memory => None,
        Data::Folder(folder) => Some(folder),
    }
}

/// Where the state of this world is kept.
fn data(arguments: &Up) -> Result<Data, String> {
    if arguments.ephemeral {
        return Ok(Data::Memory);
    }
    if let Some(folder) = &arguments.data {
        return Ok(Data::Folder(folder.clone()));
    }
    user_folders::data()
        .map(|data| Data::Folder(data.join("portcullis").join(world_name(arguments))))
        .ok_or_else(|| {
            "There is no HOME to keep state in: neither HOME nor XDG_DATA_HOME names an absolute \
             path. Give a folder with --data, or use --ephemeral."
                .to_owned()
        })
}

/// Rule FT-08: what was broken before the restart is broken still, and the log says so.
fn tell_of_faults(count: usize, output: &ServerOutput) {
    let them = match count {
        0 => return,
        1 => "One fault from before is still there".to_owned(),
        _ => format!("{count} faults from before are still there"),
    };
    output.note(&format!(
        "{them}: `portcullis chaos list` shows, `portcullis chaos clear` undoes."
    ));
}

/// A world's name: that of its file, wherever it lies.
fn world_name(arguments: &Up) -> String {
    let name = Path::new(&arguments.world).file_stem().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// Rule ST-16: a world is made once in a folder. Another one's name does not replace it, and what is
/// there is not passed off as that one.
fn tell_of_another_world(made: Option<&str>, arguments: &Up, output: &ServerOutput) {
    let Some(made) = made.filter(|made| *made != world_name(arguments)) else {
        return;
    };
    output.note(&format!(
        "Note: this folder holds the world {made}. Nothing of {} was made in it. For that world \
         give another folder with --data.",
        arguments.world
    ));
}

/// What was started.
struct Started<'a> {
    world: &'a str,
    data: &'a Data,
    /// Whether the world was made by this start.
    seeded: bool,
}

/// What to try, on stderr: stdout is for scripts.
fn hints(urls: &Urls, started: &Started<'_>, output: &ServerOutput) {
    let world = started.world;
    let state = match (started.data, started.seeded) {
        (Data::Memory, _) => "nothing is kept".to_owned(),
        (Data::Folder(folder), true) => format!("made in {}", folder.display()),
        (Data::Folder(folder), false) => format!("as it was left in {}", folder.display()),
    };
    let endpoint = &urls.endpoint;
    output.note(&format!(
        "Portcullis is ready at {endpoint}: world {world}, {state}."
    ));
    let alias = match world {
        "quickstart" => "alias/quickstart",
        "guide" => "alias/guide",
        _ => return,
    };
    let options = urls.options();
    output.note("Try, in another shell:");
    let off_path = std::env::current_exe().ok().and_then(|binary| {
        let path = std::env::var_os("PATH").unwrap_or_default();
        off_path(&binary, &path)
    });
    if let Some(folder) = off_path {
        output.note(&format!("  export PATH=\"{}:$PATH\"", folder.display()));
    }
    for command in [
        format!("eval \"$(portcullis env --endpoint {endpoint}{options})\""),
        "portcullis status".to_owned(),
        "aws kms describe-custom-key-stores".to_owned(),
        format!("aws kms encrypt --key-id {alias} --plaintext aGVsbG8="),
        "portcullis load run --scenario edit-cycle --edits name --rate 500/s --duration 10s --out out"
            .to_owned(),
    ] {
        output.note(&format!("  {command}"));
    }
}

/// The folder of `binary` when `path` leads to no `portcullis` or to another one.
fn off_path(binary: &Path, path: &OsStr) -> Option<PathBuf> {
    let mut named = std::env::split_paths(path).map(|folder| folder.join("portcullis"));
    let found = named.find(|it| it.is_file());
    let found = found.and_then(|found| found.canonicalize().ok());
    let leads_here = found.is_some() && found == binary.canonicalize().ok();
    let folder = binary.parent().filter(|_| !leads_here)?;
    Some(folder.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_binary_that_the_path_does_not_lead_to_says_where_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let [here, elsewhere] = ["here", "elsewhere"].map(|name| folder.path().join(name));
        for made in [&here, &elsewhere] {
            std::fs::create_dir(made).unwrap();
            std::fs::write(made.join("portcullis"), []).unwrap();
        }
        let binary = here.join("portcullis");
        let path = |folders: &[&PathBuf]| std::env::join_paths(folders).unwrap();
        assert_eq!(off_path(&binary, &path(&[&here, &elsewhere])), None);
        assert_eq!(
            off_path(&binary, &path(&[&elsewhere, &here])),
            Some(here.clone())
        );
        assert_eq!(off_path(&binary, &path(&[])), Some(here));
    }
}
