use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::str::FromStr;

use portcullis_api::kms::{KeySpec, KeyUsageType};
use portcullis_api::{AccountId, ClusterId, KeyId, KeyStoreId, Messages, Region, Scope};
use portcullis_cloudhsm::{Cidr, HsmsOn, Quotas};
use portcullis_fleet::Profile;
use portcullis_kms::{AttestationTrust, check_key_material};
use portcullis_seam::TimeScale;
use portcullis_time::Pace;
use serde::de::Error;
use serde::{Deserialize, Deserializer};

use crate::password::Password;
use crate::principal::PrincipalEntry;

/// A world file. Everything is optional: an empty file is an empty world.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct World {
    /// One sentence for `--help` and the log.
    #[serde(default)]
    pub description: String,
    /// The account everything below belongs to, and that requests without one get.
    #[serde(default = "default_account")]
    pub account: AccountId,
    /// The Region everything below is in, and that requests without one get.
    #[serde(default = "default_region")]
    pub region: Region,
    /// Permit renaming a CONNECTED key store, as today's API does. The Developer Guide's rule,
    /// and the default, is that every edit needs DISCONNECTED.
    #[serde(default)]
    pub rename_while_connected: bool,
    /// Whose attestation documents are believed: `any`, `aws`, `unchecked`, or the path of a PEM
    /// file with roots.
    pub attestation_roots: Option<String>,
    /// How many times faster than real time the services' clock runs.
    #[serde(default, deserialize_with = "time_scale")]
    pub time_scale: Option<TimeScale>,
    /// How long changes of state take.
    #[serde(default, deserialize_with = "pace")]
    pub state_changes: Pace,
    /// Whether the service's quotas are kept.
    #[serde(default, deserialize_with = "quotas")]
    pub quota: Quotas,
    /// How much is sent of what an exception says: `helpful` or `aws`.
    #[serde(default, deserialize_with = "messages")]
    pub messages: Messages,
    /// How fast HSMs are, unless their cluster says otherwise: the name of a device profile.
    pub profile: Option<String>,
    /// Device profiles of its own, by name.
    #[serde(default)]
    pub(crate) profiles: BTreeMap<String, Profile>,
    /// Where HSMs are made of clusters that have no tag for it: `process` or `hosts`.
    #[serde(default, deserialize_with = "hsms_on")]
    pub hsms_on: HsmsOn,
    /// Whose signatures are good.
    #[serde(default)]
    pub auth: AuthEntry,
    /// Subnets beside those of the default VPC.
    #[serde(default)]
    pub(crate) subnets: Vec<SubnetEntry>,
    /// Clusters. Those with `restored_from` are made last, from a backup taken at that time.
    #[serde(default)]
    pub(crate) clusters: Vec<ClusterEntry>,
    /// Custom key stores.
    #[serde(default)]
    pub(crate) key_stores: Vec<KeyStoreEntry>,
    /// The KMS keys that are made, each in a key store or in KMS itself.
    #[serde(default)]
    pub(crate) keys: Vec<KeyEntry>,
    /// Who calls, by access key.
    #[serde(default)]
    pub(crate) principals: Vec<PrincipalEntry>,
}

/// Whose signatures are good, beside those of the principals.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuthEntry {
    /// Whether `test`, and the root of every account, sign with the secret `test`.
    #[serde(default = "yes")]
    pub public_root: bool,
}

impl Default for AuthEntry {
    fn default() -> Self {
        Self { public_root: true }
    }
}

const fn yes() -> bool {
    true
}

/// A subnet of a world.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SubnetEntry {
    /// The ID of the subnet.
    pub(crate) id: String,
    /// Its VPC; the default VPC when absent.
    pub(crate) vpc: Option<String>,
    /// Its zone: the letter alone.
    pub(crate) zone: String,
    /// The range of its addresses, in CIDR notation.
    pub(crate) cidr: Cidr,
    /// How many of its addresses others than HSMs have.
    #[serde(default)]
    pub(crate) taken: u32,
}

/// A cluster of a world.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClusterEntry {
    /// How the rest of the file calls it.
    pub(crate) name: String,
    /// Its ID; a fresh one when absent.
    pub(crate) id: Option<ClusterId>,
    /// The type of its HSMs; hsm2m.medium when absent.
    pub(crate) hsm_type: Option<String>,
    /// The IDs of its subnets; those of the default VPC when absent.
    #[serde(default)]
    pub(crate) subnets: Vec<String>,
    /// An HSM in each of these zones: the letter alone; a zone may stand here more than once.
    #[serde(default)]
    pub(crate) hsm_zones: Vec<String>,
    /// How fast its HSMs are: the name of a device profile.
    pub(crate) profile: Option<String>,
    /// Made from a new backup of this cluster.
    pub(crate) restored_from: Option<String>,
    /// Activates the cluster with this password; for a restored cluster, the admin's password as
    /// the backup has it.
    pub(crate) admin_password: Option<Password>,
    /// Creates `kmsuser` with this password; in a restored cluster it is reset to this one.
    pub(crate) kmsuser_password: Option<Password>,
}

/// A key store of a world.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyStoreEntry {
    /// Its ID; a fresh one when absent.
    pub(crate) id: Option<KeyStoreId>,
    /// Its friendly name.
    pub(crate) name: String,
    /// The name of its cluster in this file.
    pub(crate) cluster: String,
    /// Whether the key store is connected when the world is made.
    #[serde(default)]
    pub(crate) connect: bool,
}

/// A KMS key of a world.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyEntry {
    /// Its ID; a fresh one when absent.
    pub(crate) id: Option<KeyId>,
    /// The description of the key, as DescribeKey shows it.
    #[serde(default)]
    pub(crate) description: String,
    /// The name of its key store; a key of origin AWS_KMS when absent.
    pub(crate) key_store: Option<String>,
    /// Its aliases, each starting with `alias/`.
    #[serde(default)]
    pub(crate) aliases: Vec<String>,
    /// Its spec, in the words of CreateKey; SYMMETRIC_DEFAULT when absent.
    #[serde(default, deserialize_with = "word")]
    pub(crate) spec: Option<KeySpec>,
    /// Its usage, in the words of CreateKey; what CreateKey wants it for, when absent.
    #[serde(default, deserialize_with = "word")]
    pub(crate) usage: Option<KeyUsageType>,
    /// Its material, in base64; made in the HSMs when absent.
    pub(crate) material: Option<Password>,
    /// So many keys like this one, without `id`, `aliases` and `material`.
    #[serde(default = "one")]
    pub(crate) count: u32,
}

const fn one() -> u32 {
    1
}

impl KeyEntry {
    /// How a message calls it.
    pub(crate) fn called(&self) -> String {
        match (&self.id, self.aliases.first()) {
            (Some(id), _) => id.to_string(),
            (None, Some(alias)) => alias.clone(),
            (None, None) => format!("{:?}", self.description),
        }
    }

    fn check(&self) -> Result<(), String> {
        let is_one = self.id.is_some() || !self.aliases.is_empty() || self.material.is_some();
        if self.count != 1 && is_one {
            return Err(format!(
                "{} keys cannot have one id, or share aliases or material; leave out id, aliases and \
                 material, or count.",
                self.count
            ));
        }
        let Some(material) = &self.material else {
            return Ok(());
        };
        if self.key_store.is_some() {
            return Err(
                "a key of a key store is made in the HSMs of its cluster, which take no material. \
                 Leave out material or key_store."
                    .to_owned(),
            );
        }
        let spec = self.spec.unwrap_or(KeySpec::SymmetricDefault);
        check_key_material(spec, material.reveal()).map_err(|refused| refused.message)
    }
}

fn word<'de, T: FromStr, D: Deserializer<'de>>(from: D) -> Result<Option<T>, D::Error> {
    let word = String::deserialize(from)?;
    let unknown = |_| Error::custom(format!("{word:?} is not one that CreateKey knows"));
    word.parse().map(Some).map_err(unknown)
}

fn time_scale<'de, D: Deserializer<'de>>(from: D) -> Result<Option<TimeScale>, D::Error> {
    let scale = i64::deserialize(from)?;
    scale.to_string().parse().map(Some).map_err(Error::custom)
}

fn pace<'de, D: Deserializer<'de>>(from: D) -> Result<Pace, D::Error> {
    String::deserialize(from)?.parse().map_err(Error::custom)
}

fn hsms_on<'de, D: Deserializer<'de>>(from: D) -> Result<HsmsOn, D::Error> {
    String::deserialize(from)?.parse().map_err(Error::custom)
}

fn messages<'de, D: Deserializer<'de>>(from: D) -> Result<Messages, D::Error> {
    String::deserialize(from)?.parse().map_err(Error::custom)
}

fn quotas<'de, D: Deserializer<'de>>(from: D) -> Result<Quotas, D::Error> {
    String::deserialize(from)?.parse().map_err(Error::custom)
}

#[expect(clippy::expect_used, reason = "the literal is an account")]
fn default_account() -> AccountId {
    "000000000000".parse().expect("twelve digits")
}

#[expect(clippy::expect_used, reason = "the literal is a Region")]
fn default_region() -> Region {
    "us-east-1".parse().expect("a Region")
}

/// Why there is no such world, or it cannot be made.
#[derive(Debug)]
pub struct WorldError(pub(crate) String);

impl fmt::Display for WorldError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for WorldError {}

/// The worlds that Portcullis brings along.
pub(crate) const BUILT_IN: [(&str, &str); 3] = [
    ("quickstart", include_str!("../worlds/quickstart.toml")),
    ("guide", include_str!("../worlds/guide.toml")),
    ("empty", include_str!("../worlds/empty.toml")),
];

impl World {
    /// A built-in world by its name, or a world file by its path.
    ///
    /// # Errors
    /// When there is neither, or the file is not a world.
    pub fn find(name_or_path: &str) -> Result<Self, WorldError> {
        if let Some((_, text)) = BUILT_IN.iter().find(|(name, _)| *name == name_or_path) {
            return Self::parse(name_or_path, text);
        }
        let text = std::fs::read_to_string(Path::new(name_or_path)).map_err(|error| {
            WorldError(format!(
                "There is no world {name_or_path:?}: it is neither quickstart, guide nor empty, \
                 and as a file it cannot be read ({error}). Give one of the three names or the \
                 path of a TOML file."
            ))
        })?;
        Self::parse(name_or_path, &text)
    }

    fn parse(name: &str, text: &str) -> Result<Self, WorldError> {
        // The error's own text would show the line, in which a password or a key may stand.
        let world: Self = toml::from_str(text).map_err(|error| {
            let before = error.span().and_then(|span| text.get(..span.start));
            let line = before.map_or(1, |before| before.matches('\n').count() + 1);
            WorldError(format!(
                "The world {name} is not valid: line {line}: {}. See docs/worlds.md.",
                error.message().trim_end().trim_end_matches('.')
            ))
        })?;
        world
            .check()
            .map_err(|why| WorldError(format!("The world {name} is not valid: {why}")))?;
        Ok(world)
    }

    /// The device profile of this name, `raw` without one: one of the world's own, or a built-in.
    ///
    /// # Errors
    /// When there is neither.
    pub fn device(&self, name: Option<&str>) -> Result<Option<Profile>, String> {
        let name = name.unwrap_or("raw");
        match self.profiles.get(name) {
            Some(own) => Ok(Some(own.clone())),
            None => Profile::named(name).map_err(|error| error.to_string()),
        }
    }

    /// Whose attestation documents are believed.
    ///
    /// # Errors
    /// A text for the user.
    pub fn attestation(&self) -> Result<AttestationTrust, String> {
        crate::trust::trust(self.attestation_roots.as_deref())
    }

    fn check_devices(&self) -> Result<(), String> {
        for (name, profile) in &self.profiles {
            if Profile::NAMES.contains(&name.as_str()) {
                return Err(format!(
                    "the profile {name} is built in. Choose another name."
                ));
            }
            profile
                .check()
                .map_err(|why| format!("the profile {name}: {why}"))?;
        }
        let of_clusters = self.clusters.iter().map(|cluster| &cluster.profile);
        for name in of_clusters.chain([&self.profile]) {
            self.device(name.as_deref())?;
        }
        Ok(())
    }

    fn check(&self) -> Result<(), String> {
        self.check_devices()?;
        self.principals()?;
        for cluster in &self.clusters {
            if let Some(source) = &cluster.restored_from {
                self.expect_cluster(source, "restored_from")?;
            }
            if let Some(zone) = cluster.hsm_zones.iter().find(|zone| !is_zone(zone)) {
                return Err(format!(
                    "hsm_zones has {zone:?}; a zone is a letter, such as \"a\", \"b\" or \"c\"."
                ));
            }
            if cluster.kmsuser_password.is_some() && cluster.admin_password.is_none() {
                return Err(format!(
                    "the cluster {:?} has a kmsuser_password but no admin_password, which \
                     creating kmsuser needs.",
                    cluster.name
                ));
            }
        }
        for key_store in &self.key_stores {
            self.expect_cluster(&key_store.cluster, "cluster")?;
        }
        for key in &self.keys {
            key.check()
                .map_err(|why| format!("the key {}: {why}", key.called()))?;
        }
        for name in self.keys.iter().filter_map(|key| key.key_store.as_ref()) {
            if !self
                .key_stores
                .iter()
                .any(|key_store| key_store.name == *name)
            {
                return Err(format!(
                    "a key names the key store {name:?}, which is not here."
                ));
            }
        }
        Ok(())
    }

    fn expect_cluster(&self, name: &str, member: &str) -> Result<(), String> {
        if self.clusters.iter().any(|cluster| cluster.name == name) {
            return Ok(());
        }
        Err(format!(
            "{member} names the cluster {name:?}, which is not here."
        ))
    }

    /// Where its resources are.
    pub fn scope(&self) -> Scope {
        Scope {
            account: self.account.clone(),
            region: self.region.clone(),
        }
    }
}

fn is_zone(zone: &str) -> bool {
    matches!(zone.as_bytes(), [b'a'..=b'z'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_world_is_valid_and_says_what_it_is() {
        for (name, _) in BUILT_IN {
            let world = World::find(name).unwrap();
            assert!(!world.description.is_empty(), "{name}");
        }
    }

    #[test]
    fn a_mistake_in_a_world_is_named() {
        for (text, part) in [
            ("colour = 1", "unknown field"),
            (
                "[[key_stores]]\nname='x'\ncluster='nowhere'",
                "names the cluster \"nowhere\"",
            ),
            (
                "[[keys]]\nkey_store='nowhere'",
                "names the key store \"nowhere\"",
            ),
            ("[[clusters]]\nname='x'\nhsm_zones=['ab']", "a zone is"),
            (
                "[[subnets]]\nid='subnet-0123abcd'\nzone='a'\ncidr='10.0.0.1/24'",
                "no range of a subnet",
            ),
            (
                "[[clusters]]\nname='x'\nkmsuser_password='1234567'",
                "no admin_password",
            ),
            ("[[clusters]]\nname='x'\nid='cluster-?'", "not a cluster ID"),
            ("account = '12'", "not an account ID"),
            ("profile = 'hsm9'", "hsm2m.medium"),
            ("[[clusters]]\nname='x'\nprofile='y'", "no device profile"),
            (
                "[profiles.raw]\nsymmetric_per_s=1\nrandom_per_s=1\nqueue_operations_max=1",
                "built in",
            ),
            (
                "[profiles.x]\nsymmetric_per_s=1\nrandom_per_s=1\nqueue_operations_max=1",
                "fewer",
            ),
            (
                "[[principals]]\naccess_key='A'\nsecret='s'",
                "exactly one of root, user",
            ),
            (
                "[[principals]]\naccess_key='A'\nsecret='s'\nuser='u'\npolicies=['{}']",
                "\"A\" has a policy that is none",
            ),
            (
                "[[principals]]\naccess_key='A'\nsecret='s'\nuser='u'\nsource_arn='x'",
                "only a service",
            ),
            ("[[keys]]\nspec = 'AES'", "line 2: \"AES\" is not one that"),
            (
                "[[keys]]\naliases=['alias/a']\nmaterial='c2hvcnQ='",
                "alias/a: The key material has 5 bytes",
            ),
            (
                "[[keys]]\nspec='HMAC_256'\nmaterial='c2hvcnQ'\ndescription='mac'",
                "the key \"mac\": The key material is not base64",
            ),
            (
                "[[keys]]\ncount=2\nmaterial='c2hvcnQ='",
                "share aliases or material",
            ),
            (
                "[[keys]]\nkey_store='x'\nmaterial='c2hvcnQ='",
                "take no material",
            ),
            ("time_scale = 0", "not a time scale"),
            ("state_changes = 'slow'", "describes:N"),
        ] {
            let error = World::parse("test", text).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn an_unknown_world_says_which_there_are() {
        let error = World::find("/does/not/exist.toml").unwrap_err().to_string();
        assert!(error.contains("quickstart, guide nor empty"), "{error}");
    }

    #[test]
    fn passwords_are_not_printed() {
        let world = World::find("guide").unwrap();
        assert!(!format!("{world:?}").contains("ExamplePassword"));
        for text in [
            "[[keys]]\nmaterail = 'Y2FuYXJ5'",
            "[[keys]]\nmaterial = 'Y2FuYXJ5'",
            "[[keys]]\nspec = 'ECC_NIST_P256'\nmaterial = 'Y2FuYXJ5'",
        ] {
            let error = World::parse("test", text).unwrap_err().to_string();
            assert!(!error.contains("Y2FuYXJ5"), "{error}");
        }
    }
}
