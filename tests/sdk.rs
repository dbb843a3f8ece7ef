//! The guide's flow with the AWS SDK for Rust.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "tests fail loudly"
)]

use std::time::{Duration, Instant};

use aws_sdk_kms::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_kms::error::SdkError;
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::ConnectionStateType;
use aws_sdk_kms::{Client, Config};
use portcullis_tests::{DEADLINE, Portcullis};

const KEY_STORE: &str = "cks-1234567890abcdef0";

fn client(portcullis: &Portcullis) -> Client {
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "tests"))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .endpoint_url(portcullis.endpoint())
        .build();
    Client::from_conf(config)
}

async fn wait_for(client: &Client, state: ConnectionStateType) {
    let started = Instant::now();
    loop {
        let found = client
            .describe_custom_key_stores()
            .custom_key_store_id(KEY_STORE)
            .send()
            .await
            .unwrap();
        if found.custom_key_stores()[0].connection_state() == Some(&state) {
            return;
        }
        assert!(started.elapsed() < DEADLINE, "not {state:?}: {found:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn the_guides_flow_works_with_the_rust_sdk_and_errors_are_typed() {
    let portcullis = Portcullis::up(&["--world", "guide", "--ephemeral"]);
    let kms = client(&portcullis);
    let sealed = kms
        .encrypt()
        .key_id("alias/guide")
        .plaintext(Blob::new("before"))
        .send()
        .await
        .unwrap();
    let blob = sealed.ciphertext_blob().unwrap().clone();

    let early = kms
        .update_custom_key_store()
        .custom_key_store_id(KEY_STORE)
        .new_custom_key_store_name("TooEarly")
        .send()
        .await
        .unwrap_err();
    assert!(
        early
            .into_service_error()
            .is_custom_key_store_invalid_state_exception()
    );

    kms.disconnect_custom_key_store()
        .custom_key_store_id(KEY_STORE)
        .send()
        .await
        .unwrap();
    wait_for(&kms, ConnectionStateType::Disconnected).await;
    let closed = kms
        .decrypt()
        .ciphertext_blob(blob.clone())
        .send()
        .await
        .unwrap_err();
    assert!(matches!(&closed, SdkError::ServiceError(_)));
    assert!(closed.into_service_error().is_kms_invalid_state_exception());

    kms.update_custom_key_store()
        .custom_key_store_id(KEY_STORE)
        .new_custom_key_store_name("DevelopmentKeys")
        .cloud_hsm_cluster_id("cluster-1a23b4cdefg")
        .key_store_password("ExamplePassword")
        .send()
        .await
        .unwrap();
    kms.connect_custom_key_store()
        .custom_key_store_id(KEY_STORE)
        .send()
        .await
        .unwrap();
    wait_for(&kms, ConnectionStateType::Connected).await;
    let opened = kms.decrypt().ciphertext_blob(blob).send().await.unwrap();
    assert_eq!(opened.plaintext().unwrap().as_ref(), b"before");
}
