//! The CloudHSM CLI's verbs, flags and JSON, against a running Portcullis.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use crate::args::Endpoint;
use crate::client::{Client, ClientError};
use crate::print;

/// `portcullis cloudhsm-cli`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  portcullis cloudhsm-cli --cluster-id cluster-abcdefghijk cluster activate --password adminPassword1
  export CLOUDHSM_ROLE=admin CLOUDHSM_PIN=admin:adminPassword1
  portcullis cloudhsm-cli --cluster-id cluster-abcdefghijk user create --username kmsuser --role crypto-user --password kmsPswd1
  portcullis cloudhsm-cli --cluster-id cluster-abcdefghijk user list

A command logs in with CLOUDHSM_ROLE and CLOUDHSM_PIN (user:password) and logs out again, unless
`login` opened a session before; `logout` ends that.")]
pub(crate) struct CloudHsmCli {
    #[command(flatten)]
    pub(crate) endpoint: Endpoint,
    /// The cluster
    #[arg(long, env = "CLOUDHSM_CLUSTER_ID", value_name = "ID")]
    cluster_id: String,
    /// The account the cluster belongs to
    #[arg(long)]
    account: Option<String>,
    /// The Region the cluster is in
    #[arg(long, env = "AWS_REGION")]
    region: Option<String>,
    #[command(subcommand)]
    command: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Activate a cluster, or describe its HSMs
    #[command(subcommand)]
    Cluster(ClusterVerb),
    /// Open a session that stays open until `logout`
    Login(Credentials),
    /// End the session that `login` opened
    Logout,
    /// Manage users
    #[command(subcommand)]
    User(UserVerb),
}

#[derive(Debug, Subcommand)]
enum ClusterVerb {
    /// Set the first admin's password; the cluster becomes ACTIVE
    Activate {
        /// The password of the user `admin`, 7 to 32 characters
        #[arg(long, env = "CLOUDHSM_PASSWORD", hide_env_values = true)]
        password: String,
    },
    /// Describe the HSMs
    HsmInfo,
}

#[derive(Debug, Subcommand)]
enum UserVerb {
    /// Create a user
    Create(Credentials),
    /// Change a user's password; as an admin this also unlocks the user
    ChangePassword(Credentials),
    /// List the users
    List,
    /// Delete a user
    Delete {
        /// The user's name
        #[arg(long)]
        username: String,
        /// The user's role
        #[arg(long, value_enum)]
        role: RoleArgument,
    },
}

#[derive(Args)]
struct Credentials {
    /// The user's name
    #[arg(long)]
    username: String,
    /// The user's role
    #[arg(long, value_enum)]
    role: RoleArgument,
    /// The user's password, 7 to 32 characters
    #[arg(long, env = "CLOUDHSM_PASSWORD", hide_env_values = true)]
    password: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Credentials({})", self.username)
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum RoleArgument {
    Admin,
    CryptoUser,
}

impl RoleArgument {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::CryptoUser => "crypto-user",
        }
    }
}

/// Runs the verb and prints `{"error_code", "data"}`; exit code 1 when the code is not 0.
pub(crate) async fn run(arguments: CloudHsmCli) -> Result<ExitCode, ClientError> {
    let target = Target {
        client: Client::new(&arguments.endpoint.url)?,
        cluster: arguments.cluster_id,
        account: arguments.account,
        region: arguments.region,
    };
    let reply = match arguments.command {
        Verb::Cluster(ClusterVerb::Activate { password }) => {
            target
                .post("activate", json!({ "password": password }))
                .await?
        }
        Verb::Cluster(ClusterVerb::HsmInfo) => target.get("hsm-info").await?,
        Verb::User(UserVerb::List) => target.get("users").await?,
        Verb::Login(credentials) => login_and_keep(&target, &credentials).await?,
        Verb::Logout => logout_kept(&target).await?,
        Verb::User(UserVerb::Create(user)) => {
            with_session(&target, "users", credentials_body(&user)).await?
        }
        Verb::User(UserVerb::ChangePassword(user)) => {
            with_session(&target, "users/change-password", credentials_body(&user)).await?
        }
        Verb::User(UserVerb::Delete { username, role }) => {
            let body = json!({ "username": username, "role": role.as_str() });
            with_session(&target, "users/delete", body).await?
        }
    };
    print::json_pretty(&reply);
    Ok(if succeeded(&reply) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn credentials_body(user: &Credentials) -> Value {
    json!({ "username": user.username, "role": user.role.as_str(), "password": user.password })
}

fn succeeded(reply: &Value) -> bool {
    reply.get("error_code").and_then(Value::as_i64) == Some(0)
}

/// Runs `verb` under the kept session, or under one that CLOUDHSM_ROLE and CLOUDHSM_PIN open for
/// this one command.
async fn with_session(target: &Target, verb: &str, mut body: Value) -> Result<Value, ClientError> {
    if let Some(token) = target.kept_session() {
        set(&mut body, "token", Value::String(token));
        return target.post(verb, body).await;
    }
    let Some(credentials) = credentials_from_environment()? else {
        return Ok(json!({
            "error_code": 1,
            "data": "Nobody is logged in. Run `login` first, or set CLOUDHSM_ROLE (admin or \
                     crypto-user) and CLOUDHSM_PIN (user:password).",
        }));
    };
    let login = target.post("login", credentials).await?;
    let Some(token) = token_of(&login) else {
        return Ok(login);
    };
    set(&mut body, "token", Value::String(token.clone()));
    let reply = target.post(verb, body).await;
    target.post("logout", json!({ "token": token })).await?;
    reply
}

fn credentials_from_environment() -> Result<Option<Value>, ClientError> {
    let (Ok(role), Ok(pin)) = (
        std::env::var("CLOUDHSM_ROLE"),
        std::env::var("CLOUDHSM_PIN"),
    ) else {
        return Ok(None);
    };
    let Some((username, password)) = pin.split_once(':') else {
        return Err(ClientError(
            "CLOUDHSM_PIN has no colon; its form is user:password.".to_owned(),
        ));
    };
    Ok(Some(
        json!({ "username": username, "role": role, "password": password }),
    ))
}

fn token_of(login: &Value) -> Option<String> {
    login.get("data")?.get("token")?.as_str().map(str::to_owned)
}

fn set(body: &mut Value, member: &str, value: Value) {
    if let Some(object) = body.as_object_mut() {
        object.insert(member.to_owned(), value);
    }
}

async fn login_and_keep(target: &Target, user: &Credentials) -> Result<Value, ClientError> {
    let mut reply = target.post("login", credentials_body(user)).await?;
    if let Some(token) = token_of(&reply) {
        target.keep_session(&token)?;
        // The token is this program's business; the CloudHSM CLI shows the user and the role.
        if let Some(data) = reply.get_mut("data").and_then(Value::as_object_mut) {
            data.remove("token");
        }
    }
    Ok(reply)
}

async fn logout_kept(target: &Target) -> Result<Value, ClientError> {
    let Some(token) = target.kept_session() else {
        return Ok(json!({ "error_code": 1, "data": "Nobody is logged in." }));
    };
    let reply = target.post("logout", json!({ "token": token })).await?;
    target.forget_session()?;
    Ok(reply)
}

/// A cluster of a running Portcullis.
struct Target {
    client: Client,
    cluster: String,
    account: Option<String>,
    region: Option<String>,
}

impl Target {
    async fn get(&self, verb: &str) -> Result<Value, ClientError> {
        self.client.get(&self.path(verb)).await
    }

    async fn post(&self, verb: &str, body: Value) -> Result<Value, ClientError> {
        self.client.post(&self.path(verb), &body).await
    }

    fn path(&self, verb: &str) -> String {
        let mut path = format!("/_portcullis/cloudhsm/{}/{verb}", self.cluster);
        let mut separator = '?';
        for (name, value) in [("account", &self.account), ("region", &self.region)] {
            if let Some(value) = value {
                path.push_str(&format!("{separator}{name}={value}"));
                separator = '&';
            }
        }
        path
    }

    /// Where the session of `login` is kept between two commands: readable by its owner only.
    fn session_file(&self) -> PathBuf {
        let folder =
            std::env::var_os("XDG_RUNTIME_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
        folder.join(format!(
            "portcullis-session-{}",
            self.cluster.replace('/', "_")
        ))
    }

    fn kept_session(&self) -> Option<String> {
        let kept = std::fs::read_to_string(self.session_file()).ok()?;
        Some(kept.trim().to_owned())
    }

    fn keep_session(&self, token: &str) -> Result<(), ClientError> {
        use std::io::Write;
        use std::os::unix::fs::OpenOptionsExt;
        let path = self.session_file();
        std::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&path)
            .and_then(|mut file| file.write_all(token.as_bytes()))
            .map_err(|error| {
                ClientError(format!(
                    "The session is open but cannot be kept in {}: {error}.",
                    path.display()
                ))
            })
    }

    fn forget_session(&self) -> Result<(), ClientError> {
        std::fs::remove_file(self.session_file()).map_err(|error| {
            ClientError(format!(
                "{} cannot be removed: {error}.",
                self.session_file().display()
            ))
        })
    }
}
