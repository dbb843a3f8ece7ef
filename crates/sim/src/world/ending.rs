//! When all is well again: what must work, and what must be there.

use std::sync::Arc;

use tokio::task::JoinSet;

use super::wait::wait;
use super::{CALLS_AFTERWARDS, OPERATOR, Plan, World};
use crate::Medium;
use crate::disk::give_up;
use crate::history::Event;

/// By then the service has brought the HSMs of a cluster in step: it does so every ten seconds.
const IN_STEP_AFTER: u64 = 11_000;

impl World {
    /// Everything works for everybody, everything opens, and the disks hold what they must.
    pub(super) async fn afterwards(self: &Arc<Self>, plan: &Plan) {
        let mut tasks = JoinSet::new();
        for client in 0..plan.clients {
            let (world, think) = (Arc::clone(self), plan.think);
            tasks.spawn(async move { world.client(client, CALLS_AFTERWARDS, think).await });
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
    pub(super) fn images(&self) -> Vec<(String, Medium)> {
        let of_hsms = self.disks.images().into_iter();
        of_hsms
            .map(|(hsm, image)| (format!("the disk of {hsm}"), image))
            .chain([("the control plane's disk".to_owned(), self.control.image())])
            .collect()
    }
}
