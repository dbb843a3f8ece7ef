//! The versions of a key's material: rotation and import make further ones, and every ciphertext
//! names the one that made it.

mod id;

use portcullis_hsm::HsmKeyId;
use serde::{Deserialize, Serialize};

pub(crate) use id::MaterialId;

/// What a version of the material is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum MaterialRole {
    /// Opens what it sealed before another version became current, and seals nothing.
    NonCurrent,
    /// Seals new ciphertexts, and opens those that it has sealed.
    Current,
    /// Imported, and made current by the next rotation on demand.
    PendingRotation,
}

impl MaterialRole {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::NonCurrent => "NON_CURRENT",
            Self::Current => "CURRENT",
            Self::PendingRotation => "PENDING_ROTATION",
        }
    }
}

/// Why a version took the place of the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum RotationType {
    /// Automatic rotation: the period of the key was over.
    Automatic,
    /// A call of RotateKeyOnDemand.
    OnDemand,
}

impl RotationType {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Automatic => "AUTOMATIC",
            Self::OnDemand => "ON_DEMAND",
        }
    }
}

/// What is known of imported material.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Import {
    /// Whether it is in the HSMs: not after it has expired or was deleted.
    pub(crate) present: bool,
    /// When the material expires, in milliseconds since 1970; none if it does not expire.
    pub(crate) expires_ms: Option<u64>,
    /// KeyMaterialDescription of the import, if it had one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<String>,
    /// The public key of an asymmetric key, which is shown when the material is gone too; none in
    /// records of earlier releases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) public_key: Option<PublicDer>,
}

/// A public key: DER, SubjectPublicKeyInfo. In records it is base64.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct PublicDer(pub(crate) Vec<u8>);

impl TryFrom<String> for PublicDer {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let decoded = base64_simd::STANDARD.decode_to_vec(text);
        decoded.map(Self).map_err(|_| "not base64")
    }
}

impl From<PublicDer> for String {
    fn from(key: PublicDer) -> Self {
        base64_simd::STANDARD.encode_to_string(key.0)
    }
}

impl Import {
    pub(crate) const fn state(&self) -> &'static str {
        if self.present {
            "IMPORTED"
        } else {
            "PENDING_IMPORT"
        }
    }
}

/// One version of a key's material.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MaterialVersion {
    /// The ID under which the HSMs have this material.
    pub(crate) hsm_key: HsmKeyId,
    /// The material's identity in the API.
    pub(crate) id: MaterialId,
    /// What the material is used for at present.
    pub(crate) role: MaterialRole,
    /// When it was made or first imported, in milliseconds since 1970; 0 in records of earlier
    /// releases.
    #[serde(default)]
    pub(crate) created_ms: u64,
    /// The rotation that made it current, and when that was, in milliseconds since 1970; none for the
    /// first version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) rotated: Option<(RotationType, u64)>,
    /// What is known of the import; none for material that an HSM made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) import: Option<Import>,
}

impl MaterialVersion {
    /// Material that an HSM made, current from the beginning.
    pub(crate) fn generated(hsm_key: HsmKeyId, created_ms: u64) -> Self {
        Self {
            hsm_key,
            id: MaterialId::of_generated(hsm_key),
            role: MaterialRole::Current,
            created_ms,
            rotated: None,
            import: None,
        }
    }

    /// Whether an HSM has it.
    pub(crate) fn is_present(&self) -> bool {
        self.import.as_ref().is_none_or(|import| import.present)
    }
}

/// All versions of a key's material, oldest first; at most one is current, and a pending one is
/// the last. None at all before the first import.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "StoredMaterials")]
pub(crate) struct Materials(Vec<MaterialVersion>);

/// As it stands in records: before there were versions, a key had one HSM key.
#[derive(Deserialize)]
#[serde(untagged)]
enum StoredMaterials {
    Single(HsmKeyId),
    Versions(Vec<MaterialVersion>),
}

impl From<StoredMaterials> for Materials {
    fn from(stored: StoredMaterials) -> Self {
        match stored {
            StoredMaterials::Single(hsm_key) => Self::generated(hsm_key, 0),
            StoredMaterials::Versions(versions) => Self(versions),
        }
    }
}

impl Materials {
    /// Of a key whose one material an HSM made.
    pub(crate) fn generated(hsm_key: HsmKeyId, created_ms: u64) -> Self {
        Self(vec![MaterialVersion::generated(hsm_key, created_ms)])
    }

    /// The version that seals.
    pub(crate) fn current(&self) -> Option<&MaterialVersion> {
        // It stands at the end or just before it.
        self.0
            .iter()
            .rev()
            .find(|version| version.role == MaterialRole::Current)
    }

    /// The version that is this key in the HSMs.
    pub(crate) fn of_hsm_key(&self, hsm_key: HsmKeyId) -> Option<&MaterialVersion> {
        self.0.iter().rev().find(|it| it.hsm_key == hsm_key)
    }

    /// Every version, oldest first.
    pub(crate) fn all(&self) -> &[MaterialVersion] {
        &self.0
    }

    /// The version that the next rotation on demand makes current.
    pub(crate) fn pending(&self) -> Option<&MaterialVersion> {
        let last = self.0.last();
        last.filter(|version| version.role == MaterialRole::PendingRotation)
    }

    /// Puts a version at the end.
    pub(crate) fn push(&mut self, version: MaterialVersion) {
        self.0.push(version);
    }

    /// Material that was imported before is here again.
    pub(crate) fn import_again(&mut self, id: MaterialId, import: &Import) {
        for version in self.0.iter_mut().filter(|version| version.id == id) {
            let before = version.import.take().and_then(|before| before.description);
            version.import = Some(Import {
                description: import.description.clone().or(before),
                ..import.clone()
            });
        }
    }

    /// Imported material goes; gives the keys in the HSMs that have it. Material that was never
    /// current is forgotten, the key keeps the rest of what it knows of the other.
    pub(crate) fn remove(&mut self, is_meant: impl Fn(&MaterialVersion) -> bool) -> Vec<HsmKeyId> {
        let mut gone = Vec::new();
        for version in self.0.iter_mut().filter(|version| is_meant(version)) {
            if let Some(import) = version.import.as_mut().filter(|import| import.present) {
                import.present = false;
                gone.push(version.hsm_key);
            }
        }
        self.0
            .retain(|it| it.is_present() || it.role != MaterialRole::PendingRotation);
        gone
    }

    /// This list with as much of it present as `own` has: the versions of a multi-Region key with
    /// imported material are the same in every Region, and each Region imports them by itself. A list
    /// with another material than these, as earlier releases let a replica have, stays what it is.
    pub(crate) fn imported_as(&self, own: &Self) -> Self {
        let same = |version: &MaterialVersion| self.0.iter().any(|it| it.id == version.id);
        if own.current().is_some_and(|current| !same(current)) {
            return own.clone();
        }
        let versions = self.0.iter().map(|version| {
            let mut here = own.0.iter().filter(|it| it.id == version.id);
            MaterialVersion {
                import: Some(
                    here.next()
                        .and_then(|it| it.import.clone())
                        .unwrap_or_default(),
                ),
                ..version.clone()
            }
        });
        Self(versions.collect())
    }

    /// When the first of the versions that the key needs goes by itself.
    pub(crate) fn first_expiry_ms(&self) -> Option<u64> {
        let needed = self
            .0
            .iter()
            .filter(|it| it.role != MaterialRole::PendingRotation);
        needed
            .filter_map(|version| version.import.as_ref()?.expires_ms)
            .min()
    }

    /// Makes the pending version the current one.
    pub(crate) fn promote(&mut self, rotation: RotationType, at_ms: u64) {
        if self.pending().is_none() {
            return;
        }
        for version in &mut self.0 {
            match version.role {
                MaterialRole::Current => version.role = MaterialRole::NonCurrent,
                MaterialRole::PendingRotation => {
                    version.role = MaterialRole::Current;
                    version.rotated = Some((rotation, at_ms));
                }
                MaterialRole::NonCurrent => {}
            }
        }
    }

    /// Whether every version that seals or opens is in the HSMs: one that is missing makes the key
    /// PendingImport (Guide, importing key material).
    pub(crate) fn are_complete(&self) -> bool {
        self.current().is_some()
            && self
                .0
                .iter()
                .all(|it| it.is_present() || it.role == MaterialRole::PendingRotation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rule LIFE-01.
    #[test]
    fn a_record_of_before_there_were_versions_has_one() {
        let before = serde_json::to_string(&HsmKeyId([7; 16])).unwrap();
        let materials: Materials = serde_json::from_str(&before).unwrap();
        assert_eq!(materials, Materials::generated(HsmKeyId([7; 16]), 0));
        assert!(materials.are_complete());
        let again = serde_json::to_string(&materials).unwrap();
        assert_eq!(
            serde_json::from_str::<Materials>(&again).unwrap(),
            materials
        );
    }

    #[test]
    fn a_rotation_makes_the_pending_version_current_and_keeps_the_others() {
        let mut materials = Materials::generated(HsmKeyId([1; 16]), 1);
        materials.promote(RotationType::OnDemand, 2);
        assert_eq!(materials, Materials::generated(HsmKeyId([1; 16]), 1));
        materials.push(MaterialVersion {
            role: MaterialRole::PendingRotation,
            ..MaterialVersion::generated(HsmKeyId([2; 16]), 2)
        });
        let current = |it: &Materials| it.current().unwrap().hsm_key;
        assert_eq!(current(&materials), HsmKeyId([1; 16]));
        materials.promote(RotationType::OnDemand, 3);
        assert_eq!(current(&materials), HsmKeyId([2; 16]));
        assert!(materials.pending().is_none() && materials.are_complete());
        let roles: Vec<MaterialRole> = materials.all().iter().map(|it| it.role).collect();
        assert_eq!(roles, [MaterialRole::NonCurrent, MaterialRole::Current]);
        assert!(materials.of_hsm_key(HsmKeyId([1; 16])).is_some());
    }

    /// Rule LIFE-36.
    #[test]
    fn every_region_has_the_list_of_the_primary_and_what_it_imported_of_it() {
        let version = |byte, role, present| MaterialVersion {
            role,
            import: Some(Import {
                present,
                ..Import::default()
            }),
            ..MaterialVersion::generated(HsmKeyId([byte; 16]), 0)
        };
        let primary = Materials(vec![
            version(1, MaterialRole::Current, true),
            version(2, MaterialRole::PendingRotation, true),
        ]);
        let replica =
            primary.imported_as(&Materials(vec![version(1, MaterialRole::Current, true)]));
        let present: Vec<bool> = replica
            .all()
            .iter()
            .map(MaterialVersion::is_present)
            .collect();
        assert_eq!(present, [true, false]);
        assert!(replica.are_complete());
        let fresh = primary.imported_as(&Materials::default());
        assert!(fresh.current().is_some() && !fresh.are_complete());
        // What the primary has no more is gone everywhere.
        let without = Materials(vec![version(1, MaterialRole::Current, false)]);
        assert_eq!(without.imported_as(&replica).all().len(), 1);
        let foreign = Materials(vec![version(9, MaterialRole::Current, true)]);
        assert_eq!(primary.imported_as(&foreign), foreign);
    }
}
