//! The keys and key stores that replies name, for events.

use portcullis_api::{cloudhsm, kms};

use crate::access::{Names, On};

/// A reply, which may name what the call was about.
pub trait Answers {
    /// The keys and the key store that the reply names.
    fn names(&self) -> Names<'_> {
        Names::default()
    }
}

impl Answers for () {}

macro_rules! name_a_key {
    ($($output:ident)*) => {$(
        impl Answers for kms::$output {
            fn names(&self) -> Names<'_> {
                Names::of_key(self.key_id.as_deref())
            }
        }
    )*};
}

macro_rules! name_nothing {
    ($service:ident: $($output:ident)*) => {$(impl Answers for $service::$output {})*};
}

name_a_key! {
    ScheduleKeyDeletionResponse
    CancelKeyDeletionResponse
    GetKeyLastUsageResponse
    GetKeyRotationStatusResponse
    RotateKeyOnDemandResponse
    GetParametersForImportResponse
    ImportKeyMaterialResponse
    DeleteImportedKeyMaterialResponse
    EncryptResponse
    DecryptResponse
    GenerateDataKeyResponse
    GenerateDataKeyWithoutPlaintextResponse
    GenerateDataKeyPairResponse
    GenerateDataKeyPairWithoutPlaintextResponse
    GetPublicKeyResponse
    SignResponse
    VerifyResponse
    GenerateMacResponse
    VerifyMacResponse
    DeriveSharedSecretResponse
    EncapsulateResponse
    DecapsulateResponse
}

name_nothing! { kms:
    ConnectCustomKeyStoreResponse
    DisconnectCustomKeyStoreResponse
    UpdateCustomKeyStoreResponse
    DeleteCustomKeyStoreResponse
    DescribeCustomKeyStoresResponse
    CreateKeyResponse
    DescribeKeyResponse
    ListKeysResponse
    ListResourceTagsResponse
    GetKeyPolicyResponse
    ListKeyPoliciesResponse
    ListKeyRotationsResponse
    ReplicateKeyResponse
    ListAliasesResponse
    GenerateRandomResponse
    CreateGrantResponse
    ListGrantsResponse
}

name_nothing! { cloudhsm:
    CopyBackupToRegionResponse
    CreateClusterResponse
    CreateHsmResponse
    DeleteBackupResponse
    DeleteClusterResponse
    DeleteHsmResponse
    DeleteResourcePolicyResponse
    DescribeBackupsResponse
    DescribeClustersResponse
    GetResourcePolicyResponse
    InitializeClusterResponse
    ListTagsResponse
    ModifyBackupAttributesResponse
    ModifyClusterResponse
    PutResourcePolicyResponse
    RestoreBackupResponse
    TagResourceResponse
    UntagResourceResponse
}

impl Answers for kms::ReEncryptResponse {
    fn names(&self) -> Names<'_> {
        Names::of_key(self.key_id.as_deref()).from(self.source_key_id.as_deref())
    }
}

impl Answers for kms::CreateCustomKeyStoreResponse {
    fn names(&self) -> Names<'_> {
        Names::of(On::KeyStore(self.custom_key_store_id.as_deref()))
    }
}
