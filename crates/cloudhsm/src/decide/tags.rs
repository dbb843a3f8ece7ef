use std::collections::BTreeMap;

use portcullis_api::{BackupId, ClusterId, Code, Exception};

use super::placement::{HsmsOn, PLACEMENT_TAG};
use super::{ListPage, PageRequest, PagedList, existing, existing_backup};
use crate::record::{Backup, Cluster, ScopeRecords};

/// Tags by key.
pub(crate) type Tags = BTreeMap<String, String>;

/// What can be tagged: `ResourceId` of the tag operations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Resource {
    Cluster(ClusterId),
    Backup(BackupId),
}

/// TagResource, or UntagResource.
#[derive(Debug)]
pub(crate) enum TagChange {
    Add(Vec<(String, String)>),
    Remove(Vec<String>),
}

/// ListTags.
#[derive(Debug)]
pub(crate) struct ListTags {
    pub(crate) resource: Resource,
    pub(crate) page: PageRequest,
}

/// Tags of a resource (AWS General Reference, tag naming limits).
const TAGS_MAX: usize = 50;

/// `MaxResults` of the service model.
const LIST: PagedList = PagedList {
    name: "tags",
    most: 100,
};

impl TagChange {
    /// Decides for a cluster. A cluster can be tagged in any state.
    pub(crate) fn of_cluster(
        &self,
        state: &ScopeRecords,
        id: &ClusterId,
    ) -> Result<Cluster, Exception> {
        let mut cluster = existing(state, id)?.clone();
        self.apply(&mut cluster.tags)?;
        Ok(cluster)
    }

    /// Decides for a backup.
    pub(crate) fn of_backup(
        &self,
        state: &ScopeRecords,
        id: &BackupId,
    ) -> Result<Backup, Exception> {
        let mut backup = existing_backup(state, id)?.clone();
        self.apply(&mut backup.tags)?;
        Ok(backup)
    }

    /// Rule TAG-02: a tag whose key is there gets the new value; removing a key that is not there
    /// is no error.
    fn apply(&self, tags: &mut Tags) -> Result<(), Exception> {
        match self {
            Self::Add(added) => {
                tags.extend(check_tags(added)?);
                if tags.len() > TAGS_MAX {
                    return Err(Exception::new(
                        Code::CloudHsmResourceLimitExceeded,
                        format!(
                            "With these tags the resource would have {}, and {TAGS_MAX} are the \
                             most. Remove some with UntagResource first.",
                            tags.len()
                        ),
                    ));
                }
            }
            Self::Remove(keys) => {
                for key in keys {
                    tags.remove(key);
                }
            }
        }
        Ok(())
    }
}

/// Rule TAG-01: a key stands once in a list and does not begin with `aws:`, which is AWS's own.
pub(super) fn check_tags(given: &[(String, String)]) -> Result<Tags, Exception> {
    let mut tags = Tags::new();
    for (key, value) in given {
        if key.to_ascii_lowercase().starts_with("aws:") {
            return Err(not_a_tag(format!(
                "The tag key {key:?} begins with \"aws:\", which is reserved. Choose another key."
            )));
        }
        // Rule HOST-15: what it says must be a place.
        if key == PLACEMENT_TAG
            && let Err(why) = value.parse::<HsmsOn>()
        {
            return Err(not_a_tag(format!("The tag {key} has no such value: {why}")));
        }
        if tags.insert(key.clone(), value.clone()).is_some() {
            return Err(not_a_tag(format!(
                "The tag key {key:?} stands in TagList more than once. Give each key once."
            )));
        }
    }
    Ok(tags)
}

fn not_a_tag(message: String) -> Exception {
    Exception::new(Code::CloudHsmTag, message)
}

impl ListTags {
    /// Rule TAG-03: the tags in the order of their keys.
    pub(crate) fn decide(
        self,
        state: &ScopeRecords,
    ) -> Result<ListPage<(String, String)>, Exception> {
        let tags = match &self.resource {
            Resource::Cluster(id) => &existing(state, id)?.tags,
            Resource::Backup(id) => &existing_backup(state, id)?.tags,
        };
        let listed = tags.clone().into_iter().collect();
        let mark = |tag: &(String, String)| tag.0.clone();
        self.page.cut(listed, LIST, mark, |one, other| one < other)
    }
}
