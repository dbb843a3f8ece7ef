//! What each command about keys may do, and does.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::key::{Description, Key, Material};
use crate::nonce::NonceLease;
use crate::record;
use crate::session::Session;
use crate::user::UserName;
use crate::{
    Answer, AttributeChange, Attributes, Change, Criterion, Flag, Flags, Hsm, HsmKeyId, KeyAction,
    KeyInfo, KeyTemplate, MaskedKey, Mechanism, Refusal, Reply, Role, SessionId,
};

/// Keys in one reply: the CloudHSM CLI pages beyond that.
const LISTED_KEYS_MAX: usize = 1000;

/// Bytes of keys in one reply, which with the last key fit the largest answer of the link.
const LISTED_BYTES_MAX: usize = 192 << 10;

/// Labels (CloudHSM User Guide, key generate-symmetric aes). KMS labels a key with its ARN, some
/// 80 characters.
const LABEL_BYTES_MAX: usize = 127;

/// An assumption; KMS's own are 16.
const ID_BYTES_MAX: usize = 64;

/// Users with whom a key is shared: an assumption that keeps a listed key small.
const SHARED_USERS_MAX: usize = 64;

impl Hsm {
    pub(crate) fn generate_key(
        &self,
        session: SessionId,
        id: HsmKeyId,
        template: KeyTemplate,
        changes: &mut Vec<Change>,
    ) -> Result<Reply, Refusal> {
        let session = self.crypto_session(session)?;
        if let Some(key) = self.key(id) {
            if key.owner != session.owner || key.attributes.label != template.attributes.label {
                return Err(Refusal::NotPermitted);
            }
            return self.masked(id, &key);
        }
        let material = Material::draw(template.length, &*self.entropy);
        let description = self.describe(&session, template, KeyOrigin::Generated)?;
        let key = Key::owned_by(Arc::clone(&session.owner), material, description);
        self.add(id, key, changes)
    }

    /// Takes AES key material from outside in as a key of the session's crypto user; one that is
    /// there under this id stays. Like [`manage`](Self::manage), for one caller at a time.
    #[must_use]
    pub fn import_key(
        &self,
        session: SessionId,
        id: HsmKeyId,
        template: KeyTemplate,
        bytes: &[u8],
    ) -> Answer {
        let mut changes = Vec::new();
        let result = self.take_in(session, id, template, bytes).map(|change| {
            changes.extend(change);
            Reply::Done
        });
        Answer { result, changes }
    }

    fn take_in(
        &self,
        session: SessionId,
        id: HsmKeyId,
        template: KeyTemplate,
        bytes: &[u8],
    ) -> Result<Vec<Change>, Refusal> {
        let session = self.crypto_session(session)?;
        if let Some(key) = self.key(id) {
            check_owner(&key, &session)?;
            return Ok(Vec::new());
        }
        let material = Material::from_slice(bytes).ok_or(Refusal::BadLength)?;
        let description = self.describe(&session, template, KeyOrigin::Unwrapped)?;
        let key = Key::owned_by(Arc::clone(&session.owner), material, description);
        let mut changes = Vec::new();
        self.add(id, key, &mut changes)?;
        Ok(changes)
    }

    /// Rule HSM-26: only under the session of its owner or of an admin, and only where its owner
    /// and the users it is shared with exist.
    pub(crate) fn insert_masked(
        &self,
        session: SessionId,
        masked: &MaskedKey,
        changes: &mut Vec<Change>,
    ) -> Result<Reply, Refusal> {
        let session = self.key_session(session)?;
        let (id, key) = Key::unmask(masked, &self.masking)?;
        if session.user.role != Role::Admin && key.owner != session.owner {
            return Err(Refusal::NotPermitted);
        }
        self.check_crypto_user(&key.owner)?;
        for user in &key.shared_users {
            self.check_crypto_user(user)?;
        }
        let answer = self.insert(id, key);
        changes.extend(answer.changes);
        answer.result
    }

    pub(crate) fn delete_key(
        &self,
        session: SessionId,
        id: HsmKeyId,
        changes: &mut Vec<Change>,
    ) -> Result<Reply, Refusal> {
        let session = self.crypto_session(session)?;
        let Some(key) = self.key(id) else {
            return Ok(Reply::Done);
        };
        check_owner(&key, &session)?;
        check_flag(&key, Flag::Destroyable)?;
        changes.extend(self.remove_key(id));
        Ok(Reply::Done)
    }

    pub(crate) fn list_keys(
        &self,
        session: SessionId,
        criteria: &[Criterion],
        after: Option<HsmKeyId>,
        limit: u16,
    ) -> Result<Reply, Refusal> {
        let session = self.session(session)?;
        let all = session.user.role == Role::Admin;
        let limit = usize::from(limit).min(LISTED_KEYS_MAX);
        let wanted = self.keys.iter().filter(|key| {
            (all || key.is_used_by(&session.owner))
                && after.is_none_or(|after| *key.key() > after)
                && criteria
                    .iter()
                    .all(|criterion| key.meets(*key.key(), criterion))
        });
        let mut ids: Vec<HsmKeyId> = wanted.map(|key| *key.key()).collect();
        if ids.len() > limit {
            // The page's ids come first; only they are worth sorting.
            ids.select_nth_unstable(limit);
            ids.truncate(limit);
        }
        ids.sort_unstable();
        let mut bytes = 0;
        let infos = ids
            .into_iter()
            .filter_map(|id| Some(self.key(id)?.info(id)));
        let page = infos.take_while(|info| {
            let fits = bytes < LISTED_BYTES_MAX;
            bytes += record::size(info);
            fits
        });
        Ok(Reply::Keys(page.collect::<Vec<KeyInfo>>()))
    }

    /// Carries out what is done to one key.
    pub(crate) fn act_on_key(
        &self,
        session: SessionId,
        id: HsmKeyId,
        action: KeyAction,
        changes: &mut Vec<Change>,
    ) -> Result<Reply, Refusal> {
        let session = self.key_session(session)?;
        match action {
            KeyAction::Fetch => {
                let key = self.find_key(id, &session)?;
                if session.user.role != Role::Admin {
                    check_owner(&key, &session)?;
                }
                self.masked(id, &key)
            }
            KeyAction::SetAttribute(change) => self.set_attribute(&session, id, change, changes),
            KeyAction::Share { username } => self.share(&session, id, &username, changes),
            KeyAction::Unshare { username } => self.unshare(&session, id, &username, changes),
            KeyAction::Wrap {
                wrapping,
                mechanism,
            } => self.wrap_key(&session, id, wrapping, &mechanism),
            KeyAction::Unwrap {
                wrapping,
                mechanism,
                iv,
                wrapped,
                template,
            } => {
                check_crypto(&session)?;
                let wrapping = self.find_key(wrapping, &session)?;
                check_flag(&wrapping, Flag::Unwrap)?;
                let material = wrapping.unwrap(&mechanism, &iv, &wrapped)?;
                let description = self.describe(&session, template, KeyOrigin::Unwrapped)?;
                let key = Key::owned_by(Arc::clone(&session.owner), material, description);
                self.add(id, key, changes)
            }
        }
    }

    /// Rule HSM-24: the owner changes what may be changed while the key is modifiable; an admin
    /// changes `trusted` and nothing else.
    fn set_attribute(
        &self,
        session: &Session,
        id: HsmKeyId,
        change: AttributeChange,
        changes: &mut Vec<Change>,
    ) -> Result<Reply, Refusal> {
        let key = self.find_key(id, session)?;
        let trusting = matches!(change, AttributeChange::Flag(Flag::Trusted, _));
        if (session.user.role == Role::Admin) != trusting {
            return Err(Refusal::NotPermitted);
        }
        if !trusting {
            check_owner(&key, session)?;
            check_flag(&key, Flag::Modifiable)?;
        }
        let mut attributes = key.attributes.clone();
        match change {
            AttributeChange::Label(label) => attributes.label = label,
            AttributeChange::Id(bytes) => attributes.id = bytes,
            AttributeChange::Flag(flag, value) => {
                if !trusting && !flag.may_become(value) {
                    return Err(Refusal::AttributeFixed);
                }
                attributes.flags = attributes.flags.with(flag, value);
            }
        }
        check_lengths(&attributes)?;
        if attributes != key.attributes {
            let changed = key.changed(|description| description.attributes = attributes);
            changes.push(self.place(id, changed));
        }
        Ok(Reply::Done)
    }

    /// Rule HSM-23: the owner shares a key with other crypto users of the HSM.
    fn share(
        &self,
        session: &Session,
        id: HsmKeyId,
        username: &str,
        changes: &mut Vec<Change>,
    ) -> Result<Reply, Refusal> {
        let key = self.find_key(id, session)?;
        check_owner(&key, session)?;
        let user = self.check_crypto_user(username)?;
        if user == *key.owner || key.shared_users.contains(&user) {
            return Ok(Reply::Done);
        }
        if key.shared_users.len() >= SHARED_USERS_MAX {
            return Err(Refusal::Full);
        }
        let changed = key.changed(|description| {
            description.shared_users.insert(user);
        });
        changes.push(self.place(id, changed));
        Ok(Reply::Done)
    }

    fn unshare(
        &self,
        session: &Session,
        id: HsmKeyId,
        username: &str,
        changes: &mut Vec<Change>,
    ) -> Result<Reply, Refusal> {
        let key = self.find_key(id, session)?;
        check_owner(&key, session)?;
        let user = UserName::parse(username, Role::CryptoUser)?.name;
        changes.extend(self.unshare_with(id, &key, &user));
        Ok(Reply::Done)
    }

    /// Takes every use back from a user who is being deleted: another one of the same name later
    /// is another user.
    pub(crate) fn unshare_all(&self, user: &str) -> Vec<Change> {
        let ids = self.key_ids().into_iter();
        let found = ids.filter_map(|id| Some((id, self.key(id)?)));
        found
            .filter_map(|(id, key)| self.unshare_with(id, &key, user))
            .collect()
    }

    fn unshare_with(&self, id: HsmKeyId, key: &Key, user: &str) -> Option<Change> {
        key.shared_users.contains(user).then(|| {
            let changed = key.changed(|description| {
                description.shared_users.remove(user);
            });
            self.place(id, changed)
        })
    }

    /// Rule HSM-25: the owner wraps an extractable key, under a key that may wrap and that is
    /// trusted where the wrapped one demands it.
    fn wrap_key(
        &self,
        session: &Session,
        id: HsmKeyId,
        wrapping: HsmKeyId,
        mechanism: &Mechanism,
    ) -> Result<Reply, Refusal> {
        let payload = self.find_key(id, session)?;
        check_owner(&payload, session)?;
        check_flag(&payload, Flag::Extractable)?;
        let wrapping = self.find_key(wrapping, session)?;
        check_flag(&wrapping, Flag::Wrap)?;
        if payload.attributes.flags.has(Flag::WrapWithTrusted) {
            check_flag(&wrapping, Flag::Trusted)?;
        }
        let nonce = self.nonces.next(&mut NonceLease::default());
        let (iv, data) = wrapping.wrap(&payload.material, mechanism, nonce)?;
        Ok(Reply::Wrapped { iv, data })
    }

    /// What a new key's record says, with the attributes that no user chooses.
    fn describe(
        &self,
        session: &Session,
        template: KeyTemplate,
        origin: KeyOrigin,
    ) -> Result<Description, Refusal> {
        let mut attributes = template.attributes;
        check_lengths(&attributes)?;
        attributes.flags = origin.complete(attributes.flags);
        let mut shared_users = BTreeSet::new();
        for user in &template.shared_users {
            shared_users.insert(self.check_crypto_user(user)?);
        }
        shared_users.remove(&*session.owner);
        if shared_users.len() > SHARED_USERS_MAX {
            return Err(Refusal::Full);
        }
        Ok(Description {
            owner: session.owner.to_string(),
            shared_users,
            attributes,
            revision: 0,
        })
    }

    /// Puts a new key in and answers with its masked form.
    fn add(&self, id: HsmKeyId, key: Key, changes: &mut Vec<Change>) -> Result<Reply, Refusal> {
        let reply = self.masked(id, &key)?;
        let answer = self.insert(id, key);
        changes.extend(answer.changes);
        answer.result.map(|_done| reply)
    }

    fn masked(&self, id: HsmKeyId, key: &Key) -> Result<Reply, Refusal> {
        let masked = key.mask(id, &self.masking, &*self.entropy)?;
        Ok(Reply::Key(masked))
    }

    /// A session that may ask about keys: a crypto user's or an admin's.
    fn key_session(&self, id: SessionId) -> Result<Arc<Session>, Refusal> {
        let session = self.session(id)?;
        match session.user.role {
            Role::Admin => Ok(session),
            Role::CryptoUser => {
                session.check_usable()?;
                Ok(session)
            }
            Role::UnactivatedAdmin | Role::ApplianceUser => Err(Refusal::NotPermitted),
        }
    }

    /// Rule HSM-09: to whom a key neither belongs nor is shared with, it does not exist.
    fn find_key(&self, id: HsmKeyId, session: &Session) -> Result<Arc<Key>, Refusal> {
        let seen =
            |key: &Arc<Key>| session.user.role == Role::Admin || key.is_used_by(&session.owner);
        self.key(id).filter(seen).ok_or(Refusal::NoSuchKey)
    }

    fn key(&self, id: HsmKeyId) -> Option<Arc<Key>> {
        self.keys.get(&id).map(|key| Arc::clone(&*key))
    }

    /// The name as users have it, if there is such a crypto user.
    fn check_crypto_user(&self, name: &str) -> Result<String, Refusal> {
        let user = UserName::parse(name, Role::CryptoUser)?;
        if self.state.lock().users.contains_key(&user) {
            Ok(user.name)
        } else {
            Err(Refusal::NoSuchUser)
        }
    }
}

/// How a key came into being.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum KeyOrigin {
    Generated,
    Unwrapped,
}

impl KeyOrigin {
    /// The flags of a new key: those chosen, and those that tell its history.
    const fn complete(self, chosen: Flags) -> Flags {
        let local = matches!(self, Self::Generated);
        let sensitive = chosen.has(Flag::Sensitive);
        let extractable = chosen.has(Flag::Extractable);
        chosen
            .with(Flag::Local, local)
            .with(Flag::AlwaysSensitive, local && sensitive)
            .with(Flag::NeverExtractable, local && !extractable)
            .with(Flag::Token, true)
            .with(Flag::Trusted, false)
    }
}

/// To a user with whom the key is shared it exists, but is not theirs.
fn check_owner(key: &Key, session: &Session) -> Result<(), Refusal> {
    check_crypto(session)?;
    if key.owner == session.owner {
        Ok(())
    } else if key.is_used_by(&session.owner) {
        Err(Refusal::NotOwner)
    } else {
        Err(Refusal::NoSuchKey)
    }
}

fn check_crypto(session: &Session) -> Result<(), Refusal> {
    match session.user.role {
        Role::CryptoUser => Ok(()),
        Role::Admin | Role::UnactivatedAdmin | Role::ApplianceUser => Err(Refusal::NotPermitted),
    }
}

fn check_flag(key: &Key, flag: Flag) -> Result<(), Refusal> {
    if key.attributes.flags.has(flag) {
        Ok(())
    } else {
        Err(Refusal::KeyForbids)
    }
}

const fn check_lengths(attributes: &Attributes) -> Result<(), Refusal> {
    if attributes.label.len() > LABEL_BYTES_MAX || attributes.id.len() > ID_BYTES_MAX {
        Err(Refusal::BadLength)
    } else {
        Ok(())
    }
}
