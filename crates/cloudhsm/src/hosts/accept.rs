//! The control plane's side: hosts call, are let in or sent away, and are brought in line.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use portcullis_api::{ClusterId, HsmId, Scope};
use portcullis_clusters::HsmState;
use portcullis_fleet::{Admission, JOIN_BYTES_MAX, Join};
use portcullis_fleet::{Line, decode, encode};
use portcullis_link::{ClientIdentity, ControlCaller, ControlConnection, ControlListener};
use tokio::runtime::Handle;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;

use super::admit::admit;
use super::placement::DefaultPlacement;
use super::record;
use super::revoke::REVOKED;
use crate::CloudHsm;

/// How long a caller may take to say who it is.
const JOIN_WITHIN: Duration = Duration::from_secs(5);

/// How long a caller that was sent away may take to read why.
const GOODBYE: Duration = Duration::from_secs(1);

/// Callers at once, let in or not. Far more than the 28 HSMs of a cluster.
const CALLERS_MAX: usize = 256;

/// Where and as whom a control plane takes hosts.
#[derive(Debug, Clone)]
pub struct HostGate {
    /// Where it listens, once there is a host to be expected.
    pub bind: SocketAddr,
    /// What it presents: hosts know it by this certificate, and let only its facade use their HSMs.
    pub identity: ClientIdentity,
}

/// The hosts of a control plane.
#[derive(Default)]
pub(crate) struct Hosts {
    gate: Mutex<Option<(HostGate, Handle)>>,
    open: Mutex<Option<Open>>,
    lines: Mutex<BTreeMap<u64, Arc<Line>>>,
    pub(super) placement: DefaultPlacement,
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
    pub(super) fn gate(&self) -> Option<HostGate> {
        self.gate.lock().as_ref().map(|(gate, _)| gate.clone())
    }

    pub(super) fn line(&self, number: u64) -> Option<Arc<Line>> {
        self.lines.lock().get(&number).cloned()
    }
}

impl fmt::Debug for Hosts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Hosts({})", self.lines.lock().len())
    }
}

/// An HSM that a cluster's record places on a host.
struct Placed {
    scope: Scope,
    cluster: ClusterId,
    hsm: HsmId,
    state: HsmState,
}

impl CloudHsm {
    /// Takes hosts from here on, on the runtime that this is called in. Nothing listens before one was
    /// invited.
    ///
    /// # Errors
    /// When hosts are expected and nothing can listen for them.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn receive_hosts(self: &Arc<Self>, gate: HostGate) -> Result<(), String> {
        *self.hosts.gate.lock() = Some((gate, Handle::current()));
        if !record::all(&self.ledger.store).is_empty() {
            self.open_gate()?;
        }
        Ok(())
    }

    /// Listens for hosts, and says where.
    pub(super) fn open_gate(self: &Arc<Self>) -> Result<SocketAddr, String> {
        let mut open = self.hosts.open.lock();
        if let Some(open) = &*open {
            return Ok(open.address);
        }
        let gate = self.hosts.gate.lock();
        let Some((gate, runtime)) = &*gate else {
            return Err("This control plane takes no hosts.".to_owned());
        };
        // Whoever invites a host may do so on a runtime that ends sooner.
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

    /// The line to a host, made when it is first needed.
    pub(crate) fn line_to(&self, number: u64, zone: &str) -> Arc<Line> {
        let mut lines = self.hosts.lines.lock();
        let clock = Arc::clone(&self.clock);
        let line = lines
            .entry(number)
            .or_insert_with(|| Arc::new(Line::new(number, zone.to_owned(), clock)));
        Arc::clone(line)
    }

    /// A connected host of this zone that has no HSM: the one with the lowest number.
    ///
    /// Rule HOST-05: an HSM that is made on a host is made on this one.
    pub(super) fn idle_host(&self, zone: &str) -> Option<u64> {
        let ready: Vec<u64> = {
            let lines = self.hosts.lines.lock();
            let ready = lines
                .values()
                .filter(|line| line.zone() == zone && line.is_ready());
            ready.map(|line| line.number()).collect()
        };
        if ready.is_empty() {
            return None;
        }
        let placements = self.placements();
        ready
            .into_iter()
            .find(|number| placements.iter().all(|(other, _)| other != number))
    }

    /// Whether a host is connected.
    pub(crate) fn is_host_there(&self, number: u64) -> bool {
        let line = self.hosts.line(number);
        line.is_some_and(|line| line.is_connected())
    }

    /// Decides on a caller and remembers it.
    async fn let_in(&self, join: &Join, certificate: &[u8]) -> Admission {
        loop {
            let found = record::read(&self.ledger.store, join.number);
            let (present, revision) = found.unzip();
            let now = Arc::clone(&self.clock).now().millis();
            let changed = match admit(present.as_ref(), join, certificate, now) {
                Ok(changed) => changed,
                Err(why) => return Admission::Refused(why.told(join.number)),
            };
            let zone = present.map(|record| record.zone).unwrap_or_default();
            let Some(changed) = changed else {
                return Admission::Admitted { zone };
            };
            match record::write(&self.ledger.store, &changed, revision).await {
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
    async fn bring_in_line(&self, line: &Arc<Line>, held: &[HsmId]) {
        let _one_at_a_time = self.control.lock().await;
        let own: Vec<Placed> = self
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
            self.fleet.place(&placed.hsm, Arc::clone(line));
            if placed.state != HsmState::CreateInProgress {
                self.resume(&placed).await;
            }
            self.carry_on_with(&placed.scope, &placed.cluster).await;
        }
    }

    /// Rule HOST-09: what a host has of an HSM that was deleted, or made elsewhere, is wiped.
    async fn wipe(&self, line: &Arc<Line>, hsm: &HsmId) {
        if let Err(error) = self.fleet.wipe(hsm, Arc::clone(line)).await {
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
        self.fleet.look(hsm).await;
        if !self.fleet.is_up(hsm) && !self.is_kept_down(hsm) {
            let peers = self.peers_of(scope, cluster);
            if let Err(error) = self.fleet.start(hsm, &peers).await {
                tracing::error!(%error, "an HSM stays down");
            }
        }
        self.fleet.fit_placed(hsm).await;
    }

    /// Which HSM is on which host, as the records have it.
    fn placements(&self) -> Vec<(u64, Placed)> {
        let mut placements = Vec::new();
        for (scope, cluster) in self.ledger.clusters() {
            let Ok(Some(record)) = self.ledger.cluster(&scope, &cluster) else {
                continue;
            };
            for (hsm, found) in &record.hsms {
                if let Some(number) = found.host {
                    let placed = Placed {
                        scope: scope.clone(),
                        cluster: cluster.clone(),
                        hsm: hsm.clone(),
                        state: found.state,
                    };
                    placements.push((number, placed));
                }
            }
        }
        placements
    }

    /// The HSM that a host has, and where.
    pub(super) fn hsm_of_host(&self, number: u64) -> Option<(Scope, ClusterId, HsmId)> {
        let mut placements = self.placements().into_iter();
        let (_, placed) = placements.find(|(host, _)| *host == number)?;
        Some((placed.scope, placed.cluster, placed.hsm))
    }

    /// The HSM of each host that has one.
    pub(super) fn hsms_by_host(&self) -> BTreeMap<u64, (HsmId, ClusterId)> {
        let placements = self.placements().into_iter();
        placements
            .map(|(number, placed)| (number, (placed.hsm, placed.cluster)))
            .collect()
    }
}

/// Receives callers until the control plane is gone.
async fn receive(listener: ControlListener, cloud: Weak<CloudHsm>) {
    let mut callers = JoinSet::new();
    while let Some(caller) = listener.accept().await {
        while callers.try_join_next().is_some() {}
        if callers.len() >= CALLERS_MAX {
            caller.refuse();
            continue;
        }
        callers.spawn(serve_caller(caller, Weak::clone(&cloud)));
    }
}

async fn serve_caller(caller: ControlCaller, cloud: Weak<CloudHsm>) {
    let connection = match caller.connect().await {
        Ok(connection) => Arc::new(connection),
        Err(error) => {
            tracing::debug!(%error, "a caller is no host");
            return;
        }
    };
    let Ok(Some((held, line))) = timeout(JOIN_WITHIN, handshake(&connection, &cloud)).await else {
        // Time to read the answer, if there was one.
        let _read = timeout(GOODBYE, connection.closed()).await;
        return;
    };
    let Some(strong) = cloud.upgrade() else {
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
    cloud: &Weak<CloudHsm>,
) -> Option<(Vec<HsmId>, Arc<Line>)> {
    let question = connection.next().await.ok()?;
    let (message, answer) = question.read(JOIN_BYTES_MAX).await.ok()?;
    let cloud = cloud.upgrade()?;
    let join = decode::<Join>(&message);
    let admission = match &join {
        Ok(join) => cloud.let_in(join, connection.peer()).await,
        Err(why) => Admission::Refused(why.clone()),
    };
    let line = match (&admission, &join) {
        (Admission::Admitted { zone }, Ok(join)) => Some(cloud.line_to(join.number, zone)),
        (Admission::Admitted { .. } | Admission::Refused(_) | Admission::Later(_), _) => None,
    };
    drop(cloud);
    if let Ok(admission) = encode(&admission) {
        answer.send(admission).await;
    }
    Some((join.ok()?.held, line?))
}
