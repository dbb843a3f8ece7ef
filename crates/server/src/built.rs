/// Rule WIRE-12: every operation of both services is here, by one table: operation, method, input, whether it
/// changes something, and whether the reply is an object or empty. The rows of KMS, with more in them, are
/// its own.
///
/// `$then` is a macro that takes the rows; `input.rs` makes the inputs of them, `dispatch.rs` the
/// calls.
macro_rules! built_operations {
    ($then:ident) => {
        portcullis_kms::kms_operations! {
            $then
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
