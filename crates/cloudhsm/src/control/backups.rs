//! Taking backups, restoring them and letting old ones go.

use std::sync::Arc;

use portcullis_api::{BackupId, Exception, HsmId, Scope};
use portcullis_clusters::HsmState;
use portcullis_fleet::Capture;
use portcullis_hsm::Image;
use portcullis_seam::draw;
use portcullis_seam::plant::{Bug, planted};

use super::state_change::StateChange;
use super::step::awaits_backup;
use super::turns::TurnSubject;
use crate::decide::{ScheduledChange, backup_is_due, changes_due};
use crate::record::{Backup, BackupState, Cluster, ScopeRecords, internal, layout};
use crate::service_core::{ServiceCore, failed};

/// Takes backups, restores them and lets old ones go.
#[derive(Debug)]
pub(crate) struct Backups {
    core: Arc<ServiceCore>,
}

impl Backups {
    pub(crate) const fn new(core: Arc<ServiceCore>) -> Self {
        Self { core }
    }

    /// Takes a backup from one HSM of an initialised cluster, and gives what it holds. One that has
    /// been begun is brought up to date and is READY with this.
    pub(crate) async fn take_backup(
        &self,
        scope: &Scope,
        cluster: &Cluster,
        hsm: &HsmId,
    ) -> Result<(BackupId, Capture), Exception> {
        let state = BackupState::Ready;
        let (backup, capture) = self.write_backup(scope, cluster, hsm, state).await?;
        tracing::info!(backup = %backup.id, cluster = %cluster.id, "took a backup");
        Ok((backup.id, capture))
    }

    /// Shows a backup as CREATE_IN_PROGRESS, unless one of the cluster is there already.
    ///
    /// Rule BK-19: it has an image all the same. Should what it was begun for never end, it is
    /// still a backup.
    pub(crate) async fn begin_backup(
        &self,
        scope: &Scope,
        cluster: &Cluster,
        hsm: &HsmId,
    ) -> Result<Option<Backup>, Exception> {
        if self
            .core
            .ledger
            .state(scope)?
            .begun_backup(&cluster.id)
            .is_some()
        {
            return Ok(None);
        }
        let state = BackupState::CreateInProgress;
        let (backup, _) = self.write_backup(scope, cluster, hsm, state).await?;
        Ok(Some(backup))
    }

    /// The HSM is brought in step first, so that no key is missing that another one has.
    ///
    /// Rule BK-06: only the sealed form is stored.
    async fn write_backup(
        &self,
        scope: &Scope,
        cluster: &Cluster,
        hsm: &HsmId,
        state: BackupState,
    ) -> Result<(Backup, Capture), Exception> {
        let Some((certificate, trust_anchor)) = cluster.issued() else {
            return Err(internal("The cluster has no certificate to back up."));
        };
        self.core.synchronise(cluster, Some(hsm)).await?;
        let capture = self.core.fleet.capture(hsm).await.map_err(failed)?;
        let before = self.core.ledger.state(scope)?;
        let begun = before.begun_backup(&cluster.id);
        let (id, created) = if let Some(begun) = begun {
            (begun.id.clone(), begun.created)
        } else {
            let newest = before.newest_backup(&cluster.id);
            let after_it = newest.map_or(0, |newest| newest.created + 1);
            // Scripts choose by date: two backups must not share one.
            let created = self.core.clock.now().millis().max(after_it);
            (BackupId::from_random(draw(&*self.core.entropy)), created)
        };
        let backup = Backup {
            cluster: cluster.id.clone(),
            state,
            created,
            hsm_type: cluster
                .hsms
                .get(hsm)
                .map_or(cluster.hsm_type.as_str(), |one| cluster.type_of(one))
                .to_owned(),
            mode: cluster.mode.clone(),
            never_expires: false,
            certificate: certificate.to_owned(),
            trust_anchor: trust_anchor.to_owned(),
            tags: begun.map_or(&cluster.tags, |begun| &begun.tags).clone(),
            source: None,
            policy: None,
            id,
        };
        let name = layout::image(scope, &backup.id);
        let image = capture.image.to_bytes();
        let sealed = self
            .core
            .device_key
            .seal(&name, &image, &*self.core.entropy);
        self.core.ledger.add_backup(scope, &backup, &sealed).await?;
        Ok((backup, capture))
    }

    /// What a new HSM of an initialised cluster gets.
    ///
    /// Rule BK-03: a fresh backup of an HSM that is there; else the newest backup of the cluster;
    /// else the backup that the cluster was made from.
    pub(crate) async fn content_for_new_hsm(
        &self,
        scope: &Scope,
        cluster: &Cluster,
    ) -> Result<Capture, Exception> {
        let mut present = cluster.hsms_in(HsmState::Active);
        if let Some(hsm) = present.find(|hsm| self.core.fleet.is_up(hsm)) {
            // Rule BK-07: an HSM is added.
            let (_, capture) = self.take_backup(scope, cluster, hsm).await?;
            return Ok(capture);
        }
        let state = self.core.ledger.state(scope)?;
        if planted(Bug::OldestBackupRestored)
            && let Some(oldest) = state.backups.values().min_by_key(|one| one.created)
        {
            return self.open_image(scope, &oldest.id).map(Capture::of_backup);
        }
        if let Some(newest) = state.newest_restorable(&cluster.id, &cluster.hsm_type) {
            return self.open_image(scope, &newest.id).map(Capture::of_backup);
        }
        let Some(source) = &cluster.source_backup else {
            return Err(internal("The cluster has neither an HSM nor a backup."));
        };
        let image = self.open_image(&cluster.source_scope(scope), source);
        image.map(Capture::of_backup)
    }

    /// Ends a backup's CREATE_IN_PROGRESS, if its time has come.
    ///
    /// Rule BK-19: a backup that is taken because an HSM comes or goes, or at activation, lasts as
    /// long as that; another one, and a copy, as the pace says.
    pub(crate) async fn end_backup(&self, scope: &Scope, backup: Backup) -> Result<(), Exception> {
        let is_copy = backup.source.is_some();
        if !is_copy
            && let Some(cluster) = self.core.ledger.cluster(scope, &backup.cluster)?
            && awaits_backup(&self.core.fleet, &cluster)
        {
            return Ok(());
        }
        let change = if is_copy {
            StateChange::CopyBackup
        } else {
            StateChange::CreateBackup
        };
        let subject = TurnSubject::Backup(backup.id.clone());
        if !self.core.turns.may_take(scope, subject, "end", change) {
            return Ok(());
        }
        if is_copy {
            return self.finish_copy(scope, backup).await;
        }
        let state = BackupState::Ready;
        let ready = Backup { state, ..backup };
        self.core.ledger.put_backup(scope, &ready).await
    }

    /// Ends the passing state of a backup whose turn has come.
    pub(crate) async fn settle_backup(&self, scope: &Scope, id: &BackupId) {
        let _one_at_a_time = self.core.control.lock().await;
        let ended = async {
            let state = self.core.ledger.state(scope)?;
            let begun = state.backups.get(id).filter(|one| one.is_begun());
            match begun {
                Some(backup) => self.end_backup(scope, Backup::clone(backup)).await,
                None => Ok(()),
            }
        };
        if let Err(error) = ended.await {
            tracing::warn!(backup = %id, cause = error.cause, "a backup waits for the next round");
        }
    }

    /// Brings the image of a copy into its Region. The copy is DELETED when there is none.
    ///
    /// The image is sealed anew: its seal is bound to where it lies.
    async fn finish_copy(&self, scope: &Scope, copy: Backup) -> Result<(), Exception> {
        let Some(source) = &copy.source else {
            return Err(internal("A backup that is no copy cannot be finished."));
        };
        let from = Scope {
            region: source.region.clone(),
            account: scope.account.clone(),
        };
        let image = match self.open_image(&from, &source.backup) {
            Ok(image) => image,
            Err(error) => {
                tracing::warn!(backup = %copy.id, cause = error.cause, "the copy failed");
                let since = self.core.clock.now().millis();
                let state = BackupState::Deleted { since };
                let failed = Backup { state, ..copy };
                return self.core.ledger.put_backup(scope, &failed).await;
            }
        };
        let name = layout::image(scope, &copy.id);
        let sealed = self
            .core
            .device_key
            .seal(&name, &image.to_bytes(), &*self.core.entropy);
        let state = BackupState::Ready;
        let done = Backup { state, ..copy };
        self.core.ledger.add_backup(scope, &done, &sealed).await
    }

    fn open_image(&self, scope: &Scope, id: &BackupId) -> Result<Image, Exception> {
        let unreadable = || internal("The backup cannot be read. The log of Portcullis says why.");
        let name = layout::image(scope, id);
        let sealed = self.core.ledger.image(scope, id);
        let image = self
            .core
            .device_key
            .open(&name, &sealed)
            .map_err(|error| unreadable().because(format!("{name}: {error}")))?;
        Image::from_bytes(&image).map_err(|error| unreadable().because(format!("{name}: {error}")))
    }

    /// Takes the backups that are due, finishes copies and lets the expired ones go.
    pub(crate) async fn reconcile_backups(&self, scope: &Scope) -> Result<(), Exception> {
        let now = self.core.clock.now().millis();
        let state = self.core.ledger.state(scope)?;
        let begun = state.backups.values().filter(|one| one.is_begun());
        let mut begun: Vec<Backup> = begun.map(|one| Backup::clone(one)).collect();
        for cluster in state.clusters.values().filter(|one| one.in_service()) {
            let mut active = cluster.hsms_in(HsmState::Active);
            let up = active.find(|hsm| self.core.fleet.is_up(hsm));
            if let Some(hsm) = up
                && backup_is_due(&state, &cluster.id, now)
            {
                if self.core.turns.takes_time(StateChange::CreateBackup) {
                    begun.extend(self.begin_backup(scope, cluster, hsm).await?);
                } else {
                    self.take_backup(scope, cluster, hsm).await?;
                }
            }
        }
        for backup in begun {
            self.end_backup(scope, backup).await?;
        }
        for change in changes_due(&state, now) {
            tracing::info!(?change, "the calendar changes a backup");
            match change {
                ScheduledChange::Purge(backup) => {
                    self.core.ledger.put_backup(scope, &backup).await?;
                }
                ScheduledChange::Delete(backup) => {
                    self.core.ledger.remove_image(scope, &backup).await?;
                }
                ScheduledChange::Forget(backup) => {
                    self.core.ledger.remove_backup(scope, &backup).await?;
                }
            }
        }
        Ok(())
    }

    /// Decides on a backup and commits what comes of it.
    pub(crate) async fn change_backup(
        &self,
        scope: &Scope,
        decide: impl Fn(&ScopeRecords) -> Result<Backup, Exception>,
    ) -> Result<Backup, Exception> {
        let _one_at_a_time = self.core.control.lock().await;
        let decided = self
            .core
            .ledger
            .decide(scope, |state| Ok((decide(state)?, ())))
            .await?;
        Ok(decided.0)
    }
}
