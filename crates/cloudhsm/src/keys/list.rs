use portcullis_hsm::{Criterion, Role};

use super::filter;
use super::hsm_keys::HsmKeys;
use super::row::{KeyRow, keys_on, merge};
use crate::users::UserError;

/// A page of `key list`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyPage {
    /// The page's keys.
    pub keys: Vec<KeyRow>,
    /// How many meet the filter.
    pub total: usize,
    /// Where the next page begins, if there is one.
    pub next: Option<usize>,
    /// Whether a crypto user asks, who may see everything about its keys.
    pub all_about_them: bool,
}

impl HsmKeys {
    /// `key list`: a page of the keys that meet the filter, in the order of their IDs. A crypto
    /// user sees its own and those shared with it, an admin all.
    ///
    /// # Errors
    /// When the filter cannot be read, or no HSM answers.
    pub async fn list(
        &self,
        token: &str,
        filter: &[String],
        start: usize,
        max: usize,
    ) -> Result<KeyPage, UserError> {
        let criteria = filter::criteria(filter)?;
        let role = self.session(token)?.role;
        let rows = self.rows(token, &criteria).await?;
        let total = rows.len();
        let keys: Vec<KeyRow> = rows.into_iter().skip(start).take(max).collect();
        let end = start.saturating_add(keys.len());
        Ok(KeyPage {
            keys,
            total,
            next: (end < total).then_some(end),
            all_about_them: role == Role::CryptoUser,
        })
    }

    pub(super) async fn rows(
        &self,
        token: &str,
        criteria: &[Criterion],
    ) -> Result<Vec<KeyRow>, UserError> {
        let session = self.session(token)?;
        let view = self.users.view_of(&session.scope, &session.cluster)?;
        let mut lists = Vec::new();
        let mut failed = Vec::new();
        for seat in session.seats_in_service(&view) {
            match keys_on(seat, criteria).await {
                Ok(keys) => lists.push(keys),
                Err(error) => failed.push((seat.hsm.clone(), error)),
            }
        }
        if lists.is_empty() {
            return Err(if failed.is_empty() {
                UserError::NoHsm(session.cluster.clone())
            } else {
                UserError::from_all(failed)
            });
        }
        Ok(merge(lists, view.active_hsms().count()))
    }
}
