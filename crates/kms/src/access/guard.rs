//! The check in front of every operation with `--auth enforce`: looks up what a request concerns,
//! lets `decide` decide, and words what it decided.

use std::sync::Arc;

use portcullis_api::kms::{CreateGrantRequest, GrantOperation};
use portcullis_api::{AccountId, Code, Exception, KeyId, Scope, Service};
use portcullis_policy::{Context, Document};

use super::concern::{Concern, On, WantedAction};
use super::decide::{Ask, Denied, Granted, KeySide, decide, denial};
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
use crate::key::{KeySnapshot, find_for_management, find_for_use, find_maker, find_shared};
use crate::records::Records;

/// Asks before an operation whether its caller may.
#[derive(Debug)]
pub(crate) struct AccessGuard {
    pub(super) records: Arc<Records>,
    grants: Arc<Grants>,
    recipients: Arc<Recipients>,
    pub(super) uses: Arc<LastUses>,
}

impl AccessGuard {
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
pub(super) struct Looked<'a> {
    pub(super) wanted: WantedAction<'a>,
    pub(super) of: Of,
    /// The part of the text of a denial that names the resource.
    named: String,
}

pub(super) enum Of {
    /// Nothing in particular; perhaps what is to be made is like a key that there is.
    Nothing(Option<Arc<KeySnapshot>>),
    /// A resource that only the principal's own policies decide about, with its tags.
    Resource(String, Vec<(String, String)>),
    Key(Arc<KeySnapshot>),
    /// A grant to be retired, with its key.
    Grant(Arc<KeySnapshot>, Arc<GrantRecord>),
}

impl AccessGuard {
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
            let arn = scope.arn("cloudhsm", format_args!("{kind}/{id}"));
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

    /// The best that the key's grants permit.
    fn granted(
        &self,
        caller: &Principal,
        key: &KeySnapshot,
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
        let root = caller.root_arn();
        let names = caller.grantee_names().chain([root.as_str()]);
        let grants = names.flat_map(|name| home.grants.of_grantee(&key.record.id, name));
        let best = grants.map(|grant| granted::permits(&grant, caller, wanted));
        best.max().unwrap_or(Granted::No)
    }
}

type Find = fn(&Arc<Partition>, &str) -> Result<Arc<KeySnapshot>, Exception>;

/// What a look-up found. Rule AUTH-26: whether a key of another account exists is not given away.
fn found(
    outcome: Result<Arc<KeySnapshot>, Exception>,
    (caller, action, name): (&Principal, &str, &str),
) -> Result<Arc<KeySnapshot>, Exception> {
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
) -> Option<(Arc<KeySnapshot>, Arc<GrantRecord>)> {
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
    (key, account, granted): (&KeySnapshot, &AccountId, Granted),
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
fn key_policy(key: &KeySnapshot) -> Result<&Document, Exception> {
    if let Some(parsed) = key.policy.get() {
        return Ok(parsed);
    }
    let parsed = match &key.record.policy {
        Some(policy) => lockout::parse(policy)?,
        None => lockout::parse(&lockout::default_policy(&key.scope))?,
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
        let key = KeySnapshot::new(&Arc::new(scope), record("one", ""), 1, None);
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
