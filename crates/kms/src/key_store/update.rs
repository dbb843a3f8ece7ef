use std::sync::Arc;

use portcullis_api::kms::UpdateCustomKeyStoreRequest;
use portcullis_api::{ClusterId, Code, Exception};
use portcullis_clusters::ClusterView;
use portcullis_seam::plant::{Bug, planted};

use super::create::{name_is_free, same_certificate};
use super::record::KeyStoreRecord;
use super::{Connection, requirement};

/// The settings that a request edits.
pub(crate) struct KeyStoreEdit {
    pub(crate) name: Option<String>,
    pub(crate) cluster: Option<ClusterId>,
    pub(crate) has_password: bool,
}

/// What UpdateCustomKeyStore looks at.
pub(crate) struct UpdateContext<'a> {
    pub(crate) store: &'a KeyStoreRecord,
    /// Every other key store of the account and Region.
    pub(crate) others: &'a [KeyStoreRecord],
    /// The cluster asked for, if one is.
    pub(crate) cluster: Option<Arc<ClusterView>>,
    /// The world permits renaming a CONNECTED store, as today's API does.
    pub(crate) rename_while_connected: bool,
    pub(crate) now_ms: u64,
}

impl KeyStoreEdit {
    pub(crate) fn parse(request: &UpdateCustomKeyStoreRequest) -> Result<Self, Exception> {
        let external = request.xks_proxy_uri_endpoint.is_some()
            || request.xks_proxy_uri_path.is_some()
            || request.xks_proxy_vpc_endpoint_service_name.is_some()
            || request.xks_proxy_vpc_endpoint_service_owner.is_some()
            || request.xks_proxy_authentication_credential.is_some()
            || request.xks_proxy_connectivity.is_some();
        if external {
            return Err(Exception::new(
                Code::Validation,
                "XksProxy parameters are not valid for an AWS_CLOUDHSM key store. Leave them out.",
            ));
        }
        let cluster = request
            .cloud_hsm_cluster_id
            .as_deref()
            .map(str::parse)
            .transpose();
        let edit = Self {
            name: request.new_custom_key_store_name.clone(),
            cluster: cluster.map_err(|invalid: portcullis_api::InvalidId| {
                Exception::new(Code::Validation, format!("CloudHsmClusterId is {invalid}."))
            })?,
            has_password: request.key_store_password.is_some(),
        };
        if edit.name.is_none() && edit.cluster.is_none() && !edit.has_password {
            return Err(Exception::new(
                Code::Validation,
                "Nothing to edit. Give NewCustomKeyStoreName, CloudHsmClusterId or \
                 KeyStorePassword.",
            ));
        }
        Ok(edit)
    }

    const fn is_rename_only(&self) -> bool {
        self.name.is_some() && self.cluster.is_none() && !self.has_password
    }
}

/// The checks of UpdateCustomKeyStore, in order, and the record as edited: all settings, or none. A
/// password, which must be sealed first, is set by the caller.
pub(crate) fn decide(
    edit: &KeyStoreEdit,
    world: &UpdateContext<'_>,
) -> Result<KeyStoreRecord, Exception> {
    state_permits(edit, world)?;
    let mut record = world.store.clone();
    if record.connection == Connection::Disconnected {
        // A connect that was decided on the record as it was must not be taken for this one.
        record.epoch = record.next_epoch(world.now_ms);
    }
    if let Some(name) = &edit.name {
        name_is_free(name, world.others.iter())?;
        record.name.clone_from(name);
    }
    if let Some(id) = &edit.cluster {
        let cluster = requirement::found(id, world.cluster.as_ref())?;
        requirement::active(&cluster)?;
        related(&cluster, world)?;
        requirement::two_zones(&cluster)?;
        if !planted(Bug::OldClusterKept) {
            record.cluster = id.clone();
            if let Some(certificate) = &cluster.certificate {
                record.certificate.clone_from(certificate);
            }
        }
    }
    Ok(record)
}

/// Rule KS-40: every edit needs DISCONNECTED. Rule KS-41: with `rename_while_connected`, a rename
/// alone is permitted while CONNECTED too.
fn state_permits(edit: &KeyStoreEdit, world: &UpdateContext<'_>) -> Result<(), Exception> {
    let store = world.store;
    if store.connection == Connection::Disconnected {
        return Ok(());
    }
    let renames = edit.is_rename_only() && store.connection == Connection::Connected;
    if renames && world.rename_while_connected {
        return Ok(());
    }
    let setting = if renames {
        " The world setting rename_while_connected permits renaming a CONNECTED key store, as \
         today's API does."
    } else {
        ""
    };
    Err(store.wrong_state(
        "its settings can be edited only while it is DISCONNECTED",
        &format!(
            "Run DisconnectCustomKeyStore and wait until it is DISCONNECTED, then try \
             again.{setting}"
        ),
    ))
}

/// Rule KS-42: only a cluster that shares a backup history can be substituted, which is to say one
/// with the same cluster certificate.
fn related(cluster: &ClusterView, world: &UpdateContext<'_>) -> Result<(), Exception> {
    let own = &world.store.certificate;
    let same = cluster
        .certificate
        .as_deref()
        .is_some_and(|other| same_certificate(own, other));
    if same || cluster.id == world.store.cluster || planted(Bug::CertificateCheckSkipped) {
        return Ok(());
    }
    Err(Exception::new(
        Code::CloudHsmClusterNotRelated,
        format!(
            "The cluster {} does not share a backup history with {}: their cluster certificates \
             differ. Make a cluster from a backup of {} with CreateCluster and SourceBackupId, and \
             compare Certificates.ClusterCertificate in DescribeClusters.",
            cluster.id, world.store.cluster, world.store.cluster
        ),
    ))
}
