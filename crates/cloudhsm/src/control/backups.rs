//! Taking backups, restoring them and letting old ones go.

use std::time::Duration;

use portcullis_api::{BackupId, ClusterId, Exception, HsmId, Scope};
use portcullis_hsm::Image;
use portcullis_seam::draw;

use super::CloudHsm;
use super::progress::failed;
use crate::HsmState;
use crate::fleet::Capture;
use crate::record::{Backup, BackupState, Cluster, State, internal, layout};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

impl CloudHsm {
    /// Takes a backup from one HSM of an initialised cluster, and gives what it holds. The HSM is
    /// brought in step first, so that no key is missing that another one has.
    ///
    /// Rule BK-06: only the sealed form is stored.
    pub(super) async fn take_backup(
        &self,
        scope: &Scope,
        cluster: &Cluster,
        hsm: &HsmId,
    ) -> Result<(BackupId, Capture), Exception> {
        let Some((certificate, trust_anchor)) = cluster.issued() else {
            return Err(internal("The cluster has no certificate to back up."));
        };
        self.synchronise(cluster, Some(hsm)).await?;
        let capture = self.fleet.capture(hsm).await.map_err(failed)?;
        let id = BackupId::from_random(draw(&*self.entropy));
        let newest = self
            .ledger
            .state(scope)?
            .newest_backup(&cluster.id)
            .map_or(0, |newest| newest.created + 1);
        let backup = Backup {
            cluster: cluster.id.clone(),
            state: BackupState::Ready,
            // Scripts choose by date: two backups must not share one.
            created: self.clock.now().millis().max(newest),
            hsm_type: cluster.hsm_type.clone(),
            mode: cluster.mode.clone(),
            never_expires: false,
            certificate: certificate.to_owned(),
            trust_anchor: trust_anchor.to_owned(),
            tags: cluster.tags.clone(),
            id: id.clone(),
        };
        let name = layout::image(scope, &id);
        let image = capture.image.to_bytes();
        let sealed = self.device_key.seal(&name, &image, &*self.entropy);
        self.ledger.add_backup(scope, &backup, &sealed).await?;
        tracing::info!(backup = %id, cluster = %cluster.id, "took a backup");
        Ok((id, capture))
    }

    /// What a new HSM of an initialised cluster gets.
    ///
    /// Rule BK-03: a fresh backup of an HSM that is there; else the newest backup of the cluster;
    /// else the backup that the cluster was made from.
    pub(super) async fn content_for_new_hsm(
        &self,
        scope: &Scope,
        cluster: &Cluster,
    ) -> Result<Capture, Exception> {
        let mut present = cluster.hsms_in(HsmState::Active);
        if let Some(hsm) = present.find(|hsm| self.fleet.is_up(hsm)) {
            // Rule BK-07: an HSM is added.
            let (_, capture) = self.take_backup(scope, cluster, hsm).await?;
            return Ok(capture);
        }
        let state = self.ledger.state(scope)?;
        let newest = state.newest_backup(&cluster.id).map(|backup| &backup.id);
        let Some(backup) = newest.or(cluster.source_backup.as_ref()) else {
            return Err(internal("The cluster has neither an HSM nor a backup."));
        };
        self.open_image(scope, backup).map(Capture::of_backup)
    }

    fn open_image(&self, scope: &Scope, id: &BackupId) -> Result<Image, Exception> {
        let unreadable = || internal("The backup cannot be read. The log of Portcullis says why.");
        let name = layout::image(scope, id);
        let sealed = self.ledger.image(scope, id);
        let image = self
            .device_key
            .open(&name, &sealed)
            .map_err(|error| unreadable().because(format!("{name}: {error}")))?;
        Image::from_bytes(&image).map_err(|error| unreadable().because(format!("{name}: {error}")))
    }

    /// Takes the backups that are due and lets the expired ones go.
    ///
    /// Rule BK-07: at least one backup a day of every cluster in service.
    pub(super) async fn tend_backups(&self, scope: &Scope) -> Result<(), Exception> {
        let now = self.clock.now().millis();
        let state = self.ledger.state(scope)?;
        for cluster in state.clusters.values().filter(|one| one.in_service()) {
            let mut active = cluster.hsms_in(HsmState::Active);
            let up = active.find(|hsm| self.fleet.is_up(hsm));
            if let Some(hsm) = up
                && is_due(&state, &cluster.id, now)
            {
                self.take_backup(scope, cluster, hsm).await?;
            }
        }
        for backup in expired(&state, now) {
            tracing::info!(%backup, "the retention period is over");
            self.ledger.remove_backup(scope, &backup).await?;
        }
        Ok(())
    }
}

fn is_due(state: &State, cluster: &ClusterId, now: u64) -> bool {
    let newest = state.newest_backup(cluster);
    newest.is_none_or(|backup| age(backup, now) >= DAY)
}

const fn age(backup: &Backup, now: u64) -> Duration {
    Duration::from_millis(now.saturating_sub(backup.created))
}

/// Rule BK-05: a backup is kept for its cluster's retention period; the last one of a cluster is
/// kept for ever, and so are the backups of clusters that are gone and those that others are to
/// be restored from.
fn expired(state: &State, now: u64) -> Vec<BackupId> {
    let is_source = |id: &BackupId| {
        let mut clusters = state.clusters.values();
        clusters.any(|one| one.source_backup.as_ref() == Some(id))
    };
    let is_newest = |backup: &Backup| {
        let newest = state.newest_backup(&backup.cluster);
        newest.is_some_and(|newest| newest.id == backup.id)
    };
    let is_over = |backup: &Backup| {
        state
            .clusters
            .get(&backup.cluster)
            .is_some_and(|cluster| age(backup, now) > DAY * u32::from(cluster.retention_days))
    };
    let backups = state.backups.values();
    let over = backups.filter(|one| is_over(one) && !one.never_expires);
    over.filter(|one| !is_newest(one) && !is_source(&one.id))
        .map(|one| one.id.clone())
        .collect()
}
