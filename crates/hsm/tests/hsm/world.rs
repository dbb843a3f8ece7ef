use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;

use portcullis_hsm::{
    Call, Change, Command, Epoch, Fence, Hsm, HsmKeyId, KeyTemplate, MaskedKey, Operation, Refusal,
    Reply, Role, Secret, SessionId, Settings,
};
use portcullis_seam::SystemEntropy;
use zeroize::Zeroizing;

pub(crate) const KEY: HsmKeyId = HsmKeyId([7; 16]);
pub(crate) const SCOPE: [u8; 16] = [1; 16];

pub(crate) fn settings() -> Settings {
    Settings {
        password_iterations: NonZeroU32::MIN,
        ..Settings::default()
    }
}

/// An HSM and its disk.
pub(crate) struct World {
    pub(crate) hsm: Hsm,
    pub(crate) disk: BTreeMap<String, Zeroizing<Vec<u8>>>,
}

impl World {
    pub(crate) fn blank() -> Self {
        let hsm = Hsm::blank(settings(), Arc::new(SystemEntropy));
        let disk = hsm.records().into_iter().collect();
        Self { hsm, disk }
    }

    /// Activated, with the crypto user `kmsuser`.
    pub(crate) fn active() -> Self {
        let mut world = Self::blank();
        let password = Secret::new("adminPassword");
        world.run(Command::Activate { password }).unwrap();
        let session = world.login("admin", Role::Admin, "adminPassword");
        world.create("kmsuser", session).unwrap();
        world.run(Command::Logout { session }).unwrap();
        world
    }

    pub(crate) fn run(&mut self, command: Command) -> Result<Reply, Refusal> {
        let answer = self.hsm.manage(command);
        self.write(answer.changes);
        answer.result
    }

    pub(crate) fn write(&mut self, changes: Vec<Change>) {
        for change in changes {
            match change.value {
                Some(value) => self.disk.insert(change.key, value),
                None => self.disk.remove(&change.key),
            };
        }
    }

    pub(crate) fn restart(&mut self) {
        self.hsm = Hsm::load(settings(), Arc::new(SystemEntropy), self.disk.clone()).unwrap();
    }

    pub(crate) fn create(&mut self, username: &str, session: SessionId) -> Result<Reply, Refusal> {
        let (username, password) = (username.to_owned(), Secret::new("kmsPassword"));
        self.run(Command::CreateUser {
            session,
            username,
            role: Role::CryptoUser,
            password,
        })
    }

    pub(crate) fn try_login(
        &mut self,
        username: &str,
        role: Role,
        password: &str,
        fence: Option<u64>,
    ) -> Result<Reply, Refusal> {
        self.run(Command::Login {
            username: username.to_owned(),
            role,
            password: Secret::new(password),
            fence: fence.map(|epoch| Fence {
                scope: SCOPE,
                epoch: Epoch(epoch),
            }),
            exclusive: fence.is_some(),
            holder: 0,
        })
    }

    pub(crate) fn login(&mut self, username: &str, role: Role, password: &str) -> SessionId {
        session(self.try_login(username, role, password, None))
    }

    pub(crate) fn connect(&mut self, epoch: u64) -> Result<Reply, Refusal> {
        self.try_login("kmsuser", Role::CryptoUser, "kmsPassword", Some(epoch))
    }

    /// A fenced login that tolerates other sessions.
    pub(crate) fn connect_beside(&mut self, epoch: u64) -> Result<Reply, Refusal> {
        self.run(Command::Login {
            username: "kmsuser".to_owned(),
            role: Role::CryptoUser,
            password: Secret::new("kmsPassword"),
            fence: Some(Fence {
                scope: SCOPE,
                epoch: Epoch(epoch),
            }),
            exclusive: false,
            holder: 0,
        })
    }

    pub(crate) fn change_password(
        &mut self,
        session: SessionId,
        new: &str,
    ) -> Result<Reply, Refusal> {
        let (username, role) = ("kmsuser".to_owned(), Role::CryptoUser);
        self.run(Command::ChangePassword {
            session,
            username,
            role,
            password: Secret::new(new),
        })
    }

    pub(crate) fn generate(&mut self, session: SessionId) -> MaskedKey {
        self.generate_at(session, KEY)
    }

    pub(crate) fn generate_at(&mut self, session: SessionId, id: HsmKeyId) -> MaskedKey {
        self.generate_as(session, id, KeyTemplate::sealing(id, "arn:aws:kms:key"))
    }

    pub(crate) fn generate_as(
        &mut self,
        session: SessionId,
        id: HsmKeyId,
        template: KeyTemplate,
    ) -> MaskedKey {
        let generate = Command::GenerateKey {
            session,
            id,
            template,
        };
        match self.run(generate) {
            Ok(Reply::Key(masked)) => masked,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn operate(
        &self,
        session: SessionId,
        operation: Operation<'_>,
    ) -> Result<Vec<u8>, Refusal> {
        let mut out = b"before".to_vec();
        let result = self.hsm.batch().run(&Call { session, operation }, &mut out);
        let output = out.split_off(6);
        assert_eq!(out, b"before");
        assert!(
            result.is_ok() || output.is_empty(),
            "a refusal leaves nothing behind"
        );
        result.map(|()| output)
    }

    pub(crate) fn encrypt(&self, session: SessionId, plaintext: &[u8]) -> Result<Vec<u8>, Refusal> {
        self.operate(
            session,
            Operation::Encrypt {
                key: KEY,
                additional_data: b"ad",
                plaintext,
            },
        )
    }

    pub(crate) fn decrypt(
        &self,
        session: SessionId,
        additional_data: &[u8],
        sealed: &[u8],
    ) -> Result<Vec<u8>, Refusal> {
        self.operate(
            session,
            Operation::Decrypt {
                key: KEY,
                additional_data,
                sealed,
            },
        )
    }
}

pub(crate) fn session(reply: Result<Reply, Refusal>) -> SessionId {
    match reply {
        Ok(Reply::Session(session)) => session,
        other => panic!("{other:?}"),
    }
}
