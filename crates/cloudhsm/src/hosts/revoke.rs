//! Taking an invitation back, for good.

use portcullis_api::HsmId;
use portcullis_clusters::HsmState;

use super::accept::{Hosts, REVOKED};
use super::enrol::HostError;
use super::record::{self, HostRecord, HostStanding};

impl Hosts {
    /// Revokes a host, wherever it is: its certificate or token lets it in no more, its connection
    /// ends, and nothing is sent to its HSM again, which shows DEGRADED until it is deleted. Gives
    /// that HSM.
    ///
    /// Rule HOST-13: it holds after a restart, and nothing takes it back. What fails can be tried
    /// again: the HSM goes first, so that none is used whose host is revoked.
    ///
    /// # Errors
    /// When there is no such host, or it cannot be remembered.
    pub async fn revoke(&self, number: u64) -> Result<Option<HsmId>, HostError> {
        let _one_at_a_time = self.core.control.lock().await;
        let unknown = || HostError::NoSuchHost(number);
        record::read(&self.core.ledger.store, number).ok_or_else(unknown)?;
        let placed = self.lines.hsm_of_host(number);
        if let Some((scope, cluster, hsm)) = &placed {
            let degrade = |one: &mut crate::record::Cluster| {
                if let Some(record) = one.hsms.get_mut(hsm) {
                    record.lost_host = Some(number);
                    // One that is not made yet will be made in this process (rule HOST-08).
                    if record.state == HsmState::Active {
                        record.state = HsmState::Degraded;
                    }
                }
            };
            let amended = self.core.ledger.amend(scope, cluster, degrade).await;
            amended.map_err(|error| HostError::Store(error.cause.unwrap_or(error.message)))?;
            self.core.fleet.forget_address(hsm);
        }
        self.strike_off(number).await?;
        if let Some(line) = self.lines.line(number) {
            line.close(REVOKED);
        }
        tracing::warn!(host = number, "a host was revoked");
        if let Some((scope, cluster, _)) = &placed {
            self.reconciler.carry_on_with(scope, cluster).await;
        }
        Ok(placed.map(|(_, _, hsm)| hsm))
    }

    async fn strike_off(&self, number: u64) -> Result<(), HostError> {
        loop {
            let found = record::read(&self.core.ledger.store, number);
            let (found, revision) = found.ok_or(HostError::NoSuchHost(number))?;
            let revoked = HostRecord {
                standing: HostStanding::Revoked,
                ..found
            };
            match record::write(&self.core.ledger.store, &revoked, Some(revision)).await {
                Ok(true) => return Ok(()),
                // It was just being let in.
                Ok(false) => {}
                Err(error) => return Err(HostError::Store(error.to_string())),
            }
        }
    }

    pub(super) fn is_revoked(&self, number: u64) -> bool {
        let found = record::read(&self.core.ledger.store, number);
        found.is_some_and(|(host, _)| host.standing == HostStanding::Revoked)
    }
}
