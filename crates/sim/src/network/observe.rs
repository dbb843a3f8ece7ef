//! What the world learns by reading along: facts about HSMs that no client could tell.

use portcullis_hsm::{Command, Fence, HsmKeyId, Operation, Refusal, Reply};
use portcullis_link::Request;

use super::state::NetworkShared;
use crate::history::{HistoryEvent, LoginAnswer};

/// For each operation of a frame: under which key its output is sealed, and where that begins.
pub(super) struct Sealings(Vec<Option<(HsmKeyId, usize)>>);

impl Sealings {
    pub(super) fn of(request: &Request) -> Self {
        let of = |operation| match operation {
            Operation::Encrypt { key, .. } => Some((key, 0)),
            Operation::GenerateDataKey { key, bytes, .. } => Some((key, usize::from(bytes))),
            Operation::ReEncrypt { destination, .. } => Some((destination, 0)),
            Operation::Decrypt { .. } | Operation::Random { .. } => None,
        };
        Self(request.calls().map(|call| of(call.operation)).collect())
    }
}

/// A command that the checker wants to know of.
pub(super) enum ObservedOrder {
    Login(Fence),
    GenerateKey(HsmKeyId, String),
    DeleteKey(HsmKeyId),
    Other,
}

impl ObservedOrder {
    pub(super) fn of(command: &Command) -> Self {
        match command {
            Command::Login {
                fence: Some(fence), ..
            } => Self::Login(*fence),
            Command::GenerateKey { id, template, .. } => {
                Self::GenerateKey(*id, template.attributes.label.clone())
            }
            Command::DeleteKey { id, .. } => Self::DeleteKey(*id),
            Command::Activate { .. }
            | Command::Login { .. }
            | Command::Logout { .. }
            | Command::RaiseFence { .. }
            | Command::CreateUser { .. }
            | Command::ChangePassword { .. }
            | Command::DeleteUser { .. }
            | Command::ListUsers
            | Command::InsertMasked { .. }
            | Command::Key { .. }
            | Command::ListKeys { .. } => Self::Other,
        }
    }
}

impl NetworkShared {
    pub(super) fn tell_sealed<'a>(
        &self,
        hsm: &str,
        sealings: &Sealings,
        answers: impl Iterator<Item = Result<&'a [u8], Refusal>>,
    ) {
        let Ok(hsm) = hsm.parse() else { return };
        for (output, sealing) in answers.zip(&sealings.0) {
            if let (Ok(output), Some((key, start))) = (output, sealing) {
                let text = output.get(*start..).unwrap_or_default().to_vec();
                let hsm = portcullis_api::HsmId::clone(&hsm);
                self.tell(|at| HistoryEvent::Sealed {
                    at,
                    hsm,
                    key: *key,
                    text,
                });
            }
        }
    }

    pub(super) fn tell_ordered(
        &self,
        hsm: &str,
        order: ObservedOrder,
        result: &Result<Reply, Refusal>,
    ) {
        let name = hsm.to_owned();
        let Ok(hsm) = hsm.parse() else { return };
        match order {
            ObservedOrder::Login(Fence { scope, epoch }) => {
                if result.is_ok() {
                    self.state
                        .lock()
                        .fences
                        .insert(name, Fence { scope, epoch });
                }
                let answer = match result {
                    Ok(_) => LoginAnswer::Accepted,
                    Err(Refusal::Fenced) => LoginAnswer::Fenced,
                    Err(Refusal::DiskFailed | Refusal::Busy) => LoginAnswer::Unheard,
                    Err(_) => LoginAnswer::Refused,
                };
                self.tell(|at| HistoryEvent::Login {
                    at,
                    hsm,
                    scope,
                    epoch,
                    answer,
                });
            }
            ObservedOrder::GenerateKey(id, label) if result.is_ok() => {
                self.state.lock().materials.insert(label.clone(), id);
                self.tell(|at| HistoryEvent::Made { at, hsm, id, label });
            }
            ObservedOrder::DeleteKey(id) if result.is_ok() => {
                self.tell(|at| HistoryEvent::Deleted { at, hsm, id });
            }
            ObservedOrder::GenerateKey(..) | ObservedOrder::DeleteKey(_) | ObservedOrder::Other => {
            }
        }
    }
}
