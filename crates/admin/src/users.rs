use std::net::{Ipv4Addr, SocketAddr};

use serde::{Deserialize, Serialize};

use crate::Secret;

/// What a user of an HSM may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum Role {
    /// Exists before activation and sets the first password.
    UnactivatedAdmin,
    /// Manages users and uses no keys.
    Admin,
    /// Owns and uses keys.
    CryptoUser,
    /// Is the service's own user, which keeps the HSMs of a cluster in step.
    #[serde(rename = "internal(APPLIANCE_USER)")]
    ApplianceUser,
}

/// The first password of a cluster's `admin`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ActivateRequest {
    /// The new password, 7 to 32 characters.
    #[cfg_attr(test, schemars(with = "String"))]
    pub password: Secret,
}

/// The user that logs in, with the password.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct LoginRequest {
    /// The user's name.
    pub username: String,
    /// The user's role.
    pub role: Role,
    /// The user's password.
    #[cfg_attr(test, schemars(with = "String"))]
    pub password: Secret,
}

/// A session that was opened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct LoggedIn {
    /// The user's name, in lower case.
    pub username: String,
    /// The user's role.
    pub role: Role,
    /// What calls that need a session bring.
    #[cfg_attr(test, schemars(with = "String"))]
    pub token: Secret,
}

/// A session that is asked about or ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SessionRequest {
    /// The token that logging in gave.
    #[cfg_attr(test, schemars(with = "String"))]
    pub token: Secret,
}

/// A user by name and role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct UserName {
    /// The user's name, in lower case.
    pub username: String,
    /// The user's role.
    pub role: Role,
}

/// A user and the password that it shall have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct UserPasswordRequest {
    /// The session of an admin, or of the user whose password is changed.
    #[cfg_attr(test, schemars(with = "String"))]
    pub token: Secret,
    /// The user's name.
    pub username: String,
    /// The user's role.
    pub role: Role,
    /// The new password, 7 to 32 characters.
    #[cfg_attr(test, schemars(with = "String"))]
    pub password: Secret,
}

/// A user that shall be deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct UserRequest {
    /// The session of an admin.
    #[cfg_attr(test, schemars(with = "String"))]
    pub token: Secret,
    /// The user's name.
    pub username: String,
    /// The user's role.
    pub role: Role,
}

/// The users of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct UserList {
    /// Those of every HSM.
    pub users: Vec<User>,
}

/// A user of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct User {
    /// The user's name, in lower case.
    pub username: String,
    /// The user's role.
    pub role: Role,
    /// Whether wrong passwords locked the user out: `true`, `false`, or `inconsistent` when only on some
    /// HSMs.
    pub locked: String,
    /// Second factors; there are none here.
    pub mfa: Vec<String>,
    /// Services for which the user's approval is asked; there is no quorum here.
    pub quorum: Vec<String>,
    /// `full` when the user is on every HSM in service, otherwise `inconsistent`.
    #[serde(rename = "cluster-coverage")]
    pub cluster_coverage: String,
}

/// The HSMs of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct HsmInfoList {
    /// In the order of their IDs.
    pub hsms: Vec<HsmInfo>,
}

/// An HSM as the CloudHSM CLI describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct HsmInfo {
    /// The vendor of the HSM, always `Portcullis`.
    pub vendor: String,
    /// The model of the HSM, always `software HSM`.
    pub model: String,
    /// The ID of the HSM.
    pub serial_number: String,
    /// The first part of the version of the hardware, always `0`.
    pub hardware_version_major: String,
    /// The second part of the version of the hardware, always `0`.
    pub hardware_version_minor: String,
    /// The first part of the version of Portcullis.
    pub firmware_version_major: String,
    /// The second part of the version of Portcullis.
    pub firmware_version_minor: String,
    /// The third part of the version of Portcullis.
    pub firmware_build_number: String,
    /// The name of the software and its version.
    pub firmware_id: String,
    /// A text that says that the HSM is no FIPS module.
    pub fips_state: String,
    /// The ID of the HSM.
    pub hsm_id: String,
    /// The name of the Availability Zone that it is in.
    pub availability_zone: String,
    /// The address that the HSM has in the VPC.
    pub ip: Ipv4Addr,
    /// Its state, as DescribeClusters shows it.
    pub state: String,
    /// Where it really listens; null before the cluster is initialised.
    pub address: Option<SocketAddr>,
}
