use std::collections::BTreeMap;

use portcullis_api::Exception;

use super::{ListPage, PageRequest, PagedList, refuse};
use crate::record::{Cluster, ScopeRecords};

/// DescribeClusters.
#[derive(Debug, Default)]
pub(crate) struct DescribeClusters {
    pub(crate) filters: ClusterFilters,
    pub(crate) page: PageRequest,
}

/// The filters of DescribeClusters. A cluster is shown when each filter given names it.
#[derive(Debug, Default)]
pub(crate) struct ClusterFilters {
    ids: Option<Vec<String>>,
    vpcs: Option<Vec<String>>,
    states: Option<Vec<String>>,
}

/// `MaxResults` of the service model.
const LIST: PagedList = PagedList {
    name: "clusters",
    most: 25,
};

impl ClusterFilters {
    /// Parses the filters as they stand in the request.
    ///
    /// # Errors
    /// When there is no such filter.
    pub(crate) fn parse(filters: BTreeMap<String, Vec<String>>) -> Result<Self, Exception> {
        let mut parsed = Self::default();
        for (name, values) in filters {
            let slot = match name.as_str() {
                "clusterIds" => &mut parsed.ids,
                "vpcIds" => &mut parsed.vpcs,
                "states" => &mut parsed.states,
                _ => {
                    return Err(refuse(format!(
                        "There is no filter {name:?}. Give Filters clusterIds, vpcIds or states."
                    )));
                }
            };
            *slot = Some(values);
        }
        Ok(parsed)
    }

    fn shows(&self, cluster: &Cluster) -> bool {
        names(&self.ids, cluster.id.as_str())
            && names(&self.vpcs, &cluster.vpc)
            && names(&self.states, cluster.state.name())
    }
}

/// Whether a filter lets `value` pass; one that was not given lets everything pass.
pub(super) fn names(filter: &Option<Vec<String>>, value: &str) -> bool {
    filter
        .as_ref()
        .is_none_or(|values| values.iter().any(|one| one == value))
}

impl DescribeClusters {
    /// The clusters in the order of their IDs.
    ///
    /// Rule CL-06: an ID that names no cluster is no error; the list just does not have it.
    pub(crate) fn decide(self, state: &ScopeRecords) -> Result<ListPage<Cluster>, Exception> {
        let shown = state
            .clusters
            .values()
            .filter(|cluster| self.filters.shows(cluster))
            .map(|cluster| Cluster::clone(cluster))
            .collect();
        let mark = |cluster: &Cluster| cluster.id.to_string();
        self.page.cut(shown, LIST, mark, |one, other| one < other)
    }
}
