use std::fmt;
use std::time::Duration;

use portcullis_api::{ClusterId, HsmId, Scope};
use portcullis_link::{Direction, LinkEffect};
use serde::{Deserialize, Serialize};

use portcullis_clusters::ClusterView;

/// The faults there are, by the names under which they are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultKind {
    /// HSMs go down as in a power cut.
    Crash,
    /// HSMs take what comes and never answer.
    Hang,
    /// HSMs answer late.
    Slow,
    /// HSMs show DEGRADED and serve nothing.
    Degrade,
    /// The disks of HSMs take no more writes.
    FillDisk,
    /// The disks of HSMs are damaged, and the HSMs down.
    CorruptDisk,
    /// Links are cut.
    Partition,
    /// Messages are late.
    Delay,
    /// Messages get lost.
    Lose,
    /// `kmsuser` is locked out by wrong passwords.
    LockKmsuser,
    /// `kmsuser` has a password that nobody knows.
    ChangeKmsuserPassword,
    /// `kmsuser` is gone.
    RemoveKmsuser,
    /// A cluster vanishes with its HSMs.
    DeleteCluster,
    /// A subnet of a cluster is gone.
    DeleteSubnet,
    /// A subnet of a cluster has no free address.
    FillSubnet,
    /// A cluster's security group lets nothing through.
    CloseSecurityGroup,
}

impl FaultKind {
    /// Every one.
    pub const ALL: [Self; 16] = [
        Self::Crash,
        Self::Hang,
        Self::Slow,
        Self::Degrade,
        Self::FillDisk,
        Self::CorruptDisk,
        Self::Partition,
        Self::Delay,
        Self::Lose,
        Self::LockKmsuser,
        Self::ChangeKmsuserPassword,
        Self::RemoveKmsuser,
        Self::DeleteCluster,
        Self::DeleteSubnet,
        Self::FillSubnet,
        Self::CloseSecurityGroup,
    ];

    /// What it does, in a line for a person.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Crash => "HSMs go down as in a power cut; undone by a restart from their disks",
            Self::Hang => "HSMs take what comes and never answer",
            Self::Slow => "HSMs answer late (--delay)",
            Self::Degrade => "HSMs show DEGRADED and serve nothing",
            Self::FillDisk => "The disks of HSMs take no more writes",
            Self::CorruptDisk => "The disks of HSMs are damaged, and the HSMs down",
            Self::Partition => "Links to HSMs are cut (--direction)",
            Self::Delay => "Messages are late (--delay, --direction)",
            Self::Lose => "Messages get lost (--percent, --direction)",
            Self::LockKmsuser => "kmsuser is locked out by wrong passwords",
            Self::ChangeKmsuserPassword => "kmsuser has a password that nobody knows",
            Self::RemoveKmsuser => "kmsuser is gone",
            Self::DeleteCluster => "The cluster vanishes with its HSMs; its backups stay",
            Self::DeleteSubnet => "A subnet of the cluster is gone",
            Self::FillSubnet => "A subnet of the cluster has no free address",
            Self::CloseSecurityGroup => "The cluster's security group lets nothing through",
        }
    }

    /// The name under which it is asked for.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Crash => "crash",
            Self::Hang => "hang",
            Self::Slow => "slow",
            Self::Degrade => "degrade",
            Self::FillDisk => "fill-disk",
            Self::CorruptDisk => "corrupt-disk",
            Self::Partition => "partition",
            Self::Delay => "delay",
            Self::Lose => "lose",
            Self::LockKmsuser => "lock-kmsuser",
            Self::ChangeKmsuserPassword => "change-kmsuser-password",
            Self::RemoveKmsuser => "remove-kmsuser",
            Self::DeleteCluster => "delete-cluster",
            Self::DeleteSubnet => "delete-subnet",
            Self::FillSubnet => "fill-subnet",
            Self::CloseSecurityGroup => "close-security-group",
        }
    }
}

/// A fault as it is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultOrder {
    /// What to break.
    pub kind: FaultKind,
    /// Where: HSMs of this cluster,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<ClusterId>,
    /// in this Availability Zone,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// or this one HSM. All that are given must hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hsm: Option<HsmId>,
    /// Which messages, for a fault of links; both ways when it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direction: Option<Direction>,
    /// How late, for `slow` and `delay`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay_ms: Option<u64>,
    /// How many of a hundred, for `lose`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent: Option<u8>,
    /// After how long it is undone by itself; never when it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
}

/// What is broken, with what belongs to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Breakage {
    /// HSMs are down.
    Crash,
    /// HSMs hang.
    Hang,
    /// HSMs are slow.
    Slow(Duration),
    /// HSMs are DEGRADED.
    Degrade,
    /// Disks are full.
    FillDisk,
    /// Disks are damaged.
    CorruptDisk,
    /// Links are broken.
    Link(LinkEffect, Direction),
    /// `kmsuser` is locked out.
    LockKmsuser,
    /// `kmsuser` has another password.
    ChangeKmsuserPassword,
    /// There is no `kmsuser`.
    RemoveKmsuser,
    /// The cluster is gone.
    DeleteCluster,
    /// The network that a key store's connection needs is broken.
    Network(BrokenNetwork),
}

/// What is wrong with the network of a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BrokenNetwork {
    /// A subnet was deleted.
    SubnetDeleted,
    /// A subnet is full.
    SubnetFull,
    /// The security group lets nothing through.
    SecurityGroupClosed,
}

/// Where something is broken: the HSMs for which everything given holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// Whose cluster.
    pub(crate) scope: Scope,
    /// Of this cluster.
    pub(crate) cluster: Option<ClusterId>,
    /// In this Availability Zone.
    pub(crate) zone: Option<String>,
    /// This one.
    pub(crate) hsm: Option<HsmId>,
}

/// Why an order cannot be carried out as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadOrder(String);

impl fmt::Display for BadOrder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for BadOrder {}

/// A fault lasts a week at the most, so that its end is a date.
const DURATION_MAX: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// A message that is later than this is lost for every client there is.
const DELAY_MAX: Duration = Duration::from_secs(60);

impl FaultOrder {
    /// What is to be broken, and where.
    ///
    /// Rule FT-01: an order says everything that its kind needs and nothing that it does not know.
    ///
    /// # Errors
    /// When something is missing, does not belong to the kind, or is out of range.
    pub(crate) fn read(&self, scope: Scope) -> Result<(Breakage, Place), BadOrder> {
        let breakage = self.breakage()?;
        self.check_parts()?;
        self.check_place(breakage)?;
        let place = Place {
            scope,
            cluster: self.cluster.clone(),
            zone: self.zone.clone(),
            hsm: self.hsm.clone(),
        };
        if self
            .lasts()
            .is_some_and(|it| it.is_zero() || it > DURATION_MAX)
        {
            return Err(self.bad("lasts longer than nothing and at most seven days"));
        }
        Ok((breakage, place))
    }

    /// After how long it is undone by itself.
    pub(crate) fn lasts(&self) -> Option<Duration> {
        self.duration_ms.map(Duration::from_millis)
    }

    fn breakage(&self) -> Result<Breakage, BadOrder> {
        let link = |effect| Breakage::Link(effect, self.direction.unwrap_or(Direction::Both));
        Ok(match self.kind {
            FaultKind::Crash => Breakage::Crash,
            FaultKind::Hang => Breakage::Hang,
            FaultKind::Slow => Breakage::Slow(self.delay()?),
            FaultKind::Degrade => Breakage::Degrade,
            FaultKind::FillDisk => Breakage::FillDisk,
            FaultKind::CorruptDisk => Breakage::CorruptDisk,
            FaultKind::Partition => link(LinkEffect::Cut),
            FaultKind::Delay => link(LinkEffect::Delay(self.delay()?)),
            FaultKind::Lose => match self.percent {
                Some(percent @ 1..=100) => link(LinkEffect::Lose { percent }),
                Some(_) | None => return Err(self.bad("needs a percentage of 1 to 100")),
            },
            FaultKind::LockKmsuser => Breakage::LockKmsuser,
            FaultKind::ChangeKmsuserPassword => Breakage::ChangeKmsuserPassword,
            FaultKind::RemoveKmsuser => Breakage::RemoveKmsuser,
            FaultKind::DeleteCluster => Breakage::DeleteCluster,
            FaultKind::DeleteSubnet => Breakage::Network(BrokenNetwork::SubnetDeleted),
            FaultKind::FillSubnet => Breakage::Network(BrokenNetwork::SubnetFull),
            FaultKind::CloseSecurityGroup => Breakage::Network(BrokenNetwork::SecurityGroupClosed),
        })
    }

    fn delay(&self) -> Result<Duration, BadOrder> {
        let delay = Duration::from_millis(self.delay_ms.unwrap_or(0));
        if delay.is_zero() || delay > DELAY_MAX {
            return Err(self.bad("needs a delay of 1 millisecond to 60 seconds"));
        }
        Ok(delay)
    }

    fn check_parts(&self) -> Result<(), BadOrder> {
        let kind = self.kind;
        let link = matches!(
            kind,
            FaultKind::Partition | FaultKind::Delay | FaultKind::Lose
        );
        if self.direction.is_some() && !link {
            return Err(self.bad("has no direction: only faults of links have"));
        }
        if self.delay_ms.is_some() && !matches!(kind, FaultKind::Slow | FaultKind::Delay) {
            return Err(self.bad("has no delay: only slow and delay have"));
        }
        if self.percent.is_some() && kind != FaultKind::Lose {
            return Err(self.bad("has no percentage: only lose has"));
        }
        Ok(())
    }

    fn check_place(&self, breakage: Breakage) -> Result<(), BadOrder> {
        match breakage {
            Breakage::DeleteCluster if self.duration_ms.is_some() => {
                Err(self.bad("has no duration: a cluster that is gone does not come back"))
            }
            Breakage::DeleteCluster | Breakage::Network(_)
                if self.cluster.is_none() || self.zone.is_some() || self.hsm.is_some() =>
            {
                Err(self.bad("befalls a whole cluster: name it, and neither a zone nor an HSM"))
            }
            Breakage::DeleteCluster | Breakage::Network(_) => Ok(()),
            Breakage::Crash
            | Breakage::Hang
            | Breakage::Slow(_)
            | Breakage::Degrade
            | Breakage::FillDisk
            | Breakage::CorruptDisk
            | Breakage::Link(..)
            | Breakage::LockKmsuser
            | Breakage::ChangeKmsuserPassword
            | Breakage::RemoveKmsuser => {
                if self.cluster.is_none() && self.zone.is_none() && self.hsm.is_none() {
                    return Err(self.bad("has no place: name a cluster, a zone or an HSM"));
                }
                Ok(())
            }
        }
    }

    fn bad(&self, why: &str) -> BadOrder {
        BadOrder(format!("The fault {} {why}.", self.kind.name()))
    }
}

impl Breakage {
    /// What befalls which messages, if it is a fault of links.
    pub(crate) const fn of_links(self) -> Option<(LinkEffect, Direction)> {
        if let Self::Link(effect, direction) = self {
            Some((effect, direction))
        } else {
            None
        }
    }
}

impl Place {
    /// The HSMs of a cluster that it names.
    pub(crate) fn hsms_of<'a>(
        &'a self,
        scope: &'a Scope,
        view: &'a ClusterView,
    ) -> impl Iterator<Item = &'a HsmId> {
        let here = self
            .cluster
            .as_ref()
            .is_none_or(|cluster| *cluster == view.id && self.scope == *scope);
        let named = move |hsm: &&'a portcullis_clusters::HsmView| {
            here && self
                .zone
                .as_ref()
                .is_none_or(|zone| *zone == hsm.availability_zone)
                && self.hsm.as_ref().is_none_or(|id| *id == hsm.id)
        };
        view.hsms.iter().filter(named).map(|hsm| &hsm.id)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [
            self.cluster.as_ref().map(ToString::to_string),
            self.zone.clone(),
            self.hsm.as_ref().map(ToString::to_string),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        formatter.write_str(&parts.join(" "))
    }
}
