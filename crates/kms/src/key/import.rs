//! Imported key material: origin EXTERNAL.
//!
//! An import token is everything that is needed to take the material in, sealed under the device
//! key, so that nothing is kept for a token that is never used:
//!
//! ```text
//! byte  0           1               9          11
//!       ├───────────┼───────────────┼──────────┼─────────────┼──────────────────────┤
//!       │ algorithm │ valid to, ms  │ length n │ key ARN, n  │ wrapping key, PKCS#8 │
//!       └───────────┴───────────────┴──────────┴─────────────┴──────────────────────┘
//! ```

use std::sync::Arc;

use aws_lc_rs::rsa::KeySize;
use portcullis_api::kms::{
    DeleteImportedKeyMaterialRequest, DeleteImportedKeyMaterialResponse,
    GetParametersForImportRequest, GetParametersForImportResponse, ImportKeyMaterialRequest,
    ImportKeyMaterialResponse, KeySpec,
};
use portcullis_api::{Blob, Code, EpochSeconds, Exception, Operation, Region, Scope, SecretBlob};
use portcullis_hsm::{Refusal, SecretKey};
use portcullis_seam::WorkClass;
use zeroize::Zeroizing;

use super::keep::Material;
use super::keys::Keys;
use super::material::{Import, MaterialId, Materials, Role, Version};
use super::metadata::date;
use super::relatives::{Held, primary_elsewhere};
use super::wrapping::{self, Wrapping, WrappingKey};
use super::{KeyRecord, Snapshot, find, spec};
use crate::catalogue::Partition;
use crate::records::Records;
use crate::records::unsupported;
use crate::translate;

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

/// How long a token and its wrapping key are valid (API, GetParametersForImport).
const TOKEN_VALID_MS: u64 = 24 * 60 * 60 * 1000;

/// The latest end of material that expires (API, ImportKeyMaterial).
const VALID_MS_MAX: u64 = 365 * 24 * 60 * 60 * 1000;

/// Under which name tokens are sealed.
const TOKEN: &str = "kms-import-token";

/// An opened import token.
struct Token {
    wrapping: Wrapping,
    valid_to_ms: u64,
    key_arn: String,
    private: Zeroizing<Vec<u8>>,
}

/// What an import says of its material.
struct Arrival {
    id: MaterialId,
    /// The caller names the material that it expects.
    named: Option<MaterialId>,
    is_new: bool,
    now_ms: u64,
    import: Import,
}

/// Rule LIFE-31: RSAES_PKCS1_V1_5, which the service has not taken since October 2023, and SM2, which
/// exists in the China Regions only, are refused; RSA and ML-DSA keys, which are longer than an RSA
/// block, need an algorithm that takes them.
fn algorithm(input: &GetParametersForImportRequest, spec: KeySpec) -> Result<Wrapping, Exception> {
    let name = input.wrapping_algorithm.as_str();
    let found = Wrapping::ALL.into_iter().find(|it| it.as_str() == name);
    let Some(wrapping) = found else {
        let text =
            format!("The wrapping algorithm {name} is not supported. Use RSAES_OAEP_SHA_256.");
        return Err(unsupported(&text));
    };
    let is_long = spec::modulus_bytes(spec).is_some();
    if is_long && !wrapping.takes_long_material() {
        let text = format!(
            "{name} does not take key material of {}. Use RSA_AES_KEY_WRAP_SHA_256.",
            spec.as_str()
        );
        return Err(unsupported(&text));
    }
    Ok(wrapping)
}

fn size(spec: &str) -> Result<KeySize, Exception> {
    match spec {
        "RSA_2048" => Ok(KeySize::Rsa2048),
        "RSA_3072" => Ok(KeySize::Rsa3072),
        "RSA_4096" => Ok(KeySize::Rsa4096),
        other => Err(unsupported(&format!(
            "The wrapping key spec {other} is not supported. Use RSA_4096."
        ))),
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
        let token = Token {
            wrapping,
            valid_to_ms: self.records.now_ms().saturating_add(TOKEN_VALID_MS),
            key_arn: key.arn.clone(),
            private,
        };
        let plain = token.encode();
        let config = &self.records.config;
        let sealed = config.device_key.seal(TOKEN, &plain, &*config.entropy);
        Ok(GetParametersForImportResponse {
            key_id: Some(key.arn.clone()),
            import_token: Some(Blob(sealed)),
            public_key: Some(SecretBlob(Zeroizing::new(public))),
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
        let expires_ms = expires(&input, now_ms)?;
        let (named, is_new) = (named(&input)?, input.import_type.as_deref() == Some(NEW));
        let operation = Operation::ImportKeyMaterial;
        let key = find(operation, &self.records.partition(scope), &input.key_id)?;
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
        let arrival = Arrival {
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
        arrival: Arrival,
        material: Material,
    ) -> Result<ImportKeyMaterialResponse, Exception> {
        let operation = Operation::ImportKeyMaterial;
        let held = self.keys.hold_for(operation, scope, key_id).await?;
        let key = &held.key;
        let (id, hsm_key) = (arrival.id, arrival.id.as_hsm_key());
        let was_there = key.record.materials.of_hsm_key(hsm_key);
        let was_there = was_there.is_some_and(Version::is_present);
        let mut record = key.record.clone();
        record.materials = self.keys.listed_by_primary(key, &key.record.materials);
        record.materials = imported(&record, primary_elsewhere(key), &arrival)?;
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
        let versions = key.record.materials.all();
        let version = match &input.key_material_id {
            None => key.record.materials.current(),
            Some(named) => Some(
                versions
                    .iter()
                    .find(|version| version.id.to_string() == *named)
                    .ok_or_else(|| no_such_material(key, named))?,
            ),
        };
        let id = version.map(|version| version.id);
        if let Some(id) = id {
            self.remove_material(&held, |version| version.id == id)
                .await?;
        }
        Ok(DeleteImportedKeyMaterialResponse {
            key_id: Some(key.arn.clone()),
            key_material_id: id.map(|id| id.to_string()),
        })
    }

    /// Removes the material whose time is over, and tells of it. Rules LIFE-34 and LIFE-15.
    pub(super) async fn expire_materials(&self, partition: &Arc<Partition>) {
        let now_ms = self.records.now_ms();
        let expired = |version: &Version| {
            let import = version.import.as_ref().filter(|import| import.present);
            import
                .and_then(|import| import.expires_ms)
                .is_some_and(|at| at <= now_ms)
        };
        let keys = partition.keys.iter();
        let keys = keys.filter(|key| key.record.materials.all().iter().any(expired));
        let mut ids: Vec<_> = keys.map(|key| key.record.id).collect();
        ids.sort_unstable();
        for id in ids {
            let removed = async {
                let name = id.to_string();
                let held = self.keys.hold_for_upkeep(&partition.scope, &name).await?;
                self.remove_material(&held, expired).await?;
                self.records.tell(
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

    /// The record goes first: material that nobody knows of any more is of no use.
    async fn remove_material(
        &self,
        held: &Held,
        is_meant: impl Fn(&Version) -> bool,
    ) -> Result<(), Exception> {
        let key = &held.key;
        let mut record = key.record.clone();
        let gone = record.materials.remove(is_meant);
        if gone.is_empty() {
            return Ok(());
        }
        record.materials = self.keys.listed_by_primary(key, &record.materials);
        self.put_imported(held, record).await?;
        for hsm_key in gone {
            if !self.keys.delete_version(key, hsm_key).await {
                tracing::warn!(key = key.arn, material = %hsm_key, "orphaned key material");
            }
        }
        Ok(())
    }

    /// Commits what an import or its end makes of a key. Where it is the primary, every replica hears
    /// which materials there are.
    async fn put_imported(&self, held: &Held, record: KeyRecord) -> Result<(), Exception> {
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

    /// Rule LIFE-32: a token is of its key only, and valid for 24 hours.
    fn open_token(&self, key: &Snapshot, sealed: &[u8]) -> Result<Token, Exception> {
        let invalid = || {
            let text =
                "The import token is not one of this key. Run GetParametersForImport for it.";
            Exception::new(Code::InvalidImportToken, text)
        };
        let plain = self.records.config.device_key.open(TOKEN, sealed);
        let plain = plain.map_err(|error| invalid().because(error))?;
        let token = Token::decode(&plain).ok_or_else(invalid)?;
        if token.key_arn != key.arn {
            return Err(invalid());
        }
        if token.valid_to_ms <= self.records.now_ms() {
            let text = "The import token is older than 24 hours. Run GetParametersForImport again.";
            return Err(Exception::new(Code::ExpiredImportToken, text));
        }
        Ok(token)
    }
}

const NEW: &str = "NEW_KEY_MATERIAL";

fn not_unwrapped() -> Exception {
    let text = "The key material cannot be unwrapped. Wrap it under the public key that came with the \
                import token, with the same wrapping algorithm.";
    Exception::new(Code::InvalidCiphertext, text)
}

fn no_such_material(key: &Snapshot, named: &str) -> Exception {
    let text = format!(
        "{} has no key material {named}. Run ListKeyRotations.",
        key.arn
    );
    Exception::new(Code::NotFound, text)
}

/// Rule LIFE-33: material expires unless the request says that it does not; its end lies in the
/// next 365 days.
fn expires(input: &ImportKeyMaterialRequest, now_ms: u64) -> Result<Option<u64>, Exception> {
    let invalid = |text: &str| Err(Exception::new(Code::Validation, text));
    let never = input.expiration_model.as_deref() == Some("KEY_MATERIAL_DOES_NOT_EXPIRE");
    match (never, &input.valid_to) {
        (true, None) => Ok(None),
        (true, Some(_)) => invalid("KEY_MATERIAL_DOES_NOT_EXPIRE has no ValidTo. Leave it out."),
        (false, None) => invalid("KEY_MATERIAL_EXPIRES needs ValidTo. Add it."),
        (false, Some(at)) => match millis(at) {
            Some(at) if at > now_ms && at <= now_ms.saturating_add(VALID_MS_MAX) => Ok(Some(at)),
            _ => invalid("ValidTo must be in the future, and at most 365 days away."),
        },
    }
}

/// Whole milliseconds; none for what is no date after 1970.
fn millis(at: &EpochSeconds) -> Option<u64> {
    let duration = std::time::Duration::try_from_secs_f64(at.0).ok()?;
    u64::try_from(duration.as_millis()).ok()
}

fn named(input: &ImportKeyMaterialRequest) -> Result<Option<MaterialId>, Exception> {
    let Some(named) = &input.key_material_id else {
        return Ok(None);
    };
    if input.import_type.as_deref() == Some(NEW) {
        let text = "KeyMaterialId names material that the key has. Leave it out of a new one.";
        return Err(Exception::new(Code::Validation, text));
    }
    named.parse().map(Some).map_err(|_invalid| {
        let text = "KeyMaterialId must be 64 hexadecimal digits.";
        Exception::new(Code::Validation, text)
    })
}

/// The same bytes under the same key have the same ID, in every Region of a multi-Region key too.
fn material_id(key: &Snapshot, material: &[u8]) -> MaterialId {
    let id = key.record.id;
    let text = Zeroizing::new([b"portcullis-imported", &id.bytes()[..], material].concat());
    MaterialId::hash(&text)
}

/// What the bytes are: 32 bytes for a symmetric key, the key itself for HMAC, PKCS #8 for others.
fn read(spec: KeySpec, bytes: &Zeroizing<Vec<u8>>) -> Result<Material, Exception> {
    let read = match spec::kind(spec) {
        None if bytes.len() == 32 => Ok(Material::Aes(bytes.clone())),
        None => Err(Refusal::BadLength),
        Some(kind) if spec::is_asymmetric(spec) => {
            SecretKey::from_pkcs8(kind, bytes).map(Material::Other)
        }
        Some(kind) => SecretKey::from_bytes(kind, bytes).map(Material::Other),
    };
    read.map_err(|refusal| {
        let text = format!(
            "The key material is not that of a {} key: 32 bytes for a symmetric key, the bytes of an \
             HMAC key, or PKCS #8 (DER) for others.",
            spec.as_str()
        );
        Exception::new(Code::IncorrectKeyMaterial, text).because(refusal)
    })
}

/// The materials of a key after an import.
///
/// Rule LIFE-35: what was imported once is imported again as the same bytes only; other material
/// waits as a further version for RotateKeyOnDemand, where the kind of key rotates. Rule LIFE-36: a
/// replica, whose primary is elsewhere, imports only what its primary has.
fn imported(
    record: &KeyRecord,
    primary: Option<&Region>,
    arrival: &Arrival,
) -> Result<Materials, Exception> {
    let mut materials = record.materials.clone();
    let version = |role| Version {
        hsm_key: arrival.id.as_hsm_key(),
        id: arrival.id,
        role,
        created_ms: arrival.now_ms,
        rotated: None,
        import: Some(arrival.import.clone()),
    };
    let known = materials.all().iter().any(|it| it.id == arrival.id);
    if arrival.named.is_some_and(|named| named != arrival.id) {
        return Err(incorrect("it is not the material that KeyMaterialId names"));
    }
    match (arrival.is_new, known) {
        (false, true) => materials.import_again(arrival.id, &arrival.import),
        (true, true) => return Err(incorrect("the key has it already")),
        (_, false) if materials.all().is_empty() => materials.push(version(Role::Current)),
        (false, false) => {
            return Err(incorrect("it is not the material that was imported before"));
        }
        (true, false) => {
            check_takes_new(record, primary)?;
            materials.push(version(Role::PendingRotation));
        }
    }
    Ok(materials)
}

fn check_takes_new(record: &KeyRecord, primary: Option<&Region>) -> Result<(), Exception> {
    if record.spec != KeySpec::SymmetricDefault {
        return Err(unsupported(
            "Only symmetric encryption keys take new key material beside what they have.",
        ));
    }
    if let Some(primary) = primary {
        return Err(unsupported(&format!(
            "A replica takes no new key material. Import it into the primary key in {primary}, then \
             here with ImportType EXISTING_KEY_MATERIAL."
        )));
    }
    if record.materials.pending().is_some() {
        let text = "New key material waits already. Run RotateKeyOnDemand, or \
                    DeleteImportedKeyMaterial with its KeyMaterialId.";
        return Err(Exception::new(Code::KmsInvalidState, text));
    }
    Ok(())
}

fn incorrect(why: &str) -> Exception {
    Exception::new(
        Code::IncorrectKeyMaterial,
        format!("The key material is not the expected one: {why}."),
    )
}

impl Token {
    fn encode(&self) -> Zeroizing<Vec<u8>> {
        let mut plain = Zeroizing::new(Vec::with_capacity(self.private.len() + 256));
        plain.push(self.wrapping.code());
        plain.extend_from_slice(&self.valid_to_ms.to_le_bytes());
        let length = u16::try_from(self.key_arn.len()).unwrap_or(u16::MAX);
        plain.extend_from_slice(&length.to_le_bytes());
        plain.extend_from_slice(self.key_arn.as_bytes());
        plain.extend_from_slice(&self.private);
        plain
    }

    fn decode(plain: &[u8]) -> Option<Self> {
        let (code, rest) = plain.split_first()?;
        let (valid_to, rest) = rest.split_first_chunk::<8>()?;
        let (length, rest) = rest.split_first_chunk::<2>()?;
        let (arn, private) = rest.split_at_checked(usize::from(u16::from_le_bytes(*length)))?;
        Some(Self {
            wrapping: Wrapping::of_code(*code)?,
            valid_to_ms: u64::from_le_bytes(*valid_to),
            key_arn: std::str::from_utf8(arn).ok()?.to_owned(),
            private: Zeroizing::new(private.to_vec()),
        })
    }
}
