//! The verbs of the CloudHSM CLI. The paths are `/_portcullis/cloudhsm/{cluster}/…`; the account
//! and the Region are query parameters.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use portcullis_api::{ClusterId, Scope};
use portcullis_hsm::{Role, Secret};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Admin;
use super::reply::{Answer, Done, Refused, Sent};

/// Where a cluster is, unless it is in the default account and Region.
#[derive(Debug, Deserialize)]
pub(super) struct Place {
    account: Option<String>,
    region: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Activation {
    password: Secret,
}

#[derive(Debug, Deserialize)]
struct Credentials {
    username: String,
    role: Role,
    password: Secret,
}

#[derive(Deserialize)]
struct Token {
    token: String,
}

/// `cluster activate`.
pub(super) async fn activate(
    State(admin): State<Arc<Admin>>,
    Path(cluster): Path<String>,
    Query(place): Query<Place>,
    sent: Sent,
) -> Answer {
    let (scope, cluster) = admin.locate(&cluster, place)?;
    let Activation { password } = sent.read()?;
    admin.cloudhsm.activate(&scope, &cluster, password).await?;
    Ok(Done(json!("Cluster activation successful")))
}

/// `login`; the reply has a token for the verbs that need a session.
pub(super) async fn login(
    State(admin): State<Arc<Admin>>,
    Path(cluster): Path<String>,
    Query(place): Query<Place>,
    sent: Sent,
) -> Answer {
    let (scope, cluster) = admin.locate(&cluster, place)?;
    let Credentials {
        username,
        role,
        password,
    } = sent.read()?;
    let login = admin
        .cloudhsm
        .login(&scope, &cluster, &username, role, password);
    let token = login.await?;
    let mut data = user(&username, role);
    if let Some(members) = data.as_object_mut() {
        members.insert("token".to_owned(), Value::String(token));
    }
    Ok(Done(data))
}

/// `logout`.
pub(super) async fn logout(State(admin): State<Arc<Admin>>, sent: Sent) -> Answer {
    let Token { token } = sent.read()?;
    admin.cloudhsm.logout(&token).await?;
    Ok(Done(json!("Logout successful")))
}

/// Who is logged in under a token.
pub(super) async fn session(State(admin): State<Arc<Admin>>, sent: Sent) -> Answer {
    let Token { token } = sent.read()?;
    let (username, role) = admin.cloudhsm.session(&token)?;
    Ok(Done(user(&username, role)))
}

/// `user create`.
pub(super) async fn create(State(admin): State<Arc<Admin>>, sent: Sent) -> Answer {
    let Token { token } = sent.read()?;
    let Credentials {
        username,
        role,
        password,
    } = sent.read()?;
    let created = admin
        .cloudhsm
        .create_user(&token, &username, role, password);
    created.await?;
    Ok(Done(user(&username, role)))
}

/// `user change-password`.
pub(super) async fn change_password(State(admin): State<Arc<Admin>>, sent: Sent) -> Answer {
    let Token { token } = sent.read()?;
    let Credentials {
        username,
        role,
        password,
    } = sent.read()?;
    let changed = admin
        .cloudhsm
        .change_password(&token, &username, role, password);
    changed.await?;
    Ok(Done(user(&username, role)))
}

/// `user delete`.
pub(super) async fn delete(State(admin): State<Arc<Admin>>, sent: Sent) -> Answer {
    #[derive(Deserialize)]
    struct User {
        username: String,
        role: Role,
    }
    let Token { token } = sent.read()?;
    let User { username, role } = sent.read()?;
    admin.cloudhsm.delete_user(&token, &username, role).await?;
    Ok(Done(user(&username, role)))
}

/// `user list`.
pub(super) async fn list(
    State(admin): State<Arc<Admin>>,
    Path(cluster): Path<String>,
    Query(place): Query<Place>,
) -> Answer {
    let (scope, cluster) = admin.locate(&cluster, place)?;
    let rows = admin.cloudhsm.list_users(&scope, &cluster).await?;
    let users: Vec<Value> = rows
        .iter()
        .map(|row| {
            json!({
                "username": row.username,
                "role": row.role,
                "locked": row.locked.name(),
                "mfa": row.mfa,
                "cluster-coverage": row.cluster_coverage.name(),
            })
        })
        .collect();
    Ok(Done(json!({ "users": users })))
}

/// `cluster hsm-info`.
pub(super) async fn hsm_info(
    State(admin): State<Arc<Admin>>,
    Path(cluster): Path<String>,
    Query(place): Query<Place>,
) -> Answer {
    let (scope, cluster) = admin.locate(&cluster, place)?;
    let hsms = admin.cloudhsm.hsm_info(&scope, &cluster)?;
    let hsms: Vec<Value> = hsms
        .iter()
        .map(|hsm| {
            json!({
                "vendor": "Portcullis",
                "model": "software HSM",
                "serial-number": hsm.id,
                "hardware-version-major": "0",
                "hardware-version-minor": "0",
                "firmware-version-major": env!("CARGO_PKG_VERSION_MAJOR"),
                "firmware-version-minor": env!("CARGO_PKG_VERSION_MINOR"),
                "firmware-build-number": env!("CARGO_PKG_VERSION_PATCH"),
                "firmware-id": concat!("portcullis-", env!("CARGO_PKG_VERSION")),
                "fips-state": "0 [non-FIPS mode with single factor authentication]",
                "hsm-id": hsm.id,
                "availability-zone": hsm.availability_zone,
                "ip": hsm.ip,
                "state": hsm.state,
                "address": hsm.address,
            })
        })
        .collect();
    Ok(Done(json!({ "hsms": hsms })))
}

/// Rule CL-29: a user's name is shown in lower case.
fn user(username: &str, role: Role) -> Value {
    json!({ "username": username.to_ascii_lowercase(), "role": role })
}

impl Admin {
    fn locate(&self, cluster: &str, place: Place) -> Result<(Scope, ClusterId), Refused> {
        let scope = self.scope(place)?;
        let cluster = cluster.parse().map_err(|error| {
            Refused::because(&format!(
                "{cluster:?} is {error}. Give the ClusterId that DescribeClusters shows."
            ))
        })?;
        Ok((scope, cluster))
    }

    /// The account and Region that the query names, or the defaults.
    pub(super) fn scope(&self, place: Place) -> Result<Scope, Refused> {
        let Scope { account, region } = &self.defaults;
        let account = place
            .account
            .map_or_else(|| Ok(account.clone()), |text| text.parse())?;
        let region = place
            .region
            .map_or_else(|| Ok(region.clone()), |text| text.parse())?;
        Ok(Scope { account, region })
    }
}
