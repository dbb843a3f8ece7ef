//! The one table of the calls. The server's routes, the list in `docs/admin.md` and the page
//! `docs/admin-api.md` come from it.

use crate::call::{Call, CallKind, Form, Method, Place, Route};
use crate::clock::{AdvanceRequest, Clock, StateChangesRequest, TimeScaleRequest};
use crate::events::{EventPage, EventQuery};
use crate::fault_kinds::FaultKindList;
use crate::faults::{ClearedFaults, Fault, FaultList, FaultOrder};
use crate::health::{Health, ResetCount};
use crate::hosts::{EnrolRequest, EnrolledHost, HostList, RevokedHost};
use crate::keys::{
    AttributeRequest, GenerateRequest, KeyFilter, KeyListRequest, KeyPage, MadeKey, Message,
    ReplicateRequest, ReplicatedKey, ShareRequest, UnwrapRequest, WrapRequest, WrappedKey,
};
use crate::load::{LoadOrder, LoadRunDetail, LoadRunList, LoadRunQuery, StartedLoadRun};
use crate::network::{Network, RulesRequest, SubnetRequest, TakeRequest};
use crate::reply::Nothing;
use crate::status::Status;
use crate::users::{
    ActivateRequest, HsmInfoList, LoggedIn, LoginRequest, SessionRequest, UserList, UserName,
    UserPasswordRequest, UserRequest,
};

/// Makes a type of each call, the table of their routes, and for the tests the table of their shapes.
macro_rules! calls {
    ($(
        $(#[doc = $help:literal])+
        $(#[refused = $refused:literal])?
        $(#[example = $example:literal])?
        $(#[name = $name:literal])?
        $call:ident: $kind:ident $form:tt, $method:ident $path:literal, ($query:ty, $request:ty) -> $reply:ty;
    )+) => {
        $(
            $(#[doc = $help])+
            #[derive(Debug, Clone, Copy)]
            pub struct $call;

            impl Call for $call {
                const ROUTE: Route = Route {
                    name: calls!(@first $($name)? stringify!($call)),
                    kind: CallKind::$kind,
                    method: Method::$method,
                    path: $path,
                    help: concat!($($help),+),
                    refused: calls!(@option $($refused)?),
                    example: calls!(@option $($example)?),
                    form: calls!(@form $form),
                };
                type Query = $query;
                type Request = $request;
                type Reply = $reply;
            }
        )+

        /// Every route, in the order of the documentation.
        pub const ROUTES: &[Route] = &[$($call::ROUTE),+];

        /// What each call takes and gives, in the order of [`ROUTES`].
        #[cfg(test)]
        pub(crate) fn shapes() -> Vec<crate::tests::Shapes> {
            vec![$(crate::tests::Shapes::of::<$call>()),+]
        }
    };
    (@first $name:literal $otherwise:expr) => { $name };
    (@first $otherwise:expr) => { $otherwise };
    (@option $given:literal) => { Some($given) };
    (@option) => { None };
    (@form Enveloped) => { Form::Enveloped };
    (@form Bare) => { Form::Bare };
    (@form [$media:literal]) => { Form::Media($media) };
}

calls! {
    /// Says whether Portcullis runs, and whether it can write.
    GetHealth: Health Bare, GET "/_portcullis/health", ((), ()) -> Health;

    /// The same, where scripts written for LocalStack look for it.
    #[name = "GetHealth"]
    GetLocalStackHealth: Health Bare, GET "/_localstack/health", ((), ()) -> Health;

    /// Gives figures in the form of Prometheus.
    GetMetrics: Read ["text/plain; version=0.0.4"], GET "/metrics", ((), ()) -> ();

    /// Shows the key stores, clusters and HSMs of every account and Region.
    GetStatus: Read Bare, GET "/_portcullis/status", ((), ()) -> Status;

    /// Shows what was called and what KMS did by itself, in the form of a CloudTrail log file.
    #[refused = "when `since` is no date"]
    ListEvents: Read Bare, GET "/_portcullis/events", (EventQuery, ()) -> EventPage;

    /// Gives everything that is kept, the device key included, as one file.
    #[refused = "when others can reach the address and it would go in the clear"]
    #[example = "{}"]
    TakeSnapshot: Secret ["application/octet-stream"], POST "/_portcullis/snapshot", ((), Nothing) -> ();

    /// Begins the world anew. The answer comes before that begins.
    #[refused = "when Portcullis is part of another program"]
    #[example = "{}"]
    Reset: Change Enveloped, POST "/_portcullis/reset", ((), Nothing) -> ResetCount;

    /// The same, where scripts written for LocalStack ask for it.
    #[refused = "when Portcullis is part of another program"]
    #[example = "{}"]
    #[name = "Reset"]
    ResetLocalStackState: Change Enveloped, POST "/_localstack/state/reset", ((), Nothing) -> ResetCount;

    /// Gives the certificate that signs every AwsHardwareCertificate.
    #[name = "GetRoot"]
    GetAwsRoot: Read ["application/x-pem-file"], GET "/_portcullis/roots/aws.pem", ((), ()) -> ();

    /// Gives the certificate that signs every ManufacturerHardwareCertificate.
    #[name = "GetRoot"]
    GetManufacturerRoot: Read ["application/x-pem-file"], GET "/_portcullis/roots/manufacturer.pem", ((), ()) -> ();

    /// Shows the services' clock.
    GetClock: Read Enveloped, GET "/_portcullis/clock", ((), ()) -> Clock;

    /// Puts the clock forward. What falls due by then has happened when the answer comes.
    #[refused = "when it is more than 400 days at once"]
    #[example = r#"{"seconds": 86400}"#]
    AdvanceClock: Change Enveloped, POST "/_portcullis/clock/advance", ((), AdvanceRequest) -> Clock;

    /// Makes the clock run faster, or as fast as real time. It is remembered across restarts.
    #[refused = "when the scale is out of range"]
    #[example = r#"{"time_scale": 60}"#]
    SetTimeScale: Change Enveloped, POST "/_portcullis/clock/scale", ((), TimeScaleRequest) -> Clock;

    /// Says how long changes of state take, until the next start.
    #[refused = "when it is no pace"]
    #[example = r#"{"state_changes": "describes:3"}"#]
    SetStateChanges: Change Enveloped, POST "/_portcullis/clock/state-changes", ((), StateChangesRequest) -> Clock;

    /// Lists the hosts that were invited.
    ListHosts: Read Enveloped, GET "/_portcullis/hosts", ((), ()) -> HostList;

    /// Makes a token with which one host may join.
    #[refused = "when no Region has such a zone"]
    #[example = r#"{"availability_zone": "us-east-1b"}"#]
    EnrolHost: Change Enveloped, POST "/_portcullis/hosts", ((), EnrolRequest) -> EnrolledHost;

    /// Lets a host in no more; its HSM is used no more.
    #[refused = "when there is no such host"]
    RevokeHost: Change Enveloped, DELETE "/_portcullis/hosts/{number}", ((), ()) -> RevokedHost;

    /// Takes an HSM down as a power cut does; its disk stays.
    #[refused = "when no cluster has such an HSM"]
    CrashHsm: Change Enveloped, POST "/_portcullis/hsm/{id}/crash", ((), ()) -> String;

    /// Starts an HSM from its disk.
    #[refused = "when no cluster has such an HSM, or it does not start"]
    RestartHsm: Change Enveloped, POST "/_portcullis/hsm/{id}/restart", ((), ()) -> String;

    /// Lists the faults that are not undone.
    ListFaults: Read Enveloped, GET "/_portcullis/chaos", ((), ()) -> FaultList;

    /// Breaks something on purpose.
    #[refused = "when the order lacks something or has too much, or nothing is where it points"]
    #[example = r#"{"kind": "slow", "zone": "us-east-1a", "delay_ms": 200, "duration_ms": 30000}"#]
    InjectFault: Change Enveloped, POST "/_portcullis/chaos", (Place, FaultOrder) -> Fault;

    /// Undoes every fault, the latest first, and strikes off the list what cannot be undone.
    #[refused = "when one could not be undone at present; the others are undone"]
    ClearFaults: Change Enveloped, DELETE "/_portcullis/chaos", ((), ()) -> ClearedFaults;

    /// Lists the kinds of faults that there are.
    ListFaultKinds: Read Enveloped, GET "/_portcullis/chaos/kinds", ((), ()) -> FaultKindList;

    /// Undoes one fault.
    #[refused = "when there is no such fault, or it cannot be undone"]
    UndoFault: Change Enveloped, DELETE "/_portcullis/chaos/{id}", ((), ()) -> String;

    /// Lists the load runs that are kept.
    #[refused = "unless `portcullis up` serves it"]
    ListLoadRuns: Read Enveloped, GET "/_portcullis/load", ((), ()) -> LoadRunList;

    /// Starts a load run against this Portcullis.
    #[refused = "when there is no such run, or one is under way"]
    #[example = r#"{"scenario": "steady", "rate": 200, "seconds": 10, "account": "000000000000", "region": "us-east-1"}"#]
    StartLoadRun: Change Enveloped, POST "/_portcullis/load", ((), LoadOrder) -> StartedLoadRun;

    /// Shows a load run as it grows.
    #[refused = "when there is no such run"]
    GetLoadRun: Read Enveloped, GET "/_portcullis/load/{id}", (LoadRunQuery, ()) -> LoadRunDetail;

    /// Ends a load run that is under way.
    #[refused = "when there is no such run"]
    StopLoadRun: Change Enveloped, DELETE "/_portcullis/load/{id}", ((), ()) -> String;

    /// Gives the report of a load run that is over, as a page.
    #[refused = "when there is no such run, or it has no report yet"]
    GetLoadReport: Read ["text/html; charset=utf-8"], GET "/_portcullis/load/{id}/report", ((), ()) -> ();

    /// Shows the subnets and security groups of an account in a Region.
    GetNetwork: Read Enveloped, GET "/_portcullis/vpc", (Place, ()) -> Network;

    /// Makes a subnet.
    #[refused = "when it shares addresses with another one of its VPC, or its zone is none of the Region"]
    #[example = r#"{"id": "subnet-0123abcd", "zone": "us-east-1d", "cidr": "172.31.48.0/20"}"#]
    AddSubnet: Change Enveloped, POST "/_portcullis/vpc/subnets", (Place, SubnetRequest) -> String;

    /// Deletes a subnet.
    #[refused = "when there is no such subnet"]
    DeleteSubnet: Change Enveloped, POST "/_portcullis/vpc/subnets/{id}/delete", (Place, ()) -> String;

    /// Brings a deleted subnet back.
    #[refused = "when there is no such subnet"]
    RestoreSubnet: Change Enveloped, POST "/_portcullis/vpc/subnets/{id}/restore", (Place, ()) -> String;

    /// Lets others than HSMs have addresses of a subnet.
    #[refused = "when there is no such subnet"]
    #[example = r#"{"addresses": "all"}"#]
    TakeAddresses: Change Enveloped, POST "/_portcullis/vpc/subnets/{id}/take", (Place, TakeRequest) -> String;

    /// Replaces the rules of a cluster's security group.
    #[refused = "when no cluster has such a group"]
    #[example = r#"{"rules": []}"#]
    SetSecurityGroupRules: Change Enveloped, POST "/_portcullis/vpc/security-groups/{id}/rules", (Place, RulesRequest) -> String;

    /// Gives a security group the rules back that CloudHSM made.
    #[refused = "when no cluster has such a group"]
    RestoreSecurityGroupRules: Change Enveloped, POST "/_portcullis/vpc/security-groups/{id}/restore", (Place, ()) -> String;

    /// Sets the first password of a cluster's `admin`: `cluster activate`.
    #[refused = "when there is no such cluster, or it is activated already"]
    #[example = r#"{"password": "adminPassword1"}"#]
    ActivateCluster: Change Enveloped, POST "/_portcullis/cloudhsm/{cluster}/activate", (Place, ActivateRequest) -> String;

    /// Opens a session: `login`.
    #[refused = "when the name, role or password is wrong"]
    #[example = r#"{"username": "admin", "role": "admin", "password": "adminPassword1"}"#]
    LogIn: Change Enveloped, POST "/_portcullis/cloudhsm/{cluster}/login", (Place, LoginRequest) -> LoggedIn;

    /// Ends a session: `logout`.
    #[refused = "when there is no such session"]
    #[example = r#"{"token": "..."}"#]
    LogOut: Change Enveloped, POST "/_portcullis/cloudhsm/{cluster}/logout", ((), SessionRequest) -> String;

    /// Shows whose session it is.
    #[refused = "when there is no such session"]
    #[example = r#"{"token": "..."}"#]
    GetSession: Read Enveloped, POST "/_portcullis/cloudhsm/{cluster}/session", ((), SessionRequest) -> UserName;

    /// Makes a user: `user create`.
    #[refused = "unless an admin asks and the user is new"]
    #[example = r#"{"token": "...", "username": "kmsuser", "role": "crypto-user", "password": "kmsPswd1"}"#]
    CreateUser: Change Enveloped, POST "/_portcullis/cloudhsm/{cluster}/users", ((), UserPasswordRequest) -> UserName;

    /// Lists the users of a cluster: `user list`.
    #[refused = "when there is no such cluster, or no HSM answers"]
    ListUsers: Read Enveloped, GET "/_portcullis/cloudhsm/{cluster}/users", (Place, ()) -> UserList;

    /// Gives a user another password: `user change-password`.
    #[refused = "unless an admin or the user asks"]
    #[example = r#"{"token": "...", "username": "kmsuser", "role": "crypto-user", "password": "kmsPswd2"}"#]
    ChangePassword: Change Enveloped, POST "/_portcullis/cloudhsm/{cluster}/users/change-password", ((), UserPasswordRequest) -> UserName;

    /// Deletes a user: `user delete`.
    #[refused = "unless an admin asks and the user may be deleted"]
    #[example = r#"{"token": "...", "username": "bob", "role": "crypto-user"}"#]
    DeleteUser: Change Enveloped, POST "/_portcullis/cloudhsm/{cluster}/users/delete", ((), UserRequest) -> UserName;

    /// Describes the HSMs of a cluster: `cluster hsm-info`.
    #[refused = "when there is no such cluster"]
    GetHsmInfo: Read Enveloped, GET "/_portcullis/cloudhsm/{cluster}/hsm-info", (Place, ()) -> HsmInfoList;

    /// Lists keys of a cluster: `key list`.
    #[refused = "when there is no such session, or the filter cannot be read"]
    #[example = r#"{"token": "...", "filter": ["attr.key-type=aes"], "verbose": true}"#]
    ListHsmKeys: Read Enveloped, POST "/_portcullis/cloudhsm/{cluster}/keys/list", ((), KeyListRequest) -> KeyPage;

    /// Makes a key: `key generate-symmetric aes`.
    #[refused = "unless a crypto user asks, with attributes that a key can have"]
    #[example = r#"{"token": "...", "label": "payments", "key_length_bytes": 32}"#]
    GenerateHsmKey: Change Enveloped, POST "/_portcullis/cloudhsm/{cluster}/keys/generate", ((), GenerateRequest) -> MadeKey;

    /// Deletes a key: `key delete`.
    #[refused = "unless its owner asks and the filter selects one key"]
    #[example = r#"{"token": "...", "filter": ["attr.label=payments"]}"#]
    DeleteHsmKey: Change Enveloped, POST "/_portcullis/cloudhsm/{cluster}/keys/delete", ((), KeyFilter) -> Message;

    /// Lets another crypto user use a key: `key share`.
    #[refused = "unless its owner asks and there is such a crypto user"]
    #[example = r#"{"token": "...", "filter": ["attr.label=payments"], "username": "bob"}"#]
    ShareHsmKey: Change Enveloped, POST "/_portcullis/cloudhsm/{cluster}/keys/share", ((), ShareRequest) -> Message;

    /// Takes the use of a key back: `key unshare`.
    #[refused = "unless its owner asks and the key is shared with that user"]
    #[example = r#"{"token": "...", "filter": ["attr.label=payments"], "username": "bob"}"#]
    UnshareHsmKey: Change Enveloped, POST "/_portcullis/cloudhsm/{cluster}/keys/unshare", ((), ShareRequest) -> Message;

    /// Changes an attribute of a key: `key set-attribute`.
    #[refused = "unless the user may change it to that"]
    #[example = r#"{"token": "...", "filter": ["attr.label=payments"], "name": "encrypt", "value": "false"}"#]
    SetHsmKeyAttribute: Change Enveloped, POST "/_portcullis/cloudhsm/{cluster}/keys/set-attribute", ((), AttributeRequest) -> Message;

    /// Wraps a key under another one: `key wrap`.
    #[refused = "unless both keys permit it"]
    #[example = r#"{"token": "...", "mechanism": "aes-zero-pad", "payload_filter": ["attr.label=payments"], "wrapping_filter": ["attr.label=wrapping"]}"#]
    WrapHsmKey: Change Enveloped, POST "/_portcullis/cloudhsm/{cluster}/keys/wrap", ((), WrapRequest) -> WrappedKey;

    /// Makes a key from what was wrapped: `key unwrap`.
    #[refused = "unless the data are a key wrapped like that under that key"]
    #[example = r#"{"token": "...", "mechanism": "aes-zero-pad", "filter": ["attr.label=wrapping"], "data": "...", "key_type_class": "aes", "label": "payments-again"}"#]
    UnwrapHsmKey: Change Enveloped, POST "/_portcullis/cloudhsm/{cluster}/keys/unwrap", ((), UnwrapRequest) -> MadeKey;

    /// Copies a key to a cluster that shares a backup history: `key replicate`.
    #[refused = "unless both clusters have the same masking key and the same owner of the key"]
    #[example = r#"{"token": "...", "destination_token": "...", "filter": ["attr.label=payments"]}"#]
    ReplicateHsmKey: Change Enveloped, POST "/_portcullis/cloudhsm/{cluster}/keys/replicate", ((), ReplicateRequest) -> ReplicatedKey;
}
