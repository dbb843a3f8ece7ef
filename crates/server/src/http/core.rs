use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::Arc;
use std::time::Duration;

use portcullis_link::keep_lanes_here;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::MissedTickBehavior;

use super::connection::{self, Visit};
use super::edge::Edge;
use super::places::{Entered, Full};
use super::room::{ConnectionRoom, Purpose};
use super::secure;
use super::state::ConnectionState;
use super::wiping::WipingStream;
use crate::events::{ConnectionPeer, EventClient};
use crate::limits::Patience;

/// How long to wait when the operating system gives no connection, e.g. for want of descriptors.
const ACCEPT_BACK_OFF: Duration = Duration::from_millis(100);

/// Runs one core on the calling thread until `stop` changes, then drains.
///
/// A current-thread runtime costs 6 µs of CPU a request where a multi-thread one costs 8 to 11:
/// no task ever moves to another core.
pub(crate) fn run(listener: StdListener, edge: Arc<Edge>, stop: watch::Receiver<bool>) {
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "a core has no runtime and does not serve");
            return;
        }
    };
    runtime.block_on(serve(listener, edge, stop));
}

async fn serve(listener: StdListener, edge: Arc<Edge>, mut stop: watch::Receiver<bool>) {
    // This thread drives one runtime as long as it lives: its calls reach HSMs over connections of its own.
    keep_lanes_here();
    let listener = match TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(%error, "a core has no socket and does not serve");
            return;
        }
    };
    let (open, mut all_closed) = mpsc::channel(1);
    let core = EdgeCore::new(edge, stop.clone(), open);
    let mut round = tokio::time::interval(core.serving.round());
    round.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let accepted = tokio::select! {
            biased;
            _ = stop.changed() => break,
            _ = round.tick() => {
                core.serving.close_overdue();
                continue;
            }
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok(accepted) => core.receive(accepted).await,
            Err(error) => core.not_accepted(&error).await,
        }
    }
    drop(listener);
    // Rule WIRE-26: idle connections end by their own `stop`; for the others there is this long.
    let drain = core.edge.bounds().limits.drain;
    core.close();
    // Nothing is ever sent: it ends when the last connection has dropped its sender.
    if tokio::time::timeout(drain, all_closed.recv())
        .await
        .is_err()
    {
        tracing::warn!("connections are cut that did not finish while draining");
    }
}

/// The connections of one core.
struct EdgeCore {
    edge: Arc<Edge>,
    serving: Arc<ConnectionRoom>,
    refusing: Arc<ConnectionRoom>,
    stop: watch::Receiver<bool>,
    /// Each connection has a clone for as long as it is open.
    open: mpsc::Sender<()>,
}

/// What becomes of a connection that was accepted.
#[derive(Debug)]
enum ConnectionAdmission<'a> {
    /// It has a place.
    Enters(&'a Arc<ConnectionRoom>, Entered),
    /// It has one as soon as those are gone that were told to go.
    Later,
    /// It is closed: all that are being refused are being answered.
    TurnedAway,
}

impl EdgeCore {
    fn new(edge: Arc<Edge>, stop: watch::Receiver<bool>, open: mpsc::Sender<()>) -> Self {
        let bounds = edge.bounds();
        let limits = &bounds.limits;
        let room =
            |purpose, places, patience| Arc::new(ConnectionRoom::new(purpose, places, patience));
        let patience = limits.patience.clone();
        let serving = room(Purpose::Serve, bounds.places_per_core, patience);
        let refusals = limits.refusals_per_core_max;
        let refusing = room(Purpose::Refuse, refusals, Patience::short());
        edge.connections().watch([&serving, &refusing]);
        Self {
            serving,
            refusing,
            edge,
            stop,
            open,
        }
    }

    /// Decides where an accepted connection goes. One that finds all places busy is refused by one
    /// of a few places kept for that, where who has not spoken yet makes room for the next: so a
    /// client that speaks at once is always answered at once.
    fn admit(&self) -> ConnectionAdmission<'_> {
        for room in [&self.serving, &self.refusing] {
            match room.enter() {
                Ok(entered) => return ConnectionAdmission::Enters(room, entered),
                Err(Full::Leaving) => return ConnectionAdmission::Later,
                Err(Full::Busy) => {}
            }
        }
        ConnectionAdmission::TurnedAway
    }

    async fn receive(&self, (stream, peer): (TcpStream, SocketAddr)) {
        loop {
            match self.admit() {
                ConnectionAdmission::Enters(room, entered) => {
                    self.tell(room.purpose, entered.instead_of.is_some());
                    return self.spawn(room, entered, (stream, peer));
                }
                ConnectionAdmission::Later => tokio::task::yield_now().await,
                ConnectionAdmission::TurnedAway => return self.edge.connections().turned_away(),
            }
        }
    }

    /// Rule WIRE-33: what happens for want of places is told in the log, but not each time.
    fn tell(&self, purpose: Purpose, closed_another: bool) {
        let bounds = self.edge.bounds();
        let (places, notices) = (bounds.places_per_core, &bounds.notices);
        match purpose {
            Purpose::Serve if closed_another => {
                if let Some(times) = notices.closed_for_others.due() {
                    tracing::warn!(
                        times,
                        places,
                        "an idle connection was closed to make room for a new one: all places of a \
                         core are taken"
                    );
                }
            }
            Purpose::Serve => {}
            Purpose::Refuse => {
                if let Some(times) = notices.refused.due() {
                    tracing::warn!(
                        times,
                        places,
                        "a connection was refused with 503: all places of a core are taken by \
                         connections with a request under way"
                    );
                }
            }
        }
    }

    fn spawn(
        &self,
        room: &Arc<ConnectionRoom>,
        entered: Entered,
        accepted: (TcpStream, SocketAddr),
    ) {
        let (stream, peer) = accepted;
        let index = entered.place.index();
        let state = ConnectionState::new(
            entered.place,
            Arc::clone(room),
            Arc::clone(self.edge.bounds()),
            Arc::clone(self.edge.connections()),
        );
        let visit = Visit {
            edge: Arc::clone(&self.edge),
            client: EventClient::at(ConnectionPeer {
                address: peer.ip(),
                is_secure: self.edge.identity().is_some(),
            }),
            state,
        };
        let (stop, open) = (self.stop.clone(), self.open.clone());
        let task = tokio::spawn(async move {
            attend(stream, &visit, stop).await;
            drop(open);
        });
        room.closes_by(index, task.abort_handle());
    }

    /// The operating system gave no connection. When it lacks descriptors, an idle connection gives
    /// one back.
    ///
    /// Rule WIRE-33: told in the log, but not each time.
    async fn not_accepted(&self, error: &io::Error) {
        self.edge.connections().not_accepted();
        if let Some(times) = self.edge.bounds().notices.not_accepted.due() {
            tracing::warn!(%error, times, "no connection could be accepted");
        }
        if error.kind() == io::ErrorKind::ConnectionAborted {
            return;
        }
        self.serving.close_longest_waiting();
        let mut stop = self.stop.clone();
        tokio::select! {
            biased;
            _ = stop.changed() => {}
            () = tokio::time::sleep(ACCEPT_BACK_OFF) => {}
        }
    }

    /// Closes what has no request under way, and waits for no more connections.
    fn close(self) {
        for room in [&self.serving, &self.refusing] {
            room.close_waiting();
        }
    }
}

async fn attend(stream: TcpStream, visit: &Visit, stop: watch::Receiver<bool>) {
    // Replies are single writes; waiting to fill a segment only delays them.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection was gone before it was served");
        return;
    }
    let Some(identity) = visit.edge.identity() else {
        return connection::serve(WipingStream::new(stream), visit, stop).await;
    };
    // Boxed, since every connection in the clear would have room for it too.
    match Box::pin(secure::accept(stream, identity)).await {
        Ok(stream) => Box::pin(connection::serve(WipingStream::new(stream), visit, stop)).await,
        Err(error) => tracing::debug!(%error, "a connection ended in its handshake"),
    }
}
