//! Calls of the API, with their place in the history.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use portcullis_api::kms::{
    ConnectCustomKeyStoreRequest, CreateKeyRequest, DecryptRequest, DescribeCustomKeyStoresRequest,
    DescribeKeyRequest, DisconnectCustomKeyStoreRequest, EncryptRequest, GenerateDataKeyRequest,
    ReEncryptRequest, UpdateCustomKeyStoreRequest,
};
use portcullis_api::{Blob, Code, Exception, HsmId, KeyId, SecretBlob, SecretText};
use portcullis_hsm::HsmKeyId;

use super::World;
use super::facade::Life;
use crate::history::{
    Context, DescribedStore, HistoryEvent, RecordedAnswer, RecordedCall, RecordedEdit,
    RecordedRequest,
};

impl World {
    /// Carries out a call and writes it down. Whether it succeeded. When the process ends first,
    /// nobody knows what came of it.
    async fn record(
        &self,
        (client, life): (u8, &Life),
        request: RecordedRequest,
        call: impl Future<Output = Result<RecordedAnswer, Exception>>,
    ) -> Option<RecordedAnswer> {
        let invoked = self
            .recorder
            .note(format_args!("client {client}: {}", request.name()));
        let end = life.ended();
        let outcome = tokio::select! {
            biased;
            () = end => Err(Exception::new(Code::KmsInternal, "The process ended.")),
            outcome = call => outcome,
        };
        if let Err(exception) = &outcome {
            self.canaries
                .text(format_args!("{exception} {:?}", exception.cause));
        }
        let answer = outcome.as_ref().ok().cloned();
        let outcome = outcome.map_err(|exception| exception.code);
        self.recorder.tell(|completed| {
            HistoryEvent::Call(RecordedCall {
                client,
                invoked,
                completed,
                request,
                outcome,
            })
        });
        answer
    }

    pub(super) async fn encrypt(&self, client: u8, key: KeyId, context: Context, text: Vec<u8>) {
        let Some(facade) = self.facade(usize::from(client)) else {
            return;
        };
        let (kms, life) = (&facade.kms, &facade.life);
        self.canaries.secret("a plaintext", &text);
        let input = || EncryptRequest {
            key_id: key.to_string(),
            plaintext: SecretBlob(text.clone().into()),
            encryption_context: Some(context.clone()),
            ..EncryptRequest::default()
        };
        let call = async {
            let answer = kms
                .up_to_date(&self.scope, || kms.encrypt(&self.scope, input()))
                .await?;
            Ok(RecordedAnswer::Ciphertext(bytes(answer.ciphertext_blob)))
        };
        let request = RecordedRequest::Encrypt {
            key,
            context: context.clone(),
            plaintext: text.clone(),
        };
        let answer = self.record((client, life), request, call).await;
        self.keep(answer.as_ref(), context);
    }

    pub(super) async fn decrypt(
        &self,
        client: u8,
        ciphertext: Vec<u8>,
        context: Context,
    ) -> Option<RecordedAnswer> {
        let facade = self.facade(usize::from(client))?;
        let (kms, life) = (&facade.kms, &facade.life);
        let input = DecryptRequest {
            ciphertext_blob: Some(Blob(ciphertext.clone())),
            encryption_context: Some(context.clone()),
            ..DecryptRequest::default()
        };
        let call = async {
            let answer = kms
                .up_to_date(&self.scope, || kms.decrypt(&self.scope, input.clone()))
                .await?;
            let plaintext = answer.plaintext.map(|text| text.0.to_vec());
            Ok(RecordedAnswer::Plaintext(plaintext.unwrap_or_default()))
        };
        self.record(
            (client, life),
            RecordedRequest::Decrypt {
                ciphertext,
                context,
            },
            call,
        )
        .await
    }

    pub(super) async fn generate_data_key(&self, client: u8, key: KeyId, context: Context) {
        let Some(facade) = self.facade(usize::from(client)) else {
            return;
        };
        let (kms, life) = (&facade.kms, &facade.life);
        let input = GenerateDataKeyRequest {
            key_id: key.to_string(),
            encryption_context: Some(context.clone()),
            key_spec: Some("AES_256".to_owned()),
            ..GenerateDataKeyRequest::default()
        };
        let call = async {
            let answer = kms
                .up_to_date(&self.scope, || {
                    kms.generate_data_key(&self.scope, input.clone())
                })
                .await?;
            let plaintext = answer
                .plaintext
                .map(|text| text.0.to_vec())
                .unwrap_or_default();
            Ok(RecordedAnswer::DataKey {
                plaintext,
                ciphertext: bytes(answer.ciphertext_blob),
            })
        };
        let request = RecordedRequest::GenerateDataKey {
            key,
            context: context.clone(),
        };
        let answer = self.record((client, life), request, call).await;
        self.keep(answer.as_ref(), context);
    }

    pub(super) async fn re_encrypt(
        &self,
        client: u8,
        (ciphertext, source_context): (Vec<u8>, Context),
        key: KeyId,
        context: Context,
    ) -> Option<RecordedAnswer> {
        let facade = self.facade(usize::from(client))?;
        let (kms, life) = (&facade.kms, &facade.life);
        let input = ReEncryptRequest {
            ciphertext_blob: Some(Blob(ciphertext.clone())),
            source_encryption_context: Some(source_context.clone()),
            destination_key_id: key.to_string(),
            destination_encryption_context: Some(context.clone()),
            ..ReEncryptRequest::default()
        };
        let call = async {
            let answer = kms
                .up_to_date(&self.scope, || kms.re_encrypt(&self.scope, input.clone()))
                .await?;
            Ok(RecordedAnswer::Ciphertext(bytes(answer.ciphertext_blob)))
        };
        let kept = context.clone();
        let request = RecordedRequest::ReEncrypt {
            ciphertext,
            source_context,
            key,
            context,
        };
        let answer = self.record((client, life), request, call).await;
        self.keep(answer.as_ref(), kept);
        answer
    }

    pub(super) async fn create_key(&self, client: u8) {
        let Some(facade) = self.facade(usize::from(client)) else {
            return;
        };
        let (kms, life) = (&facade.kms, &facade.life);
        let input = CreateKeyRequest {
            origin: Some("AWS_CLOUDHSM".to_owned()),
            custom_key_store_id: Some(self.store.clone()),
            ..CreateKeyRequest::default()
        };
        let call = async {
            let answer = kms
                .up_to_date(&self.scope, || kms.create_key(&self.scope, input.clone()))
                .await?;
            let id = answer
                .key_metadata
                .and_then(|metadata| metadata.key_id?.parse().ok());
            Ok(id.map_or(RecordedAnswer::Done, RecordedAnswer::Key))
        };
        let members = self.hsms();
        if let Some(RecordedAnswer::Key(key)) = self
            .record((client, life), RecordedRequest::CreateKey, call)
            .await
        {
            let on = self.disks_with(key);
            let before = self.disks_before_removal(key, members);
            let placed = |at| HistoryEvent::Placed {
                at,
                key,
                on,
                before,
            };
            self.recorder.tell(placed);
            self.known.lock().keys.push(key);
        }
    }

    pub(super) async fn describe_key(&self, client: u8, key: KeyId) {
        let Some(facade) = self.facade(usize::from(client)) else {
            return;
        };
        let (kms, life) = (&facade.kms, &facade.life);
        let input = DescribeKeyRequest {
            key_id: key.to_string(),
            ..DescribeKeyRequest::default()
        };
        let call = async {
            kms.up_to_date(&self.scope, || kms.describe_key(&self.scope, input.clone()))
                .await?;
            Ok(RecordedAnswer::Done)
        };
        self.record((client, life), RecordedRequest::DescribeKey { key }, call)
            .await;
    }

    pub(super) async fn connect(self: &Arc<Self>, client: u8) -> bool {
        let Some(facade) = self.facade(usize::from(client)) else {
            return false;
        };
        let (kms, life) = (&facade.kms, &facade.life);
        let input = ConnectCustomKeyStoreRequest {
            custom_key_store_id: self.store.clone(),
        };
        let call = async {
            kms.up_to_date(&self.scope, || {
                kms.connect_custom_key_store(&self.scope, input.clone())
            })
            .await?;
            Ok(RecordedAnswer::Done)
        };
        self.record((client, life), RecordedRequest::Connect, call)
            .await
            .is_some()
    }

    pub(super) async fn disconnect(self: &Arc<Self>, client: u8) -> bool {
        let Some(facade) = self.facade(usize::from(client)) else {
            return false;
        };
        let (kms, life) = (&facade.kms, &facade.life);
        let input = DisconnectCustomKeyStoreRequest {
            custom_key_store_id: self.store.clone(),
        };
        let call = async {
            kms.up_to_date(&self.scope, || {
                kms.disconnect_custom_key_store(&self.scope, input.clone())
            })
            .await?;
            self.connected.store(false, Ordering::Relaxed);
            self.disconnects.fetch_add(1, Ordering::Relaxed);
            Ok(RecordedAnswer::Done)
        };
        self.record((client, life), RecordedRequest::Disconnect, call)
            .await
            .is_some()
    }

    pub(super) async fn update(
        &self,
        client: u8,
        edit: RecordedEdit,
        input: UpdateCustomKeyStoreRequest,
    ) -> bool {
        let Some(facade) = self.facade(usize::from(client)) else {
            return false;
        };
        let (kms, life) = (&facade.kms, &facade.life);
        let password = || input.key_store_password.as_ref().map(SecretText::reveal);
        let input = || UpdateCustomKeyStoreRequest {
            custom_key_store_id: self.store.clone(),
            new_custom_key_store_name: input.new_custom_key_store_name.clone(),
            cloud_hsm_cluster_id: input.cloud_hsm_cluster_id.clone(),
            key_store_password: password().map(SecretText::new),
            ..UpdateCustomKeyStoreRequest::default()
        };
        let call = async {
            kms.up_to_date(&self.scope, || {
                kms.update_custom_key_store(&self.scope, input())
            })
            .await?;
            Ok(RecordedAnswer::Done)
        };
        self.record((client, life), RecordedRequest::Update(edit), call)
            .await
            .is_some()
    }

    /// Gives the store another name.
    pub(super) async fn rename(&self, client: u8, to: String) -> bool {
        let input = UpdateCustomKeyStoreRequest {
            new_custom_key_store_name: Some(to.clone()),
            ..UpdateCustomKeyStoreRequest::default()
        };
        self.update(client, RecordedEdit::Name { to }, input).await
    }

    /// Looks at the store. The first look at a new connection also notes which keys are there.
    pub(super) async fn see(&self) -> DescribedStore {
        let Some(facade) = self.any_facade() else {
            return DescribedStore::default();
        };
        let kms = &facade.kms;
        let input = DescribeCustomKeyStoresRequest {
            custom_key_store_id: Some(self.store.clone()),
            ..DescribeCustomKeyStoresRequest::default()
        };
        let before = self.disconnects.load(Ordering::Relaxed);
        let invoked = self.recorder.note(format_args!("DescribeCustomKeyStores"));
        let describe = || kms.describe_custom_key_stores(&self.scope, input.clone());
        let described = tokio::select! {
            biased;
            () = facade.life.ended() => return DescribedStore::default(),
            described = kms.up_to_date(&self.scope, describe) => described,
        };
        // A facade that does not reach the store that it shares says so, and nothing of the key store.
        let Ok(described) = described else {
            return DescribedStore::default();
        };
        let stores = described.custom_key_stores;
        let entry = stores.and_then(|stores| stores.into_iter().next());
        let store = entry.map(|entry| DescribedStore {
            state: entry.connection_state.unwrap_or_default(),
            error: entry.connection_error_code,
            name: entry.custom_key_store_name.unwrap_or_default(),
            cluster: entry.cloud_hsm_cluster_id.unwrap_or_default(),
        });
        let store = store.unwrap_or_default();
        self.recorder.tell(|at| HistoryEvent::Seen {
            invoked,
            at,
            store: store.clone(),
        });
        // An edit without an answer may have had its effect.
        if let Ok(cluster) = store.cluster.parse() {
            self.known.lock().substitute(&cluster);
        }
        // Another facade may have disconnected it since this one looked.
        let stands = before == self.disconnects.load(Ordering::Relaxed);
        if store.state == "CONNECTED" && stands && !self.connected.swap(true, Ordering::Relaxed) {
            let keys = self.materials_present();
            self.recorder.tell(|at| HistoryEvent::Holds { at, keys });
        }
        store
    }

    /// How many key stores there are.
    pub(super) async fn count_stores(&self) {
        let Some(facade) = self.any_facade() else {
            return;
        };
        let kms = &facade.kms;
        let all = DescribeCustomKeyStoresRequest::default();
        let describe = || kms.describe_custom_key_stores(&self.scope, all.clone());
        let described = tokio::select! {
            biased;
            () = facade.life.ended() => return,
            described = kms.up_to_date(&self.scope, describe) => described,
        };
        let Ok(described) = described else { return };
        let stores = described.custom_key_stores;
        let stores = stores.map_or(0, |stores| stores.len());
        self.recorder
            .tell(|at| HistoryEvent::Counted { at, stores });
    }

    /// The keys that are durable on an HSM of the store's cluster.
    pub(super) fn materials_present(&self) -> BTreeSet<HsmKeyId> {
        let hsms = self.hsms();
        hsms.keys()
            .filter_map(|hsm| self.disks.keys(hsm).ok())
            .flatten()
            .collect()
    }

    pub(super) fn is_present(&self, key: KeyId, present: &BTreeSet<HsmKeyId>) -> bool {
        let material = self.network.material(&self.scope.key_arn(&key));
        material.is_some_and(|material| present.contains(&material))
    }

    /// The HSMs that have a key on disk, with their zones.
    fn disks_with(&self, key: KeyId) -> BTreeMap<HsmId, String> {
        let Some(material) = self.network.material(&self.scope.key_arn(&key)) else {
            return BTreeMap::new();
        };
        let has = |hsm: &HsmId| {
            self.disks
                .keys(hsm)
                .is_ok_and(|keys| keys.contains(&material))
        };
        self.hsms()
            .into_iter()
            .filter(|(hsm, _)| has(hsm))
            .collect()
    }

    /// Those of `members` that had a key when one of them was removed.
    fn disks_before_removal(
        &self,
        key: KeyId,
        members: BTreeMap<HsmId, String>,
    ) -> BTreeMap<HsmId, String> {
        let material = self.network.material(&self.scope.key_arn(&key));
        let had = material.map(|material| self.disks.holders_at_removal(material));
        let had = had.unwrap_or_default();
        members
            .into_iter()
            .filter(|(hsm, _)| had.contains(hsm))
            .collect()
    }

    fn keep(&self, answer: Option<&RecordedAnswer>, context: Context) {
        let ciphertext = answer.and_then(RecordedAnswer::ciphertext);
        if let Some(ciphertext) = ciphertext {
            self.known
                .lock()
                .ciphertexts
                .push((ciphertext.to_vec(), context));
        }
    }
}

fn bytes(blob: Option<Blob>) -> Vec<u8> {
    blob.map(|blob| blob.0).unwrap_or_default()
}
