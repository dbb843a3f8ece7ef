//! The forms in which a request names a key, and in which accounts each is looked for.
//!
//! | function | takes | finds keys of |
//! | --- | --- | --- |
//! | [`find_for_use`] | key ID, key ARN, alias name, alias ARN | every account in the Region |
//! | [`find_shared`] | key ID, key ARN | every account in the Region |
//! | [`find_for_management`] | key ID, key ARN | the request's own account |
//!
//! An ID or an alias name without an ARN is always of the request's own account. A key that is
//! found carries its own scope ([`KeySnapshot::scope`](super::KeySnapshot)): code that writes about the key
//! takes account and Region from there, not from the request.

use std::sync::Arc;

use portcullis_api::{AccountId, Code, Exception, KeyId};

use super::KeySnapshot;
use crate::catalogue::Partition;

/// Rule KEY-05: cryptographic operations and DescribeKey take a key ID, a key ARN, an alias name
/// or an alias ARN. Rule AUTH-01: the ARN may be of another account in the same Region.
pub(crate) fn find_for_use(
    partition: &Arc<Partition>,
    name: &str,
) -> Result<Arc<KeySnapshot>, Exception> {
    let place = place(partition, name)?;
    if !place.resource.starts_with("alias/") {
        return find_shared(partition, name);
    }
    let home = place.partition()?;
    let target = home.aliases.get(place.resource).map(|target| *target);
    let target = target.ok_or_else(|| place.no_such_alias())?;
    get(&home, &target)
}

/// Rule AUTH-01: operations on grants and GetKeyRotationStatus take a key ID or a key ARN, of any
/// account in the Region.
pub(crate) fn find_shared(
    partition: &Arc<Partition>,
    name: &str,
) -> Result<Arc<KeySnapshot>, Exception> {
    place(partition, name)?.key()
}

/// Rule KEY-06: management operations take a key ID or a key ARN, no alias. Rule AUTH-02: a key of
/// another account is not found.
pub(crate) fn find_for_management(
    partition: &Arc<Partition>,
    name: &str,
) -> Result<Arc<KeySnapshot>, Exception> {
    let place = place(partition, name)?;
    match &place.account {
        None => place.key(),
        Some(account) => Err(Exception::new(
            Code::NotFound,
            format!(
                "{name} is in the account {account}, and this operation works on keys of the \
                 caller's own account only, which is {}. Call it as a principal of {account}.",
                partition.scope.account
            ),
        )),
    }
}

/// The key that made a ciphertext, in whichever account of the Region it is: the ciphertext says
/// which key, not whose.
///
/// Rule AUTH-03: Decrypt needs no KeyId for a ciphertext of another account's key. Cost: one look
/// at each account when the key is not of the request's own.
pub(crate) fn find_maker(partition: &Arc<Partition>, id: &KeyId) -> Option<Arc<KeySnapshot>> {
    let own = partition.keys.get(id).map(|key| Arc::clone(&key));
    own.or_else(|| {
        let others = partition.other_accounts();
        let mut found = others.iter().filter_map(|other| other.keys.get(id));
        found.next().map(|key| Arc::clone(&key))
    })
}

/// Whether a key ID that no key has is that of a key of this account with one byte changed, or with the
/// other form: then the ciphertext that holds it was changed.
///
/// Rule CR-15: an ID that is unknown here is told apart from a damaged one. Cost: some 4,000 looks,
/// whatever number of keys and accounts there is, and only where a call is refused. Other accounts are
/// not looked at, since a client makes as many as it likes.
pub(crate) fn is_damaged(partition: &Partition, id: &KeyId) -> bool {
    let known = |bytes: [u8; 16], is_multi_region: bool| {
        let id = if is_multi_region {
            KeyId::multi_region_from_bytes(bytes)
        } else {
            KeyId::from_bytes(bytes)
        };
        partition.keys.contains_key(&id)
    };
    if known(*id.bytes(), !id.is_multi_region()) {
        return true;
    }
    let mut bytes = *id.bytes();
    for at in 0..bytes.len() {
        for _ in 0..u8::MAX {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = byte.wrapping_add(1);
            }
            if known(bytes, id.is_multi_region()) {
                return true;
            }
        }
        bytes = *id.bytes();
    }
    false
}

fn get(partition: &Partition, id: &KeyId) -> Result<Arc<KeySnapshot>, Exception> {
    let found = partition.keys.get(id).map(|key| Arc::clone(&key));
    found.ok_or_else(|| no_such_key(&partition.scope.key_arn(id)))
}

fn no_such_key(arn: &str) -> Exception {
    Exception::worded(
        Code::NotFound,
        format!("Key '{arn}' does not exist"),
        "Use ListKeys to see which there are, and check the account and Region of the request.",
    )
}

/// What a name says: whose, and which.
struct NamedPlace<'a> {
    asking: &'a Arc<Partition>,
    name: &'a str,
    /// Another account than the request's.
    account: Option<AccountId>,
    /// `key/<ID>` of an ARN, `alias/<name>`, or a bare ID.
    resource: &'a str,
}

/// Reads a name. Only an ARN can be of another account.
fn place<'a>(asking: &'a Arc<Partition>, name: &'a str) -> Result<NamedPlace<'a>, Exception> {
    let mut place = NamedPlace {
        asking,
        name,
        account: None,
        resource: name,
    };
    if !name.starts_with("arn:") {
        return Ok(place);
    }
    let mut parts = name.splitn(6, ':');
    let mut part = || parts.next().ok_or_else(|| invalid_arn(name));
    let (_arn, _partition, service) = (part()?, part()?, part()?);
    let (region, account, resource) = (part()?, part()?, part()?);
    if service != "kms" {
        return Err(invalid_arn(name));
    }
    if region != asking.scope.region.as_str() {
        return Err(Exception::new(
            Code::NotFound,
            format!(
                "Invalid arn {region}: {name} is in another Region than the request, which is for \
                 {}. Send it to {region}.",
                asking.scope.region
            ),
        ));
    }
    place.resource = resource;
    if account != asking.scope.account.as_str() {
        place.account = Some(account.parse().map_err(|_invalid| invalid_arn(name))?);
    }
    Ok(place)
}

impl NamedPlace<'_> {
    fn partition(&self) -> Result<Arc<Partition>, Exception> {
        match &self.account {
            None => Ok(Arc::clone(self.asking)),
            Some(account) => self.asking.of_account(account).ok_or_else(|| {
                if self.resource.starts_with("alias/") {
                    self.no_such_alias()
                } else {
                    no_such_key(self.name)
                }
            }),
        }
    }

    /// The key, if the name is that of a key.
    fn key(&self) -> Result<Arc<KeySnapshot>, Exception> {
        let id = match self.name.strip_prefix("arn:") {
            None => self.resource,
            Some(_) => self
                .resource
                .strip_prefix("key/")
                .ok_or_else(|| invalid_arn(self.name))?,
        };
        let id: KeyId = id.parse().map_err(|_invalid| {
            Exception::worded(
                Code::NotFound,
                format!("Invalid keyId '{id}'"),
                "Give a key ID (a UUID) or a key ARN.",
            )
        })?;
        get(&*self.partition()?, &id)
    }

    fn no_such_alias(&self) -> Exception {
        let arn = if self.name.starts_with("arn:") {
            self.name.to_owned()
        } else {
            self.asking.scope.alias_arn(self.name)
        };
        let sentence = format!("Alias {arn} is not found.");
        let hint = "Use ListAliases to see which there are.";
        Exception::worded(Code::NotFound, sentence, hint)
    }
}

fn invalid_arn(arn: &str) -> Exception {
    let form = "arn:aws:kms:<Region>:<account>:key/<key ID>";
    Exception::new(
        Code::InvalidArn,
        format!("{arn:?} is not the ARN of a key; its form is {form}."),
    )
}
