use portcullis_hsm::{
    Call, Command, Epoch, Fence, Hsm, Operation, Refusal, Reply, Role, Secret, SessionId,
};

use crate::world::{KEY, SCOPE, World, session};

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

const OTHER: [u8; 16] = [2; 16];

fn fenced(scope: [u8; 16], epoch: u64, exclusive: bool) -> Command {
    Command::Login {
        username: "kmsuser".into(),
        role: Role::CryptoUser,
        password: Secret::new("kmsPassword"),
        fence: Some(Fence {
            scope,
            epoch: Epoch(epoch),
        }),
        exclusive,
        holder: 0,
    }
}

/// Rule HSM-18: what a login says and does after each of the sessions that may be there before.
#[test]
fn a_login_supersedes_its_own_scope_and_nobody_else() {
    let rows = [
        (
            "a lower epoch of the scope",
            Some((SCOPE, 4)),
            true,
            Ok(()),
            false,
        ),
        (
            "the same epoch, whose answer was lost",
            Some((SCOPE, 5)),
            true,
            Ok(()),
            false,
        ),
        (
            "a higher epoch of the scope",
            Some((SCOPE, 6)),
            false,
            Err(Refusal::Fenced),
            true,
        ),
        (
            "another scope",
            Some((OTHER, 4)),
            true,
            Err(Refusal::LoggedIn),
            true,
        ),
        (
            "another scope, not exclusively",
            Some((OTHER, 4)),
            false,
            Ok(()),
            true,
        ),
        ("a person", None, true, Err(Refusal::LoggedIn), true),
        ("a person, not exclusively", None, false, Ok(()), true),
    ];
    for (before, fence, exclusive, expected, stays) in rows {
        let mut world = World::active();
        let earlier = match fence {
            Some((scope, epoch)) => session(world.run(fenced(scope, epoch, false))),
            None => world.login("kmsuser", Role::CryptoUser, "kmsPassword"),
        };
        world.generate(earlier);
        let login = world.run(fenced(SCOPE, 5, exclusive));
        assert_eq!(login.map(|_session| ()), expected, "{before}");
        assert_eq!(world.encrypt(earlier, b"x").is_ok(), stays, "{before}");
    }
}

/// Rule HSM-18: several that share a connection log in beside each other, and each again in its own
/// place; a later connection of any of them takes the place of all.
#[test]
fn those_who_share_an_epoch_leave_each_other_their_sessions() {
    let mut world = World::active();
    let by = |holder: u64, epoch: u64| {
        let mut login = fenced(SCOPE, epoch, false);
        if let Command::Login { holder: slot, .. } = &mut login {
            *slot = holder;
        }
        login
    };
    let one = session(world.run(by(1, 5)));
    world.generate(one);
    let two = session(world.run(by(2, 5)));
    assert!(world.encrypt(one, b"x").is_ok());
    let one_again = session(world.run(by(1, 5)));
    assert_eq!(world.encrypt(one, b"x"), Err(Refusal::NoSession));
    assert!(world.encrypt(two, b"x").is_ok());
    let later = session(world.run(by(2, 6)));
    for ended in [one_again, two] {
        assert!(world.encrypt(ended, b"x").is_err());
    }
    assert!(world.encrypt(later, b"x").is_ok());
}

/// Rule HSM-06
#[test]
fn raising_a_fence_ends_lower_epochs_of_its_scope_only() {
    for (raised, stays) in [(0, true), (1, true), (2, true), (3, false)] {
        let mut world = World::active();
        let elsewhere = session(world.run(fenced(OTHER, 1, false)));
        let own = session(world.connect_beside(2));
        world.generate(own);
        let raise = Command::RaiseFence {
            session: own,
            epoch: Epoch(raised),
        };
        assert_eq!(world.run(raise), Ok(Reply::Done));
        assert_eq!(
            world.encrypt(own, b"x").is_ok(),
            stays,
            "raised to {raised}"
        );
        assert!(world.encrypt(elsewhere, b"x").is_ok(), "raised to {raised}");
    }
    let mut world = World::active();
    let person = world.login("kmsuser", Role::CryptoUser, "kmsPassword");
    let raise = Command::RaiseFence {
        session: person,
        epoch: Epoch(1),
    };
    assert_eq!(
        world.run(raise),
        Err(Refusal::NotPermitted),
        "a person has no fence"
    );
}

#[test]
fn a_running_batch_notices_that_its_session_ended() {
    let mut world = World::active();
    let person = world.login("kmsuser", Role::CryptoUser, "kmsPassword");
    world.generate(person);
    let mut batch = world.hsm.batch();
    assert_eq!(batch.run(&seal(person), &mut Vec::new()), Ok(()));
    let logout = Command::Logout { session: person };
    assert_eq!(world.hsm.manage(logout).result, Ok(Reply::Done));
    assert_eq!(
        batch.run(&seal(person), &mut Vec::new()),
        Err(Refusal::NoSession)
    );
}

fn seal(session: SessionId) -> Call<'static> {
    let operation = Operation::Encrypt {
        key: KEY,
        additional_data: b"",
        plaintext: b"x",
    };
    Call { session, operation }
}

/// Rule HSM-19
#[test]
fn sessions_and_fences_are_bounded_and_a_restart_ends_sessions() {
    let mut world = World::active();
    for _ in 0..1024 {
        world.login("kmsuser", Role::CryptoUser, "kmsPassword");
    }
    let one_more = world.try_login("kmsuser", Role::CryptoUser, "kmsPassword", None);
    assert_eq!(one_more, Err(Refusal::Full));
    assert_eq!(world.run(fenced(SCOPE, 1, false)), Err(Refusal::Full));
    assert!(
        !has_fence(&world.hsm, SCOPE),
        "refused before the fence rose"
    );
    world.restart();
    assert_eq!(world.hsm.counts().2, 0);

    for scope in 0..1024_u128 {
        let session = session(world.run(fenced(scope.to_be_bytes(), 7, false)));
        world.run(Command::Logout { session }).unwrap();
    }
    assert_eq!(world.run(fenced(SCOPE, 7, false)), Err(Refusal::Full));
    world.restart();
    for scope in [0, 1023_u128] {
        let lower = fenced(scope.to_be_bytes(), 6, false);
        assert_eq!(
            world.run(lower),
            Err(Refusal::Fenced),
            "no fence was dropped"
        );
    }
}

fn has_fence(hsm: &Hsm, scope: [u8; 16]) -> bool {
    let name = format!("fence/{:032x}", u128::from_be_bytes(scope));
    hsm.records().iter().any(|(key, _)| *key == name)
}
