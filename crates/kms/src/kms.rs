use std::fmt;
use std::sync::Arc;

use portcullis_api::kms::{
    self, CreateCustomKeyStoreRequest, CreateCustomKeyStoreResponse, CreateKeyRequest,
    CreateKeyResponse,
};
use portcullis_api::{Exception, KeyId, KeyStoreId, Operation, Scope, Service};

use crate::access::{AccessGuard, Concern, Concerns, Principal, RequestOrigin};
use crate::alias::Aliases;
use crate::config::{KmsConfig, OpenError};
use crate::crypto::{Cryptography, DataKeys, Executor, Recipients};
use crate::events::{EventListener, Events};
use crate::fleet::Fleet;
use crate::grant::Grants;
use crate::key::{
    KeyCreation, KeyDeletion, KeyDescription, KeyRotation, Keys, LastUses, MaterialImport,
    Replication, Upkeep,
};
use crate::key_store::{KeyStoreStatus, KeyStores};
use crate::kms_operations;
use crate::load::load;
use crate::records::Records;
use crate::shared::start_following;
use crate::subject::Subject;

/// KMS: one method an operation, each carried out by the part of the service that it belongs to.
///
/// Inputs have passed `portcullis_api::validate`; what remains are the rules of the service.
pub struct Kms {
    records: Arc<Records>,
    stores: Arc<KeyStores>,
    keys: Arc<Keys>,
    creation: Arc<KeyCreation>,
    description: KeyDescription,
    rotation: Arc<KeyRotation>,
    import: Arc<MaterialImport>,
    replication: Arc<Replication>,
    deletion: Arc<KeyDeletion>,
    uses: Arc<LastUses>,
    upkeep: Arc<Upkeep>,
    aliases: Aliases,
    grants: Arc<Grants>,
    crypto: Arc<Cryptography>,
    data_keys: DataKeys,
    guard: AccessGuard,
}

impl Kms {
    /// Reads the records and takes connections up again.
    ///
    /// # Errors
    /// When a record cannot be read or was sealed under another device key.
    pub async fn open(config: KmsConfig) -> Result<Arc<Self>, OpenError> {
        let fleet = Fleet::open(&config).await?;
        let records = Records::new(config);
        load(&records)?;
        let kms = Arc::new(Self::of(Arc::new(records), fleet));
        kms.stores.resume().await;
        kms.upkeep.start();
        start_following(&kms.stores);
        Ok(kms)
    }

    fn of(records: Arc<Records>, fleet: Fleet) -> Self {
        let fleet = Arc::new(fleet);
        let stores = KeyStores::new(Arc::clone(&records));
        let keys = Keys::new(&records, &fleet);
        let creation = KeyCreation::new(&records, &keys, &stores);
        let replication = Replication::new(&records, &keys);
        let rotation = KeyRotation::new(&records, &keys);
        let import = MaterialImport::new(&records, &keys);
        let deletion = KeyDeletion::new(&records, &keys);
        let uses = LastUses::new(&records);
        let grants = Grants::new(&records);
        let recipients = Recipients::new(&records);
        let executor = Executor::new(&records, &fleet, &stores);
        let crypto = Arc::new(Cryptography {
            records: Arc::clone(&records),
            executor,
            recipients: Arc::clone(&recipients),
            creation: Arc::clone(&creation),
            uses: Arc::clone(&uses),
        });
        Self {
            description: KeyDescription::new(&records, &keys, &creation, &replication),
            upkeep: Arc::new(Upkeep {
                records: Arc::clone(&records),
                deletion: Arc::clone(&deletion),
                import: Arc::clone(&import),
                rotation: Arc::clone(&rotation),
                replication: Arc::clone(&replication),
            }),
            aliases: Aliases::new(&records),
            guard: AccessGuard::new(&records, &grants, &recipients, &uses),
            data_keys: DataKeys {
                crypto: Arc::clone(&crypto),
            },
            crypto,
            records,
            stores,
            keys,
            creation,
            rotation,
            import,
            replication,
            deletion,
            uses,
            grants,
        }
    }
}

impl Kms {
    /// What is checked of every call before its operation begins.
    fn begin(&self, input: &impl Concerns) -> Result<(), Exception> {
        self.grants.check_tokens(input.tokens())
    }
}

macro_rules! operations {
    (
        $($operation:ident $service:ident.$method:ident($input:ty) $effect:ident $reply:ident
            { $part:ident; $output:ty; $($row:tt)* };)*
    ) => {
        impl Kms {
            $(
                #[doc = concat!(stringify!($operation), ".")]
                ///
                /// # Errors
                /// As the operation declares.
                pub async fn $method(
                    &self,
                    scope: &Scope,
                    input: $input,
                ) -> Result<$output, Exception> {
                    self.begin(&input)?;
                    self.$part.$method(scope, input).await
                }
            )*
        }
    };
}

kms_operations!(operations);

/// Beside the operations: what worlds, the edge and pages of status need.
impl Kms {
    /// CreateCustomKeyStore with an ID of the caller's: for worlds.
    ///
    /// # Errors
    /// As CreateCustomKeyStore.
    pub async fn create_custom_key_store_as(
        &self,
        scope: &Scope,
        id: KeyStoreId,
        input: CreateCustomKeyStoreRequest,
    ) -> Result<CreateCustomKeyStoreResponse, Exception> {
        self.stores
            .create_custom_key_store_as(scope, id, input)
            .await
    }

    /// CreateKey with an ID of the caller's: for worlds.
    ///
    /// # Errors
    /// As CreateKey.
    pub async fn create_key_as(
        &self,
        scope: &Scope,
        id: KeyId,
        input: CreateKeyRequest,
    ) -> Result<CreateKeyResponse, Exception> {
        self.creation.create_key_as(scope, id, input).await
    }

    /// Makes `count` keys like one that there is, in few commits: for worlds with many keys.
    ///
    /// # Errors
    /// As CreateKey.
    pub async fn create_keys_like(
        &self,
        scope: &Scope,
        like: &KeyId,
        count: usize,
    ) -> Result<(), Exception> {
        self.creation.create_keys_like(scope, like, count).await
    }

    /// Whether `caller` may make a request, which is asked before the operation begins. What does
    /// not exist is left to the operation to say.
    ///
    /// # Errors
    /// AccessDeniedException, and what looking up the request's key fails with.
    pub fn authorize(
        &self,
        caller: (&Principal, &RequestOrigin),
        scope: &Scope,
        service: Service,
        concern: &Concern<'_>,
    ) -> Result<(), Exception> {
        self.guard.authorize(caller, scope, service, concern)
    }

    /// Runs an operation on everything that was committed before, by whichever facade; and again
    /// when another facade commits first. A server over a shared store calls every operation
    /// through this.
    ///
    /// Rule SHARE-01: an operation sees every change that was acknowledged, by any facade, before it
    /// was called.
    ///
    /// # Errors
    /// Those of the operation; KMSInternalException when the store cannot be reached.
    pub async fn up_to_date<T, F>(
        &self,
        scope: &Scope,
        operation: impl Fn() -> F,
    ) -> Result<T, Exception>
    where
        F: Future<Output = Result<T, Exception>>,
    {
        self.stores.up_to_date(scope, operation).await
    }

    /// Keeps the service's quotas from here on.
    pub fn keep_quotas(&self) {
        self.records.keep_quotas();
    }

    /// Whether the service's quotas are kept.
    #[must_use]
    pub fn keeps_quotas(&self) -> bool {
        self.records.keeps_quotas()
    }

    /// Counts a call of KMS against the quota of its account.
    ///
    /// # Errors
    /// ThrottlingException.
    pub fn admit(
        &self,
        scope: &Scope,
        operation: Operation,
        concern: &Concern<'_>,
    ) -> Result<(), Exception> {
        self.guard.admit(scope, operation, concern)
    }

    /// A key as a call names it, for an event.
    #[must_use]
    pub fn key_subject(&self, scope: &Scope, name: &str) -> Option<Subject> {
        self.records.key_subject(scope, name)
    }

    /// A key store as a call names it, for an event.
    #[must_use]
    pub fn key_store_subject(&self, scope: &Scope, id: &str) -> Option<Subject> {
        self.records.key_store_subject(scope, id)
    }

    /// Every key store, for a status page.
    #[must_use]
    pub fn key_stores(&self) -> Vec<KeyStoreStatus> {
        self.stores.statuses()
    }

    /// What KMS did without a call, as CloudTrail records it.
    #[must_use]
    pub fn events(&self) -> Events {
        self.records.events.events()
    }

    /// Calls `listener` with every event from here on, and first with those that are kept. Only the first
    /// listener is called; a second one is not added.
    pub fn listen_to_events(&self, listener: EventListener) {
        self.records.events.listen(listener);
    }

    /// Why nothing can be stored at present, in the words of the exception that refuses it.
    #[must_use]
    pub fn storage_trouble(&self) -> Option<Exception> {
        self.records.storage_trouble()
    }

    /// Does what is due by now: keys whose day has come are deleted, connects and disconnects whose
    /// time is over end.
    pub async fn reconcile_once(&self) {
        self.upkeep.reconcile_once().await;
    }

    /// Saves last uses for as long as this KMS exists.
    pub fn keep_last_uses(&self) {
        self.uses.keep_last_uses();
    }

    /// Saves the last uses that are not in the store yet.
    pub async fn save_last_uses(&self) {
        self.uses.save_last_uses().await;
    }
}

impl fmt::Debug for Kms {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Kms({} key stores)", self.key_stores().len())
    }
}
