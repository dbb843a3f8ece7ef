//! The operations on tags and on resource policies.

use portcullis_api::cloudhsm::{
    DeleteResourcePolicyRequest, DeleteResourcePolicyResponse, GetResourcePolicyRequest,
    GetResourcePolicyResponse, ListTagsRequest, ListTagsResponse, PutResourcePolicyRequest,
    PutResourcePolicyResponse, TagResourceRequest, TagResourceResponse, UntagResourceRequest,
    UntagResourceResponse,
};
use portcullis_api::{Exception, Scope};

use crate::CloudHsm;
use crate::decide::{
    BackupArn, DeletePolicy, GetPolicy, ListTags, PageRequest, PutPolicy, Resource, TagChange,
    refuse,
};
use crate::record::ScopeRecords;
use crate::shapes;

impl CloudHsm {
    /// TagResource.
    ///
    /// # Errors
    /// CloudHsmResourceNotFoundException; CloudHsmTagException for a key that stands twice or is
    /// reserved; CloudHsmResourceLimitExceededException above fifty tags.
    pub async fn tag_resource(
        &self,
        scope: &Scope,
        request: TagResourceRequest,
    ) -> Result<TagResourceResponse, Exception> {
        let resource = Resource::parse(&request.resource_id)?;
        let added = TagChange::Add(shapes::pairs(request.tag_list));
        self.change_tags(scope, &resource, &added).await?;
        Ok(TagResourceResponse {})
    }

    /// UntagResource.
    ///
    /// # Errors
    /// CloudHsmResourceNotFoundException.
    pub async fn untag_resource(
        &self,
        scope: &Scope,
        request: UntagResourceRequest,
    ) -> Result<UntagResourceResponse, Exception> {
        let resource = Resource::parse(&request.resource_id)?;
        let removed = TagChange::Remove(request.tag_key_list);
        self.change_tags(scope, &resource, &removed).await?;
        Ok(UntagResourceResponse {})
    }

    async fn change_tags(
        &self,
        scope: &Scope,
        resource: &Resource,
        change: &TagChange,
    ) -> Result<(), Exception> {
        match resource {
            Resource::Backup(id) => {
                let decide = |state: &ScopeRecords| change.of_backup(state, id);
                self.backups.change_backup(scope, decide).await.map(drop)
            }
            Resource::Cluster(id) => {
                let _one_at_a_time = self.core.control.lock().await;
                let decide = |state: &ScopeRecords| Ok((change.of_cluster(state, id)?, ()));
                self.core.ledger.decide(scope, decide).await.map(drop)
            }
        }
    }

    /// ListTags, in the order of the keys.
    ///
    /// # Errors
    /// CloudHsmResourceNotFoundException; CloudHsmInvalidRequestException for the page size.
    #[expect(clippy::unused_async, reason = "the form of all operations")]
    pub async fn list_tags(
        &self,
        scope: &Scope,
        request: ListTagsRequest,
    ) -> Result<ListTagsResponse, Exception> {
        let command = ListTags {
            resource: Resource::parse(&request.resource_id)?,
            page: PageRequest {
                max_results: request.max_results.map(i64::from),
                next_token: request.next_token,
            },
        };
        let page = command.decide(&self.core.ledger.state(scope)?)?;
        Ok(ListTagsResponse {
            tag_list: Some(page.items.into_iter().map(shapes::tag).collect()),
            next_token: page.next_token,
        })
    }

    /// PutResourcePolicy.
    ///
    /// # Errors
    /// CloudHsmResourceNotFoundException; CloudHsmAccessDeniedException for another account's
    /// backup; CloudHsmInvalidRequestException unless it is READY and the policy can be evaluated.
    pub async fn put_resource_policy(
        &self,
        scope: &Scope,
        request: PutResourcePolicyRequest,
    ) -> Result<PutResourcePolicyResponse, Exception> {
        let resource = BackupArn::parse(request.resource_arn)?;
        let Some(policy) = request.policy else {
            return Err(refuse(
                "There is no Policy. Give a JSON document; to remove the policy, run \
                 DeleteResourcePolicy.",
            ));
        };
        let command = PutPolicy { resource, policy };
        let decide = |state: &ScopeRecords| command.decide(state, scope);
        let backup = self.backups.change_backup(scope, decide).await?;
        Ok(PutResourcePolicyResponse {
            resource_arn: Some(command.resource.text),
            policy: backup.policy,
        })
    }

    /// GetResourcePolicy. A backup that has none gives a reply without a policy.
    ///
    /// # Errors
    /// CloudHsmResourceNotFoundException; CloudHsmAccessDeniedException for another account's
    /// backup; CloudHsmInvalidRequestException for another resource.
    #[expect(clippy::unused_async, reason = "the form of all operations")]
    pub async fn get_resource_policy(
        &self,
        scope: &Scope,
        request: GetResourcePolicyRequest,
    ) -> Result<GetResourcePolicyResponse, Exception> {
        let resource = BackupArn::parse(request.resource_arn)?;
        let command = GetPolicy { resource };
        let policy = command.decide(&self.core.ledger.state(scope)?, scope)?;
        Ok(GetResourcePolicyResponse { policy })
    }

    /// DeleteResourcePolicy.
    ///
    /// # Errors
    /// As [`CloudHsm::get_resource_policy`].
    pub async fn delete_resource_policy(
        &self,
        scope: &Scope,
        request: DeleteResourcePolicyRequest,
    ) -> Result<DeleteResourcePolicyResponse, Exception> {
        let resource = BackupArn::parse(request.resource_arn)?;
        let command = DeletePolicy { resource };
        let _one_at_a_time = self.core.control.lock().await;
        let decide = |state: &ScopeRecords| command.decide(state, scope);
        let (_, removed) = self.core.ledger.decide(scope, decide).await?;
        Ok(DeleteResourcePolicyResponse {
            resource_arn: Some(command.resource.text),
            policy: removed,
        })
    }
}
