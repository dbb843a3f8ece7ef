//! The CloudHSM CLI's verbs, flags and JSON, against a running Portcullis.
//!
//! `verbs` has what can be typed, `request` what verbs about keys ask of the admin API, `session` under
//! whose login, `prompt` the interactive mode.

#[cfg(test)]
mod examples;
mod input;
mod place;
mod prompt;
mod request;
mod session;
mod verb_data;
mod verbs;

use std::collections::BTreeMap;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use portcullis_admin::{
    ActivateCluster, ActivateRequest, Call, ChangePassword, CreateUser, DeleteHsmKey, DeleteUser,
    GenerateHsmKey, GetHsmInfo, KeyFilter, KeyListRequest, ListHsmKeys, ListUsers, LoginRequest,
    ReplicateHsmKey, ReplicateRequest, Reply, Secret, SetHsmKeyAttribute, ShareHsmKey,
    UnshareHsmKey, UnwrapHsmKey, UserPasswordRequest, UserRequest, WrapHsmKey,
};
use portcullis_loadgen::{Access, print};
use serde_json::{Value, json};

use self::input::PromptInput;
use self::place::ClusterPlace;
use self::request::{check_approval, not_there};
use self::session::{SessionSource, Side};
use self::verb_data::VerbData;
use self::verbs::{ClusterVerb, KeyVerb, UserCredentials, UserVerb, Verb, WrapVerb};
use crate::client::{AdminClient, ClientError};

/// `portcullis cloudhsm-cli`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  portcullis cloudhsm-cli --cluster-id cluster-abcdefghijk cluster activate --password adminPassword1
  export CLOUDHSM_CLUSTER_ID=cluster-abcdefghijk
  export CLOUDHSM_ROLE=admin CLOUDHSM_PIN=admin:adminPassword1
  portcullis cloudhsm-cli user create --username kmsuser --role crypto-user --password kmsPswd1
  portcullis cloudhsm-cli user list
  portcullis cloudhsm-cli key list --filter attr.key-type=aes --verbose
  portcullis cloudhsm-cli interactive

Every verb has examples of its own: portcullis cloudhsm-cli help key wrap aes-gcm

A command logs in with CLOUDHSM_ROLE and CLOUDHSM_PIN (user:password) and logs out again, unless
`login` opened a session before; `logout` ends that. Without a command a prompt begins.")]
pub(crate) struct CloudHsmCli {
    #[command(flatten)]
    pub(crate) access: Access,
    /// The cluster
    #[arg(long, env = "CLOUDHSM_CLUSTER_ID", value_name = "ID", global = true)]
    cluster_id: Option<String>,
    /// The account the cluster belongs to
    #[arg(long)]
    account: Option<String>,
    /// The Region the cluster is in
    #[arg(long, env = "AWS_REGION")]
    region: Option<String>,
    #[command(subcommand)]
    mode: Option<Mode>,
}

#[derive(Debug, Subcommand)]
enum Mode {
    /// Begin a prompt that takes verbs until `quit`
    Interactive,
    #[command(flatten)]
    Verb(Box<Verb>),
}

/// Runs the verb and prints `{"error_code", "data"}`, exit code 1 when the code is not 0; or runs
/// the prompt.
pub(crate) async fn run(arguments: CloudHsmCli) -> Result<ExitCode, ClientError> {
    let (verb, sessions) = match arguments.mode {
        Some(Mode::Verb(verb)) => (Some(verb), SessionSource::OneCommand),
        Some(Mode::Interactive) | None => (None, SessionSource::Prompt(BTreeMap::new())),
    };
    let mut cli = Cli {
        client: AdminClient::of(&arguments.access)?,
        // An empty variable names no cluster.
        cluster: arguments.cluster_id.filter(|id| !id.is_empty()),
        account: arguments.account,
        region: arguments.region,
        sessions,
        input: None,
    };
    let Some(verb) = verb else {
        prompt::run(&mut cli).await?;
        return Ok(ExitCode::SUCCESS);
    };
    let reply = replied(cli.carry_out(*verb, None).await)?;
    print::json(&reply);
    Ok(if reply.is_done() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Why nothing came of a verb.
#[derive(Debug)]
enum FailedVerb {
    /// Portcullis or this program refuses it, which is printed as its reply.
    Refused(String),
    /// There is no reply.
    NoReply(ClientError),
}

impl From<ClientError> for FailedVerb {
    fn from(error: ClientError) -> Self {
        Self::NoReply(error)
    }
}

/// What is printed of a verb: its reply in the form of the CloudHSM CLI, with the members of its data
/// in the order of their names.
fn replied(outcome: Result<VerbData, FailedVerb>) -> Result<Reply<Value>, ClientError> {
    match outcome {
        Ok(data) => Ok(Reply::Done(json!(data))),
        Err(FailedVerb::Refused(why)) => Ok(Reply::Refused(why)),
        Err(FailedVerb::NoReply(error)) => Err(error),
    }
}

/// A person, or a script, with the CloudHSM CLI before it.
struct Cli {
    client: AdminClient,
    cluster: Option<String>,
    account: Option<String>,
    region: Option<String>,
    sessions: SessionSource,
    /// Opened when the first line is needed.
    input: Option<PromptInput>,
}

impl Cli {
    async fn carry_out(
        &mut self,
        verb: Verb,
        cluster: Option<String>,
    ) -> Result<VerbData, FailedVerb> {
        if let Verb::Key(KeyVerb::Replicate {
            filter,
            source_cluster_id,
            destination_cluster_id,
        }) = verb
        {
            let source = self.place(source_cluster_id);
            let destination = self.place(destination_cluster_id);
            return self.replicate(&source, &destination, filter).await;
        }
        let none =
            || refused("No cluster is named. Give --cluster-id, or set CLOUDHSM_CLUSTER_ID.");
        let cluster = cluster.or_else(|| self.cluster.clone()).ok_or_else(none)?;
        let place = self.place(cluster);
        match verb {
            Verb::Cluster(verb) => self.on_cluster(&place, verb).await,
            Verb::Login(credentials) => {
                let password = self.password(credentials.password, Confirm::No).await?;
                let login = LoginRequest {
                    username: credentials.user.username,
                    role: credentials.user.role.into(),
                    password,
                };
                Ok(self.sessions.log_in(&place, login).await?.into())
            }
            Verb::Logout => Ok(self.sessions.log_out(&place).await?.into()),
            Verb::User(verb) => self.on_users(&place, verb).await,
            Verb::Key(verb) => self.on_keys(&place, verb).await,
            Verb::Crypto(_) => Err(not_there("crypto")),
            Verb::Quorum(_) => Err(not_there("quorum")),
        }
    }

    async fn on_cluster(
        &mut self,
        place: &ClusterPlace,
        verb: ClusterVerb,
    ) -> Result<VerbData, FailedVerb> {
        match verb {
            ClusterVerb::Activate { password } => {
                let password = self.password(password, Confirm::Yes).await?;
                let request = ActivateRequest { password };
                Ok(place.call::<ActivateCluster>(&request).await?.into())
            }
            ClusterVerb::HsmInfo => Ok(place.call::<GetHsmInfo>(&()).await?.into()),
            ClusterVerb::Mtls(_) => Err(not_there("cluster mtls")),
        }
    }

    async fn on_users(
        &mut self,
        place: &ClusterPlace,
        verb: UserVerb,
    ) -> Result<VerbData, FailedVerb> {
        match verb {
            UserVerb::List => Ok(place.call::<ListUsers>(&()).await?.into()),
            UserVerb::Delete { user, approval } => {
                check_approval(&approval)?;
                let request = |token| UserRequest {
                    token,
                    username: user.username,
                    role: user.role.into(),
                };
                self.under_session::<DeleteUser>(place, request).await
            }
            UserVerb::Create {
                credentials,
                approval,
            } => {
                check_approval(&approval)?;
                let request = self.user_and_password(credentials).await?;
                self.under_session::<CreateUser>(place, request).await
            }
            UserVerb::ChangePassword {
                credentials,
                approval,
                deregister_mfa: _,
                deregister_quorum: _,
            } => {
                check_approval(&approval)?;
                let request = self.user_and_password(credentials).await?;
                self.under_session::<ChangePassword>(place, request).await
            }
            UserVerb::ChangeMfa(_) => Err(not_there("user change-mfa")),
            UserVerb::ChangeQuorum(_) => Err(not_there("user change-quorum")),
            UserVerb::Replicate(_) => Err(not_there("user replicate")),
        }
    }

    async fn on_keys(&self, place: &ClusterPlace, verb: KeyVerb) -> Result<VerbData, FailedVerb> {
        match verb {
            KeyVerb::List {
                filter,
                max_items,
                starting_token,
                verbose,
            } => {
                let request = |token| KeyListRequest {
                    token,
                    filter,
                    max_items: usize::try_from(max_items.get()).ok(),
                    starting_token,
                    verbose,
                };
                self.under_session::<ListHsmKeys>(place, request).await
            }
            KeyVerb::Delete(key) => {
                let filter = request::one_key(key)?;
                let request = |token| KeyFilter { token, filter };
                self.under_session::<DeleteHsmKey>(place, request).await
            }
            KeyVerb::GenerateSymmetric(verb) => {
                let request = request::generate(verb)?;
                self.under_session::<GenerateHsmKey>(place, request).await
            }
            KeyVerb::Share(sharing) => {
                let request = request::share(sharing)?;
                self.under_session::<ShareHsmKey>(place, request).await
            }
            KeyVerb::Unshare(sharing) => {
                let request = request::share(sharing)?;
                self.under_session::<UnshareHsmKey>(place, request).await
            }
            KeyVerb::SetAttribute { key, name, value } => {
                let request = request::set_attribute(key, name, &value)?;
                self.under_session::<SetHsmKeyAttribute>(place, request)
                    .await
            }
            KeyVerb::Wrap(verb) => self.wrap(place, verb).await,
            KeyVerb::Unwrap(verb) => {
                let request = request::unwrap(verb)?;
                self.under_session::<UnwrapHsmKey>(place, request).await
            }
            KeyVerb::Replicate { .. } => Err(not_there("key replicate under one session")),
            KeyVerb::GenerateAsymmetricPair(_) => Err(not_there("key generate-asymmetric-pair")),
            KeyVerb::GenerateFile(_) => Err(not_there("key generate-file")),
            KeyVerb::Import(_) => Err(not_there("key import")),
        }
    }

    /// `key wrap …`, which saves the wrapped key too if that is wanted.
    async fn wrap(&self, place: &ClusterPlace, verb: WrapVerb) -> Result<VerbData, FailedVerb> {
        let (path, request) = request::wrap(verb)?;
        let wrapped = self.ask::<WrapHsmKey>(place, request).await?;
        if let Some(path) = path {
            request::save(&wrapped, &path)?;
        }
        Ok(wrapped.into())
    }

    /// Makes a call that needs the token of a session; gives what is printed of it.
    async fn under_session<C: Call<Reply: Into<VerbData>>>(
        &self,
        place: &ClusterPlace,
        request: impl FnOnce(Secret) -> C::Request,
    ) -> Result<VerbData, FailedVerb> {
        Ok(self.ask::<C>(place, request).await?.into())
    }

    async fn ask<C: Call>(
        &self,
        place: &ClusterPlace,
        request: impl FnOnce(Secret) -> C::Request,
    ) -> Result<C::Reply, FailedVerb> {
        let lease = self.sessions.lease(place, Side::Here).await?;
        let reply = place.call::<C>(&request(lease.token.clone())).await;
        SessionSource::release(place, lease).await?;
        reply
    }

    /// `key replicate`, under a session on each of two clusters.
    async fn replicate(
        &self,
        source: &ClusterPlace,
        destination: &ClusterPlace,
        filter: Vec<String>,
    ) -> Result<VerbData, FailedVerb> {
        let here = self.sessions.lease(source, Side::Here).await?;
        let token = here.token.clone();
        let reply = match self.sessions.lease(destination, Side::Destination).await {
            Ok(there) => {
                let request = ReplicateRequest {
                    token,
                    destination_token: there.token.clone(),
                    filter,
                };
                let reply = source.call::<ReplicateHsmKey>(&request).await;
                SessionSource::release(destination, there).await?;
                reply
            }
            Err(failed) => Err(failed),
        };
        SessionSource::release(source, here).await?;
        Ok(reply?.into())
    }

    /// A user and a password, which is asked for if need be.
    async fn user_and_password(
        &mut self,
        credentials: UserCredentials,
    ) -> Result<impl FnOnce(Secret) -> UserPasswordRequest + use<>, FailedVerb> {
        let user = credentials.user;
        let password = self.password(credentials.password, Confirm::Yes).await?;
        Ok(move |token| UserPasswordRequest {
            token,
            username: user.username,
            role: user.role.into(),
            password,
        })
    }

    async fn password(
        &mut self,
        given: Option<Secret>,
        confirm: Confirm,
    ) -> Result<Secret, FailedVerb> {
        if let Some(password) = given {
            return Ok(password);
        }
        let none = || refused("No password was given. Type one, or give --password.");
        let input = self.input();
        let password = input.password("Enter password:\n").await.ok_or_else(none)?;
        if confirm == Confirm::Yes {
            let again = input
                .password("Confirm password:\n")
                .await
                .ok_or_else(none)?;
            if again != password {
                return Err(refused(
                    "The two passwords differ. Type the same one twice.",
                ));
            }
        }
        Ok(Secret::new(password))
    }

    fn input(&mut self) -> &mut PromptInput {
        self.input.get_or_insert_with(PromptInput::open)
    }

    /// Who is asked: the user on the cluster, as the CloudHSM CLI has it.
    fn prompt(&self) -> String {
        let cluster = self.cluster.as_deref().unwrap_or_default();
        match self.sessions.user_of(cluster) {
            Some(user) => format!("{user}@{cluster} > "),
            None => "aws-cloudhsm > ".to_owned(),
        }
    }

    async fn log_out_everywhere(&mut self) -> Result<(), ClientError> {
        for cluster in self.sessions.open_clusters() {
            let place = self.place(cluster);
            match self.sessions.log_out(&place).await {
                // A session that has ended by itself needs no logout.
                Ok(_) | Err(FailedVerb::Refused(_)) => {}
                Err(FailedVerb::NoReply(error)) => return Err(error),
            }
        }
        Ok(())
    }

    fn place(&self, cluster: String) -> ClusterPlace {
        ClusterPlace {
            client: self.client.clone(),
            cluster,
            account: self.account.clone(),
            region: self.region.clone(),
        }
    }
}

/// Whether a password is typed twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Confirm {
    No,
    Yes,
}

/// A refusal of this program's own.
fn refused(why: &str) -> FailedVerb {
    FailedVerb::Refused(why.to_owned())
}
