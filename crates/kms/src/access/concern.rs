//! What a request needs permission for, before anything is looked up.

use std::collections::BTreeMap;

use portcullis_api::cloudhsm;
use portcullis_api::kms::{
    CreateGrantRequest, GrantConstraints, RecipientInfo, RetireGrantRequest, Tag,
};
use portcullis_policy::Context;

use super::granted;

/// The values of kms:GrantConstraintType.
pub(super) const CONTEXT_EQUALS: &str = "EncryptionContextEquals";
pub(super) const CONTEXT_SUBSET: &str = "EncryptionContextSubset";

/// A request for which its caller needs permission. `table.rs` says for each operation what it
/// concerns.
pub trait Concerns {
    /// Which actions, on what, under which circumstances.
    fn concern(&self) -> Concern<'_>;

    /// The keys and the key store that an event of the call is about.
    fn names(&self) -> Names<'_>;

    /// The enclave that the reply is for.
    fn recipient(&self) -> Option<&RecipientInfo> {
        None
    }

    /// The grant tokens that come with the request.
    fn tokens(&self) -> &[String] {
        &[]
    }

    /// A key policy that the request would put.
    fn policy(&self) -> Option<&str> {
        None
    }
}

/// What a request concerns.
#[derive(Debug)]
pub struct Concern<'a> {
    pub(crate) wanted: Vec<WantedAction<'a>>,
    pub(crate) tokens: &'a [String],
    /// Condition keys whose values are the request's.
    pub(crate) context: Context,
    /// A key policy that the request would put, unless its safety check is bypassed.
    pub(crate) new_policy: Option<&'a str>,
    pub(crate) new_grant: Option<&'a CreateGrantRequest>,
    /// The enclave that the reply is for, whose document has condition keys of its own.
    pub(crate) recipient: Option<&'a RecipientInfo>,
}

/// One action on one thing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WantedAction<'a> {
    pub(crate) action: &'static str,
    pub(crate) on: On<'a>,
    pub(crate) encryption_context: Option<&'a BTreeMap<String, String>>,
    /// Where the request's two actions have one each.
    pub(crate) encryption_algorithm: Option<&'a str>,
}

/// What an action is on, as the request names it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum On<'a> {
    /// No particular resource: permission is needed for the resource `*`.
    Nothing,
    /// A key that is found by ID, ARN or alias, in any account.
    Use(&'a str),
    /// A key that is found by ID or ARN, in any account.
    Shared(&'a str),
    /// A key of the own account.
    Own(&'a str),
    /// The key of a ciphertext, unless the request names one.
    Maker {
        blob: Option<&'a [u8]>,
        named: Option<&'a str>,
    },
    /// An alias of the caller's account and Region, by its name with `alias/`.
    Alias(&'a str),
    /// The key that an alias of the caller's account has at present, by the alias's name.
    AliasTarget(&'a str),
    /// Nothing in particular; what is to be made is like this key of the own account.
    Like(&'a str),
    /// The grant that is to be retired.
    Grant(&'a RetireGrantRequest),
    /// Nothing in particular, in IAM; the request is about this key store, or about none.
    KeyStore(Option<&'a str>),
    /// A cluster of CloudHSM by its ID.
    Cluster(&'a str),
    /// A backup of CloudHSM by its ID.
    Backup(&'a str),
    /// A cluster or a backup of CloudHSM by its ID.
    Resource(&'a str),
    /// A resource by its ARN; none when the request names none.
    Arn(Option<&'a str>),
}

/// The keys and the key store that a request or a reply names.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Names<'a> {
    /// A key by ID, ARN or alias.
    pub key: Option<&'a str>,
    /// The key from which a ReEncrypt goes.
    pub source_key: Option<&'a str>,
    /// A key store by its ID, which begins with `cks-`.
    pub key_store: Option<&'a str>,
}

impl<'a> Names<'a> {
    /// What an action of a request is on.
    pub(crate) fn of(on: On<'a>) -> Self {
        match on {
            On::Use(name) | On::Shared(name) | On::Own(name) => Self::of_key(Some(name)),
            On::Maker { named, .. } => Self::of_key(named),
            On::Grant(input) => Self::of_key(input.key_id.as_deref()),
            On::KeyStore(id) => Self {
                key_store: id,
                ..Self::default()
            },
            On::Nothing
            | On::Alias(_)
            | On::AliasTarget(_)
            | On::Like(_)
            | On::Cluster(_)
            | On::Backup(_)
            | On::Resource(_)
            | On::Arn(_) => Self::default(),
        }
    }

    /// A key, where one is named.
    pub(crate) fn of_key(key: Option<&'a str>) -> Self {
        Self {
            key,
            ..Self::default()
        }
    }

    /// The same, from another key.
    pub(crate) const fn from(mut self, source_key: Option<&'a str>) -> Self {
        self.source_key = source_key;
        self
    }
}

impl<'a> WantedAction<'a> {
    const fn new(action: &'static str, on: On<'a>) -> Self {
        Self {
            action,
            on,
            encryption_context: None,
            encryption_algorithm: None,
        }
    }
}

impl<'a> Concern<'a> {
    pub(crate) fn of(action: &'static str, on: On<'a>) -> Self {
        Self {
            wanted: vec![WantedAction::new(action, on)],
            tokens: &[],
            context: Context::default(),
            new_policy: None,
            new_grant: None,
            recipient: None,
        }
    }

    /// The key that the request names, the source of two.
    pub(crate) fn key_named(&self) -> Option<&'a str> {
        match self.wanted.first()?.on {
            On::Use(name) | On::Shared(name) | On::Own(name) | On::Like(name) => Some(name),
            On::Maker { named, .. } => named,
            On::Nothing
            | On::Alias(_)
            | On::AliasTarget(_)
            | On::Grant(_)
            | On::KeyStore(_)
            | On::Cluster(_)
            | On::Backup(_)
            | On::Resource(_)
            | On::Arn(_) => None,
        }
    }

    /// The spec of the data key pair that the request asks for.
    pub(crate) fn data_key_pair(&self) -> Option<&str> {
        let spec = self.context.get("kms:DataKeyPairSpec")?;
        spec.first().map(String::as_str)
    }

    /// A further action, also needed.
    pub(crate) fn and(mut self, action: &'static str, on: On<'a>) -> Self {
        self.wanted.push(WantedAction::new(action, on));
        self
    }

    /// A further action that only some requests need.
    pub(crate) fn and_if(self, needed: bool, action: &'static str, on: On<'a>) -> Self {
        if needed { self.and(action, on) } else { self }
    }

    /// The encryption context of the last action.
    pub(crate) fn within(mut self, context: &'a Option<BTreeMap<String, String>>) -> Self {
        if let Some(last) = self.wanted.last_mut() {
            last.encryption_context = context.as_ref();
        }
        self
    }

    /// The encryption algorithm of the last action.
    pub(crate) fn by(mut self, algorithm: Option<&'a str>) -> Self {
        if let Some(last) = self.wanted.last_mut() {
            last.encryption_algorithm = algorithm;
        }
        self
    }

    /// A grant that the request would make.
    pub(crate) fn creates_grant(self, it: &'a CreateGrantRequest) -> Self {
        let constraints = it.constraints.as_ref();
        let mut kinds = Vec::new();
        if constraints.is_some_and(|given| given.encryption_context_equals.is_some()) {
            kinds.push(CONTEXT_EQUALS.to_owned());
        }
        if constraints.is_some_and(|given| given.encryption_context_subset.is_some()) {
            kinds.push(CONTEXT_SUBSET.to_owned());
        }
        let concern = self
            .says_all("kms:GrantOperations", it.operations.clone())
            .says_all("kms:GrantConstraintType", kinds)
            .says(
                "kms:GrantConstraintSourceArn",
                constraints.and_then(|given| given.source_arn.as_ref()),
            )
            .constrained_to(constraints)
            .says("kms:GranteePrincipal", it.grantee_principal.as_ref())
            .says(
                "kms:GranteeServicePrincipal",
                it.grantee_service_principal.as_ref(),
            )
            .says("kms:RetiringPrincipal", it.retiring_principal.as_ref())
            .says(
                "kms:RetiringServicePrincipal",
                it.retiring_service_principal.as_ref(),
            );
        Self {
            new_grant: Some(it),
            ..concern
        }
    }

    /// The encryption context that a grant would be constrained to.
    fn constrained_to(mut self, constraints: Option<&GrantConstraints>) -> Self {
        if let Some(given) = constraints {
            let contexts = [
                &given.encryption_context_equals,
                &given.encryption_context_subset,
            ];
            granted::describe(contexts.into_iter().flatten(), &mut self.context);
        }
        self
    }

    pub(crate) fn tokens(mut self, tokens: &'a Option<Vec<String>>) -> Self {
        self.tokens = tokens.as_deref().unwrap_or_default();
        self
    }

    pub(crate) const fn attested(mut self, recipient: Option<&'a RecipientInfo>) -> Self {
        self.recipient = recipient;
        self
    }

    /// A condition key, if the request has its value.
    pub(crate) fn says(mut self, key: &str, value: Option<impl ToString>) -> Self {
        if let Some(value) = value {
            self.context.set(key, value.to_string());
        }
        self
    }

    /// A condition key of several values.
    pub(crate) fn says_all(mut self, key: &str, values: Vec<String>) -> Self {
        self.context.set_all(key, values);
        self
    }

    /// The condition keys of tags that the request would put on a resource of CloudHSM.
    pub(crate) fn hsm_tags(self, tags: Option<&[cloudhsm::Tag]>) -> Self {
        let tags = tags.unwrap_or_default().iter();
        let tags = tags.map(|tag| Tag {
            tag_key: tag.key.clone(),
            tag_value: tag.value.clone(),
        });
        self.tags(&tags.collect::<Vec<_>>())
    }

    /// The condition keys of tags that the request would put.
    pub(crate) fn tags(mut self, tags: &[Tag]) -> Self {
        for tag in tags {
            let key = format!("aws:RequestTag/{}", tag.tag_key);
            self.context.add_reading(&key, tag.tag_value.clone());
        }
        let keys = tags.iter().map(|tag| tag.tag_key.clone());
        self.context.set_all("aws:TagKeys", keys.collect());
        self
    }

    /// The condition keys of a key that the request would make.
    pub(crate) fn makes_key(mut self, spec: &str, usage: &str) -> Self {
        describe_kind(spec, usage, &mut self.context);
        self
    }

    /// A key policy that the request would put.
    pub(crate) fn puts(mut self, policy: Option<&'a str>, bypass: Option<bool>) -> Self {
        self.new_policy = policy.filter(|_| bypass != Some(true));
        self.says("kms:BypassPolicyLockoutSafetyCheck", bypass)
    }
}

/// Spec and usage under their present and their older names, which AWS KMS both supports.
pub(super) fn describe_kind(spec: &str, usage: &str, context: &mut Context) {
    for key in ["kms:KeySpec", "kms:CustomerMasterKeySpec"] {
        context.set(key, spec);
    }
    for key in ["kms:KeyUsage", "kms:CustomerMasterKeyUsage"] {
        context.set(key, usage);
    }
}
