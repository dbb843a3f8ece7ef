use portcullis_hsm::{Command, Operation, Refusal, Role, Secret, SessionId};

use crate::world::{World, session};

const USER: (&str, Role) = ("kmsuser", Role::CryptoUser);

fn log_in(world: &mut World, password: &str) -> Result<SessionId, Refusal> {
    let reply = world.try_login(USER.0, USER.1, password, None)?;
    Ok(session(Ok(reply)))
}

/// Rule FT-06
#[test]
fn a_user_that_was_tampered_with_is_put_back_exactly() {
    let mut world = World::active();
    let record = world.hsm.user_record(USER.0, USER.1).unwrap();
    let other = Secret::new("otherPassword");
    let changes = world.hsm.overwrite_password(USER.0, USER.1, &other);
    world.write(changes.unwrap());
    assert_eq!(
        log_in(&mut world, "kmsPassword"),
        Err(Refusal::WrongPassword)
    );
    world.restart();
    let session = log_in(&mut world, "otherPassword").unwrap();

    let removed = world.hsm.overwrite_user(USER.0, USER.1, None);
    world.write(removed.unwrap());
    let random = Operation::Random { bytes: 8 };
    assert_eq!(world.operate(session, random), Err(Refusal::NoSession));
    assert_eq!(
        log_in(&mut world, "otherPassword"),
        Err(Refusal::NoSuchUser)
    );
    assert_eq!(world.hsm.user_record(USER.0, USER.1), None);
    let nobody = world.hsm.overwrite_password(USER.0, USER.1, &other);
    assert_eq!(nobody, Err(Refusal::NoSuchUser));

    let back = world.hsm.overwrite_user(USER.0, USER.1, Some(&record));
    world.write(back.unwrap());
    world.restart();
    let session = log_in(&mut world, "kmsPassword").unwrap();
    assert!(world.run(Command::Logout { session }).is_ok());
}

/// Rule FT-06
#[test]
fn a_record_of_another_user_is_not_put_in() {
    let world = World::active();
    let admin = world.hsm.user_record("admin", Role::Admin).unwrap();
    for record in [admin.as_slice(), b"nonsense"] {
        let refused = world.hsm.overwrite_user(USER.0, USER.1, Some(record));
        assert_eq!(refused, Err(Refusal::BadCredentials));
    }
}
