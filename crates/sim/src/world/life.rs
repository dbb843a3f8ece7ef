//! The life of a world, from the first call until all is well again: what must work then, and what must be
//! there.

use std::sync::Arc;

use tokio::task::JoinSet;

use super::client::Client;
use super::faults::FaultInjector;
use super::operator::Operator;
use super::second_operator::SecondOperator;
use super::wait::wait;
use super::{CALLS_AFTERWARDS, Fault, OPERATOR, Plan, World, WorldError};
use crate::DiskImage;
use crate::disk::give_up;
use crate::history::Event;

/// By then the service has brought the HSMs of a cluster in step: it does so every ten seconds.
const IN_STEP_AFTER: u64 = 11_000;

type Outcomes = JoinSet<Result<(), WorldError>>;

impl World {
    /// Lives through `plan`, from the first client's call until all is well again.
    pub(crate) async fn live(self: &Arc<Self>, plan: &Plan) -> Result<(), WorldError> {
        self.recorder.tell(|at| Event::Calm { at });
        let mut tasks = Outcomes::new();
        for client in 0..plan.clients {
            let (world, calls, think) = (Arc::clone(self), plan.calls, plan.think);
            tasks.spawn(async move {
                Client(world).make(client, calls, think).await;
                Ok(())
            });
        }
        let (world, ours) = (Arc::clone(self), plan.clone());
        tasks.spawn(async move {
            Operator(world).operate(&ours).await;
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
        Operator(Arc::clone(self)).recover().await;
        self.afterwards(plan).await;
        Ok(())
    }

    async fn befall(self: &Arc<Self>, number: usize, fault: Fault) -> Result<(), WorldError> {
        let injector = FaultInjector(Arc::clone(self));
        match fault {
            Fault::PowerCut(crash) => injector.crash(crash).await,
            Fault::Partition(partition) => injector.partition(partition).await,
            Fault::Storm(storm) => injector.storm(&storm).await,
            Fault::Members(members) => injector.change_members(members).await,
            Fault::Guesses(guesses) => injector.guess(guesses).await,
            Fault::Restart(restart) => return self.restart_process(restart).await,
            Fault::SecondOperator(plan) => {
                SecondOperator(Arc::clone(self)).work(number, plan).await
            }
            Fault::FacadeEnd(end) => return self.end_facade(end).await,
            Fault::StoreOutage(outage) => self.cut_off_store(outage).await,
            Fault::FullDisk(full) => injector.fill_disk(full).await,
            Fault::Vanish(vanish) => return self.vanish(vanish).await,
        }
        Ok(())
    }

    /// Everything works for everybody, everything opens, and the disks hold what they must.
    async fn afterwards(self: &Arc<Self>, plan: &Plan) {
        let mut tasks = JoinSet::new();
        for client in 0..plan.clients {
            let (world, think) = (Arc::clone(self), plan.think);
            tasks.spawn(async move { Client(world).make(client, CALLS_AFTERWARDS, think).await });
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

    /// Ends the world. Stores that are closed would write once more, for nobody to read.
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
        self.recorder.tell(|at| Event::Stored { at, cluster, on });
    }

    fn tell_leaks(&self) {
        for what in self.canaries.leaks(&self.images()) {
            self.recorder.tell(|at| Event::Leaked { at, what });
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
