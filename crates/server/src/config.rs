use std::collections::BTreeMap;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::sync::Arc;

use portcullis_admin::{LoadOrder, LoadRun, LoadRunDetail};
use portcullis_api::{AccountId, Messages, Region, Scope};
use tokio::sync::Notify;
use zeroize::Zeroizing;

use crate::door::{AdminAccess, HostNames};
use crate::events::EventsConfig;
use crate::limits::Limits;
use crate::line_queue::DropCount;
use crate::principals::Principals;
use crate::surface::Listeners;
use crate::tls::TlsIdentity;

/// How the edge is set up.
#[derive(Debug)]
pub struct ServerConfig {
    /// Where to listen; port 0 chooses a free one.
    pub listeners: Listeners,
    /// Whose requests are accepted.
    pub auth: Auth,
    /// The principals that were declared. Without, every access key is the root of an account.
    pub principals: Option<Arc<Principals>>,
    /// The account and Region of a request that names none.
    pub defaults: Scope,
    /// How much is sent of what an exception says.
    pub messages: Messages,
    /// How many threads serve; each has its own runtime and its own socket on the same port.
    pub cores: NonZeroUsize,
    /// What one client may take.
    pub limits: Limits,
    /// Who takes snapshots; without, there are none. They hold the device key, so they are given
    /// only where the address of the admin API is one of the loopback interface.
    pub snapshots: Option<Arc<dyn Snapshots>>,
    /// Who runs load against this server; without, there are no load runs.
    pub load_runs: Option<Arc<dyn LoadRuns>>,
    /// What a caller of the admin API must bring.
    pub admin_access: AdminAccess,
    /// Names of this server, for requests of browsers and of the admin API.
    pub host_names: HostNames,
    /// What is presented to clients, which then speak TLS; without, they speak HTTP in the clear.
    pub tls: Option<TlsIdentity>,
    /// What is kept of calls.
    pub events: EventsConfig,
    /// Lines that the log lacks.
    pub log_drops: DropCount,
    /// Who begins the world anew; without, the world is not begun anew.
    pub resets: Option<Resets>,
}

/// How the world is begun anew.
#[derive(Debug, Clone)]
pub struct Resets {
    /// Notified when a client asks for it.
    pub ask: Arc<Notify>,
    /// How often that was done before.
    pub count: u64,
}

/// Takes snapshots of everything that is kept.
pub trait Snapshots: Send + Sync + fmt::Debug {
    /// A snapshot as a file holds it. May take seconds.
    ///
    /// # Errors
    /// A text for the user.
    fn take(&self) -> Result<Vec<u8>, String>;
}

/// Runs load against this server, watched by the console.
pub trait LoadRuns: Send + Sync + fmt::Debug {
    /// Starts a run. Gives its ID.
    ///
    /// # Errors
    /// A text for the user.
    fn start(&self, order: LoadOrder) -> Result<String, String>;

    /// Every run that was kept, the newest first.
    fn list(&self) -> Vec<LoadRun>;

    /// A run with the lines of its timeline from line `from` on; none when there is no such run.
    fn show(&self, id: &str, from: usize) -> Option<LoadRunDetail>;

    /// Ends a run that is under way. Gives whether there is such a run.
    fn stop(&self, id: &str) -> bool;

    /// The report of a run that has ended, as a page.
    fn report(&self, id: &str) -> Option<String>;
}

impl Default for ServerConfig {
    /// Port 4566 of the loopback interface, open to everybody who reaches it, account
    /// 000000000000, us-east-1, one thread for each core.
    fn default() -> Self {
        Self {
            listeners: Listeners::One(SocketAddr::from((Ipv4Addr::LOCALHOST, 4566))),
            auth: Auth::Open,
            principals: None,
            defaults: default_scope(),
            messages: Messages::default(),
            cores: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            limits: Limits::default(),
            snapshots: None,
            admin_access: AdminAccess::Open,
            host_names: HostNames::default(),
            tls: None,
            events: EventsConfig::default(),
            log_drops: DropCount::default(),
            resets: None,
            load_runs: None,
        }
    }
}

impl ServerConfig {
    /// The default at a port of the loopback interface that is free, which [`Running`] then tells.
    ///
    /// [`Running`]: crate::Running
    #[must_use]
    pub fn on_free_port() -> Self {
        Self {
            listeners: Listeners::One(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))),
            ..Self::default()
        }
    }
}

#[expect(
    clippy::expect_used,
    reason = "both constants have the form of their type"
)]
fn default_scope() -> Scope {
    let account: AccountId = "000000000000".parse().expect("twelve digits");
    let region: Region = "us-east-1".parse().expect("a Region");
    Scope { account, region }
}

/// Whose requests are accepted.
#[derive(Debug)]
pub enum Auth {
    /// Everybody's, signed or not, as other emulators do.
    Open,
    /// Those with a right signature of a known access key.
    Verify(Credentials),
    /// The same, if policies and grants permit what they ask for.
    Enforce(Credentials),
}

impl Auth {
    /// The principals whose signatures are verified; none when every caller is accepted.
    pub(crate) const fn verifies(&self) -> Option<&Credentials> {
        match self {
            Self::Open => None,
            Self::Verify(credentials) | Self::Enforce(credentials) => Some(credentials),
        }
    }

    /// Rule AUTH-33: otherwise nothing is denied.
    pub(crate) const fn enforces(&self) -> bool {
        matches!(self, Self::Enforce(_))
    }
}

/// Known access keys and their secrets.
pub struct Credentials {
    secrets: BTreeMap<String, Zeroizing<String>>,
    /// What those with temporary credentials send beside their signature.
    session_tokens: BTreeMap<String, Zeroizing<String>>,
    every_account: Option<Zeroizing<String>>,
}

impl Credentials {
    /// Credentials by which no caller is known.
    #[must_use]
    pub const fn none() -> Self {
        Self {
            secrets: BTreeMap::new(),
            session_tokens: BTreeMap::new(),
            every_account: None,
        }
    }

    /// Adds an access key.
    pub fn insert(&mut self, access_key: impl Into<String>, secret: impl Into<String>) {
        self.secrets
            .insert(access_key.into(), Zeroizing::new(secret.into()));
    }

    /// Makes an access key one of temporary credentials, which are of no use without this token.
    pub fn insert_session_token(
        &mut self,
        access_key: impl Into<String>,
        token: impl Into<String>,
    ) {
        self.session_tokens
            .insert(access_key.into(), Zeroizing::new(token.into()));
    }

    /// Whether a request with an access key may have this session token, or none.
    ///
    /// Rule AUTH-45: long-term credentials have none, and temporary ones exactly theirs. How much of a
    /// wrong one is right is not told by the time that it takes.
    pub(crate) fn accepts_token(&self, access_key: &str, token: Option<&[u8]>) -> bool {
        match (self.session_tokens.get(access_key), token) {
            (None, None) => true,
            (Some(known), Some(given)) => {
                aws_lc_rs::constant_time::verify_slices_are_equal(known.as_bytes(), given).is_ok()
            }
            (None, Some(_)) | (Some(_), None) => false,
        }
    }

    /// Makes every account ID of twelve digits an access key with this secret.
    pub fn insert_every_account(&mut self, secret: impl Into<String>) {
        self.every_account = Some(Zeroizing::new(secret.into()));
    }

    /// Whether the root of every account signs with a secret that all know.
    pub(crate) const fn has_public_root(&self) -> bool {
        self.every_account.is_some()
    }

    /// The secret of an access key.
    pub(crate) fn secret(&self, access_key: &str) -> Option<&str> {
        let of_account = || {
            self.every_account
                .as_ref()
                .filter(|_| access_key.parse::<AccountId>().is_ok())
        };
        self.secrets
            .get(access_key)
            .or_else(of_account)
            .map(|secret| secret.as_str())
    }
}

impl Default for Credentials {
    /// Access key `test` with secret `test`, and every account ID with secret `test`.
    fn default() -> Self {
        let mut credentials = Self::none();
        credentials.insert("test", "test");
        credentials.insert_every_account("test");
        credentials
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Credentials({} access keys)", self.secrets.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_access_keys_have_a_secret() {
        let credentials = Credentials::default();
        assert_eq!(credentials.secret("test"), Some("test"));
        assert_eq!(credentials.secret("111122223333"), Some("test"));
        assert_eq!(credentials.secret("AKIAIOSFODNN7EXAMPLE"), None);
        assert_eq!(Credentials::none().secret("111122223333"), None);
    }

    /// Rule AUTH-45
    #[test]
    fn a_session_token_belongs_to_temporary_credentials() {
        let mut credentials = Credentials::default();
        credentials.insert("ASIASESSION", "secret");
        credentials.insert_session_token("ASIASESSION", "token");
        for (access_key, token, expected) in [
            ("test", None, true),
            ("test", Some("token"), false),
            ("111122223333", Some("anything"), false),
            ("ASIASESSION", Some("token"), true),
            ("ASIASESSION", Some("token2"), false),
            ("ASIASESSION", None, false),
        ] {
            let token = token.map(str::as_bytes);
            let accepted = credentials.accepts_token(access_key, token);
            assert_eq!(accepted, expected, "{access_key} {token:?}");
        }
    }

    #[test]
    fn credentials_are_not_printed() {
        let mut credentials = Credentials::none();
        credentials.insert("user", "hidden");
        assert_eq!(format!("{credentials:?}"), "Credentials(1 access keys)");
    }
}
