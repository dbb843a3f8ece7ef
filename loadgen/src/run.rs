//! A run from start to end: find the key, fill the samples, send the load, check, write.

use std::cell::RefCell;
use std::convert::Infallible;
use std::rc::Rc;
use std::time::Duration;

use portcullis_admin::{LoadScenario, LoadSpan, RunSummary};
use portcullis_seam::{SystemClock, SystemEntropy, WallClock, draw};
use tokio::task::LocalSet;
use tokio::time::Instant;

use crate::args::{Output, RunArguments};
use crate::client::{ApiConnection, CallEndpoints, ControlClient, Endpoint, SigningCaller};
use crate::cycle::{self, EditCycle, Edits, Timing};
use crate::failure::Unusable;
use crate::find::{self, LoadTarget};
use crate::output::{Progress, RunFiles, result_table, write_results};
use crate::pace::{Arrivals, LATE_ARRIVALS_MAX, Schedule, pace};
use crate::plan::CallPlan;
use crate::print::{self, Columns};
use crate::quantity::Rate;
use crate::summary::{RunEnding, RunHeader, is_sound, summary_of};
use crate::worker::{LatencyOrigin, RunJournal, RunningLoad, work};

/// Carries out `load run`. Gives whether the result is good.
pub(crate) fn run(arguments: &RunArguments) -> Result<bool, Unusable> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| {
            Unusable(format!(
                "The operating system gives no event queue: {error}."
            ))
        })?;
    LocalSet::new().block_on(&runtime, carry_out(arguments))
}

async fn carry_out(arguments: &RunArguments) -> Result<bool, Unusable> {
    let places = CallEndpoints::parse(&arguments.access)?;
    let endpoint = places.endpoint.clone();
    let caller = Rc::new(SigningCaller::new(
        endpoint.clone(),
        &arguments.credentials,
    )?);
    let mut control = ControlClient::new(places.clone(), Rc::clone(&caller));
    let target = find::target(&mut control, arguments).await?;
    let edits = edits(&mut control, arguments, &target).await?;
    let seed = arguments
        .seed
        .unwrap_or_else(|| u64::from_le_bytes(draw(&SystemEntropy)));
    let mut plan = CallPlan::new(
        &target.key_id,
        arguments.mix.clone(),
        usize::from(arguments.payload),
        seed,
    );
    fill_samples(&mut control, &mut plan).await?;
    let files = arguments.out.as_deref().map(RunFiles::create).transpose()?;
    let header = header(arguments, &target, seed);

    let start = Instant::now();
    let load = Rc::new(RunningLoad {
        caller: Rc::clone(&caller),
        arrivals: arrivals(arguments),
        plan: RefCell::new(plan),
        journal: RefCell::new(RunJournal::new(start)),
        start,
        from: if arguments.closed_loop {
            LatencyOrigin::RealSend
        } else {
            LatencyOrigin::IntendedSend
        },
    });
    let cycle = edits
        .zip(target.key_store)
        .map(|(edits, key_store)| EditCycle {
            control: ControlClient::new(places, caller),
            load: Rc::clone(&load),
            key_store,
            edits,
            timing: Timing::of(&arguments.cycle),
        });
    let mut progress = Progress::new(files, arguments.duration);
    let driven = drive(&load, &endpoint, arguments, cycle, &mut progress).await;
    let unchecked = check_samples(&mut control, &load).await;
    let mut summary = summarise(header, &load, driven, unchecked);
    judge(&mut summary, arguments);
    write_results(&mut progress, &summary, &load)?;
    show(&summary, arguments.output);
    match summary.stopped {
        Some(reason) => Err(Unusable(reason)),
        None => Ok(summary.passed),
    }
}

/// The edits that an edit cycle makes.
async fn edits(
    control: &mut ControlClient,
    arguments: &RunArguments,
    target: &LoadTarget,
) -> Result<Option<Edits>, Unusable> {
    if target.created {
        print::note(&format!("Made the key {}.", target.key_id));
    }
    match (arguments.scenario, &target.key_store) {
        (LoadScenario::EditCycle, Some(key_store)) => {
            let (edits, notes) = cycle::prepare(control, arguments, key_store).await?;
            notes.iter().for_each(|note| print::note(note));
            Ok(Some(edits))
        }
        (LoadScenario::EditCycle | LoadScenario::Steady | LoadScenario::Substitution, _) => {
            Ok(None)
        }
    }
}

/// Fills the samples, so that a Decrypt has something to open. A run that can encrypt nothing ends
/// here, with the service's own words.
async fn fill_samples(control: &mut ControlClient, plan: &mut CallPlan) -> Result<(), Unusable> {
    let mut why_not = None;
    for job in plan.first_jobs() {
        match control.send(job.call()).await {
            Ok(body) => match plan.read(&job, &body).error() {
                None => {}
                Some(name) => return Err(control.endpoint().unreachable(name)),
            },
            Err(error) => why_not = Some(error),
        }
    }
    match why_not {
        Some(error) if plan.samples.is_empty() => Err(error.unusable(control.endpoint())),
        Some(_) | None => Ok(()),
    }
}

fn header(arguments: &RunArguments, target: &LoadTarget, seed: u64) -> RunHeader {
    RunHeader {
        scenario: arguments.scenario,
        endpoint: arguments.access.endpoint.clone(),
        key_id: target.key_id.clone(),
        key_store_id: target
            .key_store
            .as_ref()
            .map(|key_store| key_store.id.clone()),
        started_at_ms: SystemClock.now().millis(),
        seed,
        connections: arguments.connections,
        closed_loop: arguments.closed_loop,
        intended_rate: intended_rate(arguments).map(Rate::per_second),
    }
}

/// The rate at which calls fall due; `None` in a closed loop without a limit.
fn intended_rate(arguments: &RunArguments) -> Option<Rate> {
    match (arguments.rate, arguments.closed_loop) {
        (Some(rate), _) => Some(rate),
        (None, true) => None,
        (None, false) => Some(Rate::DEFAULT),
    }
}

fn arrivals(arguments: &RunArguments) -> Arrivals {
    match (intended_rate(arguments), arguments.closed_loop) {
        (None, _) => Arrivals::unlimited(),
        (Some(_), false) => Arrivals::scheduled(LATE_ARRIVALS_MAX),
        // A closed loop asks for no call that no worker is free to send.
        (Some(_), true) => Arrivals::scheduled(usize::from(arguments.connections)),
    }
}

/// How the load went.
#[derive(Debug)]
struct Driven {
    sent_for: Duration,
    /// When the last answer was in.
    drained: Duration,
    edits_made: u32,
    stopped: Option<String>,
}

/// Sends the load and runs the edit cycle beside it.
async fn drive(
    load: &Rc<RunningLoad>,
    endpoint: &Endpoint,
    arguments: &RunArguments,
    mut cycle: Option<EditCycle>,
    progress: &mut Progress,
) -> Driven {
    let workers: Vec<_> = (0..arguments.connections)
        .map(|_| {
            let line = ApiConnection::new(endpoint.clone(), arguments.timeout);
            tokio::task::spawn_local(work(Rc::clone(load), line))
        })
        .collect();
    let pacing = intended_rate(arguments).map(|rate| {
        let schedule = Schedule::new(load.start, rate, arguments.duration);
        let load = Rc::clone(load);
        tokio::task::spawn_local(async move {
            let lag = |lag| load.lagged(lag);
            pace(
                &load.arrivals,
                schedule,
                |released| load.released(released),
                lag,
            )
            .await;
        })
    });
    let end = load.start + arguments.duration;
    let edited = edit_until(&mut cycle, end, load);
    let ended = end_at(end, load);
    let both = async { tokio::join!(edited, ended) };
    let (edited, sent_for) = tokio::select! {
        biased;
        both = both => both,
        never = report_each_second(load, progress) => match never {},
    };
    for worker in workers {
        // Each ends by itself once its last call is answered or timed out.
        drop(worker.await);
    }
    if let Some(pacing) = pacing {
        drop(pacing.await);
    }
    Driven {
        sent_for,
        drained: load.start.elapsed().max(sent_for),
        edits_made: cycle.map_or(0, |cycle| cycle.edits.made()),
        stopped: edited.err().map(|error| error.0),
    }
}

async fn edit_until(
    cycle: &mut Option<EditCycle>,
    end: Instant,
    load: &RunningLoad,
) -> Result<(), Unusable> {
    let Some(cycle) = cycle else { return Ok(()) };
    let edited = cycle.run(end).await;
    if edited.is_err() {
        load.end();
    }
    edited
}

/// Ends the load at `end`, on Ctrl-C, or when another task has ended it. Gives how long it went.
async fn end_at(end: Instant, load: &RunningLoad) -> Duration {
    let mut look = tokio::time::interval(Duration::from_millis(20));
    let interrupted = tokio::signal::ctrl_c();
    tokio::pin!(interrupted);
    while !load.arrivals.has_ended() {
        tokio::select! {
            biased;
            _signal = &mut interrupted => break,
            () = tokio::time::sleep_until(end) => break,
            _tick = look.tick() => {}
        }
    }
    load.end();
    load.start.elapsed()
}

async fn report_each_second(load: &RunningLoad, progress: &mut Progress) -> Infallible {
    let mut next = load.start;
    loop {
        next += Duration::from_secs(1);
        tokio::time::sleep_until(next).await;
        note_seconds(load, progress);
    }
}

fn note_seconds(load: &RunningLoad, progress: &mut Progress) {
    let mut journal = load.journal.borrow_mut();
    let phase = journal.phases.present();
    journal.recorder.advance(load.start.elapsed(), phase);
    progress.note_all(&mut journal);
}

/// After the run there is no excuse: every sample must open, to its own plaintext.
const CHECK_TIME_MAX: Duration = Duration::from_secs(30);

/// Decrypts every sample that was kept. Gives how many there was no time for.
async fn check_samples(control: &mut ControlClient, load: &RunningLoad) -> u64 {
    let samples = load.plan.borrow().samples.all();
    let deadline = Instant::now() + CHECK_TIME_MAX;
    for (checked, sample) in samples.iter().enumerate() {
        if Instant::now() >= deadline {
            return u64::try_from(samples.len() - checked).unwrap_or(u64::MAX);
        }
        let answer = control.send_patiently(&sample.call).await;
        let findings = &mut load.journal.borrow_mut().findings;
        match answer {
            Ok(body) => findings.compared(sample.compare(&body)),
            Err(error) => findings.undecryptable(&error.name),
        }
    }
    0
}

fn summarise(header: RunHeader, load: &RunningLoad, driven: Driven, unchecked: u64) -> RunSummary {
    let mut journal = load.journal.borrow_mut();
    let phases = std::mem::replace(&mut journal.phases, crate::phase::Phases::new());
    let phase = phases.present();
    let (phases, last): (Vec<LoadSpan>, LoadSpan) = phases.until(driven.drained);
    journal.ended_phases.push(last);
    journal.recorder.finish(driven.drained, phase);
    let ending = RunEnding {
        sent_for: driven.sent_for,
        phases,
        unchecked,
        edits_made: driven.edits_made,
        stopped: driven.stopped,
    };
    summary_of(header, &journal, ending)
}

fn judge(summary: &mut RunSummary, arguments: &RunArguments) {
    summary.thresholds = arguments
        .thresholds
        .iter()
        .map(|threshold| threshold.judge(summary))
        .collect();
    let met = summary.thresholds.iter().all(|threshold| threshold.passed);
    summary.passed = met && is_sound(summary) && summary.stopped.is_none();
}

fn show(summary: &RunSummary, output: Output) {
    match output {
        Output::Table => result_table(summary).iter().for_each(|table| {
            print::table(Columns::Numbers, table);
            print::line("");
        }),
        Output::Json => print::json(summary),
    }
}
