//! The forms in which a request names a key.

use std::sync::Arc;

use portcullis_api::{Code, Exception, KeyId, Scope};

use super::Snapshot;
use crate::catalogue::Partition;

/// Rule KEY-05: cryptographic operations and DescribeKey take a key ID, a key ARN, an alias name
/// or an alias ARN.
pub(crate) fn find_for_use(partition: &Partition, name: &str) -> Result<Arc<Snapshot>, Exception> {
    let alias = alias_name(&partition.scope, name)?;
    let Some(alias) = alias else {
        return find_for_management(partition, name);
    };
    let target = partition.aliases.get(alias).map(|target| *target);
    let target = target.ok_or_else(|| {
        let arn = partition.scope.alias_arn(alias);
        let text = format!("Alias {arn} is not found. Use ListAliases to see which there are.");
        Exception::new(Code::NotFound, text)
    })?;
    get(partition, &target)
}

/// Rule KEY-06: management operations take a key ID or a key ARN, no alias.
pub(crate) fn find_for_management(
    partition: &Partition,
    name: &str,
) -> Result<Arc<Snapshot>, Exception> {
    let id = match name.strip_prefix("arn:") {
        None => name,
        Some(_) => resource(&partition.scope, name)?
            .strip_prefix("key/")
            .ok_or_else(|| invalid_arn(name))?,
    };
    let id: KeyId = id.parse().map_err(|_invalid| {
        Exception::new(
            Code::NotFound,
            format!("Invalid keyId {name:?}. Give a key ID (a UUID) or a key ARN."),
        )
    })?;
    get(partition, &id)
}

fn get(partition: &Partition, id: &KeyId) -> Result<Arc<Snapshot>, Exception> {
    let found = partition.keys.get(id).map(|key| Arc::clone(&key));
    found.ok_or_else(|| {
        let arn = partition.scope.key_arn(id);
        Exception::new(
            Code::NotFound,
            format!(
                "Key '{arn}' does not exist. Use ListKeys to see which there are, and check the \
                 account and Region of the request."
            ),
        )
    })
}

/// The alias that `name` names, `alias/` included, if it is the name or ARN of one.
fn alias_name<'a>(scope: &Scope, name: &'a str) -> Result<Option<&'a str>, Exception> {
    if name.starts_with("alias/") {
        return Ok(Some(name));
    }
    if !name.starts_with("arn:") {
        return Ok(None);
    }
    Ok(Some(resource(scope, name)?).filter(|resource| resource.starts_with("alias/")))
}

/// What stands behind account and Region in an ARN of this scope.
fn resource<'a>(scope: &Scope, arn: &'a str) -> Result<&'a str, Exception> {
    let mut parts = arn.splitn(6, ':');
    let mut part = || parts.next().ok_or_else(|| invalid_arn(arn));
    let (_arn, _partition, service) = (part()?, part()?, part()?);
    let (region, account, resource) = (part()?, part()?, part()?);
    if service != "kms" {
        return Err(invalid_arn(arn));
    }
    if region != scope.region.as_str() || account != scope.account.as_str() {
        return Err(Exception::new(
            Code::NotFound,
            format!(
                "{arn} is in another account or Region than the request, which is for account {} \
                 in {}.",
                scope.account, scope.region
            ),
        ));
    }
    Ok(resource)
}

fn invalid_arn(arn: &str) -> Exception {
    let form = "arn:aws:kms:<Region>:<account>:key/<key ID>";
    Exception::new(
        Code::InvalidArn,
        format!("{arn:?} is not the ARN of a key; its form is {form}."),
    )
}
