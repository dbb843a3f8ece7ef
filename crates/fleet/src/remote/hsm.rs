//! An HSM on another host, as the control plane knows it: what it was seen to be at last, and the
//! way to its host.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use portcullis_api::HsmId;
use portcullis_hsm::{HsmKeyId, Image, MaskedKey};

use super::line::HostLine;
use super::protocol::{
    Content, Fittings, HostRequest, HsmReply, HsmRequest, KeyRequest, NodeStatus, Tally,
    Undelivered,
};
use crate::disk::DiskContents;
use crate::peer::{PeerHsm, PeerReply};
use crate::{Capture, FleetError, KeptIdentity};

/// An HSM on another host.
#[derive(Debug)]
pub(crate) struct RemoteHsm {
    hsm: HsmId,
    line: Arc<HostLine>,
    seen: Mutex<NodeStatus>,
    fittings: Mutex<Fittings>,
    /// Held while fittings are sent, so that the last ones sent are the last ones set.
    fitting: tokio::sync::Mutex<()>,
}

impl RemoteHsm {
    pub(crate) fn new(hsm: HsmId, line: Arc<HostLine>, fittings: Fittings) -> Self {
        Self {
            hsm,
            line,
            seen: Mutex::default(),
            fittings: Mutex::new(fittings),
            fitting: tokio::sync::Mutex::default(),
        }
    }

    /// Whether its host is connected and it was running when it was seen last.
    pub(crate) fn is_up(&self) -> bool {
        self.line.is_connected() && self.seen.lock().running
    }

    pub(crate) fn is_activated(&self) -> bool {
        self.is_up() && self.seen.lock().activated
    }

    /// Where it listens or listened.
    ///
    /// Rule HOST-07: the loss of its host changes nothing that clusters show.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        self.seen.lock().address
    }

    /// It, as the others of its cluster see it; none when they do not.
    pub(crate) fn peer(self: &Arc<Self>) -> Option<Arc<dyn PeerHsm>> {
        let kept_apart = self.fittings.lock().behaviour.keeps_apart();
        (self.is_up() && !kept_apart).then(|| Arc::clone(self) as Arc<dyn PeerHsm>)
    }

    /// Sends it a request.
    async fn send(&self, request: HsmRequest) -> Result<HsmReply, Undelivered> {
        let request = HostRequest {
            hsm: self.hsm.clone(),
            now_ms: self.line.now_ms(),
            request,
        };
        let reply = self.line.carry(request).await?;
        if let HsmReply::Failed(why) = reply {
            return Err(Undelivered::Failed(why));
        }
        Ok(reply)
    }

    /// Sends it a request after which its status is another.
    async fn change(&self, request: HsmRequest) -> Result<NodeStatus, Undelivered> {
        let HsmReply::Status(status) = self.send(request).await? else {
            return Err(unexpected());
        };
        let mut seen = self.seen.lock();
        *seen = NodeStatus {
            // One that does not listen for the moment keeps its address, like one that is down.
            address: status.address.or(seen.address),
            ..status
        };
        drop(seen);
        Ok(status)
    }

    /// Takes it down; at once as far as the control plane is concerned.
    pub(crate) fn crash(self: &Arc<Self>) -> bool {
        let was_up = self.is_up();
        self.seen.lock().running = false;
        let remote = Arc::clone(self);
        tokio::spawn(async move {
            if let Err(error) = remote.send(HsmRequest::Crash).await {
                tracing::warn!(hsm = %remote.hsm, %error, "not taken down on its host");
            }
        });
        was_up
    }

    /// Forgets how it was seen, and where.
    pub(crate) fn forget(&self) {
        *self.seen.lock() = NodeStatus::default();
    }

    /// Fits it so, and lets its host know if that is there and anything changes.
    pub(crate) fn fit_with(self: &Arc<Self>, fittings: Fittings) {
        let changed = {
            let mut present = self.fittings.lock();
            let changed = *present != fittings;
            *present = fittings;
            changed
        };
        if changed && self.line.is_connected() {
            let remote = Arc::clone(self);
            tokio::spawn(async move { remote.fit().await });
        }
    }

    /// Fits it with what it shall have.
    pub(crate) async fn fit(&self) {
        let _one_at_a_time = self.fitting.lock().await;
        let fittings = self.fittings.lock().clone();
        if let Err(error) = self.send(HsmRequest::Fit(fittings)).await {
            tracing::warn!(hsm = %self.hsm, %error, "not fitted on its host");
        }
    }

    pub(crate) async fn create_blank(&self, identity: &KeptIdentity) -> Result<(), FleetError> {
        let content = Content::Blank(identity.to_bytes());
        self.ask_for(HsmRequest::Create(content)).await
    }

    pub(crate) async fn create_from(&self, capture: Capture) -> Result<(), FleetError> {
        let content = Content::Image(capture.image.to_bytes(), capture.notes);
        self.ask_for(HsmRequest::Create(content)).await
    }

    pub(crate) async fn start(&self, peers: Vec<DiskContents>) -> Result<(), FleetError> {
        self.ask_for(HsmRequest::Start { peers }).await
    }

    pub(crate) async fn restart(&self, peers: Vec<DiskContents>) -> Result<(), FleetError> {
        self.ask_for(HsmRequest::Restart { peers }).await
    }

    pub(crate) async fn install(&self, certificate: &str) -> Result<(), FleetError> {
        let certificate = certificate.to_owned();
        self.ask_for(HsmRequest::Install { certificate }).await
    }

    /// Sends a request after which its status is another.
    async fn ask_for(&self, request: HsmRequest) -> Result<(), FleetError> {
        let changed = self.change(request).await;
        changed.map(drop).map_err(|why| self.failed(&why))
    }

    /// Looks how it is.
    pub(crate) async fn look(&self) {
        if let Err(error) = self.change(HsmRequest::Look).await {
            tracing::debug!(hsm = %self.hsm, %error, "not seen");
        }
    }

    /// Its users and notes, if it can be asked.
    pub(crate) async fn users(&self) -> Option<DiskContents> {
        match self.send(HsmRequest::Users).await {
            Ok(HsmReply::Users(contents)) => Some(contents),
            Ok(_) | Err(_) => None,
        }
    }

    pub(crate) async fn capture(&self) -> Result<Capture, FleetError> {
        let reply = self.send(HsmRequest::Capture).await;
        let reply = reply.map_err(|why| self.failed(&why))?;
        let HsmReply::Content(Content::Image(image, notes)) = reply else {
            return Err(self.failed(&unexpected()));
        };
        let image = Image::from_bytes(&image)
            .map_err(|error| FleetError::of(&self.hsm, "its host sent no image", error))?;
        Ok(Capture { image, notes })
    }

    /// Rule HOST-09: an HSM whose host is gone can be removed; the host wipes it when it comes back.
    pub(crate) async fn remove(&self) -> Result<(), FleetError> {
        match self.send(HsmRequest::Remove).await {
            Ok(_) | Err(Undelivered::Away(_)) => Ok(()),
            Err(why @ Undelivered::Failed(_)) => Err(self.failed(&why)),
        }
    }

    fn failed(&self, why: &Undelivered) -> FleetError {
        FleetError::of(&self.hsm, "on its host", why)
    }

    /// Sends it a request about its keys, and reads the answer with `expected`.
    async fn keys<T>(
        &self,
        request: KeyRequest,
        expected: impl FnOnce(HsmReply) -> Option<T> + Send,
    ) -> Result<T, String> {
        let reply = self.send(HsmRequest::Keys(request)).await;
        if let Err(Undelivered::Failed(_)) = &reply {
            // Seen anew when it has been started again.
            self.seen.lock().running = false;
        }
        let reply = reply.map_err(|why| why.to_string())?;
        expected(reply).ok_or_else(|| unexpected().to_string())
    }
}

impl PeerHsm for RemoteHsm {
    fn tally(&self) -> PeerReply<'_, Tally> {
        Box::pin(self.keys(KeyRequest::Count, |reply| {
            if let HsmReply::Tally(found) = reply {
                Some(found)
            } else {
                None
            }
        }))
    }

    fn deleted(&self) -> PeerReply<'_, BTreeSet<HsmKeyId>> {
        Box::pin(self.keys(KeyRequest::Deleted, |reply| {
            if let HsmReply::Ids(found) = reply {
                Some(found)
            } else {
                None
            }
        }))
    }

    fn delete_keys<'a>(&'a self, deleted: &'a [HsmKeyId]) -> PeerReply<'a, ()> {
        Box::pin(
            self.keys(KeyRequest::DeleteKeys(deleted.to_vec()), |reply| {
                done(&reply)
            }),
        )
    }

    fn revisions(&self) -> PeerReply<'_, Vec<(HsmKeyId, u64)>> {
        let request = KeyRequest::Revisions;
        Box::pin(self.keys(request, |reply| {
            if let HsmReply::Revisions(found) = reply {
                Some(found)
            } else {
                None
            }
        }))
    }

    fn export<'a>(&'a self, ids: &'a [HsmKeyId]) -> PeerReply<'a, Vec<MaskedKey>> {
        let request = KeyRequest::Export(ids.to_vec());
        Box::pin(self.keys(request, |reply| {
            if let HsmReply::Keys(found) = reply {
                Some(found)
            } else {
                None
            }
        }))
    }

    fn take_over<'a>(&'a self, keys: &'a [MaskedKey]) -> PeerReply<'a, ()> {
        Box::pin(self.keys(KeyRequest::TakeOver(keys.to_vec()), |reply| done(&reply)))
    }
}

fn done(reply: &HsmReply) -> Option<()> {
    (*reply == HsmReply::Done).then_some(())
}

fn unexpected() -> Undelivered {
    Undelivered::Failed("the host answered something else than it was asked".to_owned())
}
