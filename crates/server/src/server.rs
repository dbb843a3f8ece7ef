use std::io;
use std::sync::Arc;

use portcullis_cloudhsm::{Calendar, CloudHsm};
use portcullis_kms::Kms;
use portcullis_seam::{Entropy, WallClock};
use tokio::time::Instant;

use crate::admin::{self, Admin};
use crate::config::ServerConfig;
use crate::dispatch::Dispatch;
use crate::http::Shared;
use crate::metrics::CoreMetrics;
use crate::running::{self, Running};
use crate::trail::Trail;

/// What stands behind the edge.
#[derive(Debug)]
pub struct Services {
    /// KMS.
    pub kms: Arc<Kms>,
    /// CloudHSM.
    pub cloudhsm: Arc<CloudHsm>,
    /// The calendar that both live on.
    pub calendar: Arc<Calendar>,
    /// Where request IDs come from.
    pub entropy: Arc<dyn Entropy>,
    /// Judges the dates of signatures. Clients sign with the machine's time, so this is the
    /// machine's clock also where the services live on a faster one.
    pub wall: Arc<dyn WallClock>,
}

/// The edge, not yet started.
#[derive(Debug, Clone, Copy)]
pub struct Server;

impl Server {
    /// Binds the address and serves on threads of its own until [`Running::shutdown`].
    ///
    /// Calls that change something run on the tokio runtime this is called in, which must outlive
    /// the server: what they leave running, such as a connection to a cluster, stays there.
    ///
    /// # Errors
    /// When the address cannot be bound or the operating system gives no thread.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn start(config: ServerConfig, services: Services) -> io::Result<Running> {
        let cores: Vec<Arc<CoreMetrics>> = (0..config.cores.get())
            .map(|_| Arc::new(CoreMetrics::new()))
            .collect();
        let trail = Arc::new(Trail::new(
            config.events,
            services.calendar.clock(),
            Arc::clone(&services.entropy),
        )?);
        let listening = Arc::clone(&trail);
        services
            .kms
            .listen_to_events(Box::new(move |event| listening.tell_service(event)));
        let admin = Admin {
            snapshots: config.snapshots.filter(|_| config.bind.ip().is_loopback()),
            kms: Arc::clone(&services.kms),
            cloudhsm: Arc::clone(&services.cloudhsm),
            calendar: Arc::clone(&services.calendar),
            defaults: config.defaults.clone(),
            load_runs: config.load_runs,
            trail: Arc::clone(&trail),
            resets: config.resets,
            cores: cores.clone(),
            began: Instant::now(),
        };
        let shared = Shared {
            router: admin::router(admin),
            services: Arc::new(Dispatch {
                kms: services.kms,
                cloudhsm: services.cloudhsm,
            }),
            background: tokio::runtime::Handle::current(),
            entropy: services.entropy,
            wall: services.wall,
            auth: config.auth,
            principals: config.principals,
            defaults: config.defaults,
            limits: config.limits,
            trail,
        };
        running::start(config.bind, shared, &cores)
    }
}
