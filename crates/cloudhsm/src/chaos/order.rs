//! Whether an order can be carried out as it stands: the list of kinds says what each takes.

use std::fmt;
use std::time::Duration;

use portcullis_admin::{FaultField, FaultKind, FaultOrder, FaultPlace};
use portcullis_api::{ClusterId, HsmId, Scope};
use portcullis_clusters::{ClusterView, HsmView};

use super::FaultEffect;

/// Where something is broken: the HSMs for which everything given holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BrokenPlace {
    /// The account and Region of the cluster.
    pub(crate) scope: Scope,
    /// Of this cluster.
    pub(crate) cluster: Option<ClusterId>,
    /// In this Availability Zone.
    pub(crate) zone: Option<String>,
    /// The HSM that is broken, if one is named.
    pub(crate) hsm: Option<HsmId>,
}

/// Why an order cannot be carried out as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadOrder(String);

impl BadOrder {
    pub(super) fn new(kind: FaultKind, why: &str) -> Self {
        Self(format!("The fault {kind} {why}."))
    }
}

impl fmt::Display for BadOrder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for BadOrder {}

/// A fault lasts a week at the most, so that its end is a date.
const DURATION_MAX: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// A message that is later than this is lost for every client there is.
const DELAY_MAX: Duration = Duration::from_secs(60);

/// What an order does, and where.
///
/// Rule FT-01: an order says everything that its kind needs and nothing that it does not know.
///
/// # Errors
/// When something is missing, does not belong to the kind, or is out of range.
pub(crate) fn read(
    order: &FaultOrder,
    scope: Scope,
) -> Result<(FaultEffect, BrokenPlace), BadOrder> {
    let about = order.kind.describe();
    for field in FaultField::ALL {
        let required = about.required.contains(&field);
        check(order, field, required, about.takes(field))?;
    }
    check_place(order, about.place)?;
    let place = BrokenPlace {
        scope,
        cluster: order.cluster.clone(),
        zone: order.zone.clone(),
        hsm: order.hsm.clone(),
    };
    Ok((FaultEffect::of(order), place))
}

/// After how long a fault is undone by itself.
pub(crate) fn lasts(order: &FaultOrder) -> Option<Duration> {
    order.duration_ms.map(Duration::from_millis)
}

/// Whether an order has a field exactly if its kind wants it, with a value that can be.
fn check(
    order: &FaultOrder,
    field: FaultField,
    required: bool,
    taken: bool,
) -> Result<(), BadOrder> {
    // None when the field was left out, otherwise whether its value is in range.
    let (in_range, wants) = match field {
        FaultField::Direction => (order.direction.map(|_| true), "needs a direction"),
        FaultField::Delay => (
            order.delay_ms.map(|delay| {
                let delay = Duration::from_millis(delay);
                !delay.is_zero() && delay <= DELAY_MAX
            }),
            "needs a delay of 1 millisecond to 60 seconds",
        ),
        FaultField::Percent => (
            order.percent.map(|percent| (1..=100).contains(&percent)),
            "needs a percentage of 1 to 100",
        ),
        FaultField::Duration => (
            lasts(order).map(|lasts| !lasts.is_zero() && lasts <= DURATION_MAX),
            "lasts longer than nothing and at most seven days",
        ),
    };
    let bad = |why: &str| Err(BadOrder::new(order.kind, why));
    match in_range {
        Some(_) if !taken => bad(&format!(
            "has no {}: only {} have one",
            field.noun(),
            field.kinds()
        )),
        Some(false) => bad(wants),
        None if required => bad(wants),
        Some(true) | None => Ok(()),
    }
}

fn check_place(order: &FaultOrder, place: FaultPlace) -> Result<(), BadOrder> {
    let has_cluster = order.cluster.is_some();
    let has_hsms = order.zone.is_some() || order.hsm.is_some();
    let (fits, wants) = match place {
        FaultPlace::Cluster => (
            has_cluster && !has_hsms,
            "befalls a whole cluster: name it, and neither a zone nor an HSM",
        ),
        FaultPlace::Hsms => (
            has_cluster || has_hsms,
            "has no place: name a cluster, a zone or an HSM",
        ),
    };
    if fits {
        Ok(())
    } else {
        Err(BadOrder::new(order.kind, wants))
    }
}

impl BrokenPlace {
    /// The HSMs of a cluster that it names.
    pub(crate) fn hsms_of<'a>(
        &'a self,
        scope: &'a Scope,
        view: &'a ClusterView,
    ) -> impl Iterator<Item = &'a HsmId> {
        let here = self
            .cluster
            .as_ref()
            .is_none_or(|cluster| *cluster == view.id && self.scope == *scope);
        let named = move |hsm: &&'a HsmView| {
            here && self
                .zone
                .as_ref()
                .is_none_or(|zone| *zone == hsm.availability_zone)
                && self.hsm.as_ref().is_none_or(|id| *id == hsm.id)
        };
        view.hsms.iter().filter(named).map(|hsm| &hsm.id)
    }
}

impl fmt::Display for BrokenPlace {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [
            self.cluster.as_ref().map(ToString::to_string),
            self.zone.clone(),
            self.hsm.as_ref().map(ToString::to_string),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        formatter.write_str(&parts.join(" "))
    }
}
