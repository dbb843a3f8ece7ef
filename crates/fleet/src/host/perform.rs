//! What a host does with a request: the same as the control plane with its own HSMs.

use portcullis_api::HsmId;
use portcullis_hsm::Image;

use crate::local::LocalHsm;
use crate::peer::PeerHsm;
use crate::remote::{Content, HsmReply, HsmRequest, KeyRequest, NodeStatus};
use crate::{Capture, Fleet, FleetError, KeptIdentity};

/// Runs a request for an HSM of this host and says what came of it.
pub(crate) async fn perform(fleet: &Fleet, id: &HsmId, request: HsmRequest) -> HsmReply {
    let hsm = match fleet.reach(id, "it cannot be used here") {
        Ok(hsm) => hsm,
        Err(error) => return HsmReply::Failed(error.to_string()),
    };
    hsm.silence_if_down();
    let performed = match request {
        HsmRequest::Create(content) => create(&hsm, content).await,
        HsmRequest::Start { peers } => hsm.start(&peers).await,
        HsmRequest::Restart { peers } => hsm.restart(&peers).await,
        HsmRequest::Install { certificate } => hsm.install(&certificate).await,
        HsmRequest::Look => Ok(()),
        HsmRequest::Crash => {
            hsm.crash();
            return HsmReply::Done;
        }
        HsmRequest::Remove => return reply(fleet.remove(id).await.map(|()| HsmReply::Done)),
        HsmRequest::Capture => return reply(content(&hsm).await),
        HsmRequest::Users => return reply(users(&hsm)),
        HsmRequest::Fit(fittings) => {
            fleet.set_fittings(id, fittings);
            return HsmReply::Done;
        }
        HsmRequest::Keys(request) => return reply(keys(&hsm, request).await),
    };
    reply(performed.map(|()| HsmReply::Status(status(&hsm))))
}

fn reply(performed: Result<HsmReply, FleetError>) -> HsmReply {
    performed.unwrap_or_else(|error| HsmReply::Failed(error.to_string()))
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

async fn content(hsm: &LocalHsm) -> Result<HsmReply, FleetError> {
    let captured = hsm.capture().await?;
    let image = captured.image.to_bytes();
    Ok(HsmReply::Content(Content::Image(image, captured.notes)))
}

fn users(hsm: &LocalHsm) -> Result<HsmReply, FleetError> {
    let users = hsm.open_disk()?.read_users();
    let unreadable = |why| hsm.failed("its disk cannot be read", why);
    users.map(HsmReply::Users).map_err(unreadable)
}

fn status(hsm: &LocalHsm) -> NodeStatus {
    NodeStatus {
        running: hsm.is_up(),
        activated: hsm.is_activated(),
        address: hsm.address(),
    }
}

async fn keys(hsm: &LocalHsm, request: KeyRequest) -> Result<HsmReply, FleetError> {
    let what = "its keys cannot be looked at";
    let node = hsm.node();
    let node = node.ok_or_else(|| hsm.failed(what, "it is down"))?;
    let answered = ask(&node, request).await;
    answered.map_err(|why| hsm.failed(what, why))
}

async fn ask(peer: &dyn PeerHsm, request: KeyRequest) -> Result<HsmReply, String> {
    Ok(match request {
        KeyRequest::Count => HsmReply::Tally(peer.tally().await?),
        KeyRequest::Deleted => HsmReply::Ids(peer.deleted().await?),
        KeyRequest::Revisions => HsmReply::Revisions(peer.revisions().await?),
        KeyRequest::Export(ids) => HsmReply::Keys(peer.export(&ids).await?),
        KeyRequest::DeleteKeys(deleted) => {
            peer.delete_keys(&deleted).await.map(|()| HsmReply::Done)?
        }
        KeyRequest::TakeOver(keys) => peer.take_over(&keys).await.map(|()| HsmReply::Done)?,
    })
}
