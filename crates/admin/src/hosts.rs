use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::Secret;

/// Where a host will stand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct EnrolRequest {
    /// Its Availability Zone; the first one of the default Region when none is named.
    pub availability_zone: Option<String>,
}

/// A host that may join.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct EnrolledHost {
    /// The number of the host, in the order of invitation.
    pub host: u64,
    /// The Availability Zone that it stands in.
    pub availability_zone: String,
    /// The address of the control plane that the host connects to.
    pub join: SocketAddr,
    /// The token with which one host may join, once.
    #[cfg_attr(test, schemars(with = "String"))]
    pub token: Secret,
    /// Until when the token is accepted.
    pub expires: String,
}

/// The hosts that were invited.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct HostList {
    /// In the order of their numbers.
    pub hosts: Vec<Host>,
}

/// A host: another process that runs an HSM.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Host {
    /// The number of the host, in the order of invitation.
    pub host: u64,
    /// The Availability Zone that it stands in.
    pub availability_zone: String,
    /// Whether the host has joined, and whether it is connected.
    pub state: HostState,
    /// Where it calls from; null while it is not connected.
    pub calls_from: Option<SocketAddr>,
    /// The HSM that it runs.
    pub hsm: Option<String>,
    /// The cluster of that HSM.
    pub cluster: Option<String>,
    /// Where that HSM listens.
    pub address: Option<SocketAddr>,
}

/// How a host is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum HostState {
    /// Its token was not used yet.
    Invited,
    /// Its token was not used in time.
    Expired,
    /// It is connected and has no HSM.
    Idle,
    /// It is connected and its HSM serves.
    Serving,
    /// It is connected, and its HSM is down.
    Down,
    /// It is not connected.
    Lost,
    /// It is not let in any more.
    Revoked,
}

impl HostState {
    /// As it is written.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Invited => "INVITED",
            Self::Expired => "EXPIRED",
            Self::Idle => "IDLE",
            Self::Serving => "SERVING",
            Self::Down => "DOWN",
            Self::Lost => "LOST",
            Self::Revoked => "REVOKED",
        }
    }
}

/// A host that is let in no more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RevokedHost {
    /// The number of the host, in the order of invitation.
    pub host: u64,
    /// The state of the host, which is REVOKED.
    pub state: HostState,
    /// The HSM that it ran, which is used no more.
    pub hsm: Option<String>,
}
