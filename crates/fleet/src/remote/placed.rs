//! What the fleet does with those of its HSMs that were placed on other hosts.

use std::sync::Arc;

use portcullis_api::HsmId;
use portcullis_hsm::Image;

use super::{Content, Errand, Line, Outcome, RemoteHsm, Undelivered, unexpected};
use crate::disk::Contents;
use crate::peer::Peer;
use crate::{Capture, Fleet, FleetError, KeptIdentity};

impl Fleet {
    /// From here on the HSM is one of the host to which `line` goes.
    pub fn place(&self, id: &HsmId, line: Arc<Line>) {
        let mut remotes = self.remotes.lock();
        let make = || Arc::new(RemoteHsm::new(id.clone(), line));
        let remote = Arc::clone(remotes.entry(id.clone()).or_insert_with(make));
        drop(remotes);
        let device = self.profile(id);
        remote.fit_with(|fittings| fittings.device = device);
    }

    /// From here on the HSM is one of this process.
    pub fn displace(&self, id: &HsmId) {
        self.remotes.lock().remove(id);
    }

    /// From here on nothing is sent to the HSM, nor to the address where it listened.
    pub fn forsake(&self, id: &HsmId) {
        if let Some(remote) = self.remote(id) {
            remote.forget();
        }
    }

    /// Whether the HSM was placed on a host.
    pub fn is_placed(&self, id: &HsmId) -> bool {
        self.remotes.lock().contains_key(id)
    }

    pub(crate) fn remote(&self, id: &HsmId) -> Option<Arc<RemoteHsm>> {
        self.remotes.lock().get(id).cloned()
    }

    /// An HSM that is up, as the others of its cluster see it; none when they do not.
    pub(crate) fn peer(&self, id: &HsmId) -> Option<Arc<dyn Peer>> {
        if let Some(remote) = self.remote(id) {
            let reached = remote.is_up() && !remote.keeps_apart();
            return reached.then_some(remote as Arc<dyn Peer>);
        }
        let node = self.node(id).filter(|node| !node.keeps_apart())?;
        Some(Arc::new(node))
    }

    /// Destroys what a host has of an HSM that is not placed there.
    ///
    /// # Errors
    /// When the host cannot remove it.
    pub async fn wipe(&self, id: &HsmId, line: Arc<Line>) -> Result<(), FleetError> {
        remove(id, &RemoteHsm::new(id.clone(), line)).await
    }

    /// Takes an HSM of this process down, after what was begun is on its disk.
    pub(crate) async fn stop(&self, id: &HsmId) {
        let node = self.node(id);
        self.crash(id);
        if let Some(node) = node {
            node.stop().await;
        }
    }

    /// Looks how an HSM on another host is; one of this process is known.
    pub async fn look(&self, id: &HsmId) {
        if let Some(remote) = self.remote(id)
            && let Err(error) = remote.change(Errand::Look).await
        {
            tracing::debug!(hsm = %id, %error, "not seen");
        }
    }

    /// Fits an HSM on another host with what it shall have.
    pub async fn fit_placed(&self, id: &HsmId) {
        if let Some(remote) = self.remote(id) {
            remote.fit().await;
        }
    }
}

pub(crate) async fn create_blank(
    id: &HsmId,
    remote: &RemoteHsm,
    identity: &KeptIdentity,
) -> Result<(), FleetError> {
    let content = Content::Blank(identity.to_bytes());
    change(id, remote, Errand::Create(content)).await
}

pub(crate) async fn create_from(
    id: &HsmId,
    remote: &RemoteHsm,
    capture: Capture,
) -> Result<(), FleetError> {
    let content = Content::Image(capture.image.to_bytes(), capture.notes);
    change(id, remote, Errand::Create(content)).await
}

/// Sends an errand after which the HSM's status is another.
pub(crate) async fn change(
    id: &HsmId,
    remote: &RemoteHsm,
    errand: Errand,
) -> Result<(), FleetError> {
    let changed = remote.change(errand).await;
    changed.map(drop).map_err(|why| failed(id, &why))
}

pub(crate) async fn users(remote: &RemoteHsm) -> Option<Contents> {
    match remote.send(Errand::Users).await {
        Ok(Outcome::Users(contents)) => Some(contents),
        Ok(_) | Err(_) => None,
    }
}

pub(crate) async fn capture(id: &HsmId, remote: &RemoteHsm) -> Result<Capture, FleetError> {
    let outcome = remote.send(Errand::Capture).await;
    let outcome = outcome.map_err(|why| failed(id, &why))?;
    let Outcome::Content(Content::Image(image, notes)) = outcome else {
        return Err(failed(id, &unexpected()));
    };
    let image = Image::from_bytes(&image)
        .map_err(|error| FleetError::of(id, "its host sent no image", error))?;
    Ok(Capture { image, notes })
}

/// Rule HOST-09: an HSM whose host is gone can be removed; the host wipes it when it comes back.
pub(crate) async fn remove(id: &HsmId, remote: &RemoteHsm) -> Result<(), FleetError> {
    match remote.send(Errand::Remove).await {
        Ok(_) | Err(Undelivered::Away(_)) => Ok(()),
        Err(why @ Undelivered::Failed(_)) => Err(failed(id, &why)),
    }
}

fn failed(id: &HsmId, why: &Undelivered) -> FleetError {
    FleetError::of(id, "on its host", why)
}
