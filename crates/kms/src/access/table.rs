//! The one table of what each request concerns: action, key, encryption context, grant tokens and
//! the condition keys that it brings along.
//!
//! Source: AWS KMS Developer Guide, "AWS KMS permissions" and "condition keys"; Service
//! Authorization Reference, AWS KMS and AWS CloudHSM. Rule AUTH-30: a request that does several
//! things, such as ReEncrypt or CreateAlias, needs every permission of its row.

use portcullis_api::{cloudhsm, kms};

use super::concern::{Concern, Concerns, Names, On};

/// The rows.
///
/// ```text
/// input, it for recipient, with tokens, puts policy => action [on] names ..., { more };
///
/// it         the name of the input in the rest of the row
/// recipient  the enclave that the reply is for
/// tokens     the grant tokens that come with the request
/// policy     a key policy that the request would put
/// action     the permission that is needed first, on what
/// names      what an event of the call is about, unless that follows from `on`
/// more       further permissions and condition keys: methods of `Concern`
/// ```
macro_rules! concerns {
    (@names [$on:expr]) => { Names::of($on) };
    (@names [$on:expr] $names:expr) => { $names };
    ($($input:ty, $it:ident $(for $recipient:expr)? $(, with $tokens:expr)? $(, puts $policy:expr)? => $action:literal [$on:expr] $(names $names:expr,)? { $($more:tt)* };)*) => {$(
        #[allow(unused_variables, reason = "a row need not read its input in each of these")]
        impl Concerns for $input {
            fn concern(&self) -> Concern<'_> {
                let $it = self;
                Concern::of($action, $on) $($more)* $(.attested($recipient.as_ref()))? $(.tokens(&$tokens))?
            }

            fn names(&self) -> Names<'_> {
                let $it = self;
                concerns!(@names [$on] $($names)?)
            }
            $(
                fn recipient(&self) -> Option<&kms::RecipientInfo> {
                    let $it = self;
                    $recipient.as_ref()
                }
            )?
            $(
                fn tokens(&self) -> &[String] {
                    let $it = self;
                    $tokens.as_deref().unwrap_or_default()
                }
            )?
            $(
                fn policy(&self) -> Option<&str> {
                    let $it = self;
                    $policy
                }
            )?
        }
    )*};
}

const SYMMETRIC: &str = "SYMMETRIC_DEFAULT";

/// The period of EnableKeyRotation when the request names none.
const PERIOD_DAYS: i32 = 365;

/// The waiting period that ScheduleKeyDeletion takes when the request names none.
const WINDOW_DAYS: i32 = 30;

fn algorithm(given: &Option<String>) -> Option<&str> {
    Some(given.as_deref().unwrap_or(SYMMETRIC))
}

// Cryptographic operations.
concerns! {
    kms::EncryptRequest, it, with it.grant_tokens => "kms:Encrypt" [On::Use(&it.key_id)] {
        .within(&it.encryption_context)
        .says("kms:EncryptionAlgorithm", algorithm(&it.encryption_algorithm))
    };
    kms::DecryptRequest, it for it.recipient, with it.grant_tokens => "kms:Decrypt" [maker(it.ciphertext_blob.as_ref(), it.key_id.as_deref())] {
        .within(&it.encryption_context)
        .says("kms:EncryptionAlgorithm", algorithm(&it.encryption_algorithm))
    };
    kms::ReEncryptRequest, it, with it.grant_tokens => "kms:ReEncryptFrom" [maker(it.ciphertext_blob.as_ref(), it.source_key_id.as_deref())] names Names::of(On::Use(&it.destination_key_id)).from(it.source_key_id.as_deref()), {
        .within(&it.source_encryption_context).by(algorithm(&it.source_encryption_algorithm))
        .and("kms:ReEncryptTo", On::Use(&it.destination_key_id))
        .within(&it.destination_encryption_context).by(algorithm(&it.destination_encryption_algorithm))
    };
    kms::GenerateDataKeyRequest, it for it.recipient, with it.grant_tokens => "kms:GenerateDataKey" [On::Use(&it.key_id)] {
        .within(&it.encryption_context)
        .says("kms:EncryptionAlgorithm", Some(SYMMETRIC))
    };
    kms::GenerateDataKeyWithoutPlaintextRequest, it, with it.grant_tokens => "kms:GenerateDataKeyWithoutPlaintext" [On::Use(&it.key_id)] {
        .within(&it.encryption_context)
        .says("kms:EncryptionAlgorithm", Some(SYMMETRIC))
    };
    kms::GenerateDataKeyPairRequest, it for it.recipient, with it.grant_tokens => "kms:GenerateDataKeyPair" [On::Use(&it.key_id)] {
        .within(&it.encryption_context)
        .says("kms:EncryptionAlgorithm", Some(SYMMETRIC))
        .says("kms:DataKeyPairSpec", Some(&it.key_pair_spec))
    };
    kms::GenerateDataKeyPairWithoutPlaintextRequest, it, with it.grant_tokens => "kms:GenerateDataKeyPairWithoutPlaintext" [On::Use(&it.key_id)] {
        .within(&it.encryption_context)
        .says("kms:EncryptionAlgorithm", Some(SYMMETRIC))
        .says("kms:DataKeyPairSpec", Some(&it.key_pair_spec))
    };
    kms::GenerateRandomRequest, it for it.recipient => "kms:GenerateRandom" [On::KeyStore(it.custom_key_store_id.as_deref())] {};
    kms::SignRequest, it, with it.grant_tokens => "kms:Sign" [On::Use(&it.key_id)] {
        .says("kms:SigningAlgorithm", Some(&it.signing_algorithm))
        .says("kms:MessageType", Some(it.message_type.as_deref().unwrap_or("RAW")))
    };
    kms::VerifyRequest, it, with it.grant_tokens => "kms:Verify" [On::Use(&it.key_id)] {
        .says("kms:SigningAlgorithm", Some(&it.signing_algorithm))
        .says("kms:MessageType", Some(it.message_type.as_deref().unwrap_or("RAW")))
    };
    kms::GenerateMacRequest, it, with it.grant_tokens => "kms:GenerateMac" [On::Use(&it.key_id)] {
        .says("kms:MacAlgorithm", Some(&it.mac_algorithm))
    };
    kms::VerifyMacRequest, it, with it.grant_tokens => "kms:VerifyMac" [On::Use(&it.key_id)] {
        .says("kms:MacAlgorithm", Some(&it.mac_algorithm))
    };
    kms::DeriveSharedSecretRequest, it for it.recipient, with it.grant_tokens => "kms:DeriveSharedSecret" [On::Use(&it.key_id)] {
        .says("kms:KeyAgreementAlgorithm", Some(&it.key_agreement_algorithm))
    };
    kms::EncapsulateRequest, it, with it.grant_tokens => "kms:Encapsulate" [On::Use(&it.key_id)] {};
    kms::DecapsulateRequest, it, with it.grant_tokens => "kms:Decapsulate" [On::Use(&it.key_id)] {};
    kms::GetPublicKeyRequest, it, with it.grant_tokens => "kms:GetPublicKey" [On::Use(&it.key_id)] {};
}

fn maker<'a>(blob: Option<&'a portcullis_api::Blob>, named: Option<&'a str>) -> On<'a> {
    On::Maker {
        blob: blob.map(|blob| blob.0.as_slice()),
        named,
    }
}

// Keys.
concerns! {
    kms::CreateKeyRequest, it, puts it.policy.as_deref() => "kms:CreateKey" [On::KeyStore(it.custom_key_store_id.as_deref())] {
        .and_if(it.tags.as_ref().is_some_and(|tags| !tags.is_empty()), "kms:TagResource", On::Nothing)
        .puts(it.policy.as_deref(), it.bypass_policy_lockout_safety_check)
        .tags(it.tags.as_deref().unwrap_or_default())
        .makes_key(
            it.key_spec.as_deref().or(it.customer_master_key_spec.as_deref()).unwrap_or(SYMMETRIC),
            it.key_usage.as_deref().unwrap_or("ENCRYPT_DECRYPT"),
        )
        .says("kms:KeyOrigin", Some(it.origin.as_deref().unwrap_or("AWS_KMS")))
        .says("kms:MultiRegion", Some(it.multi_region == Some(true)))
        .says("kms:MultiRegionKeyType", it.multi_region.filter(|is| *is).map(|_| "PRIMARY"))
    };
    // It takes tokens and does not declare InvalidGrantTokenException.
    kms::DescribeKeyRequest, it => "kms:DescribeKey" [On::Use(&it.key_id)] {};
    kms::ListKeysRequest, _it => "kms:ListKeys" [On::Nothing] {};
    kms::EnableKeyRequest, it => "kms:EnableKey" [On::Own(&it.key_id)] {};
    kms::DisableKeyRequest, it => "kms:DisableKey" [On::Own(&it.key_id)] {};
    kms::ScheduleKeyDeletionRequest, it => "kms:ScheduleKeyDeletion" [On::Own(&it.key_id)] {
        .says("kms:ScheduleKeyDeletionPendingWindowInDays", Some(it.pending_window_in_days.unwrap_or(WINDOW_DAYS)))
    };
    kms::CancelKeyDeletionRequest, it => "kms:CancelKeyDeletion" [On::Own(&it.key_id)] {};
    kms::UpdateKeyDescriptionRequest, it => "kms:UpdateKeyDescription" [On::Own(&it.key_id)] {};
    kms::GetKeyLastUsageRequest, it => "kms:GetKeyLastUsage" [On::Own(&it.key_id)] {};
    kms::TagResourceRequest, it => "kms:TagResource" [On::Own(&it.key_id)] {
        .tags(&it.tags)
    };
    kms::UntagResourceRequest, it => "kms:UntagResource" [On::Own(&it.key_id)] {
        .says_all("aws:TagKeys", it.tag_keys.clone())
    };
    kms::ListResourceTagsRequest, it => "kms:ListResourceTags" [On::Own(&it.key_id)] {};
    kms::GetKeyPolicyRequest, it => "kms:GetKeyPolicy" [On::Own(&it.key_id)] {};
    kms::PutKeyPolicyRequest, it, puts Some(&it.policy) => "kms:PutKeyPolicy" [On::Own(&it.key_id)] {
        .puts(Some(&it.policy), it.bypass_policy_lockout_safety_check)
    };
    kms::ListKeyPoliciesRequest, it => "kms:ListKeyPolicies" [On::Own(&it.key_id)] {};
    kms::EnableKeyRotationRequest, it => "kms:EnableKeyRotation" [On::Own(&it.key_id)] {
        .says("kms:RotationPeriodInDays", Some(it.rotation_period_in_days.unwrap_or(PERIOD_DAYS)))
    };
    kms::DisableKeyRotationRequest, it => "kms:DisableKeyRotation" [On::Own(&it.key_id)] {};
    kms::GetKeyRotationStatusRequest, it => "kms:GetKeyRotationStatus" [On::Shared(&it.key_id)] {};
    kms::ListKeyRotationsRequest, it => "kms:ListKeyRotations" [On::Own(&it.key_id)] {};
    kms::RotateKeyOnDemandRequest, it => "kms:RotateKeyOnDemand" [On::Own(&it.key_id)] {};
    kms::ReplicateKeyRequest, it, puts it.policy.as_deref() => "kms:ReplicateKey" [On::Own(&it.key_id)] {
        .and("kms:CreateKey", On::Like(&it.key_id))
        .and_if(it.tags.as_ref().is_some_and(|tags| !tags.is_empty()), "kms:TagResource", On::Nothing)
        .puts(it.policy.as_deref(), it.bypass_policy_lockout_safety_check)
        .tags(it.tags.as_deref().unwrap_or_default())
        .says("kms:ReplicaRegion", Some(&it.replica_region))
    };
    kms::UpdatePrimaryRegionRequest, it => "kms:UpdatePrimaryRegion" [On::Own(&it.key_id)] {
        .says("kms:PrimaryRegion", Some(&it.primary_region))
    };
    kms::GetParametersForImportRequest, it => "kms:GetParametersForImport" [On::Own(&it.key_id)] {
        .says("kms:WrappingAlgorithm", Some(&it.wrapping_algorithm))
        .says("kms:WrappingKeySpec", Some(&it.wrapping_key_spec))
    };
    kms::ImportKeyMaterialRequest, it => "kms:ImportKeyMaterial" [On::Own(&it.key_id)] {
        .says("kms:ExpirationModel", it.expiration_model.as_deref())
        .says("kms:ValidTo", it.valid_to.map(|date| date.0))
    };
    kms::DeleteImportedKeyMaterialRequest, it => "kms:DeleteImportedKeyMaterial" [On::Own(&it.key_id)] {};
}

// Aliases: each is asked of the alias, and of every key that it leaves or comes to.
concerns! {
    kms::CreateAliasRequest, it => "kms:CreateAlias" [On::Alias(&it.alias_name)] names Names::of(On::Own(&it.target_key_id)), {
        .and("kms:CreateAlias", On::Own(&it.target_key_id))
    };
    kms::UpdateAliasRequest, it => "kms:UpdateAlias" [On::Alias(&it.alias_name)] names Names::of(On::Own(&it.target_key_id)), {
        .and("kms:UpdateAlias", On::AliasTarget(&it.alias_name))
        .and("kms:UpdateAlias", On::Own(&it.target_key_id))
    };
    kms::DeleteAliasRequest, it => "kms:DeleteAlias" [On::Alias(&it.alias_name)] {
        .and("kms:DeleteAlias", On::AliasTarget(&it.alias_name))
    };
    kms::ListAliasesRequest, it => "kms:ListAliases" [On::Nothing] names Names::of_key(it.key_id.as_deref()), {};
}

// Grants.
concerns! {
    kms::CreateGrantRequest, it, with it.grant_tokens => "kms:CreateGrant" [On::Shared(&it.key_id)] {
        .creates_grant(it)
    };
    kms::ListGrantsRequest, it => "kms:ListGrants" [On::Shared(&it.key_id)] {};
    kms::ListRetirableGrantsRequest, _it => "kms:ListRetirableGrants" [On::Nothing] {};
    kms::RetireGrantRequest, it => "kms:RetireGrant" [On::Grant(it)] {};
    kms::RevokeGrantRequest, it => "kms:RevokeGrant" [On::Shared(&it.key_id)] {};
}

// Custom key stores.
concerns! {
    kms::CreateCustomKeyStoreRequest, _it => "kms:CreateCustomKeyStore" [On::Nothing] {
        .and("cloudhsm:DescribeClusters", On::Nothing)
        .and("iam:CreateServiceLinkedRole", On::Nothing)
    };
    kms::ConnectCustomKeyStoreRequest, it => "kms:ConnectCustomKeyStore" [On::KeyStore(Some(&it.custom_key_store_id))] {};
    kms::DisconnectCustomKeyStoreRequest, it => "kms:DisconnectCustomKeyStore" [On::KeyStore(Some(&it.custom_key_store_id))] {};
    kms::UpdateCustomKeyStoreRequest, it => "kms:UpdateCustomKeyStore" [On::KeyStore(Some(&it.custom_key_store_id))] {};
    kms::DeleteCustomKeyStoreRequest, it => "kms:DeleteCustomKeyStore" [On::KeyStore(Some(&it.custom_key_store_id))] {};
    kms::DescribeCustomKeyStoresRequest, it => "kms:DescribeCustomKeyStores" [On::KeyStore(it.custom_key_store_id.as_deref())] {};
}

// CloudHSM. Creating an HSM or a cluster also makes network interfaces, whose permissions of Amazon
// EC2 are not asked for.
concerns! {
    cloudhsm::CreateClusterRequest, it => "cloudhsm:CreateCluster" [On::Nothing] {
        .hsm_tags(it.tag_list.as_deref())
    };
    cloudhsm::DescribeClustersRequest, _it => "cloudhsm:DescribeClusters" [On::Nothing] {};
    cloudhsm::InitializeClusterRequest, it => "cloudhsm:InitializeCluster" [On::Cluster(&it.cluster_id)] {};
    cloudhsm::ModifyClusterRequest, it => "cloudhsm:ModifyCluster" [On::Cluster(&it.cluster_id)] {};
    cloudhsm::DeleteClusterRequest, it => "cloudhsm:DeleteCluster" [On::Cluster(&it.cluster_id)] {};
    cloudhsm::CreateHsmRequest, it => "cloudhsm:CreateHsm" [On::Cluster(&it.cluster_id)] {};
    cloudhsm::DeleteHsmRequest, it => "cloudhsm:DeleteHsm" [On::Cluster(&it.cluster_id)] {};
    cloudhsm::DescribeBackupsRequest, _it => "cloudhsm:DescribeBackups" [On::Nothing] {};
    cloudhsm::CopyBackupToRegionRequest, it => "cloudhsm:CopyBackupToRegion" [On::Backup(&it.backup_id)] {
        .hsm_tags(it.tag_list.as_deref())
    };
    cloudhsm::DeleteBackupRequest, it => "cloudhsm:DeleteBackup" [On::Backup(&it.backup_id)] {};
    cloudhsm::RestoreBackupRequest, it => "cloudhsm:RestoreBackup" [On::Backup(&it.backup_id)] {};
    cloudhsm::ModifyBackupAttributesRequest, it => "cloudhsm:ModifyBackupAttributes" [On::Backup(&it.backup_id)] {};
    cloudhsm::TagResourceRequest, it => "cloudhsm:TagResource" [On::Resource(&it.resource_id)] {
        .hsm_tags(Some(&it.tag_list))
    };
    cloudhsm::UntagResourceRequest, it => "cloudhsm:UntagResource" [On::Resource(&it.resource_id)] {
        .says_all("aws:TagKeys", it.tag_key_list.clone())
    };
    cloudhsm::ListTagsRequest, it => "cloudhsm:ListTags" [On::Resource(&it.resource_id)] {};
    cloudhsm::PutResourcePolicyRequest, it => "cloudhsm:PutResourcePolicy" [On::Arn(it.resource_arn.as_deref())] {};
    cloudhsm::GetResourcePolicyRequest, it => "cloudhsm:GetResourcePolicy" [On::Arn(it.resource_arn.as_deref())] {};
    cloudhsm::DeleteResourcePolicyRequest, it => "cloudhsm:DeleteResourcePolicy" [On::Arn(it.resource_arn.as_deref())] {};
}
