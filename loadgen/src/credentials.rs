use clap::Args;
use portcullis_admin::Secret;

/// Who calls.
#[derive(Debug, Args)]
pub struct Credentials {
    /// The Region
    #[arg(long, env = "AWS_REGION", default_value = "us-east-1")]
    pub region: String,
    /// The access key; in Portcullis, 12 digits are an account
    #[arg(
        long,
        env = "AWS_ACCESS_KEY_ID",
        default_value = "test",
        value_name = "KEY"
    )]
    pub access_key: String,
    /// The secret of the access key
    #[arg(
        long,
        env = "AWS_SECRET_ACCESS_KEY",
        default_value = "test",
        hide_env_values = true
    )]
    pub secret: Secret,
    /// The session token of temporary credentials
    #[arg(
        long,
        env = "AWS_SESSION_TOKEN",
        hide_env_values = true,
        value_name = "TOKEN"
    )]
    pub session_token: Option<Secret>,
}
