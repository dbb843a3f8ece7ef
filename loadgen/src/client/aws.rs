//! What is looked at of the replies of KMS and CloudHSM. They have more members than these.

use std::collections::BTreeMap;

use portcullis_admin::Secret;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::AwsService;

/// A reply that is a page of a list.
pub(crate) trait ListPage: DeserializeOwned {
    /// What the list is of.
    type Entry;
    /// The service that has it.
    const SERVICE: AwsService;
    /// The operation that gives it.
    const OPERATION: &'static str;
    /// The member of the next request that says where its page begins.
    const MARKER: &'static str;

    /// The entries of this page, and where the next one begins.
    fn split(self) -> (Vec<Self::Entry>, Option<String>);
}

/// A custom key store.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct KeyStore {
    #[serde(rename = "CustomKeyStoreId")]
    pub(crate) id: String,
    #[serde(rename = "CustomKeyStoreName")]
    pub(crate) name: String,
    /// Absent in an external key store.
    #[serde(rename = "CloudHsmClusterId")]
    pub(crate) cluster_id: Option<String>,
    #[serde(rename = "ConnectionState")]
    pub(crate) state: String,
    #[serde(rename = "ConnectionErrorCode")]
    pub(crate) error_code: Option<String>,
}

/// The request of UpdateCustomKeyStore, as far as it is used.
#[derive(Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct KeyStoreEdit {
    /// The key store that is edited.
    pub(crate) custom_key_store_id: String,
    /// The friendly name that it gets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) new_custom_key_store_name: Option<String>,
    /// The password of `kmsuser` that it gets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) key_store_password: Option<Secret>,
    /// The cluster that it gets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cloud_hsm_cluster_id: Option<String>,
}

/// The reply of DescribeCustomKeyStores, as far as it is read.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct KeyStores {
    #[serde(default)]
    custom_key_stores: Vec<KeyStore>,
    next_marker: Option<String>,
}

impl ListPage for KeyStores {
    type Entry = KeyStore;
    const SERVICE: AwsService = AwsService::Kms;
    const OPERATION: &'static str = "DescribeCustomKeyStores";
    const MARKER: &'static str = "Marker";

    fn split(self) -> (Vec<KeyStore>, Option<String>) {
        (self.custom_key_stores, self.next_marker)
    }
}

/// A key in a list.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListedKey {
    pub(crate) key_id: String,
}

/// The reply of ListKeys, as far as it is read.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListedKeys {
    #[serde(default)]
    keys: Vec<ListedKey>,
    next_marker: Option<String>,
}

impl ListPage for ListedKeys {
    type Entry = ListedKey;
    const SERVICE: AwsService = AwsService::Kms;
    const OPERATION: &'static str = "ListKeys";
    const MARKER: &'static str = "Marker";

    fn split(self) -> (Vec<ListedKey>, Option<String>) {
        (self.keys, self.next_marker)
    }
}

/// DescribeKey and CreateKey.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DescribedKey {
    pub(crate) key_metadata: KeyMetadata,
}

/// A key.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct KeyMetadata {
    pub(crate) key_id: String,
    pub(crate) arn: String,
    pub(crate) key_state: Option<String>,
    pub(crate) key_spec: Option<String>,
    pub(crate) key_usage: Option<String>,
    pub(crate) key_manager: Option<String>,
    /// Seconds since 1970-01-01 UTC.
    pub(crate) creation_date: f64,
    /// Absent for a key of the Region's own.
    pub(crate) custom_key_store_id: Option<String>,
}

/// The reply of Encrypt, as far as it is read.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Encrypted {
    /// The ciphertext, in Base64.
    pub(crate) ciphertext_blob: String,
}

/// The reply of DescribeClusters, as far as it is read.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListedClusters {
    #[serde(default)]
    pub(crate) clusters: Vec<ListedCluster>,
    next_token: Option<String>,
}

impl ListPage for ListedClusters {
    type Entry = ListedCluster;
    const SERVICE: AwsService = AwsService::CloudHsm;
    const OPERATION: &'static str = "DescribeClusters";
    const MARKER: &'static str = "NextToken";

    fn split(self) -> (Vec<ListedCluster>, Option<String>) {
        (self.clusters, self.next_token)
    }
}

/// The reply of CreateCluster, as far as it is read.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct CreatedCluster {
    pub(crate) cluster: ListedCluster,
}

/// A cluster.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct ListedCluster {
    pub(crate) cluster_id: String,
    pub(crate) state: String,
    pub(crate) hsm_type: Option<String>,
    /// Subnets by Availability Zone.
    pub(crate) subnet_mapping: BTreeMap<String, String>,
    pub(crate) hsms: Vec<ListedHsm>,
    certificates: Certificates,
}

impl ListedCluster {
    /// The certificate that clusters of one backup history share.
    pub(crate) fn certificate(&self) -> Option<&str> {
        self.certificates.cluster_certificate.as_deref()
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Certificates {
    cluster_certificate: Option<String>,
}

/// The reply of CreateHsm, as far as it is read.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct CreatedHsm {
    pub(crate) hsm: ListedHsm,
}

/// An HSM.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct ListedHsm {
    pub(crate) hsm_id: String,
    pub(crate) state: String,
    pub(crate) availability_zone: Option<String>,
}

/// The reply of DescribeBackups, as far as it is read.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListedBackups {
    #[serde(default)]
    pub(crate) backups: Vec<ListedBackup>,
}

/// A backup.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListedBackup {
    pub(crate) backup_id: String,
    /// Seconds since 1970-01-01 UTC.
    #[serde(default)]
    pub(crate) create_timestamp: f64,
}
