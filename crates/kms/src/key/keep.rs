//! The material of keys, where the keys are: in the built-in fleet, or in the HSMs of a key store.

use portcullis_api::Exception;
use portcullis_hsm::{HsmKeyId, SecretKey};
use zeroize::Zeroizing;

use super::KeySnapshot;
use super::keys::Keys;
use super::material::PublicDer;
use crate::translate;

/// Material that comes from the caller.
pub(super) enum Material {
    Aes(Zeroizing<Vec<u8>>),
    Other(SecretKey),
}

impl Material {
    /// The public key, if it has one.
    pub(super) fn public_key(&self) -> Option<PublicDer> {
        match self {
            Self::Aes(_) => None,
            Self::Other(key) => Some(key.public_key().to_vec())
                .filter(|public| !public.is_empty())
                .map(PublicDer),
        }
    }
}

impl Keys {
    /// Takes material that comes from the caller into the fleet.
    pub(super) async fn keep_material(
        &self,
        hsm_key: HsmKeyId,
        arn: &str,
        material: Material,
    ) -> Result<(), Exception> {
        let (fleet, config) = (&self.fleet, &self.records.config);
        let kept = match material {
            Material::Aes(bytes) => {
                let label = arn.to_owned();
                fleet.import_key(config, hsm_key, label, &bytes).await
            }
            Material::Other(other) => fleet.keep_secret_key(config, hsm_key, other).await,
        };
        kept.map_err(|failure| translate::fleet(&failure))
    }

    /// Deletes every version of the material that the key has in no other Region. Best effort; says
    /// whether all is gone everywhere.
    pub(super) async fn delete_material(&self, key: &KeySnapshot) -> bool {
        let mut gone = true;
        for version in key
            .record
            .materials
            .all()
            .iter()
            .filter(|it| it.is_present())
        {
            gone &= self.delete_version(key, version.hsm_key).await;
        }
        gone
    }

    /// As [`delete_material`](Self::delete_material), one version.
    pub(super) async fn delete_version(&self, key: &KeySnapshot, id: HsmKeyId) -> bool {
        match &key.store {
            None if self.is_shared(&key.scope, &key.record.id, id) => true,
            None => self
                .fleet
                .delete_key(&self.records.config, id)
                .await
                .is_ok(),
            Some(store) => match store.live.load_full() {
                Some(live) => live.delete_key(id).await,
                None => false,
            },
        }
    }
}
