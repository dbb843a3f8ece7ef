//! What the service checks of a request, and what a shape shows of itself.
#![expect(clippy::unwrap_used, reason = "tests fail loudly")]

use data_encoding::BASE64 as STANDARD;
use portcullis_api::cloudhsm::{CreateClusterRequest, CreateHsmRequest};
use portcullis_api::kms::{
    CreateAliasRequest, CreateKeyRequest, DecryptRequest, EncryptRequest,
    UpdateCustomKeyStoreRequest, VerifyMacRequest,
};
use portcullis_api::{
    Blob, Code, EpochSeconds, Operation, Reply, SecretBlob, Service, Validate, validate,
    validate_given,
};
use proptest::prelude::*;
use serde::de::DeserializeOwned;

fn refusal<T: Validate + DeserializeOwned>(body: &str) -> String {
    let request: T = serde_json::from_str(body).unwrap();
    let exception = validate(&request).unwrap_err();
    assert_eq!(exception.code, Code::Validation);
    exception.message
}

/// Rule WIRE-20, WIRE-21, WIRE-22
#[test]
fn what_clients_do_not_check_the_service_does() {
    type Update = UpdateCustomKeyStoreRequest;
    let store = |rest: &str| format!(r#"{{"CustomKeyStoreId":"cks-1",{rest}}}"#);
    let long = refusal::<Update>(&store(&format!(
        r#""KeyStorePassword":"{}""#,
        "s".repeat(40)
    )));
    assert!(long.contains("at 'keyStorePassword' failed"), "{long}");
    assert!(
        long.contains("less than or equal to 32") && long.contains("Value at"),
        "{long}"
    );
    assert!(!long.contains("ssss"), "a password is not repeated: {long}");
    let short = refusal::<Update>(&store(r#""KeyStorePassword":"sixsix""#));
    assert!(
        short.starts_with("1 validation error detected: "),
        "{short}"
    );
    let missing = refusal::<Update>("{}");
    assert!(
        missing.contains("Value null at 'customKeyStoreId'"),
        "{missing}"
    );
    let null = refusal::<EncryptRequest>(r#"{"KeyId":null,"Plaintext":"YQ=="}"#);
    assert!(null.contains("at 'keyId'"), "{null}");
    let origin = refusal::<CreateKeyRequest>(r#"{"Origin":"MOON"}"#);
    assert!(origin.contains("enum value set: [AWS_KMS"), "{origin}");
    let alias = refusal::<CreateAliasRequest>(r#"{"AliasName":"alias/a b","TargetKeyId":"k"}"#);
    assert!(alias.contains("regular expression pattern"), "{alias}");
    let cluster =
        refusal::<CreateClusterRequest>(r#"{"HsmType":"hsm2m.medium","SubnetIds":["x"]}"#);
    assert!(cluster.contains("at 'subnetIds.1.member'"), "{cluster}");
}

/// Rules WIRE-22, WIRE-63 and WIRE-64: the texts that are known of the service, and further ones of
/// their kinds.
#[test]
fn an_empty_value_is_no_missing_one_and_what_is_secret_is_not_shown() {
    const LEAST: &str = "failed to satisfy constraint: Member must have length greater than or equal \
                         to 1";
    const MISSING: &str = "failed to satisfy constraint: Member must not be null";
    fn told<T: Validate + DeserializeOwned>(body: &str) -> String {
        let request: T = serde_json::from_str(body).unwrap();
        let given = || serde_json::from_str(body).ok();
        validate_given(&request, given).unwrap_err().message
    }
    let long = STANDARD.encode(&[b'a'; 4097]);
    let wide = "k".repeat(300);
    for (message, expected) in [
        (
            told::<EncryptRequest>(r#"{"KeyId":"k","Plaintext":""}"#),
            format!("1 validation error detected: Value at 'plaintext' {LEAST}"),
        ),
        (
            told::<EncryptRequest>(r#"{"KeyId":"k"}"#),
            format!("1 validation error detected: Value null at 'plaintext' {MISSING}"),
        ),
        (
            told::<EncryptRequest>(&format!(r#"{{"KeyId":"k","Plaintext":"{long}"}}"#)),
            "1 validation error detected: Value at 'plaintext' failed to satisfy constraint: Member \
             must have length less than or equal to 4096"
                .to_owned(),
        ),
        (
            told::<EncryptRequest>(r#"{"KeyId":"","Plaintext":"YQ=="}"#),
            format!("1 validation error detected: Value '' at 'keyId' {LEAST}"),
        ),
        (
            told::<DecryptRequest>(r#"{"CiphertextBlob":""}"#),
            format!("1 validation error detected: Value at 'ciphertextBlob' {LEAST}"),
        ),
        (
            told::<VerifyMacRequest>(r#"{"KeyId":"k","Message":"YQ==","Mac":""}"#),
            "2 validation errors detected: Value null at 'macAlgorithm'".to_owned(),
        ),
        (
            told::<CreateKeyRequest>(r#"{"Tags":[{"TagKey":"","TagValue":""}]}"#),
            format!("1 validation error detected: Value '' at 'tags.1.member.tagKey' {LEAST}"),
        ),
        (
            told::<CreateKeyRequest>(r#"{"Tags":[{"TagValue":""}]}"#),
            format!("1 validation error detected: Value null at 'tags.1.member.tagKey' {MISSING}"),
        ),
        (
            told::<CreateClusterRequest>(r#"{"HsmType":"hsm2m.medium","SubnetIds":[]}"#),
            format!("1 validation error detected: Value '[]' at 'subnetIds' {LEAST}"),
        ),
        (
            told::<CreateHsmRequest>(r#"{"ClusterId":"","AvailabilityZone":"us-east-1a"}"#),
            "1 validation error detected: Value '' at 'clusterId' failed to satisfy constraint: \
             Member must satisfy regular expression pattern"
                .to_owned(),
        ),
        (
            told::<CreateKeyRequest>(&format!(r#"{{"Origin":"{wide}"}}"#)),
            format!("1 validation error detected: Value '{wide}' at 'origin'"),
        ),
    ] {
        assert!(message.starts_with(&expected), "{message}\n{expected}");
    }
}

#[test]
fn the_guides_cluster_id_passes_although_the_model_excludes_its_digit() {
    let body = r#"{"CustomKeyStoreId":"cks-1","CloudHsmClusterId":"cluster-1a23b4cdefg"}"#;
    let request: UpdateCustomKeyStoreRequest = serde_json::from_str(body).unwrap();
    assert_eq!(validate(&request), Ok(()));
}

#[test]
fn nothing_sensitive_is_printed() {
    let body = r#"{"CustomKeyStoreId":"cks-1","KeyStorePassword":"canaryPassword"}"#;
    let request: UpdateCustomKeyStoreRequest = serde_json::from_str(body).unwrap();
    assert!(!format!("{request:?}").contains("canary"));
    let request: EncryptRequest =
        serde_json::from_str(r#"{"KeyId":"k","Plaintext":"Y2FuYXJ5"}"#).unwrap();
    assert_eq!(&*request.plaintext.0, b"canary");
    assert!(!format!("{request:?}").contains("canary"));
}

#[test]
fn every_operation_is_found_by_its_target() {
    assert_eq!(Operation::ALL.len(), 74);
    for operation in Operation::ALL {
        let target = format!(
            "{}.{}",
            operation.service().target_prefix(),
            operation.name()
        );
        assert_eq!(Operation::from_target(&target), Some(*operation));
    }
    let dry = Operation::ALL
        .iter()
        .filter(|operation| operation.dry_run())
        .count();
    assert_eq!(dry, 17);
    assert_eq!(Operation::EnableKey.reply(), Reply::Empty);
    assert_eq!(Operation::DescribeClusters.service(), Service::CloudHsm);
    assert_eq!(
        Operation::from_target("TrentService.DescribeClusters"),
        None
    );
}

#[test]
fn a_date_is_read_in_every_form_clients_send() {
    for text in ["1499288695.918", "\"1.499288695918E9\""] {
        assert_eq!(
            serde_json::from_str::<EpochSeconds>(text).unwrap().0,
            1_499_288_695.918
        );
    }
    assert_eq!(serde_json::to_string(&EpochSeconds(1.5)).unwrap(), "1.5");
}

proptest! {
    #[test]
    fn bytes_come_back_from_base64(bytes: Vec<u8>) {
        let text = serde_json::to_string(&Blob(bytes.clone())).unwrap();
        prop_assert_eq!(&serde_json::from_str::<Blob>(&text).unwrap().0, &bytes);
        let secret: SecretBlob = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(&*secret.0, &bytes);
    }
}
