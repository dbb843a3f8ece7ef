//! What an HSM promises, through its public surface.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests fail loudly")]

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;

use portcullis_hsm::{
    Call, Change, Command, Epoch, Fence, Hsm, HsmKeyId, Image, MaskedKey, Operation, Refusal,
    Reply, Role, Secret, SessionId, Settings,
};
use portcullis_seam::SystemEntropy;
use proptest::prelude::*;
use zeroize::Zeroizing;

const KEY: HsmKeyId = HsmKeyId([7; 16]);
const SCOPE: [u8; 16] = [1; 16];

fn settings() -> Settings {
    Settings {
        password_iterations: NonZeroU32::MIN,
        ..Settings::default()
    }
}

/// An HSM and its disk.
struct World {
    hsm: Hsm,
    disk: BTreeMap<String, Zeroizing<Vec<u8>>>,
}

impl World {
    fn blank() -> Self {
        let hsm = Hsm::blank(settings(), Arc::new(SystemEntropy));
        let disk = hsm.records().into_iter().collect();
        Self { hsm, disk }
    }

    /// Activated, with the crypto user `kmsuser`.
    fn active() -> Self {
        let mut world = Self::blank();
        let password = Secret::new("adminPassword");
        world.run(Command::Activate { password }).unwrap();
        let session = world.login("admin", Role::Admin, "adminPassword");
        world.create("kmsuser", session).unwrap();
        world.run(Command::Logout { session }).unwrap();
        world
    }

    fn run(&mut self, command: Command) -> Result<Reply, Refusal> {
        let answer = self.hsm.manage(command);
        self.write(answer.changes);
        answer.result
    }

    fn write(&mut self, changes: Vec<Change>) {
        for change in changes {
            match change.value {
                Some(value) => self.disk.insert(change.key, value),
                None => self.disk.remove(&change.key),
            };
        }
    }

    fn restart(&mut self) {
        self.hsm = Hsm::load(settings(), Arc::new(SystemEntropy), self.disk.clone()).unwrap();
    }

    fn create(&mut self, username: &str, session: SessionId) -> Result<Reply, Refusal> {
        let (username, password) = (username.to_owned(), Secret::new("kmsPassword"));
        self.run(Command::CreateUser {
            session,
            username,
            role: Role::CryptoUser,
            password,
        })
    }

    fn try_login(
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
        })
    }

    fn login(&mut self, username: &str, role: Role, password: &str) -> SessionId {
        session(self.try_login(username, role, password, None))
    }

    fn connect(&mut self, epoch: u64) -> Result<Reply, Refusal> {
        self.try_login("kmsuser", Role::CryptoUser, "kmsPassword", Some(epoch))
    }

    fn change_password(&mut self, session: SessionId, new: &str) -> Result<Reply, Refusal> {
        let (username, role) = ("kmsuser".to_owned(), Role::CryptoUser);
        self.run(Command::ChangePassword {
            session,
            username,
            role,
            password: Secret::new(new),
        })
    }

    fn generate(&mut self, session: SessionId) -> MaskedKey {
        let label = "arn:aws:kms:key".to_owned();
        match self.run(Command::GenerateKey {
            session,
            id: KEY,
            label,
        }) {
            Ok(Reply::Key(masked)) => masked,
            other => panic!("{other:?}"),
        }
    }

    fn operate(&self, session: SessionId, operation: Operation<'_>) -> Result<Vec<u8>, Refusal> {
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

    fn encrypt(&self, session: SessionId, plaintext: &[u8]) -> Result<Vec<u8>, Refusal> {
        self.operate(
            session,
            Operation::Encrypt {
                key: KEY,
                additional_data: b"ad",
                plaintext,
            },
        )
    }

    fn decrypt(
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

fn session(reply: Result<Reply, Refusal>) -> SessionId {
    match reply {
        Ok(Reply::Session(session)) => session,
        other => panic!("{other:?}"),
    }
}

/// Rule HSM-01, HSM-02
#[test]
fn names_and_passwords_outside_the_permitted_form_are_refused() {
    let mut world = World::active();
    let admin = world.login("admin", Role::Admin, "adminPassword");
    let long = "n".repeat(32);
    for (name, password, expected) in [
        ("", "kmsPassword", Refusal::BadCredentials),
        ("has space", "kmsPassword", Refusal::BadCredentials),
        (long.as_str(), "kmsPassword", Refusal::BadCredentials),
        ("fresh", "sixsix", Refusal::BadCredentials),
        ("fresh", &"p".repeat(33), Refusal::BadCredentials),
        ("KMSUser", "kmsPassword", Refusal::UserExists),
    ] {
        let (username, password) = (name.to_owned(), Secret::new(password));
        let role = Role::CryptoUser;
        let create = Command::CreateUser {
            session: admin,
            username,
            role,
            password,
        };
        assert_eq!(world.run(create), Err(expected), "{name:?}");
    }
    assert!(
        world
            .try_login("KMSUSER", Role::CryptoUser, "kmsPassword", None)
            .is_ok()
    );
}

/// Rule HSM-03
#[test]
fn an_hsm_is_activated_once() {
    let mut world = World::blank();
    let activate = || Command::Activate {
        password: Secret::new("adminPassword"),
    };
    assert_eq!(
        world.try_login("admin", Role::Admin, "x", None),
        Err(Refusal::NoSuchUser)
    );
    assert_eq!(world.run(activate()), Ok(Reply::Done));
    assert_eq!(world.run(activate()), Err(Refusal::WrongPhase));
    world.restart();
    assert_eq!(world.run(activate()), Err(Refusal::WrongPhase));
}

/// Rule HSM-04
#[test]
fn a_login_fails_for_the_first_reason_that_applies() {
    let mut world = World::active();
    assert_eq!(
        world.try_login("nobody", Role::CryptoUser, "kmsPassword", Some(1)),
        Err(Refusal::NoSuchUser)
    );
    assert_eq!(
        world.try_login("kmsuser", Role::Admin, "x", Some(1)),
        Err(Refusal::NoSuchUser)
    );
    let person = world.login("kmsuser", Role::CryptoUser, "kmsPassword");
    let wrong = world.try_login("kmsuser", Role::CryptoUser, "wrong", Some(1));
    assert_eq!(
        wrong,
        Err(Refusal::LoggedIn),
        "logged in comes before the password"
    );
    world.run(Command::Logout { session: person }).unwrap();
    assert!(world.connect(1).is_ok());
}

/// Rule HSM-05
#[test]
fn five_wrong_passwords_lock_until_an_admin_changes_it_also_across_a_restart() {
    let mut world = World::active();
    for _ in 0..4 {
        let wrong = world.try_login("kmsuser", Role::CryptoUser, "wrongPassword", None);
        assert_eq!(wrong, Err(Refusal::WrongPassword));
    }
    world.login("kmsuser", Role::CryptoUser, "kmsPassword");
    world.restart();
    for _ in 0..5 {
        let wrong = world.try_login("kmsuser", Role::CryptoUser, "wrongPassword", None);
        assert_eq!(
            wrong,
            Err(Refusal::WrongPassword),
            "a right password starts the count anew"
        );
    }
    world.restart();
    assert_eq!(world.connect(1), Err(Refusal::LockedOut));
    let admin = world.login("admin", Role::Admin, "adminPassword");
    world.change_password(admin, "kmsPassword").unwrap();
    assert!(world.connect(1).is_ok());
}

/// Rule HSM-06, HSM-07
#[test]
fn a_lower_epoch_is_refused_at_once_and_after_a_restart() {
    let mut world = World::active();
    let first = session(world.connect(5));
    world.generate(first);
    assert!(world.encrypt(first, b"x").is_ok());
    let raise = Command::RaiseFence {
        session: first,
        epoch: Epoch(6),
    };
    world.run(raise).unwrap();
    assert!(matches!(
        world.encrypt(first, b"x"),
        Err(Refusal::Fenced | Refusal::NoSession)
    ));
    assert_eq!(world.connect(5), Err(Refusal::Fenced));
    world.restart();
    assert_eq!(world.connect(5), Err(Refusal::Fenced));
    let second = session(world.connect(7));
    assert!(world.encrypt(second, b"x").is_ok());
    let third = session(world.connect(8));
    assert_eq!(
        world.encrypt(second, b"x"),
        Err(Refusal::NoSession),
        "superseded"
    );
    assert!(world.encrypt(third, b"x").is_ok());
}

#[test]
fn a_running_batch_notices_that_the_fence_rose() {
    let mut world = World::active();
    let old = session(world.connect(1));
    world.generate(old);
    let call = Call {
        session: old,
        operation: Operation::Encrypt {
            key: KEY,
            additional_data: b"",
            plaintext: b"x",
        },
    };
    let mut batch = world.hsm.batch();
    assert_eq!(batch.run(&call, &mut Vec::new()), Ok(()));
    let raise = Command::RaiseFence {
        session: old,
        epoch: Epoch(2),
    };
    assert_eq!(world.hsm.manage(raise).result, Ok(Reply::Done));
    assert_eq!(batch.run(&call, &mut Vec::new()), Err(Refusal::Fenced));
}

#[test]
fn roles_decide_what_a_session_may_do() {
    let mut world = World::active();
    let admin = world.login("admin", Role::Admin, "adminPassword");
    let user = world.login("kmsuser", Role::CryptoUser, "kmsPassword");
    let gone = SessionId(1);
    let label = String::new;
    let generate = |session| Command::GenerateKey {
        session,
        id: KEY,
        label: label(),
    };
    let delete = |session| Command::DeleteUser {
        session,
        username: "kmsuser".into(),
        role: Role::CryptoUser,
    };
    for (command, expected) in [
        (generate(admin), Refusal::NotPermitted),
        (generate(gone), Refusal::NoSession),
        (delete(user), Refusal::NotPermitted),
        (delete(admin), Refusal::LoggedIn),
    ] {
        assert_eq!(world.run(command), Err(expected));
    }
    assert_eq!(world.create("other", user), Err(Refusal::NotPermitted));
    assert_eq!(world.encrypt(admin, b"x"), Err(Refusal::NotPermitted));
    world.generate(user);
    world.run(Command::Logout { session: user }).unwrap();
    assert_eq!(world.run(delete(admin)), Err(Refusal::OwnsKeys));
}

#[test]
fn a_password_changes_by_its_own_session_but_not_while_another_is_open() {
    let mut world = World::active();
    let own = session(world.connect(1));
    let admin = world.login("admin", Role::Admin, "adminPassword");
    assert_eq!(
        world.change_password(admin, "otherPassword"),
        Err(Refusal::LoggedIn)
    );
    assert_eq!(world.change_password(own, "otherPassword"), Ok(Reply::Done));
    world.run(Command::Logout { session: own }).unwrap();
    assert_eq!(world.connect(2), Err(Refusal::WrongPassword));
    world.login("kmsuser", Role::CryptoUser, "otherPassword");
}

/// Rule HSM-09
#[test]
fn a_key_exists_for_its_owner_only() {
    let mut world = World::active();
    let owner = world.login("kmsuser", Role::CryptoUser, "kmsPassword");
    world.generate(owner);
    let admin = world.login("admin", Role::Admin, "adminPassword");
    world.create("other", admin).unwrap();
    let other = world.login("other", Role::CryptoUser, "kmsPassword");
    assert_eq!(world.encrypt(other, b"x"), Err(Refusal::NoSuchKey));
    let delete = Command::DeleteKey {
        session: other,
        id: KEY,
    };
    assert_eq!(world.run(delete), Err(Refusal::NoSuchKey));
    let list = |session| Command::ListKeys {
        session,
        label: None,
        after: None,
        limit: 10,
    };
    assert_eq!(world.run(list(other)), Ok(Reply::Keys(Vec::new())));
    let Ok(Reply::Keys(seen)) = world.run(list(admin)) else {
        panic!("an admin lists keys")
    };
    assert_eq!((seen[0].id, seen[0].owner.as_str()), (KEY, "kmsuser"));
}

/// Rule HSM-10, HSM-11
#[test]
fn a_masked_key_opens_in_its_own_cluster_only_and_inserting_it_twice_is_harmless() {
    let mut world = World::active();
    let owner = world.login("kmsuser", Role::CryptoUser, "kmsPassword");
    let mut sibling = World {
        hsm: Hsm::restore(settings(), Arc::new(SystemEntropy), &world.hsm.image()).unwrap(),
        disk: BTreeMap::new(),
    };
    let masked = world.generate(owner);
    let theirs = sibling.login("kmsuser", Role::CryptoUser, "kmsPassword");
    let sealed = world.encrypt(owner, b"shared").unwrap();
    assert_eq!(
        sibling.decrypt(theirs, b"ad", &sealed),
        Err(Refusal::NoSuchKey)
    );
    for _ in 0..2 {
        let insert = Command::InsertMasked {
            session: theirs,
            key: masked.clone(),
        };
        assert_eq!(sibling.run(insert), Ok(Reply::Done));
    }
    assert_eq!(sibling.decrypt(theirs, b"ad", &sealed).unwrap(), b"shared");

    let mut stranger = World::active();
    let session = stranger.login("kmsuser", Role::CryptoUser, "kmsPassword");
    let insert = Command::InsertMasked {
        session,
        key: masked,
    };
    assert_eq!(stranger.run(insert), Err(Refusal::ForeignKey));
    let exported = world.hsm.export_masked(KEY).unwrap();
    assert_eq!(
        stranger.hsm.import_masked(&exported).result,
        Err(Refusal::ForeignKey)
    );
}

/// Rule HSM-12
#[test]
fn every_change_of_a_sealed_text_or_its_additional_data_is_noticed() {
    let mut world = World::active();
    let session = world.login("kmsuser", Role::CryptoUser, "kmsPassword");
    world.generate(session);
    let sealed = world.encrypt(session, b"attack at dawn").unwrap();
    assert_eq!(
        world.decrypt(session, b"ad", &sealed).unwrap(),
        b"attack at dawn"
    );
    for at in 0..sealed.len() {
        let mut changed = sealed.clone();
        changed[at] ^= 1;
        assert_eq!(
            world.decrypt(session, b"ad", &changed),
            Err(Refusal::NotAuthentic),
            "{at}"
        );
        assert_eq!(
            world.decrypt(session, b"ad", &sealed[..at]),
            Err(Refusal::NotAuthentic),
            "cut at {at}"
        );
    }
    for other in [&b""[..], b"a", b"ad ", b"da"] {
        assert_eq!(
            world.decrypt(session, other, &sealed),
            Err(Refusal::NotAuthentic)
        );
    }
}

#[test]
fn a_data_key_opens_to_itself_and_moves_between_keys() {
    let mut world = World::active();
    let session = world.login("kmsuser", Role::CryptoUser, "kmsPassword");
    world.generate(session);
    let other = HsmKeyId([8; 16]);
    let generate = Command::GenerateKey {
        session,
        id: other,
        label: "other".into(),
    };
    world.run(generate).unwrap();
    let data_key = Operation::GenerateDataKey {
        key: KEY,
        additional_data: b"ad",
        bytes: 32,
    };
    let output = world.operate(session, data_key).unwrap();
    let (plaintext, sealed) = output.split_at(32);
    assert_eq!(world.decrypt(session, b"ad", sealed).unwrap(), plaintext);
    let moved = world.operate(
        session,
        Operation::ReEncrypt {
            source: KEY,
            source_additional_data: b"ad",
            destination: other,
            destination_additional_data: b"new",
            sealed,
        },
    );
    let moved = moved.unwrap();
    let open = Operation::Decrypt {
        key: other,
        additional_data: b"new",
        sealed: &moved,
    };
    assert_eq!(world.operate(session, open).unwrap(), plaintext);
    for bytes in [0, 1025] {
        let random = Operation::Random { bytes };
        assert_eq!(world.operate(session, random), Err(Refusal::BadLength));
    }
}

/// Rule BK-01
#[test]
fn a_backup_has_users_keys_and_identity_but_no_fences() {
    let mut world = World::active();
    let session = session(world.connect(9));
    world.generate(session);
    let sealed = world.encrypt(session, b"kept").unwrap();
    let changes = world.hsm.set_identity(b"certificate and key");
    world.write(changes);
    let bytes = world.hsm.image().to_bytes();
    let image = Image::from_bytes(&bytes).unwrap();
    assert_eq!(image, world.hsm.image());
    let hsm = Hsm::restore(settings(), Arc::new(SystemEntropy), &image).unwrap();
    let mut restored = World {
        hsm,
        disk: BTreeMap::new(),
    };
    assert_eq!(
        restored.hsm.identity().unwrap().as_slice(),
        b"certificate and key"
    );
    let again = match restored.connect(1) {
        Ok(Reply::Session(session)) => session,
        other => panic!("a restored HSM has no fence: {other:?}"),
    };
    assert_eq!(restored.decrypt(again, b"ad", &sealed).unwrap(), b"kept");
}

#[test]
fn nothing_secret_is_printed() {
    let mut world = World::active();
    let session = world.login("kmsuser", Role::CryptoUser, "kmsPassword");
    world.generate(session);
    let login = Command::Login {
        username: "kmsuser".into(),
        role: Role::CryptoUser,
        password: Secret::new("kmsPassword"),
        fence: None,
        exclusive: false,
    };
    let plain = Operation::Encrypt {
        key: KEY,
        additional_data: b"",
        plaintext: b"kmsPassword",
    };
    let printed = format!(
        "{login:?} {plain:?} {:?} {:?} {:?} {:?}",
        world.hsm,
        world.hsm.image(),
        Call {
            session,
            operation: plain
        },
        world.hsm.manage(Command::ListUsers),
    );
    assert!(!printed.contains("kmsPassword"), "{printed}");
    assert!(
        !printed.contains(&format!("{:?}", b"kmsPassword")),
        "{printed}"
    );
}

proptest! {
    #[test]
    fn random_bytes_are_no_image_and_no_masked_key(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let framed = [b"PCIM\x01".as_slice(), &bytes].concat();
        let _either = Image::from_bytes(&framed);
        prop_assert!(Image::from_bytes(&bytes).is_err());
        let hsm = Hsm::blank(settings(), Arc::new(SystemEntropy));
        prop_assert_eq!(hsm.import_masked(&MaskedKey(bytes)).result, Err(Refusal::ForeignKey));
    }
}
