//! `portcullis status`, `wait` and `hsm`: what a running Portcullis says of itself.

use std::process::ExitCode;
use std::time::Duration;

use portcullis_admin::{
    ClusterStatus, CrashHsm, EnrolHost, EnrolRequest, GetStatus, Host, HostList, HsmStatus,
    KeyStoreStatus, ListHosts, Place, Reply, RestartHsm, RevokeHost, Status,
};
use portcullis_loadgen::print::{self, Columns};
use serde::Serialize;
use tokio::time::Instant;

use crate::args::{self, HsmArguments, HsmCommand, Wait};
use crate::client::{AdminClient, ClientError};
use crate::output_form::Output;

/// How often `wait` asks. Short, since state changes take milliseconds by default.
const WAIT_INTERVAL: Duration = Duration::from_millis(50);

/// Shows key stores, clusters and HSMs.
pub(crate) async fn status(arguments: &args::StatusArguments) -> Result<ExitCode, ClientError> {
    let found = AdminClient::of(&arguments.access)?
        .get::<GetStatus>()
        .await?;
    match arguments.output {
        Output::Json => print::sorted_json(&found),
        Output::Table => {
            print::table(Columns::Texts, &key_store_rows(&found.key_stores));
            print::line("");
            print::table(Columns::Texts, &hsm_rows(&found.clusters));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Waits until the endpoint answers and, if asked, until a key store, a cluster or an HSM is in a
/// state. Asking does not count as a description, on which `describes:N` depends.
pub(crate) async fn wait(arguments: &Wait) -> Result<ExitCode, ClientError> {
    let client = AdminClient::of(&arguments.access)?;
    let deadline = Instant::now() + Duration::from_secs(arguments.timeout);
    loop {
        let last = match client.get::<GetStatus>().await {
            Ok(found) => match (subject(arguments), &arguments.state) {
                (Some((kind, name)), Some(state)) => match state_of(&found, kind, name) {
                    Some(present) if present == state => return Ok(ExitCode::SUCCESS),
                    Some(present) => format!("{name} is {present}"),
                    None => format!("there is no {} {name}", kind.name()),
                },
                _ => return Ok(ExitCode::SUCCESS),
            },
            Err(error) => error.0,
        };
        if Instant::now() >= deadline {
            let seconds = arguments.timeout;
            return Err(ClientError(format!(
                "Waited {seconds} seconds in vain: {last}."
            )));
        }
        tokio::time::sleep(WAIT_INTERVAL).await;
    }
}

/// Lists, crashes or restarts HSMs, and lets hosts in that run some.
pub(crate) async fn hsm(arguments: &HsmArguments) -> Result<ExitCode, ClientError> {
    let client = AdminClient::of(&arguments.access)?;
    let here = Place::default();
    match &arguments.command {
        HsmCommand::List { output } => {
            let Status { clusters, .. } = client.get::<GetStatus>().await?;
            match output {
                Output::Json => print::sorted_json(&clusters),
                Output::Table => print::table(Columns::Texts, &hsm_rows(&clusters)),
            }
            Ok(ExitCode::SUCCESS)
        }
        HsmCommand::Hosts { output } => {
            let HostList { hosts } = client.get::<ListHosts>().await?;
            match output {
                Output::Json => print::sorted_json(&hosts),
                Output::Table => print::table(Columns::Texts, &host_rows(&hosts)),
            }
            Ok(ExitCode::SUCCESS)
        }
        HsmCommand::Enrol { availability_zone } => {
            let request = EnrolRequest {
                availability_zone: availability_zone.clone(),
            };
            let enrolled = client.call::<EnrolHost>(&[], &here, &request).await?;
            Ok(print_reply(&enrolled))
        }
        HsmCommand::Revoke { host } => {
            let number = host.to_string();
            let revoked = client.call::<RevokeHost>(&[&number], &here, &()).await?;
            Ok(print_reply(&revoked))
        }
        HsmCommand::Crash { id } => {
            let crashed = client.call::<CrashHsm>(&[id], &here, &()).await?;
            Ok(print_reply(&crashed))
        }
        HsmCommand::Restart { id } => {
            let restarted = client.call::<RestartHsm>(&[id], &here, &()).await?;
            Ok(print_reply(&restarted))
        }
        HsmCommand::Serve(_) => Err(ClientError("A host is no client.".to_owned())),
    }
}

/// Prints what was answered; success when it was done.
fn print_reply(reply: &Reply<impl Serialize>) -> ExitCode {
    print::sorted_json(reply);
    if reply.is_done() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// What has a state to wait for.
#[derive(Debug, Clone, Copy)]
enum WaitKind {
    KeyStore,
    Cluster,
    Hsm,
}

impl WaitKind {
    const fn name(self) -> &'static str {
        match self {
            Self::KeyStore => "key store",
            Self::Cluster => "cluster",
            Self::Hsm => "HSM",
        }
    }
}

fn subject(arguments: &Wait) -> Option<(WaitKind, &str)> {
    let named = [
        (WaitKind::KeyStore, &arguments.key_store),
        (WaitKind::Cluster, &arguments.cluster),
        (WaitKind::Hsm, &arguments.hsm),
    ];
    let mut given = named
        .into_iter()
        .filter_map(|(kind, name)| Some((kind, name.as_deref()?)));
    given.next()
}

fn state_of<'a>(found: &'a Status, kind: WaitKind, name: &str) -> Option<&'a str> {
    let mut key_stores = found.key_stores.iter();
    let mut clusters = found.clusters.iter();
    match kind {
        WaitKind::KeyStore => key_stores
            .find(|store| store.id == name || store.name == name)
            .map(|store| store.state.as_str()),
        WaitKind::Cluster => clusters
            .find(|cluster| cluster.id == name)
            .map(|cluster| cluster.state.as_str()),
        WaitKind::Hsm => clusters
            .flat_map(|cluster| &cluster.hsms)
            .find(|hsm| hsm.id == name)
            .map(|hsm| hsm.state.as_str()),
    }
}

/// A cell of a table for what there may be.
fn cell(value: Option<&impl ToString>) -> String {
    value.map_or_else(|| "-".to_owned(), ToString::to_string)
}

fn key_store_rows(key_stores: &[KeyStoreStatus]) -> Vec<Vec<String>> {
    let heading = [
        "KEY STORE",
        "NAME",
        "STATE",
        "ERROR",
        "CLUSTER",
        "ACCOUNT",
        "REGION",
    ];
    let row = |store: &KeyStoreStatus| {
        vec![
            store.id.clone(),
            store.name.clone(),
            store.state.clone(),
            cell(store.error_code.as_ref()),
            store.cluster_id.clone(),
            store.account.clone(),
            store.region.clone(),
        ]
    };
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    rows.extend(key_stores.iter().map(row));
    rows
}

fn host_rows(hosts: &[Host]) -> Vec<Vec<String>> {
    let heading = ["HOST", "ZONE", "STATE", "HSM", "CLUSTER", "ADDRESS"];
    let row = |host: &Host| {
        vec![
            host.host.to_string(),
            host.availability_zone.clone(),
            host.state.name().to_owned(),
            cell(host.hsm.as_ref()),
            cell(host.cluster.as_ref()),
            cell(host.address.as_ref()),
        ]
    };
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    rows.extend(hosts.iter().map(row));
    rows
}

fn hsm_rows(clusters: &[ClusterStatus]) -> Vec<Vec<String>> {
    let heading = ["CLUSTER", "STATE", "HSM", "ZONE", "HSM STATE", "ADDRESS"];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    for cluster in clusters {
        let of_hsm = |hsm: &HsmStatus| {
            let address = cell(hsm.address.as_ref());
            let zone = hsm.availability_zone.clone();
            [hsm.id.clone(), zone, hsm.state.clone(), address]
        };
        let mut hsms: Vec<[String; 4]> = cluster.hsms.iter().map(of_hsm).collect();
        if hsms.is_empty() {
            hsms.push(["-"; 4].map(str::to_owned));
        }
        let of_cluster = [cluster.id.clone(), cluster.state.clone()];
        rows.extend(hsms.iter().map(|hsm| [&of_cluster[..], hsm].concat()));
    }
    rows
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use portcullis_admin::Defaults;

    use super::*;

    fn cluster(id: &str, state: &str, hsms: Vec<HsmStatus>) -> ClusterStatus {
        ClusterStatus {
            id: id.to_owned(),
            state: state.to_owned(),
            account: "111122223333".to_owned(),
            region: "us-east-1".to_owned(),
            hsms,
        }
    }

    #[test]
    fn a_key_store_is_found_by_name_and_id_and_a_cluster_and_an_hsm_by_id() {
        let hsm = HsmStatus {
            id: "hsm-1".to_owned(),
            availability_zone: "us-east-1a".to_owned(),
            state: "CREATE_IN_PROGRESS".to_owned(),
            address: None,
        };
        let store = KeyStoreStatus {
            id: "cks-1".to_owned(),
            name: "Keys".to_owned(),
            state: "FAILED".to_owned(),
            error_code: None,
            cluster_id: "cluster-2".to_owned(),
            account: "111122223333".to_owned(),
            region: "us-east-1".to_owned(),
        };
        let found = Status {
            key_stores: vec![store],
            clusters: vec![
                cluster("cluster-1", "UNINITIALIZED", Vec::new()),
                cluster("cluster-2", "ACTIVE", vec![hsm]),
            ],
            subnets: BTreeMap::new(),
            defaults: Defaults {
                account: "111122223333".to_owned(),
                region: "us-east-1".to_owned(),
            },
        };
        for (kind, name, state) in [
            (WaitKind::KeyStore, "Keys", Some("FAILED")),
            (WaitKind::KeyStore, "cks-1", Some("FAILED")),
            (WaitKind::KeyStore, "other", None),
            (WaitKind::Cluster, "cluster-1", Some("UNINITIALIZED")),
            (WaitKind::Cluster, "cluster-2", Some("ACTIVE")),
            (WaitKind::Cluster, "hsm-1", None),
            (WaitKind::Hsm, "hsm-1", Some("CREATE_IN_PROGRESS")),
        ] {
            assert_eq!(state_of(&found, kind, name), state, "{name}");
        }
    }

    #[test]
    fn a_cluster_without_hsms_still_has_a_row() {
        let found = [cluster("cluster-x", "ACTIVE", Vec::new())];
        assert_eq!(hsm_rows(&found).len(), 2);
    }
}
