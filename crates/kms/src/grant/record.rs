use std::collections::BTreeMap;

use portcullis_api::kms::{GrantConstraints, GrantListEntry, GrantOperation};
use portcullis_api::{AccountId, Code, EpochSeconds, Exception, KeyId, Scope};
use portcullis_seam::Timestamp;
use serde::{Deserialize, Serialize};

/// A grant as it stands in the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct GrantRecord {
    /// The grant's ID: 64 lower-case hexadecimal digits.
    pub(crate) id: String,
    /// The key that the grant is on.
    pub(crate) key: KeyId,
    /// When the grant was made, in milliseconds since 1970.
    pub(crate) created_ms: u64,
    /// The name that the request gave to the grant, so that it can be sent again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    /// The account of the principal that called CreateGrant.
    pub(crate) issuing_account: AccountId,
    #[serde(flatten)]
    pub(crate) terms: Terms,
}

/// What a grant says: two grants of one name and the same terms are one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Terms {
    /// The party that the grant permits something.
    pub(crate) grantee: Party,
    /// The party that may retire the grant, beside the grantee and the issuing account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) retiring: Option<Party>,
    /// The operations that the grant permits, sorted and each only once.
    pub(crate) operations: Vec<GrantOperation>,
    #[serde(default)]
    pub(crate) constraints: Constraints,
}

/// Who may use or retire a grant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Party {
    /// The ARN of an account's root, a user, a role or a session.
    Principal(String),
    /// An AWS service by its name.
    Service(String),
}

impl Party {
    pub(crate) fn principal(&self) -> Option<&str> {
        match self {
            Self::Principal(arn) => Some(arn),
            Self::Service(_) => None,
        }
    }

    pub(crate) fn service(&self) -> Option<&str> {
        match self {
            Self::Principal(_) => None,
            Self::Service(name) => Some(name),
        }
    }

    /// The ARN or the name: the two kinds cannot be taken for each other.
    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::Principal(text) | Self::Service(text) => text,
        }
    }
}

/// Under which circumstances a grant permits something.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Constraints {
    /// The encryption context is exactly this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) equals: Option<BTreeMap<String, String>>,
    /// The encryption context has these pairs, and may have others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) subset: Option<BTreeMap<String, String>>,
    /// The service acts for this resource.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) source_arn: Option<String>,
}

impl Constraints {
    /// Whether they say nothing.
    pub(crate) const fn are_empty(&self) -> bool {
        self.equals.is_none() && self.subset.is_none() && self.source_arn.is_none()
    }
}

impl GrantRecord {
    /// Where a grant's record stands.
    pub(crate) fn record_key(scope: &Scope, key: &KeyId, id: &str) -> String {
        format!("kms/{}/{}/grant/{key}/{id}", scope.account, scope.region)
    }

    /// As ListGrants shows it.
    pub(crate) fn entry(&self, scope: &Scope) -> GrantListEntry {
        let text = |text: Option<&str>| text.map(str::to_owned);
        let retiring = self.terms.retiring.as_ref();
        let operations = self.terms.operations.iter();
        let constraints = &self.terms.constraints;
        GrantListEntry {
            key_id: Some(scope.key_arn(&self.key)),
            grant_id: Some(self.id.clone()),
            name: self.name.clone(),
            creation_date: Some(EpochSeconds(
                Timestamp::from_millis(self.created_ms).seconds(),
            )),
            grantee_principal: text(self.terms.grantee.principal()),
            grantee_service_principal: text(self.terms.grantee.service()),
            retiring_principal: text(retiring.and_then(Party::principal)),
            retiring_service_principal: text(retiring.and_then(Party::service)),
            issuing_account: Some(scope.root_arn(&self.issuing_account)),
            operations: Some(operations.map(|it| it.as_str().to_owned()).collect()),
            constraints: (!constraints.are_empty()).then(|| GrantConstraints {
                encryption_context_equals: constraints.equals.clone(),
                encryption_context_subset: constraints.subset.clone(),
                source_arn: constraints.source_arn.clone(),
            }),
        }
    }
}

/// Checks the form of a grant ID.
pub(crate) fn check_id(id: &str) -> Result<(), Exception> {
    let lower_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if id.len() == 64 && id.bytes().all(lower_hex) {
        return Ok(());
    }
    Err(Exception::new(
        Code::InvalidGrantId,
        "A grant ID has 64 hexadecimal digits. Use ListGrants to see which there are.",
    ))
}

pub(crate) fn not_found(id: &str, key_arn: &str) -> Exception {
    Exception::new(
        Code::NotFound,
        format!("Grant {id} is not found on {key_arn}. Use ListGrants to see which there are."),
    )
}
