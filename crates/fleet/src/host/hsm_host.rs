//! The host's side: it calls the control plane, stays connected, and runs an HSM as it is told.

use std::collections::BTreeSet;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use portcullis_api::HsmId;
use portcullis_hsm::{DeviceKey, Settings};
use portcullis_link::{
    ClientIdentity, ControlConnection, ControlQuestion, LinkError, Transport, dial_control,
};
use portcullis_seam::{Entropy, Timestamp, WallClock, WorkPool};
use portcullis_store::versioned;
use portcullis_store::{Store, Transaction};
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use zeroize::Zeroizing;

use super::perform::perform;
use crate::remote::{HostRequest, HsmReply, MESSAGE_BYTES_MAX, decode, encode};
use crate::{Admission, Disks, EnrolmentToken, Equipment, Fleet, Join};

/// The host's key and certificate, sealed.
const IDENTITY: &str = "host/identity";

/// Where the host belongs.
const MEMBERSHIP: &str = "host/membership";

/// Waits after a call that failed: doubling to the longest. Short, so that a host is back within
/// seconds after whatever parted the two.
const FIRST_BACK_OFF: Duration = Duration::from_millis(50);
const LONGEST_BACK_OFF: Duration = Duration::from_secs(1);

/// How long the control plane may take to answer who it is told.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
const ADMISSION_BYTES_MAX: usize = 4 << 10;

/// Makes the transport over which an HSM is used, of the certificate (DER) of the facade that may.
pub type MakeTransport = Box<dyn Fn(Vec<u8>) -> Arc<dyn Transport> + Send + Sync>;

/// What an [`HsmHost`] works with.
pub struct HostConfig {
    /// Where it remembers who it is.
    pub store: Store,
    /// Where its HSM keeps its disk.
    pub disks: Arc<dyn Disks>,
    /// How its HSM is reached.
    pub transport: MakeTransport,
    /// Keys, ids, salts.
    pub entropy: Arc<dyn Entropy>,
    /// The machine's dates.
    pub clock: Arc<dyn WallClock>,
    /// Where passwords are hashed and large frames are worked on.
    pub pool: Arc<dyn WorkPool>,
    /// Under which everything is sealed.
    pub device_key: Arc<DeviceKey>,
    /// Limits of the HSM.
    pub hsm_settings: Settings,
    /// Where the HSM listens; port 0 chooses a free one.
    pub listen: SocketAddr,
    /// Where the control plane receives hosts.
    pub join: SocketAddr,
}

impl fmt::Debug for HostConfig {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "HostConfig(joins {})", self.join)
    }
}

/// Where a host belongs.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Membership {
    number: u64,
    /// The SHA-256 of the control plane's certificate.
    fingerprint: [u8; 32],
}

/// A host that runs one HSM.
#[derive(Debug)]
pub struct HsmHost {
    config: HostConfig,
    identity: ClientIdentity,
    membership: Membership,
    token: Mutex<Option<EnrolmentToken>>,
    clock: Arc<ControlPlaneClock>,
    /// Made when the certificate of the facade is known.
    fleet: Mutex<Option<Arc<Fleet>>>,
}

/// A host has been let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joined {
    /// The host's number.
    pub host: u64,
    /// The Availability Zone that it stands in.
    pub zone: String,
}

/// Why a host gives up, as a text for the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostEnd(pub String);

impl fmt::Display for HostEnd {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for HostEnd {}

/// Why a call to the control plane came to nothing.
enum CallFailure {
    /// It makes no sense to call again.
    Over(HostEnd),
    Again(String),
}

/// Whether a store is that of a host.
#[must_use]
pub fn is_host_folder(store: &Store) -> bool {
    store.get(IDENTITY).is_some()
}

impl HsmHost {
    /// Reads who the host is, or makes its key and certificate the first time.
    ///
    /// Rule HOST-03: the key never leaves the host's folder.
    ///
    /// # Errors
    /// When it has not joined and has no token, or its folder cannot be read.
    pub async fn open(config: HostConfig, token: Option<EnrolmentToken>) -> Result<Self, HostEnd> {
        let unreadable = |why: String| HostEnd(format!("The host's folder cannot be read: {why}."));
        if config.listen.ip().is_unspecified() {
            return Err(HostEnd(format!(
                "{} is no address that the facade can call. Name the address of this host with \
                 --listen.",
                config.listen
            )));
        }
        let found = config.store.get(MEMBERSHIP);
        let membership = found.map(|found| versioned::decode::<Membership>(&found.value));
        let joined = membership.transpose().map_err(unreadable)?;
        let membership = match (joined, &token) {
            (Some(joined), Some(token)) if joined.number != token.number => {
                return Err(HostEnd(format!(
                    "This folder is that of host {}, and the token is for host {}. Leave the token \
                     away, or start over an empty --data folder.",
                    joined.number, token.number
                )));
            }
            (Some(joined), _) => joined,
            (None, Some(token)) => Membership {
                number: token.number,
                fingerprint: token.fingerprint,
            },
            (None, None) => {
                return Err(HostEnd(
                    "This host has not joined a control plane, and has no token to do so. Make one \
                     there with `portcullis hsm enrol` and give it with --token."
                        .to_owned(),
                ));
            }
        };
        let identity = identity(&config).await?;
        let clock = Arc::new(ControlPlaneClock {
            wall: Arc::clone(&config.clock),
            ahead_ms: AtomicI64::new(0),
        });
        Ok(Self {
            config,
            identity,
            membership,
            token: Mutex::new(token),
            clock,
            fleet: Mutex::default(),
        })
    }

    /// Calls the control plane and serves, again and again. `told` hears of each time that it was let
    /// in. Ends only when it is refused.
    pub async fn run(&self, told: impl Fn(&Joined) + Send + Sync) -> HostEnd {
        let mut failures = 0_u32;
        loop {
            match self.call().await {
                Ok((connection, joined)) => {
                    failures = 0;
                    told(&joined);
                    let why = self.serve(&Arc::new(connection)).await;
                    tracing::warn!(why, "the control plane is gone; calling again");
                }
                Err(CallFailure::Over(end)) => return end,
                Err(CallFailure::Again(why)) => {
                    tracing::warn!(join = %self.config.join, why, "the control plane cannot be reached");
                }
            }
            let wait = FIRST_BACK_OFF.saturating_mul(1 << failures.min(6));
            sleep(wait.min(LONGEST_BACK_OFF)).await;
            failures = failures.saturating_add(1);
        }
    }

    /// Takes the HSM down, after what was begun is on its disk.
    pub async fn stop(&self) {
        let fleet = self.fleet.lock().clone();
        if let Some(fleet) = fleet {
            for hsm in self.held() {
                fleet.stop(&hsm).await;
            }
        }
    }

    /// Calls, and says who this is.
    async fn call(&self) -> Result<(ControlConnection, Joined), CallFailure> {
        let Membership {
            number,
            fingerprint,
        } = self.membership;
        let connection = dial_control(self.config.join, &self.identity, fingerprint).await;
        let connection = connection.map_err(|error| {
            let LinkError::Untrusted(why) = error else {
                return CallFailure::Again(error.to_string());
            };
            CallFailure::Over(HostEnd(format!(
                "What answers at {} is not the control plane that this host was invited by: {why}. \
                 Check --join, or make a token there and start over an empty --data folder.",
                self.config.join
            )))
        })?;
        let secret = self.token.lock().as_ref().map(|token| token.secret.clone());
        let join = Join {
            number,
            secret,
            held: self.held().into_iter().collect(),
        };
        let message = encode(&join).map_err(CallFailure::Again)?;
        let deadline = Instant::now() + ANSWER_WITHIN;
        let answer = connection.ask(message, ADMISSION_BYTES_MAX, deadline).await;
        let answer = answer.map_err(|error| CallFailure::Again(error.to_string()))?;
        match decode(&answer).map_err(CallFailure::Again)? {
            Admission::Admitted { zone } => {
                self.remember().await?;
                let host = number;
                Ok((connection, Joined { host, zone }))
            }
            Admission::Refused(why) => Err(CallFailure::Over(HostEnd(why))),
            Admission::Later(why) => Err(CallFailure::Again(why)),
        }
    }

    /// From here on the certificate is enough.
    async fn remember(&self) -> Result<(), CallFailure> {
        let membership = versioned::encode(&self.membership);
        if self.config.store.get(MEMBERSHIP).is_none() {
            let put = Transaction::new().put(MEMBERSHIP, membership);
            let stored = self.config.store.commit(put).await;
            stored.map_err(|error| CallFailure::Again(error.to_string()))?;
        }
        *self.token.lock() = None;
        Ok(())
    }

    /// Runs requests until the connection ends, and says why it did.
    async fn serve(&self, connection: &Arc<ControlConnection>) -> String {
        let fleet = self.fleet(connection.peer());
        let mut requests = JoinSet::new();
        loop {
            match connection.next().await {
                Ok(question) => {
                    while requests.try_join_next().is_some() {}
                    let clock = Arc::clone(&self.clock);
                    let disks = Arc::clone(&self.config.disks);
                    requests.spawn(answer_request(question, Arc::clone(&fleet), clock, disks));
                }
                Err(error) => {
                    // What was begun is carried to its end.
                    requests.detach_all();
                    return error.to_string();
                }
            }
        }
    }

    /// The fleet of this host, whose HSM the facade with this certificate may use.
    fn fleet(&self, facade: &[u8]) -> Arc<Fleet> {
        let mut fleet = self.fleet.lock();
        let config = &self.config;
        let make = || {
            Arc::new(Fleet::new(Equipment {
                disks: Arc::clone(&config.disks),
                transport: (config.transport)(facade.to_vec()),
                entropy: Arc::clone(&config.entropy),
                clock: Arc::<ControlPlaneClock>::clone(&self.clock),
                pool: Arc::clone(&config.pool),
                device_key: Arc::clone(&config.device_key),
                settings: config.hsm_settings,
                bind: config.listen,
            }))
        };
        Arc::clone(fleet.get_or_insert_with(make))
    }

    fn held(&self) -> BTreeSet<HsmId> {
        held(&*self.config.disks)
    }
}

fn held(disks: &dyn Disks) -> BTreeSet<HsmId> {
    let all = disks.all().unwrap_or_default();
    all.into_iter().map(|(id, _)| id).collect()
}

async fn answer_request(
    question: ControlQuestion,
    fleet: Arc<Fleet>,
    clock: Arc<ControlPlaneClock>,
    disks: Arc<dyn Disks>,
) {
    let Ok((message, answer)) = question.read(MESSAGE_BYTES_MAX).await else {
        return;
    };
    let reply = match decode::<HostRequest>(&message) {
        Ok(HostRequest {
            hsm,
            now_ms,
            request,
        }) => {
            clock.set(now_ms);
            if request.needs_the_disk() && !held(&*disks).contains(&hsm) {
                HsmReply::Failed(format!("the disk of {hsm} is not here"))
            } else {
                perform(&fleet, &hsm, request).await
            }
        }
        Err(why) => HsmReply::Failed(why),
    };
    let reply = encode(&reply).or_else(|why| encode(&HsmReply::Failed(why)));
    if let Ok(reply) = reply {
        answer.send(reply).await;
    }
}

async fn identity(config: &HostConfig) -> Result<ClientIdentity, HostEnd> {
    let broken = |why: String| HostEnd(format!("The host's folder cannot be used: {why}."));
    if let Some(found) = config.store.get(IDENTITY) {
        let opened = config.device_key.open(IDENTITY, &found.value);
        let opened: Zeroizing<Vec<u8>> = opened.map_err(|error| broken(error.to_string()))?;
        let identity = ClientIdentity::from_bytes(&opened);
        return identity.ok_or_else(|| broken("its certificate is damaged".to_owned()));
    }
    let identity = ClientIdentity::generate().map_err(|error| broken(error.to_string()))?;
    let sealed = config
        .device_key
        .seal(IDENTITY, &identity.to_bytes(), &*config.entropy);
    let stored = config
        .store
        .commit(Transaction::new().put(IDENTITY, sealed))
        .await;
    stored.map_err(|error| broken(error.to_string()))?;
    Ok(identity)
}

/// The control plane's date, as it was told last, with the time that has passed since.
struct ControlPlaneClock {
    wall: Arc<dyn WallClock>,
    ahead_ms: AtomicI64,
}

impl ControlPlaneClock {
    fn set(&self, now_ms: u64) {
        let wall = self.wall.now().millis();
        self.ahead_ms
            .store(now_ms.wrapping_sub(wall).cast_signed(), Ordering::Relaxed);
    }
}

impl WallClock for ControlPlaneClock {
    fn now(&self) -> Timestamp {
        let ahead = self.ahead_ms.load(Ordering::Relaxed);
        Timestamp::from_millis(self.wall.now().millis().saturating_add_signed(ahead))
    }
}

impl fmt::Debug for ControlPlaneClock {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "ControlPlaneClock({} ms ahead)",
            self.ahead_ms.load(Ordering::Relaxed)
        )
    }
}
