//! The CloudHSM CLI's verbs, flags and JSON, against a running Portcullis.
//!
//! `verbs` has what can be typed, `request` what each verb asks of the admin API, `session` under
//! whose login, `prompt` the interactive mode.

#[cfg(test)]
mod examples;
mod input;
mod place;
mod prompt;
mod request;
mod session;
mod verbs;

use std::collections::BTreeMap;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use portcullis_loadgen::{Access, print};
use serde::Serialize;
use serde_json::{Value, json};

use self::input::Input;
use self::place::Place;
use self::request::{Request, check_approval, not_there};
use self::session::{Sessions, Side};
use self::verbs::{ClusterVerb, Credentials, KeyVerb, Password, UserVerb, Verb};
use crate::client::{Client, ClientError};

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
        Some(Mode::Verb(verb)) => (Some(verb), Sessions::OneCommand),
        Some(Mode::Interactive) | None => (None, Sessions::Prompt(BTreeMap::new())),
    };
    let mut cli = Cli {
        client: Client::of(&arguments.access)?,
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
    let reply = cli.carry_out(*verb, None).await?;
    print_reply(&reply);
    Ok(if succeeded(&reply) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// A person, or a script, with the CloudHSM CLI before it.
struct Cli {
    client: Client,
    cluster: Option<String>,
    account: Option<String>,
    region: Option<String>,
    sessions: Sessions,
    /// Opened when the first line is needed.
    input: Option<Input>,
}

impl Cli {
    async fn carry_out(
        &mut self,
        verb: Verb,
        cluster: Option<String>,
    ) -> Result<Value, ClientError> {
        if let Verb::Key(KeyVerb::Replicate {
            filter,
            source_cluster_id,
            destination_cluster_id,
        }) = verb
        {
            let source = self.place(source_cluster_id);
            let destination = self.place(destination_cluster_id);
            return self.replicate(&source, &destination, &filter).await;
        }
        let Some(cluster) = cluster.or_else(|| self.cluster.clone()) else {
            return Ok(failure(
                "No cluster is named. Give --cluster-id, or set CLOUDHSM_CLUSTER_ID.",
            ));
        };
        let place = self.place(cluster);
        match verb {
            Verb::Cluster(verb) => self.on_cluster(&place, verb).await,
            Verb::Login(credentials) => match self.complete(credentials, Confirm::No).await {
                Ok(body) => self.sessions.log_in(&place, body).await,
                Err(reply) => Ok(reply),
            },
            Verb::Logout => self.sessions.log_out(&place).await,
            Verb::User(verb) => self.on_users(&place, verb).await,
            Verb::Key(verb) => match request::of_key(verb) {
                Ok(request) => self.under_session(&place, request).await,
                Err(why) => Ok(failure(&why)),
            },
            Verb::Crypto(_) => Ok(failure(&not_there("crypto"))),
            Verb::Quorum(_) => Ok(failure(&not_there("quorum"))),
        }
    }

    async fn on_cluster(&mut self, place: &Place, verb: ClusterVerb) -> Result<Value, ClientError> {
        match verb {
            ClusterVerb::Activate { password } => {
                match self.password(password, Confirm::Yes).await {
                    Ok(password) => {
                        let body = json!({ "password": password });
                        place.post("activate", body).await
                    }
                    Err(reply) => Ok(reply),
                }
            }
            ClusterVerb::HsmInfo => place.get("hsm-info").await,
            ClusterVerb::Mtls(_) => Ok(failure(&not_there("cluster mtls"))),
        }
    }

    async fn on_users(&mut self, place: &Place, verb: UserVerb) -> Result<Value, ClientError> {
        let (path, credentials, approval) = match verb {
            UserVerb::List => return place.get("users").await,
            UserVerb::Delete { user, approval } => {
                if let Err(why) = check_approval(&approval) {
                    return Ok(failure(&why));
                }
                let body = json!({ "username": user.username, "role": user.role.as_str() });
                let request = Request::new("users/delete", body);
                return self.under_session(place, request).await;
            }
            UserVerb::Create {
                credentials,
                approval,
            } => ("users", credentials, approval),
            UserVerb::ChangePassword {
                credentials,
                approval,
                deregister_mfa: _,
                deregister_quorum: _,
            } => ("users/change-password", credentials, approval),
            UserVerb::ChangeMfa(_) => return Ok(failure(&not_there("user change-mfa"))),
            UserVerb::ChangeQuorum(_) => return Ok(failure(&not_there("user change-quorum"))),
            UserVerb::Replicate(_) => return Ok(failure(&not_there("user replicate"))),
        };
        if let Err(why) = check_approval(&approval) {
            return Ok(failure(&why));
        }
        match self.complete(credentials, Confirm::Yes).await {
            Ok(body) => self.under_session(place, Request::new(path, body)).await,
            Err(reply) => Ok(reply),
        }
    }

    async fn under_session(&self, place: &Place, request: Request) -> Result<Value, ClientError> {
        let lease = match self.sessions.lease(place, Side::Here).await? {
            Ok(lease) => lease,
            Err(reply) => return Ok(reply),
        };
        let mut body = request.body;
        set(&mut body, "token", lease.token.clone().into());
        let reply = place.post(request.path, body).await;
        Sessions::release(place, lease).await?;
        let reply = reply?;
        let saved = request.save_to.map(|path| request::save(&reply, &path));
        Ok(match saved {
            Some(Err(why)) => failure(&why),
            Some(Ok(())) | None => reply,
        })
    }

    /// `key replicate`, under a session on each of two clusters.
    async fn replicate(
        &self,
        source: &Place,
        destination: &Place,
        filter: &[String],
    ) -> Result<Value, ClientError> {
        let here = match self.sessions.lease(source, Side::Here).await? {
            Ok(lease) => lease,
            Err(reply) => return Ok(reply),
        };
        let reply = match self.sessions.lease(destination, Side::Destination).await? {
            Ok(there) => {
                let body = json!({
                    "token": here.token,
                    "destination_token": there.token,
                    "filter": filter,
                });
                let reply = source.post("keys/replicate", body).await;
                Sessions::release(destination, there).await?;
                reply
            }
            Err(reply) => Ok(reply),
        };
        Sessions::release(source, here).await?;
        reply
    }

    /// The body of a verb that takes a user and a password, which is asked for if need be.
    async fn complete(
        &mut self,
        credentials: Credentials,
        confirm: Confirm,
    ) -> Result<Value, Value> {
        let user = credentials.user;
        let password = self.password(credentials.password, confirm).await?;
        Ok(json!({
            "username": user.username,
            "role": user.role.as_str(),
            "password": password,
        }))
    }

    async fn password(
        &mut self,
        given: Option<Password>,
        confirm: Confirm,
    ) -> Result<String, Value> {
        if let Some(Password(password)) = given {
            return Ok(password);
        }
        let none = || failure("No password was given. Type one, or give --password.");
        let input = self.input();
        let password = input.password("Enter password:\n").await.ok_or_else(none)?;
        if confirm == Confirm::Yes {
            let again = input
                .password("Confirm password:\n")
                .await
                .ok_or_else(none)?;
            if again != password {
                return Err(failure(
                    "The two passwords differ. Type the same one twice.",
                ));
            }
        }
        Ok(password)
    }

    fn input(&mut self) -> &mut Input {
        self.input.get_or_insert_with(Input::open)
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
            self.sessions.log_out(&place).await?;
        }
        Ok(())
    }

    fn place(&self, cluster: String) -> Place {
        Place {
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

/// Prints a reply with its code first, as the CloudHSM CLI does.
fn print_reply(reply: &Value) {
    #[derive(Serialize)]
    struct InOrder<'a> {
        error_code: &'a Value,
        data: &'a Value,
    }
    let (Some(error_code), Some(data)) = (reply.get("error_code"), reply.get("data")) else {
        return print::json(reply);
    };
    match serde_json::to_string_pretty(&InOrder { error_code, data }) {
        Ok(text) => print::line(&text),
        Err(_) => print::json(reply),
    }
}

/// A reply of this program's own.
fn failure(why: &str) -> Value {
    json!({ "error_code": 1, "data": why })
}

fn succeeded(reply: &Value) -> bool {
    reply.get("error_code").and_then(Value::as_i64) == Some(0)
}

fn set(body: &mut Value, member: &str, value: Value) {
    if let Some(object) = body.as_object_mut() {
        object.insert(member.to_owned(), value);
    }
}
