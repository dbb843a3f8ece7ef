//! The admin API: every call with its route, what it takes and what it gives.
//!
//! The server answers these calls, and the command line and the load generator make them, with the
//! same types. The TypeScript types of the console and the reference page `docs/admin-api.md` are
//! written from them by this crate's tests, which fail when either is not up to date.
//!
//! Nothing is decided here, and nothing is sent: this is what both sides agree on.
//!
//! ```
//! use portcullis_admin::{Call, Place, RestartHsm, target};
//!
//! assert_eq!(RestartHsm::ROUTE.name, "RestartHsm");
//! let here = Place::default();
//! let target = target::<RestartHsm>(&["hsm-abcdefghijk"], &here);
//! assert_eq!(target, "/_portcullis/hsm/hsm-abcdefghijk/restart");
//! ```

mod call;
mod calls;
mod clock;
mod events;
mod fault_kinds;
mod faults;
mod health;
mod hosts;
mod keys;
mod load;
mod load_scenario;
mod load_summary;
mod load_timeline;
mod network;
mod rehearsal;
mod reply;
mod secret;
mod status;
#[cfg(test)]
mod tests;
mod users;

pub use call::{Call, CallKind, Form, Method, Place, Route, body, target};
pub use calls::*;
pub use clock::{AdvanceRequest, Clock, StateChangesRequest, TimeScaleRequest};
pub use events::{AdminCalls, EventPage, EventQuery, EventRecord, EventResource};
pub use fault_kinds::{
    FaultDescription, FaultField, FaultGroup, FaultKind, FaultKindList, FaultPlace,
};
pub use faults::{ClearedFaults, Direction, Fault, FaultList, FaultOrder};
pub use health::{Health, ResetCount, Services};
pub use hosts::{EnrolRequest, EnrolledHost, Host, HostList, HostState, RevokedHost};
pub use keys::{
    AttributeRequest, AttributeValue, GenerateRequest, KeyFilter, KeyInfo, KeyListRequest, KeyPage,
    KeyQuorum, KeyUser, ListedKey, MadeKey, Message, ReplicateRequest, ReplicatedKey, ShareRequest,
    UnwrapRequest, WrapRequest, WrappedKey,
};
pub use load::{
    KeptLoadOrder, LoadOrder, LoadRun, LoadRunDetail, LoadRunList, LoadRunQuery, LoadRunState,
    StartedLoadRun,
};
pub use load_scenario::{BackupChoice, EditKind, LoadScenario};
pub use load_summary::{
    CallResults, PhaseResults, RunLatency, RunSummary, RunThreshold, ThresholdUnit,
};
pub use load_timeline::{LoadPhase, LoadSecond, LoadSpan, OperationSecond, TimelineLine};
pub use network::{
    Addresses, Network, NetworkRule, RuleDirection, RulesRequest, Subnet, SubnetRequest,
    TakeRequest,
};
pub use rehearsal::{LostKey, Rehearsal, RehearsalStage, RehearsalThreshold, RepairStage};
pub use reply::{Nothing, Reply};
pub use secret::Secret;
pub use status::{ClusterStatus, Defaults, HsmStatus, KeyStoreStatus, Status};
pub use users::{
    ActivateRequest, HsmInfo, HsmInfoList, LoggedIn, LoginRequest, Role, SessionRequest, User,
    UserList, UserName, UserPasswordRequest, UserRequest,
};
