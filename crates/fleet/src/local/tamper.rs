//! What faults do to an HSM of this process beyond taking it down: its disk and its users.

use std::fmt;

use portcullis_api::HsmId;
use portcullis_hsm::{Command, Refusal, Role, Secret};
use portcullis_store::Transaction;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::LocalHsm;
use super::node::Node;
use crate::FleetError;
use crate::disk::layout;

/// Five wrong passwords lock an account; more than these mean that something else is wrong.
const ATTEMPTS_MAX: usize = 16;

/// A crypto user of one HSM before a fault: a password hash, so never printed and kept only sealed.
#[derive(Serialize, Deserialize)]
pub struct UserBefore {
    before: Option<Zeroizing<Vec<u8>>>,
    /// When a command changed it last: a failed login is no change.
    changed: Option<u64>,
}

impl fmt::Debug for UserBefore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("UserBefore(..)")
    }
}

impl LocalHsm {
    /// Damages every record on its disk and leaves it down: it cannot be started again.
    pub(crate) async fn corrupt(&self) -> Result<(), FleetError> {
        self.halt().await;
        self.invert(true).await
    }

    /// Undoes what [`corrupt`](Self::corrupt) did, if it did. It stays down.
    pub(crate) async fn repair(&self) -> Result<(), FleetError> {
        self.invert(false).await
    }

    /// Inverts every record, which is its own undoing; a note on the disk tells whether it is done.
    async fn invert(&self, damaged: bool) -> Result<(), FleetError> {
        let disk = self.open_disk()?;
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
        let written = self.open_disk()?.store.commit(transaction).await;
        self.close_disk();
        written
            .map(drop)
            .map_err(|error| self.failed("its disk failed", error))
    }

    /// One of its crypto users, for faults.
    pub(crate) fn crypto_user(&self, username: &str) -> Result<CryptoUser, FleetError> {
        let node = self.node();
        let node = node.ok_or_else(|| self.failed(&cannot(username), "it is down"))?;
        Ok(CryptoUser {
            hsm: self.id().clone(),
            username: username.to_owned(),
            node,
        })
    }
}

/// What went wrong with a fault of a user.
pub(crate) fn cannot(username: &str) -> String {
    format!("its user {username} cannot be changed")
}

/// A crypto user of one HSM that is up, as faults reach it: without a login, and with this HSM alone.
#[derive(Debug)]
pub struct CryptoUser {
    hsm: HsmId,
    username: String,
    node: Node,
}

impl CryptoUser {
    /// The user as it is, for the undoing of what will be done to it.
    pub async fn state(&self) -> UserBefore {
        UserBefore {
            before: self.record(),
            changed: self.last_change().await,
        }
    }

    /// Gives wrong passwords until the HSM locks the user out.
    ///
    /// # Errors
    /// When the HSM refuses them for another reason.
    pub async fn lock_out(&self) -> Result<(), FleetError> {
        for _attempt in 0..ATTEMPTS_MAX {
            let wrong = Command::Login {
                username: self.username.clone(),
                role: Role::CryptoUser,
                password: Secret::new("not the password"),
                fence: None,
                exclusive: false,
                holder: 0,
            };
            match self.node.carry_out(wrong).await {
                Err(Refusal::WrongPassword) => {}
                Err(Refusal::LockedOut) => return Ok(()),
                Err(refusal) => return Err(self.failed(refusal)),
                Ok(_) => return Err(self.failed("that is its password")),
            }
        }
        Ok(())
    }

    /// Gives the user another password.
    ///
    /// # Errors
    /// When there is no such user, or the disk fails.
    pub async fn change_password(&self, password: &Secret) -> Result<(), FleetError> {
        self.node
            .tamper(|hsm| hsm.overwrite_password(&self.username, Role::CryptoUser, password))
            .await
            .map_err(|refusal| self.failed(refusal))
    }

    /// Removes the user with its sessions; its keys stay.
    ///
    /// # Errors
    /// When there is no such user, or the disk fails.
    pub async fn remove(&self) -> Result<(), FleetError> {
        if self.record().is_none() {
            return Err(self.failed(Refusal::NoSuchUser));
        }
        self.overwrite(None).await
    }

    /// Puts the user back as it was, unless a command has changed it meanwhile.
    ///
    /// Rule FT-06: undoing a fault never undoes a repair.
    ///
    /// # Errors
    /// When the disk fails.
    pub async fn restore(&self, before: &UserBefore) -> Result<(), FleetError> {
        if self.last_change().await != before.changed {
            return Ok(());
        }
        let record = before.before.as_ref().map(|record| record.as_slice());
        self.overwrite(record).await
    }

    async fn overwrite(&self, record: Option<&[u8]>) -> Result<(), FleetError> {
        self.node
            .tamper(|hsm| hsm.overwrite_user(&self.username, Role::CryptoUser, record))
            .await
            .map_err(|refusal| self.failed(refusal))
    }

    fn record(&self) -> Option<Zeroizing<Vec<u8>>> {
        self.node.user_record(&self.username, Role::CryptoUser)
    }

    /// When the disk notes that the user was changed last.
    async fn last_change(&self) -> Option<u64> {
        let user = format!("crypto-user/{}", self.username);
        self.node.notes().await.changed.get(&user).copied()
    }

    fn failed(&self, why: impl fmt::Display) -> FleetError {
        FleetError::of(&self.hsm, &cannot(&self.username), why)
    }
}
