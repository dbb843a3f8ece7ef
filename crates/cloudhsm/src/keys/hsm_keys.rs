use std::fmt;
use std::sync::Arc;

use portcullis_hsm::{Command, Criterion, HsmKeyId, KeyAction, KeyLength, Reply};
use portcullis_link::{CallError, LinkError};
use portcullis_seam::draw;

use super::filter::{self, KeyTextError, template};
use super::row::KeyRow;
use crate::service_core::ServiceCore;
use crate::users::{HsmUsers, SessionSeat, UserError, UserSession, deadline, unexpected};

/// What `key generate-symmetric aes` shall make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewKey {
    /// The label.
    pub label: String,
    /// 16, 24 or 32.
    pub length_bytes: usize,
    /// Attributes as `name=value`.
    pub attributes: Vec<String>,
    /// Crypto users with whom it is shared.
    pub share_crypto_users: Vec<String>,
}

/// Keys in HSMs, managed under the sessions of [`HsmUsers`].
pub struct HsmKeys {
    core: Arc<ServiceCore>,
    pub(super) users: Arc<HsmUsers>,
}

impl HsmKeys {
    pub(crate) const fn new(core: Arc<ServiceCore>, users: Arc<HsmUsers>) -> Self {
        Self { core, users }
    }

    pub(super) fn session(&self, token: &str) -> Result<Arc<UserSession>, UserError> {
        self.users.sessions.get(token)
    }

    /// `key generate-symmetric aes`; a crypto user's token.
    ///
    /// # Errors
    /// When what is asked for cannot be read, or no HSM makes it.
    pub async fn generate(&self, token: &str, key: &NewKey) -> Result<KeyRow, UserError> {
        let length = KeyLength::of(key.length_bytes).ok_or(KeyTextError::Length)?;
        let template = template(length, &key.label, &key.attributes, &key.share_crypto_users)?;
        self.make_key(token, |seat, id| Command::GenerateKey {
            session: seat.session,
            id,
            template: template.clone(),
        })
        .await
    }

    /// `key delete`: the one key that meets the filter; its owner's token.
    ///
    /// # Errors
    /// When not exactly one key meets the filter, or an HSM refuses or cannot be reached.
    pub async fn delete(&self, token: &str, filter: &[String]) -> Result<(), UserError> {
        let id = self.select(token, filter).await?;
        let command = |seat: &SessionSeat| Command::DeleteKey {
            session: seat.session,
            id,
        };
        self.users.on_every_hsm(token, command).await
    }

    /// `key share`; the owner's token.
    ///
    /// # Errors
    /// As [`HsmKeys::delete`].
    pub async fn share(
        &self,
        token: &str,
        filter: &[String],
        username: &str,
    ) -> Result<(), UserError> {
        let action = || KeyAction::Share {
            username: username.to_owned(),
        };
        self.act_on_key(token, filter, action).await
    }

    /// `key unshare`; the owner's token.
    ///
    /// # Errors
    /// As [`HsmKeys::delete`].
    pub async fn unshare(
        &self,
        token: &str,
        filter: &[String],
        username: &str,
    ) -> Result<(), UserError> {
        let action = || KeyAction::Unshare {
            username: username.to_owned(),
        };
        self.act_on_key(token, filter, action).await
    }

    /// `key set-attribute`; the owner's token, or an admin's for `trusted`.
    ///
    /// # Errors
    /// As [`HsmKeys::delete`], and when there is no such attribute or value.
    pub async fn set_attribute(
        &self,
        token: &str,
        filter: &[String],
        name: &str,
        value: &str,
    ) -> Result<(), UserError> {
        let change = filter::change(name, value)?;
        let action = || KeyAction::SetAttribute(change.clone());
        self.act_on_key(token, filter, action).await
    }

    async fn act_on_key(
        &self,
        token: &str,
        filter: &[String],
        action: impl Fn() -> KeyAction,
    ) -> Result<(), UserError> {
        let id = self.select(token, filter).await?;
        let command = |seat: &SessionSeat| Command::Key {
            session: seat.session,
            id,
            action: action(),
        };
        self.users.on_every_hsm(token, command).await
    }

    /// The one key that meets the filter.
    ///
    /// Rule CL-20: what is done to a key is done to one.
    pub(super) async fn select(
        &self,
        token: &str,
        filter: &[String],
    ) -> Result<HsmKeyId, UserError> {
        let criteria = filter::criteria(filter)?;
        let rows = self.rows(token, &criteria).await?;
        match rows.as_slice() {
            [row] => Ok(row.key.id),
            [] => Err(UserError::NoKey),
            several => Err(UserError::SeveralKeys(several.len())),
        }
    }

    /// Makes a key on the first HSM that can be reached and hands it to the others.
    ///
    /// Rule CL-21: a key that is acknowledged is on one HSM, and within ten seconds on all.
    pub(super) async fn make_key(
        &self,
        token: &str,
        command: impl Fn(&SessionSeat, HsmKeyId) -> Command,
    ) -> Result<KeyRow, UserError> {
        let session = self.session(token)?;
        let id = HsmKeyId(draw(&*self.core.entropy));
        let (maker, reply) = self.on_any_hsm(&session, |seat| command(seat, id)).await?;
        let Reply::Key(masked) = reply else {
            return Err(UserError::from_all(vec![(maker.hsm.clone(), unexpected())]));
        };
        for seat in session.seats.iter().filter(|seat| seat.hsm != maker.hsm) {
            let insert = Command::InsertMasked {
                session: seat.session,
                key: masked.clone(),
            };
            if let Err(error) = seat.channel.manage(insert, deadline()).await {
                tracing::debug!(hsm = %seat.hsm, %error, "not handed on; will be copied");
            }
        }
        self.row(token, id).await
    }

    /// Asks the HSMs of a session in turn until one answers. Not after an HSM that may have
    /// carried it out: making a key twice would make two.
    pub(super) async fn on_any_hsm<'a>(
        &self,
        session: &'a UserSession,
        command: impl Fn(&SessionSeat) -> Command,
    ) -> Result<(&'a SessionSeat, Reply), UserError> {
        let view = self.users.view_of(&session.scope, &session.cluster)?;
        let mut failed = Vec::new();
        for seat in session.seats_in_service(&view) {
            let error = match seat.channel.manage(command(seat), deadline()).await {
                Ok(reply) => return Ok((seat, reply)),
                Err(error) => error,
            };
            let goes_on = match &error {
                CallError::Refused(refusal) => may_differ_elsewhere(*refusal),
                CallError::Link(LinkError::NoAnswer(_)) => false,
                CallError::Link(
                    LinkError::Unreachable(_)
                    | LinkError::Untrusted(_)
                    | LinkError::Overloaded
                    | LinkError::Unusable(_),
                ) => true,
            };
            failed.push((seat.hsm.clone(), error));
            if !goes_on {
                break;
            }
        }
        if failed.is_empty() {
            return Err(UserError::NoHsm(session.cluster.clone()));
        }
        Err(UserError::from_all(failed))
    }

    /// A key as it is now.
    pub(super) async fn row(&self, token: &str, id: HsmKeyId) -> Result<KeyRow, UserError> {
        let criteria = [Criterion::Reference(id.reference())];
        let rows = self.rows(token, &criteria).await?;
        let found = rows.into_iter().find(|row| row.key.id == id);
        found.ok_or(UserError::NoKey)
    }
}

/// Another HSM may have the session or the key that this one lacks, or be less busy.
const fn may_differ_elsewhere(refusal: portcullis_hsm::Refusal) -> bool {
    use portcullis_hsm::Refusal;
    matches!(
        refusal,
        Refusal::NoSession | Refusal::NoSuchKey | Refusal::Busy | Refusal::DiskFailed
    )
}

impl fmt::Debug for HsmKeys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "HsmKeys({:?})", self.users)
    }
}
