//! The one table of what is served beside the AWS endpoint. Every router is built from it, and so
//! is the list in `docs/admin.md`.

use super::route::{Route, delete, get, post};
use super::{
    chaos, clock, events, health, hosts, hsm, keys, load, reset, roots, snapshot, status, users,
    vpc,
};

/// Where the verbs of the CloudHSM CLI are.
const CLUSTER: &str = "/_portcullis/cloudhsm/{cluster}";

/// Where the network of clusters is.
const VPC: &str = "/_portcullis/vpc";

/// Every route.
pub(crate) fn table() -> Vec<Route> {
    let mut table = vec![
        // Rule WIRE-13: also where scripts written for LocalStack look for the health.
        Route::health("/_portcullis/health", get(health::health)),
        Route::health("/_localstack/health", get(health::health)),
        Route::read("GetMetrics", "/metrics", get(health::metrics)),
        Route::read("GetStatus", "/_portcullis/status", get(status::status)),
        Route::read("ListEvents", "/_portcullis/events", get(events::events)),
        Route::secret(
            "TakeSnapshot",
            "/_portcullis/snapshot",
            post(snapshot::take),
        ),
        // Rule WIRE-13: also where scripts written for LocalStack ask for it.
        Route::change("Reset", "/_portcullis/reset", post(reset::reset)),
        Route::change("Reset", "/_localstack/state/reset", post(reset::reset)),
        Route::read("GetRoot", "/_portcullis/roots/aws.pem", get(roots::aws)),
        Route::read(
            "GetRoot",
            "/_portcullis/roots/manufacturer.pem",
            get(roots::manufacturer),
        ),
    ];
    table.extend(of_clock());
    table.extend(of_hsms());
    table.extend(of_load());
    table.extend(crate::console::routes());
    table.extend(of_network().map(|route| route.below(VPC)));
    table.extend(of_users().map(|route| route.below(CLUSTER)));
    table.extend(of_keys().map(|route| route.below(CLUSTER)));
    table
}

fn of_clock() -> [Route; 4] {
    [
        Route::read("GetClock", "/_portcullis/clock", get(clock::show)),
        Route::change(
            "AdvanceClock",
            "/_portcullis/clock/advance",
            post(clock::advance),
        ),
        Route::change(
            "SetTimeScale",
            "/_portcullis/clock/scale",
            post(clock::set_scale),
        ),
        Route::change(
            "SetStateChanges",
            "/_portcullis/clock/state-changes",
            post(clock::set_state_changes),
        ),
    ]
}

fn of_hsms() -> [Route; 10] {
    let (host, fault) = ("/_portcullis/hosts/{number}", "/_portcullis/chaos/{id}");
    [
        Route::read("ListHosts", "/_portcullis/hosts", get(hosts::list)),
        Route::change("EnrolHost", "/_portcullis/hosts", post(hosts::enrol)),
        Route::change("RevokeHost", host, delete(hosts::revoke)),
        Route::change("CrashHsm", "/_portcullis/hsm/{id}/crash", post(hsm::crash)),
        Route::change(
            "RestartHsm",
            "/_portcullis/hsm/{id}/restart",
            post(hsm::restart),
        ),
        Route::read("ListFaults", "/_portcullis/chaos", get(chaos::list)),
        Route::change("InjectFault", "/_portcullis/chaos", post(chaos::inject)),
        Route::change("ClearFaults", "/_portcullis/chaos", delete(chaos::clear)),
        Route::read(
            "ListFaultKinds",
            "/_portcullis/chaos/kinds",
            get(chaos::kinds),
        ),
        Route::change("UndoFault", fault, delete(chaos::undo)),
    ]
}

fn of_load() -> [Route; 5] {
    let (runs, run) = ("/_portcullis/load", "/_portcullis/load/{id}");
    [
        Route::read("ListLoadRuns", runs, get(load::list)),
        Route::change("StartLoadRun", runs, post(load::start)),
        Route::read("GetLoadRun", run, get(load::show)),
        Route::change("StopLoadRun", run, delete(load::stop)),
        Route::read(
            "GetLoadReport",
            "/_portcullis/load/{id}/report",
            get(load::report),
        ),
    ]
}

fn of_network() -> impl Iterator<Item = Route> {
    [
        Route::read("GetNetwork", "", get(vpc::show)),
        Route::change("AddSubnet", "/subnets", post(vpc::add)),
        Route::change("DeleteSubnet", "/subnets/{id}/delete", vpc::delete_subnet()),
        Route::change(
            "RestoreSubnet",
            "/subnets/{id}/restore",
            vpc::restore_subnet(),
        ),
        Route::change("TakeAddresses", "/subnets/{id}/take", post(vpc::take)),
        Route::change(
            "SetSecurityGroupRules",
            "/security-groups/{id}/rules",
            post(vpc::set_rules),
        ),
        Route::change(
            "RestoreSecurityGroupRules",
            "/security-groups/{id}/restore",
            vpc::restore_rules(),
        ),
    ]
    .into_iter()
}

fn of_users() -> impl Iterator<Item = Route> {
    [
        Route::change("ActivateCluster", "/activate", post(users::activate)),
        Route::change("LogIn", "/login", post(users::login)),
        Route::change("LogOut", "/logout", post(users::logout)),
        Route::read("GetSession", "/session", post(users::session)),
        Route::change("CreateUser", "/users", post(users::create)),
        Route::read("ListUsers", "/users", get(users::list)),
        Route::change(
            "ChangePassword",
            "/users/change-password",
            post(users::change_password),
        ),
        Route::change("DeleteUser", "/users/delete", post(users::delete)),
        Route::read("GetHsmInfo", "/hsm-info", get(users::hsm_info)),
    ]
    .into_iter()
}

fn of_keys() -> impl Iterator<Item = Route> {
    [
        Route::read("ListHsmKeys", "/keys/list", post(keys::list)),
        Route::change("GenerateHsmKey", "/keys/generate", post(keys::generate)),
        Route::change("DeleteHsmKey", "/keys/delete", post(keys::delete)),
        Route::change("ShareHsmKey", "/keys/share", post(keys::share)),
        Route::change("UnshareHsmKey", "/keys/unshare", post(keys::unshare)),
        Route::change(
            "SetHsmKeyAttribute",
            "/keys/set-attribute",
            post(keys::set_attribute),
        ),
        Route::change("WrapHsmKey", "/keys/wrap", post(keys::wrap)),
        Route::change("UnwrapHsmKey", "/keys/unwrap", post(keys::unwrap)),
        Route::change("ReplicateHsmKey", "/keys/replicate", post(keys::replicate)),
    ]
    .into_iter()
}
