//! Multi-Region keys: replicas in other Regions, and which Region has the primary.

use std::collections::BTreeMap;
use std::sync::Arc;

use portcullis_api::kms::{ReplicateKeyRequest, ReplicateKeyResponse, UpdatePrimaryRegionRequest};
use portcullis_api::{Code, Exception, KeyId, Operation, Region, Scope};
use portcullis_time::Verdict;

use super::keys::KEYS_MAX;
use super::keys::Keys;
use super::kind::relatives_of_primary;
use super::permission::check_state;
use super::policy::{check_policy, policy_of};
use super::record::Changing;
use super::relatives::KeyChange;
use super::tags::{listed, tags};
use super::{KeyRecord, KeySnapshot, Requested, metadata};
use crate::catalogue::Partition;
use crate::records::Records;
use crate::state_change::StateChange;

/// Makes replicas of multi-Region keys, and moves their primaries.
#[derive(Debug)]
pub(crate) struct Replication {
    records: Arc<Records>,
    keys: Arc<Keys>,
}

impl Replication {
    pub(crate) fn new(records: &Arc<Records>, keys: &Arc<Keys>) -> Arc<Self> {
        Arc::new(Self {
            records: Arc::clone(records),
            keys: Arc::clone(keys),
        })
    }
}

impl Replication {
    /// ReplicateKey. The replica has the key's ID, material and rotation, and a policy, tags,
    /// description, aliases and requested state of its own.
    ///
    /// # Errors
    /// NotFoundException, DisabledException, KMSInvalidStateException, AlreadyExistsException,
    /// UnsupportedOperationException, LimitExceededException, TagException,
    /// MalformedPolicyDocumentException.
    pub(crate) async fn replicate_key(
        self: &Arc<Self>,
        scope: &Scope,
        input: ReplicateKeyRequest,
    ) -> Result<ReplicateKeyResponse, Exception> {
        let region = parse(&input.replica_region)?;
        let tags = tags(input.tags.as_deref().unwrap_or_default())?;
        let operation = Operation::ReplicateKey;
        let held = self
            .keys
            .hold_with_region(operation, scope, &input.key_id, &region)
            .await?;
        let key = &held.key;
        let place = self.keys.in_region(scope, &region);
        let taken = Taken {
            exists: place.keys.contains_key(&key.record.id),
            keys: place.keys.len(),
        };
        let wanted = WantedReplica {
            scope: &place.scope,
            description: input.description.unwrap_or_default(),
            policy: input.policy,
            bypass_lockout_check: input.bypass_policy_lockout_safety_check,
            tags,
        };
        let since_ms = self.records.now_ms();
        let lasts = self.lasts(StateChange::ReplicateKey);
        let changing = lasts.then_some(Changing::Creating { since_ms });
        let (primary, replica) = replicated(key, wanted, &taken, (since_ms, changing))?;
        let mut changes = self.keys.with_relatives(key, primary);
        changes.push(KeyChange {
            partition: Arc::clone(&place),
            key: None,
            record: replica,
        });
        self.keys.put_all(changes).await?;
        let replica = super::find_for_management(&place, &key.record.id.to_string())?;
        self.watch_change(&replica);
        Ok(ReplicateKeyResponse {
            replica_key_metadata: Some(metadata(&place.scope, &replica)),
            replica_policy: Some(policy_of(&place.scope, &replica.record)),
            // Rule LIFE-25: no empty list.
            replica_tags: Some(listed(&replica.record.tags)).filter(|tags| !tags.is_empty()),
        })
    }

    /// UpdatePrimaryRegion: the replica in that Region becomes the primary, and the primary a
    /// replica.
    ///
    /// # Errors
    /// NotFoundException, DisabledException, KMSInvalidStateException,
    /// UnsupportedOperationException.
    pub(crate) async fn update_primary_region(
        self: &Arc<Self>,
        scope: &Scope,
        input: UpdatePrimaryRegionRequest,
    ) -> Result<(), Exception> {
        let region = parse(&input.primary_region)?;
        let operation = Operation::UpdatePrimaryRegion;
        let held = self.keys.hold_for(operation, scope, &input.key_id).await?;
        let key = &held.key;
        let record = moved(key, &region)?;
        let place = self.keys.in_region(scope, &region);
        let replica = super::find_for_management(&place, &key.record.id.to_string())?;
        // The operation's second key, which the request does not name.
        check_state(operation, &replica, replica.state())?;
        let since_ms = self.records.now_ms();
        let lasts = self.lasts(StateChange::UpdatePrimaryRegion);
        let changing = lasts.then_some(Changing::Updating { since_ms });
        let mut changes = self.keys.with_relatives(key, record);
        for change in &mut changes {
            // The other replicas only get the new list of Regions.
            let home = &change.partition.scope.region;
            if *home == place.scope.region || *home == key.scope.region {
                change.record.changing = changing;
            }
        }
        self.keys.put_all(changes).await?;
        for partition in [&held.partition, &place] {
            let updated = super::find_for_management(partition, &key.record.id.to_string())?;
            self.watch_change(&updated);
        }
        Ok(())
    }

    /// Whether a passing state that begins here and now lasts any time.
    fn lasts(&self, change: StateChange) -> bool {
        let now = self.records.config.clock.now();
        let pace = self.records.config.pacing.pace();
        pace.verdict(change.aws_duration(), now, 0, now) != Verdict::Now
    }

    /// Ends the passing state of a key as soon as the pace permits.
    fn watch_change(self: &Arc<Self>, key: &KeySnapshot) {
        let Some(turn) = key.turn.clone() else {
            return;
        };
        let (scope, id) = (Arc::clone(&key.scope), key.record.id);
        let (pacing, clock) = (
            Arc::clone(&self.records.config.pacing),
            Arc::clone(&self.records.config.clock),
        );
        let kms = Arc::downgrade(self);
        tokio::spawn(async move {
            pacing.wait(&turn, &*clock).await;
            if let Some(kms) = kms.upgrade() {
                kms.end_change(&scope, &id).await;
            }
        });
    }

    /// Ends the passing states whose time is over.
    pub(super) async fn end_changes(&self, partition: &Partition) {
        let changing = partition.keys.iter().filter(|key| key.turn.is_some());
        let mut ids: Vec<KeyId> = changing.map(|key| key.record.id).collect();
        ids.sort_unstable();
        for id in ids {
            self.end_change(&partition.scope, &id).await;
        }
    }

    /// Ends a passing state if its time is over; what cannot be stored is tried again by the next
    /// description or round.
    pub(super) async fn end_change(&self, scope: &Scope, id: &KeyId) {
        let ended = async {
            let held = self.keys.hold_for_upkeep(scope, &id.to_string()).await?;
            let Some(turn) = &held.key.turn else {
                return Ok(());
            };
            let now = self.records.config.clock.now();
            if self.records.config.pacing.verdict(turn, now) != Verdict::Now {
                return Ok(());
            }
            let mut record = held.key.record.clone();
            record.changing = None;
            self.keys
                .put_record(&held.partition, &held.key, record)
                .await
                .map(drop)
        };
        if let Err(exception) = ended.await {
            tracing::debug!(%exception, key = %id, "its passing state goes on");
        }
    }
}

fn parse(region: &str) -> Result<Region, Exception> {
    region.parse().map_err(|_invalid| {
        let text = format!("{region:?} is not a Region. Give one such as eu-west-1.");
        Exception::new(Code::Validation, text)
    })
}

/// What a replica shall have of its own.
struct WantedReplica<'a> {
    /// The account and the Region in which it shall be.
    scope: &'a Scope,
    description: String,
    policy: Option<String>,
    bypass_lockout_check: Option<bool>,
    tags: BTreeMap<String, String>,
}

/// What is in the Region of a replica before it is made.
struct Taken {
    /// Whether the key is there already.
    exists: bool,
    /// How many keys the account has there.
    keys: usize,
}

/// The records that ReplicateKey leaves: those of the primary and of the new replica, which has been
/// made at a date, in milliseconds since 1970, and may be Creating from then on.
fn replicated(
    key: &KeySnapshot,
    wanted: WantedReplica<'_>,
    taken: &Taken,
    (created_ms, changing): (u64, Option<Changing>),
) -> Result<(KeyRecord, KeyRecord), Exception> {
    let relatives = relatives_of_primary(key)?;
    check_room(wanted.scope, key, taken)?;
    if let Some(policy) = &wanted.policy {
        let bypass = wanted.bypass_lockout_check;
        check_policy(wanted.scope, &key.record.id, policy, bypass)?;
    }
    let mut shared = relatives.clone();
    shared.replicas.insert(wanted.scope.region.clone());
    let mut primary = key.record.clone();
    primary.multi_region = Some(shared);
    let replica = KeyRecord {
        created_ms,
        description: wanted.description,
        requested: Requested::Enabled,
        policy: wanted.policy,
        tags: wanted.tags,
        changing,
        // Material that was imported is imported into each Region apart.
        materials: if primary.imported {
            primary.materials.imported_as(&super::Materials::default())
        } else {
            primary.materials.clone()
        },
        ..primary.clone()
    };
    Ok((primary, replica))
}

/// The record of a primary that becomes the replica of the key in `region`.
fn moved(key: &KeySnapshot, region: &Region) -> Result<KeyRecord, Exception> {
    let relatives = relatives_of_primary(key)?;
    let mut shared = relatives.clone();
    if !shared.replicas.remove(region) {
        let text = format!(
            "{} has no replica in {region}. Run ReplicateKey, or choose the Region of a replica.",
            key.arn
        );
        return Err(Exception::new(Code::NotFound, text));
    }
    shared.replicas.insert(relatives.primary.clone());
    shared.primary = region.clone();
    let mut record = key.record.clone();
    record.multi_region = Some(shared);
    Ok(record)
}

fn check_room(scope: &Scope, key: &KeySnapshot, taken: &Taken) -> Result<(), Exception> {
    if taken.exists {
        let arn = scope.key_arn(&key.record.id);
        let text = format!("{arn} exists already. Choose another Region.");
        return Err(Exception::new(Code::AlreadyExists, text));
    }
    if taken.keys >= KEYS_MAX {
        let text = format!("There are {KEYS_MAX} keys already in that Region. Delete some there.");
        return Err(Exception::new(Code::LimitExceeded, text));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{self, multi_region, record, region};
    use super::super::tags::tags;
    use super::*;

    fn replicate(key: &KeySnapshot, taken: &Taken) -> Result<(KeyRecord, KeyRecord), Code> {
        let scope = Scope {
            region: region("eu-west-1"),
            ..fixtures::scope()
        };
        let wanted = WantedReplica {
            scope: &scope,
            description: "there".to_owned(),
            policy: None,
            bypass_lockout_check: None,
            tags: tags(&[]).unwrap(),
        };
        let changing = Some(Changing::Creating { since_ms: 5 });
        replicated(key, wanted, taken, (5, changing)).map_err(|refusal| refusal.code)
    }

    const FREE: Taken = Taken {
        exists: false,
        keys: 0,
    };

    /// Rules LIFE-23 and LIFE-36.
    #[test]
    fn a_replica_has_the_material_of_its_primary_and_the_rest_of_its_own() {
        let mut primary = multi_region("us-east-1", &[]);
        primary.requested = Requested::Disabled;
        let (after, replica) = replicate(&fixtures::key(primary.clone()), &FREE).unwrap();
        let shared = multi_region("us-east-1", &["eu-west-1"]).multi_region;
        assert_eq!(after.multi_region, shared);
        assert_eq!(replica.multi_region, shared);
        assert_eq!(replica.materials, primary.materials);
        assert_eq!((replica.created_ms, &*replica.description), (5, "there"));
        assert_eq!(replica.requested, Requested::Enabled);
        assert_eq!(replica.changing, Some(Changing::Creating { since_ms: 5 }));
        assert_eq!(after.changing, None);
        primary.imported = true;
        let (_, replica) = replicate(&fixtures::key(primary), &FREE).unwrap();
        assert!(!replica.materials.are_complete());
    }

    /// Rule LIFE-23.
    #[test]
    fn a_replica_is_made_of_a_primary_where_there_is_none_yet_and_room() {
        let primary = fixtures::key(multi_region("us-east-1", &[]));
        let exists = Taken {
            exists: true,
            ..FREE
        };
        let full = Taken {
            keys: KEYS_MAX,
            ..FREE
        };
        for (key, taken, expected) in [
            (&primary, &exists, Code::AlreadyExists),
            (&primary, &full, Code::LimitExceeded),
            (&fixtures::key(record()), &FREE, Code::UnsupportedOperation),
            (
                &fixtures::key(multi_region("us-west-2", &["us-east-1"])),
                &FREE,
                Code::UnsupportedOperation,
            ),
        ] {
            assert_eq!(replicate(key, taken).unwrap_err(), expected);
        }
    }

    #[test]
    fn the_primary_is_moved_to_a_region_with_a_replica() {
        let key = fixtures::key(multi_region("us-east-1", &["eu-west-1", "us-west-2"]));
        let after = moved(&key, &region("eu-west-1")).unwrap().multi_region;
        let expected = multi_region("eu-west-1", &["us-east-1", "us-west-2"]);
        assert_eq!(after, expected.multi_region);
        let refusal = moved(&key, &region("eu-central-1")).unwrap_err();
        assert_eq!(refusal.code, Code::NotFound);
    }
}
