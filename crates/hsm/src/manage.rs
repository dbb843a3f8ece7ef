//! What each management command may do, and does.

use std::sync::Arc;

use portcullis_seam::draw;

use crate::hsm::{Answer, Phase, State};
use crate::key::{Key, Material};
use crate::password::PasswordHash;
use crate::record::{self, PHASE};
use crate::session::{SESSIONS_MAX, Session, SessionFence};
use crate::user::{FIRST_ADMIN, User, UserName, check_password};
use crate::{
    Change, Command, Epoch, Fence, Hsm, HsmKeyId, MaskedKey, Refusal, Reply, Role, Secret,
    SessionId,
};

/// Keys in one reply: KMS and the CloudHSM CLI page beyond that.
const LISTED_KEYS_MAX: usize = 1000;

/// KMS labels a key with its ARN, some 80 characters.
const LABEL_BYTES_MAX: usize = 2048;

/// A login's parts.
struct Login<'a> {
    user: UserName,
    password: &'a Secret,
    fence: Option<Fence>,
    exclusive: bool,
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
            } => {
                let user = UserName::parse(&username, role)?;
                self.login(
                    &Login {
                        user,
                        password: &password,
                        fence,
                        exclusive,
                    },
                    changes,
                )
            }
            Command::Logout { session } => {
                self.sessions.remove(&session);
                Ok(Reply::Done)
            }
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
            Command::GenerateKey { session, id, label } => {
                self.generate_key(session, id, label, changes)
            }
            Command::InsertMasked { session, key } => self.insert_masked(session, &key, changes),
            Command::DeleteKey { session, id } => self.delete_key(session, id, changes),
            Command::ListKeys {
                session,
                label,
                after,
                limit,
            } => self.list_keys(session, label.as_deref(), after, limit),
        }
    }

    /// Rule HSM-03: the first password is set once; it makes the HSM's first admin.
    fn activate(&self, password: &Secret, changes: &mut Vec<Change>) -> Result<Reply, Refusal> {
        check_password(password.reveal())?;
        let mut state = self.state.lock();
        if state.phase != Phase::Unactivated {
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
        state.phase = Phase::Active;
        changes.push(record::remove(record::user_key(&before)));
        changes.push(record::put(PHASE.to_owned(), &state.phase));
        put_user(
            &mut state,
            admin,
            User::with(Some(self.hash(password))),
            changes,
        );
        Ok(Reply::Done)
    }

    fn hash(&self, password: &Secret) -> PasswordHash {
        let iterations = self.settings.password_iterations;
        PasswordHash::of(password.reveal(), iterations, &*self.entropy)
    }

    fn login(&self, login: &Login<'_>, changes: &mut Vec<Change>) -> Result<Reply, Refusal> {
        let mut state = self.state.lock();
        let fence = match login.fence {
            Some(Fence { scope, epoch }) => {
                let height = state.fences.of(scope)?;
                if height.get() > epoch {
                    return Err(Refusal::Fenced);
                }
                Some(SessionFence {
                    scope,
                    epoch,
                    height,
                })
            }
            None => None,
        };
        self.check_login(&mut state, login, fence.as_ref(), changes)?;
        if let Some(fence) = &fence {
            self.end_superseded(fence.scope, fence.epoch);
            raise(fence, fence.epoch, changes);
        }
        if self.sessions.len() >= SESSIONS_MAX {
            return Err(Refusal::Full);
        }
        let id = SessionId(u64::from_le_bytes(draw(&*self.entropy)));
        let owner = Arc::from(login.user.name.as_str());
        let session = Session {
            id,
            user: login.user.clone(),
            owner,
            fence,
        };
        self.sessions.insert(id, Arc::new(session));
        Ok(Reply::Session(id))
    }

    /// Rule HSM-04: unknown, locked, logged in elsewhere and wrong password are told apart, in
    /// this order, as the connection error codes of a key store are.
    fn check_login(
        &self,
        state: &mut State,
        login: &Login<'_>,
        fence: Option<&SessionFence>,
        changes: &mut Vec<Change>,
    ) -> Result<(), Refusal> {
        let user = state
            .users
            .get_mut(&login.user)
            .ok_or(Refusal::NoSuchUser)?;
        if user.locked() {
            return Err(Refusal::LockedOut);
        }
        if login.exclusive
            && self.is_logged_in(&login.user, |other| {
                !fence.is_some_and(|fence| other.is_superseded_by(&fence.scope, fence.epoch))
            })
        {
            return Err(Refusal::LoggedIn);
        }
        let hash = user.password.as_ref().ok_or(Refusal::NotPermitted)?;
        if hash.accepts(login.password.reveal()) {
            if user.failed_logins > 0 {
                user.failed_logins = 0;
                changes.push(record::put(
                    record::user_key(&login.user),
                    &(&login.user, &*user),
                ));
            }
            return Ok(());
        }
        // Rule HSM-05: the fifth wrong password locks the account on this HSM.
        user.failed_logins = user.failed_logins.saturating_add(1);
        changes.push(record::put(
            record::user_key(&login.user),
            &(&login.user, &*user),
        ));
        Err(Refusal::WrongPassword)
    }

    fn is_logged_in(&self, user: &UserName, counts: impl Fn(&Session) -> bool) -> bool {
        self.sessions
            .iter()
            .any(|session| session.user == *user && counts(&session))
    }

    fn end_superseded(&self, scope: [u8; 16], epoch: Epoch) {
        self.sessions
            .retain(|_, session| !session.is_superseded_by(&scope, epoch));
    }

    fn session(&self, id: SessionId) -> Result<Arc<Session>, Refusal> {
        let session = Arc::clone(&*self.sessions.get(&id).ok_or(Refusal::NoSession)?);
        session.check_fence()?;
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

    fn crypto_session(&self, id: SessionId) -> Result<Arc<Session>, Refusal> {
        let session = self.session(id)?;
        if session.user.role == Role::CryptoUser {
            Ok(session)
        } else {
            Err(Refusal::NotPermitted)
        }
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
        let below = Epoch(epoch.0.saturating_sub(1));
        self.end_superseded(fence.scope, below);
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
        if !matches!(user.role, Role::Admin | Role::CryptoUser) {
            return Err(Refusal::NotPermitted);
        }
        check_password(password.reveal())?;
        let mut state = self.state.lock();
        if state.users.contains_key(&user) {
            return Err(Refusal::UserExists);
        }
        if state.users.len() >= self.settings.users_max {
            return Err(Refusal::Full);
        }
        put_user(
            &mut state,
            user,
            User::with(Some(self.hash(password))),
            changes,
        );
        Ok(Reply::Done)
    }

    fn change_password(
        &self,
        session: SessionId,
        user: UserName,
        password: &Secret,
        changes: &mut Vec<Change>,
    ) -> Result<Reply, Refusal> {
        let asking = self.session(session)?;
        if asking.user != user && asking.user.role != Role::Admin {
            return Err(Refusal::NotPermitted);
        }
        check_password(password.reveal())?;
        if self.is_logged_in(&user, |other| other.id != asking.id) {
            return Err(Refusal::LoggedIn);
        }
        let mut state = self.state.lock();
        if state
            .users
            .get(&user)
            .is_none_or(|known| known.password.is_none())
        {
            return Err(Refusal::NoSuchUser);
        }
        put_user(
            &mut state,
            user,
            User::with(Some(self.hash(password))),
            changes,
        );
        Ok(Reply::Done)
    }

    fn delete_user(
        &self,
        session: SessionId,
        user: &UserName,
        changes: &mut Vec<Change>,
    ) -> Result<Reply, Refusal> {
        self.admin_session(session)?;
        if self.is_logged_in(user, |_| true) {
            return Err(Refusal::LoggedIn);
        }
        let owns =
            user.role == Role::CryptoUser && self.keys.iter().any(|key| *key.owner == *user.name);
        if owns {
            return Err(Refusal::OwnsKeys);
        }
        let mut state = self.state.lock();
        let removed = state.users.remove(user).is_some();
        changes.push(record::remove(record::user_key(user)));
        if removed {
            Ok(Reply::Done)
        } else {
            Err(Refusal::NoSuchUser)
        }
    }

    fn generate_key(
        &self,
        session: SessionId,
        id: HsmKeyId,
        label: String,
        changes: &mut Vec<Change>,
    ) -> Result<Reply, Refusal> {
        let session = self.crypto_session(session)?;
        if label.len() > LABEL_BYTES_MAX {
            return Err(Refusal::BadLength);
        }
        let present = self.keys.get(&id).map(|key| Arc::clone(&*key));
        if let Some(key) = present {
            let same = key.owner == session.owner && key.label == label;
            let masked = key.mask(id, &self.masking, &*self.entropy)?;
            return if same {
                Ok(Reply::Key(masked))
            } else {
                Err(Refusal::NotPermitted)
            };
        }
        let material = Material::draw(&*self.entropy);
        let key = Key::new(material, Arc::clone(&session.owner), label);
        let masked = key.mask(id, &self.masking, &*self.entropy)?;
        let answer = self.insert(id, key);
        changes.extend(answer.changes);
        answer.result.map(|_done| Reply::Key(masked))
    }

    fn insert_masked(
        &self,
        session: SessionId,
        masked: &MaskedKey,
        changes: &mut Vec<Change>,
    ) -> Result<Reply, Refusal> {
        let session = self.crypto_session(session)?;
        let (id, key) = Key::unmask(masked, &self.masking)?;
        if key.owner != session.owner {
            return Err(Refusal::NotPermitted);
        }
        let answer = self.insert(id, key);
        changes.extend(answer.changes);
        answer.result
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

    fn delete_key(
        &self,
        session: SessionId,
        id: HsmKeyId,
        changes: &mut Vec<Change>,
    ) -> Result<Reply, Refusal> {
        let session = self.crypto_session(session)?;
        let owned = self.keys.get(&id).map(|key| key.owner == session.owner);
        match owned {
            None => Ok(Reply::Done),
            Some(false) => Err(Refusal::NoSuchKey),
            Some(true) => {
                self.keys.remove(&id);
                changes.push(record::remove(record::key_key(id)));
                Ok(Reply::Done)
            }
        }
    }

    fn list_keys(
        &self,
        session: SessionId,
        label: Option<&str>,
        after: Option<HsmKeyId>,
        limit: u16,
    ) -> Result<Reply, Refusal> {
        let session = self.session(session)?;
        let all = session.user.role == Role::Admin;
        let limit = usize::from(limit).min(LISTED_KEYS_MAX);
        let ids = self
            .key_ids()
            .into_iter()
            .filter(|id| after.is_none_or(|after| *id > after));
        let infos = ids.filter_map(|id| self.keys.get(&id).map(|key| key.info(id)));
        let listed = infos
            .filter(|info| all || *info.owner == *session.owner)
            .filter(|info| label.is_none_or(|label| info.label == label))
            .take(limit);
        Ok(Reply::Keys(listed.collect()))
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

fn put_user(state: &mut State, name: UserName, user: User, changes: &mut Vec<Change>) {
    changes.push(record::put(record::user_key(&name), &(&name, &user)));
    state.users.insert(name, user);
}
