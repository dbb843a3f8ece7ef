use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;

use dashmap::DashMap;
use parking_lot::Mutex;
use portcullis_seam::Entropy;
use portcullis_seam::plant::{Bug, planted};
use zeroize::Zeroizing;

use crate::batch::Batch;
use crate::fence::Fences;
use crate::fingerprint::Fingerprint;
use crate::key::{Cipher, IdHash, Key, KeyRecord, Material};
use crate::nonce::Nonces;
use crate::record::{self, FENCE, IDENTITY, KEY, MASKING_KEY, PHASE, SECRET_KEY, USER};
use crate::secret_key::{KeptKey, KeptRecord};
use crate::session::Session;
use crate::user::{APPLIANCE_USER, FIRST_ADMIN, StoredUser, UserName};
use crate::{
    Change, Fence, HsmKeyId, Image, KeyLength, MaskedKey, Refusal, Reply, Role, SessionId,
};

/// What one HSM holds at the most, and how hard its passwords are to guess.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// How much it holds, until [`Hsm::set_limits`] says otherwise.
    pub limits: Limits,
    /// PBKDF2 iterations: 10,000 take some 3 ms, which a connect pays twice an HSM.
    pub password_iterations: NonZeroU32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            password_iterations: NonZeroU32::MIN.saturating_add(9_999),
        }
    }
}

/// How much an HSM holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Limits {
    /// Users (AWS CloudHSM quotas: 1,024 for hsm2m.medium).
    pub users_max: usize,
    /// Keys (AWS CloudHSM quotas: 16,666 for hsm2m.medium). Without a limit by default, so that a
    /// benchmark may have a million.
    pub keys_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            users_max: 1024,
            keys_max: usize::MAX,
        }
    }
}

/// One HSM.
///
/// Management commands are taken one at a time, by the program that runs the HSM; operations run
/// concurrently with them and with each other. Operations meet in two places only: the shards of
/// keys and sessions, read once a batch, and the counter of nonces, an atomic word.
pub struct Hsm {
    pub(crate) settings: Settings,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) keys: DashMap<HsmKeyId, Arc<Key>, IdHash>,
    /// Keys beside the AES keys, apart from them: the fast path has one kind of key only.
    pub(crate) secret_keys: DashMap<HsmKeyId, Arc<KeptKey>, IdHash>,
    pub(crate) sessions: DashMap<SessionId, Arc<Session>, IdHash>,
    pub(crate) nonces: Nonces,
    pub(crate) masking: Cipher,
    pub(crate) state: Mutex<ManagedState>,
    pub(crate) limits: Mutex<Limits>,
    /// Follows `keys`: changed only by commands, read at any time.
    fingerprint: Mutex<Fingerprint>,
}

/// What management commands read and change under one lock. Rule HSM-20: not printable, since it
/// holds secrets.
pub(crate) struct ManagedState {
    pub(crate) phase: ActivationPhase,
    pub(crate) users: BTreeMap<UserName, StoredUser>,
    pub(crate) fences: Fences,
    pub(crate) identity: Option<Zeroizing<Vec<u8>>>,
    masking_record: Zeroizing<Vec<u8>>,
}

/// Whether the first admin has set a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) enum ActivationPhase {
    Unactivated,
    Active,
}

/// The answer to a command, and what must be durable before it is given.
#[derive(Debug)]
pub struct Answer {
    /// The answer for the caller.
    pub result: Result<Reply, Refusal>,
    /// For the disk, first. Also a refusal can change something: a wrong password is counted.
    pub changes: Vec<Change>,
}

/// Records that are not those of an HSM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadError {
    /// The record that is missing or cannot be read.
    pub key: String,
}

impl fmt::Display for LoadError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "the HSM's record {} is missing or cannot be read",
            self.key
        )
    }
}

impl std::error::Error for LoadError {}

/// Data-plane threads meet in these maps; with 128 shards two of them seldom meet in one.
const SHARDS: usize = 128;

impl Hsm {
    /// A factory-new HSM: a masking key of its own and a user who waits to be activated.
    #[must_use]
    pub fn blank(settings: Settings, entropy: Arc<dyn Entropy>) -> Self {
        let masking = Material::draw(KeyLength::Bytes32, &*entropy);
        let first = UserName {
            name: FIRST_ADMIN.to_owned(),
            role: Role::UnactivatedAdmin,
        };
        let appliance = UserName {
            name: APPLIANCE_USER.to_owned(),
            role: Role::ApplianceUser,
        };
        let state = ManagedState {
            phase: ActivationPhase::Unactivated,
            users: BTreeMap::from([
                (first, StoredUser::with(None)),
                (appliance, StoredUser::with(None)),
            ]),
            fences: Fences::default(),
            identity: None,
            masking_record: record::encode(&masking),
        };
        Self::with(settings, entropy, masking.expand(), state)
    }

    /// The HSM whose disk holds `records`. Sessions are gone; a new incarnation begins.
    ///
    /// # Errors
    /// When a record is missing or cannot be read.
    pub fn load(
        settings: Settings,
        entropy: Arc<dyn Entropy>,
        records: impl IntoIterator<Item = (String, Zeroizing<Vec<u8>>)>,
    ) -> Result<Self, LoadError> {
        let mut loading = Loading::default();
        for (key, value) in records {
            loading.take(&key, &value).ok_or(LoadError { key })?;
        }
        loading.finish(settings, entropy)
    }

    /// A new HSM with the content of a backup, and everything it must write to its disk.
    ///
    /// # Errors
    /// When the image lacks something.
    pub fn restore(
        settings: Settings,
        entropy: Arc<dyn Entropy>,
        image: &Image,
    ) -> Result<Self, LoadError> {
        Self::load(settings, entropy, image.0.iter().cloned())
    }

    /// How much it holds from now on. What it holds already stays.
    pub fn set_limits(&self, limits: Limits) {
        *self.limits.lock() = limits;
    }

    fn with(
        settings: Settings,
        entropy: Arc<dyn Entropy>,
        masking: Cipher,
        state: ManagedState,
    ) -> Self {
        Self {
            settings,
            nonces: Nonces::new(&*entropy),
            entropy,
            keys: DashMap::with_hasher_and_shard_amount(IdHash::default(), SHARDS),
            secret_keys: DashMap::with_hasher(IdHash::default()),
            sessions: DashMap::with_hasher_and_shard_amount(IdHash::default(), SHARDS),
            masking,
            state: Mutex::new(state),
            limits: Mutex::new(settings.limits),
            fingerprint: Mutex::default(),
        }
    }

    /// Begins a run of operations, which share their look-ups and nonces.
    #[must_use]
    pub fn batch(&self) -> Batch<'_> {
        Batch::new(self)
    }

    /// Everything the HSM keeps on disk. Call it between two commands.
    #[must_use]
    pub fn records(&self) -> Vec<(String, Zeroizing<Vec<u8>>)> {
        let mut records = self.image().0;
        let state = self.state.lock();
        let fences = state.fences.iter();
        records.extend(fences.map(|f| (record::fence_key(&f.scope), record::encode(&f))));
        records
    }

    /// A backup: everything but what is this one HSM's own. Rule BK-01. Call it between two
    /// commands: it is of an instant only when no command runs beside it.
    #[must_use]
    pub fn image(&self) -> Image {
        let state = self.state.lock();
        let mut records = vec![
            (PHASE.to_owned(), record::encode(&state.phase)),
            (MASKING_KEY.to_owned(), state.masking_record.clone()),
        ];
        let identity = state
            .identity
            .iter()
            .map(|bytes| (IDENTITY.to_owned(), bytes.clone()));
        records.extend(identity);
        let users = state.users.iter();
        records.extend(
            users.map(|(name, user)| (record::user_key(name), record::encode(&(name, user)))),
        );
        for id in self.key_ids() {
            if let Some(key) = self.keys.get(&id) {
                records.push((record::key_key(id), record::encode(&(id, key.record()))));
            }
        }
        let mut kept: Vec<_> = self.secret_keys.iter().map(|entry| *entry.key()).collect();
        kept.sort_unstable();
        for id in kept {
            if let Some(key) = self.secret_keys.get(&id) {
                records.push((record::secret_key(id), record::encode(&(id, key.record()))));
            }
        }
        Image(records)
    }

    /// The cluster certificate and private key, in the form in which they were set.
    #[must_use]
    pub fn identity(&self) -> Option<Zeroizing<Vec<u8>>> {
        self.state.lock().identity.clone()
    }

    /// Installs the cluster certificate and private key.
    pub fn set_identity(&self, identity: &[u8]) -> Vec<Change> {
        let identity = Zeroizing::new(identity.to_vec());
        self.state.lock().identity = Some(identity.clone());
        vec![Change {
            key: IDENTITY.to_owned(),
            value: Some(identity),
        }]
    }

    /// Whether a session is open.
    #[must_use]
    pub fn has_session(&self, id: SessionId) -> bool {
        self.sessions.contains_key(&id)
    }

    /// Ends a session, as a logout does, at any time: sessions are in memory only.
    pub fn end_session(&self, id: SessionId) {
        if let Some((_, session)) = self.sessions.remove(&id) {
            session.end();
        }
    }

    /// The keys it holds, in order.
    #[must_use]
    pub fn key_ids(&self) -> Vec<HsmKeyId> {
        let mut ids: Vec<HsmKeyId> = self.keys.iter().map(|entry| *entry.key()).collect();
        ids.sort_unstable();
        ids
    }

    /// The keys it holds, in order, each with the revision it is in.
    #[must_use]
    pub fn key_revisions(&self) -> Vec<(HsmKeyId, u64)> {
        let keys = self.keys.iter();
        let mut revisions: Vec<_> = keys.map(|key| (*key.key(), key.revision)).collect();
        revisions.sort_unstable();
        revisions
    }

    /// Which keys it holds in which revisions, as one number that is cheap to compare.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        *self.fingerprint.lock()
    }

    /// A key for another HSM of the cluster: what the appliance user does to keep them in step.
    #[must_use]
    pub fn export_masked(&self, id: HsmKeyId) -> Option<MaskedKey> {
        let key = Arc::clone(&*self.keys.get(&id)?);
        key.mask(id, &self.masking, &*self.entropy).ok()
    }

    /// Takes a key over from another HSM of the cluster; one that it has in this state or a later
    /// one stays as it is. Like [`manage`](Self::manage), for one caller at a time.
    #[must_use]
    pub fn import_masked(&self, masked: &MaskedKey) -> Answer {
        match Key::unmask(masked, &self.masking) {
            Ok((id, key)) => self.insert(id, key),
            Err(refusal) => Answer {
                result: Err(refusal),
                changes: Vec::new(),
            },
        }
    }

    /// Removes a key that was deleted on another HSM of the cluster: the appliance user's part of
    /// a deletion that did not reach this HSM.
    #[must_use]
    pub fn remove_key(&self, id: HsmKeyId) -> Vec<Change> {
        let removed = self.keys.remove(&id);
        removed
            .map(|(_, key)| {
                self.fingerprint.lock().remove(id, key.revision);
                record::remove(record::key_key(id))
            })
            .into_iter()
            .collect()
    }

    /// Rule HSM-11: inserting a key that is there in the same or a later state changes nothing.
    pub(crate) fn insert(&self, id: HsmKeyId, key: Key) -> Answer {
        let present = self.keys.get(&id).map(|present| present.revision);
        if present.is_some_and(|revision| revision >= key.revision) {
            return Answer {
                result: Ok(Reply::Done),
                changes: Vec::new(),
            };
        }
        if present.is_none() && self.keys.len() >= self.limits.lock().keys_max {
            return Answer {
                result: Err(Refusal::Full),
                changes: Vec::new(),
            };
        }
        Answer {
            result: Ok(Reply::Done),
            changes: vec![self.place(id, key)],
        }
    }

    /// Puts a key in, in the place of an earlier state of it.
    pub(crate) fn place(&self, id: HsmKeyId, key: Key) -> Change {
        let change = record::put(record::key_key(id), &(id, key.record()));
        self.keep(id, key);
        change
    }

    fn keep(&self, id: HsmKeyId, key: Key) {
        let revision = key.revision;
        let earlier = self.keys.insert(id, Arc::new(key));
        let mut fingerprint = self.fingerprint.lock();
        if let Some(earlier) = earlier {
            fingerprint.remove(id, earlier.revision);
        }
        fingerprint.add(id, revision);
    }

    /// How many users, keys and sessions there are.
    #[must_use]
    pub fn counts(&self) -> (usize, usize, usize) {
        (
            self.state.lock().users.len(),
            self.keys.len(),
            self.sessions.len(),
        )
    }
}

impl fmt::Debug for Hsm {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (users, keys, sessions) = self.counts();
        write!(
            formatter,
            "Hsm({users} users, {keys} keys, {sessions} sessions)"
        )
    }
}

/// An HSM as far as its records have been read.
#[derive(Default)]
struct Loading {
    phase: Option<ActivationPhase>,
    masking: Option<(Material, Zeroizing<Vec<u8>>)>,
    identity: Option<Zeroizing<Vec<u8>>>,
    users: BTreeMap<UserName, StoredUser>,
    keys: Vec<(HsmKeyId, Key)>,
    secret_keys: Vec<(HsmKeyId, KeptKey)>,
    fences: Fences,
}

impl Loading {
    /// Takes one record; none when it cannot be read.
    fn take(&mut self, key: &str, value: &[u8]) -> Option<()> {
        if key == PHASE {
            self.phase = Some(record::decode(value)?);
        } else if key == MASKING_KEY {
            self.masking = Some((record::decode(value)?, Zeroizing::new(value.to_vec())));
        } else if key == IDENTITY {
            self.identity = Some(Zeroizing::new(value.to_vec()));
        } else if key.starts_with(USER) {
            let (name, user): (UserName, StoredUser) = record::decode(value)?;
            self.users.insert(name, user);
        } else if key.starts_with(KEY) {
            let (id, key): (HsmKeyId, KeyRecord) = record::decode(value)?;
            self.keys.push((id, Key::from_record(key)));
        } else if key.starts_with(SECRET_KEY) {
            let (id, record): (HsmKeyId, KeptRecord) = record::decode(value)?;
            self.secret_keys.push((id, KeptKey::from_record(record)));
        } else if key.starts_with(FENCE) {
            // Rule HSM-07: what was refused stays refused after a restart.
            let fence: Fence = record::decode(value)?;
            if !planted(Bug::FenceLostAtRestart) {
                self.fences.restore(fence);
            }
        } else {
            return None;
        }
        Some(())
    }

    fn finish(self, settings: Settings, entropy: Arc<dyn Entropy>) -> Result<Hsm, LoadError> {
        let missing = |key: &str| LoadError {
            key: key.to_owned(),
        };
        let (masking, masking_record) = self.masking.ok_or_else(|| missing(MASKING_KEY))?;
        let state = ManagedState {
            phase: self.phase.ok_or_else(|| missing(PHASE))?,
            users: self.users,
            fences: self.fences,
            identity: self.identity,
            masking_record,
        };
        let hsm = Hsm::with(settings, entropy, masking.expand(), state);
        for (id, key) in self.keys {
            hsm.keep(id, key);
        }
        for (id, key) in self.secret_keys {
            hsm.secret_keys.insert(id, Arc::new(key));
        }
        Ok(hsm)
    }
}
