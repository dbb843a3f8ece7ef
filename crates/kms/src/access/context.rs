//! The condition keys of a request, from its caller, its input and what it concerns.

use std::sync::Arc;

use portcullis_api::Scope;
use portcullis_policy::Context;

use super::Principal;
use super::concern::{CONTEXT_EQUALS, CONTEXT_SUBSET, Concern, On, describe_kind};
use super::granted;
use super::guard::{AccessGuard, Looked, Of};
use crate::catalogue::Partition;
use crate::crypto::Ciphertext;
use crate::grant::GrantRecord;
use crate::key::{KeySnapshot, find_for_use, find_maker};

impl AccessGuard {
    /// The condition keys of one action of a request. Rule AUTH-25: one that is not known is absent.
    pub(super) fn context(
        &self,
        caller: &Principal,
        scope: &Scope,
        concern: &Concern<'_>,
        looked: &Looked<'_>,
    ) -> Context {
        let mut context = concern.context.clone();
        caller.describe(&mut context);
        let seconds = (self.records.now_ms() / 1000).to_string();
        context.set("aws:CurrentTime", &*seconds);
        context.set("aws:EpochTime", seconds);
        context.set("aws:RequestedRegion", scope.region.as_str());
        context.set("aws:ResourceAccount", scope.account.as_str());
        let wanted = &looked.wanted;
        if ON_BEHALF.contains(&wanted.action) {
            let for_aws = caller.is_service() || caller.via_service().is_some();
            context.set("kms:GrantIsForAWSResource", for_aws.to_string());
        }
        if let Some(algorithm) = wanted.encryption_algorithm {
            context.set("kms:EncryptionAlgorithm", algorithm);
        }
        if wanted.encryption_context.is_some() {
            granted::describe(wanted.encryption_context.into_iter(), &mut context);
        }
        match &looked.of {
            Of::Nothing(None) => {}
            Of::Nothing(Some(like)) => describe_replica(like, &mut context),
            Of::Resource(_, tags) => {
                let pairs = tags.iter().map(|(name, value)| (name, value));
                describe_tags(pairs, &mut context);
            }
            Of::Key(key) => self.describe_key_for(key, looked, &mut context),
            Of::Grant(key, grant) => {
                self.describe_key_for(key, looked, &mut context);
                describe_grant(grant, &mut context);
            }
        }
        context
    }

    /// Rule AUTH-41: whether a ReEncrypt has the same key on both sides; none for other requests, and where only the
    /// operation can say what is wrong.
    pub(super) fn re_encrypts_on_same_key(
        &self,
        asking: &Arc<Partition>,
        concern: &Concern<'_>,
    ) -> Option<bool> {
        let [from, to] = concern.wanted.as_slice() else {
            return None;
        };
        let On::Maker { blob, named } = from.on else {
            return None;
        };
        let On::Use(destination) = to.on else {
            return None;
        };
        let source = match named {
            Some(name) => find_for_use(asking, name).ok(),
            None => {
                let made = blob.and_then(Ciphertext::parse);
                made.and_then(|made| find_maker(asking, &made.key))
            }
        };
        let destination = find_for_use(asking, destination).ok()?;
        Some(source?.arn == destination.arn)
    }

    /// The condition keys that say of which key.
    fn describe_key_for(&self, key: &KeySnapshot, looked: &Looked<'_>, context: &mut Context) {
        let record = &key.record;
        context.set("aws:ResourceAccount", key.scope.account.as_str());
        describe_kind(record.spec.as_str(), record.usage.as_str(), context);
        context.set("kms:KeyOrigin", record.origin().as_str());
        context.set("kms:MultiRegion", record.multi_region.is_some().to_string());
        if ENDING.contains(&looked.wanted.action) {
            let days = self.uses.days_without_use(key);
            context.set("kms:TrailingDaysWithoutKeyUsage", days.to_string());
        }
        if let Some(relatives) = &record.multi_region {
            let primary = relatives.primary == key.scope.region;
            let kind = if primary { "PRIMARY" } else { "REPLICA" };
            context.set("kms:MultiRegionKeyType", kind);
        }
        describe_tags(record.tags.iter(), context);
        let home = self.records.partition(&key.scope);
        let aliases = home.aliases.iter();
        let mut aliases: Vec<String> = aliases
            .filter(|alias| *alias.value() == record.id)
            .map(|alias| alias.key().clone())
            .collect();
        aliases.sort();
        context.set_all("kms:ResourceAliases", aliases);
        if let On::Use(name)
        | On::Maker {
            named: Some(name), ..
        } = looked.wanted.on
        {
            let alias = name.starts_with("arn:").then(|| name.splitn(6, ':').nth(5));
            let alias = alias.flatten().unwrap_or(name);
            if alias.starts_with("alias/") {
                context.set("kms:RequestAlias", alias);
            }
        }
    }
}

/// Operations that a service of AWS may call on behalf of a principal (KMS Guide, kms:GrantIsForAWSResource).
const ON_BEHALF: [&str; 3] = ["kms:CreateGrant", "kms:ListGrants", "kms:RevokeGrant"];

/// Operations that end the use of a key (KMS Guide, kms:TrailingDaysWithoutKeyUsage).
const ENDING: [&str; 2] = ["kms:DisableKey", "kms:ScheduleKeyDeletion"];

/// The condition keys of a replica that would be made of `primary`.
fn describe_replica(primary: &KeySnapshot, context: &mut Context) {
    let record = &primary.record;
    describe_kind(record.spec.as_str(), record.usage.as_str(), context);
    context.set("kms:KeyOrigin", record.origin().as_str());
    context.set("kms:MultiRegion", "true");
    context.set("kms:MultiRegionKeyType", "REPLICA");
}

/// The condition keys of a grant that would be retired.
fn describe_grant(grant: &GrantRecord, context: &mut Context) {
    let constraints = &grant.terms.constraints;
    let kinds = [
        (&constraints.equals, CONTEXT_EQUALS),
        (&constraints.subset, CONTEXT_SUBSET),
    ];
    let given = kinds.iter().filter(|(given, _)| given.is_some());
    let names = given.map(|(_, kind)| (*kind).to_owned());
    context.set_all("kms:GrantConstraintType", names.collect());
    granted::describe(
        kinds.iter().filter_map(|(given, _)| given.as_ref()),
        context,
    );
}

/// Tags may differ in case only, and then are one condition key.
fn describe_tags<'a>(tags: impl Iterator<Item = (&'a String, &'a String)>, context: &mut Context) {
    for (name, value) in tags {
        context.add_reading(&format!("aws:ResourceTag/{name}"), value);
    }
}
