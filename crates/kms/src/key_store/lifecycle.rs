//! The connection lifecycle of a key store, as one table.

use serde::{Deserialize, Serialize};

/// `ConnectionState`, with the error code that only a FAILED store has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Connection {
    /// Never connected, or disconnected on purpose.
    Disconnected,
    /// A connect was accepted and is running.
    Connecting,
    /// Logged in as `kmsuser`. Says nothing about the cluster's present health.
    Connected,
    /// A connect ended in an error.
    Failed(ConnectionError),
    /// A disconnect was accepted and is running.
    Disconnecting,
}

/// `ConnectionErrorCode`, as far as CloudHSM key stores have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ConnectionError {
    /// CLUSTER_NOT_FOUND: there is no cluster with the ID of the key store's cluster.
    ClusterNotFound,
    /// The cluster has no active HSM.
    InsufficientCloudHsmHsms,
    /// A subnet of the cluster has no free address.
    InsufficientFreeAddressesInSubnet,
    /// INTERNAL_ERROR: the service failed for a reason of its own.
    InternalError,
    /// The stored password is not `kmsuser`'s.
    InvalidCredentials,
    /// NETWORK_ERRORS: no HSM of the cluster could be reached.
    NetworkErrors,
    /// A subnet of the cluster was deleted.
    SubnetNotFound,
    /// Too many wrong passwords for `kmsuser`.
    UserLockedOut,
    /// USER_LOGGED_IN: another client is logged in as `kmsuser`.
    UserLoggedIn,
    /// There is no crypto user `kmsuser`.
    UserNotFound,
}

impl ConnectionError {
    /// Every code.
    pub const ALL: [Self; 10] = [
        Self::ClusterNotFound,
        Self::InsufficientCloudHsmHsms,
        Self::InsufficientFreeAddressesInSubnet,
        Self::InternalError,
        Self::InvalidCredentials,
        Self::NetworkErrors,
        Self::SubnetNotFound,
        Self::UserLockedOut,
        Self::UserLoggedIn,
        Self::UserNotFound,
    ];

    /// The name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ClusterNotFound => "CLUSTER_NOT_FOUND",
            Self::InsufficientCloudHsmHsms => "INSUFFICIENT_CLOUDHSM_HSMS",
            Self::InsufficientFreeAddressesInSubnet => "INSUFFICIENT_FREE_ADDRESSES_IN_SUBNET",
            Self::InternalError => "INTERNAL_ERROR",
            Self::InvalidCredentials => "INVALID_CREDENTIALS",
            Self::NetworkErrors => "NETWORK_ERRORS",
            Self::SubnetNotFound => "SUBNET_NOT_FOUND",
            Self::UserLockedOut => "USER_LOCKED_OUT",
            Self::UserLoggedIn => "USER_LOGGED_IN",
            Self::UserNotFound => "USER_NOT_FOUND",
        }
    }

    /// What to do about it (Developer Guide, troubleshooting a custom key store).
    #[must_use]
    pub const fn repair(self) -> &'static str {
        match self {
            Self::ClusterNotFound => {
                "Make a cluster from a recent backup, disconnect the key store, set its \
                 CloudHsmClusterId, connect."
            }
            Self::InsufficientCloudHsmHsms => {
                "Add an HSM to the cluster, disconnect the key store, connect."
            }
            Self::InsufficientFreeAddressesInSubnet => {
                "Free addresses, or restore the cluster into larger subnets and substitute it."
            }
            Self::InternalError => "Disconnect the key store and connect it again.",
            Self::InvalidCredentials => {
                "Disconnect the key store, find or reset the password of kmsuser, set \
                 KeyStorePassword, connect."
            }
            Self::NetworkErrors => {
                "Disconnect the key store, wait, connect; if it persists check that the HSMs can \
                 be reached."
            }
            Self::SubnetNotFound => {
                "Restore a recent backup into a cluster in new subnets and substitute it."
            }
            Self::UserLockedOut => {
                "Disconnect the key store, let an admin change the password of kmsuser, set \
                 KeyStorePassword, connect."
            }
            Self::UserLoggedIn => {
                "Log kmsuser out of the cluster; set KeyStorePassword if it was changed; \
                 disconnect, connect."
            }
            Self::UserNotFound => {
                "Create the crypto user kmsuser in the cluster, set KeyStorePassword, disconnect, \
                 connect."
            }
        }
    }
}

impl Connection {
    /// The name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.kind().name()
    }

    const fn kind(self) -> ConnectionKind {
        match self {
            Self::Disconnected => ConnectionKind::Disconnected,
            Self::Connecting => ConnectionKind::Connecting,
            Self::Connected => ConnectionKind::Connected,
            Self::Failed(_) => ConnectionKind::Failed,
            Self::Disconnecting => ConnectionKind::Disconnecting,
        }
    }
}

/// A connection state without what belongs to it: what the table's rows speak of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectionKind {
    /// DISCONNECTED: there is no connection, and none is being made.
    Disconnected,
    /// CONNECTING: a connect was accepted and has not ended.
    Connecting,
    /// CONNECTED: keys can be used and created.
    Connected,
    /// FAILED: a connect has ended with an error, and a disconnect must come first.
    Failed,
    /// DISCONNECTING: a disconnect was accepted and has not ended.
    Disconnecting,
}

impl ConnectionKind {
    /// Every state.
    pub const ALL: [Self; 5] = [
        Self::Disconnected,
        Self::Connecting,
        Self::Connected,
        Self::Failed,
        Self::Disconnecting,
    ];

    /// The name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Disconnected => "DISCONNECTED",
            Self::Connecting => "CONNECTING",
            Self::Connected => "CONNECTED",
            Self::Failed => "FAILED",
            Self::Disconnecting => "DISCONNECTING",
        }
    }
}

/// What happens to a key store's connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectionEvent {
    /// A call of ConnectCustomKeyStore was accepted.
    ConnectRequested,
    /// Logged in on the HSMs, password rotated.
    ConnectSucceeded,
    /// The connect ended in an error.
    ConnectFailed(ConnectionError),
    /// A call of DisconnectCustomKeyStore was accepted.
    DisconnectRequested,
    /// The sessions on the HSMs have ended after a disconnect.
    DisconnectFinished,
}

/// What is to be done when a transition has been committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Close the gate, so that no operation with a key of the store passes.
    CloseGate,
    /// Find the cluster, log in, rotate the password; report back.
    StartConnecting,
    /// Let operations of the new epoch pass.
    OpenGate,
    /// Raise the fence, log out; report back.
    StartDisconnecting,
}

/// A row of the table.
#[derive(Debug, Clone, Copy)]
pub struct Transition {
    /// The state in which the event comes,
    pub from: ConnectionKind,
    /// on this event (the error code of a failure does not matter),
    pub event: ConnectionEvent,
    /// the state into which the store goes,
    pub to: ConnectionKind,
    /// and what is done when that is committed.
    pub actions: &'static [Action],
}

const FAILURE: ConnectionEvent = ConnectionEvent::ConnectFailed(ConnectionError::InternalError);

/// Every transition. What is not here does not happen: the event is refused, or comes too late.
///
/// Rule KS-01: a store leaves CONNECTED only by DisconnectCustomKeyStore.
/// Rule KS-02: connecting a store that is CONNECTED or CONNECTING changes nothing.
pub const TRANSITIONS: &[Transition] = &[
    row(
        ConnectionKind::Disconnected,
        ConnectionEvent::ConnectRequested,
        ConnectionKind::Connecting,
        &[Action::StartConnecting],
    ),
    row(
        ConnectionKind::Connecting,
        ConnectionEvent::ConnectRequested,
        ConnectionKind::Connecting,
        &[],
    ),
    row(
        ConnectionKind::Connected,
        ConnectionEvent::ConnectRequested,
        ConnectionKind::Connected,
        &[],
    ),
    row(
        ConnectionKind::Connecting,
        ConnectionEvent::ConnectSucceeded,
        ConnectionKind::Connected,
        &[Action::OpenGate],
    ),
    row(
        ConnectionKind::Connecting,
        FAILURE,
        ConnectionKind::Failed,
        &[],
    ),
    row(
        ConnectionKind::Connecting,
        ConnectionEvent::DisconnectRequested,
        ConnectionKind::Disconnecting,
        TEAR_DOWN,
    ),
    row(
        ConnectionKind::Connected,
        ConnectionEvent::DisconnectRequested,
        ConnectionKind::Disconnecting,
        TEAR_DOWN,
    ),
    row(
        ConnectionKind::Failed,
        ConnectionEvent::DisconnectRequested,
        ConnectionKind::Disconnecting,
        TEAR_DOWN,
    ),
    row(
        ConnectionKind::Disconnecting,
        ConnectionEvent::DisconnectFinished,
        ConnectionKind::Disconnected,
        &[],
    ),
];

const TEAR_DOWN: &[Action] = &[Action::CloseGate, Action::StartDisconnecting];

const fn row(
    from: ConnectionKind,
    event: ConnectionEvent,
    to: ConnectionKind,
    actions: &'static [Action],
) -> Transition {
    Transition {
        from,
        event,
        to,
        actions,
    }
}

/// Where `event` leads from `state`, and what is to be done; none when it is not permitted.
#[must_use]
pub fn next(state: Connection, event: ConnectionEvent) -> Option<(Connection, &'static [Action])> {
    let same =
        |known: ConnectionEvent| std::mem::discriminant(&known) == std::mem::discriminant(&event);
    let row = TRANSITIONS
        .iter()
        .find(|row| row.from == state.kind() && same(row.event))?;
    let to = match (row.to, event) {
        (ConnectionKind::Failed, ConnectionEvent::ConnectFailed(error)) => {
            Connection::Failed(error)
        }
        (ConnectionKind::Connected, _) => Connection::Connected,
        (ConnectionKind::Connecting, _) => Connection::Connecting,
        (ConnectionKind::Disconnecting, _) => Connection::Disconnecting,
        (ConnectionKind::Disconnected | ConnectionKind::Failed, _) => Connection::Disconnected,
    };
    Some((to, row.actions))
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENTS: [ConnectionEvent; 5] = [
        ConnectionEvent::ConnectRequested,
        ConnectionEvent::ConnectSucceeded,
        ConnectionEvent::ConnectFailed(ConnectionError::NetworkErrors),
        ConnectionEvent::DisconnectRequested,
        ConnectionEvent::DisconnectFinished,
    ];

    const STATES: [Connection; 5] = [
        Connection::Disconnected,
        Connection::Connecting,
        Connection::Connected,
        Connection::Failed(ConnectionError::UserNotFound),
        Connection::Disconnecting,
    ];

    /// Rule KS-01, KS-02
    #[test]
    fn every_event_in_every_state_leads_where_the_committed_table_says() {
        let mut table = String::new();
        for state in STATES {
            for event in EVENTS {
                let outcome = next(state, event).map_or_else(
                    || "-".to_owned(),
                    |(to, actions)| format!("{} {actions:?}", to.name()),
                );
                table.push_str(&format!("{:<14}{event:?}: {outcome}\n", state.name()));
            }
        }
        assert_eq!(table, include_str!("lifecycle.txt"), "{table}");
    }

    #[test]
    fn every_code_has_a_name_and_a_repair() {
        let names: std::collections::BTreeSet<&str> = ConnectionError::ALL
            .iter()
            .map(|code| code.name())
            .collect();
        assert_eq!(names.len(), ConnectionError::ALL.len());
        assert!(ConnectionError::ALL.iter().all(|code| code.repair().contains("onnect")
            || code.repair().contains("ubstitute")));
    }
}
