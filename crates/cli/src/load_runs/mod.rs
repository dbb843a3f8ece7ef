//! Load runs that the console starts: each is a `portcullis load run`, or a rehearsal by `portcullis
//! chaos run`, of its own process against this server, so that measuring shares no thread with what is
//! measured. `order` says how what was asked for becomes a command.
//!
//! ```text
//! <folder>/run-7/order.json      what was asked for, without the password, and when
//!                timeline.jsonl  grows each second
//!                summary.json, report.html, *.hgrm   when it has ended
//!                rehearsal.json  instead of these three, the result of a rehearsal
//!                messages.txt    what it wrote to stdout and stderr
//! ```

mod order;

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use portcullis_admin::{
    KeptLoadOrder, LoadOrder, LoadRun, LoadRunDetail, LoadRunState, TimelineLine,
};
use portcullis_seam::{SystemClock, Timestamp, WallClock};
use portcullis_server::LoadRuns;
use rustix::process::{Pid, Signal, kill_process};
use serde::de::DeserializeOwned;
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};

use crate::urls::{TOKEN_FILE, Urls};

/// Runs that are kept; the oldest go first.
///
/// Rule CON-05: with the data folder they outlive a restart.
const KEPT_MAX: usize = 50;

/// What a rehearsal prints.
const REHEARSAL: &str = "rehearsal.json";

/// Starts and keeps load runs.
#[derive(Debug)]
pub(crate) struct LoadRunner {
    folder: PathBuf,
    /// Known once the server listens.
    urls: OnceLock<Urls>,
    /// Process IDs by run; none when it has ended.
    runs: Arc<Mutex<BTreeMap<u64, Option<Pid>>>>,
}

impl LoadRunner {
    /// Keeps runs in `folder`, which is made with the first.
    pub(crate) fn new(folder: PathBuf) -> Self {
        let entries = fs::read_dir(&folder).into_iter().flatten().flatten();
        let kept = entries.filter_map(|entry| number(entry.file_name().to_str()?));
        let runs = kept.map(|run| (run, None)).collect();
        Self {
            folder,
            urls: OnceLock::new(),
            runs: Arc::new(Mutex::new(runs)),
        }
    }

    /// Where the load is sent.
    pub(crate) fn set_urls(&self, urls: Urls) {
        // A server is started once.
        let _already_set = self.urls.set(urls);
    }

    fn runs(&self) -> MutexGuard<'_, BTreeMap<u64, Option<Pid>>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn path(&self, run: u64) -> PathBuf {
        self.folder.join(id(run))
    }

    fn find(&self, id: &str) -> Option<(u64, Option<Pid>)> {
        let run = number(id)?;
        let process = self.runs().get(&run).copied()?;
        Some((run, process))
    }

    fn head(&self, run: u64, process: Option<Pid>) -> LoadRun {
        let path = self.path(run);
        LoadRun {
            id: id(run),
            state: match process {
                Some(_) => LoadRunState::Running,
                None => LoadRunState::Ended,
            },
            order: read_json(&path.join("order.json")),
            summary: read_json(&path.join("summary.json")),
            rehearsal: read_json(&path.join(REHEARSAL)),
        }
    }

    fn spawn(&self, folder: &Path, order: &LoadOrder, urls: &Urls) -> io::Result<Child> {
        make_folders(folder)?;
        let kept = serde_json::to_vec(&kept(order, SystemClock.now()))?;
        fs::write(folder.join("order.json"), kept)?;
        let messages = File::create(folder.join("messages.txt"))?;
        let script = order::script(order).map_err(io::Error::other)?;
        let mut command = Command::new(std::env::current_exe()?);
        command
            .args(order::arguments(order, &urls.endpoint))
            .env_remove(TOKEN_FILE)
            .envs(urls.admin_variables())
            .env("AWS_ACCESS_KEY_ID", order.account.as_str())
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .env_remove("AWS_SESSION_TOKEN")
            .env_remove("PORTCULLIS_ADMIN_PASSWORD")
            .stdin(Stdio::null())
            .stdout(messages.try_clone()?)
            .stderr(messages)
            .kill_on_drop(true);
        if script.is_some() {
            command.stdin(Stdio::piped());
            command.stdout(File::create(folder.join(REHEARSAL))?);
        } else {
            command.arg("--out").arg(folder);
            if let Some(password) = &order.admin_password {
                command.env("PORTCULLIS_ADMIN_PASSWORD", password.reveal());
            }
        }
        let mut child = command.spawn()?;
        if let (Some(script), Some(mut input)) = (script, child.stdin.take()) {
            tokio::spawn(async move {
                // A process that has ended already does not read it, and has said why.
                let _ended = input.write_all(script.as_bytes()).await;
            });
        }
        Ok(child)
    }

    fn forget_the_oldest(&self, runs: &mut BTreeMap<u64, Option<Pid>>) {
        while runs.len() > KEPT_MAX {
            let Some((oldest, _process)) = runs.pop_first() else {
                return;
            };
            if let Err(error) = fs::remove_dir_all(self.path(oldest)) {
                tracing::warn!(%error, run = oldest, "a load run could not be removed");
            }
        }
    }
}

impl LoadRuns for LoadRunner {
    fn start(&self, order: LoadOrder) -> Result<String, String> {
        order::check(&order)?;
        let urls = self.urls.get();
        let urls = urls.ok_or("The server does not listen yet. Try again.")?;
        let mut runs = self.runs();
        if let Some((run, _)) = runs.iter().find(|(_, process)| process.is_some()) {
            return Err(format!(
                "{} is under way, and two runs would measure each other. Wait for its end, or end \
                 it.",
                id(*run)
            ));
        }
        let run = runs.last_key_value().map_or(1, |(last, _)| last + 1);
        let spawned = self.spawn(&self.path(run), &order, urls);
        let child = spawned.map_err(|error| {
            format!("The load generator does not start: {error}. Use `portcullis load run`.")
        })?;
        let process = child.id().and_then(|id| i32::try_from(id).ok());
        runs.insert(run, process.and_then(Pid::from_raw));
        self.forget_the_oldest(&mut runs);
        tokio::spawn(note_the_end(child, Arc::clone(&self.runs), run));
        Ok(id(run))
    }

    fn list(&self) -> Vec<LoadRun> {
        let runs = self.runs().clone();
        let newest_first = runs.into_iter().rev();
        newest_first
            .map(|(run, process)| self.head(run, process))
            .collect()
    }

    fn show(&self, id: &str, from: usize) -> Option<LoadRunDetail> {
        let (run, process) = self.find(id)?;
        let folder = self.path(run);
        let timeline = timeline(&folder, from);
        Some(LoadRunDetail {
            run: self.head(run, process),
            next: from + timeline.len(),
            timeline,
            messages: fs::read_to_string(folder.join("messages.txt")).unwrap_or_default(),
        })
    }

    fn stop(&self, id: &str) -> bool {
        let Some((_, process)) = self.find(id) else {
            return false;
        };
        if let Some(process) = process {
            // As Ctrl-C does: the run ends its load, checks its samples and writes its report. A
            // process that has just ended is not there to be told, and need not be.
            let _gone = kill_process(process, Signal::INT);
        }
        true
    }

    fn report(&self, id: &str) -> Option<String> {
        let (run, _) = self.find(id)?;
        fs::read_to_string(self.path(run).join("report.html")).ok()
    }
}

async fn note_the_end(mut child: Child, runs: Arc<Mutex<BTreeMap<u64, Option<Pid>>>>, run: u64) {
    if let Err(error) = child.wait().await {
        tracing::warn!(%error, run, "a load run's end was not seen");
    }
    let mut runs = runs.lock().unwrap_or_else(PoisonError::into_inner);
    runs.insert(run, None);
}

fn timeline(folder: &Path, from: usize) -> Vec<Option<TimelineLine>> {
    let text = fs::read_to_string(folder.join("timeline.jsonl")).unwrap_or_default();
    // A line that is still being written has no end, and is read the next time.
    let whole = text
        .split_inclusive('\n')
        .filter(|line| line.ends_with('\n'));
    whole
        .skip(from)
        .map(|line| serde_json::from_str(line).ok())
        .collect()
}

/// What a file of a run says, if it is there already and says something.
fn read_json<T: DeserializeOwned>(path: &Path) -> Option<T> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

/// What is kept of an order. Rule CON-06: not the password.
fn kept(order: &LoadOrder, started: Timestamp) -> KeptLoadOrder {
    KeptLoadOrder {
        scenario: order.scenario,
        rate: order.rate,
        seconds: order.seconds,
        account: order.account.clone(),
        region: order.region.clone(),
        key_store: order.key_store.clone(),
        edits: order.edits.clone(),
        backup: order.backup,
        keys_after_backup: order.keys_after_backup,
        started_at_ms: started.millis(),
    }
}

fn id(run: u64) -> String {
    format!("run-{run}")
}

fn number(id: &str) -> Option<u64> {
    let digits = id.strip_prefix("run-")?;
    let run: u64 = digits.parse().ok()?;
    (run.to_string() == digits).then_some(run)
}

/// The folder of a run in that of all. Not the data folder around them: one that was removed does not
/// come back empty (rule ST-21).
fn make_folders(run: &Path) -> io::Result<()> {
    for folder in run.parent().into_iter().chain([run]) {
        match DirBuilder::new().mode(0o700).create(folder) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use portcullis_admin::{LoadPhase, LoadSpan};
    use serde_json::json;

    use super::*;

    /// An ID comes from outside and is part of a path.
    #[test]
    fn an_id_is_one_that_was_given() {
        assert_eq!(number("run-7"), Some(7));
        for other in ["run-", "run-07", "run-+7", "run-7/..", "7", "run-../../etc"] {
            assert_eq!(number(other), None, "{other}");
        }
    }

    #[test]
    fn runs_of_an_earlier_process_are_kept_and_have_ended() {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("run-3");
        fs::create_dir_all(&run).unwrap();
        let span = |cycle| {
            let line = TimelineLine::Phase(LoadSpan {
                cycle,
                phase: LoadPhase::Connected,
                edit: None,
                start_us: 0,
                end_us: 1,
            });
            (serde_json::to_string(&line).unwrap(), line)
        };
        let ((first, _), (second, shown_again)) = (span(1), span(2));
        let text = format!("{first}\n{second}\nno line of ours\n{{\"type\":");
        fs::write(run.join("timeline.jsonl"), text).unwrap();
        fs::write(run.join("report.html"), "page").unwrap();
        let runner = LoadRunner::new(folder.path().to_owned());
        let shown = runner.show("run-3", 1).unwrap();
        assert_eq!(shown.run.state, LoadRunState::Ended);
        assert_eq!(shown.timeline, [Some(shown_again), None]);
        assert_eq!(shown.next, 3);
        assert_eq!(runner.report("run-3").as_deref(), Some("page"));
        assert_eq!(runner.show("run-4", 0), None);
        let order = json!({
            "scenario": "steady", "rate": 1, "seconds": 1,
            "account": "111122223333", "region": "eu-west-1",
        });
        let order = serde_json::from_value(order).unwrap();
        assert!(runner.start(order).unwrap_err().contains("does not listen"));
    }
}
