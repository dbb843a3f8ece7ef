/// Rule WIRE-12: every operation of both services is here, by one table: operation, method, input, whether it
/// changes something, and whether the reply is an object or empty.
///
/// `$then` is a macro that takes the rows; `input.rs` makes the inputs of them, `dispatch.rs` the
/// calls.
macro_rules! built_operations {
    ($then:ident) => {
        $then! {
            CreateCustomKeyStore kms.create_custom_key_store(kms::CreateCustomKeyStoreRequest) changes object;
            ConnectCustomKeyStore kms.connect_custom_key_store(kms::ConnectCustomKeyStoreRequest) changes object;
            DisconnectCustomKeyStore kms.disconnect_custom_key_store(kms::DisconnectCustomKeyStoreRequest) changes object;
            UpdateCustomKeyStore kms.update_custom_key_store(kms::UpdateCustomKeyStoreRequest) changes object;
            DeleteCustomKeyStore kms.delete_custom_key_store(kms::DeleteCustomKeyStoreRequest) changes object;
            DescribeCustomKeyStores kms.describe_custom_key_stores(kms::DescribeCustomKeyStoresRequest) reads object;

            CreateKey kms.create_key(kms::CreateKeyRequest) changes object;
            DescribeKey kms.describe_key(kms::DescribeKeyRequest) reads object;
            ListKeys kms.list_keys(kms::ListKeysRequest) reads object;
            EnableKey kms.enable_key(kms::EnableKeyRequest) changes empty;
            DisableKey kms.disable_key(kms::DisableKeyRequest) changes empty;
            ScheduleKeyDeletion kms.schedule_key_deletion(kms::ScheduleKeyDeletionRequest) changes object;
            CancelKeyDeletion kms.cancel_key_deletion(kms::CancelKeyDeletionRequest) changes object;
            GetKeyLastUsage kms.get_key_last_usage(kms::GetKeyLastUsageRequest) reads object;
            UpdateKeyDescription kms.update_key_description(kms::UpdateKeyDescriptionRequest) changes empty;

            TagResource kms.tag_resource(kms::TagResourceRequest) changes empty;
            UntagResource kms.untag_resource(kms::UntagResourceRequest) changes empty;
            ListResourceTags kms.list_resource_tags(kms::ListResourceTagsRequest) reads object;
            PutKeyPolicy kms.put_key_policy(kms::PutKeyPolicyRequest) changes empty;
            GetKeyPolicy kms.get_key_policy(kms::GetKeyPolicyRequest) reads object;
            ListKeyPolicies kms.list_key_policies(kms::ListKeyPoliciesRequest) reads object;

            EnableKeyRotation kms.enable_key_rotation(kms::EnableKeyRotationRequest) changes empty;
            DisableKeyRotation kms.disable_key_rotation(kms::DisableKeyRotationRequest) changes empty;
            GetKeyRotationStatus kms.get_key_rotation_status(kms::GetKeyRotationStatusRequest) reads object;
            RotateKeyOnDemand kms.rotate_key_on_demand(kms::RotateKeyOnDemandRequest) changes object;
            ListKeyRotations kms.list_key_rotations(kms::ListKeyRotationsRequest) reads object;
            GetParametersForImport kms.get_parameters_for_import(kms::GetParametersForImportRequest) reads object;
            ImportKeyMaterial kms.import_key_material(kms::ImportKeyMaterialRequest) changes object;
            DeleteImportedKeyMaterial kms.delete_imported_key_material(kms::DeleteImportedKeyMaterialRequest) changes object;
            ReplicateKey kms.replicate_key(kms::ReplicateKeyRequest) changes object;
            UpdatePrimaryRegion kms.update_primary_region(kms::UpdatePrimaryRegionRequest) changes empty;

            CreateAlias kms.create_alias(kms::CreateAliasRequest) changes empty;
            UpdateAlias kms.update_alias(kms::UpdateAliasRequest) changes empty;
            DeleteAlias kms.delete_alias(kms::DeleteAliasRequest) changes empty;
            ListAliases kms.list_aliases(kms::ListAliasesRequest) reads object;

            Encrypt kms.encrypt(kms::EncryptRequest) reads object;
            Decrypt kms.decrypt(kms::DecryptRequest) reads object;
            ReEncrypt kms.re_encrypt(kms::ReEncryptRequest) reads object;
            GenerateDataKey kms.generate_data_key(kms::GenerateDataKeyRequest) reads object;
            GenerateDataKeyWithoutPlaintext kms.generate_data_key_without_plaintext(kms::GenerateDataKeyWithoutPlaintextRequest) reads object;
            GenerateRandom kms.generate_random(kms::GenerateRandomRequest) reads object;
            GenerateDataKeyPair kms.generate_data_key_pair(kms::GenerateDataKeyPairRequest) reads object;
            GenerateDataKeyPairWithoutPlaintext kms.generate_data_key_pair_without_plaintext(kms::GenerateDataKeyPairWithoutPlaintextRequest) reads object;
            GetPublicKey kms.get_public_key(kms::GetPublicKeyRequest) reads object;
            Sign kms.sign(kms::SignRequest) reads object;
            Verify kms.verify(kms::VerifyRequest) reads object;
            GenerateMac kms.generate_mac(kms::GenerateMacRequest) reads object;
            VerifyMac kms.verify_mac(kms::VerifyMacRequest) reads object;
            DeriveSharedSecret kms.derive_shared_secret(kms::DeriveSharedSecretRequest) reads object;
            Encapsulate kms.encapsulate(kms::EncapsulateRequest) reads object;
            Decapsulate kms.decapsulate(kms::DecapsulateRequest) reads object;

            CreateGrant kms.create_grant(kms::CreateGrantRequest) changes object;
            ListGrants kms.list_grants(kms::ListGrantsRequest) reads object;
            ListRetirableGrants kms.list_retirable_grants(kms::ListRetirableGrantsRequest) reads object;
            RetireGrant kms.retire_grant(kms::RetireGrantRequest) changes empty;
            RevokeGrant kms.revoke_grant(kms::RevokeGrantRequest) changes empty;

            CreateCluster cloudhsm.create_cluster(cloudhsm::CreateClusterRequest) changes object;
            DescribeClusters cloudhsm.describe_clusters(cloudhsm::DescribeClustersRequest) reads object;
            InitializeCluster cloudhsm.initialize_cluster(cloudhsm::InitializeClusterRequest) changes object;
            CreateHsm cloudhsm.create_hsm(cloudhsm::CreateHsmRequest) changes object;
            DeleteHsm cloudhsm.delete_hsm(cloudhsm::DeleteHsmRequest) changes object;
            ModifyCluster cloudhsm.modify_cluster(cloudhsm::ModifyClusterRequest) changes object;
            DeleteCluster cloudhsm.delete_cluster(cloudhsm::DeleteClusterRequest) changes object;
            DescribeBackups cloudhsm.describe_backups(cloudhsm::DescribeBackupsRequest) reads object;
            CopyBackupToRegion cloudhsm.copy_backup_to_region(cloudhsm::CopyBackupToRegionRequest) changes object;
            DeleteBackup cloudhsm.delete_backup(cloudhsm::DeleteBackupRequest) changes object;
            RestoreBackup cloudhsm.restore_backup(cloudhsm::RestoreBackupRequest) changes object;
            ModifyBackupAttributes cloudhsm.modify_backup_attributes(cloudhsm::ModifyBackupAttributesRequest) changes object;
            CloudHsmTagResource cloudhsm.tag_resource(cloudhsm::TagResourceRequest) changes object;
            CloudHsmUntagResource cloudhsm.untag_resource(cloudhsm::UntagResourceRequest) changes object;
            ListTags cloudhsm.list_tags(cloudhsm::ListTagsRequest) reads object;
            PutResourcePolicy cloudhsm.put_resource_policy(cloudhsm::PutResourcePolicyRequest) changes object;
            GetResourcePolicy cloudhsm.get_resource_policy(cloudhsm::GetResourcePolicyRequest) reads object;
            DeleteResourcePolicy cloudhsm.delete_resource_policy(cloudhsm::DeleteResourcePolicyRequest) changes object;
        }
    };
}
pub(crate) use built_operations;
