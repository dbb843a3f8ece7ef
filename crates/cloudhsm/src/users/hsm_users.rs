use std::fmt;
use std::sync::Arc;

use data_encoding::HEXLOWER;
use portcullis_api::{ClusterId, HsmId, Scope};
use portcullis_hsm::{Command, Reply, Role, Secret};
use portcullis_link::{CallError, Channel, Target, pem_to_der};
use portcullis_seam::draw;

use super::error::UserError;
use super::session::{SessionSeat, UserSession, UserSessions, deadline, unexpected};
use crate::control::Reconciler;
use crate::service_core::ServiceCore;
use portcullis_clusters::{ClusterState, ClusterView};

/// An HSM and a channel to it.
type Dialled = (HsmId, Arc<dyn Channel>);

/// Users of HSMs, and their sessions.
pub struct HsmUsers {
    pub(super) core: Arc<ServiceCore>,
    reconciler: Arc<Reconciler>,
    pub(crate) sessions: UserSessions,
}

/// What an operation came to on each HSM, in the order of their IDs.
struct Outcomes {
    done: Vec<HsmId>,
    failed: Vec<(HsmId, CallError)>,
}

impl Outcomes {
    /// Rule CL-17: what reached every HSM succeeded; what reached none failed for the reason that
    /// an HSM gives; what reached some is reported with both lists.
    fn conclude(self) -> Result<(), UserError> {
        if self.failed.is_empty() {
            Ok(())
        } else if self.done.is_empty() {
            Err(UserError::from_all(self.failed))
        } else {
            Err(UserError::Partial {
                done: self.done,
                failed: self.failed,
            })
        }
    }
}

impl HsmUsers {
    pub(crate) fn new(core: Arc<ServiceCore>, reconciler: Arc<Reconciler>) -> Self {
        Self {
            core,
            reconciler,
            sessions: UserSessions::default(),
        }
    }

    /// `cluster activate`: sets the first admin's password, which makes the cluster ACTIVE.
    ///
    /// # Errors
    /// When the cluster is not INITIALIZED, its HSM cannot be reached or refuses the password.
    pub async fn activate(
        &self,
        scope: &Scope,
        cluster: &ClusterId,
        password: Secret,
    ) -> Result<(), UserError> {
        let view = self.view_of(scope, cluster)?;
        if view.state != ClusterState::Initialized {
            return Err(UserError::WrongState {
                cluster: cluster.clone(),
                state: view.state,
            });
        }
        let mut channels = self.channels(&view)?.into_iter();
        let Some((hsm, channel)) = channels.next() else {
            return Err(UserError::NoHsm(cluster.clone()));
        };
        let command = Command::Activate { password };
        let answer = channel.manage(command, deadline()).await;
        self.reconciler.settle(scope, cluster).await;
        match answer {
            Ok(_done) => Ok(()),
            Err(error) => Err(UserError::from_all(vec![(hsm, error)])),
        }
    }

    /// `login`: opens a session on every HSM in service that can be reached, and gives a token
    /// for it. The sessions stay open until [`HsmUsers::logout`]: one of `kmsuser` keeps KMS out.
    ///
    /// # Errors
    /// When no HSM accepts the login.
    #[expect(
        clippy::too_many_arguments,
        reason = "where, and the credentials of the CLI"
    )]
    pub async fn login(
        &self,
        scope: &Scope,
        cluster: &ClusterId,
        username: &str,
        role: Role,
        password: Secret,
    ) -> Result<String, UserError> {
        self.sessions.check_room()?;
        let view = self.view_of(scope, cluster)?;
        let mut seats = Vec::new();
        let mut failed = Vec::new();
        for (hsm, channel) in self.channels(&view)? {
            let command = Command::Login {
                username: username.to_owned(),
                role,
                password: password.duplicate(),
                fence: None,
                exclusive: false,
                holder: 0,
            };
            match channel.manage(command, deadline()).await {
                Ok(Reply::Session(session)) => seats.push(SessionSeat {
                    hsm,
                    channel,
                    session,
                }),
                Ok(_other) => failed.push((hsm, unexpected())),
                Err(error) => failed.push((hsm, error)),
            }
        }
        if seats.is_empty() {
            return Err(if failed.is_empty() {
                UserError::NoHsm(cluster.clone())
            } else {
                UserError::from_all(failed)
            });
        }
        let bits: [u8; 32] = draw(&*self.core.entropy);
        let token = HEXLOWER.encode(&bits);
        let session = UserSession {
            scope: scope.clone(),
            cluster: cluster.clone(),
            username: username.to_ascii_lowercase(),
            role,
            seats,
            unseated: failed,
        };
        self.sessions.keep(token.clone(), session)?;
        Ok(token)
    }

    /// Who is logged in under a token.
    ///
    /// # Errors
    /// When the token is unknown.
    pub fn session(&self, token: &str) -> Result<(String, Role), UserError> {
        let session = self.sessions.get(token)?;
        Ok((session.username.clone(), session.role))
    }

    /// `logout`: ends the sessions of a token. The token is forgotten also when an HSM cannot be
    /// reached.
    ///
    /// # Errors
    /// When the token is unknown, or an HSM did not hear of it.
    pub async fn logout(&self, token: &str) -> Result<(), UserError> {
        let session = self.sessions.take(token)?;
        let mut outcomes = Outcomes::none();
        for seat in &session.seats {
            let logout = Command::Logout {
                session: seat.session,
            };
            outcomes.add(&seat.hsm, seat.channel.manage(logout, deadline()).await);
        }
        outcomes.conclude()
    }

    /// `user create`; an admin's token.
    ///
    /// # Errors
    /// When an HSM refuses or cannot be reached.
    pub async fn create(
        &self,
        token: &str,
        username: &str,
        role: Role,
        password: Secret,
    ) -> Result<(), UserError> {
        let command = |seat: &SessionSeat| Command::CreateUser {
            session: seat.session,
            username: username.to_owned(),
            role,
            password: password.duplicate(),
        };
        self.on_every_hsm(token, command).await
    }

    /// `user change-password`: the user's own token or an admin's, which also unlocks.
    ///
    /// # Errors
    /// When an HSM refuses or cannot be reached.
    pub async fn change_password(
        &self,
        token: &str,
        username: &str,
        role: Role,
        password: Secret,
    ) -> Result<(), UserError> {
        let command = |seat: &SessionSeat| Command::ChangePassword {
            session: seat.session,
            username: username.to_owned(),
            role,
            password: password.duplicate(),
        };
        self.on_every_hsm(token, command).await
    }

    /// `user delete`; an admin's token.
    ///
    /// # Errors
    /// When an HSM refuses or cannot be reached.
    pub async fn delete(&self, token: &str, username: &str, role: Role) -> Result<(), UserError> {
        let command = |seat: &SessionSeat| Command::DeleteUser {
            session: seat.session,
            username: username.to_owned(),
            role,
        };
        let deleted = self.on_every_hsm(token, command).await;
        deleted.or_else(|error| error.unless_it_was_gone())
    }

    /// Sends a command under each session of a token. An HSM in service that the token has no
    /// session on counts as not reached.
    pub(crate) async fn on_every_hsm(
        &self,
        token: &str,
        command: impl Fn(&SessionSeat) -> Command,
    ) -> Result<(), UserError> {
        let session = self.sessions.get(token)?;
        let view = self.view_of(&session.scope, &session.cluster)?;
        let mut outcomes = Outcomes::none();
        for hsm in view.active_hsms() {
            let seat = session.seats.iter().find(|seat| seat.hsm == hsm.id);
            let answer = match seat {
                Some(seat) => seat.channel.manage(command(seat), deadline()).await,
                None => Err(session.why_not_on(&hsm.id)),
            };
            outcomes.add(&hsm.id, answer);
        }
        if outcomes.done.is_empty() && outcomes.failed.is_empty() {
            return Err(UserError::NoHsm(session.cluster.clone()));
        }
        outcomes.conclude()
    }

    pub(crate) fn view_of(
        &self,
        scope: &Scope,
        cluster: &ClusterId,
    ) -> Result<Arc<ClusterView>, UserError> {
        self.core
            .cluster(scope, cluster)
            .ok_or_else(|| UserError::NoSuchCluster(cluster.clone()))
    }

    /// A channel to each HSM in service, over the link like any client's.
    pub(super) fn channels(&self, view: &ClusterView) -> Result<Vec<Dialled>, UserError> {
        let (Some(certificate), Some(anchor)) = (&view.certificate, &view.trust_anchor) else {
            return Err(UserError::WrongState {
                cluster: view.id.clone(),
                state: view.state,
            });
        };
        let (Ok(certificate), Ok(anchor)) = (pem_to_der(certificate), pem_to_der(anchor)) else {
            return Err(UserError::NoHsm(view.id.clone()));
        };
        let listening = view
            .active_hsms()
            .filter_map(|hsm| Some((hsm, hsm.address?)));
        let dialled = listening.map(|(hsm, address)| {
            let target = Target {
                name: hsm.id.to_string(),
                address,
                trust_anchor: anchor.clone(),
                cluster_certificate: certificate.clone(),
            };
            (hsm.id.clone(), self.core.transport.dial(target))
        });
        let channels: Vec<_> = dialled.collect();
        if channels.is_empty() {
            return Err(UserError::NoHsm(view.id.clone()));
        }
        Ok(channels)
    }
}

impl Outcomes {
    const fn none() -> Self {
        Self {
            done: Vec::new(),
            failed: Vec::new(),
        }
    }

    fn add(&mut self, hsm: &HsmId, answer: Result<Reply, CallError>) {
        match answer {
            Ok(_done) => self.done.push(hsm.clone()),
            Err(error) => self.failed.push((hsm.clone(), error)),
        }
    }
}

impl fmt::Debug for HsmUsers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "HsmUsers({:?})", self.sessions)
    }
}
