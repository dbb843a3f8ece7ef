//! Runs seeded worlds and reports what they violate.

mod print;

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use clap::Parser;
use portcullis_seam::plant::Bug;
use portcullis_sim::{
    Carrier, Coverage, Lines, SeedVerdict, WorldPlan, power_cuts, run_plan, run_plan_twice,
    shrink_plan,
};

/// Seeded worlds of Portcullis: power cuts, partitions and edits, with the product's own code.
///
/// Exits with 1 when a seed violates an invariant, and says how to replay it.
#[derive(Debug, Parser)]
#[command(name = "portcullis-sim", version)]
struct Arguments {
    /// The seeds to run, as FROM..TO.
    #[arg(long, default_value = "0..200", value_parser = seeds)]
    seeds: Range<u64>,
    /// What carries frames between the facade and its HSMs.
    #[arg(long, value_enum, default_value_t = Transport::Messages)]
    transport: Transport,
    /// Build every world from nothing: otherwise most schedules begin with a copy of one.
    #[arg(long)]
    built: bool,
    /// A bug to plant, which must then be found; `list` names them.
    #[arg(long)]
    plant: Option<String>,
    /// Print the trace of one seed instead.
    #[arg(long, value_name = "SEED")]
    trace: Option<u64>,
    /// Shrink the plan of a failing seed instead, and print what is left of it with its trace.
    #[arg(long, value_name = "SEED")]
    shrink: Option<u64>,
    /// Cut the power of a store this many times instead, each time in another write.
    #[arg(long, value_name = "COUNT")]
    power_cuts: Option<u64>,
    /// Measure instead how long ten simulated minutes take in which nothing happens.
    #[arg(long)]
    idle: bool,
    /// Run every seed twice and compare.
    #[arg(long)]
    twice: bool,
    /// How to print the report.
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
    /// Threads; a world runs on one. As many as there are cores by default.
    #[arg(long)]
    threads: Option<NonZeroUsize>,
}

/// The two simulated forms of the transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Transport {
    /// Seeded messages.
    Messages,
    /// QUIC with quinn, over seeded UDP.
    Quinn,
}

impl Arguments {
    const fn carrier(&self) -> Carrier {
        match self.transport {
            Transport::Messages => Carrier::Messages,
            Transport::Quinn => Carrier::Quinn,
        }
    }

    fn plan(&self, seed: u64) -> WorldPlan {
        let drawn = WorldPlan::draw(seed).over(self.carrier());
        if self.built { drawn.built() } else { drawn }
    }

    /// How to run one seed again as it ran.
    fn replay(&self, bug: Option<Bug>) -> String {
        let plant = bug.map(|bug| format!(" --plant {bug:?}"));
        let transport = match self.transport {
            Transport::Messages => "",
            Transport::Quinn => " --transport quinn",
        };
        let built = if self.built { " --built" } else { "" };
        format!("{transport}{built}{}", plant.unwrap_or_default())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Output {
    Text,
    Json,
}

fn seeds(text: &str) -> Result<Range<u64>, String> {
    let parsed = text.split_once("..").and_then(|(from, to)| {
        let range: Range<u64> = from.parse().ok()?..to.parse().ok()?;
        (!range.is_empty()).then_some(range)
    });
    parsed.ok_or_else(|| "seeds are given as FROM..TO, such as 0..2000".to_owned())
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let bug = match arguments.plant.as_deref().map(find_bug).transpose() {
        Ok(bug) => bug,
        Err(names) => {
            print::note(format_args!("{names}"));
            return ExitCode::from(2);
        }
    };
    print::end(run(&arguments, bug))
}

fn run(arguments: &Arguments, bug: Option<Bug>) -> ExitCode {
    if let Some(seed) = arguments.trace {
        trace(arguments, seed, bug)
    } else if let Some(seed) = arguments.shrink {
        print_shrunk(arguments, seed, bug)
    } else if arguments.idle {
        idle(arguments)
    } else if let Some(cuts) = arguments.power_cuts {
        cut_power(arguments, cuts, bug)
    } else {
        batch(arguments, bug)
    }
}

fn print_shrunk(arguments: &Arguments, seed: u64, bug: Option<Bug>) -> ExitCode {
    let Some(shrunk) = shrink_plan(seed, arguments.plan(seed), bug) else {
        print::note(format_args!(
            "seed {seed} violates nothing: there is nothing to shrink"
        ));
        return ExitCode::from(2);
    };
    let lines = &shrunk.verdict.lines;
    lines
        .iter()
        .for_each(|line| print::line(format_args!("{line}")));
    print::line(format_args!(
        "\nthe smallest plan of {} tried:",
        shrunk.tried
    ));
    print::line(format_args!("{}", shrunk.plan.to_string().trim_end()));
    let mut violations = shrunk.verdict.violations.iter();
    let first = violations.find(|violation| violation.invariant == shrunk.invariant);
    if let Some(violation) = first {
        print::line(format_args!("VIOLATION {violation}"));
    }
    ExitCode::from(1)
}

/// How long ten minutes take in which nothing happens: the difference between a world with them
/// and one without, each run so often that what else the machine does cancels out.
fn idle(arguments: &Arguments) -> ExitCode {
    let mut shortest = [Duration::MAX; 2];
    for _ in 0..IDLE_RUNS {
        for (minutes, shortest) in [0, IDLE_MINUTES].into_iter().zip(&mut shortest) {
            let began = tokio::time::Instant::now();
            let plan = WorldPlan::idle(minutes).over(arguments.carrier());
            if let Err(error) = run_plan(arguments.seeds.start, &plan, None, Lines::Dropped) {
                print::note(format_args!("{error}"));
                return ExitCode::from(2);
            }
            *shortest = began.elapsed().min(*shortest);
        }
    }
    let [without, with] = shortest.map(|took| took.as_secs_f64() * 1e3);
    print::line(format_args!(
        "ten idle minutes: {:.1} ms (a world with them {with:.1} ms, one without {without:.1} ms)",
        (with - without).max(0.0)
    ));
    ExitCode::SUCCESS
}

/// As many trials as there are threads, each with a disk and a share of the cuts of its own.
fn cut_power(arguments: &Arguments, cuts: u64, bug: Option<Bug>) -> ExitCode {
    let began = tokio::time::Instant::now();
    let threads = u64::try_from(threads(arguments)).unwrap_or(1);
    let trials: Vec<_> = std::thread::scope(|scope| {
        let start = |index| {
            let seed = arguments.seeds.start + index;
            scope.spawn(move || power_cuts(seed, cuts.div_ceil(threads), bug))
        };
        // All are started before the first is waited for.
        let mut started = Vec::new();
        for index in 0..threads {
            started.push(start(index));
        }
        started.into_iter().map(|one| one.join()).collect()
    });
    let mut failing = false;
    let (mut cuts, mut acknowledged) = (0, 0);
    for trial in trials {
        let Ok(Ok(trial)) = trial else {
            print::note(format_args!("a trial did not end"));
            return ExitCode::from(2);
        };
        print::line(format_args!(
            "{} power cuts, {} of them in a recovery: {} commits acknowledged, {} not acknowledged \
             and kept, {} and lost",
            trial.cuts, trial.in_recovery, trial.acknowledged, trial.kept, trial.lost
        ));
        trial
            .violations
            .iter()
            .for_each(|violation| print::line(format_args!("VIOLATION I8 {violation}")));
        failing |= !trial.violations.is_empty();
        cuts += trial.cuts;
        acknowledged += trial.acknowledged;
    }
    let rate = per_second(cuts, began.elapsed());
    print::line(format_args!(
        "{cuts} power cuts at {rate:.0}/s, {acknowledged} acknowledged commits"
    ));
    ExitCode::from(u8::from(failing))
}

fn threads(arguments: &Arguments) -> usize {
    arguments
        .threads
        .or_else(|| std::thread::available_parallelism().ok())
        .unwrap_or(NonZeroUsize::MIN)
        .get()
}

fn find_bug(name: &str) -> Result<Bug, String> {
    let named = Bug::ALL
        .into_iter()
        .find(|bug| format!("{bug:?}").eq_ignore_ascii_case(name));
    named.ok_or_else(|| {
        let names: Vec<String> = Bug::ALL.iter().map(|bug| format!("{bug:?}")).collect();
        format!("bugs that can be planted: {}", names.join(", "))
    })
}

fn trace(arguments: &Arguments, seed: u64, bug: Option<Bug>) -> ExitCode {
    match run_plan(seed, &arguments.plan(seed), bug, Lines::Kept) {
        Ok(verdict) => {
            verdict
                .lines
                .iter()
                .for_each(|line| print::line(format_args!("{line}")));
            print::line(format_args!("trace {}", hex(verdict.hash)));
            verdict
                .violations
                .iter()
                .for_each(|violation| print::line(format_args!("VIOLATION {violation}")));
            ExitCode::from(u8::from(!verdict.violations.is_empty()))
        }
        Err(error) => {
            print::note(format_args!("seed {seed}: {error}"));
            ExitCode::from(2)
        }
    }
}

/// What a batch has found so far.
#[derive(Default)]
struct Found {
    coverage: Coverage,
    /// The failing seeds, with what they violate or why there is no verdict.
    failing: BTreeMap<u64, Vec<String>>,
    done: u64,
    /// Of all schedules, in whichever order they were run.
    hash: u64,
}

fn batch(arguments: &Arguments, bug: Option<Bug>) -> ExitCode {
    let began = tokio::time::Instant::now();
    let next = AtomicU64::new(arguments.seeds.start);
    let found = Mutex::new(Found::default());
    let threads = threads(arguments);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| work(arguments, bug, &next, &found, began));
        }
    });
    let found = found
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    match arguments.output {
        Output::Text => report(&found, &arguments.replay(bug), began.elapsed()),
        Output::Json => print::line(format_args!("{}", json(&found, began.elapsed()))),
    }
    let missing = missing(arguments, &found, bug);
    for name in &missing {
        print::note(format_args!("no schedule had: {name}"));
    }
    ExitCode::from(u8::from(!found.failing.is_empty() || !missing.is_empty()))
}

/// Rule SIM-05: what should have happened in so many schedules and did not.
fn missing(arguments: &Arguments, found: &Found, bug: Option<Bug>) -> Vec<String> {
    if bug.is_none() && arguments.seeds.end - arguments.seeds.start >= COVERS_FROM {
        found.coverage.missing()
    } else {
        Vec::new()
    }
}

fn work(
    arguments: &Arguments,
    bug: Option<Bug>,
    next: &AtomicU64,
    found: &Mutex<Found>,
    began: tokio::time::Instant,
) {
    loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= arguments.seeds.end {
            return;
        }
        let outcome = if arguments.twice {
            run_plan_twice(seed, &arguments.plan(seed), bug)
        } else {
            run_plan(seed, &arguments.plan(seed), bug, Lines::Dropped)
        };
        let mut found = found
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        found.done += 1;
        match outcome {
            Ok(SeedVerdict {
                violations,
                coverage,
                hash,
                ..
            }) => {
                found.coverage.add(&coverage);
                let turned = u64::from_be_bytes(hash).wrapping_mul(2 * seed + 1);
                found.hash = found.hash.wrapping_add(turned);
                if !violations.is_empty() {
                    let lines = violations.iter().map(ToString::to_string).collect();
                    found.failing.insert(seed, lines);
                }
            }
            Err(error) => {
                found
                    .failing
                    .insert(seed, vec![format!("no verdict: {error}")]);
            }
        }
        if found.done.is_multiple_of(PROGRESS_EVERY) {
            let rate = per_second(found.done, began.elapsed());
            print::note(format_args!(
                "{} schedules, {rate:.0}/s, {} failing",
                found.done,
                found.failing.len()
            ));
        }
    }
}

fn report(found: &Found, replay: &str, took: Duration) {
    for (seed, violations) in &found.failing {
        print::line(format_args!("seed {seed}"));
        violations
            .iter()
            .take(LINES_MAX)
            .for_each(|line| print::line(format_args!("  {line}")));
        print::line(format_args!(
            "  replay: portcullis-sim --trace {seed}{replay}"
        ));
    }
    print::line(format_args!("coverage"));
    for (name, count) in &found.coverage.0 {
        print::line(format_args!("  {count:>9}  {name}"));
    }
    let rate = per_second(found.done, took);
    print::line(format_args!(
        "{} schedules at {rate:.0}/s, {} failing, hash {:016x}",
        found.done,
        found.failing.len(),
        found.hash
    ));
}

fn json(found: &Found, took: Duration) -> serde_json::Value {
    serde_json::json!({
        "schedules": found.done,
        "schedules_per_second": per_second(found.done, took),
        "hash": format!("{:016x}", found.hash),
        "coverage": found.coverage.0,
        "failing": found.failing,
    })
}

#[expect(clippy::cast_precision_loss, reason = "a rate for people")]
fn per_second(count: u64, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64().max(1e-9)
}

fn hex(bytes: [u8; 8]) -> String {
    format!("{:016x}", u64::from_be_bytes(bytes))
}

/// Violations of one seed that a report shows.
const LINES_MAX: usize = 5;
const PROGRESS_EVERY: u64 = 500;

const IDLE_MINUTES: u64 = 10;
const IDLE_RUNS: usize = 20;

/// A batch of as many seeds must have had everything.
const COVERS_FROM: u64 = 2_000;
