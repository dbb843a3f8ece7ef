//! How many descriptors this process may have, which bounds how many connections it takes.

use portcullis_server::Limits;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The limits of clients as far as this process has descriptors for them. It raises its own limit of
/// descriptors to what it needs, as far as it may.
///
/// Programs that it starts have the raised limit too. It is raised no further than needed, because
/// some programs close every descriptor that they might have.
pub(crate) fn fit(limits: Limits, threads: usize) -> Limits {
    let wanted = limits.descriptors(threads);
    let may_have = raise(u64::try_from(wanted).unwrap_or(u64::MAX));
    let may_have = usize::try_from(may_have).unwrap_or(usize::MAX);
    let asked = limits.connections_max;
    let limits = limits.within(may_have, threads);
    let connections = limits.connections_max;
    if connections < asked {
        tracing::warn!(
            descriptors = may_have,
            connections,
            "there are descriptors for fewer connections than could be served; `ulimit -n {wanted}` \
             permits {asked}"
        );
    } else {
        tracing::info!(
            descriptors = may_have,
            connections,
            "there are places for connections"
        );
    }
    limits
}

/// Raises the limit of descriptors to `wanted` as far as it may. Gives what it is.
fn raise(wanted: u64) -> u64 {
    let has = getrlimit(Resource::Nofile);
    let has_soft = has.current.unwrap_or(u64::MAX);
    let can_have = wanted.min(has.maximum.unwrap_or(u64::MAX));
    if can_have <= has_soft {
        return has_soft;
    }
    let raised = Rlimit {
        current: Some(can_have),
        maximum: has.maximum,
    };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => can_have,
        Err(error) => {
            tracing::warn!(%error, "the limit of descriptors stays at {has_soft}");
            has_soft
        }
    }
}
