//! What a network is made of: who listens, who is cut off, and what it did so far.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use parking_lot::Mutex;
use portcullis_hsm::{Fence, HsmKeyId};
use portcullis_link::{
    Conversation, Identity, LinkError, Listener, Listening, Service, Target,
    verify_certificate_signed_by,
};
use portcullis_seam::plant::{Bug, planted};

use super::sockets::Sockets;
use super::weather::{Carrier, Fate, Way, Weather};
use crate::history::{HistoryEvent, Moment};
use crate::record::WorldRecorder;
use crate::{Random, SimEntropy};

/// What is at the other end of a connection.
pub(super) enum FarEnd {
    Here,
    /// It has forgotten the connection, and says so.
    Restarted,
    /// Its operating system says that no process listens.
    Closed,
    /// No answer comes.
    Silent,
}

/// A connection, as its client has it.
#[derive(Clone)]
pub(super) struct Connection {
    pub(super) incarnation: u64,
    /// The process that made it.
    pub(super) process: u64,
    /// The HSM's end.
    pub(super) conversation: Arc<dyn Conversation>,
}

/// What all clones of a network share.
pub(crate) struct NetworkShared {
    pub(super) recorder: Arc<WorldRecorder>,
    pub(super) carrier: Carrier,
    /// What endpoints of QUIC draw from.
    pub(super) entropy: Arc<SimEntropy>,
    pub(super) state: Mutex<NetworkState>,
}

pub(super) struct NetworkState {
    pub(super) random: Random,
    pub(super) weather: Weather,
    pub(super) next_port: u16,
    pub(super) next_incarnation: u64,
    /// Raised when the process ends: what an earlier one sent or waits for is gone.
    pub(super) process: u64,
    pub(super) listeners: BTreeMap<SocketAddr, Served>,
    pub(super) sockets: Sockets,
    pub(super) cut: BTreeSet<(String, Way)>,
    /// Pairs of certificate and trust anchor that verify: the signature is checked once.
    pub(super) verified: BTreeSet<(Vec<u8>, Vec<u8>)>,
    /// Pairs of certificate and private key that belong together: all HSMs of a cluster have one.
    pub(super) paired: BTreeSet<(Vec<u8>, Vec<u8>)>,
    /// The connection that each HSM accepted last.
    pub(super) fences: BTreeMap<String, Fence>,
    /// The id inside HSMs of each key, by its label.
    pub(super) materials: BTreeMap<String, HsmKeyId>,
    pub(super) counts: Counts,
}

/// What a network knows that outlives the process, for another network to go on from.
#[derive(Debug, Clone)]
pub(crate) struct Memory {
    pub(super) verified: BTreeSet<(Vec<u8>, Vec<u8>)>,
    pub(super) paired: BTreeSet<(Vec<u8>, Vec<u8>)>,
    pub(super) fences: BTreeMap<String, Fence>,
    pub(super) materials: BTreeMap<String, HsmKeyId>,
}

/// One start of one HSM's listener.
#[derive(Clone)]
pub(super) struct Served {
    pub(super) incarnation: u64,
    pub(super) certificate: Vec<u8>,
    pub(super) service: Arc<dyn Service>,
}

/// What the network did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Messages, or datagrams, that arrived.
    pub messages: u64,
    /// Messages that broke their connection, or datagrams that never arrived.
    pub lost: u64,
    /// Those that were late.
    pub late: u64,
    /// Datagrams that arrived twice.
    pub doubled: u64,
    /// Connections that were made.
    pub connections: u64,
    /// Connections refused because the peer did not prove its identity.
    pub distrusted: u64,
    /// Operations whose answer never reached the facade.
    pub unanswered: u64,
}

impl NetworkShared {
    pub(super) fn listen(
        self: &Arc<Self>,
        listener: Listener,
    ) -> Result<Box<dyn Listening>, LinkError> {
        let mut state = self.state.lock();
        state.check_key(&listener.identity)?;
        let address = state.free_address(listener.bind)?;
        let incarnation = state.next_incarnation;
        state.next_incarnation += 1;
        let served = Served {
            incarnation,
            certificate: listener.identity.certificate,
            service: listener.service,
        };
        state.listeners.insert(address, served);
        drop(state);
        self.recorder
            .note(format_args!("{} listens on {address}", listener.name));
        Ok(Box::new(SimListening {
            network: Arc::clone(self),
            address,
            incarnation,
        }))
    }

    /// Shakes hands with the process that listens, as TLS does on both ends.
    pub(super) fn shake_hands(&self, target: &Target) -> Result<Connection, LinkError> {
        let mut state = self.state.lock();
        let Some(served) = state.listeners.get(&target.address).cloned() else {
            return Err(LinkError::Unreachable("nobody listens there".to_owned()));
        };
        match state.verify(&served.certificate, target) {
            Ok(()) => {
                state.counts.connections += 1;
                Ok(Connection {
                    incarnation: served.incarnation,
                    process: state.process,
                    conversation: served.service.connected(),
                })
            }
            Err(why) => {
                state.counts.distrusted += 1;
                Err(LinkError::Untrusted(why))
            }
        }
    }

    /// The process that runs.
    pub(super) fn process(&self) -> u64 {
        self.state.lock().process
    }

    pub(super) fn is_cut(&self, hsm: &str, way: Way) -> bool {
        let cut = &self.state.lock().cut;
        !cut.is_empty() && cut.contains(&(hsm.to_owned(), way))
    }

    /// Who serves a connection that leads to `incarnation`.
    pub(super) fn far_end(&self, address: SocketAddr, incarnation: u64) -> FarEnd {
        let state = &mut *self.state.lock();
        match state.listeners.get(&address) {
            Some(served) if served.incarnation == incarnation => FarEnd::Here,
            Some(_) => FarEnd::Restarted,
            None if state.random.chance(50) => FarEnd::Closed,
            None => FarEnd::Silent,
        }
    }

    pub(super) fn fate(&self) -> Fate {
        self.state.lock().fate()
    }

    pub(super) fn tell(&self, event: impl FnOnce(Moment) -> HistoryEvent) {
        self.recorder.tell(event);
    }
}

impl NetworkState {
    pub(super) fn fate(&mut self) -> Fate {
        let Self {
            random,
            weather,
            counts,
            ..
        } = self;
        if random.chance(weather.lost_percent) {
            counts.lost += 1;
            return Fate::Lost;
        }
        counts.messages += 1;
        let millis = if random.chance(weather.late_percent) {
            counts.late += 1;
            random.within(&weather.late)
        } else {
            random.within(&weather.delay)
        };
        Fate::Arrives(Duration::from_millis(millis))
    }

    fn free_address(&mut self, bind: SocketAddr) -> Result<SocketAddr, LinkError> {
        if bind.port() != 0 {
            return if self.listeners.contains_key(&bind) {
                Err(LinkError::Unusable(format!("{bind} is in use")))
            } else {
                Ok(bind)
            };
        }
        let address = SocketAddr::new(bind.ip(), self.next_port);
        self.next_port += 1;
        Ok(address)
    }

    /// A process that presents a certificate must have its private key.
    fn check_key(&mut self, identity: &Identity) -> Result<(), LinkError> {
        let pair = (identity.certificate.clone(), identity.private_key.to_vec());
        if !self.paired.contains(&pair) {
            check_key(identity)?;
            self.paired.insert(pair);
        }
        Ok(())
    }

    /// The checks of the product's verifier, in its order.
    fn verify(&mut self, presented: &[u8], target: &Target) -> Result<(), String> {
        if planted(Bug::CertificateCheckSkipped) {
            return Ok(());
        }
        if presented != target.cluster_certificate {
            return Err("it presents another certificate than its cluster's".to_owned());
        }
        let pair = (presented.to_vec(), target.trust_anchor.clone());
        if !self.verified.contains(&pair) {
            verify_certificate_signed_by(presented, &target.trust_anchor)
                .map_err(|error| error.to_string())?;
            self.verified.insert(pair);
        }
        Ok(())
    }
}

fn check_key(identity: &Identity) -> Result<(), LinkError> {
    let unusable = |why: &str| LinkError::Unusable(format!("the private key {why}"));
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &identity.private_key)
        .map_err(|_rejected| unusable("cannot be read"))?;
    let public = pair.public_key().as_ref();
    let mut windows = identity.certificate.windows(public.len());
    if windows.any(|window| window == public) {
        Ok(())
    } else {
        Err(unusable("is not that of the certificate"))
    }
}

#[derive(Debug)]
struct SimListening {
    network: Arc<NetworkShared>,
    address: SocketAddr,
    incarnation: u64,
}

impl Listening for SimListening {
    fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for SimListening {
    fn drop(&mut self) {
        let mut state = self.network.state.lock();
        if let Some(served) = state.listeners.get(&self.address)
            && served.incarnation == self.incarnation
        {
            state.listeners.remove(&self.address);
        }
    }
}

impl fmt::Debug for NetworkShared {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "Network({} listeners)",
            self.state.lock().listeners.len()
        )
    }
}
