//! What faults do to an HSM beyond taking it down: its condition, its disk, its users.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use portcullis_api::HsmId;
use portcullis_hsm::{Command, Refusal, Role, Secret};
use portcullis_store::Transaction;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::node::Node;
use crate::condition::Condition;
use crate::disk::layout;
use crate::{Ailment, Fleet, FleetError};

/// Five wrong passwords lock an account; more than these mean that something else is wrong.
const ATTEMPTS_MAX: usize = 16;

/// A crypto user of one HSM before a fault: a password hash, so never printed and kept only sealed.
#[derive(Serialize, Deserialize)]
pub struct Tampered {
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
    pub(crate) fn condition(&self, id: &HsmId) -> Arc<Condition> {
        let mut conditions = self.conditions.lock();
        Arc::clone(conditions.entry(id.clone()).or_default())
    }

    /// Makes these HSMs ail so, and all others well.
    pub fn ail(&self, ailing: impl Iterator<Item = (HsmId, Ailment)>) {
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
    pub fn can_be_read(&self, id: &HsmId) -> bool {
        if let Some(remote) = self.remote(id) {
            return remote.is_up();
        }
        self.is_up(id) || self.open_disk(id).is_ok_and(|disk| disk.read().is_ok())
    }

    /// Damages every record on the disk of an HSM and leaves it down: it cannot be started again.
    ///
    /// # Errors
    /// When its disk cannot be written.
    pub async fn corrupt(&self, id: &HsmId) -> Result<(), FleetError> {
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
    ///
    /// # Errors
    /// When its disk cannot be written.
    pub async fn repair(&self, id: &HsmId) -> Result<(), FleetError> {
        self.invert(id, false).await
    }

    /// Inverts every record of the HSM, which is its own undoing; a note on the disk tells whether
    /// it is done.
    async fn invert(&self, id: &HsmId, damaged: bool) -> Result<(), FleetError> {
        let disk = self.open_disk(id)?;
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
        let disk = self.open_disk(id)?;
        let written = disk.store.commit(transaction).await;
        if let Some(member) = self.members.lock().get_mut(id) {
            member.disk = None;
        }
        written
            .map(drop)
            .map_err(|error| FleetError::of(id, "its disk failed", error))
    }

    /// A crypto user of an HSM as it is, for the undoing of what will be done to it.
    ///
    /// # Errors
    /// When it is down, or on another host.
    pub async fn user_of(&self, id: &HsmId, username: &str) -> Result<Tampered, FleetError> {
        let node = self.up(id, username)?;
        let before = record_of(&node, username);
        let changed = last_change(&node, username).await;
        Ok(Tampered { before, changed })
    }

    /// Gives wrong passwords for a crypto user until the HSM locks it out.
    ///
    /// # Errors
    /// When it is down, or on another host.
    pub async fn lock_user(&self, id: &HsmId, username: &str) -> Result<(), FleetError> {
        let node = self.up(id, username)?;
        for _attempt in 0..ATTEMPTS_MAX {
            let wrong = Command::Login {
                username: username.to_owned(),
                role: Role::CryptoUser,
                password: Secret::new("not the password"),
                fence: None,
                exclusive: false,
                holder: 0,
            };
            match node.carry_out(wrong).await {
                Err(Refusal::WrongPassword) => {}
                Err(Refusal::LockedOut) => return Ok(()),
                Err(refusal) => return Err(FleetError::of(id, &cannot(username), refusal)),
                Ok(_) => {
                    return Err(FleetError::of(
                        id,
                        &cannot(username),
                        "that is its password",
                    ));
                }
            }
        }
        Ok(())
    }

    /// Gives a crypto user another password on one HSM.
    ///
    /// # Errors
    /// When it is down, on another host, or its disk fails.
    pub async fn change_password(
        &self,
        id: &HsmId,
        username: &str,
        password: &Secret,
    ) -> Result<(), FleetError> {
        let node = self.up(id, username)?;
        node.tamper(|hsm| hsm.overwrite_password(username, Role::CryptoUser, password))
            .await
            .map_err(|refusal| FleetError::of(id, &cannot(username), refusal))
    }

    /// Removes a crypto user from one HSM, with its sessions; its keys stay.
    ///
    /// # Errors
    /// When it is down, on another host, or there is no such user.
    pub async fn remove_user(&self, id: &HsmId, username: &str) -> Result<(), FleetError> {
        let node = self.up(id, username)?;
        if record_of(&node, username).is_none() {
            return Err(FleetError::of(id, &cannot(username), Refusal::NoSuchUser));
        }
        node.tamper(|hsm| hsm.overwrite_user(username, Role::CryptoUser, None))
            .await
            .map_err(|refusal| FleetError::of(id, &cannot(username), refusal))
    }

    /// Puts a crypto user back as it was, unless somebody has changed it meanwhile.
    ///
    /// Rule FT-06: undoing a fault never undoes a repair.
    ///
    /// # Errors
    /// When it is down, on another host, or its disk fails.
    pub async fn restore_user(
        &self,
        id: &HsmId,
        username: &str,
        tampered: &Tampered,
    ) -> Result<(), FleetError> {
        let node = self.up(id, username)?;
        if last_change(&node, username).await != tampered.changed {
            return Ok(());
        }
        let before = tampered.before.as_ref().map(|record| record.as_slice());
        node.tamper(|hsm| hsm.overwrite_user(username, Role::CryptoUser, before))
            .await
            .map_err(|refusal| FleetError::of(id, &cannot(username), refusal))
    }

    /// Rule HOST-12: a fault that reaches into an HSM does not reach into another host.
    ///
    /// # Errors
    /// When it runs on another host.
    pub fn within_reach(&self, id: &HsmId, what: &str) -> Result<(), FleetError> {
        match self.remote(id) {
            Some(_) => Err(FleetError::of(id, what, "it runs on another host")),
            None => Ok(()),
        }
    }

    fn up(&self, id: &HsmId, username: &str) -> Result<Node, FleetError> {
        self.within_reach(id, &cannot(username))?;
        self.node(id)
            .ok_or_else(|| FleetError::of(id, &cannot(username), "it is down"))
    }
}

/// What went wrong with a fault of a user.
fn cannot(username: &str) -> String {
    format!("its user {username} cannot be changed")
}

fn record_of(node: &Node, username: &str) -> Option<Zeroizing<Vec<u8>>> {
    node.user_record(username, Role::CryptoUser)
}

/// When the disk notes that the user was changed last.
async fn last_change(node: &Node, username: &str) -> Option<u64> {
    let user = format!("crypto-user/{username}");
    node.notes().await.changed.get(&user).copied()
}
