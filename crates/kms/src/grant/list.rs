use std::sync::Arc;

use portcullis_api::kms::{ListGrantsRequest, ListGrantsResponse, ListRetirableGrantsRequest};
use portcullis_api::{Code, Exception, Operation, Scope};

use super::Grants;
use super::record::{GrantRecord, check_id};
use super::terms::check_principal;
use crate::key::find;
use crate::paging::{PageRequest, page};

/// Limit of both operations (API, ListGrants).
const PAGE_DEFAULT: usize = 50;
const PAGE_MAX: usize = 100;

impl Grants {
    /// ListGrants, in the order of the grant IDs. Works in every state of the key.
    ///
    /// # Errors
    /// NotFoundException, InvalidArnException, InvalidGrantIdException, InvalidMarkerException.
    pub(crate) async fn list_grants(
        &self,
        scope: &Scope,
        input: ListGrantsRequest,
    ) -> Result<ListGrantsResponse, Exception> {
        let key = find(
            Operation::ListGrants,
            &self.records.partition(scope),
            &input.key_id,
        )?;
        if let Some(id) = &input.grant_id {
            check_id(id)?;
        }
        let home = self.records.partition(&key.scope);
        let grantee = |grant: &GrantRecord| {
            let grantee = &grant.terms.grantee;
            let principal = input.grantee_principal.as_deref();
            let service = input.grantee_service_principal.as_deref();
            principal.is_none_or(|wanted| grantee.principal() == Some(wanted))
                && service.is_none_or(|wanted| grantee.service() == Some(wanted))
        };
        let mut grants = home.grants.of_key(&key.record.id);
        grants.retain(|grant| {
            input.grant_id.as_ref().is_none_or(|id| grant.id == *id) && grantee(grant)
        });
        let asked = PageRequest {
            limit: input.limit,
            marker: input.marker.as_deref(),
            default: PAGE_DEFAULT,
            max: PAGE_MAX,
        };
        let page = page(grants, asked, |grant| grant.id.clone())?;
        let entries = page.items.iter().map(|grant| grant.entry(&key.scope));
        Ok(ListGrantsResponse {
            grants: Some(entries.collect()),
            truncated: Some(page.next_marker.is_some()),
            next_marker: page.next_marker,
        })
    }

    /// Rule GRANT-10: ListRetirableGrants shows the grants on keys of every account in the Region
    /// that one principal may retire, in the order of accounts and grant IDs.
    ///
    /// # Errors
    /// InvalidArnException, InvalidMarkerException, ValidationException.
    pub(crate) async fn list_retirable_grants(
        &self,
        scope: &Scope,
        input: ListRetirableGrantsRequest,
    ) -> Result<ListGrantsResponse, Exception> {
        let party = match (&input.retiring_principal, &input.retiring_service_principal) {
            (Some(arn), None) => {
                check_principal(arn)?;
                arn
            }
            (None, Some(service)) => service,
            (None, None) | (Some(_), Some(_)) => {
                let text = "Give exactly one of RetiringPrincipal and RetiringServicePrincipal.";
                return Err(Exception::new(Code::Validation, text));
            }
        };
        let partition = self.records.partition(scope);
        let mut accounts = partition.other_accounts();
        accounts.push(partition);
        accounts.sort_by(|one, other| one.scope.cmp(&other.scope));
        let mut grants: Vec<(Arc<Scope>, Arc<GrantRecord>)> = Vec::new();
        for account in &accounts {
            let retirable = account.grants.retirable(party).into_iter();
            grants.extend(retirable.map(|grant| (Arc::clone(&account.scope), grant)));
        }
        let place = |(scope, grant): &(Arc<Scope>, Arc<GrantRecord>)| {
            format!("{}:{}", scope.account, grant.id)
        };
        grants.sort_by_key(&place);
        let asked = PageRequest {
            limit: input.limit,
            marker: input.marker.as_deref(),
            default: PAGE_DEFAULT,
            max: PAGE_MAX,
        };
        let page = page(grants, asked, place)?;
        let entries = page.items.iter().map(|(scope, grant)| grant.entry(scope));
        Ok(ListGrantsResponse {
            grants: Some(entries.collect()),
            truncated: Some(page.next_marker.is_some()),
            next_marker: page.next_marker,
        })
    }
}
