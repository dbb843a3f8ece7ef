use std::collections::BTreeMap;

use portcullis_api::AccountId;
use portcullis_policy::{Document, Identity};

/// Who calls: the root of an account, a user, a session of a role, or a service.
#[derive(Debug, Clone)]
pub struct Principal {
    /// Whose resources a name without an account means.
    account: AccountId,
    kind: PrincipalKind,
    /// The ARNs under which policies and grants may name it, its own first.
    names: Vec<String>,
    /// The identity-based policies that are attached to it.
    policies: Vec<Document>,
    /// The service that calls on its behalf.
    via_service: Option<String>,
    /// The tags of the user or role, value by key (`aws:PrincipalTag`).
    tags: BTreeMap<String, String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum PrincipalKind {
    Root,
    User {
        name: String,
    },
    Session {
        role: String,
        session: String,
    },
    Service {
        name: String,
        source_arn: Option<String>,
    },
}

impl Principal {
    /// The root of an account, which no policy of its own binds.
    #[must_use]
    pub fn root(account: AccountId) -> Self {
        let names = vec![format!("arn:aws:iam::{account}:root")];
        Self::new(account, PrincipalKind::Root, names, Vec::new())
    }

    /// A user with its policies.
    #[must_use]
    pub fn user(account: AccountId, name: &str, policies: Vec<Document>) -> Self {
        let names = vec![format!("arn:aws:iam::{account}:user/{name}")];
        let name = name.rsplit('/').next().unwrap_or(name).to_owned();
        Self::new(account, PrincipalKind::User { name }, names, policies)
    }

    /// A session of a role, with the role's policies. Policies and grants may name either.
    #[must_use]
    pub fn session(account: AccountId, role: &str, session: &str, policies: Vec<Document>) -> Self {
        let name = role.rsplit('/').next().unwrap_or(role);
        let names = vec![
            format!("arn:aws:sts::{account}:assumed-role/{name}/{session}"),
            format!("arn:aws:iam::{account}:role/{role}"),
        ];
        let kind = PrincipalKind::Session {
            role: name.to_owned(),
            session: session.to_owned(),
        };
        Self::new(account, kind, names, policies)
    }

    /// An AWS service that acts for itself, for a resource if one is given.
    #[must_use]
    pub fn service(account: AccountId, name: &str, source_arn: Option<String>) -> Self {
        let kind = PrincipalKind::Service {
            name: name.to_owned(),
            source_arn,
        };
        Self::new(account, kind, Vec::new(), Vec::new())
    }

    fn new(
        account: AccountId,
        kind: PrincipalKind,
        names: Vec<String>,
        policies: Vec<Document>,
    ) -> Self {
        Self {
            account,
            kind,
            names,
            policies,
            via_service: None,
            tags: BTreeMap::new(),
        }
    }

    /// The same principal in another partition of AWS than `aws`, as ARNs name it.
    ///
    /// Rule ARN-01: who calls in a Region is of its partition.
    #[must_use]
    pub fn in_partition(mut self, partition: &str) -> Self {
        for name in &mut self.names {
            if let Some(rest) = name.strip_prefix("arn:aws:") {
                *name = format!("arn:{partition}:{rest}");
            }
        }
        self
    }

    /// The ARN of its account's root.
    pub(crate) fn root_arn(&self) -> String {
        let partition = self.names.first().and_then(|name| name.split(':').nth(1));
        format!(
            "arn:{}:iam::{}:root",
            partition.unwrap_or("aws"),
            self.account
        )
    }

    /// The same principal, for whom a service calls.
    #[must_use]
    pub fn via(mut self, service: Option<String>) -> Self {
        self.via_service = service;
        self
    }

    /// The same principal, with these tags.
    #[must_use]
    pub fn tagged(mut self, tags: BTreeMap<String, String>) -> Self {
        self.tags = tags;
        self
    }

    /// Its account.
    #[must_use]
    pub const fn account(&self) -> &AccountId {
        &self.account
    }

    /// Its ARN as GetCallerIdentity shows it; for a service, its name.
    #[must_use]
    pub fn arn(&self) -> &str {
        match (&self.kind, self.names.first()) {
            (PrincipalKind::Service { name, .. }, _) => name,
            (_, Some(arn)) => arn,
            (_, None) => "",
        }
    }

    /// Its unique ID as GetCallerIdentity shows it: the account's for the root, one made of the name
    /// for others.
    #[must_use]
    pub fn user_id(&self) -> String {
        let unique = |prefix: &str, name: &str| {
            let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, name.as_bytes());
            let bytes = digest.as_ref().iter().take(8);
            let hex: String = bytes.map(|byte| format!("{byte:02X}")).collect();
            format!("{prefix}{hex}")
        };
        match &self.kind {
            PrincipalKind::Root => self.account.to_string(),
            PrincipalKind::User { .. } | PrincipalKind::Service { .. } => {
                unique("AIDA", self.arn())
            }
            PrincipalKind::Session { session, .. } => {
                let role = self.names.last().map_or("", String::as_str);
                format!("{}:{session}", unique("AROA", role))
            }
        }
    }

    /// Its kind as `userIdentity` of a CloudTrail record has it.
    #[must_use]
    pub const fn kind_name(&self) -> &'static str {
        match &self.kind {
            PrincipalKind::Root => "Root",
            PrincipalKind::User { .. } => "IAMUser",
            PrincipalKind::Session { .. } => "AssumedRole",
            PrincipalKind::Service { .. } => "AWSService",
        }
    }

    pub(crate) const fn is_root(&self) -> bool {
        matches!(self.kind, PrincipalKind::Root)
    }

    pub(crate) const fn is_service(&self) -> bool {
        matches!(self.kind, PrincipalKind::Service { .. })
    }

    pub(crate) fn policies(&self) -> &[Document] {
        &self.policies
    }

    pub(crate) fn via_service(&self) -> Option<&str> {
        self.via_service.as_deref()
    }

    /// The resource for which a service acts.
    pub(crate) fn source_arn(&self) -> Option<&str> {
        match &self.kind {
            PrincipalKind::Service { source_arn, .. } => source_arn.as_deref(),
            PrincipalKind::Root | PrincipalKind::User { .. } | PrincipalKind::Session { .. } => {
                None
            }
        }
    }

    /// As policies name it.
    pub(crate) fn identity(&self) -> Identity<'_> {
        let service = match &self.kind {
            PrincipalKind::Service { name, .. } => Some(name.as_str()),
            PrincipalKind::Root | PrincipalKind::User { .. } | PrincipalKind::Session { .. } => {
                None
            }
        };
        Identity {
            names: &self.names,
            account: service.is_none().then(|| self.account.as_str()),
            service,
        }
    }

    /// Every name under which a grant may be to it: its ARNs or its name as a service.
    pub(crate) fn grantee_names(&self) -> impl Iterator<Item = &str> {
        let identity = self.identity();
        self.names
            .iter()
            .map(String::as_str)
            .chain(identity.service)
    }

    /// The condition keys that say who calls.
    pub(crate) fn describe(&self, context: &mut portcullis_policy::Context) {
        context.set("aws:ViaAWSService", self.via_service.is_some().to_string());
        if let Some(service) = self.via_service() {
            context.set("kms:ViaService", service);
            // `s3.us-east-1.amazonaws.com` is s3.amazonaws.com there. Which services of AWS are told is
            // not asked: all are.
            let name = service.split('.').next().unwrap_or(service);
            let called = format!("{name}.amazonaws.com");
            context.set("aws:CalledViaFirst", called.as_str());
            context.set("aws:CalledViaLast", called.as_str());
            context.set_all("aws:CalledVia", vec![called]);
        }
        for (name, value) in &self.tags {
            context.add_reading(&format!("aws:PrincipalTag/{name}"), value);
        }
        let principal_type = match &self.kind {
            PrincipalKind::Service { name, .. } => {
                context.set("aws:PrincipalIsAWSService", "true");
                context.set("aws:PrincipalServiceName", name);
                context.set_all("aws:PrincipalServiceNamesList", vec![name.clone()]);
                if let Some(arn) = self.source_arn() {
                    context.set("aws:SourceArn", arn);
                    context.set("aws:SourceAccount", self.account.as_str());
                }
                return;
            }
            PrincipalKind::Root => "Account",
            PrincipalKind::User { name } => {
                context.set("aws:username", name);
                "User"
            }
            PrincipalKind::Session { .. } => {
                // Only temporary credentials say anything of it.
                context.set("aws:MultiFactorAuthPresent", "false");
                "AssumedRole"
            }
        };
        context.set("aws:PrincipalIsAWSService", "false");
        context.set("aws:PrincipalType", principal_type);
        // Of a session it is the role's ARN (IAM User Guide, aws:PrincipalArn).
        let arn = self.names.last().map_or("", String::as_str);
        context.set("aws:PrincipalArn", arn);
        context.set("aws:PrincipalAccount", self.account.as_str());
        context.set("aws:userid", self.user_id());
        context.set("kms:CallerAccount", self.account.as_str());
    }
}
