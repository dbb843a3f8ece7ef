//! What a host does with an errand: the same as the control plane with its own HSMs.

use portcullis_api::HsmId;
use portcullis_hsm::Image;

use crate::peer::Peer;
use crate::remote::{Content, Errand, Fittings, KeyErrand, Outcome, Status};
use crate::{Capture, Fleet, FleetError, KeptIdentity};

impl Fleet {
    /// Runs an errand and says what came of it.
    pub(crate) async fn perform(&self, id: &HsmId, errand: Errand) -> Outcome {
        self.silence_if_down(id);
        let performed = match errand {
            Errand::Create(content) => self.make(id, content).await,
            Errand::Start { peers } => self.start_after(id, &peers).await,
            Errand::Restart { peers } => self.restart_after(id, &peers).await,
            Errand::Install { certificate } => self.install(id, &certificate).await,
            Errand::Look => Ok(()),
            Errand::Crash => {
                self.crash(id);
                return Outcome::Done;
            }
            Errand::Remove => return told(self.remove(id).await.map(|()| Outcome::Done)),
            Errand::Capture => return told(self.content(id).await),
            Errand::Users => return told(self.users(id)),
            Errand::Fit(fittings) => {
                self.fit(id, fittings);
                return Outcome::Done;
            }
            Errand::Keys(errand) => return told(self.keys(id, errand).await),
        };
        told(performed.map(|()| Outcome::Status(self.status(id))))
    }

    async fn keys(&self, id: &HsmId, errand: KeyErrand) -> Result<Outcome, FleetError> {
        let what = "its keys cannot be looked at";
        let node = self.node(id);
        let node = node.ok_or_else(|| FleetError::of(id, what, "it is down"))?;
        let answered = ask(&node, errand).await;
        answered.map_err(|why| FleetError::of(id, what, why))
    }

    fn users(&self, id: &HsmId) -> Result<Outcome, FleetError> {
        let users = self.open_disk(id)?.read_users();
        let unreadable = |why| FleetError::of(id, "its disk cannot be read", why);
        users.map(Outcome::Users).map_err(unreadable)
    }

    async fn make(&self, id: &HsmId, content: Content) -> Result<(), FleetError> {
        match content {
            Content::Blank(identity) => {
                let identity = KeptIdentity::from_bytes(&identity)
                    .map_err(|why| FleetError::of(id, "its identity cannot be read", why))?;
                self.create_blank(id, &identity).await
            }
            Content::Image(image, notes) => {
                let image = Image::from_bytes(&image)
                    .map_err(|why| FleetError::of(id, "its image cannot be read", why))?;
                self.create_from(id, Capture { image, notes }).await
            }
        }
    }

    async fn content(&self, id: &HsmId) -> Result<Outcome, FleetError> {
        let captured = self.capture(id).await?;
        let image = captured.image.to_bytes();
        Ok(Outcome::Content(Content::Image(image, captured.notes)))
    }

    fn fit(&self, id: &HsmId, fittings: Fittings) {
        let Fittings {
            device,
            limits,
            ailment,
        } = fittings;
        self.set_device(id, device);
        self.set_limits(id, limits);
        self.ail(std::iter::once((id.clone(), ailment)));
    }

    fn status(&self, id: &HsmId) -> Status {
        Status {
            running: self.is_up(id),
            activated: self.is_activated(id),
            address: self.address(id),
        }
    }
}

async fn ask(peer: &dyn Peer, errand: KeyErrand) -> Result<Outcome, String> {
    Ok(match errand {
        KeyErrand::Count => Outcome::Tally(peer.tally().await?),
        KeyErrand::Deleted => Outcome::Ids(peer.deleted().await?),
        KeyErrand::Revisions => Outcome::Revisions(peer.revisions().await?),
        KeyErrand::Export(ids) => Outcome::Keys(peer.export(&ids).await?),
        KeyErrand::Bury(deleted) => peer.bury(&deleted).await.map(|()| Outcome::Done)?,
        KeyErrand::TakeOver(keys) => peer.take_over(&keys).await.map(|()| Outcome::Done)?,
    })
}

fn told(performed: Result<Outcome, FleetError>) -> Outcome {
    performed.unwrap_or_else(|error| Outcome::Failed(error.to_string()))
}
