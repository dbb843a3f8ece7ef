use std::net::SocketAddr;
use std::sync::Arc;

use tokio::time::Instant;

use crate::admin::{self, Admin};
use crate::config::ServerConfig;
use crate::dispatch::Dispatch;
use crate::door::{AdminAccess, Doorkeeper};
use crate::events::EventLog;
use crate::http::{Bounds, Front, SharedByCores};
use crate::metrics::CoreMetrics;
use crate::running::{self, Opening, Running};
use crate::surface::{Listeners, NotStarted, Surface};
use crate::system::System;
use crate::tls::TlsIdentity;

impl System {
    /// Binds the addresses and serves on threads of its own until [`Running::shutdown`].
    ///
    /// Calls that change something run on the tokio runtime this is called in, which must outlive
    /// the server: what they leave running, such as a connection to a cluster, stays there.
    ///
    /// # Errors
    /// When an address cannot be bound or the operating system gives no thread.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn serve(&self, config: ServerConfig) -> Result<Running, NotStarted> {
        start(config, self)
    }
}

fn start(config: ServerConfig, system: &System) -> Result<Running, NotStarted> {
    let access = access(&config)?;
    let cores = metrics(config.cores.get());
    let admins = match config.listeners {
        Listeners::One(_) => Vec::new(),
        Listeners::Two { .. } => metrics(ADMIN_THREADS),
    };
    let events = EventLog::new(
        config.events,
        system.calendar.clock(),
        Arc::clone(&system.entropy),
    );
    let events = Arc::new(events.map_err(NotStarted::System)?);
    let listening = Arc::clone(&events);
    system
        .kms
        .listen_to_events(Box::new(move |event| listening.tell_service(event)));
    let bounds = Bounds::new(config.limits, cores.len() + admins.len());
    let is_private = config.listeners.admin().ip().is_loopback() || config.tls.is_some();
    let admin = Arc::new(Admin {
        snapshots: config.snapshots.filter(|_| is_private),
        kms: Arc::clone(&system.kms),
        cloudhsm: Arc::clone(&system.cloudhsm),
        calendar: Arc::clone(&system.calendar),
        defaults: config.defaults.clone(),
        load_runs: config.load_runs,
        events: Arc::clone(&events),
        log_drops: config.log_drops,
        resets: config.resets,
        cores: [&cores[..], &admins[..]].concat(),
        bounds: Arc::clone(&bounds),
        pool: Arc::clone(&system.pool),
        began: Instant::now(),
    });
    let shared = SharedByCores {
        services: Arc::new(Dispatch {
            kms: Arc::clone(&system.kms),
            cloudhsm: Arc::clone(&system.cloudhsm),
        }),
        background: tokio::runtime::Handle::current(),
        entropy: Arc::clone(&system.entropy),
        wall: Arc::clone(&system.wall),
        auth: config.auth,
        principals: config.principals,
        defaults: config.defaults,
        messages: config.messages,
        bounds,
        host_names: Arc::new(config.host_names),
        events,
    };
    let keeper = doorkeeper(access, &shared);
    let doors = Doors {
        listeners: config.listeners,
        identity: config.tls,
        cores,
        admins,
    };
    let (first, second) = doors.open(&admin, &keeper);
    running::start(first, second, shared)
}

/// Threads of an address for the admin API alone. It is for people and scripts, and one thread of
/// its own answers them however busy the endpoint's are.
const ADMIN_THREADS: usize = 1;

/// The addresses that the server listens at, and what stands behind each.
struct Doors {
    listeners: Listeners,
    identity: Option<TlsIdentity>,
    cores: Vec<Arc<CoreMetrics>>,
    admins: Vec<Arc<CoreMetrics>>,
}

impl Doors {
    /// The AWS endpoint, and the admin API where that has an address of its own.
    fn open(self, admin: &Arc<Admin>, keeper: &Doorkeeper) -> (Opening, Option<Opening>) {
        let open = |address, surface, threads: (&'static str, _), identity| Opening {
            address,
            front: Front {
                router: admin::router(surface, admin, keeper.clone()),
                identity,
            },
            threads: threads.0,
            metrics: threads.1,
        };
        let (everything, cores) = (Surface::Everything, ("core", self.cores));
        let (first, second) = match self.listeners {
            Listeners::One(only) => (open(only, everything, cores, self.identity), None),
            Listeners::Two { public, admin } => {
                let identity = identity_of_admin(admin, self.identity.as_ref());
                let apart = open(admin, everything, ("admin", self.admins), identity);
                (
                    open(public, Surface::Public, cores, self.identity),
                    Some(apart),
                )
            }
        };
        (first, second)
    }
}

fn doorkeeper(access: AdminAccess, shared: &SharedByCores) -> Doorkeeper {
    Doorkeeper {
        access,
        hosts: Arc::clone(&shared.host_names),
        events: Arc::clone(&shared.events),
        defaults: shared.defaults.clone(),
    }
}

/// What an address of the admin API alone presents.
///
/// Rule TLS-04: nothing on loopback, where it stays in the clear.
fn identity_of_admin(address: SocketAddr, identity: Option<&TlsIdentity>) -> Option<TlsIdentity> {
    identity.filter(|_| !address.ip().is_loopback()).cloned()
}

/// What a caller of the admin API must bring.
///
/// Rule DOOR-04: at an address that others reach, the token. Rule DOOR-09: where policies are
/// enforced, the token for a snapshot, everywhere.
fn access(config: &ServerConfig) -> Result<AdminAccess, NotStarted> {
    let admin = config.listeners.admin();
    let is_own = admin.ip().is_loopback();
    match &config.admin_access {
        AdminAccess::Token(token) => Ok(AdminAccess::Token(token.clone())),
        AdminAccess::Open | AdminAccess::TokenForSecrets(_) if !is_own => {
            Err(NotStarted::Unguarded(admin))
        }
        AdminAccess::TokenForSecrets(token) => Ok(AdminAccess::TokenForSecrets(token.clone())),
        AdminAccess::Open if config.auth.enforces() => Ok(AdminAccess::TokenForSecrets(None)),
        AdminAccess::Open => Ok(AdminAccess::Open),
    }
}

fn metrics(threads: usize) -> Vec<Arc<CoreMetrics>> {
    let fresh = |_| Arc::new(CoreMetrics::new());
    (0..threads).map(fresh).collect()
}
