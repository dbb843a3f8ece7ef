//! The life of a world, from the first call until all is well again: what must work then, and what must be
//! there.

use std::sync::Arc;

use tokio::task::JoinSet;

use super::client::WorldClient;
use super::faults::FaultInjector;
use super::operator::KeyStoreOperator;
use super::second_operator::SecondOperator;
use super::wait::wait;
use super::{CALLS_AFTERWARDS, OPERATOR, PlannedFault, World, WorldError, WorldPlan};
use crate::DiskImage;
use crate::disk::give_up;
use crate::history::HistoryEvent;

/// By then the service has brought the HSMs of a cluster in step: it does so every ten seconds.
const IN_STEP_AFTER: u64 = 11_000;

type Outcomes = JoinSet<Result<(), WorldError>>;

impl World {
    /// Lives through `plan`, from the first client's call until all is well again.
    pub(crate) async fn live(self: &Arc<Self>, plan: &WorldPlan) -> Result<(), WorldError> {
        self.recorder.tell(|at| HistoryEvent::Calm { at });
        let mut tasks = Outcomes::new();
        for client in 0..plan.clients {
            let (world, calls, think) = (Arc::clone(self), plan.calls, plan.think);
            tasks.spawn(async move {
                WorldClient(world).make(client, calls, think).await;
                Ok(())
            });
        }
        let (world, ours) = (Arc::clone(self), plan.clone());
        tasks.spawn(async move {
            KeyStoreOperator(world).operate(&ours).await;
            Ok(())
        });
        for (number, fault) in plan.faults.iter().enumerate() {
            let (world, fault) = (Arc::clone(self), fault.clone());
            tasks.spawn(async move { world.befall(number, fault).await });
        }
        while let Some(ended) = tasks.join_next().await {
            ended.map_err(|error| WorldError::of("a task of the world ended", error))??;
        }
        FaultInjector(Arc::clone(self)).heal().await?;
        KeyStoreOperator(Arc::clone(self)).recover().await;
        self.afterwards(plan).await;
        Ok(())
    }

    async fn befall(
        self: &Arc<Self>,
        number: usize,
        fault: PlannedFault,
    ) -> Result<(), WorldError> {
        let injector = FaultInjector(Arc::clone(self));
        match fault {
            PlannedFault::PowerCut(crash) => injector.crash(crash).await,
            PlannedFault::Partition(partition) => injector.partition(partition).await,
            PlannedFault::Storm(storm) => injector.storm(&storm).await,
            PlannedFault::Members(members) => injector.change_members(members).await,
            PlannedFault::Guesses(guesses) => injector.guess(guesses).await,
            PlannedFault::Restart(restart) => return self.restart_process(restart).await,
            PlannedFault::SecondOperator(plan) => {
                SecondOperator(Arc::clone(self)).work(number, plan).await;
            }
            PlannedFault::FacadeEnd(end) => return self.end_facade(end).await,
            PlannedFault::StoreOutage(outage) => self.cut_off_store(outage).await,
            PlannedFault::FullDisk(full) => injector.fill_disk(full).await,
            PlannedFault::Vanish(vanish) => return self.vanish(vanish).await,
        }
        Ok(())
    }

    /// Everything works for everybody, everything opens, and the disks hold what they must.
    async fn afterwards(self: &Arc<Self>, plan: &WorldPlan) {
        let mut tasks = JoinSet::new();
        for client in 0..plan.clients {
            let (world, think) = (Arc::clone(self), plan.think);
            tasks.spawn(async move {
                WorldClient(world)
                    .make(client, CALLS_AFTERWARDS, think)
                    .await;
            });
        }
        while tasks.join_next().await.is_some() {}
        let known = self.known.lock().ciphertexts.clone();
        for (ciphertext, context) in known {
            self.decrypt(OPERATOR, ciphertext, context).await;
        }
        self.see().await;
        self.count_stores().await;
        wait(IN_STEP_AFTER + plan.idle_minutes * 60_000).await;
        self.tell_stored();
        self.tell_leaks();
    }

    /// Ends the world. Stores that are closed would write once more, without a reader.
    pub(crate) fn switch_off(&self) {
        self.control.let_go(false);
        if let Some(parts) = self.parts() {
            give_up(&parts.store);
        }
        self.disks.switch_off();
    }

    /// What lies on the disks of the HSMs that the store uses.
    fn tell_stored(&self) {
        let Some(cluster) = self.known.lock().uses.clone() else {
            return;
        };
        let hsms = self.hsms_of(&cluster).into_keys();
        let on = hsms
            .filter_map(|hsm| {
                let keys = self.disks.keys(&hsm).ok()?;
                Some((hsm, keys))
            })
            .collect();
        self.recorder
            .tell(|at| HistoryEvent::Stored { at, cluster, on });
    }

    fn tell_leaks(&self) {
        for what in self.canaries.leaks(&self.images()) {
            self.recorder.tell(|at| HistoryEvent::Leaked { at, what });
        }
    }

    /// Every disk, by the name under which it is reported.
    pub(super) fn images(&self) -> Vec<(String, DiskImage)> {
        let of_hsms = self.disks.images().into_iter();
        of_hsms
            .map(|(hsm, image)| (format!("the disk of {hsm}"), image))
            .chain([("the control plane's disk".to_owned(), self.control.image())])
            .collect()
    }
}
