//! Time: what takes a week on AWS happens when the clock is put forward, and what takes minutes
//! there can be watched state by state.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests fail loudly"
)]

use portcullis_tests::{Portcullis, eventually};
use serde_json::Value;

const KEY_STORE: &str = "cks-1234567890abcdef0";

fn up(arguments: &[&str]) -> Portcullis {
    Portcullis::up(&[&["--world", "guide", "--ephemeral"], arguments].concat())
}

fn state(portcullis: &Portcullis) -> String {
    let line = format!(
        "aws kms describe-custom-key-stores --custom-key-store-id {KEY_STORE} --query \
         'CustomKeyStores[0].ConnectionState' --output text"
    );
    portcullis.shell(&line).trim().to_owned()
}

fn make_key(portcullis: &Portcullis) -> String {
    let made = portcullis.aws(&format!(
        "kms create-key --origin AWS_CLOUDHSM --custom-key-store-id {KEY_STORE}"
    ));
    made["KeyMetadata"]["KeyId"].as_str().unwrap().to_owned()
}

fn events(portcullis: &Portcullis) -> Vec<Value> {
    let line = format!("curl -sf {}/_portcullis/events", portcullis.endpoint());
    let page: Value = serde_json::from_str(&portcullis.shell(&line)).unwrap();
    assert_eq!(page["dropped"], 0);
    page["Records"].as_array().unwrap().clone()
}

fn schedule(portcullis: &Portcullis, key: &str) {
    portcullis.shell(&format!(
        "aws kms schedule-key-deletion --key-id {key} --pending-window-in-days 7"
    ));
}

/// Rules KEY-17, KEY-18, KEY-19, TIME-04.
#[test]
fn after_a_week_on_the_clock_keys_are_gone_and_events_tell_what_became_of_their_material() {
    let portcullis = up(&[]);
    let gone = make_key(&portcullis);
    portcullis.shell(&format!(
        "aws kms create-alias --alias-name alias/gone --target-key-id {gone}"
    ));
    schedule(&portcullis, &gone);
    portcullis.shell("portcullis clock advance 6d");
    let pending = portcullis.aws(&format!("kms describe-key --key-id {gone}"));
    assert_eq!(pending["KeyMetadata"]["KeyState"], "PendingDeletion");
    portcullis.shell("portcullis clock advance 1d");
    for name in [&*gone, "alias/gone"] {
        let refused = portcullis.shell_fails(&format!("aws kms describe-key --key-id {name}"));
        assert!(refused.contains("NotFoundException"), "{refused}");
    }

    let orphan = make_key(&portcullis);
    schedule(&portcullis, &orphan);
    portcullis.shell(&format!(
        "aws kms disconnect-custom-key-store --custom-key-store-id {KEY_STORE}"
    ));
    eventually("the store is disconnected", || {
        (state(&portcullis) == "DISCONNECTED").then_some(())
    });
    portcullis.shell("portcullis clock advance 7d");

    let events = events(&portcullis);
    for (key, status) in [(&gone, "SUCCESS"), (&orphan, "FAILURE")] {
        let of_key = |event: &&Value| {
            let arn = event["responseElements"]["keyId"].as_str();
            event["eventName"] == "DeleteKey" && arn.is_some_and(|arn| arn.ends_with(&**key))
        };
        let event = events.iter().find(of_key).unwrap();
        let additional = &event["additionalEventData"];
        assert_eq!(event["eventType"], "AwsServiceEvent");
        assert_eq!(additional["customKeyStoreId"], KEY_STORE);
        assert!(additional["clusterId"].is_string());
        let told = additional["backingKeysDeletionStatus"].as_str().unwrap();
        let told: Value = serde_json::from_str(told).unwrap();
        assert_eq!(told[0]["deletionStatus"], status);
        let backing: Value =
            serde_json::from_str(additional["backingKeys"].as_str().unwrap()).unwrap();
        assert_eq!(backing[0]["backingKeyId"], told[0]["backingKeyId"]);
    }
}

/// Rules TIME-05 and TIME-06.
#[test]
fn a_connect_that_lasts_three_descriptions_can_be_watched() {
    let portcullis = up(&["--state-changes", "describes:3"]);
    assert_eq!(state(&portcullis), "CONNECTED", "a world is there at once");
    portcullis.shell(&format!(
        "aws kms disconnect-custom-key-store --custom-key-store-id {KEY_STORE}"
    ));
    let watch = || {
        (0..4)
            .map(|_| state(&portcullis))
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(
        watch(),
        "DISCONNECTING DISCONNECTING DISCONNECTING DISCONNECTED"
    );
    portcullis.shell(&format!(
        "aws kms connect-custom-key-store --custom-key-store-id {KEY_STORE}"
    ));
    assert_eq!(watch(), "CONNECTING CONNECTING CONNECTING CONNECTED");
    let subnets = portcullis.shell("portcullis status --output json | tr -d '[:space:]'");
    let subnet = subnets.split("\"us-east-1a\":\"").nth(1).unwrap();
    let subnet = subnet.split('"').next().unwrap();
    let made = portcullis.aws(&format!(
        "cloudhsmv2 create-cluster --hsm-type hsm2m.medium --mode FIPS --subnet-ids {subnet}"
    ));
    assert_eq!(made["Cluster"]["State"], "CREATE_IN_PROGRESS");
    let id = made["Cluster"]["ClusterId"].as_str().unwrap();
    let states: Vec<Value> = (0..4)
        .map(|_| {
            let line = format!("cloudhsmv2 describe-clusters --filters clusterIds={id}");
            portcullis.aws(&line)["Clusters"][0]["State"].clone()
        })
        .collect();
    let passing = "CREATE_IN_PROGRESS";
    assert_eq!(states, [passing, passing, passing, "UNINITIALIZED"]);
}

/// Rules TIME-02 and TIME-05.
#[test]
fn a_connect_that_takes_as_long_as_on_aws_runs_under_the_time_scale() {
    let portcullis = up(&["--state-changes", "aws"]);
    portcullis.shell(&format!(
        "aws kms disconnect-custom-key-store --custom-key-store-id {KEY_STORE}; portcullis clock \
         advance 1m; aws kms connect-custom-key-store --custom-key-store-id {KEY_STORE}"
    ));
    assert_eq!(state(&portcullis), "CONNECTING");
    portcullis.shell("portcullis clock advance 19m");
    assert_eq!(state(&portcullis), "CONNECTING");
    // What is left of the twenty minutes passes in a quarter of a second.
    portcullis.shell("portcullis clock set-scale 3600");
    eventually("the connect ends by itself", || {
        (state(&portcullis) == "CONNECTED").then_some(())
    });
}

/// Rule TIME-03.
#[test]
fn the_clock_remembers_its_date_and_its_speed() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    let arguments = ["--world", "empty", "--data", data];
    let mut first = Portcullis::up(&[&arguments[..], &["--time-scale", "60"]].concat());
    let set = first.shell("portcullis clock advance 90d");
    let set: Value = serde_json::from_str(&set).unwrap();
    assert!(set["now"].as_str() > set["real"].as_str());
    first.kill();
    let second = Portcullis::up(&arguments);
    let shown = second.shell("portcullis clock show");
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(shown["time_scale"], 60);
    assert!(
        shown["now"].as_str() >= set["now"].as_str(),
        "{set} {shown}"
    );
    let refused = second.shell_fails("portcullis clock set-scale 0");
    assert!(refused.contains("1000000"), "{refused}");
    let refused = second.shell_fails("portcullis clock advance 7w");
    assert!(refused.contains("7d"), "{refused}");
}
