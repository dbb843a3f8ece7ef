//! `portcullis status`, `wait` and `hsm`: what a running Portcullis says of itself.

use std::process::ExitCode;
use std::time::Duration;

use portcullis_loadgen::print::{self, Columns};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::args::{Hsm, HsmCommand, Output, Status, Wait};
use crate::client::{Client, ClientError};

const STATUS: &str = "/_portcullis/status";
const HOSTS: &str = "/_portcullis/hosts";

/// How often `wait` asks. Short, since state changes take milliseconds by default.
const WAIT_INTERVAL: Duration = Duration::from_millis(50);

/// Shows key stores, clusters and HSMs.
pub(crate) async fn status(arguments: &Status) -> Result<ExitCode, ClientError> {
    let found = Client::of(&arguments.access)?.get(STATUS).await?;
    match arguments.output {
        Output::Json => print::json(&found),
        Output::Table => {
            print::table(Columns::Texts, &key_store_rows(&found));
            print::line("");
            print::table(Columns::Texts, &hsm_rows(&found));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Waits until the endpoint answers and, if asked, until a key store, a cluster or an HSM is in a
/// state. Asking does not count as a description, on which `describes:N` depends.
pub(crate) async fn wait(arguments: &Wait) -> Result<ExitCode, ClientError> {
    let client = Client::of(&arguments.access)?;
    let deadline = Instant::now() + Duration::from_secs(arguments.timeout);
    loop {
        let last = match client.get(STATUS).await {
            Ok(found) => match (subject(arguments), &arguments.state) {
                (Some((kind, name)), Some(state)) => match state_of(&found, kind, name) {
                    Some(present) if present == *state => return Ok(ExitCode::SUCCESS),
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

/// Lists, crashes or restarts HSMs.
pub(crate) async fn hsm(arguments: &Hsm) -> Result<ExitCode, ClientError> {
    let client = Client::of(&arguments.access)?;
    let (id, verb) = match &arguments.command {
        HsmCommand::List { output } => {
            let found = client.get(STATUS).await?;
            match output {
                Output::Json => print::json(&json!(list(&found, "clusters"))),
                Output::Table => print::table(Columns::Texts, &hsm_rows(&found)),
            }
            return Ok(ExitCode::SUCCESS);
        }
        HsmCommand::Hosts { output } => {
            let reply = client.get(HOSTS).await?;
            let found = reply.get("data").unwrap_or(&Value::Null);
            match output {
                Output::Json => print::json(&json!(list(found, "hosts"))),
                Output::Table => print::table(Columns::Texts, &host_rows(found)),
            }
            return Ok(ExitCode::SUCCESS);
        }
        HsmCommand::Enrol { availability_zone } => {
            let body = json!({ "availability_zone": availability_zone });
            return Ok(told(&client.post(HOSTS, &body).await?));
        }
        HsmCommand::Revoke { host } => {
            return Ok(told(&client.delete(&format!("{HOSTS}/{host}")).await?));
        }
        HsmCommand::Crash { id } => (id, "crash"),
        HsmCommand::Restart { id } => (id, "restart"),
        HsmCommand::Serve(_) => return Err(ClientError("A host is no client.".to_owned())),
    };
    let reply = client
        .post(&format!("/_portcullis/hsm/{id}/{verb}"), &json!({}))
        .await?;
    Ok(told(&reply))
}

/// Prints what was answered; success when it was done.
fn told(reply: &Value) -> ExitCode {
    print::json(reply);
    if reply.get("error_code").and_then(Value::as_i64) == Some(0) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn list<'a>(of: &'a Value, member: &str) -> &'a [Value] {
    of.get(member)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

fn text(of: &Value, member: &str) -> String {
    of.get(member)
        .and_then(Value::as_str)
        .unwrap_or("-")
        .to_owned()
}

/// What has a state to wait for.
#[derive(Debug, Clone, Copy)]
enum Kind {
    KeyStore,
    Cluster,
    Hsm,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::KeyStore => "key store",
            Self::Cluster => "cluster",
            Self::Hsm => "HSM",
        }
    }
}

fn subject(arguments: &Wait) -> Option<(Kind, &str)> {
    let named = [
        (Kind::KeyStore, &arguments.key_store),
        (Kind::Cluster, &arguments.cluster),
        (Kind::Hsm, &arguments.hsm),
    ];
    let mut given = named
        .into_iter()
        .filter_map(|(kind, name)| Some((kind, name.as_deref()?)));
    given.next()
}

fn state_of(found: &Value, kind: Kind, name: &str) -> Option<String> {
    let clusters = list(found, "clusters").iter();
    let mut entries: Box<dyn Iterator<Item = &Value>> = match kind {
        Kind::KeyStore => Box::new(list(found, "key_stores").iter()),
        Kind::Cluster => Box::new(clusters),
        Kind::Hsm => Box::new(clusters.flat_map(|cluster| list(cluster, "hsms"))),
    };
    entries
        .find(|entry| text(entry, "id") == name || text(entry, "name") == name)
        .map(|entry| text(entry, "state"))
}

fn key_store_rows(found: &Value) -> Vec<Vec<String>> {
    let heading = [
        "KEY STORE",
        "NAME",
        "STATE",
        "ERROR",
        "CLUSTER",
        "ACCOUNT",
        "REGION",
    ];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    for entry in list(found, "key_stores") {
        let members = [
            "id",
            "name",
            "state",
            "error_code",
            "cluster_id",
            "account",
            "region",
        ];
        rows.push(members.map(|member| text(entry, member)).to_vec());
    }
    rows
}

fn host_rows(found: &Value) -> Vec<Vec<String>> {
    let heading = ["HOST", "ZONE", "STATE", "HSM", "CLUSTER", "ADDRESS"];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    for host in list(found, "hosts") {
        let number = host
            .get("host")
            .map_or_else(|| "-".into(), Value::to_string);
        let members = ["availability_zone", "state", "hsm", "cluster", "address"];
        let cells = members.map(|member| text(host, member));
        rows.push([vec![number], cells.to_vec()].concat());
    }
    rows
}

fn hsm_rows(found: &Value) -> Vec<Vec<String>> {
    let heading = ["CLUSTER", "STATE", "HSM", "ZONE", "HSM STATE", "ADDRESS"];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    for cluster in list(found, "clusters") {
        let (id, state) = (text(cluster, "id"), text(cluster, "state"));
        let hsms = list(cluster, "hsms");
        if hsms.is_empty() {
            rows.push(vec![
                id.clone(),
                state.clone(),
                "-".into(),
                "-".into(),
                "-".into(),
                "-".into(),
            ]);
        }
        for hsm in hsms {
            let of_hsm = ["id", "availability_zone", "state", "address"];
            let cells = of_hsm.map(|member| text(hsm, member));
            rows.push([vec![id.clone(), state.clone()], cells.to_vec()].concat());
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_store_is_found_by_name_and_id_and_a_cluster_and_an_hsm_by_id() {
        let found = json!({
            "key_stores": [{"id": "cks-1", "name": "Keys", "state": "FAILED"}],
            "clusters": [
                {"id": "cluster-1", "state": "UNINITIALIZED", "hsms": []},
                {"id": "cluster-2", "state": "ACTIVE", "hsms": [
                    {"id": "hsm-1", "state": "CREATE_IN_PROGRESS"},
                ]},
            ],
        });
        for (kind, name, state) in [
            (Kind::KeyStore, "Keys", Some("FAILED")),
            (Kind::KeyStore, "cks-1", Some("FAILED")),
            (Kind::KeyStore, "other", None),
            (Kind::Cluster, "cluster-1", Some("UNINITIALIZED")),
            (Kind::Cluster, "cluster-2", Some("ACTIVE")),
            (Kind::Cluster, "hsm-1", None),
            (Kind::Hsm, "hsm-1", Some("CREATE_IN_PROGRESS")),
        ] {
            assert_eq!(state_of(&found, kind, name).as_deref(), state, "{name}");
        }
    }

    #[test]
    fn a_cluster_without_hsms_still_has_a_row() {
        let found = json!({"clusters": [{"id": "cluster-x", "state": "ACTIVE", "hsms": []}]});
        assert_eq!(hsm_rows(&found).len(), 2);
    }
}
