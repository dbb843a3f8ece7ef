use portcullis_hsm::{
    Command, Epoch, Fence, KeyTemplate, Operation, Refusal, Reply, Role, Secret, SessionId,
};

use crate::world::{KEY, SCOPE, World, session};

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

/// Rules HSM-16 and HSM-17: who asks, what for, and what the HSM says.
#[test]
fn roles_decide_what_a_session_may_do() {
    let mut world = World::active();
    let admin = world.login("admin", Role::Admin, "adminPassword");
    world.create("other", admin).unwrap();
    let user = world.login("kmsuser", Role::CryptoUser, "kmsPassword");
    let gone = SessionId(1);
    for (what, request, [as_admin, as_user, as_nobody]) in requests() {
        assert_eq!(world.run(request(user)), as_user, "{what} as a crypto user");
        assert_eq!(
            world.run(request(gone)),
            as_nobody,
            "{what} without a session"
        );
        assert_eq!(world.run(request(admin)), as_admin, "{what} as an admin");
    }
}

/// What is asked; then what an admin, a crypto user and somebody without a session is told.
fn requests() -> Vec<(&'static str, Request, Expected)> {
    let told = |admin, user| [admin, user, Err(Refusal::NoSession)];
    let to_admins = || told(Ok(Reply::Done), Err(Refusal::NotPermitted));
    let to_nobody = || told(Err(Refusal::NotPermitted), Err(Refusal::NotPermitted));
    let refused = |refusal| told(Err(refusal), Err(Refusal::NotPermitted));
    let own = told(Err(Refusal::LoggedIn), Ok(Reply::Done));
    let (user, appliance) = (Role::CryptoUser, Role::ApplianceUser);
    vec![
        ("create user", create("fresh", user), to_admins()),
        ("create admin", create("second", Role::Admin), to_admins()),
        ("create app_user", create("own", appliance), to_nobody()),
        (
            "delete app_user",
            delete("app_user", appliance),
            to_nobody(),
        ),
        (
            "change app_user",
            change("app_user", appliance),
            to_nobody(),
        ),
        ("change another's", change("other", user), to_admins()),
        ("delete another", delete("other", user), to_admins()),
        ("change who is logged in", change("kmsuser", user), own),
        (
            "delete who is logged in",
            delete("kmsuser", user),
            refused(Refusal::LoggedIn),
        ),
        (
            "delete nobody",
            delete("nobody", user),
            refused(Refusal::NoSuchUser),
        ),
    ]
}

type Expected = [Result<Reply, Refusal>; 3];
type Request = Box<dyn Fn(SessionId) -> Command>;

fn create(username: &'static str, role: Role) -> Request {
    Box::new(move |session| Command::CreateUser {
        session,
        username: username.into(),
        role,
        password: Secret::new("kmsPassword"),
    })
}

fn change(username: &'static str, role: Role) -> Request {
    Box::new(move |session| Command::ChangePassword {
        session,
        username: username.into(),
        role,
        password: Secret::new("newPassword"),
    })
}

fn delete(username: &'static str, role: Role) -> Request {
    Box::new(move |session| Command::DeleteUser {
        session,
        username: username.into(),
        role,
    })
}

/// Rule HSM-09
#[test]
fn an_admin_uses_no_keys_and_a_crypto_user_only_its_own() {
    let mut world = World::active();
    let admin = world.login("admin", Role::Admin, "adminPassword");
    let user = world.login("kmsuser", Role::CryptoUser, "kmsPassword");
    let generate = |session| Command::GenerateKey {
        session,
        id: KEY,
        template: KeyTemplate::sealing(KEY, ""),
    };
    assert_eq!(world.run(generate(admin)), Err(Refusal::NotPermitted));
    assert_eq!(world.run(generate(SessionId(1))), Err(Refusal::NoSession));
    world.generate(user);
    assert_eq!(world.encrypt(admin, b"x"), Err(Refusal::NotPermitted));
    assert_eq!(world.encrypt(SessionId(1), b"x"), Err(Refusal::NoSession));
    let random = Operation::Random { bytes: 1 };
    assert_eq!(world.operate(admin, random), Err(Refusal::NotPermitted));
    world.run(Command::Logout { session: user }).unwrap();
    let removal = delete("kmsuser", Role::CryptoUser)(admin);
    assert_eq!(world.run(removal), Err(Refusal::OwnsKeys));
}

/// Rule HSM-15: five wrong passwords of somebody else stop the keys of a user who is logged in,
/// and its own session cannot unlock it.
#[test]
fn a_lockout_stops_the_sessions_that_are_open() {
    let mut world = World::active();
    let own = session(world.connect(1));
    world.generate(own);
    for _ in 0..5 {
        assert!(world.encrypt(own, b"x").is_ok());
        let wrong = world.try_login("kmsuser", Role::CryptoUser, "wrongPassword", None);
        assert_eq!(wrong, Err(Refusal::WrongPassword));
    }
    assert_eq!(world.encrypt(own, b"x"), Err(Refusal::LockedOut));
    assert_eq!(
        world.change_password(own, "newPassword"),
        Err(Refusal::LockedOut)
    );
    let raise = Command::RaiseFence {
        session: own,
        epoch: Epoch(2),
    };
    assert_eq!(
        world.run(raise),
        Ok(Reply::Done),
        "a disconnect fences it all the same"
    );
    let admin = world.login("admin", Role::Admin, "adminPassword");
    assert_eq!(world.change_password(admin, "kmsPassword"), Ok(Reply::Done));
    let again = session(world.connect(3));
    assert!(world.encrypt(again, b"x").is_ok());
}

/// Rule HSM-06: who does not know the password makes no fence, neither in memory nor on disk.
#[test]
fn a_failed_login_leaves_no_fence() {
    let mut world = World::active();
    for scope in 0..2000_u128 {
        let fence = Fence {
            scope: scope.to_be_bytes(),
            epoch: Epoch(9),
        };
        let login = Command::Login {
            username: "nobody".into(),
            role: Role::CryptoUser,
            password: Secret::new("kmsPassword"),
            fence: Some(fence),
            exclusive: false,
            holder: 0,
        };
        assert_eq!(world.run(login), Err(Refusal::NoSuchUser));
    }
    let wrong = world.try_login("kmsuser", Role::CryptoUser, "wrongPassword", Some(9));
    assert_eq!(wrong, Err(Refusal::WrongPassword));
    assert!(
        !world.disk.keys().any(|key| key.starts_with("fence/")),
        "{SCOPE:?}"
    );
    assert!(world.connect(1).is_ok());
}
