//! What each management command may do, and does; `keys` has those about keys.

use std::sync::Arc;

use portcullis_seam::draw;

use crate::hsm::{ActivationPhase, Answer, ManagedState};
use crate::password::PasswordHash;
use crate::record::{self, PHASE};
use crate::session::{SESSIONS_MAX, Session, SessionFence};
use crate::user::{FIRST_ADMIN, StoredUser, UserName, check_password};
use crate::{Change, Command, Epoch, Fence, Hsm, Refusal, Reply, Role, Secret, SessionId};

/// A login's parts.
struct Login<'a> {
    user: UserName,
    password: &'a Secret,
    fence: Option<Fence>,
    exclusive: bool,
    holder: u64,
}

impl Hsm {
    /// Carries out a command. Call it for one command at a time, and make the changes durable
    /// before the result leaves.
    #[must_use]
    pub fn manage(&self, command: Command) -> Answer {
        let mut changes = Vec::new();
        let result = self.carry_out(command, &mut changes);
        Answer { result, changes }
    }

    fn carry_out(&self, command: Command, changes: &mut Vec<Change>) -> Result<Reply, Refusal> {
        match command {
            Command::Activate { password } => self.activate(&password, changes),
            Command::Login {
                username,
                role,
                password,
                fence,
                exclusive,
                holder,
            } => {
                let login = Login {
                    user: UserName::parse(&username, role)?,
                    password: &password,
                    fence,
                    exclusive,
                    holder,
                };
                self.login(&login, changes)
            }
            Command::Logout { session } => Ok(self.log_out(session)),
            Command::RaiseFence { session, epoch } => self.raise_fence(session, epoch, changes),
            Command::CreateUser {
                session,
                username,
                role,
                password,
            } => self.create_user(
                session,
                UserName::parse(&username, role)?,
                &password,
                changes,
            ),
            Command::ChangePassword {
                session,
                username,
                role,
                password,
            } => self.change_password(
                session,
                UserName::parse(&username, role)?,
                &password,
                changes,
            ),
            Command::DeleteUser {
                session,
                username,
                role,
            } => self.delete_user(session, &UserName::parse(&username, role)?, changes),
            Command::ListUsers => Ok(self.list_users()),
            Command::GenerateKey {
                session,
                id,
                template,
            } => self.generate_key(session, id, template, changes),
            Command::InsertMasked { session, key } => self.insert_masked(session, &key, changes),
            Command::DeleteKey { session, id } => self.delete_key(session, id, changes),
            Command::Key {
                session,
                id,
                action,
            } => self.act_on_key(session, id, action, changes),
            Command::ListKeys {
                session,
                criteria,
                after,
                limit,
            } => self.list_keys(session, &criteria, after, limit),
        }
    }

    /// Rule HSM-03: the first password is set once; it makes the HSM's first admin.
    fn activate(&self, password: &Secret, changes: &mut Vec<Change>) -> Result<Reply, Refusal> {
        check_password(password.reveal())?;
        let hash = self.hash(password);
        let mut state = self.state.lock();
        if state.phase != ActivationPhase::Unactivated {
            return Err(Refusal::WrongPhase);
        }
        let before = UserName {
            name: FIRST_ADMIN.to_owned(),
            role: Role::UnactivatedAdmin,
        };
        let admin = UserName {
            name: FIRST_ADMIN.to_owned(),
            role: Role::Admin,
        };
        state.users.remove(&before);
        state.phase = ActivationPhase::Active;
        changes.push(record::remove(record::user_key(&before)));
        changes.push(record::put(PHASE.to_owned(), &state.phase));
        put_user(&mut state, admin, hash, changes);
        Ok(Reply::Done)
    }

    /// Takes milliseconds: call it without the lock, for which backups and user lists wait.
    fn hash(&self, password: &Secret) -> PasswordHash {
        let iterations = self.settings.password_iterations;
        PasswordHash::of(password.reveal(), iterations, &*self.entropy)
    }

    fn login(&self, login: &Login<'_>, changes: &mut Vec<Change>) -> Result<Reply, Refusal> {
        let hash = self.find_hash(login)?;
        if !hash.accepts(login.password.reveal()) {
            return Err(self.count_failure(&login.user, changes));
        }
        let mut state = self.state.lock();
        if let Some(user) = state.users.get_mut(&login.user)
            && user.failed_logins > 0
        {
            user.failed_logins = 0;
            changes.push(user_change(&login.user, user));
        }
        if let Some(fence) = login.fence {
            self.end_those(|other| other.is_superseded_by(&fence, login.holder));
        }
        if self.sessions.len() >= SESSIONS_MAX {
            return Err(Refusal::Full);
        }
        let fence = match login.fence {
            Some(Fence { scope, epoch }) => {
                let height = state.fences.of(scope)?;
                let fence = SessionFence {
                    scope,
                    epoch,
                    height,
                    holder: login.holder,
                };
                raise(&fence, epoch, changes);
                Some(fence)
            }
            None => None,
        };
        let id = SessionId(u64::from_le_bytes(draw(&*self.entropy)));
        let session = Session::new(id, login.user.clone(), fence);
        self.sessions.insert(id, Arc::new(session));
        Ok(Reply::Session(id))
    }

    /// What the password must match, unless there is another reason to refuse.
    ///
    /// Rule HSM-04: unknown, locked, logged in elsewhere and wrong password are told apart, in
    /// this order, as the connection error codes of a key store are.
    fn find_hash(&self, login: &Login<'_>) -> Result<PasswordHash, Refusal> {
        let state = self.state.lock();
        if let Some(fence) = login.fence {
            state.fences.check(fence)?;
        }
        let Some(user) = state.users.get(&login.user) else {
            drop(state);
            let nobody = PasswordHash::of_nobody(self.settings.password_iterations);
            let _never = nobody.accepts(login.password.reveal());
            return Err(Refusal::NoSuchUser);
        };
        if user.locked() {
            return Err(Refusal::LockedOut);
        }
        let stays = |other: &Session| {
            !login
                .fence
                .is_some_and(|fence| other.is_superseded_by(&fence, login.holder))
        };
        if login.exclusive && self.is_logged_in(&login.user, stays) {
            return Err(Refusal::LoggedIn);
        }
        user.password.clone().ok_or(Refusal::NotPermitted)
    }

    /// Rule HSM-05: the fifth wrong password locks the account on this HSM. Rule HSM-15: with it
    /// the sessions that the user has.
    fn count_failure(&self, name: &UserName, changes: &mut Vec<Change>) -> Refusal {
        let mut state = self.state.lock();
        let Some(user) = state.users.get_mut(name) else {
            return Refusal::NoSuchUser;
        };
        if user.count_failure() {
            let sessions = self.sessions.iter();
            let own = sessions.filter(|session| session.user == *name);
            own.for_each(|session| session.lock());
        }
        changes.push(user_change(name, user));
        Refusal::WrongPassword
    }

    fn is_logged_in(&self, user: &UserName, counts: impl Fn(&Session) -> bool) -> bool {
        self.sessions
            .iter()
            .any(|session| session.user == *user && counts(&session))
    }

    fn log_out(&self, session: SessionId) -> Reply {
        self.end_session(session);
        Reply::Done
    }

    fn end_those(&self, over: impl Fn(&Session) -> bool) {
        self.sessions.retain(|_, session| {
            let ends = over(session);
            if ends {
                session.end();
            }
            !ends
        });
    }

    pub(crate) fn session(&self, id: SessionId) -> Result<Arc<Session>, Refusal> {
        let session = Arc::clone(&*self.sessions.get(&id).ok_or(Refusal::NoSession)?);
        session.check_open()?;
        Ok(session)
    }

    fn admin_session(&self, id: SessionId) -> Result<Arc<Session>, Refusal> {
        let session = self.session(id)?;
        if session.user.role == Role::Admin {
            Ok(session)
        } else {
            Err(Refusal::NotPermitted)
        }
    }

    pub(crate) fn crypto_session(&self, id: SessionId) -> Result<Arc<Session>, Refusal> {
        let session = self.session(id)?;
        if session.user.role != Role::CryptoUser {
            return Err(Refusal::NotPermitted);
        }
        session.check_usable()?;
        Ok(session)
    }

    fn raise_fence(
        &self,
        session: SessionId,
        epoch: Epoch,
        changes: &mut Vec<Change>,
    ) -> Result<Reply, Refusal> {
        let session = self.session(session)?;
        let fence = session.fence.as_ref().ok_or(Refusal::NotPermitted)?;
        raise(fence, epoch, changes);
        self.end_those(|other| other.is_before(&fence.scope, epoch));
        Ok(Reply::Done)
    }

    fn create_user(
        &self,
        session: SessionId,
        user: UserName,
        password: &Secret,
        changes: &mut Vec<Change>,
    ) -> Result<Reply, Refusal> {
        self.admin_session(session)?;
        check_manageable(&user)?;
        check_password(password.reveal())?;
        let hash = self.hash(password);
        let mut state = self.state.lock();
        if state.users.contains_key(&user) {
            return Err(Refusal::UserExists);
        }
        if state.users.len() >= self.limits.lock().users_max {
            return Err(Refusal::Full);
        }
        put_user(&mut state, user, hash, changes);
        Ok(Reply::Done)
    }

    /// Rule HSM-16: one's own password, or as an admin any user's, and only while no other user is
    /// logged in as that user. Rule HSM-05: only an admin's change unlocks.
    fn change_password(
        &self,
        session: SessionId,
        user: UserName,
        password: &Secret,
        changes: &mut Vec<Change>,
    ) -> Result<Reply, Refusal> {
        let asking = self.session(session)?;
        if asking.user.role != Role::Admin {
            if asking.user != user {
                return Err(Refusal::NotPermitted);
            }
            asking.check_usable()?;
        }
        check_manageable(&user)?;
        check_password(password.reveal())?;
        if self.is_logged_in(&user, |other| other.id != asking.id) {
            return Err(Refusal::LoggedIn);
        }
        if !self.state.lock().users.contains_key(&user) {
            return Err(Refusal::NoSuchUser);
        }
        let hash = self.hash(password);
        put_user(&mut self.state.lock(), user, hash, changes);
        Ok(Reply::Done)
    }

    fn delete_user(
        &self,
        session: SessionId,
        user: &UserName,
        changes: &mut Vec<Change>,
    ) -> Result<Reply, Refusal> {
        self.admin_session(session)?;
        check_manageable(user)?;
        if !self.state.lock().users.contains_key(user) {
            return Err(Refusal::NoSuchUser);
        }
        if self.is_logged_in(user, |_| true) {
            return Err(Refusal::LoggedIn);
        }
        let owns =
            user.role == Role::CryptoUser && self.keys.iter().any(|key| *key.owner == *user.name);
        if owns {
            return Err(Refusal::OwnsKeys);
        }
        self.state.lock().users.remove(user);
        changes.push(record::remove(record::user_key(user)));
        if user.role == Role::CryptoUser {
            changes.extend(self.unshare_all(&user.name));
        }
        Ok(Reply::Done)
    }

    fn list_users(&self) -> Reply {
        let state = self.state.lock();
        Reply::Users(
            state
                .users
                .iter()
                .map(|(name, user)| user.info(name))
                .collect(),
        )
    }
}

fn raise(fence: &SessionFence, epoch: Epoch, changes: &mut Vec<Change>) {
    if fence.height.get() < epoch {
        fence.height.raise(epoch);
        let raised = Fence {
            scope: fence.scope,
            epoch,
        };
        changes.push(record::put(record::fence_key(&fence.scope), &raised));
    }
}

fn put_user(
    state: &mut ManagedState,
    name: UserName,
    hash: PasswordHash,
    changes: &mut Vec<Change>,
) {
    let user = StoredUser::with(Some(hash));
    changes.push(user_change(&name, &user));
    state.users.insert(name, user);
}

fn user_change(name: &UserName, user: &StoredUser) -> Change {
    record::put(record::user_key(name), &(name, user))
}

/// Rule HSM-17: users are admins and crypto users; no command changes the HSM's own users.
const fn check_manageable(user: &UserName) -> Result<(), Refusal> {
    match user.role {
        Role::Admin | Role::CryptoUser => Ok(()),
        Role::UnactivatedAdmin | Role::ApplianceUser => Err(Refusal::NotPermitted),
    }
}
