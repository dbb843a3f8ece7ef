//! How a running Portcullis is reached, as the command line and the environment say it.

use clap::Args;

/// A running Portcullis.
#[derive(Debug, Args, Clone)]
pub struct Access {
    /// The endpoint of a running Portcullis
    #[arg(
        long = "endpoint",
        env = "AWS_ENDPOINT_URL",
        default_value = "http://127.0.0.1:4566",
        value_name = "URL"
    )]
    pub endpoint: String,
    /// Where its admin API is, if that has an address of its own [default: the endpoint]
    #[arg(long, env = "PORTCULLIS_ADMIN_URL", value_name = "URL")]
    pub admin_url: Option<String>,
}

impl Access {
    /// Where the admin API is.
    #[must_use]
    pub fn admin(&self) -> &str {
        // An empty variable says no more than none.
        let named = self.admin_url.as_deref().filter(|url| !url.is_empty());
        named.unwrap_or(&self.endpoint)
    }
}
