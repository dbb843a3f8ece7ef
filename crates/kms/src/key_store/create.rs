use std::sync::Arc;

use portcullis_api::kms::CreateCustomKeyStoreRequest;
use portcullis_api::{ClusterId, Code, Exception, KeyStoreId};
use portcullis_clusters::ClusterView;
use portcullis_hsm::Epoch;
use portcullis_seam::plant::{Bug, planted};

use super::record::{KeyStorePasswords, KeyStoreRecord};
use super::{Connection, requirement};

/// Key stores in an account and Region, of any type and in any state (KMS resource quotas).
const KEY_STORES_MAX: usize = 10;

/// What CreateCustomKeyStore looks at.
pub(crate) struct CreateContext<'a> {
    /// Every key store of the account and Region.
    pub(crate) stores: &'a [KeyStoreRecord],
    /// The cluster that the request names; none if there is no such cluster.
    pub(crate) cluster: Option<Arc<ClusterView>>,
    /// Whether the password given is a store's present one; only asked for a store that is
    /// otherwise the same.
    pub(crate) same_password: &'a (dyn Fn(&KeyStoreRecord) -> bool + Sync),
}

/// A request with every required member.
pub(crate) struct WantedKeyStore {
    pub(crate) name: String,
    pub(crate) cluster: ClusterId,
    pub(crate) trust_anchor: String,
}

/// What creating comes to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// The same store exists already, disconnected.
    Exists(KeyStoreId),
    /// Make it, over a cluster with this certificate.
    Create(String),
}

impl WantedKeyStore {
    /// Rule KS-20: a CloudHSM key store needs cluster, trust anchor and password, and takes none of
    /// an external key store's parameters.
    pub(crate) fn parse(request: &CreateCustomKeyStoreRequest) -> Result<Self, Exception> {
        if request.custom_key_store_type.as_deref() == Some("EXTERNAL_KEY_STORE") {
            return Err(Exception::new(
                Code::UnsupportedOperation,
                "Portcullis does not build external key stores. Use CustomKeyStoreType \
                 AWS_CLOUDHSM.",
            ));
        }
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
        let missing = |member: &str| {
            Exception::new(
                Code::Validation,
                format!("{member} is required for an AWS_CLOUDHSM key store. Add it."),
            )
        };
        if request.key_store_password.is_none() {
            return Err(missing("KeyStorePassword"));
        }
        let cluster = request.cloud_hsm_cluster_id.as_deref();
        let cluster = cluster.ok_or_else(|| missing("CloudHsmClusterId"))?;
        Ok(Self {
            name: request.custom_key_store_name.clone(),
            cluster: cluster
                .parse()
                .map_err(|invalid: portcullis_api::InvalidId| {
                    Exception::new(Code::Validation, format!("CloudHsmClusterId is {invalid}."))
                })?,
            trust_anchor: request
                .trust_anchor_certificate
                .clone()
                .ok_or_else(|| missing("TrustAnchorCertificate"))?,
        })
    }
}

/// The checks of CreateCustomKeyStore, in order.
pub(crate) fn decide(
    wanted: &WantedKeyStore,
    world: &CreateContext<'_>,
) -> Result<Decision, Exception> {
    if let Some(cluster) = &world.cluster
        && planted(Bug::CreateRetriedMakesAnother)
    {
        return Ok(Decision::Create(
            cluster.certificate.clone().unwrap_or_default(),
        ));
    }
    // Rule KS-21: the same values as a disconnected store's create nothing and give its ID.
    let same = |store: &&KeyStoreRecord| {
        store.name == wanted.name
            && store.cluster == wanted.cluster
            && same_certificate(&store.trust_anchor, &wanted.trust_anchor)
            && store.connection == Connection::Disconnected
            && (world.same_password)(store)
    };
    if let Some(store) = world.stores.iter().find(same) {
        return Ok(Decision::Exists(store.id.clone()));
    }
    name_is_free(&wanted.name, world.stores.iter())?;
    // Rule KS-23: ten key stores an account and Region.
    if world.stores.len() >= KEY_STORES_MAX {
        return Err(Exception::new(
            Code::LimitExceeded,
            format!("There are {KEY_STORES_MAX} key stores already. Delete one, then try again."),
        ));
    }
    let cluster = requirement::found(&wanted.cluster, world.cluster.as_ref())?;
    requirement::active(&cluster)?;
    not_in_use(&cluster, world)?;
    requirement::two_zones(&cluster)?;
    trust_anchor_fits(&cluster, &wanted.trust_anchor)?;
    Ok(Decision::Create(
        cluster.certificate.clone().unwrap_or_default(),
    ))
}

/// Rule KS-22: a friendly name is unique in account and Region.
pub(crate) fn name_is_free<'a>(
    name: &str,
    mut others: impl Iterator<Item = &'a KeyStoreRecord>,
) -> Result<(), Exception> {
    let Some(other) = others.find(|store| store.name == name) else {
        return Ok(());
    };
    Err(Exception::new(
        Code::CustomKeyStoreNameInUse,
        format!(
            "The key store {} has the name {name:?}. Choose another name.",
            other.id
        ),
    ))
}

/// Rule KS-24: a cluster backs one key store, and so do all that share its certificate.
fn not_in_use(cluster: &ClusterView, world: &CreateContext<'_>) -> Result<(), Exception> {
    let certificate = cluster.certificate.as_deref();
    let user = world.stores.iter().find(|store| {
        let same = |own| same_certificate(own, &store.certificate);
        store.cluster == cluster.id || certificate.is_some_and(same)
    });
    let Some(user) = user.map(|store| &store.cluster) else {
        return Ok(());
    };
    Err(Exception::new(
        Code::CloudHsmClusterInUse,
        format!(
            "The cluster {} is, or shares a backup history with, the cluster {user}, which backs \
             another key store. Use a cluster with a certificate of its own.",
            cluster.id
        ),
    ))
}

/// Rule KS-25: the trust anchor is the certificate with which the cluster was initialised.
fn trust_anchor_fits(cluster: &ClusterView, given: &str) -> Result<(), Exception> {
    if cluster
        .trust_anchor
        .as_deref()
        .is_some_and(|own| same_certificate(own, given))
    {
        return Ok(());
    }
    Err(Exception::new(
        Code::IncorrectTrustAnchor,
        format!(
            "The trust anchor certificate is not the one with which the cluster {} was \
             initialised. Give the content of the customerCA.crt that was given to \
             InitializeCluster.",
            cluster.id
        ),
    ))
}

/// Two PEM texts are the same when they differ only in white space.
pub(crate) fn same_certificate(one: &str, other: &str) -> bool {
    one.split_whitespace().eq(other.split_whitespace())
}

/// The record of a new store.
pub(crate) fn record(
    id: KeyStoreId,
    wanted: WantedKeyStore,
    certificate: String,
    sealed_password: Vec<u8>,
    now_ms: u64,
) -> KeyStoreRecord {
    KeyStoreRecord {
        id,
        name: wanted.name,
        cluster: wanted.cluster,
        trust_anchor: wanted.trust_anchor,
        certificate,
        created_ms: now_ms,
        connection: Connection::Disconnected,
        epoch: Epoch(now_ms),
        passwords: KeyStorePasswords {
            current: sealed_password,
            rotating: None,
            previous: None,
            older: Vec::new(),
        },
    }
}
