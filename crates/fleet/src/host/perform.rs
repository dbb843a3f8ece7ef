//! What a host does with an errand: the same as the control plane with its own HSMs.

use portcullis_api::HsmId;
use portcullis_hsm::Image;

use crate::local::LocalHsm;
use crate::peer::Peer;
use crate::remote::{Content, Errand, KeyErrand, Outcome, Status};
use crate::{Capture, Fleet, FleetError, KeptIdentity};

/// Runs an errand for an HSM of this host and says what came of it.
pub(crate) async fn perform(fleet: &Fleet, id: &HsmId, errand: Errand) -> Outcome {
    let hsm = match fleet.reach(id, "it cannot be used here") {
        Ok(hsm) => hsm,
        Err(error) => return Outcome::Failed(error.to_string()),
    };
    hsm.silence_if_down();
    let performed = match errand {
        Errand::Create(content) => create(&hsm, content).await,
        Errand::Start { peers } => hsm.start(&peers).await,
        Errand::Restart { peers } => hsm.restart(&peers).await,
        Errand::Install { certificate } => hsm.install(&certificate).await,
        Errand::Look => Ok(()),
        Errand::Crash => {
            hsm.crash();
            return Outcome::Done;
        }
        Errand::Remove => return reply(fleet.remove(id).await.map(|()| Outcome::Done)),
        Errand::Capture => return reply(content(&hsm).await),
        Errand::Users => return reply(users(&hsm)),
        Errand::Fit(fittings) => {
            fleet.set_fittings(id, fittings);
            return Outcome::Done;
        }
        Errand::Keys(errand) => return reply(keys(&hsm, errand).await),
    };
    reply(performed.map(|()| Outcome::Status(status(&hsm))))
}

fn reply(performed: Result<Outcome, FleetError>) -> Outcome {
    performed.unwrap_or_else(|error| Outcome::Failed(error.to_string()))
}

async fn create(hsm: &LocalHsm, content: Content) -> Result<(), FleetError> {
    match content {
        Content::Blank(identity) => {
            let identity = KeptIdentity::from_bytes(&identity)
                .map_err(|why| hsm.failed("its identity cannot be read", why))?;
            hsm.create_blank(&identity).await
        }
        Content::Image(image, notes) => {
            let image = Image::from_bytes(&image)
                .map_err(|why| hsm.failed("its image cannot be read", why))?;
            hsm.create_from(Capture { image, notes }).await
        }
    }
}

async fn content(hsm: &LocalHsm) -> Result<Outcome, FleetError> {
    let captured = hsm.capture().await?;
    let image = captured.image.to_bytes();
    Ok(Outcome::Content(Content::Image(image, captured.notes)))
}

fn users(hsm: &LocalHsm) -> Result<Outcome, FleetError> {
    let users = hsm.open_disk()?.read_users();
    let unreadable = |why| hsm.failed("its disk cannot be read", why);
    users.map(Outcome::Users).map_err(unreadable)
}

fn status(hsm: &LocalHsm) -> Status {
    Status {
        running: hsm.is_up(),
        activated: hsm.is_activated(),
        address: hsm.address(),
    }
}

async fn keys(hsm: &LocalHsm, errand: KeyErrand) -> Result<Outcome, FleetError> {
    let what = "its keys cannot be looked at";
    let node = hsm.node();
    let node = node.ok_or_else(|| hsm.failed(what, "it is down"))?;
    let answered = ask(&node, errand).await;
    answered.map_err(|why| hsm.failed(what, why))
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
