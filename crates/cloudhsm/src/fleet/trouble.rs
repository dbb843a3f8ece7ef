//! What faults do to an HSM beyond taking it down: its condition, its disk, its users.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use portcullis_api::HsmId;
use portcullis_hsm::{Command, Refusal, Role, Secret};
use portcullis_store::Transaction;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::condition::Condition;
use super::node::Node;
use super::{Ailment, Fleet, FleetError};
use crate::record::layout;

/// The crypto user that KMS logs in as.
const KMSUSER: (&str, Role) = ("kmsuser", Role::CryptoUser);

/// How a disk notes when it was changed last.
const KMSUSER_NOTE: &str = "crypto-user/kmsuser";

/// Five wrong passwords lock an account; more than these mean that something else is wrong.
const ATTEMPTS_MAX: usize = 16;

/// `kmsuser` of one HSM before a fault: a password hash, so never printed and kept only sealed.
#[derive(Serialize, Deserialize)]
pub(crate) struct Tampered {
    before: Option<Zeroizing<Vec<u8>>>,
    /// When a command changed it last: a failed login is no change.
    changed: Option<u64>,
}

impl fmt::Debug for Tampered {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Tampered(..)")
    }
}

impl Fleet {
    /// What ails an HSM, whether it is up or not.
    pub(super) fn condition(&self, id: &HsmId) -> Arc<Condition> {
        let mut conditions = self.conditions.lock();
        Arc::clone(conditions.entry(id.clone()).or_default())
    }

    /// Makes these HSMs ail so, and all others well.
    pub(crate) fn ail(&self, ailing: impl Iterator<Item = (HsmId, Ailment)>) {
        let ailing: BTreeMap<_, _> = ailing.collect();
        for (id, remote) in &*self.remotes.lock() {
            let ailment = ailing.get(id).copied().unwrap_or_default();
            remote.fit_with(|fittings| fittings.ailment = ailment);
        }
        for id in ailing.keys() {
            self.condition(id);
        }
        for (id, condition) in &*self.conditions.lock() {
            condition.set(ailing.get(id).copied().unwrap_or_default());
        }
    }

    /// Whether the content of an HSM can be had: from its memory, or from its disk.
    pub(crate) fn can_be_read(&self, id: &HsmId) -> bool {
        if let Some(remote) = self.remote(id) {
            return remote.is_up();
        }
        self.is_up(id) || self.attach(id).is_ok_and(|disk| disk.read().is_ok())
    }

    /// Damages every record on the disk of an HSM and leaves it down: it cannot be started again.
    pub(crate) async fn corrupt(&self, id: &HsmId) -> Result<(), FleetError> {
        self.crash(id);
        let before = self
            .members
            .lock()
            .get_mut(id)
            .and_then(|member| member.node.take());
        if let Some(node) = before {
            node.stop().await;
        }
        self.invert(id, true).await
    }

    /// Undoes what [`corrupt`](Self::corrupt) did, if it did. The HSM stays down.
    pub(crate) async fn repair(&self, id: &HsmId) -> Result<(), FleetError> {
        self.invert(id, false).await
    }

    /// Inverts every record of the HSM, which is its own undoing; a note on the disk tells whether
    /// it is done.
    async fn invert(&self, id: &HsmId, damaged: bool) -> Result<(), FleetError> {
        let disk = self.attach(id)?;
        if disk.store.get(layout::DAMAGED).is_some() == damaged {
            return Ok(());
        }
        let mut transaction = if damaged {
            Transaction::new().put(layout::DAMAGED, Vec::new())
        } else {
            Transaction::new().delete(layout::DAMAGED)
        };
        for (name, record) in disk.store.scan(layout::HSM_RECORDS, None, usize::MAX) {
            let inverted: Vec<u8> = record.value.iter().map(|byte| !byte).collect();
            transaction = transaction.put(name, inverted);
        }
        drop(disk);
        self.rewrite(id, transaction).await
    }

    /// Writes to the disk of an HSM that is down, and closes it.
    async fn rewrite(&self, id: &HsmId, transaction: Transaction) -> Result<(), FleetError> {
        let disk = self.attach(id)?;
        let written = disk.store.commit(transaction).await;
        if let Some(member) = self.members.lock().get_mut(id) {
            member.disk = None;
        }
        written
            .map(drop)
            .map_err(|error| FleetError::of(id, "its disk failed", error))
    }

    /// `kmsuser` of an HSM as it is, for the undoing of what will be done to it.
    pub(crate) async fn kmsuser_of(&self, id: &HsmId) -> Result<Tampered, FleetError> {
        let node = self.up(id)?;
        let before = record_of(&node);
        let changed = last_change(&node).await;
        Ok(Tampered { before, changed })
    }

    /// Gives wrong passwords for `kmsuser` until the HSM locks it out.
    pub(crate) async fn lock_kmsuser(&self, id: &HsmId) -> Result<(), FleetError> {
        let node = self.up(id)?;
        let (username, role) = KMSUSER;
        for _attempt in 0..ATTEMPTS_MAX {
            let wrong = Command::Login {
                username: username.to_owned(),
                role,
                password: Secret::new("not the password"),
                fence: None,
                exclusive: false,
                holder: 0,
            };
            match node.carry_out(wrong).await {
                Err(Refusal::WrongPassword) => {}
                Err(Refusal::LockedOut) => return Ok(()),
                Err(refusal) => return Err(FleetError::of(id, CANNOT, refusal)),
                Ok(_) => return Err(FleetError::of(id, CANNOT, "that is its password")),
            }
        }
        Ok(())
    }

    /// Gives `kmsuser` another password on one HSM.
    pub(crate) async fn change_kmsuser(
        &self,
        id: &HsmId,
        password: &Secret,
    ) -> Result<(), FleetError> {
        let node = self.up(id)?;
        let (username, role) = KMSUSER;
        node.tamper(|hsm| hsm.overwrite_password(username, role, password))
            .await
            .map_err(|refusal| FleetError::of(id, CANNOT, refusal))
    }

    /// Removes `kmsuser` from one HSM, with its sessions; its keys stay.
    pub(crate) async fn remove_kmsuser(&self, id: &HsmId) -> Result<(), FleetError> {
        let node = self.up(id)?;
        if record_of(&node).is_none() {
            return Err(FleetError::of(id, CANNOT, Refusal::NoSuchUser));
        }
        let (username, role) = KMSUSER;
        node.tamper(|hsm| hsm.overwrite_user(username, role, None))
            .await
            .map_err(|refusal| FleetError::of(id, CANNOT, refusal))
    }

    /// Puts `kmsuser` back as it was, unless somebody has changed it meanwhile.
    ///
    /// Rule FT-06: undoing a fault never undoes a repair.
    pub(crate) async fn restore_kmsuser(
        &self,
        id: &HsmId,
        tampered: &Tampered,
    ) -> Result<(), FleetError> {
        let node = self.up(id)?;
        if last_change(&node).await != tampered.changed {
            return Ok(());
        }
        let (username, role) = KMSUSER;
        let before = tampered.before.as_ref().map(|record| record.as_slice());
        node.tamper(|hsm| hsm.overwrite_user(username, role, before))
            .await
            .map_err(|refusal| FleetError::of(id, CANNOT, refusal))
    }

    /// Rule HOST-12: a fault that reaches into an HSM does not reach into another host.
    pub(crate) fn within_reach(&self, id: &HsmId, what: &str) -> Result<(), FleetError> {
        match self.remote(id) {
            Some(_) => Err(FleetError::of(id, what, "it runs on another host")),
            None => Ok(()),
        }
    }

    fn up(&self, id: &HsmId) -> Result<Node, FleetError> {
        self.within_reach(id, CANNOT)?;
        self.node(id)
            .ok_or_else(|| FleetError::of(id, CANNOT, "it is down"))
    }
}

/// What went wrong with a fault of `kmsuser`.
const CANNOT: &str = "its kmsuser cannot be changed";

fn record_of(node: &Node) -> Option<Zeroizing<Vec<u8>>> {
    let (username, role) = KMSUSER;
    node.user_record(username, role)
}

async fn last_change(node: &Node) -> Option<u64> {
    node.notes().await.changed.get(KMSUSER_NOTE).copied()
}
