//! CloudHSM clusters, HSMs, backups and certificates.

mod view;

pub use view::{ClusterState, ClusterView, Clusters, HsmState, HsmView, NetworkTrouble};
