use std::collections::BTreeMap;
use std::sync::Arc;

use portcullis_hsm::{
    AttributeChange, Command, Criterion, Flag, Hsm, HsmKeyId, KeyAction, KeyInfo, KeyLength,
    KeyTemplate, MaskedKey, Mechanism, Operation, Refusal, Reply, Role, SessionId,
};
use portcullis_seam::SystemEntropy;

use crate::world::{KEY, World, settings};

const OTHER: HsmKeyId = HsmKeyId([8; 16]);
const THIRD: HsmKeyId = HsmKeyId([9; 16]);

/// With the crypto users `kmsuser`, who owns [`KEY`], and `other`, and an admin.
struct Three {
    world: World,
    owner: SessionId,
    other: SessionId,
    admin: SessionId,
}

impl Three {
    fn new() -> Self {
        let mut world = World::active();
        let owner = world.login("kmsuser", Role::CryptoUser, "kmsPassword");
        let admin = world.login("admin", Role::Admin, "adminPassword");
        world.create("other", admin).unwrap();
        let other = world.login("other", Role::CryptoUser, "kmsPassword");
        world.generate(owner);
        Self {
            world,
            owner,
            other,
            admin,
        }
    }

    fn act(&mut self, session: SessionId, action: KeyAction) -> Result<Reply, Refusal> {
        self.act_on(session, KEY, action)
    }

    fn act_on(
        &mut self,
        session: SessionId,
        id: HsmKeyId,
        action: KeyAction,
    ) -> Result<Reply, Refusal> {
        self.world.run(Command::Key {
            session,
            id,
            action,
        })
    }

    fn set(&mut self, session: SessionId, flag: Flag, value: bool) -> Result<Reply, Refusal> {
        let change = AttributeChange::Flag(flag, value);
        self.act(session, KeyAction::SetAttribute(change))
    }

    fn list(&mut self, session: SessionId, criteria: Vec<Criterion>) -> Vec<KeyInfo> {
        let list = Command::ListKeys {
            session,
            criteria,
            after: None,
            limit: 100,
        };
        match self.world.run(list) {
            Ok(Reply::Keys(keys)) => keys,
            other => panic!("{other:?}"),
        }
    }

    fn has(&mut self, flag: Flag) -> bool {
        let session = self.owner;
        let criteria = vec![Criterion::Reference(KEY.reference())];
        let found = self.list(session, criteria);
        found
            .iter()
            .all(|key| key.attributes.flags.has(flag) && !found.is_empty())
    }
}

fn share() -> KeyAction {
    KeyAction::Share {
        username: "OTHER".into(),
    }
}

/// Rules HSM-22, HSM-23
#[test]
fn a_shared_key_is_used_but_not_managed() {
    let mut three = Three::new();
    let (owner, other, admin) = (three.owner, three.other, three.admin);
    assert_eq!(three.act(other, share()), Err(Refusal::NoSuchKey));
    assert_eq!(three.act(admin, share()), Err(Refusal::NotPermitted));
    let nobody = KeyAction::Share {
        username: "nobody".into(),
    };
    assert_eq!(three.act(owner, nobody), Err(Refusal::NoSuchUser));
    for _twice in 0..2 {
        assert_eq!(three.act(owner, share()), Ok(Reply::Done));
    }
    let sealed = three.world.encrypt(other, b"shared").unwrap();
    assert_eq!(
        three.world.decrypt(owner, b"ad", &sealed).unwrap(),
        b"shared"
    );
    let seen = three.list(other, Vec::new());
    assert_eq!((seen[0].owner.as_str(), seen[0].revision), ("kmsuser", 1));
    assert_eq!(seen[0].shared_users, ["other"]);
    let label = KeyAction::SetAttribute(AttributeChange::Label("mine".into()));
    let unshare = || KeyAction::Unshare {
        username: "other".into(),
    };
    for action in [share(), unshare(), label, KeyAction::Fetch] {
        assert_eq!(three.act(other, action), Err(Refusal::NotOwner));
    }
    let delete = Command::DeleteKey {
        session: other,
        id: KEY,
    };
    assert_eq!(three.world.run(delete), Err(Refusal::NotOwner));
    assert_eq!(three.act(owner, unshare()), Ok(Reply::Done));
    assert_eq!(three.world.encrypt(other, b"x"), Err(Refusal::NoSuchKey));
}

/// Rule HSM-23: another user of the same name is somebody else, also after a restart.
#[test]
fn a_deleted_user_leaves_no_share_behind() {
    let mut three = Three::new();
    three.act(three.owner, share()).unwrap();
    three
        .world
        .run(Command::Logout {
            session: three.other,
        })
        .unwrap();
    let delete = Command::DeleteUser {
        session: three.admin,
        username: "other".into(),
        role: Role::CryptoUser,
    };
    three.world.run(delete).unwrap();
    three.world.create("other", three.admin).unwrap();
    let again = three.world.login("other", Role::CryptoUser, "kmsPassword");
    assert_eq!(three.world.encrypt(again, b"x"), Err(Refusal::NoSuchKey));
    let before = three.world.hsm.fingerprint();
    three.world.restart();
    assert_eq!(three.world.hsm.fingerprint(), before);
    let again = three.world.login("other", Role::CryptoUser, "kmsPassword");
    assert_eq!(three.world.encrypt(again, b"x"), Err(Refusal::NoSuchKey));
}

/// Rule HSM-22
#[test]
fn a_key_does_only_what_its_attributes_permit() {
    let mut three = Three::new();
    let owner = three.owner;
    let sealed = three.world.encrypt(owner, b"text").unwrap();
    three.set(owner, Flag::Encrypt, false).unwrap();
    assert_eq!(three.world.encrypt(owner, b"x"), Err(Refusal::KeyForbids));
    let data_key = Operation::GenerateDataKey {
        key: KEY,
        additional_data: b"",
        bytes: 32,
    };
    assert_eq!(
        three.world.operate(owner, data_key),
        Err(Refusal::KeyForbids)
    );
    assert_eq!(three.world.decrypt(owner, b"ad", &sealed).unwrap(), b"text");
    three.set(owner, Flag::Decrypt, false).unwrap();
    assert_eq!(
        three.world.decrypt(owner, b"ad", &sealed),
        Err(Refusal::KeyForbids)
    );
    three.set(owner, Flag::Destroyable, false).unwrap();
    let delete = Command::DeleteKey {
        session: owner,
        id: KEY,
    };
    assert_eq!(three.world.run(delete), Err(Refusal::KeyForbids));
}

/// Rule HSM-24
#[test]
fn attributes_change_only_as_documented() {
    let mut three = Three::new();
    let (owner, admin) = (three.owner, three.admin);
    for flag in Flag::ALL {
        let changed = three.set(owner, flag, true);
        let expected = match flag {
            Flag::Trusted => Err(Refusal::NotPermitted),
            Flag::Modifiable
            | Flag::Token
            | Flag::Private
            | Flag::Sensitive
            | Flag::AlwaysSensitive
            | Flag::Extractable
            | Flag::NeverExtractable
            | Flag::Local => Err(Refusal::AttributeFixed),
            Flag::Encrypt
            | Flag::Decrypt
            | Flag::Wrap
            | Flag::Unwrap
            | Flag::Sign
            | Flag::Verify
            | Flag::Derive
            | Flag::Destroyable
            | Flag::WrapWithTrusted => Ok(Reply::Done),
        };
        assert_eq!(changed, expected, "{flag:?}");
    }
    assert!(three.has(Flag::Wrap) && !three.has(Flag::Extractable));
    assert_eq!(three.set(admin, Flag::Trusted, true), Ok(Reply::Done));
    assert_eq!(
        three.set(admin, Flag::Wrap, false),
        Err(Refusal::NotPermitted)
    );
    for (change, expected) in [
        (AttributeChange::Label("x".repeat(127)), Ok(Reply::Done)),
        (
            AttributeChange::Label("x".repeat(128)),
            Err(Refusal::BadLength),
        ),
        (AttributeChange::Id(vec![7; 65]), Err(Refusal::BadLength)),
        (AttributeChange::Id(vec![7; 2]), Ok(Reply::Done)),
    ] {
        let action = KeyAction::SetAttribute(change);
        assert_eq!(three.act(owner, action), expected);
    }
    assert_eq!(three.list(owner, vec![Criterion::Id(vec![7; 2])]).len(), 1);
    three.set(owner, Flag::Modifiable, false).unwrap();
    assert_eq!(
        three.set(owner, Flag::Wrap, false),
        Err(Refusal::KeyForbids)
    );
}

#[test]
fn a_list_shows_the_keys_that_meet_every_criterion() {
    let mut three = Three::new();
    let owner = three.owner;
    let mut short = KeyTemplate::general(KeyLength::Bytes16, "short");
    short.shared_users = vec!["other".into()];
    three.world.generate_as(owner, OTHER, short);
    let check_value = three.list(owner, vec![Criterion::Label("short".into())])[0].check_value;
    let met = [
        Criterion::Reference(OTHER.reference()),
        Criterion::Label("short".into()),
        Criterion::Id(Vec::new()),
        Criterion::CheckValue(check_value),
        Criterion::Length(16),
        Criterion::Flag(Flag::Extractable, true),
        Criterion::Flag(Flag::Encrypt, false),
    ];
    for criterion in &met {
        let found = three.list(owner, vec![criterion.clone()]);
        assert_eq!(found.len(), 1, "{criterion:?}");
        assert_eq!(found[0].id, OTHER);
    }
    assert_eq!(three.list(owner, met.to_vec()).len(), 1);
    for (criterion, found) in [
        (Criterion::KeyType("aes".into()), 2),
        (Criterion::KeyType("rsa".into()), 0),
        (Criterion::Class("secret-key".into()), 2),
        (Criterion::Class("private-key".into()), 0),
        (Criterion::Length(24), 0),
    ] {
        assert_eq!(three.list(owner, vec![criterion]).len(), found);
    }
    let shared = three.list(three.other, Vec::new());
    assert_eq!(shared.iter().map(|key| key.id).collect::<Vec<_>>(), [OTHER]);
}

/// The largest keys, a thousand of them: each page fits an answer, and together they are all.
#[test]
fn a_page_of_large_keys_is_shorter_and_the_list_goes_on() {
    let mut three = Three::new();
    let owner = three.owner;
    let mut shared_users = Vec::new();
    for number in 0..40 {
        let name = format!("a_user_with_a_long_name_{number:07}");
        three.world.create(&name, three.admin).unwrap();
        shared_users.push(name);
    }
    for number in 0..300_u128 {
        let mut template = KeyTemplate::general(KeyLength::Bytes32, "x".repeat(127));
        template.shared_users.clone_from(&shared_users);
        template.attributes.id = vec![1; 64];
        let id = HsmKeyId(number.to_be_bytes());
        three.world.generate_as(owner, id, template);
    }
    let (mut after, mut seen, mut pages) = (None, 0, 0);
    loop {
        let list = Command::ListKeys {
            session: owner,
            criteria: Vec::new(),
            after,
            limit: 1000,
        };
        let Ok(Reply::Keys(page)) = three.world.run(list) else {
            panic!("keys are listed")
        };
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        seen += page.len();
        pages += 1;
    }
    assert_eq!(seen, 301);
    assert!(pages > 1, "one page holds some 200 KB");
}

fn wrap(wrapping: HsmKeyId) -> KeyAction {
    KeyAction::Wrap {
        wrapping,
        mechanism: Mechanism::ZeroPad,
    }
}

fn set(flag: Flag, value: bool) -> KeyAction {
    KeyAction::SetAttribute(AttributeChange::Flag(flag, value))
}

/// With the keys [`OTHER`] to wrap with and [`THIRD`] to be wrapped, which demands trust; both
/// shared with `other`.
fn with_keys_to_wrap() -> Three {
    let mut three = Three::new();
    let owner = three.owner;
    let mut wrapping = KeyTemplate::general(KeyLength::Bytes32, "wrapping");
    wrapping.shared_users = vec!["other".into()];
    three.world.generate_as(owner, OTHER, wrapping);
    let mut payload = KeyTemplate::general(KeyLength::Bytes24, "payload");
    payload.attributes.flags = payload.attributes.flags.with(Flag::WrapWithTrusted, true);
    payload.shared_users = vec!["other".into()];
    three.world.generate_as(owner, THIRD, payload);
    three
}

/// Rule HSM-25
#[test]
fn a_key_travels_wrapped_only_if_its_attributes_permit() {
    let mut three = with_keys_to_wrap();
    let (owner, other, admin) = (three.owner, three.other, three.admin);
    let stays = three.act(owner, wrap(OTHER));
    assert_eq!(stays, Err(Refusal::KeyForbids), "KEY is not extractable");
    let refused = three.act_on(owner, THIRD, wrap(OTHER));
    assert_eq!(refused, Err(Refusal::KeyForbids), "OTHER does not wrap");
    three.act_on(owner, OTHER, set(Flag::Wrap, true)).unwrap();
    let refused = three.act_on(owner, THIRD, wrap(OTHER));
    assert_eq!(refused, Err(Refusal::KeyForbids), "OTHER is not trusted");
    let trust = set(Flag::Trusted, true);
    three.act_on(admin, OTHER, trust).unwrap();
    let refused = three.act_on(other, THIRD, wrap(OTHER));
    assert_eq!(refused, Err(Refusal::NotOwner));
    assert!(three.act_on(owner, THIRD, wrap(OTHER)).is_ok());
}

/// Rule HSM-25
#[test]
fn an_unwrapped_key_is_the_same_and_belongs_to_who_unwrapped_it() {
    let mut three = with_keys_to_wrap();
    let (owner, other, admin) = (three.owner, three.other, three.admin);
    three.act_on(owner, OTHER, set(Flag::Wrap, true)).unwrap();
    three
        .act_on(owner, THIRD, set(Flag::WrapWithTrusted, false))
        .unwrap();
    let Ok(Reply::Wrapped { iv, data }) = three.act_on(owner, THIRD, wrap(OTHER)) else {
        panic!("it is wrapped")
    };
    let unwrap = || KeyAction::Unwrap {
        wrapping: OTHER,
        mechanism: Mechanism::ZeroPad,
        iv: iv.clone(),
        wrapped: data.clone(),
        template: KeyTemplate::general(KeyLength::Bytes32, "back"),
    };
    let back = HsmKeyId([10; 16]);
    let refused = three.act_on(other, back, unwrap());
    assert_eq!(refused, Err(Refusal::KeyForbids), "OTHER does not unwrap");
    three.act_on(owner, OTHER, set(Flag::Unwrap, true)).unwrap();
    let refused = three.act_on(admin, back, unwrap());
    assert_eq!(refused, Err(Refusal::NotPermitted));
    let made = three.act_on(other, back, unwrap());
    assert!(matches!(made, Ok(Reply::Key(_))));
    let keys = three.list(owner, vec![Criterion::Label("payload".into())]);
    let mine = three.list(other, vec![Criterion::Label("back".into())]);
    assert_eq!(
        mine[0].check_value, keys[0].check_value,
        "it is the same key"
    );
    assert_eq!(
        (mine[0].owner.as_str(), mine[0].length),
        ("other", KeyLength::Bytes24)
    );
    let flags = mine[0].attributes.flags;
    assert!(!flags.has(Flag::Local) && !flags.has(Flag::AlwaysSensitive));
}

/// Rule HSM-26: to an HSM of a related cluster, which lacks a user.
#[test]
fn a_key_is_replicated_only_to_where_its_users_exist() {
    let mut world = World::active();
    let image = world.hsm.image();
    let owner = world.login("kmsuser", Role::CryptoUser, "kmsPassword");
    let admin = world.login("admin", Role::Admin, "adminPassword");
    world.create("other", admin).unwrap();
    world.generate(owner);
    let mut three = Three {
        world,
        owner,
        other: owner,
        admin,
    };
    let fetched = |three: &mut Three, session| match three.act(session, KeyAction::Fetch) {
        Ok(Reply::Key(masked)) => masked,
        other => panic!("{other:?}"),
    };
    let alone = fetched(&mut three, admin);
    let mut related = World {
        hsm: Hsm::restore(settings(), Arc::new(SystemEntropy), &image).unwrap(),
        disk: BTreeMap::new(),
    };
    let there = related.login("admin", Role::Admin, "adminPassword");
    let insert = |session, key: &MaskedKey| Command::InsertMasked {
        session,
        key: key.clone(),
    };
    assert_eq!(related.run(insert(there, &alone)), Ok(Reply::Done));
    three.act(owner, share()).unwrap();
    let shared = fetched(&mut three, owner);
    assert_eq!(
        related.run(insert(there, &shared)),
        Err(Refusal::NoSuchUser)
    );
    related.create("other", there).unwrap();
    let other = related.login("other", Role::CryptoUser, "kmsPassword");
    assert_eq!(
        related.run(insert(other, &shared)),
        Err(Refusal::NotPermitted)
    );
    // Rule HSM-11: the later state takes the place of the earlier one, and not the other way.
    assert_eq!(related.run(insert(there, &shared)), Ok(Reply::Done));
    assert_eq!(related.run(insert(there, &alone)), Ok(Reply::Done));
    let sealed = three.world.encrypt(owner, b"moved").unwrap();
    assert_eq!(related.decrypt(other, b"ad", &sealed).unwrap(), b"moved");
    assert_eq!(related.hsm.fingerprint(), three.world.hsm.fingerprint());
}
