use std::process::{Command, Stdio};

use data_encoding::HEXLOWER;
use portcullis_admin::{
    Call, ChangePassword, CreateUser, LogIn, LogOut, LoggedIn, LoginRequest, Place, Role, Secret,
    SessionRequest, UserPasswordRequest,
};
use portcullis_seam::{SystemEntropy, draw};

use crate::args::CycleArguments;
use crate::client::ControlClient;
use crate::credentials::Credentials;
use crate::failure::Unusable;

/// How the password of `kmsuser` comes to be known.
///
/// KMS changes it at every connect, to one that only KMS knows. So a program that wants to hand it a
/// password, or points it at another cluster, must have it reset in the cluster first.
#[derive(Debug)]
pub(crate) enum PasswordSource {
    /// An admin of the cluster resets it, through the admin API of a Portcullis.
    Admin {
        user: String,
        password: Secret,
        fixed: Option<Secret>,
        place: Place,
    },
    /// A command of the user's resets it and prints it.
    Command(String),
    /// The user says what it is.
    Known(Secret),
}

const KMSUSER: &str = "kmsuser";

impl PasswordSource {
    /// The means that the command line gives, if any.
    pub(crate) fn of(arguments: &CycleArguments, credentials: &Credentials) -> Option<Self> {
        if let Some(password) = &arguments.admin_password {
            return Some(Self::Admin {
                user: arguments.admin_user.clone(),
                password: password.clone(),
                fixed: arguments.kmsuser_password.clone(),
                place: place(credentials),
            });
        }
        match &arguments.password_command {
            Some(command) => Some(Self::Command(command.clone())),
            None => arguments.kmsuser_password.clone().map(Self::Known),
        }
    }

    /// The password of `kmsuser` in `cluster_id`, reset if that is in our power.
    pub(crate) async fn obtain(
        &self,
        control: &mut ControlClient,
        cluster_id: &str,
    ) -> Result<Secret, Unusable> {
        match self {
            Self::Known(password) => Ok(password.clone()),
            Self::Command(command) => run(command.clone(), cluster_id.to_owned()).await,
            Self::Admin {
                user,
                password,
                fixed,
                place,
            } => {
                let admin = ClusterAdmin {
                    control,
                    cluster_id,
                    place,
                };
                let fresh = fixed.clone().unwrap_or_else(generate);
                admin.reset(user, password, &fresh).await?;
                Ok(fresh)
            }
        }
    }
}

/// 24 hexadecimal digits: within the 7 to 32 characters that a key store's password may have.
pub(crate) fn generate() -> Secret {
    let bytes: [u8; 12] = draw(&SystemEntropy);
    Secret::new(HEXLOWER.encode(&bytes))
}

/// The account and Region of the caller.
pub(crate) fn place(credentials: &Credentials) -> Place {
    let key = &credentials.access_key;
    let is_account = key.len() == 12 && key.bytes().all(|byte| byte.is_ascii_digit());
    Place {
        account: is_account.then(|| key.clone()),
        region: Some(credentials.region.clone()),
    }
}

/// A cluster's users, as the CloudHSM CLI's verbs reach them.
pub(crate) struct ClusterAdmin<'a> {
    pub(crate) control: &'a mut ControlClient,
    pub(crate) cluster_id: &'a str,
    pub(crate) place: &'a Place,
}

impl ClusterAdmin<'_> {
    /// Gives `kmsuser` the password `fresh`.
    pub(crate) async fn reset(
        self,
        user: &str,
        password: &Secret,
        fresh: &Secret,
    ) -> Result<(), Unusable> {
        self.set::<ChangePassword>(user, password, fresh).await
    }

    /// Creates `kmsuser` with the password `fresh`.
    pub(crate) async fn create(
        self,
        user: &str,
        password: &Secret,
        fresh: &Secret,
    ) -> Result<(), Unusable> {
        self.set::<CreateUser>(user, password, fresh).await
    }

    async fn set<C: Call<Request = UserPasswordRequest>>(
        mut self,
        user: &str,
        password: &Secret,
        fresh: &Secret,
    ) -> Result<(), Unusable> {
        let login = LoginRequest {
            username: user.to_owned(),
            role: Role::Admin,
            password: password.clone(),
        };
        let LoggedIn { token, .. } = self.call::<LogIn>(&login).await?;
        let change = UserPasswordRequest {
            token: token.clone(),
            username: KMSUSER.to_owned(),
            role: Role::CryptoUser,
            password: fresh.clone(),
        };
        let changed = self.call::<C>(&change).await;
        self.call::<LogOut>(&SessionRequest { token }).await?;
        changed.map(drop)
    }

    async fn call<C: Call>(&mut self, request: &C::Request) -> Result<C::Reply, Unusable> {
        let parameters = [self.cluster_id];
        let called = self.control.admin::<C>(&parameters, self.place, request);
        called.await.map_err(|error| {
            Unusable(format!(
                "The password of {KMSUSER} in cluster {} could not be reset: {error} Check \
                 --admin-user and --admin-password, or use --password-command.",
                self.cluster_id
            ))
        })
    }
}

/// Runs `command` in a shell beside the load; the last line of its stdout is the password.
async fn run(command: String, cluster_id: String) -> Result<Secret, Unusable> {
    let shown = command.clone();
    let wrong = move |why: &str| {
        Unusable(format!(
            "The command {shown:?} gave no password: {why}. It must end with 0 and print the \
             password as its last line."
        ))
    };
    let ran = tokio::task::spawn_blocking(move || {
        let mut shell = Command::new("sh");
        shell
            .arg("-c")
            .arg(command)
            .env("CLUSTER_ID", cluster_id)
            .stderr(Stdio::inherit());
        shell.stdin(Stdio::null()).output()
    });
    let output = match ran.await {
        Ok(Ok(output)) => output,
        Ok(Err(error)) => return Err(wrong(&error.to_string())),
        Err(_panicked) => return Err(wrong("it could not be run")),
    };
    if !output.status.success() {
        return Err(wrong(&output.status.to_string()));
    }
    let printed = zeroize::Zeroizing::new(output.stdout);
    let last = printed
        .trim_ascii_end()
        .split(|byte| *byte == b'\n')
        .next_back();
    match last.map(std::str::from_utf8) {
        Some(Ok(password)) if !password.trim().is_empty() => Ok(Secret::new(password.trim())),
        Some(_) | None => Err(wrong("its last line is empty")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_last_line_of_a_command_is_the_password() {
        let password = run(
            "echo resetting $CLUSTER_ID; echo secret-1".into(),
            "cluster-x".into(),
        );
        assert_eq!(password.await.unwrap().reveal(), "secret-1");
    }

    #[tokio::test]
    async fn a_command_that_fails_or_prints_nothing_gives_no_password() {
        for command in ["exit 3", "true", "echo"] {
            let error = run(command.to_owned(), String::new())
                .await
                .unwrap_err()
                .to_string();
            assert!(error.contains("must end with 0"), "{command}: {error}");
        }
    }

    #[test]
    fn generated_passwords_fit_a_key_store_and_differ() {
        assert_eq!(generate().reveal().len(), 24);
        assert_ne!(generate().reveal(), generate().reveal());
    }
}
