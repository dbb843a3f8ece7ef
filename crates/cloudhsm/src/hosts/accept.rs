//! The control plane's side: hosts call, are let in or sent away, and are brought in line.

use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use portcullis_api::{ClusterId, HsmId, Scope};
use portcullis_clusters::HsmState;
use portcullis_fleet::{Admission, JOIN_BYTES_MAX, Join};
use portcullis_fleet::{HostLine, decode, encode};
use portcullis_link::{ClientIdentity, ControlCaller, ControlConnection, ControlListener};
use tokio::runtime::Handle;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;

use super::admit::admit;
use super::lines::{HostLines, Placed};
use super::record;
use crate::control::Reconciler;
use crate::service_core::ServiceCore;

/// How long a caller may take to say who it is.
const JOIN_WITHIN: Duration = Duration::from_secs(5);

/// How long a caller that was sent away may take to read why.
const GOODBYE: Duration = Duration::from_secs(1);

/// What a revoked host hears when its connection ends.
pub(super) const REVOKED: &str = "the host was revoked";

/// Callers at once, let in or not. Far more than the 28 HSMs of a cluster.
const CALLERS_MAX: usize = 256;

/// Where a control plane takes hosts, and with which identity.
#[derive(Debug, Clone)]
pub struct HostGate {
    /// Where it listens, once there is a host to be expected.
    pub bind: SocketAddr,
    /// What it presents: hosts know it by this certificate, and let only its facade use their HSMs.
    pub identity: ClientIdentity,
}

/// Other processes that run HSMs: invited, let in and revoked here.
pub struct Hosts {
    pub(super) core: Arc<ServiceCore>,
    pub(super) reconciler: Arc<Reconciler>,
    pub(super) lines: Arc<HostLines>,
    gate: Mutex<Option<(HostGate, Handle)>>,
    open: Mutex<Option<Open>>,
}

struct Open {
    address: SocketAddr,
    receiving: AbortHandle,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.receiving.abort();
    }
}

impl Hosts {
    pub(crate) fn new(
        core: Arc<ServiceCore>,
        reconciler: Arc<Reconciler>,
        lines: Arc<HostLines>,
    ) -> Self {
        Self {
            core,
            reconciler,
            lines,
            gate: Mutex::default(),
            open: Mutex::default(),
        }
    }

    pub(super) fn gate(&self) -> Option<HostGate> {
        self.gate.lock().as_ref().map(|(gate, _)| gate.clone())
    }

    /// Takes hosts from here on, on the runtime that this is called in. Nothing listens before one was
    /// invited.
    ///
    /// # Errors
    /// When hosts are expected and nothing can listen for them.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn receive(self: &Arc<Self>, gate: HostGate) -> Result<(), String> {
        *self.gate.lock() = Some((gate, Handle::current()));
        if !record::all(&self.core.ledger.store).is_empty() {
            self.open_gate()?;
        }
        Ok(())
    }

    /// Listens for hosts, and says where.
    pub(super) fn open_gate(self: &Arc<Self>) -> Result<SocketAddr, String> {
        let mut open = self.open.lock();
        if let Some(open) = &*open {
            return Ok(open.address);
        }
        let gate = self.gate.lock();
        let Some((gate, runtime)) = &*gate else {
            return Err("This control plane takes no hosts.".to_owned());
        };
        // The caller that invites a host may do so on a runtime that ends sooner.
        let _entered = runtime.enter();
        let listener = ControlListener::bind(gate.bind, &gate.identity).or_else(|taken| {
            tracing::warn!(%taken, "hosts are received on another port");
            ControlListener::bind(SocketAddr::new(gate.bind.ip(), 0), &gate.identity)
        });
        let listener = listener.map_err(|error| error.to_string())?;
        let address = listener.address();
        let receiving = tokio::spawn(receive(listener, Arc::downgrade(self))).abort_handle();
        *open = Some(Open { address, receiving });
        drop(open);
        tracing::info!(%address, "hosts are received");
        Ok(address)
    }

    /// Decides on a caller and remembers it.
    async fn let_in(&self, join: &Join, certificate: &[u8]) -> Admission {
        loop {
            let found = record::read(&self.core.ledger.store, join.number);
            let (present, revision) = found.unzip();
            let now = Arc::clone(&self.core.clock).now().millis();
            let changed = match admit(present.as_ref(), join, certificate, now) {
                Ok(changed) => changed,
                Err(why) => return Admission::Refused(why.told(join.number)),
            };
            let zone = present.map(|record| record.zone).unwrap_or_default();
            let Some(changed) = changed else {
                return Admission::Admitted { zone };
            };
            match record::write(&self.core.ledger.store, &changed, revision).await {
                Ok(true) => return Admission::Admitted { zone },
                // Another caller with the same token was faster.
                Ok(false) => {}
                Err(error) => return Admission::Later(error.to_string()),
            }
        }
    }

    /// Brings a host that was let in in line: what it has and should not have is wiped, and its HSM
    /// catches up with the others of its cluster and serves.
    ///
    /// Rule HOST-06: a host that comes back serves again, after it has caught up.
    async fn bring_in_line(&self, line: &Arc<HostLine>, held: &[HsmId]) {
        let _one_at_a_time = self.core.control.lock().await;
        let own: Vec<Placed> = self
            .lines
            .placements()
            .into_iter()
            .filter(|(number, _)| *number == line.number())
            .map(|(_, placed)| placed)
            .collect();
        for held in held {
            if own.iter().all(|placed| placed.hsm != *held) {
                self.wipe(line, held).await;
            }
        }
        for placed in own {
            self.core.fleet.place(&placed.hsm, Arc::clone(line));
            if placed.state != HsmState::CreateInProgress {
                self.resume(&placed).await;
            }
            self.reconciler
                .carry_on_with(&placed.scope, &placed.cluster)
                .await;
        }
    }

    /// Rule HOST-09: what a host has of an HSM that was deleted, or made elsewhere, is wiped.
    async fn wipe(&self, line: &Arc<HostLine>, hsm: &HsmId) {
        if let Err(error) = self.core.fleet.wipe(hsm, Arc::clone(line)).await {
            tracing::warn!(%error, "not wiped on its host");
        }
    }

    async fn resume(&self, placed: &Placed) {
        let Placed {
            scope,
            cluster,
            hsm,
            ..
        } = placed;
        self.core.fleet.look(hsm).await;
        if !self.core.fleet.is_up(hsm) && !self.core.faults.keeps_down(hsm) {
            let peers = self.peers_of(scope, cluster);
            if let Err(error) = self.core.fleet.start(hsm, &peers).await {
                tracing::error!(%error, "an HSM stays down");
            }
        }
        self.core.fleet.fit_placed(hsm).await;
    }

    /// The HSMs of a cluster, for one of them to catch up with.
    fn peers_of(&self, scope: &Scope, id: &ClusterId) -> Vec<HsmId> {
        let found = self.core.ledger.cluster(scope, id).ok().flatten();
        found.map_or_else(Vec::new, |cluster| cluster.hsms.keys().cloned().collect())
    }
}

impl fmt::Debug for Hosts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Hosts({:?})", self.lines)
    }
}

/// Receives callers until the control plane is gone.
async fn receive(listener: ControlListener, hosts: Weak<Hosts>) {
    let mut callers = JoinSet::new();
    while let Some(caller) = listener.accept().await {
        while callers.try_join_next().is_some() {}
        if callers.len() >= CALLERS_MAX {
            caller.refuse();
            continue;
        }
        callers.spawn(serve_caller(caller, Weak::clone(&hosts)));
    }
}

async fn serve_caller(caller: ControlCaller, hosts: Weak<Hosts>) {
    let connection = match caller.connect().await {
        Ok(connection) => Arc::new(connection),
        Err(error) => {
            tracing::debug!(%error, "a caller is no host");
            return;
        }
    };
    let Ok(Some((held, line))) = timeout(JOIN_WITHIN, handshake(&connection, &hosts)).await else {
        // Time to read the answer, if there was one.
        let _read = timeout(GOODBYE, connection.closed()).await;
        return;
    };
    let Some(strong) = hosts.upgrade() else {
        return;
    };
    line.connect(Arc::clone(&connection));
    if strong.is_revoked(line.number()) {
        // While it was being let in.
        line.close(REVOKED);
        return;
    }
    tracing::info!(
        host = line.number(),
        zone = line.zone(),
        "a host has joined"
    );
    strong.bring_in_line(&line, &held).await;
    line.make_ready(&connection);
    drop(strong);
    let why = connection.closed().await;
    if line.disconnect(&connection) {
        tracing::warn!(host = line.number(), why, "a host is gone");
    }
}

/// Reads who calls and answers whether it is let in; none when it is not. Of what it said only the HSMs
/// that it holds are kept: Rule SEC-03, the secret of its token is gone with the rest.
async fn handshake(
    connection: &ControlConnection,
    hosts: &Weak<Hosts>,
) -> Option<(Vec<HsmId>, Arc<HostLine>)> {
    let question = connection.next().await.ok()?;
    let (message, answer) = question.read(JOIN_BYTES_MAX).await.ok()?;
    let hosts = hosts.upgrade()?;
    let join = decode::<Join>(&message);
    let admission = match &join {
        Ok(join) => hosts.let_in(join, connection.peer()).await,
        Err(why) => Admission::Refused(why.clone()),
    };
    let line = match (&admission, &join) {
        (Admission::Admitted { zone }, Ok(join)) => Some(hosts.lines.line_to(join.number, zone)),
        (Admission::Admitted { .. } | Admission::Refused(_) | Admission::Later(_), _) => None,
    };
    drop(hosts);
    if let Ok(admission) = encode(&admission) {
        answer.send(admission).await;
    }
    Some((join.ok()?.held, line?))
}
