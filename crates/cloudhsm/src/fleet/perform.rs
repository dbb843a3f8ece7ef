//! What a host does with an errand: the same as the control plane with its own HSMs.

use portcullis_api::HsmId;
use portcullis_hsm::Image;

use super::errand::{Content, Errand, Fittings, Outcome, Status};
use super::node::Node;
use super::peer::Peer;
use super::{Capture, Fleet, FleetError, KeptIdentity};

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
            Errand::Crash
            | Errand::Remove
            | Errand::Capture
            | Errand::Users
            | Errand::Fit(_)
            | Errand::Count
            | Errand::Deleted
            | Errand::Bury(_)
            | Errand::Revisions
            | Errand::Export(_)
            | Errand::TakeOver(_) => return self.answer(id, errand).await,
        };
        match performed {
            Ok(()) => Outcome::Status(self.status(id)),
            Err(error) => Outcome::Failed(error.to_string()),
        }
    }

    /// Runs an errand that leaves the HSM's status as it is, or ends it.
    async fn answer(&self, id: &HsmId, errand: Errand) -> Outcome {
        let answered = match errand {
            Errand::Crash => {
                self.crash(id);
                Ok(Outcome::Done)
            }
            Errand::Remove => {
                let removed = self.remove(id).await.map(|()| Outcome::Done);
                removed.map_err(|error| error.to_string())
            }
            Errand::Capture => self.content(id).await,
            Errand::Users => {
                let users = self.attach(id).map_err(|error| error.to_string());
                users.and_then(|disk| disk.read_users()).map(Outcome::Users)
            }
            Errand::Fit(fittings) => {
                self.fit(id, fittings);
                Ok(Outcome::Done)
            }
            errand => match self.node(id) {
                Some(node) => ask(&node, errand).await,
                None => Err(FleetError::of(id, "it does not answer", "it is down").to_string()),
            },
        };
        answered.unwrap_or_else(Outcome::Failed)
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

    async fn content(&self, id: &HsmId) -> Result<Outcome, String> {
        let captured = self.capture(id).await.map_err(|error| error.to_string())?;
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

async fn ask(node: &Node, errand: Errand) -> Result<Outcome, String> {
    let peer: &dyn Peer = node;
    Ok(match errand {
        Errand::Count => Outcome::Tally(peer.tally().await?),
        Errand::Deleted => Outcome::Ids(peer.deleted().await?),
        Errand::Revisions => Outcome::Revisions(peer.revisions().await?),
        Errand::Export(ids) => Outcome::Keys(peer.export(&ids).await?),
        Errand::Bury(deleted) => peer.bury(&deleted).await.map(|()| Outcome::Done)?,
        Errand::TakeOver(keys) => peer.take_over(&keys).await.map(|()| Outcome::Done)?,
        Errand::Create(_)
        | Errand::Start { .. }
        | Errand::Restart { .. }
        | Errand::Install { .. }
        | Errand::Look
        | Errand::Crash
        | Errand::Remove
        | Errand::Capture
        | Errand::Users
        | Errand::Fit(_) => return Err("not an errand to a running HSM".to_owned()),
    })
}
