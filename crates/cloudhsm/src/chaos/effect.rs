//! What each kind of fault does. What people are told of it is in [`portcullis_admin::FaultKind`].

use std::time::Duration;

use portcullis_admin::{self as api, FaultKind, FaultOrder};
use portcullis_link::{Direction, LinkEffect};

use portcullis_fleet::Behaviour;

/// What a fault does, with what belongs to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FaultEffect {
    /// HSMs behave like this while the fault is listed, also those that come into its place later.
    Behaviour(Behaviour),
    /// Links to HSMs behave like this while the fault is listed.
    Link(LinkEffect, Direction),
    /// Something happens to each HSM that is in its place, once.
    EachHsm(HsmEffect),
    /// The cluster vanishes with its HSMs.
    DeleteCluster,
    /// The network that a key store's connection needs is broken.
    Network(NetworkEffect),
}

/// What happens to an HSM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HsmEffect {
    /// It goes down.
    Crash,
    /// It shows DEGRADED.
    Degrade,
    /// Its disk is damaged, and it goes down.
    CorruptDisk,
    /// `kmsuser` is locked out of it.
    LockKmsuser,
    /// `kmsuser` has a password there that is not known anywhere.
    ChangeKmsuserPassword,
    /// `kmsuser` is gone from it.
    RemoveKmsuser,
}

/// What happens to the network of a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NetworkEffect {
    /// A subnet is deleted.
    DeleteSubnet,
    /// A subnet has no free address.
    FillSubnet,
    /// The security group lets nothing through.
    CloseSecurityGroup,
}

impl FaultEffect {
    /// What an order does, which has everything that its kind requires.
    pub(super) fn of(order: &FaultOrder) -> Self {
        let well = Behaviour::default();
        let delay = Duration::from_millis(order.delay_ms.unwrap_or_default());
        let percent = order.percent.unwrap_or_default();
        let link = |effect| Self::Link(effect, direction(order));
        match order.kind {
            FaultKind::Crash => Self::EachHsm(HsmEffect::Crash),
            FaultKind::Hang => Self::Behaviour(Behaviour { hung: true, ..well }),
            FaultKind::Slow => Self::Behaviour(Behaviour { delay, ..well }),
            FaultKind::Degrade => Self::EachHsm(HsmEffect::Degrade),
            FaultKind::FillDisk => Self::Behaviour(Behaviour {
                disk_full: true,
                ..well
            }),
            FaultKind::CorruptDisk => Self::EachHsm(HsmEffect::CorruptDisk),
            FaultKind::Partition => link(LinkEffect::Cut),
            FaultKind::Delay => link(LinkEffect::Delay(delay)),
            FaultKind::Lose => link(LinkEffect::Lose { percent }),
            FaultKind::LockKmsuser => Self::EachHsm(HsmEffect::LockKmsuser),
            FaultKind::ChangeKmsuserPassword => Self::EachHsm(HsmEffect::ChangeKmsuserPassword),
            FaultKind::RemoveKmsuser => Self::EachHsm(HsmEffect::RemoveKmsuser),
            FaultKind::DeleteCluster => Self::DeleteCluster,
            FaultKind::DeleteSubnet => Self::Network(NetworkEffect::DeleteSubnet),
            FaultKind::FillSubnet => Self::Network(NetworkEffect::FillSubnet),
            FaultKind::CloseSecurityGroup => Self::Network(NetworkEffect::CloseSecurityGroup),
        }
    }

    /// What happens to which messages, if it is a fault of links.
    pub(super) const fn of_links(self) -> Option<(LinkEffect, Direction)> {
        match self {
            Self::Link(effect, direction) => Some((effect, direction)),
            Self::Behaviour(_) | Self::EachHsm(_) | Self::DeleteCluster | Self::Network(_) => None,
        }
    }

    /// How HSMs behave while the fault is listed.
    pub(super) fn behaviour(self) -> Option<Behaviour> {
        match self {
            Self::Behaviour(behaviour) => Some(behaviour),
            Self::Link(LinkEffect::Cut, _) => Some(Behaviour {
                cut_off: true,
                ..Behaviour::default()
            }),
            Self::Link(LinkEffect::Delay(_) | LinkEffect::Lose { .. }, _)
            | Self::EachHsm(_)
            | Self::DeleteCluster
            | Self::Network(_) => None,
        }
    }
}

/// Which messages an order is about; both ways when it does not say.
fn direction(order: &FaultOrder) -> Direction {
    match order.direction {
        Some(api::Direction::ToHsm) => Direction::ToHsm,
        Some(api::Direction::FromHsm) => Direction::FromHsm,
        Some(api::Direction::Both) | None => Direction::Both,
    }
}
