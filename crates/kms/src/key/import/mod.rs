//! Imported key material: origin EXTERNAL.

mod decide;
mod token;

use std::sync::Arc;

use portcullis_api::kms::{
    DeleteImportedKeyMaterialRequest, DeleteImportedKeyMaterialResponse,
    GetParametersForImportRequest, GetParametersForImportResponse, ImportKeyMaterialRequest,
    ImportKeyMaterialResponse,
};
use portcullis_api::{Blob, Code, Exception, Operation, Scope, SecretBlob};
use portcullis_seam::WorkClass;

use super::keep::Material;
use super::keys::Keys;
use super::material::{Import, MaterialVersion};
use super::metadata::date;
use super::relatives::{HeldKey, primary_elsewhere};
use super::wrapping::{self, WrappingKey};
use super::{KeyRecord, KeySnapshot, find};
use crate::catalogue::Partition;
use crate::records::Records;
use crate::translate;
use decide::{
    MaterialArrival, NEW, algorithm, expires, imported, is_expired, material_id, meant, named,
    not_unwrapped, read, size, without,
};
use token::{TOKEN, Token};

/// Takes in key material that comes from outside.
#[derive(Debug)]
pub(crate) struct MaterialImport {
    records: Arc<Records>,
    keys: Arc<Keys>,
}

impl MaterialImport {
    pub(crate) fn new(records: &Arc<Records>, keys: &Arc<Keys>) -> Arc<Self> {
        Arc::new(Self {
            records: Arc::clone(records),
            keys: Arc::clone(keys),
        })
    }
}

impl MaterialImport {
    /// GetParametersForImport. The wrapping key is made by a worker.
    ///
    /// # Errors
    /// NotFoundException, KMSInvalidStateException, UnsupportedOperationException.
    pub(crate) async fn get_parameters_for_import(
        &self,
        scope: &Scope,
        input: GetParametersForImportRequest,
    ) -> Result<GetParametersForImportResponse, Exception> {
        let operation = Operation::GetParametersForImport;
        let key = find(operation, &self.records.partition(scope), &input.key_id)?;
        let wrapping = algorithm(&input, key.record.spec)?;
        let size = size(&input.wrapping_key_spec)?;
        let made = self.slowly(WorkClass::KeyGeneration, move || wrapping::generate(size));
        let made = made.await?;
        let WrappingKey { private, public } = made.map_err(|wrapping::NotWrapped| {
            Exception::new(
                Code::KmsInternal,
                "The wrapping key could not be made. Try again.",
            )
        })?;
        let token = Token::new(wrapping, &key.arn, private, self.records.now_ms());
        let plain = token.encode();
        let config = &self.records.config;
        let sealed = config.device_key.seal(TOKEN, &plain, &*config.entropy);
        Ok(GetParametersForImportResponse {
            key_id: Some(key.arn.clone()),
            import_token: Some(Blob(sealed)),
            public_key: Some(SecretBlob(public.into())),
            parameters_valid_to: Some(date(token.valid_to_ms)),
        })
    }

    /// ImportKeyMaterial.
    ///
    /// # Errors
    /// As the operation declares; ValidationException for a ValidTo that does not fit.
    pub(crate) async fn import_key_material(
        &self,
        scope: &Scope,
        input: ImportKeyMaterialRequest,
    ) -> Result<ImportKeyMaterialResponse, Exception> {
        let now_ms = self.records.now_ms();
        let operation = Operation::ImportKeyMaterial;
        let key = find(operation, &self.records.partition(scope), &input.key_id)?;
        let expires_ms = expires(&input, now_ms)?;
        let (named, is_new) = (named(&input)?, input.import_type.as_deref() == Some(NEW));
        let token = self.open_token(&key, &input.import_token.0)?;
        let wrapped = input.encrypted_key_material.0;
        let spec = key.record.spec;
        // An RSA key that is read is checked, which takes as long as using it.
        let taken_out = self.slowly(WorkClass::Asymmetric, move || {
            let opened = token.wrapping.unwrap(&token.private, &wrapped);
            let opened = opened.map_err(|wrapping::NotWrapped| not_unwrapped())?;
            Ok((read(spec, &opened)?, opened))
        });
        let (material, opened) = taken_out.await??;
        let id = material_id(&key, &opened);
        let arrival = MaterialArrival {
            id,
            named,
            is_new,
            now_ms,
            import: Import {
                present: true,
                expires_ms,
                description: input.key_material_description,
                public_key: material.public_key(),
            },
        };
        self.take_in(scope, &input.key_id, arrival, material).await
    }

    /// Decides on what the key is by now, and commits.
    async fn take_in(
        &self,
        scope: &Scope,
        key_id: &str,
        arrival: MaterialArrival,
        material: Material,
    ) -> Result<ImportKeyMaterialResponse, Exception> {
        let operation = Operation::ImportKeyMaterial;
        let held = self.keys.hold_for(operation, scope, key_id).await?;
        let key = &held.key;
        let (id, hsm_key) = (arrival.id, arrival.id.as_hsm_key());
        let was_there = key.record.materials.of_hsm_key(hsm_key);
        let was_there = was_there.is_some_and(MaterialVersion::is_present);
        let listed = self.keys.listed_by_primary(key, &key.record.materials);
        let record = imported(&key.record, listed, primary_elsewhere(key), &arrival)?;
        self.keys.keep_material(hsm_key, &key.arn, material).await?;
        if let Err(exception) = self.put_imported(&held, record).await {
            if !was_there {
                self.keys.delete_version(key, hsm_key).await;
            }
            return Err(exception);
        }
        Ok(ImportKeyMaterialResponse {
            key_id: Some(key.arn.clone()),
            key_material_id: Some(id.to_string()),
        })
    }

    /// DeleteImportedKeyMaterial. Where there is none it has no effect.
    ///
    /// # Errors
    /// NotFoundException, KMSInvalidStateException, UnsupportedOperationException.
    pub(crate) async fn delete_imported_key_material(
        &self,
        scope: &Scope,
        input: DeleteImportedKeyMaterialRequest,
    ) -> Result<DeleteImportedKeyMaterialResponse, Exception> {
        let operation = Operation::DeleteImportedKeyMaterial;
        let held = self.keys.hold_for(operation, scope, &input.key_id).await?;
        let key = &held.key;
        let id = meant(key, input.key_material_id.as_deref())?;
        if let Some(id) = id {
            self.remove_material(&held, |version| version.id == id)
                .await?;
        }
        Ok(DeleteImportedKeyMaterialResponse {
            key_id: Some(key.arn.clone()),
            key_material_id: id.map(|id| id.to_string()),
        })
    }

    /// Removes the material whose time is over, and records an event of it. Rules LIFE-34 and LIFE-15.
    pub(super) async fn expire_materials(&self, partition: &Arc<Partition>) {
        let now_ms = self.records.now_ms();
        let expired = |version: &MaterialVersion| is_expired(version, now_ms);
        let keys = partition.keys.iter();
        let keys = keys.filter(|key| key.record.materials.all().iter().any(expired));
        let mut ids: Vec<_> = keys.map(|key| key.record.id).collect();
        ids.sort_unstable();
        for id in ids {
            let removed = async {
                let name = id.to_string();
                let held = self.keys.hold_for_upkeep(&partition.scope, &name).await?;
                self.remove_material(&held, expired).await?;
                self.records.record_event(
                    (&held.key.scope, &held.key.arn),
                    "DeleteExpiredKeyMaterial",
                    Vec::new(),
                );
                Ok::<(), Exception>(())
            };
            if let Err(exception) = removed.await {
                tracing::warn!(%exception, key = %id, "its material stays; will be tried again");
            }
        }
    }

    /// The record goes first: material that no record names is of no use.
    async fn remove_material(
        &self,
        held: &HeldKey,
        is_meant: impl Fn(&MaterialVersion) -> bool,
    ) -> Result<(), Exception> {
        let key = &held.key;
        let (left, gone) = without(&key.record, is_meant);
        if gone.is_empty() {
            return Ok(());
        }
        let record = KeyRecord {
            materials: self.keys.listed_by_primary(key, &left),
            ..key.record.clone()
        };
        self.put_imported(held, record).await?;
        for hsm_key in gone {
            if !self.keys.delete_version(key, hsm_key).await {
                tracing::warn!(key = key.arn, material = %hsm_key, "orphaned key material");
            }
        }
        Ok(())
    }

    /// Commits what an import or its end makes of a key. Where it is the primary, every replica
    /// gets the list of materials.
    async fn put_imported(&self, held: &HeldKey, record: KeyRecord) -> Result<(), Exception> {
        let put = match primary_elsewhere(&held.key) {
            None => self.keys.put_with_relatives(held, record).await,
            Some(_) => {
                self.keys
                    .put_record(&held.partition, &held.key, record)
                    .await
            }
        };
        put.map(drop)
    }

    /// Runs an RSA operation on a worker.
    async fn slowly<T: Send + 'static>(
        &self,
        class: WorkClass,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Exception> {
        let done = self.records.config.work(class, job).await;
        done.map_err(|failure| translate::fleet(&failure))
    }

    fn open_token(&self, key: &KeySnapshot, sealed: &[u8]) -> Result<Token, Exception> {
        let plain = self.records.config.device_key.open(TOKEN, sealed);
        let plain = plain.map_err(|error| token::invalid().because(error))?;
        Token::check(&plain, &key.arn, self.records.now_ms())
    }
}
