use std::net::SocketAddr;
use std::sync::Arc;

use crate::disk::DiskContents;
use crate::local::LocalHsm;
use crate::peer::PeerHsm;
use crate::remote::{Fittings, RemoteHsm};
use crate::{Capture, FleetError, KeptIdentity};

/// Where an HSM runs. What is done with every HSM is done with its seat, which decides here how. What
/// only one of the two has (a disk to damage, a host to ask) the fleet asks of that one.
#[derive(Debug, Clone)]
pub(crate) enum Seat {
    /// In this process.
    Local(Arc<LocalHsm>),
    /// On another host.
    Remote(Arc<RemoteHsm>),
}

impl Seat {
    pub(crate) fn fit(&self, fittings: Fittings) {
        match self {
            Self::Local(hsm) => hsm.fit(fittings),
            Self::Remote(hsm) => hsm.fit_with(fittings),
        }
    }

    pub(crate) fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Local(hsm) => hsm.address(),
            Self::Remote(hsm) => hsm.address(),
        }
    }

    pub(crate) fn is_up(&self) -> bool {
        match self {
            Self::Local(hsm) => hsm.is_up(),
            Self::Remote(hsm) => hsm.is_up(),
        }
    }

    pub(crate) fn is_activated(&self) -> bool {
        match self {
            Self::Local(hsm) => hsm.is_activated(),
            Self::Remote(hsm) => hsm.is_activated(),
        }
    }

    pub(crate) fn can_be_read(&self) -> bool {
        match self {
            Self::Local(hsm) => hsm.can_be_read(),
            Self::Remote(hsm) => hsm.is_up(),
        }
    }

    /// The HSM as the others of its cluster see it; none when they do not.
    pub(crate) fn peer(&self) -> Option<Arc<dyn PeerHsm>> {
        match self {
            Self::Local(hsm) => hsm.peer(),
            Self::Remote(hsm) => hsm.peer(),
        }
    }

    pub(crate) async fn create_blank(&self, identity: &KeptIdentity) -> Result<(), FleetError> {
        match self {
            Self::Local(hsm) => hsm.create_blank(identity).await,
            Self::Remote(hsm) => hsm.create_blank(identity).await,
        }
    }

    pub(crate) async fn create_from(&self, capture: Capture) -> Result<(), FleetError> {
        match self {
            Self::Local(hsm) => hsm.create_from(capture).await,
            Self::Remote(hsm) => hsm.create_from(capture).await,
        }
    }

    pub(crate) async fn start(&self, peers: Vec<DiskContents>) -> Result<(), FleetError> {
        match self {
            Self::Local(hsm) => hsm.start(&peers).await,
            Self::Remote(hsm) => hsm.start(peers).await,
        }
    }

    pub(crate) async fn restart(&self, peers: Vec<DiskContents>) -> Result<(), FleetError> {
        match self {
            Self::Local(hsm) => hsm.restart(&peers).await,
            Self::Remote(hsm) => hsm.restart(peers).await,
        }
    }

    pub(crate) async fn install(&self, certificate: &str) -> Result<(), FleetError> {
        match self {
            Self::Local(hsm) => hsm.install(certificate).await,
            Self::Remote(hsm) => hsm.install(certificate).await,
        }
    }

    pub(crate) fn crash(&self) -> bool {
        match self {
            Self::Local(hsm) => hsm.crash(),
            Self::Remote(hsm) => hsm.crash(),
        }
    }

    pub(crate) async fn remove(&self) -> Result<(), FleetError> {
        match self {
            Self::Local(hsm) => hsm.remove().await,
            Self::Remote(hsm) => hsm.remove().await,
        }
    }

    pub(crate) async fn capture(&self) -> Result<Capture, FleetError> {
        match self {
            Self::Local(hsm) => hsm.capture().await,
            Self::Remote(hsm) => hsm.capture().await,
        }
    }

    /// What others catch up with: users and notes, when they can be read.
    pub(crate) async fn users(&self) -> Option<DiskContents> {
        match self {
            Self::Local(hsm) => hsm.users(),
            Self::Remote(hsm) => hsm.users().await,
        }
    }
}
