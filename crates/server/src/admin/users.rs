//! The verbs of the CloudHSM CLI. The paths are `/_portcullis/cloudhsm/{cluster}/…`; the account
//! and the Region are query parameters.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use portcullis_admin::{
    self as api, ActivateCluster, ActivateRequest, ChangePassword, CreateUser, DeleteUser,
    GetHsmInfo, GetSession, HsmInfo, HsmInfoList, ListUsers, LogIn, LogOut, LoggedIn, LoginRequest,
    Place, SessionRequest, User, UserList, UserName, UserPasswordRequest, UserRequest,
};
use portcullis_api::{ClusterId, Scope};
use portcullis_cloudhsm as cloudhsm;
use portcullis_hsm::{Role, Secret};

use super::Admin;
use super::reply::{AdminAnswer, Asked, Done, Refused};

/// `cluster activate`.
pub(super) async fn activate(
    State(admin): State<Arc<Admin>>,
    Path(cluster): Path<String>,
    Query(place): Query<Place>,
    Asked(ActivateRequest { password }): Asked<ActivateCluster>,
) -> AdminAnswer<ActivateCluster> {
    let (scope, cluster) = admin.locate(&cluster, place)?;
    let activated = admin
        .cloudhsm
        .users()
        .activate(&scope, &cluster, secret(password));
    activated.await?;
    Ok(Done("Cluster activation successful".to_owned()))
}

/// `login`; the reply has a token for the verbs that need a session.
pub(super) async fn login(
    State(admin): State<Arc<Admin>>,
    Path(cluster): Path<String>,
    Query(place): Query<Place>,
    Asked(asked): Asked<LogIn>,
) -> AdminAnswer<LogIn> {
    let (scope, cluster) = admin.locate(&cluster, place)?;
    let LoginRequest {
        username,
        role,
        password,
    } = asked;
    let (user, password) = (of_hsm(role), secret(password));
    let login = admin
        .cloudhsm
        .users()
        .login(&scope, &cluster, &username, user, password);
    let token = api::Secret::new(login.await?);
    let UserName { username, role } = named(&username, user);
    Ok(Done(LoggedIn {
        username,
        role,
        token,
    }))
}

/// `logout`.
pub(super) async fn logout(
    State(admin): State<Arc<Admin>>,
    Asked(SessionRequest { token }): Asked<LogOut>,
) -> AdminAnswer<LogOut> {
    admin.cloudhsm.users().logout(token.reveal()).await?;
    Ok(Done("Logout successful".to_owned()))
}

/// Who is logged in under a token.
pub(super) async fn session(
    State(admin): State<Arc<Admin>>,
    Asked(SessionRequest { token }): Asked<GetSession>,
) -> AdminAnswer<GetSession> {
    let (username, role) = admin.cloudhsm.users().session(token.reveal())?;
    Ok(Done(named(&username, role)))
}

/// `user create`.
pub(super) async fn create(
    State(admin): State<Arc<Admin>>,
    Asked(asked): Asked<CreateUser>,
) -> AdminAnswer<CreateUser> {
    let UserPasswordRequest {
        token,
        username,
        role,
        password,
    } = asked;
    let (role, password) = (of_hsm(role), secret(password));
    let created = admin
        .cloudhsm
        .users()
        .create(token.reveal(), &username, role, password);
    created.await?;
    Ok(Done(named(&username, role)))
}

/// `user change-password`.
pub(super) async fn change_password(
    State(admin): State<Arc<Admin>>,
    Asked(asked): Asked<ChangePassword>,
) -> AdminAnswer<ChangePassword> {
    let UserPasswordRequest {
        token,
        username,
        role,
        password,
    } = asked;
    let (role, password) = (of_hsm(role), secret(password));
    let changed = admin
        .cloudhsm
        .users()
        .change_password(token.reveal(), &username, role, password);
    changed.await?;
    Ok(Done(named(&username, role)))
}

/// `user delete`.
pub(super) async fn delete(
    State(admin): State<Arc<Admin>>,
    Asked(asked): Asked<DeleteUser>,
) -> AdminAnswer<DeleteUser> {
    let UserRequest {
        token,
        username,
        role,
    } = asked;
    let role = of_hsm(role);
    let deleted = admin
        .cloudhsm
        .users()
        .delete(token.reveal(), &username, role);
    deleted.await?;
    Ok(Done(named(&username, role)))
}

/// `user list`.
pub(super) async fn list(
    State(admin): State<Arc<Admin>>,
    Path(cluster): Path<String>,
    Query(place): Query<Place>,
) -> AdminAnswer<ListUsers> {
    let (scope, cluster) = admin.locate(&cluster, place)?;
    let rows = admin.cloudhsm.users().list(&scope, &cluster).await?;
    let users = rows.into_iter().map(|row| User {
        username: row.username,
        role: of_api(row.role),
        locked: row.locked.name().to_owned(),
        mfa: row.mfa,
        quorum: Vec::new(),
        cluster_coverage: row.cluster_coverage.name().to_owned(),
    });
    Ok(Done(UserList {
        users: users.collect(),
    }))
}

/// `cluster hsm-info`.
pub(super) async fn hsm_info(
    State(admin): State<Arc<Admin>>,
    Path(cluster): Path<String>,
    Query(place): Query<Place>,
) -> AdminAnswer<GetHsmInfo> {
    let (scope, cluster) = admin.locate(&cluster, place)?;
    let hsms = admin.cloudhsm.users().hsm_info(&scope, &cluster)?;
    Ok(Done(HsmInfoList {
        hsms: hsms.into_iter().map(described).collect(),
    }))
}

fn described(hsm: cloudhsm::HsmInfo) -> HsmInfo {
    HsmInfo {
        vendor: "Portcullis".to_owned(),
        model: "software HSM".to_owned(),
        serial_number: hsm.id.to_string(),
        hardware_version_major: "0".to_owned(),
        hardware_version_minor: "0".to_owned(),
        firmware_version_major: env!("CARGO_PKG_VERSION_MAJOR").to_owned(),
        firmware_version_minor: env!("CARGO_PKG_VERSION_MINOR").to_owned(),
        firmware_build_number: env!("CARGO_PKG_VERSION_PATCH").to_owned(),
        firmware_id: concat!("portcullis-", env!("CARGO_PKG_VERSION")).to_owned(),
        fips_state: "0 [non-FIPS mode with single factor authentication]".to_owned(),
        hsm_id: hsm.id.to_string(),
        availability_zone: hsm.availability_zone,
        ip: hsm.ip,
        state: hsm.state.name().to_owned(),
        address: hsm.address,
    }
}

/// Rule CL-29: a user's name is shown in lower case.
fn named(username: &str, role: Role) -> UserName {
    UserName {
        username: username.to_ascii_lowercase(),
        role: of_api(role),
    }
}

fn secret(secret: api::Secret) -> Secret {
    Secret(secret.into_inner())
}

const fn of_hsm(role: api::Role) -> Role {
    match role {
        api::Role::UnactivatedAdmin => Role::UnactivatedAdmin,
        api::Role::Admin => Role::Admin,
        api::Role::CryptoUser => Role::CryptoUser,
        api::Role::ApplianceUser => Role::ApplianceUser,
    }
}

const fn of_api(role: Role) -> api::Role {
    match role {
        Role::UnactivatedAdmin => api::Role::UnactivatedAdmin,
        Role::Admin => api::Role::Admin,
        Role::CryptoUser => api::Role::CryptoUser,
        Role::ApplianceUser => api::Role::ApplianceUser,
    }
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
