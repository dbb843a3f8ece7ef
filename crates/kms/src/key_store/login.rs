//! Sessions of `kmsuser`, the crypto user through which KMS uses a cluster.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use portcullis_api::HsmId;
use portcullis_clusters::KMSUSER;
use portcullis_hsm::{Command, Fence, Refusal, Reply, Role, Secret, SessionId};
use portcullis_link::{CallError, Channel, LinkError};
use tokio::time::Instant;

/// A management command takes milliseconds; an HSM that takes longer is not there.
pub(super) const COMMAND_DEADLINE: Duration = Duration::from_secs(2);

/// One HSM of a connected key store.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) hsm: HsmId,
    pub(crate) zone: String,
    /// Where it listened when the channel was made.
    pub(super) address: SocketAddr,
    pub(crate) channel: Arc<dyn Channel>,
    /// Who logs in, of several facades.
    holder: u64,
    /// The session's id; 0 while there is none.
    session: AtomicU64,
    /// The HSM refused every password known: trying again would lock the user out.
    refused: AtomicBool,
}

impl Member {
    pub(super) fn new(
        hsm: HsmId,
        zone: String,
        address: SocketAddr,
        channel: Arc<dyn Channel>,
        holder: u64,
    ) -> Self {
        let (session, refused) = (AtomicU64::new(0), AtomicBool::new(false));
        Self {
            hsm,
            zone,
            address,
            channel,
            holder,
            session,
            refused,
        }
    }

    pub(crate) fn session(&self) -> Option<SessionId> {
        match self.session.load(Ordering::Acquire) {
            0 => None,
            session => Some(SessionId(session)),
        }
    }

    /// The session has ended on the HSM's side, unless another has begun meanwhile.
    pub(super) fn lost(&self, session: SessionId) {
        let (won, kept) = (Ordering::AcqRel, Ordering::Acquire);
        let _newer_stays = self.session.compare_exchange(session.0, 0, won, kept);
    }

    pub(super) fn wants_login(&self) -> bool {
        self.session().is_none() && !self.refused.load(Ordering::Acquire)
    }

    pub(super) async fn manage(&self, command: Command) -> Result<Reply, CallError> {
        self.channel
            .manage(command, Instant::now() + COMMAND_DEADLINE)
            .await
    }

    /// Logs in with the first of `passwords` that is right, and says which that was.
    pub(super) async fn log_in(
        &self,
        passwords: &[&Secret],
        fence: Fence,
        exclusive: bool,
    ) -> Result<usize, CallError> {
        let mut last = CallError::Refused(Refusal::WrongPassword);
        for (index, password) in passwords.iter().enumerate() {
            let login = Command::Login {
                username: KMSUSER.to_owned(),
                role: Role::CryptoUser,
                password: password.duplicate(),
                fence: Some(fence),
                exclusive,
                holder: self.holder,
            };
            match self.manage(login).await {
                Ok(Reply::Session(session)) => {
                    self.session.store(session.0, Ordering::Release);
                    return Ok(index);
                }
                Ok(_other) => return Err(unexpected()),
                Err(CallError::Refused(Refusal::WrongPassword)) => {
                    last = CallError::Refused(Refusal::WrongPassword);
                }
                Err(error) => return Err(error),
            }
        }
        self.refused.store(true, Ordering::Release);
        Err(last)
    }

    /// Changes `kmsuser`'s password on this HSM, by its own session.
    pub(super) async fn change_password(&self, password: &Secret) -> Result<(), CallError> {
        let session = self.session().ok_or(Refusal::NoSession)?;
        let change = Command::ChangePassword {
            session,
            username: KMSUSER.to_owned(),
            role: Role::CryptoUser,
            password: password.duplicate(),
        };
        self.manage(change).await.map(|_done| ())
    }
}

fn unexpected() -> CallError {
    LinkError::NoAnswer("the HSM gave the answer to another command".to_owned()).into()
}
