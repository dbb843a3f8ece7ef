//! How an HSM keeps these keys, and who may use them. Rule CRY-20: by themselves, with no masked form.

use std::sync::Arc;

use aws_lc_rs::hmac;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::expand::Expanded;
use super::{KeyKind, SecretKey, Task};
use crate::hsm::Answer;
use crate::record;
use crate::{Change, Hsm, HsmKeyId, Output, Refusal, Reply, Role, SessionId};

/// A key in an HSM.
pub(crate) struct KeptKey {
    owner: Arc<str>,
    key: SecretKey,
}

/// A key as its record has it.
#[derive(Serialize, Deserialize)]
pub(crate) struct KeptRecord {
    owner: String,
    kind: KeyKind,
    secret: Zeroizing<Vec<u8>>,
    public: Vec<u8>,
}

impl KeptKey {
    pub(crate) fn record(&self) -> KeptRecord {
        KeptRecord {
            owner: self.owner.to_string(),
            kind: self.key.kind(),
            secret: Zeroizing::new(self.key.secret().to_vec()),
            public: self.key.public_key().to_vec(),
        }
    }

    pub(crate) fn from_record(record: KeptRecord) -> Self {
        Self {
            owner: Arc::from(record.owner),
            key: SecretKey::of_record(record.kind, record.secret, record.public),
        }
    }
}

impl Hsm {
    /// Takes a key in as the property of the session's crypto user; one that is there under this
    /// id stays. Like [`manage`](Self::manage), for one caller at a time.
    #[must_use]
    pub fn keep_secret_key(&self, session: SessionId, id: HsmKeyId, key: SecretKey) -> Answer {
        let answer = |result, changes| Answer { result, changes };
        let owner = match self.crypto_owner(session) {
            Ok(owner) => owner,
            Err(refusal) => return answer(Err(refusal), Vec::new()),
        };
        if self.secret_keys.contains_key(&id) {
            return answer(Ok(Reply::Done), Vec::new());
        }
        if self.keys.len() + self.secret_keys.len() >= self.settings.limits.keys_max {
            return answer(Err(Refusal::Full), Vec::new());
        }
        let kept = KeptKey { owner, key };
        let change = record::put(record::secret_key(id), &(id, kept.record()));
        self.secret_keys.insert(id, Arc::new(kept));
        answer(Ok(Reply::Done), vec![change])
    }

    /// Removes a key; done also when there is none.
    #[must_use]
    pub fn remove_secret_key(&self, session: SessionId, id: HsmKeyId) -> Answer {
        let removed = self.owned(session, id).map(|_owned| {
            self.secret_keys.remove(&id);
            vec![record::remove(record::secret_key(id))]
        });
        let (result, changes): (_, Vec<Change>) = match removed {
            Ok(changes) => (Ok(Reply::Done), changes),
            Err(Refusal::NoSuchKey) => (Ok(Reply::Done), Vec::new()),
            Err(refusal) => (Err(refusal), Vec::new()),
        };
        Answer { result, changes }
    }

    /// Uses a key. Takes as long as the algorithm: for a kind that [`is_slow`](KeyKind::is_slow)
    /// call it from a worker.
    ///
    /// # Errors
    /// As the [`Task`] says; `NoSuchKey` for a key of another user too. Rule HSM-09.
    pub fn perform(
        &self,
        session: SessionId,
        id: HsmKeyId,
        task: &Task,
    ) -> Result<Output, Refusal> {
        let kept = self.owned(session, id)?;
        let key = &kept.key;
        match task {
            Task::Sign { algorithm, message } => key.sign(*algorithm, message),
            Task::Verify {
                algorithm,
                message,
                signature,
            } => key.verify(*algorithm, message, signature),
            Task::Mac { message } => {
                let tag = hmac::sign(key.hmac()?, message);
                Ok(Output(tag.as_ref().to_vec().into()))
            }
            Task::VerifyMac { message, mac } => hmac::verify(key.hmac()?, message, mac)
                .map(|()| Output::default())
                .map_err(|_| Refusal::NotAuthentic),
            Task::Agree { public_key } => key.agree(public_key),
            Task::Encapsulate => key.encapsulate(),
            Task::Decapsulate { ciphertext } => key.decapsulate(ciphertext),
            Task::Encrypt { hash, plaintext } => key.encrypt(*hash, plaintext),
            Task::Decrypt { hash, ciphertext } => key.decrypt(*hash, ciphertext),
            Task::PublicKey if key.public_key().is_empty() => Err(Refusal::KeyForbids),
            Task::PublicKey => Ok(Output(key.public_key().to_vec().into())),
        }
    }

    /// How many of these keys there are.
    #[must_use]
    pub fn secret_key_count(&self) -> usize {
        self.secret_keys.len()
    }

    fn owned(&self, session: SessionId, id: HsmKeyId) -> Result<Arc<KeptKey>, Refusal> {
        let owner = self.crypto_owner(session)?;
        let found = self.secret_keys.get(&id).map(|kept| Arc::clone(&*kept));
        found
            .filter(|kept| kept.owner == owner)
            .ok_or(Refusal::NoSuchKey)
    }

    fn crypto_owner(&self, id: SessionId) -> Result<Arc<str>, Refusal> {
        let session = self.sessions.get(&id).ok_or(Refusal::NoSession)?;
        if session.user.role != Role::CryptoUser {
            return Err(Refusal::NotPermitted);
        }
        session.check_usable()?;
        Ok(Arc::clone(&session.owner))
    }
}

impl SecretKey {
    pub(super) fn hmac(&self) -> Result<&hmac::Key, Refusal> {
        match self.expanded()? {
            Expanded::Hmac(key) => Ok(key),
            Expanded::Rsa(_)
            | Expanded::Ec { .. }
            | Expanded::Ed25519(_)
            | Expanded::MlDsa(_)
            | Expanded::MlKem(_) => Err(Refusal::KeyForbids),
        }
    }
}
