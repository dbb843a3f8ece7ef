//! The one table of what each request concerns: action, key, encryption context, grant tokens and
//! the condition keys that it brings along.
//!
//! Source: AWS KMS Developer Guide, "AWS KMS permissions" and "condition keys"; Service
//! Authorization Reference, AWS KMS and AWS CloudHSM. Rule AUTH-30: a request that does several
//! things, such as ReEncrypt or CreateAlias, needs every permission of its row.

use portcullis_api::{cloudhsm, kms};

use super::concern::{Concern, Concerns, On};

macro_rules! concerns {
    ($($input:ty, $it:ident $(for $recipient:expr)? $(, with $tokens:expr)? $(, puts $policy:expr)? => $concern:expr;)*) => {$(
        impl Concerns for $input {
            fn concern(&self) -> Concern<'_> {
                let $it = self;
                $concern $(.attested($recipient.as_ref()))? $(.tokens(&$tokens))?
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

/// The values of kms:GrantConstraintType.
pub(super) const CONTEXT_EQUALS: &str = "EncryptionContextEquals";
pub(super) const CONTEXT_SUBSET: &str = "EncryptionContextSubset";

/// The period of EnableKeyRotation when the request names none.
const PERIOD_DAYS: i32 = 365;

/// The waiting period that ScheduleKeyDeletion takes when the request names none.
const WINDOW_DAYS: i32 = 30;

fn algorithm(given: &Option<String>) -> Option<&str> {
    Some(given.as_deref().unwrap_or(SYMMETRIC))
}

// Cryptographic operations.
concerns! {
    kms::EncryptRequest, it, with it.grant_tokens => Concern::of("kms:Encrypt", On::Use(&it.key_id))
        .within(&it.encryption_context)
        .says("kms:EncryptionAlgorithm", algorithm(&it.encryption_algorithm));
    kms::DecryptRequest, it for it.recipient, with it.grant_tokens => Concern::of("kms:Decrypt", maker(it.ciphertext_blob.as_ref(), it.key_id.as_deref()))
        .within(&it.encryption_context)
        .says("kms:EncryptionAlgorithm", algorithm(&it.encryption_algorithm));
    kms::ReEncryptRequest, it, with it.grant_tokens => Concern::of("kms:ReEncryptFrom", maker(it.ciphertext_blob.as_ref(), it.source_key_id.as_deref()))
        .within(&it.source_encryption_context).by(algorithm(&it.source_encryption_algorithm))
        .and("kms:ReEncryptTo", On::Use(&it.destination_key_id))
        .within(&it.destination_encryption_context).by(algorithm(&it.destination_encryption_algorithm));
    kms::GenerateDataKeyRequest, it for it.recipient, with it.grant_tokens => Concern::of("kms:GenerateDataKey", On::Use(&it.key_id))
        .within(&it.encryption_context)
        .says("kms:EncryptionAlgorithm", Some(SYMMETRIC));
    kms::GenerateDataKeyWithoutPlaintextRequest, it, with it.grant_tokens => Concern::of("kms:GenerateDataKeyWithoutPlaintext", On::Use(&it.key_id))
        .within(&it.encryption_context)
        .says("kms:EncryptionAlgorithm", Some(SYMMETRIC));
    kms::GenerateDataKeyPairRequest, it for it.recipient, with it.grant_tokens => Concern::of("kms:GenerateDataKeyPair", On::Use(&it.key_id))
        .within(&it.encryption_context)
        .says("kms:EncryptionAlgorithm", Some(SYMMETRIC))
        .says("kms:DataKeyPairSpec", Some(&it.key_pair_spec));
    kms::GenerateDataKeyPairWithoutPlaintextRequest, it, with it.grant_tokens => Concern::of("kms:GenerateDataKeyPairWithoutPlaintext", On::Use(&it.key_id))
        .within(&it.encryption_context)
        .says("kms:EncryptionAlgorithm", Some(SYMMETRIC))
        .says("kms:DataKeyPairSpec", Some(&it.key_pair_spec));
    kms::GenerateRandomRequest, it for it.recipient => Concern::of("kms:GenerateRandom", On::Nothing);
    kms::SignRequest, it, with it.grant_tokens => Concern::of("kms:Sign", On::Use(&it.key_id))
        .says("kms:SigningAlgorithm", Some(&it.signing_algorithm))
        .says("kms:MessageType", Some(it.message_type.as_deref().unwrap_or("RAW")));
    kms::VerifyRequest, it, with it.grant_tokens => Concern::of("kms:Verify", On::Use(&it.key_id))
        .says("kms:SigningAlgorithm", Some(&it.signing_algorithm))
        .says("kms:MessageType", Some(it.message_type.as_deref().unwrap_or("RAW")));
    kms::GenerateMacRequest, it, with it.grant_tokens => Concern::of("kms:GenerateMac", On::Use(&it.key_id))
        .says("kms:MacAlgorithm", Some(&it.mac_algorithm));
    kms::VerifyMacRequest, it, with it.grant_tokens => Concern::of("kms:VerifyMac", On::Use(&it.key_id))
        .says("kms:MacAlgorithm", Some(&it.mac_algorithm));
    kms::DeriveSharedSecretRequest, it for it.recipient, with it.grant_tokens => Concern::of("kms:DeriveSharedSecret", On::Use(&it.key_id))
        .says("kms:KeyAgreementAlgorithm", Some(&it.key_agreement_algorithm));
    kms::EncapsulateRequest, it, with it.grant_tokens => Concern::of("kms:Encapsulate", On::Use(&it.key_id));
    kms::DecapsulateRequest, it, with it.grant_tokens => Concern::of("kms:Decapsulate", On::Use(&it.key_id));
    kms::GetPublicKeyRequest, it, with it.grant_tokens => Concern::of("kms:GetPublicKey", On::Use(&it.key_id));
}

fn maker<'a>(blob: Option<&'a portcullis_api::Blob>, named: Option<&'a str>) -> On<'a> {
    On::Maker {
        blob: blob.map(|blob| blob.0.as_slice()),
        named,
    }
}

// Keys.
concerns! {
    kms::CreateKeyRequest, it, puts it.policy.as_deref() => Concern::of("kms:CreateKey", On::Nothing)
        .and_if(it.tags.as_ref().is_some_and(|tags| !tags.is_empty()), "kms:TagResource", On::Nothing)
        .puts(it.policy.as_deref(), it.bypass_policy_lockout_safety_check)
        .tags(it.tags.as_deref().unwrap_or_default())
        .makes_key(
            it.key_spec.as_deref().or(it.customer_master_key_spec.as_deref()).unwrap_or(SYMMETRIC),
            it.key_usage.as_deref().unwrap_or("ENCRYPT_DECRYPT"),
        )
        .says("kms:KeyOrigin", Some(it.origin.as_deref().unwrap_or("AWS_KMS")))
        .says("kms:MultiRegion", Some(it.multi_region == Some(true)))
        .says("kms:MultiRegionKeyType", it.multi_region.filter(|is| *is).map(|_| "PRIMARY"));
    // It takes tokens and does not declare InvalidGrantTokenException.
    kms::DescribeKeyRequest, it => Concern::of("kms:DescribeKey", On::Use(&it.key_id));
    kms::ListKeysRequest, _it => Concern::of("kms:ListKeys", On::Nothing);
    kms::EnableKeyRequest, it => Concern::of("kms:EnableKey", On::Own(&it.key_id));
    kms::DisableKeyRequest, it => Concern::of("kms:DisableKey", On::Own(&it.key_id));
    kms::ScheduleKeyDeletionRequest, it => Concern::of("kms:ScheduleKeyDeletion", On::Own(&it.key_id))
        .says("kms:ScheduleKeyDeletionPendingWindowInDays", Some(it.pending_window_in_days.unwrap_or(WINDOW_DAYS)));
    kms::CancelKeyDeletionRequest, it => Concern::of("kms:CancelKeyDeletion", On::Own(&it.key_id));
    kms::UpdateKeyDescriptionRequest, it => Concern::of("kms:UpdateKeyDescription", On::Own(&it.key_id));
    kms::GetKeyLastUsageRequest, it => Concern::of("kms:GetKeyLastUsage", On::Own(&it.key_id));
    kms::TagResourceRequest, it => Concern::of("kms:TagResource", On::Own(&it.key_id)).tags(&it.tags);
    kms::UntagResourceRequest, it => Concern::of("kms:UntagResource", On::Own(&it.key_id))
        .says_all("aws:TagKeys", it.tag_keys.clone());
    kms::ListResourceTagsRequest, it => Concern::of("kms:ListResourceTags", On::Own(&it.key_id));
    kms::GetKeyPolicyRequest, it => Concern::of("kms:GetKeyPolicy", On::Own(&it.key_id));
    kms::PutKeyPolicyRequest, it, puts Some(&it.policy) => Concern::of("kms:PutKeyPolicy", On::Own(&it.key_id))
        .puts(Some(&it.policy), it.bypass_policy_lockout_safety_check);
    kms::ListKeyPoliciesRequest, it => Concern::of("kms:ListKeyPolicies", On::Own(&it.key_id));
    kms::EnableKeyRotationRequest, it => Concern::of("kms:EnableKeyRotation", On::Own(&it.key_id))
        .says("kms:RotationPeriodInDays", Some(it.rotation_period_in_days.unwrap_or(PERIOD_DAYS)));
    kms::DisableKeyRotationRequest, it => Concern::of("kms:DisableKeyRotation", On::Own(&it.key_id));
    kms::GetKeyRotationStatusRequest, it => Concern::of("kms:GetKeyRotationStatus", On::Shared(&it.key_id));
    kms::ListKeyRotationsRequest, it => Concern::of("kms:ListKeyRotations", On::Own(&it.key_id));
    kms::RotateKeyOnDemandRequest, it => Concern::of("kms:RotateKeyOnDemand", On::Own(&it.key_id));
    kms::ReplicateKeyRequest, it, puts it.policy.as_deref() => Concern::of("kms:ReplicateKey", On::Own(&it.key_id))
        .and("kms:CreateKey", On::Like(&it.key_id))
        .and_if(it.tags.as_ref().is_some_and(|tags| !tags.is_empty()), "kms:TagResource", On::Nothing)
        .puts(it.policy.as_deref(), it.bypass_policy_lockout_safety_check)
        .tags(it.tags.as_deref().unwrap_or_default())
        .says("kms:ReplicaRegion", Some(&it.replica_region));
    kms::UpdatePrimaryRegionRequest, it => Concern::of("kms:UpdatePrimaryRegion", On::Own(&it.key_id))
        .says("kms:PrimaryRegion", Some(&it.primary_region));
    kms::GetParametersForImportRequest, it => Concern::of("kms:GetParametersForImport", On::Own(&it.key_id))
        .says("kms:WrappingAlgorithm", Some(&it.wrapping_algorithm))
        .says("kms:WrappingKeySpec", Some(&it.wrapping_key_spec));
    kms::ImportKeyMaterialRequest, it => Concern::of("kms:ImportKeyMaterial", On::Own(&it.key_id))
        .says("kms:ExpirationModel", it.expiration_model.as_deref())
        .says("kms:ValidTo", it.valid_to.map(|date| date.0));
    kms::DeleteImportedKeyMaterialRequest, it => Concern::of("kms:DeleteImportedKeyMaterial", On::Own(&it.key_id));
}

// Aliases: each is asked of the alias, and of every key that it leaves or comes to.
concerns! {
    kms::CreateAliasRequest, it => Concern::of("kms:CreateAlias", On::Alias(&it.alias_name))
        .and("kms:CreateAlias", On::Own(&it.target_key_id));
    kms::UpdateAliasRequest, it => Concern::of("kms:UpdateAlias", On::Alias(&it.alias_name))
        .and("kms:UpdateAlias", On::AliasTarget(&it.alias_name))
        .and("kms:UpdateAlias", On::Own(&it.target_key_id));
    kms::DeleteAliasRequest, it => Concern::of("kms:DeleteAlias", On::Alias(&it.alias_name))
        .and("kms:DeleteAlias", On::AliasTarget(&it.alias_name));
    kms::ListAliasesRequest, _it => Concern::of("kms:ListAliases", On::Nothing);
}

// Grants.
concerns! {
    kms::CreateGrantRequest, it, with it.grant_tokens => create_grant(it);
    kms::ListGrantsRequest, it => Concern::of("kms:ListGrants", On::Shared(&it.key_id));
    kms::ListRetirableGrantsRequest, _it => Concern::of("kms:ListRetirableGrants", On::Nothing);
    kms::RetireGrantRequest, it => Concern::of("kms:RetireGrant", On::Grant(it));
    kms::RevokeGrantRequest, it => Concern::of("kms:RevokeGrant", On::Shared(&it.key_id));
}

fn create_grant(it: &kms::CreateGrantRequest) -> Concern<'_> {
    let constraints = it.constraints.as_ref();
    let mut kinds = Vec::new();
    if constraints.is_some_and(|given| given.encryption_context_equals.is_some()) {
        kinds.push(CONTEXT_EQUALS.to_owned());
    }
    if constraints.is_some_and(|given| given.encryption_context_subset.is_some()) {
        kinds.push(CONTEXT_SUBSET.to_owned());
    }
    let concern = Concern::of("kms:CreateGrant", On::Shared(&it.key_id))
        .says_all("kms:GrantOperations", it.operations.clone())
        .says_all("kms:GrantConstraintType", kinds)
        .says(
            "kms:GrantConstraintSourceArn",
            constraints.and_then(|given| given.source_arn.as_ref()),
        )
        .constrained_to(constraints)
        .says("kms:GranteePrincipal", it.grantee_principal.as_ref())
        .says(
            "kms:GranteeServicePrincipal",
            it.grantee_service_principal.as_ref(),
        )
        .says("kms:RetiringPrincipal", it.retiring_principal.as_ref())
        .says(
            "kms:RetiringServicePrincipal",
            it.retiring_service_principal.as_ref(),
        );
    Concern {
        new_grant: Some(it),
        ..concern
    }
}

// Custom key stores.
concerns! {
    kms::CreateCustomKeyStoreRequest, _it => Concern::of("kms:CreateCustomKeyStore", On::Nothing)
        .and("cloudhsm:DescribeClusters", On::Nothing)
        .and("iam:CreateServiceLinkedRole", On::Nothing);
    kms::ConnectCustomKeyStoreRequest, _it => Concern::of("kms:ConnectCustomKeyStore", On::Nothing);
    kms::DisconnectCustomKeyStoreRequest, _it => Concern::of("kms:DisconnectCustomKeyStore", On::Nothing);
    kms::UpdateCustomKeyStoreRequest, _it => Concern::of("kms:UpdateCustomKeyStore", On::Nothing);
    kms::DeleteCustomKeyStoreRequest, _it => Concern::of("kms:DeleteCustomKeyStore", On::Nothing);
    kms::DescribeCustomKeyStoresRequest, _it => Concern::of("kms:DescribeCustomKeyStores", On::Nothing);
}

// CloudHSM. Creating an HSM or a cluster also makes network interfaces, whose permissions of Amazon
// EC2 are not asked for.
concerns! {
    cloudhsm::CreateClusterRequest, it => Concern::of("cloudhsm:CreateCluster", On::Nothing)
        .hsm_tags(it.tag_list.as_deref());
    cloudhsm::DescribeClustersRequest, _it => Concern::of("cloudhsm:DescribeClusters", On::Nothing);
    cloudhsm::InitializeClusterRequest, it => Concern::of("cloudhsm:InitializeCluster", On::Cluster(&it.cluster_id));
    cloudhsm::ModifyClusterRequest, it => Concern::of("cloudhsm:ModifyCluster", On::Cluster(&it.cluster_id));
    cloudhsm::DeleteClusterRequest, it => Concern::of("cloudhsm:DeleteCluster", On::Cluster(&it.cluster_id));
    cloudhsm::CreateHsmRequest, it => Concern::of("cloudhsm:CreateHsm", On::Cluster(&it.cluster_id));
    cloudhsm::DeleteHsmRequest, it => Concern::of("cloudhsm:DeleteHsm", On::Cluster(&it.cluster_id));
    cloudhsm::DescribeBackupsRequest, _it => Concern::of("cloudhsm:DescribeBackups", On::Nothing);
    cloudhsm::CopyBackupToRegionRequest, it => Concern::of("cloudhsm:CopyBackupToRegion", On::Backup(&it.backup_id))
        .hsm_tags(it.tag_list.as_deref());
    cloudhsm::DeleteBackupRequest, it => Concern::of("cloudhsm:DeleteBackup", On::Backup(&it.backup_id));
    cloudhsm::RestoreBackupRequest, it => Concern::of("cloudhsm:RestoreBackup", On::Backup(&it.backup_id));
    cloudhsm::ModifyBackupAttributesRequest, it => Concern::of("cloudhsm:ModifyBackupAttributes", On::Backup(&it.backup_id));
    cloudhsm::TagResourceRequest, it => Concern::of("cloudhsm:TagResource", On::Resource(&it.resource_id))
        .hsm_tags(Some(&it.tag_list));
    cloudhsm::UntagResourceRequest, it => Concern::of("cloudhsm:UntagResource", On::Resource(&it.resource_id))
        .says_all("aws:TagKeys", it.tag_key_list.clone());
    cloudhsm::ListTagsRequest, it => Concern::of("cloudhsm:ListTags", On::Resource(&it.resource_id));
    cloudhsm::PutResourcePolicyRequest, it => Concern::of("cloudhsm:PutResourcePolicy", On::Arn(it.resource_arn.as_deref()));
    cloudhsm::GetResourcePolicyRequest, it => Concern::of("cloudhsm:GetResourcePolicy", On::Arn(it.resource_arn.as_deref()));
    cloudhsm::DeleteResourcePolicyRequest, it => Concern::of("cloudhsm:DeleteResourcePolicy", On::Arn(it.resource_arn.as_deref()));
}
