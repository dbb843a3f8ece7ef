//! What befalls a world, and how it is repaired.

use std::time::Duration;

use portcullis_api::HsmId;
use portcullis_cloudhsm::Clusters;
use portcullis_hsm::{Command, Epoch, Fence, Role, Secret};
use portcullis_link::{Target, Transport, pem_to_der};
use tokio::time::Instant;

use super::build::KMSUSER;
use super::{Crash, Partition, Storm, World, WorldError, wait};
use crate::history::Event;
use crate::{Way, Weather};

impl World {
    /// Cuts the power of one HSM of the first cluster, and restores it.
    pub(super) async fn crash(&self, crash: Crash) {
        wait(crash.at).await;
        let Some(hsm) = self.hsms_of(&self.first).into_keys().nth(crash.hsm) else {
            return;
        };
        self.recorder.tell(|at| Event::FaultBegins {
            at,
            what: "power cut",
        });
        if let Some(writes) = crash.mid_write {
            self.disks.cut_power_after(&hsm, writes);
            wait(crash.down / 2).await;
        }
        self.disks.cut_power(&hsm);
        self.known.lock().down.insert(hsm.clone());
        let crashed = self.cloud.crash(&hsm);
        self.recorder
            .note(format_args!("{hsm} is down: {crashed:?}"));
        wait(crash.down).await;
        if self.restart(&hsm).await {
            self.haunt(&hsm).await;
        }
    }

    async fn restart(&self, hsm: &HsmId) -> bool {
        let restarted = self.cloud.restart(hsm).await;
        self.recorder
            .note(format_args!("{hsm} restarts: {restarted:?}"));
        if restarted.is_ok() {
            self.known.lock().down.remove(hsm);
        }
        restarted.is_ok()
    }

    /// A facade that was suspended during an earlier connection wakes up and logs in to an HSM
    /// that has restarted meanwhile.
    async fn haunt(&self, hsm: &HsmId) {
        let Some(Fence { scope, epoch }) = self.network.last_fence(hsm.as_str()) else {
            return;
        };
        let Some(target) = self.target(hsm) else {
            return;
        };
        let login = Command::Login {
            username: KMSUSER.to_owned(),
            role: Role::CryptoUser,
            password: Secret::new("passwordOfThen"),
            fence: Some(Fence {
                scope,
                epoch: Epoch(epoch.0.saturating_sub(1)),
            }),
            exclusive: false,
        };
        let deadline = Instant::now() + Duration::from_secs(1);
        let answer = self.network.dial(target).manage(login, deadline).await;
        self.recorder
            .note(format_args!("a facade of earlier: {answer:?}"));
    }

    fn target(&self, hsm: &HsmId) -> Option<Target> {
        let view = self.cloud.cluster(&self.scope, &self.first)?;
        let address = view.hsms.iter().find(|one| one.id == *hsm)?.address?;
        Some(Target {
            name: hsm.to_string(),
            address,
            trust_anchor: pem_to_der(view.trust_anchor.as_deref()?).ok()?,
            cluster_certificate: pem_to_der(view.certificate.as_deref()?).ok()?,
        })
    }

    /// Cuts a zone, or one HSM, off the facade.
    pub(super) async fn partition(&self, partition: Partition) {
        wait(partition.at).await;
        self.recorder.tell(|at| Event::FaultBegins {
            at,
            what: "partition",
        });
        for hsm in self.behind(partition) {
            for way in [Way::ToHsm, Way::FromHsm] {
                if partition.way.is_none_or(|only| only == way) {
                    self.network.cut(hsm.as_str(), way);
                }
            }
        }
        wait(partition.lasts).await;
        self.network.mend();
    }

    fn behind(&self, partition: Partition) -> Vec<HsmId> {
        let first = self.hsms_of(&self.first);
        let Some((hsm, zone)) = first.iter().nth(partition.which) else {
            return Vec::new();
        };
        if !partition.whole_zone {
            return vec![hsm.clone()];
        }
        let everywhere = self.cloud.clusters();
        let hsms = everywhere.iter().flat_map(|(_, view)| &view.hsms);
        hsms.filter(|one| one.availability_zone == *zone)
            .map(|one| one.id.clone())
            .collect()
    }

    pub(super) async fn storm(&self, storm: &Storm) {
        wait(storm.at).await;
        self.recorder
            .tell(|at| Event::FaultBegins { at, what: "storm" });
        self.network.set_weather(storm.weather.clone());
        wait(storm.lasts).await;
        self.network.set_weather(Weather::fair());
    }

    /// Ends every fault.
    pub(super) async fn heal(&self) -> Result<(), WorldError> {
        self.network.mend();
        self.network.set_weather(Weather::fair());
        let down = self.known.lock().down.clone();
        for hsm in down {
            if !self.restart(&hsm).await {
                return Err(WorldError::of("an HSM does not come back", hsm));
            }
        }
        self.recorder.tell(|at| Event::Healed { at });
        Ok(())
    }
}
