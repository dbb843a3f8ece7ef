//! Inviting a host.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use portcullis_api::Region;
use portcullis_fleet::EnrolmentToken;

use super::accept::Hosts;
use super::admit::sha256;
use super::record::{self, HostRecord, HostStanding};
use crate::default_subnets;

/// How long a token may wait to be used. Our choice: long enough to start a machine.
const TOKEN_LIFE_MS: u64 = 60 * 60 * 1000;

/// An invitation for one host.
#[derive(Debug)]
pub struct Enrolment {
    /// What the host must show.
    pub token: EnrolmentToken,
    /// The Availability Zone that it will stand in.
    pub zone: String,
    /// Where it calls the control plane.
    pub join: SocketAddr,
    /// Until when, in milliseconds since 1970-01-01 UTC.
    pub expires: u64,
}

/// Why no host was invited or revoked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostError {
    /// There is no such Availability Zone.
    NoSuchZone(String),
    /// Nothing can listen for hosts.
    Closed(String),
    /// It cannot be remembered.
    Store(String),
    /// No host was ever invited under this number.
    NoSuchHost(u64),
}

impl fmt::Display for HostError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchZone(zone) => write!(
                formatter,
                "There is no Availability Zone {zone:?}. Name one such as us-east-1a; \
                 `portcullis status --output json` lists those of each Region under `subnets`."
            ),
            Self::Closed(why) => write!(formatter, "Hosts cannot be received: {why}"),
            Self::Store(why) => write!(formatter, "It cannot be stored: {why}"),
            Self::NoSuchHost(number) => write!(
                formatter,
                "There is no host {number}. `portcullis hsm hosts` lists those that were invited, \
                 by number."
            ),
        }
    }
}

impl std::error::Error for HostError {}

impl Hosts {
    /// Invites a host to an Availability Zone.
    ///
    /// Rule HOST-01: the token lets in one host, within an hour; of its secret only a digest is kept.
    ///
    /// # Errors
    /// When there is no such zone, or nothing can listen for hosts.
    pub async fn enrol(self: &Arc<Self>, zone: &str) -> Result<Enrolment, HostError> {
        if !is_zone(zone) {
            return Err(HostError::NoSuchZone(zone.to_owned()));
        }
        let closed = || HostError::Closed("this control plane takes no hosts.".to_owned());
        let gate = self.gate().ok_or_else(closed)?;
        let join = self.open_gate().map_err(HostError::Closed)?;
        let fingerprint = sha256(&gate.identity.certificate);
        let expires = self.core.clock.now().millis() + TOKEN_LIFE_MS;
        loop {
            let hosts = record::all(&self.core.ledger.store);
            let number = hosts.last().map_or(1, |last| last.number + 1);
            let token = EnrolmentToken::draw(number, fingerprint, &*self.core.entropy);
            let host = HostRecord {
                number,
                zone: zone.to_owned(),
                standing: HostStanding::Invited {
                    secret: sha256(&**token.secret),
                    expires,
                },
            };
            let written = record::write(&self.core.ledger.store, &host, None).await;
            if written.map_err(|error| HostError::Store(error.to_string()))? {
                return Ok(Enrolment {
                    token,
                    zone: zone.to_owned(),
                    join,
                    expires,
                });
            }
        }
    }
}

fn is_zone(zone: &str) -> bool {
    let mut requests = zone.chars();
    requests.next_back();
    let name = requests.as_str();
    // `us-east-1a` has the form of a Region too.
    let region = name.parse::<Region>().ok();
    let region = region.filter(|_| name.ends_with(|last: char| last.is_ascii_digit()));
    region.is_some_and(|region| default_subnets(&region).contains_key(zone))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_is_one_of_a_region() {
        assert!(is_zone("us-east-1a") && is_zone("eu-west-1b"));
        for zone in ["", "a", "us-east-1", "us-east-1x", "us-east-1aa", "é"] {
            assert!(!is_zone(zone), "{zone}");
        }
    }
}
