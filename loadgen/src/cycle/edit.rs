use portcullis_admin::EditKind;
use serde::de::IgnoredAny;

use super::password::PasswordSource;
use crate::args::RunArguments;
use crate::client::{
    CallError, ControlClient, KeyStore, KeyStoreEdit, ListedCluster, ListedClusters,
};
use crate::failure::Unusable;

/// The edits of a run: their kinds in turn, and what is needed to make them.
#[derive(Debug)]
pub(crate) struct Edits {
    /// The kinds of edits that are made in turn; never empty.
    kinds: Vec<EditKind>,
    passwords: Option<PasswordSource>,
    /// Related clusters, the key store's own among them, in a fixed order.
    clusters: Vec<String>,
    made: u32,
}

/// Finds out which edits can be made. Gives the edits and, for each kind that was not asked for
/// and that cannot be made, a note that says why.
///
/// # Errors
/// When a kind that was asked for cannot be made.
// Rule LG-09: an edit that was asked for and cannot be made is refused before the load begins.
pub(crate) async fn prepare(
    control: &mut ControlClient,
    arguments: &RunArguments,
    key_store: &KeyStore,
) -> Result<(Edits, Vec<String>), Unusable> {
    let passwords = PasswordSource::of(&arguments.cycle, &arguments.credentials);
    let wanted = &arguments.cycle.edits;
    let clusters = if wanted.is_empty() || wanted.contains(&EditKind::Cluster) {
        related_clusters(control, &arguments.cycle.clusters, key_store).await
    } else {
        Ok(Vec::new())
    };
    let missing = |kind: EditKind| match kind {
        EditKind::Name => None,
        EditKind::Password => passwords.is_none().then(|| NO_PASSWORD.to_owned()),
        EditKind::Cluster => match &clusters {
            Err(error) => Some(error.clone()),
            Ok(_) => passwords.is_none().then(|| NO_PASSWORD.to_owned()),
        },
    };
    if wanted.is_empty() {
        let notes = EditKind::ALL
            .into_iter()
            .filter_map(|kind| Some(format!("No {} edits: {}", kind.name(), missing(kind)?)));
        let notes = notes.collect();
        let kinds = EditKind::ALL
            .into_iter()
            .filter(|kind| missing(*kind).is_none())
            .collect();
        let clusters = clusters.unwrap_or_default();
        return Ok((
            Edits {
                kinds,
                passwords,
                clusters,
                made: 0,
            },
            notes,
        ));
    }
    if let Some((kind, why)) = wanted.iter().find_map(|kind| Some((kind, missing(*kind)?))) {
        return Err(Unusable(format!(
            "--edits {} is not possible: {why}",
            kind.name()
        )));
    }
    let clusters = clusters.unwrap_or_default();
    Ok((
        Edits {
            kinds: wanted.clone(),
            passwords,
            clusters,
            made: 0,
        },
        Vec::new(),
    ))
}

const NO_PASSWORD: &str = "nothing here can reset the password of kmsuser in the cluster, which \
    KMS changes at every connect. Give --admin-password (of a Portcullis), --password-command or \
    --kmsuser-password.";

/// The clusters to switch between, or why there are none.
async fn related_clusters(
    control: &mut ControlClient,
    named: &[String],
    key_store: &KeyStore,
) -> Result<Vec<String>, String> {
    let own = key_store.cluster_id.as_deref().unwrap_or_default();
    let mut clusters = named.to_vec();
    if clusters.is_empty() {
        let all = control
            .list::<ListedClusters>()
            .await
            .map_err(|error: CallError| error.to_string())?;
        clusters = with_the_certificate_of(own, &all);
    }
    if clusters.iter().any(|cluster| cluster != own) {
        return Ok(clusters);
    }
    Err(format!(
        "no other active cluster with the certificate of {own} is known. Restore one from a backup \
         of it, or name clusters with --clusters."
    ))
}

fn with_the_certificate_of(own: &str, clusters: &[ListedCluster]) -> Vec<String> {
    let is_own = |cluster: &&ListedCluster| cluster.cluster_id == own;
    let Some(anchor) = clusters
        .iter()
        .find(is_own)
        .and_then(ListedCluster::certificate)
    else {
        return Vec::new();
    };
    clusters
        .iter()
        .filter(|cluster| cluster.certificate() == Some(anchor) && cluster.state == "ACTIVE")
        .map(|cluster| cluster.cluster_id.clone())
        .collect()
}

impl Edits {
    /// The kind of edit of cycle `cycle`, counted from 0.
    pub(crate) fn kind_of(&self, cycle: u32) -> EditKind {
        let cycle = usize::try_from(cycle).unwrap_or(0);
        let kind = self.kinds.get(cycle % self.kinds.len().max(1));
        kind.copied().unwrap_or(EditKind::Name)
    }

    /// How many edits were made.
    pub(crate) const fn made(&self) -> u32 {
        self.made
    }

    /// Makes an edit of a disconnected key store.
    pub(crate) async fn make(
        &mut self,
        kind: EditKind,
        control: &mut ControlClient,
        key_store: &mut KeyStore,
    ) -> Result<(), Unusable> {
        self.made += 1;
        match kind {
            EditKind::Name => {
                let made_up = format!("loadgen-{}-{}", key_store.id, self.made);
                for name in [made_up, key_store.name.clone()] {
                    let edit = KeyStoreEdit {
                        new_custom_key_store_name: Some(name),
                        ..KeyStoreEdit::default()
                    };
                    update(control, key_store, edit).await?;
                }
                Ok(())
            }
            EditKind::Password => {
                let cluster = key_store.cluster_id.clone().unwrap_or_default();
                let edit = self.password(control, &cluster).await?;
                update(control, key_store, edit).await
            }
            EditKind::Cluster => {
                let cluster = self.next_cluster(key_store.cluster_id.as_deref());
                let edit = KeyStoreEdit {
                    cloud_hsm_cluster_id: Some(cluster.clone()),
                    ..self.password(control, &cluster).await?
                };
                update(control, key_store, edit).await?;
                key_store.cluster_id = Some(cluster);
                Ok(())
            }
        }
    }

    /// An edit to the password that `kmsuser` has in the cluster.
    async fn password(
        &self,
        control: &mut ControlClient,
        cluster: &str,
    ) -> Result<KeyStoreEdit, Unusable> {
        let Some(passwords) = &self.passwords else {
            return Err(Unusable(NO_PASSWORD.to_owned()));
        };
        let password = passwords.obtain(control, cluster).await?;
        Ok(KeyStoreEdit {
            key_store_password: Some(password),
            ..KeyStoreEdit::default()
        })
    }

    /// The cluster after `present` in their fixed order.
    fn next_cluster(&self, present: Option<&str>) -> String {
        let place = self
            .clusters
            .iter()
            .position(|cluster| Some(cluster.as_str()) == present);
        let next = place.map_or(0, |place| (place + 1) % self.clusters.len().max(1));
        self.clusters.get(next).cloned().unwrap_or_default()
    }
}

async fn update(
    control: &mut ControlClient,
    key_store: &KeyStore,
    mut edit: KeyStoreEdit,
) -> Result<(), Unusable> {
    edit.custom_key_store_id.clone_from(&key_store.id);
    control
        .kms::<IgnoredAny>("UpdateCustomKeyStore", &edit)
        .await
        .map(drop)
        .map_err(|error| {
            Unusable(format!(
                "The edit cycle stopped: {error} The key store {} (was called {:?}) is left \
             disconnected; connect it before the next run.",
                key_store.id, key_store.name
            ))
        })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn related_clusters_have_the_same_certificate_and_are_active() {
        let cluster = |id: &str, state: &str, certificate: &str| {
            json!({
                "ClusterId": id,
                "State": state,
                "Certificates": { "ClusterCertificate": certificate },
            })
        };
        let clusters = [
            cluster("cluster-a", "ACTIVE", "one"),
            cluster("cluster-b", "ACTIVE", "two"),
            cluster("cluster-c", "ACTIVE", "one"),
            cluster("cluster-d", "DEGRADED", "one"),
            json!({ "ClusterId": "cluster-e", "State": "UNINITIALIZED" }),
        ];
        let clusters = clusters.map(|cluster| serde_json::from_value(cluster).unwrap());
        assert_eq!(
            with_the_certificate_of("cluster-a", &clusters),
            ["cluster-a", "cluster-c"]
        );
        assert!(with_the_certificate_of("cluster-e", &clusters).is_empty());
    }

    #[test]
    fn clusters_are_taken_in_turn() {
        let edits = Edits {
            kinds: vec![EditKind::Cluster, EditKind::Name],
            passwords: None,
            clusters: vec!["a".to_owned(), "b".to_owned(), "c".to_owned()],
            made: 0,
        };
        assert_eq!(edits.next_cluster(Some("a")), "b");
        assert_eq!(edits.next_cluster(Some("c")), "a");
        assert_eq!(edits.next_cluster(Some("elsewhere")), "a");
        assert_eq!(edits.kind_of(3), EditKind::Name);
    }
}
