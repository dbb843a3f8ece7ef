//! The check in front of every operation with `--auth enforce`: looks up what a request concerns,
//! lets `decide` decide, and words what it decided.

use std::sync::Arc;

use portcullis_api::kms::{CreateGrantRequest, GrantOperation};
use portcullis_api::{AccountId, Code, Exception, KeyId, Scope, Service};
use portcullis_policy::{Context, Document};

use super::concern::{CONTEXT_EQUALS, CONTEXT_SUBSET, Concern, On, WantedAction, describe_kind};
use super::decide::{Ask, Denied, Granted, KeySide, decide};
use super::granted::{self, Child, Use};
use super::lockout::{self, keeps_control};
use super::{Principal, RequestOrigin};
use crate::alias::RESERVED;
use crate::catalogue::Partition;
use crate::crypto::Ciphertext;
use crate::crypto::Recipients;
use crate::grant::GrantRecord;
use crate::grant::Grants;
use crate::key::LastUses;
use crate::key::{Snapshot, find_for_management, find_for_use, find_maker, find_shared};
use crate::records::Records;

/// Asks before an operation whether its caller may.
#[derive(Debug)]
pub(crate) struct Guard {
    pub(super) records: Arc<Records>,
    grants: Arc<Grants>,
    recipients: Arc<Recipients>,
    uses: Arc<LastUses>,
}

impl Guard {
    pub(crate) fn new(
        records: &Arc<Records>,
        grants: &Arc<Grants>,
        recipients: &Arc<Recipients>,
        uses: &Arc<LastUses>,
    ) -> Self {
        Self {
            records: Arc::clone(records),
            grants: Arc::clone(grants),
            recipients: Arc::clone(recipients),
            uses: Arc::clone(uses),
        }
    }
}

/// One action, looked up.
struct Looked<'a> {
    wanted: WantedAction<'a>,
    of: Of,
    /// The part of the text of a denial that names the resource.
    named: String,
}

enum Of {
    /// Nothing in particular; perhaps what is to be made is like a key that there is.
    Nothing(Option<Arc<Snapshot>>),
    /// A resource that only the principal's own policies decide about, with its tags.
    Resource(String, Vec<(String, String)>),
    Key(Arc<Snapshot>),
    /// A grant to be retired, with its key.
    Grant(Arc<Snapshot>, Arc<GrantRecord>),
}

impl Guard {
    /// Whether `caller` may make a request, which is asked before the operation begins. What does
    /// not exist is left to the operation to say.
    ///
    /// # Errors
    /// AccessDeniedException, and what looking up the request's key fails with.
    pub(crate) fn authorize(
        &self,
        (caller, origin): (&Principal, &RequestOrigin),
        scope: &Scope,
        service: Service,
        concern: &Concern<'_>,
    ) -> Result<(), Exception> {
        let asking = self.records.partition(scope);
        let same_key = self.re_encrypts_on_same_key(&asking, concern);
        self.grants.check_tokens(concern.tokens)?;
        let recipient = self.recipients.recipient(concern.recipient)?;
        for wanted in &concern.wanted {
            let looked = self.look_up(&asking, caller, *wanted)?;
            let Some(looked) = looked else { continue };
            let mut context = self.context(caller, scope, concern, &looked);
            origin.describe(&mut context);
            recipient.describe(&mut context);
            if let Some(same_key) = same_key {
                context.set("kms:ReEncryptOnSameKey", same_key.to_string());
            }
            let denied = match &looked.of {
                Of::Nothing(_) => own(caller, wanted.action, "*", &context),
                Of::Resource(arn, _) => own(caller, wanted.action, arn, &context),
                Of::Key(key) => {
                    let granted = self.granted(caller, key, *wanted, concern.new_grant);
                    let account = &key.scope.account;
                    with_key(caller, (key, account, granted), wanted.action, &context)?
                }
                Of::Grant(key, grant) => {
                    let granted = may_retire(caller, grant);
                    // Who may retire a grant needs nothing else, whichever account it is of.
                    let account = match granted {
                        Granted::ToItself => caller.account(),
                        Granted::ToAccount | Granted::No => &grant.issuing_account,
                    };
                    with_key(caller, (key, account, granted), wanted.action, &context)?
                }
            };
            if let Some(denied) = denied {
                let code = match service {
                    Service::Kms => Code::AccessDenied,
                    Service::CloudHsm => Code::CloudHsmAccessDenied,
                };
                let text = denial(caller, wanted.action, &looked.named, denied);
                return Err(Exception::new(code, text));
            }
            if let Some(policy) = concern.new_policy {
                keeps(caller, policy, &looked, &context)?;
            }
        }
        Ok(())
    }

    /// Looks up what an action is on; nothing when only the operation can say what is wrong.
    fn look_up<'a>(
        &self,
        asking: &Arc<Partition>,
        caller: &Principal,
        wanted: WantedAction<'a>,
    ) -> Result<Option<Looked<'a>>, Exception> {
        let scope = &asking.scope;
        let hsm = |kind: &str, id: &str| {
            let (region, account) = (&scope.region, &scope.account);
            let arn = format!("arn:aws:cloudhsm:{region}:{account}:{kind}/{id}");
            Of::Resource(arn, self.records.config.clusters.tags(scope, id))
        };
        let find = |find: Find, name: &str| match find(asking, name) {
            // The key of a service is made when it is first used; its policy leaves it to the account.
            Err(missing) if missing.code == Code::NotFound && name.starts_with(RESERVED) => {
                Ok(Of::Resource(scope.alias_arn(name), Vec::new()))
            }
            outcome => found(outcome, (caller, wanted.action, name)).map(Of::Key),
        };
        let of = match wanted.on {
            On::Nothing | On::KeyStore(_) => Of::Nothing(None),
            On::Like(name) => Of::Nothing(find_for_management(asking, name).ok()),
            On::Use(name) => find(find_for_use, name)?,
            On::Shared(name) => find(find_shared, name)?,
            On::Own(name) => find(find_for_management, name)?,
            On::Maker {
                named: Some(name), ..
            } => find(find_for_use, name)?,
            On::Maker { blob, named: None } => {
                let made = blob.and_then(Ciphertext::parse);
                match made.and_then(|made| find_maker(asking, &made.key)) {
                    Some(key) => Of::Key(key),
                    None => return Ok(None),
                }
            }
            On::Alias(name) => Of::Resource(scope.alias_arn(name), Vec::new()),
            On::AliasTarget(name) => {
                let target = asking.aliases.get(name).map(|target| *target);
                match target.and_then(|target| find_maker(asking, &target)) {
                    Some(key) => Of::Key(key),
                    None => return Ok(None),
                }
            }
            On::Grant(input) => {
                let (home, key, grant) = self.grants.find_retired(asking, input)?;
                match retired(&home, &key, &grant) {
                    Some((key, grant)) => Of::Grant(key, grant),
                    None => return Ok(None),
                }
            }
            On::Cluster(id) => hsm("cluster", id),
            On::Backup(id) => hsm("backup", id),
            On::Resource(id) if id.starts_with("backup-") => hsm("backup", id),
            On::Resource(id) => hsm("cluster", id),
            On::Arn(Some(arn)) => {
                let id = arn.rsplit('/').next().unwrap_or_default();
                Of::Resource(arn.to_owned(), self.records.config.clusters.tags(scope, id))
            }
            On::Arn(None) => Of::Nothing(None),
        };
        let named = match (&of, wanted.on) {
            (_, On::Maker { named: None, .. }) => {
                " on the resource associated with this ciphertext".to_owned()
            }
            (Of::Nothing(_), _) => String::new(),
            (Of::Resource(arn, _), _) => format!(" on resource: {arn}"),
            (Of::Key(key) | Of::Grant(key, _), _) => format!(" on resource: {}", key.arn),
        };
        Ok(Some(Looked { wanted, of, named }))
    }

    /// The condition keys of one action of a request. Rule AUTH-25: one that is not known is absent.
    fn context(
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
    fn re_encrypts_on_same_key(
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
    fn describe_key_for(&self, key: &Snapshot, looked: &Looked<'_>, context: &mut Context) {
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

    /// The best that the key's grants permit.
    fn granted(
        &self,
        caller: &Principal,
        key: &Snapshot,
        wanted: WantedAction<'_>,
        child: Option<&CreateGrantRequest>,
    ) -> Granted {
        let operation = wanted.action.strip_prefix("kms:").map(str::parse);
        let Some(Ok(operation)) = operation else {
            return Granted::No;
        };
        let child = child.map(|input| {
            let constraints = input.constraints.as_ref();
            Child {
                operations: &input.operations,
                equals: constraints.and_then(|it| it.encryption_context_equals.as_ref()),
                subset: constraints.and_then(|it| it.encryption_context_subset.as_ref()),
            }
        });
        let wanted = Use {
            operation,
            encryption_context: wanted.encryption_context,
            child,
        };
        let home = self.records.partition(&key.scope);
        let root = format!("arn:aws:iam::{}:root", caller.account());
        let names = caller.grantee_names().chain([root.as_str()]);
        let grants = names.flat_map(|name| home.grants.of_grantee(&key.record.id, name));
        let best = grants.map(|grant| granted::permits(&grant, caller, wanted));
        best.max().unwrap_or(Granted::No)
    }
}

/// Operations that a service of AWS may call on behalf of a principal (KMS Guide, kms:GrantIsForAWSResource).
const ON_BEHALF: [&str; 3] = ["kms:CreateGrant", "kms:ListGrants", "kms:RevokeGrant"];

/// Operations that end the use of a key (KMS Guide, kms:TrailingDaysWithoutKeyUsage).
const ENDING: [&str; 2] = ["kms:DisableKey", "kms:ScheduleKeyDeletion"];

/// The condition keys of a replica that would be made of `primary`.
fn describe_replica(primary: &Snapshot, context: &mut Context) {
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

type Find = fn(&Arc<Partition>, &str) -> Result<Arc<Snapshot>, Exception>;

/// What a look-up found. Rule AUTH-26: whether a key of another account exists is not given away.
fn found(
    outcome: Result<Arc<Snapshot>, Exception>,
    (caller, action, name): (&Principal, &str, &str),
) -> Result<Arc<Snapshot>, Exception> {
    outcome.map_err(|exception| {
        let account = name.starts_with("arn:").then(|| name.split(':').nth(4));
        let elsewhere = account
            .flatten()
            .is_some_and(|account| account != caller.account().as_str());
        if exception.code != Code::NotFound || !elsewhere {
            return exception;
        }
        let named = format!(" on resource: {name}");
        let text = denial(caller, action, &named, Denied::NoResourceElsewhere);
        Exception::new(Code::AccessDenied, text).because(exception)
    })
}

fn retired(
    home: &Partition,
    key: &KeyId,
    grant: &str,
) -> Option<(Arc<Snapshot>, Arc<GrantRecord>)> {
    let found = home.keys.get(key).map(|key| Arc::clone(&key))?;
    Some((found, home.grants.get(key, grant)?))
}

/// Rule AUTH-27: a grant is retired by the one it names, by its grantee if it permits RetireGrant,
/// and by the account that made it.
fn may_retire(caller: &Principal, grant: &GrantRecord) -> Granted {
    let terms = &grant.terms;
    let retiring = terms.retiring.as_ref();
    let named = retiring.map_or(Granted::No, |party| {
        granted::reaches(party.as_str(), caller)
    });
    let grantee = if terms.operations.contains(&GrantOperation::RetireGrant) {
        granted::reaches(terms.grantee.as_str(), caller)
    } else {
        Granted::No
    };
    let own = if *caller.account() == grant.issuing_account {
        Granted::ToAccount
    } else {
        Granted::No
    };
    named.max(grantee).max(own)
}

fn own(caller: &Principal, action: &str, resource: &str, context: &Context) -> Option<Denied> {
    let ask = Ask {
        action,
        resource,
        context,
        key: None,
    };
    decide(caller, &ask).err()
}

fn with_key(
    caller: &Principal,
    (key, account, granted): (&Snapshot, &AccountId, Granted),
    action: &str,
    context: &Context,
) -> Result<Option<Denied>, Exception> {
    let ask = Ask {
        action,
        resource: &key.arn,
        context,
        key: Some(KeySide {
            account,
            policy: key_policy(key)?,
            granted,
        }),
    };
    Ok(decide(caller, &ask).err())
}

/// The policy of a key, parsed at the first decision of its snapshot and kept there: parsing takes
/// longer than everything else that a decision does.
fn key_policy(key: &Snapshot) -> Result<&Document, Exception> {
    if let Some(parsed) = key.policy.get() {
        return Ok(parsed);
    }
    let parsed = match &key.record.policy {
        Some(policy) => lockout::parse(policy)?,
        None => lockout::parse(&lockout::default_policy(&key.scope.account))?,
    };
    Ok(key.policy.get_or_init(|| Arc::new(parsed)))
}

/// Rule AUTH-11: the caller that puts a key policy can put another one afterwards.
fn keeps(
    caller: &Principal,
    policy: &str,
    looked: &Looked<'_>,
    context: &Context,
) -> Result<(), Exception> {
    let arn = match &looked.of {
        Of::Key(key) | Of::Grant(key, _) => key.arn.as_str(),
        // The key is yet to be made.
        Of::Nothing(_) | Of::Resource(..) => "arn:aws:kms:::key/",
    };
    let document = lockout::parse(policy)?;
    if keeps_control(&document, caller.identity(), arn, context) {
        Ok(())
    } else {
        Err(lockout::locked_out())
    }
}

/// Rule AUTH-28: a denial says who, what, on what and which kind of policy is why, in the words of
/// the service.
fn denial(caller: &Principal, action: &str, named: &str, denied: Denied) -> String {
    let start = format!(
        "User: {} is not authorized to perform: {action}{named}",
        caller.arn()
    );
    match denied {
        Denied::ByIdentity => format!("{start} with an explicit deny in an identity-based policy"),
        Denied::ByResource => format!("{start} with an explicit deny in a resource-based policy"),
        Denied::NoIdentity => {
            format!("{start} because no identity-based policy allows the {action} action")
        }
        Denied::NoResource => {
            format!("{start} because no resource-based policy allows the {action} action")
        }
        Denied::NoResourceElsewhere => format!(
            "{start} because the resource does not exist in this Region, no resource-based policies \
             allow access, or a resource-based policy explicitly denies access"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::KeyRecord;

    fn access_policy(id: &str) -> String {
        let statement = r#"{"Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"*"}"#;
        format!(r#"{{"Version":"2012-10-17","Id":"{id}","Statement":{statement}}}"#)
    }

    /// Rule AUTH-11: what is kept goes on for as long as the text does, and no longer.
    #[test]
    fn a_policy_is_parsed_once_for_as_long_as_its_text_stays() {
        let record = |policy: &str, description: &str| -> KeyRecord {
            let record = serde_json::json!({
                "id": "01020304-0506-0708-090a-0b0c0d0e0f10", "created_ms": 1, "home": "Fleet",
                "description": description, "requested": "Enabled", "materials": [],
                "policy": access_policy(policy),
            });
            serde_json::from_value(record).expect("a record")
        };
        let scope = Scope {
            account: "111122223333".parse().expect("an account"),
            region: "eu-west-1".parse().expect("a Region"),
        };
        let key = Snapshot::new(&Arc::new(scope), record("one", ""), 1, None);
        let parsed: *const Document = key_policy(&key).expect("a policy");
        assert!(std::ptr::eq(parsed, key_policy(&key).expect("a policy")));
        let described = key.changed(record("one", "described"), 2);
        assert!(std::ptr::eq(
            parsed,
            key_policy(&described).expect("a policy")
        ));
        let replaced = described.changed(record("two", "described"), 3);
        assert!(replaced.policy.get().is_none());
        assert_ne!(key_policy(&replaced).ok(), key_policy(&described).ok());
    }
}
