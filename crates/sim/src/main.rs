//! Runs seeded worlds and reports what they violate.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program's results and progress"
)]

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use clap::Parser;
use portcullis_seam::plant::Bug;
use portcullis_sim::{Coverage, Lines, Verdict, run, run_twice};

/// Seeded worlds of Portcullis: power cuts, partitions and edits, with the product's own code.
///
/// Exits with 1 when a seed violates an invariant, and says how to replay it.
#[derive(Debug, Parser)]
#[command(name = "portcullis-sim", version)]
struct Arguments {
    /// The seeds to run, as FROM..TO.
    #[arg(long, default_value = "0..200", value_parser = seeds)]
    seeds: Range<u64>,
    /// A bug to plant, which must then be found; `list` names them.
    #[arg(long)]
    plant: Option<String>,
    /// Print the trace of one seed instead.
    #[arg(long, value_name = "SEED")]
    trace: Option<u64>,
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
            eprintln!("{names}");
            return ExitCode::from(2);
        }
    };
    match arguments.trace {
        Some(seed) => trace(seed, bug),
        None => batch(&arguments, bug),
    }
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

fn trace(seed: u64, bug: Option<Bug>) -> ExitCode {
    match run(seed, bug, Lines::Kept) {
        Ok(verdict) => {
            verdict.lines.iter().for_each(|line| println!("{line}"));
            println!("trace {}", hex(verdict.hash));
            verdict
                .violations
                .iter()
                .for_each(|violation| println!("VIOLATION {violation}"));
            ExitCode::from(u8::from(!verdict.violations.is_empty()))
        }
        Err(error) => {
            eprintln!("seed {seed}: {error}");
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
}

fn batch(arguments: &Arguments, bug: Option<Bug>) -> ExitCode {
    let began = tokio::time::Instant::now();
    let next = AtomicU64::new(arguments.seeds.start);
    let found = Mutex::new(Found::default());
    let threads = arguments
        .threads
        .or_else(|| std::thread::available_parallelism().ok())
        .unwrap_or(NonZeroUsize::MIN);
    std::thread::scope(|scope| {
        for _ in 0..threads.get() {
            scope.spawn(|| work(arguments, bug, &next, &found, began));
        }
    });
    let found = found
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    match arguments.output {
        Output::Text => report(&found, bug, began.elapsed()),
        Output::Json => println!("{}", json(&found, began.elapsed())),
    }
    ExitCode::from(u8::from(!found.failing.is_empty()))
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
            run_twice(seed, bug)
        } else {
            run(seed, bug, Lines::Dropped)
        };
        let mut found = found
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        found.done += 1;
        match outcome {
            Ok(Verdict {
                violations,
                coverage,
                ..
            }) => {
                found.coverage.add(&coverage);
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
            eprintln!(
                "{} schedules, {rate:.0}/s, {} failing",
                found.done,
                found.failing.len()
            );
        }
    }
}

fn report(found: &Found, bug: Option<Bug>, took: Duration) {
    for (seed, violations) in &found.failing {
        println!("seed {seed}");
        violations
            .iter()
            .take(LINES_MAX)
            .for_each(|line| println!("  {line}"));
        let plant = bug
            .map(|bug| format!(" --plant {bug:?}"))
            .unwrap_or_default();
        println!("  replay: portcullis-sim --trace {seed}{plant}");
    }
    println!("coverage");
    for (name, count) in &found.coverage.0 {
        println!("  {count:>9}  {name}");
    }
    let rate = per_second(found.done, took);
    println!(
        "{} schedules at {rate:.0}/s, {} failing",
        found.done,
        found.failing.len()
    );
}

fn json(found: &Found, took: Duration) -> serde_json::Value {
    serde_json::json!({
        "schedules": found.done,
        "schedules_per_second": per_second(found.done, took),
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
const PROGRESS_EVERY: u64 = 100;
