use std::fmt;

use portcullis_api::{ClusterId, HsmId};
use portcullis_clusters::ClusterState;
use portcullis_hsm::Refusal;
use portcullis_link::CallError;

use crate::KeyTextError;

/// Why an operation on users or keys failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UserError {
    /// There is no such cluster.
    NoSuchCluster(ClusterId),
    /// The cluster's state does not permit it.
    WrongState {
        /// The ID of the cluster.
        cluster: ClusterId,
        /// The state it is in.
        state: ClusterState,
    },
    /// The cluster has no HSM in service.
    NoHsm(ClusterId),
    /// No HSM answered.
    NoHsmReachable(Vec<(HsmId, CallError)>),
    /// Every HSM that answered refused.
    Refused(Refusal),
    /// Some HSMs did it and some did not: they differ until it is repeated.
    Partial {
        /// The HSMs that did it.
        done: Vec<HsmId>,
        /// The HSMs that did not, and why.
        failed: Vec<(HsmId, CallError)>,
    },
    /// The token is not one of an open session.
    NoSession,
    /// As many sessions are open as can be.
    TooManySessions,
    /// No key meets the filter.
    NoKey,
    /// More than one key meets the filter.
    SeveralKeys(usize),
    /// What was written about a key cannot be read.
    Text(KeyTextError),
}

impl From<KeyTextError> for UserError {
    fn from(error: KeyTextError) -> Self {
        Self::Text(error)
    }
}

impl UserError {
    /// What a deletion on some HSMs comes to: where the others did not have the user, none has it now.
    ///
    /// Rule CL-35: what an HSM does not have is not missed when it goes from the others.
    pub(crate) fn unless_it_was_gone(self) -> Result<(), Self> {
        let gone = CallError::Refused(Refusal::NoSuchUser);
        if let Self::Partial { failed, .. } = &self
            && failed.iter().all(|(_, why)| *why == gone)
        {
            return Ok(());
        }
        Err(self)
    }

    /// The failure of an operation that no HSM carried out: an HSM's refusal says more than
    /// another one's silence.
    pub(crate) fn from_all(failed: Vec<(HsmId, CallError)>) -> Self {
        let refusals = failed.iter().filter_map(|(_, error)| match error {
            CallError::Refused(refusal) => Some(*refusal),
            CallError::Link(_) => None,
        });
        match refusals.into_iter().next() {
            Some(refusal) => Self::Refused(refusal),
            None => Self::NoHsmReachable(failed),
        }
    }
}

impl fmt::Display for UserError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchCluster(id) => write!(
                formatter,
                "There is no cluster {id} in this account and Region. Run DescribeClusters to see \
                 which there are."
            ),
            Self::WrongState { cluster, state } => write!(
                formatter,
                "The cluster {cluster} is {}. {}",
                state.name(),
                advice(*state)
            ),
            Self::NoHsm(id) => write!(
                formatter,
                "The cluster {id} has no HSM in service. Run CreateHsm, then try again."
            ),
            Self::NoHsmReachable(tried) => {
                formatter.write_str("No HSM of the cluster can be reached: ")?;
                list(formatter, tried)?;
                formatter.write_str(". Restart the HSMs, or wait until they are back.")
            }
            Self::Refused(refusal) => write!(formatter, "Refused: {refusal}. {}", remedy(*refusal)),
            Self::Partial { done, failed } => {
                let done: Vec<_> = done.iter().map(HsmId::as_str).collect();
                write!(formatter, "Done on {}, but not on ", done.join(", "))?;
                list(formatter, failed)?;
                formatter.write_str(
                    ". The HSMs of the cluster may differ now; see `user list` and `key list \
                     --verbose`. Log in again and repeat it when all HSMs can be reached.",
                )
            }
            Self::NoSession => {
                formatter.write_str("Nobody is logged in under this token. Log in first.")
            }
            Self::TooManySessions => formatter
                .write_str("Too many sessions are open. Log out of one that is no longer needed."),
            Self::NoKey => formatter.write_str(
                "No key of this user meets the filter. See `key list` for those there are.",
            ),
            Self::SeveralKeys(count) => write!(
                formatter,
                "Key selection criteria matched {count} keys. Refine selection criteria to select \
                 a single key."
            ),
            Self::Text(error) => fmt::Display::fmt(error, formatter),
        }
    }
}

fn list(formatter: &mut fmt::Formatter<'_>, failed: &[(HsmId, CallError)]) -> fmt::Result {
    for (index, (hsm, why)) in failed.iter().enumerate() {
        let separator = if index == 0 { "" } else { ", " };
        write!(formatter, "{separator}{hsm} ({why})")?;
    }
    Ok(())
}

const fn advice(state: ClusterState) -> &'static str {
    match state {
        ClusterState::Uninitialized => {
            "Create its first HSM, sign the ClusterCsr and run InitializeCluster first."
        }
        ClusterState::Initialized => "Activate it first (`cluster activate`).",
        ClusterState::Active => "It was activated before; log in as admin.",
        ClusterState::CreateInProgress
        | ClusterState::InitializeInProgress
        | ClusterState::UpdateInProgress
        | ClusterState::ModifyInProgress
        | ClusterState::RollbackInProgress => "Run DescribeClusters until that is done.",
        ClusterState::DeleteInProgress | ClusterState::Deleted => "It cannot be used any more.",
        ClusterState::Degraded => "Repair or replace its HSMs first.",
    }
}

const fn remedy(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::NoSession | Refusal::Fenced => "Log in again.",
        Refusal::NoSuchUser => "See `user list` for names and roles.",
        Refusal::WrongPassword => "Five wrong passwords lock the user.",
        Refusal::LockedOut => "An admin unlocks the user with `user change-password`.",
        Refusal::LoggedIn => {
            "Wait until that session has ended; KMS ends its own when the key \
                              store is disconnected."
        }
        Refusal::UserExists => "Change its password, or choose another name.",
        Refusal::NotPermitted => "Log in as a user of the role that may: see `help`.",
        Refusal::OwnsKeys => "Delete its keys first.",
        Refusal::BadCredentials => {
            "A user name has at most 31 letters, digits or underscores, a \
                                    password 7 to 32 characters."
        }
        Refusal::WrongPhase => "A cluster is activated once; log in as admin.",
        Refusal::Full => "Delete users or keys that are no longer needed.",
        Refusal::Busy => "Try again.",
        Refusal::DiskFailed => "Restart the HSM.",
        Refusal::KeyForbids => "See the key's attributes with `key list --verbose`.",
        Refusal::AttributeFixed => {
            "Make another key with the value; some attributes are chosen only then."
        }
        Refusal::NotOwner => "Log in as the owner; `key list --verbose` names it.",
        Refusal::BadMechanism => "Use aes-gcm, or a wrapping key of 16 or 32 bytes.",
        Refusal::NoSuchKey => {
            "See `key list` for those there are; a key that was deleted does not come back to its \
             cluster."
        }
        Refusal::NotAuthentic => "Check the wrapping key, the initial value and the data.",
        Refusal::BadLength => "Check the lengths of what was given.",
        Refusal::ForeignKey => {
            "Replicate keys only between clusters of which one was made from a backup of the \
             other, or both from the same."
        }
    }
}

impl std::error::Error for UserError {}

#[cfg(test)]
mod tests {
    use portcullis_link::LinkError;

    use super::*;

    /// Rule CL-35.
    #[test]
    fn a_user_that_the_other_hsms_did_not_have_is_gone() {
        let hsm = |name: &str| -> HsmId { name.parse().unwrap() };
        let (one, other) = (hsm("hsm-aaaaaaaaaaa"), hsm("hsm-bbbbbbbbbbb"));
        let gone = CallError::Refused(Refusal::NoSuchUser);
        let silent = CallError::Link(LinkError::NoAnswer("cut".to_owned()));
        let busy = CallError::Refused(Refusal::Busy);
        for (failed, is_gone) in [
            (vec![gone.clone()], true),
            (vec![gone.clone(), gone.clone()], true),
            (vec![silent.clone()], false),
            (vec![gone.clone(), silent], false),
            (vec![gone, busy], false),
        ] {
            let failed = failed.into_iter().map(|why| (other.clone(), why));
            let partial = UserError::Partial {
                done: vec![one.clone()],
                failed: failed.collect(),
            };
            let outcome = partial.clone().unless_it_was_gone();
            assert_eq!(outcome.is_ok(), is_gone, "{partial}");
        }
        let nowhere = UserError::Refused(Refusal::NoSuchUser);
        assert_eq!(nowhere.clone().unless_it_was_gone(), Err(nowhere));
    }
}
