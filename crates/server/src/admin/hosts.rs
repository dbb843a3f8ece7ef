//! Hosts: other processes that run HSMs.

use std::sync::Arc;

use axum::extract::{Path, State};
use portcullis_seam::Timestamp;
use serde::Deserialize;
use serde_json::json;

use super::Admin;
use super::date::date;
use super::reply::{Answer, Done, Refused, Sent};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Invitation {
    /// Where the host will stand; the first zone of the default Region when none is named.
    availability_zone: Option<String>,
}

/// `POST /_portcullis/hosts`: a token with which one host may join.
pub(super) async fn enrol(State(admin): State<Arc<Admin>>, sent: Sent) -> Answer {
    let Invitation { availability_zone } = sent.read()?;
    let first = || format!("{}a", admin.defaults.region);
    let zone = availability_zone.unwrap_or_else(first);
    let enrolment = admin.cloudhsm.enrol_host(&zone).await?;
    Ok(Done(json!({
        "host": enrolment.token.number,
        "availability_zone": enrolment.zone,
        "join": enrolment.join,
        "token": *enrolment.token.reveal(),
        "expires": date(Timestamp::from_millis(enrolment.expires)),
    })))
}

/// `GET /_portcullis/hosts`.
pub(super) async fn list(State(admin): State<Arc<Admin>>) -> Answer {
    Ok(Done(json!({ "hosts": admin.cloudhsm.hosts() })))
}

/// `DELETE /_portcullis/hosts/{number}`: it is let in no more.
pub(super) async fn revoke(State(admin): State<Arc<Admin>>, Path(number): Path<String>) -> Answer {
    let parsed = number.parse().map_err(|_| {
        Refused::because("A host is named by its number, which `portcullis hsm hosts` lists.")
    })?;
    let hsm = admin.cloudhsm.revoke_host(parsed).await?;
    Ok(Done(
        json!({ "host": parsed, "state": "REVOKED", "hsm": hsm }),
    ))
}
