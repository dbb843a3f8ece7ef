use portcullis_api::{ClusterId, HsmId};
use serde::{Deserialize, Serialize};

use crate::fault_kinds::FaultKind;

/// Which messages a fault of links is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum Direction {
    /// Requests never arrive.
    ToHsm,
    /// Requests are carried out, and no answer comes.
    FromHsm,
    /// Neither requests nor answers pass.
    Both,
}

impl Direction {
    /// Each, in the order of the documentation.
    pub const ALL: [Self; 3] = [Self::ToHsm, Self::FromHsm, Self::Both];

    /// As it is asked for.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ToHsm => "to-hsm",
            Self::FromHsm => "from-hsm",
            Self::Both => "both",
        }
    }
}

/// A fault that shall be injected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct FaultOrder {
    /// The kind of the fault, which says what is broken.
    pub kind: FaultKind,
    /// HSMs of this cluster are broken. All places that are given must hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub cluster: Option<ClusterId>,
    /// HSMs in this Availability Zone are broken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// This HSM is broken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub hsm: Option<HsmId>,
    /// Which messages, for a fault of links; both ways when it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direction: Option<Direction>,
    /// How late, in milliseconds from 1 to 60,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay_ms: Option<u64>,
    /// How many of a hundred messages, from 1 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent: Option<u8>,
    /// After how many milliseconds it is undone by itself, at most those of a week; never when it is
    /// left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
}

impl FaultOrder {
    /// An order of this kind without anything else.
    #[must_use]
    pub const fn of(kind: FaultKind) -> Self {
        Self {
            kind,
            cluster: None,
            zone: None,
            hsm: None,
            direction: None,
            delay_ms: None,
            percent: None,
            duration_ms: None,
        }
    }
}

/// The faults that are not undone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct FaultList {
    /// In the order of injection.
    pub faults: Vec<Fault>,
}

/// A fault as it is listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Fault {
    /// `fault-` and a number, by which it is undone.
    pub id: String,
    /// The kind of the fault, which says what is broken.
    pub kind: FaultKind,
    /// The cluster, zone and HSM that were named.
    pub place: String,
    /// Which messages, for a fault of links.
    pub direction: Option<Direction>,
    /// How late, in milliseconds.
    pub delay_ms: Option<u64>,
    /// How many of a hundred messages.
    pub percent: Option<u8>,
    /// The IDs of the HSMs that it befalls at present.
    #[cfg_attr(test, schemars(with = "Vec<String>"))]
    pub hsms: Vec<HsmId>,
    /// When it was injected, in milliseconds since 1970 on the services' clock.
    pub since_ms: u64,
    /// How many milliseconds it still lasts; null when it stays until it is undone.
    pub left_ms: Option<u64>,
    /// Whether it can be undone.
    pub undoable: bool,
}

/// What came of undoing every fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ClearedFaults {
    /// How many were undone.
    pub undone: usize,
}
