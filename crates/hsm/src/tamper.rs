//! What befalls the users of one HSM without a command of theirs: for faults. No client of the
//! link can do any of this.

use zeroize::Zeroizing;

use crate::password::PasswordHash;
use crate::record;
use crate::user::{StoredUser, UserName};
use crate::{Change, Hsm, Refusal, Role, Secret};

impl Hsm {
    /// A user as its disk has it, secret; none when there is no such user.
    #[must_use]
    pub fn user_record(&self, username: &str, role: Role) -> Option<Zeroizing<Vec<u8>>> {
        let name = UserName::parse(username, role).ok()?;
        let state = self.state.lock();
        state.users.get(&name).map(|user| encode(&name, user))
    }

    /// Puts a user back as [`user_record`](Self::user_record) gave it, or removes it. Its sessions
    /// end. For one caller at a time, like [`manage`](Self::manage).
    ///
    /// # Errors
    /// `BadCredentials` when the name cannot be one, or the record is not that user's.
    pub fn overwrite_user(
        &self,
        username: &str,
        role: Role,
        record: Option<&[u8]>,
    ) -> Result<Vec<Change>, Refusal> {
        let name = UserName::parse(username, role)?;
        let user = match record {
            Some(bytes) => {
                let decoded: Option<(UserName, StoredUser)> = record::decode(bytes);
                let (owner, user) = decoded.ok_or(Refusal::BadCredentials)?;
                if owner != name {
                    return Err(Refusal::BadCredentials);
                }
                Some(user)
            }
            None => None,
        };
        self.sessions.retain(|_, session| {
            let stays = session.user != name;
            if !stays {
                session.end();
            }
            stays
        });
        Ok(vec![self.put(&name, user)])
    }

    /// Gives a user another password behind its back; sessions stay open.
    ///
    /// # Errors
    /// `NoSuchUser` when there is none.
    pub fn overwrite_password(
        &self,
        username: &str,
        role: Role,
        password: &Secret,
    ) -> Result<Vec<Change>, Refusal> {
        let name = UserName::parse(username, role)?;
        if !self.state.lock().users.contains_key(&name) {
            return Err(Refusal::NoSuchUser);
        }
        let iterations = self.settings.password_iterations;
        let hash = PasswordHash::of(password.reveal(), iterations, &*self.entropy);
        Ok(vec![self.put(&name, Some(StoredUser::with(Some(hash))))])
    }

    fn put(&self, name: &UserName, user: Option<StoredUser>) -> Change {
        let value = user.as_ref().map(|user| encode(name, user));
        let mut state = self.state.lock();
        match user {
            Some(user) => state.users.insert(name.clone(), user),
            None => state.users.remove(name),
        };
        Change {
            key: record::user_key(name),
            value,
        }
    }
}

fn encode(name: &UserName, user: &StoredUser) -> Zeroizing<Vec<u8>> {
    record::encode(&(name, user))
}
