use std::collections::BTreeMap;
use std::sync::Arc;

use portcullis_api::{AccountId, Region, Scope};
use portcullis_kms::Principal;
use portcullis_sigv4::Credential;

/// The principals that were declared, by their access keys.
#[derive(Debug, Default)]
pub struct Principals(BTreeMap<String, Arc<Principal>>);

impl Principals {
    /// Declares the principal behind an access key.
    pub fn insert(&mut self, access_key: impl Into<String>, principal: Principal) {
        self.0.insert(access_key.into(), Arc::new(principal));
    }

    /// Whether none was declared.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The principal behind an access key, if one was declared.
    pub(crate) fn declared(&self, access_key: &str) -> Option<&Arc<Principal>> {
        self.0.get(access_key)
    }

    /// Who sends a request that is signed with this.
    ///
    /// Rule AUTH-31: an access key is the principal declared for it; one of twelve digits is the
    /// root of that account; any other that is accepted is the root of the default account.
    pub(crate) fn caller(
        &self,
        credential: Option<&Credential<'_>>,
        defaults: &Scope,
    ) -> Arc<Principal> {
        let access_key = credential.map_or("", |found| found.access_key);
        if let Some(declared) = self.declared(access_key) {
            return Arc::clone(declared);
        }
        let account = access_key.parse::<AccountId>();
        let account = account.unwrap_or_else(|_other| defaults.account.clone());
        let region = credential.and_then(|found| found.region.parse::<Region>().ok());
        let region = region.as_ref().unwrap_or(&defaults.region);
        Arc::new(Principal::root(account).in_partition(region.partition()))
    }
}

#[cfg(test)]
mod tests {
    use portcullis_sigv4::Authorization;

    use super::*;

    /// Rule AUTH-31
    #[test]
    fn an_access_key_is_a_declared_principal_or_the_root_of_an_account() {
        let defaults = Scope {
            account: "000000000000".parse().unwrap(),
            region: "us-east-1".parse().unwrap(),
        };
        let mut principals = Principals::default();
        let account: AccountId = "444455556666".parse().unwrap();
        principals.insert("AKIABOB", Principal::user(account, "bob", Vec::new()));
        for (access_key, arn) in [
            ("AKIABOB", "arn:aws:iam::444455556666:user/bob"),
            ("111122223333", "arn:aws:iam::111122223333:root"),
            ("test", "arn:aws:iam::000000000000:root"),
        ] {
            let header = format!(
                "AWS4-HMAC-SHA256 Credential={access_key}/20260830/us-east-1/kms/aws4_request, \
                 SignedHeaders=host, Signature={:064}",
                0
            );
            let parsed = Authorization::parse(&header).expect("a whole header");
            let caller = principals.caller(Some(&parsed.credential), &defaults);
            assert_eq!(caller.arn(), arn);
        }
        let nobody = principals.caller(None, &defaults);
        assert_eq!(nobody.arn(), "arn:aws:iam::000000000000:root");
    }
}
