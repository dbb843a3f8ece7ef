//! The pipeline of a connect.

use std::collections::BTreeMap;
use std::sync::Arc;

use portcullis_api::HsmId;
use portcullis_clusters::{ClusterView, NetworkTrouble};
use portcullis_hsm::{Epoch, Refusal, Secret};
use portcullis_link::{CallError, Target, pem_to_der};
use portcullis_seam::plant::{Bug, planted};
use portcullis_seam::{Entropy, draw};
use zeroize::Zeroizing;

use super::ConnectionError;
use super::KeyStores;
use super::connection::{LiveConnection, log_out};
use super::driver::KeyStore;
use super::login::Member;
use super::record::{KeyStorePasswords, KeyStoreRecord, OLDER_MAX};
use crate::catalogue::Partition;
use crate::translate;

impl KeyStores {
    /// The pipeline of a connect: cluster, network, login on every HSM, rotation of the password.
    ///
    /// Rule KS-60: its steps are in this order, each with its own error code.
    pub(super) async fn establish(
        &self,
        partition: &Partition,
        store: &KeyStore,
        epoch: Epoch,
    ) -> Result<Arc<LiveConnection>, ConnectionError> {
        let record = store.record();
        let changes = self.records.config.clusters.changes();
        let cluster = self
            .records
            .config
            .clusters
            .cluster(&store.scope, &record.cluster);
        let cluster = cluster.ok_or(ConnectionError::ClusterNotFound)?;
        if cluster.active_hsms().next().is_none() {
            return Err(ConnectionError::InsufficientCloudHsmHsms);
        }
        match &cluster.network_trouble {
            Some(NetworkTrouble::SubnetNotFound(_)) => return Err(ConnectionError::SubnetNotFound),
            Some(NetworkTrouble::NoFreeAddress(_)) => {
                return Err(ConnectionError::InsufficientFreeAddressesInSubnet);
            }
            Some(NetworkTrouble::SecurityGroupChanged) => {
                return Err(ConnectionError::NetworkErrors);
            }
            None => {}
        }
        let known = self.known_passwords(&record)?;
        let members = self.members(&record, &cluster, &[]);
        let tried: Vec<&Secret> = known.iter().collect();
        let used = log_in_everywhere(&members, &tried, store, epoch).await?;
        let unfinished = self.unseal_password(record.passwords.rotating.as_ref())?;
        let attempt = ConnectAttempt {
            partition,
            store,
            epoch,
        };
        // Rule KS-64: a rotation that was cut short is finished with its own password: some HSMs
        // have it, and however often that happens there is no third one to remember.
        let fresh = unfinished.unwrap_or_else(|| random_password(&*self.records.config.entropy));
        let mut before = known;
        if used < before.len() {
            before.swap(0, used);
        }
        before.retain(|it| it.reveal() != fresh.reveal());
        let previous = self.rotate(&attempt, &members, &fresh, before).await?;
        Ok(Arc::new(LiveConnection::new(
            store.fence(epoch),
            members,
            fresh,
            previous,
            changes,
        )))
    }

    /// Every password of `kmsuser` that an HSM may have, the present one first.
    pub(super) fn known_passwords(
        &self,
        record: &KeyStoreRecord,
    ) -> Result<Vec<Secret>, ConnectionError> {
        let known = record
            .passwords
            .known()
            .map(|sealed| self.records.unseal(sealed));
        known.collect::<Result<_, _>>().map_err(|error| {
            tracing::error!(%error, "a stored kmsuser password cannot be read");
            ConnectionError::InternalError
        })
    }

    /// The password that HSMs have, and sealed the others that one may have.
    pub(super) fn present_password(
        &self,
        record: &KeyStoreRecord,
    ) -> Result<(Secret, Vec<Vec<u8>>), ConnectionError> {
        let mut known = record.passwords.known();
        let present = self.unseal_password(known.next())?;
        let present = present.ok_or(ConnectionError::InternalError)?;
        Ok((present, known.cloned().collect()))
    }

    fn unseal_password(&self, sealed: Option<&Vec<u8>>) -> Result<Option<Secret>, ConnectionError> {
        let opened = sealed.map(|sealed| self.records.unseal(sealed)).transpose();
        opened.map_err(|error| {
            tracing::error!(%error, "a stored kmsuser password cannot be read");
            ConnectionError::InternalError
        })
    }

    /// The members of a connection: those there are already, and new channels to the others.
    pub(super) fn members(
        &self,
        record: &KeyStoreRecord,
        cluster: &ClusterView,
        present: &[Arc<Member>],
    ) -> Vec<Arc<Member>> {
        let anchor = pem_to_der(&record.trust_anchor).unwrap_or_default();
        let certificate = cluster.certificate.as_deref().map(pem_to_der);
        let certificate = certificate.and_then(Result::ok).unwrap_or_default();
        let known: BTreeMap<&HsmId, &Arc<Member>> =
            present.iter().map(|member| (&member.hsm, member)).collect();
        let member = |hsm: &portcullis_clusters::HsmView| {
            // Rule HOST-06: an HSM that came back may listen elsewhere.
            let stays = |member: &&&Arc<Member>| hsm.address.is_none_or(|at| at == member.address);
            if let Some(member) = known.get(&hsm.id).filter(stays) {
                return Some(Arc::clone(member));
            }
            let address = hsm.address?;
            let channel = self.records.config.transport.dial(Target {
                name: hsm.id.to_string(),
                address,
                trust_anchor: anchor.clone(),
                cluster_certificate: certificate.clone(),
            });
            let zone = hsm.availability_zone.clone();
            Some(Arc::new(Member::new(
                hsm.id.clone(),
                zone,
                address,
                channel,
                self.records.holder,
            )))
        };
        cluster.active_hsms().filter_map(member).collect()
    }

    /// Rule KS-61: a connect changes `kmsuser`'s password to a random one on every HSM that is
    /// logged in. The new one is recorded before it is sent to the first HSM.
    ///
    /// Rule KS-63: every password that an HSM may still have stays known, whatever interrupts the
    /// rotation and whichever HSMs it does not reach: `before` has them, the likeliest first. Gives those that stay
    /// known, sealed.
    async fn rotate(
        &self,
        attempt: &ConnectAttempt<'_>,
        members: &[Arc<Member>],
        fresh: &Secret,
        before: Vec<Secret>,
    ) -> Result<Vec<Vec<u8>>, ConnectionError> {
        let sealed = self.records.seal(fresh.reveal());
        let older: Vec<Vec<u8>> = before
            .iter()
            .map(|it| self.records.seal(it.reveal()))
            .collect();
        drop(before);
        if planted(Bug::PasswordLogged) {
            tracing::debug!(password = fresh.reveal(), "rotating");
        }
        if !planted(Bug::RotationNotRecorded) {
            self.record_passwords(attempt, |record| {
                record.passwords = KeyStorePasswords::rotating(&older, sealed.clone());
            })
            .await?;
        }
        let mut changed = 0;
        for member in members.iter().filter(|member| member.session().is_some()) {
            match member.change_password(fresh).await {
                Ok(()) => changed += 1,
                Err(error) => tracing::warn!(hsm = %member.hsm, %error, "password not rotated"),
            }
        }
        if changed == 0 {
            return Err(ConnectionError::InternalError);
        }
        // An HSM that is being made from another's content has what was replaced, even if every
        // one that is there has heard.
        let kept = if changed == members.len() {
            1
        } else {
            1 + OLDER_MAX
        };
        let older: Vec<Vec<u8>> = older.into_iter().take(kept).collect();
        self.record_passwords(attempt, |record| {
            record.passwords = KeyStorePasswords::rotated(sealed.clone(), &older);
        })
        .await?;
        Ok(older)
    }

    /// Records a step of the rotation, unless the connect was overtaken.
    async fn record_passwords(
        &self,
        attempt: &ConnectAttempt<'_>,
        edit: impl Fn(&mut KeyStoreRecord),
    ) -> Result<(), ConnectionError> {
        let step = |record: &mut KeyStoreRecord| {
            // Overtaken by a disconnect, an edit or another connect. What was recorded before the
            // first HSM heard is enough to log in everywhere, and a facade that came later knows it.
            if record.epoch != attempt.epoch && !planted(Bug::OvertakenConnectRotates) {
                return None;
            }
            edit(record);
            Some(())
        };
        match self.amend(attempt.partition, attempt.store, step).await {
            Ok(Some((_changing, ()))) => Ok(()),
            Ok(None) => Err(ConnectionError::InternalError),
            Err(exception) => {
                tracing::error!(%exception, "the rotation is not recorded");
                Err(ConnectionError::InternalError)
            }
        }
    }
}

/// A connect on its way.
struct ConnectAttempt<'a> {
    partition: &'a Partition,
    store: &'a KeyStore,
    epoch: Epoch,
}

/// Logs in on every HSM. One that cannot be reached is passed over as long as another can; one that
/// refuses ends the attempt. Gives the index of the password that was right.
async fn log_in_everywhere(
    members: &[Arc<Member>],
    known: &[&Secret],
    store: &KeyStore,
    epoch: Epoch,
) -> Result<usize, ConnectionError> {
    let mut used = None;
    let mut unreachable = ConnectionError::NetworkErrors;
    for member in members {
        match member.log_in(known, store.fence(epoch), true).await {
            Ok(index) => used = used.max(Some(index)),
            Err(error @ CallError::Link(_)) => {
                tracing::debug!(hsm = %member.hsm, %error, "not reached");
                unreachable = translate::login(&error);
            }
            Err(error @ CallError::Refused(_)) => {
                let code = translate::login(&error);
                tracing::debug!(hsm = %member.hsm, %error, "login refused");
                log_out(members, epoch).await;
                return Err(if error == CallError::Refused(Refusal::Fenced) {
                    ConnectionError::InternalError
                } else {
                    code
                });
            }
        }
    }
    used.ok_or(unreachable)
}

/// The letters and digits of a rotated password: 64, so that six random bits choose one evenly
/// but for the two that stand twice.
const PASSWORD_ALPHABET: &[u8; 64] =
    b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789AB";

/// A password that only KMS knows: 32 letters and digits, some 190 bits.
fn random_password(entropy: &dyn Entropy) -> Secret {
    let bytes: Zeroizing<[u8; 32]> = Zeroizing::new(draw(entropy));
    let letter = |byte: &u8| PASSWORD_ALPHABET.get(usize::from(byte & 63)).copied();
    Secret::new(
        bytes
            .iter()
            .filter_map(letter)
            .map(char::from)
            .collect::<String>(),
    )
}
