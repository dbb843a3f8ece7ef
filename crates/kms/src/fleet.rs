//! The built-in fleet: the HSM behind keys of origin AWS_KMS, called in process.

use std::fmt;
use std::sync::Arc;

use data_encoding::HEXLOWER;
use portcullis_hsm::{
    Answer, Call, Change, Command, Hsm, HsmKeyId, KeyKind, KeyTemplate, Operation, Output, Reply,
    Role, Secret, SecretKey, SessionId, Task,
};
use portcullis_seam::{WorkClass, draw};
use portcullis_store::{StoreError, Transaction};
use portcullis_wiped::Wiped;
use zeroize::Zeroizing;

use crate::config::{KmsConfig, OpenError};
use crate::key_store::Failure;

/// Its records in KMS's own store, each sealed under the device key.
const PREFIX: &str = "fleet/";

/// Where the password of its one user is.
const PASSWORD: &str = "fleet-password";

const USER: &str = "kms";

/// The fleet.
pub(crate) struct Fleet {
    hsm: Arc<Hsm>,
    session: SessionId,
    /// Commands one at a time, as an HSM wants them.
    managing: tokio::sync::Mutex<()>,
}

impl Fleet {
    /// Loads the fleet, or makes it the first time.
    pub(crate) async fn open(config: &KmsConfig) -> Result<Self, OpenError> {
        let (hsm, password) = match config.store.get(PASSWORD) {
            Some(record) => {
                let opened = config.device_key.open(PASSWORD, &record.value);
                let password = opened.map_err(OpenError::new)?;
                (load(config)?, password)
            }
            None => make(config).await?,
        };
        let password = std::str::from_utf8(&password).map_err(OpenError::new)?;
        let login = Command::Login {
            username: USER.to_owned(),
            role: Role::CryptoUser,
            password: Secret::new(password),
            fence: None,
            exclusive: false,
            holder: 0,
        };
        match hsm.manage(login).result {
            Ok(Reply::Session(session)) => Ok(Self {
                hsm: Arc::new(hsm),
                session,
                managing: tokio::sync::Mutex::default(),
            }),
            other => Err(OpenError::new(format!(
                "the built-in fleet refuses: {other:?}"
            ))),
        }
    }

    /// Makes a key.
    pub(crate) async fn create_key(
        &self,
        config: &KmsConfig,
        id: HsmKeyId,
        label: String,
    ) -> Result<(), Failure> {
        let session = self.session;
        let template = KeyTemplate::sealing(id, label);
        let generate = Command::GenerateKey {
            session,
            id,
            template,
        };
        self.manage(config, generate).await
    }

    /// Makes many keys, written in one commit.
    pub(crate) async fn create_keys(
        &self,
        config: &KmsConfig,
        keys: impl Iterator<Item = (HsmKeyId, String)> + Send,
    ) -> Result<(), Failure> {
        let _one_at_a_time = self.managing.lock().await;
        config.store.check_writable().map_err(Failure::NotStored)?;
        let session = self.session;
        let mut made = Vec::new();
        for (id, label) in keys {
            let template = KeyTemplate::sealing(id, label);
            let generate = Command::GenerateKey {
                session,
                id,
                template,
            };
            let Answer { result, changes } = self.hsm.manage(generate);
            result.map_err(Failure::Refused)?;
            made.extend(changes);
        }
        write(config, made).await.map_err(Failure::NotStored)
    }

    /// Takes AES key material in; a key that is there under this id stays.
    pub(crate) async fn import_key(
        &self,
        config: &KmsConfig,
        id: HsmKeyId,
        label: String,
        bytes: &[u8],
    ) -> Result<(), Failure> {
        let template = KeyTemplate::sealing(id, label);
        let _one_at_a_time = self.managing.lock().await;
        config.store.check_writable().map_err(Failure::NotStored)?;
        let answer = self.hsm.import_key(self.session, id, template, bytes);
        carry_out(config, answer).await
    }

    /// Makes a key that is not an AES key; a long work is done by a worker.
    pub(crate) async fn create_secret_key(
        &self,
        config: &KmsConfig,
        id: HsmKeyId,
        kind: KeyKind,
    ) -> Result<(), Failure> {
        let entropy = Arc::clone(&config.entropy);
        let make = move || SecretKey::generate(kind, &*entropy);
        let made = config
            .work_with(kind, WorkClass::KeyGeneration, make)
            .await?;
        self.keep_secret_key(config, id, made.map_err(Failure::Refused)?)
            .await
    }

    /// Takes a key in that is not an AES key.
    pub(crate) async fn keep_secret_key(
        &self,
        config: &KmsConfig,
        id: HsmKeyId,
        key: SecretKey,
    ) -> Result<(), Failure> {
        let _one_at_a_time = self.managing.lock().await;
        config.store.check_writable().map_err(Failure::NotStored)?;
        let answer = self.hsm.keep_secret_key(self.session, id, key);
        carry_out(config, answer).await
    }

    /// Uses a key that is not an AES key; a long work is done by a worker.
    pub(crate) async fn perform(
        &self,
        config: &KmsConfig,
        kind: KeyKind,
        id: HsmKeyId,
        task: Task,
    ) -> Result<Output, Failure> {
        let (hsm, session) = (Arc::clone(&self.hsm), self.session);
        let performed = match &task {
            // It is kept beside the key: nothing is computed.
            Task::PublicKey => hsm.perform(session, id, &task),
            Task::Sign { .. }
            | Task::Verify { .. }
            | Task::Mac { .. }
            | Task::VerifyMac { .. }
            | Task::Agree { .. }
            | Task::Encapsulate
            | Task::Decapsulate { .. }
            | Task::Encrypt { .. }
            | Task::Decrypt { .. } => {
                let run = move || hsm.perform(session, id, &task);
                config.work_with(kind, WorkClass::Asymmetric, run).await?
            }
        };
        performed.map_err(Failure::Refused)
    }

    /// Deletes a key of whichever kind.
    pub(crate) async fn delete_key(&self, config: &KmsConfig, id: HsmKeyId) -> Result<(), Failure> {
        let session = self.session;
        self.manage(config, Command::DeleteKey { session, id })
            .await?;
        let _one_at_a_time = self.managing.lock().await;
        carry_out(config, self.hsm.remove_secret_key(session, id)).await
    }

    /// Rule ST-24: what cannot be written is not done.
    async fn manage(&self, config: &KmsConfig, command: Command) -> Result<(), Failure> {
        let _one_at_a_time = self.managing.lock().await;
        config.store.check_writable().map_err(Failure::NotStored)?;
        carry_out(config, self.hsm.manage(command)).await
    }

    /// Runs an operation here and now.
    pub(crate) fn execute(&self, operation: Operation<'_>) -> Result<Output, Failure> {
        let mut out = Wiped::default();
        let call = Call {
            session: self.session,
            operation,
        };
        self.hsm
            .batch()
            .run(&call, out.vec())
            .map_err(Failure::Refused)?;
        Ok(Output(out))
    }
}

impl fmt::Debug for Fleet {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Fleet({:?})", self.hsm)
    }
}

/// Makes the changes durable before the answer counts.
async fn carry_out(config: &KmsConfig, answer: Answer) -> Result<(), Failure> {
    let Answer { result, changes } = answer;
    write(config, changes).await.map_err(Failure::NotStored)?;
    result.map(|_reply| ()).map_err(Failure::Refused)
}

/// A password and the HSM whose user has it.
type Made = (Hsm, Zeroizing<Vec<u8>>);

async fn make(config: &KmsConfig) -> Result<Made, OpenError> {
    let hsm = Hsm::blank(config.hsm_settings, Arc::clone(&config.entropy));
    let bits: Zeroizing<[u8; 16]> = Zeroizing::new(draw(&*config.entropy));
    let password = Zeroizing::new(HEXLOWER.encode(&*bits).into_bytes());
    let secret = || Secret::new(String::from_utf8_lossy(&password));
    let refused = |why| OpenError::new(format!("the built-in fleet refuses: {why}"));
    hsm.manage(Command::Activate { password: secret() })
        .result
        .map_err(refused)?;
    let login = Command::Login {
        username: "admin".to_owned(),
        role: Role::Admin,
        password: secret(),
        fence: None,
        exclusive: false,
        holder: 0,
    };
    if let Reply::Session(session) = hsm.manage(login).result.map_err(refused)? {
        let create = Command::CreateUser {
            session,
            username: USER.to_owned(),
            role: Role::CryptoUser,
            password: secret(),
        };
        hsm.manage(create).result.map_err(refused)?;
    }
    let records = hsm.records().into_iter();
    let changes = records
        .map(|(key, value)| Change {
            key,
            value: Some(value),
        })
        .collect();
    write(config, changes).await?;
    if !config.store.is_replica() {
        let sealed = config
            .device_key
            .seal(PASSWORD, &password, &*config.entropy);
        config
            .store
            .commit(Transaction::new().put(PASSWORD, sealed))
            .await?;
    }
    Ok((hsm, password))
}

fn load(config: &KmsConfig) -> Result<Hsm, OpenError> {
    let mut records = Vec::new();
    for (name, record) in config.store.scan(PREFIX, None, usize::MAX) {
        let opened = config
            .device_key
            .open(&name, &record.value)
            .map_err(OpenError::new)?;
        let key = name.strip_prefix(PREFIX).unwrap_or(&name).to_owned();
        records.push((key, opened));
    }
    Hsm::load(config.hsm_settings, Arc::clone(&config.entropy), records).map_err(OpenError::new)
}

async fn write(config: &KmsConfig, changes: Vec<Change>) -> Result<(), StoreError> {
    // Rule SHARE-06: one that is not there for all facades is there for none.
    if changes.is_empty() || config.store.is_replica() {
        return Ok(());
    }
    let mut transaction = Transaction::new();
    for change in changes {
        let name = format!("{PREFIX}{}", change.key);
        transaction = match change.value {
            Some(value) => {
                let sealed = config.device_key.seal(&name, &value, &*config.entropy);
                transaction.put(name, sealed)
            }
            None => transaction.delete(name),
        };
    }
    let written = config.store.commit(transaction.pressing()).await;
    written.map(|_revision| ())
}
