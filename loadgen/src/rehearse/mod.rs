//! Rehearsing the repair: the cluster of a key store is destroyed under load, a cluster is made
//! from a backup and takes its place.
//!
//! `script` is what the user writes, `repair` the steps, `traffic` what became of every call
//! meanwhile, `report` what it all came to.

mod repair;
mod report;
mod script;
mod traffic;

pub use script::Script;

use std::process::ExitCode;
use std::rc::Rc;

use portcullis_admin::{LostKey, Rehearsal, RepairStage};
use portcullis_seam::{SystemEntropy, draw};
use serde_json::json;
use tokio::task::LocalSet;
use tokio::time::Instant;

use crate::access::Access;
use crate::args::Output;
use crate::client::{
    CallEndpoints, ControlClient, DescribedKey, Encrypted, KeyStore, KeyStores, ListedKeys,
    Prepared, SigningCaller,
};
use crate::credentials::Credentials;
use crate::cycle::place;
use crate::failure::Unusable;
use crate::judge::{CallOutcome, GateKnowledge, Sample, SampleComparison, digest};
use crate::operation::{Mix, Operation};
use crate::plan::CallPlan;
use crate::print::{self, Columns};
use repair::{ClusterShape, Repair};
use report::{judge, millis, tables};
use traffic::{Diary, Traffic};

/// Where a rehearsal takes place, and how it is told.
#[derive(Debug)]
pub struct RehearseArguments {
    /// The endpoint and its admin API.
    pub access: Access,
    /// Who calls.
    pub credentials: Credentials,
    /// How the result is printed.
    pub output: Output,
}

/// Rehearses `script`. The exit code is 0 for a good result, 1 for a bad one, and 2 when it could
/// not be carried out.
#[must_use]
pub fn rehearse(script: &Script, arguments: &RehearseArguments) -> ExitCode {
    match run(script, arguments) {
        Ok(report) => {
            match arguments.output {
                Output::Json => print::json(&report),
                Output::Table => tables(&report).iter().for_each(|table| {
                    print::table(Columns::Numbers, table);
                    print::line("");
                }),
            }
            if report.passed {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Err(Unusable(reason)) => {
            print::note(&reason);
            ExitCode::from(2)
        }
    }
}

fn run(script: &Script, arguments: &RehearseArguments) -> Result<Rehearsal, Unusable> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| {
            Unusable(format!(
                "The operating system gives no event queue: {error}."
            ))
        })?;
    LocalSet::new().block_on(&runtime, carry_out(script, arguments))
}

async fn carry_out(script: &Script, arguments: &RehearseArguments) -> Result<Rehearsal, Unusable> {
    let places = CallEndpoints::parse(&arguments.access)?;
    let endpoint = places.endpoint.clone();
    let caller = Rc::new(SigningCaller::new(
        endpoint.clone(),
        &arguments.credentials,
    )?);
    let mut control = ControlClient::new(places, Rc::clone(&caller));
    let key_store = choose(&mut control, script).await?;
    let mut repair = Repair {
        control,
        key_store,
        place: place(&arguments.credentials),
        admin: script.admin.as_ref(),
        patience: script.state_timeout,
        connect_errors: Vec::new(),
    };
    let shape = repair.shape().await?;
    let listed = keys(&mut repair).await?;
    let mut keys = usable(&mut repair.control, listed).await?;
    if keys.is_empty() {
        keys.push(new_key(&mut repair).await?);
    }
    let backup = repair.backup(&shape, script.backup).await?;
    for _ in 0..script.keys_after_backup {
        keys.push(new_key(&mut repair).await?);
    }
    let canaries = canaries(&mut repair.control, &keys).await?;
    let plan = plan(&mut repair.control, &keys).await?;

    let (traffic, tasks) = Traffic::begin(caller, &endpoint, plan, &script.load);
    let rehearsed = act(script, &mut repair, &shape, &backup, &traffic).await;
    traffic.end();
    for task in tasks {
        // Each ends by itself once its last call is answered or timed out.
        drop(task.await);
    }
    let new_cluster_id = rehearsed?;
    let lost_keys = lost(&mut repair.control, &canaries, &traffic).await;
    let mut report = tell(&traffic, &repair);
    report.description.clone_from(&script.description);
    report.old_cluster_id = shape.id;
    report.new_cluster_id = new_cluster_id;
    report.backup_id = backup;
    report.keys = u64::try_from(keys.len()).unwrap_or(u64::MAX);
    report.lost_keys = lost_keys;
    judge(&mut report, &script.thresholds);
    Ok(report)
}

/// The play itself, from the first call to the last. Gives the new cluster.
async fn act(
    script: &Script,
    repair: &mut Repair<'_>,
    shape: &ClusterShape,
    backup: &str,
    traffic: &Traffic,
) -> Result<String, Unusable> {
    tokio::time::sleep(script.steady).await;
    traffic.enter(RepairStage::Lost, GateKnowledge::Moving);
    repair.destroy(&shape.id).await?;
    traffic.destroyed();
    tokio::time::sleep(script.notice).await;
    traffic.enter(RepairStage::Restoring, GateKnowledge::Moving);
    let made = repair.restore(shape, backup).await?;
    repair.substitute(&made, traffic).await?;
    traffic.enter(RepairStage::After, GateKnowledge::Connected(Instant::now()));
    tokio::time::sleep(script.steady).await;
    Ok(made)
}

async fn choose(control: &mut ControlClient, script: &Script) -> Result<KeyStore, Unusable> {
    let stores = control.list::<KeyStores>().await;
    let stores = stores.map_err(|error| error.unusable(control.endpoint()))?;
    let named = |store: &KeyStore| match &script.key_store {
        Some(wanted) => store.id == *wanted || store.name == *wanted,
        None => true,
    };
    let usable =
        |store: &KeyStore| store.state == "CONNECTED" && store.cluster_id.is_some() && named(store);
    stores.into_iter().find(usable).ok_or_else(|| {
        Unusable(format!(
            "There is no CONNECTED CloudHSM key store {}in this account and Region, so there is \
             nothing to rehearse. Connect one, or name another in the script.",
            script
                .key_store
                .as_ref()
                .map_or_else(String::new, |name| format!("{name} "))
        ))
    })
}

/// Keys that are looked at to find those of the key store.
const KEYS_MAX: usize = 1000;

/// The enabled keys of the key store, the oldest first.
async fn keys(repair: &mut Repair<'_>) -> Result<Vec<String>, Unusable> {
    let listed = repair.control.list::<ListedKeys>().await;
    let listed = listed.map_err(|error| error.unusable(repair.control.endpoint()))?;
    let mut found: Vec<(f64, String)> = Vec::new();
    for entry in listed.iter().take(KEYS_MAX) {
        let input = json!({ "KeyId": entry.key_id });
        let described = repair.control.kms::<DescribedKey>("DescribeKey", &input);
        let Ok(DescribedKey { key_metadata: key }) = described.await else {
            continue;
        };
        let own = key.custom_key_store_id.as_deref() == Some(repair.key_store.id.as_str());
        if own && key.key_state.as_deref() == Some("Enabled") {
            found.push((key.creation_date, key.key_id));
        }
    }
    found.sort_by(|one, other| one.0.total_cmp(&other.0));
    Ok(found.into_iter().map(|(_, id)| id).collect())
}

/// Those of `keys` that can be used.
///
/// Rule LG-17: a key that an earlier repair has lost is not lost by this one.
async fn usable(control: &mut ControlClient, keys: Vec<String>) -> Result<Vec<String>, Unusable> {
    let mut usable = Vec::new();
    for key in keys {
        let input = json!({ "KeyId": key, "Plaintext": "AA==" });
        match control.kms::<Encrypted>("Encrypt", &input).await {
            Ok(_) => usable.push(key),
            Err(error) if error.name == "KMSInvalidStateException" => {
                print::note(&format!("The key {key} is left out. {error}"));
            }
            Err(error) => return Err(error.unusable(control.endpoint())),
        }
    }
    Ok(usable)
}

async fn new_key(repair: &mut Repair<'_>) -> Result<String, Unusable> {
    let input = json!({
        "Origin": "AWS_CLOUDHSM",
        "CustomKeyStoreId": repair.key_store.id,
        "Description": "Made by a rehearsal",
    });
    let made = repair.control.kms::<DescribedKey>("CreateKey", &input);
    let made = made.await;
    let made = made.map_err(|error| error.unusable(repair.control.endpoint()))?;
    Ok(made.key_metadata.key_id)
}

/// A ciphertext of every key, to be opened after the repair.
async fn canaries(
    control: &mut ControlClient,
    keys: &[String],
) -> Result<Vec<(String, Sample)>, Unusable> {
    let mut canaries = Vec::new();
    for key in keys {
        let plaintext: [u8; 32] = draw(&SystemEntropy);
        let encoded = base64_simd::STANDARD.encode_to_string(plaintext);
        let input = json!({ "KeyId": key, "Plaintext": encoded });
        let sealed = control.kms::<Encrypted>("Encrypt", &input).await;
        let sealed = sealed.map_err(|error| error.unusable(control.endpoint()))?;
        let open = json!({ "KeyId": key, "CiphertextBlob": sealed.ciphertext_blob });
        let call = Prepared::new(Operation::Decrypt, open.to_string());
        canaries.push((key.clone(), Sample::new(call, digest(&plaintext))));
    }
    Ok(canaries)
}

/// What the load consists of.
const MIX: &str = "encrypt=60,decrypt=30,generate-data-key=10";

/// The load on the oldest key, which is the one that the backup has.
async fn plan(control: &mut ControlClient, keys: &[String]) -> Result<CallPlan, Unusable> {
    let key = keys.first().map(String::as_str).unwrap_or_default();
    let seed = u64::from_le_bytes(draw(&SystemEntropy));
    let mix: Mix = MIX.parse().map_err(Unusable)?;
    let mut plan = CallPlan::new(key, mix, 32, seed);
    for job in plan.first_jobs() {
        let answer = control.send(job.call()).await;
        let body = answer.map_err(|error| error.unusable(control.endpoint()))?;
        if let CallOutcome::Failed(name) = plan.read(&job, &body) {
            return Err(control.endpoint().unreachable(&name));
        }
    }
    Ok(plan)
}

/// The keys whose ciphertexts no longer open, after every sample of the load was opened too.
async fn lost(
    control: &mut ControlClient,
    canaries: &[(String, Sample)],
    traffic: &Traffic,
) -> Vec<LostKey> {
    let mut lost = Vec::new();
    for (key, sample) in canaries {
        let answer = control.send_patiently(&sample.call).await;
        let error = match answer.map(|body| sample.compare(&body)) {
            Ok(SampleComparison::Right) => continue,
            Ok(SampleComparison::Wrong | SampleComparison::NotUnderstood) => {
                traffic.diary.borrow_mut().wrong_plaintexts += 1;
                "a wrong plaintext".to_owned()
            }
            Err(error) => error.name,
        };
        lost.push(LostKey {
            key_id: key.clone(),
            error,
        });
    }
    let samples = traffic.plan.borrow().samples.all();
    for sample in samples {
        if let Ok(body) = control.send_patiently(&sample.call).await {
            let wrong = sample.compare(&body) != SampleComparison::Right;
            traffic.diary.borrow_mut().wrong_plaintexts += u64::from(wrong);
        }
    }
    lost
}

/// What the load and the repair have to tell.
fn tell(traffic: &Traffic, repair: &Repair<'_>) -> Rehearsal {
    let diary = traffic.diary.borrow();
    let Diary {
        chapters,
        gate_leaks,
        wrong_plaintexts,
        outage,
        ..
    } = &*diary;
    Rehearsal {
        description: String::new(),
        key_store_id: repair.key_store.id.clone(),
        old_cluster_id: String::new(),
        new_cluster_id: String::new(),
        backup_id: String::new(),
        outage_ms: outage.map(millis),
        keys: 0,
        lost_keys: Vec::new(),
        connect_errors: repair.connect_errors.clone(),
        gate_leaks: *gate_leaks,
        wrong_plaintexts: *wrong_plaintexts,
        stages: chapters.clone(),
        thresholds: Vec::new(),
        passed: false,
    }
}
