//! The table of KMS operations: one row for each, with everything that is the same for every call of it.
//!
//! What a call concerns, with its permission, condition keys and grant tokens, stands in
//! `access/table.rs`, by its input. An operation without a row in either does not compile.

use portcullis_api::Operation;
use portcullis_api::kms::KeyState;

use Counting::{Alone, ByKey, ByKeyOrSymmetric, ByPair, Not, Symmetric};

use StateVerdict::{
    Creating as C, Disabled as D, External as X, NotPendingDeletion as N, PendingDeletion as P,
    PendingImport as I, Permitted as Y, Unavailable as U, Updating as W,
};

/// How calls of an operation are counted (Rule QUOTA-02).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Counting {
    /// Not at all: the page on quotas does not have the operation.
    Not,
    /// By itself, with this quota of calls a second.
    Alone(u64),
    /// With all cryptographic operations with symmetric keys.
    Symmetric,
    /// With all cryptographic operations with keys of the same kind as the call's key.
    ByKey,
    /// The same; as with a symmetric key where the call names none, as most calls with a ciphertext.
    ByKeyOrSymmetric,
    /// With those that make data key pairs of that kind.
    ByPair,
}

/// What the table says of an operation in a state. The numbers are those of the page's footnotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StateVerdict {
    /// +: the operation is permitted.
    Permitted,
    /// 1: DisabledException.
    Disabled,
    /// 2 and 3; where the page permits either exception it is KMSInvalidStateException.
    PendingDeletion,
    /// 4: KMSInvalidStateException, since the key is not pending deletion.
    NotPendingDeletion,
    /// 5: KMSInvalidStateException, since key material is yet to be imported.
    PendingImport,
    /// 6: UnsupportedOperationException, since the origin is EXTERNAL.
    External,
    /// 11: KMSInvalidStateException, since the key store is not connected.
    Unavailable,
    /// 14: KMSInvalidStateException, since the key is Creating.
    Creating,
    /// 15: KMSInvalidStateException, since the key is Updating.
    Updating,
}

/// The states in the order of the table's columns; pending deletion of a primary with replicas
/// stands in the column of pending deletion.
pub(crate) const STATES: [KeyState; 7] = [
    KeyState::Enabled,
    KeyState::Disabled,
    KeyState::PendingDeletion,
    KeyState::PendingImport,
    KeyState::Unavailable,
    KeyState::Creating,
    KeyState::Updating,
];

/// How a request names its key, and in which accounts the key is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyLookup {
    /// By key ID or key ARN, in the caller's own account.
    Own,
    /// By key ID or key ARN, in every account of the Region.
    Shared,
    /// By key ID, key ARN, alias name or alias ARN, in every account of the Region.
    Used,
}

/// Whose keys an operation takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyManager {
    /// Keys of customers and of AWS services.
    Any,
    /// Keys of customers only: those of AWS services are refused with AccessDeniedException.
    Customer,
}

/// Which kind of key an operation takes; every other key is refused with
/// UnsupportedOperationException.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KindOfKey {
    /// Every kind, as far as the row says. Cryptographic operations compare the key's spec and usage
    /// with the algorithm of the request.
    Any,
    /// Asymmetric keys, which have a public key.
    Asymmetric,
    /// Keys whose material is imported: origin EXTERNAL.
    External,
    /// Symmetric encryption keys that are in no key store, whose material AWS KMS made, in the Region
    /// of their primary key.
    RotatingByItself,
    /// The same, with imported material too.
    RotatingHere,
    /// Multi-Region keys that are the primary key of their Regions.
    Primary,
}

/// What the row says of the key that an operation is on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KeyRow {
    /// How a request names the key.
    pub(crate) lookup: KeyLookup,
    /// Whose keys are taken.
    pub(crate) manager: KeyManager,
    /// Which kind of key is taken.
    pub(crate) kind: KindOfKey,
    /// What each state of the key says, in the order of [`STATES`].
    pub(crate) states: [StateVerdict; 7],
}

/// A row of the table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OperationRow {
    /// How calls are counted against request quotas.
    pub(crate) counting: Counting,
    /// The key that the operation is on; none for an operation that is on no existing key.
    pub(crate) key: Option<KeyRow>,
}

/// The table.
///
/// ```text
/// Name service.method(input) effect reply { part; output; counted; on lookup of manager: kind in states | on no key };
///
/// effect   whether a call leaves something changed: `changes`, `reads`
/// reply    whether the model has an output: `object`, `empty`
/// part     the field of `Kms` that carries it out
/// counted  how calls are counted against quotas: a `Counting`
/// lookup   how a request names its key: a `KeyLookup`
/// manager  whose keys the operation takes: a `KeyManager`
/// kind     which kind of key the operation takes: a `KindOfKey`
/// states   what each state of the key says: Enabled, Disabled, PendingDeletion, PendingImport,
///          Unavailable, Creating, Updating
/// ```
///
/// `$then` is a macro that takes the rows, followed by `$more`: the edge adds those of CloudHSM.
///
/// Rule LIFE-05: every operation on an existing key by the key's state. A combination that cannot occur
/// is refused like its neighbour. ImportKeyMaterial and GetParametersForImport while pending deletion
/// are refused (the page names an exception for the latter only), and Encapsulate and Decapsulate, which
/// the page does not have, are as Sign.
#[doc(hidden)]
#[macro_export]
macro_rules! kms_operations {
    ($then:ident $($more:tt)*) => {
        $then! {
            CreateCustomKeyStore kms.create_custom_key_store(kms::CreateCustomKeyStoreRequest) changes object { stores; kms::CreateCustomKeyStoreResponse; Alone(5); on no key };
            ConnectCustomKeyStore kms.connect_custom_key_store(kms::ConnectCustomKeyStoreRequest) changes object { stores; kms::ConnectCustomKeyStoreResponse; Alone(5); on no key };
            DisconnectCustomKeyStore kms.disconnect_custom_key_store(kms::DisconnectCustomKeyStoreRequest) changes object { stores; kms::DisconnectCustomKeyStoreResponse; Alone(5); on no key };
            UpdateCustomKeyStore kms.update_custom_key_store(kms::UpdateCustomKeyStoreRequest) changes object { stores; kms::UpdateCustomKeyStoreResponse; Alone(5); on no key };
            DeleteCustomKeyStore kms.delete_custom_key_store(kms::DeleteCustomKeyStoreRequest) changes object { stores; kms::DeleteCustomKeyStoreResponse; Alone(5); on no key };
            DescribeCustomKeyStores kms.describe_custom_key_stores(kms::DescribeCustomKeyStoresRequest) reads object { stores; kms::DescribeCustomKeyStoresResponse; Alone(5); on no key };
            CreateKey kms.create_key(kms::CreateKeyRequest) changes object { creation; kms::CreateKeyResponse; Alone(5); on no key };
            DescribeKey kms.describe_key(kms::DescribeKeyRequest) reads object { description; kms::DescribeKeyResponse; Alone(2_000); on Used of Any: Any in [Y, Y, Y, Y, Y, Y, Y] };
            ListKeys kms.list_keys(kms::ListKeysRequest) reads object { keys; kms::ListKeysResponse; Alone(500); on no key };
            EnableKey kms.enable_key(kms::EnableKeyRequest) changes empty { keys; (); Alone(5); on Own of Customer: Any in [Y, Y, P, I, Y, C, W] };
            DisableKey kms.disable_key(kms::DisableKeyRequest) changes empty { keys; (); Alone(5); on Own of Customer: Any in [Y, Y, P, I, Y, C, W] };
            ScheduleKeyDeletion kms.schedule_key_deletion(kms::ScheduleKeyDeletionRequest) changes object { deletion; kms::ScheduleKeyDeletionResponse; Alone(15); on Own of Customer: Any in [Y, Y, P, Y, Y, Y, W] };
            CancelKeyDeletion kms.cancel_key_deletion(kms::CancelKeyDeletionRequest) changes object { deletion; kms::CancelKeyDeletionResponse; Alone(5); on Own of Any: Any in [N, N, Y, N, N, N, N] };
            GetKeyLastUsage kms.get_key_last_usage(kms::GetKeyLastUsageRequest) reads object { uses; kms::GetKeyLastUsageResponse; Alone(5); on Own of Any: Any in [Y, Y, Y, Y, Y, Y, Y] };
            UpdateKeyDescription kms.update_key_description(kms::UpdateKeyDescriptionRequest) changes empty { description; (); Alone(5); on Own of Customer: Any in [Y, Y, P, Y, Y, Y, Y] };
            TagResource kms.tag_resource(kms::TagResourceRequest) changes empty { keys; (); Alone(10); on Own of Customer: Any in [Y, Y, P, Y, Y, Y, Y] };
            UntagResource kms.untag_resource(kms::UntagResourceRequest) changes empty { keys; (); Alone(5); on Own of Customer: Any in [Y, Y, P, Y, Y, Y, Y] };
            ListResourceTags kms.list_resource_tags(kms::ListResourceTagsRequest) reads object { keys; kms::ListResourceTagsResponse; Alone(2_000); on Own of Any: Any in [Y, Y, Y, Y, Y, Y, Y] };
            PutKeyPolicy kms.put_key_policy(kms::PutKeyPolicyRequest) changes empty { keys; (); Alone(15); on Own of Customer: Any in [Y, Y, Y, Y, Y, Y, Y] };
            GetKeyPolicy kms.get_key_policy(kms::GetKeyPolicyRequest) reads object { keys; kms::GetKeyPolicyResponse; Alone(1_000); on Own of Any: Any in [Y, Y, Y, Y, Y, Y, Y] };
            ListKeyPolicies kms.list_key_policies(kms::ListKeyPoliciesRequest) reads object { keys; kms::ListKeyPoliciesResponse; Alone(100); on Own of Any: Any in [Y, Y, Y, Y, Y, Y, Y] };
            EnableKeyRotation kms.enable_key_rotation(kms::EnableKeyRotationRequest) changes empty { rotation; (); Alone(15); on Own of Customer: RotatingByItself in [Y, D, P, X, Y, C, Y] };
            DisableKeyRotation kms.disable_key_rotation(kms::DisableKeyRotationRequest) changes empty { rotation; (); Alone(5); on Own of Customer: RotatingByItself in [Y, D, P, X, Y, C, Y] };
            GetKeyRotationStatus kms.get_key_rotation_status(kms::GetKeyRotationStatusRequest) reads object { rotation; kms::GetKeyRotationStatusResponse; Alone(1_000); on Shared of Any: Any in [Y, Y, Y, X, Y, Y, Y] };
            RotateKeyOnDemand kms.rotate_key_on_demand(kms::RotateKeyOnDemandRequest) changes object { rotation; kms::RotateKeyOnDemandResponse; Alone(5); on Own of Customer: RotatingHere in [Y, D, P, I, Y, C, Y] };
            ListKeyRotations kms.list_key_rotations(kms::ListKeyRotationsRequest) reads object { rotation; kms::ListKeyRotationsResponse; Alone(100); on Own of Any: Any in [Y, Y, Y, Y, Y, Y, Y] };
            GetParametersForImport kms.get_parameters_for_import(kms::GetParametersForImportRequest) reads object { import; kms::GetParametersForImportResponse; Alone(1); on Own of Any: External in [Y, Y, P, Y, Y, C, W] };
            ImportKeyMaterial kms.import_key_material(kms::ImportKeyMaterialRequest) changes object { import; kms::ImportKeyMaterialResponse; Alone(15); on Own of Any: External in [Y, Y, P, Y, Y, C, Y] };
            DeleteImportedKeyMaterial kms.delete_imported_key_material(kms::DeleteImportedKeyMaterialRequest) changes object { import; kms::DeleteImportedKeyMaterialResponse; Alone(15); on Own of Any: External in [Y, Y, Y, Y, Y, C, W] };
            ReplicateKey kms.replicate_key(kms::ReplicateKeyRequest) changes object { replication; kms::ReplicateKeyResponse; Alone(5); on Own of Customer: Primary in [Y, D, P, I, U, C, W] };
            UpdatePrimaryRegion kms.update_primary_region(kms::UpdatePrimaryRegionRequest) changes empty { replication; (); Alone(5); on Own of Customer: Primary in [Y, D, P, I, U, C, Y] };
            CreateAlias kms.create_alias(kms::CreateAliasRequest) changes empty { aliases; (); Alone(5); on Own of Customer: Any in [Y, Y, P, Y, Y, Y, Y] };
            UpdateAlias kms.update_alias(kms::UpdateAliasRequest) changes empty { aliases; (); Alone(5); on Own of Customer: Any in [Y, Y, P, Y, Y, Y, Y] };
            DeleteAlias kms.delete_alias(kms::DeleteAliasRequest) changes empty { aliases; (); Alone(15); on Own of Any: Any in [Y, Y, Y, Y, Y, Y, Y] };
            ListAliases kms.list_aliases(kms::ListAliasesRequest) reads object { aliases; kms::ListAliasesResponse; Alone(500); on Own of Any: Any in [Y, Y, Y, Y, Y, Y, Y] };
            Encrypt kms.encrypt(kms::EncryptRequest) reads object { crypto; kms::EncryptResponse; ByKeyOrSymmetric; on Used of Any: Any in [Y, D, P, I, U, C, Y] };
            Decrypt kms.decrypt(kms::DecryptRequest) reads object { crypto; kms::DecryptResponse; ByKeyOrSymmetric; on Used of Any: Any in [Y, D, P, I, U, C, Y] };
            ReEncrypt kms.re_encrypt(kms::ReEncryptRequest) reads object { crypto; kms::ReEncryptResponse; ByKeyOrSymmetric; on Used of Any: Any in [Y, D, P, I, U, C, Y] };
            GenerateDataKey kms.generate_data_key(kms::GenerateDataKeyRequest) reads object { data_keys; kms::GenerateDataKeyResponse; Symmetric; on Used of Any: Any in [Y, D, P, I, U, C, Y] };
            GenerateDataKeyWithoutPlaintext kms.generate_data_key_without_plaintext(kms::GenerateDataKeyWithoutPlaintextRequest) reads object { data_keys; kms::GenerateDataKeyWithoutPlaintextResponse; Symmetric; on Used of Any: Any in [Y, D, P, I, U, C, Y] };
            GenerateRandom kms.generate_random(kms::GenerateRandomRequest) reads object { data_keys; kms::GenerateRandomResponse; Symmetric; on no key };
            GenerateDataKeyPair kms.generate_data_key_pair(kms::GenerateDataKeyPairRequest) reads object { data_keys; kms::GenerateDataKeyPairResponse; ByPair; on Used of Any: Any in [Y, D, P, I, U, C, Y] };
            GenerateDataKeyPairWithoutPlaintext kms.generate_data_key_pair_without_plaintext(kms::GenerateDataKeyPairWithoutPlaintextRequest) reads object { data_keys; kms::GenerateDataKeyPairWithoutPlaintextResponse; ByPair; on Used of Any: Any in [Y, D, P, I, U, C, Y] };
            GetPublicKey kms.get_public_key(kms::GetPublicKeyRequest) reads object { crypto; kms::GetPublicKeyResponse; Alone(2_000); on Used of Any: Asymmetric in [Y, Y, P, Y, U, C, Y] };
            Sign kms.sign(kms::SignRequest) reads object { crypto; kms::SignResponse; ByKey; on Used of Any: Any in [Y, D, P, I, U, C, Y] };
            Verify kms.verify(kms::VerifyRequest) reads object { crypto; kms::VerifyResponse; ByKey; on Used of Any: Any in [Y, D, P, I, U, C, Y] };
            GenerateMac kms.generate_mac(kms::GenerateMacRequest) reads object { crypto; kms::GenerateMacResponse; Symmetric; on Used of Any: Any in [Y, D, P, I, U, C, Y] };
            VerifyMac kms.verify_mac(kms::VerifyMacRequest) reads object { crypto; kms::VerifyMacResponse; Symmetric; on Used of Any: Any in [Y, D, P, I, U, C, Y] };
            DeriveSharedSecret kms.derive_shared_secret(kms::DeriveSharedSecretRequest) reads object { crypto; kms::DeriveSharedSecretResponse; ByKey; on Used of Any: Any in [Y, D, P, I, U, C, Y] };
            Encapsulate kms.encapsulate(kms::EncapsulateRequest) reads object { crypto; kms::EncapsulateResponse; Not; on Used of Any: Any in [Y, D, P, I, U, C, Y] };
            Decapsulate kms.decapsulate(kms::DecapsulateRequest) reads object { crypto; kms::DecapsulateResponse; Not; on Used of Any: Any in [Y, D, P, I, U, C, Y] };
            CreateGrant kms.create_grant(kms::CreateGrantRequest) changes object { grants; kms::CreateGrantResponse; Alone(50); on Shared of Any: Any in [Y, D, P, I, Y, C, Y] };
            ListGrants kms.list_grants(kms::ListGrantsRequest) reads object { grants; kms::ListGrantsResponse; Alone(100); on Shared of Any: Any in [Y, Y, Y, Y, Y, Y, Y] };
            ListRetirableGrants kms.list_retirable_grants(kms::ListRetirableGrantsRequest) reads object { grants; kms::ListGrantsResponse; Alone(100); on no key };
            RetireGrant kms.retire_grant(kms::RetireGrantRequest) changes empty { grants; (); Alone(50); on Shared of Any: Any in [Y, Y, Y, Y, Y, Y, Y] };
            RevokeGrant kms.revoke_grant(kms::RevokeGrantRequest) changes empty { grants; (); Alone(50); on Shared of Any: Any in [Y, Y, Y, Y, Y, Y, Y] };
            $($more)*
        }
    };
}

macro_rules! rows {
    (
        $($operation:ident $service:ident.$method:ident($input:ty) $effect:ident $reply:ident
            { $part:ident; $output:ty; $counting:expr; on $($key:tt)* };)*
    ) => {
        /// The row of an operation.
        pub(crate) const fn row(operation: Operation) -> OperationRow {
            match operation {
                $(Operation::$operation => OperationRow { counting: $counting, key: rows!(@ $($key)*) },)*
                // CloudHSM has quotas of its own, and no keys of KMS.
                Operation::CreateCluster
                | Operation::DescribeClusters
                | Operation::InitializeCluster
                | Operation::CreateHsm
                | Operation::DeleteHsm
                | Operation::ModifyCluster
                | Operation::DeleteCluster
                | Operation::DescribeBackups
                | Operation::CopyBackupToRegion
                | Operation::DeleteBackup
                | Operation::RestoreBackup
                | Operation::ModifyBackupAttributes
                | Operation::CloudHsmTagResource
                | Operation::CloudHsmUntagResource
                | Operation::ListTags
                | Operation::PutResourcePolicy
                | Operation::GetResourcePolicy
                | Operation::DeleteResourcePolicy => OperationRow {
                    counting: Not,
                    key: None,
                },
            }
        }
    };
    (@ no key) => { None };
    (@ $lookup:ident of $manager:ident: $kind:ident in $states:expr) => {
        Some(KeyRow {
            lookup: KeyLookup::$lookup,
            manager: KeyManager::$manager,
            kind: KindOfKey::$kind,
            states: $states,
        })
    };
}

kms_operations!(rows);
