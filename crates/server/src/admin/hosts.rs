//! Hosts: other processes that run HSMs.

use std::sync::Arc;

use axum::extract::{Path, State};
use portcullis_admin::{
    EnrolHost, EnrolRequest, EnrolledHost, HostList, HostState, ListHosts, RevokeHost, RevokedHost,
    Secret,
};
use portcullis_seam::Timestamp;

use super::Admin;
use super::date::date;
use super::reply::{AdminAnswer, Asked, Done, Refused};

/// `POST /_portcullis/hosts`: a token with which one host may join.
pub(super) async fn enrol(
    State(admin): State<Arc<Admin>>,
    Asked(EnrolRequest { availability_zone }): Asked<EnrolHost>,
) -> AdminAnswer<EnrolHost> {
    let first = || format!("{}a", admin.defaults.region);
    let zone = availability_zone.unwrap_or_else(first);
    let enrolment = admin.cloudhsm.hosts().enrol(&zone).await?;
    Ok(Done(EnrolledHost {
        host: enrolment.token.number,
        availability_zone: enrolment.zone,
        join: enrolment.join,
        token: Secret::new(enrolment.token.reveal().as_str()),
        expires: date(Timestamp::from_millis(enrolment.expires)),
    }))
}

/// `GET /_portcullis/hosts`.
pub(super) async fn list(State(admin): State<Arc<Admin>>) -> Done<ListHosts> {
    Done(HostList {
        hosts: admin.cloudhsm.hosts().list(),
    })
}

/// `DELETE /_portcullis/hosts/{number}`: it is let in no more.
pub(super) async fn revoke(
    State(admin): State<Arc<Admin>>,
    Path(number): Path<String>,
) -> AdminAnswer<RevokeHost> {
    let host = number.parse().map_err(|_| {
        Refused::because("A host is named by its number, which `portcullis hsm hosts` lists.")
    })?;
    let hsm = admin.cloudhsm.hosts().revoke(host).await?;
    Ok(Done(RevokedHost {
        host,
        state: HostState::Revoked,
        hsm: hsm.map(|hsm| hsm.to_string()),
    }))
}
