//! The AWS page "Editing custom key store settings": its five commands, typed as printed.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests fail loudly"
)]

use portcullis_tests::{Portcullis, eventually};
use serde_json::Value;

const KEY_STORE: &str = "cks-1234567890abcdef0";

fn guide() -> Portcullis {
    Portcullis::up(&["--world", "guide", "--ephemeral"])
}

fn describe(portcullis: &Portcullis) -> Value {
    let line = format!("kms describe-custom-key-stores --custom-key-store-id {KEY_STORE}");
    portcullis
        .aws(&line)
        .pointer("/CustomKeyStores/0")
        .cloned()
        .unwrap()
}

fn wait_for(portcullis: &Portcullis, state: &str) {
    eventually(state, || {
        (describe(portcullis)["ConnectionState"] == state).then_some(())
    });
}

fn certificate(portcullis: &Portcullis, cluster: &Value) -> Value {
    let id = cluster.as_str().unwrap();
    let line = format!("cloudhsmv2 describe-clusters --filters clusterIds={id}");
    let found = portcullis.aws(&line);
    found
        .pointer("/Clusters/0/Certificates/ClusterCertificate")
        .cloned()
        .unwrap()
}

/// Types `command` exactly as the page prints it and expects the reply the page promises: none.
fn typed(portcullis: &Portcullis, command: &str) {
    assert_eq!(portcullis.shell(command), "", "$ {command}");
}

#[test]
fn the_five_commands_of_the_page_succeed_verbatim_and_show_their_effect() {
    let portcullis = guide();
    let before = describe(&portcullis);
    assert_eq!(before["ConnectionState"], "CONNECTED");
    portcullis.shell(
        "printf 'made before' > before.txt; aws kms encrypt --key-id alias/guide --plaintext \
         fileb://before.txt --query CiphertextBlob --output text | base64 -d > before.bin",
    );

    typed(
        &portcullis,
        "aws kms disconnect-custom-key-store --custom-key-store-id cks-1234567890abcdef0",
    );
    wait_for(&portcullis, "DISCONNECTED");
    typed(
        &portcullis,
        "aws kms update-custom-key-store --custom-key-store-id cks-1234567890abcdef0 --new-custom-key-store-name DevelopmentKeys",
    );
    assert_eq!(
        describe(&portcullis)["CustomKeyStoreName"],
        "DevelopmentKeys"
    );
    typed(
        &portcullis,
        "aws kms update-custom-key-store --custom-key-store-id cks-1234567890abcdef0 --cloud-hsm-cluster-id cluster-1a23b4cdefg",
    );
    let after = describe(&portcullis);
    assert_eq!(after["CloudHsmClusterId"], "cluster-1a23b4cdefg");
    assert_ne!(before["CloudHsmClusterId"], after["CloudHsmClusterId"]);
    assert_eq!(
        certificate(&portcullis, &before["CloudHsmClusterId"]),
        certificate(&portcullis, &after["CloudHsmClusterId"])
    );
    typed(
        &portcullis,
        "aws kms update-custom-key-store --custom-key-store-id cks-1234567890abcdef0 --key-store-password ExamplePassword",
    );
    typed(
        &portcullis,
        "aws kms connect-custom-key-store --custom-key-store-id cks-1234567890abcdef0",
    );
    wait_for(&portcullis, "CONNECTED");

    let opened = portcullis.shell(
        "aws kms decrypt --ciphertext-blob fileb://before.bin --query Plaintext --output text \
         | base64 -d",
    );
    assert_eq!(opened, "made before");
}

#[test]
fn without_the_new_password_the_connect_fails_and_says_why() {
    let portcullis = guide();
    portcullis.shell(&format!(
        "aws kms disconnect-custom-key-store --custom-key-store-id {KEY_STORE}"
    ));
    wait_for(&portcullis, "DISCONNECTED");
    portcullis.shell(&format!(
        "aws kms update-custom-key-store --custom-key-store-id {KEY_STORE} --cloud-hsm-cluster-id \
         cluster-1a23b4cdefg"
    ));
    portcullis.shell(&format!(
        "aws kms connect-custom-key-store --custom-key-store-id {KEY_STORE}"
    ));
    wait_for(&portcullis, "FAILED");
    assert_eq!(
        describe(&portcullis)["ConnectionErrorCode"],
        "INVALID_CREDENTIALS"
    );

    portcullis.shell(&format!(
        "aws kms disconnect-custom-key-store --custom-key-store-id {KEY_STORE}"
    ));
    wait_for(&portcullis, "DISCONNECTED");
    assert_eq!(describe(&portcullis).get("ConnectionErrorCode"), None);
    portcullis.shell(&format!(
        "aws kms update-custom-key-store --custom-key-store-id {KEY_STORE} --key-store-password \
         ExamplePassword; aws kms connect-custom-key-store --custom-key-store-id {KEY_STORE}"
    ));
    wait_for(&portcullis, "CONNECTED");
}

#[test]
fn the_same_flow_works_with_boto3() {
    guide().python("guide.py", &[]);
}
